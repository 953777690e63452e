/* test_cgroup_report.c - runc's words from files as the kernel writes them, in a folder of ours. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fd.h"
#include "cgroup/cgroup.h"

static const struct {
	const char *name, *text;
} files[] = {
	{ "cpu.stat", "usage_usec 3000\nuser_usec 2000\nsystem_usec 1000\nnr_periods 7\n"
		      "nr_throttled 5\nthrottled_usec 4\n" },
	{ "cpu.pressure", "some avg10=1.50 avg60=0.25 avg300=0.00 total=99\n" },
	{ "cpuset.cpus.effective", "0-2,5\n" },
	{ "cpuset.mems.effective", "0\n" },
	{ "memory.current", "1000\n" },
	{ "memory.peak", "1500\n" },
	{ "memory.max", "2000\n" },
	{ "memory.swap.current", "10\n" },
	{ "memory.swap.max", "500\n" },
	{ "memory.events", "low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\n" },
	{ "memory.swap.events", "high 0\nmax 4\nfail 0\n" },
	{ "memory.stat", "anon 600\nfile 400\nkernel 77\nbad\n" },
	{ "pids.current", "6\n" },
	{ "pids.max", "max\n" },
	{ "io.stat", "8:16 rbytes=5 wbytes=6 rios=1 wios=2 dbytes=0 dios=0\n8:0 \n"
		     "253:0 rbytes=0 wbytes=9 rios=0 wios=3 dbytes=0 dios=0 cost.usage=3\n" },
	{ "hugetlb.2MB.max", "max\n" },
	{ "hugetlb.2MB.current", "1\n" },
	{ "hugetlb.2MB.rsvd.current", "4194304\n" },
	{ "hugetlb.2MB.rsvd.max", "max\n" },
	{ "hugetlb.2MB.events", "max 8\n" },
	{ "hugetlb.64KB.max", "0\n" },
	{ "hugetlb.64KB.current", "65536\n" },
	{ "cgroup.procs", "" },
};
#define FILES (sizeof(files) / sizeof(files[0]))

static const char expected[] =
	"{\"cpu\":{\"usage\":{\"total\":3000000,\"kernel\":1000000,\"user\":2000000},"
	"\"throttling\":{\"periods\":7,\"throttledPeriods\":5,\"throttledTime\":4000},"
	"\"psi\":{\"some\":{\"avg10\":1.5,\"avg60\":0.25,\"avg300\":0.0,\"total\":99},"
	"\"full\":{\"avg10\":0.0,\"avg60\":0.0,\"avg300\":0.0,\"total\":0}}},"
	"\"cpuset\":{\"cpus\":[0,1,2,5],\"cpu_exclusive\":0,\"mems\":[0],\"mem_hardwall\":0,"
	"\"mem_exclusive\":0,\"memory_migrate\":0,\"memory_spread_page\":0,\"memory_spread_slab\":0,"
	"\"memory_pressure\":0,\"sched_load_balance\":0,\"sched_relax_domain_level\":0},"
	"\"memory\":{\"cache\":400,\"usage\":{\"limit\":2000,\"usage\":1000,\"max\":1500,\"failcnt\":3},"
	"\"swap\":{\"limit\":2500,\"usage\":1010,\"failcnt\":4},"
	"\"kernel\":{\"limit\":0,\"failcnt\":0},\"kernelTCP\":{\"limit\":0,\"failcnt\":0},"
	"\"raw\":{\"anon\":600,\"file\":400,\"kernel\":77}},"
	"\"pids\":{\"current\":6},"
	"\"blkio\":{\"ioServiceBytesRecursive\":["
	"{\"major\":8,\"minor\":16,\"op\":\"Read\",\"value\":5},"
	"{\"major\":8,\"minor\":16,\"op\":\"Write\",\"value\":6},"
	"{\"major\":8,\"minor\":16,\"op\":\"Discard\"},"
	"{\"major\":253,\"op\":\"Read\"},{\"major\":253,\"op\":\"Write\",\"value\":9},"
	"{\"major\":253,\"op\":\"Discard\"}],\"ioServicedRecursive\":["
	"{\"major\":8,\"minor\":16,\"op\":\"Read\",\"value\":1},"
	"{\"major\":8,\"minor\":16,\"op\":\"Write\",\"value\":2},"
	"{\"major\":8,\"minor\":16,\"op\":\"Discard\"},"
	"{\"major\":253,\"op\":\"Read\"},{\"major\":253,\"op\":\"Write\",\"value\":3},"
	"{\"major\":253,\"op\":\"Discard\"}]},"
	"\"hugetlb\":{\"2MB\":{\"usage\":4194304,\"failcnt\":8},\"64KB\":{\"usage\":65536,\"failcnt\":0}}}";

static char folder[] = "/tmp/kist-test-report-XXXXXX";

/* Written anew, less what is named `without`. */
static int make_folder(const char *without)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	for (size_t i = 0; i < FILES; i++) {
		int file;

		unlinkat(fd, files[i].name, 0);
		if (without && strncmp(files[i].name, without, strlen(without)) == 0)
			continue;
		file = openat(fd, files[i].name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_int_equal(fd_write_all(file, files[i].text, strlen(files[i].text)), 0);
		close(file);
	}
	return fd;
}

static char *report(int fd)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	fputc('{', out);
	cgroup_report(fd, out);
	fputc('}', out);
	fclose(out);
	return text;
}

static void every_number(void **state)
{
	_cleanup_fd_ int fd = make_folder(NULL);
	_cleanup_free_ char *text = report(fd);
	_cleanup_json_ json_t *got = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	_cleanup_json_ json_t *want = json_loads(expected, JSON_REJECT_DUPLICATES, NULL);

	(void)state;
	assert_non_null(want);
	if (!json_equal(got, want))
		fail_msg("got %s", text);
}

static void no_limit_is_the_largest_number(void **state)
{
	_cleanup_fd_ int fd = make_folder(NULL);
	_cleanup_free_ char *first = NULL, *second = NULL;

	(void)state;
	assert_int_equal(file_write_at(fd, "memory.max", "max\n\n"), 0);
	first = report(fd);
	assert_non_null(strstr(first, "\"usage\":{\"limit\":18446744073709551615,\"usage\":1000,"));
	assert_non_null(strstr(first, "\"swap\":{\"limit\":18446744073709551615,\"usage\":1010,"));
	assert_int_equal(file_write_at(fd, "memory.max", "2000\n"), 0);
	assert_int_equal(file_write_at(fd, "memory.swap.max", "max\n"), 0);
	second = report(fd);
	assert_non_null(strstr(second, "\"usage\":{\"limit\":2000,"));
	assert_non_null(strstr(second, "\"swap\":{\"limit\":18446744073709551615,"));
}

/* Whatever is missing, it is a document with all its parts. */
static void without_any_controller(void **state)
{
	static const char *const without[] = { "cpu", "cpuset", "memory", "pids", "io", "hugetlb", "" };
	static const char *const parts[] = { "cpu", "cpuset", "memory", "pids", "blkio", "hugetlb" };

	(void)state;
	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
		_cleanup_fd_ int fd = make_folder(without[i]);
		_cleanup_free_ char *text = report(fd);
		_cleanup_json_ json_t *got = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

		if (!got)
			fail_msg("no JSON: %s", text);
		for (size_t k = 0; k < 6; k++)
			assert_true(json_is_object(json_object_get(got, parts[k])));
	}
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	close(make_folder("")); /* takes all away */
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_number),
		cmocka_unit_test(no_limit_is_the_largest_number),
		cmocka_unit_test(without_any_controller),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
