/*
 * link.c - rtnetlink(7) messages: interfaces, addresses, routes.
 */
#include "net/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>

#include "net/address.h"

#define DUMP_TRIES 20
/* Wider routes are a default route in pieces (0.0.0.0/1, as VPN clients set), not a network. */
#define ROUTE_PREFIX_MIN 8

char *ipv4_format(uint32_t address, char text[IPV4_TEXT])
{
	snprintf(text, IPV4_TEXT, "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
		 address >> 8 & 255, address & 255);
	return text;
}

uint32_t ipv4_mask(int prefix)
{
	return prefix <= 0 ? 0 : 0xffffffffu << (32 - prefix);
}

static struct ifinfomsg *begin_link(struct nl_batch *b, uint16_t type, uint16_t flags,
				    struct nlmsghdr **ret)
{
	struct ifinfomsg *info;

	*ret = nl_begin(b, type, flags | NLM_F_ACK);
	info = nl_extra_header(*ret, sizeof *info);
	info->ifi_family = AF_UNSPEC;
	return info;
}

static void put_mtu(struct nlmsghdr *m, int mtu)
{
	if (mtu)
		nl_put_u32(m, IFLA_MTU, (uint32_t)mtu);
}

void link_put_bridge(struct nl_batch *b, const char *name, const uint8_t mac[6], int mtu)
{
	const uint16_t reserved = LINK_FORWARD_RESERVED;
	const uint8_t off = 0;
	struct nlmsghdr *m;
	struct nlattr *kind, *data;

	begin_link(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &m);
	nl_put_string(m, IFLA_IFNAME, name);
	/* Pinned: else a bridge takes the lowest address of its ports and changes as they come. */
	nl_put(m, IFLA_ADDRESS, 6, mac);
	put_mtu(m, mtu);
	kind = nl_nest_begin(m, IFLA_LINKINFO);
	nl_put_string(m, IFLA_INFO_KIND, "bridge");
	/* Without snooping no container can have the bridge believe that there is a querier, upon which
	 * its neighbours, who report nothing, would miss multicast; nor is there a table to be filled. */
	data = nl_nest_begin(m, IFLA_INFO_DATA);
	nl_put(m, IFLA_BR_MCAST_SNOOPING, sizeof off, &off);
	nl_put(m, IFLA_BR_GROUP_FWD_MASK, sizeof reserved, &reserved);
	/* Where a container is never changes: what is meant for one that is silent for minutes goes to
	 * it alone, and not to all. */
	nl_put_u32(m, IFLA_BR_AGEING_TIME, LINK_AGEING);
	nl_nest_end(m, data);
	nl_nest_end(m, kind);
	nl_end(b, m);
}

void link_put_veth(struct nl_batch *b, const char *name, int master, const char *peer,
		   const uint8_t peer_mac[6], int netns_fd, int mtu)
{
	struct nlmsghdr *m;
	struct nlattr *kind, *data, *other;

	begin_link(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &m);
	nl_put_string(m, IFLA_IFNAME, name);
	nl_put_u32(m, IFLA_MASTER, (uint32_t)master);
	put_mtu(m, mtu);
	kind = nl_nest_begin(m, IFLA_LINKINFO);
	nl_put_string(m, IFLA_INFO_KIND, "veth");
	data = nl_nest_begin(m, IFLA_INFO_DATA);
	other = nl_nest_begin(m, VETH_INFO_PEER);
	nl_extra_header(m, sizeof(struct ifinfomsg));
	nl_put_string(m, IFLA_IFNAME, peer);
	nl_put(m, IFLA_ADDRESS, 6, peer_mac);
	put_mtu(m, mtu);
	nl_put_u32(m, IFLA_NET_NS_FD, (uint32_t)netns_fd);
	nl_nest_end(m, other);
	nl_nest_end(m, data);
	nl_nest_end(m, kind);
	nl_end(b, m);
}

