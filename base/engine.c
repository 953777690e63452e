/*
 * engine.c - walks a plan's one total order from both sides.
 *
 * The side whose turn it is runs its steps; at a step of the other side it
 * passes the turn over a SEQPACKET pair and waits. Each side closes the far
 * end, so a dead peer is an EOF, never a hang. After birth the guest may not
 * allocate or print; it answers with fixed-size messages.
 */
#include "base/engine.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/interrupt.h"

enum message_type {
	MESSAGE_TURN = 1, /* go on at `step` */
	MESSAGE_FD,       /* an fd for slot `value` */
	MESSAGE_REPORT,   /* step ended with `value` */
	MESSAGE_ERROR,    /* err */
};

struct message {
	int type;
	int step;
	int value;
	struct err err; /* only sent whole with MESSAGE_ERROR */
};
#define KILL_WAIT_MS 3000
#define HELD	     (INT_MAX - 1) /* as WAITS: at the gate */
#define WAITS	     INT_MAX /* no step, but: call again when the guest has said something */
#define SHORT_MESSAGE offsetof(struct message, err)

static void report(struct run *r, int step, int result)
{
	if (r->side == SIDE_GUEST && r->report_steps) {
		struct message m = { .type = MESSAGE_REPORT, .step = step, .value = result };

		socket_send_fd(r->sync, &m, SHORT_MESSAGE, -1);
	} else if (r->side == SIDE_HOST && r->report) {
		r->report(r->user, r->plan, (struct run_report){ step, result });
	}
}

/* Puts the step's own words around what act() said: "/mounts/3 (/data): mount_setattr(...): ...". */
static void describe_failure(const struct plan *p, int step, int error, struct err *e)
{
	const struct step *s = &p->steps[step];
	char call[ERR_TEXT_MAX];
	struct buf b = BUF_ON(call);

	buf_reset(&b);
	plan_show_step(&b, p, step);
	if (!e->error)
		err_set(e, error, "%s", call);
	e->step = step;
	buf_reset(&b);
	buf_addf(&b, s->about && s->why[0] ? "%s (%s)" : "%s%s", s->why, s->about ? s->about : "");
	err_at(e, call);
}

static int act_step(struct run *r, int step, struct err *e)
{
	const struct step *s = &r->plan->steps[step];
	int result;

	r->step = step;
	if (step == r->fault_step)
		return err_set(e, r->fault_error, "fault asked for at step %d", step);
	result = s->op->act(r, s->args, e);
	/* An act that failed without a record gets one from describe_failure. */
	return result;
}

/* Does the step, its on-errno table included. Returns the next step's index, or -errno. */
static int do_step(struct run *r, int step, struct err *e)
{
	int next = step + 1, current = step;

	for (int tries = 0; tries <= PLAN_ON_ERRNO_MAX; tries++) {
		const struct step *s = &r->plan->steps[current];
		const struct on_errno *on = NULL;
		int result;

		err_clear(e);
		result = act_step(r, current, e);
		/* The birth op returns on both sides: the guest reports nothing of it. */
		if (result >= 0) {
			if (r->side == s->side)
				report(r, current, result);
			return next;
		}
		for (int i = 0; i < s->on_errno_count && !on; i++)
			if (s->on_errno[i].error == -result)
				on = &s->on_errno[i];
		if (!on) {
			if (r->side == SIDE_HOST)
				report(r, current, result);
			describe_failure(r->plan, current, -result, e);
			return result;
		}
		err_clear(e);
		report(r, current, result);
		if (on->action == ON_DONE)
			return next;
		if (on->action == ON_SKIP)
			return on->to;
		current = on->to;
	}
	return err_set(e, ELOOP, "alternatives of step %d never end", step);
}

static int pass_turn(struct run *r, int step, struct err *e)
{
	struct message m = { .type = MESSAGE_TURN, .step = step };
	int n = socket_send_fd(r->sync, &m, SHORT_MESSAGE, -1);

	return n < 0 ? err_set(e, -n, "the other side of the setup is gone") : 0;
}

/* Whoever has other things to do does not wait in a namespace that is not its own. */
static bool would_wait(const struct run *r)
{
	struct pollfd p = { .fd = r->sync, .events = POLLIN };

	if (!r->patient || r->side == SIDE_GUEST)
		return false;
	for (int i = 0; i < r->plan->home_count; i++)
		if (run_slot(r, r->plan->homes[i]) >= 0)
			return false;
	return poll(&p, 1, 0) == 0;
}

