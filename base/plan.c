/*
 * plan.c - building a plan. Pure: no syscalls here but in the ops at the end.
 */
#include "base/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/engine.h"
#include "base/fd.h"
#include "base/json.h"

void plan_init(struct plan *p, struct arena *a)
{
	static const char *const names[] = { "guest pid", "guest pidfd", "guest /proc",
					     "state folder" };

	*p = (struct plan){ .arena = a, .why = "", .detach = -1, .gate = -1, .launched = -1 };
	for (; p->slot_count < SLOT_FIRST_FREE; p->slot_count++)
		p->slot_names[p->slot_count] = names[p->slot_count];
}

static const char *keep(struct plan *p, const char *text)
{
	const char *copy = text ? arena_strdup(p->arena, text) : NULL;

	if (text && !copy)
		p->error = -ENOMEM;
	return copy;
}

void plan_scope(struct plan *p, const char *why, const char *about)
{
	p->why = keep(p, why ? why : "");
	p->about = keep(p, about);
}

static bool make_room(struct plan *p)
{
	int room = p->room ? p->room * 2 : 320; /* a usual start has some 200, a job 260 */
	struct step *steps;

	if (p->count < p->room)
		return true;
	if (room > PLAN_STEPS_MAX)
		room = PLAN_STEPS_MAX;
	if (p->count >= room) {
		p->error = -E2BIG;
		return false;
	}
	/* The old array stays in the arena: a plan doubles a handful of times. */
	steps = arena_array(p->arena, (size_t)room, sizeof *steps);
	if (!steps) {
		p->error = -ENOMEM;
		return false;
	}
	if (p->count)
		memcpy(steps, p->steps, (size_t)p->count * sizeof *steps);
	p->steps = steps;
	p->room = room;
	return true;
}

int plan_add_step(struct plan *p, enum side side, const struct op *op, const void *args,
		  size_t size)
{
	struct step *s;
	void *copy = NULL;

	if (!make_room(p))
		return p->count ? p->count - 1 : 0;
	if (args) {
		copy = arena_alloc(p->arena, size);
		if (!copy) {
			p->error = -ENOMEM;
			return p->count ? p->count - 1 : 0;
		}
		memcpy(copy, args, size);
	}
	s = &p->steps[p->count];
	*s = (struct step){ .op = op, .args = copy, .side = side,
			    .why = p->why ? p->why : "", .about = p->about };
	return p->count++;
}

static void add_on_errno(struct plan *p, int step, struct on_errno on)
{
	struct step *s;

	if (step >= p->count)
		return;
	s = &p->steps[step];
	if (!s->on_errno)
		s->on_errno = arena_array(p->arena, PLAN_ON_ERRNO_MAX, sizeof on);
	if (!s->on_errno)
		p->error = -ENOMEM;
	else if (s->on_errno_count == PLAN_ON_ERRNO_MAX)
		p->error = -E2BIG;
	else
		s->on_errno[s->on_errno_count++] = on;
}

void plan_on_done(struct plan *p, int step, int error)
{
	add_on_errno(p, step, (struct on_errno){ error, ON_DONE, 0 });
}

void plan_on_skip_here(struct plan *p, int step, int error)
{
	add_on_errno(p, step, (struct on_errno){ error, ON_SKIP, p->count });
}

void plan_on_alt(struct plan *p, int step, int error, int alternative)
{
	add_on_errno(p, step, (struct on_errno){ error, ON_ALT, alternative });
	if (alternative < p->count)
		p->steps[alternative].alternative = true;
}

void plan_beside(struct plan *p, int first)
{
	for (int i = first; i >= 0 && i < p->count; i++)
		p->steps[i].beside = true;
}

void plan_undo(struct plan *p, int step, const struct undo_kind *kind, const char *a0,
	       const char *a1, const char *a2)
{
	struct step *s;

	if (step >= p->count)
		return;
	s = &p->steps[step];
	s->undo = kind;
	s->undo_args[0] = keep(p, a0);
	s->undo_args[1] = keep(p, a1);
	s->undo_args[2] = keep(p, a2);
}

void plan_home(struct plan *p, int slot)
{
	if (p->home_count == PLAN_HOMES_MAX)
		p->error = -E2BIG;
	else
		p->homes[p->home_count++] = slot;
}

int plan_new_slot(struct plan *p, const char *name)
{
	if (p->slot_count == PLAN_SLOTS_MAX) {
		p->error = -E2BIG;
		return PLAN_SLOTS_MAX - 1;
	}
	p->slot_names[p->slot_count] = keep(p, name);
	return p->slot_count++;
}

int plan_check(const struct plan *p, struct err *e)
{
	if (arena_failed(p->arena) || json_out_of_memory)
		return err_set(e, ENOMEM, "cannot compile the plan");
	if (p->error == -E2BIG)
		return err_say(e, E2BIG, "the configuration needs more than %d steps",
			       PLAN_STEPS_MAX);
	if (p->error)
		return err_set(e, -p->error, "cannot compile the plan");
	return 0;
}

void plan_show_slot(struct buf *out, const struct plan *p, int slot)
{
	if (slot < 0)
		buf_add(out, "AT_FDCWD");
	else
		buf_addf(out, "<%s>", slot < p->slot_count ? p->slot_names[slot] : "?");
}

void plan_show_step(struct buf *out, const struct plan *p, int step)
{
	const struct step *s = &p->steps[step];

	if (s->op->show)
		s->op->show(out, p, s->args);
	else
		buf_addf(out, "%s()", s->op->name);
}

/* --- ops of base ------------------------------------------------------------ */

static int act_write(struct run *r, const void *args, struct err *e)
{
	const struct op_write_args *a = args;
	int n = file_write_at(a->dir_slot < 0 ? AT_FDCWD : run_slot(r, a->dir_slot), a->path,
			      a->text);

	(void)e;
	return n;
}

static void show_write(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_write_args *a = args;

	buf_add(out, "write(");
	if (a->dir_slot >= 0) {
		plan_show_slot(out, p, a->dir_slot);
		buf_add_char(out, '/');
	}
	buf_addf(out, "%s, ", a->path);
	buf_add_quoted(out, a->text);
	buf_add_char(out, ')');
}

static void by_hand_write(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_write_args *a = args;

	buf_add(out, "echo ");
	buf_add_shell(out, a->text);
	buf_add(out, " > ");
	if (a->dir_slot == SLOT_GUEST_PROC) {
		buf_addf(out, "/proc/$PID/%s", a->path);
	} else {
		if (a->dir_slot >= 0) {
			plan_show_slot(out, p, a->dir_slot);
			buf_add_char(out, '/');
		}
		buf_add_shell(out, a->path);
	}
}

const struct op op_write = { .name = "write", .man = "write(2)", .act = act_write,
			     .show = show_write, .by_hand = by_hand_write };

static int act_close(struct run *r, const void *args, struct err *e)
{
	const struct op_close_args *a = args;

	(void)e;
	run_set_fd(r, a->slot, -EBADF);
	return 0;
}

static void show_close(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_close_args *a = args;

	buf_add(out, "close(");
	plan_show_slot(out, p, a->slot);
	buf_add_char(out, ')');
}

const struct op op_close = { .name = "close", .man = "close(2)", .act = act_close,
			     .show = show_close };
