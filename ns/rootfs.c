/*
 * rootfs.c - builders: the root, what is hidden in it, and the way into it.
 *
 * Order: propagation cut, root attached, mounts, devices | hooks | sysctls,
 * read-only and masked paths, read-only root | pivot. Masks are made before the pivot because
 * their sources (the host's /dev/null, an empty tmpfs) are still reachable
 * then, and never those of the container (CVE-2025-31133).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "ns/builders.h"
#include "ns/internal.h"
#include "ns/ops.h"

int ns_root_slot(struct plan *p, const struct ns_rootfs_options *o)
{
	return o->slot_root >= 0 ? o->slot_root : ns_slot(p, NS_SLOT_ROOT);
}

static void add_setattr(struct plan *p, enum side side, int slot, const char *path, bool recursive,
			uint64_t set, uint64_t propagation)
{
	plan_add(p, side, op_mount_setattr, op_mount_setattr_args, .slot = slot, .path = path,
		 .recursive = recursive, .set = set, .propagation = propagation, .userns_slot = -1);
}

static void add_fsconfig(struct plan *p, unsigned int command, const char *key, const char *value)
{
	plan_add(p, SIDE_GUEST, op_fsconfig, op_fsconfig_args, ns_slot(p, NS_SLOT_FS), command, key,
		 value);
}

/* --- root ----------------------------------------------------------------------------- */

/* First of all: from here on nothing mounted in the guest's namespace shows on the host. What a
 * bind shares on request is opened by the host (mounts.c). */
static void cut_propagation(struct plan *p, const struct ns_spec *s)
{
	bool deaf = s->rootfs_propagation & (MS_PRIVATE | MS_UNBINDABLE);

	plan_scope(p, "/linux/rootfsPropagation", "/");
	add_setattr(p, SIDE_GUEST, -1, "/", true, 0, deaf ? MS_PRIVATE : MS_SLAVE);
}

/* A hook that enters the mount namespace stands on top of all that is mounted on "/": nothing may
 * be, before hooks have run. */
static bool is_in_place(const struct ns_rootfs_options *o)
{
	return o->in_place && !o->no_pivot;
}

