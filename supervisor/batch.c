/*
 * batch.c - the loop over a batch's slots.
 */
#include "supervisor/batch.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "supervisor/batch_wire.h"

#define OUTBOX_FULL (1u << 20)

struct slot {
	enum { FREE, STARTING, HELD, RUNNING } state; /* held: set up, and without a place */
	struct batch_job *job;
	int64_t held_since;
	struct job_task task;
};

struct running {
	const struct batch *b;
	struct batch_end *end;
	struct slot *slot;
	struct pollfd
		*fds; /* of slot i from i * JOB_WATCH_FDS on; then the signals', the source's */
	struct outbox out;
	struct batch_job *again, **again_end; /* to be tried once more */
	int signals;
	unsigned slots, busy;
	bool over;    /* nothing more is begun */
	bool drained; /* the source has no more, now or for good */
	bool waits;   /* ... but may have later */
};

struct batch_job *batch_job_new(size_t line, const char *text, size_t size)
{
	struct batch_job *j = calloc(1, sizeof *j);

	if (!j)
		return NULL;
	j->line = line;
	j->size = size;
	j->text = malloc(size + 1);
	if (!j->text) {
		free(j);
		return NULL;
	}
	memcpy(j->text, text, size);
	j->text[size] = '\0';
	return j;
}

void batch_read(const struct batch *b, struct batch_job *j)
{
	if (!j->is_read && !j->refused.error)
		b->read(b->user, j);
	j->is_read = true;
}

void batch_result_unrun(const struct err *why, int signal, struct job_result *ret)
{
	job_result_begin(ret);
	if (why) {
		job_result_fail(ret, why);
	} else {
		ret->reason = JOB_CANCELLED;
		ret->status = 128 + (signal ? signal : SIGTERM);
	}
}

void batch_job_free(struct batch_job *j)
{
	if (!j)
		return;
	json_decref(j->document);
	arena_free(&j->arena);
	free(j->text);
	free(j);
}

/* Nothing more begins, and what is under way is cancelled; once more: without its grace. */
static int cancel(struct running *r, int signal, struct err *e)
{
	int n = 0;

	r->over = true;
	for (unsigned i = 0; i < r->slots; i++) {
		struct slot *s = &r->slot[i];

		if (s->state == RUNNING &&
		    job_watch_end(&s->task.watch, JOB_CANCELLED, signal, e) < 0)
			n = -e->error;
		if (s->state != STARTING && s->state != HELD)
			continue;
		/* Its start fails by that. */
		pidfd_send_signal(run_slot(&s->task.run, SLOT_GUEST_PIDFD), SIGKILL, NULL, 0);
		s->task.run.hold = false;
		s->state = STARTING;
	}
	return n;
}

static bool is_retried(const struct running *r, const struct batch_job *j,
		       const struct job_result *result)
{
	return !r->over && !j->refused.error && j->tries <= r->b->retries &&
	       (r->b->retry_on & 1u << result->reason);
}

static int put_result(struct running *r, const struct batch_job *j, int status, const char *text,
		      struct err *e)
{
	size_t size = strlen(text);
	int n;

	if (!r->b->hear)
		return outbox_put(&r->out, text, size, e);
	n = outbox_put_note(
		&r->out, (struct batch_note){ NOTE_RESULT, status, j->line, size, false }, text, e);
	/* At once, if it can be; that nobody is there is heard elsewhere. */
	if (n == 0)
		outbox_send_note(&r->out, r->b->sink);
	return n;
}

/* Told of, or put back. */
static int conclude(struct running *r, struct batch_job *j, const struct job_result *result,
		    struct err *e)
{
	_cleanup_free_ char *text = NULL;
	int n;

