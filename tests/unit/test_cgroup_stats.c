/* Stats: the files' formats on a folder of our own making, then a real cgroup's cpu time. */
#include "tests/unit/cgroup_live.h"
#include <time.h>
#include "base/path.h"

static char folder[] = "/tmp/kist-test-stats-XXXXXX";

static void put(const char *file, const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static struct cgroup_stats read_folder(void)
{
	struct cgroup_stats s;
	struct err e = ERR_INIT;
	_cleanup_fd_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_ok(cgroup_stats_read(fd, &s, &e), e);
	return s;
}

static void an_empty_folder_has_nothing(void **state)
{
	struct cgroup_stats s = read_folder();
	_cleanup_json_ json_t *json = cgroup_stats_json(&s);

	(void)state;
	assert_int_equal(s.present, 0);
	assert_int_equal(json_object_size(json), 0);
}

static void every_field(void **state)
{
	struct cgroup_stats s;
	_cleanup_json_ json_t *json = NULL, *expected = NULL;
	json_error_t error;

	(void)state;
	put("memory.current", "4096\n");
	put("memory.peak", "8192\n");
	put("memory.max", "max\n");
	put("memory.events", "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n");
	put("cpu.stat", "usage_usec 70\nuser_usec 40\nsystem_usec 30\nnr_periods 9\n"
			"nr_throttled 8\nthrottled_usec 7\n");
	put("pids.current", "2\n");
	put("pids.peak", "3\n");
	put("pids.max", "32\n");
	put("pids.events", "max 11\n");
	put("io.stat", "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=5 dios=6\n"
		       "8:16 rbytes=100 wbytes=200 rios=1 wios=2 dbytes=0 dios=0\n");
	put("cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=21\n"
			    "full avg10=0.00 avg60=0.00 avg300=0.00 total=22\n");
	put("memory.pressure", "some avg10=1.50 avg60=0.00 avg300=0.00 total=23\n"
			       "full avg10=0.00 avg60=0.00 avg300=0.00 total=24\n");
	put("io.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=25\n");
	s = read_folder();
	json = cgroup_stats_json(&s);
	expected = json_loads(
		"{\"memory\":{\"current\":4096,\"peak\":8192,\"max\":null,\"events_max\":3,"
		"\"oom\":4,\"oom_kill\":5},"
		"\"cpu\":{\"usage_usec\":70,\"user_usec\":40,\"system_usec\":30,"
		"\"nr_throttled\":8,\"throttled_usec\":7},"
		"\"pids\":{\"current\":2,\"peak\":3,\"max\":32,\"events_max\":11},"
		"\"io\":{\"rbytes\":110,\"wbytes\":220},"
		"\"pressure\":{\"cpu_some_usec\":21,\"cpu_full_usec\":22,"
		"\"memory_some_usec\":23,\"memory_full_usec\":24,\"io_some_usec\":25}}",
		0, &error);
	assert_non_null(expected);
	assert_true(json_equal(json, expected));
	assert_true(cgroup_stat_has(&s, CGROUP_STAT_MEMORY_MAX));
	assert_true(cgroup_stat_get(&s, CGROUP_STAT_MEMORY_MAX) == CGROUP_STAT_UNLIMITED);
	assert_false(cgroup_stat_has(&s, CGROUP_STAT_PSI_IO_FULL));
}

static void an_idle_disk_is_zero_not_absent(void **state)
{
	struct cgroup_stats s;

	(void)state;
	put("io.stat", "");
	s = read_folder();
	assert_true(cgroup_stat_has(&s, CGROUP_STAT_IO_RBYTES));
	assert_int_equal(cgroup_stat_get(&s, CGROUP_STAT_IO_RBYTES), 0);
}

static int burn(void)
{
	for (clock_t begin = clock(); clock() - begin < CLOCKS_PER_SEC / 5;)
		;
	return 0;
}

static void cpu_time_is_there_without_controllers(void **state)
{
	struct cgroup_stats s;
	struct err e = ERR_INIT;
	int fd;

	(void)state;
	live_or_skip(0);
	assert_int_equal(mkdir(live_full(live_path("cpu")), 0755), 0);
	fd = cgroup_open(&live_host, live_path("cpu"), &e);
	assert_ok(fd, e);
	assert_int_equal(live_wait(live_child(fd, burn)), 0);
	assert_ok(cgroup_stats_read(fd, &s, &e), e);
	/* 0.2 s were burnt; in microseconds, so much more would be another unit. How much more is
	 * charged is the emulator's affair. */
	assert_true(cgroup_stat_get(&s, CGROUP_STAT_CPU_USAGE) >= 190000);
	assert_true(cgroup_stat_get(&s, CGROUP_STAT_CPU_USAGE) < 50000000);
	assert_true(cgroup_stat_has(&s, CGROUP_STAT_CPU_USER));
	close(fd);
	assert_int_equal(rmdir(live_full(live_path("cpu"))), 0);
	live_nothing_left();
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return path_remove_tree(AT_FDCWD, folder, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_folder_has_nothing),
		cmocka_unit_test(every_field),
		cmocka_unit_test(an_idle_disk_is_zero_not_absent),
		cmocka_unit_test(cpu_time_is_there_without_controllers),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
