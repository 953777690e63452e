/*
 * process_fs.c - the working directory, file descriptors and signals of the new process.
 */
#include "runtime/process_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "base/path.h"

/* --- cwd -------------------------------------------------------------------- */

static int open_root(void)
{
	int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* In runc's words for what callers match on. */
static int cwd_failed(const char *path, int error, struct err *e)
{
	switch (error) {
	case ENOENT:
		return err_say(e, error, "chdir to cwd %s: no such file or directory", path);
	case EACCES:
		return err_say(e, error, "chdir to cwd %s: permission denied", path);
	case ENOTDIR:
		return err_say(e, error, "chdir to cwd %s: not a directory", path);
	case ELOOP:
		err_say(e, error, "chdir to cwd %s: leads through a symlink loop or a magic link",
			path);
		return err_fix(e, "a working directory cannot be under /proc/PID/fd, root or cwd");
	default:
		return err_set(e, error, "chdir to cwd %s", path);
	}
}

static int act_make_cwd(struct run *run, const void *args, struct err *e)
{
	const struct op_cwd_args *a = args;
	_cleanup_fd_ int own_root = -EBADF;
	int root = a->root_slot < 0 ? (own_root = open_root()) : run_slot(run, a->root_slot);
	_cleanup_fd_ int dir = root < 0 ? root : path_mkdir_in_root(root, a->path, 0755);

	if (dir == -EROFS)
		return dir; /* the plan takes it: act_enter_cwd will say what is missing */
	return dir < 0 ? cwd_failed(a->path, -dir, e) : 0;
}

static void show_make_cwd(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_cwd_args *a = args;

	buf_add(out, "make_cwd(");
	if (a->root_slot >= 0) {
		plan_show_slot(out, p, a->root_slot);
		buf_add(out, ", ");
	}
	buf_add_quoted(out, a->path);
	buf_add(out, ", 0755)");
}

static void by_hand_make_cwd(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_cwd_args *a = args;

	buf_add(out, "mkdir -p ");
	if (a->root_slot >= 0)
		plan_show_slot(out, p, a->root_slot);
	buf_add_shell(out, a->path);
}

const struct op op_make_cwd = {
	.name = "make_cwd",
	.man = "mkdirat(2)",
	.compound = true,
	.act = act_make_cwd,
	.show = show_make_cwd,
	.by_hand = by_hand_make_cwd,
};

/*
 * Stops a cwd such as /proc/self/fd/7 from landing in a directory of the host
 * that somebody left open: magic links are refused on the way, and the result
 * must have a name below "/". The raw getcwd(2) answers "(unreachable)..."
 * for what lies outside; glibc would hide that behind ENOENT.
 */
static int act_enter_cwd(struct run *run, const void *args, struct err *e)
{
	const struct op_cwd_args *a = args;
	bool is_root = strcmp(a->path, "/") == 0;
	char name[PATH_MAX];
	_cleanup_fd_ int dir =
		is_root ? -EBADF : path_open_in_own_root(a->path, O_PATH | O_DIRECTORY);
	long n;

	(void)run;
	if (dir < 0 && !is_root)
		return cwd_failed(a->path, -dir, e);
	if ((is_root ? chdir("/") : fchdir(dir)) < 0)
		return cwd_failed(a->path, errno, e);
	n = syscall(SYS_getcwd, name, sizeof name);
	if (n < 0)
		return cwd_failed(a->path, errno, e);
	if (name[0] != '/')
		return err_say(e, EPERM, "cwd %s is outside of the container's root", a->path);
	return 0;
}

static void show_enter_cwd(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	buf_add(out, "enter_cwd(");
	buf_add_quoted(out, ((const struct op_cwd_args *)args)->path);
	buf_add_char(out, ')');
}

static void by_hand_enter_cwd(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	buf_add(out, "cd ");
	buf_add_shell(out, ((const struct op_cwd_args *)args)->path);
}

const struct op op_enter_cwd = {
	.name = "enter_cwd",
	.man = "fchdir(2)",
	.compound = true,
	.act = act_enter_cwd,
	.show = show_enter_cwd,
	.by_hand = by_hand_enter_cwd,
};

/* --- file descriptors ------------------------------------------------------- */

static bool is_own_fd(const struct run *run, int fd)
{
	if (fd == run->sync || fd == run->sync_far)
		return true;
	for (int slot = 0; slot < PLAN_SLOTS_MAX; slot++)
		if ((run->slot_is_fd & (1ULL << slot)) && run->slots[slot] == fd)
			return true;
	return false;
}

/* kist marks everything CLOEXEC when it starts: those the caller asked to keep lose it again. */
static int act_keep_fds(struct run *run, const void *args, struct err *e)
{
	const struct op_fds_args *a = args;

	for (int fd = 3; fd < 3 + a->preserve; fd++) {
		int flags = fcntl(fd, F_GETFD);

		/* One of kist's own has the number: the caller had none open there. */
		if (flags < 0 || is_own_fd(run, fd))
			return err_say(e, EBADF,
				       "file descriptor %d is to be preserved, but is "
				       "not open",
				       fd);
		if ((flags & FD_CLOEXEC) && fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC) < 0)
			return -errno;
	}
	return 0;
}

