/*
 * attach.c - the plan that puts a container on networks, and its undo.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "net/address.h"
#include "net/attach_ops.h"
#include "net/bridge.h"
#include "net/devices.h"
#include "net/direct.h"
#include "net/dns.h"
#include "net/dns_op.h"
#include "net/lease.h"
#include "net/link.h"
#include "net/net.h"
#include "net/netlink.h"
#include "net/ops.h"
#include "net/user.h"

#define OWNER_ID_MAX  160 /* longer ids are cut to ... */
#define OWNER_ID_KEPT 140 /* ... this, and a hash */
#define VETH_PREFIX   "kv"
#define VETH_DIGITS   12

const char *net_owner(struct arena *a, const char *id, const char *realm)
{
	const char *owner = id;

	/* '~' and '@' are in no id (path_is_id), so no two containers share an owner. */
	if (strlen(id) > OWNER_ID_MAX)
		owner = arena_printf(a, "%.*s~%016llx", OWNER_ID_KEPT, id,
				     (unsigned long long)lease_hash(id));
	if (realm && *realm && owner)
		owner = arena_printf(a, "%s@%08x", owner, (uint32_t)lease_hash(realm));
	return owner;
}

const char *net_host_interface(struct arena *a, const char *network, const char *owner)
{
	/* '%' is in no network's name. */
	const char *text = strcmp(network, NET_NETWORK) == 0 ? owner
							     : arena_printf(a, "%s%%%s", owner, network);

	return text ? arena_printf(a, VETH_PREFIX "%012llx", (unsigned long long)lease_hash(text) >> 16)
		    : NULL;
}

/* --- the builders ----------------------------------------------------------------------- */

void net_plan_loopback(struct plan *p)
{
	plan_add0(p, SIDE_GUEST, op_loopback);
}

struct slots {
	int netns, rtnl, address, prefix, host6, bridge, bridge_up, guest_rtnl, interface;
};

static void add_bridge_sysctl(struct plan *p, const struct slots *s, const char *bridge,
			      const char *key, const char *text)
{
	int step = plan_add(p, SIDE_HOST, op_bridge_sysctl, op_bridge_sysctl_args, bridge,
			    arena_printf(p->arena, "/proc/sys/net/ipv6/conf/%s/%s", bridge, key),
			    text, s->bridge_up);

	plan_on_done(p, step, ENOENT); /* a kernel without IPv6 */
}

/* One network of several: what its steps are made of. */
struct joining {
	const struct network *n;
	const struct net_spec *spec;
	const struct net_join *join; /* NULL: the default network, as it comes */
	struct endpoint *ep;
	struct subnet likely; /* what a shell line should say */
	uint32_t likely_gateway;
	bool default4, default6; /* its gateway is the container's */
	bool has4;
};

static void plan_join(struct plan *p, const struct slots *s, const struct joining *j)
{
	struct network_wish wish = { 0 };
	int step;

	if (network_is_default(j->n))
		wish.subnet = (struct subnet){ j->spec->subnet, j->spec->prefix };
	if (j->join) {
		wish.address = j->join->address;
		wish.address6 = j->join->address6;
	}
	step = plan_add(p, SIDE_HOST, op_join, op_join_args, j->n, wish, j->ep,
			j->spec->into_running, s->guest_rtnl, s->address, s->prefix, s->host6);
	plan_undo(p, step, &net_undo_lease, j->ep->owner, j->n->name, NULL);
}

static void plan_addresses(struct plan *p, const struct slots *s, const struct joining *j, bool inside)
{
	const char *name = inside ? j->ep->interface : j->n->interface;
	const struct in6_addr none = IN6ADDR_ANY_INIT;
	int rtnl = inside ? s->guest_rtnl : s->rtnl, index = inside ? s->interface : s->bridge;

	if (j->has4)
		plan_add(p, SIDE_HOST, op_address, op_address_args, rtnl, index, s->address, s->prefix,
			 name, !inside, inside ? 0 : j->n->gateway,
			 inside ? j->likely.address : j->likely_gateway, j->likely.prefix);
	if (j->n->prefix6)
		plan_add(p, SIDE_HOST, op_address6, op_address6_args, rtnl, index, s->host6, name,
			 j->n->subnet6, inside ? j->join ? j->join->address6 : none : j->n->gateway6,
			 j->n->prefix6, inside);
}

