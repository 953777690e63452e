/*
 * nft_message.c - nf_tables messages and expressions, built with attr.h.
 */
#include "net/nft_message.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "net/nft.h"

/* nft(8) keeps what the kernel does not care for as type-length-value records in "user data". */
#define USERDATA_COMMENT       0
#define USERDATA_KEY_BYTEORDER 0
#define BYTEORDER_HOST	       1u
#define BYTEORDER_BIG	       2u
#define TYPE_BITS	       6 /* of one part in a concatenation's type */
#define COMMENT_MAX	       100
#define ELEMENT_MAX	       (2 * NFT_KEY_MAX + 64) /* in a message, with its headers */

/* --- messages --------------------------------------------------------------- */

struct nlmsghdr *nft_message(struct nl_batch *b, int type, int family, uint16_t flags)
{
	struct nlmsghdr *m = nl_begin(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags);
	struct nfgenmsg *head = nl_extra_header(m, sizeof *head);

	head->nfgen_family = (uint8_t)family;
	head->version = NFNETLINK_V0;
	return m;
}

static void put_edge(struct nl_batch *b, uint16_t type)
{
	struct nlmsghdr *m = nl_begin(b, type, 0);
	struct nfgenmsg *head = nl_extra_header(m, sizeof *head);

	head->nfgen_family = AF_UNSPEC;
	head->version = NFNETLINK_V0;
	head->res_id = htons(NFNL_SUBSYS_NFTABLES);
	nl_end(b, m);
}

void nft_begin(struct nl_batch *b)
{
	put_edge(b, NFNL_MSG_BATCH_BEGIN);
}

void nft_end(struct nl_batch *b)
{
	struct nlmsghdr *m = (struct nlmsghdr *)b->bytes, *last = NULL;
	int left = (int)b->used;

	/* Refusals come for any message; that all went well is said once. */
	for (; nl_ok(m, left); m = nl_next(m, &left))
		last = m;
	if (last)
		last->nlmsg_flags |= NLM_F_ACK;
	put_edge(b, NFNL_MSG_BATCH_END);
}

static void put_comment(struct nlmsghdr *m, uint16_t type, const char *comment)
{
	unsigned char data[2 + COMMENT_MAX];
	size_t size = strnlen(comment, COMMENT_MAX - 1) + 1;

	data[0] = USERDATA_COMMENT;
	data[1] = (unsigned char)size;
	memcpy(data + 2, comment, size - 1);
	data[1 + size] = '\0';
	nl_put(m, type, 2 + size, data);
}

void nft_put_new_table(struct nl_batch *b, int family, const char *comment)
{
	struct nlmsghdr *m = nft_message(b, NFT_MSG_NEWTABLE, family, NLM_F_CREATE);

	nl_put_string(m, NFTA_TABLE_NAME, NFT_TABLE);
	if (comment)
		put_comment(m, NFTA_TABLE_USERDATA, comment);
	nl_end(b, m);
}

void nft_put_delete_table(struct nl_batch *b, int family)
{
	struct nlmsghdr *m = nft_message(b, NFT_MSG_DELTABLE, family, 0);

	nl_put_string(m, NFTA_TABLE_NAME, NFT_TABLE);
	nl_end(b, m);
}

static struct nlmsghdr *begin_chain(struct nl_batch *b, int family, const char *name)
{
	struct nlmsghdr *m = nft_message(b, NFT_MSG_NEWCHAIN, family, NLM_F_CREATE);

	nl_put_string(m, NFTA_CHAIN_TABLE, NFT_TABLE);
	nl_put_string(m, NFTA_CHAIN_NAME, name);
	return m;
}

void nft_put_chain(struct nl_batch *b, int family, const char *name)
{
	nl_end(b, begin_chain(b, family, name));
}

