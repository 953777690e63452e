/*
 * test_landlock.c - the annotations, and which rights the kernel's ABI is asked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>

#include "base/json.h"
#include "runtime/landlock.h"

static struct arena arena;

static int clean(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static int parse(const char *text, struct landlock_spec *s, struct err *e)
{
	_cleanup_json_ json_t *j = json_loads(text, 0, NULL);

	*e = (struct err)ERR_INIT;
	assert_non_null(j);
	return landlock_parse(j, &arena, s, e);
}

static void parses(void **state)
{
	struct landlock_spec s = { 0 };
	struct err e;

	(void)state;
	assert_int_equal(parse("{}", &s, &e), 0);
	assert_int_equal(parse("{\"annotations\": {\"x\": \"y\"}}", &s, &e), 0);
	assert_int_equal(s.count, 0);
	assert_int_equal(
		parse("{\"annotations\": {\"org.kist.landlock.read-only\": \"/bin:/usr/lib\","
		      "\"org.kist.landlock.read-write\": \"/\"}}",
		      &s, &e),
		0);
	assert_int_equal(s.count, 3);
	assert_string_equal(s.paths[0].path, "/bin");
	assert_string_equal(s.paths[1].path, "/usr/lib");
	assert_string_equal(s.paths[2].path, "/");
	assert_false(s.paths[1].write);
	assert_true(s.paths[2].write);
	assert_int_equal(s.scoped, 0);
	assert_int_equal(parse("{\"annotations\": {\"org.kist.landlock.scope\": \"signal\"}}", &s, &e), 0);
	assert_int_equal(s.scoped, 2);
	assert_int_equal(s.count, 0);
	assert_int_equal(parse("{\"annotations\": {\"org.kist.landlock.scope\":"
			       "\"abstract-unix-socket,signal\"}}", &s, &e), 0);
	assert_int_equal(s.scoped, 3);
}

static void refuses_a_scope(void **state)
{
	static const char *const bad[] = { "\"\"", "\"signals\"", "\"signal,\"", "\",signal\"", "1",
					   "\"signal, abstract-unix-socket\"", "\"abstract\"" };
	struct landlock_spec s = { .count = 77 };
	struct err e;
	char text[200];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(text, sizeof text, "{\"annotations\": {\"org.kist.landlock.scope\": %s}}", bad[i]);
		assert_int_equal(parse(text, &s, &e), -EINVAL);
		assert_string_equal(e.where, "/annotations/org.kist.landlock.scope");
		assert_int_equal(s.count, 77);
	}
}

static void refuses(void **state)
{
	static const char *const bad[] = { "\"\"",	 "\"bin\"", "\"/bin:\"", "\":/bin\"",
					   "\"/a::/b\"", "1",	    "[\"/bin\"]" };
	struct landlock_spec s = { .count = 77 };
	struct err e;
	char text[200];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(text, sizeof text,
			 "{\"annotations\": {\"org.kist.landlock.read-only\": %s}}", bad[i]);
		assert_int_equal(parse(text, &s, &e), -EINVAL);
		assert_string_equal(e.where, "/annotations/org.kist.landlock.read-only");
		assert_int_equal(s.count, 77);
	}
}

static void needs_the_kernel(void **state)
{
	struct landlock_path path = { "/", true };
	struct landlock_spec scoped = { .scoped = 1 }, none = { 0 }, some = { .paths = &path, .count = 1 };
	struct host without = { 0 }, with = { .landlock_abi = 1 };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(landlock_check(&none, &without, &e), 0);
	assert_int_equal(landlock_check(&some, &with, &e), 0);
	assert_int_equal(landlock_check(&some, &without, &e), -EINVAL);
	assert_string_equal(e.where, "/annotations/org.kist.landlock.read-write");
	with.landlock_abi = LANDLOCK_ABI_SCOPE - 1;
	assert_int_equal(landlock_check(&scoped, &with, &e), -EINVAL);
	assert_string_equal(e.where, "/annotations/org.kist.landlock.scope");
	with.landlock_abi = LANDLOCK_ABI_SCOPE;
	assert_int_equal(landlock_check(&scoped, &with, &e), 0);
}

/* A right that an old kernel does not know would make it refuse the ruleset. */
static void asks_for_what_the_abi_has(void **state)
{
	static const struct {
		int abi;
		const char *handled;
	} cases[] = { { 1, "0x1fff}" }, { 2, "0x3fff}" }, { 3, "0x7fff}" }, { 5, "0xffff}" } };
	struct landlock_path path = { "/bin", false };
	struct landlock_spec s = { .paths = &path, .count = 1 };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[300];
		struct buf b = BUF_ON(text);
		struct plan p;

		plan_init(&p, &arena);
		landlock_plan(&p, &s, cases[i].abi);
		assert_int_equal(p.count, 3);
		buf_reset(&b);
		plan_show_step(&b, &p, 0);
		assert_non_null(strstr(text, cases[i].handled));
		buf_reset(&b);
		plan_show_step(&b, &p, 1);
		assert_non_null(strstr(text, "allowed_access=0xd, parent_fd=\"/bin\""));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(parses, clean),
		cmocka_unit_test_teardown(refuses, clean),
		cmocka_unit_test_teardown(refuses_a_scope, clean),
		cmocka_unit_test(needs_the_kernel),
		cmocka_unit_test_teardown(asks_for_what_the_abi_has, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
