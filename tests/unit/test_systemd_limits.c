/* Limits in systemd's own words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "cgroup/systemd.h"

static struct arena arena = ARENA_INIT;

/* "Name=value Name=[1,2]" of one write, or of several "file=value" in order. */
static const char *map(unsigned version, size_t count, const struct cgroup_write *writes)
{
	static char text[1024];
	struct buf b = BUF_ON(text);
	const struct cgroup_spec s = { .writes = writes, .write_count = count };
	size_t n;
	const struct systemd_property *list = systemd_limits(&s, version, &arena, &n);

	assert_non_null(list);
	buf_reset(&b);
	for (size_t i = 0; i < n; i++) {
		buf_addf(&b, "%s%s=%c", i ? " " : "", list[i].name, list[i].array ? '[' : '\0');
		b.len -= !list[i].array;
		for (size_t k = 0; k < list[i].count; k++)
			buf_addf(&b, "%s%llu", k ? "," : "",
				 (unsigned long long)list[i].values[k].number);
		if (list[i].array)
			buf_add_char(&b, ']');
	}
	return text;
}

static void is(const char *file, const char *value, const char *wanted)
{
	const struct cgroup_write w = { .file = file, .value = value };

	assert_string_equal(map(252, 1, &w), wanted);
}

static void one_each(void **state)
{
	(void)state;
	is("memory.max", "67108864", "MemoryMax=67108864");
	is("memory.max", "max", "MemoryMax=18446744073709551615");
	is("memory.high", "1", "MemoryHigh=1");
	is("memory.low", "2", "MemoryLow=2");
	is("memory.min", "3", "MemoryMin=3");
	is("memory.swap.max", "0", "MemorySwapMax=0");
	is("pids.max", "max", "TasksMax=18446744073709551615");
	is("cpu.weight", "79", "CPUWeight=79");
	is("cpu.idle", "1", "CPUWeight=0");
	is("cpu.idle", "0", "");
	is("io.weight", "default 5", "IOWeight=5");
	is("io.weight", "5", "IOWeight=5");
	is("io.weight", "8:0 5", "");
	is("cpuset.mems", "0", "AllowedMemoryNodes=[1]");
	is("cpuset.cpus", "0-3,8", "AllowedCPUs=[15,1]");
	is("cpuset.cpus", "16", "AllowedCPUs=[0,0,1]");
	is("cpuset.cpus", "3,1", "AllowedCPUs=[10]");
}

static void quota(void **state)
{
	(void)state;
	is("cpu.max", "50000 100000", "CPUQuotaPerSecUSec=500000 CPUQuotaPeriodUSec=100000");
	is("cpu.max", "max 50000",
	   "CPUQuotaPerSecUSec=18446744073709551615 CPUQuotaPeriodUSec=50000");
	is("cpu.max", "25500 50000", "CPUQuotaPerSecUSec=510000 CPUQuotaPeriodUSec=50000");
	/* up to a whole percent, never down: the file gets the exact number */
	is("cpu.max", "33333 100000", "CPUQuotaPerSecUSec=340000 CPUQuotaPeriodUSec=100000");
	is("cpu.max", "20000", "CPUQuotaPerSecUSec=200000 CPUQuotaPeriodUSec=100000");
	is("cpu.max", "1 0", "");
	is("cpu.max", "99999999999999999 1000", "");
}

static void what_has_no_words(void **state)
{
	static const char *const lists[] = { "",    "x",    "3-1",
					     "1-",  "-1",   "9000",
					     "1;2", "1,,2", "99999999999999999999" };

	(void)state;
	is("io.max", "8:0 rbps=1", "");
	is("hugetlb.2MB.max", "0", "");
	is("cpu.max.burst", "1", "");
	is("memory.max", "64M", "");
	is("memory.max", "", "");
	is("memory.max", "-1", "");
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
		is("cpuset.cpus", lists[i], "");
}

static void several(void **state)
{
	const struct cgroup_write last_wins[] = { { .file = "pids.max", .value = "5" },
						  { .file = "memory.max", .value = "1" },
						  { .file = "pids.max", .value = "6" } };
	const struct cgroup_write weight = {
		.file = "io.bfq.weight", .value = "500", .or_file = "io.weight", .or_value = "4950"
	};
	const struct cgroup_write old[] = { { .file = "cpu.max", .value = "1000 1000" },
					    { .file = "cpuset.cpus", .value = "1" },
					    { .file = "cpu.idle", .value = "1" } };

	(void)state;
	assert_string_equal(map(252, 3, last_wins), "TasksMax=6 MemoryMax=1");
	assert_string_equal(map(252, 1, &weight), "IOWeight=4950");
	assert_string_equal(map(241, 3, old), "CPUQuotaPerSecUSec=1000000");
	assert_string_equal(map(244, 3, old), "CPUQuotaPerSecUSec=1000000 CPUQuotaPeriodUSec=1000 "
					      "AllowedCPUs=[2]");
	assert_string_equal(map(252, 0, NULL), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_each),
		cmocka_unit_test(quota),
		cmocka_unit_test(what_has_no_words),
		cmocka_unit_test(several),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
