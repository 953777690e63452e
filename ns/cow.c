/*
 * cow.c - builder: a folder of the host that the container may change, and that stays as it is.
 *
 *   { "type": "kist-cow", "source": "/folder", "options": ["size=64m", "nr_inodes=1000", "uid=0",
 *     "gid=0"], "uidMappings": [...], "gidMappings": [...] }
 *
 * Overlay over an id-mapped, read-only clone of the folder's mount; changes go to a tmpfs of that
 * size, whose folder is the container's uid and gid. What is mounted in the folder is not in it.
 * Root of the host mounts it with its own credentials, so that whiteouts and trusted.* count, in
 * the guest's mount namespace: before Linux 6.15 overlay takes only what is attached in the
 * caller's. The layers are taken off again; overlay has clones of its own.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "base/ids.h"
#include "ns/builders.h"
#include "ns/internal.h"
#include "ns/ops.h"

static const char *option(const struct ns_mount *m, const char *key)
{
	for (size_t i = 0; i < m->flags.data_count; i++)
		if (strcmp(m->flags.data[i].key, key) == 0)
			return m->flags.data[i].value;
	return NULL;
}

static uint32_t host_id(const struct ns_id_maps *maps, const char *text)
{
	uint32_t id = 0, host = 0;

	if (text)
		id_parse(text, strlen(text), &id);
	ns_map_id(maps, id, &host);
	return host;
}

int ns_check_cow(const struct ns_mount *m, const struct ns_spec *s, const struct json_at *at,
		 struct err *e)
{
	static const char *const ids[] = { "uid", "gid" };
	struct json_at options = json_at_key(at, "options"), source = json_at_key(at, "source"),
		       maps = json_at_key(at, "uidMappings");
	uint32_t id, host;

	for (size_t i = 0; i < m->flags.data_count; i++) {
		const char *key = m->flags.data[i].key;

		if (!m->flags.data[i].value || (strcmp(key, "size") && strcmp(key, "nr_inodes") &&
						strcmp(key, "uid") && strcmp(key, "gid")))
			return json_bad(e, &options,
					"\"%.60s\" is none of size=, nr_inodes=, uid=, gid=", key);
	}
	for (size_t i = 0; i < 2; i++) {
		const char *text = option(m, ids[i]);

		if (text && (id_parse(text, strlen(text), &id) < 0 ||
			     !ns_map_id(i ? &s->gid_maps : &s->uid_maps, id, &host)))
			return json_bad(e, &options, "%s=%.20s is no id of the container", ids[i],
					text);
	}
	if (!option(m, "size"))
		return json_bad(e, &options, "size= is missing: changes need a bound");
	if (m->source[0] != '/')
		return json_bad(e, &source, "must be absolute");
	if (!m->uid.count)
		return json_bad(e, &maps, "are missing: whose is what is in it?");
	return 0;
}

struct cow {
	struct plan *p;
	const struct ns_mount *m;
	int tree, changes, fs, target;
};

/* The folder, as the container is to see it: read-only whatever overlay may do. */
static void open_lower(const struct cow *c)
{
	int userns = ns_slot(c->p, NS_SLOT_USERNS);

	plan_add(c->p, SIDE_HOST, op_open_tree, op_open_tree_args, -1, c->m->source,
		 OPEN_TREE_CLONE | AT_SYMLINK_NOFOLLOW, c->tree);
	plan_add(c->p, SIDE_HOST, op_make_userns, op_make_userns_args,
		 ns_map_text(c->p, &c->m->uid), ns_map_text(c->p, &c->m->gid), userns);
	plan_add(c->p, SIDE_HOST, op_mount_setattr, op_mount_setattr_args, .slot = c->tree,
		 .path = "",
		 .set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
		 .propagation = MS_PRIVATE, .userns_slot = userns);
}

static void add_fsconfig(const struct cow *c, unsigned int command, const char *key,
			 const char *value)
{
	plan_add(c->p, SIDE_HOST, op_fsconfig, op_fsconfig_args, c->fs, command, key, value);
}

