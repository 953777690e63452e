/*
 * fake_plan.h - two-sided plans of fake ops for the tests of base/engine.c, walked for real by two
 * processes, which write what they do into one shared page. A hang is a failure: alarm() ends it.
 */
#pragma once
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/engine.h"
#include "base/fd.h"

/* Not each test uses all of it. */
#define UNUSED_HERE __attribute__((unused))
#define MAX_DONE 64

static struct shared {
	int count;
	struct {
		int id;
		enum side side;
		pid_t pid;
	} done[MAX_DONE];
} *shared;

static struct arena arena;
static struct plan plan;
static struct run run;
static struct err err;

/* --- fake ops ------------------------------------------------------------------------- */

struct fake_args {
	int id;
	int error;       /* fail with it */
	const char *say; /* and this record */
	int signal;      /* die of it */
	int exit_code;   /* or leave with it, when over 0 */
	int slot;
};

static void note(const struct run *r, int id)
{
	int i = __atomic_fetch_add(&shared->count, 1, __ATOMIC_SEQ_CST);

	shared->done[i].id = id;
	shared->done[i].side = r->side;
	shared->done[i].pid = getpid();
}

static int act_fake(struct run *r, const void *args, struct err *e)
{
	const struct fake_args *a = args;

	if (a->signal) {
		signal(a->signal, SIG_DFL); /* cmocka catches some */
		kill(getpid(), a->signal);
	}
	if (a->exit_code)
		_exit(a->exit_code);
	if (a->error && a->say)
		return err_set(e, a->error, "%s", a->say);
	if (a->error)
		return -a->error;
	note(r, a->id);
	return a->id;
}

static void show_fake(struct buf *out, const struct plan *p, const void *args)
{
	const struct fake_args *a = args;

	(void)p;
	buf_addf(out, "fake(%d)", a->id);
}

static const struct op op_fake = { .name = "fake", .man = "fake(2)", .act = act_fake,
				   .show = show_fake };

static int act_birth(struct run *r, const void *args, struct err *e)
{
	pid_t pid = fork();

	(void)args;
	if (pid < 0)
		return err_set(e, errno, "fork");
	if (pid == 0) {
		run_become_guest(r);
		return 0;
	}
	run_become_parent(r);
	run_set_number(r, SLOT_GUEST_PID, pid);
	run_set_fd(r, SLOT_GUEST_PIDFD, (int)syscall(SYS_pidfd_open, pid, 0));
	return 0;
}

static const struct op op_birth = { .name = "fork", .man = "fork(2)", .act = act_birth };

static int act_exec(struct run *r, const void *args, struct err *e)
{
	const struct fake_args *a = args;
	char *argv[] = { (char *)"true", NULL };

	note(r, a->id);
	execv("/bin/true", argv);
	return err_set(e, errno, "/bin/true");
}

UNUSED_HERE static const struct op op_exec = { .name = "execve", .man = "execve(2)", .act = act_exec };

/* The host kills the guest and waits for its death, without reaping it. */
static int act_murder(struct run *r, const void *args, struct err *e)
{
	siginfo_t info;

	(void)args;
	(void)e;
	kill(run_slot(r, SLOT_GUEST_PID), SIGKILL);
	waitid(P_PID, (id_t)run_slot(r, SLOT_GUEST_PID), &info, WEXITED | WNOWAIT);
	return 0;
}

UNUSED_HERE static const struct op op_murder = { .name = "murder", .man = "kill(2)", .act = act_murder };

static int act_pipe(struct run *r, const void *args, struct err *e)
{
	const struct fake_args *a = args;
	int ends[2];

	(void)e;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	run_set_fd(r, a->slot, ends[1]);
	run_set_fd(r, a->slot + 1, ends[0]);
	return 0;
}

UNUSED_HERE static const struct op op_pipe = { .name = "pipe2", .man = "pipe(2)", .act = act_pipe };

static int act_say(struct run *r, const void *args, struct err *e)
{
	const struct fake_args *a = args;

	(void)e;
	return write(run_slot(r, a->slot), "hello", 5) == 5 ? 0 : -errno;
}

UNUSED_HERE static const struct op op_say = { .name = "write", .man = "write(2)", .act = act_say };

UNUSED_HERE static int host(int id)
{
	return plan_add(&plan, SIDE_HOST, op_fake, fake_args, .id = id);
}

UNUSED_HERE static int guest(int id)
{
	return plan_add(&plan, SIDE_GUEST, op_fake, fake_args, .id = id);
}

UNUSED_HERE static void birth(void)
{
	plan_add0(&plan, SIDE_HOST, op_socketpair);
	plan_add0(&plan, SIDE_HOST, op_birth);
}

/* --- frame ---------------------------------------------------------------------------- */

static int fds_before;

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int set_up(void **state)
{
	(void)state;
	memset(shared, 0, sizeof *shared);
	arena = (struct arena)ARENA_INIT;
	plan_init(&plan, &arena);
	err = (struct err)ERR_INIT;
	fds_before = count_fds();
	alarm(30);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	alarm(0);
	arena_free(&arena);
	return 0;
}

static __attribute__((unused)) int walk(void)
{
	assert_int_equal(plan_check(&plan, &err), 0);
	run_init(&run, &plan);
	return run_walk(&run, &err);
}

/* After a failure the guest is dead and reaped: there is no child left at all. */
UNUSED_HERE static void assert_no_child(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

UNUSED_HERE static void assert_no_fd_left(void)
{
	run_close(&run);
	assert_int_equal(count_fds(), fds_before);
}

UNUSED_HERE static int reap_guest(void)
{
	int status;

	assert_true(waitpid(run_slot(&run, SLOT_GUEST_PID), &status, 0) > 0);
	return status;
}

/* ids in the order of their doing, as text "0h 1g ..." */
static const char *done(void)
{
	static char text[512];
	struct buf b = BUF_ON(text);

	buf_reset(&b);
	for (int i = 0; i < shared->count; i++)
		buf_addf(&b, "%s%d%c", i ? " " : "", shared->done[i].id,
			 shared->done[i].side == SIDE_HOST ? 'h' : 'g');
	return text;
}
