/* DNS messages: what is read of hostile bytes, what is built. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "net/dns_packet.h"

#define HEAD(qd, ar)			  0x12, 0x34, 1, 0, 0, qd, 0, 0, 0, 0, 0, ar
#define DB				  2, 'D', 'b', 3, 'n', 'e', 't', 0, 0, 1, 0, 1
#define OPT(size_high, size_low, version) 0, 0, 41, size_high, size_low, 0, version, 0x80, 0, 0, 0

#define read(...)                                                                                  \
	({                                                                                         \
		const uint8_t m_[] = { __VA_ARGS__ };                                              \
		dns_question_read(m_, sizeof m_, &q);                                              \
	})

static struct dns_question q;

static void a_question_is_read(void **state)
{
	(void)state;
	assert_int_equal(read(HEAD(1, 0), DB), 0);
	assert_string_equal(q.name, "db.net");
	assert_int_equal(q.name_len, 6);
	assert_int_equal(q.id, 0x1234);
	assert_true(q.plain && q.recursion && !q.edns);
	assert_int_equal(q.type, DNS_A);
	assert_int_equal(q.limit, DNS_UDP_MIN);
	assert_int_equal(q.end, 12 + 12);
	assert_int_equal(read(HEAD(1, 1), DB, OPT(0x10, 0, 0)), 0);
	assert_true(q.edns && q.dnssec);
	assert_int_equal(q.limit, 4096);
	/* less than everybody takes counts as that */
	assert_int_equal(read(HEAD(1, 1), DB, OPT(0, 9, 0)), 0);
	assert_int_equal(q.limit, DNS_UDP_MIN);
}

static void what_is_no_question_is_refused(void **state)
{
	(void)state;
	assert_int_equal(read(0, 1, 2), -EBADMSG);
	assert_int_equal(read(0, 1, 0x81, 0, 0, 1, 0, 0, 0, 0, 0, 0, DB), -EBADMSG);
	assert_int_equal(read(0, 1, 0x10, 0, 0, 1, 0, 0, 0, 0, 0, 0, DB), DNS_NOTIMP);
	assert_int_equal(read(HEAD(0, 0)), DNS_FORMERR);
	assert_int_equal(read(HEAD(2, 0), DB, DB), DNS_FORMERR);
	/* to itself, forwards, behind the end, a label without an end */
	assert_int_equal(read(HEAD(1, 0), 0xC0, 12, 0, 1, 0, 1), DNS_FORMERR);
	assert_int_equal(read(HEAD(1, 0), 1, 'a', 0xC0, 12, 0, 1, 0, 1), DNS_FORMERR);
	assert_int_equal(read(HEAD(1, 0), 0xFF, 0xFF), DNS_FORMERR);
	assert_int_equal(read(HEAD(1, 0), 0x40, 1, 0, 0, 1, 0, 1), DNS_FORMERR);
	assert_int_equal(read(HEAD(1, 0), 9, 'a'), DNS_FORMERR);
	assert_int_equal(read(HEAD(1, 0), 1, 'a', 0, 0, 1, 0), DNS_FORMERR);
	/* records that are not there, or longer than what is */
	assert_int_equal(read(HEAD(1, 1), DB), DNS_FORMERR);
	assert_int_equal(read(HEAD(1, 1), DB, 0, 0, 41, 2, 0, 0, 0, 0, 0, 0, 1), DNS_FORMERR);
	assert_int_equal(read(HEAD(1, 2), DB, OPT(2, 0, 0), OPT(2, 0, 0)), DNS_FORMERR);
	assert_int_equal(read(HEAD(1, 1), DB, OPT(2, 0, 1)), DNS_BADVERS);
}

