/*
 * lease.c - which container has which address.
 */
#include "net/lease_record.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "net/address.h"
#include "net/link.h"

#define INDEX_NAME 24	 /* "of6-" and 16 hex digits */
#define TRIES6	   65536 /* of a subnet that has more addresses than there is time to look at */

uint64_t lease_hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3u;
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdu;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53u;
	return h ^ h >> 33;
}

/* --- leases ------------------------------------------------------------------- */

static char *index_name(int family, const char *owner, char name[INDEX_NAME])
{
	snprintf(name, INDEX_NAME, "%s%016llx", family == AF_INET6 ? "of6-" : "of-",
		 (unsigned long long)lease_hash(owner));
	return name;
}

static bool is_owned(int dir, const char *address, const char *owner)
{
	char text[LEASE_OWNER_MAX];

	return record_get(dir, address, text, sizeof text) == 1 && strcmp(text, owner) == 0;
}

/* The owner's address by the index: 1, or 0 when the index doesn't know. */
static int find_by_index(int dir, int family, const char *owner, char address[INET6_ADDRSTRLEN])
{
	char name[INDEX_NAME];

	return record_get(dir, index_name(family, owner, name), address, INET6_ADDRSTRLEN) == 1 &&
	       is_owned(dir, address, owner);
}

struct filter {
	lease_entry each;
	void *user;
	int family; /* AF_UNSPEC: both */
};

static int filter_lease(int dir, const char *name, void *user)
{
	const struct filter *f = user;
	struct in6_addr scratch;

	if ((f->family != AF_INET6 && inet_pton(AF_INET, name, &scratch) == 1) ||
	    (f->family != AF_INET && inet_pton(AF_INET6, name, &scratch) == 1))
		return f->each(dir, name, f->user);
	return 0;
}

/* Calls `each` for every address of the folder until it answers other than 0. */
static int each_lease(int dir, int family, lease_entry each, void *user)
{
	struct filter f = { each, user, family };

	return lease_each_entry(dir, filter_lease, &f);
}

struct search {
	const char *owner;
	char address[INET6_ADDRSTRLEN];
};

static int match_owner(int dir, const char *address, void *user)
{
	struct search *s = user;

	if (!is_owned(dir, address, s->owner))
		return 0;
	snprintf(s->address, sizeof s->address, "%s", address);
	return 1;
}

static int drop_if_owned(int dir, const char *address, void *user)
{
	return is_owned(dir, address, user) ? record_remove(dir, address) : 0;
}

static int is_lease(int dir, const char *address, void *user)
{
	(void)dir;
	(void)address;
	(void)user;
	return 1;
}

/* 1: the address's bytes are in *ret, as inet_pton(3) puts them. */
static int find_address(const struct lease_store *s, int family, const char *network,
			const char *owner, void *ret)
{
	_cleanup_fd_ int dir = lease_network_open(s, network, false);
	struct search search = { .owner = owner };
	int r;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	r = find_by_index(dir, family, owner, search.address);
	if (r == 0 && family == AF_INET)
		r = each_lease(dir, family, match_owner, &search);
	if (r <= 0)
		return r;
	return inet_pton(family, search.address, ret) == 1 ? 1 : -EBADMSG;
}

int lease_find(const struct lease_store *s, const char *network, const char *owner, uint32_t *ret)
{
	struct in_addr address;
	int r = find_address(s, AF_INET, network, owner, &address);

	if (r == 1)
		*ret = ntohl(address.s_addr);
	return r;
}

int lease_find6(const struct lease_store *s, const char *network, const char *owner,
		struct in6_addr *ret)
{
	struct in6_addr address;
	int r = find_address(s, AF_INET6, network, owner, &address);

	if (r == 1)
		*ret = address;
	return r;
}

/* Takes the first free address, beginning at the owner's own place. -ENOSPC: none. */
static int take_free(int dir, const char *owner, const struct lease_want *w,
		     char text[INET6_ADDRSTRLEN], uint32_t *ret)
{
	uint32_t count = ~ipv4_mask(w->prefix) - 2; /* without subnet, gateway and broadcast */
	uint32_t at = (uint32_t)(lease_hash(owner) % count);

	for (uint32_t i = 0; i < count; i++, at = at + 1 == count ? 0 : at + 1) {
		uint32_t address = (w->subnet & ipv4_mask(w->prefix)) + 1 + at;
		int r;

		address += address >= w->gateway;
		r = record_set(dir, ipv4_format(address, text), owner);
		if (r == -EEXIST)
			continue;
		if (r == 0)
			*ret = address;
		return r;
	}
	return -ENOSPC;
}

/* The index first: who has none has no IPv6 address, so that a network without them is never
 * searched. One that a kill -9 leaves leads to an address that is not the owner's. */
