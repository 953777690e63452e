/* test_size.c - sizes and numbers of runc's options. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/size.h"

static void sizes_as_people_write_them(void **state)
{
	static const struct {
		const char *text;
		int64_t value;
	} good[] = {
		{ "0", 0 }, { "512", 512 }, { "512b", 512 }, { "512B", 512 }, { "1k", 1024 },
		{ "64M", 64 << 20 }, { "64m", 64 << 20 }, { "64MB", 64 << 20 },
		{ "64mib", 64 << 20 }, { "64 MiB", 64 << 20 }, { "1.5g", 3ll << 29 },
		{ "0.5k", 512 }, { "2t", 2ll << 40 }, { "1p", 1ll << 50 }, { "-1", -1 },
	};
	static const char *const bad[] = {
		"", "-", "-2", "-1M", "+1", " 1", "1 ", "M", "x", "1x", "1mm", "1kbit", "1e3", "0x10",
		"1.5.5k", ".5k", "9223372036854775808", "9000p", "1  k", "nan", "inf",
	};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		int64_t value = -7;

		if (size_parse(good[i].text, &value) < 0 || value != good[i].value)
			fail_msg("\"%s\" is %lld", good[i].text, (long long)value);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		int64_t value = -7;

		if (size_parse(bad[i], &value) != -EINVAL)
			fail_msg("\"%s\" was taken as %lld", bad[i], (long long)value);
		assert_int_equal(value, -7);
	}
}

static void integers(void **state)
{
	static const char *const bad[] = { "", "-", "--1", "+1", " 1", "1 ", "1k", "0x1", "1.0",
					   "9223372036854775808" };
	int64_t value = -7;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(integer_parse(bad[i], &value), -EINVAL);
	assert_int_equal(value, -7);
	assert_int_equal(integer_parse("-1", &value), 0);
	assert_int_equal(value, -1);
	assert_int_equal(integer_parse("9223372036854775807", &value), 0);
	assert_true(value == INT64_MAX);
	assert_int_equal(integer_parse("0", &value), 0);
	assert_int_equal(value, 0);
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
		{ "5s", 5000 }, { "100ms", 100 }, { "1.5s", 1500 }, { "1m30s", 90000 },
		{ "2h", 7200000 }, { "1h1m1s1ms", 3661001 }, { "2000us", 2 }, { "1000000ns", 1 },
	};
	static const char *const bad[] = { "", "5", "0s", "0", "-1s", "+1s", "s", "1x", "1s ", " 1s",
					   "1e3s", "1us", "99999999999999h", "5s5" };
	int64_t ms = -7;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (duration_parse(good[i].text, &ms) < 0 || ms != good[i].ms)
			fail_msg("\"%s\" is %lld ms", good[i].text, (long long)ms);
	ms = -7;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (duration_parse(bad[i], &ms) != -EINVAL || ms != -7)
			fail_msg("\"%s\" was taken as %lld", bad[i], (long long)ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_as_people_write_them),
		cmocka_unit_test(integers),
		cmocka_unit_test(durations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
