/*
 * killat.c - stops a command, and all it starts, at one exact system call.
 *
 * Build:  cc -O2 -static -o killat killat.c killat-args.c killat-task.c -lseccomp
 *
 * A ptrace stepper. Every system call of every process and thread born from
 * the command gets a number, from 1, after the command's own execve. At a
 * chosen number it kills, makes the call fail, sends a signal, or runs a hook
 * while all stand still. `count --list` shows the numbers.
 *
 * So that the numbers mean the same in two runs, the tasks are serialised:
 * one runs until it sleeps in the kernel or ends, then the next in order of
 * birth; a call is numbered when its task gets its turn, not when the stop is
 * seen. A task that only burns cpu or hammers on calls without sleeping loses
 * its turn after a while. --free lets all run at once. What depends on time or
 * on threads that race by futex (Go's runtime) still differs between runs.
 *
 * It owns no judgement: what a kill left behind is for the caller to find
 * (tests/sweep.sh). x86-64 only; children made with CLONE_UNTRACED escape.
 * See ptrace(2), "Stopped states".
 */
#include "killat.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(struct user_regs_struct) == 27 * 8,
	       "task_skip_call() and task_set_result() know only x86-64");

#define TURN_CALLS    2000 /* calls in a row before a busy task must let others run */
#define PATIENCE_RUN  100  /* ms of pure cpu while others wait */
#define PATIENCE_DISK 300  /* ms of uninterruptible sleep */
#define STATUS_LATE   124

static int turn_calls;
static pid_t main_pid;
static int main_status = -1;
static bool started; /* the command's execve has happened */
static long entries, exits, name_hits;
static bool struck, was_there;
static volatile sig_atomic_t late;

/* ---- ptrace requests; a task may die under our hands at any time: ESRCH is no error ---- */

static void task_resume(struct task *t, int signal)
{
	ptrace(started ? PTRACE_SYSCALL : PTRACE_CONT, t->tid, 0, (long)signal);
	t->state = RUNNING;
	t->counted = false;
	turn_calls = current == t ? turn_calls + 1 : 0;
	current = t;
}

static void task_set_register(const struct task *t, size_t offset, long value)
{
	ptrace(PTRACE_POKEUSER, t->tid, offset, value);
}

static void task_skip_call(const struct task *t)
{
	task_set_register(t, offsetof(struct user_regs_struct, orig_rax), -1);
}

static void task_set_result(const struct task *t, long value)
{
	task_set_register(t, offsetof(struct user_regs_struct, rax), value);
}

/* Whether the call is what SHORT can be done to; then it is told so. */
static bool task_shorten_call(const struct task *t)
{
	bool can = t->call == SYS_read || t->call == SYS_write || t->call == SYS_pread64 ||
		   t->call == SYS_pwrite64;

	if (can)
		task_set_register(t, offsetof(struct user_regs_struct, rdx), 1);
	return can;
}

/* ---- the point ---- */

#define PAGE 4096ul

/* The first two arguments are tried as addresses of a path: open("/x"), openat(-1, "/x"). */
static bool has_path(const struct task *t)
{
	struct user_regs_struct regs;

	if (!want.path)
		return true;
	if (ptrace(PTRACE_GETREGS, t->tid, 0, &regs) < 0)
		return false;
	for (int i = 0; i < 2; i++) {
		char text[PAGE] = "";
		/* The end of its page, and the next one, which may not be there: a path on a stack lies
		 * across both now and then. */
		unsigned long at = i ? regs.rsi : regs.rdi, rest = PAGE - at % PAGE;
		struct iovec to = { text, PAGE - 1 };
		struct iovec from[] = { { (void *)at, rest < PAGE ? rest : PAGE - 1 },
					{ (void *)(at + rest), PAGE - 1 - (rest < PAGE ? rest : PAGE - 1) } };

		if (process_vm_readv(t->tid, &to, 1, from, 2, 0) > 0 && memmem(text, strnlen(text, sizeof text), want.path, strlen(want.path)))
			return true;
	}
	return false;
}

static bool is_point(const struct task *t, bool exiting)
{
	if (struck || want.mode == COUNT || exiting != want.at_exit)
		return false;
	if (want.name[0])
		return strcmp(want.name, call_name(t->call)) == 0 && has_path(t) &&
		       (++name_hits == want.number || (want.each && name_hits > want.number));
	return t->index == want.number || (want.each && t->index > want.number);
}

