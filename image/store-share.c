/*
 * store-share.c - letting others read a store's blobs, and nothing else of it.
 *
 * The file `shared` says so. Blobs are inert, and named by their hash. Everything else stays its
 * owner's: layers hold setuid files, which a user of the host must not reach (CVE-2021-41091); and
 * who may open `lock`, or a layer's folder, may flock it, and keep the owner's loads, starts and
 * removals waiting for ever.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "image/digest.h"
#include "image/store-layout.h"

#define NAME "shared"

const struct store_part store_parts[] = {
	{ "layers", 0700, 0700 },	{ "tmp", 0700, 0700 },
	{ "partial", 0700, 0700 },	{ "locks", 0700, 0700 },
	{ "users", 0700, 0700 },	{ "containers", 0700, 0700 },
	{ "reserve", 0700, 0700 },	{ "lock", 0600, 0600 },
	{ "blobs", 0700, 0755 },	{ "blobs/sha256", 0700, 0755 },
	{ "blobs/sha512", 0700, 0755 }, { "index.json", 0600, 0644 },
	{ "oci-layout", 0600, 0644 },	{ "xattrs", 0600, 0644 },
};
const size_t store_part_count = sizeof(store_parts) / sizeof(store_parts[0]);

bool store_is_open(const struct store *s)
{
	return faccessat(s->dir, NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int set_mode(const struct store *s, const char *name, mode_t mode, struct err *e)
{
	_cleanup_fd_ int fd = openat(s->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fchmod(fd, mode) < 0)
		return err_set(e, errno, "cannot set the mode of %s/%s", s->path, name);
	return 0;
}

/* Regular files alone: what else is there is nobody's (fsck tells of it). */
static int open_blob(int dir, const char *folder, const char *name, struct err *e)
{
	_cleanup_fd_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno != ENOENT && errno != ELOOP && errno != ENXIO)
		return err_set(e, errno, "cannot open %s/%s", folder, name);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && fchmod(fd, 0644) < 0)
		return err_set(e, errno, "cannot set the mode of %s/%s", folder, name);
	return 0;
}

static int open_blobs(const struct store *s, const char *folder, struct err *e)
{
	DIR *dir = store_open_folder(s->dir, folder);
	struct dirent *d;
	int error = 0, got = 0;

	if (dir == NULL)
		return errno == ENOENT ? 0
				       : err_set(e, errno, "cannot read %s/%s", s->path, folder);
	while (!error && (got = store_next(dir, folder, &d, e)) > 0)
		error = open_blob(dirfd(dir), folder, d->d_name, e);
	closedir(dir);
	return error ? error : got;
}

/* The door is opened last, and shut first. */
int store_share(const struct store *s, bool open, struct err *e)
{
	static const char text[] = "blobs\n";
	_cleanup_fd_ int lock = -EBADF;
	size_t i;
	int error = store_lock(s, true, &lock, e);

	if (!error && !open) {
		if (fchmod(s->dir, 0700) < 0)
			return err_set(e, errno, "cannot close %s", s->path);
		if (unlinkat(s->dir, NAME, 0) < 0 && errno != ENOENT)
			return err_set(e, errno, "cannot remove %s/" NAME, s->path);
	}
	for (i = 0; !error && i < store_part_count; i++)
		error = set_mode(s, store_parts[i].name,
				 open ? store_parts[i].open : store_parts[i].closed, e);
	if (error || !open)
		return error;
	error = open_blobs(s, "blobs/sha256", e);
	if (!error)
		error = open_blobs(s, "blobs/sha512", e);
	if (!error)
		error = file_replace_at(s->dir, NAME, text, strlen(text), 0644, true, e);
	if (!error && fchmod(s->dir, 0755) < 0)
		error = err_set(e, errno, "cannot open %s", s->path);
	return error;
}
