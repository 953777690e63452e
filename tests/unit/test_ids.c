/*
 * test_ids.c - user and group ids as text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>

#include "base/ids.h"

static void digits_only(void **state)
{
	static const char *const bad[] = {
		"",    "-1",  "+1",	    " 1",	   "1 ", "0x3e8",
		"1e3", "1:2", "4294967295", "99999999999", "١",	 "root"
	};
	uint32_t id = 77;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(id_parse(bad[i], strlen(bad[i]), &id), -EINVAL);
		assert_int_equal(id, 77);
	}
	assert_int_equal(id_parse("0", 1, &id), 0);
	assert_int_equal(id, 0);
	assert_int_equal(id_parse("4294967294", 10, &id), 0);
	assert_int_equal(id, 4294967294u);
	/* The length counts, not the NUL. */
	assert_int_equal(id_parse("1000:1001", 4, &id), 0);
	assert_int_equal(id, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(digits_only) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
