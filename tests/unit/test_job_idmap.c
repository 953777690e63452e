/* test_job_idmap.c - supervisor/job_idmap.c: each id of the disk has one in the job, and no two the
 * same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "supervisor/job.h"

#define SIZE 65536u

static void one(uint32_t owner, uint32_t user)
{
	const struct ns_id_map range = { .host = 0x60000000, .size = SIZE };
	struct ns_id_map line[JOB_IDMAP_LINES];
	const struct ns_id_maps maps = { line, job_idmap(&range, owner, user, line) };
	static unsigned char taken[SIZE];
	uint32_t host;

	assert_in_range(maps.count, 1, JOB_IDMAP_LINES);
	assert_true(ns_map_id(&maps, owner, &host));
	assert_int_equal(host, range.host + user);
	memset(taken, 0, sizeof taken);
	for (uint32_t id = 0; id < SIZE; id++) {
		if (owner >= SIZE && id == user) {
			assert_false(ns_map_id(&maps, id, &host));
			continue;
		}
		assert_true(ns_map_id(&maps, id, &host));
		assert_true(host >= range.host && host - range.host < SIZE);
		assert_false(taken[host - range.host]++);
		if (id != owner && id != user)
			assert_int_equal(host - range.host, id);
	}
	if (owner < SIZE && ns_map_id(&maps, user, &host))
		assert_int_equal(host - range.host, owner);
}

static void every_kind(void **state)
{
	static const uint32_t ids[] = { 0, 1, 2, 1000, 65534, 65535 };
	const size_t count = sizeof ids / sizeof ids[0];

	(void)state;
	for (size_t u = 0; u < count; u++) {
		for (size_t o = 0; o < count; o++)
			one(ids[o], ids[u]);
		one(65536, ids[u]);
		one(0x60000000, ids[u]);
		one(0xfffffffe, ids[u]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_kind) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
