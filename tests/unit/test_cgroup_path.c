/* linux.cgroupsPath: what is taken, and what is refused with its pointer. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "cgroup/cgroup.h"

static struct arena arena = ARENA_INIT;

static int parse(const char *path, struct cgroup_spec *spec, struct err *e)
{
	_cleanup_json_ json_t *o = path ? json_pack("{s:s}", "cgroupsPath", path) : json_object();
	struct json_at at = json_at_key(&JSON_AT_ROOT, "linux");

	assert_non_null(o);
	return cgroup_parse(o, &at, "web", &arena, spec, e);
}

static void takes(const char *path, const char *expected)
{
	struct cgroup_spec spec = { 0 };
	struct err e = ERR_INIT;

	assert_int_equal(parse(path, &spec, &e), 0);
	assert_string_equal(spec.path, expected);
}

static void refuses(const char *path, const char *words)
{
	struct cgroup_spec spec = { .path = "untouched" };
	struct err e = ERR_INIT;
	char text[1024];

	assert_int_equal(parse(path, &spec, &e), -EINVAL);
	assert_string_equal(e.where, "/linux/cgroupsPath");
	err_format(&e, text, sizeof(text));
	if (!strstr(text, words))
		fail_msg("\"%s\" does not say \"%s\"", text, words);
	assert_string_equal(spec.path, "untouched");
}

static void takes_what_callers_send(void **state)
{
	struct cgroup_spec spec = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	takes(NULL, "/kist-web");
	takes("", "/kist-web");
	takes("/docker/0123", "/docker/0123");
	takes("docker/0123", "/docker/0123");
	takes("/a/b/", "/a/b");
	takes("/with:colons:in:it", "/with:colons:in:it");
	takes("/one:colon", "/one:colon");
	takes("one:colon", "/one:colon");
	takes("/...", "/...");
	assert_int_equal(cgroup_parse(NULL, &JSON_AT_ROOT, "x", &arena, &spec, &e), 0);
	assert_string_equal(spec.path, "/kist-x");
}

static void refuses_what_would_walk(void **state)
{
	char component[300], whole[CGROUP_PATH_MAX + 10];

	(void)state;
	refuses("/", "root of the hierarchy");
	refuses("/..", "\"..\"");
	refuses("../x", "\"..\"");
	refuses("/a/../b", "\"..\"");
	refuses("/a/..", "\"..\"");
	refuses("/./a", "\".\"");
	refuses("//a", "empty component");
	refuses("/a//b", "empty component");
	refuses("/a//", "empty component");
	refuses("/a\nb", "control characters");
	refuses("/a\x7f", "control characters");
	memset(component, 'x', sizeof(component));
	component[0] = '/';
	component[sizeof(component) - 1] = '\0';
	refuses(component, "longer than 255");
	for (size_t i = 0; i < sizeof(whole); i++)
		whole[i] = i % 100 ? 'x' : '/';
	whole[sizeof(whole) - 1] = '\0';
	refuses(whole, "longer than 2048");
}

/* systemd's form is taken only where systemd was asked for. */
static void needs_the_driver(void **state)
{
	static const char *const forms[] = { "system.slice:kist:web", "::", "a:b:c/d" };
	const struct host host = { .cgroup_mount = "/sys/fs/cgroup" };

	(void)state;
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		struct cgroup_spec spec = { 0 };
		struct err e = ERR_INIT;
		char text[1024];

		assert_int_equal(parse(forms[i], &spec, &e), 0);
		assert_true(spec.given_for_systemd);
		assert_int_equal(cgroup_settle(&spec, &host, false, &arena, &e), -EINVAL);
		err_format(&e, text, sizeof text);
		assert_non_null(strstr(text, "/linux/cgroupsPath: "));
		assert_non_null(strstr(text, "systemd cgroup driver"));
		assert_non_null(strstr(e.fix, "--systemd-cgroup"));
	}
}

static void refuses_another_type(void **state)
{
	_cleanup_json_ json_t *o = json_pack("{s:i}", "cgroupsPath", 3);
	struct cgroup_spec spec;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(cgroup_parse(o, &JSON_AT_ROOT, "x", &arena, &spec, &e), -EINVAL);
	assert_string_equal(e.where, "/cgroupsPath");
}

