/*
 * hot.c - builders: a mount more, or less, in a container that runs.
 *
 * The host does it alone: it opens the source in its own mount namespace, enters the container's,
 * and moves the detached tree onto an fd that was opened inside the container's root. The
 * container runs meanwhile and may rearrange its tree as it likes: no path is looked up twice,
 * and none leaves the root. Nothing of the container's is executed.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/engine.h"
#include "ns/builders.h"
#include "ns/internal.h"
#include "ns/ops.h"

struct op_mount_id_args {
	int slot, id_slot;
	int wanted; /* 0: any */
};

static int act_mount_id(struct run *r, const void *args, struct err *e)
{
	const struct op_mount_id_args *a = args;
	struct statx st;

	if (statx(run_slot(r, a->slot), "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_MNT_ID, &st) < 0)
		return -errno;
	if (a->wanted && (uint64_t)a->wanted != st.stx_mnt_id)
		return err_say(e, EPERM, "what is mounted there is not what kist added");
	run_set_number(r, a->id_slot, (int)st.stx_mnt_id);
	return 0;
}

static void show_mount_id(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_mount_id_args *a = args;

	buf_add(out, "statx(");
	ns_show_at(out, p, a->slot, "");
	buf_add(out, ", STATX_MNT_ID)");
	if (a->wanted)
		buf_addf(out, " is %d", a->wanted);
	buf_add(out, " = ");
	plan_show_slot(out, p, a->id_slot);
}

static const struct op op_mount_id = {
	.name = "statx", .man = "statx(2)", .act = act_mount_id, .show = show_mount_id
};

static int act_is_alive(struct run *r, const void *args, struct err *e)
{
	const struct op_fchdir_args *a = args;

	if (pidfd_send_signal(run_slot(r, a->slot), 0, NULL, 0) == 0)
		return 0;
	return err_say(e, ESRCH, "the container has ended");
}

static void show_is_alive(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_fchdir_args *a = args;

	buf_add(out, "pidfd_send_signal(");
	plan_show_slot(out, p, a->slot);
	buf_add(out, ", 0)");
}

static const struct op op_is_alive = { .name = "pidfd_send_signal",
				       .man = "pidfd_send_signal(2)",
				       .act = act_is_alive,
				       .show = show_is_alive };

struct op_umount_fd_args {
	int slot, fds_slot; /* fds_slot: this process's /proc/self/fd, opened at home */
};

static int act_umount_fd(struct run *r, const void *args, struct err *e)
{
	const struct op_umount_fd_args *a = args;
	char name[16];

	/* umount2 takes paths only, and one in the container could have been changed meanwhile. The
	 * link of an fd in our own procfs leads to the very mount that was looked at. */
	snprintf(name, sizeof name, "%d", run_slot(r, a->slot));
	if (fchdir(run_slot(r, a->fds_slot)) == 0 && umount2(name, MNT_DETACH) == 0)
		return 0;
	return errno == EINVAL ? err_say(e, EINVAL, "nothing is mounted there") : -errno;
}

static void show_umount_fd(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_umount_fd_args *a = args;

	buf_add(out, "fchdir(");
	plan_show_slot(out, p, a->fds_slot);
	buf_add(out, "), umount2(\"");
	plan_show_slot(out, p, a->slot);
	buf_add(out, "\", MNT_DETACH)");
}

static const struct op op_umount_fd = { .name = "umount2",
					.man = "umount2(2)",
					.compound = true,
					.act = act_umount_fd,
					.show = show_umount_fd };

void ns_plan_hot_root(struct plan *p, const struct ns_hot *h, int root)
{
	plan_add(p, SIDE_HOST, op_openat, op_openat_args, -1,
		 arena_printf(p->arena, "/proc/%d/root", (int)h->pid), O_PATH | O_DIRECTORY, root);
	/* The number is nobody else's yet: what was opened is the container's. */
	plan_add(p, SIDE_HOST, op_is_alive, op_fchdir_args, h->slot_pidfd);
}

/* HOST: the container's root, and the container's mount namespace around us. The way back is the
 * caller's: after the last step, which is the one that counts, nothing may fail. */
static void enter(struct plan *p, const struct ns_hot *h, int root)
{
	int own = ns_slot(p, "own mount namespace");

	ns_plan_hot_root(p, h, root);
	plan_home(p, own);
	plan_add(p, SIDE_HOST, op_openat, op_openat_args, -1, "/proc/self/ns/mnt", O_RDONLY, own);
	plan_add(p, SIDE_HOST, op_setns, op_setns_args, h->slot_pidfd, CLONE_NEWNS);
}

struct op_make_target_as_args {
	struct op_make_target_args target;
	uid_t uid;
	gid_t gid;
};

static int act_make_target_as(struct run *r, const void *args, struct err *e)
{
	const struct op_make_target_as_args *a = args;
	int group = setfsgid(a->gid), user = setfsuid(a->uid), result;

	result = op_make_target.act(r, &a->target, e);
	setfsuid((uid_t)user);
	setfsgid((gid_t)group);
	return result;
}

static void show_make_target_as(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_make_target_as_args *a = args;

	buf_addf(out, "setfsgid(%u), setfsuid(%u), ", a->gid, a->uid);
	op_make_target.show(out, p, &a->target);
}

static const struct op op_make_target_as = { .name = "make_target", .man = "setfsuid(2)",
					     .compound = true, .act = act_make_target_as,
					     .show = show_make_target_as };

/* HOST: the place of a mount. On a file system of the container's user namespace the host's root has
 * no id, and what it would make no owner: then the container's root makes it. */
static void add_target(struct plan *p, const struct ns_hot *h, struct op_make_target_args target)
{
	struct op_make_target_as_args as = { target, h->root_uid, h->root_gid };
	int step = plan_add_step(p, SIDE_HOST, &op_make_target, &target, sizeof target);

	if (h->root_uid)
		plan_on_alt(p, step, EOVERFLOW,
			    plan_add_step(p, SIDE_HOST, &op_make_target_as, &as, sizeof as));
}

static void add_setattr(struct plan *p, int slot, bool recursive, uint64_t set, uint64_t clr,
			uint64_t propagation, int userns)
{
	plan_add(p, SIDE_HOST, op_mount_setattr, op_mount_setattr_args, .slot = slot, .path = "",
		 .recursive = recursive, .set = set, .clr = clr, .propagation = propagation,
		 .userns_slot = userns);
}

int ns_parse_hot(const json_t *mount, const char *cwd, bool userns, struct arena *a,
		 struct ns_mount *ret, struct err *e)
{
	_cleanup_json_ json_t *config = json_pack("{s:[O]}", "mounts", mount);
	struct ns_spec s = { .join_namespaces = userns ? CLONE_NEWUSER : 0 };
	int r = config ? ns_parse_mounts(config, cwd, a, &s, e) : -ENOMEM;

	if (r < 0)
		return r;
	if (!s.mounts[0].flags.bind || s.mounts[0].flags.remount)
		return err_say(e, EINVAL, "only bind mounts can be added to a container");
	if (s.mounts[0].flags.copy_symlink)
		return err_say(e, EINVAL, "copy-symlink: a symlink is no mount that could be taken off "
			       "again; use src-nofollow, or exec ln");
	for (int i = 0; i < s.mounts[0].flags.propagation_count; i++)
		if (s.mounts[0].flags.propagation[i] & MS_SHARED)
			return err_say(e, EINVAL,
				       "shared: what the container mounts there would show "
				       "on the host; use slave or private");
	*ret = s.mounts[0];
	/* It must be found again by its destination, which a symlink mounted there would lead away. */
	ret->flags.target_nofollow |= ret->flags.source_nofollow;
	return 0;
}

int ns_plan_hot_bound(struct plan *p, const struct ns_hot *h, const struct ns_device *d,
		      const char *source)
{
	int tree = ns_slot(p, NS_SLOT_TREE), root = ns_slot(p, NS_SLOT_ROOT);
	int target = ns_slot(p, NS_SLOT_TARGET), id = plan_new_slot(p, "mount id");

	plan_scope(p, "", d->path);
	plan_add(p, SIDE_HOST, op_open_tree, op_open_tree_args, -1, source, OPEN_TREE_CLONE, tree);
	add_setattr(p, tree, false, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0, MS_PRIVATE, -1);
	plan_add(p, SIDE_HOST, op_check_device, op_check_device_args, .dir_slot = tree, .path = "",
		 .type = d->type, .major = d->major, .minor = d->minor);
	plan_add(p, SIDE_HOST, op_mount_id, op_mount_id_args, tree, id, 0);
	enter(p, h, root);
	add_target(p, h, (struct op_make_target_args){ .root_slot = root, .path = d->path,
			  .like_slot = -1, .file = true, .nofollow = true, .slot = target });
	plan_add(p, SIDE_HOST, op_move_mount, op_move_mount_args, tree, target, "", NULL,
		 arena_printf(p->arena, "mount --bind %s $ROOT%s", source, d->path));
	return id;
}

int ns_plan_hot_add(struct plan *p, const struct ns_hot *h, const struct ns_mount *m)
{
	const struct ns_mount_flags *f = &m->flags;
	int tree = ns_slot(p, NS_SLOT_TREE), root = ns_slot(p, NS_SLOT_ROOT);
	int target = ns_slot(p, NS_SLOT_TARGET), userns = ns_slot(p, NS_SLOT_USERNS);
	int id = plan_new_slot(p, "mount id");

	plan_scope(p, "", m->destination);
	plan_add(p, SIDE_HOST, op_open_tree, op_open_tree_args, -1, m->source, ns_tree_flags(m),
		 tree);
	add_setattr(p, tree, true, 0, 0, MS_SLAVE, -1);
	if (f->idmap) {
		if (m->uid.count)
			plan_add(p, SIDE_HOST, op_make_userns, op_make_userns_args,
				 ns_map_text(p, &m->uid), ns_map_text(p, &m->gid), userns);
		else
			plan_add(p, SIDE_HOST, op_openat, op_openat_args, -1,
				 arena_printf(p->arena, "/proc/%d/ns/user", (int)h->pid), O_RDONLY,
				 userns);
		add_setattr(p, tree, f->idmap_recursive, MOUNT_ATTR_IDMAP, 0, 0, userns);
	}
	if (f->attr_asked)
		add_setattr(p, tree, false, f->attr_set, f->attr_clr, 0, -1);
	if (f->rattr_asked)
		add_setattr(p, tree, true, f->rattr_set, f->rattr_clr, 0, -1);
	for (int i = 0; i < f->propagation_count; i++)
		add_setattr(p, tree, f->propagation[i] & MS_REC, 0, 0,
			    f->propagation[i] & ~(unsigned int)MS_REC, -1);
	plan_add(p, SIDE_HOST, op_mount_id, op_mount_id_args, tree, id, 0);
	enter(p, h, root);
	add_target(p, h, (struct op_make_target_args){ .root_slot = root, .path = m->destination,
			  .like_slot = tree, .nofollow = f->target_nofollow, .slot = target });
	plan_add(p, SIDE_HOST, op_move_mount, op_move_mount_args, tree, target, "", m, NULL);
	return id;
}

void ns_plan_hot_remove(struct plan *p, const struct ns_hot *h, const char *destination, bool nofollow,
			int mount_id)
{
	int root = ns_slot(p, NS_SLOT_ROOT), target = ns_slot(p, NS_SLOT_TARGET);
	int fds = ns_slot(p, "own fds");

	plan_scope(p, "", destination);
	plan_add(p, SIDE_HOST, op_openat, op_openat_args, -1, "/proc/self/fd", O_PATH | O_DIRECTORY,
		 fds);
	enter(p, h, root);
	plan_add(p, SIDE_HOST, op_open_in_root, op_open_in_root_args, .root_slot = root,
		 .path = destination, .flags = O_PATH | (nofollow ? O_NOFOLLOW : 0), .slot = target);
	/* The container may have mounted something else there, or put a symlink. */
	plan_add(p, SIDE_HOST, op_mount_id, op_mount_id_args, target, plan_new_slot(p, "mount id"),
		 mount_id);
	plan_add(p, SIDE_HOST, op_umount_fd, op_umount_fd_args, target, fds);
}
