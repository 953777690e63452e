/*
 * nft.h - the name of kist's tables (firewall.h), and tables of nftables that are not kist's.
 */
#pragma once
#include "base/err.h"
#include "net/netlink.h"

#define NFT_TABLE "kist"

/* Removes the table of that name in the inet family, which is not kist's own, in the caller's network
 * namespace; absent: 0. For what criu leaves of its lock. */
int nft_remove_other(const char *table, struct err *e);
