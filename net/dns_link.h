/*
 * dns_link.h - asks a network's kist-dns, and starts it.
 */
#pragma once
#include "base/err.h"
#include "net/dns_control.h"

/* `dir` is the network's folder, `all` the leases folder it lies in. */
struct dns_place {
	int dir, all;
	const char *network;
};

/* One request and its answer. -ECONNREFUSED, without a record: nobody serves. -EPROTONOSUPPORT: one of
 * another version, and of its answer only the pid is to be believed. */
int dns_ask(const struct dns_place *p, struct dns_request *q, const int *fds, int count,
	    struct dns_reply *ret, struct err *e);
/* Starts a server, in place of one that died. The caller holds the lock of the lease store. */
int dns_start(const struct dns_place *p, struct err *e);
/* Ends a server of another version of kist, which said that this is its process. It was one's of its
 * network, and another takes its place. */
bool dns_end_other(const struct dns_place *p, uint32_t pid);
/* Removes the socket of a server that has ended. */
void dns_unlink(const struct dns_place *p);
