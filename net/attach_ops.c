/*
 * attach_ops.c - compound ops of a container's way onto a network.
 */
#include "net/attach_ops.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "net/address.h"
#include "net/link.h"
#include "net/netlink.h"

/* --- an address, and the record ----------------------------------------------------- */

static int fill_in(struct run *r, const struct op_join_args *a, struct endpoint *ep, struct err *e)
{
	socklen_t size = sizeof ep->cookie;
	char text[1024];
	int proc = run_slot(r, SLOT_GUEST_PROC);

	*ep = *a->endpoint;
	/* "PID (NAME) ...", of the process behind the fd, whoever has its number by now. */
	if (file_read_record_at(proc, "stat", text, sizeof text) < 0)
		return err_set(e, ESRCH, "the container's process is gone");
	ep->pid = (pid_t)strtol(text, NULL, 10);
	ep->start_time = endpoint_start_time(ep->pid);
	if (getsockopt(run_slot(r, a->guest_rtnl_slot), SOL_SOCKET, SO_NETNS_COOKIE, &ep->cookie,
		       &size) < 0)
		return err_set(e, errno, "SO_NETNS_COOKIE");
	if (a->into_running) {
		ep->maker = getpid();
		ep->maker_start_time = endpoint_start_time(ep->maker);
	}
	return 0;
}

static int act_join(struct run *r, const void *args, struct err *e)
{
	const struct op_join_args *a = args;
	struct endpoint ep;
	int prefix = 0, result = fill_in(r, a, &ep, e);
	uint32_t host6;

	if (result == 0)
		result = network_join(a->network, &a->wish, &ep, &prefix, e);
	if (result < 0)
		return result;
	memcpy(&host6, ep.address6.s6_addr + 12, sizeof host6);
	run_set_number(r, a->address_slot, (int)ep.address);
	run_set_number(r, a->prefix_slot, prefix);
	run_set_number(r, a->host6_slot, (int)ntohl(host6));
	return 0;
}

static void show_join(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_join_args *a = args;
	const struct network *n = a->network;
	bool chosen = network_is_default(n) && !a->wish.subnet.prefix;
	struct subnet s = network_is_default(n) && !chosen ? a->wish.subnet
			  : chosen ? net_candidates[0] : (struct subnet){ n->subnet, n->prefix };
	char text[CIDR_TEXT];

	buf_add(out, "lease_address(");
	buf_add_quoted(out, a->endpoint->owner);
	buf_addf(out, ", %s", n->name);
	if (s.prefix)
		buf_addf(out, ", %s%s", cidr_format(s.address, s.prefix, text),
			 chosen ? " or the next that is free" : "");
	if (a->wish.address)
		buf_addf(out, ", %s", ipv4_format(a->wish.address, text));
	if (n->prefix6)
		buf_addf(out, ", %s", cidr6_format(&n->subnet6, n->prefix6, text));
	if (!in6_is_zero(&a->wish.address6))
		buf_addf(out, ", %s", inet_ntop(AF_INET6, &a->wish.address6, text, sizeof text));
	buf_add(out, ") = ");
	if (s.prefix) {
		plan_show_slot(out, p, a->address_slot);
		buf_add_char(out, '/');
		plan_show_slot(out, p, a->prefix_slot);
	}
	if (n->prefix6) {
		buf_add(out, s.prefix ? ", " : "");
		plan_show_slot(out, p, a->host6_slot);
	}
}

static void by_hand_join(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_join_args *a = args;
	const struct network *n = a->network;
	struct subnet s = a->wish.subnet.prefix	 ? a->wish.subnet
			  : network_is_default(n) ? net_candidates[0]
						  : (struct subnet){ n->subnet, n->prefix };
	struct in6_addr some = in6_host(&n->subnet6, n->prefix6, 2);
	char text[INET6_ADDRSTRLEN] = "";

	(void)p;
	if (s.prefix)
		buf_addf(out, "ADDRESS=%s # any free one",
			 ipv4_format(a->wish.address ? a->wish.address : s.address + 2, text));
	if (n->prefix6 && !s.prefix)
		buf_addf(out, "ADDRESS6=%s # any free one",
			 inet_ntop(AF_INET6, &some, text, sizeof text));
}

