/* The nftables transaction, decoded back from its bytes. That the kernel and nft(8) read it so too is
 * seen in tests/integration/net_bridge.bats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "base/buf.h"
#include "net/nft.h"

static uint32_t number(const struct nlattr *nest, int type)
{
	const struct nlattr *a;

	nl_for_each_in(a, nest)
		if (nl_attr_type(a) == type)
			return ntohl(nl_attr_u32(a));
	return UINT32_MAX;
}

static const struct nlattr *child(const struct nlattr *nest, int type)
{
	const struct nlattr *a;

	nl_for_each_in(a, nest)
		if (nl_attr_type(a) == type)
			return a;
	fail_msg("attribute %d is missing", type);
	return NULL;
}

static void add_data(struct buf *out, const struct nlattr *data)
{
	const struct nlattr *value = child(data, NFTA_DATA_VALUE);
	const unsigned char *bytes = nl_attr_payload(value);

	for (size_t i = 0; i < nl_attr_len(value); i++)
		buf_addf(out, "%02x", bytes[i]);
}

static void add_expression(struct buf *out, const char *name, const struct nlattr *d)
{
	buf_addf(out, " [%s", name);
	if (!strcmp(name, "meta"))
		buf_addf(out, " %u>%u", number(d, NFTA_META_KEY), number(d, NFTA_META_DREG));
	if (!strcmp(name, "ct"))
		buf_addf(out, " %u>%u", number(d, NFTA_CT_KEY), number(d, NFTA_CT_DREG));
	if (!strcmp(name, "payload"))
		buf_addf(out, " %u+%u,%u>%u", number(d, NFTA_PAYLOAD_BASE),
			 number(d, NFTA_PAYLOAD_OFFSET), number(d, NFTA_PAYLOAD_LEN),
			 number(d, NFTA_PAYLOAD_DREG));
	if (!strcmp(name, "bitwise")) {
		buf_addf(out, " %u>%u,%u &", number(d, NFTA_BITWISE_SREG),
			 number(d, NFTA_BITWISE_DREG), number(d, NFTA_BITWISE_LEN));
		add_data(out, child(d, NFTA_BITWISE_MASK));
		buf_add_char(out, '^');
		add_data(out, child(d, NFTA_BITWISE_XOR));
	}
	if (!strcmp(name, "cmp")) {
		buf_addf(out, " %u%s", number(d, NFTA_CMP_SREG),
			 number(d, NFTA_CMP_OP) == NFT_CMP_EQ ? "==" : "!=");
		add_data(out, child(d, NFTA_CMP_DATA));
	}
	if (!strcmp(name, "immediate"))
		buf_addf(out, " %s",
			 number(child(child(d, NFTA_IMMEDIATE_DATA), NFTA_DATA_VERDICT),
				NFTA_VERDICT_CODE) == NF_DROP ? "drop" : "accept");
	buf_add_char(out, ']');
}

static void add_message(struct buf *out, const struct nlmsghdr *m)
{
	static const char *const types[] = { [NFT_MSG_NEWTABLE] = "table",
					     [NFT_MSG_DELTABLE] = "delete table",
					     [NFT_MSG_NEWCHAIN] = "chain",
					     [NFT_MSG_NEWRULE] = "rule" };
	const struct nfgenmsg *head = nl_payload(m);
	const struct nlattr *a, *e, *hook;
	int type = m->nlmsg_type & 255;

	if (m->nlmsg_type == NFNL_MSG_BATCH_BEGIN || m->nlmsg_type == NFNL_MSG_BATCH_END) {
		assert_int_equal(ntohs(head->res_id), NFNL_SUBSYS_NFTABLES);
		buf_add(out, m->nlmsg_type == NFNL_MSG_BATCH_BEGIN ? "begin\n" : "end\n");
		return;
	}
	assert_int_equal(m->nlmsg_type >> 8, NFNL_SUBSYS_NFTABLES);
	assert_int_equal(head->nfgen_family, NFPROTO_INET);
	assert_true(m->nlmsg_flags & NLM_F_ACK);
	buf_add(out, types[type]);
	nl_for_each(a, m, sizeof *head) {
		int t = nl_attr_type(a);

		/* NFTA_TABLE_NAME, NFTA_CHAIN_TABLE and NFTA_RULE_TABLE are all 1. */
		if (t == 1 || (type == NFT_MSG_NEWRULE && t == NFTA_RULE_CHAIN) ||
		    (type == NFT_MSG_NEWCHAIN && (t == NFTA_CHAIN_NAME || t == NFTA_CHAIN_TYPE)))
			buf_addf(out, " %s", nl_attr_string(a));
		if (type == NFT_MSG_NEWTABLE && t == NFTA_TABLE_USERDATA)
			buf_addf(out, " \"%s\"", (const char *)nl_attr_payload(a) + 2);
		if (type == NFT_MSG_NEWCHAIN && t == NFTA_CHAIN_HOOK) {
			hook = a;
			buf_addf(out, " hook %u %d", number(hook, NFTA_HOOK_HOOKNUM),
				 (int)number(hook, NFTA_HOOK_PRIORITY));
		}
		if (type == NFT_MSG_NEWRULE && t == NFTA_RULE_EXPRESSIONS)
			nl_for_each_in(e, a)
				add_expression(out, nl_attr_string(child(e, NFTA_EXPR_NAME)),
					       child(e, NFTA_EXPR_DATA));
	}
	buf_add_char(out, '\n');
}

