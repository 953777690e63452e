/*
 * reconcile.c - what is left of ended containers goes; what was lost under living ones comes back.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/address.h"
#include "net/bridge.h"
#include "net/direct.h"
#include "net/dns.h"
#include "net/dns_cgroup.h"
#include "net/lease.h"
#include "net/link.h"
#include "net/names.h"
#include "net/net.h"
#include "net/netlink.h"
#include "net/netns.h"
#include "net/network_firewall.h"
#include "net/takeover.h"

#define INTERFACES_MAX 1000

/* --- one endpoint less ------------------------------------------------------------------- */

static int open_inside(int netns, struct err *e)
{
	int fd = netns_open_rtnl(netns);

	return fd < 0 ? err_set(e, -fd, "a rtnetlink socket in the container's network namespace") : fd;
}

static int delete_inside(const struct endpoint *ep, struct err *e)
{
	_cleanup_fd_ int netns = endpoint_open_netns(ep), rtnl = -EBADF;
	struct link_info link;
	struct nl_batch b;
	int r;

	if (netns < 0)
		return 0; /* it went with its namespace */
	rtnl = open_inside(netns, e);
	if (rtnl < 0)
		return rtnl;
	r = link_get(rtnl, ep->interface, &link, e);
	if (r == -ENODEV || (r == 0 && (strcmp(link.kind, "macvlan") != 0 ||
					memcmp(link.mac, ep->mac, sizeof link.mac) != 0)))
		return 0;
	nl_batch_init(&b);
	link_put_delete(&b, link.index);
	return r < 0 ? r : nl_talk(rtnl, &b, NULL, NULL, e);
}

int net_detach(const struct endpoint *ep, struct err *e)
{
	const char *const args[PLAN_UNDO_ARGS] = { ep->host_if, ep->owner };
	const struct undo_at at = { .id = ep->id, .state_root = AT_FDCWD };
	int r = ep->host_if[0] ? net_undo_veth.act(&at, args, e) : delete_inside(ep, e);

	return r < 0 ? r : network_leave(ep->network, ep->owner, e);
}

int net_free_interface(int netns, char name[IFNAMSIZ], struct err *e)
{
	_cleanup_fd_ int rtnl = open_inside(netns, e);
	struct link_info link;
	int r = rtnl;

	for (int i = 0; r >= 0 && i < INTERFACES_MAX; i++) {
		snprintf(name, IFNAMSIZ, "eth%d", i);
		r = link_get(rtnl, name, &link, e);
		if (r == -ENODEV)
			return 0;
	}
	return r < 0 ? r : err_say(e, EMFILE, "the container has %d interfaces", INTERFACES_MAX);
}

/* --- gc -------------------------------------------------------------------------------------- */

static bool is_dead(const struct endpoint *ep)
{
	return !endpoint_is_alive(ep) || !endpoint_is_made(ep);
}

static int list(const struct lease_store *s, struct endpoint **ret, size_t *count, struct err *e)
{
	*ret = NULL;
	*count = 0;
	return endpoint_list(s, NULL, ret, count, e);
}

struct sweeping {
	struct lease_store *s;
	const char *network;
	char names[64][NETWORK_NAME_MAX];
	int count;
};

static int has_record(const char *owner, void *user)
{
	const struct sweeping *w = user;
	struct endpoint ep;
	struct err e = ERR_INIT;

	return endpoint_get(w->s, w->network, owner, &ep, &e);
}

static int note_network(int dir, const char *name, void *user)
{
	struct sweeping *w = user;

	(void)dir;
	if (strlen(name) < NETWORK_NAME_MAX && w->count < 64)
		snprintf(w->names[w->count++], NETWORK_NAME_MAX, "%s", name);
	return 0;
}

