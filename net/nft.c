/*
 * nft.c - kist's own nftables table `inet kist`, spoken over nfnetlink.
 *
 * The table's comment says for which network it was made: that is the mark of
 * ownership, and tells whether it must be made again.
 */
#include "net/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/link.h"

#define COMMENT_MAX     64
#define COMMENT_MARK    "kist network "
/* nft(8) keeps a comment as a type-length-value record in the table's user data. */
#define USERDATA_COMMENT 0
/* The state bits of `ct state` (enum nf_ct_state_bits of nft's own: 1 << (state + 1)). */
#define CT_ESTABLISHED 2u
#define CT_RELATED     4u

#define IPV4_SOURCE_OFFSET 12 /* offsetof(struct iphdr, saddr), RFC 791 */
#define IPV4_SOURCE_SIZE   4

static void format_comment(const struct nft_network *n, char text[COMMENT_MAX])
{
	char address[IPV4_TEXT];

	snprintf(text, COMMENT_MAX, COMMENT_MARK "%s %s/%d", n->bridge,
		 ipv4_format(n->subnet, address), n->prefix);
}

/* --- messages --------------------------------------------------------------- */

static struct nlmsghdr *begin(struct nl_batch *b, int type, int family, uint16_t flags)
{
	struct nlmsghdr *m = nl_begin(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags);
	struct nfgenmsg *head = nl_extra_header(m, sizeof *head);

	head->nfgen_family = (uint8_t)family;
	head->version = NFNETLINK_V0;
	return m;
}

static void put_batch_edge(struct nl_batch *b, uint16_t type)
{
	struct nlmsghdr *m = nl_begin(b, type, 0);
	struct nfgenmsg *head = nl_extra_header(m, sizeof *head);

	head->nfgen_family = AF_UNSPEC;
	head->version = NFNETLINK_V0;
	head->res_id = htons(NFNL_SUBSYS_NFTABLES);
	nl_end(b, m);
}

static void put_table(struct nl_batch *b, int type, uint16_t flags, const char *comment)
{
	struct nlmsghdr *m = begin(b, type, NFPROTO_INET, flags | NLM_F_ACK);
	unsigned char data[2 + COMMENT_MAX];

	nl_put_string(m, NFTA_TABLE_NAME, NFT_TABLE);
	if (comment) {
		size_t size = strlen(comment) + 1;

		data[0] = USERDATA_COMMENT;
		data[1] = (unsigned char)size;
		memcpy(data + 2, comment, size);
		nl_put(m, NFTA_TABLE_USERDATA, 2 + size, data);
	}
	nl_end(b, m);
}

