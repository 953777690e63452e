/*
 * cgroup_plan.c - from what a config asks for to host steps; and whether this
 * host can do it. Pure: no syscall.
 */
#include <errno.h>
#include <string.h>
#include "cgroup/cgroup_ops.h"
#include "cgroup/systemd.h"

/* Enabled where the host offers them, limit or not, so that stats have something to count. A
 * refusal does not matter. */
#define ACCOUNTING (HOST_MEMORY | HOST_PIDS | HOST_IO)

uint32_t cgroup_controllers_needed(const struct cgroup_spec *s)
{
	uint32_t bits = s->oom_group ? HOST_MEMORY : 0;

	for (size_t i = 0; i < s->write_count; i++)
		bits |= s->writes[i].controllers;
	return bits;
}

static int missing_controller(const char *why, uint32_t bits, const struct host *h, struct err *e)
{
	char names[96];

	host_controller_names(bits, names);
	err_say(e, EOPNOTSUPP, "needs the cgroup v2 controller %s, which %s", names,
		h->cgroup_hybrid ? "a cgroup v1 hierarchy holds on this host"
				 : "this host does not offer");
	err_at(e, why);
	return h->cgroup_hybrid ? err_fix(e, "boot with systemd.unified_cgroup_hierarchy=1 (or "
					     "cgroup_no_v1=all), or drop the limit")
				: err_fix(e,
					  "see %s/cgroup.controllers; enable the controller "
					  "in the kernel or drop the limit",
					  h->cgroup_mount);
}

/* The unit's limits are to be written by its systemd, which has not been given the controller. */
static int not_given(const char *why, uint32_t bits, const struct systemd_manager *m, struct err *e)
{
	char names[96];

	host_controller_names(bits, names);
	err_say(e, EOPNOTSUPP, "needs the cgroup v2 controller %s, which %s has not been given", names,
		m->user ? "the user's systemd" : "systemd");
	err_at(e, why);
	return err_fix(e, "systemctl edit user@.service: [Service] Delegate=cpu cpuset io memory pids; "
			  "or drop the limit");
}

int cgroup_check(const struct cgroup_spec *s, const struct host *h, struct err *e)
{
	const struct systemd_manager *m = s->unit ? &s->unit->manager : NULL;

	if (s->egress.asked && (s->none || !h->root)) {
		err_say(e, EPERM, "an egress list can't be enforced here: it is BPF programs of the "
			"container's cgroup%s", s->none ? ", and it has none" : ", which only root may attach");
		err_at(e, s->egress.why);
		return err_fix(e, "%s", s->none ? "let kist make a cgroup" :
			       "run kist as root, or a network that leads nowhere: --net none");
	}
	if (s->none)
		return 0;
	if (!h->cgroup_mount[0]) {
		err_say(e, EOPNOTSUPP, "no cgroup v2 hierarchy is mounted");
		return err_fix(e, "mount -t cgroup2 none /sys/fs/cgroup");
	}
	for (size_t i = 0; i < s->write_count; i++) {
		uint32_t lacks = s->writes[i].controllers & ~h->controllers;

		if (lacks)
			return missing_controller(s->writes[i].why, lacks, h, e);
		lacks = m ? s->writes[i].controllers & ~m->controllers : 0;
		if (lacks)
			return not_given(s->writes[i].why, lacks, m, e);
	}
	if (s->oom_group && !(h->controllers & HOST_MEMORY))
		return missing_controller("memory.oom.group", HOST_MEMORY, h, e);
	return 0;
}

bool cgroup_devices_skipped(const struct cgroup_spec *s, const struct host *h)
{
	return s->device_count > 0 && (s->none || !h->root);
}

/* "MOUNT/path/file"; file NULL: the folder */
static char *path_of(struct plan *p, const struct host *h, const char *path, int length,
		     const char *file)
{
	return arena_printf(p->arena, "%s%.*s%s%s", h->cgroup_mount, length, path, file ? "/" : "",
			    file ? file : "");
}

