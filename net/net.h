/*
 * net.h - a container's network: what runtime/ needs of this folder.
 *
 * The builders are pure. What they leave in the world is taken back by two
 * undo kinds, in this order: the container's interface, then its lease; with
 * the last lease go the bridge, the firewall table and forwarding.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/host.h"
#include "base/json.h"
#include "base/plan.h"

enum net_mode {
	NET_NONE,   /* a network namespace of its own, with nothing but loopback */
	NET_BRIDGE, /* eth0 on the default network: an address, a route, NAT */
	NET_HOST,   /* the host's network namespace */
};

struct net_spec {
	enum net_mode mode;
	/* What sets containers of one id apart: the state root's path, when it isn't the default
	 * one; else NULL. Two state roots may then both have a container "web". */
	const char *realm;
	uint32_t subnet; /* IPv4, host byte order */
	int prefix;      /* of the subnet; 0: kist chooses */
};

/* "none", "bridge", "host". */
int net_mode_parse(const char *text, enum net_mode *ret, struct err *e);
/* Whether the host and the caller can have this; before the plan is built. */
int net_check(const struct net_spec *s, const struct host *h, struct err *e);

/* GUEST: loopback up, in a network namespace that is the guest's own and new. */
void net_plan_loopback(struct plan *p);
/* HOST: all of NET_BRIDGE; nothing for the other modes. The guest exists: its namespace is opened
 * below SLOT_GUEST_PROC; nothing of it has run yet. */
void net_plan_attach(struct plan *p, const struct net_spec *s, const struct host *h,
		     const char *id);

/* Who an address or interface belongs to: the id, or "id@1a2b3c4d" in a realm. Long ids are cut
 * and end in a hash. Text in the arena. */
const char *net_owner(struct arena *a, const char *id, const char *realm);

extern const struct undo_kind net_undo_veth, net_undo_lease;
/* All of them, NULL-terminated, for the registry that replays intents. */
extern const struct undo_kind *const net_undo_kinds[];

/* The address `owner` (net_owner) has, in host byte order. 1 found, 0 none, -errno. */
int net_lease_lookup(const char *owner, uint32_t *ret_address);
