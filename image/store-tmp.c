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

/* A folder of tmp/ whose flock can be had has no maker any more. */
static int clear_dead_folder(int tmp, const char *name, struct err *e)
{
	_cleanup_fd_ int fd = openat(tmp, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : err_set(e, errno, "cannot open tmp/%s", name);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return 0;
	return path_remove_tree(tmp, name, e);
}

static void clear_dead_lock(int locks, const char *name)
{
	_cleanup_fd_ int fd = openat(locks, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlinkat(locks, name, 0);
}

/* What a pull left when it was cut off is of use to the next one, but not for ever. */
static void clear_old_partial(int partial, const char *name)
{
	_cleanup_fd_ int fd = openat(partial, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_mtime + STORE_PARTIAL_SECONDS < time(NULL) &&
	    flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlinkat(partial, name, 0);
}

static int clear_dead(const struct store *s, struct err *e)
{
	static const char *const folders[] = { "tmp", "locks", ".", "partial" };
	struct dirent *d;
	int error = 0;
	size_t i;

	for (i = 0; i < sizeof(folders) / sizeof(folders[0]) && !error; i++) {
		DIR *dir = store_open_folder(s->dir, folders[i]);

		if (dir == NULL && errno == ENOENT && i == 3)
			break; /* a store from before there were any */
		if (dir == NULL)
			return err_set(e, errno, "cannot read %s/%s", s->path, folders[i]);
		while (!error && (d = readdir(dir)) != NULL) {
			if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
				continue;
			if (i == 0)
				error = clear_dead_folder(dirfd(dir), d->d_name, e);
			else if (i == 1)
				clear_dead_lock(dirfd(dir), d->d_name);
			else if (i == 3)
				clear_old_partial(dirfd(dir), d->d_name);
			else if (store_is_temporary(d->d_name))
				unlinkat(s->dir, d->d_name, 0);
		}
		closedir(dir);
	}
	return error;
}

int store_tmp_new(const struct store *s, struct store_tmp *ret, struct err *e)
{
	struct store_tmp t = STORE_TMP_INIT;
	unsigned long long random = 0;
	char path[64];
	int error = clear_dead(s, e);

	if (error)
		return err_wrap(e, "cannot clear the store of leftovers");
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
