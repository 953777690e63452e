/*
 * dns_resolve.c - one question: answered from the names here, sent upstream, or refused.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/dns_server.h"

/* Types that are no question about a name: transfers and the like (RFC 6895, 3.1). */
#define META_FIRST 249
#define META_LAST  254

/* On which networks the client is, and whether one of them leads outside. */
static void refresh(struct dns_server *s, struct dns_client *c)
{
	const struct dns_set *set;
	unsigned *more;

	if (c->generation == s->table.generation)
		return;
	c->network_count = 0;
	c->may_forward = false;
	set = dns_table_owner(&s->table, c->owner);
	if (!set)
		return;
	more = reallocarray(c->networks, set->count, sizeof *more);
	if (!more)
		return; /* and try again with the next question */
	c->networks = more;
	for (unsigned i = 0; i < set->count; i++) {
		c->networks[c->network_count++] = set->hosts[i]->network;
		c->may_forward |= !set->hosts[i]->internal;
		/* The one whose server this is comes first, in answers too. */
		if (set->hosts[i]->network == s->number) {
			c->networks[i] = c->networks[0];
			c->networks[0] = s->number;
		}
	}
	c->generation = s->table.generation;
}

/* "web", or "web.NETWORK". */
static struct dns_set *find_name(const struct dns_server *s, unsigned network,
				 const struct dns_question *q)
{
	const char *net = s->table.networks[network];
	size_t len = strlen(net), name_len = q->name_len;
	struct dns_set *set = dns_table_name(&s->table, network, q->name, name_len);

	if (set || name_len < len + 2 || q->name[name_len - len - 1] != '.' ||
	    strncasecmp(q->name + name_len - len, net, len) != 0)
		return set;
	return dns_table_name(&s->table, network, q->name, name_len - len - 1);
}

static void add_address(struct dns_answer *a, const struct dns_host *h)
{
	uint16_t type = a->question->type;
	uint32_t address = htonl(h->address);

	if ((type == DNS_A || type == DNS_ANY) && h->address)
		dns_answer_add(a, DNS_A, DNS_TTL, &address, sizeof address);
	if ((type == DNS_AAAA || type == DNS_ANY) && !IN6_IS_ADDR_UNSPECIFIED(&h->address6))
		dns_answer_add(a, DNS_AAAA, DNS_TTL, &h->address6, sizeof h->address6);
}

/* Each question begins with another of the replicas. */
static void add_set(struct dns_answer *a, struct dns_set *set)
{
	unsigned at = set->turn++ % set->count;

	for (unsigned i = 0; i < set->count; i++, at = at + 1 == set->count ? 0 : at + 1)
		add_address(a, set->hosts[at]);
}

/* Whether the name is one of ours; then the answer is begun. */
static bool answer_name(struct dns_server *s, struct dns_client *c, struct dns_answer *a,
			uint8_t *buf, size_t limit, const uint8_t *m, const struct dns_question *q)
{
	bool found = false;

	if (!q->plain || !q->name_len)
		return false;
	for (unsigned i = 0; i < c->network_count; i++) {
		struct dns_set *set = find_name(s, c->networks[i], q);

		if (!set)
			continue;
		if (!found)
			dns_answer_begin(a, buf, limit, m, q, DNS_NOERROR);
		found = true;
		add_set(a, set);
	}
	return found;
}

static bool answer_address(struct dns_server *s, struct dns_client *c, struct dns_answer *a,
			   uint8_t *buf, size_t limit, const uint8_t *m,
			   const struct dns_question *q)
{
	uint32_t address = 0;
	struct in6_addr address6;
	int family = q->plain && q->type == DNS_PTR
			     ? dns_reverse_parse(q->name, &address, &address6)
			     : 0;
	bool found = false;

	for (unsigned i = 0; family && i < c->network_count; i++) {
		const struct dns_set *set =
			family == AF_INET
				? dns_table_address(&s->table, c->networks[i], address)
				: dns_table_address6(&s->table, c->networks[i], &address6);

		for (unsigned j = 0; set && j < set->count; j++) {
			if (!set->hosts[j]->name_count)
				continue;
			if (!found)
				dns_answer_begin(a, buf, limit, m, q, DNS_NOERROR);
			found = true;
			dns_answer_add_name(a, DNS_TTL, set->hosts[j]->name);
		}
	}
	return found;
}

static size_t answer_here(struct dns_server *s, struct dns_client *c, uint8_t *buf, size_t limit,
			  const uint8_t *m, const struct dns_question *q)
{
	struct dns_answer a;

	refresh(s, c);
	if (answer_name(s, c, &a, buf, limit, m, q) || answer_address(s, c, &a, buf, limit, m, q))
		return dns_answer_end(&a);
	return 0;
}

static size_t refuse(struct dns_server *s, uint8_t *buf, const uint8_t *m,
		     const struct dns_question *q, int rcode)
{
	struct dns_answer a;

	s->refused++;
	dns_answer_begin(&a, buf, DNS_UDP_MIN, m, q, rcode);
	return dns_answer_end(&a);
}

size_t dns_resolve(struct dns_server *s, struct dns_client *c, struct dns_conn *conn,
		   const struct sockaddr_in *from, const uint8_t *m, size_t size, uint8_t *buf)
{
	struct dns_question q;
	unsigned generation;
	size_t limit, len;
	int rcode = dns_question_read(m, size, &q);

	if (rcode < 0)
		return 0;
	s->questions++;
	if (rcode)
		return refuse(s, buf, m, &q, rcode);
	if (q.class != DNS_IN || (q.type >= META_FIRST && q.type <= META_LAST))
		return refuse(s, buf, m, &q, DNS_REFUSED);
	limit = conn ? DNS_TCP_MAX : q.limit < DNS_UDP_MAX ? q.limit : DNS_UDP_MAX;
	len = answer_here(s, c, buf, limit, m, &q);
	if (len)
		return len;
	/* Before a name is unknown, what happened meanwhile is looked at: a container that has just
	 * been made is found by the next question. */
	generation = s->table.generation;
	dns_watch_drain(s);
	if (!c->udp_source.ready)
		return 0; /* the container has gone */
	if (generation != s->table.generation) {
		len = answer_here(s, c, buf, limit, m, &q);
		if (len)
			return len;
	}
	/* An internal network tells nobody outside what it asks (CVE-2024-29018). */
	if (!c->may_forward)
		return refuse(s, buf, m, &q, DNS_REFUSED);
	rcode = dns_forward_start(s, c, conn, from, m, &q);
	return rcode ? refuse(s, buf, m, &q, rcode) : 0;
}
