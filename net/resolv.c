/*
 * resolv.c - resolv.conf(5): the host's read, a container's made.
 */
#include "net/resolv.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "net/dns.h"

#define HOST_FILE     "/etc/resolv.conf"
#define RESOLVED_FILE "/run/systemd/resolve/resolv.conf" /* without its own stub, 127.0.0.53 */
#define FILE_MAX      65536
#define DNS_PORT      53

static void add_server(const char *word, struct resolv *r)
{
	struct dns_upstream u = { .family = AF_INET, .port = DNS_PORT };
	char text[INET6_ADDRSTRLEN + IF_NAMESIZE + 1], *zone;

	if (r->count == DNS_UPSTREAM_MAX || strlen(word) >= sizeof text)
		return;
	strncpy(text, word, sizeof text);
	zone = strchr(text, '%');
	if (zone)
		*zone++ = '\0';
	if (zone || inet_pton(AF_INET, text, u.address) != 1) {
		u.family = AF_INET6;
		if (inet_pton(AF_INET6, text, u.address) != 1)
			return;
	}
	if (zone)
		u.scope = if_nametoindex(zone);
	r->server[r->count++] = u;
}

/* One word more, if it holds nothing that would end the line or begin another. */
static void add_word(char *list, size_t size, const char *word)
{
	struct buf b = { .text = list, .size = size, .len = strlen(list) };

	for (const char *p = word; *p; p++)
		if (*p <= ' ' || *p >= 0x7f)
			return;
	if (b.len + 1 + strlen(word) >= size)
		return;
	buf_addf(&b, "%s%s", b.len ? " " : "", word);
}

static void parse_line(char *line, struct resolv *r)
{
	char *rest = line, *key, *word;

	if (*line == '#' || *line == ';')
		return;
	key = strsep(&rest, " \t");
	if (strcmp(key, "search") == 0 || strcmp(key, "domain") == 0)
		r->search[0] = '\0';
	while ((word = strsep(&rest, " \t\r"))) {
		if (!*word)
			continue;
		if (strcmp(key, "nameserver") == 0) {
			add_server(word, r);
			return;
		}
		if (strcmp(key, "search") == 0 || strcmp(key, "domain") == 0)
			add_word(r->search, sizeof r->search, word);
		else if (strcmp(key, "options") == 0)
			add_word(r->options, sizeof r->options, word);
	}
}

void resolv_parse(const char *text, struct resolv *ret)
{
	*ret = (struct resolv){ 0 };
	while (*text) {
		size_t len = strcspn(text, "\n");
		char line[1024];

		if (len < sizeof line) {
			memcpy(line, text, len);
			line[len] = '\0';
			parse_line(line, ret);
		}
		text += len + (text[len] == '\n');
	}
}

static bool read_file(const char *path, struct resolv *ret)
{
	_cleanup_free_ char *text = NULL;
	size_t size;

	if (file_read_whole(AT_FDCWD, path, FILE_MAX, &text, &size, NULL) < 0)
		return false;
	resolv_parse(text, ret);
	return true;
}

static bool is_loopback(const struct dns_upstream *u)
{
	static const struct in6_addr six = IN6ADDR_LOOPBACK_INIT;

	return u->family == AF_INET ? u->address[0] == 127
				    : memcmp(u->address, &six, sizeof six) == 0;
}

static void drop_loopback(struct resolv *r)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < r->count; i++)
		if (!is_loopback(&r->server[i]))
			r->server[kept++] = r->server[i];
	r->count = kept;
}

void resolv_read_host(bool reachable, struct resolv *ret)
{
	struct resolv other;

	if (!read_file(HOST_FILE, ret))
		*ret = (struct resolv){ 0 };
	if (ret->count == 0)
		add_server("127.0.0.1", ret);
	if (!reachable)
		return;
	drop_loopback(ret);
	if (ret->count || !read_file(RESOLVED_FILE, &other))
		return;
	drop_loopback(&other);
	memcpy(ret->server, other.server, sizeof ret->server);
	ret->count = other.count;
}

static bool has_ndots(const char *options)
{
	for (const char *p = options; (p = strstr(p, "ndots:")); p++)
		if (p == options || p[-1] == ' ')
			return true;
	return false;
}

void resolv_make(const struct resolv *r, bool served, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];

	if (served)
		buf_add(out, "nameserver " DNS_ADDRESS_TEXT "\n");
	for (unsigned i = 0; !served && i < r->count; i++)
		/* A zone is an interface of the host's: it means nothing inside. */
		if (!r->server[i].scope &&
		    inet_ntop((int)r->server[i].family, r->server[i].address, text, sizeof text))
			buf_addf(out, "nameserver %s\n", text);
	if (r->search[0])
		buf_addf(out, "search %s\n", r->search);
	/* "web" is asked as it is before the search list is: as docker has it. */
	if (served && !has_ndots(r->options))
		buf_addf(out, "options %s%sndots:0\n", r->options, r->options[0] ? " " : "");
	else if (r->options[0])
		buf_addf(out, "options %s\n", r->options);
}
