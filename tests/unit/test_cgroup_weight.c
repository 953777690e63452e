/* cpu.shares to cpu.weight: the published points, the range, and every value in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "cgroup/cgroup.h"

static void maps_both_ends_and_both_defaults(void **state)
{
	static const unsigned points[][2] = {
		{ 0, 1 },	{ 1, 1 },	{ 2, 1 },	 { 3, 2 },	   { 10, 4 },
		{ 102, 17 },	{ 256, 35 },	{ 512, 59 },	 { 1000, 99 },	   { 1023, 100 },
		{ 1024, 100 },	{ 1025, 101 },	{ 2048, 174 },	 { 10240, 639 },   { 262143, 10000 },
		{ 262144, 10000 }, { 999999, 10000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		assert_int_equal(cgroup_weight_of_shares(points[i][0]), points[i][1]);
	assert_int_equal(cgroup_weight_of_shares(UINT64_MAX), 10000);
}

/* The sum over all values, computed with another implementation of the formula (Python's math),
 * pins every single one: a value that is off by one shows. */
static void agrees_with_the_formula_everywhere(void **state)
{
	uint64_t sum = 0;
	unsigned before = 0;

	(void)state;
	for (uint64_t shares = 0; shares < 262200; shares++) {
		unsigned weight = cgroup_weight_of_shares(shares);

		assert_true(weight >= before);
		before = weight;
		sum += weight;
	}
	assert_int_equal(sum, 1405928462);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_both_ends_and_both_defaults),
		cmocka_unit_test(agrees_with_the_formula_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
