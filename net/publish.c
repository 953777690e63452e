/*
 * publish.c - published ports: how they are written, which clash, whether the host's are free.
 */
#include "net/publish.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

#define GRAMMAR "[ADDRESS:]HOST[-HOST]:PORT[-PORT][/tcp|/udp], say 8080:80 or 127.0.0.1:53:53/udp"

/* --- as text ------------------------------------------------------------------ */

static int refuse(const char *text, const char *why, struct err *e)
{
	err_say(e, EINVAL, "published port \"%.64s\": %s", text, why);
	return err_fix(e, "write " GRAMMAR);
}

/* "80" or "80-90"; the whole of it. */
static bool parse_range(const char *text, unsigned *ret_first, unsigned *ret_count)
{
	unsigned number[2] = { 0, 0 };
	int n = 0;

	for (;; text++) {
		int digits = 0;

		for (; *text >= '0' && *text <= '9' && digits < 6; text++, digits++)
			number[n] = number[n] * 10 + (unsigned)(*text - '0');
		if (digits == 0 || digits > 5 || number[n] == 0 || number[n] > 65535)
			return false;
		if (n++ == 1 || *text != '-')
			break;
	}
	if (*text || (n == 2 && number[1] < number[0]))
		return false;
	*ret_first = number[0];
	*ret_count = n == 2 ? number[1] - number[0] + 1 : 1;
	return true;
}

static const char *parse_address(char *text, struct published_port *p)
{
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		p->family = AF_INET;
		p->address = ntohl(v4.s_addr);
		return p->address >> 28 >= 14 ? "not an address a host can have" : NULL;
	}
	if (text[0] != '[' || text[strlen(text) - 1] != ']')
		return strchr(text, ':') ? "an IPv6 address stands in brackets"
					 : "the address is neither IPv4 nor [IPv6]";
	text[strlen(text) - 1] = '\0';
	if (inet_pton(AF_INET6, text + 1, &p->address6) != 1)
		return "no IPv6 address in the brackets";
	p->family = AF_INET6;
	if (IN6_IS_ADDR_MULTICAST(&p->address6) || IN6_IS_ADDR_V4MAPPED(&p->address6))
		return "not an address a host can have";
	/* The packet comes back from a container's address, where the kernel takes no ::1. */
	if (IN6_IS_ADDR_LOOPBACK(&p->address6))
		return "Linux carries nothing from ::1 to another interface; publish on 127.0.0.1";
	return IN6_IS_ADDR_LINKLOCAL(&p->address6)
		       ? "a link-local address means another interface each time"
		       : NULL;
}

int publish_parse(const char *text, struct published_port *ret, struct err *e)
{
	struct published_port p = { .protocol = IPPROTO_TCP };
	char copy[PUBLISH_TEXT], *slash, *port, *host;
	unsigned host_first, host_count, first, count;
	const char *wrong;

	if (strlen(text) >= sizeof copy)
		return refuse(text, "too long", e);
	memcpy(copy, text, strlen(text) + 1);
	slash = strchr(copy, '/');
	if (slash) {
		*slash = '\0';
		if (strcmp(slash + 1, "udp") == 0)
			p.protocol = IPPROTO_UDP;
		else if (strcmp(slash + 1, "tcp") != 0)
			return refuse(text, "the protocol is neither tcp nor udp", e);
	}
	port = strrchr(copy, ':');
	if (!port)
		return refuse(text, "the host's port is missing", e);
	*port++ = '\0';
	host = strrchr(copy, ':');
	if (host) {
		*host++ = '\0';
		wrong = parse_address(copy, &p);
		if (wrong)
			return refuse(text, wrong, e);
	} else {
		host = copy;
	}
	if (!parse_range(host, &host_first, &host_count) || !parse_range(port, &first, &count))
		return refuse(text, "ports are from 1 to 65535, ranges FIRST-LAST", e);
	if (host_count != count)
		return refuse(text, "the ranges are not of one length", e);
	p.host = (uint16_t)host_first;
	p.port = (uint16_t)first;
	p.count = (uint16_t)count;
	*ret = p;
	return 0;
}

static int format_range(char *text, size_t size, unsigned first, unsigned count)
{
	return count > 1 ? snprintf(text, size, "%u-%u", first, first + count - 1)
			 : snprintf(text, size, "%u", first);
}

char *publish_format(const struct published_port *p, char text[PUBLISH_TEXT])
{
	const struct in_addr v4 = { htonl(p->address) };
	char address[INET6_ADDRSTRLEN];
	int n = 0;

	if (p->family == AF_INET)
		n = snprintf(text, PUBLISH_TEXT,
			     "%s:", inet_ntop(AF_INET, &v4, address, sizeof address));
	if (p->family == AF_INET6)
		n = snprintf(text, PUBLISH_TEXT,
			     "[%s]:", inet_ntop(AF_INET6, &p->address6, address, sizeof address));
	n += format_range(text + n, (size_t)(PUBLISH_TEXT - n), p->host, p->count);
	text[n++] = ':';
	n += format_range(text + n, (size_t)(PUBLISH_TEXT - n), p->port, p->count);
	snprintf(text + n, (size_t)(PUBLISH_TEXT - n), "/%s",
		 p->protocol == IPPROTO_UDP ? "udp" : "tcp");
	return text;
}

