/*
 * job_watch.h - stays with a job: its streams, its limits of time and output, its end. As one wait,
 * or turn by turn among others.
 */
#pragma once
#include <poll.h>
#include "supervisor/job_stream.h"

struct job_end {
	enum job_reason reason; /* JOB_EXIT: it ended by itself */
	int cancel_signal;
	int exit_code, signal, status;
};
struct job_watch {
	const struct job *job;
	int pidfd;  /* of its first process, a child of this one */
	int cgroup; /* -EBADF: it has none */
	struct job_stdio *stdio;
	struct job_end end;
	/* its own */
	int64_t wall_end, cpu_check, kill_at; /* by clock_now_ms(); -1: never */
	int processors;
};
/* Until its first process is gone, when w->end is filled; signals are blocked, as by
 * attach_block_signals(). */
int job_watch(struct job_watch *w, struct err *e);

/* The same in parts. What to poll(2) for, and until when (by clock_now_ms(); -1: no limit); then
 * what came of it: 1 once its first process is gone, and w->end is filled. */
#define JOB_WATCH_FDS 4
void job_watch_begin(struct job_watch *w);
void job_watch_poll(const struct job_watch *w, struct pollfd p[JOB_WATCH_FDS]);
int64_t job_watch_next(const struct job_watch *w);
int job_watch_turn(struct job_watch *w, const struct pollfd p[JOB_WATCH_FDS], struct err *e);
/* It must end: by its grace, at once when asked again. The first reason counts. */
int job_watch_end(struct job_watch *w, enum job_reason reason, int signal, struct err *e);

/* Everything of it is dead: what it said last is passed on. */
void job_watch_drain(const struct job_watch *w);
