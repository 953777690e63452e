/*
 * ops_symlink.c - symlinks that are meant as such: copied into the root, or covered by a mount.
 *
 * The parent is resolved inside the root, the last component not at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "base/path.h"
#include "ns/ops.h"

/* The parent's fd. A symlink of the image may lead it onto procfs (CVE-2019-19921). */
static int open_parent(int root, const char *path, char name[NAME_MAX + 1], struct err *e)
{
	_cleanup_fd_ int parent = path_parent_in_root(root, path, 0755, name);
	struct statfs fs;

	if (parent < 0)
		return parent;
	if (fstatfs(parent, &fs) < 0 || fs.f_type == PROC_SUPER_MAGIC)
		return err_say(e, EPERM, "%s leads into a procfs in the root", path);
	return fd_take(&parent);
}

int ns_make_place_itself(int root, const char *path, bool file, struct err *e)
{
	char name[NAME_MAX + 1];
	_cleanup_fd_ int parent = open_parent(root, path, name, e), fd = -EBADF;
	struct stat st;
	int r;

	if (parent < 0)
		return parent;
	r = file ? mknodat(parent, name, S_IFREG | 0644, 0) : mkdirat(parent, name, 0755);
	if (r < 0 && errno != EEXIST)
		return -errno;
	fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode) == file)
		return file ? -EISDIR
			    : err_say(e, ENOTDIR,
				      "the source is a directory, but %s is none in the root",
				      path);
	return fd_take(&fd);
}

static int act_copy_symlink(struct run *r, const void *args, struct err *e)
{
	const struct op_copy_symlink_args *a = args;
	char target[PATH_MAX], present[PATH_MAX], name[NAME_MAX + 1];
	_cleanup_fd_ int parent = -EBADF;
	struct stat st;
	ssize_t n;

	if (fstat(run_slot(r, a->from_slot), &st) < 0)
		return -errno;
	if (!S_ISLNK(st.st_mode))
		return 0;
	n = readlinkat(run_slot(r, a->from_slot), "", target, sizeof target - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	parent = open_parent(run_slot(r, a->root_slot), a->path, name, e);
	if (parent < 0)
		return parent;
	if (symlinkat(target, parent, name) == 0)
		return -EALREADY;
	if (errno != EEXIST)
		return -errno;
	if (readlinkat(parent, name, present, sizeof present) == n &&
	    memcmp(present, target, (size_t)n) == 0)
		return -EALREADY;
	return err_say(e, EEXIST, "something else than a symlink to %.100s is there", target);
}

static void show_copy_symlink(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_copy_symlink_args *a = args;

	buf_add(out, "copy_symlink(");
	plan_show_slot(out, p, a->from_slot);
	buf_add(out, ", ");
	ns_show_at(out, p, a->root_slot, a->path);
	buf_add_char(out, ')');
}

const struct op op_copy_symlink = { .name = "copy_symlink",
				    .man = "symlink(2)",
				    .compound = true,
				    .act = act_copy_symlink,
				    .show = show_copy_symlink };
