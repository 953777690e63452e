/*
 * overlay.c - builder: the layers of an image as one root, for one guest.
 *
 * The host enters the guest's mount namespace but keeps its own rights: layers
 * are reached, id-mapped and joined as the host's root, so that whiteouts and
 * trusted.overlay.* count, and everything vanishes with the guest. In the
 * folder (a tmpfs) stand 0, 1, 2... (the layers), u, w and merged; overlay is
 * told these short names relative to the working directory, so that hundreds
 * of layers fit in mount(2)'s one page. The layers are attached mounts because
 * overlay takes detached ones only since Linux 6.15.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "ns/builders.h"
#include "ns/internal.h"
#include "ns/ops.h"

struct slots {
	int own, guest, root, cwd, userns, fs, base, tree, merged;
};

static void enter_guest(struct plan *p, const struct slots *t)
{
	plan_home(p, t->own);
	plan_add(p, SIDE_HOST, op_openat, op_openat_args, -1, "/proc/self/ns/mnt", O_RDONLY, t->own);
	plan_add(p, SIDE_HOST, op_openat, op_openat_args, -1, "/", O_PATH | O_DIRECTORY, t->root);
	plan_add(p, SIDE_HOST, op_openat, op_openat_args, -1, ".", O_PATH | O_DIRECTORY, t->cwd);
	plan_add(p, SIDE_HOST, op_openat, op_openat_args, SLOT_GUEST_PROC, "ns/mnt", O_RDONLY,
		 t->guest);
	plan_add(p, SIDE_HOST, op_setns, op_setns_args, t->guest, CLONE_NEWNS);
	/* First: without this the mounts below would propagate back and show on the host. */
	plan_add(p, SIDE_HOST, op_mount_setattr, op_mount_setattr_args, .slot = -1, .path = "/",
		 .recursive = true, .propagation = MS_SLAVE, .userns_slot = -1);
}

static void leave_guest(struct plan *p, const struct slots *t)
{
	plan_add(p, SIDE_HOST, op_setns, op_setns_args, t->own, CLONE_NEWNS);
	/* setns put us at the namespace's root: back to where we were, chroot or not. */
	plan_add(p, SIDE_HOST, op_fchdir, op_fchdir_args, t->root);
	plan_add(p, SIDE_HOST, op_chroot, op_text_args, ".");
	plan_add(p, SIDE_HOST, op_fchdir, op_fchdir_args, t->cwd);
	plan_add(p, SIDE_HOST, op_close, op_close_args, t->own);
	plan_add(p, SIDE_HOST, op_close, op_close_args, t->guest);
	plan_add(p, SIDE_HOST, op_close, op_close_args, t->root);
	plan_add(p, SIDE_HOST, op_close, op_close_args, t->cwd);
}

static void add_string(struct plan *p, const struct slots *t, const char *key, const char *value)
{
	plan_add(p, SIDE_HOST, op_fsconfig, op_fsconfig_args, t->fs, FSCONFIG_SET_STRING, key, value);
}

static void make_base(struct plan *p, const struct ns_overlay *o, const struct slots *t)
{
	plan_add(p, SIDE_HOST, op_fsopen, op_fsopen_args, "tmpfs", t->fs);
	add_string(p, t, "source", "kist");
	add_string(p, t, "mode", "755");
	if (o->upper_bytes)
		add_string(p, t, "size",
			   arena_printf(p->arena, "%llu", (unsigned long long)o->upper_bytes));
	if (o->upper_inodes)
		add_string(p, t, "nr_inodes",
			   arena_printf(p->arena, "%llu", (unsigned long long)o->upper_inodes));
	plan_add(p, SIDE_HOST, op_fsconfig, op_fsconfig_args, t->fs, FSCONFIG_CMD_CREATE, NULL, NULL);
	plan_add(p, SIDE_HOST, op_fsmount, op_fsmount_args, t->fs, t->base,
		 MOUNT_ATTR_NODEV);
	plan_add(p, SIDE_HOST, op_close, op_close_args, t->fs);
	plan_add(p, SIDE_HOST, op_move_mount, op_move_mount_args, t->base, -1, o->mount_dir, NULL,
		 arena_printf(p->arena, "mount -t tmpfs kist %s", o->mount_dir));
	plan_add(p, SIDE_HOST, op_fchdir, op_fchdir_args, t->base);
}

