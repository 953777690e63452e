/*
 * cgroup_undo.c - taking back what a cgroup plan made, from strings alone.
 *
 * May run long after the maker was killed, by another process, more than
 * once. It removes what kist made for this id and nothing else: a caller's own
 * cgroup, or one that carries another id's mark, is left as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "base/fd.h"
#include "cgroup/cgroup_ops.h"

#define REMOVE_TRIES 200
#define REMOVE_PAUSE 10 /* milliseconds */

/* Directory fd, or -ENOENT. Anything that is not a cgroup2 folder is refused: the path comes from
 * a file, and this code removes folders. */
static int open_cgroup(const char *path, struct err *e)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0)
		return err_set(e, errno, "open %s", path);
	if (fstatfs(fd, &fs) < 0)
		return err_set(e, errno, "statfs %s", path);
	if (fs.f_type != CGROUP2_SUPER_MAGIC)
		return err_say(e, EINVAL, "%s is not in a cgroup v2 hierarchy", path);
	return fd_take(&fd);
}

/* The last process may still be on its way out when the kernel already says "populated 0", and
 * then rmdir answers EBUSY for an instant. */
static int remove_folder(const char *path, struct err *e)
{
	for (int i = 0; rmdir(path) < 0; i++) {
		if (errno == ENOENT)
			return 0;
		if (errno != EBUSY || i == REMOVE_TRIES)
			return err_set(e, errno, "rmdir %s", path);
		poll(NULL, 0, REMOVE_PAUSE);
	}
	return 0;
}

static int empty_and_remove(int fd, const char *path, struct err *e)
{
	int r;

	/* Nearly always its processes are gone, and it has no cgroups of its own. */
	if (rmdir(path) == 0)
		return 0;
	r = cgroup_is_populated(fd, e);
	if (r == -ENOENT)
		return 0;
	if (r > 0) {
		r = cgroup_kill(fd, e);
		if (r >= 0)
			r = cgroup_wait_empty(fd, CGROUP_UNDO_WAIT_MS, e);
	}
	if (r >= 0)
		r = cgroup_remove_children(fd, e);
	return r < 0 ? r : remove_folder(path, e);
}

/* Nearly always it bears our mark, and is empty: two calls. root alone sets that one. */
static bool remove_marked(const char *path, const char *id)
{
	char mark[CGROUP_MARK_MAX];
	ssize_t n = lgetxattr(path, CGROUP_MARK, mark, sizeof(mark) - 1);

	if (n < 0)
		return false;
	mark[n] = '\0';
	return !strcmp(mark, id) && rmdir(path) == 0;
}

static int act_remove(const struct undo_at *at, const char *const args[PLAN_UNDO_ARGS],
		      struct err *e)
{
	const char *path = args[0], *id = args[1] ? args[1] : at->id;
	_cleanup_fd_ int fd = -EBADF;
	int owner, populated;

	if (remove_marked(path, id))
		return 0;
	fd = open_cgroup(path, e);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	owner = cgroup_owner(fd, id, NULL);
	if (owner < 0)
		return err_set(e, -owner, "read the mark of %s", path);
	if (owner == CGROUP_UNMARKED) {
		/* We died between mkdir and setxattr: then nobody ever moved in. */
		populated = cgroup_is_populated(fd, e);
		if (populated == 0 && rmdir(path) < 0 && errno != ENOENT && errno != EBUSY)
			return err_set(e, errno, "rmdir %s", path);
		return populated < 0 && populated != -ENOENT ? populated : 0;
	}
	return owner == CGROUP_OURS ? empty_and_remove(fd, path, e) : 0;
}

const struct undo_kind cgroup_undo_remove = { .name = "rmdir_cgroup", .act = act_remove };

static int act_remove_parent(const struct undo_at *at, const char *const args[PLAN_UNDO_ARGS],
			     struct err *e)
{
	_cleanup_fd_ int fd = open_cgroup(args[0], e);
	int owner;

	(void)at;
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	owner = cgroup_owner(fd, "", NULL);
	if (owner < 0)
		return err_set(e, -owner, "read the mark of %s", args[0]);
	/* EBUSY: other containers, or somebody's processes, still live in it */
	if (owner != CGROUP_UNMARKED || rmdir(args[0]) == 0 || errno == ENOENT || errno == EBUSY)
		return 0;
	return err_set(e, errno, "rmdir %s", args[0]);
}

const struct undo_kind cgroup_undo_remove_parent = { .name = "rmdir_cgroup_parent",
						     .act = act_remove_parent };

const struct undo_kind *const cgroup_undo_kinds[] = { &cgroup_undo_remove,
						      &cgroup_undo_remove_parent, NULL };
