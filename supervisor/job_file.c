/*
 * job_file.c - a job as a JSON file: docs/job.schema.json, and nothing else.
 *
 * A key that is not known is a refusal: what was misspelt would be a limit that
 * is not there.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "supervisor/job.h"

#define VERSION	  1
#define ITEMS_MAX 4096 /* of any list */
#define VALUE_MAX 64   /* of a number as text */

struct reader {
	struct arena *arena;
	const char *folder;
	struct job *job;
};

static const char *const top_keys[] = { "version", "id",     "image",	"folder",
					"command", "env",    "limits",	"allow_degraded", "pass_env",
					"files",   "inputs", "collect", NULL };

static bool is_in(const char *const *list, const char *key)
{
	for (; *list; list++)
		if (strcmp(*list, key) == 0)
			return true;
	return false;
}

static const struct job_setting *find_setting(const char *section, const char *key)
{
	for (size_t i = 0; i < job_setting_count; i++) {
		const struct job_setting *s = &job_settings[i];

		if (strcmp(s->key, key) == 0 &&
		    (section ? s->section && strcmp(s->section, section) == 0 : !s->section))
			return s;
	}
	return NULL;
}

static int unknown_key(const struct json_at *at, const char *key, struct err *e)
{
	struct json_at here = json_at_key(at, key);

	json_bad(e, &here, "is no key of a job file");
	return err_fix(e, "docs/job.schema.json has those that are");
}

/* Numbers are taken as their text, so that a file and an option mean the same. */
static int value_text(const json_t *v, const struct json_at *at, struct arena *a, const char **ret,
		      struct err *e)
{
	char number[VALUE_MAX];

	if (json_is_string(v)) {
		*ret = arena_strdup(a, json_string_value(v));
	} else if (json_is_integer(v)) {
		*ret = arena_printf(a, "%lld", (long long)json_integer_value(v));
	} else if (json_is_real(v)) {
		snprintf(number, sizeof number, "%f", json_real_value(v));
		*ret = arena_strdup(a, number);
	} else {
		return json_bad(e, at, "must be a string or a number");
	}
	return *ret ? 0 : err_set(e, ENOMEM, "%s", at->text);
}

static bool is_host_path(const struct job_setting *s)
{
	return s->offset == offsetof(struct job, collect_to) ||
	       s->offset == offsetof(struct job, workspace_from) ||
	       (s->offset >= offsetof(struct job, stdio) &&
		s->offset < offsetof(struct job, stdio) + sizeof((struct job *)0)->stdio);
}

static const char *beside(struct reader *r, const char *path)
{
	return path[0] == '/' ? path : arena_printf(r->arena, "%s/%s", r->folder, path);
}

static int read_setting(struct reader *r, const struct job_setting *s, const json_t *v,
			const struct json_at *parent, struct err *e)
{
	struct json_at at = json_at_key(parent, s->key);
	const char *text = NULL;
	int n = value_text(v, &at, r->arena, &text, e);

	if (n == 0 && is_host_path(s) && *text)
		text = beside(r, text);
	return n < 0 ? n : s->set(r->job, s, at.text, text, e);
}

static int read_limits(struct reader *r, json_t *limits, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "limits");
	const char *key;
	json_t *v;

	json_object_foreach(limits, key, v)
	{
		const struct job_setting *s = find_setting("limits", key);
		int n = s ? read_setting(r, s, v, &at, e) : unknown_key(&at, key, e);

		if (n < 0)
			return n;
	}
	return 0;
}

static int read_top(struct reader *r, const json_t *document, struct err *e)
{
	struct json_at root = JSON_AT_ROOT;
	const char *key;
	json_t *v;
	int n = 0;

	json_object_foreach((json_t *)document, key, v)
	{
		const struct job_setting *s = find_setting(NULL, key);

		if (s)
			n = read_setting(r, s, v, &root, e);
		else if (!is_in(top_keys, key))
			n = unknown_key(&root, key, e);
		if (n < 0)
			return n;
	}
	return 0;
}

static int read_source(struct reader *r, const json_t *document, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, folder = json_at_key(&root, "folder"),
		       image = json_at_key(&root, "image");
	const char *text = NULL;
	int n = json_get_string(document, &root, "image", &text, e), m;

	if (n > 0 && (!*text || *text == '/' || *text == '.'))
		return json_bad(e, &image, "\"%.64s\" is no image's name", text);
	if (n > 0)
		r->job->source = arena_strdup(r->arena, text);
	m = n < 0 ? n : json_get_string(document, &root, "folder", &text, e);
	if (m <= 0)
		return m;
	if (n > 0)
		return json_bad(e, &folder, "cannot be given beside /image");
	if (!*text)
		return json_bad(e, &folder, "must not be empty");
	r->job->source = beside(r, arena_strdup(r->arena, text));
	r->job->is_folder = true;
	return 0;
}

