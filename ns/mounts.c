/*
 * mounts.c - builder: one mount of the config as steps.
 *
 *   bind        open_tree(clone) - mount_setattr - make_target - move_mount
 *   filesystem  fsopen - fsconfig... - fsmount - make_target - move_mount
 *   remount     openat2 - fspick - fsconfig... | mount_setattr
 *
 * With a user namespace the sources of binds are opened by the host, in its own
 * namespace and with its own rights (the container's root may not reach
 * them), and cross to the guest as detached trees. Their flags are not locked
 * then (mount_namespaces(7)): a container that is given CAP_SYS_ADMIN may take
 * "ro" off its own mounts, as it may without a user namespace. A host that may not
 * mount leaves it to the guest: it is the caller's own rights then, and what
 * the host's mounts forbid is locked.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>

#include "ns/builders.h"
#include "ns/internal.h"
#include "ns/ops.h"

struct mounting {
	struct plan *p;
	const struct ns_spec *s;
	const struct host *h;
	const struct ns_mount *m;
	int root, target, tree, fs;
	int fresh; /* slot of the new tmpfs in which the place is a name, or -1 */
	bool dev; /* is the container's /dev: becomes read-only only after its nodes are made */
};

static bool is_one_of(const char *what, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(what, *list) == 0)
			return true;
	return false;
}

static void add_target(const struct mounting *g, int like_slot)
{
	static const char *const plain[] = { "/dev", "/proc", "/sys", NULL };

	if (g->fresh >= 0) {
		plan_add(g->p, SIDE_GUEST, op_make_target, op_make_target_args, .root_slot = g->fresh,
			 .path = g->m->destination, .like_slot = like_slot, .fresh = true);
		return;
	}
	plan_add(g->p, SIDE_GUEST, op_make_target, op_make_target_args, .root_slot = g->root,
		 .path = g->m->destination, .like_slot = like_slot,
		 .plain = is_one_of(g->m->destination, plain),
		 .proc_ok = strcmp(g->m->destination, "/proc") == 0 ||
			    strncmp(g->m->destination, "/proc/", 6) == 0,
		 .nofollow = g->m->flags.target_nofollow, .slot = g->target);
}

static void add_move(const struct mounting *g)
{
	bool fresh = g->fresh >= 0;

	plan_add(g->p, SIDE_GUEST, op_move_mount, op_move_mount_args, g->tree,
		 fresh ? g->fresh : g->target, fresh ? ns_base_name(g->m->destination) : "", g->m,
		 NULL);
}

static void add_setattr(const struct mounting *g, enum side side, int slot, bool recursive,
			uint64_t set, uint64_t clr, uint64_t propagation)
{
	plan_add(g->p, side, op_mount_setattr, op_mount_setattr_args, .slot = slot, .path = "",
		 .recursive = recursive, .set = set, .clr = clr, .propagation = propagation,
		 .userns_slot = -1);
}

static void add_propagations(const struct mounting *g, int slot)
{
	for (int i = 0; i < g->m->flags.propagation_count; i++) {
		unsigned int flags = g->m->flags.propagation[i];

		add_setattr(g, SIDE_GUEST, slot, flags & MS_REC, 0, 0, flags & ~(unsigned int)MS_REC);
	}
}

/* --- binds ------------------------------------------------------------------------- */

static void add_idmap(const struct mounting *g)
{
	int userns = ns_slot(g->p, NS_SLOT_USERNS), step;

	if (g->m->uid.count)
		plan_add(g->p, SIDE_HOST, op_make_userns, op_make_userns_args,
			 ns_map_text(g->p, &g->m->uid), ns_map_text(g->p, &g->m->gid), userns);
	else
		plan_add(g->p, SIDE_HOST, op_openat, op_openat_args, SLOT_GUEST_PROC, "ns/user",
			 O_RDONLY, userns);
	step = plan_add(g->p, SIDE_HOST, op_mount_setattr, op_mount_setattr_args, .slot = g->tree,
			.path = "", .recursive = g->m->flags.idmap_recursive,
			.set = MOUNT_ATTR_IDMAP, .userns_slot = userns);
	/* The filesystem, or one that is mounted in it, can't; or is id-mapped already. All or none of
	 * them are. */
	if (g->m->flags.idmap_try) {
		plan_on_done(g->p, step, EINVAL);
		plan_on_done(g->p, step, EPERM);
	}
}

static bool asks_shared(const struct ns_mount *m)
{
	for (int i = 0; i < m->flags.propagation_count; i++)
		if (m->flags.propagation[i] & MS_SHARED)
			return true;
	return false;
}

