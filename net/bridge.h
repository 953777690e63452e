/*
 * bridge.h - the default network `bridge`: what its containers share on the host.
 *
 * The interface kist0, forwarding and the firewall table come with the first
 * lease and go with the last, under the lease store's lock. The calls here say
 * "make it so": each is right when nothing is there, when all is there, and
 * after a kill -9 half way. Must not touch what kist did not make.
 */
#pragma once
#include <stdint.h>
#include "base/err.h"

#define NET_BRIDGE_NAME  "kist0"
#define NET_NETWORK      "bridge"
#define NET_ALIAS        "kist"  /* ifalias of the bridge: the mark of ownership */
#define NET_ALIAS_PREFIX "kist:" /* of a container's interface, then its owner */

/* What kist tries, in this order, when nobody says which subnet. */
struct subnet {
	uint32_t address; /* host byte order */
	int prefix;
};
#define NET_CANDIDATES 5
extern const struct subnet net_candidates[NET_CANDIDATES];

/* The gateway is the subnet's first address. */
uint32_t net_gateway(uint32_t address, int prefix);
/* A MAC that belongs to the address: whoever gets the address later is right in every ARP cache. */
void net_mac(uint32_t address, uint8_t mac[6]);

/* Leases an address to `owner`; the first lease chooses a subnet no route or address of the host
 * overlaps: `wanted`, or with wanted->prefix 0 the first free candidate. */
int network_lease(const char *owner, const struct subnet *wanted, uint32_t *ret_address,
		  int *ret_prefix, struct err *e);
/* kist0, down or up, without its address. An interface of that name that kist did not make is
 * -EEXIST. */
int network_ensure_bridge(int rtnl, uint32_t gateway, int *ret_index, struct err *e);
/* net.ipv4.ip_forward = 1, and a note when it was 0. */
int network_ensure_forward(struct err *e);
/* The table inet kist. */
int network_ensure_table(uint32_t subnet, int prefix, struct err *e);
/* Gives the lease back; when it was the last one, takes back all of the above. */
int network_leave(const char *owner, struct err *e);
