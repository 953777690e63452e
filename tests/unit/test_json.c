/*
 * test_json.c - base/json.c: what strict means, and that every complaint names its place.
 */
#include <errno.h>
#include <pthread.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/json.h"

static int parse(const char *data, size_t size, json_t **ret, struct err *e)
{
	*ret = NULL;
	err_clear(e);
	return json_parse_strict(data, size, "config.json", ret, e);
}

struct text {
	const char *data;
	size_t size;
};
#define T(literal) { literal, sizeof(literal) - 1 }

/* Refused: with -EINVAL, one line that names the document, and nothing handed out. */
static void test_refused(void **state)
{
	static const struct text bad[] = {
		/* nothing, halves, leftovers */
		T(""), T(" "), T("{"), T("}"), T("["), T("{\"a\"}"), T("{\"a\":}"), T("{\"a\":1,}"),
		T("[1,]"), T("{} {}"), T("{}x"), T("{}\0"), T("{}[]"), T("{},"), T("{\"a\":1 \"b\":2}"),
		/* comments and other dialects */
		T("// c\n{}"), T("{/* c */}"), T("{'a':1}"), T("{a:1}"), T("{\"a\":True}"),
		T("{\"a\":NaN}"), T("{\"a\":Infinity}"), T("{\"a\":-Infinity}"), T("{\"a\":undefined}"),
		/* BOM, raw NUL, control characters */
		T("\xef\xbb\xbf{}"), T("\0{}"), T("{\"a\":\"x\0y\"}"), T("{\"a\":\"x\ny\"}"),
		T("{\"a\":\"x\ty\"}"), T("{\"a\":\"\x01\"}"),
		T("{\"a\":false\0}"), T("[null\0,1]"), T("[1\0]"), T("[\"x\"\0]"), T("[\0]"),
		/* NUL by escape, in a value and in a key */
		T("{\"a\":\"\\u0000\"}"), T("{\"\\u0000\":1}"), T("{\"a\\u0000b\":1}"),
		/* surrogates */
		T("{\"a\":\"\\ud800\"}"), T("{\"a\":\"\\udc00\"}"), T("{\"a\":\"\\ud800\\u0041\"}"),
		T("{\"a\":\"\\udc00\\ud800\"}"), T("{\"a\":\"\\ud800\\ud800\"}"),
		/* invalid UTF-8: lone continuation, overlong, surrogate, beyond the end, cut */
		T("{\"a\":\"\x80\"}"), T("{\"a\":\"\xff\"}"), T("{\"a\":\"\xc0\xaf\"}"),
		T("{\"a\":\"\xe0\x80\xaf\"}"), T("{\"a\":\"\xed\xa0\x80\"}"),
		T("{\"a\":\"\xf4\x90\x80\x80\"}"), T("{\"a\":\"\xc3\"}"), T("{\"\xc3\":1}"),
		T("{\"a\":\"\xf0\x80\x80\x80\"}"),
		/* numbers */
		T("{\"a\":01}"), T("{\"a\":0x1}"), T("{\"a\":+1}"), T("{\"a\":1.}"), T("{\"a\":.5}"),
		T("{\"a\":1e}"), T("{\"a\":1e999}"), T("{\"a\":-1e999}"), T("{\"a\":--1}"), T("{\"a\":-}"),
		T("{\"a\":18446744073709551616}"),
		T("{\"a\":-9223372036854775809}"), T("{\"a\":1 2}"), T("{\"a\":-01}"),
		/* the same key twice, plain, escaped, deep */
		T("{\"a\":1,\"a\":1}"), T("{\"root\":1,\"ro\\u006ft\":2}"),
		T("{\"x\":{\"a\":1,\"b\":2,\"a\":3}}"), T("[{\"k\":[{\"a\":1,\"\\u0061\":1}]}]"),
		/* bad escapes */
		T("{\"a\":\"\\x41\"}"), T("{\"a\":\"\\u12\"}"), T("{\"a\":\"\\u12g4\"}"), T("{\"a\":\"\\\"}"),
		T("{\"a\":\"\\'\"}"), T("\"\\"), T("\""), T("{\"a"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct err e = ERR_INIT;
		char line[1024];
		json_t *root;
		int r = parse(bad[i].data, bad[i].size, &root, &e);

		err_format(&e, line, sizeof line);
		if (r != -EINVAL || root || e.error != EINVAL || !strstr(line, "config.json") ||
		    strchr(line, '\n'))
			fail_msg("row %zu, %s: answer %d, line '%s'", i, bad[i].data, r, line);
	}
}

static void test_taken(void **state)
{
	static const struct text good[] = {
		T("{}"), T(" {} \n"), T("[]"), T("{\"a\":null}"), T("{\"a\":-9223372036854775808}"),
		T("{\"a\":9223372036854775807}"), T("{\"a\":1.5e3}"), T("{\"a\":0}"), T("{\"\":1}"),
		T("{\"a\":\"\\ud83d\\ude00\"}"), T("{\"a\":\"\xf0\x9f\x98\x80\"}"),
		T("{\"root\":1,\"Root\":2,\"ROOT\":3}"), T("{\"a\":{\"b\":1},\"b\":{\"b\":1}}"),
		T("{\"a\":\"{[\\\"}]\"}"), T("\t{\r\n\"a\" : [ 1 , 2 ] }"), T("{\"a\":\"\\/\"}"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct err e = ERR_INIT;
		json_t *root;

		if (parse(good[i].data, good[i].size, &root, &e) != 0 || e.error)
			fail_msg("row %zu: %s", i, good[i].data);
		json_decref(root);
	}
}

static void test_keys_are_case_exact(void **state)
{
	struct json_at at = JSON_AT_ROOT;
	struct err e = ERR_INIT;
	const char *s = NULL;
	json_t *root;

	(void)state;
	assert_int_equal(parse("{\"Root\":\"x\",\"root\":\"y\"}", 23, &root, &e), 0);
	assert_int_equal(json_get_string(root, &at, "root", &s, &e), 1);
	assert_string_equal(s, "y");
	assert_int_equal(json_get_string(root, &at, "ROOT", &s, &e), 0);
	json_decref(root);
}

/* --- depth ------------------------------------------------------------------------- */

static char *nest(size_t depth, char open, bool closed, size_t *ret_size)
{
	size_t unit = open == '{' ? 5 : 1, size = depth * unit + 1 + (closed ? depth : 0);
	char *text = malloc(size + 1), *p = text;

	assert_non_null(text);
	for (size_t i = 0; i < depth; i++, p += unit)
		memcpy(p, open == '{' ? "{\"k\":" : "[", unit);
	*p++ = '1';
	if (closed)
		memset(p, open == '{' ? '}' : ']', depth);
	text[size] = '\0';
	*ret_size = size;
	return text;
}

static void check_depth(size_t depth, char open, bool closed, int expected)
{
	struct err e = ERR_INIT;
	char line[1024];
	json_t *root;
	size_t size;
	char *text = nest(depth, open, closed, &size);
	int r = parse(text, size, &root, &e);

	err_format(&e, line, sizeof line);
	if (r != expected)
		fail_msg("%zu of %c: %d (%s)", depth, open, r, line);
	if (depth > JSON_DEPTH_LIMIT) {
		char at[40];

		snprintf(at, sizeof at, "byte %zu", (size_t)JSON_DEPTH_LIMIT * (open == '{' ? 5 : 1));
		assert_non_null(strstr(line, at));
	}
	json_decref(root);
	free(text);
}

static void test_depth(void **state)
{
	static const size_t depths[] = { 1, 10, 63, 64, 65, 1000, 1000000 };

	(void)state;
	for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
		int expected = depths[i] <= JSON_DEPTH_LIMIT ? 0 : -EINVAL;

		check_depth(depths[i], '[', true, expected);
		check_depth(depths[i], '{', true, expected);
		/* Never closed: refused however deep. */
		check_depth(depths[i], '[', false, -EINVAL);
		check_depth(depths[i], '{', false, -EINVAL);
	}
}

/* Brackets in strings are no nesting, and a flat document is not deep. */
static void test_depth_counts_only_nesting(void **state)
{
	struct err e = ERR_INIT;
	char *text = malloc(100000);
	size_t n = 0;
	json_t *root;

	(void)state;
	assert_non_null(text);
	n += (size_t)snprintf(text + n, 100000 - n, "[\"");
	memset(text + n, '[', 1000);
	n += 1000;
	n += (size_t)snprintf(text + n, 100000 - n, "\\\"{{{\"");
	for (int i = 0; i < 1000; i++)
		n += (size_t)snprintf(text + n, 100000 - n, ",[[]],{\"a\":{}}");
	n += (size_t)snprintf(text + n, 100000 - n, "]");
	assert_int_equal(parse(text, n, &root, &e), 0);
	assert_int_equal(json_array_size(root), 2001);
	json_decref(root);
	free(text);
}

/* A million brackets cost no memory: they are refused before they are parsed. */
static void test_depth_costs_nothing(void **state)
{
	struct err e = ERR_INIT;
	struct rusage before, after;
	json_t *root;
	size_t size;
	char *text = nest(4000000, '[', true, &size);

	(void)state;
	getrusage(RUSAGE_SELF, &before);
	assert_int_equal(parse(text, size, &root, &e), -EINVAL);
	getrusage(RUSAGE_SELF, &after);
	assert_in_range(after.ru_maxrss - before.ru_maxrss, 0, (long)size * 2 / 1024);
	free(text);
}

struct small {
	const char *text;
	size_t size;
	int result;
};

static void *parse_small(void *user)
{
	struct small *s = user;
	struct err e = ERR_INIT;
	json_t *root = NULL;

	s->result = json_parse_strict(s->text, s->size, "test", &root, &e);
	json_decref(root);
	return NULL;
}

/* Nor do they need more of a stack than the deepest document that is taken: 64 KiB. */
static void test_depth_on_a_small_stack(void **state)
{
	static const struct {
		size_t depth;
		char bracket;
		int result;
	} rows[] = {
		{ 10, '[', 0 },		 { 63, '{', 0 },	 { 64, '[', 0 },	   { 64, '{', 0 },
		{ 65, '[', -EINVAL },	 { 65, '{', -EINVAL },	 { 1000, '[', -EINVAL },
		{ 1000000, '[', -EINVAL }, { 1000000, '{', -EINVAL },
	};
	pthread_attr_t attr;

	(void)state;
	pthread_attr_init(&attr);
	assert_int_equal(pthread_attr_setstacksize(&attr, 64 << 10), 0);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct small s = { .result = 1 };
		char *text = nest(rows[i].depth, rows[i].bracket, true, &s.size);
		pthread_t thread;

		s.text = text;
		assert_int_equal(pthread_create(&thread, &attr, parse_small, &s), 0);
		pthread_join(thread, NULL);
		free(text);
		assert_int_equal(s.result, rows[i].result);
	}
	pthread_attr_destroy(&attr);
}