/* One empty, read-only tmpfs for all masked directories. */
static void plan_empty(struct plan *p, const struct ns_spec *s)
{
	int empty = ns_slot(p, NS_SLOT_EMPTY), fs = ns_slot(p, NS_SLOT_FS);

	if (!s->masked_count)
		return;
	plan_scope(p, "/linux/maskedPaths", NULL);
	plan_add(p, SIDE_GUEST, op_fsopen, op_fsopen_args, "tmpfs", fs);
	add_fsconfig(p, FSCONFIG_SET_STRING, "source", "tmpfs");
	add_fsconfig(p, FSCONFIG_SET_STRING, "mode", "555");
	add_fsconfig(p, FSCONFIG_SET_FLAG, "ro", NULL);
	add_fsconfig(p, FSCONFIG_CMD_CREATE, NULL, NULL);
	plan_add(p, SIDE_GUEST, op_fsmount, op_fsmount_args, fs, empty,
		 MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

/* pivot_root wants a mount of this namespace: on top of "/", which always is there and can be
 * reached, whatever the container's root may do with the path. Hooks look for it at its path. */
static void attach_root(struct plan *p, const struct ns_spec *s, const struct ns_rootfs_options *o,
			int root)
{
	const char *hand = "mount --rbind $ROOT $ROOT";
	int step = -1, other;

	if (is_in_place(o))
		step = plan_add(p, SIDE_GUEST, op_move_mount, op_move_mount_args, root, -1, s->rootfs,
				NULL, hand);
	other = plan_add(p, SIDE_GUEST, op_move_mount, op_move_mount_args, root, -1, "/", NULL, hand);
	if (step >= 0)
		plan_on_alt(p, step, EACCES, other);
}

static void clone_root(struct plan *p, const struct ns_spec *s, int root, enum side side)
{
	plan_scope(p, "/root/path", s->rootfs);
	/* Not through a symlink: who could write the bundle could else swap the root. */
	plan_add(p, side, op_openat, op_openat_args, -1, s->rootfs,
		 O_PATH | O_DIRECTORY | O_NOFOLLOW, root);
	plan_add(p, side, op_open_tree, op_open_tree_args, root, "",
		 OPEN_TREE_CLONE | AT_RECURSIVE, root);
	/* A clone is a peer of its origin: unshared, mounts in the root would show there. */
	add_setattr(p, side, root, "", true, 0,
		    s->rootfs_propagation & MS_SLAVE ? MS_SLAVE : MS_PRIVATE);
}

/* With a user namespace the container's root may not reach the folder: the host clones it. */
static bool host_clones_root(const struct ns_spec *s, const struct host *h,
			     const struct ns_rootfs_options *o)
{
	return o->slot_root < 0 && ns_has_userns(s) && host_may_mount(h);
}

void ns_plan_host_root(struct plan *p, const struct ns_spec *s, const struct host *h,
		       const struct ns_rootfs_options *o)
{
	if (host_clones_root(s, h, o))
		clone_root(p, s, ns_root_slot(p, o), SIDE_HOST);
}

static void plan_root(struct plan *p, const struct ns_spec *s, const struct host *h,
		      const struct ns_rootfs_options *o)
{
	int root = ns_root_slot(p, o);

	if (o->slot_root < 0 && !host_clones_root(s, h, o))
		clone_root(p, s, root, SIDE_GUEST);
	plan_scope(p, "/root/path", s->rootfs);
	if (o->slot_root < 0 || o->detached || o->no_pivot)
		attach_root(p, s, o, root);
}

void ns_plan_mounts(struct plan *p, const struct ns_spec *s, const struct host *h,
		    const struct ns_rootfs_options *o)
{
	int root = ns_root_slot(p, o);
	const struct ns_mount *dev;

	plan_scope(p, "", NULL);
	plan_add(p, SIDE_GUEST, op_umask, op_umask_args, 0); /* modes are meant as they are said */
	cut_propagation(p, s);
	plan_root(p, s, h, o);
	for (size_t i = 0; i < s->mount_count; i++)
		ns_plan_one_mount(p, s, h, root, &s->mounts[i]);
	ns_plan_devices(p, s, h, root, o->terminal);
	dev = ns_mount_at(s, "/dev");
	if (dev && !dev->flags.bind && ((dev->flags.attr_set | dev->flags.rattr_set) & MOUNT_ATTR_RDONLY)) {
		plan_scope(p, dev->why, "/dev");
		add_setattr(p, SIDE_GUEST, ns_slot(p, NS_SLOT_DEV), "", false, MOUNT_ATTR_RDONLY, 0);
	}
}

/* --- restrictions ------------------------------------------------------------------------ */

static void plan_sysctls(struct plan *p, const struct ns_spec *s, int root)
{
	int proc = ns_slot(p, "proc");

	if (!s->sysctl_count)
		return;
	plan_scope(p, "/linux/sysctl", "/proc");
	plan_add(p, SIDE_GUEST, op_open_in_root, op_open_in_root_args, .root_slot = root,
		 .path = "/proc", .flags = O_PATH | O_DIRECTORY, .plain = true,
		 .slot = proc);
	/* A root whose /proc is something else must not get the writes (CVE-2023-27561). */
	plan_add(p, SIDE_GUEST, op_check_fs, op_check_fs_args, proc, PROC_SUPER_MAGIC, "procfs");
	for (size_t i = 0; i < s->sysctl_count; i++) {
		plan_scope(p, s->sysctls[i].why, NULL);
		plan_add(p, SIDE_GUEST, op_write, op_write_args, proc,
			 arena_printf(p->arena, "sys/%s", s->sysctls[i].path), s->sysctls[i].value);
	}
	plan_add(p, SIDE_GUEST, op_close, op_close_args, proc);
}

static const char *pointer(struct plan *p, const char *list, size_t index)
{
	const char *text = arena_printf(p->arena, "/linux/%s/%zu", list, index);

	return text ? text : "";
}

static void plan_readonly_path(struct plan *p, const char *path, int root)
{
	int target = ns_slot(p, NS_SLOT_TARGET), tree = ns_slot(p, NS_SLOT_TREE);
	int open = plan_add(p, SIDE_GUEST, op_open_in_root, op_open_in_root_args, .root_slot = root,
			    .path = path, .flags = O_PATH, .slot = target);

	plan_add(p, SIDE_GUEST, op_open_tree, op_open_tree_args, target, "",
		 OPEN_TREE_CLONE | AT_RECURSIVE, tree);
	add_setattr(p, SIDE_GUEST, tree, "", true, MOUNT_ATTR_RDONLY, 0);
	plan_add(p, SIDE_GUEST, op_move_mount, op_move_mount_args, tree, target, "", NULL,
		 arena_printf(p->arena, "mount --rbind %s %s; mount -o remount,bind,ro %s", path, path,
			      path));
	plan_on_skip_here(p, open, ENOENT);
	plan_on_skip_here(p, open, ENOTDIR);
}

static void plan_masked_path(struct plan *p, const char *path, int root, int null)
{
	int target = ns_slot(p, NS_SLOT_TARGET);
	int open = plan_add(p, SIDE_GUEST, op_open_in_root, op_open_in_root_args, .root_slot = root,
			    .path = path, .flags = O_PATH, .slot = target);
	int directory = plan_add(p, SIDE_GUEST, op_mask_directory, op_mask_directory_args,
				 ns_slot(p, NS_SLOT_EMPTY), ns_slot(p, NS_SLOT_EMPTY_USED), target, path);
	int file = plan_add(p, SIDE_GUEST, op_mask_file, op_mask_file_args, null, target, path);

	plan_on_alt(p, directory, ENOTDIR, file);
	plan_on_skip_here(p, open, ENOENT);
	plan_on_skip_here(p, open, ENOTDIR);
}

static void plan_masks(struct plan *p, const struct ns_spec *s, int root)
{
	int null = ns_slot(p, "null");

	if (!s->masked_count)
		return;
	plan_scope(p, "/linux/maskedPaths", "/dev/null");
	/* The host's, and checked: the container's own could be a symlink to a file that the mask
	 * would then open up (CVE-2025-31133). */
	plan_add(p, SIDE_GUEST, op_openat, op_openat_args, -1, "/dev/null", O_PATH | O_NOFOLLOW, null);
	plan_add(p, SIDE_GUEST, op_check_device, op_check_device_args, .dir_slot = null, .path = "",
		 .type = S_IFCHR, .major = 1, .minor = 3);
	for (size_t i = 0; i < s->masked_count; i++) {
		plan_scope(p, pointer(p, "maskedPaths", i), s->masked_paths[i]);
		plan_masked_path(p, s->masked_paths[i], root, null);
	}
}

void ns_plan_restrict(struct plan *p, const struct ns_spec *s, const struct host *h,
		      const struct ns_rootfs_options *o)
{
	int root = ns_root_slot(p, o);

	(void)h;
	plan_sysctls(p, s, root);
	for (size_t i = 0; i < s->readonly_count; i++) {
		plan_scope(p, pointer(p, "readonlyPaths", i), s->readonly_paths[i]);
		plan_readonly_path(p, s->readonly_paths[i], root);
	}
	plan_empty(p, s);
	plan_masks(p, s, root);
	if (s->root_readonly) {
		plan_scope(p, "/root/readonly", "/");
		add_setattr(p, SIDE_GUEST, root, "", false, MOUNT_ATTR_RDONLY, 0);
	}
}

/* --- pivot ----------------------------------------------------------------------------------- */

void ns_plan_pivot(struct plan *p, const struct ns_spec *s, const struct host *h,
		   const struct ns_rootfs_options *o)
{
	int root = ns_root_slot(p, o);
	unsigned int propagation = s->rootfs_propagation & ~(unsigned int)MS_REC;

	(void)h;
	plan_scope(p, "/root/path", "/");
	plan_add(p, SIDE_GUEST, op_fchdir, op_fchdir_args, root);
	if (o->no_pivot) {
		plan_add(p, SIDE_GUEST, op_chroot, op_text_args, ".");
	} else {
		/* The old root is stacked on the new one, then taken off: no directory needed for
		 * it, and nothing of the host stays reachable (pivot_root(2), NOTES). */
		plan_add0(p, SIDE_GUEST, op_pivot_root);
		plan_add(p, SIDE_GUEST, op_umount, op_umount_args, ".", MNT_DETACH);
	}
	plan_add(p, SIDE_GUEST, op_chdir, op_text_args, "/");
	plan_add(p, SIDE_GUEST, op_check_root, op_check_root_args, root);
	if (propagation && propagation != MS_PRIVATE && propagation != MS_SLAVE) {
		plan_scope(p, "/linux/rootfsPropagation", "/");
		add_setattr(p, SIDE_GUEST, root, "", s->rootfs_propagation & MS_REC, 0, propagation);
	}
}
