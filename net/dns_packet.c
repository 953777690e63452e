/*
 * dns_packet.c - DNS messages (RFC 1035, 6891): a question read, an answer built.
 */
#include "net/dns_packet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LABEL_MAX     63
#define POINTER	      0xC0 /* of the two upper bits of a label's length: both set */
#define OPT_SIZE      11   /* root, type, class, ttl, no data */
#define EDNS_UPSTREAM 1232 /* what no path cuts into pieces: pieces can be forged */

/* Byte 2 and 3 of the header. */
#define QR     0x80
#define OPCODE 0x78
#define AA     0x04
#define TC     0x02
#define RD     0x01
#define RA     0x80
#define AD     0x20
#define CD     0x10
#define RCODE  0x0F

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, unsigned value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* --- reading -------------------------------------------------------------------- */

/* Reads the name at `at` as text. Returns where it ends, 0: malformed. */
static size_t read_name(const uint8_t *m, size_t size, size_t at, struct dns_question *q)
{
	size_t start = at, len = 0;

	q->plain = true;
	for (;;) {
		size_t label;

		if (at >= size)
			return 0;
		label = m[at++];
		if (label == 0)
			break;
		/* 64 and more: a pointer, or a kind of label that never came to be. */
		if (label > LABEL_MAX || label > size - at || at + label - start > 254)
			return 0;
		if (len)
			q->name[len++] = '.';
		for (size_t i = 0; i < label; i++) {
			uint8_t c = lower(m[at + i]);

			q->plain &= c > ' ' && c != '.' && c != 0x7f;
			q->name[len++] = (char)c;
		}
		at += label;
	}
	q->name[len] = '\0';
	q->name_len = (uint16_t)len;
	return at;
}

/* Over a record's name, of which only the end matters. 0: malformed. */
static size_t skip_name(const uint8_t *m, size_t size, size_t at)
{
	while (at < size) {
		size_t label = m[at++];

		if (label == 0)
			return at;
		if ((label & POINTER) == POINTER)
			return at < size ? at + 1 : 0;
		if (label > LABEL_MAX || label > size - at)
			return 0;
		at += label;
	}
	return 0;
}

/* The records behind the question, of which only OPT says anything to us. */
static int read_options(const uint8_t *m, size_t size, size_t at, unsigned records,
			struct dns_question *q)
{
	for (unsigned i = 0; i < records; i++) {
		bool root = at < size && m[at] == 0;
		size_t data;

		at = skip_name(m, size, at);
		if (at == 0 || size - at < 10)
			return DNS_FORMERR;
		data = get16(m + at + 8);
		if (data > size - at - 10)
			return DNS_FORMERR;
		if (get16(m + at) == DNS_OPT) {
			if (q->edns || !root) /* RFC 6891, 6.1.1: one at most, named the root */
				return DNS_FORMERR;
			q->edns = true;
			q->limit = get16(m + at + 2);
			q->limit = q->limit < DNS_UDP_MIN ? DNS_UDP_MIN : q->limit;
			q->dnssec = m[at + 6] & 0x80;
			if (m[at + 5] != 0)
				return DNS_BADVERS;
		}
		at += 10 + data;
	}
	return 0;
}

int dns_question_read(const uint8_t *m, size_t size, struct dns_question *ret)
{
	struct dns_question *q = ret;
	size_t end;

	q->id = 0;
	q->end = 0;
	q->type = q->class = 0;
	q->edns = q->dnssec = q->plain = false;
	q->limit = DNS_UDP_MIN;
	q->name_len = 0;
	q->name[0] = '\0';
	if (size < DNS_HEADER || (m[2] & QR))
		return -EBADMSG;
	q->id = get16(m);
	q->opcode = (m[2] & OPCODE) >> 3;
	q->recursion = m[2] & RD;
	q->authentic = m[3] & AD;
	q->checking_disabled = m[3] & CD;
	if (q->opcode != 0)
		return DNS_NOTIMP;
	/* One question, and no answers in it. */
	if (get16(m + 4) != 1 || get16(m + 6) != 0 || get16(m + 8) != 0)
		return DNS_FORMERR;
	end = read_name(m, size, DNS_HEADER, q);
	if (end == 0 || size - end < 4)
		return DNS_FORMERR;
	q->type = get16(m + end);
	q->class = get16(m + end + 2);
	q->end = (uint16_t)(end + 4);
	return read_options(m, size, end + 4, get16(m + 10), q);
}