/* The host's /sys as a read-only bind: what is mounted in it stays writable, and of the cgroups
 * there some belong to the caller, who is the container's root (CVE-2023-25809). */
static bool shows_delegated_cgroups(const struct mounting *g)
{
	const struct ns_mount_flags *f = &g->m->flags;

	return !g->h->root && f->recursive && (f->attr_set & MOUNT_ATTR_RDONLY) &&
	       (strcmp(g->m->source, "/sys") == 0 || strcmp(g->m->destination, "/sys") == 0);
}

unsigned int ns_tree_flags(const struct ns_mount *m)
{
	const struct ns_mount_flags *f = &m->flags;

	return OPEN_TREE_CLONE | (f->recursive ? AT_RECURSIVE : 0) |
	       (f->source_nofollow || f->copy_symlink ? AT_SYMLINK_NOFOLLOW : 0);
}

static void plan_bind(const struct mounting *g)
{
	const struct ns_mount_flags *f = &g->m->flags;
	bool userns = ns_has_userns(g->s);
	bool by_host = userns || f->idmap;
	/* Both ways only when root and mount ask for it, and never across a user namespace, whose
	 * root could then mount in the host. */
	bool shared = !userns && asks_shared(g->m) && (g->s->rootfs_propagation & MS_SHARED);
	enum side side = (by_host || shared) && host_may_mount(g->h) ? SIDE_HOST : SIDE_GUEST;
	int copied = -1;

	plan_add(g->p, side, op_open_tree, op_open_tree_args, -1, g->m->source,
		 ns_tree_flags(g->m), g->tree);
	/* The host's tree is a peer of what it was cloned from: cut that before the container has
	 * it. The guest's own view was cut as a whole. */
	if (side == SIDE_HOST && !shared)
		add_setattr(g, SIDE_HOST, g->tree, true, 0, 0, MS_SLAVE);
	if (f->idmap)
		add_idmap(g);
	/* Only a procfs may be seen at /proc (CVE-2019-16884). */
	if (strcmp(g->m->destination, "/proc") == 0)
		plan_add(g->p, side, op_check_fs, op_check_fs_args, g->tree, PROC_SUPER_MAGIC, "procfs");
	if (f->attr_asked)
		add_setattr(g, side, g->tree, false, f->attr_set, f->attr_clr, 0);
	if (f->rattr_asked)
		add_setattr(g, side, g->tree, true, f->rattr_set, f->rattr_clr, 0);
	if (shows_delegated_cgroups(g))
		add_setattr(g, side, g->tree, true, MOUNT_ATTR_RDONLY, 0, 0);
	if (side == SIDE_HOST)
		plan_add(g->p, SIDE_HOST, op_send_fd, op_send_fd_args, g->tree);
	if (f->copy_symlink)
		copied = plan_add(g->p, SIDE_GUEST, op_copy_symlink, op_copy_symlink_args, g->tree,
				  g->root, g->m->destination);
	add_target(g, g->tree);
	add_move(g);
	add_propagations(g, g->tree);
	if (f->copy_symlink)
		plan_on_skip_here(g->p, copied, EALREADY);
}

/* --- filesystems --------------------------------------------------------------------- */

static void add_fsconfig(const struct mounting *g, unsigned int command, const char *key,
			 const char *value)
{
	plan_add(g->p, SIDE_GUEST, op_fsconfig, op_fsconfig_args, g->fs, command, key, value);
}

static void add_options(const struct mounting *g)
{
	const struct ns_mount_flags *f = &g->m->flags;

	for (int i = 0; i < f->super_count; i++)
		add_fsconfig(g, FSCONFIG_SET_FLAG, f->super[i].key, NULL);
	for (size_t i = 0; i < f->data_count; i++)
		add_fsconfig(g, f->data[i].value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG,
			     f->data[i].key, f->data[i].value);
}

/* Filesystems without a device: "ro" is about this mount, not about the instance, which other
 * mounts may share. */
static bool is_virtual(const char *type)
{
	static const char *const list[] = { "proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup",
					    "cgroup2", "devtmpfs", "securityfs", "debugfs", "tracefs",
					    "bpf", "ramfs", "hugetlbfs", "fusectl", "configfs", NULL };

	return is_one_of(type, list);
}

static bool has_option(const struct ns_mount *m, const char *key)
{
	for (size_t i = 0; i < m->flags.data_count; i++)
		if (strcmp(m->flags.data[i].key, key) == 0)
			return true;
	return false;
}

/* Those whose labels come from the kernel's policy, or that are one instance for the whole host, take
 * none. */
