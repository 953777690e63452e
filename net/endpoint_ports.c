/*
 * endpoint_ports.c - who has published which port: an index beside the records, so that a container more
 * does not read those of all others.
 *
 * In the folder .ports of the leases' folder, an entry for each port or range: its name is protocol,
 * first port, count and the owner's hash, its target the network. It is written before the record and
 * removed after it; one that leads to no record says nothing.
 */
#include "net/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/lease_record.h"

#define NAME_SIZE 40 /* "t65535+65535." and 16 hex digits */

static int open_index(const struct lease_store *s, bool make)
{
	int fd;

	if (make && mkdirat(s->dir, LEASE_PORTS, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(s->dir, LEASE_PORTS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static char letter(const struct published_port *p)
{
	return p->protocol == IPPROTO_UDP ? 'u' : 't';
}

int endpoint_ports_note(const struct lease_store *s, const struct endpoint *ep)
{
	_cleanup_fd_ int dir = ep->port_count ? open_index(s, true) : -EBADF;
	int r = ep->port_count && dir < 0 ? dir : 0;

	for (int i = 0; r == 0 && i < ep->port_count; i++) {
		const struct published_port *p = &ep->ports[i];
		char name[NAME_SIZE];

		snprintf(name, sizeof name, "%c%u+%u.%016llx", letter(p), p->host, p->count,
			 (unsigned long long)lease_hash(ep->owner));
		r = record_remove(dir, name);
		if (r == 0)
			r = record_set(dir, name, ep->network);
	}
	return r;
}

static int forget_one(int dir, const char *name, void *user)
{
	const char *dot = strchr(name, '.');

	return dot && strcmp(dot + 1, user) == 0 ? record_remove(dir, name) : 0;
}

int endpoint_ports_forget(const struct lease_store *s, const char *owner)
{
	_cleanup_fd_ int dir = open_index(s, false);
	char hash[17];
	int r;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	snprintf(hash, sizeof hash, "%016llx", (unsigned long long)lease_hash(owner));
	r = lease_each_entry(dir, forget_one, hash);
	(void)unlinkat(s->dir, LEASE_PORTS, AT_REMOVEDIR);
	return r;
}

struct search {
	const struct lease_store *s;
	const struct endpoint *ep;
	struct endpoint *found;
	size_t count;
	struct err *e;
};

static bool may_meet(const struct endpoint *ep, const char *name)
{
	unsigned first, count;
	char protocol;

	if (sscanf(name, "%c%u+%u.", &protocol, &first, &count) != 3)
		return false;
	for (int i = 0; i < ep->port_count; i++) {
		const struct published_port *p = &ep->ports[i];

		if (letter(p) == protocol && p->host < first + count && first < (unsigned)p->host + p->count)
			return true;
	}
	return false;
}

static int add_if_meets(int index, const char *name, void *user)
{
	_cleanup_fd_ int dir = -EBADF;
	char network[NETWORK_NAME_MAX], file[NAME_SIZE];
	struct search *x = user;
	struct endpoint *more;
	int r;

	if (!may_meet(x->ep, name))
		return 0;
	r = record_get(index, name, network, sizeof network);
	if (r <= 0)
		return r;
	dir = lease_network_open(x->s, network, false);
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	more = realloc(x->found, (x->count + 1) * sizeof *more);
	if (!more)
		return -ENOMEM;
	x->found = more;
	snprintf(file, sizeof file, "ep-%s", strchr(name, '.') + 1);
	r = endpoint_read(dir, file, &more[x->count], x->e);
	x->count += r == 1;
	return r < 0 ? r : 0;
}

int endpoint_list_meeting(const struct lease_store *s, const struct endpoint *ep, struct endpoint **ret,
			  size_t *ret_count, struct err *e)
{
	_cleanup_fd_ int dir = open_index(s, false);
	struct search x = { .s = s, .ep = ep, .e = e };
	int r = dir == -ENOENT ? 0 : dir < 0 ? dir : lease_each_entry(dir, add_if_meets, &x);

	if (r < 0) {
		free(x.found);
		return e && e->error ? -e->error
				     : err_set(e, -r, "%s/%s/" LEASE_PORTS, lease_root, s->key);
	}
	*ret = x.found;
	*ret_count = x.count;
	return 0;
}
