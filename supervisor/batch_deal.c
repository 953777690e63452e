/*
 * batch_deal.c - a batch's jobs, dealt to its bearers.
 *
 * A bearer has as many jobs as it runs, and no more: a long one never keeps another waiting while
 * a slot is free elsewhere. What it has is known here, so that its death takes nothing along that
 * nobody would be told of.
 */
#include "supervisor/batch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "supervisor/batch_wire.h"
#include "supervisor/job_detach.h"

#define OUTBOX_FULL   (1u << 20)
#define LOST_MAX      3
#define GONE_TRIES    500 /* to take away what a dead bearer's job left, while that still dies */
#define GONE_EACH_NS  10000000
#define OTHER_POLLFDS 3

struct bearer {
	pid_t pid; /* 0: not there, or not any more */
	int sock;
	unsigned slots, busy;	 /* slots: for those that are set up ahead, too */
	const char *const *cpus; /* of its slots */
	struct batch_job *first; /* that it has */
	struct inbox in;
	struct outbox out;
};

struct deal {
	const struct batch *b;
	struct batch_end *end;
	struct bearer *bearer;
	unsigned bearers, busy, running; /* running: of the busy ones those with a place */
	const char **cpus;
	struct pollfd *fds; /* of the bearers; then the signals', the source's, the sink's */
	struct outbox out;
	struct batch_job *again, **again_end;
	int signals;
	bool over, drained, waits;
};

/* --- told of --------------------------------------------------------------------------------- */

static int cancel(struct deal *d, int signal, struct err *e)
{
	const struct batch_note note = { NOTE_CANCEL, signal, 0, 0, false };

	d->over = true;
	for (unsigned i = 0; i < d->bearers; i++) {
		struct bearer *b = &d->bearer[i];

		if (b->pid && outbox_put_note(&b->out, note, NULL, e) < 0)
			return -e->error;
	}
	return 0;
}

static int count(struct deal *d, struct batch_job *j, int status, struct err *e)
{
	batch_job_free(j);
	d->end->done++;
	d->end->failed += status != 0;
	return d->b->fail_fast && status != 0 && !d->over ? cancel(d, SIGTERM, e) : 0;
}

static int conclude_unrun(struct deal *d, struct batch_job *j, const struct err *why, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	struct job_result result;
	struct err ignored = ERR_INIT;
	int n;

	batch_read(d->b, j);
	/* What is waived, and what the host has: the result says it. */
	if (!j->refused.error)
		job_check(&j->job, &d->b->on->host, &ignored);
	batch_result_unrun(j->refused.error ? &j->refused : why, d->end->signal, &result);
	text = d->b->tell(d->b->user, j, &result);
	n = text ? outbox_put(&d->out, text, strlen(text), e)
		 : err_set(e, ENOMEM, "the result of line %zu", j->line);
	if (n < 0) {
		batch_job_free(j);
		return n;
	}
	return count(d, j, result.status, e);
}

static struct batch_job *take_job(struct deal *d, struct bearer *b, size_t line)
{
	for (struct batch_job **at = &b->first; *at; at = &(*at)->next) {
		struct batch_job *j = *at;

		if (j->line != line)
			continue;
		*at = j->next;
		j->next = NULL;
		b->busy--;
		d->busy--;
		d->running -= j->go;
		return j;
	}
	return NULL;
}

/* --- bearers --------------------------------------------------------------------------------- */

