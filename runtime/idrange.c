/*
 * idrange.c - leases of host id ranges.
 */
#include "runtime/idrange.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define FOLDER ".ids"

static int open_folder(int root, bool make, struct err *e)
{
	int fd;

	if (make && mkdirat(root, FOLDER, 0700) < 0 && errno != EEXIST)
		return err_set(e, errno, "cannot make the folder of id leases");
	fd = openat(root, FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* FNV-1a: only spreads the search, so that a freed range is seldom given out again at once. */
static uint32_t start_of(const char *id)
{
	uint32_t h = 2166136261u;

	for (; *id; id++)
		h = (h ^ (unsigned char)*id) * 16777619u;
	return h % IDRANGE_COUNT;
}

/* Held by all who have taken one and have no state folder yet. */
static void hold(int dir)
{
	while (flock(dir, LOCK_SH) < 0 && errno == EINTR)
		;
}

int idrange_take(int root, const char *id, uint32_t *ret_base, int *ret_taking, struct err *e)
{
	_cleanup_fd_ int dir = -EBADF;
	uint32_t start = start_of(id);

	for (int tries = 0; tries < 2; tries++) {
		fd_close(&dir);
		dir = open_folder(root, true, e);
		if (dir == -ENOENT)
			continue; /* the last user removed it just now */
		if (dir < 0)
			return err_set(e, -dir, "cannot open the folder of id leases");
		hold(dir);
		for (uint32_t i = 0; i < IDRANGE_COUNT; i++) {
			uint32_t n = (start + i) % IDRANGE_COUNT;
			char name[16];

			snprintf(name, sizeof name, "%u", n);
			if (symlinkat(id, dir, name) == 0) {
				*ret_base = IDRANGE_FIRST + n * IDRANGE_SIZE;
				*ret_taking = fd_take(&dir);
				return 0;
			}
			if (errno == ENOENT)
				break;
			if (errno != EEXIST) {
				err_set(e, errno, "cannot lease a range of ids");
				unlinkat(root, FOLDER, AT_REMOVEDIR);
				return -e->error;
			}
		}
	}
	return err_say(e, EAGAIN, "all %u ranges of ids are in use", IDRANGE_COUNT);
}

int idrange_take_this(int root, const char *id, uint32_t base, int *ret_taking, struct err *e)
{
	char name[16], owner[PATH_MAX];

	if (base < IDRANGE_FIRST || (base - IDRANGE_FIRST) % IDRANGE_SIZE ||
	    (base - IDRANGE_FIRST) / IDRANGE_SIZE >= IDRANGE_COUNT)
		return err_say(e, EINVAL, "%u is the start of no range of ids for a job", base);
	snprintf(name, sizeof name, "%u", (base - IDRANGE_FIRST) / IDRANGE_SIZE);
	for (int tries = 0; tries < 2; tries++) {
		_cleanup_fd_ int dir = open_folder(root, true, e);
		int r = dir;
		ssize_t n;

		if (dir < 0 && dir != -ENOENT)
			return err_set(e, -dir, "cannot open the folder of id leases");
		if (dir >= 0) {
			hold(dir);
			r = symlinkat(id, dir, name) < 0 ? -errno : 0;
		}
		if (r == -ENOENT)
			continue; /* the last user removed it just now */
		if (r == 0) {
			*ret_taking = fd_take(&dir);
			return 0;
		}
		if (r != -EEXIST) {
			unlinkat(root, FOLDER, AT_REMOVEDIR);
			return err_set(e, -r, "cannot lease the ids from %u on", base);
		}
		n = readlinkat(dir, name, owner, sizeof owner - 1);
		owner[n > 0 ? n : 0] = '\0';
		return err_say(e, EBUSY, "the ids from %u on are those of %.64s now", base, owner);
	}
	return err_say(e, EAGAIN, "cannot lease the ids from %u on", base);
}

/* 1 or 0; -errno: not to know is not "another's". */
static int is_owner(int dir, const char *name, const char *id)
{
	char owner[PATH_MAX];
	ssize_t n = readlinkat(dir, name, owner, sizeof owner - 1);

	/* EINVAL: no link, so nothing of ours; "." and "..". */
	if (n < 0)
		return errno == ENOENT || errno == EINVAL ? 0 : -errno;
	owner[n] = '\0';
	return strcmp(owner, id) == 0;
}

void idrange_drop(int root, const char *id, uint32_t base)
{
	_cleanup_fd_ int dir = open_folder(root, false, NULL);
	char name[16];

	if (dir < 0)
		return;
	snprintf(name, sizeof name, "%u", (base - IDRANGE_FIRST) / IDRANGE_SIZE);
	/* It may have been given back, and be leased to another, by now. */
	if (is_owner(dir, name, id) > 0)
		unlinkat(dir, name, 0);
	unlinkat(root, FOLDER, AT_REMOVEDIR);
}

int idrange_release(int root, const char *id, struct err *e)
{
	int fd = open_folder(root, false, e);
	struct dirent *entry;
	DIR *dir;
	int r = 0;

	if (fd == -ENOENT)
		return 0;
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		r = fd < 0 ? -fd : errno;
		if (fd >= 0)
			close(fd);
		return err_set(e, r, "cannot open the folder of id leases");
	}
	while (errno = 0, r == 0 && (entry = readdir(dir))) {
		int mine = is_owner(fd, entry->d_name, id);

		r = mine < 0 ? mine : 0;
		if (mine > 0 && unlinkat(fd, entry->d_name, 0) < 0 && errno != ENOENT)
			r = -errno;
	}
	if (r == 0 && errno)
		r = -errno;
	closedir(dir);
	if (r < 0)
		return err_set(e, -r, "cannot give back the range of ids of %s", id);
	/* The last one out; fails while others have leases, as it should. */
	unlinkat(root, FOLDER, AT_REMOVEDIR);
	return 0;
}

int idrange_sweep(int root, struct err *e)
{
	int fd = open_folder(root, false, e);
	struct dirent *entry;
	DIR *dir;

	if (fd == -ENOENT)
		return 0;
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		int error = fd < 0 ? -fd : errno;

		if (fd >= 0)
			close(fd);
		return err_set(e, error, "cannot open the folder of id leases");
	}
	/* Whoever takes one in this moment is not in a hurry to have this one's. */
	while (flock(fd, LOCK_EX | LOCK_NB) == 0 && (entry = readdir(dir))) {
		char owner[PATH_MAX];
		ssize_t n = readlinkat(fd, entry->d_name, owner, sizeof owner - 1);

		owner[n > 0 ? n : 0] = '\0';
		if (n > 0 && !strchr(owner, '/') &&
		    faccessat(root, owner, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
			unlinkat(fd, entry->d_name, 0);
	}
	unlinkat(root, FOLDER, AT_REMOVEDIR);
	closedir(dir);
	return 0;
}

static int undo_release(const struct undo_at *at, const char *const args[PLAN_UNDO_ARGS],
			struct err *e)
{
	(void)args;
	return idrange_release(at->state_root, at->id, e);
}

static const struct undo_kind kind_release = { .name = "release_ids", .act = undo_release };
const struct undo_kind *const idrange_undo_kinds[] = { &kind_release, NULL };

void idrange_plan_undo(struct plan *p, int step)
{
	plan_undo(p, step, &kind_release, NULL, NULL, NULL);
}
