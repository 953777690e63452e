/* test_cgroup_update.c - what takes a write to a cgroup file back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cgroup/cgroup.h"

static void before(const char *file, const char *value, const char *present, const char *want)
{
	struct arena a = ARENA_INIT;
	const char *got = cgroup_text_before(&a, file, value, present);

	if (!want)
		assert_null(got);
	else
		assert_string_equal(got ? got : "(none)", want);
	arena_free(&a);
}

static void one_value(void **state)
{
	(void)state;
	before("memory.max", "67108864", "max", "max");
	before("cpu.max", "5000 100000", "max 100000", "max 100000");
	before("pids.max", "max", "20", "20");
	before("cpuset.cpus", "0-1", "", "\n");
	before("io.weight", "200", "default 100\n8:0 50", "default 100");
	before("io.weight", "default 200", "default 100\n8:0 50", "default 100");
}

static void one_line_a_device(void **state)
{
	const char *io = "8:16 rbps=1 wbps=max riops=max wiops=max\n8:1 rbps=2 wbps=3 riops=4 wiops=5";

	(void)state;
	before("io.max", "8:1 rbps=7", io, "8:1 rbps=2 wbps=3 riops=4 wiops=5");
	before("io.max", "8:16 wbps=7", io, "8:16 rbps=1 wbps=max riops=max wiops=max");
	/* 8:1 is no prefix of 8:16 */
	before("io.max", "8:1 rbps=7", "8:16 rbps=1 wbps=max riops=max wiops=max",
	       "8:1 rbps=max wbps=max riops=max wiops=max");
	before("io.max", "8:1 rbps=7", "", "8:1 rbps=max wbps=max riops=max wiops=max");
	before("io.weight", "8:0 20", "default 100", "8:0 default");
	before("io.weight", "8:0 20", "default 100\n8:0 50", "8:0 50");
	before("rdma.max", "mlx4_0 hca_handle=2", "mlx4_0 hca_handle=max hca_object=3",
	       "mlx4_0 hca_handle=max hca_object=3");
	before("some.file", "key value", "other 1", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_value),
		cmocka_unit_test(one_line_a_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