static const char *mount_label(const struct mounting *g, const char *type)
{
	static const char *const own[] = { "proc", "sysfs", "mqueue", "cgroup", "cgroup2", "devtmpfs",
					   "securityfs", "debugfs", "tracefs", "bpf", NULL };

	if (!g->s->mount_label)
		return NULL;
	return is_one_of(type, own) || has_option(g->m, g->s->mount_label_option) ? NULL : g->s->mount_label;
}

/* A tmpfs takes the mode of the folder it covers, unless it is given one; with tmpcopyup all
 * that is in the folder. While nobody can see it, and before it gets read-only. */
static bool has_copy_up(const struct mounting *g, const char *type)
{
	return strcmp(type, "tmpfs") == 0 && (g->m->flags.copy_up || !has_option(g->m, "mode"));
}

static void add_copy_up(const struct mounting *g)
{
	struct op_copy_up_args up = { .from_slot = g->target, .to_slot = g->tree,
				      .contents = g->m->flags.copy_up,
				      .mode = !has_option(g->m, "mode"),
				      .owner = !has_option(g->m, "uid") && !has_option(g->m, "gid"),
				      .path = g->m->destination };
	int open;

	open = plan_add(g->p, SIDE_GUEST, op_open_in_root, op_open_in_root_args, .root_slot = g->root,
			.path = g->m->destination, .flags = O_PATH | O_DIRECTORY, .slot = g->target);
	plan_add_step(g->p, SIDE_GUEST, &op_copy_up, &up, sizeof up);
	plan_on_skip_here(g->p, open, ENOENT);
}

static void plan_new_fs(const struct mounting *g, const char *type, uint64_t attr)
{
	uint64_t late = has_copy_up(g, type) ? attr & MOUNT_ATTR_RDONLY : 0;

	plan_add(g->p, SIDE_GUEST, op_fsopen, op_fsopen_args, type, g->fs);
	add_fsconfig(g, FSCONFIG_SET_STRING, "source", g->m->source);
	if ((attr & MOUNT_ATTR_RDONLY) && !is_virtual(type))
		add_fsconfig(g, FSCONFIG_SET_FLAG, "ro", NULL);
	add_options(g);
	if (mount_label(g, type))
		add_fsconfig(g, FSCONFIG_SET_STRING, g->s->mount_label_option, mount_label(g, type));
	add_fsconfig(g, FSCONFIG_CMD_CREATE, NULL, NULL);
	plan_add(g->p, SIDE_GUEST, op_fsmount, op_fsmount_args, g->fs, g->tree,
		 (unsigned int)(attr & ~late));
	if (has_copy_up(g, type))
		add_copy_up(g);
	if (late)
		add_setattr(g, SIDE_GUEST, g->tree, false, late, 0, 0);
	add_target(g, -1);
	add_move(g);
	add_propagations(g, g->tree);
}

static unsigned long classic_flags(const struct ns_mount_flags *f, uint64_t attr)
{
	static const struct {
		uint64_t attr;
		unsigned long ms;
	} same[] = {
		{ MOUNT_ATTR_RDONLY, MS_RDONLY }, { MOUNT_ATTR_NOSUID, MS_NOSUID },
		{ MOUNT_ATTR_NODEV, MS_NODEV }, { MOUNT_ATTR_NOEXEC, MS_NOEXEC },
		{ MOUNT_ATTR_NOATIME, MS_NOATIME }, { MOUNT_ATTR_STRICTATIME, MS_STRICTATIME },
		{ MOUNT_ATTR_NODIRATIME, MS_NODIRATIME }, { MOUNT_ATTR_NOSYMFOLLOW, 256 },
	};
	static const struct {
		const char *name;
		unsigned long ms;
	} super[] = {
		{ "sync", MS_SYNCHRONOUS }, { "dirsync", MS_DIRSYNC }, { "lazytime", MS_LAZYTIME },
		{ "mand", MS_MANDLOCK },
	};
	unsigned long flags = f->classic;

	for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
		if (attr & same[i].attr)
			flags |= same[i].ms;
	for (int i = 0; i < f->super_count; i++)
		for (size_t j = 0; j < sizeof super / sizeof super[0]; j++)
			if (strcmp(f->super[i].key, super[j].name) == 0)
				flags |= super[j].ms;
	return flags;
}

/* mount(2), for what fsconfig(2) cannot say: overlay's long strings before Linux 6.5 (a value holds
 * 255 bytes), and flags it has no word for. The target is the working directory, not a path. */