void nft_put_base_chain(struct nl_batch *b, int family, const char *name, const char *type,
			uint32_t hook, int32_t priority)
{
	struct nlmsghdr *m = begin_chain(b, family, name);
	struct nlattr *nest;

	nl_put_u32(m, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
	nl_put_string(m, NFTA_CHAIN_TYPE, type);
	nest = nl_nest_begin(m, NFTA_CHAIN_HOOK);
	nl_put_u32(m, NFTA_HOOK_HOOKNUM, htonl(hook));
	nl_put_u32(m, NFTA_HOOK_PRIORITY, htonl((uint32_t)priority));
	nl_nest_end(m, nest);
	nl_end(b, m);
}

/* --- sets --------------------------------------------------------------------- */

static uint32_t type_size(enum nft_type type)
{
	switch (type) {
	case NFT_TYPE_IPV6:
	case NFT_TYPE_IFNAME:
		return 16;
	case NFT_TYPE_ETHER:
		return 8;
	case NFT_TYPE_END:
		return 0;
	default:
		return 4; /* ports and protocols fill a register too */
	}
}

static void measure(const enum nft_type parts[NFT_KEY_PARTS], uint32_t *ret_type,
		    uint32_t *ret_size)
{
	*ret_type = 0;
	*ret_size = 0;
	for (int i = 0; i < NFT_KEY_PARTS && parts[i] != NFT_TYPE_END; i++) {
		*ret_type = *ret_type << TYPE_BITS | parts[i];
		*ret_size += type_size(parts[i]);
	}
}

void nft_put_set(struct nl_batch *b, const struct nft_set *s, uint32_t number)
{
	struct nlmsghdr *m = nft_message(b, NFT_MSG_NEWSET, s->family, NLM_F_CREATE);
	uint32_t type, size, flags = s->interval ? NFT_SET_INTERVAL : 0, order;
	unsigned char data[2 + sizeof order] = { USERDATA_KEY_BYTEORDER, sizeof order };

	nl_put_string(m, NFTA_SET_TABLE, NFT_TABLE);
	nl_put_string(m, NFTA_SET_NAME, s->name);
	nl_put_u32(m, NFTA_SET_ID, htonl(number));
	measure(s->key, &type, &size);
	nl_put_u32(m, NFTA_SET_KEY_TYPE, htonl(type));
	nl_put_u32(m, NFTA_SET_KEY_LEN, htonl(size));
	order = s->key[1] ? 0 : s->key[0] == NFT_TYPE_IFNAME ? BYTEORDER_HOST : BYTEORDER_BIG;
	if (s->data[0]) {
		flags |= NFT_SET_MAP;
		measure(s->data, &type, &size);
		nl_put_u32(m, NFTA_SET_DATA_TYPE, htonl(type));
		nl_put_u32(m, NFTA_SET_DATA_LEN, htonl(size));
	}
	nl_put_u32(m, NFTA_SET_FLAGS, htonl(flags));
	memcpy(data + 2, &order, sizeof order);
	nl_put(m, NFTA_SET_USERDATA, sizeof data, data);
	nl_end(b, m);
}

void nft_add_value(struct nft_value *v, const void *bytes, size_t size)
{
	memcpy(v->bytes + v->size, bytes, size);
	v->size += NL_ALIGN(size);
}

static void put_data(struct nlmsghdr *m, uint16_t type, const void *value, size_t size)
{
	struct nlattr *nest = nl_nest_begin(m, type);

	nl_put(m, NFTA_DATA_VALUE, size, value);
	nl_nest_end(m, nest);
}

static void put_verdict(struct nlmsghdr *m, uint16_t type, int verdict, const char *chain)
{
	struct nlattr *data = nl_nest_begin(m, type);
	struct nlattr *nest = nl_nest_begin(m, NFTA_DATA_VERDICT);

	nl_put_u32(m, NFTA_VERDICT_CODE, htonl((uint32_t)verdict));
	if (chain)
		nl_put_string(m, NFTA_VERDICT_CHAIN, chain);
	nl_nest_end(m, nest);
	nl_nest_end(m, data);
}

static void put_element(struct nlmsghdr *m, const struct nft_element *e, bool remove)
{
	struct nlattr *nest = nl_nest_begin(m, NFTA_LIST_ELEM);

	if (e->flags)
		nl_put_u32(m, NFTA_SET_ELEM_FLAGS, htonl(e->flags));
	put_data(m, NFTA_SET_ELEM_KEY, e->key.bytes, e->key.size);
	if (e->data.size && !remove)
		put_data(m, NFTA_SET_ELEM_DATA, e->data.bytes, e->data.size);
	nl_nest_end(m, nest);
}

void nft_put_elements(struct nl_batch *b, const struct nft_set *s, const struct nft_element *list,
		      size_t count, bool remove)
{
	size_t i = 0;

	while (i < count) {
		struct nlmsghdr *m =
			nft_message(b, remove ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM, s->family,
				    remove ? 0 : NLM_F_CREATE);
		struct nlattr *nest;

		nl_put_string(m, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
		nl_put_string(m, NFTA_SET_ELEM_LIST_SET, s->name);
		nest = nl_nest_begin(m, NFTA_SET_ELEM_LIST_ELEMENTS);
		do {
			put_element(m, &list[i++], remove);
		} while (i < count && m->nlmsg_len + ELEMENT_MAX <= NL_MESSAGE_BYTES);
		nl_nest_end(m, nest);
		nl_end(b, m);
	}
}

/* --- rules -------------------------------------------------------------------- */

struct nft_rule nft_rule_begin(struct nl_batch *b, int family, const char *chain)
{
	struct nft_rule r = { .batch = b };

	r.message = nft_message(b, NFT_MSG_NEWRULE, family, NLM_F_CREATE | NLM_F_APPEND);
	nl_put_string(r.message, NFTA_RULE_TABLE, NFT_TABLE);
	nl_put_string(r.message, NFTA_RULE_CHAIN, chain);
	r.list = nl_nest_begin(r.message, NFTA_RULE_EXPRESSIONS);
	return r;
}

void nft_rule_end(struct nft_rule *r, const char *comment)
{
	nl_nest_end(r->message, r->list);
	put_comment(r->message, NFTA_RULE_USERDATA, comment);
	nl_end(r->batch, r->message);
}

static void begin(struct nft_rule *r, const char *name)
{
	r->element = nl_nest_begin(r->message, NFTA_LIST_ELEM);
	nl_put_string(r->message, NFTA_EXPR_NAME, name);
	r->data = nl_nest_begin(r->message, NFTA_EXPR_DATA);
}

static void end(struct nft_rule *r)
{
	nl_nest_end(r->message, r->data);
	nl_nest_end(r->message, r->element);
}

static void number(struct nft_rule *r, uint16_t type, uint32_t value)
{
	nl_put_u32(r->message, type, htonl(value));
}

static void reg_number(struct nft_rule *r, uint16_t type, int reg)
{
	number(r, type, NFT_REG32_00 + (uint32_t)reg);
}

void nft_meta(struct nft_rule *r, uint32_t key, int reg)
{
	begin(r, "meta");
	reg_number(r, NFTA_META_DREG, reg);
	number(r, NFTA_META_KEY, key);
	end(r);
}

void nft_ct(struct nft_rule *r, uint32_t key, int reg)
{
	begin(r, "ct");
	reg_number(r, NFTA_CT_DREG, reg);
	number(r, NFTA_CT_KEY, key);
	end(r);
}

void nft_payload(struct nft_rule *r, uint32_t base, uint32_t offset, uint32_t size, int reg)
{
	begin(r, "payload");
	reg_number(r, NFTA_PAYLOAD_DREG, reg);
	number(r, NFTA_PAYLOAD_BASE, base);
	number(r, NFTA_PAYLOAD_OFFSET, offset);
	number(r, NFTA_PAYLOAD_LEN, size);
	end(r);
}

void nft_fib_type(struct nft_rule *r, int reg)
{
	begin(r, "fib");
	reg_number(r, NFTA_FIB_DREG, reg);
	number(r, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	number(r, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
	end(r);
}

void nft_compare(struct nft_rule *r, int reg, uint32_t op, const void *value, size_t size)
{
	begin(r, "cmp");
	reg_number(r, NFTA_CMP_SREG, reg);
	number(r, NFTA_CMP_OP, op);
	put_data(r->message, NFTA_CMP_DATA, value, size);
	end(r);
}

void nft_mask(struct nft_rule *r, int reg, const void *mask, uint32_t size)
{
	static const unsigned char zero[16];

	begin(r, "bitwise");
	reg_number(r, NFTA_BITWISE_SREG, reg);
	reg_number(r, NFTA_BITWISE_DREG, reg);
	number(r, NFTA_BITWISE_LEN, size);
	put_data(r->message, NFTA_BITWISE_MASK, mask, size);
	put_data(r->message, NFTA_BITWISE_XOR, zero, size);
	end(r);
}

void nft_lookup(struct nft_rule *r, int reg, const char *set, bool inverted)
{
	begin(r, "lookup");
	nl_put_string(r->message, NFTA_LOOKUP_SET, set);
	reg_number(r, NFTA_LOOKUP_SREG, reg);
	if (inverted)
		number(r, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	end(r);
}

void nft_lookup_map(struct nft_rule *r, int reg, const char *map, int to)
{
	begin(r, "lookup");
	nl_put_string(r->message, NFTA_LOOKUP_SET, map);
	reg_number(r, NFTA_LOOKUP_SREG, reg);
	reg_number(r, NFTA_LOOKUP_DREG, to);
	end(r);
}

void nft_immediate(struct nft_rule *r, int reg, const void *value, size_t size)
{
	begin(r, "immediate");
	reg_number(r, NFTA_IMMEDIATE_DREG, reg);
	put_data(r->message, NFTA_IMMEDIATE_DATA, value, size);
	end(r);
}

void nft_dnat(struct nft_rule *r, int family, int address_reg, int port_reg)
{
	begin(r, "nat");
	number(r, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	number(r, NFTA_NAT_FAMILY, (uint32_t)family);
	reg_number(r, NFTA_NAT_REG_ADDR_MIN, address_reg);
	reg_number(r, NFTA_NAT_REG_PROTO_MIN, port_reg);
	end(r);
}

void nft_masquerade(struct nft_rule *r)
{
	begin(r, "masq");
	end(r);
}

void nft_verdict(struct nft_rule *r, int verdict, const char *chain)
{
	begin(r, "immediate");
	number(r, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	put_verdict(r->message, NFTA_IMMEDIATE_DATA, verdict, chain);
	end(r);
}