/* Leases without a record, networks without a lease. */
static int sweep_networks(struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	struct sweeping w = { .s = &s };
	int r = lease_store_open(&s, false, e);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = lease_each_network(&s, note_network, &w);
	for (int i = 0; r >= 0 && i < w.count && s.dir >= 0; i++) {
		w.network = w.names[i];
		r = lease_drop_unless(&s, w.network, has_record, &w);
		if (r < 0)
			return err_set(e, -r, "%s/%s/%s", lease_root, s.key, w.network);
		r = network_sweep(&s, w.network, e);
	}
	if (r >= 0 && s.dir >= 0 && w.count == 0)
		r = lease_store_remove(&s, e);
	return r < 0 && !e->error ? err_set(e, -r, "%s/%s", lease_root, s.key) : r;
}

int net_gc(size_t *ret, struct err *e)
{
	struct lease_store s = LEASE_STORE_INIT;
	struct endpoint *all = NULL;
	size_t count = 0, gone = 0;
	int r = lease_store_open(&s, false, e);

	if (r == 0)
		r = list(&s, &all, &count, e);
	lease_store_close(&s);
	for (size_t i = 0; r == 0 && i < count; i++)
		if (is_dead(&all[i])) {
			r = net_detach(&all[i], e);
			if (r == 0 && endpoint_is_alive(&all[i]))
				r = net_take_over(&all[i], e);
			gone++;
		}
	free(all);
	if (r == 0)
		r = sweep_networks(e);
	/* A kist-dns whose maker was killed ends when its folder goes, and leaves its cgroup. */
	dns_cgroup_remove();
	if (r < 0 && r != -ENOENT)
		return r;
	*ret = gone;
	return 0;
}

/* --- reconcile ----------------------------------------------------------------------------- */

static int settle_sysctl(const char *interface, const char *key, const char *text, struct err *e)
{
	char path[96];
	int r;

	snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/%s", interface, key);
	r = file_write_at(AT_FDCWD, path, text);
	return r < 0 && r != -ENOENT ? err_set(e, -r, "cannot set %s to %s", path, text) : 0;
}

static int settle_bridge(const struct network *n, int rtnl, int *ret_index, struct err *e)
{
	struct nl_batch b;
	struct link_info link;
	int r = network_settle_bridge(n, rtnl, n->gateway, &link, e);

	if (r == 0)
		r = settle_sysctl(n->interface, "accept_ra", "0", e);
	if (r == 0)
		r = settle_sysctl(n->interface, "disable_ipv6", n->prefix6 ? "0" : "1", e);
	if (r < 0)
		return r;
	*ret_index = link.index;
	nl_batch_init(&b);
	if (n->prefix)
		link_put_address(&b, *ret_index, n->gateway, n->prefix);
	if (n->prefix6)
		link_put_address6(&b, *ret_index, &n->gateway6, n->prefix6);
	link_put_up_index(&b, *ret_index);
	r = nl_talk(rtnl, &b, NULL, NULL, e);
	return r < 0 ? err_wrap(e, "bridge %s", n->interface) : 0;
}

static int settle_port(const struct network *n, int rtnl, int bridge, const struct endpoint *ep,
		       struct err *e)
{
	struct link_info link;
	struct nl_batch b;
	int r = link_get(rtnl, ep->host_if, &link, e);

	if (r == -ENODEV || (r == 0 && link.master == bridge && (link.flags & IFF_UP) &&
			     (link.isolated || !n->isolated)))
		return 0;
	if (r < 0)
		return r;
	nl_batch_init(&b);
	/* Only a port can be isolated: until it is, nobody hears it. */
	if (n->isolated)
		link_put_down(&b, link.index);
	if (link.master != bridge)
		link_put_master(&b, link.index, bridge);
	if (n->isolated)
		link_put_isolated(&b, ep->host_if);
	link_put_up_index(&b, link.index);
	r = nl_talk(rtnl, &b, NULL, NULL, e);
	return r < 0 ? err_wrap(e, "interface %s", ep->host_if) : 0;
}