/* --- whether it can be ---------------------------------------------------------- */

static bool is_any(const struct published_port *p)
{
	return p->family == AF_INET ? p->address == 0 : IN6_IS_ADDR_UNSPECIFIED(&p->address6);
}

bool publish_overlaps(const struct published_port *a, const struct published_port *b)
{
	if (a->protocol != b->protocol || a->host >= b->host + b->count ||
	    b->host >= a->host + a->count)
		return false;
	if (!a->family || !b->family)
		return true;
	if (a->family != b->family)
		return false;
	if (is_any(a) || is_any(b))
		return true;
	return a->family == AF_INET ? a->address == b->address
				    : IN6_ARE_ADDR_EQUAL(&a->address6, &b->address6);
}

static int in_use(const struct published_port *p, const char *by, struct err *e)
{
	char text[PUBLISH_TEXT];

	err_say(e, EADDRINUSE, "published port %s: %s has it", publish_format(p, text), by);
	return err_fix(e, "publish another port of the host, or end what has it (see: ss -lntup)");
}

static int try_bind(const struct published_port *p, int family, uint16_t port)
{
	_cleanup_fd_ int fd = socket(
		family, (p->protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(p->address) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons(port),
				   .sin6_addr = p->address6 };
	int on = 1;

	if (fd < 0)
		return errno == EAFNOSUPPORT ? 0 : -errno; /* no IPv6 here: nobody has the port */
	/* What TIME_WAIT still holds is no listener, and a listener refuses its port all the same.
	 * UDP would share it. */
	if (p->protocol == IPPROTO_TCP)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd,
		 family == AF_INET ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6,
		 family == AF_INET ? sizeof v4 : sizeof v6) < 0)
		return -errno;
	return 0;
}

static int check_host(const struct published_port *p, const struct endpoint *ep, struct err *e)
{
	const int families[] = { AF_INET, AF_INET6 };
	char text[PUBLISH_TEXT];

	for (int f = 0; f < 2; f++) {
		bool serves = families[f] == AF_INET ? ep->address != 0
						     : !IN6_IS_ADDR_UNSPECIFIED(&ep->address6);

		if ((p->family && p->family != families[f]) || !serves)
			continue;
		for (unsigned i = 0; i < p->count; i++) {
			struct published_port one = *p;
			int r = try_bind(p, families[f], (uint16_t)(p->host + i));

			one.host = (uint16_t)(p->host + i);
			one.port = (uint16_t)(p->port + i);
			one.count = 1;
			if (r == -EADDRINUSE)
				return in_use(&one, "a process of the host", e);
			if (r == -EADDRNOTAVAIL) {
				err_say(e, EADDRNOTAVAIL,
					"published port %s: the host does not "
					"have this address",
					publish_format(p, text));
				return err_fix(e, "publish on an address of `ip addr`, or on all: "
						  "leave it out");
			}
			if (r < 0)
				return err_set(e, -r, "published port %s: bind",
					       publish_format(&one, text));
		}
	}
	return 0;
}

static int check_fits(const struct network *n, const struct endpoint *ep,
		      const struct published_port *p, struct err *e)
{
	char text[PUBLISH_TEXT];

	publish_format(p, text);
	if (n->driver != NETWORK_BRIDGE) {
		err_say(e, EINVAL,
			"published port %s: network %s is no bridge: its containers are "
			"on the LAN with all their ports",
			text, n->name);
		return err_fix(e, "leave the published port out");
	}
	if (n->internal) {
		err_say(e, EINVAL,
			"published port %s: network %s is internal, nothing reaches it "
			"from outside",
			text, n->name);
		return err_fix(e, "connect the container to a network that is not internal too");
	}
	if ((p->family == AF_INET && !ep->address) ||
	    (p->family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&ep->address6))) {
		err_say(e, EINVAL,
			"published port %s: the container has no IPv%c address on "
			"network %s",
			text, p->family == AF_INET ? '4' : '6', n->name);
		return err_fix(e, "kist net create --ipv6 makes a network with both");
	}
	return 0;
}

static int check_one(const struct network *n, const struct endpoint *ep, int index,
		     const struct endpoint *others, size_t count, struct err *e)
{
	const struct published_port *p = &ep->ports[index];
	int r = check_fits(n, ep, p, e);

	if (r < 0)
		return r;
	for (int i = 0; i < index; i++)
		if (publish_overlaps(p, &ep->ports[i]))
			return in_use(p, "another one of this container", e);
	for (size_t i = 0; i < count; i++) {
		char by[sizeof others[i].id + 16];

		if (strcmp(others[i].owner, ep->owner) == 0)
			continue;
		snprintf(by, sizeof by, "container %s", others[i].id);
		for (int k = 0; k < others[i].port_count; k++)
			if (publish_overlaps(p, &others[i].ports[k]))
				return in_use(p, by, e);
	}
	return check_host(p, ep, e);
}

int publish_check(const struct network *n, const struct endpoint *ep, const struct endpoint *others,
		  size_t count, struct err *e)
{
	for (int i = 0; i < ep->port_count; i++) {
		int r = check_one(n, ep, i, others, count, e);

		if (r < 0)
			return r;
	}
	return 0;
}