	if (is_retried(r, j, result)) {
		*r->again_end = j;
		r->again_end = &j->next;
		j->next = NULL;
		j->go = j->go && r->b->hear;
		return 0;
	}
	text = r->b->tell(r->b->user, j, result);
	n = text ? put_result(r, j, result->status, text, e)
		 : err_set(e, ENOMEM, "the result of line %zu", j->line);
	r->end->done++;
	r->end->failed += result->status != 0;
	batch_job_free(j);
	if (n == 0 && r->b->fail_fast && result->status != 0 && !r->over)
		n = cancel(r, SIGTERM, e);
	return n;
}

/* Without having run. */
static int conclude_unrun(struct running *r, struct batch_job *j, const struct err *why,
			  struct err *e)
{
	struct job_result result;

	batch_result_unrun(why, r->end->signal, &result);
	return conclude(r, j, &result, e);
}

/* The slot is free; `failure`: what kist failed at. */
static int leave_slot(struct running *r, struct slot *s, const struct err *failure, struct err *e)
{
	struct batch_job *j = s->job;
	struct job_result result = s->task.result;

	s->state = FREE;
	s->job = NULL;
	r->busy--;
	if (failure && r->over) {
		j->tries -= !j->go;
		return conclude_unrun(r, j, NULL, e);
	}
	if (failure)
		job_result_fail(&result, failure);
	return conclude(r, j, &result, e);
}

static int start_on(struct running *r, struct slot *s, struct err *e)
{
	struct err failure = ERR_INIT;
	int n = job_task_start_on(&s->task, &failure);

	if (n < 0)
		return leave_slot(r, s, &failure, e);
	if (n == JOB_TASK_HELD) {
		s->state = HELD;
		s->held_since = clock_now_ms();
	}
	if (n > 0)
		return 0;
	s->state = RUNNING;
	job_watch_begin(&s->task.watch);
	/* Asked for while it could not be told any more. */
	return r->over ? job_watch_end(&s->task.watch, JOB_CANCELLED,
				       r->end->signal ? r->end->signal : SIGTERM, e)
		       : 0;
}

/* Places, to those that are there for the longest; to a bearer's jobs the batch gives them. */
static void grant(struct running *r)
{
	unsigned taken = 0;

	if (r->b->hear || r->over)
		return;
	for (unsigned i = 0; i < r->slots; i++)
		taken += r->slot[i].state != FREE && r->slot[i].job->go;
	for (; taken < r->b->slots && taken < r->busy; taken++) {
		struct batch_job *first = NULL;

		for (unsigned i = 0; i < r->slots; i++) {
			struct batch_job *j = r->slot[i].state == FREE ? NULL : r->slot[i].job;

			if (j && !j->go && (!first || j->line < first->line))
				first = j;
		}
		if (first)
			first->go = true;
	}
}

static int begin(struct running *r, unsigned index, struct batch_job *j, struct err *e)
{
	struct slot *s = &r->slot[index];
	struct err failure = ERR_INIT;

	batch_read(r->b, j);
	if (j->refused.error)
		return conclude_unrun(r, j, &j->refused, e);
	if (r->over)
		return conclude_unrun(r, j, NULL, e);
	j->tries++;
	if (r->b->cpus)
		j->job.cpus = r->b->cpus[index];
	s->job = j;
	s->state = STARTING;
	r->busy++;
	grant(r);
	if (job_task_open(&s->task, r->b->on, &j->job, &j->arena, &failure) < 0)
		return leave_slot(r, s, &failure, e);
	s->task.run.hold = !j->go;
	return start_on(r, s, e);
}

/* 1: a slot became free by that. */
static int let_run(struct running *r, struct err *e)
{
	unsigned busy = r->busy;

	grant(r);
	for (unsigned i = 0; i < r->slots; i++) {
		struct slot *s = &r->slot[i];
		bool held = s->state == HELD;

		if (s->state == FREE || !s->job->go || !s->task.run.hold)
			continue;
		s->task.run.hold = false;
		if (!held)
			continue;
		job_task_let_run(&s->task, clock_now_ms() - s->held_since);
		s->state = STARTING;
		if (start_on(r, s, e) < 0)
			return -e->error;
	}
	return r->busy < busy;
}