static void plan_classic_fs(const struct mounting *g, uint64_t attr)
{
	const struct ns_mount_flags *f = &g->m->flags;
	char *data = arena_strdup(g->p->arena, "");

	for (size_t i = 0; i < f->data_count && data; i++) {
		const char *quote = f->data[i].value && ns_option_is_label(f->data[i].key) ? "\"" : "";

		data = arena_printf(g->p->arena, "%s%s%s%s%s%s%s", data, i ? "," : "", f->data[i].key,
				    f->data[i].value ? "=" : "", quote,
				    f->data[i].value ? f->data[i].value : "", quote);
	}
	/* In quotes: a label may hold commas. */
	if (mount_label(g, g->m->type) && data)
		data = arena_printf(g->p->arena, "%s%s%s=\"%s\"", data, *data ? "," : "",
				    g->s->mount_label_option, mount_label(g, g->m->type));
	add_target(g, -1);
	plan_add(g->p, SIDE_GUEST, op_fchdir, op_fchdir_args, g->target);
	plan_add(g->p, SIDE_GUEST, op_mount, op_mount_args, g->m->source, ".", g->m->type,
		 classic_flags(f, attr), data);
	plan_add(g->p, SIDE_GUEST, op_chdir, op_text_args, "/");
	if (!f->propagation_count)
		return;
	plan_add(g->p, SIDE_GUEST, op_open_in_root, op_open_in_root_args, .root_slot = g->root,
		 .path = g->m->destination, .flags = O_PATH, .slot = g->tree);
	add_propagations(g, g->tree);
}

static bool needs_classic(const struct ns_mount *m)
{
	if (m->flags.classic || strcmp(m->type, "overlay") == 0 || strlen(m->source) > 255)
		return true;
	for (size_t i = 0; i < m->flags.data_count; i++)
		if (strlen(m->flags.data[i].key) > 255 ||
		    (m->flags.data[i].value && strlen(m->flags.data[i].value) > 255))
			return true;
	return false;
}

/* The mount as a bind of the host's `source` instead; steps point to it, so it is the plan's. */
static struct ns_mount *as_bind(const struct mounting *g, const char *source, bool recursive)
{
	struct ns_mount *bind = arena_alloc(g->p->arena, sizeof *bind);

	if (!bind)
		return NULL;
	*bind = *g->m;
	bind->source = source;
	bind->type = "bind";
	bind->flags.bind = true;
	bind->flags.recursive = recursive;
	bind->flags.attr_asked = bind->flags.rattr_asked = false;
	return bind;
}

/* In one of its own, or in one the caller lives in. */
static bool in_userns(const struct mounting *g)
{
	return ns_has_userns(g->s) || !g->h->root;
}

/* cgroup v1 is not offered: both types mean the cgroup2 hierarchy. */
static void plan_cgroup(struct mounting *g, uint64_t attr)
{
	bool own = (g->s->new_namespaces | g->s->join_namespaces) & CLONE_NEWCGROUP;
	struct ns_mount *bind;

	if (own || (!in_userns(g) && !g->h->cgroup_mount[0])) {
		plan_new_fs(g, "cgroup2", attr);
		return;
	}
	/* Without a cgroup namespace of its own it gets the host's view. Mounted once more from the
	 * host's namespace, the hierarchy itself would lose the options it has for the whole host,
	 * such as nsdelegate (cgroups(7)), and that takes milliseconds. A user namespace may not mount
	 * it at all, and gets it read-only: a delegated part in it would be writable
	 * (CVE-2023-25809). */
	bind = as_bind(g, g->h->cgroup_mount[0] ? g->h->cgroup_mount : "/sys/fs/cgroup", false);
	if (!bind)
		return;
	bind->flags.attr_asked = true;
	bind->flags.attr_set = attr;
	if (in_userns(g)) {
		bind->flags.attr_set |= MOUNT_ATTR_RDONLY;
		bind->flags.attr_clr &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	}
	g->m = bind;
	plan_bind(g);
}

/* sysfs belongs to a network namespace: mounting it needs one of the user namespace's own. Else
 * the host's is bound, read-only. */
static void plan_sysfs(struct mounting *g, uint64_t attr)
{
	const struct ns_spec *s = g->s;
	struct ns_mount *bind;

	if (!in_userns(g) || (s->new_namespaces & CLONE_NEWNET) ||
	    (s->join_namespaces & CLONE_NEWUSER && s->join_namespaces & CLONE_NEWNET)) {
		plan_new_fs(g, "sysfs", attr);
		return;
	}
	bind = as_bind(g, "/sys", true);
	if (!bind)
		return;
	bind->flags.rattr_asked = true;
	bind->flags.rattr_set = attr | MOUNT_ATTR_RDONLY;
	bind->flags.rattr_clr = attr & MOUNT_ATTR__ATIME ? MOUNT_ATTR__ATIME : 0;
	if (!host_may_mount(g->h)) { /* locked (mount_namespaces(7)); it says nothing about rights */
		bind->flags.rattr_set &= ~(uint64_t)MOUNT_ATTR__ATIME;
		bind->flags.rattr_clr = 0;
	}
	g->m = bind;
	plan_bind(g);
}