const struct op op_join = { .name = "lease_address", .man = "symlink(2)", .compound = true,
			    .act = act_join, .show = show_join, .by_hand = by_hand_join };

static int act_settle(struct run *r, const void *args, struct err *e)
{
	const struct op_settle_args *a = args;

	(void)r;
	return network_settle(a->network, a->owner, e);
}

static void show_settle(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_settle_args *a = args;

	(void)p;
	buf_addf(out, "write_record(%s, ", a->network);
	buf_add_quoted(out, a->owner);
	buf_add(out, ", \"done\")");
}

const struct op op_settle = { .name = "write_record", .man = "rename(2)", .compound = true,
			      .act = act_settle, .show = show_settle };

/* --- what the network's containers share ----------------------------------------------- */

static int act_bridge(struct run *r, const void *args, struct err *e)
{
	const struct op_bridge_args *a = args;
	uint32_t gateway = a->network->gateway;
	int prefix = run_slot(r, a->prefix_slot), result;
	struct link_info link;

	if (!gateway && prefix)
		gateway = net_gateway((uint32_t)run_slot(r, a->address_slot), prefix);
	result = network_ensure_bridge(a->network, run_slot(r, a->rtnl_slot), gateway, &link, e);
	if (result < 0)
		return result;
	run_set_number(r, a->index_slot, link.index);
	run_set_number(r, a->up_slot, (link.flags & IFF_UP) != 0);
	return 0;
}

static void show_bridge(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_bridge_args *a = args;

	plan_show_slot(out, p, a->rtnl_slot);
	buf_addf(out, " RTM_NEWLINK bridge %s", a->network->interface);
	if (a->network->mtu)
		buf_addf(out, " mtu %d", a->network->mtu);
	buf_add(out, " " LINK_BRIDGE_OPTIONS " alias " NET_ALIAS " unless it is there = ");
	plan_show_slot(out, p, a->index_slot);
}

static void by_hand_bridge(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_bridge_args *a = args;
	const char *name = a->network->interface;

	(void)p;
	buf_addf(out, "ip link add %s ", name);
	if (a->network->mtu)
		buf_addf(out, "mtu %d ", a->network->mtu);
	buf_addf(out, "type bridge " LINK_BRIDGE_OPTIONS " && ip link set %s alias " NET_ALIAS, name);
}

const struct op op_bridge = { .name = "ensure_bridge", .man = "rtnetlink(7)", .compound = true,
			      .act = act_bridge, .show = show_bridge, .by_hand = by_hand_bridge };

/* Who finds the bridge up finds it as these steps left it, for up is the last of them. A file below
 * /proc/sys/net is looked for among those of all network namespaces: it takes the longer, the more
 * containers there are. */
static int act_bridge_sysctl(struct run *r, const void *args, struct err *e)
{
	const struct op_bridge_sysctl_args *a = args;

	(void)e;
	return run_slot(r, a->up_slot) ? 0 : file_write_at(AT_FDCWD, a->path, a->text);
}

static void show_bridge_sysctl(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_bridge_sysctl_args *a = args;

	(void)p;
	buf_addf(out, "write(%s, ", a->path);
	buf_add_quoted(out, a->text);
	buf_addf(out, ") unless %s is up", a->bridge);
}

static void by_hand_bridge_sysctl(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_bridge_sysctl_args *a = args;

	(void)p;
	buf_addf(out, "sysctl -w %s=%s", a->path + strlen("/proc/sys/"), a->text);
}

const struct op op_bridge_sysctl = { .name = "write", .man = "write(2)", .compound = true,
				     .act = act_bridge_sysctl, .show = show_bridge_sysctl,
				     .by_hand = by_hand_bridge_sysctl };

static int act_forward(struct run *r, const void *args, struct err *e)
{
	const struct op_forward_args *a = args;

	(void)r;
	return network_ensure_forward(a->network, e);
}

static bool forwards_ipv4(const struct network *n)
{
	return n->prefix || network_is_default(n);
}

