/*
 * fuzz_json.c - any bytes through the strict parser and the getters.
 *
 * What is taken must be refused by none of the rules: written out and parsed
 * again it is equal. What is refused has a one-line record and no document.
 * jansson's own reader is the witness: it takes the same, as the same values.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "supervisor/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const json_t *root)
{
	static const char *const keys[] = { "a", "mounts", "process", "" };
	struct json_at at = JSON_AT_ROOT;
	struct arena a = ARENA_INIT;

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		struct err e = ERR_INIT;
		const char *s = "";
		char **list = NULL;
		int64_t n = 0;
		uint32_t u = 0;

		json_get_string(root, &at, keys[i], &s, &e);
		json_get_int(root, &at, keys[i], -5, 5, &n, &e);
		json_get_u32(root, &at, keys[i], &u, &e);
		if (n < -5 || n > 5)
			abort();
		if (json_get_strings(root, &at, keys[i], &a, &list, NULL, &e) == 1 && !list)
			abort();
		at = json_at_key(&at, keys[i]);
		if (strlen(at.text) >= JSON_POINTER_MAX)
			abort();
	}
	arena_free(&a);
}

/* It takes nesting as deep as it likes and goes on behind some NULs, but no integer from 2^63 on. */
static void compare(const json_t *ours, const struct err *e, const char *data, size_t size)
{
	json_error_t error;
	json_t *theirs = json_loadb(data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);

	if (ours && theirs && !json_equal(ours, theirs))
		abort();
	if (ours && !theirs && json_error_code(&error) != json_error_numeric_overflow)
		abort();
	if (!ours && theirs && !memchr(data, '\0', size) && !strstr(e->context[0], "nested deeper"))
		abort();
	json_decref(theirs);
}

/* A job file and a policy: whatever they are, they are taken, or refused with a record. */
static void read_as_job(const json_t *document)
{
	static struct job job, none;
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;

	job = none;
	if (job_file_parse(document, "/folder", &a, &job, &e) < 0 && !e.error)
		abort();
	e = (struct err)ERR_INIT;
	if (!job.source)
		job.source = "image";
	if (job_policy_check_document(document, &job, 0, &e) < 0 && !e.error)
		abort();
	arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	json_t *root = NULL, *again = NULL;
	char line[2048];
	int r = json_parse_strict((const char *)data, size, "input", &root, &e);

	compare(root, &e, (const char *)data, size);
	if (r < 0) {
		err_format(&e, line, sizeof line);
		if (root || r != -EINVAL || !line[0] || strchr(line, '\n'))
			abort();
		return 0;
	}
	if (e.error || !root)
		abort();
	ask(root);
	read_as_job(root);
	{
		char *text = json_dumps(root, JSON_ENCODE_ANY);

		if (text && (json_parse_strict(text, strlen(text), "again", &again, &e) < 0 ||
			     !json_equal(root, again)))
			abort();
		free(text);
	}
	json_decref(again);
	json_decref(root);
	return 0;
}