static int next_job(struct running *r, struct batch_job **ret, struct err *e)
{
	int n;

	if (r->again && !r->over) {
		*ret = r->again;
		r->again = r->again->next;
		if (!r->again)
			r->again_end = &r->again;
		return 1;
	}
	if (r->drained)
		return 0;
	n = r->b->next(r->b->user, r->over, ret, e);
	r->drained = n == 0 || n == -EAGAIN;
	r->waits = n == -EAGAIN;
	return n == -EAGAIN ? 0 : n;
}

/* One slot after the other gets a job, as long as there are any. */
static int fill(struct running *r, struct err *e)
{
	int n = 1;

	if (r->out.size - r->out.sent > OUTBOX_FULL && !r->over)
		return 0;
	for (unsigned i = 0; n > 0 && i < r->slots; i++)
		while (n > 0 && r->slot[i].state == FREE) {
			struct batch_job *j = NULL;

			n = next_job(r, &j, e);
			if (n > 0 && begin(r, i, j, e) < 0)
				n = -e->error;
		}
	return n < 0 ? n : 0;
}

static bool listens(const struct running *r)
{
	return r->b->hear || (r->waits && !r->over && r->busy < r->slots);
}

/* Fills r->fds; until when to wait for them. */
static int64_t look_out(struct running *r)
{
	struct pollfd *last = r->fds + r->slots * JOB_WATCH_FDS;
	int64_t next = -1;

	for (unsigned i = 0; i < r->slots; i++) {
		const struct slot *s = &r->slot[i];
		struct pollfd *p = r->fds + i * JOB_WATCH_FDS;

		for (int k = 0; k < JOB_WATCH_FDS; k++)
			p[k] = (struct pollfd){ .fd = -1 };
		if (s->state == STARTING)
			p[0] = (struct pollfd){ .fd = s->task.run.sync, .events = POLLIN };
		if (s->state == STARTING)
			next = clock_earlier(next, s->task.run.until);
		if (s->state != RUNNING)
			continue;
		job_watch_poll(&s->task.watch, p);
		next = clock_earlier(next, job_watch_next(&s->task.watch));
	}
	last[0] = (struct pollfd){ .fd = r->signals, .events = POLLIN };
	last[1] = (struct pollfd){ .fd = listens(r) ? r->b->source : -1, .events = POLLIN };
	last[2] = (struct pollfd){ .fd = r->out.sent < r->out.size ? r->b->sink : -1,
				   .events = POLLOUT };
	return next;
}

static int take_signals(struct running *r, struct err *e)
{
	struct signalfd_siginfo info;
	int n = 0;

	while (n == 0 && read(r->signals, &info, sizeof info) == sizeof info) {
		int signal = (int)info.ssi_signo;

		if (!attach_is_terminating(signal))
			continue;
		r->end->signal = signal;
		n = cancel(r, signal, e);
	}
	return n;
}

static int hear(struct running *r, struct err *e)
{
	int signal = r->b->hear(r->b->user, e);

	if (signal <= 0)
		return signal;
	r->end->signal = signal;
	return cancel(r, signal, e);
}

static int send_some(struct running *r, struct err *e)
{
	if (!r->b->hear)
		return outbox_send(&r->out, r->b->sink, e);
	return outbox_send_note(&r->out, r->b->sink) < 0 ? err_set(e, EPIPE, "the batch is gone")
							 : 0;
}

static int turn(struct running *r, unsigned index, struct err *e)
{
	const struct pollfd *p = r->fds + index * JOB_WATCH_FDS;
	struct slot *s = &r->slot[index];
	struct err failure = ERR_INIT;
	int n;

	if (s->state == STARTING && (p[0].revents || clock_left_ms(s->task.run.until) == 0))
		return start_on(r, s, e);
	if (s->state != RUNNING)
		return 0;
	n = job_watch_turn(&s->task.watch, p, &failure);
	if (n == 0)
		return 0;
	if (n > 0)
		n = job_task_finish(&s->task, &failure);
	else
		job_task_drop(&s->task);
	return leave_slot(r, s, n < 0 ? &failure : NULL, e);
}

