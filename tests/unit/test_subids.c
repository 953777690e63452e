/*
 * test_subids.c - subuid(5), and the maps of a user namespace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/subids.h"

static void ranges_of_subuid(void **state)
{
	static const struct {
		const char *text, *name;
		uint32_t start, size; /* size 0: none */
	} cases[] = {
		{ "alice:100000:65536\n", "alice", 100000, 65535 },
		{ "1000:5:7\n", "", 5, 7 },
		{ "bob:1:2\nalice:3:4", "alice", 3, 4 },
		{ "# x\n\nalice:1\nalice:x:1\nalice:1:0\nalice:9:9:9\n", "alice", 9, 9 },
		{ "alice:4294967290:100\nalice:-1:5\nalice:+1:5\n", "alice", 0, 0 },
		{ ":1:2\n", "", 0, 0 },
		{ "al:1:2\nalice2:1:2\n", "alice", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		_cleanup_free_ char *text = strdup(cases[i].text);
		struct subid_range r = { .own = 77 };

		assert_int_equal(subids_find(text, 1000, cases[i].name, &r), cases[i].size > 0);
		assert_int_equal(r.first, cases[i].start);
		assert_int_equal(r.count, cases[i].size);
		assert_int_equal(r.own, 77);
	}
}

static void maps_of_a_namespace(void **state)
{
	static const struct {
		const char *text;
		uint32_t own, first, count; /* count 0: none */
	} cases[] = {
		{ "         0       4321          1\n         1     200000      65535\n", 4321,
		  200000, 65535 },
		{ "         0          0 4294967295\n", 0, 1, 65535 },
		{ "0 70000 10\n", 70000, 70001, 9 },
		{ "0 4321 1\n", 0, 0, 0 },
		{ "4321 0 1\n", 0, 0, 0 },
		{ "5 100 10\n0 7 1\n1 8 4\n", 7, 8, 4 },
		{ "", 0, 0, 0 },
		{ "0 x 1\n", 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct subid_range r = { 0 };

		assert_int_equal(subids_of_map(cases[i].text, &r), cases[i].count > 0);
		assert_int_equal(r.own, cases[i].own);
		assert_int_equal(r.first, cases[i].first);
		assert_int_equal(r.count, cases[i].count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_of_subuid),
		cmocka_unit_test(maps_of_a_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
