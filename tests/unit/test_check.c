/*
 * test_check.c - check finds each value of test_bad_values.c's table, at its place, by way of taking
 * out what is wrong and looking again. The rest of it is tests/integration/check.bats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/check.h"

#include "bad_values.h"

static char bundle[] = "/tmp/kist-check.XXXXXX";

static int settle(struct container_spec *s, const char *id, const struct host *h, struct arena *a,
		  struct err *e)
{
	(void)s, (void)id, (void)h, (void)a, (void)e;
	return 0;
}

/* The problems of a config.json; the caller's reference. */
static json_t *checked(const char *text)
{
	const struct host host = { .root = true,
				   .cgroup_mount = "/no/such",
				   .controllers = UINT32_MAX,
				   .last_cap = 40,
				   .apparmor = true,
				   .selinux = true };
	int dir = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err e = ERR_INIT;

	assert_int_equal(file_replace_at(dir, "config.json", text, strlen(text), 0600, false, &e), 0);
	close(dir);
	return check_bundle(bundle, NULL, &host, settle);
}

static bool has(const json_t *problems, const char *where)
{
	size_t i;
	const json_t *o;

	json_array_foreach(problems, i, o)
		if (strcmp(json_string_value(json_object_get(o, "where")), where) == 0)
			return true;
	return false;
}

/* What follows is told by nobody; what was there before still is. */
static void each_is_found_alone(void **state)
{
	json_t *full = json_loads(full_config, 0, NULL);
	_cleanup_json_ json_t *before = checked(full_config);
	int failures = 0;

	(void)state;
	assert_non_null(full);
	for (size_t n = 0; n < sizeof bad / sizeof *bad; n++) {
		_cleanup_free_ char *text = mutated(full, bad[n].pointer, bad[n].raw);
		const char *where = bad[n].where ? bad[n].where : bad[n].pointer;
		_cleanup_json_ json_t *problems = checked(text);
		bool alone = true;
		size_t i;
		const json_t *o;

		json_array_foreach(problems, i, o) {
			const char *at = json_string_value(json_object_get(o, "where"));

			if (strcmp(json_string_value(json_object_get(o, "level")), "error") == 0)
				alone = alone && (strcmp(at, where) == 0 || has(before, at));
		}
		if (has(problems, where) && alone)
			continue;
		print_message("%s = %s:\n", bad[n].pointer, bad[n].raw);
		json_dumpf(problems, stdout, JSON_INDENT(1));
		failures++;
	}
	json_decref(full);
	assert_int_equal(failures, 0);
}

static int make_bundle(void **state)
{
	(void)state;
	return mkdtemp(bundle) ? 0 : -1;
}

static int remove_bundle(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof path, "%s/config.json", bundle);
	unlink(path);
	return rmdir(bundle);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_is_found_alone) };

	return cmocka_run_group_tests(tests, make_bundle, remove_bundle);
}
