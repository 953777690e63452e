/*
 * endpoint.c - a container on a network: the records, one file each.
 */
#include "net/endpoint.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"

#define MARK	  "ep-"
#define NAME_SIZE 24 /* ".ep-" and 16 hex digits */

static char *file_name(const char *owner, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, MARK "%016llx", (unsigned long long)lease_hash(owner));
	return name;
}

static int refuse(const struct lease_store *s, const char *network, const char *owner, int error,
		  struct err *e)
{
	return err_set(e, error, "%s/%s/%s: the record of %s", lease_root, s->key, network, owner);
}

/* 1, 0, -errno. */
int endpoint_read(int dir, const char *name, struct endpoint *ret, struct err *e)
{
	_cleanup_json_ json_t *o = NULL;
	int r;

	if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return 0;
	r = json_read_file(dir, name, &o, e);
	if (r == 0)
		r = endpoint_from_json(o, ret, e);
	return r < 0 ? err_wrap(e, "%s: %s", lease_root, name) : 1;
}

int endpoint_get(const struct lease_store *s, const char *network, const char *owner,
		 struct endpoint *ret, struct err *e)
{
	_cleanup_fd_ int dir = lease_network_open(s, network, false);
	char name[NAME_SIZE];
	struct endpoint *ep;
	int r;

	if (dir < 0)
		return dir == -ENOENT ? 0 : refuse(s, network, owner, -dir, e);
	ep = malloc(sizeof *ep);
	if (!ep)
		return refuse(s, network, owner, ENOMEM, e);
	r = endpoint_read(dir, file_name(owner, name), ep, e);
	/* Two names with one hash: the file is the other's. */
	if (r == 1 && strcmp(ep->owner, owner) != 0)
		r = 0;
	if (r == 1)
		*ret = *ep;
	free(ep);
	return r;
}

static int write_record(int dir, const char *name, const char *text)
{
	char new[NAME_SIZE + 1];
	_cleanup_fd_ int fd = -EBADF;
	int r;

	/* Under the lock: what a kill -9 left of that name is written over. */
	snprintf(new, sizeof new, ".%s", name);
	fd = openat(dir, new, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));
	if (r == 0 && renameat(dir, new, dir, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir, new, 0);
	return r;
}

static int is_anothers(int dir, const char *name, const char *owner, struct err *e)
{
	struct endpoint *old = malloc(sizeof *old);
	int r = old ? endpoint_read(dir, name, old, e) : -ENOMEM;

	if (r == 1)
		r = strcmp(old->owner, owner) != 0;
	free(old);
	return r;
}

int endpoint_put(const struct lease_store *s, const struct endpoint *ep, struct err *e)
{
	_cleanup_fd_ int dir = lease_network_open(s, ep->network, true);
	_cleanup_json_ json_t *o = NULL;
	_cleanup_free_ char *text = NULL;
	char name[NAME_SIZE];
	int r;

	if (dir < 0)
		return refuse(s, ep->network, ep->owner, -dir, e);
	r = is_anothers(dir, file_name(ep->owner, name), ep->owner, e);
	if (r != 0)
		return r < 0 ? r : refuse(s, ep->network, ep->owner, EEXIST, e);
	o = endpoint_to_json(ep);
	text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	if (!text || json_out_of_memory)
		return refuse(s, ep->network, ep->owner, text ? ENOMEM : EINVAL, e);
	r = endpoint_ports_note(s, ep);
	if (r == 0)
		r = write_record(dir, name, text);
	return r < 0 ? refuse(s, ep->network, ep->owner, -r, e) : 0;
}

int endpoint_remove(const struct lease_store *s, const char *network, const char *owner,
		    struct err *e)
{
	_cleanup_fd_ int dir = lease_network_open(s, network, false);
	char name[NAME_SIZE], new[NAME_SIZE + 1];
	struct err ignored = ERR_INIT;
	int r;

