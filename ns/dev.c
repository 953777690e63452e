/*
 * dev.c - builders: the container's /dev, and its console.
 *
 * Nodes are made or bound through the fd of the /dev that is there after the
 * mounts, opened without following any symlink: an image whose /dev is a link
 * to a folder of the host gets nothing made there (CVE-2026-41579).
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

/* Where a device goes: the directory's slot and the name in it. Nested paths get their directory
 * made first. */
static int device_place(struct plan *p, const struct ns_device *d, int root, int dev,
			const char **ret_name)
{
	const char *base = strrchr(d->path, '/') + 1;
	bool in_dev = strncmp(d->path, "/dev/", 5) == 0;
	int parent = ns_slot(p, "parent");
	size_t parent_len;
	char *path;

	*ret_name = base;
	if (in_dev && base == d->path + 5)
		return dev;
	if (!in_dev && base == d->path + 1)
		return root;
	/* Below /dev from its own fd, so that the check of /dev holds for it too. */
	path = arena_strdup(p->arena, in_dev ? d->path + 4 : d->path);
	if (!path)
		return root;
	parent_len = (size_t)(base - d->path) - (in_dev ? 4 : 0) - 1;
	path[parent_len] = '\0';
	plan_add(p, SIDE_GUEST, op_make_target, op_make_target_args, .root_slot = in_dev ? dev : root,
		 .path = path, .like_slot = -1, .slot = parent);
	return parent;
}

static void plan_node(struct plan *p, const struct ns_device *d, int dir, const char *name)
{
	int made = plan_add(p, SIDE_GUEST, op_mknodat, op_mknodat_args, dir, name, d->type | d->mode,
			    d->major, d->minor);
	int same = plan_add(p, SIDE_GUEST, op_check_device, op_check_device_args, .dir_slot = dir,
			    .path = name, .type = d->type, .major = d->major, .minor = d->minor,
			    .set_mode = !d->standard, .mode = d->mode);

	/* What is there already must be that device (config-linux.md, "Devices"). */
	plan_on_alt(p, made, EEXIST, same);
	if (d->uid || d->gid)
		plan_add(p, SIDE_GUEST, op_fchownat, op_fchownat_args, dir, name, d->uid, d->gid);
}

/* A /dev that was bound in is somebody's own: nothing is made in it. */
static bool is_left_alone(const struct ns_spec *s, const struct ns_device *d)
{
	const struct ns_mount *mount = ns_mount_at(s, "/dev");

	return mount && mount->flags.bind && strncmp(d->path, "/dev/", 5) == 0;
}

/* In a user namespace nobody may make a device. But the host may, in a tmpfs of its own, with the
 * owner's id on the host: so mode and owner are what the config says, and the host need not have
 * a file of that name. The guest binds each from there. */
static bool is_made_by_host(const struct ns_spec *s, const struct host *h, const struct ns_device *d)
{
	return (s->new_namespaces & CLONE_NEWUSER) && h->root && !h->no_mknod && !d->standard &&
	       d->type != S_IFIFO && !is_left_alone(s, d);
}

bool ns_device_is_bound(const struct ns_spec *s, const struct host *h, const struct ns_device *d)
{
	bool cannot_make = ns_has_userns(s) || !h->root || h->no_mknod;

	return cannot_make && d->type != S_IFIFO && !is_made_by_host(s, h, d) && !is_left_alone(s, d);
}

