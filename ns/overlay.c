/*
 * overlay.c - builder: the layers of an image as one root, for one guest.
 *
 * Who joins them: root of the host does it itself, so that whiteouts and
 * trusted.overlay.* count and layers can be id-mapped. Anybody else leaves it
 * to the guest, in its own user and mount namespaces, with "userxattr".
 *
 * How they are said to the kernel, which `struct host` decides:
 *
 *   detached  One mount of the folder all layers lie in, one overlay, each told
 *             by fsconfig(2) ("lowerdir+"): nothing is attached anywhere until
 *             the guest takes the root. Overlay takes detached layers since
 *             Linux 6.15, which knows lowerdir+ (6.7) for sure. 6.1 takes the
 *             key, too, answers 0, and ignores it: never ask it.
 *   page      All in the one page that mount(2) takes. In a tmpfs of the
 *             guest's mount namespace stand symlinks 0, 1, 2... to the layers;
 *             overlay is told these names relative to the working directory.
 *             200 layers are 690 bytes.
 *
 * A wrong choice can't pass: an overlay without a lower layer is EINVAL.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "ns/builders.h"
#include "ns/internal.h"
#include "ns/ops.h"

#define DETACHED_SINCE HOST_KERNEL(6, 15)

struct joining {
	struct plan *p;
	const struct ns_overlay *o;
	enum side side;
	bool userxattr, detached;
	int layers;  /* the folder of all layers */
	int changes; /* the tmpfs with upper/ and work/; for a page also with the short names */
	int upper;   /* where upper/ and work/ are: the same, or a folder */
	int fs, root, cwd;
};

/*
 * What an image could smuggle in by overlay's own xattrs is not followed, though unpacking leaves
 * them out: a redirect leads to any folder of a lower layer, a metacopy to any file's data. index
 * and nfs_export would write into layers' handles; xino=auto gives whole trees one st_dev where it
 * can.
 */
static const struct ns_option safe_options[] = {
	{ "redirect_dir", "nofollow" }, { "metacopy", "off" }, { "index", "off" },
	{ "nfs_export", "off" },	{ "xino", "auto" },
};
#define SAFE_OPTIONS (sizeof safe_options / sizeof safe_options[0])

bool ns_overlay_is_detached(const struct host *h)
{
	return h->kernel >= DETACHED_SINCE;
}

const char *ns_overlay_safe_options(struct arena *a)
{
	const char *text = "";

	for (size_t i = 0; i < SAFE_OPTIONS; i++)
		text = arena_printf(a, "%s,%s=%s", text ? text : "", safe_options[i].key,
				    safe_options[i].value);
	return text ? text : "";
}

static void add_fsconfig(const struct joining *j, unsigned int command, const char *key,
			 const char *value)
{
	plan_add(j->p, j->side, op_fsconfig, op_fsconfig_args, j->fs, command, key, value);
}

static const char *number(const struct joining *j, uint64_t value)
{
	return arena_printf(j->p->arena, "%llu", (unsigned long long)value);
}

/* --- the layers, the changes ---------------------------------------------------------------- */

static void clone_tree(const struct joining *j, int from, const char *path, int to, uint64_t attr,
		       bool idmap)
{
	plan_add(j->p, SIDE_HOST, op_open_tree, op_open_tree_args, from, path, OPEN_TREE_CLONE, to);
	plan_add(j->p, SIDE_HOST, op_mount_setattr, op_mount_setattr_args, .slot = to, .path = "",
		 .set = attr | (idmap ? MOUNT_ATTR_IDMAP : 0), .propagation = MS_PRIVATE,
		 .userns_slot = ns_slot(j->p, NS_SLOT_USERNS));
}

/* One mount for all of them. Read-only, whatever overlay may do: layers are shared by all
 * containers of an image. The map makes files of 0 on the disk those of the container's root. */
