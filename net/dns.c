/*
 * dns.c - names for containers: kist's end of kist-dns.
 */
#include "net/dns.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/dns_aside.h"
#include "net/dns_cgroup.h"
#include "net/dns_link.h"
#include "net/netns.h"
#include "net/resolv.h"

#define DNS_PORT 53
#define BACKLOG	 16
#define TRIES	 10
#define END_MS	 1000 /* which it never takes */

bool dns_serves(const struct network *n)
{
	return !network_is_default(n);
}

/* --- the two sockets ---------------------------------------------------------------- */

static int bound_socket(int type, in_port_t port)
{
	_cleanup_fd_ int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(DNS_ADDRESS) };
	const int yes = 1;

	/* Loopback may not be up yet; and connections of a server that died don't hold the port. */
	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &yes, sizeof yes) < 0 ||
	    (type == SOCK_STREAM &&
	     setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0) ||
	    bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
		return -errno;
	if (type == SOCK_STREAM && listen(fd, BACKLOG) < 0)
		return -errno;
	return fd_take(&fd);
}

static int bind_both(int fds[DNS_FDS], in_port_t port)
{
	int r = fds[0] = bound_socket(SOCK_DGRAM, port);

	if (r >= 0)
		r = fds[1] = bound_socket(SOCK_STREAM, port);
	return r;
}

/* The kernel draws a port, which may be taken for the other protocol. */
static int bind_aside(int fds[DNS_FDS], struct err *e)
{
	struct sockaddr_in at = { 0 };
	int r = -EADDRNOTAVAIL;

	for (int tries = 0; tries < TRIES; tries++) {
		socklen_t size = sizeof at;

		fd_close(&fds[0]);
		r = fds[0] = bound_socket(SOCK_DGRAM, 0);
		if (r >= 0 && getsockname(fds[0], (struct sockaddr *)&at, &size) < 0)
			r = -errno;
		if (r >= 0)
			r = fds[1] = bound_socket(SOCK_STREAM, ntohs(at.sin_port));
		if (r != -EADDRINUSE)
			break;
	}
	if (r == -EADDRINUSE)
		r = -EADDRNOTAVAIL;
	return r < 0 ? r : dns_aside_lead(ntohs(at.sin_port), e);
}

/* In the container's namespace: fds[0] and [1]; whose cookie it is. */
static int open_sockets(int netns, bool aside, int fds[DNS_FDS], uint64_t *ret_cookie, struct err *e)
{
	socklen_t size = sizeof *ret_cookie;
	int back, r = netns_enter(netns, &back);

	if (r < 0)
		return r;
	r = aside ? bind_aside(fds, e) : bind_both(fds, DNS_PORT);
	netns_leave(back);
	if (r >= 0 && getsockopt(fds[0], SOL_SOCKET, SO_NETNS_COOKIE, ret_cookie, &size) < 0)
		r = -errno;
	return r < 0 ? r : 0;
}

static void close_all(int fds[DNS_FDS])
{
	for (int i = 0; i < DNS_FDS; i++)
		fd_close(&fds[i]);
}

/* --- requests ------------------------------------------------------------------------ */

struct place {
	struct lease_store store;
	int dir;
	struct dns_place at;
};

static void place_close(struct place *p)
{
	fd_close(&p->dir);
	lease_store_close(&p->store);
}
#define _cleanup_place_ __attribute__((cleanup(place_close)))
#define PLACE_INIT                                                                                 \
	{                                                                                          \
		.store = LEASE_STORE_INIT, .dir = -EBADF                                           \
	}

/* -ENOENT without a record: nobody is on it. */
static int place_open(struct place *p, const char *network, struct err *e)
{
	int r = lease_store_peek(&p->store, e);

	if (r < 0)
		return r;
	p->dir = lease_network_open(&p->store, network, false);
	if (p->dir < 0)
		return p->dir == -ENOENT
			       ? p->dir
			       : err_set(e, -p->dir, "%s/%s/%s", lease_root, p->store.key, network);
	p->at = (struct dns_place){ .dir = p->dir, .all = p->store.dir, .network = network };
	return 0;
}

static void fill(struct dns_request *q, enum dns_verb verb, const char *owner)
{
	*q = (struct dns_request){ .verb = verb };
	snprintf(q->owner, sizeof q->owner, "%s", owner);
}

static void add_upstream(struct dns_request *q, const struct endpoint *ep)
{
	struct resolv host;
	struct in6_addr address;

	/* They are asked from where kist runs, so its loopback addresses are as good as others. */
	resolv_read_host(false, &host);
	q->host.count = host.count;
	memcpy(q->host.list, host.server, sizeof q->host.list);
	for (int i = 0; i < ep->server_count; i++) {
		struct dns_upstream *u = &q->own.list[q->own.count++];
		bool four = IN6_IS_ADDR_V4MAPPED(&ep->servers[i]);

		*u = (struct dns_upstream){ .family = four ? AF_INET : AF_INET6, .port = DNS_PORT };
		address = ep->servers[i];
		memcpy(u->address, four ? &address.s6_addr[12] : address.s6_addr, four ? 4 : 16);
	}
}