void link_put_macvlan(struct nl_batch *b, const char *name, int parent, const uint8_t mac[6],
		      int netns_fd, int mtu)
{
	struct nlmsghdr *m;
	struct nlattr *kind, *data;

	begin_link(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &m);
	nl_put_string(m, IFLA_IFNAME, name);
	nl_put(m, IFLA_ADDRESS, 6, mac);
	put_mtu(m, mtu);
	nl_put_u32(m, IFLA_LINK, (uint32_t)parent);
	nl_put_u32(m, IFLA_NET_NS_FD, (uint32_t)netns_fd);
	kind = nl_nest_begin(m, IFLA_LINKINFO);
	nl_put_string(m, IFLA_INFO_KIND, "macvlan");
	data = nl_nest_begin(m, IFLA_INFO_DATA);
	nl_put_u32(m, IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE);
	nl_nest_end(m, data);
	nl_nest_end(m, kind);
	nl_end(b, m);
}

void link_put_isolated(struct nl_batch *b, const char *name)
{
	const uint8_t on = 1;
	struct nlmsghdr *m;
	struct nlattr *info, *port;

	begin_link(b, RTM_NEWLINK, 0, &m);
	nl_put_string(m, IFLA_IFNAME, name);
	info = nl_nest_begin(m, IFLA_LINKINFO);
	nl_put_string(m, IFLA_INFO_SLAVE_KIND, "bridge");
	port = nl_nest_begin(m, IFLA_INFO_SLAVE_DATA);
	nl_put(m, IFLA_BRPORT_ISOLATED, sizeof on, &on);
	nl_nest_end(m, port);
	nl_nest_end(m, info);
	nl_end(b, m);
}

void link_put_alias(struct nl_batch *b, const char *name, const char *alias)
{
	struct nlmsghdr *m;

	begin_link(b, RTM_SETLINK, 0, &m);
	nl_put_string(m, IFLA_IFNAME, name);
	nl_put_text(m, IFLA_IFALIAS, alias);
	nl_end(b, m);
}

void link_put_no_address6(struct nl_batch *b, const char *name)
{
	const uint8_t none = IN6_ADDR_GEN_MODE_NONE;
	struct nlmsghdr *m;
	struct nlattr *families, *six;

	begin_link(b, RTM_SETLINK, 0, &m);
	nl_put_string(m, IFLA_IFNAME, name);
	families = nl_nest_begin(m, IFLA_AF_SPEC);
	six = nl_nest_begin(m, AF_INET6);
	nl_put(m, IFLA_INET6_ADDR_GEN_MODE, sizeof none, &none);
	nl_nest_end(m, six);
	nl_nest_end(m, families);
	nl_end(b, m);
}

void link_put_up(struct nl_batch *b, const char *name)
{
	struct nlmsghdr *m;
	struct ifinfomsg *info = begin_link(b, RTM_SETLINK, 0, &m);

	info->ifi_flags = info->ifi_change = IFF_UP;
	nl_put_string(m, IFLA_IFNAME, name);
	nl_end(b, m);
}

static void put_up_or_down(struct nl_batch *b, int index, unsigned flags)
{
	struct nlmsghdr *m;
	struct ifinfomsg *info = begin_link(b, RTM_SETLINK, 0, &m);

	info->ifi_index = index;
	info->ifi_flags = flags;
	info->ifi_change = IFF_UP;
	nl_end(b, m);
}

void link_put_up_index(struct nl_batch *b, int index)
{
	put_up_or_down(b, index, IFF_UP);
}

void link_put_down(struct nl_batch *b, int index)
{
	put_up_or_down(b, index, 0);
}

void link_put_name(struct nl_batch *b, int index, const char *name)
{
	struct nlmsghdr *m;
	struct ifinfomsg *info = begin_link(b, RTM_SETLINK, 0, &m);

	info->ifi_index = index;
	nl_put_string(m, IFLA_IFNAME, name);
	nl_end(b, m);
}

void link_put_master(struct nl_batch *b, int index, int master)
{
	struct nlmsghdr *m;

	begin_link(b, RTM_SETLINK, 0, &m)->ifi_index = index;
	nl_put_u32(m, IFLA_MASTER, (uint32_t)master);
	nl_end(b, m);
}