static void open_layers(const struct joining *j)
{
	const struct ns_overlay *o = j->o;

	plan_scope(j->p, "/root/path", o->dir);
	if (j->side == SIDE_HOST) {
		/* By what the image was found in, not by its name: that may be another folder's
		 * now. */
		clone_tree(j, o->slot_below, o->slot_below >= 0 ? ".." : o->dir, j->layers,
			   MOUNT_ATTR_RDONLY, o->idmap);
		return;
	}
	/* Overlay makes its own read-only clones. A mount of the host's namespace, which is all the
	 * host's fd leads to, can't be cloned here: by name, then compared. */
	plan_add(j->p, SIDE_GUEST, op_openat, op_openat_args, -1, o->dir, O_PATH | O_DIRECTORY,
		 j->layers);
	if (o->slot_below >= 0)
		plan_add(j->p, SIDE_GUEST, op_check_same, op_check_same_args, j->layers,
			 o->slot_below, o->dir);
}

static void make_tmpfs(const struct joining *j, uint64_t bytes, uint64_t inodes)
{
	plan_add(j->p, j->side, op_fsopen, op_fsopen_args, "tmpfs", j->fs);
	add_fsconfig(j, FSCONFIG_SET_STRING, "source", "kist");
	add_fsconfig(j, FSCONFIG_SET_STRING, "mode", "755");
	if (bytes)
		add_fsconfig(j, FSCONFIG_SET_STRING, "size", number(j, bytes));
	if (inodes)
		add_fsconfig(j, FSCONFIG_SET_STRING, "nr_inodes", number(j, inodes));
	add_fsconfig(j, FSCONFIG_CMD_CREATE, NULL, NULL);
	plan_add(j->p, j->side, op_fsmount, op_fsmount_args, j->fs, j->changes, MOUNT_ATTR_NODEV);
	plan_add(j->p, j->side, op_close, op_close_args, j->fs);
}

static void make_folder(const struct joining *j, int dir, const char *name)
{
	int step = plan_add(j->p, j->side, op_mkdirat, op_mkdirat_args, dir, name, 0755);

	if (j->o->upper_dir)
		plan_on_done(j->p, step, EEXIST);
}

/* Where overlay puts changes: with the host's ids of the container. A folder could be id-mapped as the
 * layers are, but overlay makes its files as the one who mounts it, who has no id in that map. */
static void make_upper(const struct joining *j)
{
	const struct ns_overlay *o = j->o;

	if (o->upper_dir && j->side == SIDE_HOST)
		clone_tree(j, o->slot_upper, "", j->upper, 0, false);
	else if (o->upper_dir)
		plan_add(j->p, SIDE_GUEST, op_openat, op_openat_args, -1, o->upper_dir,
			 O_PATH | O_DIRECTORY | O_NOFOLLOW, j->upper);
	make_folder(j, j->upper, "work");
	make_folder(j, j->upper, "upper");
	/* The merged root takes mode and owner from the upper one; the umask is the caller's. In a folder
	 * they may be what a former container made of them. */
	if (!o->upper_dir)
		plan_add(j->p, j->side, op_fchmodat, op_mkdirat_args, j->upper, "upper", 0755);
	if (!o->upper_dir && j->side == SIDE_HOST && (o->root_uid || o->root_gid))
		plan_add(j->p, j->side, op_fchownat, op_fchownat_args, j->upper, "upper", o->root_uid,
			 o->root_gid);
}

/* --- detached --------------------------------------------------------------------------------- */

/* Without an upper layer overlay wants two lower ones: the last is empty. */
static void add_lowers(const struct joining *j)
{
	const struct ns_overlay *o = j->o;

	plan_scope(j->p, "/root/path", o->dir);
	plan_add(j->p, j->side, op_fchdir, op_fchdir_args, j->layers);
	plan_add(j->p, j->side, op_fsconfig_each, op_fsconfig_each_args, j->fs, "lowerdir+",
		 o->layers, o->count);
	plan_scope(j->p, "/root/path", o->upper_dir ? o->upper_dir : "overlay");
	plan_add(j->p, j->side, op_fchdir, op_fchdir_args, o->readonly ? j->changes : j->upper);
	if (o->readonly) {
		add_fsconfig(j, FSCONFIG_SET_STRING, "lowerdir+", "empty");
		return;
	}
	add_fsconfig(j, FSCONFIG_SET_STRING, "upperdir", "upper");
	add_fsconfig(j, FSCONFIG_SET_STRING, "workdir", "work");
}

