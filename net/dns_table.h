/*
 * dns_table.h - the names of the containers on this host's networks, as the records say them.
 *
 * Nothing but memory: whoever reads the records puts them in and takes them out
 * by the name of their file. All lookups are by one network, so that nobody is
 * told of what is on a network he is not on.
 */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "net/endpoint.h"

#define DNS_HOST_NAME_MAX (ENDPOINT_NAME_MAX + NETWORK_NAME_MAX)

struct dns_host {	  /* one endpoint, as far as names go */
	unsigned network; /* its number here */
	bool internal;	  /* the network has no way out */
	uint32_t address; /* 0: none */
	struct in6_addr address6;
	char name[DNS_HOST_NAME_MAX]; /* what its address is called: NAME.NETWORK */
	char *owner;
	char *file;
	char (*names)[ENDPOINT_NAME_MAX]; /* lower case */
	int name_count;
};

/* What has one name, one address, or one owner. */
struct dns_set {
	struct dns_set *next;
	uint64_t hash;
	unsigned count, room;
	unsigned turn; /* whose address comes first, the next time */
	struct dns_host **hosts;
	unsigned network;
	uint16_t key_len;
	char kind;
	char key[];
};

struct dns_table {
	struct dns_set **buckets;
	size_t bucket_count, set_count;
	char (*networks)[NETWORK_NAME_MAX]; /* by number; never renumbered */
	unsigned network_count;
	unsigned generation; /* changes with every change */
};

void dns_table_free(struct dns_table *t);
/* The network's number; with `make` a new one. -ENOENT, -ENOMEM. */
int dns_table_network(struct dns_table *t, const char *network, bool make);
/* Puts in what the file says now, instead of what it said. 0 or -ENOMEM, and then it is not in. */
int dns_table_put(struct dns_table *t, const char *file, const struct endpoint *ep);
void dns_table_remove(struct dns_table *t, const char *network, const char *file);
/* Takes out all of a network. */
void dns_table_clear(struct dns_table *t, const char *network);

/* NULL: none. `name` is in lower case. */
struct dns_set *dns_table_name(const struct dns_table *t, unsigned network, const char *name,
			       size_t len);
struct dns_set *dns_table_address(const struct dns_table *t, unsigned network, uint32_t address);
struct dns_set *dns_table_address6(const struct dns_table *t, unsigned network,
				   const struct in6_addr *address);
/* All endpoints of one container, one for each of its networks. */
struct dns_set *dns_table_owner(const struct dns_table *t, const char *owner);