static _Noreturn void be_bearer(struct deal *d, struct bearer *own, int sock, pid_t batch)
{
	struct batch b = *d->b;
	struct err e = ERR_INIT;
	int n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != batch)
		_exit(EXIT_FAILURE);
	/* A terminal's keys, and kill(2) of the whole group, are for the batch. */
	setpgid(0, 0);
	for (unsigned i = 0; i < d->bearers; i++)
		if (d->bearer[i].pid)
			close(d->bearer[i].sock);
	close(d->signals);
	b.slots = own->slots;
	b.cpus = own->cpus;
	n = batch_bear(&b, sock, &e);
	job_host_close(b.on);
	_exit(n < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

static int begin_bearer(struct deal *d, struct bearer *b, struct err *e)
{
	pid_t pid, batch = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(e, errno, "socketpair");
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		be_bearer(d, b, pair[1], batch);
	}
	close(pair[1]);
	if (pid < 0) {
		err_set(e, errno, "cannot make a process that bears jobs");
		close(pair[0]);
		return -e->error;
	}
	b->pid = pid;
	b->sock = pair[0];
	return 0;
}

static int end_bearer(struct bearer *b)
{
	int status = 0;

	fd_close(&b->sock);
	while (waitpid(b->pid, &status, 0) < 0 && errno == EINTR)
		;
	b->pid = 0;
	free(b->in.data);
	free(b->out.data);
	b->in = (struct inbox){ 0 };
	b->out = (struct outbox){ 0 };
	return status;
}

/* Its processes die with their bearer, which takes a moment. */
static void take_away(const struct deal *d, struct batch_job *j)
{
	const struct timespec moment = { .tv_nsec = GONE_EACH_NS };
	struct err ignored = ERR_INIT;

	batch_read(d->b, j);
	for (int i = 0; !j->refused.error && i < GONE_TRIES; i++) {
		if (job_gc_one(d->b->on->root, j->job.id, &ignored) != -EAGAIN)
			return;
		nanosleep(&moment, NULL);
	}
}

static int put_back(struct deal *d, struct batch_job *j, const struct err *why, struct err *e)
{
	bool retried = !j->refused.error && j->tries < d->b->retries &&
		       (d->b->retry_on & 1u << JOB_SANDBOX_ERROR);

	/* It had not begun: nothing was tried, unless it is what kills them. */
	if (!j->go && !j->refused.error && ++j->lost < LOST_MAX)
		retried = true;
	else
		j->tries++;
	j->go = false;
	if (!retried)
		return conclude_unrun(d, j, why, e);
	*d->again_end = j;
	d->again_end = &j->next;
	return 0;
}

/* It is gone: by itself, once all is cancelled and told of; or it was killed. */
static int lose_bearer(struct deal *d, struct bearer *b, struct err *e)
{
	int status = end_bearer(b), n = 0;
	struct err why = ERR_INIT;

	if (WIFSIGNALED(status))
		err_say(&why, ECHILD, "the kist that bore it was killed by signal %d (SIG%s)",
			WTERMSIG(status), sigabbrev_np(WTERMSIG(status)));
	else
		err_say(&why, ECHILD, "the kist that bore it ended with status %d",
			WEXITSTATUS(status));
	while (b->first && n == 0) {
		struct batch_job *j = take_job(d, b, b->first->line);

		take_away(d, j);
		n = d->over ? conclude_unrun(d, j, NULL, e) : put_back(d, j, &why, e);
	}
	return n;
}

static int hear(struct deal *d, struct bearer *b, struct err *e)
{
	struct batch_note note;
	const char *text;
	int n = inbox_read(&b->in, b->sock, e);

	if (n <= 0)
		return n < 0 ? n : lose_bearer(d, b, e);
	for (n = 0; n == 0 && inbox_next(&b->in, &note, &text);) {
		struct batch_job *j = take_job(d, b, note.line);

		if (!j)
			return err_set(e, EPROTO, "a result of line %llu, which was not asked for",
				       (unsigned long long)note.line);
		n = outbox_put(&d->out, text, note.size, e);
		if (n == 0)
			n = count(d, j, note.value, e);
		else
			batch_job_free(j);
	}
	return n;
}

/* --- the loop -------------------------------------------------------------------------------- */

static struct bearer *least_busy(struct deal *d)
{
	struct bearer *least = NULL;