static void join_detached(const struct joining *j)
{
	const struct ns_overlay *o = j->o;

	plan_scope(j->p, "/root/path", "overlay");
	plan_add(j->p, j->side, op_fsopen, op_fsopen_args, "overlay", j->fs);
	add_fsconfig(j, FSCONFIG_SET_STRING, "source", "overlay");
	plan_add(j->p, j->side, op_openat, op_openat_args, -1, ".", O_PATH | O_DIRECTORY, j->cwd);
	add_lowers(j);
	plan_add(j->p, j->side, op_fchdir, op_fchdir_args, j->cwd);
	for (size_t i = 0; i < SAFE_OPTIONS; i++)
		add_fsconfig(j, FSCONFIG_SET_STRING, safe_options[i].key, safe_options[i].value);
	if (j->userxattr)
		add_fsconfig(j, FSCONFIG_SET_FLAG, "userxattr", NULL);
	if (o->readonly)
		add_fsconfig(j, FSCONFIG_SET_FLAG, "ro", NULL);
	add_fsconfig(j, FSCONFIG_CMD_CREATE, NULL, NULL);
	plan_add(j->p, j->side, op_fsmount, op_fsmount_args, j->fs, j->root,
		 (o->nodev ? MOUNT_ATTR_NODEV : 0u) | (o->readonly ? MOUNT_ATTR_RDONLY : 0u));
	plan_add(j->p, j->side, op_close, op_close_args, j->fs);
	plan_add(j->p, j->side, op_close, op_close_args, j->cwd);
}

/* --- one page --------------------------------------------------------------------------------- */

#define SLOT_OWN_NS   "own mount namespace"
#define SLOT_GUEST_NS "guest mount namespace"
#define SLOT_OWN_ROOT "own root"
#define SLOT_OWN_CWD  "own directory"

void ns_plan_enter_guest(struct plan *p)
{
	int own = ns_slot(p, SLOT_OWN_NS), guest = ns_slot(p, SLOT_GUEST_NS);

	plan_home(p, own);
	plan_add(p, SIDE_HOST, op_openat, op_openat_args, -1, "/proc/self/ns/mnt", O_RDONLY, own);
	plan_add(p, SIDE_HOST, op_openat, op_openat_args, -1, "/", O_PATH | O_DIRECTORY,
		 ns_slot(p, SLOT_OWN_ROOT));
	plan_add(p, SIDE_HOST, op_openat, op_openat_args, -1, ".", O_PATH | O_DIRECTORY,
		 ns_slot(p, SLOT_OWN_CWD));
	plan_add(p, SIDE_HOST, op_openat, op_openat_args, SLOT_GUEST_PROC, "ns/mnt", O_RDONLY,
		 guest);
	plan_add(p, SIDE_HOST, op_setns, op_setns_args, guest, CLONE_NEWNS);
	/* First: without this the mounts below would propagate back and show on the host. */
	plan_add(p, SIDE_HOST, op_mount_setattr, op_mount_setattr_args, .slot = -1, .path = "/",
		 .recursive = true, .propagation = MS_SLAVE, .userns_slot = -1);
}

