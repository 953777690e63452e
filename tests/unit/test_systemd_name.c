/* linux.cgroupsPath as a unit: which names, and where they live. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "cgroup/systemd.h"

static struct arena arena = ARENA_INIT;
static const struct systemd_manager system_manager = { .version = 252, .cgroup = "" };
static const struct systemd_manager user_manager = {
	.user = true, .version = 252, .cgroup = "/user.slice/user-7.slice/user@7.service"
};

static int use(const char *path, const char *id, const struct systemd_manager *m,
	       struct cgroup_spec *ret, struct err *e)
{
	*ret = (struct cgroup_spec){ .path = "untouched", .given = path };
	return cgroup_use_systemd(ret, NULL, &JSON_AT_ROOT, id, m, &arena, e);
}

static void is(const char *path, const char *id, const struct systemd_manager *m, const char *unit,
	       const char *cgroup)
{
	struct cgroup_spec s;
	struct err e = ERR_INIT;

	assert_int_equal(use(path, id, m, &s, &e), 0);
	assert_string_equal(s.unit->name, unit);
	assert_string_equal(s.path, cgroup);
}

static void refuses(const char *path, const char *id, const char *words)
{
	struct cgroup_spec s;
	struct err e = ERR_INIT;
	char text[1024];

	assert_int_equal(use(path, id, &system_manager, &s, &e), -EINVAL);
	assert_string_equal(e.where, "/linux/cgroupsPath");
	err_format(&e, text, sizeof text);
	if (!strstr(text, words))
		fail_msg("%s: \"%s\" does not say \"%s\"", path ? path : id, text, words);
	assert_string_equal(s.path, "untouched");
	assert_null(s.unit);
}

static void names(void **state)
{
	(void)state;
	is(NULL, "web", &system_manager, "kist-web.scope", "/system.slice/kist-web.scope");
	is("", "web", &system_manager, "kist-web.scope", "/system.slice/kist-web.scope");
	is("machine.slice:libpod:0123", "x", &system_manager, "libpod-0123.scope",
	   "/machine.slice/libpod-0123.scope");
	is("a-b-c.slice:cri:x", "x", &system_manager, "cri-x.scope",
	   "/a.slice/a-b.slice/a-b-c.slice/cri-x.scope");
	is("-.slice:p:n", "x", &system_manager, "p-n.scope", "/p-n.scope");
	is("::n", "x", &system_manager, "n.scope", "/system.slice/n.scope");
	is(":p:n", "x", &system_manager, "p-n.scope", "/system.slice/p-n.scope");
	is("a.slice:p:b-c.slice", "x", &system_manager, "b-c.slice", "/b.slice/b-c.slice");
	is(NULL, "a+b+", &system_manager, "kist-a\\x2bb\\x2b.scope",
	   "/system.slice/kist-a\\x2bb\\x2b.scope");
	is(NULL, "web", &user_manager, "kist-web.scope",
	   "/user.slice/user-7.slice/user@7.service/user.slice/kist-web.scope");
	is("x.slice:p:n", "web", &user_manager, "p-n.scope",
	   "/user.slice/user-7.slice/user@7.service/x.slice/p-n.scope");
}

static void refusals(void **state)
{
	char text[300];

	(void)state;
	refuses("/kist/web", "x", "slice:prefix:name");
	refuses("/a.slice:b:c", "x", "slice:prefix:name");
	refuses("a.slice:b", "x", "slice:prefix:name");
	refuses("a.slice:b:c:d", "x", "slice:prefix:name");
	refuses("a.slice:b:", "x", "no name");
	refuses("a:b:c", "x", "not the name of a slice");
	refuses("/:b:c", "x", "slice:prefix:name");
	refuses(".slice:b:c", "x", "not the name of a slice");
	refuses("-a.slice:b:c", "x", "not the name of a slice");
	refuses("a-.slice:b:c", "x", "not the name of a slice");
	refuses("a--b.slice:b:c", "x", "not the name of a slice");
	refuses("../a.slice:b:c", "x", "not the name of a slice");
	refuses("a.slice:b:-.slice", "x", "not the name of a slice");
	refuses("a.slice:b:c/../d", "x", "letters, digits");
	refuses("a.slice:b/:c", "x", "letters, digits");
	refuses("a.slice:b:c d", "x", "letters, digits");
	memset(text, 'i', sizeof text);
	text[sizeof text - 1] = '\0';
	refuses(NULL, text, "longer than 255");
}

static void slices(void **state)
{
	(void)state;
	assert_string_equal(systemd_slice_path("-.slice", &arena), "");
	assert_string_equal(systemd_slice_path("a.slice", &arena), "/a.slice");
	assert_string_equal(systemd_slice_path("a-b.slice", &arena), "/a.slice/a-b.slice");
	assert_null(systemd_slice_path("a.scope", &arena));
	assert_null(systemd_slice_path("", &arena));
	assert_null(systemd_slice_path("slice", &arena));
}

/* What a user's systemd was not given, its units can't have. */
static void controllers(void **state)
{
	static const struct host host = { .cgroup_mount = "/sys/fs/cgroup",
					  .controllers = HOST_PIDS | HOST_IO };
	const struct cgroup_write writes[] = {
		{ .file = "pids.max", .value = "1", .why = "/p", .controllers = HOST_PIDS },
		{ .file = "io.max", .value = "", .why = "/linux/x", .controllers = HOST_IO },
	};
	struct systemd_manager manager = user_manager;
	struct cgroup_spec s;
	struct err e = ERR_INIT;
	char text[1024];

	(void)state;
	manager.controllers = HOST_PIDS | HOST_MEMORY;
	assert_int_equal(use(NULL, "web", &manager, &s, &e), 0);
	s.writes = writes;
	s.write_count = 1;
	assert_int_equal(cgroup_check(&s, &host, &e), 0);
	s.write_count = 2;
	assert_int_equal(cgroup_check(&s, &host, &e), -EOPNOTSUPP);
	err_format(&e, text, sizeof text);
	assert_non_null(strstr(text,
			       "/linux/x: needs the cgroup v2 controller io, which the user's "
			       "systemd has not been given"));
}

/* What podman writes is fine: no cgroup below the scope. */
static void subgroup(void **state)
{
	static const char key[] = "run.oci.systemd.subgroup";
	_cleanup_json_ json_t *none = json_pack("{s:s}", key, ""), *one = json_pack("{s:s}", key, "sub");
	struct cgroup_spec s = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(cgroup_use_systemd(&s, one, &JSON_AT_ROOT, "web", &system_manager, &arena, &e),
			 -EINVAL);
	assert_string_equal(e.where, "/run.oci.systemd.subgroup");
	err_clear(&e);
	assert_int_equal(cgroup_use_systemd(&s, none, &JSON_AT_ROOT, "web", &system_manager, &arena, &e), 0);
	assert_string_equal(s.path, "/system.slice/kist-web.scope");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(subgroup),
		cmocka_unit_test(refusals),
		cmocka_unit_test(slices),
		cmocka_unit_test(controllers),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
