/*
 * job.h - what kist job run was asked for: its options, and the job file's.
 */
#pragma once
#include "cli/cli.h"
#include "supervisor/job.h"

#define JOB_OPTIONS_MAX 64

struct job_request {
	const char *setting[JOB_OPTIONS_MAX]; /* by job_settings[] */
	struct option_texts repeated[2];      /* of those that repeat, in their order */
	const char *result, *waived, *store, *id;
	struct option_texts env, pass_env, files, inputs, collect;
	bool explain, exit_zero;
	char random_id[32];
};
/* The option table of `kist job run`, for cli_parse(). Returns how many. */
size_t job_request_options(struct job_request *q, struct option table[JOB_OPTIONS_MAX]);
/* IMAGE|DIR|JOB.json and the words after it. What the options say goes over what the file says. */
int job_request_parse(struct job_request *q, int argc, char **argv, struct job *job,
		      struct arena *a, struct err *e);
