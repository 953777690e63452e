/* test_monitor.c - supervisor/monitor.c: real children, real pipes, a log that hangs. */
#include "image_test.h"
#include <sched.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include "supervisor/monitor.h"

static char path[128];
static int dir;
static struct container_log log_;
static struct monitor_end end_;
static struct monitor_limits limits;

static int set_up(void **state)
{
	(void)state;
	strcpy(path, "/tmp/kist-monitor.XXXXXX");
	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	limits = (struct monitor_limits){ -1, -1, 0, { UINT64_MAX, UINT64_MAX }, false };
	return dir < 0;
}

static int tear_down(void **state)
{
	char command[160];

	(void)state;
	close(dir);
	snprintf(command, sizeof(command), "rm -r %s", path);
	return system(command);
}

/* A shell with its output in pipes; what it says goes to x.log. */
static pid_t begin(struct monitor *m, const char *script, enum container_log_format format)
{
	const struct container_log_options o = { format, 0, 1 };
	struct err e = ERR_INIT;
	int out[2], err[2];
	pid_t pid;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		dup2(out[1], 1);
		dup2(err[1], 2);
		execl("/bin/sh", "sh", "-c", script, NULL);
		_exit(127);
	}
	assert_true(pid > 0);
	close(out[1]);
	close(err[1]);
	assert_int_equal(container_log_open(&log_, dir, "x.log", &o, &e), 0);
	*m = (struct monitor){ .pidfd = pidfd_open(pid, 0),
			       .cgroup = -1,
			       .output = { out[0], err[0] },
			       .limits = limits,
			       .log = &log_ };
	assert_true(m->pidfd >= 0);
	return pid;
}

static void finish(struct monitor *m)
{
	struct err e = ERR_INIT;
	int r = monitor_run(m, &end_, &e);

	if (r < 0)
		fail_msg("%s", e.context[0]);
	close(m->pidfd);
	close(m->output[0]);
	close(m->output[1]);
}

static void run(const char *script, enum container_log_format format)
{
	struct monitor m;

	begin(&m, script, format);
	finish(&m);
}

