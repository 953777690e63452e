/*
 * challenge.c - reading WWW-Authenticate. Hostile text.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "image/challenge.h"

static bool is_token(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static const char *skip(const char *s, const char *what)
{
	return s + strspn(s, what);
}

static size_t token_length(const char *s)
{
	size_t n = 0;

	while (is_token(s[n]))
		n++;
	return n;
}

/* token or quoted-string into text; the place after it, or NULL. */
static const char *read_value(const char *s, char *text, size_t size)
{
	size_t n = 0;

	if (*s != '"') {
		n = token_length(s);
		if (n == 0 || n >= size)
			return NULL;
		memcpy(text, s, n);
		text[n] = '\0';
		return s + n;
	}
	for (s++; *s != '"'; s++) {
		if (*s == '\\')
			s++;
		/* What goes into URLs and headers later must not break them. */
		if ((unsigned char)*s < ' ' || *s == 0x7f || n + 1 >= size)
			return NULL;
		text[n++] = *s;
	}
	text[n] = '\0';
	return s + 1;
}

static const char *read_parameter(const char *s, struct challenge *c)
{
	char ignored[2048], *to = ignored;
	size_t n = token_length(s), size = sizeof(ignored);
	const char *name = s;

	s = skip(s + n, " \t");
	if (n == 0 || *s != '=')
		return NULL;
	s = skip(s + 1, " \t");
	if (n == 5 && strncasecmp(name, "realm", n) == 0) {
		to = c->realm;
		size = sizeof(c->realm);
	} else if (n == 7 && strncasecmp(name, "service", n) == 0) {
		to = c->service;
		size = sizeof(c->service);
	} else if (n == 5 && strncasecmp(name, "scope", n) == 0) {
		to = c->scope;
		size = sizeof(c->scope);
	}
	return read_value(s, to, size);
}

/* Does "name =" stand here, and so a parameter, not the next challenge? */
static bool at_parameter(const char *s)
{
	size_t n = token_length(s);

	return n > 0 && *skip(s + n, " \t") == '=';
}

/* One challenge; the place after it, or NULL. */
static const char *read_one(const char *s, struct challenge *ret)
{
	struct challenge c = { 0 };
	size_t n = token_length(s);

	if (n == 0)
		return NULL;
	if (n == 6 && strncasecmp(s, "bearer", n) == 0)
		c.kind = CHALLENGE_BEARER;
	else if (n == 5 && strncasecmp(s, "basic", n) == 0)
		c.kind = CHALLENGE_BASIC;
	s = skip(s + n, " \t");
	while (at_parameter(s)) {
		s = read_parameter(s, &c);
		if (s == NULL)
			return NULL;
		s = skip(s, " \t,");
	}
	*ret = c;
	return s;
}

int challenge_parse(const char *header, struct challenge *ret, struct err *e)
{
	struct challenge best = { 0 }, one;
	const char *s = skip(header, " \t,");

	while (*s) {
		s = read_one(s, &one);
		if (s == NULL)
			return err_say(e, EINVAL, "its WWW-Authenticate header is malformed");
		s = skip(s, " \t,");
		if (one.kind > best.kind)
			best = one;
	}
	if (best.kind == CHALLENGE_NONE)
		return err_say(e, ENOTSUP, "it wants neither Basic nor Bearer authentication");
	if (best.kind == CHALLENGE_BEARER && best.realm[0] == '\0')
		return err_say(e, EINVAL, "its Bearer challenge names no realm");
	*ret = best;
	return 0;
}
