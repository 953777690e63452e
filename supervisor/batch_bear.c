/*
 * batch_bear.c - a bearer: the process that runs some slots of another one's batch.
 *
 * It gets jobs as notes, with the tries they had, and gives their results as notes. It dies with
 * the batch, and its jobs with it. What a terminal's keys send is not for it: the batch tells it.
 */
#include <errno.h>
#include <stdlib.h>

#include "supervisor/batch.h"
#include "supervisor/batch_wire.h"

struct bearing {
	const struct batch *of;
	int sock;
	struct inbox in;
	struct batch_job *first, **end; /* heard of, and not begun */
	struct batch_job **mine;	/* all of them; NULL: none */
	bool cancelled;
};

static struct batch_job **find(struct bearing *t, size_t line)
{
	for (unsigned i = 0; i < t->of->slots; i++)
		if (line ? t->mine[i] && t->mine[i]->line == line : !t->mine[i])
			return &t->mine[i];
	return NULL;
}

static int take_note(struct bearing *t, const struct batch_note *note, const char *text,
		     struct err *e)
{
	struct batch_job *j, **at;

	if (note->kind == NOTE_CANCEL) {
		t->cancelled = true;
		return note->value;
	}
	/* That it is over may be on its way there. */
	at = find(t, note->kind == NOTE_GO ? note->line : 0);
	if (note->kind == NOTE_GO) {
		if (at)
			(*at)->go = true;
		return 0;
	}
	j = at ? batch_job_new(note->line, text, note->size) : NULL;
	if (!j)
		return err_set(e, ENOMEM, "line %llu", (unsigned long long)note->line);
	j->tries = (unsigned)note->value;
	j->go = note->go;
	*at = j;
	*t->end = j;
	t->end = &j->next;
	return 0;
}

static int hear(void *user, struct err *e)
{
	struct bearing *t = user;
	struct batch_note note;
	const char *text;
	int n = inbox_read(&t->in, t->sock, e), signal = 0;

	if (n == 0)
		return err_set(e, EPIPE, "the batch is over");
	while (n >= 0 && inbox_next(&t->in, &note, &text)) {
		n = take_note(t, &note, text, e);
		if (n > 0)
			signal = n;
	}
	return n < 0 ? n : signal;
}

static int next(void *user, bool over, struct batch_job **ret, struct err *e)
{
	struct bearing *t = user;

	(void)e;
	if (!t->first)
		return over || t->cancelled ? 0 : -EAGAIN;
	*ret = t->first;
	t->first = t->first->next;
	if (!t->first)
		t->end = &t->first;
	return 1;
}

static void read_job(void *user, struct batch_job *j)
{
	const struct bearing *t = user;

	t->of->read(t->of->user, j);
}

static char *tell(void *user, const struct batch_job *j, const struct job_result *result)
{
	struct bearing *t = user;
	struct batch_job **at = find(t, j->line);

	if (at)
		*at = NULL;
	return t->of->tell(t->of->user, j, result);
}

int batch_bear(const struct batch *b, int sock, struct err *e)
{
	struct bearing t = { .of = b, .sock = sock };
	struct batch own = *b;
	struct batch_end end;
	int n;

	t.end = &t.first;
	t.mine = calloc(b->slots, sizeof *t.mine);
	if (!t.mine)
		return err_set(e, ENOMEM, "the batch");
	own.user = &t;
	own.next = next;
	own.read = read_job;
	own.tell = tell;
	own.hear = hear;
	own.source = own.sink = sock;
	own.show = NULL;
	own.ahead = 0;
	own.fail_fast = false; /* the batch sees that */
	n = batch_run(&own, &end, e);
	while (t.first) {
		struct batch_job *j = t.first;

		t.first = j->next;
		batch_job_free(j);
	}
	free(t.in.data);
	free(t.mine);
	return n;
}
