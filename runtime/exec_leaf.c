/*
 * exec_leaf.c - a cgroup of its own for one exec, so that all it starts can be killed with it.
 */
#include "runtime/exec_leaf.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "cgroup/cgroup.h"

#define KILL_WAIT_MS 10000
#define MOVE_ROUNDS  100 /* of processes that fork faster than they are moved */

/* After the parent's end, however it came. It holds nothing of the caller's: no terminal, no pipe.
 */
static _Noreturn void watch(const struct exec_leaf *l, int parent)
{
	struct pollfd p = { .fd = parent, .events = POLLIN };
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	setsid();
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	if (cgroup_kill(l->fd, NULL) == 0)
		cgroup_wait_empty(l->fd, KILL_WAIT_MS, NULL);
	unlinkat(l->above, l->name, AT_REMOVEDIR);
	_exit(0);
}

static int start_watcher(struct exec_leaf *l, struct err *e)
{
	_cleanup_fd_ int self = pidfd_open(getpid(), 0);
	int keep[] = { l->above, l->fd, self };
	pid_t pid;

	if (self < 0)
		return err_set(e, errno, "pidfd_open");
	pid = fork();
	if (pid < 0)
		return err_set(e, errno, "fork");
	if (pid == 0) {
		/* All but three, in any order of their numbers. */
		for (unsigned int from = 3; from;) {
			unsigned int next = ~0u;

			for (size_t i = 0; i < sizeof keep / sizeof *keep; i++)
				if ((unsigned int)keep[i] >= from && (unsigned int)keep[i] < next)
					next = (unsigned int)keep[i];
			if (next > from)
				syscall(SYS_close_range, from, next == ~0u ? next : next - 1, 0);
			from = next == ~0u ? 0 : next + 1;
		}
		watch(l, self);
	}
	l->watcher = pid;
	return 0;
}

/* Those above may hold no process if they hand controllers down: the kernel would let the leaf be
 * made, but nobody could be born beside it any more. */
static bool gives_controllers(int cgroup)
{
	char text[256];

	return file_read_at(cgroup, "cgroup.subtree_control", text, sizeof text) != 0;
}

int exec_leaf_begin(struct exec_leaf *l, const char *cgroup, struct arena *a, struct err *e)
{
	struct timespec now;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &now);
	l->name = arena_printf(a, "kist-exec-%d-%llx", (int)getpid(),
			       (unsigned long long)now.tv_sec * 1000000000ull +
				       (unsigned long long)now.tv_nsec);
	l->above = open(cgroup, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (l->above < 0 || !l->name)
		return err_set(e, l->name ? errno : ENOMEM, "open cgroup %.200s", cgroup);
	if (gives_controllers(l->above) || mkdirat(l->above, l->name, 0755) < 0) {
		fd_close(&l->above);
		return 0;
	}
	l->path = arena_printf(a, "%s/%s", cgroup, l->name);
	l->fd = openat(l->above, l->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = l->fd < 0 || !l->path ? err_set(e, l->path ? errno : ENOMEM, "open cgroup %s", l->name)
				  : start_watcher(l, e);
	if (r < 0)
		exec_leaf_end(l);
	return r;
}

void exec_leaf_kill(const struct exec_leaf *l)
{
	if (l->fd >= 0)
		cgroup_kill(l->fd, NULL);
}

/* Until nobody is left in it, or those that are can't be moved. */
static void move_up(const struct exec_leaf *l)
{
	for (int round = 0; round < MOVE_ROUNDS; round++) {
		_cleanup_free_ pid_t *pids = NULL;
		size_t count = 0, moved = 0;

		if (cgroup_pids(l->fd, true, &pids, &count, NULL) < 0 || count == 0)
			return;
		for (size_t i = 0; i < count; i++) {
			char text[16];

			snprintf(text, sizeof text, "%d", (int)pids[i]);
			moved += file_write_at(l->above, "cgroup.procs", text) >= 0;
		}
		if (moved == 0)
			return;
	}
}

void exec_leaf_end(struct exec_leaf *l)
{
	if (l->fd >= 0) {
		move_up(l);
		cgroup_remove_children(l->fd, NULL);
	}
	/* Busy: it is the container's from now on, and goes with it. */
	if (l->above >= 0)
		unlinkat(l->above, l->name, AT_REMOVEDIR);
	if (l->watcher > 0) {
		kill(l->watcher, SIGKILL);
		while (waitpid(l->watcher, NULL, 0) < 0 && errno == EINTR)
			;
	}
	fd_close(&l->fd);
	fd_close(&l->above);
	*l = (struct exec_leaf)EXEC_LEAF_INIT;
}
