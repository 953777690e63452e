/*
 * attach.c - the plan that puts a container on the default network, and its undo.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "net/bridge.h"
#include "net/devices.h"
#include "net/lease.h"
#include "net/link.h"
#include "net/net.h"
#include "net/netlink.h"
#include "net/ops.h"

#define PEER_NAME     "eth0"
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

/* --- ops of the network as a whole -------------------------------------------------- */

struct op_lease_args {
	const char *owner;
	struct subnet wanted;
	int address_slot, prefix_slot;
};

static int act_lease(struct run *r, const void *args, struct err *e)
{
	const struct op_lease_args *a = args;
	uint32_t address;
	int prefix, result = network_lease(a->owner, &a->wanted, &address, &prefix, e);

	if (result < 0)
		return result;
	run_set_number(r, a->address_slot, (int)address);
	run_set_number(r, a->prefix_slot, prefix);
	return 0;
}

static void show_lease(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_lease_args *a = args;
	const struct subnet *s = a->wanted.prefix ? &a->wanted : net_candidates;
	char text[IPV4_TEXT];

	buf_add(out, "lease_address(");
	buf_add_quoted(out, a->owner);
	buf_addf(out, ", %s/%d%s) = ", ipv4_format(s->address, text), s->prefix,
		 a->wanted.prefix ? "" : " or the next that is free");
	plan_show_slot(out, p, a->address_slot);
	buf_add_char(out, '/');
	plan_show_slot(out, p, a->prefix_slot);
}

static void by_hand_lease(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_lease_args *a = args;
	const struct subnet *s = a->wanted.prefix ? &a->wanted : net_candidates;
	char text[IPV4_TEXT];

	(void)p;
	buf_addf(out, "ADDRESS=%s # any free one", ipv4_format(s->address + 2, text));
}

static const struct op op_lease = { .name = "lease_address", .man = "symlink(2)", .compound = true,
				    .act = act_lease, .show = show_lease,
				    .by_hand = by_hand_lease };

struct op_bridge_args {
	int rtnl_slot, address_slot, prefix_slot, index_slot;
};

static int act_bridge(struct run *r, const void *args, struct err *e)
{
	const struct op_bridge_args *a = args;
	uint32_t gateway = net_gateway((uint32_t)run_slot(r, a->address_slot),
				       run_slot(r, a->prefix_slot));
	int index, result = network_ensure_bridge(run_slot(r, a->rtnl_slot), gateway, &index, e);

	if (result < 0)
		return result;
	run_set_number(r, a->index_slot, index);
	return 0;
}

static void show_bridge(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_bridge_args *a = args;

	plan_show_slot(out, p, a->rtnl_slot);
	buf_add(out, " RTM_NEWLINK bridge " NET_BRIDGE_NAME " alias " NET_ALIAS
		     " unless it is there = ");
	plan_show_slot(out, p, a->index_slot);
}

static void by_hand_bridge(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	(void)args;
	buf_add(out, "ip link add " NET_BRIDGE_NAME " type bridge && ip link set " NET_BRIDGE_NAME
		     " alias " NET_ALIAS);
}

static const struct op op_bridge = { .name = "ensure_bridge", .man = "rtnetlink(7)",
				     .compound = true, .act = act_bridge, .show = show_bridge,
				     .by_hand = by_hand_bridge };

static int act_forward(struct run *r, const void *args, struct err *e)
{
	(void)r;
	(void)args;
	return network_ensure_forward(e);
}

static void show_forward(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	(void)args;
	buf_add(out, "write(/proc/sys/net/ipv4/ip_forward, \"1\") unless it is");
}

static void by_hand_forward(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	(void)args;
	buf_add(out, "sysctl -w net.ipv4.ip_forward=1");
}

static const struct op op_forward = { .name = "ensure_forward", .man = "ip(7)", .compound = true,
				      .act = act_forward, .show = show_forward,
				      .by_hand = by_hand_forward };

struct op_table_args {
	int address_slot, prefix_slot;
	struct subnet likely;
};

static int act_table(struct run *r, const void *args, struct err *e)
{
	const struct op_table_args *a = args;
	int result = network_ensure_table((uint32_t)run_slot(r, a->address_slot),
					  run_slot(r, a->prefix_slot), e);

	return result < 0 ? result : 0;
}

static void show_table(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_table_args *a = args;

	buf_add(out, "nfnetlink batch: table inet kist { masquerade subnet of ");
	plan_show_slot(out, p, a->address_slot);
	buf_add_char(out, '/');
	plan_show_slot(out, p, a->prefix_slot);
	buf_add(out, " leaving " NET_BRIDGE_NAME "; to " NET_BRIDGE_NAME " only answers; from "
		     NET_BRIDGE_NAME " no other source } unless it is there");
}