static void show_forward(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_forward_args *a = args;

	(void)p;
	if (forwards_ipv4(a->network))
		buf_add(out, "write(/proc/sys/net/ipv4/ip_forward, \"1\") unless it is");
	if (a->network->prefix6)
		buf_addf(out, "%swrite(/proc/sys/net/ipv6/conf/all/forwarding, \"1\") unless it is",
			 forwards_ipv4(a->network) ? ", " : "");
}

static void by_hand_forward(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_forward_args *a = args;

	(void)p;
	buf_addf(out, "sysctl -w%s%s", forwards_ipv4(a->network) ? " net.ipv4.ip_forward=1" : "",
		 a->network->prefix6 ? " net.ipv6.conf.all.forwarding=1" : "");
}

const struct op op_forward = { .name = "ensure_forward", .man = "ip(7)", .compound = true,
			       .act = act_forward, .show = show_forward,
			       .by_hand = by_hand_forward };

static int act_firewall(struct run *r, const void *args, struct err *e)
{
	const struct op_firewall_args *a = args;

	(void)r;
	return network_ensure_firewall(a->network, a->owner, e);
}

static void show_firewall(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_firewall_args *a = args;

	buf_addf(out, "nfnetlink batch: into the sets of inet kist and bridge kist: { %s . ",
		 a->network->interface);
	plan_show_slot(out, p, a->address_slot);
	buf_add_char(out, '/');
	plan_show_slot(out, p, a->prefix_slot);
	buf_add(out, " }, its interface with its MAC, its published ports; both tables unless they are there");
}

/* The rules never change; `nft list ruleset` has them. */
static void by_hand_firewall(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_firewall_args *a = args;
	const char *b = a->network->interface;
	char s[CIDR_TEXT];

	(void)p;
	cidr_format(a->likely.address, a->likely.prefix, s);
	buf_addf(out,
		 "nft 'add element inet kist bridges { %s }; "
		 "add element inet kist within { %s . %s }; "
		 "add element inet kist subnets4 { %s }; "
		 "add element inet kist members4 { %s . '$ADDRESS' }; "
		 "add element bridge kist pins4 { '$VETH' . '$MAC' . '$ADDRESS' }; "
		 "add element bridge kist guarded { '$VETH' }'",
		 b, b, b, s, b);
}

const struct op op_firewall = { .name = "ensure_nft_table", .man = "nft(8)", .compound = true,
				.act = act_firewall, .show = show_firewall,
				.by_hand = by_hand_firewall };

/* --- the container's own interface --------------------------------------------------- */

/* The record's, or that of the address; the low half of an IPv6 address is all that a MAC takes. */
static void mac_of(const struct endpoint *ep, uint32_t address, uint32_t host6, uint8_t mac[6])
{
	static const uint8_t none[6];

	if (memcmp(ep->mac, none, sizeof none) != 0)
		memcpy(mac, ep->mac, sizeof none);
	else
		net_mac(address ? address : host6, mac);
}

static int act_veth(struct run *r, const void *args, struct err *e)
{
	const struct op_veth_args *a = args;
	const char *name = a->endpoint->host_if, *inside = a->endpoint->interface;
	int rtnl = run_slot(r, a->rtnl_slot), result;
	struct link_info link;
	struct nl_batch b;
	uint8_t mac[6];

	/* The alias goes by name: it must not fall on an interface that was there before. */
	result = link_get(rtnl, name, &link, e);
	if (result == 0)
		return err_say(e, EEXIST, "the host has an interface %s already (alias \"%s\")", name,
			       link.alias);
	if (result != -ENODEV)
		return result;
	mac_of(a->endpoint, (uint32_t)run_slot(r, a->address_slot),
	       (uint32_t)run_slot(r, a->host6_slot), mac);
	nl_batch_init(&b);
	link_put_veth(&b, name, run_slot(r, a->master_slot), inside, mac, run_slot(r, a->netns_slot),
		      a->network->mtu);
	link_put_alias(&b, name, a->alias);
	if (a->network->isolated)
		link_put_isolated(&b, name);
	/* Nobody speaks to the port itself. Up comes last: what changes on an interface that is up has
	 * the kernel walk all routes of IPv6. */
	link_put_no_address6(&b, name);
	link_put_up(&b, name);
	result = nl_talk(rtnl, &b, NULL, NULL, e);
	if (result == -EAFNOSUPPORT) {
		err_clear(e);
		nl_batch_init(&b);
		link_put_up(&b, name);
		result = nl_talk(rtnl, &b, NULL, NULL, e);
	}
	if (result == -EOPNOTSUPP)
		err_fix(e, "the kernel lacks the module veth: modprobe veth, or use --net none");
	if (result == -EEXIST)
		err_fix(e, "the container's network namespace has an %s already", inside);
	return result < 0 ? err_wrap(e, "cannot make the veth pair %s, %s", name, inside) : 0;
}