static bool is_late(const struct run *r)
{
	return r->until >= 0 && r->side == SIDE_HOST && clock_now_ms() >= r->until;
}

static int give_up(struct err *e)
{
	return err_say(e, ETIMEDOUT, "given up: the setup waits for something that does not answer");
}

/* Waits for the turn. Returns the step to go on at; 0 at EOF with *ret_eof; WAITS; -errno. */
static int wait_turn(struct run *r, bool *ret_eof, struct err *e)
{
	*ret_eof = false;
	for (;;) {
		if (would_wait(r))
			return is_late(r) ? give_up(e) : WAITS;
		struct message m;
		int fd = -EBADF;
		ssize_t n = socket_recv_fd(r->sync, &m, sizeof m, &fd);

		if (n == -EAGAIN) {
			int signal = interrupt_take();

			if (signal)
				return err_say(e, EINTR, "interrupted by SIG%s", sigabbrev_np(signal));
			if (is_late(r))
				return give_up(e);
			continue;
		}
		if (n < 0 && n != -ECONNRESET)
			return err_set(e, (int)-n, "cannot hear from the other side");
		if (n <= 0) {
			*ret_eof = true;
			return 0;
		}
		if ((size_t)n < SHORT_MESSAGE) {
			fd_close(&fd);
			return err_set(e, EPROTO, "short message from the other side");
		}
		if (m.type == MESSAGE_FD && fd >= 0 && m.value >= 0 && m.value < PLAN_SLOTS_MAX) {
			run_set_fd(r, m.value, fd);
			continue;
		}
		fd_close(&fd);
		if (m.type == MESSAGE_TURN && m.step >= 0 && m.step <= r->plan->count)
			return m.step;
		if (m.type == MESSAGE_REPORT && m.step >= 0 && m.step < r->plan->count) {
			if (r->report)
				r->report(r->user, r->plan, (struct run_report){ m.step, m.value });
			r->last_report = m.step;
			continue;
		}
		if (m.type == MESSAGE_ERROR && (size_t)n == sizeof m && m.err.error > 0) {
			*e = m.err;
			if (r->report && e->step >= 0 && e->step < r->plan->count)
				r->report(r->user, r->plan, (struct run_report){ e->step, -e->error });
			return -e->error;
		}
		return err_set(e, EPROTO, "bad message from the other side");
	}
}

int run_stand_in(struct run *r, int slot, int fd)
{
	struct message give = { .type = MESSAGE_FD, .value = slot };
	struct err e = ERR_INIT;
	bool eof;
	int n;

	report(r, r->step, 0);
	n = socket_send_fd(r->sync, &give, SHORT_MESSAGE, fd);
	if (n == 0)
		n = pass_turn(r, r->step + 1, &e);
	if (n == 0)
		n = wait_turn(r, &eof, &e);
	if (n < 0)
		return n;
	return eof ? -EPIPE : 0;
}

static int act_send_fd(struct run *r, const void *args, struct err *e)
{
	const struct op_send_fd_args *a = args;
	struct message m = { .type = MESSAGE_FD, .value = a->slot };

	(void)e;
	if (run_slot(r, a->slot) < 0)
		return -EBADF;
	return socket_send_fd(r->sync, &m, SHORT_MESSAGE, run_slot(r, a->slot));
}

static void show_send_fd(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_send_fd_args *a = args;

	buf_add(out, "sendmsg(sync, SCM_RIGHTS ");
	plan_show_slot(out, p, a->slot);
	buf_add_char(out, ')');
}

const struct op op_send_fd = { .name = "sendmsg", .man = "unix(7)", .act = act_send_fd,
			       .show = show_send_fd };

static int act_socketpair(struct run *r, const void *args, struct err *e)
{
	/* The host looks for signals while it waits: a guest may hang for ever, in a hook or in a
	 * filesystem that is silent. */
	const struct timeval look = { .tv_usec = INTERRUPT_LOOK_MS * 1000 };
	int pair[2];

	(void)args;
	(void)e;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	r->sync = pair[0];
	r->sync_far = pair[1];
	return setsockopt(r->sync, SOL_SOCKET, SO_RCVTIMEO, &look, sizeof look) < 0 ? -errno : 0;
}

static void show_socketpair(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	(void)args;
	buf_addf(out, "socketpair(AF_UNIX, SOCK_SEQPACKET|SOCK_CLOEXEC) /* SO_RCVTIMEO: %d ms */",
		 INTERRUPT_LOOK_MS);
}