/* Starts a server when none answers. */
static int ask_started(const struct dns_place *p, struct dns_request *q, const int *fds, int count,
		       struct dns_reply *reply, struct err *e)
{
	int r = dns_ask(p, q, fds, count, reply, e);

	if (r != -ECONNREFUSED)
		return r;
	r = dns_start(p, e);
	if (r == 0)
		r = dns_ask(p, q, fds, count, reply, e);
	return r == -ECONNREFUSED
		       ? err_set(e, ECONNREFUSED, "the kist-dns of network %s ended", p->network)
		       : r;
}

/* --- attach --------------------------------------------------------------------------- */

struct owned {
	const struct place *place;
	const struct endpoint *ep;
	const char *except;
	bool replace; /* servers of other versions of kist: nobody answers for them */
	struct err *e;
};

static int serves_owner(int all, const char *network, void *user)
{
	const struct owned *o = user;
	_cleanup_fd_ int dir = lease_network_open(&o->place->store, network, false);
	const struct dns_place at = { dir, all, network };
	struct dns_request q;
	struct dns_reply reply;
	int r;

	if (dir < 0)
		return 0;
	fill(&q, DNS_HAS, o->ep->owner);
	q.cookie = o->ep->cookie;
	add_upstream(&q, o->ep);
	r = dns_ask(&at, &q, NULL, 0, &reply, NULL);
	if (r == -EPROTONOSUPPORT && o->replace)
		(void)dns_end_other(&at, reply.pid);
	return r == 0 && reply.result == 1;
}

/* Whether some network's server has the sockets of the container: 1, 0. */
static int is_served(const struct place *p, const struct endpoint *ep, bool replace, struct err *e)
{
	struct owned o = { .place = p, .ep = ep, .replace = replace };
	int r = lease_each_network(&p->store, serves_owner, &o);

	return r < 0 ? err_set(e, -r, "%s/%s: cannot read the networks", lease_root, p->store.key)
		     : r;
}

/* The container whose network namespace it is in, and not its own: 1, and that one's id. */
static int is_guest(const struct place *p, const struct endpoint *ep, char id[sizeof ep->id])
{
	struct endpoint *all = NULL;
	struct err ignored = ERR_INIT;
	size_t count = 0;
	int found = 0;

	if (ep->cookie && endpoint_list(&p->store, NULL, &all, &count, &ignored) == 0)
		for (size_t i = 0; i < count && !found; i++)
			if (all[i].cookie == ep->cookie && strcmp(all[i].owner, ep->owner) != 0) {
				memcpy(id, all[i].id, sizeof ep->id);
				found = 1;
			}
	free(all);
	return found;
}

static int in_use(const struct place *p, const struct endpoint *ep, struct err *e)
{
	int r = is_served(p, ep, false, e);
	char host[sizeof ep->id];

	if (r != 0)
		return r < 0 ? r : 0;
	if (is_guest(p, ep, host)) {
		err_say(e, EADDRINUSE, "container %s is in the network namespace of container %s, whose networks "
			"it has", ep->id, host);
		return err_fix(e, "kist net connect %s %s", p->at.network, host);
	}
	err_say(e, EADDRINUSE,
		"something in the container's network namespace is at " DNS_ADDRESS_TEXT
		", port 53, where kist's own server for names belongs");
	return err_fix(e,
		       "let it listen at another address than 0.0.0.0, or make the container with names=aside, or "
		       "join with names=no");
}

static int hand_over(const struct place *p, const struct endpoint *ep, uint64_t cookie,
		     const int fds[DNS_FDS], struct err *e)
{
	struct dns_request q;
	struct dns_reply reply = { 0 };
	int r;

	fill(&q, DNS_ATTACH, ep->owner);
	q.cookie = cookie;
	add_upstream(&q, ep);
	r = ask_started(&p->at, &q, fds, DNS_FDS, &reply, e);
	if (r == 0 && reply.result < 0)
		return err_set(e, -reply.result, "the kist-dns of network %s does not take %s",
			       p->at.network, ep->owner);
	return r;
}

int dns_attach(const struct network *n, const struct endpoint *ep, int netns_fd, struct err *e)
{
	_cleanup_place_ struct place p = PLACE_INIT;
	int fds[DNS_FDS] = { -EBADF, -EBADF, -EBADF }, r;
	uint64_t cookie = 0;

	if (!dns_serves(n))
		return 0;
	r = place_open(&p, n->name, e);
	if (r < 0)
		return r == -ENOENT ? err_set(e, ENOENT, "the endpoint's record is not there") : r;
	/* No socket is in the way of another there: who serves it is asked first. */
	if (ep->names_aside && (r = is_served(&p, ep, false, e)) != 0)
		return r < 0 ? r : 0;
	r = open_sockets(netns_fd, ep->names_aside, fds, &cookie, e);
	if (r == 0) {
		fds[2] = pidfd_open(ep->pid, 0);
		r = fds[2] < 0 ? -errno : 0;
	}
	if (r == 0)
		r = hand_over(&p, ep, cookie, fds, e);
	else if (r == -EADDRINUSE)
		r = in_use(&p, ep, e);
	else if (!e || !e->error)
		err_set(e, -r, "cannot open " DNS_ADDRESS_TEXT ", port 53, for names");
	close_all(fds);
	return r;
}

