/*
 * init.c - a container's process 1 that is kist's own.
 *
 * The kernel makes process 1 of a pid namespace special in three ways that a program which doesn't
 * know it suffers from: signals without a handler do nothing to it, not even its own abort(3);
 * orphans become its children, and stay zombies when it doesn't wait; its end is the end of all.
 *
 * What the container can do to it: send it signals, which it passes on, and shrink its limits, by
 * which it ends itself. It runs under the container's filter, without capabilities, fds and folder.
 */
#include "runtime/init.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/reap.h"
#include "base/sanitized.h"
#include "base/self.h"

#define INIT_NAME   "kist-init"
#define STACK_BYTES 65536

/* The host reads the signal from our name: reap.h. */
static _Noreturn void end_as(int status)
{
	char name[16];

	if (!WIFSIGNALED(status))
		_exit(WEXITSTATUS(status));
	snprintf(name, sizeof name, REAP_SIGNAL_NAME "%d", WTERMSIG(status));
	prctl(PR_SET_NAME, name);
	_exit(128 + WTERMSIG(status));
}

static void reap_all(pid_t child)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == child)
			end_as(status);
	/* Its child is there until it was waited for: something is wrong, and this must not go on. */
	if (pid < 0)
		_exit(125);
}

/* SIGTERM means all of it: who is asked to go should not leave half of itself to SIGKILL. */
static void pass_on(int signal, pid_t child)
{
	kill(signal == SIGTERM ? -1 : child, signal);
}

static _Noreturn void be_init(pid_t child)
{
	sigset_t all;
	siginfo_t info;

	/* The streams' other ends must see an end of file when the child closes them, and the host
	 * the execve. */
	syscall(SYS_close_range, 0, ~0U, 0);
	prctl(PR_SET_NAME, INIT_NAME);
	self_hide_arguments(INIT_NAME);
	(void)!chdir("/");
	sigfillset(&all);
	for (;;) {
		reap_all(child);
		if (sigwaitinfo(&all, &info) > 0 && info.si_signo != SIGCHLD)
			pass_on(info.si_signo, child);
	}
}

struct command {
	struct run *run;
	sigset_t mask;
};

/* The command on its way to its execve, in init's memory: init sleeps until then. */
static int be_command(void *user)
{
	struct command *c = user;

	/* A group of its own: kill(0) is the command's own matter. */
	if (setsid() < 0 || sigprocmask(SIG_SETMASK, &c->mask, NULL) < 0)
		_exit(125);
	run_go_on_alone(c->run);
}

/* No copy of this memory for the moment until its execve. */
static int bear_command(struct command *c)
{
#if SANITIZED /* AddressSanitizer knows one stack, and no memory of two processes */
	int child = (int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	return child == 0 ? be_command(c) : child;
#else
	static char stack[STACK_BYTES] __attribute__((aligned(16)));

	return clone(be_command, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, c);
#endif
}

static int act_stay_as_init(struct run *run, const void *args, struct err *e)
{
	struct command c = { .run = run };
	sigset_t all;
	int child;

	(void)args;
	/* Also what comes before there is anybody to pass it on to. */
	sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, &c.mask) < 0)
		return -errno;
	child = bear_command(&c);
	if (child < 0) {
		err_set(e, errno, "clone(CLONE_VM|CLONE_VFORK|SIGCHLD)");
		if (errno == EAGAIN)
			err_fix(e, "the limit of processes must leave room for two: init and the "
				   "command");
		return -e->error;
	}
	be_init((pid_t)child);
}

static void show_stay_as_init(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	(void)args;
	buf_add(out, "stay_as_init() /* child = clone(CLONE_VM|CLONE_VFORK|SIGCHLD), which goes on; the guest reaps */");
}

const struct op op_stay_as_init = { .name = "stay_as_init",
				    .man = "pid_namespaces(7)",
				    .compound = true,
				    .act = act_stay_as_init,
				    .show = show_stay_as_init };

void init_plan(struct plan *p)
{
	plan_scope(p, "/process", "init");
	plan_add0(p, SIDE_GUEST, op_stay_as_init);
}
