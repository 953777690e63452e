/*
 * err.c - the error record: filling it, and turning it into one line.
 *
 * Must not allocate or print: the guest uses it after clone3.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

/* A text that already says everything starts with this byte, and err_format drops it. */
#define SAYS_ALL '\001'

static void set_text(char *text, size_t size, const char *prefix, const char *fmt, va_list ap)
{
	struct buf b = { .text = text, .size = size };

	buf_reset(&b);
	buf_add(&b, prefix);
	buf_vaddf(&b, fmt, ap);
	if (buf_truncated(&b))
		memcpy(text + size - 4, "...", 4);
}

static void start(struct err *e, int error)
{
	e->error = error;
	e->contexts = 1;
	e->exit_code = 0;
	e->where[0] = '\0';
	e->fix[0] = '\0';
}

int err_set(struct err *e, int error, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (e) {
		start(e, error);
		va_start(ap, fmt);
		set_text(e->context[0], sizeof e->context[0], "", fmt, ap);
		va_end(ap);
	}
	errno = saved;
	return -error;
}

int err_say(struct err *e, int error, const char *fmt, ...)
{
	static const char prefix[] = { SAYS_ALL, '\0' };
	int saved = errno;
	va_list ap;

	if (e) {
		start(e, error);
		va_start(ap, fmt);
		set_text(e->context[0], sizeof e->context[0], prefix, fmt, ap);
		va_end(ap);
	}
	errno = saved;
	return -error;
}

/* Who wraps has an error: that nothing was said of it must not make a success of it. */
static int number_of(struct err *e)
{
	if (!e->error)
		e->error = EIO;
	return -e->error;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	va_list ap;
	int i;

	if (!e)
		return -EINVAL;
	i = e->contexts < ERR_CONTEXTS_MAX ? e->contexts++ : ERR_CONTEXTS_MAX - 1;
	va_start(ap, fmt);
	set_text(e->context[i], sizeof e->context[i], "", fmt, ap);
	va_end(ap);
	return number_of(e);
}

int err_at(struct err *e, const char *where)
{
	struct buf b;

	if (!e)
		return -EINVAL;
	if (!e->where[0]) {
		b = (struct buf)BUF_ON(e->where);
		buf_reset(&b);
		buf_add(&b, where);
	}
	return number_of(e);
}

int err_fix(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -EINVAL;
	if (!e->fix[0]) {
		va_start(ap, fmt);
		set_text(e->fix, sizeof e->fix, "", fmt, ap);
		va_end(ap);
	}
	return number_of(e);
}

void err_clear(struct err *e)
{
	if (!e)
		return;
	/* Once for every step: not the texts, which are a page nearly. */
	start(e, 0);
	e->step = -1;
	e->contexts = 0;
	e->context[0][0] = '\0';
}

void err_format(const struct err *e, char *text, size_t size)
{
	struct buf b = { .text = text, .size = size };

	buf_reset(&b);
	for (int i = e->contexts - 1; i >= 0; i--) {
		const char *context = e->context[i];
		bool says_all = i == 0 && context[0] == SAYS_ALL;

		if (i == 0 && e->where[0]) {
			buf_add_clean(&b, e->where);
			buf_add(&b, ": ");
		}
		buf_add_clean(&b, context + says_all);
		if (i > 0)
			buf_add(&b, ": ");
		else if (!says_all)
			buf_addf(&b, "%s%s", context[0] ? ": " : "", strerrordesc_np(e->error)
					? strerrordesc_np(e->error) : "unknown error");
	}
	if (buf_truncated(&b) && size > 4)
		memcpy(text + size - 4, "...", 4);
}

const char *err_name(int error, char scratch[16])
{
	const char *name = strerrorname_np(error);

	if (name)
		return name;
	snprintf(scratch, 16, "E%d", error);
	return scratch;
}