void ns_plan_leave_guest(struct plan *p)
{
	int own = ns_slot(p, SLOT_OWN_NS), root = ns_slot(p, SLOT_OWN_ROOT),
	    cwd = ns_slot(p, SLOT_OWN_CWD);

	plan_add(p, SIDE_HOST, op_setns, op_setns_args, own, CLONE_NEWNS);
	/* setns put us at the namespace's root: back to where we were, chroot or not. */
	plan_add(p, SIDE_HOST, op_fchdir, op_fchdir_args, root);
	plan_add(p, SIDE_HOST, op_chroot, op_text_args, ".");
	plan_add(p, SIDE_HOST, op_fchdir, op_fchdir_args, cwd);
	plan_add(p, SIDE_HOST, op_close, op_close_args, own);
	plan_add(p, SIDE_HOST, op_close, op_close_args, ns_slot(p, SLOT_GUEST_NS));
	plan_add(p, SIDE_HOST, op_close, op_close_args, root);
	plan_add(p, SIDE_HOST, op_close, op_close_args, cwd);
}

/* The tmpfs of short names, and in it what the host's detached trees become mounts in. */
static void attach_names(const struct joining *j)
{
	const struct ns_overlay *o = j->o;
	struct plan *p = j->p;

	plan_scope(p, "/root/path", o->mount_dir);
	plan_add(p, j->side, op_move_mount, op_move_mount_args, j->changes, -1, o->mount_dir, NULL,
		 arena_printf(p->arena, "mount -t tmpfs kist %s", o->mount_dir));
	plan_add(p, j->side, op_fchdir, op_fchdir_args, j->changes);
	plan_add(p, j->side, op_mkdirat, op_mkdirat_args, j->changes, "merged", 0755);
	if (o->readonly)
		plan_add(p, j->side, op_mkdirat, op_mkdirat_args, j->changes, "empty", 0755);
	if (j->side == SIDE_GUEST) {
		plan_add(p, j->side, op_symlinkat, op_symlinkat_args, o->dir, j->changes, "l");
		if (o->upper_dir)
			plan_add(p, j->side, op_symlinkat, op_symlinkat_args, o->upper_dir,
				 j->changes, "c");
		return;
	}
	plan_add(p, j->side, op_mkdirat, op_mkdirat_args, j->changes, "l", 0755);
	plan_add(p, j->side, op_move_mount, op_move_mount_args, j->layers, j->changes, "l", NULL,
		 arena_printf(p->arena, "mount --bind -o ro %s l", o->dir));
	if (!o->upper_dir)
		return;
	plan_add(p, j->side, op_mkdirat, op_mkdirat_args, j->changes, "c", 0755);
	plan_add(p, j->side, op_move_mount, op_move_mount_args, j->upper, j->changes, "c", NULL,
		 arena_printf(p->arena, "mount --bind %s c", o->upper_dir));
}

/* "lowerdir=0:1:2,upperdir=...", and without an upper layer an empty one at the bottom. */
static const char *page_text(const struct joining *j)
{
	const struct ns_overlay *o = j->o;
	size_t size = o->count * 5 + 300, n;
	char *text = arena_alloc(j->p->arena, size);
	const char *c = o->upper_dir ? "c/" : "";

	if (!text)
		return "";
	n = (size_t)snprintf(text, size, "lowerdir=");
	for (size_t i = 0; i < o->count && i < NS_LAYERS_MAX; i++)
		n += (size_t)snprintf(text + n, size - n, "%s%zu", i ? ":" : "", i);
	if (o->readonly)
		n += (size_t)snprintf(text + n, size - n, ":empty");
	else
		n += (size_t)snprintf(text + n, size - n, ",upperdir=%supper,workdir=%swork", c, c);
	for (size_t i = 0; i < SAFE_OPTIONS; i++)
		n += (size_t)snprintf(text + n, size - n, ",%s=%s", safe_options[i].key,
				      safe_options[i].value);
	if (j->userxattr)
		snprintf(text + n, size - n, ",userxattr");
	return text;
}

