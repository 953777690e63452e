/*
 * batch.h - kist batch: its options, its lines, what it says.
 */
#pragma once
#include "cli/job.h"
#include "supervisor/batch.h"

struct batch_request {
	struct job_request job; /* for each */
	const char *file, *retry_on, *cpuset, *outputs;
	int64_t jobs_given, retry;
	bool fail_fast, pin, quiet;
};

struct batch_lines {
	struct batch_request *request;
	struct arena arena;
	int fd;
	bool is_file, at_end;
	char folder[4096]; /* that paths are relative to */
	char prefix[16];   /* of ids that no line says */
	char *data;
	size_t start, size, room, seen; /* seen: no end of line up to there */
	size_t line;
	bool skipping, too_long; /* what is read is of a line that is; the last one was */
	/* the bar */
	bool bar;
	size_t total;
	unsigned slots;
	int64_t began, shown;
};
int batch_lines_open(struct batch_lines *l, const char *file, struct err *e);
void batch_lines_close(struct batch_lines *l);
/* For struct batch. */
int batch_lines_next(void *user, bool over, struct batch_job **ret, struct err *e);
void batch_lines_read(void *user, struct batch_job *j);
/* With its end of line; free() it. NULL: no memory. */
char *batch_result_line(const struct batch_job *j, const struct job_result *result);

/* One list of processors for each slot, of those in `text`, or that kist may run on itself. */
int batch_part_cpus(const char *text, unsigned slots, struct arena *a, const char *const **ret,
		    struct err *e);

/* On standard error, when that is a terminal. */
void batch_progress_begin(struct batch_lines *l, struct batch *b);
void batch_progress_end(struct batch_lines *l, const struct batch_end *end);
