/*
 * utc.c against gmtime(3).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utc.h"

static void as_gmtime_says(void **state)
{
	(void)state;
	/* Some second of each day up to the year 2500. */
	for (time_t t = 0; t < (time_t)530 * 366 * 86400; t += 86400 - 7) {
		char ours[UTC_TEXT_MAX], theirs[UTC_TEXT_MAX];
		struct tm tm;

		gmtime_r(&t, &tm);
		strftime(theirs, sizeof theirs, "%Y-%m-%dT%H:%M:%S", &tm);
		utc_format(t, ours);
		assert_string_equal(ours, theirs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(as_gmtime_says) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
