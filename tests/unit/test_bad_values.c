/*
 * test_bad_values.c - every value of a configuration, made wrong: the refusal names exactly it.
 *
 * A full, valid configuration holds each field kist knows. The walkers visit every value in it and
 * put in its place what it cannot be: other types, null, numbers that overflow, text that is no
 * UTF-8. A table has the values that are wrong for one field alone. The same for the process
 * object of `exec --process` and the resources of `update`.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/resource.h>

#include "base/fd.h"
#include "base/json.h"
#include "runtime/spec.h"

#include "bad_values.h"

enum document { CONFIG, PROCESS, RESOURCES };
static const char *const part[] = { "", "/process", "/linux/resources" };

static json_t *full; /* the configuration */
static int failures;

static int parse_part(json_t *o, enum document d, struct arena *a, struct err *e)
{
	const struct json_at root = JSON_AT_ROOT;
	struct container_spec spec = { 0 };
	struct cgroup_spec cgroup = { 0 };
	int r;

	if (d == PROCESS)
		return process_parse(o, &root, a, &spec.process, e);
	if (d == RESOURCES)
		return cgroup_parse_resources(o, &root, a, &cgroup, e);
	r = spec_parse(json_incref(o), "/bundle", "id", a, &spec, e);
	if (r == 0)
		spec_free(&spec);
	return r;
}

/* As kist reads it: strict JSON first, then the parsers. */
static int parse(const char *text, enum document d, struct err *e)
{
	_cleanup_json_ json_t *all = NULL;
	struct arena a = ARENA_INIT;
	int r = json_parse_strict(text, strlen(text), "test", &all, e);

	if (r == 0)
		r = parse_part(value_at(all, part[d]), d, &a, e);
	arena_free(&a);
	return r;
}

/* A part's errors point into that part; those of bad JSON into the whole test document. */
static void refused(enum document d, const char *pointer, const char *raw, const char *where)
{
	_cleanup_free_ char *text = mutated(full, pointer, raw);
	const char *inner = where + strlen(part[d]);
	struct err e = ERR_INIT;
	int r = parse(text, d, &e);

	if (r == -EINVAL && (strcmp(e.where, inner) == 0 || strcmp(e.where, where) == 0))
		return;
	failures++;
	print_message("%s = %.60s: %s, at \"%s\" (%s)\n", pointer, raw,
		      r == 0 ? "taken" : "not where it is", r == 0 ? "" : e.where,
		      r == 0 ? "" : e.context[0]);
}

/* --- every value --------------------------------------------------------------- */

static bool tolerates(const char *pointer, const char *raw)
{
	for (size_t i = 0; i < sizeof tolerated / sizeof *tolerated; i++)
		if (strcmp(tolerated[i].pointer, pointer) == 0 && strstr(tolerated[i].raw, raw))
			return true;
	return false;
}

static void wrong_types(enum document d, const json_t *v, const char *pointer)
{
	static const struct {
		json_type type;
		const char *raw;
	} others[] = {
		{ JSON_NULL, "null" },	       { JSON_TRUE, "true" },	  { JSON_INTEGER, "7" },
		{ JSON_REAL, "1.5" },	       { JSON_STRING, "\"7x\"" }, { JSON_ARRAY, "[[]]" },
		{ JSON_OBJECT, "{\"x\": 1}" },
	};

	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		if (json_typeof(v) == others[i].type || (json_is_boolean(v) && i == 1) ||
		    tolerates(pointer, others[i].raw))
			continue;
		refused(d, pointer, others[i].raw, pointer);
	}
}

static void wrong_texts(enum document d, const char *pointer)
{
	static const char *const raw[] = { "\"a\\u0000b\"", "\"a\xff\"",   "\"\xed\xa0\x80\"",
					   "\"\xc0\xaf\"",  "\"\\ud800\"", "\"a\tb\"" };

	for (size_t i = 0; i < sizeof raw / sizeof *raw; i++)
		refused(d, pointer, raw[i], pointer);
}

static void wrong_numbers(enum document d, const char *pointer)
{
	static const char *const raw[] = { "18446744073709551616",
					   "-9223372036854775809",
					   "99999999999999999999999",
					   "1e400",
					   "01",
					   "+1",
					   "0x10",
					   "1.0",
					   "1e3",
					   "\"1\"",
					   "-" };

	for (size_t i = 0; i < sizeof raw / sizeof *raw; i++)
		if (!tolerates(pointer, raw[i]))
			refused(d, pointer, raw[i], pointer);
}