static int set_with_index(int dir, const char *owner, const char *address)
{
	char name[INDEX_NAME];
	int r = record_remove(dir, index_name(AF_INET6, owner, name));

	if (r == 0)
		r = record_set(dir, name, address);
	if (r == 0)
		r = record_set(dir, address, owner);
	if (r < 0)
		(void)record_remove(dir, name);
	return r;
}

static int take_free6(int dir, const char *owner, const struct lease_want *w, uint32_t near,
		      char text[INET6_ADDRSTRLEN], struct in6_addr *ret)
{
	uint32_t room = w->prefix6 <= 96 ? 0xffffffffu : (1u << (128 - w->prefix6)) - 1;
	uint32_t at = near & room;

	for (uint32_t i = 0; i <= room && i < TRIES6; i++, at = (at + 1) & room) {
		struct in6_addr address = in6_host(&w->subnet6, w->prefix6, at);
		int r;

		/* The number 0 is every router's (RFC 4291, 2.6.1). */
		if (at == 0 || memcmp(&address, &w->gateway6, sizeof address) == 0)
			continue;
		inet_ntop(AF_INET6, &address, text, INET6_ADDRSTRLEN);
		r = set_with_index(dir, owner, text);
		if (r == -EEXIST)
			continue;
		if (r == 0)
			*ret = address;
		return r;
	}
	return -ENOSPC;
}

static int refuse(int error, const char *network, const struct lease_want *w, const char *text,
		  struct err *e)
{
	char subnet[CIDR_TEXT];

	if (error == -EEXIST) {
		err_say(e, EADDRINUSE, "network %s: another container has %s", network, text);
		return err_fix(e, "see who: kist net inspect %s", network);
	}
	if (error != -ENOSPC)
		return err_set(e, -error, "%s: cannot lease an address on network %s", lease_root,
			       network);
	if (w->prefix)
		err_say(e, ENOSPC, "network %s has no free address: all %u of %s are leased", network,
			~ipv4_mask(w->prefix) - 2, cidr_format(w->subnet, w->prefix, subnet));
	else
		err_say(e, ENOSPC, "network %s has no free address in %s", network,
			cidr6_format(&w->subnet6, w->prefix6, subnet));
	return err_fix(e, "delete containers that are on it");
}

/* The index only saves a search: after a kill -9 before it lease_drop() finds the lease without. */
static int note_index(int dir, const char *owner, const char *text)
{
	char name[INDEX_NAME];
	int r = record_remove(dir, index_name(AF_INET, owner, name));

	if (r == 0)
		r = record_set(dir, name, text);
	if (r < 0)
		(void)record_remove(dir, text);
	return r;
}

static int take_v4(int dir, const char *network, const char *owner, const struct lease_want *w,
		   uint32_t *ret, struct err *e)
{
	char text[INET6_ADDRSTRLEN] = "";
	uint32_t address = w->address;
	int r;

	if (find_by_index(dir, AF_INET, owner, text))
		return err_say(e, EEXIST, "%s has address %s on network %s already", owner, text,
			       network);
	if (address) {
		r = subnet_check_host(w->subnet, w->prefix, w->gateway, address, e);
		if (r < 0)
			return err_wrap(e, "network %s", network);
		r = record_set(dir, ipv4_format(address, text), owner);
	} else {
		r = take_free(dir, owner, w, text, &address);
	}
	if (r == 0)
		r = note_index(dir, owner, text);
	if (r < 0)
		return refuse(r, network, w, text, e);
	*ret = address;
	return 0;
}

static int take_v6(int dir, const char *network, const char *owner, const struct lease_want *w,
		   uint32_t near, struct in6_addr *ret, struct err *e)
{
	struct lease_want six = *w;
	char text[INET6_ADDRSTRLEN] = "";
	struct in6_addr address = w->address6;
	int r;

	if (find_by_index(dir, AF_INET6, owner, text))
		return err_say(e, EEXIST, "%s has address %s on network %s already", owner, text,
			       network);
	if (!in6_is_zero(&address)) {
		r = subnet6_check_host(&w->subnet6, w->prefix6, &w->gateway6, &address, e);
		if (r < 0)
			return err_wrap(e, "network %s", network);
		inet_ntop(AF_INET6, &address, text, sizeof text);
		r = set_with_index(dir, owner, text);
	} else {
		r = take_free6(dir, owner, w, near, text, &address);
	}
	six.prefix = 0;
	if (r < 0)
		return refuse(r, network, &six, text, e);
	*ret = address;
	return 0;
}

