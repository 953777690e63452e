/*
 * store-tmp.c - temporary folders: who lives, who died, what they hold on to.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/path.h"
#include "image/store-gc.h"
#include "image/tree.h"

struct clearing {
	const struct store *store;
	int64_t partial_seconds;
	bool dry_run, count; /* counting takes a walk through what is removed */
	struct store_leftovers found;
};

/* A folder of tmp/ whose flock can be had has no maker any more. */
static int clear_dead_folder(struct clearing *c, int tmp, const char *name, struct err *e)
{
	_cleanup_fd_ int fd = openat(tmp, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	/* No maker puts a symlink there, or a socket: nobody's. */
	if (fd < 0 && errno != ELOOP && errno != ENXIO)
		return errno == ENOENT ? 0 : err_set(e, errno, "cannot open tmp/%s", name);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
		return 0;
	c->found.folders++;
	if (c->count)
		c->found.bytes += tree_bytes(tmp, name);
	return c->dry_run ? 0 : path_remove_tree(tmp, name, e);
}

static void clear_file(struct clearing *c, int folder, const char *name)
{
	c->found.files++;
	if (!c->dry_run)
		unlinkat(folder, name, 0);
}

/* A lock of a chainID, the record of a user. */
static void clear_dead_lock(struct clearing *c, int locks, const char *name)
{
	_cleanup_fd_ int fd = openat(locks, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		clear_file(c, locks, name);
}

/* What a pull left when it was cut off is of use to the next one, but not for ever. */
static void clear_old_partial(struct clearing *c, int partial, const char *name)
{
	_cleanup_fd_ int fd = openat(partial, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_mtime > time(NULL) - c->partial_seconds ||
	    flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	c->found.partial++;
	c->found.partial_bytes += st.st_size;
	if (!c->dry_run)
		unlinkat(partial, name, 0);
}

static int clear_one(struct clearing *c, int which, int folder, const char *name, struct err *e)
{
	switch (which) {
	case 0:
		return clear_dead_folder(c, folder, name, e);
	case 1:
	case 2:
		clear_dead_lock(c, folder, name);
		return 0;
	case 3:
		clear_old_partial(c, folder, name);
		return 0;
	default:
		if (store_is_temporary(name))
			clear_file(c, folder, name);
		return 0;
	}
}

static int clear_all(struct clearing *c, struct err *e)
{
	static const char *const folders[] = { "tmp", "locks", "users", "partial", "." };
	struct dirent *d;
	int error = 0, got = 0, i;

	for (i = 0; i < (int)(sizeof(folders) / sizeof(folders[0])) && !error; i++) {
		DIR *dir = store_open_folder(c->store->dir, folders[i]);

		if (dir == NULL && errno == ENOENT)
			continue; /* a store from before there were any */
		if (dir == NULL)
			return err_set(e, errno, "cannot read %s/%s", c->store->path, folders[i]);
		while (!error && (got = store_next(dir, folders[i], &d, e)) > 0)
			if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
				error = clear_one(c, i, dirfd(dir), d->d_name, e);
		closedir(dir);
		error = error ? error : got;
	}
	return error;
}

int store_clear(const struct store *s, int64_t partial_seconds, bool dry_run,
		struct store_leftovers *ret, struct err *e)
{
	struct clearing c = { .store = s,
			      .partial_seconds = partial_seconds,
			      .dry_run = dry_run,
			      .count = true };
	int error = clear_all(&c, e);

	*ret = c.found;
	return error ? err_wrap(e, "cannot clear the store of leftovers") : 0;
}

static int clear_dead(const struct store *s, struct err *e)
{
	struct clearing c = { .store = s, .partial_seconds = STORE_PARTIAL_SECONDS };

	return clear_all(&c, e);
}

int store_tmp_new(const struct store *s, struct store_tmp *ret, struct err *e)
{
	int error = clear_dead(s, e);

	return error ? err_wrap(e, "cannot clear the store of leftovers")
		     : store_tmp_make(s, ret, e);
}

int store_tmp_make(const struct store *s, struct store_tmp *ret, struct err *e)
{
	struct store_tmp t = STORE_TMP_INIT;
	unsigned long long random = 0;
	char path[64];
	int error;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return err_set(e, errno, "getrandom");
	snprintf(t.name, sizeof(t.name), "%d-%016llx", (int)getpid(), random);
	snprintf(path, sizeof(path), "tmp/%s", t.name);
	if (mkdirat(s->dir, path, 0700) < 0)
		return err_set(e, errno, "cannot make %s/%s", s->path, path);
	t.dir = openat(s->dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (t.dir < 0 || flock(t.dir, LOCK_EX | LOCK_NB) < 0) {
		error = err_set(e, errno, "cannot lock %s/%s", s->path, path);
		fd_close(&t.dir);
		unlinkat(s->dir, path, AT_REMOVEDIR);
		return error;
	}
	*ret = t;
	return 0;
}

int store_tmp_remove(const struct store *s, struct store_tmp *t, struct err *e)
{
	_cleanup_fd_ int tmp = -EBADF;
	int error;

	if (t->dir < 0)
		return 0;
	tmp = openat(s->dir, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	error = tmp < 0 ? err_set(e, errno, "cannot open %s/tmp", s->path)
			: path_remove_tree(tmp, t->name, e);
	fd_close(&t->dir);
	return error;
}

int store_tmp_pin(const struct store_tmp *t, const struct digest *digests, size_t count,
		  struct err *e)
{
	size_t i, size = 0;
	_cleanup_free_ char *text = malloc(count * (DIGEST_HEX_MAX + 1) + 1);

	if (text == NULL)
		return err_set(e, ENOMEM, "no memory for pins");
	for (i = 0; i < count; i++)
		size += snprintf(text + size, DIGEST_HEX_MAX + 2, "%s\n", digests[i].hex);
	return file_replace_at(t->dir, "pins", text, size, 0600, false, e);
}
