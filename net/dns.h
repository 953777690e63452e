/*
 * dns.h - names for containers: kist's end of kist-dns.
 *
 * A container of a network that was defined (not of the default one) has a
 * server at 127.0.0.11, port 53. The two sockets are made in its network
 * namespace and given to the network's kist-dns, which the first one starts,
 * and which ends after the last. What names there are is nobody's to tell: the
 * server reads the endpoints' records.
 */
#pragma once
#include <stddef.h>
#include "base/err.h"
#include "net/endpoint.h"
#include "net/network.h"

#define DNS_ADDRESS	 0x7f00000b /* 127.0.0.11, as users of docker know it */
#define DNS_ADDRESS_TEXT "127.0.0.11"

/* Whether containers of the network have such a server. */
bool dns_serves(const struct network *n);

/* The endpoint's record is there, and the caller holds the lock of the lease store (so that one of
 * several starts a server). A container that has its server from another network is left alone. */
int dns_attach(const struct network *n, const struct endpoint *ep, int netns_fd, struct err *e);
/* Ends it, and waits for nothing else; a container that is on another network as well gets its
 * server from there, if its process lives. Before or after the record is removed. Absent: 0. */
int dns_detach(const struct network *n, const struct endpoint *ep, struct err *e);
/* The same once the record is gone. A server sees that by itself: one that can't be told holds up
 * nobody. */
void dns_leave(const char *network, const char *owner);
/* Starts what died, and attaches whom no server knows; takes the host's servers upstream over.
 * Under the lock. Endpoints whose process is gone are left out. */
int dns_reconcile(const struct network *n, size_t count, const struct endpoint *ep, size_t ep_count,
		  struct err *e);

struct dns_status {
	unsigned pid, users;
	unsigned long long questions, forwarded, refused;
};
/* 1: a server runs, 0: none, -errno. */
int dns_status(const char *network, struct dns_status *ret, struct err *e);