static int settle_network(const struct lease_store *s, const struct network *n, int rtnl,
			  const struct endpoint *all, size_t count, struct err *e)
{
	int bridge = 0, r = names_settle(n, rtnl, all, count, e);
	bool used = false;

	for (size_t i = 0; r == 0 && i < count; i++) {
		if (strcmp(all[i].network, n->name) != 0 || !all[i].host_if[0])
			continue;
		if (!used)
			r = settle_bridge(n, rtnl, &bridge, e);
		used = true;
		if (r == 0)
			r = settle_port(n, rtnl, bridge, &all[i], e);
		if (r == 0 && n->direct)
			r = direct_settle(s, n, &all[i], rtnl, false, e);
	}
	if (r == 0 && used && !n->internal)
		r = network_settle_forward(s, n, e);
	return r < 0 ? err_wrap(e, "network %s", n->name) : 0;
}

static int settle_bridges(const struct lease_store *s, const struct network *networks,
			  size_t network_count, const struct endpoint *all, size_t count,
			  struct err *e)
{
	_cleanup_fd_ int rtnl = nl_open(NETLINK_ROUTE);
	int r = 0;

	if (rtnl < 0)
		return err_set(e, -rtnl, "socket(AF_NETLINK, NETLINK_ROUTE)");
	for (size_t i = 0; r == 0 && i < network_count; i++)
		if (networks[i].driver == NETWORK_BRIDGE)
			r = settle_network(s, &networks[i], rtnl, all, count, e);
	return r;
}

/* Rules made without a network would leave its containers unguarded: better the old ones. */
static int check_defined(const struct network *networks, size_t network_count, const struct endpoint *all,
			 size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		bool found = false;

		for (size_t j = 0; j < network_count && !found; j++)
			found = strcmp(all[i].network, networks[j].name) == 0;
		if (found || !endpoint_is_alive(&all[i]))
			continue;
		err_say(e, ENOENT, "network %s has no definition any more, and %s is on it", all[i].network,
			all[i].id);
		return err_fix(e, "bring back %s/%s.json, or take the container off it: kist delete, kist net gc",
			       network_root(), all[i].network);
	}
	return 0;
}

/* The store is held, so that nobody comes or goes: a bridge that was made for one who left meanwhile
 * would stay. */
static int reconcile(const struct lease_store *s, const struct endpoint *all, size_t count, struct err *e)
{
	struct network *networks;
	size_t network_count;
	int r = network_list(&networks, &network_count, e);

	if (r == 0)
		r = check_defined(networks, network_count, all, count, e);
	if (r < 0) {
		network_list_free(networks, network_count);
		return r;
	}
	/* The rules before the way, servers last: they answer with addresses that can be reached. */
	r = network_firewall_restore(s, e);
	if (r == 0)
		r = settle_bridges(s, networks, network_count, all, count, e);
	if (r == 0)
		r = dns_reconcile(networks, network_count, all, count, e);
	network_list_free(networks, network_count);
	return r;
}

int net_reconcile(struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	struct endpoint *all = NULL;
	size_t count = 0;
	int r = lease_store_open(&s, false, e);

	if (r == 0)
		r = list(&s, &all, &count, e);
	if (r == 0 && count)
		r = reconcile(&s, all, count, e);
	free(all);
	return r == -ENOENT && !e->error ? 0 : r;
}

/* --- a network less --------------------------------------------------------------------------- */

int net_remove(const struct network *n, struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	int r;

	if (network_is_default(n))
		return err_say(e, EPERM, "network %s is always there", n->name);
	/* Who joins looks at the definition under the same lock. */
	r = lease_store_open(&s, true, e);
	if (r < 0)
		return r;
	r = lease_any(&s, n->name);
	if (r > 0) {
		err_say(e, EBUSY, "network %s is in use", n->name);
		return err_fix(e, "see by whom: kist net inspect %s; what ended containers left: kist "
			       "net gc", n->name);
	}
	r = r < 0 ? err_set(e, -r, "%s: cannot read the leases", lease_root) : network_forget(n, e);
	return r < 0 ? r : network_sweep(&s, n->name, e);
}