/* --- where ------------------------------------------------------------------------- */

static void test_parse_errors_say_where(void **state)
{
	static const struct {
		const char *text, *where;
	} rows[] = {
		{ "{\"linux\":{\"seccomp\":{\"x\":01}}}", "/linux/seccomp/x" },
		{ "{\"mounts\":[{},{\"type\":tmpfs}]}", "/mounts/1/type" },
		{ "{\"process\":{\"args\":[\"a\",\"b\",\"\\ud800\"]}}", "/process/args/2" },
		{ "{\"a\":{\"b\":1,\"b\":2}}", "/a/b" },
		{ "[[],[1,2,[3,nope]]]", "/1/2/1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err e = ERR_INIT;
		json_t *root;

		assert_int_equal(parse(rows[i].text, strlen(rows[i].text), &root, &e), -EINVAL);
		if (strcmp(e.where, rows[i].where) != 0)
			fail_msg("%s: said %s", rows[i].text, e.where);
	}
}

static void test_pointers(void **state)
{
	struct json_at at = JSON_AT_ROOT, long_at = JSON_AT_ROOT;

	(void)state;
	at = json_at_key(&at, "mounts");
	at = json_at_index(&at, 3);
	assert_string_equal(at.text, "/mounts/3");
	at = json_at_key(&at, "a/b~c");
	assert_string_equal(at.text, "/mounts/3/a~1b~0c"); /* RFC 6901 */
	at = json_at_key(&at, "");
	assert_string_equal(at.text, "/mounts/3/a~1b~0c/");
	for (int i = 0; i < 100; i++)
		long_at = json_at_key(&long_at, "annotation");
	assert_true(strlen(long_at.text) < JSON_POINTER_MAX);
	/* Of each length, and one more behind it. */
	for (size_t n = 0; n < sizeof long_at.text; n++) {
		struct json_at full = JSON_AT_ROOT;

		memset(full.text, 'x', n);
		full = json_at_key(&full, "~");
		assert_in_range(strlen(full.text), n, JSON_POINTER_MAX - 1);
	}
	assert_string_equal(long_at.text + strlen(long_at.text) - 3, "...");
}

/* --- getters ----------------------------------------------------------------------- */

#define DOCUMENT                                                                              \
	"{\"s\":\"text\",\"t\":true,\"f\":false,\"i\":42,\"neg\":-1,\"big\":4294967296,"        \
	"\"max\":9223372036854775807,\"real\":1.0,\"exp\":1e2,\"null\":null,\"o\":{},\"a\":[],"   \
	"\"list\":[\"x\",\"\",\"z\"],\"mixed\":[\"x\",1],\"u32\":4294967295,\"minus0\":-0,"       \
	"\"p53\":9007199254740993}"

static void test_getters(void **state)
{
	static const char *const keys[] = { "s", "t", "i", "real", "null", "o", "a" };
	/* Which of the seven each getter takes. */
	static const char *const takes[] = { "s", "t", "i", "o", "a" };
	struct json_at at = json_at_key(&JSON_AT_ROOT, "here");
	struct err e = ERR_INIT;
	json_t *root;

	(void)state;
	assert_int_equal(parse(DOCUMENT, sizeof DOCUMENT - 1, &root, &e), 0);
	for (size_t g = 0; g < 5; g++) {
		for (size_t k = 0; k <= 7; k++) {
			const char *key = k < 7 ? keys[k] : "absent", *s = "kept";
			json_t *v = (json_t *)&e;
			int64_t n = -77;
			char where[32];
			bool b = true;
			int r;

			err_clear(&e);
			if (g == 0)
				r = json_get_string(root, &at, key, &s, &e);
			else if (g == 1)
				r = json_get_bool(root, &at, key, &b, &e);
			else if (g == 2)
				r = json_get_int(root, &at, key, INT64_MIN, INT64_MAX, &n, &e);
			else if (g == 3)
				r = json_get_object(root, &at, key, &v, &e);
			else
				r = json_get_array(root, &at, key, &v, &e);
			if (strcmp(key, takes[g]) == 0) {
				assert_int_equal(r, 1);
				continue;
			}
			/* Absent or wrong: nothing is handed out. */
			assert_string_equal(s, "kept");
			assert_int_equal(n, -77);
			assert_true(b && v == (json_t *)&e);
			assert_int_equal(r, k == 7 ? 0 : -EINVAL);
			snprintf(where, sizeof where, "/here/%s", key);
			assert_string_equal(e.where, k == 7 ? "" : where);
		}
	}
	json_decref(root);
}

static void test_integers(void **state)
{
	static const struct {
		const char *key;
		int64_t min, max;
		int expected;
		int64_t value;
	} rows[] = {
		{ "i", 0, 100, 1, 42 },		    { "i", 42, 42, 1, 42 },
		{ "i", 43, 100, -EINVAL, 0 },	    { "i", 0, 41, -EINVAL, 0 },
		{ "neg", 0, 10, -EINVAL, 0 },	    { "neg", -1, 0, 1, -1 },
		{ "real", INT64_MIN, INT64_MAX, -EINVAL, 0 }, { "exp", 0, 1000, -EINVAL, 0 },
		{ "max", INT64_MIN, INT64_MAX, 1, INT64_MAX }, { "minus0", 0, 0, 1, 0 },
		{ "p53", 0, INT64_MAX, 1, 9007199254740993 }, { "absent", 0, 1, 0, 0 },
	};
	struct json_at at = JSON_AT_ROOT;
	struct err e = ERR_INIT;
	uint32_t u = 7;
	json_t *root;

	(void)state;
	assert_int_equal(parse(DOCUMENT, sizeof DOCUMENT - 1, &root, &e), 0);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int64_t value = 0;

		assert_int_equal(json_get_int(root, &at, rows[i].key, rows[i].min, rows[i].max, &value,
					      &e), rows[i].expected);
		assert_true(value == rows[i].value);
	}
	assert_int_equal(json_get_u32(root, &at, "big", &u, &e), -EINVAL);
	assert_int_equal(json_get_u32(root, &at, "neg", &u, &e), -EINVAL);
	assert_int_equal(json_get_u32(root, &at, "absent", &u, &e), 0);
	assert_int_equal(u, 7);
	assert_int_equal(json_get_u32(root, &at, "u32", &u, &e), 1);
	assert_true(u == UINT32_MAX);
	json_decref(root);
}