	if (d->busy >= d->b->slots + d->b->ahead)
		return NULL;
	for (unsigned i = 0; i < d->bearers; i++) {
		struct bearer *b = &d->bearer[i];

		if (b->busy < b->slots && (!least || b->busy < least->busy))
			least = b;
	}
	return least;
}

static int give(struct deal *d, struct bearer *b, struct batch_job *j, struct err *e)
{
	struct batch_note note = { NOTE_JOB, (int32_t)j->tries, j->line, j->size, false };
	struct err why = ERR_INIT;
	int n = b->pid ? 0 : begin_bearer(d, b, &why);

	if (n < 0)
		return conclude_unrun(d, j, &why, e);
	note.go = j->go = d->running < d->b->slots;
	d->running += j->go;
	j->next = b->first;
	b->first = j;
	b->busy++;
	d->busy++;
	return outbox_put_note(&b->out, note, j->text, e);
}

/* Places that became free, to those that wait for the longest, wherever they are. */
static int grant(struct deal *d, struct err *e)
{
	while (!d->over && d->running < d->b->slots && d->running < d->busy) {
		struct bearer *its = NULL;
		struct batch_job *first = NULL;

		for (unsigned i = 0; i < d->bearers; i++)
			for (struct batch_job *j = d->bearer[i].first; j; j = j->next)
				if (!j->go && (!first || j->line < first->line)) {
					first = j;
					its = &d->bearer[i];
				}
		if (!first)
			return 0;
		first->go = true;
		d->running++;
		if (outbox_put_note(&its->out,
				    (struct batch_note){ NOTE_GO, 0, first->line, 0, true }, NULL,
				    e) < 0)
			return -e->error;
	}
	return 0;
}

/* That one is gone is heard. */
static void send_notes(struct deal *d)
{
	for (unsigned i = 0; i < d->bearers; i++)
		if (d->bearer[i].pid && d->bearer[i].out.sent < d->bearer[i].out.size)
			outbox_send_note(&d->bearer[i].out, d->bearer[i].sock);
}

static int next_job(struct deal *d, struct batch_job **ret, struct err *e)
{
	int n;

	if (d->again) {
		*ret = d->again;
		d->again = d->again->next;
		(*ret)->next = NULL;
		if (!d->again)
			d->again_end = &d->again;
		return 1;
	}
	if (d->drained)
		return 0;
	n = d->b->next(d->b->user, d->over, ret, e);
	d->drained = n == 0 || n == -EAGAIN;
	d->waits = n == -EAGAIN;
	return n == -EAGAIN ? 0 : n;
}

static int deal_out(struct deal *d, struct err *e)
{
	for (;;) {
		struct batch_job *j = NULL;
		struct bearer *b = least_busy(d);
		int n;

		if (!d->over && (!b || d->out.size - d->out.sent > OUTBOX_FULL))
			return 0;
		n = next_job(d, &j, e);
		if (n <= 0)
			return n;
		n = d->over || j->refused.error ? conclude_unrun(d, j, NULL, e) : give(d, b, j, e);
		if (n < 0)
			return n;
	}
}

static void look_out(struct deal *d)
{
	struct pollfd *last = d->fds + d->bearers;
	bool listens = d->waits && !d->over && least_busy(d);

	for (unsigned i = 0; i < d->bearers; i++) {
		const struct bearer *b = &d->bearer[i];
		short out = b->out.sent < b->out.size ? POLLOUT : 0;

		d->fds[i] = (struct pollfd){ .fd = b->pid ? b->sock : -1, .events = POLLIN | out };
	}
	last[0] = (struct pollfd){ .fd = d->signals, .events = POLLIN };
	last[1] = (struct pollfd){ .fd = listens ? d->b->source : -1, .events = POLLIN };
	last[2] = (struct pollfd){ .fd = d->out.sent < d->out.size ? d->b->sink : -1,
				   .events = POLLOUT };
}

