/* test_profile_docker.c - runtime/profile_docker.c: it says what the profile that other tests use
 * says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "runtime/profile_job.h"
#include "runtime/seccomp.h"

static bool has(const json_t *list, const json_t *one)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v) if (json_equal(v, one)) return true;
	return false;
}

static void same_as_in_tests(void **state)
{
	struct err e = ERR_INIT;
	const char *text = profile_docker_json();
	json_t *ours = NULL, *theirs = NULL, *a, *b, *v;
	size_t i;

	(void)state;
#if !defined(__x86_64__)
	return;
#endif
	assert_int_equal(json_parse_strict(text, strlen(text), "docker", &ours, &e), 0);
	assert_int_equal(
		json_read_file(AT_FDCWD, "tests/lib/docker-like-seccomp.json", &theirs, &e), 0);
	a = json_object_get(ours, "syscalls");
	b = json_object_get(theirs, "syscalls");
	assert_int_equal(json_array_size(a), json_array_size(b));
	json_array_foreach(a, i, v)
	{
		json_t *args = json_array_get(json_object_get(v, "args"), 0);

		/* An absent valueTwo is none. */
		if (args &&
		    strcmp(json_string_value(json_object_get(args, "op")), "SCMP_CMP_MASKED_EQ"))
			json_object_del(args, "valueTwo");
		assert_true(has(b, v));
	}
	json_object_del(ours, "syscalls");
	json_object_del(theirs, "syscalls");
	assert_true(json_equal(ours, theirs));
	json_decref(ours);
	json_decref(theirs);
}

static void compiles(void **state)
{
	struct arena arena = ARENA_INIT;
	struct seccomp_filter filter;
	struct json_at at = { "/linux/seccomp" };
	struct err e = ERR_INIT;
	const char *text = profile_docker_json();
	json_t *j = NULL;

	(void)state;
	assert_int_equal(json_parse_strict(text, strlen(text), "docker", &j, &e), 0);
	assert_int_equal(seccomp_parse(j, &at, &arena, &filter, &e), 0);
	assert_true(filter.count > 100);
	json_decref(j);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_as_in_tests),
		cmocka_unit_test(compiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
