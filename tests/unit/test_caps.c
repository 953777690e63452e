/* test_caps.c - names, parsing and showing of capabilities; their effect is in test_process.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>

#include "runtime/caps.h"

static struct arena arena;

static int clean(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static int parse(const char *text, struct caps_spec *c, struct caps_unknown *u, struct err *e)
{
	struct json_at at = { "/process/capabilities" };
	_cleanup_json_ json_t *j = json_loads(text, 0, NULL);

	assert_non_null(j);
	return caps_parse(j, &at, &arena, c, u, e);
}

static void names_and_numbers_agree(void **state)
{
	(void)state;
	assert_int_equal(caps_number("CAP_CHOWN"), 0);
	assert_int_equal(caps_number("CAP_SYS_ADMIN"), 21);
	assert_int_equal(caps_number("CAP_CHECKPOINT_RESTORE"), 40);
	for (int cap = 0; cap <= 40; cap++)
		assert_int_equal(caps_number(caps_name(cap)), cap);
	assert_null(caps_name(41));
	assert_null(caps_name(-1));
	assert_int_equal(caps_number("cap_kill"), -ENOENT);
	assert_int_equal(caps_number("KILL"), -ENOENT);
	assert_int_equal(caps_number("CAP_KILL "), -ENOENT);
	assert_int_equal(caps_number(""), -ENOENT);
}

static void parses_five_sets(void **state)
{
	struct caps_spec c;
	struct caps_unknown u;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(parse("{\"bounding\": [\"CAP_CHOWN\", \"CAP_KILL\", \"CAP_CHOWN\"],"
			       "\"permitted\": [\"CAP_KILL\", \"CAP_SETUID\"],"
			       "\"effective\": [\"CAP_SETUID\"],"
			       "\"inheritable\": [\"CAP_KILL\"], \"ambient\": [\"CAP_KILL\"]}",
			       &c, &u, &e),
			 0);
	assert_int_equal(c.bounding, 1 << 0 | 1 << 5);
	assert_int_equal(c.permitted, 1 << 5 | 1 << 7);
	assert_int_equal(c.effective, 1 << 7);
	assert_int_equal(c.inheritable, 1 << 5);
	assert_int_equal(c.ambient, 1 << 5);
	assert_int_equal(u.count, 0);
	assert_int_equal(parse("{}", &c, &u, &e), 0);
	assert_int_equal(c.bounding | c.permitted | c.effective | c.inheritable | c.ambient, 0);
}

static void collects_unknown_names_once(void **state)
{
	struct caps_spec c;
	struct caps_unknown u;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(parse("{\"bounding\": [\"CAP_FLY\", \"CAP_KILL\"],"
			       "\"permitted\": [\"CAP_FLY\", \"cap_kill\"]}",
			       &c, &u, &e),
			 0);
	assert_int_equal(c.bounding, 1 << 5);
	assert_int_equal(c.permitted, 0);
	assert_int_equal(u.count, 2);
	assert_string_equal(u.names[0], "CAP_FLY");
	assert_string_equal(u.names[1], "cap_kill");
}

static void refuses(void **state)
{
	static const struct {
		const char *json, *where, *words;
	} cases[] = {
		{ "{\"bounding\": 1}", "/process/capabilities/bounding", "array" },
		{ "{\"bounding\": [1]}", "/process/capabilities/bounding/0", "string" },
		{ "{\"ambient\": null}", "/process/capabilities/ambient", "array" },
		{ "{\"effective\": [\"CAP_KILL\"]}", "/process/capabilities/effective",
		  "CAP_KILL missing from the permitted set" },
		{ "{\"inheritable\": [\"CAP_KILL\"]}", "/process/capabilities/inheritable",
		  "CAP_KILL missing from the bounding set" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct caps_spec c = { .bounding = 77 };
		struct caps_unknown u;
		struct err e = ERR_INIT;
		char line[1000];

		assert_int_equal(parse(cases[i].json, &c, &u, &e), -EINVAL);
		err_format(&e, line, sizeof line);
		assert_string_equal(e.where, cases[i].where);
		assert_non_null(strstr(line, cases[i].words));
		assert_int_equal(c.bounding, 77);
	}
}

static void refuses_too_many(void **state)
{
	struct caps_spec c;
	struct caps_unknown u;
	struct err e = ERR_INIT;
	struct json_at at = { "/c" };
	_cleanup_json_ json_t *o = json_object(), *list = json_array();

	(void)state;
	for (int i = 0; i <= CAPS_NAMES_MAX; i++)
		json_array_append_new(list, json_sprintf("CAP_%d", i));
	json_object_set(o, "bounding", list);
	assert_int_equal(caps_parse(o, &at, &arena, &c, &u, &e), -EINVAL);
	assert_string_equal(e.where, "/c/bounding");
}

static void shows(void **state)
{
	char text[256];
	struct buf b = BUF_ON(text);

	(void)state;
	buf_reset(&b);
	caps_show_set(&b, 0);
	assert_string_equal(text, "0");
	buf_reset(&b);
	caps_show_set(&b, (1ULL << 41) - 1);
	assert_string_equal(text, "all");
	buf_reset(&b);
	caps_show_set(&b, 1ULL << 0 | 1ULL << 40);
	assert_string_equal(text, "CAP_CHOWN|CAP_CHECKPOINT_RESTORE");
	/* Of a kernel that knows more than we do. */
	buf_reset(&b);
	caps_show_set(&b, 1ULL << 0 | 1ULL << 50);
	assert_string_equal(text, "CAP_CHOWN|50");
	buf_reset(&b);
	op_set_ambient.show(&b, NULL, &(struct op_set_ambient_args){ 0 });
	assert_string_equal(text, "prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)");
	buf_reset(&b);
	op_set_ambient.show(&b, NULL, &(struct op_set_ambient_args){ 1 });
	assert_string_equal(text, "prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, each of CAP_CHOWN)");
}

/* What the kernel would not raise is left out, as `runc spec` needs it, and told. */
static void leaves_out_ambient(void **state)
{
	struct arena a = ARENA_INIT;
	struct json_at at = JSON_AT_ROOT;
	struct caps_unknown unknown;
	struct caps_spec c;
	struct err e = ERR_INIT;
	json_t *o = json_loads("{\"bounding\": [\"CAP_KILL\"], \"permitted\": [\"CAP_KILL\"],"
			       "\"effective\": [\"CAP_KILL\"], \"ambient\": [\"CAP_KILL\"]}", 0, NULL);

	(void)state;
	assert_int_equal(caps_parse(o, &at, &a, &c, &unknown, &e), 0);
	assert_int_equal(c.permitted, 1 << 5);
	assert_int_equal(c.ambient, 0);
	assert_int_equal(c.ambient_dropped, 1 << 5);
	json_decref(o);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_out_ambient),
		cmocka_unit_test(names_and_numbers_agree),
		cmocka_unit_test_teardown(parses_five_sets, clean),
		cmocka_unit_test_teardown(collects_unknown_names_once, clean),
		cmocka_unit_test_teardown(refuses, clean),
		cmocka_unit_test_teardown(refuses_too_many, clean),
		cmocka_unit_test(shows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
