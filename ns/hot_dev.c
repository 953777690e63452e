/*
 * hot_dev.c - a device node more, or less, in a container that runs.
 *
 * As hot.c, the host does it alone, by fds of the container's root. The container may swap what
 * lies there at any moment: so the node is never named again once it is open, and nothing that is
 * no such device is given an owner, or taken off.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/path.h"
#include "ns/builders.h"
#include "ns/internal.h"
#include "ns/ops.h"

int ns_parse_hot_device(const json_t *device, const struct ns_spec *s, struct arena *a,
			struct ns_device *ret, struct err *e)
{
	_cleanup_json_ json_t *list = json_pack("{s:[O]}", "devices", device);
	const struct ns_mount *dev = ns_mount_at(s, "/dev");
	const struct json_at at = JSON_AT_ROOT;
	struct ns_spec parsed = { 0 };
	int r = list ? ns_parse_devices(list, &at, a, &parsed, e) : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < parsed.device_count; i++)
		if (!parsed.devices[i].standard)
			*ret = parsed.devices[i];
	if (r >= 0 && dev && dev->flags.bind && strncmp(ret->path, "/dev/", 5) == 0) {
		err_say(e, EINVAL, "the container's /dev is %.200s of the host", dev->source);
		return err_fix(e, "make the device there");
	}
	return r < 0 ? r : 0;
}

struct op_hot_node_args {
	int root_slot;
	const struct ns_device *device;
	int made_slot; /* op_unnode: not used */
};

/* The folder that the node is in. A symlink of the container may lead it onto procfs. */
static int open_parent(int root, const char *path, char name[NAME_MAX + 1], struct err *e)
{
	_cleanup_fd_ int parent = path_parent_in_root(root, path, 0755, name);
	struct statfs fs;

	if (parent < 0)
		return parent;
	if (fstatfs(parent, &fs) < 0 || fs.f_type == PROC_SUPER_MAGIC)
		return err_say(e, EPERM, "%s leads into a procfs in the root", path);
	if (fs.f_flags & ST_NODEV) {
		err_say(e, EPERM, "%s is on a mount of the container that has no devices (nodev)",
			path);
		return err_fix(e, "add it below /dev");
	}
	return fd_take(&parent);
}

/* What has that name now. fd; -EEXIST: it is something else. */
static int open_node(int parent, const char *name, const struct ns_device *d, struct err *e)
{
	_cleanup_fd_ int fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_mode & S_IFMT) != d->type || st.st_rdev != makedev(d->major, d->minor))
		return err_say(e, EEXIST, "something else than the device %c %u:%u is there",
			       S_ISBLK(d->type) ? 'b' : 'c', d->major, d->minor);
	return fd_take(&fd);
}

static int act_node(struct run *r, const void *args, struct err *e)
{
	const struct op_hot_node_args *a = args;
	const struct ns_device *d = a->device;
	char name[NAME_MAX + 1];
	_cleanup_fd_ int parent = -EBADF, fd = -EBADF;
	mode_t mask;
	int made;

	parent = open_parent(run_slot(r, a->root_slot), d->path, name, e);
	if (parent < 0)
		return parent;
	/* The whole mode at once: a chmod afterwards would go by a name that the container owns. */
	mask = umask(0);
	made = mknodat(parent, name, d->type | d->mode, makedev(d->major, d->minor));
	umask(mask);
	if (made < 0 && errno != EEXIST)
		return -errno;
	fd = open_node(parent, name, d, e);
	if (fd < 0)
		return fd;
	run_set_number(r, a->made_slot, made == 0);
	if (made == 0 && fchownat(fd, "", d->uid, d->gid, AT_EMPTY_PATH) < 0) {
		made = -errno;
		unlinkat(parent, name, 0);
		return made;
	}
	return 0;
}

static void show_device(struct buf *out, const struct plan *p, const char *call, const void *args)
{
	const struct op_hot_node_args *a = args;
	const struct ns_device *d = a->device;

	buf_addf(out, "%s(", call);
	ns_show_at(out, p, a->root_slot, d->path);
	buf_addf(out, ", %s|0%03o, makedev(%u, %u))", S_ISBLK(d->type) ? "S_IFBLK" : "S_IFCHR",
		 d->mode, d->major, d->minor);
}

static void show_node(struct buf *out, const struct plan *p, const void *args)
{
	show_device(out, p, "make_node", args);
}

static const struct op op_node = {
	.name = "make_node", .man = "mknod(2)", .compound = true, .act = act_node, .show = show_node
};

static int act_unnode(struct run *r, const void *args, struct err *e)
{
	const struct op_hot_node_args *a = args;
	int root = run_slot(r, a->root_slot);
	char name[NAME_MAX + 1];
	_cleanup_fd_ int parent = -EBADF;
	_cleanup_fd_ int fd = path_open_in_root(root, a->device->path, O_PATH | O_NOFOLLOW, 0);

	if (fd < 0)
		return fd; /* and no folder is made for it */
	parent = open_parent(root, a->device->path, name, e);
	if (parent < 0)
		return parent;
	close(fd_take(&fd));
	fd = open_node(parent, name, a->device, e);
	if (fd < 0)
		return fd;
	return unlinkat(parent, name, 0) < 0 ? -errno : 0;
}

static void show_unnode(struct buf *out, const struct plan *p, const void *args)
{
	show_device(out, p, "remove_node", args);
}

static const struct op op_unnode = { .name = "remove_node",
				     .man = "unlink(2)",
				     .compound = true,
				     .act = act_unnode,
				     .show = show_unnode };

int ns_plan_hot_node(struct plan *p, const struct ns_hot *h, const struct ns_device *d)
{
	int root = ns_slot(p, NS_SLOT_ROOT), made = plan_new_slot(p, "made");

	plan_scope(p, "", d->path);
	ns_plan_hot_root(p, h, root);
	plan_add(p, SIDE_HOST, op_node, op_hot_node_args, root, d, made);
	return made;
}

void ns_plan_hot_unnode(struct plan *p, const struct ns_hot *h, const struct ns_device *d)
{
	int root = ns_slot(p, NS_SLOT_ROOT), step;

	plan_scope(p, "", d->path);
	ns_plan_hot_root(p, h, root);
	step = plan_add(p, SIDE_HOST, op_unnode, op_hot_node_args, root, d, -1);
	/* What the container has put in its place is its own. */
	plan_on_done(p, step, ENOENT);
	plan_on_done(p, step, EEXIST);
	plan_on_done(p, step, ENOTDIR);
}
