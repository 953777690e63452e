/*
 * engine.h - walks a plan's one total order from both sides.
 *
 * The host runs host steps; op_clone3 (ns) births the guest, which inherits
 * the plan; a change of side passes the turn over a SEQPACKET pair. A failing
 * guest sends its error record; the host undoes in reverse.
 */
#pragma once
#include <signal.h>
#include "base/plan.h"

struct run_report {   /* what the explainer gets for every finished step */
	int step;
	int result;       /* >= 0, or -errno that the on-errno table took */
};
struct run {
	const struct plan *plan;
	enum side side;
	int slots[PLAN_SLOTS_MAX];
	unsigned long long slot_is_fd;
	int sync;         /* this side's end; -EBADF before the pair is made */
	int sync_far;     /* the other end, until birth */
	bool born;        /* a guest exists */
	bool report_steps;/* guest: send a report per step; the seccomp op ends that */
	bool turn_given_at_detach; /* guest: the host let go already */
	int left;         /* guest: fds it has left open */
	bool silent;      /* guest: a stand-in passes the turns, since syscalls may be answered */
	int step;         /* the one being done */
	bool patient;     /* host: run_walk_on() */
	bool hold;        /* host: run_walk_on() ends at plan->gate */
	int64_t until;    /* host: by clock_now_ms(), when it is given up; below 0: never */
	bool guests_turn; /* host: since the guest got the turn for step `at` */
	int at;
	int last_report;  /* host: the last step the guest reported */
	void (*report)(void *user, const struct plan *p, struct run_report report);
	void *user;
	int fault_step;   /* -1, or the step that answers fault_error instead of acting */
	int fault_error;
};

void run_init(struct run *r, const struct plan *p);
/* Runs all steps of the host side, the guest's in step with them. Returns 0 once the last
 * step the host follows has ended (plan->detach, or the guest's execve). On error the guest is
 * dead and reaped; the caller then calls plan_take_back(). The guest never returns from here. */
int run_walk(struct run *r, struct err *e);
/* The same for who has other things to do while the guest works: 1 means, call it again once
 * run->sync can be read, or run->until is over. */
/* 2: it is held at the plan's gate; again once run->hold was taken off. */
int run_walk_on(struct run *r, struct err *e);
/* Closes every fd slot and the sync socket. */
void run_close(struct run *r);
/* For a step of the guest's that bears a process which goes on in its place, behind this step; in
 * the same memory, too, on a stack of its own: it never comes back. */
_Noreturn void run_go_on_alone(struct run *r);
/* Called by the birth op: tells each side who it is. */
void run_become_guest(struct run *r);
void run_become_parent(struct run *r);
/* For the guest's wait_start op: from now on errors and EOF go to this socket. */
void run_set_sync(struct run *r, int sock);

/*
 * For a process that shares the guest's fds and stands in for it where the guest may make no
 * syscall (seccomp.h): gives the host `fd` for `slot` and the turn, and returns 0 once the turn
 * is the guest's again, or -errno: the host is gone. The guest itself goes on with run.silent.
 */
int run_stand_in(struct run *r, int slot, int fd);

/* The other end of run_set_sync(): 0 at EOF (the program runs, or is dead), or the guest's error. */
int run_await_exec(int sock, struct err *e);
/* The same for a guest with a stand-in: take() gets the fd, which stays the caller's of take(). */
int run_await_exec_giving(int sock, int (*take)(void *user, int fd, struct err *e), void *user,
			  struct err *e);

struct op_socketpair_args {
	int unused;
};
extern const struct op op_socketpair;

/* Undoes steps [0, upto) in reverse; errors are collected, the first one returned. */
int plan_take_back(const struct plan *p, int upto, const struct undo_at *at, struct err *e);