static void by_hand_table(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_table_args *a = args;
	char s[32], text[IPV4_TEXT];

	(void)p;
	snprintf(s, sizeof s, "%s/%d", ipv4_format(a->likely.address, text), a->likely.prefix);
	buf_addf(out,
		 "nft 'table inet kist { "
		 "chain prerouting { type filter hook prerouting priority raw; "
		 "iifname " NET_BRIDGE_NAME " ip saddr != %s drop; }; "
		 "chain forward { type filter hook forward priority filter; "
		 "oifname " NET_BRIDGE_NAME " ct state established,related accept; "
		 "iifname " NET_BRIDGE_NAME " ip saddr %s accept; "
		 "iifname " NET_BRIDGE_NAME " drop; oifname " NET_BRIDGE_NAME " drop; }; "
		 "chain postrouting { type nat hook postrouting priority srcnat; "
		 "ip saddr %s oifname != " NET_BRIDGE_NAME " masquerade; }; }'",
		 s, s, s);
}

static const struct op op_table = { .name = "ensure_nft_table", .man = "nft(8)", .compound = true,
				    .act = act_table, .show = show_table,
				    .by_hand = by_hand_table };

/* --- the container's own interface --------------------------------------------------- */

struct op_veth_args {
	int rtnl_slot, netns_slot, address_slot, master_slot;
	const char *name, *alias;
};

static int act_veth(struct run *r, const void *args, struct err *e)
{
	const struct op_veth_args *a = args;
	int rtnl = run_slot(r, a->rtnl_slot), result;
	struct link_info link;
	struct nl_batch b;
	uint8_t mac[6];

	/* The alias goes by name: it must not fall on an interface that was there before. */
	result = link_get(rtnl, a->name, &link, e);
	if (result == 0)
		return err_say(e, EEXIST, "the host has an interface %s already (alias \"%s\")",
			       a->name, link.alias);
	if (result != -ENODEV)
		return result;
	net_mac((uint32_t)run_slot(r, a->address_slot), mac);
	nl_batch_init(&b);
	link_put_veth(&b, a->name, run_slot(r, a->master_slot), PEER_NAME, mac,
		      run_slot(r, a->netns_slot));
	link_put_alias(&b, a->name, a->alias);
	result = nl_talk(rtnl, &b, NULL, NULL, e);
	if (result == -EOPNOTSUPP)
		err_fix(e, "the kernel lacks the module veth: modprobe veth, or use --net none");
	if (result == -EEXIST)
		err_fix(e, "the container's network namespace has an " PEER_NAME " already");
	return result < 0 ? err_wrap(e, "cannot make the veth pair %s, " PEER_NAME, a->name) : 0;
}

static void show_veth(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_veth_args *a = args;

	plan_show_slot(out, p, a->rtnl_slot);
	buf_addf(out, " RTM_NEWLINK veth %s up master ", a->name);
	plan_show_slot(out, p, a->master_slot);
	buf_add(out, " peer " PEER_NAME "@");
	plan_show_slot(out, p, a->netns_slot);
	buf_addf(out, "; RTM_SETLINK %s alias %s", a->name, a->alias);
}

static void by_hand_veth(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_veth_args *a = args;

	(void)p;
	buf_addf(out,
		 "ip link add %s up master " NET_BRIDGE_NAME " type veth peer name " PEER_NAME
		 " netns $PID && ip link set %s alias ", a->name, a->name);
	buf_add_shell(out, a->alias);
}

static const struct op op_veth = { .name = "RTM_NEWLINK", .man = "veth(4)", .compound = true,
				   .act = act_veth, .show = show_veth, .by_hand = by_hand_veth };

/* --- the builders ----------------------------------------------------------------------- */

void net_plan_loopback(struct plan *p)
{
	plan_add0(p, SIDE_GUEST, op_loopback);
}

static void add_optional_sysctl(struct plan *p, const char *path, const char *text)
{
	int step = plan_add(p, SIDE_HOST, op_write, op_write_args, -1, path, text);

	plan_on_done(p, step, ENOENT); /* a kernel without IPv6 */
}

struct slots {
	int netns, rtnl, address, prefix, bridge, guest_rtnl, eth0;
};