const struct op op_socketpair = { .name = "socketpair", .man = "socketpair(2)",
				  .compound = true, .act = act_socketpair, .show = show_socketpair };

/* --- the two walks ---------------------------------------------------------- */

static _Noreturn void guest_walk(struct run *r, int step)
{
	struct err e = ERR_INIT;
	bool eof, alone = false;

	for (;;) {
		while (step < r->plan->count && r->plan->steps[step].alternative)
			step++;
		if (step >= r->plan->count)
			_exit(0);
		/* The first step the host does not follow: let it go, on its own word. */
		if (step == r->plan->detach && !alone) {
			alone = true;
			if (!r->turn_given_at_detach && (pass_turn(r, step, &e) < 0 ||
							 wait_turn(r, &eof, &e) < 0 || eof))
				_exit(1);
		}
		if (r->plan->steps[step].side == SIDE_GUEST) {
			step = do_step(r, step, &e);
		} else if (r->silent) {
			step++;
		} else {
			int passed = pass_turn(r, step, &e);

			step = passed < 0 ? passed : wait_turn(r, &eof, &e);
			r->turn_given_at_detach = step == r->plan->detach;
			/* The host is gone or gave up; nobody is left to tell. */
			if (passed < 0 || eof)
				_exit(1);
		}
		if (step < 0) {
			struct message m = { .type = MESSAGE_ERROR, .step = e.step, .err = e };

			socket_send_fd(r->sync, &m, sizeof m, -1);
			_exit(e.exit_code ? e.exit_code : 1);
		}
	}
}

_Noreturn void run_go_on_alone(struct run *r)
{
	report(r, r->step, 0);
	guest_walk(r, r->step + 1);
}

/* The guest's end with no record: say how it died. Reaps it. */
static int guest_died(struct run *r, struct err *e)
{
	siginfo_t info = { 0 };
	int pidfd = run_slot(r, SLOT_GUEST_PIDFD);

	if (pidfd < 0 || waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOWAIT) < 0)
		return err_set(e, ECHILD, "the container's first process is gone");
	if (info.si_code == CLD_EXITED)
		return err_say(e, ECHILD, "the container's first process ended with status %d "
			       "during the setup", info.si_status);
	return err_say(e, ECHILD, "the container's first process was killed by signal %d (%s) "
		       "during the setup", info.si_status, sigdescr_np(info.si_status)
		       ? sigdescr_np(info.si_status) : "unknown");
}

static void kill_guest(struct run *r)
{
	int pidfd = run_slot(r, SLOT_GUEST_PIDFD);
	struct pollfd end = { .fd = pidfd, .events = POLLIN };
	siginfo_t info;

	fd_close(&r->sync);
	if (!r->born || pidfd < 0)
		return;
	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	/* One whose filesystem is silent ends when that does: what is left then, is delete's. */
	while (poll(&end, 1, KILL_WAIT_MS) < 0 && errno == EINTR)
		;
	waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG);
}

/* Where the guest's steps end, with its execve. */
static int guest_end(const struct plan *p)
{
	return p->launched >= 0 ? p->launched : p->count;
}

/* The last step the host must see done: beyond it only EOF (the execve) is waited for. */
static bool guest_is_last(const struct plan *p, int step)
{
	for (; step < guest_end(p); step++)
		if (p->steps[step].side == SIDE_HOST && !p->steps[step].alternative)
			return false;
	return true;
}

/* The execve closed the socket: what the guest could not report any more has been done. */
static void report_rest(struct run *r, int from)
{
	const struct plan *p = r->plan;

	if (!r->report)
		return;
	if (from <= r->last_report)
		from = r->last_report + 1;
	for (int i = from; i < guest_end(p); i++)
		if (!p->steps[i].alternative)
			r->report(r->user, p, (struct run_report){ i, 0 });
}

/* Where the guest goes on while the host does the steps from here on; `step`: nowhere. */
static int guest_beside(const struct plan *p, int step, int end)
{
	int next = step;

	while (next < end && (p->steps[next].beside || p->steps[next].alternative))
		next++;
	return next < end && p->steps[next].side == SIDE_GUEST ? next : step;
}

static int do_beside(struct run *r, int step, int end, struct err *e)
{
	while (step >= 0 && step < end)
		step = r->plan->steps[step].alternative ? step + 1 : do_step(r, step, e);
	return step < 0 ? step : 0;
}

