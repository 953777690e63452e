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

/* One request and its answer. -ECONNREFUSED, without a record: nobody serves. */
int dns_ask(const struct dns_place *p, struct dns_request *q, const int *fds, int count,
	    struct dns_reply *ret, struct err *e);
/* Starts a server, in place of one that died. The caller holds the lock of the lease store. */
int dns_start(const struct dns_place *p, struct err *e);
/* Removes the socket of a server that has ended. */
void dns_unlink(const struct dns_place *p);
