/*
 * job_stream.c - moves what a job says to where it goes.
 */
#include "supervisor/job_stream.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/fd.h"

static void finish(struct job_stream *s)
{
	fd_close(&s->from);
	if (s->start == s->end && s->owns_to)
		fd_close(&s->to);
}

void job_stream_lose(struct job_stream *s, int error)
{
	if (!s || s->lost || (s->from < 0 && s->start == s->end))
		return;
	s->lost = error;
	s->unread = true;
}

/* How much of n bytes more may pass. */
static size_t within_limit(struct job_stream *s, size_t n)
{
	uint64_t left;

	if (!s->count)
		return n;
	s->count->bytes += n;
	left = s->limit ? s->limit - s->count->kept : UINT64_MAX;
	if (n > left) {
		s->over = true;
		n = (size_t)left;
	}
	s->count->kept += n;
	return n;
}

static void take(struct job_stream *s)
{
	/* What poll(2) calls writable takes PIPE_BUF without blocking; kist's own end never blocks.
	 */
	size_t room = s->owns_to ? sizeof s->data : PIPE_BUF;
	ssize_t n = read(s->from, s->data, room);

	if (n > 0) {
		s->start = 0;
		s->end = within_limit(s, (size_t)n);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		if (n < 0)
			job_stream_lose(s, errno);
		finish(s);
	}
}

static void give(struct job_stream *s)
{
	ssize_t n = write(s->to, s->data + s->start, s->end - s->start);

	if (n > 0) {
		s->start += (size_t)n;
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		/* Nobody reads: the job learns it as it would have without kist, by SIGPIPE. That
		 * what it said is lost, the result must say. */
		if (errno != EPIPE)
			s->lost = errno;
		if (s->count)
			s->count->kept -= s->end - s->start;
		s->start = s->end;
		fd_close(&s->from);
	}
	if (s->start == s->end && s->from < 0)
		finish(s);
}

struct pollfd job_stream_poll(const struct job_stream *s)
{
	struct pollfd p = { .fd = -1 };

	if (!s)
		return p;
	if (s->start < s->end) {
		p.fd = s->to;
		p.events = POLLOUT;
	} else if (s->from >= 0) {
		p.fd = s->from;
		p.events = POLLIN;
	}
	return p;
}

void job_stream_move(struct job_stream *s, short revents)
{
	if (!s || !revents)
		return;
	if (s->start < s->end)
		give(s);
	else if (s->from >= 0)
		take(s);
	while (s->to_file && s->start < s->end)
		give(s);
}
