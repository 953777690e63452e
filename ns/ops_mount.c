/*
 * ops_mount.c - the kernel's mount API, one op per call.
 *
 * A mount is made detached, gets its attributes while nobody can see it, and is
 * then moved onto a directory fd that was opened inside the root: no path is
 * looked up a second time (CVE-2021-30465).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/engine.h"
#include "ns/ops.h"

static const struct flag_name attr_names[] = {
	{ MOUNT_ATTR_RDONLY, "MOUNT_ATTR_RDONLY" },
	{ MOUNT_ATTR_NOSUID, "MOUNT_ATTR_NOSUID" },
	{ MOUNT_ATTR_NODEV, "MOUNT_ATTR_NODEV" },
	{ MOUNT_ATTR_NOEXEC, "MOUNT_ATTR_NOEXEC" },
	{ MOUNT_ATTR__ATIME, "MOUNT_ATTR__ATIME" },
	{ MOUNT_ATTR_NOATIME, "MOUNT_ATTR_NOATIME" },
	{ MOUNT_ATTR_STRICTATIME, "MOUNT_ATTR_STRICTATIME" },
	{ MOUNT_ATTR_NODIRATIME, "MOUNT_ATTR_NODIRATIME" },
	{ MOUNT_ATTR_IDMAP, "MOUNT_ATTR_IDMAP" },
	{ MOUNT_ATTR_NOSYMFOLLOW, "MOUNT_ATTR_NOSYMFOLLOW" },
};
static const struct flag_name ms_names[] = {
	{ MS_RDONLY, "MS_RDONLY" },           { MS_NOSUID, "MS_NOSUID" },
	{ MS_NODEV, "MS_NODEV" },             { MS_NOEXEC, "MS_NOEXEC" },
	{ MS_SYNCHRONOUS, "MS_SYNCHRONOUS" }, { MS_DIRSYNC, "MS_DIRSYNC" },
	{ MS_NOATIME, "MS_NOATIME" },         { MS_NODIRATIME, "MS_NODIRATIME" },
	{ MS_STRICTATIME, "MS_STRICTATIME" }, { MS_RELATIME, "MS_RELATIME" },
	{ MS_LAZYTIME, "MS_LAZYTIME" },       { MS_I_VERSION, "MS_I_VERSION" },
	{ MS_SILENT, "MS_SILENT" },           { MS_MANDLOCK, "MS_MANDLOCK" },
	{ 256, "MS_NOSYMFOLLOW" },            { MS_REMOUNT, "MS_REMOUNT" },
	{ MS_BIND, "MS_BIND" },               { MS_REC, "MS_REC" },
	{ MS_PRIVATE, "MS_PRIVATE" },         { MS_SLAVE, "MS_SLAVE" },
	{ MS_SHARED, "MS_SHARED" },           { MS_UNBINDABLE, "MS_UNBINDABLE" },
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int ns_fd(const struct run *r, int slot)
{
	return slot < 0 ? AT_FDCWD : run_slot(r, slot);
}

void ns_show_at(struct buf *out, const struct plan *p, int slot, const char *path)
{
	plan_show_slot(out, p, slot);
	buf_add(out, ", ");
	buf_add_quoted(out, path);
}

/* --- fsopen, fsconfig, fsmount, fspick --------------------------------------- */

static int act_fsopen(struct run *r, const void *args, struct err *e)
{
	const struct op_fsopen_args *a = args;
	int fd = fsopen(a->type, FSOPEN_CLOEXEC);

	if (fd < 0 && errno == ENODEV)
		return err_say(e, ENODEV, "the kernel has no filesystem \"%s\"", a->type);
	if (fd < 0)
		return -errno;
	run_set_fd(r, a->slot, fd);
	return 0;
}

static void show_fsopen(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_fsopen_args *a = args;

	buf_add(out, "fsopen(");
	buf_add_quoted(out, a->type);
	buf_add(out, ", FSOPEN_CLOEXEC) = ");
	plan_show_slot(out, p, a->slot);
}

const struct op op_fsopen = { .name = "fsopen", .man = "fsopen(2)", .act = act_fsopen,
			      .show = show_fsopen };

/* With errno from fsconfig(2). */
static int fsconfig_failed(int fd, const char *key, struct err *e)
{
	int error = errno;
	char log[200];
	ssize_t n;

	/* The context keeps the filesystem's own words: "e tmpfs: Unknown parameter 'foo'". */
	n = read(fd, log, sizeof log - 1);
	if (n <= 2)
		return -error;
	log[n] = '\0';
	log[strcspn(log, "\n")] = '\0';
	return err_set(e, error, "fsconfig %s: %s", key ? key : "create", log + 2);
}

