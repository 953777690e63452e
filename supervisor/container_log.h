/*
 * container_log.h - what a container writes to stdout and stderr, kept in a file.
 *
 * `json-file` is docker's: a line is a record {"log":"TEXT\n","stream":"stdout",
 * "time":"RFC 3339, ns"}; text longer than CONTAINER_LOG_LINE comes in several
 * records, all but the last without the \n. What is no UTF-8 becomes U+FFFD.
 * `raw` is the bytes, of both streams in the order they came. Files are cut
 * when they would outgrow max_size: NAME, NAME.1 (older), NAME.2 ...
 *
 * A file that can't be written (disk full) stops nothing: the bytes are counted
 * as dropped, no record is ever half there, and it goes on when there is room.
 * Nothing here allocates. Must not know what a container is.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>
#include "base/err.h"

#define CONTAINER_LOG_LINE   16384 /* docker's */
#define CONTAINER_LOG_RECORD 256   /* what of a record isn't the line */
#define CONTAINER_LOG_NAME   128   /* with the NUL */
#define CONTAINER_LOG_FILES  100   /* at most, the first included */
#define CONTAINER_LOG_MIN    4096  /* bytes: less than this no file may be cut to */

enum container_log_format { CONTAINER_LOG_NONE, CONTAINER_LOG_RAW, CONTAINER_LOG_JSON };
enum container_log_stream { CONTAINER_LOG_STDOUT, CONTAINER_LOG_STDERR };

struct container_log_options {
	enum container_log_format format;
	uint64_t max_size; /* bytes; 0: one file, without bound */
	int max_files;	   /* 1 to CONTAINER_LOG_FILES */
};

struct container_log_line {
	size_t used;
	char text[CONTAINER_LOG_LINE];
};

struct container_log {
	struct container_log_options options;
	int dir, fd; /* the folder is borrowed */
	char name[CONTAINER_LOG_NAME];
	uint64_t size;		    /* of the file now */
	uint64_t received, dropped; /* bytes of the container */
	unsigned rotations;
	int last_error; /* errno of the newest failure, 0 */
	time_t second; /* which `time_text` is of */
	char time_text[64];
	size_t tail_length;
	char tail[128]; /* of all records of what was read at once */
	size_t pending; /* bytes in `out` */
	uint64_t pending_received;
	struct container_log_line line[2];
	/* A character may become \u00XX; and a record has a head and a tail. */
	char out[6 * CONTAINER_LOG_LINE + CONTAINER_LOG_RECORD];
};

/* "json-file", "raw", "none"; "10m" and "3" are parsed by their callers. */
int container_log_parse_format(const char *text, enum container_log_format *ret, struct err *e);
/* Opens or goes on with NAME in the folder `dir` (kept open by the caller). A file cut short by a
 * crash in the midst of a record is cut back to the last whole one. */
int container_log_open(struct container_log *l, int dir, const char *name,
		       const struct container_log_options *options, struct err *e);
/* Keeps what came, or counts it as dropped. */
void container_log_put(struct container_log *l, enum container_log_stream stream, const char *data,
		       size_t size);
/* Writes what still waits for its line's end, and closes. */
void container_log_close(struct container_log *l);
