/*
 * seccomp_load.c - seccomp(2) in the guest, and the stand-in that hands a listener to the host.
 *
 * With the filter in place every syscall of the guest may be the agent's to
 * answer, and the agent hears of it only when it has the listener. Between
 * seccomp(2) and execve(2) the guest therefore makes none: it writes the
 * listener's number to a page it shares with the stand-in and looks at a word
 * there until the host has passed it on. The word is a robust futex of the
 * stand-in (get_robust_list(2)), so that its death ends the wait too.
 */
#include <errno.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/engine.h"
#include "runtime/seccomp.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define NO_STAND_IN_YET	 0xffffffffU /* is no thread's id */
#define NO_LISTENER_YET	 (-1)
#define NO_LISTENER_EVER (-2)

struct gate { /* the page both share */
	struct robust_list in_list;
	_Atomic uint32_t holder; /* the stand-in's thread id; 0: the guest may go on */
	_Atomic int listener;
};

static void pause_shortly(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
}

static _Noreturn void stand_in(struct run *run, struct gate *gate, int slot, pid_t guest)
{
	struct robust_list_head head = {
		.list.next = &gate->in_list,
		.futex_offset =
			(long)offsetof(struct gate, holder) - (long)offsetof(struct gate, in_list),
	};

	gate->in_list.next = &head.list;
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != guest || syscall(SYS_set_robust_list, &head, sizeof head) < 0)
		_exit(1);
	atomic_store(&gate->holder, (uint32_t)syscall(SYS_gettid));
	while (atomic_load(&gate->listener) == NO_LISTENER_YET)
		pause_shortly();
	if (atomic_load(&gate->listener) == NO_LISTENER_EVER ||
	    run_stand_in(run, slot, atomic_load(&gate->listener)) < 0)
		_exit(1);
	atomic_store(&gate->holder, 0);
	_exit(0);
}

/* Born without the filter, and gone before the program can see it: SA_NOCLDWAIT leaves no zombie
 * to it, and execve(2) clears that flag. */
static int bear_stand_in(struct run *run, struct gate *gate, int slot, struct err *e)
{
	struct clone_args args = { .flags = CLONE_FILES, .exit_signal = SIGCHLD };
	struct sigaction action = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };
	pid_t self = getpid();
	long pid;

	if (sigaction(SIGCHLD, &action, NULL) < 0)
		return -errno;
	pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid == 0)
		stand_in(run, gate, slot, self);
	if (pid < 0) {
		int error = errno;

		err_set(e, error, "clone3(CLONE_FILES), to hand over the seccomp listener");
		if (error == EAGAIN)
			err_fix(e, "pids.limit must leave room for one process more, for a moment");
		return -error;
	}
	while (atomic_load(&gate->holder) == NO_STAND_IN_YET) {
		if (kill((pid_t)pid, 0) < 0)
			return err_set(e, ECHILD, "the helper for the seccomp listener is gone");
		pause_shortly();
	}
	return 0;
}

/* No syscalls. A stand-in that died takes the guest with it: nobody has the listener. */
static void wait_at_gate(const struct gate *gate)
{
	for (;;) {
		uint32_t holder = atomic_load(&gate->holder);

		if (holder == 0)
			return;
		if (holder & FUTEX_OWNER_DIED)
			__builtin_trap();
#if defined(__x86_64__) || defined(__i386__)
		__builtin_ia32_pause();
#endif
	}
}

int seccomp_confine(const struct seccomp_filter *f)
{
	struct sock_fprog program = { .len = (unsigned short)f->count, .filter = f->code };
	unsigned int flags = f->flags & ~(unsigned int)(SECCOMP_FILTER_FLAG_NEW_LISTENER |
							SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) < 0 ? -errno : 0;
}

static int load(const struct seccomp_filter *f, struct err *e)
{
	struct sock_fprog program = { .len = (unsigned short)f->count, .filter = f->code };
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, f->flags, &program);
	int error = errno;

	if (fd >= 0)
		return (int)fd;
	err_set(e, error, "seccomp(SECCOMP_SET_MODE_FILTER)");
	if (error == EACCES)
		err_fix(e, "without CAP_SYS_ADMIN a filter needs noNewPrivileges: true");
	else if (error == EBUSY)
		err_fix(e,
			"a filter of kist's own has an agent already, and there can be only one");
	return -error;
}

static int load_for_agent(struct run *run, const struct seccomp_filter *f, int slot, struct err *e)
{
	struct gate *gate =
		mmap(NULL, sizeof *gate, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd;

	if (gate == MAP_FAILED)
		return -errno;
	atomic_store(&gate->holder, NO_STAND_IN_YET);
	atomic_store(&gate->listener, NO_LISTENER_YET);
	fd = bear_stand_in(run, gate, slot, e);
	if (fd < 0)
		return fd;
	fd = load(f, e);
	atomic_store(&gate->listener, fd < 0 ? NO_LISTENER_EVER : fd);
	if (fd < 0)
		return fd;
	wait_at_gate(gate);
	return 0;
}

static int act_seccomp(struct run *run, const void *args, struct err *e)
{
	const struct op_seccomp_args *a = args;
	int r = a->filter->notify ? load_for_agent(run, a->filter, a->slot_listener, e)
				  : load(a->filter, e);

	if (r < 0)
		return r;
	/* A report of this step would be a sendmsg, which the profile may answer by killing the
	 * container. The host counts what the execve ends as done. */
	run->report_steps = false;
	run->silent = a->filter->notify;
	return 0;
}

static void show_seccomp(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_seccomp_args *a = args;
	static const struct flag_name names[] = {
		{ SECCOMP_FILTER_FLAG_TSYNC, "SECCOMP_FILTER_FLAG_TSYNC" },
		{ SECCOMP_FILTER_FLAG_LOG, "SECCOMP_FILTER_FLAG_LOG" },
		{ SECCOMP_FILTER_FLAG_SPEC_ALLOW, "SECCOMP_FILTER_FLAG_SPEC_ALLOW" },
		{ SECCOMP_FILTER_FLAG_NEW_LISTENER, "SECCOMP_FILTER_FLAG_NEW_LISTENER" },
		{ SECCOMP_FILTER_FLAG_TSYNC_ESRCH, "SECCOMP_FILTER_FLAG_TSYNC_ESRCH" },
		{ SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
		  "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" },
	};

	if (a->filter->notify)
		buf_add(out, "stand-in = clone3({flags=CLONE_FILES}); ");
	buf_add(out, "seccomp(SECCOMP_SET_MODE_FILTER, ");
	buf_add_flags(out, a->filter->flags, names, COUNT(names));
	buf_addf(out, ", {len=%zu})", a->filter->count);
	if (a->filter->depth)
		buf_addf(out, " /* at most %zu a call */", a->filter->depth);
	if (a->filter->notify) {
		buf_add(out, " = ");
		plan_show_slot(out, p, a->slot_listener);
		buf_add(out, "; stand-in: sendmsg(sync, SCM_RIGHTS)");
	}
}

const struct op op_seccomp = {
	.name = "seccomp",
	.man = "seccomp(2)",
	.compound = true,
	.act = act_seccomp,
	.show = show_seccomp,
};
