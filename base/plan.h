/*
 * plan.h - a plan: a flat array of kernel primitives, and the ops it is made of.
 *
 * Builders are pure: they read a parsed spec and struct host and append steps; no
 * syscall, no root. engine.h runs a plan. Out of memory is sticky in the
 * arena: builders need no checks, plan_check() tells once at the end.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define PLAN_SLOTS_MAX    48
#define PLAN_STEPS_MAX    60000
#define PLAN_ON_ERRNO_MAX 8
#define PLAN_UNDO_ARGS    3
#define PLAN_HOMES_MAX    8

enum side { SIDE_HOST, SIDE_GUEST };

/* Slots every plan has; builders make more with plan_new_slot(). A slot holds an fd (or a pid). */
enum {
	SLOT_GUEST_PID,    /* host: pid of the guest, in the host's pid namespace */
	SLOT_GUEST_PIDFD,  /* host: its pidfd */
	SLOT_GUEST_PROC,   /* host: O_PATH fd of /proc/PID, from a trusted procfs */
	SLOT_STATE_DIR,    /* host: the container's state folder */
	SLOT_FIRST_FREE,
};

struct plan;
struct run;

/*
 * One kind of primitive. act() does it and returns >= 0, or -errno with a
 * record. Without one the engine makes it of the call; it always adds pointer
 * and subject, so the record need not say them. show() prints the C call, decoded; by_hand() the shell
 * line that does the same (NULL: there is none). In the guest act() must not
 * allocate nor touch stdio streams. Ops are static const, beside each other
 * in the file of the domain that owns the primitive.
 */
struct op {
	const char *name;  /* as the kernel calls it: "mount_setattr"; or a compound op's own name */
	const char *man;   /* "mount_setattr(2)" */
	bool compound;     /* may hold several syscalls */
	int (*act)(struct run *r, const void *args, struct err *e);
	void (*show)(struct buf *out, const struct plan *p, const void *args);
	void (*by_hand)(struct buf *out, const struct plan *p, const void *args);
};

/*
 * How to take back what a step left in the world. Only strings, known when
 * compiling, since they are written to the intent record before the first host
 * step and may be replayed by `kist delete --force` after a kill -9. act() runs
 * on the host, treats absent as done, checks ownership, is idempotent.
 */
struct undo_at {
	const char *id;   /* the container's */
	int state_root;   /* fd of the state root (--root) */
};
struct undo_kind {
	const char *name; /* in the record: "rmdir_cgroup" */
	int (*act)(const struct undo_at *at, const char *const args[PLAN_UNDO_ARGS], struct err *e);
	bool last;        /* only once all others went well: else the record stays, and another
			   * delete can try again */
};

enum on_action {
	ON_DONE,  /* that errno is fine: go on */
	ON_SKIP,  /* go on at step `to` (forward, same side) */
	ON_ALT,   /* run the alternative step `to` instead, then go on after the original */
};
struct on_errno {
	int error;
	enum on_action action;
	int to;
};

struct step {
	const struct op *op;
	const void *args;
	enum side side;
	bool alternative;        /* run only when an ON_ALT names it */
	bool beside;             /* host: the guest goes on with its next steps meanwhile, up to the
				  * next step of the host's */
	const char *why;         /* JSON pointer into config.json, or "" */
	const char *about;       /* what a user calls it: "/data"; may be NULL */
	int on_errno_count;
	struct on_errno *on_errno; /* room for PLAN_ON_ERRNO_MAX, or NULL: most steps have none */
	const struct undo_kind *undo;
	const char *undo_args[PLAN_UNDO_ARGS];
};

struct plan {
	struct arena *arena;
	struct step *steps;
	int count, room;
	int slot_count;
	const char *slot_names[PLAN_SLOTS_MAX];
	const char *why, *about; /* what plan_scope() said last */
	int homes[PLAN_HOMES_MAX]; /* slots of the host's own namespaces, while it visits others */
	int home_count;
	int detach;              /* steps from here on are not followed by the process that began; -1 */
	int gate;                /* host: all but the program is there, which run.hold keeps from it; -1 */
	int launched;            /* host steps from here on are done once the program runs; -1 */
	int error;               /* sticky: first reason the plan is unusable, as -errno */
};

void plan_init(struct plan *p, struct arena *a);
/* All steps added from here on come from this place of config.json. Strings are copied. */
void plan_scope(struct plan *p, const char *why, const char *about);
/* Appends a step and returns its index. args are copied (size bytes); what they point to must
 * live as long as the arena. */
int plan_add_step(struct plan *p, enum side side, const struct op *op, const void *args,
		  size_t size);
#define plan_add(p, side, op, type, ...) \
	plan_add_step((p), (side), &(op), &(struct type){ __VA_ARGS__ }, sizeof(struct type))
#define plan_add0(p, side, op) plan_add_step((p), (side), &(op), NULL, 0)
void plan_on_done(struct plan *p, int step, int error);
/* On `error` at `step`, go on at the step that will be added next. */
void plan_on_skip_here(struct plan *p, int step, int error);
/* On `error` at `step`, run `alternative` (already added, and marked by this call) instead. */
void plan_on_alt(struct plan *p, int step, int error, int alternative);
/* The host's steps from `first` on, all that were added since, need not be done before the guest's
 * that follow: both sides work at once, until the guest comes to the next step of the host's. */
void plan_beside(struct plan *p, int first);
/* Says how `step` is taken back; unused args NULL. Strings are copied. */
void plan_undo(struct plan *p, int step, const struct undo_kind *kind, const char *a0,
	       const char *a1, const char *a2);
/* The slot will hold one of the host's own namespaces while the host visits another: when a step
 * fails in between, the engine goes back there, since undo belongs in the host's own. */
void plan_home(struct plan *p, int slot);
/* A new slot; `name` shows in output as <name>. Returns its number. */
int plan_new_slot(struct plan *p, const char *name);
/* 0, or -errno when a builder ran out of something. */
int plan_check(const struct plan *p, struct err *e);

/* For show(): the slot's name as "<name>", or "AT_FDCWD" for -1. */
void plan_show_slot(struct buf *out, const struct plan *p, int slot);
/* The step as the call text. */
void plan_show_step(struct buf *out, const struct plan *p, int step);

/* For act(): slots of this side. run_slot returns -EBADF when unset. */
int run_slot(const struct run *r, int slot);
/* An fd that is not needed any more; `may_stay`: in the guest it may stay open until the execve. */
void run_leave_fd(struct run *r, int fd, bool may_stay);
/* Stores an fd, and leaves what the slot held; -EBADF closes that at once. */
void run_set_fd(struct run *r, int slot, int fd);
/* Stores a number that is not an fd. */
void run_set_number(struct run *r, int slot, int value);

/* Ops of base, usable by every domain. */
struct op_write_args {   /* one write(2) of text to one file */
	int dir_slot;        /* -1: path is absolute */
	const char *path;
	const char *text;
};
extern const struct op op_write;
struct op_close_args {
	int slot;
};
extern const struct op op_close;
struct op_send_fd_args { /* this side's slot -> the other side's slot of the same number */
	int slot;
};
extern const struct op op_send_fd;
