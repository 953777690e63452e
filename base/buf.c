/*
 * buf.c - a bounded text buffer. Never allocates (the guest uses it).
 */
#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#define QUOTED_MAX 256 /* bytes of a string shown in a call; the rest is "..." */

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->truncated = false;
	if (b->size)
		b->text[0] = '\0';
}

void buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
	size_t room = b->size - b->len;
	int n;

	if (b->size == 0 || b->truncated) {
		b->truncated = true;
		return;
	}
	n = vsnprintf(b->text + b->len, room, fmt, ap);
	if (n < 0 || (size_t)n >= room) {
		b->truncated = true;
		b->len = b->size - 1;
	} else {
		b->len += (size_t)n;
	}
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(b, fmt, ap);
	va_end(ap);
}

void buf_add(struct buf *b, const char *text)
{
	buf_addf(b, "%s", text);
}

void buf_add_char(struct buf *b, char c)
{
	if (b->size == 0 || b->truncated || b->len + 1 >= b->size) {
		b->truncated = true;
		return;
	}
	b->text[b->len++] = c;
	b->text[b->len] = '\0';
}

void buf_add_quoted(struct buf *b, const char *text)
{
	size_t n = 0;

	if (!text) {
		buf_add(b, "NULL");
		return;
	}
	buf_add_char(b, '"');
	for (; text[n] && n < QUOTED_MAX; n++) {
		unsigned char c = (unsigned char)text[n];

		if (c == '"' || c == '\\')
			buf_addf(b, "\\%c", c);
		else if (c == '\n')
			buf_add(b, "\\n");
		else if (c < 0x20 || c == 0x7f)
			buf_addf(b, "\\%03o", c);
		else
			buf_add_char(b, (char)c);
	}
	buf_add(b, text[n] ? "\"..." : "\"");
}

void buf_add_shell(struct buf *b, const char *text)
{
	static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789_-./:=+,@%";

	if (text[0] && text[strspn(text, harmless)] == '\0') {
		buf_add(b, text);
		return;
	}
	buf_add_char(b, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			buf_add(b, "'\\''");
		else
			buf_add_char(b, *text);
	}
	buf_add_char(b, '\'');
}

void buf_add_flags(struct buf *b, unsigned long long flags, const struct flag_name *names,
		   size_t count)
{
	const char *separator = "";

	if (!flags) {
		buf_add(b, "0");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (names[i].bit && (flags & names[i].bit) == names[i].bit) {
			buf_addf(b, "%s%s", separator, names[i].name);
			flags &= ~names[i].bit;
			separator = "|";
		}
	}
	if (flags)
		buf_addf(b, "%s0x%llx", separator, flags);
}
