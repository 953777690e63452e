/*
 * store-gc.c - what the store still needs, and removing the rest.
 *
 * Mark and sweep, by three kinds of roots: the index, the pins of loads in
 * progress, and layers that somebody holds a flock on (running containers).
 * All under the exclusive lock, so no root can appear meanwhile; nothing is
 * removed when a root cannot be read.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/fd.h"
#include "image/store-flat.h"
#include "image/store-gc.h"

#define PINS_BYTES_MAX (16u << 20)

struct live { /* digests that stay: blobs and chainIDs, which cannot be mistaken */
	struct digest *set;
	size_t count, room;
};

static int live_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int live_add(struct live *l, const struct digest *d, struct err *e)
{
	if (l->count == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct digest *more = realloc(l->set, room * sizeof(*more));

		if (more == NULL)
			return err_set(e, ENOMEM, "no memory for the sweep");
		l->set = more;
		l->room = room;
	}
	l->set[l->count++] = *d;
	return 0;
}

static bool live_has(const struct live *l, const char *hex)
{
	return l->count && bsearch(hex, l->set, l->count, sizeof(*l->set), live_compare) != NULL;
}

static void live_sort(struct live *l)
{
	if (l->count)
		qsort(l->set, l->count, sizeof(*l->set), live_compare);
}

/* A layer, and all below it: 0; 1 when one of them is missing. */
static int live_add_chain(const struct store *s, struct live *l, struct digest chain, struct err *e)
{
	struct layer_marker m = { .has_parent = true };
	int got, depth;

	for (depth = 0; m.has_parent && depth <= MANIFEST_LAYERS_MAX; depth++) {
		got = live_add(l, &chain, e);
		if (got == 0)
			got = store_read_marker(s, &chain, &m, e);
		if (got <= 0)
			return got < 0 ? got : 1;
		chain = m.parent;
	}
	return 0;
}

static int live_add_entry(const struct store *s, struct live *l, const struct index_entry *entry,
			  struct arena *a, struct err *e)
{
	struct image_manifest m;
	struct digest chain;
	size_t i;
	int error = live_add(l, &entry->descriptor.digest, e);

	if (!error)
		error = store_read_manifest(s, &entry->descriptor, a, &m, e);
	if (!error)
		error = live_add(l, &m.config.digest, e);
	for (i = 0; !error && i < m.layer_count; i++)
		error = live_add(l, &m.layers[i].digest, e);
	if (error || entry->chain == NULL)
		return error;
	error = digest_parse(entry->chain, &chain, e);
	if (!error)
		error = live_add_chain(s, l, chain, e);
	return error < 0 ? error : 0;
}

static int live_add_index(const struct store *s, struct live *l, const struct image_index *other,
			  struct err *e)
{
	struct arena a = ARENA_INIT;
	struct image_index index = { 0 };
	size_t i;
	int error = other ? 0 : store_read_index(s, &a, &index, e);

	if (other)
		index = *other;
	for (i = 0; !error && i < index.count; i++)
		error = live_add_entry(s, l, &index.entries[i], &a, e);
	arena_free(&a);
	return error ? err_fix(e, "kist image fsck --repair mends the store") : 0;
}