static void make_changes(const struct cow *c, const struct ns_spec *s)
{
	static const char *const folders[] = { "lower", "merged", "upper", "work" };
	const char *inodes = option(c->m, "nr_inodes");

	plan_add(c->p, SIDE_HOST, op_fsopen, op_fsopen_args, "tmpfs", c->fs);
	add_fsconfig(c, FSCONFIG_SET_STRING, "source", "kist");
	add_fsconfig(c, FSCONFIG_SET_STRING, "mode", "755");
	add_fsconfig(c, FSCONFIG_SET_STRING, "size", option(c->m, "size"));
	if (inodes)
		add_fsconfig(c, FSCONFIG_SET_STRING, "nr_inodes", inodes);
	add_fsconfig(c, FSCONFIG_CMD_CREATE, NULL, NULL);
	plan_add(c->p, SIDE_HOST, op_fsmount, op_fsmount_args, c->fs, c->changes,
		 MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID);
	plan_add(c->p, SIDE_HOST, op_close, op_close_args, c->fs);
	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
		plan_add(c->p, SIDE_HOST, op_mkdirat, op_mkdirat_args, c->changes, folders[i],
			 0755);
	/* The umask is the caller's. */
	plan_add(c->p, SIDE_HOST, op_fchmodat, op_mkdirat_args, c->changes, "upper", 0755);
	plan_add(c->p, SIDE_HOST, op_fchownat, op_fchownat_args, c->changes, "upper",
		 host_id(&s->uid_maps, option(c->m, "uid")),
		 host_id(&s->gid_maps, option(c->m, "gid")));
}

static void join(const struct cow *c)
{
	struct plan *p = c->p;

	ns_plan_enter_guest(p);
	plan_add(p, SIDE_HOST, op_move_mount, op_move_mount_args, c->changes, c->target, "", NULL,
		 "mount -t tmpfs kist <target>");
	plan_add(p, SIDE_HOST, op_move_mount, op_move_mount_args, c->tree, c->changes, "lower",
		 NULL,
		 arena_printf(p->arena, "mount --bind -o ro %s <target>/lower", c->m->source));
	plan_add(p, SIDE_HOST, op_fchdir, op_fchdir_args, c->changes);
	plan_add(p, SIDE_HOST, op_mount, op_mount_args, "overlay", "merged", "overlay",
		 MS_NOSUID | MS_NODEV,
		 arena_printf(p->arena, "lowerdir=lower,upperdir=upper,workdir=work%s",
			      ns_overlay_safe_options(p->arena)));
	plan_add(p, SIDE_HOST, op_open_tree, op_open_tree_args, c->changes, "merged",
		 OPEN_TREE_CLONE, c->tree);
	plan_add(p, SIDE_HOST, op_umount, op_umount_args, ".", MNT_DETACH);
	plan_add(p, SIDE_HOST, op_move_mount, op_move_mount_args, c->tree, c->target, "", NULL,
		 "mount --move merged <target>");
	ns_plan_leave_guest(p);
}

void ns_plan_cow(struct plan *p, const struct ns_spec *s, int root, const struct ns_mount *m)
{
	const struct cow c = { .p = p,
			       .m = m,
			       .tree = ns_slot(p, NS_SLOT_TREE),
			       .changes = ns_slot(p, "changes"),
			       .fs = ns_slot(p, NS_SLOT_FS),
			       .target = ns_slot(p, NS_SLOT_TARGET) };

	open_lower(&c);
	make_changes(&c, s);
	plan_add(p, SIDE_GUEST, op_make_target, op_make_target_args, .root_slot = root,
		 .path = m->destination, .like_slot = -1, .slot = c.target);
	plan_add(p, SIDE_GUEST, op_send_fd, op_send_fd_args, c.target);
	join(&c);
	plan_add(p, SIDE_HOST, op_close, op_close_args, c.changes);
	plan_add(p, SIDE_HOST, op_close, op_close_args, c.tree);
	plan_add(p, SIDE_HOST, op_close, op_close_args, c.target);
}
