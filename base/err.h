/*
 * err.h - the error record.
 *
 * Every fallible function returns 0 (or a useful value >= 0) or -errno, and
 * takes `struct err *e` last. The record holds no pointers: a failing guest
 * sends it over the sync socket as one message. Safe after clone3: nothing
 * here allocates or touches a stdio stream.
 */
#pragma once
#include <stddef.h>

#define ERR_CONTEXTS_MAX 4
#define ERR_TEXT_MAX 320

struct err {
	int error;          /* errno, positive; 0 means no error */
	int step;           /* index of the failing plan step, -1 when none */
	int exit_code;      /* 0, or the exit status the command must end with */
	int contexts;       /* how many of `context` are filled; [0] is the innermost */
	char where[160];    /* JSON pointer (/mounts/3) or path the error belongs to */
	char context[ERR_CONTEXTS_MAX][ERR_TEXT_MAX];
	char fix[256];      /* how to mend it; empty when there is nothing to say */
};

#define ERR_INIT { .step = -1 }

/* Starts a record: `error` is a positive errno, the text says what failed, without the errno's
 * own words (err_format adds them; EINVAL-by-validation can use err_say instead).
 * Returns -error, so that callers write `return err_set(e, errno, ...)`. Keeps errno unchanged.
 * e may be NULL: then only the return value matters. */
int err_set(struct err *e, int error, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same, but err_format will not append strerror(error): the text says all. */
int err_say(struct err *e, int error, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Adds an outer context ("cannot start web"); when all four are taken the outermost is
 * replaced. Returns -e->error. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Says where: a JSON pointer or a path. The first caller wins. Returns -e->error. */
int err_at(struct err *e, const char *where);
/* Says how to mend it. The first caller wins. Returns -e->error. */
int err_fix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Forgets everything. */
void err_clear(struct err *e);
/* One line, without newline: "outer: inner: where: what: No such file or directory". Control
 * characters and escapes are quoted. Truncates (with "...") rather than fails. */
void err_format(const struct err *e, char *text, size_t size);
/* strerrorname_np without its NULL: "ENOENT", or "E123". */
const char *err_name(int error, char scratch[16]);