static void plan_host_nodes(struct plan *p, const struct ns_spec *s, const struct host *h)
{
	int fs = ns_slot(p, NS_SLOT_FS), nodes = -1;

	for (size_t i = 0; i < s->device_count; i++) {
		const struct ns_device *d = &s->devices[i];
		const char *name = arena_printf(p->arena, "%zu", i);
		uint32_t uid = 0, gid = 0;

		if (!is_made_by_host(s, h, d))
			continue;
		plan_scope(p, d->why, d->path);
		if (nodes < 0) {
			nodes = ns_slot(p, NS_SLOT_NODES);
			plan_add(p, SIDE_HOST, op_fsopen, op_fsopen_args, "tmpfs", fs);
			plan_add(p, SIDE_HOST, op_fsconfig, op_fsconfig_args, fs, FSCONFIG_SET_STRING,
				 "source", "devices");
			plan_add(p, SIDE_HOST, op_fsconfig, op_fsconfig_args, fs, FSCONFIG_SET_STRING,
				 "mode", "711");
			plan_add(p, SIDE_HOST, op_fsconfig, op_fsconfig_args, fs, FSCONFIG_CMD_CREATE,
				 NULL, NULL);
			plan_add(p, SIDE_HOST, op_fsmount, op_fsmount_args, fs, nodes,
				 MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
			plan_add(p, SIDE_HOST, op_close, op_close_args, fs);
		}
		plan_add(p, SIDE_HOST, op_mknodat, op_mknodat_args, nodes, name, d->type, d->major,
			 d->minor);
		ns_map_id(&s->uid_maps, d->uid, &uid);
		ns_map_id(&s->gid_maps, d->gid, &gid);
		plan_add(p, SIDE_HOST, op_fchownat, op_fchownat_args, nodes, name, uid, gid);
		/* Not by mknod: its mode goes through the caller's umask. */
		plan_add(p, SIDE_HOST, op_fchmodat, op_mkdirat_args, nodes, name, d->mode);
	}
	if (nodes < 0)
		return;
	plan_add(p, SIDE_HOST, op_send_fd, op_send_fd_args, nodes);
	plan_add(p, SIDE_HOST, op_close, op_close_args, nodes);
	/* Before Linux 6.15 only an attached mount can be cloned; taken off again by plan_nodes_gone. */
	plan_add(p, SIDE_GUEST, op_move_mount, op_move_mount_args, nodes, -1, "/", NULL,
		 "mount -t tmpfs -o mode=711 none /");
}

static void plan_nodes_gone(struct plan *p, const struct ns_spec *s, const struct host *h)
{
	bool any = false;

	for (size_t i = 0; i < s->device_count; i++)
		any = any || is_made_by_host(s, h, &s->devices[i]);
	if (!any)
		return;
	plan_add(p, SIDE_GUEST, op_fchdir, op_fchdir_args, ns_slot(p, NS_SLOT_NODES));
	plan_add(p, SIDE_GUEST, op_umount, op_umount_args, ".", MNT_DETACH);
	plan_add(p, SIDE_GUEST, op_chdir, op_text_args, "/");
	plan_add(p, SIDE_GUEST, op_close, op_close_args, ns_slot(p, NS_SLOT_NODES));
}

/* Where no device can be made at all the host's is bound, once it is known to be the one that was
 * asked for. It keeps the host's owner and mode. `nodes`: the host made it there, as `file`. */
static void plan_bound(struct plan *p, const struct ns_device *d, int dir, const char *name, int nodes,
		       const char *file, bool fresh)
{
	int target = ns_slot(p, NS_SLOT_TARGET), tree = ns_slot(p, NS_SLOT_TREE);

	plan_add(p, SIDE_GUEST, op_open_tree, op_open_tree_args, nodes, nodes < 0 ? d->path : file,
		 OPEN_TREE_CLONE, tree);
	plan_add(p, SIDE_GUEST, op_check_device, op_check_device_args, .dir_slot = tree, .path = "",
		 .type = d->type, .major = d->major, .minor = d->minor);
	plan_add(p, SIDE_GUEST, op_make_target, op_make_target_args, .root_slot = dir, .path = name,
		 .like_slot = -1, .file = true, .fresh = fresh, .slot = target);
	plan_add(p, SIDE_GUEST, op_move_mount, op_move_mount_args, tree, fresh ? dir : target,
		 fresh ? name : "", NULL,
		 arena_printf(p->arena, "mount --bind %s $ROOT%s", d->path, d->path));
}

static void plan_links(struct plan *p, const struct ns_spec *s, int dev)
{
	/* config-linux.md "Default Devices" and runtime-linux.md "Dev symbolic links". */
	static const struct {
		const char *name, *target, *needs;
	} links[] = {
		{ "fd", "/proc/self/fd", "/proc" },
		{ "stdin", "/proc/self/fd/0", "/proc" },
		{ "stdout", "/proc/self/fd/1", "/proc" },
		{ "stderr", "/proc/self/fd/2", "/proc" },
		{ "ptmx", "pts/ptmx", "/dev/pts" },
	};

	for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
		int step;

		if (!ns_mount_at(s, links[i].needs))
			continue;
		step = plan_add(p, SIDE_GUEST, op_symlinkat, op_symlinkat_args, links[i].target, dev,
				links[i].name);
		plan_on_done(p, step, EEXIST);
	}
}

