/*
 * firewall_tables.h - what the tables hold, as messages: shared by firewall*.c alone.
 */
#pragma once
#include "net/firewall.h"
#include "net/nft_message.h"

/* The table's comment begins with this: the mark that kist made it. */
#define FIREWALL_MARK "kist network"
/* For a kernel without tables of the bridge family. */
#define FIREWALL_NO_BRIDGE FIREWALL_MARK "s, without the bridge's guards"
#define FIREWALL_COMMENT   FIREWALL_MARK "s"

enum firewall_set {
	SET_BRIDGES,  /* interface names of kist's bridges */
	SET_WITHIN,   /* those whose containers reach one another */
	SET_INTERNAL, /* those without a way out */
	SET_SUBNETS4, /* addresses of containers */
	SET_SUBNETS6,
	SET_MEMBERS4, /* which address a packet from which bridge may have */
	SET_MEMBERS6,
	SET_PUBLISHED4, /* ports published on one address of the host, and where they lead */
	SET_PUBLISHED6,
	SET_ANYWHERE4, /* ports published on all of them */
	SET_ANYWHERE6,
	SET_GUARDED, /* bridge: interfaces of containers */
	SET_PINS4, /* bridge: which MAC and address may come from which interface */
	SET_PINS6,
	SET_COUNT,
};
extern const struct nft_set firewall_sets[SET_COUNT];

/* Sets, chains and rules of the family's table, which is empty. */
void firewall_put_rules(struct nl_batch *b, int family);
/* The elements of a network, of an endpoint; those of the bridge family only if `bridge`. */
void firewall_put_network(struct nl_batch *b, const struct network *n, bool remove);
void firewall_put_endpoint(struct nl_batch *b, const struct network *n, const struct endpoint *ep,
			   bool bridge, bool remove);
/* The endpoint's network among these, or NULL. */
const struct network *firewall_network_of(const struct endpoint *ep, const struct network *networks,
					  size_t count);
/* Whether the tables there were made with the bridge's guards; there are none: yes. */
bool firewall_has_bridge(void);
/* firewall_replace()'s transaction. */
void firewall_put_all(struct nl_batch *b, const struct network *networks, size_t network_count,
		      const struct endpoint *endpoints, size_t endpoint_count, bool bridge);
