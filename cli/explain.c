/*
 * explain.c - showing a plan: as it runs, as text, as JSON.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#define CALL_MAX 2048

static const char *side_name(const struct step *s)
{
	return s->side == SIDE_HOST ? "host" : "guest";
}

static void show_result(struct buf *b, int result)
{
	char scratch[16];

	if (result >= 0)
		buf_add(b, "0");
	else
		buf_addf(b, "-1 %s", err_name(-result, scratch));
}

/* "on EBUSY, ENOSYS: 15 instead": neighbours with one way out share a line. */
static void print_ways_out(FILE *out, const struct step *s)
{
	char scratch[16];

	for (int i = 0; i < s->on_errno_count; i++) {
		const struct on_errno *on = &s->on_errno[i], *next = on + 1;
		bool first = i == 0 || on[-1].action != on->action || on[-1].to != on->to;

		fprintf(out, "%s%s", first ? "           on " : ", ", err_name(on->error, scratch));
		if (i + 1 < s->on_errno_count && next->action == on->action && next->to == on->to)
			continue;
		if (on->action == ON_DONE)
			fprintf(out, ": go on\n");
		else if (on->action == ON_SKIP)
			fprintf(out, ": go on at %d\n", on->to);
		else
			fprintf(out, ": %d instead\n", on->to);
	}
}

/* Names of the configuration are somebody's bytes: a terminal must not act on them. */
static void put(FILE *out, const char *text)
{
	char clean[4 * CALL_MAX];
	struct buf b = BUF_ON(clean);

	buf_reset(&b);
	buf_add_clean(&b, text);
	fputs(clean, out);
}

/* "taken back by rmdir_cgroup(/sys/fs/cgroup/x)" */
static void print_undo(FILE *out, const struct step *s)
{
	fprintf(out, "           taken back by %s(", s->undo->name);
	for (size_t i = 0; i < PLAN_UNDO_ARGS && s->undo_args[i]; i++) {
		fputs(i ? ", " : "", out);
		put(out, s->undo_args[i]);
	}
	fputs(")\n", out);
}

static void print_step(FILE *out, const struct plan *p, int step, const char *result)
{
	const struct step *s = &p->steps[step];
	char call[CALL_MAX], hand[CALL_MAX];
	struct buf c = BUF_ON(call), h = BUF_ON(hand);

	buf_reset(&c);
	buf_reset(&h);
	plan_show_step(&c, p, step);
	fprintf(out, "%4d %-5s ", step, side_name(s));
	put(out, call);
	fprintf(out, "%s%s\n", result ? " = " : "", result ? result : "");
	fprintf(out, "           %s", s->op->man);
	if (s->why[0]) {
		fputs("  ", out);
		put(out, s->why);
	}
	if (s->about) {
		fputs("  (", out);
		put(out, s->about);
		fputc(')', out);
	}
	fputc('\n', out);
	if (s->op->by_hand)
		s->op->by_hand(&h, p, s->args);
	if (hand[0]) {
		fputs("           $ ", out);
		put(out, hand);
		fputc('\n', out);
	}
	/* Of a step that ran, what really happened is shown. */
	if (!result)
		print_ways_out(out, s);
	if (!result && s->undo)
		print_undo(out, s);
	if (!result && s->beside)
		fputs("           while the guest goes on\n", out);
}

void explain_report(void *user, const struct plan *p, struct run_report report)
{
	char text[64];
	struct buf b = BUF_ON(text);

	(void)user;
	buf_reset(&b);
	show_result(&b, report.result);
	print_step(stderr, p, report.step, text);
}

void explain_plan_text(const struct plan *p)
{
	for (int i = 0; i < p->count; i++)
		print_step(stdout, p, i, NULL);
}

static json_t *on_errno_json(const struct step *s)
{
	static const char *const actions[] = { "done", "skip_to", "instead" };
	json_t *list = json_array();
	char scratch[16];

	for (int i = 0; i < s->on_errno_count; i++) {
		const struct on_errno *on = &s->on_errno[i];
		json_t *entry = json_pack("{s:s, s:s}", "errno", err_name(on->error, scratch), "then",
					  actions[on->action]);

		if (on->action != ON_DONE)
			json_object_set_new(entry, "step", json_integer(on->to));
		json_array_append_new(list, entry);
	}
	return list;
}

static json_t *undo_args_json(const struct step *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < PLAN_UNDO_ARGS && s->undo_args[i]; i++)
		json_array_append_new(list, json_string(s->undo_args[i]));
	return list;
}

static json_t *step_json(const struct plan *p, int step)
{
	const struct step *s = &p->steps[step];
	char call[CALL_MAX], hand[CALL_MAX];
	struct buf c = BUF_ON(call), h = BUF_ON(hand);
	json_t *o;

	buf_reset(&c);
	buf_reset(&h);
	plan_show_step(&c, p, step);
	if (s->op->by_hand)
		s->op->by_hand(&h, p, s->args);
	o = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s}", "step", step, "op", s->op->name, "side",
		      side_name(s), "why", s->why, "man", s->op->man, "call", call);
	if (!o)
		return NULL;
	if (s->about)
		json_object_set_new(o, "about", json_string(s->about));
	if (hand[0])
		json_object_set_new(o, "by_hand", json_string(hand));
	if (s->alternative)
		json_object_set_new(o, "alternative", json_true());
	if (s->beside)
		json_object_set_new(o, "beside", json_true());
	if (s->on_errno_count)
		json_object_set_new(o, "on_errno", on_errno_json(s));
	if (s->undo)
		json_object_set_new(o, "undo", json_string(s->undo->name));
	if (s->undo && s->undo_args[0])
		json_object_set_new(o, "undo_args", undo_args_json(s));
	return o;
}

json_t *explain_plan_json(const struct plan *p)
{
	json_t *steps = json_array();

	for (int i = 0; i < p->count; i++) {
		json_t *step = step_json(p, i);

		if (step)
			json_array_append_new(steps, step);
	}
	return json_pack("{s:o}", "steps", steps);
}
