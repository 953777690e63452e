/*
 * reference.c - the reference grammar. Pure text.
 *
 * The first path part is a registry when it holds a dot, a colon or an upper
 * case letter, or is "localhost"; otherwise Docker Hub is meant.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "image/reference.h"

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

bool reference_is_tag(const char *tag)
{
	size_t i;

	if (!is_alnum(tag[0]) && tag[0] != '_')
		return false;
	for (i = 1; tag[i] != '\0'; i++)
		if (i >= REFERENCE_TAG_MAX || !(is_alnum(tag[i]) || strchr("_.-", tag[i])))
			return false;
	return true;
}

/* alphanumerics joined by one of: "." "_" "__" or any number of "-" */
static bool is_path_part(const char *s, size_t len)
{
	size_t i = 0, from;

	while (i < len) {
		from = i;
		while (i < len && is_lower_alnum(s[i]))
			i++;
		if (i == from)
			return false;
		if (i == len)
			return true;
		from = i;
		if (s[i] == '-') {
			while (i < len && s[i] == '-')
				i++;
		} else if (s[i] == '.') {
			i++;
		} else {
			while (i < len && s[i] == '_' && i - from < 2)
				i++;
		}
		if (i == from)
			return false;
	}
	return false; /* empty, or ends in a separator */
}

static bool is_path(const char *s)
{
	const char *slash;

	for (;; s = slash + 1) {
		slash = strchrnul(s, '/');
		if (!is_path_part(s, slash - s))
			return false;
		if (*slash == '\0')
			return true;
	}
}

/* Labels of letters, digits and inner dashes, joined by dots; or [v6]; then maybe :port. */
static bool is_domain(const char *s, size_t len)
{
	size_t i = 0, from, port;

	if (len > 0 && s[0] == '[') {
		for (i = 1; i < len && s[i] != ']'; i++)
			if (!isxdigit((unsigned char)s[i]) && s[i] != ':')
				return false;
		if (i == 1 || i++ >= len)
			return false;
	} else {
		for (;; i++) {
			from = i;
			while (i < len && (is_alnum(s[i]) || s[i] == '-'))
				i++;
			if (i == from || s[from] == '-' || s[i - 1] == '-')
				return false;
			if (i == len || s[i] != '.')
				break;
		}
	}
	if (i == len)
		return true;
	if (s[i++] != ':')
		return false;
	for (port = i; i < len && s[i] >= '0' && s[i] <= '9'; i++)
		;
	return i == len && i > port && i - port <= 5;
}

static bool names_domain(const char *s, size_t len)
{
	size_t i;

	if (len == 9 && memcmp(s, "localhost", 9) == 0)
		return true;
	for (i = 0; i < len; i++)
		if (s[i] == '.' || s[i] == ':' || (s[i] >= 'A' && s[i] <= 'Z') || s[i] == '[')
			return true;
	return false;
}

static int bad(struct err *e, const char *text, const char *why)
{
	return err_say(e, EINVAL, "\"%.200s\" is not an image reference: %s", text, why);
}

static int set_name(const char *name, const char *text, struct reference *r, struct err *e)
{
	const char *slash = strchr(name, '/');
	const char *domain = "docker.io", *path = name, *library = "";
	int domain_len = 9, n;

	if (slash && names_domain(name, slash - name)) {
		domain = name;
		domain_len = slash - name;
		path = slash + 1;
		r->has_domain = true;
		if (!is_domain(domain, domain_len))
			return bad(e, text, "the registry's name is malformed");
		if (domain_len == 15 && memcmp(domain, "index.docker.io", 15) == 0) {
			domain = "docker.io";
			domain_len = 9;
		}
	}
	if (!is_path(path))
		return bad(e, text,
			   "a repository is lower-case letters, digits and . _ - / between");
	if (slash == NULL && digest_is_hex(name))
		return bad(e, text, "64 hex digits alone cannot be a name");
	if (domain_len == 9 && memcmp(domain, "docker.io", 9) == 0 && !strchr(path, '/'))
		library = "library/";
	n = snprintf(r->name, sizeof(r->name), "%.*s/%s%s", domain_len, domain, library, path);
	if (n < 0 || (size_t)n >= sizeof(r->name))
		return bad(e, text, "the name is longer than 255 bytes");
	return 0;
}

int reference_parse(const char *text, struct reference *ret, struct err *e)
{
	struct reference r = { 0 };
	char name[REFERENCE_TEXT_MAX + 80];
	char *at, *colon;
	int error;

	if (text[0] == '\0')
		return bad(e, text, "it is empty");
	if (strlen(text) >= sizeof(name))
		return bad(e, text, "it is too long");
	memcpy(name, text, strlen(text) + 1);
	at = strchr(name, '@');
	if (at) {
		*at = '\0';
		error = digest_parse(at + 1, &r.digest, e);
		if (error)
			return err_wrap(e, "\"%.100s\" is not an image reference", text);
		r.has_digest = true;
	}
	colon = strrchr(name, ':');
	if (colon && !strchr(colon, '/')) {
		*colon = '\0';
		if (!reference_is_tag(colon + 1))
			return bad(e, text, "a tag is up to 128 of A-Z a-z 0-9 _ . -");
		memcpy(r.tag, colon + 1, strlen(colon + 1) + 1);
	} else if (!r.has_digest) {
		memcpy(r.tag, "latest", 7);
	}
	error = set_name(name, text, &r, e);
	if (error)
		return error;
	*ret = r;
	return 0;
}

struct reference_text reference_canonical(const struct reference *r)
{
	struct reference_text t;

	snprintf(t.text, sizeof(t.text), "%s%s%s", r->name, r->tag[0] ? ":" : "", r->tag);
	return t;
}

/* Short, but only where it reads back as the same: docker.io/a.b/c must stay, a.b is a domain. */
static bool means(const char *text, const char *canonical)
{
	struct reference r;

	return reference_parse(text, &r, NULL) == 0 &&
	       strcmp(reference_canonical(&r).text, canonical) == 0;
}

struct reference_text reference_familiar(const char *canonical)
{
	static const char *const prefixes[] = { "docker.io/library/", "docker.io/" };
	struct reference_text t;
	size_t i, len;

	for (i = 0; i < 2; i++) {
		len = strlen(prefixes[i]);
		if (strncmp(canonical, prefixes[i], len) == 0 &&
		    means(canonical + len, canonical)) {
			canonical += len;
			break;
		}
	}
	snprintf(t.text, sizeof(t.text), "%s", canonical);
	return t;
}