static int read_env(struct reader *r, const json_t *document, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "env");
	const char **list, *key;
	json_t *env = NULL, *v;
	size_t n = 0;
	int got = json_get_object(document, &root, "env", &env, e);

	if (got <= 0)
		return got;
	if (json_object_size(env) > ITEMS_MAX)
		return json_bad(e, &at, "has more than %d names", ITEMS_MAX);
	list = arena_array(r->arena, json_object_size(env) + 1, sizeof *list);
	json_object_foreach(env, key, v)
	{
		struct json_at here = json_at_key(&at, key);

		if (!*key || strchr(key, '='))
			return json_bad(e, &here, "is no variable's name");
		if (!json_is_string(v))
			return json_bad(e, &here, "must be a string");
		if (list)
			list[n++] = arena_printf(r->arena, "%s=%s", key, json_string_value(v));
	}
	r->job->env = list;
	r->job->env_count = n;
	return 0;
}

static int read_lists(struct reader *r, const json_t *document, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "allow_degraded");
	char **command = NULL, **waived = NULL, **pass = NULL;
	int n = json_get_strings(document, &root, "command", r->arena, &command, NULL, e);

	if (n > 0)
		r->job->args = command;
	if (n >= 0)
		n = json_get_strings(document, &root, "pass_env", r->arena, &pass,
				     &r->job->pass_env_count, e);
	if (n > 0)
		r->job->pass_env = (const char *const *)pass;
	if (n >= 0)
		n = json_get_strings(document, &root, "allow_degraded", r->arena, &waived, NULL, e);
	for (size_t i = 0; n > 0 && waived[i]; i++) {
		struct json_at here = json_at_index(&at, i);

		if (!*waived[i] || strchr(waived[i], ','))
			return json_bad(e, &here, "must be one name");
		if (job_parse_waived(here.text, waived[i], &r->job->waived, e) < 0)
			return -e->error;
	}
	return n < 0 ? n : 0;
}

static int read_id(struct reader *r, const json_t *document, struct err *e)
{
	struct json_at root = JSON_AT_ROOT;
	const char *id = NULL;
	int n = json_get_string(document, &root, "id", &id, e);

	if (n > 0)
		r->job->id = arena_strdup(r->arena, id);
	return n < 0 ? n : 0;
}

static int read_entry_keys(const json_t *o, const struct json_at *at, const char *const *known,
			   struct err *e)
{
	const char *key;
	json_t *v;

	if (!json_is_object(o))
		return json_bad(e, at, "must be an object");
	json_object_foreach((json_t *)o, key, v) if (!is_in(known, key)) return unknown_key(at, key,
											    e);
	return 0;
}

/* base64, as RFC 4648 has it, with its padding and nothing between. */
static bool decode(const char *text, struct arena *a, struct job_file *f)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t len = strlen(text), pad;
	uint32_t bits = 0;
	char *out = arena_alloc(a, len / 4 * 3 + 1);

	if (len % 4 || !out)
		return false;
	pad = len && text[len - 1] == '=' ? 1 + (text[len - 2] == '=') : 0;
	for (size_t i = 0; i < len; i++) {
		const char *d = i < len - pad ? memchr(digits, text[i], 64) : digits;

		if (!d)
			return false;
		bits = bits << 6 | (uint32_t)(d - digits);
		if (i % 4 == 3)
			for (int k = 2; k >= 0; k--)
				out[f->size++] = (char)(bits >> 8 * k);
	}
	f->size -= pad;
	f->data = out;
	return true;
}

static int read_content(struct reader *r, const json_t *o, const struct json_at *at,
			struct job_file *f, struct err *e)
{
	struct json_at plain = json_at_key(at, "content"), coded = json_at_key(at, "base64");
	const char *text = NULL, *base64 = NULL;
	int n = json_get_string(o, at, "content", &text, e), m;

	m = n < 0 ? n : json_get_string(o, at, "base64", &base64, e);
	if (m < 0)
		return m;
	if (n > 0 && m > 0)
		return json_bad(e, &coded, "cannot be given beside content");
	if (m > 0)
		return decode(base64, r->arena, f) ? 0 : json_bad(e, &coded, "is no base64");
	if (n == 0)
		return json_bad(e, &plain, "is required, or base64");
	f->data = arena_strdup(r->arena, text);
	f->size = strlen(text);
	return 0;
}

