/*
 * batch.h - many jobs by one process: at most so many at a time, each told of once it is over.
 *
 * No thread and no process but the jobs' own: one poll(2) loop starts them in
 * parts, watches them all, and takes them away.
 */
#pragma once
#include "supervisor/job_task.h"

struct batch_job {
	size_t line; /* of the input, from 1 */
	struct job job;
	struct err refused; /* .error: the line is no job */
	struct arena arena; /* all that is of this job */
	json_t *document;   /* owned */
	unsigned tries;
	struct batch_job *next;
};
struct batch_job *batch_job_new(size_t line);
void batch_job_free(struct batch_job *j);

struct batch_end {
	uint64_t done, failed;
	int signal; /* that ended it; 0 */
};
struct batch {
	struct job_host *on;
	unsigned slots;
	unsigned retries;	 /* more tries of a job whose reason is in retry_on */
	uint32_t retry_on;	 /* 1 << enum job_reason */
	bool fail_fast;		 /* the first that fails ends the others */
	const char *const *cpus; /* one list for each slot; NULL: no slot has its own */
	void *user;
	int source; /* what to poll(2) for when next() has nothing yet */
	/* 1: one more, the batch's from now on; 0: there are no more; -EAGAIN: not yet. `over`:
	 * only those that can be had at once, to be told of. */
	int (*next)(void *user, bool over, struct batch_job **ret, struct err *e);
	/* The job is over, for good: a text for `sink`, malloc()ed; NULL: no memory. */
	char *(*tell)(void *user, const struct batch_job *j, const struct job_result *result);
	int sink; /* who reads it slowly holds up new jobs, but no limit of those that run */
	/* Now and then, for who looks on; NULL. */
	void (*show)(void *user, const struct batch_end *so_far, unsigned running);
};
/* 0: all were told of. Signals are blocked meanwhile: SIGINT, SIGTERM, SIGHUP and SIGQUIT cancel
 * what runs. On error nothing runs any more. */
int batch_run(const struct batch *b, struct batch_end *ret, struct err *e);
