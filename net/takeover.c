/*
 * takeover.c - the default route of a container that left the network it led by.
 */
#include "net/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "net/address.h"
#include "net/link.h"
#include "net/netlink.h"
#include "net/netns.h"

static int by_interface(const void *a, const void *b)
{
	return strverscmp(((const struct endpoint *)a)->interface, ((const struct endpoint *)b)->interface);
}

static int open_inside(const struct endpoint *ep, struct err *e)
{
	_cleanup_fd_ int netns = endpoint_open_netns(ep);
	int fd;

	if (netns < 0)
		return -ESRCH; /* no routes are needed any more */
	fd = netns_open_rtnl(netns);
	return fd < 0 ? err_set(e, -fd, "a rtnetlink socket in the container's network namespace") : fd;
}

/* 1: it leads there, or elsewhere; 0: not by this network. */
static int lead_by(const struct endpoint *ep, const struct network *n, int rtnl, bool ipv6, struct err *e)
{
	struct link_info link;
	struct nl_batch b;
	int r;

	if (ipv6 ? in6_is_zero(&ep->address6) || in6_is_zero(&n->gateway6) : !ep->address || !n->gateway)
		return 0;
	r = link_get(rtnl, ep->interface, &link, e);
	if (r < 0)
		return r == -ENODEV ? 0 : r;
	nl_batch_init(&b);
	if (ipv6)
		link_put_default_route6(&b, link.index, &n->gateway6);
	else
		link_put_default_route(&b, link.index, n->gateway);
	r = nl_talk(rtnl, &b, NULL, NULL, e);
	if (r == -EEXIST || r == -ENETUNREACH || r == -ENETDOWN) {
		/* Another is there already; or the container set the interface down. */
		err_clear(e);
		return r == -EEXIST;
	}
	return r < 0 ? err_wrap(e, "a default route by network %s", n->name) : 1;
}

/* Rules, names and reports go by the record. */
static int note(const struct lease_store *s, struct endpoint *ep, struct err *e)
{
	if (ep->first)
		return 0;
	ep->first = true;
	return endpoint_put(s, ep, e);
}

static int try_one(const struct lease_store *s, struct endpoint *ep, int rtnl, bool want[2],
		   struct err *e)
{
	struct network *n = calloc(1, sizeof *n);
	int r = n ? network_find(ep->network, n, e) : err_set(e, ENOMEM, "network %s", ep->network);
	bool found = r == 0;

	for (int six = 0; r >= 0 && six < 2; six++) {
		if (!want[six])
			continue;
		r = lead_by(ep, n, rtnl, six, e);
		want[six] = r == 0;
		if (r > 0 && (!six || !ep->address))
			r = note(s, ep, e);
	}
	if (found)
		network_free(n);
	free(n);
	return r < 0 ? r : 0;
}

int net_take_over(const struct endpoint *gone, struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	_cleanup_fd_ int rtnl = -EBADF;
	bool want[2] = { gone->first && gone->address, !gone->internal && !in6_is_zero(&gone->address6) };
	struct endpoint *all = NULL;
	size_t count = 0;
	int r;

	if (!want[0] && !want[1])
		return 0;
	r = lease_store_open(&s, false, e);
	if (r == 0)
		r = endpoint_list(&s, NULL, &all, &count, e);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	qsort(all, count, sizeof *all, by_interface);
	for (size_t i = 0; r == 0 && i < count && (want[0] || want[1]); i++) {
		if (strcmp(all[i].owner, gone->owner) != 0 || all[i].internal)
			continue;
		if (rtnl < 0)
			rtnl = open_inside(&all[i], e);
		if (rtnl < 0)
			r = rtnl == -ESRCH ? 0 : rtnl;
		if (rtnl < 0)
			break;
		r = try_one(&s, &all[i], rtnl, want, e);
	}
	free(all);
	return r;
}