static void show_keep_fds(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	buf_addf(out, "fcntl(3 to %d, F_SETFD, 0)",
		 2 + ((const struct op_fds_args *)args)->preserve);
}

const struct op op_keep_fds = {
	.name = "keep_fds",
	.man = "fcntl(2)",
	.compound = true,
	.act = act_keep_fds,
	.show = show_keep_fds,
};

static int close_fd_range(unsigned int first, unsigned int last)
{
	if (first > last)
		return 0;
	return syscall(SYS_close_range, first, last, 0) < 0 ? -errno : 0;
}

/*
 * Really closes, instead of trusting CLOEXEC: before Linux 4.10 an execve was
 * visible to ptrace before its CLOEXEC fds were gone, and a failing execve
 * would keep them. The sync socket stays: it tells the host how execve went.
 */
static int act_close_fds(struct run *run, const void *args, struct err *e)
{
	const struct op_fds_args *a = args;
	unsigned int first = 3 + (unsigned int)a->preserve;
	int r;

	(void)e;
	if (run->sync >= 0 && (unsigned int)run->sync >= first) {
		unsigned int sync = (unsigned int)run->sync;

		r = close_fd_range(first, sync - 1);
		if (r == 0)
			r = close_fd_range(sync + 1, ~0U);
	} else {
		r = close_fd_range(first, ~0U);
	}
	if (r < 0)
		return r;
	for (int slot = 0; slot < PLAN_SLOTS_MAX; slot++)
		if (run->slot_is_fd & (1ULL << slot))
			run->slots[slot] = -EBADF;
	run->slot_is_fd = 0;
	return 0;
}

static void show_close_fds(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	buf_addf(out, "close_range(%d, ~0, 0) but the sync socket",
		 3 + ((const struct op_fds_args *)args)->preserve);
}

static void by_hand_close_fds(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	buf_addf(out,
		 "for fd in /proc/self/fd/*; do n=${fd##*/}; [ $n -ge %d ] && "
		 "eval \"exec $n>&-\"; done",
		 3 + ((const struct op_fds_args *)args)->preserve);
}

const struct op op_close_fds = {
	.name = "close_fds",
	.man = "close_range(2)",
	.compound = true,
	.act = act_close_fds,
	.show = show_close_fds,
	.by_hand = by_hand_close_fds,
};

/* --- signals ---------------------------------------------------------------- */

/* Ignored signals and the mask survive execve (signal(7)): a container must not inherit kist's. What
 * is caught does not, and what was never ignored need not be asked about. */
int process_reset_signals(uint64_t taken)
{
	/* The kernel's struct, all zero: SIG_DFL. Raw, since glibc keeps 32 and 33 to itself. */
	unsigned long action[4] = { 0 };
	sigset_t none;

	/* EINVAL for SIGKILL and SIGSTOP, which cannot be ignored. */
	for (int sig = 1; sig < _NSIG; sig++)
		if (!(taken >> (sig - 1) & 1) &&
		    syscall(SYS_rt_sigaction, sig, action, NULL, _NSIG / 8) < 0 && errno != EINVAL)
			return -errno;
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

static int act_reset_signals(struct run *run, const void *args, struct err *e)
{
	(void)run;
	(void)e;
	return process_reset_signals(((const struct op_reset_signals_args *)args)->taken);
}

static void show_reset_signals(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	(void)args;
	buf_add(out, "sigaction(each that is ignored, SIG_DFL); sigprocmask(SIG_SETMASK, [])");
}

static void by_hand_reset_signals(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	(void)args;
	buf_add(out, "env --default-signal ...");
}

const struct op op_reset_signals = {
	.name = "reset_signals",
	.man = "sigaction(2)",
	.compound = true,
	.act = act_reset_signals,
	.show = show_reset_signals,
	.by_hand = by_hand_reset_signals,
};