	if (dir == -ENOENT)
		return 0;
	/* One that can't be read is no reason to keep it: its name is the owner's. */
	r = dir < 0 ? dir : is_anothers(dir, file_name(owner, name), owner, &ignored);
	if (dir >= 0 && r != 1) {
		snprintf(new, sizeof new, ".%s", name);
		unlinkat(dir, new, 0);
		r = unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
		if (r == 0)
			r = endpoint_ports_forget(s, owner);
	}
	return r < 0 ? refuse(s, network, owner, -r, e) : 0;
}

/* --- all of them ------------------------------------------------------------------ */

struct list {
	struct endpoint *items;
	size_t count, room;
	struct err *e;
};

static int add_record(int dir, const char *name, void *user)
{
	struct list *l = user;
	struct endpoint *more;
	int r;

	if (strncmp(name, MARK, strlen(MARK)) != 0)
		return 0;
	if (l->count == l->room) {
		more = realloc(l->items, (l->room * 2 + 8) * sizeof *more);
		if (!more)
			return err_set(l->e, ENOMEM, "the list of endpoints");
		l->items = more;
		l->room = l->room * 2 + 8;
	}
	r = endpoint_read(dir, name, &l->items[l->count], l->e);
	if (r == 1)
		l->count++;
	return r < 0 ? r : 0;
}

static int add_network(int dir, const char *name, void *user)
{
	_cleanup_fd_ int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return lease_each_entry(fd, add_record, user);
}

static int by_place(const void *a, const void *b)
{
	const struct endpoint *x = a, *y = b;
	int r = strcmp(x->network, y->network);

	return r ? r : strcmp(x->owner, y->owner);
}

int endpoint_list(const struct lease_store *s, const char *network, struct endpoint **ret,
		  size_t *ret_count, struct err *e)
{
	struct list l = { .e = e };
	struct err none = ERR_INIT;
	int r;

	if (!e)
		l.e = &none;
	r = network ? add_network(s->dir, network, &l) : lease_each_network(s, add_network, &l);
	if (r < 0) {
		free(l.items);
		return l.e->error ? -l.e->error
				  : err_set(l.e, -r, "%s/%s: cannot read the endpoints", lease_root,
					    s->key);
	}
	if (l.count)
		qsort(l.items, l.count, sizeof *l.items, by_place);
	*ret = l.items;
	*ret_count = l.count;
	return 0;
}

/* --- whose they are ------------------------------------------------------------------- */

uint64_t endpoint_start_time(pid_t pid)
{
	char path[32], text[1024], *at;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (file_read_record_at(AT_FDCWD, path, text, sizeof text) < 0)
		return 0;
	/* Field 2, the name, may hold blanks and parentheses: what follows the last one is field 3.
	 */
	at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at + 1, NULL, 10) : 0;
}

static bool is_process(pid_t pid, uint64_t start_time)
{
	return pid > 0 && start_time && endpoint_start_time(pid) == start_time;
}

bool endpoint_is_alive(const struct endpoint *ep)
{
	return is_process(ep->pid, ep->start_time);
}

int endpoint_open_netns(const struct endpoint *ep)
{
	_cleanup_fd_ int fd = -EBADF;
	char path[32];

	snprintf(path, sizeof path, "/proc/%d/ns/net", (int)ep->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Whose it is, once it is open: the pid may be another's by now. */
	return endpoint_is_alive(ep) ? fd_take(&fd) : -ESRCH;
}

bool endpoint_is_made(const struct endpoint *ep)
{
	return ep->maker == 0 || is_process(ep->maker, ep->maker_start_time);
}

bool endpoint_is_dns_name(const char *text)
{
	size_t length = strlen(text);

	if (length == 0 || length >= ENDPOINT_NAME_MAX || text[0] == '-' || text[length - 1] == '-')
		return false;
	for (; *text; text++)
		if (!(isascii((unsigned char)*text) && isalnum((unsigned char)*text)) &&
		    *text != '-' && *text != '_')
			return false;
	return true;
}
