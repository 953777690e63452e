/* The firewall's elements, decoded back from their bytes; that the kernel and nft(8) read all of it
 * as it is meant is seen in tests/integration/net_firewall.bats and net_publish.bats. */
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
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "net/firewall_tables.h"
#include "net/publish.h"

static void add_hex(struct buf *out, const struct nlattr *value)
{
	const unsigned char *bytes = nl_attr_payload(value);

	for (size_t i = 0; i < nl_attr_len(value); i++)
		buf_addf(out, "%02x", bytes[i]);
}

static void add_element(struct buf *out, const struct nlattr *element)
{
	const struct nlattr *part, *value;

	buf_add_char(out, ' ');
	nl_for_each_in(part, element)
	{
		if (nl_attr_type(part) == NFTA_SET_ELEM_FLAGS) {
			buf_add(out, "end:");
			continue;
		}
		if (nl_attr_type(part) == NFTA_SET_ELEM_DATA)
			buf_add_char(out, '=');
		nl_for_each_in(value, part) add_hex(out, value);
	}
}

/* A line for each message: sign, set, elements. */
static void decode(const struct nl_batch *b, struct buf *out)
{
	const struct nlmsghdr *m = (const struct nlmsghdr *)b->bytes;
	const struct nlattr *a, *element;
	int left = (int)b->used;

	buf_reset(out);
	assert_false(b->overflow);
	for (; nl_ok(m, left); m = nl_next(m, &left)) {
		bool add = (m->nlmsg_type & 0xff) == NFT_MSG_NEWSETELEM;

		assert_in_range(m->nlmsg_len, 1, NL_MESSAGE_BYTES);
		assert_true(add || (m->nlmsg_type & 0xff) == NFT_MSG_DELSETELEM);
		buf_add_char(out, add ? '+' : '-');
		nl_for_each(a, m, sizeof(struct nfgenmsg))
		{
			if (nl_attr_type(a) == NFTA_SET_ELEM_LIST_SET)
				buf_add(out, nl_attr_string(a));
			if (nl_attr_type(a) == NFTA_SET_ELEM_LIST_ELEMENTS)
				nl_for_each_in(element, a) add_element(out, element);
		}
		buf_add_char(out, '\n');
	}
	assert_int_equal(left, 0);
	assert_false(buf_truncated(out));
}

#define KIST0 "6b697374300000000000000000000000"
#define KVA   "6b766100000000000000000000000000"
#define MAC   "026b0a5700050000"
#define LOCAL "fe80000000000000006b0afffe570005"
#define SIX   "fd000087000000000000000000000005"

static struct network lan(void)
{
	struct network n = { .name = "lan",
			     .interface = "kist0",
			     .subnet = 0x0a570000,
			     .prefix = 16,
			     .prefix6 = 64 };

	inet_pton(AF_INET6, "fd00:87::", &n.subnet6);
	return n;
}

static struct endpoint web(void)
{
	struct endpoint ep = { .id = "web",
			       .owner = "web",
			       .network = "lan",
			       .host_if = "kva",
			       .mac = { 2, 0x6b, 0x0a, 0x57, 0, 5 },
			       .address = 0x0a570005 };

	inet_pton(AF_INET6, "fd00:87::5", &ep.address6);
	return ep;
}

static void publish(struct endpoint *ep, const char *text)
{
	struct err e = ERR_INIT;

	assert_int_equal(publish_parse(text, &ep->ports[ep->port_count++], &e), 0);
}

static void test_network(void **state)
{
	struct network n = lan();
	struct nl_batch b;
	char text[4096];
	struct buf out = BUF_ON(text);

	(void)state;
	nl_batch_init(&b);
	firewall_put_network(&b, &n, false);
	decode(&b, &out);
	assert_string_equal(text, "+bridges " KIST0 "\n+within " KIST0 KIST0 "\n"
				  "+subnets4 0a570000 end:0a580000\n"
				  "+subnets6 fd000087000000000000000000000000"
				  " end:fd000087000000010000000000000000\n");
	n.isolated = n.internal = true;
	n.prefix6 = 0;
	nl_batch_init(&b);
	firewall_put_network(&b, &n, true);
	decode(&b, &out);
	assert_string_equal(text, "-bridges " KIST0 "\n-internal " KIST0 "\n"
				  "-subnets4 0a570000 end:0a580000\n");
	n.driver = NETWORK_MACVLAN;
	nl_batch_init(&b);
	firewall_put_network(&b, &n, false);
	assert_int_equal(b.used, 0);
}

/* The last subnet of all has no address behind it. */
static void test_subnets_at_the_end(void **state)
{
	struct network n = {
		.interface = "kist0", .isolated = true, .subnet = 0xfffffff0, .prefix = 28
	};
	struct nl_batch b;
	char text[4096];
	struct buf out = BUF_ON(text);

	(void)state;
	nl_batch_init(&b);
	firewall_put_network(&b, &n, false);
	decode(&b, &out);
	assert_string_equal(text, "+bridges " KIST0 "\n+subnets4 fffffff0\n");
	n.prefix = 0;
	n.prefix6 = 9;
	memset(&n.subnet6, 0xff, sizeof n.subnet6);
	nl_batch_init(&b);
	firewall_put_network(&b, &n, false);
	decode(&b, &out);
	assert_string_equal(text,
			    "+bridges " KIST0 "\n+subnets6 ff800000000000000000000000000000\n");
	n.prefix6 = 127;
	inet_pton(AF_INET6, "fd00::ff", &n.subnet6);
	nl_batch_init(&b);
	firewall_put_network(&b, &n, false);
	decode(&b, &out);
	assert_non_null(strstr(text, "fd0000000000000000000000000000fe"
				     " end:fd000000000000000000000000000100\n"));
}