static void put_chain(struct nl_batch *b, const char *name, const char *type, uint32_t hook,
		      int32_t priority)
{
	struct nlmsghdr *m = begin(b, NFT_MSG_NEWCHAIN, NFPROTO_INET, NLM_F_CREATE | NLM_F_ACK);
	struct nlattr *nest;

	nl_put_string(m, NFTA_CHAIN_TABLE, NFT_TABLE);
	nl_put_string(m, NFTA_CHAIN_NAME, name);
	nl_put_u32(m, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
	nl_put_string(m, NFTA_CHAIN_TYPE, type);
	nest = nl_nest_begin(m, NFTA_CHAIN_HOOK);
	nl_put_u32(m, NFTA_HOOK_HOOKNUM, htonl(hook));
	nl_put_u32(m, NFTA_HOOK_PRIORITY, htonl((uint32_t)priority));
	nl_nest_end(m, nest);
	nl_end(b, m);
}

/* --- expressions: each loads into, or works on, register 1 ------------------- */

struct rule {
	struct nl_batch *batch;
	struct nlmsghdr *message;
	struct nlattr *list, *element, *data;
};

static struct rule rule_begin(struct nl_batch *b, const char *chain)
{
	struct rule r = { .batch = b };

	r.message = begin(b, NFT_MSG_NEWRULE, NFPROTO_INET,
			  NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK);
	nl_put_string(r.message, NFTA_RULE_TABLE, NFT_TABLE);
	nl_put_string(r.message, NFTA_RULE_CHAIN, chain);
	r.list = nl_nest_begin(r.message, NFTA_RULE_EXPRESSIONS);
	return r;
}

static void rule_end(struct rule *r)
{
	nl_nest_end(r->message, r->list);
	nl_end(r->batch, r->message);
}

static void expr_begin(struct rule *r, const char *name)
{
	r->element = nl_nest_begin(r->message, NFTA_LIST_ELEM);
	nl_put_string(r->message, NFTA_EXPR_NAME, name);
	r->data = nl_nest_begin(r->message, NFTA_EXPR_DATA);
}

static void expr_end(struct rule *r)
{
	nl_nest_end(r->message, r->data);
	nl_nest_end(r->message, r->element);
}

static void put_number(struct rule *r, uint16_t type, uint32_t value)
{
	nl_put_u32(r->message, type, htonl(value));
}

static void put_value(struct rule *r, uint16_t type, const void *value, size_t size)
{
	struct nlattr *nest = nl_nest_begin(r->message, type);

	nl_put(r->message, NFTA_DATA_VALUE, size, value);
	nl_nest_end(r->message, nest);
}

static void add_meta(struct rule *r, uint32_t key)
{
	expr_begin(r, "meta");
	put_number(r, NFTA_META_DREG, NFT_REG_1);
	put_number(r, NFTA_META_KEY, key);
	expr_end(r);
}

static void add_compare(struct rule *r, uint32_t op, const void *value, size_t size)
{
	expr_begin(r, "cmp");
	put_number(r, NFTA_CMP_SREG, NFT_REG_1);
	put_number(r, NFTA_CMP_OP, op);
	put_value(r, NFTA_CMP_DATA, value, size);
	expr_end(r);
}

static void add_mask(struct rule *r, const void *mask, uint32_t size)
{
	static const unsigned char zero[16];

	expr_begin(r, "bitwise");
	put_number(r, NFTA_BITWISE_SREG, NFT_REG_1);
	put_number(r, NFTA_BITWISE_DREG, NFT_REG_1);
	put_number(r, NFTA_BITWISE_LEN, size);
	put_value(r, NFTA_BITWISE_MASK, mask, size);
	put_value(r, NFTA_BITWISE_XOR, zero, size);
	expr_end(r);
}

static void add_verdict(struct rule *r, uint32_t verdict)
{
	struct nlattr *data, *nest;

	expr_begin(r, "immediate");
	put_number(r, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = nl_nest_begin(r->message, NFTA_IMMEDIATE_DATA);
	nest = nl_nest_begin(r->message, NFTA_DATA_VERDICT);
	put_number(r, NFTA_VERDICT_CODE, verdict);
	nl_nest_end(r->message, nest);
	nl_nest_end(r->message, data);
	expr_end(r);
}

static void add_masquerade(struct rule *r)
{
	expr_begin(r, "masq");
	expr_end(r);
}

/* `iifname "kist0"`; the name is compared as all 16 bytes, never as a pattern. */
static void match_interface(struct rule *r, uint32_t key, uint32_t op, const char *name)
{
	char padded[IFNAMSIZ] = { 0 };

	memcpy(padded, name, strnlen(name, IFNAMSIZ - 1));
	add_meta(r, key);
	add_compare(r, op, padded, sizeof padded);
}

/* `ip saddr [!=] subnet/prefix` */
static void match_source(struct rule *r, uint32_t op, uint32_t subnet, int prefix)
{
	uint32_t mask = htonl(ipv4_mask(prefix)), value = htonl(subnet & ipv4_mask(prefix));
	uint8_t family = NFPROTO_IPV4;

	add_meta(r, NFT_META_NFPROTO);
	add_compare(r, NFT_CMP_EQ, &family, sizeof family);
	expr_begin(r, "payload");
	put_number(r, NFTA_PAYLOAD_DREG, NFT_REG_1);
	put_number(r, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
	put_number(r, NFTA_PAYLOAD_OFFSET, IPV4_SOURCE_OFFSET);
	put_number(r, NFTA_PAYLOAD_LEN, IPV4_SOURCE_SIZE);
	expr_end(r);
	add_mask(r, &mask, sizeof mask);
	add_compare(r, op, &value, sizeof value);
}

/* `ct state established,related` */
static void match_established(struct rule *r)
{
	uint32_t bits = CT_ESTABLISHED | CT_RELATED, zero = 0;

	expr_begin(r, "ct");
	put_number(r, NFTA_CT_DREG, NFT_REG_1);
	put_number(r, NFTA_CT_KEY, NFT_CT_STATE);
	expr_end(r);
	add_mask(r, &bits, sizeof bits);
	add_compare(r, NFT_CMP_NEQ, &zero, sizeof zero);
}

/* --- the table ---------------------------------------------------------------- */

/* Stops a container that lies about its source address: answers to the lie would hit others. */
static void put_spoof_guard(struct nl_batch *b, const struct nft_network *n)
{
	struct rule r;

	put_chain(b, "prerouting", "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_RAW);
	r = rule_begin(b, "prerouting");
	match_interface(&r, NFT_META_IIFNAME, NFT_CMP_EQ, n->bridge);
	match_source(&r, NFT_CMP_NEQ, n->subnet, n->prefix);
	add_verdict(&r, NF_DROP);
	rule_end(&r);
}

/* Containers reach out; from outside only answers come in, whatever routes a neighbour sets. */
static void put_forward(struct nl_batch *b, const struct nft_network *n)
{
	struct rule r;

	put_chain(b, "forward", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER);
	r = rule_begin(b, "forward");
	match_interface(&r, NFT_META_OIFNAME, NFT_CMP_EQ, n->bridge);
	match_established(&r);
	add_verdict(&r, NF_ACCEPT);
	rule_end(&r);

	r = rule_begin(b, "forward");
	match_interface(&r, NFT_META_IIFNAME, NFT_CMP_EQ, n->bridge);
	match_source(&r, NFT_CMP_EQ, n->subnet, n->prefix);
	add_verdict(&r, NF_ACCEPT);
	rule_end(&r);

	/* What is left from the bridge is IPv6, of which the network has none. */
	r = rule_begin(b, "forward");
	match_interface(&r, NFT_META_IIFNAME, NFT_CMP_EQ, n->bridge);
	add_verdict(&r, NF_DROP);
	rule_end(&r);

	r = rule_begin(b, "forward");
	match_interface(&r, NFT_META_OIFNAME, NFT_CMP_EQ, n->bridge);
	add_verdict(&r, NF_DROP);
	rule_end(&r);
}

static void put_masquerade(struct nl_batch *b, const struct nft_network *n)
{
	struct rule r;

	put_chain(b, "postrouting", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC);
	r = rule_begin(b, "postrouting");
	match_source(&r, NFT_CMP_EQ, n->subnet, n->prefix);
	match_interface(&r, NFT_META_OIFNAME, NFT_CMP_NEQ, n->bridge);
	add_masquerade(&r);
	rule_end(&r);
}

void nft_put_table(struct nl_batch *b, const struct nft_network *n)
{
	char comment[COMMENT_MAX];

	format_comment(n, comment);
	put_batch_edge(b, NFNL_MSG_BATCH_BEGIN);
	/* Make, delete, make: in one transaction this replaces, and works when there is none. */
	put_table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE, NULL);
	put_table(b, NFT_MSG_DELTABLE, 0, NULL);
	put_table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE, comment);
	put_spoof_guard(b, n);
	put_forward(b, n);
	put_masquerade(b, n);
	put_batch_edge(b, NFNL_MSG_BATCH_END);
}

void nft_put_delete(struct nl_batch *b)
{
	put_batch_edge(b, NFNL_MSG_BATCH_BEGIN);
	put_table(b, NFT_MSG_DELTABLE, 0, NULL);
	put_batch_edge(b, NFNL_MSG_BATCH_END);
}

/* --- talking ------------------------------------------------------------------ */

struct table_seen {
	bool found;
	char comment[COMMENT_MAX];
};

static int take_table(const struct nlmsghdr *m, void *user)
{
	struct table_seen *seen = user;
	const struct nlattr *attr;

	if (m->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE))
		return 0;
	seen->found = true;
	nl_for_each(attr, m, sizeof(struct nfgenmsg)) {
		const unsigned char *data = nl_attr_payload(attr);
		size_t size = nl_attr_len(attr);

		if (nl_attr_type(attr) != NFTA_TABLE_USERDATA || size < 3 ||
		    data[0] != USERDATA_COMMENT || data[1] > size - 2 ||
		    data[1] >= COMMENT_MAX)
			continue;
		memcpy(seen->comment, data + 2, data[1]);
		seen->comment[data[1]] = '\0';
	}
	return 0;
}

/* What the kernel lacks, when the error says so; the record keeps the kernel's words. */
static int explain(int error, struct err *e)
{
	err_wrap(e, "nftables table inet " NFT_TABLE);
	if (error == -EPERM)
		return err_fix(e, "kist's networks need root (CAP_NET_ADMIN)");
	if (error == -EPROTONOSUPPORT || error == -EOPNOTSUPP || error == -EINVAL ||
	    error == -ENOENT)
		err_fix(e, "the kernel lacks nf_tables, nft_chain_nat, nft_masq or nft_ct: "
			"modprobe them, or use --net none");
	return error;
}

static int look(int fd, struct table_seen *ret, struct err *e)
{
	struct nl_batch b;
	struct nlmsghdr *m;
	int r;

	memset(ret, 0, sizeof *ret);
	nl_batch_init(&b);
	m = begin(&b, NFT_MSG_GETTABLE, NFPROTO_INET, NLM_F_ACK);
	nl_put_string(m, NFTA_TABLE_NAME, NFT_TABLE);
	nl_end(&b, m);
	r = nl_talk(fd, &b, take_table, ret, e);
	if (r == -ENOENT) {
		err_clear(e);
		return 0;
	}
	return r;
}

static bool is_ours(const struct table_seen *seen)
{
	return strncmp(seen->comment, COMMENT_MARK, strlen(COMMENT_MARK)) == 0;
}

int nft_ensure(const struct nft_network *n, struct err *e)
{
	_cleanup_fd_ int fd = nl_open(NETLINK_NETFILTER);
	struct table_seen seen;
	char comment[COMMENT_MAX];
	struct nl_batch b;
	int r;

	if (fd < 0) {
		err_set(e, -fd, "socket(AF_NETLINK, NETLINK_NETFILTER)");
		return explain(fd, e);
	}
	r = look(fd, &seen, e);
	if (r < 0)
		return explain(r, e);
	if (seen.found && !is_ours(&seen)) {
		err_say(e, EEXIST, "nftables has a table inet " NFT_TABLE " that kist did not make");
		err_fix(e, "rename it, or: nft delete table inet " NFT_TABLE);
		return -EEXIST;
	}
	format_comment(n, comment);
	if (seen.found && strcmp(seen.comment, comment) == 0)
		return 0;
	nl_batch_init(&b);
	nft_put_table(&b, n);
	r = nl_talk(fd, &b, NULL, NULL, e);
	return r < 0 ? explain(r, e) : 1;
}

int nft_remove(struct err *e)
{
	_cleanup_fd_ int fd = nl_open(NETLINK_NETFILTER);
	struct table_seen seen;
	struct nl_batch b;
	int r;

	/* No nf_tables in this kernel: then no table either. */
	if (fd == -EPROTONOSUPPORT)
		return 0;
	if (fd < 0)
		return err_set(e, -fd, "socket(AF_NETLINK, NETLINK_NETFILTER)");
	r = look(fd, &seen, e);
	if (r == -EINVAL || r == -EOPNOTSUPP) {
		err_clear(e);
		return 0;
	}
	if (r < 0)
		return explain(r, e);
	if (!seen.found || !is_ours(&seen))
		return 0;
	nl_batch_init(&b);
	nft_put_delete(&b);
	r = nl_talk(fd, &b, NULL, NULL, e);
	if (r == -ENOENT) {
		err_clear(e);
		return 0;
	}
	return r < 0 ? explain(r, e) : 0;
}

int nft_remove_other(const char *table, struct err *e)
{
	_cleanup_fd_ int fd = nl_open(NETLINK_NETFILTER);
	struct nlmsghdr *m;
	struct nl_batch b;
	int r;

	if (fd == -EPROTONOSUPPORT)
		return 0;
	if (fd < 0)
		return err_set(e, -fd, "socket(AF_NETLINK, NETLINK_NETFILTER)");
	nl_batch_init(&b);
	put_batch_edge(&b, NFNL_MSG_BATCH_BEGIN);
	m = begin(&b, NFT_MSG_DELTABLE, NFPROTO_INET, NLM_F_ACK);
	nl_put_string(m, NFTA_TABLE_NAME, table);
	nl_end(&b, m);
	put_batch_edge(&b, NFNL_MSG_BATCH_END);
	r = nl_talk(fd, &b, NULL, NULL, e);
	if (r == -ENOENT) {
		err_clear(e);
		return 0;
	}
	return r < 0 ? explain(r, e) : 0;
}