static void plan_fs(struct mounting *g)
{
	const char *type = g->m->type;
	/* On a new mount, which is a tree of one, the recursive words say the same. */
	uint64_t attr = (g->m->flags.attr_set & ~g->m->flags.rattr_clr) | g->m->flags.rattr_set;

	if (g->dev)
		attr &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	if (strcmp(type, "cgroup") == 0 || strcmp(type, "cgroup2") == 0)
		plan_cgroup(g, attr);
	else if (strcmp(type, "sysfs") == 0 && !needs_classic(g->m))
		plan_sysfs(g, attr);
	else if (needs_classic(g->m))
		plan_classic_fs(g, attr);
	else
		plan_new_fs(g, type, attr);
}

/* --- remount --------------------------------------------------------------------------- */

static void plan_remount(const struct mounting *g)
{
	const struct ns_mount_flags *f = &g->m->flags;

	plan_add(g->p, SIDE_GUEST, op_open_in_root, op_open_in_root_args, .root_slot = g->root,
		 .path = g->m->destination, .flags = O_PATH, .slot = g->target);
	if (!f->bind) {
		plan_add(g->p, SIDE_GUEST, op_fspick, op_fspick_args, g->target, g->fs);
		if ((f->attr_set | f->attr_clr) & MOUNT_ATTR_RDONLY)
			add_fsconfig(g, FSCONFIG_SET_FLAG,
				     f->attr_set & MOUNT_ATTR_RDONLY ? "ro" : "rw", NULL);
		add_options(g);
		add_fsconfig(g, FSCONFIG_CMD_RECONFIGURE, NULL, NULL);
	}
	if (f->attr_asked)
		add_setattr(g, SIDE_GUEST, g->target, false, f->attr_set, f->attr_clr, 0);
	if (f->rattr_asked)
		add_setattr(g, SIDE_GUEST, g->target, true, f->rattr_set, f->rattr_clr, 0);
	add_propagations(g, g->target);
}

/* The container's /dev, when it is a tmpfs of its own with nothing in it but what the plan makes: its
 * fd then serves for all that is made in it. */
const struct ns_mount *ns_fresh_dev(const struct ns_spec *s)
{
	const struct ns_mount *dev = ns_mount_at(s, "/dev");

	if (!dev || dev->flags.bind || strcmp(dev->type, "tmpfs") != 0 || dev->flags.copy_up ||
	    needs_classic(dev))
		return NULL;
	return dev;
}

/* Right below it, and mounted after it. A symlink as place is no name in it; a classic mount wants its
 * place's fd. */
static bool is_in_fresh_dev(const struct ns_spec *s, const struct ns_mount *m)
{
	const struct ns_mount *dev = ns_fresh_dev(s);
	const size_t below = strlen("/dev/");

	return dev && m > dev && strncmp(m->destination, "/dev/", below) == 0 &&
	       !strchr(m->destination + below, '/') && !m->flags.copy_symlink &&
	       !m->flags.target_nofollow && (m->flags.bind || !needs_classic(m));
}

void ns_plan_one_mount(struct plan *p, const struct ns_spec *s, const struct host *h, int root,
		       const struct ns_mount *m)
{
	struct mounting g = { .p = p, .s = s, .h = h, .m = m, .root = root,
			      .target = ns_slot(p, NS_SLOT_TARGET),
			      .tree = ns_slot(p, NS_SLOT_TREE), .fs = ns_slot(p, NS_SLOT_FS),
			      .fresh = is_in_fresh_dev(s, m) ? ns_slot(p, NS_SLOT_DEV) : -1,
			      .dev = strcmp(m->destination, "/dev") == 0 };

	if (m == ns_fresh_dev(s))
		g.tree = ns_slot(p, NS_SLOT_DEV);
	plan_scope(p, m->why, m->destination);
	if (m->flags.remount)
		plan_remount(&g);
	else if (m->flags.bind)
		plan_bind(&g);
	else if (strcmp(m->type, NS_COW_TYPE) == 0)
		ns_plan_cow(p, s, root, m);
	else
		plan_fs(&g);
}
