/*
 * batch.h - many jobs: at most so many at a time, each told of once it is over.
 *
 * One poll(2) loop starts jobs in parts, watches them all, and takes them away: batch_run(). What
 * the kernel does for a job's set-up keeps one processor busy all the time, so that on several
 * ones a batch deals its jobs to a few processes that each have such a loop, its bearers:
 * batch_deal(). Lines, retries after a bearer's death, fail-fast, signals and results stay with
 * the one that was asked for.
 */
#pragma once
#include "supervisor/job_task.h"

struct batch_job {
	size_t line; /* of the input, from 1 */
	char *text;  /* what it says; owned */
	size_t size;
	bool is_read; /* what is below says what the line says */
	struct job job;
	struct err refused; /* .error: the line is no job */
	struct arena arena; /* all that is of this job */
	json_t *document;   /* owned */
	unsigned tries;
	unsigned lost; /* so many bearers died before it had run */
	bool go;       /* it has a place: its program may run */
	struct batch_job *next;
};
struct batch_job *batch_job_new(size_t line, const char *text, size_t size);
void batch_job_free(struct batch_job *j);

struct batch_end {
	uint64_t done, failed;
	int signal; /* that ended it; 0 */
};
struct batch {
	struct job_host *on;
	unsigned slots;	   /* so many run */
	unsigned ahead;	   /* so many more are set up meanwhile, and wait for a place to run */
	unsigned retries;  /* more tries of a job whose reason is in retry_on */
	uint32_t retry_on; /* 1 << enum job_reason */
	bool fail_fast;	   /* the first that fails ends the others */
	const char *const *cpus; /* one list for each slot; NULL: no slot has its own */
	void *user;
	int source; /* what to poll(2) for when next() has nothing yet */
	/* 1: one more, the batch's from now on, not read yet; 0: there are no more; -EAGAIN: not
	 * yet. `over`: only those that can be had at once, to be told of. */
	int (*next)(void *user, bool over, struct batch_job **ret, struct err *e);
	/* What its line says, into ->job, or ->refused. Once. */
	void (*read)(void *user, struct batch_job *j);
	/* The job is over, for good: a text for `sink`, malloc()ed; NULL: no memory. */
	char *(*tell)(void *user, const struct batch_job *j, const struct job_result *result);
	/* Of a bearer, whose results are notes: what `source` has to say, which jobs have a place
	 * (->go), too. > 0: the signal that cancels all; -errno: nobody is there any more. */
	int (*hear)(void *user, struct err *e);
	int sink; /* who reads it slowly holds up new jobs, but no limit of those that run */
	/* Now and then, for who looks on; NULL. */
	void (*show)(void *user, const struct batch_end *so_far, unsigned running);
};
/* 0: all were told of. Signals are blocked meanwhile: SIGINT, SIGTERM, SIGHUP and SIGQUIT cancel
 * what runs. On error nothing runs any more. */
int batch_run(const struct batch *b, struct batch_end *ret, struct err *e);

/* The same by up to `bearers` processes, each of which runs some of the slots. One that is killed
 * takes its jobs along: what they left is taken away, and they are told of as sandbox-error, or
 * retried. */
int batch_deal(const struct batch *b, unsigned bearers, struct batch_end *ret, struct err *e);

/* What both do. */
void batch_read(const struct batch *b, struct batch_job *j);
/* Of one that did not run: `why`, or cancelled by `signal`. */
void batch_result_unrun(const struct err *why, int signal, struct job_result *ret);
/* The process that runs slots for another's batch, until `sock` is closed. */
int batch_bear(const struct batch *b, int sock, struct err *e);