static void test_strings(void **state)
{
	struct json_at at = JSON_AT_ROOT;
	struct err e = ERR_INIT;
	struct arena a = ARENA_INIT;
	char **list = NULL;
	size_t count = 99;
	json_t *root;

	(void)state;
	assert_int_equal(parse(DOCUMENT, sizeof DOCUMENT - 1, &root, &e), 0);
	assert_int_equal(json_get_strings(root, &at, "absent", &a, &list, &count, &e), 0);
	assert_true(!list && count == 99);
	assert_int_equal(json_get_strings(root, &at, "mixed", &a, &list, &count, &e), -EINVAL);
	assert_string_equal(e.where, "/mixed/1");
	assert_true(!list && count == 99);
	err_clear(&e);
	assert_int_equal(json_get_strings(root, &at, "s", &a, &list, &count, &e), -EINVAL);
	assert_string_equal(e.where, "/s");
	assert_int_equal(json_get_strings(root, &at, "a", &a, &list, &count, &e), 1);
	assert_true(count == 0 && !list[0]);
	assert_int_equal(json_get_strings(root, &at, "list", &a, &list, NULL, &e), 1);
	json_decref(root); /* they are copies */
	assert_string_equal(list[0], "x");
	assert_string_equal(list[1], "");
	assert_string_equal(list[2], "z");
	assert_null(list[3]);
	arena_free(&a);
}

