/*
 * link.h - rtnetlink(7) messages: interfaces, addresses, routes.
 *
 * link_put_*() append one message to a batch and are pure; link_get() and
 * route_find_overlap() ask. Addresses are IPv4, in host byte order.
 */
#pragma once
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include "base/err.h"
#include "net/netlink.h"

#define LINK_ALIAS_MAX 256 /* with the NUL: IFALIASZ */

struct link_info {
	int index, master;
	unsigned flags; /* IFF_* */
	uint8_t mac[6];
	bool isolated; /* as a bridge's port */
	char kind[IFNAMSIZ], qdisc[IFNAMSIZ];
	char alias[LINK_ALIAS_MAX];
};

/* -ENODEV without a record when there is none of that name. */
int link_get(int fd, const char *name, struct link_info *ret, struct err *e);
int link_get_index(int fd, int index, struct link_info *ret, struct err *e);
/* Of the addresses that no bridge forwards by itself (01:80:c2:00:00:03 to 0f) all: so they come to
 * the hook that stops them, and not past it to the host. Pause frames, STP and LACP can't be. */
#define LINK_FORWARD_RESERVED 0xfff8
#define LINK_AGEING	      100000000 /* hundredths of a second: all that IEEE 802.1Q allows */
#define LINK_BRIDGE_OPTIONS   "group_fwd_mask 0xfff8 ageing_time 100000000 mcast_snooping 0" /* ip(8)'s */
/* A bridge, down; -EEXIST when the name is taken. mtu 0, here and below: the kernel's. */
void link_put_bridge(struct nl_batch *b, const char *name, const uint8_t mac[6], int mtu);
/* A veth pair: `name` here, port of the bridge with index `master`; `peer` with `peer_mac`, both
 * down; the peer is born in the network namespace behind netns_fd: it never was in this one. */
void link_put_veth(struct nl_batch *b, const char *name, int master, const char *peer,
		   const uint8_t peer_mac[6], int netns_fd, int mtu);
/* A macvlan of the interface with index `parent`, born in another network namespace as `name`. */
void link_put_macvlan(struct nl_batch *b, const char *name, int parent, const uint8_t mac[6],
		      int netns_fd, int mtu);
/* A bridge's port that reaches no other such port. */
void link_put_isolated(struct nl_batch *b, const char *name);
void link_put_alias(struct nl_batch *b, const char *name, const char *alias);
/* It gives itself no link-local address. -EAFNOSUPPORT: the kernel has no IPv6. */
void link_put_no_address6(struct nl_batch *b, const char *name);
void link_put_up(struct nl_batch *b, const char *name);
/* A port of the bridge with index `master`. */
void link_put_master(struct nl_batch *b, int index, int master);
/* Another name; an interface that is up has to be down for that. */
void link_put_down(struct nl_batch *b, int index);
void link_put_name(struct nl_batch *b, int index, const char *name);
void link_put_up_index(struct nl_batch *b, int index);
/* Into the network namespace behind netns_fd, under another name and index there. */
void link_put_move(struct nl_batch *b, int index, int netns_fd, const char *name, int new_index);
void link_put_delete(struct nl_batch *b, int index);
void link_put_address(struct nl_batch *b, int index, uint32_t address, int prefix);
void link_put_default_route(struct nl_batch *b, int index, uint32_t gateway);
void link_put_address6(struct nl_batch *b, int index, const struct in6_addr *address, int prefix);
void link_put_default_route6(struct nl_batch *b, int index, const struct in6_addr *gateway);

/* Looks through all IPv4 routes and addresses for one that overlaps subnet/prefix, default routes
 * (and such as cover a 128th of the world or more) and those of interface `but` aside. 1 found,
 * described in `what`; 0 none; -errno. */
int route_find_overlap(int fd, uint32_t subnet, int prefix, int but, char what[96], struct err *e);

/* The same of IPv6 routes, those of addresses among them. */
int route6_find_overlap(int fd, const struct in6_addr *subnet, int prefix, char what[96],
			struct err *e);

/* "10.87.0.1" into text. Returns text. */
#define IPV4_TEXT 16
char *ipv4_format(uint32_t address, char text[IPV4_TEXT]);
uint32_t ipv4_mask(int prefix);
