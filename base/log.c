/*
 * log.c - one place that prints diagnostics.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/utc.h"

#define LOG_LINE_MAX 2048

static struct {
	const char *program;
	int fd; /* the log file, or -1 */
	bool json;
	enum log_level level;
} state = { .program = "kist", .fd = -1, .level = LOG_WARN };

static const char *const level_names[] = { "error", "warning", "info", "debug" };

int log_open(const char *program, const char *file, bool json, enum log_level level, struct err *e)
{
	state.program = program;
	state.json = json;
	state.level = level;
	if (!file)
		return 0;
	state.fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
	if (state.fd < 0)
		return err_set(e, errno, "cannot open the log file %s", file);
	return 0;
}

static void write_json(int fd, enum log_level level, const char *msg)
{
	char stamp[UTC_TEXT_MAX];
	struct timespec now;
	json_t *line;
	char *text;

	clock_gettime(CLOCK_REALTIME, &now);
	utc_format(now.tv_sec, stamp);
	line = json_pack("{s:s, s:s, s:s+}", "level", level_names[level], "msg", msg, "time", stamp, "Z");
	text = line ? json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
	if (text)
		dprintf(fd, "%s\n", text);
	free(text);
	json_decref(line);
}

static void write_text(int fd, enum log_level level, const char *msg)
{
	char line[2 * LOG_LINE_MAX];
	struct buf b = BUF_ON(line);

	buf_reset(&b);
	for (; *msg; msg++) {
		if (*msg == '"' || *msg == '\\')
			buf_add_char(&b, '\\');
		buf_add_char(&b, *msg);
	}
	dprintf(fd, "level=%s msg=\"%s\"\n", level_names[level], line);
}

/* msg is clean: one line of UTF-8. */
static void emit(enum log_level level, const char *msg)
{
	if (state.fd >= 0) {
		if (state.json)
			write_json(state.fd, level, msg);
		else
			write_text(state.fd, level, msg);
	}
	/* A person at the terminal sees errors even when a log file takes them. */
	if (state.fd < 0 && state.json)
		write_json(STDERR_FILENO, level, msg);
	else if (state.fd < 0 || level == LOG_ERROR)
		dprintf(STDERR_FILENO, "%s: %s%s\n", state.program,
			level == LOG_WARN ? "warning: " : "", msg);
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	char msg[LOG_LINE_MAX], clean[LOG_LINE_MAX];
	struct buf b = BUF_ON(clean);
	va_list ap;

	if (level > state.level)
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	buf_reset(&b);
	buf_add_clean(&b, msg);
	emit(level, clean);
}

void log_err(const struct err *e)
{
	char msg[LOG_LINE_MAX];

	err_format(e, msg, sizeof msg);
	emit(LOG_ERROR, msg);
	if (e->fix[0] && (state.fd >= 0 || !state.json))
		dprintf(STDERR_FILENO, "fix: %s\n", e->fix);
}
