/*
 * link-header.c - the Link header's grammar (RFC 8288, section 3), as far as paging needs it.
 */
#include <string.h>
#include <strings.h>
#include "image/registry-list.h"

static size_t skip(const char *s, const char *what)
{
	return strspn(s, what);
}

/* The parameters of one link: is it the next page's? Advances past them. */
static bool is_next(const char **at)
{
	const char *p = *at;
	bool next = false;

	for (p += skip(p, " \t"); *p == ';'; p += skip(p, " \t")) {
		const char *name = p += 1 + skip(p + 1, " \t"), *value;
		size_t name_len = strcspn(p, "=;, \t"), len;

		p += name_len + skip(p + name_len, " \t");
		if (*p != '=')
			continue;
		p += 1 + skip(p + 1, " \t");
		if (*p == '"') {
			value = p + 1;
			len = strcspn(value, "\"");
			p = value + len + (value[len] == '"');
		} else {
			value = p;
			len = strcspn(p, ";, \t");
			p += len;
		}
		next |= name_len == 3 && strncasecmp(name, "rel", 3) == 0 && len == 4 &&
			strncasecmp(value, "next", 4) == 0;
	}
	*at = p;
	return next;
}

bool link_next(const char *header, char *url, size_t size)
{
	const char *p = header;

	for (;;) {
		const char *from;
		size_t len;

		p += skip(p, " \t,");
		if (*p != '<')
			return false;
		from = p + 1;
		len = strcspn(from, ">");
		if (from[len] != '>')
			return false;
		p = from + len + 1;
		if (is_next(&p) && len > 0 && len < size) {
			memcpy(url, from, len);
			url[len] = '\0';
			return true;
		}
		p += skip(p, " \t");
		if (*p != ',')
			return false;
	}
}
