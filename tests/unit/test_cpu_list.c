/*
 * test_cpu_list.c - lists of processors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>

#include "runtime/cpu_list.h"

static void lists(void **state)
{
	struct arena a = ARENA_INIT;
	struct cpu_list l;

	(void)state;
	assert_int_equal(cpu_list_parse("0", &a, &l), 0);
	assert_int_equal(l.mask[0], 1);
	assert_int_equal(l.bytes, sizeof(long));
	assert_int_equal(cpu_list_parse("0-3,7,2-4", &a, &l), 0);
	assert_int_equal(l.mask[0], 0x9f);
	assert_string_equal(l.text, "0-3,7,2-4");
	assert_int_equal(cpu_list_parse("63-64,1000", &a, &l), 0);
	assert_int_equal(l.bytes, 16 * 8);
	assert_true(l.mask[0] == 1UL << 63 && l.mask[1] == 1 && l.mask[15] == 1UL << 40);
	/* More processors than glibc's cpu_set_t has. */
	assert_int_equal(cpu_list_parse("65535", &a, &l), 0);
	assert_int_equal(l.bytes, 8192);
	assert_true(l.mask[1023] == 1UL << 63);
	arena_free(&a);
}

static void no_lists(void **state)
{
	static const char *const bad[] = {
		"",	",",	 "1,",		 ",1",
		"1,,2", "3-1",	 "1-",		 "-1",
		"a",	"1 2",	 "0-3:2/4",	 "65536",
		"0x1",	"1-2-3", "0-4294967296", "99999999999999999999"
	};
	struct arena a = ARENA_INIT;
	struct cpu_list l = { .bytes = 77 };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(cpu_list_parse(bad[i], &a, &l), -EINVAL);
	assert_int_equal(l.bytes, 77);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(lists), cmocka_unit_test(no_lists) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