static int act_fsconfig(struct run *r, const void *args, struct err *e)
{
	const struct op_fsconfig_args *a = args;
	int fd = run_slot(r, a->slot);

	if (fsconfig(fd, a->command, a->key, a->value, 0) == 0)
		return 0;
	return fsconfig_failed(fd, a->key, e);
}

static void show_fsconfig(struct buf *out, const struct plan *p, const void *args)
{
	static const char *const commands[] = {
		[FSCONFIG_SET_FLAG] = "FSCONFIG_SET_FLAG",
		[FSCONFIG_SET_STRING] = "FSCONFIG_SET_STRING",
		[FSCONFIG_CMD_CREATE] = "FSCONFIG_CMD_CREATE",
		[FSCONFIG_CMD_RECONFIGURE] = "FSCONFIG_CMD_RECONFIGURE",
	};
	const struct op_fsconfig_args *a = args;

	buf_add(out, "fsconfig(");
	plan_show_slot(out, p, a->slot);
	buf_addf(out, ", %s", commands[a->command]);
	if (a->key) {
		buf_add(out, ", ");
		buf_add_quoted(out, a->key);
	}
	if (a->value) {
		buf_add(out, ", ");
		buf_add_quoted(out, a->value);
	}
	buf_add_char(out, ')');
}

static int act_fsconfig_each(struct run *r, const void *args, struct err *e)
{
	const struct op_fsconfig_each_args *a = args;
	int fd = run_slot(r, a->slot), error;

	for (size_t i = 0; i < a->count; i++) {
		if (fsconfig(fd, FSCONFIG_SET_STRING, a->key, a->values[i], 0) == 0)
			continue;
		error = fsconfig_failed(fd, a->key, e);
		return e->error ? error : err_set(e, -error, "fsconfig %s=%s", a->key, a->values[i]);
	}
	return 0;
}

static void show_fsconfig_each(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_fsconfig_each_args *a = args;

	buf_add(out, "fsconfig(");
	plan_show_slot(out, p, a->slot);
	buf_add(out, ", FSCONFIG_SET_STRING, ");
	buf_add_quoted(out, a->key);
	buf_add(out, ", each of");
	for (size_t i = 0; i < a->count; i++) {
		buf_add(out, i ? ", " : " ");
		buf_add_quoted(out, a->values[i]);
	}
	buf_add_char(out, ')');
}

const struct op op_fsconfig_each = { .name = "fsconfig", .man = "fsconfig(2)", .compound = true,
				     .act = act_fsconfig_each, .show = show_fsconfig_each };

const struct op op_fsconfig = { .name = "fsconfig", .man = "fsconfig(2)", .act = act_fsconfig,
				.show = show_fsconfig };

static int act_fsmount(struct run *r, const void *args, struct err *e)
{
	const struct op_fsmount_args *a = args;
	int fd = fsmount(run_slot(r, a->fs_slot), FSMOUNT_CLOEXEC, a->attr);

	if (fd < 0 && errno == EPERM) {
		/* mount_too_revealing() in fs/namespace.c */
		err_set(e, EPERM, "fsmount");
		return err_fix(e, "in a user namespace proc and sysfs can be mounted only where nothing covers "
			       "parts of the caller's own (as in most containers): bind them, with rbind");
	}
	if (fd < 0)
		return -errno;
	run_set_fd(r, a->slot, fd);
	return 0;
}

static void show_fsmount(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_fsmount_args *a = args;

	buf_add(out, "fsmount(");
	plan_show_slot(out, p, a->fs_slot);
	buf_add(out, ", FSMOUNT_CLOEXEC, ");
	buf_add_flags(out, a->attr, attr_names, COUNT(attr_names));
	buf_add(out, ") = ");
	plan_show_slot(out, p, a->slot);
}

const struct op op_fsmount = { .name = "fsmount", .man = "fsmount(2)", .act = act_fsmount,
			       .show = show_fsmount };

