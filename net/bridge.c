/*
 * bridge.c - what the containers of a network share on the host: joining, the bridge, leaving.
 */
#include "net/bridge.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/address.h"
#include "net/direct.h"
#include "net/forward.h"
#include "net/dns.h"
#include "net/lease.h"
#include "net/link.h"
#include "net/netlink.h"
#include "net/network_firewall.h"

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

/* RFC 1918; away from where Docker (172.17/16 on), podman (10.88/16), libvirt (192.168.122/24) and
 * home routers sit, and not all in one block: a VPN often routes the whole of 10/8. */
const struct subnet net_candidates[NET_CANDIDATES] = {
	{ IP(10, 87, 0, 0), 16 },   { IP(10, 187, 0, 0), 16 }, { IP(172, 30, 0, 0), 16 },
	{ IP(192, 168, 208, 0), 20 }, { IP(172, 27, 0, 0), 16 },
};

uint32_t net_gateway(uint32_t address, int prefix)
{
	return (address & ipv4_mask(prefix)) + 1;
}

void net_mac(uint32_t address, uint8_t mac[6])
{
	/* 0x02: locally administered, unicast (IEEE 802). */
	const uint8_t bytes[6] = { 0x02, 'k', (uint8_t)(address >> 24), (uint8_t)(address >> 16),
				   (uint8_t)(address >> 8), (uint8_t)address };

	memcpy(mac, bytes, sizeof bytes);
}

void net_endpoint_mac(uint32_t address, const struct in6_addr *address6, uint8_t mac[6])
{
	const uint8_t *low = address6->s6_addr + 12;

	net_mac(address ? address
			: (uint32_t)low[0] << 24 | (uint32_t)low[1] << 16 | (uint32_t)low[2] << 8 | low[3],
		mac);
}

static int open_rtnl(struct err *e)
{
	int fd = nl_open(NETLINK_ROUTE);

	return fd < 0 ? err_set(e, -fd, "socket(AF_NETLINK, NETLINK_ROUTE)") : fd;
}

static bool is_our_bridge(const struct link_info *link)
{
	return strcmp(link->kind, "bridge") == 0 && strcmp(link->alias, NET_ALIAS) == 0;
}

/* --- taking it all back -------------------------------------------------------- */

static int delete_link(int rtnl, const char *name, int index, struct err *e)
{
	struct nl_batch b;
	int r;

	nl_batch_init(&b);
	link_put_delete(&b, index);
	r = nl_talk(rtnl, &b, NULL, NULL, e);
	if (r == -ENODEV) {
		err_clear(e);
		return 0;
	}
	return r < 0 ? err_wrap(e, "cannot remove interface %s", name) : 0;
}

static int remove_bridge(const char *name, struct err *e)
{
	_cleanup_fd_ int rtnl = open_rtnl(e);
	struct link_info link;
	int r;

	if (rtnl < 0)
		return rtnl;
	r = link_get(rtnl, name, &link, e);
	if (r == -ENODEV || (r == 0 && !is_our_bridge(&link)))
		return 0;
	return r < 0 ? r : delete_link(rtnl, name, link.index, e);
}

/* What the kernel holds for all networks together. Goes on after a failure; the first is told. */
static int take_down_all(const struct lease_store *s, struct err *e)
{
	struct err later = ERR_INIT;
	int first = network_firewall_remove(e);
	int r = forward_restore(s, first < 0 ? &later : e);

	return first < 0 ? first : r;
}

/* What the kernel holds for one, and with the last of all the rest. */
static int take_down(const struct lease_store *s, const char *network, struct err *e)
{
	struct err later = ERR_INIT;
	char name[IFNAMSIZ] = "";
	int first, r = lease_interface_get(s, network, name, sizeof name), others;

	/* Of an earlier kist, or a crash before the note. */
	if (r <= 0 && strcmp(network, NET_NETWORK) == 0)
		snprintf(name, sizeof name, "%s", NET_BRIDGE_NAME);
	first = name[0] ? network_firewall_drop(network, name, e) : 0;
	r = name[0] ? remove_bridge(name, first < 0 ? &later : e) : 0;
	first = first < 0 ? first : r;
	others = lease_any_network(s);
	if (others < 0)
		return first < 0 ? first : err_set(e, -others, "%s: cannot read the leases", lease_root);
	r = others ? 0 : take_down_all(s, first < 0 ? &later : e);
	return first < 0 ? first : r;
}

