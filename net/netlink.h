/*
 * netlink.h - talking netlink(7) on a plain fd: batches, acks, dumps.
 *
 * Messages are built (attr.h) into a batch of fixed size; nothing allocates,
 * so the guest may use all of it, but for nl_batch_grow(). What the messages
 * say belongs to link.c and nft*.c.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "net/attr.h"

#define NL_BATCH_BYTES 12288
#define NL_BATCH_MAX   (64u << 20)

/* Messages that go to the kernel in one sendmsg(2): no kill -9 comes between them. */
struct nl_batch {
	size_t used;
	int count;
	bool overflow; /* sticky: a builder ran out of room */
	bool grows;
	size_t size;
	char *bytes; /* `fixed`, or of the heap: a batch is not to be copied */
	_Alignas(8) char fixed[NL_BATCH_BYTES];
};

void nl_batch_init(struct nl_batch *b);
/* The same, of any length up to NL_BATCH_MAX: allocates when it must. nl_batch_free() then. */
void nl_batch_init_growing(struct nl_batch *b);
void nl_batch_free(struct nl_batch *b);
#define _cleanup_batch_ __attribute__((cleanup(nl_batch_free)))
/* Opens a message; NLM_F_REQUEST is added. Attributes follow with nl_put(), then nl_end(). */
struct nlmsghdr *nl_begin(struct nl_batch *b, uint16_t type, uint16_t flags);
void nl_end(struct nl_batch *b, struct nlmsghdr *message);

/* A netlink socket of `protocol` (NETLINK_ROUTE, NETLINK_NETFILTER) in the caller's network
 * namespace: the socket stays in it for good. The kernel explains its refusals (extended acks).
 * fd or -errno. */
int nl_open(int protocol);

/* One message of an answer; < 0 stops and is returned. */
typedef int (*nl_row)(const struct nlmsghdr *message, void *user);
/* Sends the batch and reads until each message with NLM_F_ACK is acknowledged, or the dump is
 * done. row may be NULL. On a refusal: -errno, and the kernel's own words in the record. */
int nl_talk(int fd, struct nl_batch *b, nl_row row, void *user, struct err *e);
