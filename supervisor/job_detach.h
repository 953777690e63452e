/*
 * job_detach.h - a job that nobody waits for: its folder, and how kist becomes its monitor and, at
 * the end, itself again.
 *
 *   <root>/.jobs/<id>/begun.json   the monitor's pid, and what only the start knew
 *   <root>/.jobs/<id>/job.json     the job file, as it was
 *   <root>/.jobs/<id>/errors       what monitor and kist had to say after the start
 *   <root>/.jobs/<id>/log, log.1.. what the job said: container_log.h
 *   <root>/.jobs/<id>/reserve      room for the next two, should the log or others fill the disk
 *   <root>/.jobs/<id>/end.json     how it ended, from the monitor
 *   <root>/.jobs/<id>/result.json  what became of it: the job is over once it is there
 *
 * The folder stays until `kist job gc`.
 */
#pragma once
#include <sys/types.h>
#include "supervisor/container_log.h"
#include "supervisor/job.h"

#define JOBS_FOLDER	 ".jobs"
#define JOB_LOG		 "log"
#define JOB_DOCUMENT	 "job.json"
#define JOB_ERRORS	 "errors"
#define JOB_BEGUN	 "begun.json"
#define JOB_ENDED	 "end.json"
#define JOB_RESULT	 "result.json"
#define JOB_RESERVE	 "reserve"
#define JOB_RESERVE_SIZE 16384
#define JOB_END_VARIABLE "KIST_JOB_END" /* for kist at the end, from its own monitor */

struct job_detach {
	int dir;   /* of the job's folder */
	int ready; /* one byte goes there once the job runs; closed without one: it does not */
	char *const *argv; /* what kist was called with, and is once more at the end */
	struct container_log_options log;
};

/* What is kept open from the start to the end. */
struct job_kept {
	int dir, root, mounts, cgroup, collect, netns, pin, user; /* fds; -1: none */
};

/* Opens the folder; `make`: a new one, -EEXIST when the id is taken. fd or -errno. Who made it, and
 * whoever the fd is left to, has it locked (flock) until the job is over. */
int job_folder_open(int root, const char *id, bool make, struct err *e);
/* Removes it with all that is in it. */
int job_folder_remove(int root, const char *id, struct err *e);

enum job_state { JOB_IS_STARTING, JOB_IS_RUNNING, JOB_IS_OVER, JOB_IS_LOST };
struct job_folder {
	enum job_state state;	/* lost: who was with it was killed, and left no result */
	int pidfd;		/* of its monitor; -EBADF: there is none. Owned */
	json_t *begun, *result; /* owned; NULL: none */
};
int job_folder_read(int dir, struct job_folder *ret, struct err *e);
void job_folder_free(struct job_folder *f);
#define _cleanup_job_folder_ __attribute__((cleanup(job_folder_free)))

/* Takes away what is left of jobs in the foreground whose kist was killed: `said` for each, with an
 * error when it could not. */
typedef void job_gc_said(void *user, const char *id, const struct err *failure);
int job_gc(int root, job_gc_said *said, void *user, struct err *e);
/* Of one of them. 0 also when nothing is there; -EAGAIN: somebody is with it. */
int job_gc_one(int root, const char *id, struct err *e);

/* Becomes kist-monitor. Returns only on failure: the job is still this process's. */
int job_become_monitor(const struct job *job, int pidfd, const int output[2],
		       const struct job_kept *kept, const struct job_result *so_far, struct err *e);
/* What KIST_JOB_END says; -EINVAL: nothing that a monitor wrote. */
int job_kept_parse(const char *text, const char **ret_id, struct job_kept *ret);
/* After the monitor: the job's result, as job_run() fills it, and everything of it taken away. */
void job_end(struct job *job, int root, const struct job_kept *kept, struct arena *a,
	     struct job_result *ret, struct err *e);