/* Enables controllers for the children of one folder on the way down. */
static void plan_enable(struct plan *p, const struct host *h, const char *folder, uint32_t needed,
			uint32_t optional, bool may_hold_caller)
{
	static const int errors[] = { ENOENT, EBUSY, EACCES, EPERM, EROFS, EOPNOTSUPP };
	char text[CGROUP_ENABLE_TEXT];
	int step, alternative;

	if (!(needed | optional))
		return;
	if (may_hold_caller) { /* a plain write could make it a threaded domain: looked at first */
		plan_add(p, SIDE_HOST, op_cgroup_make, op_cgroup_make_args,
			 .mount = folder, .path = folder, .needed = needed, .optional = optional,
			 .enable_in_path = true);
		return;
	}
	step = plan_add(
		p, SIDE_HOST, op_cgroup_write, op_cgroup_write_args,
		.path = arena_printf(p->arena, "%s/cgroup.subtree_control", folder),
		.text = arena_strdup(p->arena, cgroup_enable_text(needed | optional, text)));
	/* Refused: enough may be enabled already (a delegated folder), or only accounting is
	 * lost (processes in the folder, a threaded one); and a parent of ours may have vanished
	 * with its last container. */
	alternative = plan_add(p, SIDE_HOST, op_cgroup_make, op_cgroup_make_args,
			       .mount = arena_strdup(p->arena, h->cgroup_mount), .path = folder,
			       .needed = needed, .optional = optional, .enable_in_path = true);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		plan_on_alt(p, step, errors[i], alternative);
}

static void plan_parent(struct plan *p, const struct host *h, const char *folder, uint32_t needed,
			uint32_t optional)
{
	int step = plan_add(p, SIDE_HOST, op_cgroup_mkdir, op_cgroup_mkdir_args, .path = folder);
	int again = plan_add(p, SIDE_HOST, op_cgroup_make, op_cgroup_make_args,
			     .mount = arena_strdup(p->arena, h->cgroup_mount), .path = folder,
			     .needed = needed, .optional = optional);

	plan_on_done(p, step, EEXIST);
	plan_on_alt(p, step, ENOENT, again);
	plan_undo(p, step, &cgroup_undo_remove_parent, folder, NULL, NULL);
}

/* The leaf: made and marked, or, when it is there, checked and used. The alternatives stand before
 * it: when one of them refuses, the failing step is below this one and its undo is not run, which
 * would take away what was there before. */
static void plan_leaf(struct plan *p, const struct cgroup_spec *s, const struct host *h,
		      const char *folder, const char *owner, uint32_t needed, uint32_t optional)
{
	int made, again, check, mark, mark_user;

	again = plan_add(p, SIDE_HOST, op_cgroup_make, op_cgroup_make_args,
			 .mount = arena_strdup(p->arena, h->cgroup_mount), .path = folder,
			 .needed = needed, .optional = optional, .exclusive = true);
	check = plan_add(p, SIDE_HOST, op_cgroup_check, op_cgroup_check_args, .path = folder,
			 .id = owner, .named_by_id = s->named_by_id);
	made = plan_add(p, SIDE_HOST, op_cgroup_mkdir, op_cgroup_mkdir_args, .path = folder);
	plan_on_alt(p, made, ENOENT, again);
	plan_on_alt(p, made, EEXIST, check);
	plan_on_alt(p, again, EEXIST, check);
	plan_undo(p, made, &cgroup_undo_remove, folder, owner, NULL);

	mark = plan_add(p, SIDE_HOST, op_cgroup_mark, op_cgroup_mark_args, .path = folder,
			.name = h->root ? CGROUP_MARK : CGROUP_MARK_USER, .id = owner);
	if (h->root) { /* root without rights over the host after all: trusted.* is not for it */
		mark_user = plan_add(p, SIDE_HOST, op_cgroup_mark, op_cgroup_mark_args,
				     .path = folder, .name = CGROUP_MARK_USER, .id = owner);
		plan_on_alt(p, mark, EPERM, mark_user);
	}
	plan_on_skip_here(p, check, EEXIST); /* somebody else's: never marked, never removed */
}

