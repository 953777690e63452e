/*
 * spec.c - what config.json and the command line say of the network, and whether it can be.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/address.h"
#include "net/bridge.h"
#include "net/dns.h"
#include "net/lease.h"
#include "net/link.h"
#include "net/net.h"
#include "net/user.h"

int net_mode_parse(const char *text, enum net_mode *ret, struct err *e)
{
	static const char *const names[] = { [NET_NONE] = "none", [NET_BRIDGE] = "bridge",
					     [NET_HOST] = "host" };

	for (int i = 0; i < (int)(sizeof names / sizeof names[0]); i++)
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum net_mode)i;
			return 0;
		}
	err_say(e, EINVAL, "there is no network \"%s\"", text);
	return err_fix(e, "one of: none, bridge, host");
}

int net_find(struct net_spec *s, struct arena *a, struct err *e)
{
	if (s->mode == NET_USER)
		return net_user_find(s, a, e);
	for (int i = 0; i < s->join_count; i++) {
		struct network *n = arena_alloc(a, sizeof *n);
		int r = n ? network_find(s->joins[i].name, n, e) : err_set(e, ENOMEM, "a network");

		if (r < 0)
			return r;
		network_free(n); /* labels are of no use here */
		s->joins[i].network = n;
	}
	return 0;
}

/* What one network is asked for, against what it is. */
static int check_join(const struct net_join *j, struct err *e)
{
	const struct network *n = j->network;
	int r = 0;

	if (j->address && !n->prefix && network_is_default(n)) {
		err_say(e, EINVAL, "network %s has no subnet before its first container", n->name);
		return err_fix(e, "leave out ip=, or make a network with --subnet");
	}
	if (j->address && !n->prefix)
		return err_say(e, EINVAL, "network %s has no IPv4", n->name);
	if (!in6_is_zero(&j->address6) && !n->prefix6)
		return err_say(e, EINVAL, "network %s has no IPv6", n->name);
	if (j->address)
		r = subnet_check_host(n->subnet, n->prefix, n->gateway, j->address, e);
	if (r == 0 && !in6_is_zero(&j->address6))
		r = subnet6_check_host(&n->subnet6, n->prefix6, &n->gateway6, &j->address6, e);
	return r < 0 ? err_wrap(e, "network %s", n->name) : 0;
}

/* Else they would be taken and ignored. */
static int check_servers(const struct net_spec *s, struct err *e)
{
	for (int i = 0; i < s->join_count; i++)
		if (dns_serves(s->joins[i].network) && !s->joins[i].no_names)
			return 0;
	if (!s->server_count && !s->names_aside)
		return 0;
	err_say(e, EINVAL, "%s is for kist's server for names, which is on none of the networks",
		s->server_count ? "dns=" : "names=aside");
	return err_fix(e, "leave it out: the container's resolv.conf says whom it asks (a job's: --dns)");
}

static int check_joins(const struct net_spec *s, struct err *e)
{
	bool way_in = s->join_count == 0;

	for (int i = 0; i < s->join_count; i++) {
		const struct network *n = s->joins[i].network;
		int r = check_join(&s->joins[i], e);

		if (r < 0)
			return r;
		for (int k = 0; k < i; k++)
			if (strcmp(s->joins[k].network->id, n->id) == 0)
				return err_say(e, EINVAL, "network %s is there twice", n->name);
		way_in |= !n->internal && n->driver == NETWORK_BRIDGE;
		if (s->rate.down && n->driver != NETWORK_BRIDGE) {
			err_say(e, EINVAL, "what is received from network %s can't be limited: it has no "
				"bridge", n->name);
			return err_fix(e, "leave down= out, or join a network of driver bridge");
		}
	}
	if (s->port_count && !way_in) {
		err_say(e, EINVAL, "ports can't be published: no network has a way in");
		return err_fix(e, "add a network of driver bridge that is not internal");
	}
	return 0;
}

int net_check(const struct net_spec *s, const struct host *h, struct err *e)
{
	int r;

	if (s->mode == NET_USER)
		return net_user_check(s, h, e);
	if (s->mode != NET_BRIDGE && s->port_count) {
		err_say(e, EINVAL, "ports can't be published without a network");
		return err_fix(e, "add --net bridge, or a network's name");
	}
	if (s->mode != NET_BRIDGE && (s->rate.down || s->rate.up)) {
		err_say(e, EINVAL, "there is no interface whose rate could be limited");
		return err_fix(e, "add --net bridge, or a network's name");
	}
	if (s->mode == NET_NONE || s->mode == NET_HOST)
		return 0;
	if (!h->root) {
		err_say(e, EPERM, "%s needs root", s->mode == NET_CONTAINER
			? "another container's network" : "a network: it adds interfaces to the host, and");
		return err_fix(e, "run as root, or use --net none");
	}
	r = s->prefix ? subnet_check(s->subnet, s->prefix, e) : 0;
	if (r == 0)
		r = check_servers(s, e);
	return r < 0 ? r : check_joins(s, e);
}

struct lookup {
	const struct lease_store *s;
	const char *owner;
	uint32_t address;
	bool found, first;
};

static int look_at_network(int dir, const char *network, void *user)
{
	struct endpoint *ep = calloc(1, sizeof *ep);
	struct lookup *l = user;

	(void)dir;
	if (ep && endpoint_get(l->s, network, l->owner, ep, NULL) == 1 && ep->address &&
	    (!l->found || (ep->first && !l->first))) {
		l->address = ep->address;
		l->first = ep->first;
		l->found = true;
	}
	free(ep);
	return 0;
}

/* Some network's where it has an IPv4 address, the default route's before all. */
static int find_address(const struct lease_store *s, const char *owner, uint32_t *ret)
{
	struct lookup l = { .s = s, .owner = owner };
	int r = lease_each_network(s, look_at_network, &l);

	if (l.found)
		*ret = l.address;
	return r < 0 ? r : l.found;
}

int net_lease_lookup(const char *owner, uint32_t *ret_address)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	int r = lease_store_open(&s, false, NULL);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = lease_find(&s, NET_NETWORK, owner, ret_address);
	return r == 0 ? find_address(&s, owner, ret_address) : r;
}
