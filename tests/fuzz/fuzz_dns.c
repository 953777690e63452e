/* fuzz_dns.c - any bytes as a question of a container's, as an answer from upstream, and as a
 * host's resolv.conf.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/dns_packet.h"
#include "net/resolv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_as_question(const uint8_t *data, size_t size)
{
	uint8_t query[DNS_QUERY_MAX], *answer = malloc(DNS_UDP_MIN), *reply;
	struct dns_question q, again;
	struct dns_answer a;
	uint32_t four;
	struct in6_addr six;
	size_t len;
	int rcode = dns_question_read(data, size, &q);

	if (rcode >= 0) {
		dns_answer_begin(&a, answer, DNS_UDP_MIN, data, &q, rcode);
		while (dns_answer_add(&a, DNS_A, 1, "abcd", 4))
			;
		dns_answer_add_name(&a, 1, q.name);
		len = dns_answer_end(&a);
		assert(len <= DNS_UDP_MIN && len >= DNS_HEADER);
	}
	free(answer);
	if (rcode != 0)
		return;
	assert(strlen(q.name) < DNS_NAME_MAX && q.limit >= DNS_UDP_MIN);
	dns_reverse_parse(q.name, &four, &six);
	len = dns_query_build(data, &q, 7, false, query);
	assert(len <= sizeof query);
	/* what we send is what was asked */
	assert(dns_question_read(query, len, &again) == 0);
	assert(strcmp(again.name, q.name) == 0 && again.type == q.type && again.edns == q.edns);
	reply = malloc(size + 64);
	memcpy(reply, data, size);
	assert(!dns_reply_matches(reply, size, query, len));
	reply[2] |= 0x80;
	dns_set_id(reply, 7);
	assert(dns_reply_matches(reply, size, query, len));
	assert(dns_cut_off(reply, &q) <= DNS_UDP_MIN);
	free(reply);
}

static void use_as_answer(const uint8_t *data, size_t size)
{
	static const uint8_t query[] = {
		0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1
	};
	uint8_t *copy = malloc(size ? size : 1);

	memcpy(copy, data, size);
	dns_reply_matches(copy, size, query, sizeof query);
	free(copy);
}

static void use_as_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), made[RESOLV_TEXT_MAX];
	struct buf b = BUF_ON(made);
	struct resolv r;

	memcpy(text, data, size);
	text[size] = '\0';
	resolv_parse(text, &r);
	buf_reset(&b);
	resolv_make(&r, size % 2, &b);
	assert(!buf_truncated(&b));
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	use_as_question(data, size);
	use_as_answer(data, size);
	use_as_text(data, size);
	return 0;
}
