/*
 * job_stream.h - one of a job's three standard streams, when it goes through kist: counted, cut off
 * at its limit, never waited for by anything but itself.
 */
#pragma once
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include "supervisor/job.h"

#define JOB_STREAM_BYTES 65536

struct job_stream {
	int from, to;		  /* from: -EBADF once nothing more comes */
	bool owns_to;		  /* to is closed with the stream's end */
	bool to_file;		  /* takes as much as it is given, without a poll(2) before */
	bool over;		  /* the limit was passed */
	int lost;		  /* errno of a write, or a read, by which something was lost; 0 */
	bool unread;		  /* ... a read */
	uint64_t limit;		  /* 0: none */
	struct job_output *count; /* may be NULL */
	size_t start, end;
	char data[JOB_STREAM_BYTES];
};

struct job_stdio {
	struct job_stream *stream[3]; /* NULL: goes by kist */
	int fd[3];  /* what the job gets; those that are not kist's own are owned */
	int nobodys; /* /dev/null, for those of fd[] that are equal to it */
	bool given;  /* some is not the caller's own */
};
#define JOB_STDIO_INIT                                                                             \
	{                                                                                          \
		.fd = { 0, 1, 2 }, .nobodys = -EBADF                                               \
	}

/* Opens what the job says: files without following a symlink anywhere, pipes that are the job's
 * user's, as the host counts. Undo: job_stdio_close(). */
int job_stdio_open(struct job_stdio *s, const struct job *job, uint32_t uid, uint32_t gid,
		   struct arena *a, struct job_output output[2], struct err *e);
/* The job has its ends: kist's copies of them go, so that an end is seen. */
void job_stdio_given(struct job_stdio *s);
void job_stdio_close(struct job_stdio *s);

/* What the job said must be where it was to be: -errno when it could not be written there. */
int job_stdio_check(const struct job_stdio *s, const struct job *job, struct err *e);

/* What to wait for; .fd -1: nothing. */
struct pollfd job_stream_poll(const struct job_stream *s);
void job_stream_move(struct job_stream *s, short revents);
/* What is still to come of it can't be had. */
void job_stream_lose(struct job_stream *s, int error);
static inline bool job_stream_is_done(const struct job_stream *s)
{
	return !s || (s->from < 0 && s->start == s->end);
}