static int read_one_file(struct reader *r, const json_t *o, const struct json_at *at, struct err *e)
{
	static const char *const known[] = { "path", "content", "base64", "mode", NULL };
	struct json_at mode_at = json_at_key(at, "mode");
	struct job_file f = { .mode = 0644 };
	const char *path = NULL, *mode = NULL;
	char *end;
	int n = read_entry_keys(o, at, known, e);

	if (n == 0)
		n = json_require(json_get_string(o, at, "path", &path, e), at, "path", e);
	if (n > 0)
		n = json_get_string(o, at, "mode", &mode, e);
	if (n > 0) {
		f.mode = (unsigned int)strtoul(mode, &end, 8);
		if (mode[0] < '0' || mode[0] > '7' || *end || f.mode > 0777)
			n = json_bad(e, &mode_at, "\"%.16s\" is no mode (0 to 0777)", mode);
	}
	if (n >= 0)
		n = read_content(r, o, at, &f, e);
	if (n < 0)
		return n;
	f.path = arena_strdup(r->arena, path);
	return job_add_file_parts(r->job, at->text, &f, e);
}

static int read_one_input(struct reader *r, const json_t *o, const struct json_at *at,
			  struct err *e)
{
	static const char *const known[] = { "source", "path", NULL };
	const char *source = NULL, *path = NULL;
	int n = read_entry_keys(o, at, known, e);

	if (n == 0)
		n = json_require(json_get_string(o, at, "source", &source, e), at, "source", e);
	if (n > 0)
		n = json_require(json_get_string(o, at, "path", &path, e), at, "path", e);
	if (n < 0)
		return n;
	return job_add_input_parts(r->job, at->text,
				   (struct job_input){ .source = beside(r, arena_strdup(r->arena, source)),
						       .path = arena_strdup(r->arena, path) },
				   e);
}

static int read_one_pattern(struct reader *r, const json_t *o, const struct json_at *at,
			    struct err *e)
{
	if (!json_is_string(o))
		return json_bad(e, at, "must be a string");
	return job_add_pattern(r->job, at->text, arena_strdup(r->arena, json_string_value(o)), e);
}

static int read_list(struct reader *r, const json_t *document, const char *key,
		     int (*one)(struct reader *, const json_t *, const struct json_at *,
				struct err *),
		     struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, key);
	json_t *list = NULL, *v;
	size_t i;
	int n = json_get_array(document, &root, key, &list, e);

	if (n <= 0)
		return n;
	json_array_foreach(list, i, v)
	{
		struct json_at here = json_at_index(&at, i);

		n = one(r, v, &here, e);
		if (n < 0)
			return n;
	}
	return 0;
}

int job_file_parse(const json_t *document, const char *folder, struct arena *a, struct job *job,
		   struct err *e)
{
	struct reader r = { .arena = a, .folder = folder, .job = job };
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "version");
	json_t *limits = NULL;
	int64_t version = 0;
	int n;

	if (!json_is_object(document))
		return json_bad(e, &root, "must be an object");
	n = json_get_int(document, &root, "version", INT64_MIN, INT64_MAX, &version, e);
	if (n >= 0)
		n = json_require(n, &root, "version", e);
	if (n >= 0 && version != VERSION)
		n = json_bad(e, &at, "%lld is not known: this kist knows version %d",
			     (long long)version, VERSION);
	if (n >= 0)
		n = read_top(&r, document, e);
	if (n >= 0)
		n = json_get_object(document, &root, "limits", &limits, e);
	if (n > 0)
		n = read_limits(&r, limits, e);
	if (n >= 0)
		n = read_source(&r, document, e);
	if (n >= 0)
		n = read_id(&r, document, e);
	if (n >= 0)
		n = read_env(&r, document, e);
	if (n >= 0)
		n = read_lists(&r, document, e);
	if (n >= 0)
		n = read_list(&r, document, "files", read_one_file, e);
	if (n >= 0)
		n = read_list(&r, document, "inputs", read_one_input, e);
	if (n >= 0)
		n = read_list(&r, document, "collect", read_one_pattern, e);
	if (n >= 0 && arena_failed(a))
		n = err_set(e, ENOMEM, "the job file");
	return n < 0 ? n : 0;
}
