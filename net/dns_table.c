/*
 * dns_table.c - the names of the containers on this host's networks, as the records say them.
 *
 * One hash of sets. A key is what is looked for (a name, an address, an owner,
 * a record's file), its kind, and the network it is looked for on.
 */
#include "net/dns_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 256
#define ANY_NETWORK   (~0u)

enum {
	KIND_NAME = 'n',
	KIND_ADDRESS = '4',
	KIND_ADDRESS6 = '6',
	KIND_OWNER = 'o',
	KIND_FILE = 'f'
};

struct key {
	char kind;
	unsigned network;
	const void *bytes;
	size_t len;
};

/* FNV-1a. Names are an administrator's own: nobody hostile chooses many that collide. */
static uint64_t hash_of(const struct key *k)
{
	uint64_t h = 0xcbf29ce484222325u ^ (uint64_t)k->kind << 32 ^ k->network;
	const unsigned char *p = k->bytes;

	for (size_t i = 0; i < k->len; i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	return h ^ h >> 29;
}

static bool is_key(const struct dns_set *s, uint64_t hash, const struct key *k)
{
	return s->hash == hash && s->kind == k->kind && s->network == k->network &&
	       s->key_len == k->len && memcmp(s->key, k->bytes, k->len) == 0;
}

static struct dns_set *find(const struct dns_table *t, const struct key *k)
{
	uint64_t hash = hash_of(k);

	if (!t->bucket_count)
		return NULL;
	for (struct dns_set *s = t->buckets[hash & (t->bucket_count - 1)]; s; s = s->next)
		if (is_key(s, hash, k))
			return s;
	return NULL;
}

static int grow(struct dns_table *t)
{
	size_t count = t->bucket_count ? t->bucket_count * 2 : BUCKETS_FIRST;
	struct dns_set **buckets;

	if (t->set_count < t->bucket_count)
		return 0;
	buckets = calloc(count, sizeof *buckets);
	if (!buckets)
		return t->bucket_count ? 0 : -ENOMEM;
	for (size_t i = 0; i < t->bucket_count; i++)
		for (struct dns_set *s = t->buckets[i], *next; s; s = next) {
			struct dns_set **at = &buckets[s->hash & (count - 1)];

			next = s->next;
			s->next = *at;
			*at = s;
		}
	free(t->buckets);
	t->buckets = buckets;
	t->bucket_count = count;
	return 0;
}

static struct dns_set *make(struct dns_table *t, const struct key *k)
{
	struct dns_set *s = find(t, k), **at;

	if (s || grow(t) < 0)
		return s;
	s = calloc(1, sizeof *s + k->len);
	if (!s)
		return NULL;
	s->hash = hash_of(k);
	s->kind = k->kind;
	s->network = k->network;
	s->key_len = (uint16_t)k->len;
	memcpy(s->key, k->bytes, k->len);
	at = &t->buckets[s->hash & (t->bucket_count - 1)];
	s->next = *at;
	*at = s;
	t->set_count++;
	return s;
}

static void drop(struct dns_table *t, struct dns_set *s)
{
	struct dns_set **at = &t->buckets[s->hash & (t->bucket_count - 1)];

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	t->set_count--;
	free(s->hosts);
	free(s);
}

/* A name twice in one record counts once. */
static int add(struct dns_table *t, const struct key *k, struct dns_host *h)
{
	struct dns_set *s = make(t, k);

	if (!s)
		return -ENOMEM;
	for (unsigned i = 0; i < s->count; i++)
		if (s->hosts[i] == h)
			return 0;
	if (s->count == s->room) {
		unsigned room = s->room ? s->room * 2 : 2;
		struct dns_host **hosts = reallocarray(s->hosts, room, sizeof *hosts);

		if (!hosts)
			return -ENOMEM;
		s->hosts = hosts;
		s->room = room;
	}
	s->hosts[s->count++] = h;
	return 0;
}

static void take(struct dns_table *t, const struct key *k, const struct dns_host *h)
{
	struct dns_set *s = find(t, k);

	if (!s)
		return;
	for (unsigned i = 0; i < s->count; i++) {
		if (s->hosts[i] != h)
			continue;
		memmove(s->hosts + i, s->hosts + i + 1, (--s->count - i) * sizeof *s->hosts);
		break;
	}
	if (s->count == 0)
		drop(t, s);
}

/* --- one record --------------------------------------------------------------------- */

static struct key text_key(char kind, unsigned network, const char *text)
{
	return (struct key){ kind, network, text, strlen(text) };
}

static void free_host(struct dns_host *h)
{
	if (!h)
		return;
	free(h->owner);
	free(h->file);
	free(h->names);
	free(h);
}

static void take_all(struct dns_table *t, struct dns_host *h)
{
	struct key k;

	for (int i = 0; i < h->name_count; i++) {
		k = text_key(KIND_NAME, h->network, h->names[i]);
		take(t, &k, h);
	}
	k = (struct key){ KIND_ADDRESS, h->network, &h->address, sizeof h->address };
	take(t, &k, h);
	k = (struct key){ KIND_ADDRESS6, h->network, &h->address6, sizeof h->address6 };
	take(t, &k, h);
	k = text_key(KIND_OWNER, ANY_NETWORK, h->owner);
	take(t, &k, h);
	k = text_key(KIND_FILE, h->network, h->file);
	take(t, &k, h);
}

static int add_all(struct dns_table *t, struct dns_host *h)
{
	struct key k = text_key(KIND_FILE, h->network, h->file);
	int r = add(t, &k, h);

	for (int i = 0; r == 0 && i < h->name_count; i++) {
		k = text_key(KIND_NAME, h->network, h->names[i]);
		r = add(t, &k, h);
	}
	if (r == 0 && h->address) {
		k = (struct key){ KIND_ADDRESS, h->network, &h->address, sizeof h->address };
		r = add(t, &k, h);
	}
	if (r == 0 && !IN6_IS_ADDR_UNSPECIFIED(&h->address6)) {
		k = (struct key){ KIND_ADDRESS6, h->network, &h->address6, sizeof h->address6 };
		r = add(t, &k, h);
	}
	if (r == 0) {
		k = text_key(KIND_OWNER, ANY_NETWORK, h->owner);
		r = add(t, &k, h);
	}
	return r;
}

static void lower_name(char to[ENDPOINT_NAME_MAX], const char *from)
{
	size_t i;

	for (i = 0; i < ENDPOINT_NAME_MAX - 1 && from[i]; i++)
		to[i] = from[i] >= 'A' && from[i] <= 'Z' ? (char)(from[i] + 32) : from[i];
	to[i] = '\0';
}

static struct dns_host *new_host(const char *file, const struct endpoint *ep, unsigned network)
{
	struct dns_host *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->network = network;
	h->internal = ep->internal;
	h->address = ep->address;
	h->address6 = ep->address6;
	h->owner = strdup(ep->owner);
	h->file = strdup(file);
	h->names = calloc((size_t)ep->name_count + 1, sizeof *h->names);
	if (!h->owner || !h->file || !h->names) {
		free_host(h);
		return NULL;
	}
	for (int i = 0; i < ep->name_count; i++)
		if (ep->names[i][0])
			lower_name(h->names[h->name_count++], ep->names[i]);
	if (h->name_count)
		snprintf(h->name, sizeof h->name, "%s.%s", h->names[0], ep->network);
	return h;
}

static struct dns_host *find_file(const struct dns_table *t, unsigned network, const char *file)
{
	struct key k = text_key(KIND_FILE, network, file);
	struct dns_set *s = find(t, &k);

	return s && s->count ? s->hosts[0] : NULL;
}

static void remove_host(struct dns_table *t, struct dns_host *h)
{
	if (!h)
		return;
	take_all(t, h);
	free_host(h);
	t->generation++;
}

int dns_table_put(struct dns_table *t, const char *file, const struct endpoint *ep)
{
	int network = dns_table_network(t, ep->network, true), r;
	struct dns_host *h;

	if (network < 0)
		return network;
	remove_host(t, find_file(t, (unsigned)network, file));
	h = new_host(file, ep, (unsigned)network);
	r = h ? add_all(t, h) : -ENOMEM;
	t->generation++;
	if (r < 0)
		remove_host(t, h);
	return r;
}

void dns_table_remove(struct dns_table *t, const char *network, const char *file)
{
	int number = dns_table_network(t, network, false);

	if (number >= 0)
		remove_host(t, find_file(t, (unsigned)number, file));
}

/* --- networks ----------------------------------------------------------------------- */

int dns_table_network(struct dns_table *t, const char *network, bool create)
{
	void *more;

	for (unsigned i = 0; i < t->network_count; i++)
		if (strcmp(t->networks[i], network) == 0)
			return (int)i;
	if (!create)
		return -ENOENT;
	more = reallocarray(t->networks, t->network_count + 1, sizeof *t->networks);
	if (!more)
		return -ENOMEM;
	t->networks = more;
	snprintf(t->networks[t->network_count], sizeof *t->networks, "%s", network);
	return (int)t->network_count++;
}

static struct dns_host *any_of(const struct dns_table *t, unsigned network, size_t *bucket)
{
	for (; *bucket < t->bucket_count; ++*bucket)
		for (struct dns_set *s = t->buckets[*bucket]; s; s = s->next)
			if (s->kind == KIND_FILE && s->network == network && s->count)
				return s->hosts[0];
	return NULL;
}

void dns_table_clear(struct dns_table *t, const char *network)
{
	int number = dns_table_network(t, network, false);
	struct dns_host *h;
	size_t bucket = 0;

	while (number >= 0 && (h = any_of(t, (unsigned)number, &bucket)))
		remove_host(t, h);
}

void dns_table_free(struct dns_table *t)
{
	for (unsigned i = 0; i < t->network_count; i++)
		dns_table_clear(t, t->networks[i]);
	free(t->buckets);
	free(t->networks);
	*t = (struct dns_table){ 0 };
}

/* --- lookups ------------------------------------------------------------------------ */

struct dns_set *dns_table_name(const struct dns_table *t, unsigned network, const char *name,
			       size_t len)
{
	return find(t, &(struct key){ KIND_NAME, network, name, len });
}

struct dns_set *dns_table_address(const struct dns_table *t, unsigned network, uint32_t address)
{
	return find(t, &(struct key){ KIND_ADDRESS, network, &address, sizeof address });
}

struct dns_set *dns_table_address6(const struct dns_table *t, unsigned network,
				   const struct in6_addr *address)
{
	return find(t, &(struct key){ KIND_ADDRESS6, network, address, sizeof *address });
}

struct dns_set *dns_table_owner(const struct dns_table *t, const char *owner)
{
	struct key k = text_key(KIND_OWNER, ANY_NETWORK, owner);

	return find(t, &k);
}