/* --- detach --------------------------------------------------------------------------- */

/* 1: attached there. */
static int attach_there(int all, const char *network, void *user)
{
	const struct owned *o = user;
	_cleanup_fd_ int netns = -EBADF;
	struct {
		struct endpoint ep;
		struct network n;
	} * there;
	int r;

	(void)all;
	if (strcmp(network, o->except) == 0)
		return 0;
	there = calloc(1, sizeof *there);
	if (!there)
		return err_set(o->e, ENOMEM, "%s", network);
	snprintf(there->n.name, sizeof there->n.name, "%s", network);
	r = dns_serves(&there->n)
		    ? endpoint_get(&o->place->store, network, o->ep->owner, &there->ep, o->e)
		    : 0;
	if (r == 1 && !there->ep.no_names)
		netns = endpoint_open_netns(&there->ep);
	if (netns >= 0)
		r = dns_attach(&there->n, &there->ep, netns, o->e);
	free(there);
	return r < 0 ? r : netns >= 0;
}

/* It ends by itself, since it serves nobody; its cgroup goes with the last of them. */
static void see_off(uint32_t pid)
{
	_cleanup_fd_ int pidfd = pidfd_open((pid_t)pid, 0);
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	if (pidfd >= 0)
		(void)poll(&end, 1, END_MS);
	dns_cgroup_remove();
}

int dns_detach(const struct network *n, const struct endpoint *ep, struct err *e)
{
	_cleanup_place_ struct place p = PLACE_INIT;
	struct owned o = { .ep = ep, .except = n->name, .e = e };
	struct dns_request q;
	struct dns_reply reply;
	int r;

	if (!dns_serves(n))
		return 0;
	r = place_open(&p, n->name, e);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	fill(&q, DNS_DETACH, ep->owner);
	r = dns_ask(&p.at, &q, NULL, 0, &reply, e);
	if (r < 0 && r != -ECONNREFUSED)
		return r;
	if (r < 0 || reply.users == 0)
		dns_unlink(&p.at);
	if (r < 0)
		dns_cgroup_remove();
	else if (reply.users == 0)
		see_off(reply.pid);
	/* The container may stay on another network, and gets its server from there. */
	o.place = &p;
	r = lease_each_network(&p.store, attach_there, &o);
	return r < 0 && e && !e->error ? err_set(e, -r, "%s: cannot read the networks", lease_root)
	       : r < 0		       ? r
				       : 0;
}

void dns_leave(const char *network, const char *owner)
{
	struct {
		struct network n;
		struct endpoint ep;
	} *who = calloc(1, sizeof *who);

	if (!who)
		return;
	snprintf(who->n.name, sizeof who->n.name, "%s", network);
	snprintf(who->ep.owner, sizeof who->ep.owner, "%s", owner);
	(void)dns_detach(&who->n, &who->ep, NULL);
	free(who);
}

/* --- reconcile -------------------------------------------------------------------------- */

static int reconcile_one(const struct network *n, const struct endpoint *ep, struct err *e)
{
	_cleanup_place_ struct place p = PLACE_INIT;
	_cleanup_fd_ int netns = -EBADF;
	int r = place_open(&p, n->name, e);

	if (r == 0)
		r = is_served(&p, ep, true, e);
	if (r != 0)
		return r < 0 && r != -ENOENT ? r : 0;
	netns = endpoint_open_netns(ep);
	return netns < 0 ? 0 : dns_attach(n, ep, netns, e);
}

int dns_reconcile(const struct network *n, size_t count, const struct endpoint *ep, size_t ep_count,
		  struct err *e)
{
	struct err later = ERR_INIT;
	int first = 0;

	/* In the order of the default route's network first: that one's server is theirs. */
	for (int others = 0; others < 2; others++)
		for (size_t i = 0; i < ep_count; i++)
			for (size_t j = 0; j < count; j++) {
				int r;

				if (ep[i].first == others || ep[i].no_names || !dns_serves(&n[j]) ||
				    strcmp(ep[i].network, n[j].name) != 0)
					continue;
				r = reconcile_one(&n[j], &ep[i], first < 0 ? &later : e);
				first = first < 0 ? first : r;
				err_clear(&later);
			}
	return first;
}

int dns_status(const char *network, struct dns_status *ret, struct err *e)
{
	_cleanup_place_ struct place p = PLACE_INIT;
	struct dns_request q;
	struct dns_reply reply;
	int r = place_open(&p, network, e);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	fill(&q, DNS_STATUS, "-");
	r = dns_ask(&p.at, &q, NULL, 0, &reply, e);
	if (r < 0)
		return r == -ECONNREFUSED ? 0 : r;
	*ret = (struct dns_status){ .pid = reply.pid,
				    .users = reply.users,
				    .questions = reply.questions,
				    .forwarded = reply.forwarded,
				    .refused = reply.refused };
	return 1;
}