static void test_endpoint(void **state)
{
	const struct network n = lan();
	struct endpoint ep = web();
	struct nl_batch b;
	char text[4096];
	struct buf out = BUF_ON(text);

	(void)state;
	publish(&ep, "8080:80");
	publish(&ep, "127.0.0.1:53-54:53-54/udp");
	publish(&ep, "[::]:81:82");
	publish(&ep, "[2001:db8::1]:83:84");
	nl_batch_init(&b);
	firewall_put_endpoint(&b, &n, &ep, true, false);
	decode(&b, &out);
	assert_string_equal(text,
			    "+members4 " KIST0 "0a570005\n"
			    "+members6 " KIST0 SIX " " KIST0 LOCAL "\n"
			    "+guarded " KVA "\n"
			    "+pins4 " KVA MAC "0a570005\n"
			    "+pins6 " KVA MAC SIX " " KVA MAC LOCAL "\n"
			    "+anywhere4 060000001f900000=0a57000500500000\n"
			    "+anywhere6 060000001f900000=" SIX "00500000\n"
			    "+published4 7f0000011100000000350000=0a57000500350000"
			    " 7f0000011100000000360000=0a57000500360000\n"
			    "+anywhere6 0600000000510000=" SIX "00520000\n"
			    "+published6 20010db80000000000000000000000010600000000530000=" SIX
			    "00540000\n");
	/* What is taken out is named by its key alone. */
	ep.address6 = in6addr_any;
	nl_batch_init(&b);
	firewall_put_endpoint(&b, &n, &ep, false, true);
	decode(&b, &out);
	assert_string_equal(text,
			    "-members4 " KIST0 "0a570005\n-anywhere4 060000001f900000\n"
			    "-published4 7f0000011100000000350000 7f0000011100000000360000\n");
}

static void test_internal_publishes_nothing(void **state)
{
	struct network n = lan();
	struct endpoint ep = web();
	struct nl_batch b;
	char text[4096];
	struct buf out = BUF_ON(text);

	(void)state;
	n.internal = true;
	publish(&ep, "8080:80");
	nl_batch_init(&b);
	firewall_put_endpoint(&b, &n, &ep, true, false);
	decode(&b, &out);
	assert_null(strstr(text, "anywhere"));
}

/* Every port there is, over both families: in messages of a bounded size, none left out. */
static void test_all_ports(void **state)
{
	const struct network n = lan();
	struct endpoint ep = web();
	struct nl_batch b;
	const struct nlmsghdr *m;
	const struct nlattr *a, *element;
	int left, count = 0;

	(void)state;
	publish(&ep, "1-65535:1-65535");
	nl_batch_init_growing(&b);
	firewall_put_endpoint(&b, &n, &ep, false, false);
	assert_false(b.overflow);
	m = (const struct nlmsghdr *)b.bytes;
	left = (int)b.used;
	for (; nl_ok(m, left); m = nl_next(m, &left)) {
		assert_in_range(m->nlmsg_len, 1, NL_MESSAGE_BYTES);
		nl_for_each(a, m, sizeof(struct nfgenmsg)) if (nl_attr_type(a) ==
							       NFTA_SET_ELEM_LIST_ELEMENTS)
			nl_for_each_in(element, a) count++;
	}
	assert_int_equal(left, 0);
	assert_int_equal(count, 3 + 2 * 65535);
	nl_batch_free(&b);
	/* A batch that may not grow says so. */
	nl_batch_init(&b);
	firewall_put_endpoint(&b, &n, &ep, false, false);
	assert_true(b.overflow);
}

/* One answer for the whole transaction, by its last message; and only the edges are not nf_tables'.
 */
static void test_transaction(void **state)
{
	const struct network n = lan();
	const struct endpoint ep = web();
	_cleanup_batch_ struct nl_batch b;
	const struct nlmsghdr *m, *last = NULL, *before = NULL;
	int left, acks = 0;

	(void)state;
	nl_batch_init_growing(&b);
	firewall_put_all(&b, &n, 1, &ep, 1, true);
	assert_false(b.overflow);
	m = (const struct nlmsghdr *)b.bytes;
	left = (int)b.used;
	assert_int_equal(m->nlmsg_type, NFNL_MSG_BATCH_BEGIN);
	for (; nl_ok(m, left); m = nl_next(m, &left)) {
		acks += (m->nlmsg_flags & NLM_F_ACK) != 0;
		before = last;
		last = m;
	}
	assert_int_equal(left, 0);
	assert_int_equal(acks, 1);
	assert_int_equal(last->nlmsg_type, NFNL_MSG_BATCH_END);
	assert_true(before->nlmsg_flags & NLM_F_ACK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_network),	  cmocka_unit_test(test_subnets_at_the_end),
		cmocka_unit_test(test_endpoint),  cmocka_unit_test(test_internal_publishes_nothing),
		cmocka_unit_test(test_all_ports), cmocka_unit_test(test_transaction),
	};

	return cmocka_run_group_tests_name("firewall", tests, NULL, NULL);
}
