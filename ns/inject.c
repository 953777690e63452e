/*
 * inject.c - files that a container finds in its root, though no image has them.
 *
 * They are made inside the root, by the guest, while it can still be written:
 * a path in it leads nowhere else, and the file is new, never what was there.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "base/path.h"
#include "ns/builders.h"

struct inject_args {
	int root_slot;
	struct ns_file file;
};

static int act_inject(struct run *r, const void *args, struct err *e)
{
	const struct inject_args *a = args;
	const struct ns_file *f = &a->file;
	char name[NAME_MAX + 1];
	_cleanup_fd_ int folder =
		path_parent_in_root(run_slot(r, a->root_slot), f->path, 0755, name);
	_cleanup_fd_ int fd = -EBADF;
	int error;

	if (folder < 0)
		return err_set(e, -folder, "cannot make the folder of %s", f->path);
	/* The image's own goes, whatever it is, but for a folder. */
	if (!*name || (unlinkat(folder, name, 0) < 0 && errno != ENOENT))
		return err_set(e, *name ? errno : EISDIR, "cannot replace %s", f->path);
	fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(e, errno, "cannot make %s", f->path);
	error = fd_write_all(fd, f->data, f->size);
	if (error == 0 && (fchown(fd, f->uid, f->gid) < 0 || fchmod(fd, f->mode) < 0))
		error = -errno;
	return error < 0 ? err_set(e, -error, "cannot write %s", f->path) : 0;
}

static void show_inject(struct buf *out, const struct plan *p, const void *args)
{
	const struct inject_args *a = args;

	buf_add(out, "write_new_file(");
	plan_show_slot(out, p, a->root_slot);
	buf_add(out, ", ");
	buf_add_quoted(out, a->file.path);
	buf_addf(out, ", %zu bytes, %04o, %u:%u)", a->file.size, (unsigned)a->file.mode,
		 (unsigned)a->file.uid, (unsigned)a->file.gid);
}

static const struct op op_inject = { .name = "write_new_file",
				     .man = "open(2)",
				     .compound = true,
				     .act = act_inject,
				     .show = show_inject };

void ns_plan_file(struct plan *p, int root_slot, const struct ns_file *file)
{
	plan_scope(p, "/root/path", file->path);
	plan_add(p, SIDE_GUEST, op_inject, inject_args, root_slot, *file);
}