/* The first key again: which of the two would count is anybody's guess. */
static void twice(enum document d, json_t *o, const char *pointer)
{
	const char *key = json_object_iter_key(json_object_iter(o));
	_cleanup_free_ char *value = json_dumps(json_object_get(o, key), JSON_ENCODE_ANY);
	char raw[4096], where[JSON_POINTER_MAX];

	if (snprintf(raw, sizeof raw, "{\"%s\": %s, \"%s\": %s}", key, value, key, value) >=
	    (int)sizeof raw)
		return;
	snprintf(where, sizeof where, "%s/%s", pointer, key);
	refused(d, pointer, raw, where);
}

static size_t walk(enum document d, json_t *v, const char *pointer)
{
	char below[JSON_POINTER_MAX];
	const char *key;
	json_t *member;
	size_t i, seen = 1;

	if (strlen(pointer) > strlen(part[d])) {
		wrong_types(d, v, pointer);
		if (json_is_string(v))
			wrong_texts(d, pointer);
		if (json_is_integer(v))
			wrong_numbers(d, pointer);
		if (json_is_object(v) && json_object_size(v))
			twice(d, v, pointer);
	}
	json_object_foreach(v, key, member)
	{
		snprintf(below, sizeof below, "%s/%s", pointer, key);
		seen += walk(d, member, below);
	}
	json_array_foreach(v, i, member)
	{
		snprintf(below, sizeof below, "%s/%zu", pointer, i);
		seen += walk(d, member, below);
	}
	return seen;
}

static void every_value(void **state)
{
	size_t seen = 0;

	(void)state;
	failures = 0;
	for (enum document d = CONFIG; d <= RESOURCES; d++)
		seen += walk(d, value_at(full, part[d]), part[d]);
	print_message("# %zu values\n", seen);
	assert_true(seen > 350);
	assert_int_equal(failures, 0);
}

/* --- what is wrong for one field alone ------------------------------------------ */

static enum document innermost(const char *pointer)
{
	for (enum document d = RESOURCES; d > CONFIG; d--)
		if (strncmp(pointer, part[d], strlen(part[d])) == 0)
			return d;
	return CONFIG;
}

static void values_of_one_field(void **state)
{
	(void)state;
	failures = 0;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const char *where = bad[i].where ? bad[i].where : bad[i].pointer;

		refused(CONFIG, bad[i].pointer, bad[i].raw, where);
		if (innermost(bad[i].pointer) != CONFIG)
			refused(innermost(bad[i].pointer), bad[i].pointer, bad[i].raw, where);
	}
	assert_int_equal(failures, 0);
}

/* The ends of each range, which are still fine. */
static void values_that_are_right(void **state)
{
	(void)state;
	failures = 0;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		_cleanup_free_ char *text = mutated(full, good[i].pointer, good[i].raw);
		struct err e = ERR_INIT;

		if (parse(text, CONFIG, &e) == 0)
			continue;
		print_message("%s = %s: %s: %s\n", good[i].pointer, good[i].raw, e.where,
			      e.context[0]);
		failures++;
	}
	assert_int_equal(failures, 0);
}

static void without_what_is_required(void **state)
{
	(void)state;
	failures = 0;
	for (size_t i = 0; i < sizeof required / sizeof *required; i++) {
		json_t *copy = json_deep_copy(full), *parent;
		const char *pointer = required[i], *key = strrchr(pointer, '/') + 1;
		struct arena a = ARENA_INIT;
		struct err e = ERR_INIT;
		char above[JSON_POINTER_MAX];

		snprintf(above, sizeof above, "%.*s", (int)(key - 1 - pointer), pointer);
		parent = value_at(copy, above);
		assert_int_equal(json_object_del(parent, key), 0);
		if (parse_part(copy, CONFIG, &a, &e) != -EINVAL || strcmp(e.where, pointer) != 0) {
			print_message("without %s: \"%s\" %s\n", pointer, e.where, e.context[0]);
			failures++;
		}
		json_decref(copy);
		arena_free(&a);
	}
	assert_int_equal(failures, 0);
}

static int load(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	if (json_parse_strict(full_config, strlen(full_config), "test", &full, &e) < 0 ||
	    parse(full_config, CONFIG, &e) < 0) {
		print_message("the full configuration: %s: %s\n", e.where, e.context[0]);
		return -1;
	}
	return 0;
}

static int unload(void **state)
{
	(void)state;
	json_decref(full);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_value),
		cmocka_unit_test(values_of_one_field),
		cmocka_unit_test(values_that_are_right),
		cmocka_unit_test(without_what_is_required),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
