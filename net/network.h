/*
 * network.h - a network: what `kist net create` defined, and the default one.
 *
 * A definition outlives boots: one JSON file each below network_root, written
 * whole (tmp, fsync, rename). What a boot has of it (bridge, rules, leases) is
 * endpoint.h's and bridge.h's. The default network "bridge" has no file until
 * somebody changes it: its subnet is chosen when the first container comes.
 * IPv4 addresses are in host byte order, IPv6 ones as in6_addr.
 */
#pragma once
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

#define NETWORK_NAME_MAX 64 /* with the NUL; [a-zA-Z0-9][a-zA-Z0-9_.-]* */
#define NETWORK_ID_MAX   65 /* 64 hexadecimal digits and the NUL, as docker's */
#define NETWORK_LABELS_MAX 64

enum network_driver { NETWORK_BRIDGE, NETWORK_MACVLAN };

struct network_label {
	char *key, *value;
};

struct network {
	char name[NETWORK_NAME_MAX];
	char id[NETWORK_ID_MAX];
	enum network_driver driver;
	char interface[IFNAMSIZ]; /* the bridge: kist0, or kb and 12 digits of the id; macvlan: the parent */
	uint32_t subnet, gateway;
	int prefix; /* 0: not chosen yet (the default network), or no IPv4 */
	struct in6_addr subnet6, gateway6;
	int prefix6;   /* 0: no IPv6 */
	bool internal; /* no way out, no way in from outside, no default route */
	bool isolated; /* its containers do not reach one another */
	int mtu;       /* 0: the kernel's */
	int64_t created; /* ns since the epoch */
	struct network_label labels[NETWORK_LABELS_MAX];
	int label_count;
};