/* SIGKILL is awaited before anybody goes on, so that what the others see of it is repeatable. */
static void send_signal(pid_t tgid)
{
	bool sent = false;

	for (int i = 0; i < task_count; i++) {
		if (tasks[i]->tgid != tgid)
			continue;
		if (!sent)
			kill(tgid, want.signal);
		sent = true;
		if (want.signal == SIGKILL) {
			tasks[i]->state = RUNNING;
			current = tasks[i];
		}
	}
	if (!sent)
		fprintf(stderr, "killat: point %ld: that process has ended already\n", want.number);
}

static void signal_everybody(void)
{
	pid_t done[TASKS_MAX];
	int n = 0;

	for (int i = 0; i < task_count; i++) {
		bool again = false;

		for (int k = 0; k < n; k++)
			again |= done[k] == tasks[i]->tgid;
		if (!again)
			done[n++] = tasks[i]->tgid;
	}
	while (n-- > 0)
		send_signal(done[n]);
}

static void kill_everybody(void)
{
	want.signal = SIGKILL;
	signal_everybody();
}

/* Everybody stands still: at a stop, or asleep in a call that ends in a stop before user code. */
static void run_hook(const struct task *t)
{
	char number[24];
	int status;
	pid_t pid = fork();

	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (pid == 0) {
		snprintf(number, sizeof number, "%ld", t->index);
		setenv("KILLAT_INDEX", number, 1);
		snprintf(number, sizeof number, "%d", (int)t->tgid);
		setenv("KILLAT_PID", number, 1);
		snprintf(number, sizeof number, "%d", (int)main_pid);
		setenv("KILLAT_MAIN", number, 1);
		setenv("KILLAT_ROLE", task_role(t), 1);
		setenv("KILLAT_SYSCALL", call_name(t->call), 1);
		execl("/bin/sh", "sh", "-c", want.hook, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid: %s", strerror(errno));
	if (status == 0)
		return;
	fprintf(stderr, "killat: the hook failed (wait status 0x%x): %s\n", status, want.hook);
	kill_everybody();
	exit(STATUS_BROKEN);
}

static void strike(struct task *t)
{
	was_there = true;
	struck = !want.each;
	if (want.out)
		fprintf(want.out, "hit %ld %d %s %s%s\n", t->index, (int)t->tid, task_role(t),
			call_name(t->call), want.at_exit ? " exit" : "");
	if (want.mode == PAUSE) {
		run_hook(t);
	} else if (want.mode == FAIL && want.fail_errno == FAIL_SHORT) {
		if (!task_shorten_call(t))
			fprintf(stderr, "killat: point %ld: no short %s\n", want.number,
				call_name(t->call));
	} else if (want.mode == FAIL) {
		/* Linux always closes; a descriptor kept open would be a fault of ours. */
		if (t->call != SYS_close)
			task_skip_call(t);
		t->fail = want.fail_errno;
	} else if (want.who == WHO_ALL) {
		signal_everybody();
	} else {
		send_signal(want.who == WHO_MAIN ? main_pid : t->tgid);
	}
}

/* Gives up its turn, however soon it is back: a busy machine may never catch a short sleep, and a
 * thread that polls by sleeping (Go's sysmon) would hold all others. */
static bool is_sleep(long call)
{
	return call == SYS_nanosleep || call == SYS_clock_nanosleep || call == SYS_sched_yield;
}

static void handle_call(struct task *t)
{
	struct __ptrace_syscall_info info = { 0 };
	long size = ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof info, &info);

	if (!t->counted && size > 0 && info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		t->counted = true;
		t->call = (long)info.entry.nr;
		t->index = ++entries;
		if (want.list)
			fprintf(want.out, "%ld %d %s %s\n", t->index, (int)t->tid, task_role(t),
				call_name(t->call));
		if (is_point(t, false))
			strike(t);
	} else if (!t->counted && size > 0 && info.op == PTRACE_SYSCALL_INFO_EXIT && t->index) {
		t->counted = true;
		exits++;
		if (t->fail)
			task_set_result(t, -t->fail);
		t->fail = 0;
		if (is_point(t, true))
			strike(t);
	}
	/* After a kill the victim has the turn until it is gone, and this task waits. */
	if (t->state != HELD || (current && current != t && current->state == RUNNING))
		return;
	task_resume(t, 0);
	if (size > 0 && info.op == PTRACE_SYSCALL_INFO_ENTRY && is_sleep(t->call)) {
		turn_calls = TURN_CALLS;
		t->state = ASLEEP;
	}
}

/* ---- stops ---- */

static bool reap(int flags);

static void handle_birth(struct task *t, bool vfork)
{
	unsigned long tid = 0;
	struct task *child;

	if (ptrace(PTRACE_GETEVENTMSG, t->tid, 0, &tid) == 0 && tid > 0) {
		child = task_find((pid_t)tid);
		if (!child)
			child = task_add((pid_t)tid);
		/* Its first stop is on its way; without it the order would be a race. */
		while (child && child->state != HELD && reap(0))
			child = task_find((pid_t)tid);
		if (child)
			task_christen(child);
	}
	task_resume(t, 0);
	if (vfork)
		t->state = ASLEEP;
}

static void handle_exec(struct task *t)
{
	unsigned long former = 0;

	/* A thread that execs takes over its leader's id; its own vanishes without a word. */
	if (ptrace(PTRACE_GETEVENTMSG, t->tid, 0, &former) == 0 && (pid_t)former != t->tid &&
	    task_find((pid_t)former))
		task_remove(task_find((pid_t)former));
	if (t->tid == main_pid)
		started = true;
	if (want.let_go && t->tid != main_pid && task_is_program(t, want.let_go)) {
		ptrace(PTRACE_DETACH, t->tid, 0, 0);
		task_remove(t);
		return;
	}
	task_resume(t, 0);
}

static bool is_stopping_signal(int signal)
{
	return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

static void handle_stop(struct task *t)
{
	int signal = WSTOPSIG(t->stop), event = t->stop >> 16;

	if (signal == (SIGTRAP | 0x80)) {
		handle_call(t);
	} else if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_CLONE ||
		   event == PTRACE_EVENT_VFORK) {
		handle_birth(t, event == PTRACE_EVENT_VFORK);
	} else if (event == PTRACE_EVENT_EXEC) {
		handle_exec(t);
	} else if (event == PTRACE_EVENT_STOP && is_stopping_signal(signal)) {
		ptrace(PTRACE_LISTEN, t->tid, 0, 0);
		t->state = ASLEEP;
	} else {
		task_resume(t, event ? 0 : signal);
	}
}

/* One report, if there is one. False: nothing there, nobody left, or time is up. */
static bool reap(int flags)
{
	int status;
	pid_t tid = waitpid(-1, &status, __WALL | flags);
	struct task *t;

	if (tid <= 0)
		return false;
	t = task_find(tid);
	if (WIFSTOPPED(status)) {
		if (!t)
			t = task_add(tid);
		t->state = HELD;
		t->stop = status;
		return true;
	}
	if (tid == main_pid)
		main_status = status;
	if (t)
		task_remove(t);
	return true;
}

/* ---- turns ---- */

static struct task *choose(void)
{
	struct task *after = NULL, *first = NULL;
	int birth = current ? current->birth : 0;

	if (current && !want.free_run) {
		if (current->state == RUNNING)
			return NULL;
		if (current->state == HELD && turn_calls < TURN_CALLS)
			return current;
	}
	for (int i = 0; i < task_count; i++) {
		struct task *t = tasks[i];

		/* Not christened yet: its parent's report comes first. */
		if (t->state != HELD || !t->birth)
			continue;
		if (!first || t->birth < first->birth)
			first = t;
		if (t->birth > birth && (!after || t->birth < after->birth))
			after = t;
	}
	turn_calls = 0;
	return after ? after : first;
}

static bool somebody_held(void)
{
	for (int i = 0; i < task_count; i++)
		if (tasks[i]->state == HELD && tasks[i]->birth)
			return true;
	return false;
}

static long elapsed_ms(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000;
}

/* Others wait for their turn: is the one who has it asleep? Seen twice, since many sleeps are
 * a moment's. */
static void wait_for_current(void)
{
	/* No sched_yield(): on a busy machine each gives away a whole slice. */
	struct timespec since, nap = { .tv_nsec = 100000 }, short_nap = { .tv_nsec = 5000 };
	int asleep = 0;

	clock_gettime(CLOCK_MONOTONIC, &since);
	for (int spin = 0; !late; spin++) {
		char letter;

		if (reap(WNOHANG))
			return;
		if (spin < 20) {
			nanosleep(&short_nap, NULL);
			continue;
		}
		letter = task_letter(current);
		asleep = letter == 'S' || letter == 'Z' || letter == 'X' ? asleep + 1 : 0;
		if (asleep > 2 || (letter == 'R' && elapsed_ms(&since) > PATIENCE_RUN) ||
		    (letter == 'D' && elapsed_ms(&since) > PATIENCE_DISK)) {
			current->state = ASLEEP;
			return;
		}
		nanosleep(&nap, NULL);
	}
}

/* False: it was killed meanwhile, and its end is still to be told. */
static bool let_go(struct task *t)
{
	int event = t->stop >> 16;
	int signal = event || WSTOPSIG(t->stop) & 0x80 ? 0 : WSTOPSIG(t->stop);
	unsigned long tid;

	/* A child born this moment is traced too. */
	if ((event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_CLONE ||
	     event == PTRACE_EVENT_VFORK) &&
	    ptrace(PTRACE_GETEVENTMSG, t->tid, 0, &tid) == 0 && !task_find((pid_t)tid))
		task_add((pid_t)tid);
	if (ptrace(PTRACE_DETACH, t->tid, 0, (long)signal) == 0)
		return true;
	t->state = RUNNING;
	return false;
}

/* Lets everybody go on as if we had never been there. They are waited for in no order: the first
 * process of a pid namespace ends only after who waits for the others has heard of their ends. */
static void detach_everybody(void)
{
	for (int i = 0; i < task_count; i++)
		if (tasks[i]->state != HELD)
			ptrace(PTRACE_INTERRUPT, tasks[i]->tid, 0, 0);
	do {
		for (int i = task_count - 1; i >= 0; i--) {
			struct task *t = tasks[i];

			if (t->state == HELD && let_go(t))
				task_remove(t);
		}
	} while (task_count > 0 && reap(0));
}

static void walk(void)
{
	while (task_count > 0 && !late) {
		struct task *t;

		while (reap(WNOHANG))
			;
		if (main_status != -1 && want.detach_after_main) {
			detach_everybody();
			break;
		}
		t = choose();
		if (t)
			handle_stop(t);
		else if (current && current->state == RUNNING && somebody_held())
			wait_for_current();
		else
			reap(0);
	}
	if (late)
		kill_everybody();
}

static void start(void)
{
	int gate[2];
	char go;

	if (pipe2(gate, O_CLOEXEC) < 0)
		die("pipe: %s", strerror(errno));
	main_pid = fork();
	if (main_pid < 0)
		die("fork: %s", strerror(errno));
	if (main_pid == 0) {
		close(gate[1]);
		if (read(gate[0], &go, 1) != 1)
			_exit(STATUS_BROKEN);
		execvp(want.command[0], want.command);
		fprintf(stderr, "killat: %s: %s\n", want.command[0], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	close(gate[0]);
	if (ptrace(PTRACE_SEIZE, main_pid, 0,
		   PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE |
			   PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL) < 0)
		die("PTRACE_SEIZE: %s", strerror(errno));
	task_christen(task_add(main_pid));
	if (write(gate[1], "", 1) != 1)
		die("pipe: %s", strerror(errno));
	close(gate[1]);
}

static void on_alarm(int signal)
{
	(void)signal;
	late = 1;
}

int main(int argc, char **argv)
{
	struct sigaction alarm_action = { .sa_handler = on_alarm }; /* no SA_RESTART */

	parse(argc, argv);
	sigaction(SIGALRM, &alarm_action, NULL);
	start();
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	alarm(want.timeout);
	walk();
	if (late) {
		fprintf(stderr, "killat: not finished after %u s, killed\n", want.timeout);
		return STATUS_LATE;
	}
	if (want.mode == COUNT)
		fprintf(want.out, "entries %ld exits %ld processes %d tasks %d\n", entries, exits,
			processes, births);
	else if (!was_there)
		fprintf(stderr, "killat: never came to the point; there were %ld calls\n", entries);
	return WIFSIGNALED(main_status) ? 128 + WTERMSIG(main_status) : WEXITSTATUS(main_status);
}