static void plan_network(struct plan *p, const struct slots *s, const struct joining *j)
{
	const char *bridge = j->n->interface;

	plan_add(p, SIDE_HOST, op_bridge, op_bridge_args, j->n, s->rtnl, s->address, s->prefix,
		 s->bridge, s->bridge_up);
	/* The host must not take routes from a container's router advertisement (CVE-2020-13401),
	 * nor be reached over link-local addresses past the IPv4 rules. */
	add_bridge_sysctl(p, s, bridge, "accept_ra", "0");
	add_bridge_sysctl(p, s, bridge, "disable_ipv6", j->n->prefix6 ? "0" : "1");
	/* The rules before the way: nothing is forwarded that they would stop. */
	plan_add(p, SIDE_HOST, op_firewall, op_firewall_args, j->n, j->ep->owner, s->address, s->prefix,
		 j->likely);
	if (!j->n->internal)
		plan_add(p, SIDE_HOST, op_forward, op_forward_args, j->n);
	plan_addresses(p, s, j, false);
	plan_add(p, SIDE_HOST, op_link_up, op_link_up_args, s->rtnl, bridge, false);
}

static void plan_veth(struct plan *p, const struct slots *s, const struct joining *j)
{
	const char *alias = arena_printf(p->arena, NET_ALIAS_PREFIX "%s", j->ep->owner);
	int step = plan_add(p, SIDE_HOST, op_veth, op_veth_args, j->n, j->ep, s->rtnl, s->netns,
			    s->address, s->host6, s->bridge, alias);

	plan_undo(p, step, &net_undo_veth, j->ep->host_if, j->ep->owner, NULL);
}

static void plan_inside(struct plan *p, const struct slots *s, const struct joining *j)
{
	const char *name = j->ep->interface;
	int step = plan_add(p, SIDE_HOST, op_sysctl_in, op_sysctl_in_args, s->netns,
			    arena_printf(p->arena, "/proc/sys/net/ipv6/conf/%s/accept_ra", name), "0");

	plan_on_done(p, step, ENOENT);
	plan_add(p, SIDE_HOST, op_link_index, op_link_index_args, s->guest_rtnl, s->interface, name);
	plan_addresses(p, s, j, true);
	/* What it receives is limited on the host's end, where nothing of its own is. */
	if (j->ep->host_if[0])
		net_plan_shape(p, s->rtnl, j->ep->host_if, j->spec->rate.down, false);
	net_plan_shape(p, s->guest_rtnl, name, j->spec->rate.up, true);
	plan_add(p, SIDE_HOST, op_link_up, op_link_up_args, s->guest_rtnl, name, true);
	if (j->default4)
		plan_add(p, SIDE_HOST, op_route, op_route_args, s->guest_rtnl, s->interface, s->address,
			 s->prefix, j->n->gateway, j->likely_gateway);
	if (j->default6)
		plan_add(p, SIDE_HOST, op_route6, op_route6_args, s->guest_rtnl, s->interface,
			 j->n->gateway6);
}

static void add_name(struct endpoint *ep, const char *name)
{
	for (int i = 0; i < ep->name_count; i++)
		if (strcmp(ep->names[i], name) == 0)
			return;
	if (ep->name_count < ENDPOINT_NAMES_MAX && endpoint_is_dns_name(name))
		snprintf(ep->names[ep->name_count++], ENDPOINT_NAME_MAX, "%s", name);
}

/* Who publishes it has a server of its own for names, which listens at all addresses. */
static bool publishes_53(const struct net_spec *s)
{
	for (int i = 0; i < s->port_count; i++)
		if (s->ports[i].port <= 53 && 53 - s->ports[i].port < s->ports[i].count)
			return true;
	return false;
}