static void plan_limit(struct plan *p, const struct cgroup_spec *s, const struct host *h,
		       const struct cgroup_write *w)
{
	int length = (int)strlen(s->path);
	char *file = path_of(p, h, s->path, length, w->file);
	int step, other;

	plan_scope(p, w->why, NULL);
	if (s->check_before_update && s->memory_limit > 0 && !strcmp(w->file, "memory.max"))
		plan_add(p, SIDE_HOST, op_cgroup_memory_fits, op_cgroup_memory_fits_args,
			 .path = path_of(p, h, s->path, length, "memory.current"),
			 .limit = s->memory_limit);
	step = plan_add(p, SIDE_HOST, op_cgroup_write, op_cgroup_write_args, .path = file,
			.text = w->value);
	if (w->absent_is_done) {
		plan_on_done(p, step, ENOENT);
	} else if (w->or_file) {
		other = plan_add(p, SIDE_HOST, op_cgroup_write, op_cgroup_write_args,
				 .path = path_of(p, h, s->path, length, w->or_file),
				 .text = w->or_value);
		plan_on_alt(p, step, ENOENT, other);
	} else if (!strcmp(w->file, "memory.swap.max")) {
		other = plan_add(p, SIDE_HOST, op_cgroup_no_swap, op_cgroup_no_swap_args,
				 .missing = file);
		plan_on_alt(p, step, ENOENT, other);
	}
}

void cgroup_plan_limits(struct plan *p, const struct cgroup_spec *s, const struct host *h)
{
	for (size_t i = 0; i < s->write_count; i++)
		plan_limit(p, s, h, &s->writes[i]);
	if (!s->oom_group)
		return;
	plan_scope(p, "", "memory.oom.group");
	plan_add(p, SIDE_HOST, op_cgroup_write, op_cgroup_write_args,
		 .path = path_of(p, h, s->path, (int)strlen(s->path), "memory.oom.group"),
		 .text = "1");
}

void cgroup_plan_delegate(struct plan *p, const struct cgroup_spec *s, const struct host *h)
{
	if (!s->delegate)
		return;
	plan_scope(p, "/linux/cgroupsPath", NULL);
	plan_add(p, SIDE_HOST, op_cgroup_delegate, op_cgroup_delegate_args,
		 .path = path_of(p, h, s->path, (int)strlen(s->path), NULL),
		 .uid = s->delegate_uid);
}

static int plan_load(struct plan *p, const struct cgroup_spec *s)
{
	int slot = plan_new_slot(p, "device filter");
	size_t count = 0;
	struct bpf_insn *program = bpf_devices_assemble(s->devices, s->device_count, p->arena, &count);

	plan_add(p, SIDE_HOST, op_bpf_load, op_bpf_load_args, .kind = &bpf_devices_kind,
		 .program = program,
		 .count = (unsigned)count, .rules = (unsigned)s->device_count, .slot = slot);
	return slot;
}

void cgroup_plan_devices(struct plan *p, const struct cgroup_spec *s, int slot_cgroup)
{
	int slot;

	if (!s->device_count)
		return;
	plan_scope(p, s->devices_why, NULL);
	slot = plan_load(p, s);
	plan_add(p, SIDE_HOST, op_bpf_attach, op_bpf_attach_args, .kind = &bpf_devices_kind,
		 .cgroup_slot = slot_cgroup, .program_slot = slot, .old_slot = -1);
	plan_add(p, SIDE_HOST, op_close, op_close_args, .slot = slot);
}

void cgroup_plan_egress(struct plan *p, const struct cgroup_spec *s, int slot_cgroup)
{
	int slot;

	if (!s->egress.asked)
		return;
	plan_scope(p, s->egress.why, NULL);
	slot = plan_new_slot(p, "egress list");
	for (int i = 0; i < BPF_EGRESS_PROGRAMS; i++) {
		const struct bpf_kind *kind = &bpf_egress_kinds[i];
		size_t count = 0;
		struct bpf_insn *program = bpf_egress_assemble(&s->egress, i, p->arena, &count);

		plan_add(p, SIDE_HOST, op_bpf_load, op_bpf_load_args, .kind = kind,
			 .program = program, .count = (unsigned)count,
			 .rules = (unsigned)s->egress.count, .slot = slot);
		plan_add(p, SIDE_HOST, op_bpf_attach, op_bpf_attach_args, .kind = kind,
			 .cgroup_slot = slot_cgroup, .program_slot = slot, .old_slot = -1);
		plan_add(p, SIDE_HOST, op_close, op_close_args, .slot = slot);
	}
}