static void plan_network(struct plan *p, const struct slots *s, const struct net_spec *spec,
			 const char *owner)
{
	struct subnet wanted = { spec->subnet, spec->prefix };
	struct subnet likely = spec->prefix ? wanted : net_candidates[0];
	int step = plan_add(p, SIDE_HOST, op_lease, op_lease_args, owner, wanted, s->address,
			    s->prefix);

	plan_undo(p, step, &net_undo_lease, owner, NULL, NULL);
	plan_add(p, SIDE_HOST, op_rtnl_open, op_rtnl_open_args, -1, s->rtnl);
	plan_add(p, SIDE_HOST, op_bridge, op_bridge_args, s->rtnl, s->address, s->prefix,
		 s->bridge);
	/* The host must not take routes from a container's router advertisement (CVE-2020-13401),
	 * nor be reached over link-local addresses past the IPv4 rules. */
	add_optional_sysctl(p, "/proc/sys/net/ipv6/conf/" NET_BRIDGE_NAME "/accept_ra", "0");
	add_optional_sysctl(p, "/proc/sys/net/ipv6/conf/" NET_BRIDGE_NAME "/disable_ipv6", "1");
	/* The rules before the way: nothing is forwarded that they would stop. */
	plan_add(p, SIDE_HOST, op_table, op_table_args, s->address, s->prefix, likely);
	plan_add0(p, SIDE_HOST, op_forward);
	plan_add(p, SIDE_HOST, op_address, op_address_args, s->rtnl, s->bridge, s->address,
		 s->prefix, NET_BRIDGE_NAME, true, net_gateway(likely.address, likely.prefix),
		 likely.prefix);
	plan_add(p, SIDE_HOST, op_link_up, op_link_up_args, s->rtnl, NET_BRIDGE_NAME);
}

static void plan_interface(struct plan *p, const struct slots *s, const struct net_spec *spec,
			   const char *owner)
{
	struct subnet likely = spec->prefix ? (struct subnet){ spec->subnet, spec->prefix }
					    : net_candidates[0];
	const char *name = arena_printf(p->arena, VETH_PREFIX "%012llx",
					(unsigned long long)lease_hash(owner) >> 16);
	const char *alias = arena_printf(p->arena, NET_ALIAS_PREFIX "%s", owner);
	int step;

	plan_add(p, SIDE_HOST, op_netns_open, op_netns_open_args, SLOT_GUEST_PROC, s->netns);
	step = plan_add(p, SIDE_HOST, op_veth, op_veth_args, s->rtnl, s->netns, s->address,
			s->bridge, name, alias);
	plan_undo(p, step, &net_undo_veth, name, owner, NULL);
	step = plan_add(p, SIDE_HOST, op_sysctl_in, op_sysctl_in_args, s->netns,
			"/proc/sys/net/ipv6/conf/" PEER_NAME "/accept_ra", "0");
	plan_on_done(p, step, ENOENT);
	plan_add(p, SIDE_HOST, op_rtnl_open, op_rtnl_open_args, s->netns, s->guest_rtnl);
	plan_add(p, SIDE_HOST, op_link_index, op_link_index_args, s->guest_rtnl, s->eth0,
		 PEER_NAME);
	plan_add(p, SIDE_HOST, op_address, op_address_args, s->guest_rtnl, s->eth0, s->address,
		 s->prefix, PEER_NAME, false, likely.address, likely.prefix);
	plan_add(p, SIDE_HOST, op_link_up, op_link_up_args, s->guest_rtnl, PEER_NAME);
	plan_add(p, SIDE_HOST, op_route, op_route_args, s->guest_rtnl, s->eth0, s->address,
		 s->prefix, net_gateway(likely.address, likely.prefix));
}

void net_plan_attach(struct plan *p, const struct net_spec *s, const struct host *h,
		     const char *id)
{
	const char *owner;
	struct slots slots;

	(void)h;
	if (s->mode != NET_BRIDGE)
		return;
	owner = net_owner(p->arena, id, s->realm);
	if (!owner)
		return; /* the arena remembers */
	slots = (struct slots){
		.rtnl = plan_new_slot(p, "rtnl"),
		.address = plan_new_slot(p, "address"),
		.prefix = plan_new_slot(p, "prefix"),
		.bridge = plan_new_slot(p, NET_BRIDGE_NAME),
		.netns = plan_new_slot(p, "guest netns"),
		.guest_rtnl = plan_new_slot(p, "guest rtnl"),
		.eth0 = plan_new_slot(p, PEER_NAME),
	};
	plan_network(p, &slots, s, owner);
	plan_interface(p, &slots, s, owner);
	plan_add(p, SIDE_HOST, op_close, op_close_args, slots.guest_rtnl);
	plan_add(p, SIDE_HOST, op_close, op_close_args, slots.netns);
	plan_add(p, SIDE_HOST, op_close, op_close_args, slots.rtnl);
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
	return network_leave(args[0], e);
}

const struct undo_kind net_undo_lease = { .name = "leave_network", .act = undo_lease };

const struct undo_kind *const net_undo_kinds[] = { &net_undo_veth, &net_undo_lease, &net_undo_device,
						   NULL };