static struct endpoint *make_record(struct plan *p, const struct joining *j, const char *id,
				    const char *owner, int number, bool publishes)
{
	struct endpoint *ep = arena_alloc(p->arena, sizeof *ep);
	const char *host_if = net_host_interface(p->arena, j->n->name, owner);

	if (!ep || !host_if)
		return NULL;
	snprintf(ep->owner, sizeof ep->owner, "%s", owner);
	snprintf(ep->network, sizeof ep->network, "%s", j->n->name);
	snprintf(ep->id, sizeof ep->id, "%s", id);
	if (j->n->driver == NETWORK_BRIDGE)
		snprintf(ep->host_if, sizeof ep->host_if, "%s", host_if);
	if (j->join && j->join->interface)
		snprintf(ep->interface, sizeof ep->interface, "%s", j->join->interface);
	else
		snprintf(ep->interface, sizeof ep->interface, "eth%d", number);
	ep->first = j->default4 || (j->default6 && !j->has4);
	ep->internal = j->n->internal;
	add_name(ep, id);
	for (int i = 0; j->join && i < j->join->alias_count; i++)
		add_name(ep, j->join->aliases[i]);
	ep->no_names = j->join && j->join->no_names;
	if (j->join)
		memcpy(ep->mac, j->join->mac, sizeof ep->mac);
	ep->names_aside = j->spec->names_aside || publishes_53(j->spec);
	memcpy(ep->servers, j->spec->servers, sizeof ep->servers);
	ep->server_count = j->spec->server_count;
	for (int i = 0; publishes && i < j->spec->port_count; i++)
		ep->ports[ep->port_count++] = j->spec->ports[i];
	return ep;
}

/* The default network as it is before anybody read what it has. */
static const struct network *plain_default(struct arena *a)
{
	struct network *n = arena_alloc(a, sizeof *n);

	if (n) {
		snprintf(n->name, sizeof n->name, "%s", NET_NETWORK);
		snprintf(n->interface, sizeof n->interface, "%s", NET_BRIDGE_NAME);
	}
	return n;
}

static void set_likely(struct joining *j)
{
	j->has4 = j->n->prefix || network_is_default(j->n);
	if (!network_is_default(j->n))
		j->likely = (struct subnet){ j->n->subnet, j->n->prefix };
	else if (j->spec->prefix)
		j->likely = (struct subnet){ j->spec->subnet, j->spec->prefix };
	else
		j->likely = net_candidates[0];
	j->likely_gateway = network_is_default(j->n) ? net_gateway(j->likely.address, j->likely.prefix)
						     : j->n->gateway;
}

/* What routes lead out by: the first network of each family that has a way. */
struct ways {
	bool has4, has6, published;
};

static bool plan_one(struct plan *p, const struct slots *slots, const struct net_spec *s, int number,
		     struct ways *ways, const char *id, const char *owner)
{
	struct joining j = { .spec = s, .join = s->join_count ? &s->joins[number] : NULL };
	bool publishes;

	j.n = j.join ? j.join->network : plain_default(p->arena);
	if (!j.n)
		return false;
	set_likely(&j);
	j.default4 = !j.n->internal && j.has4 && !ways->has4;
	j.default6 = !j.n->internal && j.n->prefix6 && !ways->has6;
	publishes = !j.n->internal && !ways->published && j.n->driver == NETWORK_BRIDGE;
	ways->has4 |= j.default4;
	ways->has6 |= j.default6;
	ways->published |= publishes;
	j.ep = make_record(p, &j, id, owner, number, publishes);
	if (!j.ep)
		return false;
	plan_join(p, slots, &j);
	if (j.n->driver == NETWORK_BRIDGE) {
		plan_network(p, slots, &j);
		plan_veth(p, slots, &j);
	} else {
		plan_add(p, SIDE_HOST, op_macvlan, op_macvlan_args, j.n, j.ep, slots->rtnl,
			 slots->netns, slots->address, slots->host6);
	}
	plan_inside(p, slots, &j);
	direct_plan(p, j.n, j.ep, slots->rtnl);
	if (dns_serves(j.n) && !j.ep->no_names)
		plan_add(p, SIDE_HOST, op_names, op_names_args, j.n, owner, slots->netns);
	if (s->into_running)
		plan_add(p, SIDE_HOST, op_settle, op_settle_args, j.n->name, owner);
	return true;
}