static void add_layer(struct plan *p, const struct ns_overlay *o, const struct slots *t, size_t i)
{
	const char *name = arena_printf(p->arena, "%zu", i);

	plan_scope(p, "", o->layers[i]);
	plan_add(p, SIDE_HOST, op_mkdirat, op_mkdirat_args, t->base, name, 0755);
	plan_add(p, SIDE_HOST, op_open_tree, op_open_tree_args, -1, o->layers[i], OPEN_TREE_CLONE,
		 t->tree);
	/* Read-only, whatever overlay may do: layers are shared by all containers of an image. The
	 * map makes files of 0 on the disk those of the container's root. */
	plan_add(p, SIDE_HOST, op_mount_setattr, op_mount_setattr_args, .slot = t->tree, .path = "",
		 .set = MOUNT_ATTR_RDONLY | (o->idmap ? MOUNT_ATTR_IDMAP : 0),
		 .propagation = MS_PRIVATE, .userns_slot = t->userns);
	plan_add(p, SIDE_HOST, op_move_mount, op_move_mount_args, t->tree, t->base, name, NULL,
		 arena_printf(p->arena, "mount --bind -o ro %s %s", o->layers[i], name));
}

/* "0:1:2" and, without an upper layer, an empty one at the bottom: overlay wants two then. */
static char *lower_text(struct plan *p, const struct ns_overlay *o)
{
	size_t size = o->count * 5 + 8, n = 0;
	char *text = arena_alloc(p->arena, size);

	for (size_t i = 0; text && i < o->count; i++)
		n += (size_t)snprintf(text + n, size - n, "%s%zu", i ? ":" : "", i);
	if (text && o->readonly)
		snprintf(text + n, size - n, ":e");
	return text;
}

static void join_layers(struct plan *p, const struct ns_overlay *o, const struct slots *t)
{
	const char *lower = lower_text(p, o);

	plan_scope(p, "", o->mount_dir);
	plan_add(p, SIDE_HOST, op_mkdirat, op_mkdirat_args, t->base, "merged", 0755);
	if (o->readonly) {
		plan_add(p, SIDE_HOST, op_mkdirat, op_mkdirat_args, t->base, "e", 0755);
	} else {
		plan_add(p, SIDE_HOST, op_mkdirat, op_mkdirat_args, t->base, "u", 0755);
		plan_add(p, SIDE_HOST, op_mkdirat, op_mkdirat_args, t->base, "w", 0755);
		/* The merged root takes mode and owner from the upper one; the umask is the caller's. */
		plan_add(p, SIDE_HOST, op_fchmodat, op_mkdirat_args, t->base, "u", 0755);
		if (o->root_uid || o->root_gid)
			plan_add(p, SIDE_HOST, op_fchownat, op_fchownat_args, t->base, "u", o->root_uid,
				 o->root_gid);
	}
	plan_add(p, SIDE_HOST, op_mount, op_mount_args, "overlay", "merged", "overlay",
		 o->readonly ? MS_RDONLY : 0,
		 arena_printf(p->arena, "lowerdir=%s%s", lower ? lower : "",
			      o->readonly ? "" : ",upperdir=u,workdir=w"));
	plan_add(p, SIDE_HOST, op_openat, op_openat_args, t->base, "merged",
		 O_PATH | O_DIRECTORY | O_NOFOLLOW, t->merged);
}

int ns_plan_overlay(struct plan *p, const struct ns_overlay *o, const struct host *h)
{
	struct slots t = { .own = ns_slot(p, "own mount namespace"),
			   .guest = ns_slot(p, "guest mount namespace"),
			   .root = ns_slot(p, "own root"), .cwd = ns_slot(p, "own directory"),
			   .userns = ns_slot(p, NS_SLOT_USERNS), .fs = ns_slot(p, NS_SLOT_FS),
			   .base = ns_slot(p, "layers"), .tree = ns_slot(p, NS_SLOT_TREE),
			   .merged = ns_slot(p, NS_SLOT_ROOT) };

	(void)h;
	if (o->count == 0 || o->count > NS_LAYERS_MAX)
		p->error = -E2BIG;
	plan_scope(p, "", o->mount_dir);
	if (o->idmap)
		plan_add(p, SIDE_HOST, op_openat, op_openat_args, SLOT_GUEST_PROC, "ns/user", O_RDONLY,
			 t.userns);
	enter_guest(p, &t);
	make_base(p, o, &t);
	for (size_t i = 0; i < o->count && i < NS_LAYERS_MAX; i++)
		add_layer(p, o, &t, i);
	join_layers(p, o, &t);
	leave_guest(p, &t);
	plan_add(p, SIDE_HOST, op_send_fd, op_send_fd_args, t.merged);
	plan_add(p, SIDE_HOST, op_close, op_close_args, t.merged);
	plan_add(p, SIDE_HOST, op_close, op_close_args, t.base);
	plan_add(p, SIDE_HOST, op_close, op_close_args, t.tree);
	return t.merged;
}
