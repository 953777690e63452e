/*
 * birth.c - builder: the guest's birth, its namespaces, ids and names.
 *
 * Must not open anything of the root file system: that is mounts.c's, after
 * the guest is in its namespaces.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/engine.h"
#include "ns/builders.h"
#include "ns/internal.h"
#include "ns/ops.h"

int ns_slot(struct plan *p, const char *name)
{
	for (int i = SLOT_FIRST_FREE; i < p->slot_count; i++)
		if (p->slot_names[i] && strcmp(p->slot_names[i], name) == 0)
			return i;
	return plan_new_slot(p, name);
}

static int join_slot(struct plan *p, int kind)
{
	char name[32];

	snprintf(name, sizeof name, "%s to join", ns_kind_info[kind].json);
	return ns_slot(p, name);
}

/* Opened and checked before the birth, by the host: the guest inherits the fds. */
static void open_joined(struct plan *p, const struct ns_spec *s)
{
	for (int i = 0; i < NS_KINDS; i++) {
		if (!(s->join_namespaces & ns_kind_info[i].flag))
			continue;
		plan_scope(p, s->join_why[i], s->join_path[i]);
		plan_add(p, SIDE_HOST, op_openat, op_openat_args, -1, s->join_path[i], O_RDONLY,
			 join_slot(p, i));
		plan_add(p, SIDE_HOST, op_check_ns, op_check_ns_args, join_slot(p, i),
			 ns_kind_info[i].flag);
	}
	plan_scope(p, "/linux/namespaces", NULL);
}

/* With a user namespace, new or joined, the other joined ones belong to somebody else: only the
 * host may enter them. A joiner does, then bears the guest; the user namespace comes last because
 * entering it gives the host's rights up. */
static void add_joins(struct plan *p, const struct ns_spec *s, struct op_clone3_args *a)
{
	for (int i = 0; i < NS_KINDS; i++) {
		if (!(s->join_namespaces & ns_kind_info[i].flag))
			continue;
		a->join_slot[a->join_count] = join_slot(p, i);
		a->join_flag[a->join_count++] = ns_kind_info[i].flag;
	}
}

/* Host steps that change what its next child is born into, and take it back. */
static void enter_for_child(struct plan *p, int target_slot, unsigned int flag, const char *own,
			    const char *own_name)
{
	plan_home(p, ns_slot(p, own_name));
	plan_add(p, SIDE_HOST, op_openat, op_openat_args, -1, own, O_RDONLY, ns_slot(p, own_name));
	plan_add(p, SIDE_HOST, op_setns, op_setns_args, target_slot, flag);
}

static void leave_for_child(struct plan *p, unsigned int flag, const char *own_name)
{
	plan_add(p, SIDE_HOST, op_setns, op_setns_args, ns_slot(p, own_name), flag);
}

/* The birth itself, with the way out for cgroups that cannot be cloned into: threaded or busy
 * ones, seccomp'ed or old kernels, a joiner without rights. */
static void add_clone3(struct plan *p, const struct op_clone3_args *a)
{
	static const int errors[] = { EBUSY, E2BIG, EINVAL, EOPNOTSUPP, EACCES, ENOSYS };
	int step = plan_add_step(p, SIDE_HOST, &op_clone3, a, sizeof *a), other;

	if (a->cgroup_slot >= 0) {
		other = plan_add_step(p, SIDE_HOST, &op_clone3_then_cgroup, a, sizeof *a);
		for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
			plan_on_alt(p, step, errors[i], other);
	}
}

static void after_birth(struct plan *p)
{
	plan_add0(p, SIDE_HOST, op_open_guest_proc);
	/* The host's death is also an EOF at the guest's next turn: that covers the time before. */
	plan_add(p, SIDE_GUEST, op_prctl, op_prctl_args, PR_SET_PDEATHSIG, SIGKILL);
	/* Nobody in a namespace that is shared may attach to the guest while it still holds the
	 * host's fds (CVE-2016-9962). */
	plan_add(p, SIDE_GUEST, op_prctl, op_prctl_args, PR_SET_DUMPABLE, 0);
}

static const char *map_text(struct plan *p, const struct ns_id_maps *maps)
{
	char *text = arena_strdup(p->arena, "");

	for (size_t i = 0; i < maps->count && text; i++)
		text = arena_printf(p->arena, "%s%u %u %u\n", text, maps->line[i].container,
				    maps->line[i].host, maps->line[i].size);
	return text;
}

static void write_maps(struct plan *p, const struct ns_spec *s, const struct host *h)
{
	if (!(s->new_namespaces & CLONE_NEWUSER))
		return;
	/* user_namespaces(7): without CAP_SETGID over the host, setgroups must be given up before
	 * the map, or a group could be dropped that denies something (CVE-2014-8989). */
	if (!h->root)
		plan_add(p, SIDE_HOST, op_write, op_write_args, SLOT_GUEST_PROC, "setgroups", "deny");
	plan_scope(p, "/linux/gidMappings", NULL);
	plan_add(p, SIDE_HOST, op_write, op_write_args, SLOT_GUEST_PROC, "gid_map",
		 map_text(p, &s->gid_maps));
	plan_scope(p, "/linux/uidMappings", NULL);
	plan_add(p, SIDE_HOST, op_write, op_write_args, SLOT_GUEST_PROC, "uid_map",
		 map_text(p, &s->uid_maps));
	plan_scope(p, "/linux/namespaces", NULL);
}

