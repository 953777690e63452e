/*
 * dns_watch.c - the records of endpoints, read once and then watched by inotify(7).
 *
 * So what kist-dns knows is what the records say, whoever wrote them, and a
 * container whose record has gone is not served any longer. Where the kernel
 * has no inotify instance to give, all is read again when somebody asks for a
 * name that is unknown, but not more often than every REREAD_MS.
 */
#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "net/dns_server.h"

#define REREAD_MS 100
#define ROOT_MASK (IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_ONLYDIR)
/* A record is written whole and renamed into place. */
#define FILES_MASK (IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_ONLYDIR)

static bool is_record(const char *name)
{
	return strncmp(name, DNS_RECORD_MARK, strlen(DNS_RECORD_MARK)) == 0;
}

/* A record that can't be read, or was made by a kist of another kind, names nobody. */
static void read_record(struct dns_server *s, int dir, const char *network, const char *file)
{
	_cleanup_json_ json_t *o = NULL;
	static struct endpoint ep;

	if (json_read_file(dir, file, &o, NULL) < 0 || endpoint_from_json(o, &ep, NULL) < 0 ||
	    strcmp(ep.network, network) != 0 || dns_table_put(&s->table, file, &ep) < 0)
		dns_table_remove(&s->table, network, file);
}

struct reading {
	struct dns_server *s;
	const char *network;
};

static int on_entry(int dir, const char *name, void *user)
{
	const struct reading *r = user;

	if (is_record(name))
		read_record(r->s, dir, r->network, name);
	return 0;
}

/* --- folders ------------------------------------------------------------------------ */

static int open_network(const struct dns_server *s, const char *network)
{
	return openat(s->dir, network, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static struct dns_watched *find_watched(const struct dns_server *s, int wd)
{
	for (unsigned i = 0; i < s->watch_count; i++)
		if (s->watched[i].wd == wd)
			return &s->watched[i];
	return NULL;
}

/* The folder may be another of the same name than before: the kernel says which by the number. */
static int watch_network(struct dns_server *s, const char *network)
{
	struct dns_watched *w;
	int wd;

	if (s->watch < 0)
		return 0;
	wd = inotify_add_watch(s->watch, network, FILES_MASK);
	if (wd < 0)
		return -errno;
	w = find_watched(s, wd);
	if (!w) {
		w = reallocarray(s->watched, s->watch_count + 1, sizeof *w);
		if (!w)
			return -ENOMEM;
		s->watched = w;
		w += s->watch_count++;
	}
	w->wd = wd;
	snprintf(w->network, sizeof w->network, "%s", network);
	return 0;
}

/* First the watch, then the list: what comes in between is seen twice, and never missed. */
static void read_network(struct dns_server *s, const char *network)
{
	_cleanup_fd_ int dir = -EBADF;

	if (strlen(network) >= NETWORK_NAME_MAX)
		return;
	dns_table_clear(&s->table, network);
	(void)watch_network(s, network);
	dir = open_network(s, network);
	if (dir >= 0)
		(void)lease_each_entry(dir, on_entry,
				       &(struct reading){ .s = s, .network = network });
}

static int on_network(int dir, const char *name, void *user)
{
	(void)dir;
	read_network(user, name);
	return 0;
}

static void read_all(struct dns_server *s)
{
	struct lease_store store = LEASE_STORE_INIT;

	for (unsigned i = 0; i < s->table.network_count; i++)
		dns_table_clear(&s->table, s->table.networks[i]);
	store.dir = s->dir;
	(void)lease_each_network(&store, on_network, s);
}

/* --- what happens --------------------------------------------------------------------- */

static void forget(struct dns_server *s, struct dns_watched *w)
{
	dns_table_clear(&s->table, w->network);
	*w = s->watched[--s->watch_count];
}

static void on_change(struct dns_server *s, const struct inotify_event *event)
{
	struct dns_watched *w = find_watched(s, event->wd);
	_cleanup_fd_ int dir = -EBADF;

	if (event->mask & IN_Q_OVERFLOW) {
		read_all(s);
		return;
	}
	if (!w) { /* in the folder of all networks */
		if (!(event->mask & IN_ISDIR) || !event->len)
			return;
		/* Our own: nobody finds this server any more, the socket was in there. (Which is
		 * why that folder's own watch says nothing: the socket holds it.) */
		if (event->mask & IN_DELETE)
			s->gone |= strcmp(event->name, s->network) == 0;
		else
			read_network(s, event->name);
		return;
	}
	if (event->mask & IN_IGNORED) {
		forget(s, w);
		return;
	}
	if (!event->len || !is_record(event->name))
		return;
	if (event->mask & IN_MOVED_TO)
		dir = open_network(s, w->network);
	if (dir >= 0)
		read_record(s, dir, w->network, event->name);
	else
		dns_table_remove(&s->table, w->network, event->name);
}

static bool is_here(const struct dns_server *s, const struct dns_client *c)
{
	const struct dns_set *set = dns_table_owner(&s->table, c->owner);

	for (unsigned i = 0; set && i < set->count; i++)
		if (strcmp(s->table.networks[set->hosts[i]->network], s->network) == 0)
			return true;
	return false;
}

/* Who has left the network is asked for by nobody here. */
static void drop_absent(struct dns_server *s)
{
	for (struct dns_client *c = s->clients, *next; c; c = next) {
		next = c->next;
		if (!is_here(s, c))
			dns_client_close(s, c);
	}
}

static bool read_events(struct dns_server *s)
{
	char room[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(s->watch, room, sizeof room);

	for (char *at = room; n > 0 && at < room + n;) {
		const struct inotify_event *event = (const void *)at;

		on_change(s, event);
		at += sizeof *event + event->len;
	}
	return n > 0;
}

void dns_watch_drain(struct dns_server *s)
{
	static int64_t last;
	unsigned generation = s->table.generation;

	if (s->watch >= 0) {
		while (read_events(s))
			;
	} else if (s->now - last >= REREAD_MS) {
		last = s->now;
		read_all(s);
	}
	if (generation != s->table.generation)
		drop_absent(s);
}

static void on_events(struct dns_server *s, struct dns_source *source, uint32_t events)
{
	(void)source;
	(void)events;
	dns_watch_drain(s);
}

int dns_watch_open(struct dns_server *s, struct err *e)
{
	int number = dns_table_network(&s->table, s->network, true);

	if (number < 0)
		return err_set(e, ENOMEM, "the table of names");
	s->number = (unsigned)number;
	s->watch_source.ready = on_events;
	s->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (s->watch >= 0 && (inotify_add_watch(s->watch, ".", ROOT_MASK) < 0 ||
			      dns_listen(s, s->watch, &s->watch_source, EPOLLIN) < 0))
		return err_set(e, errno, "cannot watch the networks' folder");
	read_all(s);
	return faccessat(s->dir, s->network, F_OK, AT_SYMLINK_NOFOLLOW) < 0
		       ? err_set(e, errno, "network %s has gone", s->network)
		       : 0;
}
