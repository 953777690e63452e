/* Freeze, kill, wait, list on real cgroups; seen from /proc, not from what the functions say. */
#include <sys/resource.h>
#include "tests/unit/cgroup_live.h"

/* Makes a plain cgroup and opens it. */
static int make(const char *name)
{
	struct err e = ERR_INIT;
	int fd;

	assert_int_equal(mkdir(live_full(live_path(name)), 0755), 0);
	fd = cgroup_open(&live_host, live_path(name), &e);
	assert_ok(fd, e);
	return fd;
}

static void drop(const char *name, int fd)
{
	struct err e = ERR_INIT;

	assert_ok(cgroup_wait_empty(fd, 5000, &e), e);
	assert_ok(cgroup_remove_children(fd, &e), e);
	close(fd);
	assert_int_equal(rmdir(live_full(live_path(name))), 0);
}

static char state_of(pid_t pid)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (file_read_at(AT_FDCWD, path, text, sizeof(text)) < 0)
		return '-';
	return strrchr(text, ')')[2];
}

/* Ticks of cpu time a process has used. */
static unsigned long ticks_of(pid_t pid)
{
	char path[64], text[512];
	unsigned long user = 0, kernel = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	assert_true(file_read_at(AT_FDCWD, path, text, sizeof(text)) > 0);
	assert_int_equal(sscanf(strrchr(text, ')') + 2,
				"%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
				&kernel),
			 2);
	return user + kernel;
}

static int spin(void)
{
	for (volatile unsigned long i = 1; i; i++)
		;
	return 0;
}

static void frozen_means_no_cpu(void **state)
{
	struct err e = ERR_INIT;
	unsigned long before;
	pid_t child;
	int fd;

	(void)state;
	live_or_skip(0);
	fd = make("freeze");
	child = live_child(fd, spin);
	assert_true(child > 0);
	while (ticks_of(child) < 2) /* it runs */
		usleep(1000);
	assert_int_equal(cgroup_is_frozen(fd, &e), 0);
	assert_ok(cgroup_freeze(fd, true, 5000, &e), e);
	assert_int_equal(cgroup_is_frozen(fd, &e), 1);
	before = ticks_of(child);
	usleep(100000);
	assert_int_equal(ticks_of(child), before);
	assert_ok(cgroup_freeze(fd, false, 5000, &e), e);
	assert_int_equal(cgroup_is_frozen(fd, &e), 0);
	while (ticks_of(child) <= before)
		usleep(1000);
	assert_ok(cgroup_kill(fd, &e), e);
	assert_int_equal(WTERMSIG(live_wait(child)), SIGKILL);
	drop("freeze", fd);
}

static void frozen_ones_can_be_killed(void **state)
{
	struct err e = ERR_INIT;
	pid_t child;
	int fd;

	(void)state;
	live_or_skip(0);
	for (int old = 0; old < 2; old++) {
		cgroup_kill_missing = old;
		fd = make("kill-frozen");
		child = live_child(fd, NULL);
		assert_ok(cgroup_freeze(fd, true, 5000, &e), e);
		assert_ok(cgroup_kill(fd, &e), e);
		assert_int_equal(WTERMSIG(live_wait(child)), SIGKILL);
		drop("kill-frozen", fd);
	}
	cgroup_kill_missing = false;
}

/* Twenty that wait, and four that are somebody else all the time: each forks and exits, so that a
 * list of ids is old before it is read. */
static int comets(void)
{
	prctl(PR_SET_PDEATHSIG, 0); /* only the cgroup can get them all */
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 24; i++) {
		if (fork() != 0)
			continue;
		while (i < 4) {
			if (fork() > 0)
				_exit(0);
			usleep(500);
		}
		pause();
	}
	pause();
	return 0;
}

static void kill_gets_them_all(void **state)
{
	struct err e = ERR_INIT;
	pid_t *pids, child;
	size_t count;
	int fd;

	(void)state;
	live_or_skip(0);
	for (int old = 0; old < 2; old++) {
		cgroup_kill_missing = old;
		fd = make("comets");
		child = live_child(fd, comets);
		do {
			assert_ok(cgroup_pids(fd, true, &pids, &count, &e), e);
			free(pids);
		} while (count < 20);
		assert_int_equal(cgroup_is_populated(fd, &e), 1);
		assert_ok(cgroup_kill(fd, &e), e);
		assert_int_equal(WTERMSIG(live_wait(child)), SIGKILL);
		assert_ok(cgroup_wait_empty(fd, 10000, &e), e);
		assert_int_equal(cgroup_is_populated(fd, &e), 0);
		drop("comets", fd);
	}
	cgroup_kill_missing = false;
}

