/* test_job_parse.c - supervisor/job_parse.c: sizes, durations, names. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "supervisor/job.h"

static void sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = { { "1", 1 }, { "64m", 64 << 20 }, { "64M", 64 << 20 }, { "1.5k", 1536 },
		     { "2g", 2ULL << 30 }, { "1t", 1ULL << 40 }, { "10b", 10 } };
	static const char *const bad[] = { "", "0", "-1", "m", "1mm", "1 m", " 1m", "0x10", "1e3",
					   "+1", "1.m.", "nan", "inf", "99999999999999999999",
					   "9999999t", "1,5g" };
	struct err e = ERR_INIT;
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(job_parse_size("--memory", good[i].text, &value, &e), 0);
		assert_int_equal(value, good[i].value);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (job_parse_size("--memory", bad[i], &value, &e) == 0)
			fail_msg("took \"%s\"", bad[i]);
}

static void durations(void **state)
{
	static const char *const bad[] = { "", "0", "-5s", "5x", "5 s", "1d", "s", "0.0001s", "600h" };
	struct err e = ERR_INIT;
	int64_t ms;

	(void)state;
	assert_int_equal(job_parse_duration("--wall", "5s", &ms, &e), 0);
	assert_int_equal(ms, 5000);
	assert_int_equal(job_parse_duration("--wall", "500ms", &ms, &e), 0);
	assert_int_equal(ms, 500);
	assert_int_equal(job_parse_duration("--wall", "2m", &ms, &e), 0);
	assert_int_equal(ms, 120000);
	assert_int_equal(job_parse_duration("--wall", "0.5", &ms, &e), 0);
	assert_int_equal(ms, 500);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (job_parse_duration("--wall", bad[i], &ms, &e) == 0)
			fail_msg("took \"%s\"", bad[i]);
}

static void cpus(void **state)
{
	struct err e = ERR_INIT;
	uint64_t quota;

	(void)state;
	assert_int_equal(job_parse_cpus("--cpus", "0.5", &quota, &e), 0);
	assert_int_equal(quota, 50000);
	assert_int_equal(job_parse_cpus("--cpus", "2", &quota, &e), 0);
	assert_int_equal(quota, 200000);
	assert_true(job_parse_cpus("--cpus", "0", &quota, &e) < 0);
	assert_true(job_parse_cpus("--cpus", "0.001", &quota, &e) < 0);
	assert_true(job_parse_cpus("--cpus", "100%", &quota, &e) < 0);
}

static void waivers(void **state)
{
	struct err e = ERR_INIT;
	uint32_t bits = 0;

	(void)state;
	assert_int_equal(job_parse_waived("--allow-degraded", "memory,cpu", &bits, &e), 0);
	assert_int_equal(bits, JOB_MEMORY | JOB_CPU);
	assert_true(job_parse_waived("--allow-degraded", "memory,seccomp", &bits, &e) < 0);
	assert_true(job_parse_waived("--allow-degraded", "mem", &bits, &e) < 0);
	assert_true(job_parse_waived("--allow-degraded", ",", &bits, &e) < 0);
}

/* A limit of a missing controller: refused by name, or waived by name. */
static void limits_without_controller(void **state)
{
	struct host h = { .root = true, .controllers = HOST_PIDS, .cgroup_hybrid = true,
			  .landlock_abi = 1 };
	struct job job = { .memory = 1 << 20, .pids = 10 };
	struct err e = ERR_INIT;
	char line[512];

	(void)state;
	assert_true(job_check(&job, &h, &e) < 0);
	assert_int_equal(e.exit_code, 125);
	err_format(&e, line, sizeof line);
	assert_non_null(strstr(line, "--memory"));
	assert_non_null(strstr(line, "\"memory\""));
	assert_non_null(strstr(e.fix, "--allow-degraded=memory"));
	job.waived = JOB_MEMORY;
	job.memory = 1 << 20;
	err_clear(&e);
	assert_int_equal(job_check(&job, &h, &e), 0);
	assert_int_equal(job.degraded, JOB_MEMORY);
	assert_int_equal(job.memory, 0);
	assert_int_equal(job.pids, 10);
	assert_true(job.landlock);
	/* A kernel without Landlock. */
	h.landlock_abi = 0;
	assert_int_equal(job_check(&job, &h, &e), -ENOTSUP);
	assert_int_equal(e.exit_code, 125);
	assert_non_null(strstr(e.fix, "--allow-degraded=landlock"));
	job.waived |= JOB_LANDLOCK;
	err_clear(&e);
	assert_int_equal(job_check(&job, &h, &e), 0);
	assert_false(job.landlock);
	assert_true(job.degraded & JOB_LANDLOCK);
	/* A root that is all writable has no second wall to lose. */
	job.waived = 0;
	job.writable = "1m";
	assert_int_equal(job_check(&job, &h, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),	 cmocka_unit_test(durations),
		cmocka_unit_test(cpus),		 cmocka_unit_test(waivers),
		cmocka_unit_test(limits_without_controller),
	};

	return cmocka_run_group_tests_name("job_parse", tests, NULL, NULL);
}