static int live_add_pins(const struct store *s, struct live *l, struct err *e)
{
	DIR *dir = store_open_folder(s->dir, "tmp");
	struct dirent *entry;
	int error = 0, got = 0;

	if (dir == NULL)
		return err_set(e, errno, "cannot read %s/tmp", s->path);
	while (!error && (got = store_next(dir, "tmp", &entry, e)) > 0) {
		_cleanup_free_ char *text = NULL;
		struct digest d;
		_cleanup_fd_ int maker = -EBADF;
		char path[300];
		size_t size = 0, at;

		if (entry->d_name[0] == '.')
			continue;
		maker = openat(dirfd(dir), entry->d_name,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (maker < 0 ? errno == ELOOP || errno == ENOTDIR
			      : flock(maker, LOCK_EX | LOCK_NB) == 0)
			continue; /* dead, and only not yet cleared away; or no maker's */
		snprintf(path, sizeof(path), "%s/pins", entry->d_name);
		error = file_read_whole(dirfd(dir), path, PINS_BYTES_MAX, &text, &size, e);
		if (error == -ENOENT) {
			err_clear(e);
			error = 0;
			continue;
		}
		for (at = 0; !error && at < size; at += strcspn(text + at, "\n") + 1) {
			snprintf(d.hex, sizeof(d.hex), "%.*s", (int)strcspn(text + at, "\n"),
				 text + at);
			error = live_add(l, &d, e);
		}
	}
	closedir(dir);
	return error ? error : got;
}

typedef int visit_fn(const struct store *s, const char *hex, void *user, struct err *e);

/* Calls visit for each digest-named entry of folder. */
static int for_each(const struct store *s, const char *folder, visit_fn *visit, void *user,
		    struct err *e)
{
	const char *algorithm = strrchr(folder, '/') + 1;
	DIR *dir = store_open_folder(s->dir, folder);
	struct dirent *entry;
	struct digest digest;
	int error = 0, got = 0;

	if (dir == NULL && errno == ENOENT)
		return 0; /* a store from before there were sha512 */
	if (dir == NULL)
		return err_set(e, errno, "cannot read %s/%s", s->path, folder);
	while (!error && (got = store_next(dir, folder, &entry, e)) > 0)
		if (digest_from_hex(algorithm, entry->d_name, &digest))
			error = visit(s, entry->d_name, user, e);
	closedir(dir);
	return error ? error : got;
}

struct sweep {
	struct live live;
	const struct store_tmp *tmp; /* NULL: only count */
	struct store_removed removed;
};

uint64_t store_layer_bytes(const struct store *s, const struct digest *chain)
{
	struct layer_marker m;

	return (store_read_marker(s, chain, &m, NULL) == 1 ? m.bytes : 0) + flat_bytes(s, chain);
}

struct holding {
	const struct digest *chain;
	bool found;
};

static int compare_hold(const struct store *s, const struct store_use *use, void *user, struct err *e)
{
	struct holding *h = user;

	(void)s;
	(void)e;
	h->found |= digest_equal(&use->chain, h->chain);
	return 0;
}

bool store_layer_in_use(const struct store *s, const struct digest *chain)
{
	struct holding h = { .chain = chain };
	_cleanup_fd_ int fd = openat(s->dir, store_layer_path(chain, "").text,
				     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	/* Not to know is not "nobody's". */
	if (fd < 0 ? errno != ENOENT : flock(fd, LOCK_EX | LOCK_NB) < 0)
		return true;
	return store_each_hold(s, compare_hold, &h, NULL) < 0 || h.found;
}

struct users {
	const struct digest *manifest;
	struct buf names;
};

static int add_user(const struct store *s, const struct store_use *use, void *user, struct err *e)
{
	struct users *u = user;

	(void)s;
	(void)e;
	if (use->alive && digest_equal(&use->manifest, u->manifest))
		buf_addf(&u->names, "%s%s", u->names.len ? ", " : "", use->id);
	return 0;
}

bool store_image_in_use(const struct store *s, const struct index_entry *entry, char *users,
			size_t size)
{
	struct users u = { &entry->descriptor.digest, { .text = users, .size = size } };
	struct digest chain;

	buf_reset(&u.names);
	if (entry->chain == NULL || digest_parse(entry->chain, &chain, NULL) ||
	    !store_layer_in_use(s, &chain))
		return false;
	store_each_use(s, add_user, &u, NULL);
	store_each_hold(s, add_user, &u, NULL);
	return true;
}

static int visit_in_use(const struct store *s, const char *hex, void *user, struct err *e)
{
	struct sweep *w = user;
	struct digest chain;
	int broken;

	snprintf(chain.hex, sizeof(chain.hex), "%s", hex);
	if (live_has(&w->live, hex) || !store_layer_in_use(s, &chain))
		return 0;
	w->removed.layers_in_use++;
	broken = live_add_chain(s, &w->live, chain, e);
	if (broken <= 0)
		return broken;
	err_say(e, EBADMSG, "a container uses layer %.12s, and what it needs below is not known", hex);
	return err_fix(e, "end the container; then kist image fsck --repair mends the store");
}

static int visit_layer(const struct store *s, const char *hex, void *user, struct err *e)
{
	struct sweep *w = user;
	struct digest chain;
	uint64_t bytes;

	snprintf(chain.hex, sizeof(chain.hex), "%s", hex);
	if (live_has(&w->live, hex))
		return 0;
	bytes = store_layer_bytes(s, &chain);
	if (w->tmp && renameat(s->dir, store_layer_path(&chain, "").text, w->tmp->dir, hex) < 0)
		return err_set(e, errno, "cannot remove layer %.12s", hex);
	w->removed.layers++;
	w->removed.bytes += bytes;
	return 0;
}

static int visit_blob(const struct store *s, const char *hex, void *user, struct err *e)
{
	struct sweep *w = user;
	struct digest d;
	struct stat st;

	snprintf(d.hex, sizeof(d.hex), "%s", hex);
	if (live_has(&w->live, hex))
		return 0;
	if (fstatat(s->dir, store_blob_path(&d).text, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(e, errno, "cannot look at blob %.12s", hex);
	if (w->tmp && unlinkat(s->dir, store_blob_path(&d).text, 0) < 0)
		return err_set(e, errno, "cannot remove blob %.12s", hex);
	w->removed.blobs++;
	w->removed.bytes += st.st_size;
	return 0;
}

int store_sweep(const struct store *s, const struct store_tmp *t, struct store_removed *ret,
		struct err *e)
{
	return store_sweep_as(s, t, NULL, ret, e);
}

int store_sweep_as(const struct store *s, const struct store_tmp *t,
		   const struct image_index *index, struct store_removed *ret, struct err *e)
{
	struct sweep w = { .tmp = t, .removed = *ret };
	int error = live_add_index(s, &w.live, index, e);

	if (!error)
		error = live_add_pins(s, &w.live, e);
	live_sort(&w.live);
	if (!error)
		error = for_each(s, "layers/sha256", visit_in_use, &w, e);
	live_sort(&w.live);
	if (!error)
		error = for_each(s, "layers/sha256", visit_layer, &w, e);
	if (!error)
		error = for_each(s, "blobs/sha256", visit_blob, &w, e);
	if (!error)
		error = for_each(s, "blobs/sha512", visit_blob, &w, e);
	free(w.live.set);
	*ret = w.removed;
	return error ? err_wrap(e, "cannot free what is not needed") : 0;
}