/* What would fit, if it was a label. */
static void a_pointer_is_no_label(void **state)
{
	static const uint8_t kinds[] = { 0x40, 0x80, 0xC0 };
	uint8_t m[600] = { HEAD(1, 0) };

	(void)state;
	for (size_t i = 0; i < sizeof kinds; i++) {
		m[DNS_HEADER] = kinds[i];
		memset(m + DNS_HEADER + 1, 'a', kinds[i]);
		memcpy(m + DNS_HEADER + 1 + kinds[i], (const uint8_t[5]){ 0, 0, 1, 0, 1 }, 5);
		assert_int_equal(dns_question_read(m, DNS_HEADER + 1u + kinds[i] + 5u, &q),
				 DNS_FORMERR);
	}
}

static void names_have_their_limit(void **state)
{
	uint8_t m[600] = { HEAD(1, 0) };
	size_t at = DNS_HEADER;

	(void)state;
	for (int i = 0; i < 3; i++) {
		m[at] = 63;
		memset(m + at + 1, 'a', 63);
		at += 64;
	}
	m[at] = 61; /* 3 * 64 + 62 + 1 = 255 */
	memset(m + at + 1, 'a', 61);
	assert_int_equal(dns_question_read(m, at + 62 + 5, &q), 0);
	assert_int_equal(q.name_len, 253);
	m[at] = 62;
	memset(m + at + 1, 'a', 62);
	assert_int_equal(dns_question_read(m, at + 63 + 5, &q), DNS_FORMERR);
}

static void a_label_with_a_dot_is_nobody(void **state)
{
	(void)state;
	assert_int_equal(read(HEAD(1, 0), 6, 'd', 'b', '.', 'n', 'e', 't', 0, 0, 1, 0, 1), 0);
	assert_false(q.plain);
	assert_int_equal(read(HEAD(1, 0), 3, 'd', 0, 'b', 0, 0, 1, 0, 1), 0);
	assert_false(q.plain);
}

static void what_goes_out_is_made_anew(void **state)
{
	/* a cookie option and bytes behind the end stay here */
	const uint8_t m[] = { 0x12, 0x34, 1, 0x10, 0, 1,    0, 0, 0, 0, 0,  1, DB, 0,	0,
			      41,   0x10, 0, 0,	   0, 0x80, 0, 0, 4, 0, 10, 0, 0,  'x', 'y' };
	uint8_t out[DNS_QUERY_MAX];
	size_t len;

	(void)state;
	assert_int_equal(dns_question_read(m, sizeof m, &q), 0);
	len = dns_query_build(m, &q, 0xABCD, false, out);
	assert_int_equal(len, 12 + 12 + 11);
	assert_memory_equal(out, ((uint8_t[]){ 0xAB, 0xCD, 1, 0x10, 0, 1, 0, 0, 0, 0, 0, 1 }), 12);
	assert_memory_equal(out + 12, m + 12, 12);
	assert_memory_equal(out + 24, ((uint8_t[]){ 0, 0, 41, 4, 0xD0, 0, 0, 0x80, 0, 0, 0 }), 11);
}

static void only_its_own_answer_matches(void **state)
{
	const uint8_t m[] = { HEAD(1, 0), DB };
	uint8_t query[DNS_QUERY_MAX], reply[64];
	size_t len;

	(void)state;
	dns_question_read(m, sizeof m, &q);
	len = dns_query_build(m, &q, 0x5555, false, query);
	memcpy(reply, query, len);
	assert_false(dns_reply_matches(reply, len, query, len)); /* a question */
	reply[2] |= 0x80;
	assert_true(dns_reply_matches(reply, len, query, len));
	reply[13] ^= 0x20; /* the case of a letter */
	assert_true(dns_reply_matches(reply, len, query, len));
	assert_false(dns_reply_matches(reply, len - 1, query, len));
	reply[1] ^= 1;
	assert_false(dns_reply_matches(reply, len, query, len));
	reply[1] ^= 1;
	reply[14] = 'x';
	assert_false(dns_reply_matches(reply, len, query, len));
	reply[14] = 'b';
	reply[len - 3] = 28; /* its type */
	assert_false(dns_reply_matches(reply, len, query, len));
}