/* The kernel's part first, so that a failure leaves the store to try again. */
static int sweep_one(const struct lease_store *s, const char *network, struct err *e)
{
	int r = take_down(s, network, e);

	return r < 0 ? r : lease_network_remove(s, network, e);
}

static int take_name(int dir, const char *name, void *user)
{
	(void)dir;
	if (strlen(name) >= NETWORK_NAME_MAX)
		return 0;
	snprintf(user, NETWORK_NAME_MAX, "%s", name);
	return 1;
}

/* Nobody has a lease, of any network: one whose last lease went with a kill -9 right behind has a
 * bridge and records yet, which nobody would find without the store. */
static int sweep_all(struct lease_store *s, struct err *e)
{
	char network[NETWORK_NAME_MAX];
	int r;

	while ((r = lease_each_network(s, take_name, network)) > 0) {
		r = sweep_one(s, network, e);
		if (r < 0)
			return r;
	}
	return r < 0 ? err_set(e, -r, "%s: cannot read the leases", lease_root)
		     : lease_store_remove(s, e);
}

/* With nobody left. */
int network_sweep(struct lease_store *s, const char *network, struct err *e)
{
	int r = lease_any(s, network);

	if (r < 0)
		return err_set(e, -r, "%s: cannot read the leases", lease_root);
	if (r > 0)
		return 0;
	r = sweep_one(s, network, e);
	return r == 0 && lease_any_network(s) == 0 ? sweep_all(s, e) : r;
}

int network_leave(const char *network, const char *owner, struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	int r = lease_store_open(&s, false, e);

	if (r == -ENOENT)
		return 0;
	/* The rules first: they forward to nobody's address. The record last: it says what there is. */
	if (r == 0)
		r = network_firewall_detach(&s, network, owner, e);
	if (r == 0) {
		direct_forget(&s, network, owner);
		r = lease_drop(&s, network, owner, e);
	}
	if (r == 0)
		r = endpoint_remove(&s, network, owner, e);
	if (r == 0)
		dns_leave(network, owner);
	return r == 0 ? network_sweep(&s, network, e) : r;
}

/* --- joining -------------------------------------------------------------------- */

static int find_overlap(const struct network *n, int rtnl, const struct subnet *subnet, int but,
			char what[96], struct err *e)
{
	char other[NETWORK_NAME_MAX];
	int r = route_find_overlap(rtnl, subnet->address, subnet->prefix, but, what, e);

	if (r != 0 || !network_is_default(n))
		return r;
	/* One that nobody uses at the moment has no route. */
	r = network_find_overlap(subnet->address, subnet->prefix, &in6addr_any, 0, other, e);
	if (r > 0)
		snprintf(what, 96, "network %s", other);
	return r;
}

static int refuse_subnet(const struct network *n, const struct subnet *from, int count,
			 const char *what, struct err *e)
{
	char text[IPV4_TEXT];

	if (count > 1)
		err_say(e, EADDRINUSE, "network %s: all %d subnets kist may take overlap routes of the "
			"host, the last one with %s", n->name, count, what);
	else
		err_say(e, EADDRINUSE, "network %s: %s/%d overlaps the host's %s", n->name,
			ipv4_format(from[0].address, text), from[0].prefix, what);
	return err_fix(e, "remove the route (see: ip route show table all), or use --net none");
}

/* Before anything is made: a subnet that the host already reaches elsewhere would be cut off. */
static int choose_subnet(const struct network *n, const struct subnet *wanted, struct subnet *ret,
			 struct err *e)
{
	_cleanup_fd_ int rtnl = open_rtnl(e);
	const struct subnet *from = wanted->prefix ? wanted : net_candidates;
	int count = wanted->prefix ? 1 : NET_CANDIDATES, r;
	struct link_info bridge = { 0 };
	char what[96] = "";

