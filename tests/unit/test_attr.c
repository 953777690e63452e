/*
 * attr.h, attr.c: attributes as netlink(7) lays them out, and what does not fit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/netlink.h"

static void what_is_put_is_read(void **state)
{
	struct nl_batch b;
	struct nlmsghdr *m;
	struct nlattr *nest;
	const struct nlattr *a, *in;
	static const int types[] = { 1, 2, 3, 6 };
	int seen = 0;

	(void)state;
	nl_batch_init(&b);
	m = nl_begin(&b, 16, NLM_F_ACK);
	memset(nl_extra_header(m, 6), 0xee, 6);
	nl_put_string(m, 1, "lo");
	nl_put_text(m, 2, "veth");
	nest = nl_nest_begin(m, 3);
	nl_put_u32(m, 4, 0x01020304);
	nl_put(m, 5, 0, "");
	nl_nest_end(m, nest);
	nl_put_u32(m, 6, 7);
	nl_end(&b, m);
	assert_false(b.overflow);
	assert_int_equal(b.used, m->nlmsg_len);
	/* header 16, family's 8, "lo\0" 4+4, "veth" 4+4, nest 4 + (4+4) + 4, u32 4+4 */
	assert_int_equal(m->nlmsg_len, 16 + 8 + 8 + 8 + 16 + 8);
	nl_for_each(a, m, 6) {
		assert_int_equal(nl_attr_type(a), types[seen]);
		seen++;
		if (nl_attr_type(a) < 3)
			assert_int_equal(nl_attr_is_string(a), nl_attr_type(a) == 1);
		if (nl_attr_type(a) == 3) {
			int inner = 4;

			assert_true(a->nla_type & NLA_F_NESTED);
			nl_for_each_in(in, a)
				assert_int_equal(nl_attr_type(in), inner++);
			assert_int_equal(inner, 6);
			in = nl_attr_payload(a);
			assert_true(nl_attr_is_u32(in));
			assert_int_equal(nl_attr_u32(in), 0x01020304);
		}
	}
	assert_int_equal(seen, 4);
}

static void what_is_too_long_is_refused(void **state)
{
	static const char big[NL_MESSAGE_BYTES];
	struct nl_batch b;
	struct nlmsghdr *m;

	(void)state;
	for (size_t size = 900; size <= sizeof big; size++) {
		char guard;

		nl_batch_init(&b);
		m = nl_begin(&b, 16, 0);
		guard = b.bytes[NL_MESSAGE_BYTES] = 0x5a;
		nl_put(m, 1, size, big);
		nl_nest_end(m, nl_nest_begin(m, 2));
		nl_end(&b, m);
		assert_int_equal(b.overflow, 16 + 4 + NL_ALIGN(size) + 4 > NL_MESSAGE_BYTES);
		assert_int_equal(b.bytes[NL_MESSAGE_BYTES], guard);
	}
	/* However many: the batch never runs out of its own memory. */
	nl_batch_init(&b);
	for (int i = 0; i < 100; i++) {
		m = nl_begin(&b, 16, 0);
		nl_put(m, 1, 1000, big);
		nl_end(&b, m);
		assert_true(b.used <= b.size);
	}
	assert_true(b.overflow);
}

static void a_broken_length_ends_the_walk(void **state)
{
	_Alignas(8) char bytes[64] = { 0 };
	struct nlmsghdr *m = (struct nlmsghdr *)bytes;
	struct nlattr *first = nl_payload(m), *second = (struct nlattr *)((char *)first + 8);
	static const struct {
		uint16_t length;
		int count;
	} cases[] = { { 8, 2 }, { 0, 1 }, { 3, 1 }, { 9, 1 }, { 0xffff, 1 }, { 4, 2 } };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct nlattr *a;
		int count = 0;

		m->nlmsg_len = NLMSG_HDRLEN + 16;
		first->nla_len = 8;
		second->nla_len = cases[i].length;
		nl_for_each(a, m, 0)
			if (++count == 2 && cases[i].length == 4)
				break;
		assert_int_equal(count, cases[i].count);
	}
	/* Messages: none that is longer than what was read, or shorter than its header. */
	m->nlmsg_len = 64;
	assert_true(nl_ok(m, 64));
	assert_false(nl_ok(m, 63));
	assert_false(nl_ok(m, 8));
	assert_false(nl_ok(m, -4));
	m->nlmsg_len = 15;
	assert_false(nl_ok(m, 64));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_is_read),
		cmocka_unit_test(what_is_too_long_is_refused),
		cmocka_unit_test(a_broken_length_ends_the_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