int lease_take_want(const struct lease_store *s, const char *network, const char *owner,
		    const struct lease_want *w, struct lease *ret, struct err *e)
{
	_cleanup_fd_ int dir = -EBADF;
	struct lease lease = { 0 };
	uint32_t near;
	int r = 0;

	if (w->prefix && (w->prefix < LEASE_PREFIX_MIN || w->prefix > LEASE_PREFIX_MAX))
		return err_say(e, EINVAL, "network %s: prefix /%d is not in /%d../%d", network,
			       w->prefix, LEASE_PREFIX_MIN, LEASE_PREFIX_MAX);
	if (!*owner || strlen(owner) >= LEASE_OWNER_MAX)
		return err_say(e, EINVAL, "the owner of a lease needs a name of 1 to %d bytes",
			       LEASE_OWNER_MAX - 1);
	dir = lease_network_open(s, network, true);
	if (dir < 0)
		return refuse(dir, network, w, "", e);
	if (w->prefix)
		r = take_v4(dir, network, owner, w, &lease.address, e);
	near = lease.address ? lease.address & ~ipv4_mask(w->prefix) : (uint32_t)lease_hash(owner);
	if (r == 0 && w->prefix6) {
		r = take_v6(dir, network, owner, w, near, &lease.address6, e);
		if (r < 0 && w->prefix)
			(void)lease_drop(s, network, owner, NULL);
	}
	if (r == 0)
		*ret = lease;
	return r;
}

int lease_take(const struct lease_store *s, const char *network, const char *owner, uint32_t subnet,
	       int prefix, uint32_t *ret, struct err *e)
{
	const struct lease_want want = { .subnet = subnet, .prefix = prefix,
					 .gateway = (subnet & ipv4_mask(prefix)) + 1 };
	struct lease lease;
	int r;

	/* No IPv4 at all is not what was asked for. */
	if (prefix == 0)
		return err_say(e, EINVAL, "network %s: prefix /0 is not in /%d../%d", network,
			       LEASE_PREFIX_MIN, LEASE_PREFIX_MAX);
	r = lease_take_want(s, network, owner, &want, &lease, e);
	if (r == 0)
		*ret = lease.address;
	return r;
}

/* An index that leads to another's address stays: two names with one hash. */
static int drop_index(int dir, int family, const char *owner)
{
	char text[INET6_ADDRSTRLEN], name[INDEX_NAME], scratch[LEASE_OWNER_MAX];

	if (record_get(dir, index_name(family, owner, name), text, sizeof text) == 1 &&
	    record_get(dir, text, scratch, sizeof scratch) == 0)
		return record_remove(dir, name);
	return 0;
}

static int drop_family(int dir, int family, const char *owner)
{
	char text[INET6_ADDRSTRLEN];
	int r = 0;

	if (find_by_index(dir, family, owner, text))
		r = record_remove(dir, text);
	else if (family == AF_INET)
		r = each_lease(dir, family, drop_if_owned, (void *)owner);
	return r < 0 ? r : drop_index(dir, family, owner);
}

int lease_drop(const struct lease_store *s, const char *network, const char *owner, struct err *e)
{
	_cleanup_fd_ int dir = lease_network_open(s, network, false);
	int r;

	if (dir == -ENOENT)
		return 0;
	/* The index last, so that a kill -9 before leaves a way to find the lease. */
	r = dir < 0 ? dir : drop_family(dir, AF_INET, owner);
	if (r >= 0)
		r = drop_family(dir, AF_INET6, owner);
	return r < 0 ? err_set(e, -r, "%s: cannot free the address of %s", lease_root, owner) : 0;
}

struct keep {
	lease_owner keeps;
	void *user;
};

static int drop_unless(int dir, const char *address, void *user)
{
	const struct keep *k = user;
	char owner[LEASE_OWNER_MAX];
	int r = record_get(dir, address, owner, sizeof owner);

	if (r == 1)
		r = k->keeps(owner, k->user);
	else if (r < 0)
		return r;
	if (r == 0)
		r = record_remove(dir, address);
	return r < 0 ? r : 0;
}

int lease_drop_unless(const struct lease_store *s, const char *network, lease_owner keeps, void *user)
{
	_cleanup_fd_ int dir = lease_network_open(s, network, false);
	struct keep k = { keeps, user };

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	return each_lease(dir, AF_UNSPEC, drop_unless, &k);
}

int lease_any(const struct lease_store *s, const char *network)
{
	_cleanup_fd_ int dir = lease_network_open(s, network, false);

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	return each_lease(dir, AF_UNSPEC, is_lease, NULL);
}

static int has_lease(int dir, const char *network, void *user)
{
	_cleanup_fd_ int fd = openat(dir, network, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	(void)user;
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return each_lease(fd, AF_UNSPEC, is_lease, NULL);
}

int lease_any_network(const struct lease_store *s)
{
	return lease_each_network(s, has_lease, NULL);
}

int lease_network_remove(const struct lease_store *s, const char *network, struct err *e)
{
	int used = lease_any(s, network);

	if (used < 0)
		return err_set(e, -used, "%s/%s/%s", lease_root, s->key, network);
	if (used)
		return err_say(e, EBUSY, "network %s is in use", network);
	return path_remove_tree(s->dir, network, e);
}