static void show_veth(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_veth_args *a = args;
	const struct endpoint *ep = a->endpoint;

	plan_show_slot(out, p, a->rtnl_slot);
	buf_addf(out, " RTM_NEWLINK veth %s master ", ep->host_if);
	plan_show_slot(out, p, a->master_slot);
	buf_addf(out, " peer %s@", ep->interface);
	plan_show_slot(out, p, a->netns_slot);
	if (a->network->mtu)
		buf_addf(out, " mtu %d", a->network->mtu);
	buf_addf(out, "; RTM_SETLINK %s alias %s", ep->host_if, a->alias);
	if (a->network->isolated)
		buf_addf(out, "; RTM_NEWLINK %s isolated", ep->host_if);
	buf_addf(out, "; RTM_SETLINK %s addrgenmode none; RTM_SETLINK %s up", ep->host_if, ep->host_if);
}

static void by_hand_veth(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_veth_args *a = args;
	const char *name = a->endpoint->host_if;

	(void)p;
	buf_addf(out,
		 "ip link add %s master %s type veth peer name %s netns $PID && "
		 "ip link set %s up addrgenmode none alias ", name, a->network->interface, a->endpoint->interface, name);
	buf_add_shell(out, a->alias);
	if (a->network->isolated)
		buf_addf(out, " && bridge link set dev %s isolated on", name);
}

const struct op op_veth = { .name = "RTM_NEWLINK", .man = "veth(4)", .compound = true,
			    .act = act_veth, .show = show_veth, .by_hand = by_hand_veth };

static int act_macvlan(struct run *r, const void *args, struct err *e)
{
	const struct op_macvlan_args *a = args;
	const char *parent = a->network->interface, *inside = a->endpoint->interface;
	int rtnl = run_slot(r, a->rtnl_slot), result;
	struct link_info link;
	struct nl_batch b;
	uint8_t mac[6];

	result = link_get(rtnl, parent, &link, e);
	if (result == -ENODEV)
		return err_say(e, ENODEV, "network %s: the host has no interface %s", a->network->name,
			       parent);
	if (result < 0)
		return result;
	mac_of(a->endpoint, (uint32_t)run_slot(r, a->address_slot),
	       (uint32_t)run_slot(r, a->host6_slot), mac);
	nl_batch_init(&b);
	link_put_macvlan(&b, inside, link.index, mac, run_slot(r, a->netns_slot), a->network->mtu);
	result = nl_talk(rtnl, &b, NULL, NULL, e);
	if (result == -EOPNOTSUPP)
		err_fix(e, "the kernel lacks the module macvlan: modprobe macvlan");
	if (result == -EBUSY)
		err_fix(e, "%s is a bridge's port, or has macvlans of another kind", parent);
	return result < 0 ? err_wrap(e, "cannot make the macvlan %s of %s", inside, parent) : 0;
}

static void show_macvlan(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_macvlan_args *a = args;

	plan_show_slot(out, p, a->rtnl_slot);
	buf_addf(out, " RTM_NEWLINK macvlan %s@", a->endpoint->interface);
	plan_show_slot(out, p, a->netns_slot);
	buf_addf(out, " link %s mode bridge", a->network->interface);
}

static void by_hand_macvlan(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_macvlan_args *a = args;

	(void)p;
	buf_addf(out, "ip link add %s link %s netns $PID type macvlan mode bridge",
		 a->endpoint->interface, a->network->interface);
}

const struct op op_macvlan = { .name = "RTM_NEWLINK", .man = "rtnetlink(7)", .compound = true,
			       .act = act_macvlan, .show = show_macvlan,
			       .by_hand = by_hand_macvlan };