void cgroup_plan_filter_load(struct plan *p, const struct cgroup_spec *s, const char *folder,
			     struct cgroup_filter *ret)
{
	*ret = (struct cgroup_filter){ .none = !folder || !s->device_count };
	if (ret->none)
		return;
	ret->cgroup_slot = plan_new_slot(p, "cgroup");
	ret->old_slot = plan_new_slot(p, "old filter");
	plan_add(p, SIDE_HOST, op_cgroup_open, op_cgroup_open_args, .path = folder,
		 .slot = ret->cgroup_slot);
	ret->find_step = plan_add(p, SIDE_HOST, op_bpf_find, op_bpf_find_args, &bpf_devices_kind,
				  ret->cgroup_slot, ret->old_slot);
	ret->new_slot = plan_load(p, s);
}

void cgroup_plan_filter_replace(struct plan *p, const struct cgroup_filter *f)
{
	if (!f->none)
		plan_add(p, SIDE_HOST, op_bpf_attach, op_bpf_attach_args, .kind = &bpf_devices_kind,
			 .cgroup_slot = f->cgroup_slot, .program_slot = f->new_slot, .old_slot = f->old_slot);
}

/* A new one is as those above it are. The hierarchy's root can't be frozen; one that was there
 * before is looked at anyhow. */
static bool may_be_frozen(const struct cgroup_spec *s)
{
	return strchr(s->path + 1, '/') != NULL;
}

void cgroup_plan_place(struct plan *p, const struct cgroup_spec *s, const struct host *h,
		       const char *owner, int slot_cgroup)
{
	uint32_t needed = cgroup_controllers_needed(s);
	uint32_t optional = ACCOUNTING & h->controllers & ~needed;
	const char *slash, *folder = path_of(p, h, s->path, (int)s->base_length, NULL);

	owner = arena_strdup(p->arena, owner);
	plan_scope(p, "/linux/cgroupsPath", s->path);
	/* Out of memory is sticky in the arena; only what is dereferenced here is checked. */
	for (slash = s->path + s->base_length; folder && owner; slash = strchr(slash + 1, '/')) {
		const char *next = strchr(slash + 1, '/');

		plan_enable(p, h, folder, needed, optional,
			    !h->root && slash == s->path + s->base_length && !s->path_absolute);
		folder = path_of(p, h, s->path,
				 (int)(next ? next - s->path : (long)strlen(s->path)), NULL);
		if (!folder)
			return;
		if (!next)
			break;
		plan_parent(p, h, folder, needed, optional);
	}
	if (!folder || !owner)
		return;
	plan_leaf(p, s, h, folder, owner, needed, optional);
	plan_add(p, SIDE_HOST, op_cgroup_open, op_cgroup_open_args, .path = folder,
		 .slot = slot_cgroup);
	if (may_be_frozen(s))
		plan_add(p, SIDE_HOST, op_cgroup_thawed, op_cgroup_thawed_args,
			 .path = arena_printf(p->arena, "%s/cgroup.events", folder));
	cgroup_plan_limits(p, s, h);
	cgroup_plan_delegate(p, s, h);
}

void cgroup_plan_filters(struct plan *p, const struct cgroup_spec *s, const struct host *h,
			 int slot_cgroup)
{
	if (!cgroup_devices_skipped(s, h))
		cgroup_plan_devices(p, s, slot_cgroup);
	cgroup_plan_egress(p, s, slot_cgroup);
}

void cgroup_plan_make(struct plan *p, const struct cgroup_spec *s, const struct host *h,
		      const char *owner, int slot_cgroup)
{
	cgroup_plan_place(p, s, h, owner, slot_cgroup);
	cgroup_plan_filters(p, s, h, slot_cgroup);
}