void link_put_move(struct nl_batch *b, int index, int netns_fd, const char *name, int new_index)
{
	struct nlmsghdr *m;

	/* By index: then a name asks for a change of it, also if it could stay. */
	begin_link(b, RTM_SETLINK, 0, &m)->ifi_index = index;
	nl_put_u32(m, IFLA_NET_NS_FD, (uint32_t)netns_fd);
	nl_put_string(m, IFLA_IFNAME, name);
	nl_put_u32(m, IFLA_NEW_IFINDEX, (uint32_t)new_index);
	nl_end(b, m);
}

void link_put_delete(struct nl_batch *b, int index)
{
	struct nlmsghdr *m;

	begin_link(b, RTM_DELLINK, 0, &m)->ifi_index = index;
	nl_end(b, m);
}

void link_put_address(struct nl_batch *b, int index, uint32_t address, int prefix)
{
	struct nlmsghdr *m = nl_begin(b, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
	struct ifaddrmsg *info = nl_extra_header(m, sizeof *info);

	info->ifa_family = AF_INET;
	info->ifa_prefixlen = (uint8_t)prefix;
	info->ifa_index = (uint32_t)index;
	nl_put_u32(m, IFA_LOCAL, htonl(address));
	nl_put_u32(m, IFA_ADDRESS, htonl(address));
	nl_put_u32(m, IFA_BROADCAST, htonl(address | ~ipv4_mask(prefix)));
	nl_end(b, m);
}

void link_put_address6(struct nl_batch *b, int index, const struct in6_addr *address, int prefix)
{
	struct nlmsghdr *m = nl_begin(b, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
	struct ifaddrmsg *info = nl_extra_header(m, sizeof *info);

	info->ifa_family = AF_INET6;
	info->ifa_prefixlen = (uint8_t)prefix;
	info->ifa_index = (uint32_t)index;
	/* Kist's store says that nobody else has it: usable at once. */
	info->ifa_flags = IFA_F_NODAD;
	nl_put(m, IFA_LOCAL, sizeof *address, address);
	nl_put(m, IFA_ADDRESS, sizeof *address, address);
	nl_end(b, m);
}

void link_put_default_route6(struct nl_batch *b, int index, const struct in6_addr *gateway)
{
	struct nlmsghdr *m = nl_begin(b, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
	struct rtmsg *route = nl_extra_header(m, sizeof *route);

	route->rtm_family = AF_INET6;
	route->rtm_table = RT_TABLE_MAIN;
	route->rtm_protocol = RTPROT_STATIC;
	route->rtm_scope = RT_SCOPE_UNIVERSE;
	route->rtm_type = RTN_UNICAST;
	nl_put(m, RTA_GATEWAY, sizeof *gateway, gateway);
	nl_put_u32(m, RTA_OIF, (uint32_t)index);
	nl_end(b, m);
}

void link_put_default_route(struct nl_batch *b, int index, uint32_t gateway)
{
	struct nlmsghdr *m = nl_begin(b, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
	struct rtmsg *route = nl_extra_header(m, sizeof *route);

	route->rtm_family = AF_INET;
	route->rtm_table = RT_TABLE_MAIN;
	route->rtm_protocol = RTPROT_STATIC;
	route->rtm_scope = RT_SCOPE_UNIVERSE;
	route->rtm_type = RTN_UNICAST;
	nl_put_u32(m, RTA_GATEWAY, htonl(gateway));
	nl_put_u32(m, RTA_OIF, (uint32_t)index);
	nl_end(b, m);
}

static void copy_string(const struct nlattr *attr, char *text, size_t size)
{
	if (nl_attr_is_string(attr))
		snprintf(text, size, "%s", nl_attr_string(attr));
}

static bool says_isolated(const struct nlattr *port)
{
	const struct nlattr *attr;

	nl_for_each_in(attr, port)
		if (nl_attr_type(attr) == IFLA_BRPORT_ISOLATED && nl_attr_len(attr) == 1)
			return *(const uint8_t *)nl_attr_payload(attr) != 0;
	return false;
}

static void take_kind(const struct nlattr *attr, struct link_info *link)
{
	const struct nlattr *inner;

	nl_for_each_in(inner, attr) {
		if (nl_attr_type(inner) == IFLA_INFO_KIND)
			copy_string(inner, link->kind, sizeof link->kind);
		if (nl_attr_type(inner) == IFLA_INFO_SLAVE_DATA)
			link->isolated = says_isolated(inner);
	}
}

static int take_link(const struct nlmsghdr *m, void *user)
{
	struct link_info *link = user;
	const struct ifinfomsg *info = nl_payload(m);
	const struct nlattr *attr;

	if (m->nlmsg_type != RTM_NEWLINK || nl_payload_len(m) < sizeof *info)
		return 0;
	link->index = info->ifi_index;
	link->flags = info->ifi_flags;
	nl_for_each(attr, m, sizeof *info) {
		if (nl_attr_type(attr) == IFLA_IFALIAS)
			copy_string(attr, link->alias, sizeof link->alias);
		if (nl_attr_type(attr) == IFLA_QDISC)
			copy_string(attr, link->qdisc, sizeof link->qdisc);
		if (nl_attr_type(attr) == IFLA_ADDRESS &&
		    nl_attr_len(attr) == sizeof link->mac)
			memcpy(link->mac, nl_attr_payload(attr), sizeof link->mac);
		if (nl_attr_type(attr) == IFLA_MASTER && nl_attr_is_u32(attr))
			link->master = (int)nl_attr_u32(attr);
		if (nl_attr_type(attr) == IFLA_LINKINFO)
			take_kind(attr, link);
	}
	return 0;
}

static int get_link(int fd, const char *name, int index, struct link_info *ret, struct err *e)
{
	struct link_info link = { 0 };
	struct nl_batch b;
	struct nlmsghdr *m;
	struct err scratch = ERR_INIT;
	int r;

	nl_batch_init(&b);
	begin_link(&b, RTM_GETLINK, 0, &m)->ifi_index = index;
	if (name)
		nl_put_string(m, IFLA_IFNAME, name);
	nl_put_u32(m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	nl_end(&b, m);
	r = nl_talk(fd, &b, take_link, &link, &scratch);
	if (r == -ENODEV)
		return r;
	if (r < 0) {
		if (e)
			*e = scratch;
		return err_wrap(e, "cannot look up interface %s", name ? name : "by its index");
	}
	*ret = link;
	return 0;
}

int link_get(int fd, const char *name, struct link_info *ret, struct err *e)
{
	return get_link(fd, name, 0, ret, e);
}

int link_get_index(int fd, int index, struct link_info *ret, struct err *e)
{
	return get_link(fd, NULL, index, ret, e);
}

struct overlap {
	uint32_t subnet;
	int prefix;
	int but;
	bool found;
	char *what; /* 96 bytes */
};

static void compare(struct overlap *o, const char *kind, uint32_t address, int prefix, int oif)
{
	uint32_t mask = ipv4_mask(prefix < o->prefix ? prefix : o->prefix);
	char text[IPV4_TEXT], device[IFNAMSIZ];

	if (o->found || prefix < ROUTE_PREFIX_MIN || (oif && oif == o->but) ||
	    (address & mask) != (o->subnet & mask))
		return;
	o->found = true;
	if (oif && if_indextoname((unsigned)oif, device))
		snprintf(o->what, 96, "%s %s/%d on %s", kind, ipv4_format(address, text), prefix,
			 device);
	else
		snprintf(o->what, 96, "%s %s/%d", kind, ipv4_format(address, text), prefix);
}

static int take_route(const struct nlmsghdr *m, void *user)
{
	const struct rtmsg *route = nl_payload(m);
	const struct nlattr *attr;
	uint32_t to = 0;
	int oif = 0;

	if (m->nlmsg_type != RTM_NEWROUTE || nl_payload_len(m) < sizeof *route ||
	    route->rtm_family != AF_INET)
		return 0;
	nl_for_each(attr, m, sizeof *route) {
		if (!nl_attr_is_u32(attr))
			continue;
		if (nl_attr_type(attr) == RTA_DST)
			to = ntohl(nl_attr_u32(attr));
		if (nl_attr_type(attr) == RTA_OIF)
			oif = (int)nl_attr_u32(attr);
	}
	compare(user, "route", to, route->rtm_dst_len, oif);
	return 0;
}

static int take_address(const struct nlmsghdr *m, void *user)
{
	const struct ifaddrmsg *info = nl_payload(m);
	const struct nlattr *attr;

	if (m->nlmsg_type != RTM_NEWADDR || nl_payload_len(m) < sizeof *info ||
	    info->ifa_family != AF_INET)
		return 0;
	nl_for_each(attr, m, sizeof *info)
		if (nl_attr_type(attr) == IFA_ADDRESS &&
		    nl_attr_is_u32(attr))
			compare(user, "address", ntohl(nl_attr_u32(attr)),
				info->ifa_prefixlen, (int)info->ifa_index);
	return 0;
}

static int dump(int fd, uint16_t type, size_t header, nl_row row, struct overlap *o, struct err *e)
{
	int r = -EAGAIN;

	/* Somebody else changing routes interrupts a dump (NLM_F_DUMP_INTR): read it anew. */
	for (int i = 0; i < DUMP_TRIES && r == -EAGAIN; i++) {
		struct nl_batch b;
		struct nlmsghdr *m;

		o->found = false;
		err_clear(e);
		nl_batch_init(&b);
		m = nl_begin(&b, type, NLM_F_DUMP);
		*(unsigned char *)nl_extra_header(m, header) = AF_INET;
		nl_end(&b, m);
		r = nl_talk(fd, &b, row, o, e);
	}
	return r;
}

int route_find_overlap(int fd, uint32_t subnet, int prefix, int but, char what[96], struct err *e)
{
	struct overlap o = { .subnet = subnet, .prefix = prefix, .but = but, .what = what };
	/* Addresses first: they explain the routes they bring. */
	int r = dump(fd, RTM_GETADDR, sizeof(struct ifaddrmsg), take_address, &o, e);

	if (r == 0 && !o.found)
		r = dump(fd, RTM_GETROUTE, sizeof(struct rtmsg), take_route, &o, e);
	if (r < 0)
		return err_wrap(e, "cannot read the host's routes");
	return o.found;
}

/* --- the same in IPv6 ------------------------------------------------------------- */

struct overlap6 {
	const struct in6_addr *subnet;
	int prefix;
	bool found;
	char *what;
};

static void compare6(struct overlap6 *o, const char *kind, const struct in6_addr *address, int prefix)
{
	char text[CIDR_TEXT];

	if (o->found || prefix < ROUTE_PREFIX_MIN ||
	    !in6_same_subnet(address, o->subnet, prefix < o->prefix ? prefix : o->prefix))
		return;
	o->found = true;
	snprintf(o->what, 96, "%s %s", kind, cidr6_format(address, prefix, text));
}

static int take_route6(const struct nlmsghdr *m, void *user)
{
	const struct rtmsg *route = nl_payload(m);
	const struct nlattr *attr;
	struct in6_addr to = { 0 };

	/* Multicast and local routes come by themselves (ff00::/8, fe80::/64, one of each address). */
	if (m->nlmsg_type != RTM_NEWROUTE || nl_payload_len(m) < sizeof *route ||
	    route->rtm_family != AF_INET6)
		return 0;
	nl_for_each(attr, m, sizeof *route)
		if (nl_attr_type(attr) == RTA_DST && nl_attr_len(attr) == sizeof to)
			memcpy(&to, nl_attr_payload(attr), sizeof to);
	compare6(user, "route", &to, route->rtm_dst_len);
	return 0;
}

int route6_find_overlap(int fd, const struct in6_addr *subnet, int prefix, char what[96], struct err *e)
{
	struct overlap6 o = { .subnet = subnet, .prefix = prefix, .what = what };
	int r = -EAGAIN;

	for (int i = 0; i < DUMP_TRIES && r == -EAGAIN; i++) {
		struct nl_batch b;
		struct nlmsghdr *m;

		o.found = false;
		err_clear(e);
		nl_batch_init(&b);
		m = nl_begin(&b, RTM_GETROUTE, NLM_F_DUMP);
		((struct rtmsg *)nl_extra_header(m, sizeof(struct rtmsg)))->rtm_family = AF_INET6;
		nl_end(&b, m);
		r = nl_talk(fd, &b, take_route6, &o, e);
	}
	/* A kernel without IPv6 has no routes of it. */
	if (r == -EOPNOTSUPP || r == -EAFNOSUPPORT)
		return 0;
	return r < 0 ? err_wrap(e, "cannot read the host's routes") : o.found;
}