static void test_require(void **state)
{
	struct json_at at = json_at_key(&JSON_AT_ROOT, "process");
	struct err e = ERR_INIT;
	char line[256];

	(void)state;
	assert_int_equal(json_require(1, &at, "cwd", &e), 1);
	assert_int_equal(e.error, 0);
	assert_int_equal(json_require(-EINVAL, &at, "cwd", &e), -EINVAL);
	assert_int_equal(e.error, 0);
	assert_int_equal(json_require(0, &at, "cwd", &e), -EINVAL);
	err_format(&e, line, sizeof line);
	assert_string_equal(line, "/process/cwd: is required");
}

static void test_bad_at_root(void **state)
{
	struct err e = ERR_INIT;
	char line[256];

	(void)state;
	assert_int_equal(json_bad(&e, &JSON_AT_ROOT, "must be %s", "an object"), -EINVAL);
	err_format(&e, line, sizeof line);
	assert_non_null(strstr(line, "must be an object"));
	assert_null(strstr(line, "Invalid argument"));
}

/* --- files ------------------------------------------------------------------------- */

static void test_files(void **state)
{
	char dir[] = "/tmp/kist-json-XXXXXX", line[512];
	struct err e = ERR_INIT;
	json_t *root = NULL;
	int dirfd, fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = openat(dirfd, "good", O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, "{\"a\":1}\n", 8), 8);
	close(fd);
	close(openat(dirfd, "empty", O_CREAT | O_WRONLY, 0600));
	fd = openat(dirfd, "huge", O_CREAT | O_WRONLY, 0600);
	assert_int_equal(ftruncate(fd, (off_t)JSON_BYTES_LIMIT + 1), 0);
	close(fd);
	assert_int_equal(mkfifoat(dirfd, "fifo", 0600), 0);
	assert_int_equal(mkdirat(dirfd, "folder", 0700), 0);

	assert_int_equal(json_read_file(dirfd, "good", &root, &e), 0);
	json_decref(root);
	root = NULL;
	/* A fifo without a writer would block for ever. */
	static const struct {
		const char *name;
		int error;
	} rows[] = { { "missing", -ENOENT }, { "empty", -EINVAL }, { "huge", -E2BIG },
		     { "fifo", -EINVAL },    { "folder", -EINVAL } };
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		err_clear(&e);
		assert_int_equal(json_read_file(dirfd, rows[i].name, &root, &e), rows[i].error);
		assert_null(root);
		err_format(&e, line, sizeof line);
		assert_non_null(strstr(line, rows[i].name));
		unlinkat(dirfd, rows[i].name, 0);
	}
	unlinkat(dirfd, "good", 0);
	unlinkat(dirfd, "folder", AT_REMOVEDIR);
	close(dirfd);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_keys_are_case_exact),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_depth_counts_only_nesting),
		cmocka_unit_test(test_depth_costs_nothing),
		cmocka_unit_test(test_depth_on_a_small_stack),
		cmocka_unit_test(test_parse_errors_say_where),
		cmocka_unit_test(test_pointers),
		cmocka_unit_test(test_getters),
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_require),
		cmocka_unit_test(test_bad_at_root),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