static int act_fspick(struct run *r, const void *args, struct err *e)
{
	const struct op_fspick_args *a = args;
	int fd = fspick(run_slot(r, a->target_slot), "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);

	(void)e;
	if (fd < 0)
		return -errno;
	run_set_fd(r, a->slot, fd);
	return 0;
}

static void show_fspick(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_fspick_args *a = args;

	buf_add(out, "fspick(");
	ns_show_at(out, p, a->target_slot, "");
	buf_add(out, ", FSPICK_CLOEXEC|FSPICK_EMPTY_PATH) = ");
	plan_show_slot(out, p, a->slot);
}

const struct op op_fspick = { .name = "fspick", .man = "fspick(2)", .act = act_fspick,
			      .show = show_fspick };

/* --- open_tree, mount_setattr, move_mount ------------------------------------- */

static int act_open_tree(struct run *r, const void *args, struct err *e)
{
	const struct op_open_tree_args *a = args;
	int fd = open_tree(ns_fd(r, a->dir_slot), a->path,
			   a->flags | OPEN_TREE_CLOEXEC | (a->path[0] ? 0 : AT_EMPTY_PATH));

	if (fd < 0 && errno == EINVAL && !(a->flags & AT_RECURSIVE) && a->path[0]) {
		/* mount_namespaces(7): what a mount covers may not be uncovered. */
		err_set(e, EINVAL, "open_tree %s", a->path);
		return err_fix(e, "in a user namespace the mounts below %s are locked to it: bind it with "
			       "rbind", a->path);
	}
	if (fd < 0)
		return -errno;
	run_set_fd(r, a->slot, fd);
	return 0;
}

static void show_open_tree(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_open_tree_args *a = args;

	buf_add(out, "open_tree(");
	ns_show_at(out, p, a->dir_slot, a->path);
	buf_addf(out, ", %s%s%s%sOPEN_TREE_CLOEXEC) = ",
		 a->flags & OPEN_TREE_CLONE ? "OPEN_TREE_CLONE|" : "",
		 a->flags & AT_RECURSIVE ? "AT_RECURSIVE|" : "",
		 a->flags & AT_SYMLINK_NOFOLLOW ? "AT_SYMLINK_NOFOLLOW|" : "",
		 a->path[0] ? "" : "AT_EMPTY_PATH|");
	plan_show_slot(out, p, a->slot);
}

const struct op op_open_tree = { .name = "open_tree", .man = "open_tree(2)", .act = act_open_tree,
				 .show = show_open_tree };

static int act_mount_setattr(struct run *r, const void *args, struct err *e)
{
	const struct op_mount_setattr_args *a = args;
	struct mount_attr attr = { .attr_set = a->set, .attr_clr = a->clr,
				   .propagation = a->propagation };
	unsigned int flags = (a->path[0] ? 0 : AT_EMPTY_PATH) | (a->recursive ? AT_RECURSIVE : 0);
	int error;

	if (a->set & MOUNT_ATTR_IDMAP)
		attr.userns_fd = (uint64_t)run_slot(r, a->userns_slot);
	if (mount_setattr(ns_fd(r, a->slot), a->path, flags, &attr, sizeof attr) == 0)
		return 0;
	error = errno;
	if ((a->set & MOUNT_ATTR_IDMAP) && error == EINVAL) {
		err_set(e, error, "mount_setattr idmap");
		return err_fix(e, "the filesystem of the source cannot be id-mapped, or is already: "
			       "keep it on ext4, xfs, btrfs or (Linux 6.3) tmpfs");
	}
	if (error == EPERM && a->clr) {
		err_set(e, error, "mount_setattr");
		return err_fix(e, "a flag to be cleared is locked on the source's mount: drop the "
			       "option that clears it");
	}
	return -error;
}

static void show_mount_setattr(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_mount_setattr_args *a = args;

	buf_add(out, "mount_setattr(");
	ns_show_at(out, p, a->slot, a->path);
	buf_addf(out, ", %s%s%s, {", a->path[0] ? "" : "AT_EMPTY_PATH",
		 a->recursive && !a->path[0] ? "|" : "", a->recursive ? "AT_RECURSIVE"
		 : a->path[0] ? "0" : "");
	if (a->set || (a->clr & MOUNT_ATTR__ATIME)) {
		buf_add(out, "attr_set=");
		buf_add_flags(out, a->set, attr_names, COUNT(attr_names));
	}
	if (a->clr) {
		buf_add(out, a->set || (a->clr & MOUNT_ATTR__ATIME) ? ", attr_clr=" : "attr_clr=");
		buf_add_flags(out, a->clr, attr_names, COUNT(attr_names));
	}
	if (a->propagation) {
		buf_add(out, a->set || a->clr ? ", propagation=" : "propagation=");
		buf_add_flags(out, a->propagation, ms_names, COUNT(ms_names));
	}
	if (a->set & MOUNT_ATTR_IDMAP) {
		buf_add(out, ", userns_fd=");
		plan_show_slot(out, p, a->userns_slot);
	}
	buf_add(out, "})");
}

static void by_hand_mount_setattr(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_mount_setattr_args *a = args;
	const char *r = a->recursive ? "r" : "";

	(void)p;
	if (!a->path[0])
		return;
	if (a->propagation)
		buf_addf(out, "mount --make-%s%s ", r,
			 a->propagation & MS_PRIVATE ? "private" :
			 a->propagation & MS_SLAVE ? "slave" :
			 a->propagation & MS_SHARED ? "shared" : "unbindable");
	else
		buf_addf(out, "mount -o remount,bind,%s ",
			 a->set & MOUNT_ATTR_RDONLY ? "ro" : "defaults");
	buf_add_shell(out, a->path);
}

const struct op op_mount_setattr = { .name = "mount_setattr", .man = "mount_setattr(2)",
				     .act = act_mount_setattr, .show = show_mount_setattr,
				     .by_hand = by_hand_mount_setattr };

static int act_move_mount(struct run *r, const void *args, struct err *e)
{
	const struct op_move_mount_args *a = args;
	unsigned int flags = MOVE_MOUNT_F_EMPTY_PATH |
			     (a->to_path[0] ? 0 : MOVE_MOUNT_T_EMPTY_PATH);

	(void)e;
	if (move_mount(run_slot(r, a->from_slot), "", ns_fd(r, a->to_slot), a->to_path, flags) < 0)
		return -errno;
	return 0;
}

static void show_move_mount(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_move_mount_args *a = args;

	buf_add(out, "move_mount(");
	plan_show_slot(out, p, a->from_slot);
	buf_add(out, ", \"\", ");
	ns_show_at(out, p, a->to_slot, a->to_path);
	buf_addf(out, ", MOVE_MOUNT_F_EMPTY_PATH%s)", a->to_path[0] ? "" : "|MOVE_MOUNT_T_EMPTY_PATH");
}

static void by_hand_move_mount(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_move_mount_args *a = args;
	const struct ns_mount *m = a->mount;

	(void)p;
	if (!m) {
		buf_add(out, a->hand ? a->hand : "");
		return;
	}
	if (m->flags.bind) {
		buf_addf(out, "mount --%s ", m->flags.recursive ? "rbind" : "bind");
	} else {
		buf_add(out, "mount -t ");
		buf_add_shell(out, m->type);
		for (size_t i = 0; i < m->flags.data_count; i++) {
			buf_addf(out, "%s%s", i ? "," : " -o ", m->flags.data[i].key);
			if (m->flags.data[i].value)
				buf_addf(out, "=%s", m->flags.data[i].value);
		}
		buf_add_char(out, ' ');
	}
	buf_add_shell(out, m->source);
	buf_add(out, " $ROOT");
	buf_add_shell(out, m->destination);
}

const struct op op_move_mount = { .name = "move_mount", .man = "move_mount(2)",
				  .act = act_move_mount, .show = show_move_mount,
				  .by_hand = by_hand_move_mount };

/* --- mount, umount2 ------------------------------------------------------------ */

static int act_mount(struct run *r, const void *args, struct err *e)
{
	const struct op_mount_args *a = args;

	(void)r;
	if (mount(a->source, a->target, a->type, a->flags, a->data) == 0)
		return 0;
	if (errno == ENODEV)
		return err_say(e, ENODEV, "the kernel has no filesystem \"%s\"", a->type);
	return -errno;
}

static void show_mount(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_mount_args *a = args;

	(void)p;
	buf_add(out, "mount(");
	buf_add_quoted(out, a->source);
	buf_add(out, ", ");
	buf_add_quoted(out, a->target);
	buf_add(out, ", ");
	buf_add_quoted(out, a->type);
	buf_add(out, ", ");
	buf_add_flags(out, a->flags, ms_names, COUNT(ms_names));
	buf_add(out, ", ");
	buf_add_quoted(out, a->data ? a->data : "");
	buf_add_char(out, ')');
}

static void by_hand_mount(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_mount_args *a = args;

	(void)p;
	buf_addf(out, "mount -t %s", a->type);
	if (a->data && *a->data) {
		buf_add(out, " -o ");
		buf_add_shell(out, a->data);
	}
	buf_add_char(out, ' ');
	buf_add_shell(out, a->source);
	buf_add_char(out, ' ');
	buf_add_shell(out, a->target);
}

const struct op op_mount = { .name = "mount", .man = "mount(2)", .act = act_mount,
			     .show = show_mount, .by_hand = by_hand_mount };

static int act_umount(struct run *r, const void *args, struct err *e)
{
	const struct op_umount_args *a = args;

	(void)r;
	(void)e;
	return umount2(a->path, a->flags) < 0 ? -errno : 0;
}

static void show_umount(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_umount_args *a = args;

	(void)p;
	buf_add(out, "umount2(");
	buf_add_quoted(out, a->path);
	buf_add(out, a->flags & MNT_DETACH ? ", MNT_DETACH)" : ", 0)");
}

static void by_hand_umount(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_umount_args *a = args;

	(void)p;
	buf_addf(out, "umount %s%s", a->flags & MNT_DETACH ? "-l " : "", a->path);
}

const struct op op_umount = { .name = "umount2", .man = "umount2(2)", .act = act_umount,
			      .show = show_umount, .by_hand = by_hand_umount };
