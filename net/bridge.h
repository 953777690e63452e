/*
 * bridge.h - what the containers of a network share on the host.
 *
 * A network's bridge, forwarding and the firewall come with the first lease and
 * go with the last, under the lease store's lock. The calls here say "make it
 * so": each is right when nothing is there, when all is there, and after a
 * kill -9 half way. Must not touch what kist did not make.
 */
#pragma once
#include <stdint.h>
#include "base/err.h"
#include "net/endpoint.h"
#include "net/link.h"
#include "net/network.h"

#define NET_BRIDGE_NAME  "kist0"
#define NET_NETWORK      "bridge"
#define NET_ALIAS        "kist"  /* ifalias of a bridge: the mark of ownership */
#define NET_ALIAS_PREFIX "kist:" /* of a container's interface, then its owner */

/* What kist tries, in this order, when nobody says which subnet the default network has. */
struct subnet {
	uint32_t address; /* host byte order */
	int prefix;
};
#define NET_CANDIDATES 5
extern const struct subnet net_candidates[NET_CANDIDATES];

/* The default network's gateway, and another's if nobody says, is the subnet's first address. */
uint32_t net_gateway(uint32_t address, int prefix);
/* A MAC that belongs to the address: whoever gets the address later is right in every ARP cache. */
void net_mac(uint32_t address, uint8_t mac[6]);
/* Of a container: its own choice, or that of its address. */
void net_endpoint_mac(uint32_t address, const struct in6_addr *address6, uint8_t mac[6]);

/* What a container wants of a network; zeros: whatever there is. */
struct network_wish {
	struct subnet subnet; /* of the default network, of the first who comes */
	uint32_t address;
	struct in6_addr address6;
};
/*
 * Leases `ep`'s owner an address of each family the network has, fills in ep's addresses and its MAC
 * (unless it has one), and puts the record. The first one on the network: no route or address of the
 * host may overlap the subnet, and the default network chooses it now. The network must still be
 * defined.
 */
int network_join(const struct network *n, const struct network_wish *wish, struct endpoint *ep,
		 int *ret_prefix, struct err *e);
/* The bridge, down or up, without its addresses. An interface of that name that kist did not make is
 * -EEXIST. `gateway`: of IPv4, 0 if it has none. */
int network_ensure_bridge(const struct network *n, int rtnl, uint32_t gateway,
			  struct link_info *ret, struct err *e);
/* The host forwards what the network's families are, and a note says what it did before. */
int network_ensure_forward(const struct network *n, struct err *e);
/* The two, by one who holds the store. */
int network_settle_bridge(const struct network *n, int rtnl, uint32_t gateway,
			  struct link_info *ret, struct err *e);
int network_settle_forward(const struct lease_store *s, const struct network *n, struct err *e);
/* The rules for one that has joined. */
int network_ensure_firewall(const struct network *n, const char *owner, struct err *e);
/* Its record stands on its own from here on. */
int network_settle(const char *network, const char *owner, struct err *e);
/* The record is the caller's to take away; should it die, anybody's. 1 found, 0 none. */
int network_unsettle(const char *network, const char *owner, struct endpoint *ret, struct err *e);
/* Gives lease and record back; with the last of a network its bridge, with the last of all the rest. */
int network_leave(const char *network, const char *owner, struct err *e);
/* Takes down what is left of a network that nobody has a lease of; the store is held. */
int network_sweep(struct lease_store *s, const char *network, struct err *e);