	if (rtnl < 0)
		return rtnl;
	/* A bridge that a crash left has routes, which are no conflict: it will be made anew. */
	r = link_get(rtnl, n->interface, &bridge, e);
	if (r < 0 && r != -ENODEV)
		return r;
	for (int i = 0; i < count; i++) {
		r = find_overlap(n, rtnl, &from[i],
				 bridge.index && is_our_bridge(&bridge) ? bridge.index : 0, what, e);
		if (r < 0)
			return r;
		if (r == 0) {
			*ret = from[i];
			return 0;
		}
	}
	return refuse_subnet(n, from, count, what, e);
}

/* Nobody is on it: what is there, a crash left. */
static int begin_network(const struct lease_store *s, const struct network *n,
			 const struct subnet *wanted, struct subnet *ret, struct err *e)
{
	int r = lease_network_remove(s, n->name, e);

	if (r < 0)
		return r;
	if (n->driver == NETWORK_MACVLAN)
		*ret = *wanted;
	else if (wanted->prefix || network_is_default(n))
		r = choose_subnet(n, wanted, ret, e);
	if (r == 0 && ret->prefix)
		r = lease_subnet_set(s, n->name, ret->address, ret->prefix, e);
	if (r < 0)
		return r;
	r = lease_interface_set(s, n->name, n->interface);
	return r < 0 ? err_set(e, -r, "%s/%s/%s: cannot note the interface", lease_root, s->key,
			       n->name)
		     : 0;
}

/* The subnet of IPv4 that is in force; prefix 0: none. */
static int settle_subnet(const struct lease_store *s, const struct network *n,
			 const struct network_wish *wish, struct subnet *ret, struct err *e)
{
	const struct subnet own = { n->subnet, n->prefix };
	const struct subnet *wanted = network_is_default(n) ? &wish->subnet : &own;
	int r = lease_any(s, n->name);

	*ret = (struct subnet){ 0 };
	if (r < 0)
		return err_set(e, -r, "%s: cannot read the leases", lease_root);
	if (r == 0)
		return begin_network(s, n, wanted, ret, e);
	if (!network_is_default(n) && !n->prefix)
		return 0;
	r = lease_subnet_get(s, n->name, &ret->address, &ret->prefix);
	if (r <= 0)
		return err_set(e, r ? -r : ENOENT, "%s/%s/%s/subnet", lease_root, s->key, n->name);
	if (wanted->prefix && (wanted->address != ret->address || wanted->prefix != ret->prefix))
		return err_say(e, EBUSY, "network %s is in use with another subnet", n->name);
	return 0;
}

static int join_locked(const struct lease_store *s, const struct network *n,
		       const struct network_wish *wish, struct endpoint *ep, int *ret_prefix,
		       struct err *e)
{
	struct lease_want want = { .gateway = n->gateway, .address = wish->address,
				   .subnet6 = n->subnet6, .gateway6 = n->gateway6,
				   .prefix6 = n->prefix6, .address6 = wish->address6 };
	static const uint8_t none[6];
	struct subnet subnet;
	struct lease lease;
	int r = network_exists(n);

	if (r <= 0)
		return r < 0 ? err_set(e, -r, "network %s", n->name)
			     : err_say(e, ENOENT, "network %s was removed meanwhile", n->name);
	r = settle_subnet(s, n, wish, &subnet, e);
	if (r < 0)
		return r;
	want.subnet = subnet.address;
	want.prefix = subnet.prefix;
	if (network_is_default(n))
		want.gateway = net_gateway(subnet.address, subnet.prefix);
	r = lease_take_want(s, n->name, ep->owner, &want, &lease, e);
	if (r < 0)
		return r;
	ep->address = lease.address;
	ep->address6 = lease.address6;
	if (memcmp(ep->mac, none, sizeof none) == 0)
		net_endpoint_mac(lease.address, &lease.address6, ep->mac);
	r = endpoint_put(s, ep, e);
	if (r < 0)
		(void)lease_drop(s, n->name, ep->owner, NULL);
	else
		*ret_prefix = subnet.prefix;
	return r;
}

int network_join(const struct network *n, const struct network_wish *wish, struct endpoint *ep,
		 int *ret_prefix, struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	int r = lease_store_open(&s, true, e);

	if (r == 0)
		r = join_locked(&s, n, wish, ep, ret_prefix, e);
	if (r < 0 && s.lock >= 0)
		(void)network_sweep(&s, n->name, NULL);
	return r;
}