static void join_page(const struct joining *j)
{
	const struct ns_overlay *o = j->o;
	struct plan *p = j->p;

	for (size_t i = 0; i < o->count && i < NS_LAYERS_MAX; i++)
		plan_add(p, j->side, op_symlinkat, op_symlinkat_args,
			 arena_printf(p->arena, "l/%s", o->layers[i]), j->changes, number(j, i));
	plan_scope(p, "/root/path", o->dir);
	plan_add(p, j->side, op_mount, op_mount_args, "overlay", "merged", "overlay",
		 (o->readonly ? (unsigned long)MS_RDONLY : 0) |
			 (o->nodev ? (unsigned long)MS_NODEV : 0),
		 page_text(j));
	plan_add(p, j->side, op_openat, op_openat_args, j->changes, "merged",
		 O_PATH | O_DIRECTORY | O_NOFOLLOW, j->root);
}

/* --- all of it -------------------------------------------------------------------------------- */

static void join_attached(const struct joining *j)
{
	if (j->side == SIDE_HOST)
		ns_plan_enter_guest(j->p);
	attach_names(j);
	join_page(j);
	if (j->side == SIDE_HOST)
		ns_plan_leave_guest(j->p);
	else
		plan_add(j->p, SIDE_GUEST, op_chdir, op_text_args, "/");
}

static struct joining joining(struct plan *p, const struct ns_overlay *o, const struct host *h)
{
	struct joining j = {
		.p = p,
		.o = o,
		.side = h->root ? SIDE_HOST : SIDE_GUEST,
		.userxattr = !h->root,
		.detached = ns_overlay_is_detached(h),
		.layers = ns_slot(p, "layers"),
		.changes = ns_slot(p, "changes"),
		.fs = ns_slot(p, NS_SLOT_FS),
		.root = ns_slot(p, NS_SLOT_ROOT),
		.cwd = ns_slot(p, SLOT_OWN_CWD),
	};

	j.upper = o->upper_dir ? ns_slot(p, NS_SLOT_TREE) : j.changes;
	return j;
}

static void close_joined(const struct joining *j)
{
	plan_add(j->p, j->side, op_close, op_close_args, j->layers);
	if (j->upper != j->changes)
		plan_add(j->p, j->side, op_close, op_close_args, j->upper);
	if (!j->o->upper_dir || !j->detached)
		plan_add(j->p, j->side, op_close, op_close_args, j->changes);
}

void ns_plan_overlay(struct plan *p, const struct ns_overlay *o, const struct host *h,
		     struct ns_rootfs_options *rootfs)
{
	struct joining j = joining(p, o, h);

	if (o->count == 0 || o->count > NS_LAYERS_MAX)
		p->error = -E2BIG;
	plan_scope(p, "/root/path", NULL);
	if (o->idmap && j.side == SIDE_HOST)
		plan_add(p, SIDE_HOST, op_openat, op_openat_args, SLOT_GUEST_PROC, "ns/user",
			 O_RDONLY, ns_slot(p, NS_SLOT_USERNS));
	open_layers(&j);
	if (!o->upper_dir || !j.detached)
		make_tmpfs(&j, o->upper_dir ? 0 : o->upper_bytes,
			   o->upper_dir ? 0 : o->upper_inodes);
	if (!o->readonly)
		make_upper(&j);
	else if (j.detached)
		plan_add(p, j.side, op_mkdirat, op_mkdirat_args, j.changes, "empty", 0755);
	if (j.detached)
		join_detached(&j);
	else
		join_attached(&j);
	rootfs->slot_root = j.root;
	rootfs->detached = j.detached;
	if (j.side == SIDE_GUEST)
		close_joined(&j);
}

void ns_plan_overlay_give(struct plan *p, const struct host *h)
{
	if (!h->root)
		return;
	plan_scope(p, "/root/path", "overlay");
	plan_add(p, SIDE_HOST, op_send_fd, op_send_fd_args, ns_slot(p, NS_SLOT_ROOT));
}

void ns_plan_overlay_close(struct plan *p, const struct ns_overlay *o, const struct host *h)
{
	struct joining j = joining(p, o, h);

	if (!h->root)
		return;
	plan_add(p, SIDE_HOST, op_close, op_close_args, j.root);
	close_joined(&j);
}