/* The turn becomes the guest's, at step `at`, while the host does its own from `from` on. */
static int give_turn(struct run *r, int from, int at, struct err *e)
{
	int n = pass_turn(r, at, e);

	if (n == -EPIPE || n == -ECONNRESET)
		return guest_died(r, e);
	r->at = at;
	r->guests_turn = n == 0;
	return n < 0 ? n : do_beside(r, from, at, e);
}

/* Until the turn is the host's again: the step to go on at; WAITS; -errno. */
static int follow_guest(struct run *r, struct err *e)
{
	bool eof = false;
	int step = wait_turn(r, &eof, e);

	if (step == WAITS)
		return WAITS;
	r->guests_turn = false;
	if (step < 0 || !eof)
		return step;
	if (r->plan->detach >= 0 || !guest_is_last(r->plan, r->at))
		return guest_died(r, e);
	report_rest(r, r->at);
	return guest_end(r->plan);
}

static int host_walk(struct run *r, struct err *e)
{
	const struct plan *p = r->plan;
	int end = p->detach >= 0 ? p->detach : p->count, step = r->at;

	while (step >= 0 && step < end) {
		int guest;

		if (p->steps[step].alternative) {
			step++;
			continue;
		}
		if (r->hold && step == p->gate) {
			r->at = step;
			return HELD;
		}
		guest = guest_beside(p, step, end);
		if (p->steps[guest].side == SIDE_HOST) {
			step = do_step(r, step, e);
			if (r->side == SIDE_GUEST) {
				bool eof;

				/* Just born: everything goes on in the guest's own walk. */
				step = wait_turn(r, &eof, e);
				if (step < 0 || eof)
					_exit(1);
				guest_walk(r, step);
			}
			continue;
		}
		if (!r->guests_turn) {
			step = give_turn(r, step, guest, e);
			if (step < 0)
				continue;
		}
		step = follow_guest(r, e);
	}
	if (step < 0 || step == WAITS)
		return step;
	/* Detached: the guest goes on alone, and an EOF no longer means that all is lost. */
	return step < p->count && r->born ? pass_turn(r, step, e) : 0;
}

static int walk(struct run *r, struct err *e)
{
	int result;

	err_clear(e);
	result = host_walk(r, e);
	if (result < 0) {
		/* Back from any namespace the host was visiting; at home already, it is a no-op. */
		for (int i = 0; i < r->plan->home_count; i++)
			if (run_slot(r, r->plan->homes[i]) >= 0)
				setns(run_slot(r, r->plan->homes[i]), 0);
		kill_guest(r);
	}
	return result;
}

int run_walk(struct run *r, struct err *e)
{
	r->patient = false;
	return walk(r, e);
}

int run_walk_on(struct run *r, struct err *e)
{
	int result;

	r->patient = true;
	result = walk(r, e);
	return result == WAITS ? 1 : result == HELD ? 2 : result;
}

int run_await_exec(int sock, struct err *e)
{
	return run_await_exec_giving(sock, NULL, NULL, e);
}

int run_await_exec_giving(int sock, int (*take)(void *user, int fd, struct err *e), void *user,
			  struct err *e)
{
	for (;;) {
		struct message m;
		_cleanup_fd_ int fd = -EBADF;
		ssize_t n = socket_recv_fd(sock, &m, sizeof m, &fd);

		if (n == 0)
			return 0;
		if (n < 0)
			return err_set(e, (int)-n, "cannot hear from the container");
		if (n == sizeof m && m.type == MESSAGE_ERROR && m.err.error > 0) {
			*e = m.err;
			return -e->error;
		}
		if ((size_t)n < SHORT_MESSAGE)
			continue;
		if (take && m.type == MESSAGE_FD && fd >= 0 && take(user, fd, e) < 0)
			return -e->error;
		/* A stand-in waits for the turn: nothing of the plan is the host's here. */
		if (take && m.type == MESSAGE_TURN)
			socket_send_fd(sock, &m, SHORT_MESSAGE, -1);
	}
}

int plan_take_back(const struct plan *p, int upto, const struct undo_at *at, struct err *e)
{
	struct err first = ERR_INIT;

	if (upto > p->count)
		upto = p->count;
	for (int i = upto - 1; i >= 0; i--) {
		const struct step *s = &p->steps[i];
		struct err one = ERR_INIT;

		if (s->undo && s->undo->last && first.error)
			continue;
		if (s->undo && s->undo->act(at, s->undo_args, &one) < 0 && !first.error)
			first = one;
	}
	if (!first.error)
		return 0;
	if (e)
		*e = first;
	return -first.error;
}
