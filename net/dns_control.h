/*
 * dns_control.h - what kist and kist-dns say to each other: one request, one answer, one
 * connection.
 *
 * Both are of one build, and the first word says so. The socket lies in the
 * network's leases folder, which only root enters; the server looks at who
 * connects all the same.
 */
#pragma once
#include <netinet/in.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"
#include "net/lease.h"

#define DNS_SOCKET	 "dns" /* in the network's folder */
#define DNS_UPSTREAM_MAX 8
#define DNS_FDS		 3
#define DNS_ANSWER_MS	 10000 /* a server that says nothing for so long is stuck */

enum dns_verb {
	DNS_ATTACH = 1, /* serve this owner: with its UDP socket, TCP socket, pidfd */
	DNS_DETACH,	/* don't any more */
	DNS_HAS,	/* do you serve this owner? 1, 0; the servers are taken over */
	DNS_STATUS,	/* only the figures */
};

struct dns_upstream {
	uint32_t family; /* AF_INET, AF_INET6 */
	uint32_t scope;	 /* interface of a link-local address */
	uint32_t port;
	uint8_t address[16];
};

struct dns_servers {
	uint32_t count;
	struct dns_upstream list[DNS_UPSTREAM_MAX];
};

struct dns_request {
	uint32_t version;
	uint32_t verb;
	char owner[LEASE_OWNER_MAX];
	uint64_t cookie;	/* of the owner's network namespace */
	struct dns_servers host; /* whom to ask */
	struct dns_servers own;	 /* instead, for this owner; none: the host's */
};

struct dns_reply {
	uint32_t version;
	int32_t result; /* >= 0, or -errno */
	uint32_t pid, users;
	uint64_t questions, forwarded, refused;
};

uint32_t dns_control_version(void);
/* Sends with `count` fds, or receives up to DNS_FDS of them, close-on-exec; unused ones -EBADF.
 * Bytes, or -errno. */
int dns_control_send(int sock, const void *data, size_t size, const int *fds, int count);
ssize_t dns_control_receive(int sock, void *data, size_t size, int fds[DNS_FDS], int flags);