static void wait_has_a_bound(void **state)
{
	struct err e = ERR_INIT;
	siginfo_t info;
	pid_t child;
	int fd;

	(void)state;
	live_or_skip(0);
	fd = make("wait");
	assert_ok(cgroup_wait_empty(fd, 0, &e), e);
	child = live_child(fd, NULL);
	assert_int_equal(cgroup_wait_empty(fd, 50, &e), -ETIMEDOUT);
	assert_int_not_equal(state_of(child), 'Z'); /* waiting hurts nobody */
	kill(child, SIGKILL);
	assert_ok(cgroup_wait_empty(fd, 10000, &e), e); /* a zombie does not count */
	/* It has left its cgroup a moment before it is one. */
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(state_of(child), 'Z');
	live_wait(child);
	drop("wait", fd);
}

static void a_removed_cgroup_is_empty(void **state)
{
	struct err e = ERR_INIT;
	int fd;

	(void)state;
	live_or_skip(0);
	fd = make("gone");
	assert_int_equal(rmdir(live_full(live_path("gone"))), 0);
	assert_int_equal(cgroup_kill(fd, &e), 0);
	assert_int_equal(e.error, 0);
	assert_ok(cgroup_wait_empty(fd, 1000, &e), e);
	close(fd);
	assert_int_equal(cgroup_open(&live_host, live_path("gone"), &e), -ENOENT);
}

static bool listed(const pid_t *pids, size_t count, pid_t pid)
{
	for (size_t i = 0; i < count; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

static void lists_below_too(void **state)
{
	struct err e = ERR_INIT;
	pid_t first, second, *pids;
	size_t count;
	char deep[400];
	int fd, sub;

	(void)state;
	live_or_skip(0);
	fd = make("list");
	assert_int_equal(mkdirat(fd, "a", 0755), 0);
	assert_int_equal(mkdirat(fd, "a/b", 0755), 0);
	assert_int_equal(mkdirat(fd, "c", 0755), 0);
	snprintf(deep, sizeof(deep), "%s/a/b", live_path("list"));
	sub = cgroup_open(&live_host, deep, &e);
	assert_ok(sub, e);
	first = live_child(fd, NULL);
	second = live_child(sub, NULL);

	assert_ok(cgroup_pids(fd, false, &pids, &count, &e), e);
	assert_int_equal(count, 1);
	assert_int_equal(pids[0], first);
	free(pids);
	assert_ok(cgroup_pids(fd, true, &pids, &count, &e), e);
	assert_int_equal(count, 2);
	assert_true(listed(pids, count, first) && listed(pids, count, second));
	free(pids);

	/* and what is not empty can't be removed */
	assert_true(cgroup_remove_children(fd, &e) < 0);
	assert_ok(cgroup_kill(fd, &e), e);
	live_wait(first);
	live_wait(second);
	close(sub);
	drop("list", fd);
}

static void nothing_is_left(void **state)
{
	(void)state;
	live_or_skip(0);
	live_nothing_left();
}

/* Deeper than there are fds, or paths of that length. */
static void lists_and_removes_however_deep(void **state)
{
	struct rlimit limit, few;
	struct err e = ERR_INIT;
	pid_t *pids, child;
	int fd, at, next;
	size_t count;

	(void)state;
	live_or_skip(0);
	fd = make("deep");
	at = dup(fd);
	for (int i = 0; i < 600; i++) {
		assert_int_equal(mkdirat(at, "a-long-name-below", 0755), 0);
		if (i % 100 == 0)
			assert_int_equal(mkdirat(at, "beside", 0755), 0);
		next = openat(at, "a-long-name-below", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(at);
		at = next;
	}
	child = live_child(at, NULL);
	close(at);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = (struct rlimit){ .rlim_cur = (rlim_t)fd + 10, .rlim_max = limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_ok(cgroup_pids(fd, true, &pids, &count, &e), e);
	assert_int_equal(count, 1);
	assert_int_equal(pids[0], child);
	free(pids);
	assert_ok(cgroup_kill(fd, &e), e);
	live_wait(child);
	assert_ok(cgroup_remove_children(fd, &e), e);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	drop("deep", fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frozen_means_no_cpu),
		cmocka_unit_test(frozen_ones_can_be_killed),
		cmocka_unit_test(kill_gets_them_all),
		cmocka_unit_test(wait_has_a_bound),
		cmocka_unit_test(a_removed_cgroup_is_empty),
		cmocka_unit_test(lists_below_too),
		cmocka_unit_test(lists_and_removes_however_deep),
		cmocka_unit_test(nothing_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