static void decode(const struct nl_batch *b, struct buf *out)
{
	const struct nlmsghdr *m = (const struct nlmsghdr *)b->bytes;
	int left = (int)b->used;

	buf_reset(out);
	assert_false(b->overflow);
	for (; nl_ok(m, left); m = nl_next(m, &left))
		add_message(out, m);
	assert_int_equal(left, 0);
	assert_false(buf_truncated(out));
}

#define KIST0 "6b697374300000000000000000000000"
#define SOURCE " [meta 15>1] [cmp 1==02] [payload 1+12,4>1]"

static void test_table(void **state)
{
	const struct nft_network n = { "kist0", 10u << 24 | 87u << 16, 16 };
	struct nl_batch b;
	char text[4096];
	struct buf out = BUF_ON(text);

	(void)state;
	nl_batch_init(&b);
	nft_put_table(&b, &n);
	decode(&b, &out);
	assert_string_equal(
		text,
		"begin\n"
		"table kist\n"
		"delete table kist\n"
		"table kist \"kist network kist0 10.87.0.0/16\"\n"
		"chain kist prerouting filter hook 0 -300\n"
		"rule kist prerouting [meta 6>1] [cmp 1==" KIST0 "]" SOURCE
		" [bitwise 1>1,4 &ffff0000^00000000] [cmp 1!=0a570000] [immediate drop]\n"
		"chain kist forward filter hook 2 0\n"
		"rule kist forward [meta 7>1] [cmp 1==" KIST0 "] [ct 0>1]"
		" [bitwise 1>1,4 &06000000^00000000] [cmp 1!=00000000] [immediate accept]\n"
		"rule kist forward [meta 6>1] [cmp 1==" KIST0 "]" SOURCE
		" [bitwise 1>1,4 &ffff0000^00000000] [cmp 1==0a570000] [immediate accept]\n"
		"rule kist forward [meta 6>1] [cmp 1==" KIST0 "] [immediate drop]\n"
		"rule kist forward [meta 7>1] [cmp 1==" KIST0 "] [immediate drop]\n"
		"chain kist postrouting nat hook 4 100\n"
		"rule kist postrouting" SOURCE
		" [bitwise 1>1,4 &ffff0000^00000000] [cmp 1==0a570000]"
		" [meta 7>1] [cmp 1!=" KIST0 "] [masq]\n"
		"end\n");
}

static void test_odd_prefix_and_longest_name(void **state)
{
	const struct nft_network n = { "fifteen-letters", 192u << 24 | 168u << 16 | 209u << 8, 22 };
	struct nl_batch b;
	char text[4096];
	struct buf out = BUF_ON(text);

	(void)state;
	nl_batch_init(&b);
	nft_put_table(&b, &n);
	decode(&b, &out);
	assert_non_null(strstr(text, "[cmp 1==6669667465656e2d6c65747465727300]"));
	assert_non_null(strstr(text, "&fffffc00^00000000] [cmp 1!=c0a8d000]"));
}

static void test_delete(void **state)
{
	struct nl_batch b;
	char text[128];
	struct buf out = BUF_ON(text);

	(void)state;
	nl_batch_init(&b);
	nft_put_delete(&b);
	decode(&b, &out);
	assert_string_equal(text, "begin\ndelete table kist\nend\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_odd_prefix_and_longest_name),
		cmocka_unit_test(test_delete),
	};

	return cmocka_run_group_tests_name("nft", tests, NULL, NULL);
}