static void an_answer_keeps_its_limit(void **state)
{
	const uint8_t m[] = { HEAD(1, 1), DB, OPT(2, 0, 0) }, address[4] = { 10, 1, 0, 2 };
	uint8_t out[DNS_UDP_MIN];
	struct dns_answer a;
	int fit = 0;

	(void)state;
	dns_question_read(m, sizeof m, &q);
	dns_answer_begin(&a, out, sizeof out, m, &q, DNS_NOERROR);
	while (dns_answer_add(&a, DNS_A, 5, address, 4))
		fit++;
	assert_int_equal(fit, (512 - 24 - 11) / 16);
	assert_true(dns_is_truncated(out));
	assert_true(dns_answer_end(&a) <= sizeof out);
	assert_int_equal(out[7], fit);
	assert_int_equal(out[11], 1);
	assert_int_equal(out[2] & 0x84, 0x84);
	/* BADVERS is one of those whose upper bits are in OPT */
	dns_answer_begin(&a, out, sizeof out, m, &q, DNS_BADVERS);
	assert_int_equal(dns_answer_end(&a), 24 + 11);
	assert_int_equal(out[3] & 15, 0);
	assert_int_equal(out[24 + 5], 1);
}

static void names_that_dns_cannot_say(void **state)
{
	const uint8_t m[] = { HEAD(1, 0), DB };
	static const char *const bad[] = {
		"",   ".",  "a..b",
		".a", "a.", "0123456789012345678901234567890123456789012345678901234567890123.net"
	};
	uint8_t out[DNS_UDP_MIN];
	struct dns_answer a;

	(void)state;
	dns_question_read(m, sizeof m, &q);
	dns_answer_begin(&a, out, sizeof out, m, &q, DNS_NOERROR);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(dns_answer_add_name(&a, 5, bad[i]));
	assert_int_equal(a.len, 24);
	assert_true(dns_answer_add_name(&a, 5, "db.net"));
	assert_memory_equal(out + 24 + 12, "\2db\3net", 8);
}

static void reverse_names(void **state)
{
	struct in6_addr six, want;
	uint32_t four = 0;

	(void)state;
	assert_int_equal(dns_reverse_parse("4.3.2.10.in-addr.arpa", &four, &six), AF_INET);
	assert_int_equal(four, 0x0a020304);
	assert_int_equal(
		dns_reverse_parse("5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
				  "1.4.d.f.ip6.arpa",
				  &four, &six),
		AF_INET6);
	inet_pton(AF_INET6, "fd41::5", &want);
	assert_memory_equal(&six, &want, sizeof six);
	assert_int_equal(dns_reverse_parse("256.3.2.10.in-addr.arpa", &four, &six), 0);
	assert_int_equal(dns_reverse_parse("04.3.2.10.in-addr.arpa", &four, &six), 0);
	assert_int_equal(dns_reverse_parse("3.2.10.in-addr.arpa", &four, &six), 0);
	assert_int_equal(dns_reverse_parse("5.0.ip6.arpa", &four, &six), 0);
	assert_int_equal(dns_reverse_parse("ip6.arpa", &four, &six), 0);
	assert_int_equal(dns_reverse_parse("", &four, &six), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_is_read),
		cmocka_unit_test(what_is_no_question_is_refused),
		cmocka_unit_test(a_pointer_is_no_label),
		cmocka_unit_test(names_have_their_limit),
		cmocka_unit_test(a_label_with_a_dot_is_nobody),
		cmocka_unit_test(what_goes_out_is_made_anew),
		cmocka_unit_test(only_its_own_answer_matches),
		cmocka_unit_test(an_answer_keeps_its_limit),
		cmocka_unit_test(names_that_dns_cannot_say),
		cmocka_unit_test(reverse_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
