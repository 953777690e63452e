/*
 * apply-folder.c - a few open folders, the least used one left for the next.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/path.h"
#include "image/apply-folder.h"

static void leave(struct apply *a, struct apply_folder *f)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, f->mtime };

	if (f->fd >= 0 && f->touched && futimens(f->fd, times) < 0)
		a->late_error = errno;
	fd_close(&f->fd);
	free(f->path);
	f->path = NULL;
}

void folders_leave(struct apply *a)
{
	while (a->folder_count > 0)
		leave(a, &a->folders[--a->folder_count]);
	a->in = NULL;
}

void folders_free(struct apply *a)
{
	size_t i;

	for (i = 0; i < a->folder_count; i++)
		a->folders[i].touched = false;
	folders_leave(a);
}

void folders_forget_names(struct apply *a)
{
	struct apply_folder stays = { .fd = -EBADF };

	if (a->in == NULL) {
		folders_leave(a);
		return;
	}
	stays = *a->in;
	free(stays.path);
	stays.path = NULL;
	*a->in = (struct apply_folder){ .fd = -EBADF };
	folders_leave(a);
	a->folders[0] = stays;
	a->folder_count = 1;
	a->in = &a->folders[0];
}

static uint64_t hash_of(const char *path)
{
	uint64_t h = 14695981039346656037u; /* FNV-1a */

	for (; *path; path++)
		h = (h ^ (unsigned char)*path) * 1099511628211u;
	return h;
}

static struct apply_folder *by_path(struct apply *a, const char *path, uint64_t hash)
{
	size_t i;

	for (i = 0; i < a->folder_count; i++)
		if (a->folders[i].hash == hash && a->folders[i].path &&
		    strcmp(a->folders[i].path, path) == 0)
			return &a->folders[i];
	return NULL;
}

/* A free place, or that of the folder that was not used for the longest. */
static struct apply_folder *place(struct apply *a)
{
	struct apply_folder *oldest = NULL;
	size_t i;

	if (a->folder_count < APPLY_FOLDERS)
		return &a->folders[a->folder_count++];
	for (i = 0; i < APPLY_FOLDERS; i++)
		if (&a->folders[i] != a->in &&
		    (oldest == NULL || a->folders[i].used < oldest->used))
			oldest = &a->folders[i];
	leave(a, oldest);
	return oldest;
}

/* What a new thing in here would get that its entry does not say. */
static bool is_plain(struct apply *a, int fd, const struct stat *st)
{
	if (st->st_gid != a->gid || (st->st_mode & S_ISGID))
		return false;
	if (!a->acl_seen)
		return true;
	return fgetxattr(fd, "system.posix_acl_default", NULL, 0) <= 0 &&
	       (errno == ENODATA || errno == ENOTSUP);
}

/* Takes fd over. The same folder by another path must not be there twice: each would put back what
 * the other one's entries made of its mtime. */
static struct apply_folder *keep(struct apply *a, int fd, const char *path, uint64_t hash)
{
	_cleanup_fd_ int own = fd;
	char *copy = strdup(path);
	struct apply_folder *f = NULL;
	struct stat st;
	size_t i;

	if (copy == NULL || fstat(fd, &st) < 0) {
		free(copy);
		return NULL;
	}
	for (i = 0; i < a->folder_count && f == NULL; i++)
		if (a->folders[i].ino == st.st_ino && a->folders[i].dev == st.st_dev)
			f = &a->folders[i];
	if (f == NULL) {
		f = place(a);
		*f = (struct apply_folder){
			.fd = fd_take(&own), .dev = st.st_dev, .ino = st.st_ino, .mtime = st.st_mtim
		};
	}
	f->plain = is_plain(a, f->fd, &st);
	free(f->path);
	f->path = copy;
	f->hash = hash;
	return f;
}

int folder_changed(struct apply *a)
{
	struct stat st;

	if (fstat(a->in->fd, &st) < 0)
		return -errno;
	a->in->plain = is_plain(a, a->in->fd, &st);
	return 0;
}

struct apply_folder *folder_find(struct apply *a, const char *path)
{
	uint64_t hash = hash_of(path);
	struct apply_folder *f = by_path(a, path, hash);
	int fd;

	if (f == NULL) {
		fd = path_open_in_root(a->root, path[0] ? path : ".", O_RDONLY | O_DIRECTORY, 0);
		if (fd < 0) {
			errno = -fd;
			return NULL;
		}
		f = keep(a, fd, path, hash);
	}
	if (f)
		f->used = ++a->clock;
	return f;
}

int folder_enter(struct apply *a, const char *path)
{
	struct apply_folder *f = folder_find(a, path);

	if (f == NULL)
		return -errno;
	a->in = f;
	return 0;
}

int folder_adopt(struct apply *a, int fd, const char *path)
{
	struct apply_folder *f = keep(a, fd, path, hash_of(path));

	if (f == NULL)
		return -errno;
	f->used = ++a->clock;
	a->in = f;
	return 0;
}