int net_plan_attach(struct plan *p, const struct net_spec *s, const struct host *h, const char *id)
{
	struct ways ways = { .has4 = s->has_default, .has6 = s->has_default };
	const char *owner;
	struct slots slots;

	(void)h;
	if (s->mode != NET_BRIDGE)
		return -1;
	owner = net_owner(p->arena, id, s->realm);
	if (!owner)
		return -1; /* the arena remembers */
	slots = (struct slots){
		.netns = plan_new_slot(p, "guest netns"),
		.guest_rtnl = plan_new_slot(p, "guest rtnl"),
		.rtnl = plan_new_slot(p, "rtnl"),
		.address = plan_new_slot(p, "address"),
		.prefix = plan_new_slot(p, "prefix"),
		.host6 = plan_new_slot(p, "host number"),
		.bridge = plan_new_slot(p, "bridge"),
		.bridge_up = plan_new_slot(p, "bridge is up"),
		.interface = plan_new_slot(p, "interface"),
	};
	plan_add(p, SIDE_HOST, op_netns_open, op_netns_open_args, SLOT_GUEST_PROC, slots.netns);
	plan_add(p, SIDE_HOST, op_rtnl_open, op_rtnl_open_args, slots.netns, slots.guest_rtnl);
	plan_add(p, SIDE_HOST, op_rtnl_open, op_rtnl_open_args, -1, slots.rtnl);
	for (int i = 0; i < (s->join_count ? s->join_count : 1); i++)
		if (!plan_one(p, &slots, s, i, &ways, id, owner))
			return -1;
	plan_add(p, SIDE_HOST, op_close, op_close_args, slots.guest_rtnl);
	if (!s->keep_netns)
		plan_add(p, SIDE_HOST, op_close, op_close_args, slots.netns);
	plan_add(p, SIDE_HOST, op_close, op_close_args, slots.rtnl);
	return s->keep_netns ? slots.netns : -1;
}

/* --- taking it back ------------------------------------------------------------------------ */

/* The record was read from a file: what it names goes no further unless it looks like ours. */
static bool is_veth_name(const char *name)
{
	return name && strlen(name) == strlen(VETH_PREFIX) + VETH_DIGITS &&
	       strncmp(name, VETH_PREFIX, strlen(VETH_PREFIX)) == 0 &&
	       strspn(name + strlen(VETH_PREFIX), "0123456789abcdef") == VETH_DIGITS;
}

static bool is_owner(const char *owner)
{
	return owner && *owner && strlen(owner) < LEASE_OWNER_MAX && !strchr(owner, '/');
}

static int undo_veth(const struct undo_at *at, const char *const args[PLAN_UNDO_ARGS],
		     struct err *e)
{
	_cleanup_fd_ int rtnl = -EBADF;
	struct link_info link;
	struct nl_batch b;
	int r;

	(void)at;
	if (!is_veth_name(args[0]) || !is_owner(args[1]))
		return err_say(e, EINVAL, "the intent record names no interface of kist's");
	rtnl = nl_open(NETLINK_ROUTE);
	if (rtnl < 0)
		return err_set(e, -rtnl, "socket(AF_NETLINK, NETLINK_ROUTE)");
	r = link_get(rtnl, args[0], &link, e);
	if (r == -ENODEV)
		return 0;
	if (r < 0)
		return r;
	if (strcmp(link.kind, "veth") != 0 ||
	    strncmp(link.alias, NET_ALIAS_PREFIX, strlen(NET_ALIAS_PREFIX)) != 0 ||
	    strcmp(link.alias + strlen(NET_ALIAS_PREFIX), args[1]) != 0)
		return 0;
	nl_batch_init(&b);
	link_put_delete(&b, link.index);
	r = nl_talk(rtnl, &b, NULL, NULL, e);
	if (r == -ENODEV) {
		/* The container's namespace ended meanwhile, and took it along. */
		err_clear(e);
		return 0;
	}
	return r < 0 ? err_wrap(e, "cannot remove interface %s", args[0]) : 0;
}

const struct undo_kind net_undo_veth = { .name = "remove_veth", .act = undo_veth };

static int undo_lease(const struct undo_at *at, const char *const args[PLAN_UNDO_ARGS],
		      struct err *e)
{
	(void)at;
	if (!is_owner(args[0]))
		return err_say(e, EINVAL, "the intent record names no owner of an address");
	/* One of an earlier kist names no network: there was but one. */
	if (args[1] && strcmp(args[1], NET_NETWORK) != 0 && network_check_name(args[1], e) < 0)
		return err_wrap(e, "the intent record");
	return network_leave(args[1] ? args[1] : NET_NETWORK, args[0], e);
}

const struct undo_kind net_undo_lease = { .name = "leave_network", .act = undo_lease };

const struct undo_kind *const net_undo_kinds[] = { &net_undo_veth, &net_undo_lease, &net_undo_device,
						   &net_undo_user, NULL };