static void become_root(struct plan *p)
{
	plan_add(p, SIDE_GUEST, op_setresgid, op_id_args, 0);
	plan_add(p, SIDE_GUEST, op_setresuid, op_id_args, 0);
	/* A change of ids clears the death signal, and dumpable follows fs.suid_dumpable. */
	plan_add(p, SIDE_GUEST, op_prctl, op_prctl_args, PR_SET_PDEATHSIG, SIGKILL);
	plan_add(p, SIDE_GUEST, op_prctl, op_prctl_args, PR_SET_DUMPABLE, 0);
}

static void new_session(struct plan *p, bool keyring)
{
	int step;

	plan_add0(p, SIDE_GUEST, op_setsid);
	if (!keyring)
		return;
	/* Else the container could read the caller's keys. Where the kernel or a filter has no
	 * keyctl for us, the container has none either. */
	step = plan_add0(p, SIDE_GUEST, op_new_keyring);
	plan_on_done(p, step, ENOSYS);
	plan_on_done(p, step, EPERM);
}

static void set_names(struct plan *p, const struct ns_spec *s)
{
	if (s->hostname) {
		plan_scope(p, "/hostname", s->hostname);
		plan_add(p, SIDE_GUEST, op_sethostname, op_text_args, s->hostname);
	}
	if (s->domainname) {
		plan_scope(p, "/domainname", s->domainname);
		plan_add(p, SIDE_GUEST, op_setdomainname, op_text_args, s->domainname);
	}
}

void ns_plan_cgroup_namespace(struct plan *p, const struct ns_spec *s)
{
	/* Only now, in its final cgroup, which becomes the namespace's root. */
	plan_scope(p, "/linux/namespaces", NULL);
	if (s->new_namespaces & CLONE_NEWCGROUP)
		plan_add(p, SIDE_GUEST, op_unshare, op_flags_args, CLONE_NEWCGROUP);
}

void ns_plan_birth(struct plan *p, const struct ns_spec *s, const struct host *h, int slot_cgroup,
		   const struct ns_birth_options *o)
{
	struct op_clone3_args clone = { .namespaces = s->new_namespaces & ~(unsigned int)CLONE_NEWCGROUP,
					.cgroup_slot = slot_cgroup };
	bool joiner = s->join_namespaces && ns_has_userns(s);
	bool join_pid = !joiner && (s->join_namespaces & CLONE_NEWPID);

	plan_scope(p, "/linux/namespaces", NULL);
	plan_add0(p, SIDE_HOST, op_socketpair);
	open_joined(p, s);
	if (joiner)
		add_joins(p, s, &clone);
	if (s->time_offsets) {
		/* Offsets can be set only while nobody is in the namespace (time_namespaces(7)). */
		plan_scope(p, "/linux/timeOffsets", NULL);
		plan_add(p, SIDE_HOST, op_openat, op_openat_args, -1, "/proc/self/ns/time", O_RDONLY,
			 ns_slot(p, "own time"));
		plan_add(p, SIDE_HOST, op_unshare, op_flags_args, CLONE_NEWTIME);
		plan_add(p, SIDE_HOST, op_write, op_write_args, -1, "/proc/self/timens_offsets",
			 s->time_offsets);
		clone.namespaces &= ~(uint64_t)CLONE_NEWTIME;
		plan_scope(p, "/linux/namespaces", NULL);
	}
	if (join_pid)
		enter_for_child(p, join_slot(p, NS_PID), CLONE_NEWPID, "/proc/self/ns/pid", "own pid");
	add_clone3(p, &clone);
	if (join_pid)
		leave_for_child(p, CLONE_NEWPID, "own pid");
	if (s->time_offsets)
		leave_for_child(p, CLONE_NEWTIME, "own time");
	after_birth(p);
	write_maps(p, s, h);
	for (int i = 0; i < NS_KINDS && !joiner; i++)
		if (i != NS_PID && (s->join_namespaces & ns_kind_info[i].flag))
			plan_add(p, SIDE_GUEST, op_setns, op_setns_args, join_slot(p, i),
				 ns_kind_info[i].flag);
	if (ns_has_userns(s))
		become_root(p);
	new_session(p, !(o && o->no_new_keyring));
	if (!(o && o->late_cgroup_namespace))
		ns_plan_cgroup_namespace(p, s);
	set_names(p, s);
}

void ns_plan_join(struct plan *p, int slot_target_pidfd, unsigned int namespaces, int slot_cgroup)
{
	struct op_clone3_args clone = { .cgroup_slot = slot_cgroup };
	unsigned int others = namespaces & ~(unsigned int)CLONE_NEWPID;

	plan_scope(p, "", "namespaces");
	plan_add0(p, SIDE_HOST, op_socketpair);
	if (namespaces & CLONE_NEWPID)
		enter_for_child(p, slot_target_pidfd, CLONE_NEWPID, "/proc/self/ns/pid", "own pid");
	add_clone3(p, &clone);
	if (namespaces & CLONE_NEWPID)
		leave_for_child(p, CLONE_NEWPID, "own pid");
	after_birth(p);
	/* All at once, by the pidfd: never by names that the container could have changed. */
	if (others)
		plan_add(p, SIDE_GUEST, op_setns, op_setns_args, slot_target_pidfd, others);
	if (namespaces & CLONE_NEWUSER)
		become_root(p);
	new_session(p, true);
}
