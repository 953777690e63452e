/*
 * nft_message.h - nf_tables messages and expressions, built with attr.h.
 *
 * Pure: everything is appended to a batch (which is one transaction between
 * nft_begin() and nft_end()). What the tables say belongs to firewall_rules.c
 * and firewall_elements.c. libnftnl's licence forbids linking it here.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "net/netlink.h"

/* Numbers of nft(8)'s own datatypes, by which it shows the elements of a set. */
enum nft_type {
	NFT_TYPE_END = 0,
	NFT_TYPE_IPV4 = 7,
	NFT_TYPE_IPV6 = 8,
	NFT_TYPE_ETHER = 9,
	NFT_TYPE_PROTOCOL = 12,
	NFT_TYPE_PORT = 13,
	NFT_TYPE_IFNAME = 41,
};

#define NFT_KEY_PARTS 3
#define NFT_KEY_MAX   64 /* bytes: NFT_DATA_VALUE_MAXLEN */

struct nft_set {
	int family;
	const char *name;
	enum nft_type key[NFT_KEY_PARTS];
	enum nft_type data[NFT_KEY_PARTS]; /* a map's; all NFT_TYPE_END: a set */
	bool interval;
};

/* --- messages: `table` is always NFT_TABLE ---- */

struct nlmsghdr *nft_message(struct nl_batch *b, int type, int family, uint16_t flags);
/* The transaction's edges. At its end the last message asks for an answer: one for all. */
void nft_begin(struct nl_batch *b);
void nft_end(struct nl_batch *b);
void nft_put_new_table(struct nl_batch *b, int family, const char *comment);
/* Fails when there is none. */
void nft_put_delete_table(struct nl_batch *b, int family);
void nft_put_chain(struct nl_batch *b, int family, const char *name);
void nft_put_base_chain(struct nl_batch *b, int family, const char *name, const char *type,
			uint32_t hook, int32_t priority);
void nft_put_set(struct nl_batch *b, const struct nft_set *s, uint32_t number);

/* One element's key, and its data; parts are padded to four bytes, as the registers are. */
struct nft_value {
	size_t size;
	unsigned char bytes[NFT_KEY_MAX];
};
void nft_add_value(struct nft_value *v, const void *bytes, size_t size);
/* An element into or out of (`remove`) a set, a message for each. data: a map's value. flags:
 * NFT_SET_ELEM_* */
struct nft_element {
	struct nft_value key, data;
	uint32_t flags;
};
void nft_put_elements(struct nl_batch *b, const struct nft_set *s, const struct nft_element *list,
		      size_t count, bool remove);

/* --- rules: expressions work on registers of 4 bytes, 0 to 15 ---- */

struct nft_rule {
	struct nl_batch *batch;
	struct nlmsghdr *message;
	struct nlattr *list, *element, *data;
};
struct nft_rule nft_rule_begin(struct nl_batch *b, int family, const char *chain);
/* The comment stands in `nft list`, and tells the rule from others. */
void nft_rule_end(struct nft_rule *r, const char *comment);

void nft_meta(struct nft_rule *r, uint32_t key, int reg);
void nft_ct(struct nft_rule *r, uint32_t key, int reg);
void nft_payload(struct nft_rule *r, uint32_t base, uint32_t offset, uint32_t size, int reg);
/* The kind of address the packet goes to (RTN_*), as the host's routes have it. */
void nft_fib_type(struct nft_rule *r, int reg);
void nft_compare(struct nft_rule *r, int reg, uint32_t op, const void *value, size_t size);
void nft_mask(struct nft_rule *r, int reg, const void *mask, uint32_t size);
/* In the set; not in it. */
void nft_lookup(struct nft_rule *r, int reg, const char *set, bool inverted);
/* The map's value into `to`. */
void nft_lookup_map(struct nft_rule *r, int reg, const char *map, int to);
void nft_immediate(struct nft_rule *r, int reg, const void *value, size_t size);
void nft_dnat(struct nft_rule *r, int family, int address_reg, int port_reg);
void nft_masquerade(struct nft_rule *r);
/* NF_ACCEPT, NF_DROP; NFT_GOTO, NFT_JUMP with a chain. */
void nft_verdict(struct nft_rule *r, int verdict, const char *chain);