/* The lock is held while looking and making; the caller's lease keeps the store alive. */
static int lock(struct lease_store *s, struct err *e)
{
	int r = lease_store_open(s, false, e);

	return r == -ENOENT ? err_set(e, ENOENT, "%s: the container's lease is gone", lease_root)
			    : r;
}

static int change_maker(const char *network, const char *owner, pid_t maker, struct endpoint *ret,
			struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	int r = lock(&s, e);

	if (r == 0)
		r = endpoint_get(&s, network, owner, ret, e);
	if (r <= 0)
		return r;
	ret->maker = maker;
	ret->maker_start_time = maker ? endpoint_start_time(maker) : 0;
	r = endpoint_put(&s, ret, e);
	return r < 0 ? r : 1;
}

int network_settle(const char *network, const char *owner, struct err *e)
{
	struct endpoint ep;
	int r = change_maker(network, owner, 0, &ep, e);

	return r == 0 ? err_say(e, ENOENT, "%s was taken off network %s meanwhile", owner, network)
		      : (r < 0 ? r : 0);
}

int network_unsettle(const char *network, const char *owner, struct endpoint *ret, struct err *e)
{
	int r = change_maker(network, owner, getpid(), ret, e);

	if (r != -ENOENT)
		return r;
	err_clear(e);
	return 0;
}

/* --- making it so --------------------------------------------------------------- */

static int make_bridge(const struct network *n, int rtnl, const uint8_t mac[6],
		       struct link_info *ret, struct err *e)
{
	struct nl_batch b;
	int r;

	nl_batch_init(&b);
	link_put_bridge(&b, n->interface, mac, n->mtu);
	link_put_alias(&b, n->interface, NET_ALIAS);
	r = nl_talk(rtnl, &b, NULL, NULL, e);
	if (r == -EOPNOTSUPP)
		err_fix(e, "the kernel lacks the module bridge: modprobe bridge, or use --net none");
	if (r < 0)
		return err_wrap(e, "cannot make the bridge %s", n->interface);
	r = link_get(rtnl, n->interface, ret, e);
	return r == -ENODEV ? err_set(e, ENODEV, "%s vanished", n->interface) : r;
}

int network_settle_bridge(const struct network *n, int rtnl, uint32_t gateway,
			  struct link_info *ret, struct err *e)
{
	struct link_info link;
	uint8_t mac[6];
	int r = link_get(rtnl, n->interface, &link, e);

	net_endpoint_mac(gateway, &n->gateway6, mac);
	if (r == 0 && !is_our_bridge(&link)) {
		err_say(e, EEXIST, "the host has an interface %s (%s) that kist did not make",
			n->interface, link.kind[0] ? link.kind : "no virtual link");
		return err_fix(e, "rename it: ip link set %s down name NEW", n->interface);
	}
	/* One for another subnet: a crash left it, and nobody can be on it. */
	if (r == 0 && memcmp(link.mac, mac, sizeof mac) != 0) {
		r = delete_link(rtnl, n->interface, link.index, e);
		r = r < 0 ? r : -ENODEV;
	}
	if (r == -ENODEV)
		r = make_bridge(n, rtnl, mac, &link, e);
	if (r < 0)
		return r;
	*ret = link;
	return 0;
}

int network_ensure_bridge(const struct network *n, int rtnl, uint32_t gateway,
			  struct link_info *ret, struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	int r = lock(&s, e);

	return r < 0 ? r : network_settle_bridge(n, rtnl, gateway, ret, e);
}

int network_settle_forward(const struct lease_store *s, const struct network *n, struct err *e)
{
	int r = 0;

	if (n->prefix || network_is_default(n))
		r = forward_ensure(s, false, e);
	if (r == 0 && n->prefix6)
		r = forward_ensure(s, true, e);
	return r;
}

int network_ensure_forward(const struct network *n, struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	int r = lock(&s, e);

	return r < 0 ? r : network_settle_forward(&s, n, e);
}

int network_ensure_firewall(const struct network *n, const char *owner, struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	int r = lock(&s, e);

	return r < 0 ? r : network_firewall_attach(&s, n, owner, e);
}
