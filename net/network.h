/*
 * network.h - a network: what `kist net create` defined, and the default one.
 *
 * A definition outlives boots: one JSON file each below network_root(), written
 * whole (tmp, fsync, rename). What a boot has of it (bridge, rules, leases) is
 * endpoint.h's and bridge.h's. The default network "bridge" has no file: its
 * subnet is chosen when the first container comes, and found in the lease store.
 * IPv4 addresses are in host byte order, IPv6 ones as in6_addr.
 */
#pragma once
#include <jansson.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define NETWORK_NAME_MAX	64 /* with the NUL; [a-zA-Z0-9][a-zA-Z0-9_.-]* */
#define NETWORK_ID_MAX		65 /* 64 hexadecimal digits and the NUL, as docker's */
#define NETWORK_LABELS_MAX	64
#define NETWORK_LABEL_KEY_MAX	256
#define NETWORK_LABEL_VALUE_MAX 65536
#define NETWORK_MTU_MIN		576 /* RFC 791; 1280 with IPv6 (RFC 8200) */
#define NETWORK_MTU_MAX		65535
#define NETWORK_BRIDGE_PREFIX	"kb"

enum network_driver { NETWORK_BRIDGE, NETWORK_MACVLAN };

struct network_label {
	char *key, *value; /* malloc'd: network_free() */
};

struct network {
	char name[NETWORK_NAME_MAX];
	char id[NETWORK_ID_MAX];
	enum network_driver driver;
	char interface[IFNAMSIZ]; /* the bridge: kist0, or kb and 12 digits of the id; macvlan: the
				     parent */
	uint32_t subnet, gateway;
	int prefix; /* 0: not chosen yet (the default network), or no IPv4 */
	struct in6_addr subnet6, gateway6;
	int prefix6;	 /* 0: no IPv6 */
	bool internal;	 /* no way out, no way in from outside, no default route */
	bool isolated;	 /* its containers do not reach one another */
	bool direct;	 /* what they send one another goes past the bridge: direct.h */
	int mtu;	 /* 0: the kernel's */
	int64_t created; /* ns since the epoch */
	struct network_label labels[NETWORK_LABELS_MAX];
	int label_count;
};

/* KIST_NETWORKS, or /var/lib/kist/net. */
const char *network_root(void);
bool network_is_default(const struct network *n);
/* Refuses what is no name, and names that mean something else. */
int network_check_name(const char *name, struct err *e);
/* Copies both; -EINVAL: too long, too many, or there already. */
int network_add_label(struct network *n, const char *key, const char *value, struct err *e);
void network_free(struct network *n);
#define _cleanup_network_ __attribute__((cleanup(network_free)))
void network_list_free(struct network *list, size_t count);

/* The default one, with the subnet it has at the moment in the caller's network namespace. */
int network_default(struct network *ret, struct err *e);
/* All of them, the default one first, then by name. Free with network_list_free(). */
int network_list(struct network **ret, size_t *count, struct err *e);
/* By name, or by the beginning of an id that only one has. -ENOENT, with a record. */
int network_find(const char *name_or_id, struct network *ret, struct err *e);
/*
 * Defines it. The caller has set name, driver, flags, labels, for macvlan the parent, and what it
 * wants of subnet/prefix, gateway, subnet6/prefix6 (`ipv6` with prefix6 0: kist chooses), gateway6;
 * with prefix 0 kist chooses an IPv4 subnet, unless `no_ipv4`. Filled in: all the rest. Nothing
 * that overlaps another network, a route or an address of the host.
 */
int network_create(struct network *n, bool ipv6, bool no_ipv4, struct err *e);
/* Forgets the definition of that name and id; whether it is in use is not looked at. */
int network_forget(const struct network *n, struct err *e);
/* Whether the definition, by name and id, is still there: 1, 0, -errno. The lock of the lease store
 * is held by whoever is about to use it, and by who removes it. */
int network_exists(const struct network *n);
/* The first network that overlaps the subnet (prefix, prefix6: 0 to leave a family out): 1 and its
 * name, 0, -errno. */
int network_find_overlap(uint32_t subnet, int prefix, const struct in6_addr *subnet6, int prefix6,
			 char ret_name[NETWORK_NAME_MAX], struct err *e);

/* network_json.c: the definition as kist keeps it. */
json_t *network_to_json(const struct network *n);
int network_from_json(const json_t *o, struct network *ret, struct err *e);