static const char *said(void)
{
	static char text[1 << 16];
	int fd = openat(dir, "x.log", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

static void status_and_output(void **state)
{
	char text[1024];

	(void)state;
	run("echo out; echo err >&2; exit 7", CONTAINER_LOG_RAW);
	assert_int_equal(end_.reason, MONITOR_EXIT);
	assert_int_equal(end_.code, 7);
	assert_int_equal(end_.received[0], 4);
	assert_int_equal(end_.received[1], 4);
	assert_non_null(strstr(said(), "out\n"));
	assert_non_null(strstr(said(), "err\n"));
	assert_true(monitor_end_format(&end_, text, sizeof(text)) < (int)sizeof(text));
	assert_non_null(strstr(text, "{\"reason\":\"exit\",\"code\":7,\"signal\":0,"));
	run("kill -SEGV $$", CONTAINER_LOG_NONE);
	assert_int_equal(end_.reason, MONITOR_EXIT);
	assert_int_equal(end_.code, -1);
	assert_int_equal(end_.signal, SIGSEGV);
}

static void the_clock_ends_it(void **state)
{
	(void)state;
	limits.wall_ms = 50;
	run("exec sleep 100", CONTAINER_LOG_NONE);
	assert_int_equal(end_.reason, MONITOR_WALL);
	assert_int_equal(end_.signal, SIGKILL);
	assert_true(end_.wall_us >= 50000);
}

static void grace_is_given_once(void **state)
{
	(void)state;
	limits.wall_ms = 200;
	limits.grace_ms = 60000;
	run("trap 'echo asked; exit 3' TERM; while :; do sleep 0.01; done", CONTAINER_LOG_RAW);
	assert_int_equal(end_.reason, MONITOR_WALL);
	assert_int_equal(end_.code, 3);
	assert_string_equal(said(), "asked\n");
	limits.grace_ms = 50;
	run("trap '' TERM; while :; do sleep 0.01; done", CONTAINER_LOG_RAW);
	assert_int_equal(end_.reason, MONITOR_WALL);
	assert_int_equal(end_.signal, SIGKILL);
}

static void a_signal_cancels(void **state)
{
	(void)state;
	run("kill -INT $PPID; exec sleep 100", CONTAINER_LOG_NONE);
	assert_int_equal(end_.reason, MONITOR_CANCELLED);
	assert_int_equal(end_.cancelled_by, SIGINT);
	assert_int_equal(end_.signal, SIGKILL);
	/* The second one has no patience. */
	limits.grace_ms = 60000;
	run("trap 'kill -HUP $PPID' TERM; kill -TERM $PPID; while :; do sleep 0.01; done",
	    CONTAINER_LOG_NONE);
	assert_int_equal(end_.cancelled_by, SIGTERM);
	assert_int_equal(end_.signal, SIGKILL);
}

static void output_has_its_limit(void **state)
{
	(void)state;
	limits.output_bytes[0] = 10;
	run("for i in 1 2 3 4 5 6 7 8; do echo $i; done; echo all of it >&2; exit 5",
	    CONTAINER_LOG_RAW);
	assert_int_equal(end_.code, 5);
	assert_int_equal(end_.received[0], 16);
	assert_true(end_.truncated[0]);
	assert_false(end_.truncated[1]);
	assert_non_null(strstr(said(), "5\n"));
	assert_null(strstr(said(), "6\n"));
	assert_non_null(strstr(said(), "all of it\n"));
	limits.output_ends = true;
	run("yes", CONTAINER_LOG_NONE);
	assert_int_equal(end_.reason, MONITOR_OUTPUT);
	assert_int_equal(end_.signal, SIGKILL);
}

/* cpu.stat by a file of ours; without cgroup.kill the first process is killed. */
static void cpu_time_ends_it(void **state)
{
	struct monitor m;

	(void)state;
	limits.cpu_ms = 1000;
	write_file(dir, "cpu.stat", "usage_usec 1000001\n", 19);
	begin(&m, "exec sleep 100", CONTAINER_LOG_NONE);
	m.cgroup = dir;
	finish(&m);
	assert_int_equal(end_.reason, MONITOR_CPU);
	assert_int_equal(end_.signal, SIGKILL);
}

/* Somebody outside holds the pipe open. */
static void the_end_is_not_held_up(void **state)
{
	struct monitor m;
	int held;
	pid_t pid;

	(void)state;
	pid = begin(&m, "read x </dev/zero", CONTAINER_LOG_NONE);
	held = pidfd_getfd(m.pidfd, 1, 0);
	if (held < 0) { /* sh is not there yet: the test's own end does as well */
		char name[64];

		snprintf(name, sizeof(name), "/proc/%d/fd/1", pid);
		held = open(name, O_WRONLY | O_CLOEXEC);
	}
	assert_true(held >= 0);
	kill(pid, SIGKILL);
	finish(&m);
	close(held);
	assert_int_equal(end_.signal, SIGKILL);
}

/* The log's write(2) hangs: the container ends all the same, and what was dropped is counted. */
static void a_disk_that_hangs_stops_nothing(void **state)
{
	static char full[1 << 16];
	static struct monitor m; /* the thread may see the end later than this function */
	int hung[2];

	(void)state;
	begin(&m,
	      "i=0; while [ $i -lt 3000 ]; do echo "
	      "0123456789012345678901234567890123456789012345678901234567890123456789012345678"
	      "90123456789; i=$((i+1)); done; exit 9",
	      CONTAINER_LOG_RAW);
	assert_int_equal(pipe2(hung, O_CLOEXEC), 0);
	assert_int_equal(write(hung[1], full, sizeof(full)), sizeof(full));
	assert_int_equal(dup2(hung[1], log_.fd), log_.fd);
	finish(&m);
	assert_int_equal(end_.code, 9);
	assert_int_equal(end_.received[0], 273000);
	assert_true(end_.dropped >= 100000);
	/* So that the thread ends before the test does. */
	while (read(hung[0], full, sizeof(full)) == sizeof(full))
		;
	close(hung[0]);
	close(hung[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(status_and_output),      TEST(the_clock_ends_it),
		TEST(grace_is_given_once),    TEST(a_signal_cancels),
		TEST(output_has_its_limit),   TEST(cpu_time_ends_it),
		TEST(the_end_is_not_held_up), TEST(a_disk_that_hangs_stops_nothing),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