void ns_plan_devices(struct plan *p, const struct ns_spec *s, const struct host *h, int root,
		     bool terminal)
{
	const struct ns_mount *mount = ns_mount_at(s, "/dev");
	int dev = ns_slot(p, NS_SLOT_DEV);

	plan_scope(p, mount ? mount->why : "/linux/devices", "/dev");
	if (!ns_fresh_dev(s))
		plan_add(p, SIDE_GUEST, op_make_target, op_make_target_args, .root_slot = root,
			 .path = "/dev", .like_slot = -1, .plain = true, .slot = dev);
	plan_host_nodes(p, s, h);
	for (size_t i = 0; i < s->device_count; i++) {
		const struct ns_device *d = &s->devices[i];
		const char *name;
		bool fresh;
		int dir;

		if (is_left_alone(s, d))
			continue;
		plan_scope(p, d->standard ? "/linux/devices" : d->why, d->path);
		dir = device_place(p, d, root, dev, &name);
		fresh = dir == dev && ns_fresh_dev(s);
		if (is_made_by_host(s, h, d))
			plan_bound(p, d, dir, name, ns_slot(p, NS_SLOT_NODES),
				   arena_printf(p->arena, "%zu", i), fresh);
		else if (ns_device_is_bound(s, h, d))
			plan_bound(p, d, dir, name, -1, NULL, fresh);
		else
			plan_node(p, d, dir, name);
	}
	plan_nodes_gone(p, s, h);
	plan_scope(p, mount ? mount->why : "/linux/devices", "/dev");
	if (!(mount && mount->flags.bind))
		plan_links(p, s, dev);
	if (terminal) {
		plan_scope(p, "/process/terminal", "/dev/console");
		plan_add(p, SIDE_GUEST, op_make_target, op_make_target_args, .root_slot = dev,
			 .path = "console", .like_slot = -1, .file = true,
			 .slot = ns_slot(p, NS_SLOT_TARGET));
	}
}

void ns_plan_console(struct plan *p, const struct ns_spec *s, int slot_master, unsigned int rows,
		     unsigned int cols, uid_t uid)
{
	int slave = ns_slot(p, "pty"), tree = ns_slot(p, NS_SLOT_TREE);
	int target = ns_slot(p, NS_SLOT_TARGET), dev = ns_slot(p, NS_SLOT_DEV);

	plan_scope(p, "/process/terminal", "/dev/pts");
	if (!s)
		plan_add(p, SIDE_GUEST, op_openat, op_openat_args, -1, "/dev",
			 O_PATH | O_DIRECTORY | O_NOFOLLOW, dev);
	/* The container's own devpts, or none: a pty of the host would be a way to its terminals. */
	plan_add(p, SIDE_GUEST, op_open_in_root, op_open_in_root_args, .root_slot = dev,
		 .path = "pts/ptmx", .flags = O_RDWR | O_NOCTTY, .plain = true, .slot = slot_master);
	plan_add(p, SIDE_GUEST, op_check_fs, op_check_fs_args, slot_master, DEVPTS_SUPER_MAGIC,
		 "devpts");
	plan_add(p, SIDE_GUEST, op_unlock_pty, op_pty_args, slot_master, slave);
	/* By the master, never by a name in /dev/pts that can be swapped (CVE-2025-52565). */
	plan_add(p, SIDE_GUEST, op_open_pty_peer, op_pty_args, slot_master, slave);
	plan_add(p, SIDE_GUEST, op_check_device, op_check_device_args, .dir_slot = slave, .path = "",
		 .type = S_IFCHR, .major = 136, .any_minor = true);
	if (rows && cols)
		plan_add(p, SIDE_GUEST, op_set_winsize, op_winsize_args, slot_master, rows, cols);
	plan_add(p, SIDE_GUEST, op_fchownat, op_fchownat_args, slave, "", uid, (gid_t)-1);
	if (s) {
		plan_add(p, SIDE_GUEST, op_open_in_root, op_open_in_root_args, .root_slot = dev,
			 .path = "console", .flags = O_PATH | O_NOFOLLOW, .plain = true,
			 .slot = target);
		plan_add(p, SIDE_GUEST, op_open_tree, op_open_tree_args, slave, "", OPEN_TREE_CLONE,
			 tree);
		plan_add(p, SIDE_GUEST, op_move_mount, op_move_mount_args, tree, target, "", NULL,
			 "mount --bind /dev/pts/0 /dev/console");
	}
	plan_add(p, SIDE_GUEST, op_send_fd, op_send_fd_args, slot_master);
	plan_add(p, SIDE_GUEST, op_close, op_close_args, slot_master);
	plan_add(p, SIDE_GUEST, op_set_ctty, op_pty_args, slot_master, slave);
	for (int fd = 0; fd <= 2; fd++)
		plan_add(p, SIDE_GUEST, op_dup2, op_dup_args, slave, fd);
}

void ns_plan_foreground(struct plan *p, int slot_master)
{
	plan_scope(p, "/process/terminal", NULL);
	plan_add(p, SIDE_HOST, op_keep_newlines, op_pty_args, slot_master, -1);
}