/* --- upstream ------------------------------------------------------------------- */

static size_t put_opt(uint8_t *p, unsigned limit, unsigned extended_rcode, bool dnssec)
{
	memset(p, 0, OPT_SIZE);
	put16(p + 1, DNS_OPT);
	put16(p + 3, limit);
	p[5] = (uint8_t)extended_rcode;
	p[7] = dnssec ? 0x80 : 0;
	return OPT_SIZE;
}

size_t dns_query_build(const uint8_t *m, const struct dns_question *q, uint16_t id, bool tcp,
		       uint8_t *buf)
{
	unsigned limit = tcp ? DNS_UDP_MAX : q->limit < EDNS_UPSTREAM ? q->limit : EDNS_UPSTREAM;
	size_t len = q->end;

	memset(buf, 0, DNS_HEADER);
	dns_set_id(buf, id);
	buf[2] = q->recursion ? RD : 0;
	buf[3] = (uint8_t)((q->authentic ? AD : 0) | (q->checking_disabled ? CD : 0));
	put16(buf + 4, 1);
	memcpy(buf + DNS_HEADER, m + DNS_HEADER, len - DNS_HEADER);
	if (q->edns) {
		put16(buf + 10, 1);
		len += put_opt(buf + len, limit, 0, q->dnssec);
	}
	return len;
}

/* Where the one question of a message of ours ends. */
static size_t question_end(const uint8_t *m)
{
	size_t at = DNS_HEADER;

	while (m[at])
		at += m[at] + 1u;
	return at + 5;
}

bool dns_reply_matches(const uint8_t *m, size_t size, const uint8_t *query, size_t query_size)
{
	size_t end = question_end(query);

	if (size < end || end > query_size)
		return false;
	if (m[0] != query[0] || m[1] != query[1] || (m[2] & (QR | OPCODE)) != QR)
		return false;
	if (get16(m + 4) != 1)
		return false;
	for (size_t i = DNS_HEADER; i < end; i++)
		if (lower(m[i]) != lower(query[i]))
			return false;
	return true;
}

/* --- answers -------------------------------------------------------------------- */

void dns_answer_begin(struct dns_answer *a, uint8_t *buf, size_t limit, const uint8_t *m,
		      const struct dns_question *q, int rcode)
{
	memset(buf, 0, DNS_HEADER);
	dns_set_id(buf, q->id);
	buf[2] = (uint8_t)(QR | q->opcode << 3 | (q->recursion ? RD : 0));
	if (rcode == DNS_NOERROR || rcode == DNS_NXDOMAIN)
		buf[2] |= AA;
	buf[3] = (uint8_t)(RA | (q->checking_disabled ? CD : 0) | (rcode & RCODE));
	*a = (struct dns_answer){ .buf = buf, .limit = limit, .len = DNS_HEADER, .question = q };
	if (q->end) {
		memcpy(buf + DNS_HEADER, m + DNS_HEADER, q->end - DNS_HEADER);
		a->len = q->end;
		put16(buf + 4, 1);
	}
	if (q->edns) {
		/* Written at the end; here its place is kept, and what it says of the rcode. */
		a->limit -= OPT_SIZE;
		put16(buf + 10, (unsigned)rcode >> 4);
	}
}

static bool cut(struct dns_answer *a)
{
	a->buf[2] |= TC;
	return false;
}

