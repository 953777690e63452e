/*
 * attach_ops.h - what happens to a network as a whole when a container joins it, and the container's
 * own interface: compound ops of attach.c's plan.
 */
#pragma once
#include "base/plan.h"
#include "net/bridge.h"

struct op_join_args { /* an address of each family, and the record */
	const struct network *network;
	struct network_wish wish;
	const struct endpoint *endpoint; /* but for what the run knows */
	bool into_running;
	int guest_rtnl_slot;
	int address_slot, prefix_slot, host6_slot;
};
struct op_bridge_args {
	const struct network *network;
	int rtnl_slot, address_slot, prefix_slot, index_slot, up_slot;
};
struct op_bridge_sysctl_args {
	const char *bridge, *path, *text;
	int up_slot;
};
struct op_forward_args {
	const struct network *network;
};
struct op_firewall_args {
	const struct network *network;
	const char *owner;
	int address_slot, prefix_slot;
	struct subnet likely;
};
struct op_veth_args {
	const struct network *network;
	const struct endpoint *endpoint;
	int rtnl_slot, netns_slot, address_slot, host6_slot, master_slot;
	const char *alias;
};
struct op_macvlan_args {
	const struct network *network;
	const struct endpoint *endpoint;
	int rtnl_slot, netns_slot, address_slot, host6_slot;
};
struct op_settle_args {
	const char *network, *owner;
};
extern const struct op op_join, op_bridge, op_bridge_sysctl, op_forward, op_firewall, op_veth,
	op_macvlan, op_settle;
