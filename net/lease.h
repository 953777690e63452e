/*
 * lease.h - which container has which address: a small crash-safe store.
 *
 * A folder for each network namespace and boot, below lease_root; in it a lock
 * and a folder for each network. A record is a symlink whose target is its
 * text, never followed: one symlink(2) makes it whole or, when another has the
 * name, not at all, so there is no moment with half a lease.
 *
 *     /run/kist/.net/3f2a91c0-1/lock
 *     /run/kist/.net/3f2a91c0-1/ip_forward -> 0          what it was before kist
 *     /run/kist/.net/3f2a91c0-1/bridge/subnet -> 10.87.0.0/16
 *     /run/kist/.net/3f2a91c0-1/bridge/interface -> kist0
 *     /run/kist/.net/3f2a91c0-1/bridge/10.87.22.145 -> web
 *     /run/kist/.net/3f2a91c0-1/bridge/of-af63bd4c8601b7be -> 10.87.22.145
 *     /run/kist/.net/3f2a91c0-1/bridge/ep-af63bd4c8601b7be      endpoint.h's
 *     /run/kist/.net/3f2a91c0-1/back/fd41::1:22 -> web
 *     /run/kist/.net/3f2a91c0-1/back/of6-af63bd4c8601b7be -> fd41::1:22
 *
 * Nothing is synced to disk: a boot ends all namespaces, and their leases with
 * them; folders of earlier boots are removed. Everything is done under the
 * lock, which one process holds for one operation, never for a container's
 * life. Must not know of interfaces or firewalls.
 */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

#define LEASE_OWNER_MAX  200 /* with the NUL */
#define LEASE_PREFIX_MIN 8   /* of a subnet: at most this wide */
#define LEASE_PREFIX_MAX 30  /* at least gateway and one container */

/* Where the store is; only tests change it. Its parent's parent exists. */
extern const char *lease_root;

struct lease_store {
	int root;      /* fd of lease_root */
	int dir;       /* this namespace's folder */
	int lock;      /* flock(2) is held while open */
	char key[48];  /* the folder's name in lease_root */
};
#define LEASE_STORE_INIT { .root = -EBADF, .dir = -EBADF, .lock = -EBADF }

/* Opens and locks the store of the caller's network namespace. Without `make` an absent one is
 * -ENOENT with no record. */
int lease_store_open(struct lease_store *s, bool make, struct err *e);
/* Opens it without the lock, for one look; -ENOENT with no record. */
int lease_store_peek(struct lease_store *s, struct err *e);
/* Unlocks. */
void lease_store_close(struct lease_store *s);
#define _cleanup_lease_store_ __attribute__((cleanup(lease_store_close)))
/* Removes the folder of the store when it holds no record and no network. */
int lease_store_remove(struct lease_store *s, struct err *e);

/* A record of the namespace, such as "ip_forward". 1 read, 0 absent, -errno. */
int lease_note_get(const struct lease_store *s, const char *name, char *text, size_t size);
int lease_note_set(const struct lease_store *s, const char *name, const char *text);
int lease_note_remove(const struct lease_store *s, const char *name);

/* The network's subnet (host byte order). 1 set, 0 absent, -errno. */
int lease_subnet_get(const struct lease_store *s, const char *network, uint32_t *ret_subnet,
		     int *ret_prefix);
int lease_subnet_set(const struct lease_store *s, const char *network, uint32_t subnet, int prefix,
		     struct err *e);

/* The interface that the network has on the host. 1 read, 0 absent, -errno. */
int lease_interface_get(const struct lease_store *s, const char *network, char *name, size_t size);
int lease_interface_set(const struct lease_store *s, const char *network, const char *name);
/* Anything else that is known of a network in use; `set` replaces it. 1 read, 0 absent, -errno. */
int lease_network_note_get(const struct lease_store *s, const char *network, const char *name, char *text,
			   size_t size);
int lease_network_note_set(const struct lease_store *s, const char *network, const char *name,
			   const char *text);

/* Leases a free address to `owner`: not the subnet's own, not the first (the gateway), not the
 * broadcast address. The search begins at a place the owner's name gives, so that an address just
 * freed is seldom handed to another. -EEXIST when the owner has one; -ENOSPC when all are taken. */
int lease_take(const struct lease_store *s, const char *network, const char *owner, uint32_t subnet,
	       int prefix, uint32_t *ret, struct err *e);

struct lease_want {
	uint32_t subnet, gateway;
	int prefix;		   /* 0: no IPv4 */
	uint32_t address;	   /* 0: any */
	struct in6_addr subnet6, gateway6;
	int prefix6;		   /* 0: no IPv6 */
	struct in6_addr address6;  /* ::: any */
};
struct lease {
	uint32_t address;
	struct in6_addr address6;
};
/* The same in both families, and with an address of the owner's choice: -EADDRINUSE when another has
 * it. A free IPv6 address has the number of the IPv4 one in its low 32 bits, if it can. */
int lease_take_want(const struct lease_store *s, const char *network, const char *owner,
		    const struct lease_want *want, struct lease *ret, struct err *e);
/* 1 found, 0 none, -errno. */
int lease_find6(const struct lease_store *s, const char *network, const char *owner,
		struct in6_addr *ret);
/* 1 found, 0 none, -errno. */
int lease_find(const struct lease_store *s, const char *network, const char *owner, uint32_t *ret);
/* Frees all the owner has; nothing leased: 0. */
int lease_drop(const struct lease_store *s, const char *network, const char *owner, struct err *e);
/* Frees the addresses of all owners that `keeps` answers 0 for: one that was killed after the lease and
 * before its record. */
typedef int (*lease_owner)(const char *owner, void *user);
int lease_drop_unless(const struct lease_store *s, const char *network, lease_owner keeps, void *user);
/* 1 somebody has a lease, 0 nobody, -errno. */
int lease_any(const struct lease_store *s, const char *network);
/* The same of all networks. */
int lease_any_network(const struct lease_store *s);
/* Removes the folder of a network without leases. */
int lease_network_remove(const struct lease_store *s, const char *network, struct err *e);

/* The folder of a network, for endpoint.c: fd or -errno. */
int lease_network_open(const struct lease_store *s, const char *network, bool make);
/* Calls `each` with the name of every entry of an open folder until it answers other than 0. */
typedef int (*lease_entry)(int dir, const char *name, void *user);
int lease_each_entry(int dir, lease_entry each, void *user);
/* Every folder of a network in the store. */
int lease_each_network(const struct lease_store *s, lease_entry each, void *user);

/* FNV-1a with a last mix: names that differ in one byte differ everywhere. */
uint64_t lease_hash(const char *text);
