/*
 * ops.h - the network's ops: one netlink message, one socket, one sysctl each.
 *
 * Numbers only the run knows (the address, an interface's index) are in slots.
 * An address is held in host byte order.
 */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/plan.h"

struct op_netns_open_args { /* ns/net below /proc/PID */
	int proc_slot, netns_slot;
};
struct op_rtnl_open_args {
	int netns_slot; /* -1: here */
	int rtnl_slot;
};
struct op_sysctl_in_args { /* a file of /proc/sys/net as another namespace has it */
	int netns_slot;
	const char *path, *text;
};
struct op_link_index_args {
	int rtnl_slot, index_slot;
	const char *name;
};
struct op_link_up_args {
	int rtnl_slot;
	const char *name;
	bool inside; /* the container */
};
struct op_address_args {
	int rtnl_slot, index_slot, address_slot, prefix_slot;
	const char *name;    /* of the interface, for people */
	bool gateway;        /* the subnet's gateway instead of the leased address */
	uint32_t fixed;      /* the gateway, when it is known; 0: the subnet's first address */
	uint32_t likely;     /* what a shell line should say */
	int likely_prefix;
};
struct op_route_args {
	int rtnl_slot, index_slot, address_slot, prefix_slot;
	uint32_t fixed, likely;
};
struct op_address6_args { /* number `host` of the subnet, or `fixed` if that is one */
	int rtnl_slot, index_slot, host_slot;
	const char *name;
	struct in6_addr subnet, fixed;
	int prefix;
	bool inside;
};
struct op_route6_args {
	int rtnl_slot, index_slot;
	struct in6_addr gateway;
};

extern const struct op op_netns_open, op_rtnl_open, op_sysctl_in, op_link_index, op_link_up,
	op_address, op_route, op_address6, op_route6, op_loopback;
