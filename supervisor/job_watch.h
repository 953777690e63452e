/*
 * job_watch.h - stays with a job: its streams, its limits of time and output, signals, its end.
 */
#pragma once
#include "supervisor/job_stream.h"

struct job_watch {
	const struct job *job;
	int pidfd;  /* of its first process, a child of this one */
	int cgroup; /* -EBADF: it has none */
	struct job_stdio *stdio;
};
struct job_end {
	enum job_reason reason; /* JOB_EXIT: it ended by itself */
	int cancel_signal;
	int exit_code, signal, status;
};
/* Until its first process is gone; signals are blocked, as by attach_block_signals(). */
int job_watch(const struct job_watch *w, struct job_end *ret, struct err *e);
/* Everything of it is dead: what it said last is passed on. */
void job_watch_drain(const struct job_watch *w);
/* SIGKILL to all of it. */
int job_kill(const struct job_watch *w, struct err *e);
