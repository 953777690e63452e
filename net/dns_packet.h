/*
 * dns_packet.h - DNS messages (RFC 1035, 6891): a question read, an answer built.
 *
 * Every byte is hostile. Nothing here allocates, asks the kernel or keeps
 * state. Names of questions are never compressed here: a pointer there can only
 * lead back into itself or into the header, so there is no loop to follow.
 */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_HEADER 12
#define DNS_NAME_MAX                                                                               \
	256		   /* as text, with the NUL: 255 bytes on the wire are at most 253 of text \
			    */
#define DNS_UDP_MIN   512  /* what every client takes */
#define DNS_UDP_MAX   4096 /* what we send at most, and take from upstream */
#define DNS_TCP_MAX   65535
#define DNS_QUERY_MAX (DNS_HEADER + 255 + 4 + 11) /* of dns_query_build() */

enum { DNS_A = 1, DNS_PTR = 12, DNS_AAAA = 28, DNS_OPT = 41, DNS_ANY = 255 };
enum { DNS_IN = 1 };
enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
	DNS_BADVERS = 16,
};

struct dns_question {
	uint16_t id, type, class;
	bool recursion, checking_disabled, authentic;
	bool edns, dnssec;
	uint16_t limit; /* bytes its sender takes over UDP, at least DNS_UDP_MIN */
	uint8_t opcode;
	uint16_t end; /* where the question section ends; 0: there is none to repeat */
	bool plain;   /* `name` says it all: no label holds a dot or a control character */
	uint16_t name_len;
	char name[DNS_NAME_MAX]; /* lower case, without the last dot; "" is the root */
};

/* Reads what a client sent. 0; the rcode (> 0) to refuse it with; or -EBADMSG when no answer must
 * be given: not a whole header, or an answer itself, which might begin a loop. */
int dns_question_read(const uint8_t *m, size_t size, struct dns_question *ret);

/* The same question, made anew, for a server upstream: nothing of the client's but name, type,
 * class and flags goes out. Returns its length; `buf` holds DNS_QUERY_MAX. */
size_t dns_query_build(const uint8_t *m, const struct dns_question *q, uint16_t id, bool tcp,
		       uint8_t *buf);
/* Is `m` an answer to the query that dns_query_build() made? */
bool dns_reply_matches(const uint8_t *m, size_t size, const uint8_t *query, size_t query_size);
static inline bool dns_is_truncated(const uint8_t *m)
{
	return m[2] & 2;
}
static inline int dns_rcode_of(const uint8_t *m)
{
	return m[3] & 15;
}
static inline void dns_set_id(uint8_t *m, uint16_t id)
{
	m[0] = (uint8_t)(id >> 8);
	m[1] = (uint8_t)id;
}

struct dns_answer {
	uint8_t *buf;
	size_t limit, len;
	uint16_t count;
	const struct dns_question *question;
};

/* Begins an answer of at most `limit` bytes (>= DNS_UDP_MIN). `m` is the message q was read from.
 */
void dns_answer_begin(struct dns_answer *a, uint8_t *buf, size_t limit, const uint8_t *m,
		      const struct dns_question *q, int rcode);
/* A record of the question's name. false: it doesn't fit, and the answer is marked as cut off. */
bool dns_answer_add(struct dns_answer *a, uint16_t type, uint32_t ttl, const void *data,
		    size_t size);
/* A PTR record. false: no room, or `name` is none that DNS can say. */
bool dns_answer_add_name(struct dns_answer *a, uint32_t ttl, const char *name);
/* Ends it and returns its length. */
size_t dns_answer_end(struct dns_answer *a);
/* Of an answer from upstream that a client can't take: the part that says so. Its length. */
size_t dns_cut_off(uint8_t *m, const struct dns_question *q);

/* "4.3.2.1.in-addr.arpa", or the same of IPv6: AF_INET, AF_INET6, or 0: neither. */
int dns_reverse_parse(const char *name, uint32_t *ret4, struct in6_addr *ret6);
