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

/* Bytes of the well-formed UTF-8 sequence at s, 0 when there is none (RFC 3629). */
static size_t utf8_length(const unsigned char *s)
{
	static const unsigned char least[] = { 0, 0, 0, 0xa0, 0x90 }; /* of byte 2: no long forms */
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3
		   : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < least[3]) || (s[0] == 0xf0 && s[1] < least[4]) ||
	    (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf4 && s[1] >= 0x90))
		return 0;
	return n;
}

/* What turns the text beside it around (U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069), or ends a
 * line of it (U+2028, U+2029): a name could be shown as another. 0: none of these. */
static unsigned turning_character(const unsigned char *s, size_t n)
{
	unsigned c = n == 3 ? (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu) : 0;

	return c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
			       (c >= 0x2066 && c <= 0x2069)
		       ? c
		       : 0;
}

void buf_add_clean(struct buf *b, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	while (*s) {
		size_t n = utf8_length(s);
		/* U+0080 to U+009F: terminals take U+009B for an escape sequence. */
		bool control = *s < 0x20 || *s == 0x7f || (*s == 0xc2 && n == 2 && s[1] < 0xa0);

		if (*s == '\n')
			buf_add(b, "\\n");
		else if (turning_character(s, n))
			buf_addf(b, "\\u%04x", turning_character(s, n));
		else if (n == 0 || control)
			buf_addf(b, "\\x%02x", s[n > 1 ? 1 : 0]);
		else
			buf_addf(b, "%.*s", (int)n, (const char *)s);
		s += n ? n : 1;
	}
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
