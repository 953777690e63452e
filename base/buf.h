/*
 * buf.h - a bounded text buffer over memory the caller owns.
 *
 * Never allocates, so the guest may use it. Truncation is remembered, not
 * silent: check buf_truncated().
 */
#pragma once
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>

struct buf {
	char *text;     /* always NUL-terminated */
	size_t size;    /* bytes at text */
	size_t len;     /* without the NUL */
	bool truncated;
};

#define BUF_ON(array) { .text = (array), .size = sizeof(array) }

void buf_reset(struct buf *b);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vaddf(struct buf *b, const char *fmt, va_list ap);
void buf_add(struct buf *b, const char *text);
void buf_add_char(struct buf *b, char c);
/* Text that may be hostile (ids, paths, image names), for people and logs: control characters, C1
 * ones and bytes that are no UTF-8 become \n or \xNN, so that it stays one line and can't steer a
 * terminal. */
void buf_add_clean(struct buf *b, const char *text);
/* As a C string literal, quotes included; long strings are cut with "..." */
void buf_add_quoted(struct buf *b, const char *text);
/* For a POSIX shell: bare when harmless, else in single quotes. */
void buf_add_shell(struct buf *b, const char *text);
/* Flag names joined by '|': {0x1,"RDONLY"}; unknown bits in hex; "0" when none. */
struct flag_name {
	unsigned long long bit;
	const char *name;
};
void buf_add_flags(struct buf *b, unsigned long long flags, const struct flag_name *names,
		   size_t count);
static inline bool buf_truncated(const struct buf *b)
{
	return b->truncated;
}
