/*
 * nft.h - kist's own nftables table `inet kist`, spoken over nfnetlink.
 *
 * One network, one table, replaced by one transaction: at no moment is a part
 * of it in force. No other table is read or touched. Messages are built with
 * attr.h alone (libnftnl's licence forbids linking it here).
 */
#pragma once
#include <stdint.h>
#include "base/err.h"
#include "net/netlink.h"

#define NFT_TABLE "kist"

struct nft_network {
	const char *bridge; /* interface name */
	uint32_t subnet;    /* host byte order */
	int prefix;
};

/* The transaction that makes the table as it must be, whatever it was. Pure. */
void nft_put_table(struct nl_batch *b, const struct nft_network *n);
/* The transaction that removes it. Pure. */
void nft_put_delete(struct nl_batch *b);

/* Makes the table unless it is there for this network already. A table of that name that kist did
 * not make is -EEXIST. 1: made; 0: was there. */
int nft_ensure(const struct nft_network *n, struct err *e);
/* Removes it; absent, or not made by kist: 0. */
int nft_remove(struct err *e);
/* Removes the table of that name in the inet family, which is not kist's own, in the caller's network
 * namespace; absent: 0. For what criu leaves of its lock. */
int nft_remove_other(const char *table, struct err *e);
