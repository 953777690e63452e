/*
 * log.h - diagnostics for people (stderr text) and callers (--log FILE, JSON lines).
 *
 * Only cli, supervisor and the monitor print. JSON lines have "level", "msg",
 * "time" (RFC 3339), as containerd, dockerd and podman read them.
 */
#pragma once
#include <stdbool.h>
#include "base/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* file NULL: stderr. json: one object a line. Appends, O_CLOEXEC, mode 0600. */
int log_open(const char *program, const char *file, bool json, enum log_level level, struct err *e);
void log_msg(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Logs a record as an error: one line in the log, and on stderr "kist: ...\nfix: ...". With a log
 * file the text also goes to stderr. */
void log_err(const struct err *e);
