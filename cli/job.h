/*
 * job.h - what kist job run was asked for: its options, and the job file's.
 */
#pragma once
#include "cli/cli.h"
#include "supervisor/job.h"
#include "supervisor/job_detach.h"

#define JOB_OPTIONS_MAX 64

struct job_request {
	const char *setting[JOB_OPTIONS_MAX]; /* by job_settings[] */
	struct option_texts repeated[8];      /* of those that repeat, in their order */
	const char *result, *waived, *store, *id;
	struct option_texts env, pass_env, files, inputs, collect;
	const char *log, *log_size, *log_files;
	bool explain, exit_zero, detach;
	const struct job_kept *kept; /* at a detached job's end; else NULL */
	json_t *document;	     /* the job file; owned */
	char random_id[32];
};
/* The option table of `kist job run`, for cli_parse(). Returns how many. */
size_t job_request_options(struct job_request *q, struct option table[JOB_OPTIONS_MAX]);
/* Those of them that are a batch's too, and hold for each of its jobs. */
size_t job_request_common(struct job_request *q, struct option *table);
/* A job file's document, `name` in errors; and then what the options and the words of the command line
 * (NULL: none) say. */
int job_request_read(const json_t *document, const char *name, const char *folder, struct job *job,
		     struct arena *a, struct err *e);
int job_request_settle(struct job_request *q, char **words, struct job *job, struct arena *a,
		       struct err *e);
/* IMAGE|DIR|JOB.json and the words after it. What the options say goes over what the file says. */
int job_request_parse(struct job_request *q, int argc, char **argv, struct job *job,
		      struct arena *a, struct err *e);
/* --log, --log-size, --log-files. */
int job_request_log(const struct job_request *q, struct container_log_options *ret, struct err *e);

/* kist job run --detach: starts it, and prints its id once it runs. argv: kist's own. Exit status. */
int job_run_detached(struct job_request *q, struct job *job, int root, struct arena *a,
		     const struct runtime_hooks_in *in, char *const argv[]);
/* What its monitor left to do: kist, called by it. `failed`: what it was asked for can't be read any
 * more. Exit status. */
int job_run_end(const struct job_request *q, struct job *job, int root, const struct err *failed,
		struct arena *a);
/* The folder of a result, which must be one that can be written to, and its name there. */
int job_open_result(const char *path, int *ret_dir, const char **ret_name, struct err *e);
/* Writes the result record, whole. */
int job_write_result(int dir, const char *name, const struct job *job, const struct job_result *result,
		     struct err *e);

/* kist job ls, logs, kill, wait, gc, stats. Exit status. */
int command_job_ls(int argc, char **argv);
int command_job_logs(int argc, char **argv);
int command_job_kill(int argc, char **argv);
int command_job_wait(int argc, char **argv);
int command_job_gc(int argc, char **argv);
int command_job_stats(int argc, char **argv);