/* A record's head, named by a pointer to the question. NULL: no room. */
static uint8_t *put_head(struct dns_answer *a, uint16_t type, uint32_t ttl, size_t size)
{
	uint8_t *p = a->buf + a->len;

	if (12 + size > a->limit - a->len || a->count == UINT16_MAX) {
		cut(a);
		return NULL;
	}
	put16(p, POINTER << 8 | DNS_HEADER);
	put16(p + 2, type);
	put16(p + 4, DNS_IN);
	put16(p + 6, ttl >> 16);
	put16(p + 8, ttl & 0xFFFF);
	put16(p + 10, (unsigned)size);
	a->len += 12 + size;
	a->count++;
	return p + 12;
}

bool dns_answer_add(struct dns_answer *a, uint16_t type, uint32_t ttl, const void *data,
		    size_t size)
{
	uint8_t *p = put_head(a, type, ttl, size);

	if (!p)
		return false;
	memcpy(p, data, size);
	return true;
}

/* As on the wire; 0: it can't be. */
static size_t pack_name(const char *name, uint8_t wire[DNS_NAME_MAX])
{
	size_t len = 0;

	while (*name) {
		size_t label = strcspn(name, ".");

		if (label == 0 || label > LABEL_MAX || len + label + 2 > 255)
			return 0;
		wire[len++] = (uint8_t)label;
		memcpy(wire + len, name, label);
		len += label;
		name += label;
		if (*name == '.' && name[1])
			name++;
		else if (*name)
			return 0;
	}
	wire[len++] = 0;
	return len > 1 ? len : 0;
}

bool dns_answer_add_name(struct dns_answer *a, uint32_t ttl, const char *name)
{
	uint8_t wire[DNS_NAME_MAX];
	size_t len = pack_name(name, wire);

	return len && dns_answer_add(a, DNS_PTR, ttl, wire, len);
}

size_t dns_answer_end(struct dns_answer *a)
{
	put16(a->buf + 6, a->count);
	if (a->question->edns) {
		unsigned high = get16(a->buf + 10);

		put16(a->buf + 10, 1);
		a->len += put_opt(a->buf + a->len, DNS_UDP_MAX, high, a->question->dnssec);
	}
	return a->len;
}

size_t dns_cut_off(uint8_t *m, const struct dns_question *q)
{
	size_t len = q->end;

	m[2] |= TC;
	memset(m + 6, 0, 6);
	if (q->edns) {
		put16(m + 10, 1);
		len += put_opt(m + len, DNS_UDP_MAX, 0, q->dnssec);
	}
	return len;
}

/* --- reverse names ---------------------------------------------------------------- */

/* A decimal byte as it is written, without leading zeros. Returns what follows, or NULL. */
static const char *read_byte(const char *p, unsigned *ret)
{
	const char *start = p;
	unsigned value = 0;

	while (*p >= '0' && *p <= '9' && p - start < 3)
		value = value * 10 + (unsigned)(*p++ - '0');
	if (p == start || value > 255 || (*start == '0' && p - start > 1))
		return NULL;
	*ret = value;
	return p;
}

static int reverse4(const char *p, uint32_t *ret)
{
	uint32_t address = 0;
	unsigned byte;

	for (int i = 0; i < 4; i++) {
		p = read_byte(p, &byte);
		if (!p || *p++ != '.')
			return 0;
		address |= byte << 8 * i;
	}
	if (strcmp(p, "in-addr.arpa") != 0)
		return 0;
	*ret = address;
	return AF_INET;
}

static int reverse6(const char *p, struct in6_addr *ret)
{
	struct in6_addr address = { 0 };
	static const char digits[] = "0123456789abcdef";

	for (int i = 31; i >= 0; i--) {
		const char *digit = *p ? strchr(digits, *p) : NULL;

		if (!digit || p[1] != '.')
			return 0;
		address.s6_addr[i / 2] |= (uint8_t)((digit - digits) << (i % 2 ? 0 : 4));
		p += 2;
	}
	if (strcmp(p, "ip6.arpa") != 0)
		return 0;
	*ret = address;
	return AF_INET6;
}

int dns_reverse_parse(const char *name, uint32_t *ret4, struct in6_addr *ret6)
{
	size_t len = strlen(name);

	if (len > 8 && strcmp(name + len - 8, "ip6.arpa") == 0)
		return reverse6(name, ret6);
	return reverse4(name, ret4);
}