static int take_signals(struct deal *d, struct err *e)
{
	struct signalfd_siginfo info;
	int n = 0;

	while (n == 0 && read(d->signals, &info, sizeof info) == sizeof info) {
		if (!attach_is_terminating((int)info.ssi_signo))
			continue;
		d->end->signal = (int)info.ssi_signo;
		n = cancel(d, d->end->signal, e);
	}
	return n;
}

static int step(struct deal *d, struct err *e)
{
	const struct pollfd *last = d->fds + d->bearers;
	int n;

	look_out(d);
	if (poll(d->fds, d->bearers + OTHER_POLLFDS, -1) < 0)
		return errno == EINTR ? 0 : err_set(e, errno, "poll");
	if (last[1].revents)
		d->drained = false;
	n = last[0].revents ? take_signals(d, e) : 0;
	if (n == 0 && last[2].revents)
		n = outbox_send(&d->out, d->b->sink, e);
	for (unsigned i = 0; n == 0 && i < d->bearers; i++) {
		struct bearer *b = &d->bearer[i];

		if (d->fds[i].revents & POLLOUT)
			outbox_send_note(&b->out, b->sock);
		if (d->fds[i].revents & ~POLLOUT)
			n = hear(d, b, e);
	}
	return n;
}

static int go_on(struct deal *d, struct err *e)
{
	for (;;) {
		int n = grant(d, e);

		if (n == 0)
			n = deal_out(d, e);
		if (n < 0)
			return n;
		send_notes(d);
		if (d->b->show)
			d->b->show(d->b->user, d->end, d->running);
		if (d->busy == 0 && d->drained && !d->again && (d->over || !d->waits))
			return outbox_send_all(&d->out, d->b->sink, e);
		n = step(d, e);
		if (n < 0)
			return n;
	}
}

/* Slot i is bearer i % N's. */
static int share_slots(struct deal *d, struct err *e)
{
	const struct batch *b = d->b;
	unsigned at = 0;

	d->bearer = calloc(d->bearers, sizeof *d->bearer);
	d->fds = calloc(d->bearers + OTHER_POLLFDS, sizeof *d->fds);
	d->cpus = calloc(b->slots, sizeof *d->cpus);
	if (!d->bearer || !d->fds || !d->cpus)
		return err_set(e, ENOMEM, "the batch");
	for (unsigned i = 0; i < d->bearers; i++) {
		struct bearer *own = &d->bearer[i];

		own->sock = -EBADF;
		own->cpus = b->cpus ? d->cpus + at : NULL;
		for (unsigned slot = i; slot < b->slots; slot += d->bearers) {
			d->cpus[at++] = b->cpus ? b->cpus[slot] : NULL;
			own->slots++;
		}
		own->slots += b->ahead > 0;
	}
	return 0;
}

/* Who still has jobs drops them, since nobody listens. */
static void end_all(struct deal *d)
{
	for (unsigned i = 0; d->bearer && i < d->bearers; i++)
		fd_close(&d->bearer[i].sock);
	for (unsigned i = 0; d->bearer && i < d->bearers; i++) {
		struct bearer *b = &d->bearer[i];

		if (b->pid)
			end_bearer(b);
		while (b->first)
			batch_job_free(take_job(d, b, b->first->line));
	}
	while (d->again) {
		struct batch_job *j = d->again;

		d->again = j->next;
		batch_job_free(j);
	}
}

int batch_deal(const struct batch *b, unsigned bearers, struct batch_end *ret, struct err *e)
{
	struct deal d = { .b = b, .end = ret, .bearers = bearers };
	sigset_t all;
	int n;

	*ret = (struct batch_end){ 0 };
	d.again_end = &d.again;
	n = share_slots(&d, e);
	attach_block_signals();
	sigfillset(&all);
	d.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (n == 0 && d.signals < 0)
		n = err_set(e, errno, "signalfd");
	if (n == 0)
		n = go_on(&d, e);
	end_all(&d);
	fd_close(&d.signals);
	attach_restore_signals();
	free(d.out.data);
	free(d.bearer);
	free(d.fds);
	free(d.cpus);
	return n;
}
