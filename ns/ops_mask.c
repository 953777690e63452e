/*
 * ops_mask.c - what hides a path: the host's /dev/null on a file, an empty tmpfs on a directory.
 *
 * What the path is, is found out before anything is mounted on it: a detached mount that finds no
 * place makes the kernel wait for a grace period as it is closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/engine.h"
#include "base/fd.h"
#include "ns/ops.h"

static int put(int mount, int target)
{
	return move_mount(mount, "", target, "",
			  MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0 ? -errno : 0;
}

static int put_clone(struct run *r, int source, int target)
{
	int tree = open_tree(source, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH), n;

	if (tree < 0)
		return -errno;
	n = put(tree, target);
	run_leave_fd(r, tree, true);
	return n;
}

/* All share one tmpfs: the first directory gets it, the others its clones. (Before Linux 6.15 only a
 * mount that is attached can be cloned.) */
static int act_mask_directory(struct run *r, const void *args, struct err *e)
{
	const struct op_mask_directory_args *a = args;
	int empty = run_slot(r, a->empty_slot), target = run_slot(r, a->target_slot), n;
	struct stat st;

	(void)e;
	if (fstat(target, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (run_slot(r, a->attached_slot) > 0)
		return put_clone(r, empty, target);
	n = put(empty, target);
	if (n == 0)
		run_set_number(r, a->attached_slot, 1);
	return n;
}

static void show_mask_directory(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_mask_directory_args *a = args;

	buf_add(out, "fstat(");
	plan_show_slot(out, p, a->target_slot);
	buf_add(out, ") is S_IFDIR, move_mount(");
	plan_show_slot(out, p, a->empty_slot);
	buf_add(out, " or its clone, ");
	plan_show_slot(out, p, a->target_slot);
	buf_add_char(out, ')');
}

static void by_hand_mask_directory(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_mask_directory_args *a = args;

	(void)p;
	buf_addf(out, "mount -t tmpfs -o ro,mode=555 tmpfs %s", a->path);
}

const struct op op_mask_directory = { .name = "mask_directory", .man = "move_mount(2)",
				      .compound = true, .act = act_mask_directory,
				      .show = show_mask_directory,
				      .by_hand = by_hand_mask_directory };

static int act_mask_file(struct run *r, const void *args, struct err *e)
{
	const struct op_mask_file_args *a = args;

	(void)e;
	return put_clone(r, run_slot(r, a->null_slot), run_slot(r, a->target_slot));
}

static void show_mask_file(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_mask_file_args *a = args;

	buf_add(out, "move_mount(open_tree(");
	plan_show_slot(out, p, a->null_slot);
	buf_add(out, ", OPEN_TREE_CLONE), ");
	plan_show_slot(out, p, a->target_slot);
	buf_add_char(out, ')');
}

static void by_hand_mask_file(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_mask_file_args *a = args;

	(void)p;
	buf_addf(out, "mount --bind /dev/null %s", a->path);
}

const struct op op_mask_file = { .name = "mask_file", .man = "move_mount(2)", .compound = true,
				 .act = act_mask_file, .show = show_mask_file,
				 .by_hand = by_hand_mask_file };