/* Who may make none, and who asks for none. */
static void settle_without_rights(void **state)
{
	const struct host user = { .uid = 1000, .cgroup_mount = "/sys/fs/cgroup" };
	const struct host root = { .root = true, .cgroup_writable = true };
	_cleanup_json_ json_t *limits = json_pack("{s:{s:{s:i}}}", "resources", "pids", "limit", 5);
	_cleanup_json_ json_t *relative = json_pack("{s:s}", "cgroupsPath", "a/b");
	_cleanup_json_ json_t *literal = json_pack("{s:s}", "cgroupsPath", "/a/b");
	const json_t *cases[] = { NULL, limits, relative };
	static const char *const where[] = { "/linux/cgroupsPath", "/resources/pids/limit",
					     "/linux/cgroupsPath" };
	struct cgroup_spec spec;
	struct err e;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		e = (struct err)ERR_INIT;
		assert_int_equal(cgroup_parse(cases[i], &JSON_AT_ROOT, "x", &arena, &spec, &e), 0);
		assert_int_equal(cgroup_settle(&spec, &user, false, &arena, &e), -EACCES);
		assert_string_equal(e.where, where[i]);
		assert_non_null(strstr(e.fix, "Delegate=yes"));
		assert_int_equal(cgroup_settle(&spec, &user, true, &arena, &e), i ? -EACCES : 0);
		assert_int_equal(spec.none, i == 0);
		spec.none = false;
		assert_int_equal(cgroup_settle(&spec, &root, false, &arena, &e), 0);
		assert_int_equal(cgroup_settle(&spec, &root, true, &arena, &e), 0);
		assert_false(spec.none);
		assert_int_equal(spec.base_length, 0);
	}
	assert_int_equal(cgroup_parse(literal, &JSON_AT_ROOT, "x", &arena, &spec, &e), 0);
	assert_int_equal(cgroup_settle(&spec, &user, true, &arena, &e), 0);
	assert_false(spec.none);
	assert_string_equal(spec.path, "/a/b");
}

static void settle_in_a_delegated_cgroup(void **state)
{
	const struct host user = { .uid = 1000, .cgroup_writable = true, .cgroup_base = "/user/me" };
	const struct host sealed = { .root = true, .cgroup_mount = "/sys/fs/cgroup" };
	struct err e = ERR_INIT;
	struct cgroup_spec spec;

	(void)state;
	assert_int_equal(cgroup_parse(NULL, &JSON_AT_ROOT, "x", &arena, &spec, &e), 0);
	assert_int_equal(cgroup_settle(&spec, &user, false, &arena, &e), 0);
	assert_string_equal(spec.path, "/user/me/kist-x");
	assert_int_equal(spec.base_length, strlen("/user/me"));
	/* --rootless true, as root, where the hierarchy is read-only */
	assert_int_equal(cgroup_parse(NULL, &JSON_AT_ROOT, "x", &arena, &spec, &e), 0);
	assert_int_equal(cgroup_settle(&spec, &sealed, false, &arena, &e), 0);
	assert_false(spec.none);
	assert_int_equal(cgroup_settle(&spec, &sealed, true, &arena, &e), 0);
	assert_true(spec.none);
}

static void disabled(void **state)
{
	_cleanup_json_ json_t *path = json_pack("{s:s}", "cgroupsPath", "a");
	_cleanup_json_ json_t *limit = json_pack("{s:{s:{s:i}}}", "resources", "pids", "limit", 3);
	_cleanup_json_ json_t *devices =
		json_pack("{s:{s:[{s:b}]}}", "resources", "devices", "allow", 0);
	json_t *const refused[] = { path, limit };
	const struct host user = { .uid = 1000, .cgroup_writable = true, .cgroup_base = "/me" };
	struct cgroup_spec spec;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		e = (struct err)ERR_INIT;
		assert_int_equal(cgroup_parse(refused[i], &JSON_AT_ROOT, "x", &arena, &spec, &e), 0);
		assert_int_equal(cgroup_disable(&spec, &arena, &e), -EINVAL);
		assert_false(spec.none);
	}
	assert_int_equal(cgroup_parse(devices, &JSON_AT_ROOT, "x", &arena, &spec, &e), 0);
	assert_int_equal(cgroup_disable(&spec, &arena, &e), 0);
	assert_true(spec.none);
	assert_int_equal(spec.warning_count, 1);
	assert_int_equal(cgroup_parse(NULL, &JSON_AT_ROOT, "x", &arena, &spec, &e), 0);
	assert_int_equal(cgroup_disable(&spec, &arena, &e), 0);
	assert_int_equal(spec.warning_count, 0);
	/* and so it stays, whoever asks */
	assert_int_equal(cgroup_settle(&spec, &user, false, &arena, &e), 0);
	assert_true(spec.none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_what_callers_send),
		cmocka_unit_test(refuses_what_would_walk),
		cmocka_unit_test(needs_the_driver),
		cmocka_unit_test(refuses_another_type),
		cmocka_unit_test(settle_without_rights),
		cmocka_unit_test(disabled),
		cmocka_unit_test(settle_in_a_delegated_cgroup),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