static int step(struct running *r, struct err *e)
{
	const struct pollfd *last = r->fds + r->slots * JOB_WATCH_FDS;
	int64_t next = look_out(r);
	int n = poll(r->fds, r->slots * JOB_WATCH_FDS + 3, clock_left_ms(next));

	if (n < 0)
		return errno == EINTR ? 0 : err_set(e, errno, "poll");
	if (last[1].revents)
		r->drained = false;
	n = last[0].revents ? take_signals(r, e) : 0;
	if (n == 0 && last[1].revents && r->b->hear)
		n = hear(r, e);
	if (n == 0 && last[2].revents)
		n = send_some(r, e);
	for (unsigned i = 0; n == 0 && i < r->slots; i++)
		n = turn(r, i, e);
	return n;
}

/* After a failure of the batch itself: nobody would be told of them. */
static void drop_all(struct running *r)
{
	struct err ignored = ERR_INIT;

	cancel(r, SIGTERM, &ignored);
	for (unsigned i = 0; i < r->slots; i++) {
		struct slot *s = &r->slot[i];

		while (s->state == STARTING) {
			struct pollfd p = { .fd = s->task.run.sync, .events = POLLIN };
			int left = clock_left_ms(s->task.run.until);
			int n = poll(&p, 1, left) < 0 ? 1 : job_task_start_on(&s->task, &ignored);

			s->state = n > 0 ? STARTING : n < 0 ? FREE : RUNNING;
		}
		if (s->state == RUNNING)
			job_task_drop(&s->task);
		batch_job_free(s->job);
	}
	while (r->again) {
		struct batch_job *j = r->again;

		r->again = j->next;
		batch_job_free(j);
	}
}

/* Those that were to be tried again: told of as cancelled. */
static int give_up(struct running *r, struct err *e)
{
	int n = 0;

	while (n == 0 && r->over && r->again) {
		struct batch_job *j = r->again;

		r->again = j->next;
		n = conclude_unrun(r, j, NULL, e);
	}
	return n;
}

static int go_on(struct running *r, struct err *e)
{
	int n;

	for (;;) {
		n = fill(r, e);
		if (n == 0)
			n = give_up(r, e);
		if (n == 0)
			n = let_run(r, e);
		if (n < 0)
			return n;
		if (n > 0)
			continue;
		if (r->b->show)
			r->b->show(r->b->user, r->end,
				   r->busy < r->b->slots ? r->busy : r->b->slots);
		if (r->busy == 0 && r->drained && !r->again && (r->over || !r->waits))
			return outbox_send_all(&r->out, r->b->sink, e);
		n = step(r, e);
		if (n < 0)
			return n;
	}
}

int batch_run(const struct batch *b, struct batch_end *ret, struct err *e)
{
	struct running r = { .b = b, .end = ret, .slots = b->slots + b->ahead };
	sigset_t all;
	int n;

	*ret = (struct batch_end){ 0 };
	r.again_end = &r.again;
	r.slot = calloc(r.slots, sizeof *r.slot);
	r.fds = calloc(r.slots * (size_t)JOB_WATCH_FDS + 3, sizeof *r.fds);
	attach_block_signals();
	sigfillset(&all);
	r.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (!r.slot || !r.fds)
		n = err_set(e, ENOMEM, "the batch");
	else if (r.signals < 0)
		n = err_set(e, errno, "signalfd");
	else
		n = go_on(&r, e);
	if (n < 0 && r.slot)
		drop_all(&r);
	fd_close(&r.signals);
	attach_restore_signals();
	free(r.out.data);
	free(r.slot);
	free(r.fds);
	return n;
}
