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

static void add_join(struct plan *p, const struct ns_spec *s, struct op_clone3_args *a, int kind)
{
	if (!(s->join_namespaces & ns_kind_info[kind].flag))
		return;
	a->join_slot[a->join_count] = join_slot(p, kind);
	a->join_flag[a->join_count++] = ns_kind_info[kind].flag;
}

/* With a user namespace, new or joined, the other joined ones belong to somebody else: only the
 * host may enter them. A joiner does, then bears the guest; the user namespace comes last because
 * entering it gives the host's rights up. A caller without rights gets them by entering it first. */
static void add_joins(struct plan *p, const struct ns_spec *s, const struct host *h,
		      struct op_clone3_args *a)
{
	bool user_first = host_unprivileged(h);

	if (user_first)
		add_join(p, s, a, NS_USER);
	for (int i = 0; i < NS_KINDS; i++)
		if (i != NS_USER || !user_first)
			add_join(p, s, a, i);
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
		/* A joiner that is in the container's cgroup namespace does not see its own cgroup any
		 * more, and so moves nobody from there (cgroups(7), nsdelegate): the host does. */
		if (a->join_count)
			plan_on_alt(p, step, ENOENT, other);
	}
}

/* Nobody in a namespace that is shared may attach to the guest while it still holds the host's fds
 * (CVE-2016-9962). It is born so; to enter a user namespace may change it. */
static void close_to_others(struct plan *p)
{
	plan_add(p, SIDE_GUEST, op_prctl, op_prctl_args, PR_SET_DUMPABLE, 0);
}

/* The guest's first steps, after all that the host does at once: each change of sides costs a
 * switch. The host's death is also an EOF at the guest's next turn: that covers the time before. */
static void first_steps(struct plan *p)
{
	plan_add(p, SIDE_GUEST, op_prctl, op_prctl_args, PR_SET_PDEATHSIG, SIGKILL);
	close_to_others(p);
}

bool ns_host_stays_dumpable(const struct ns_spec *s, const struct host *h)
{
	return host_unprivileged(h) && (s->new_namespaces & CLONE_NEWUSER);
}

const char *ns_map_text(struct plan *p, const struct ns_id_maps *maps)
{
	char *text = arena_strdup(p->arena, "");

	for (size_t i = 0; i < maps->count && text; i++)
		text = arena_printf(p->arena, "%s%u %u %u\n", text, maps->line[i].container,
				    maps->line[i].host, maps->line[i].size);
	return text;
}

static void write_map(struct plan *p, const struct ns_id_maps *maps, const char *file,
		      const char *helper)
{
	if (helper)
		plan_add(p, SIDE_HOST, op_map_ids, op_map_ids_args, .helper = helper, .maps = maps,
			 .timeout_ms = NS_HELPER_TIMEOUT_MS);
	else
		plan_add(p, SIDE_HOST, op_write, op_write_args, SLOT_GUEST_PROC, file,
			 ns_map_text(p, maps));
}

static void write_maps(struct plan *p, const struct ns_spec *s, const struct host *h)
{
	bool free = !host_unprivileged(h);
	bool own_uid = ns_map_is_own_id(&s->uid_maps, h->uid);
	bool own_gid = ns_map_is_own_id(&s->gid_maps, h->gid);

	if (!(s->new_namespaces & CLONE_NEWUSER))
		return;
	/* user_namespaces(7): without CAP_SETGID over the host, setgroups must be given up before
	 * the map, or a group could be dropped that denies something (CVE-2014-8989). newgidmap
	 * decides for itself. */
	if (!free && own_gid)
		plan_add(p, SIDE_HOST, op_write, op_write_args, SLOT_GUEST_PROC, "setgroups", "deny");
	plan_scope(p, "/linux/gidMappings", NULL);
	write_map(p, &s->gid_maps, "gid_map", free || own_gid ? NULL : HOST_NEWGIDMAP);
	plan_scope(p, "/linux/uidMappings", NULL);
	write_map(p, &s->uid_maps, "uid_map", free || own_uid ? NULL : HOST_NEWUIDMAP);
	plan_scope(p, "/linux/namespaces", NULL);
}

static void become_root(struct plan *p)
{
	plan_add(p, SIDE_GUEST, op_setresgid, op_id_args, 0);
	plan_add(p, SIDE_GUEST, op_setresuid, op_id_args, 0);
	/* A change of ids clears the death signal, and dumpable follows fs.suid_dumpable. */
	plan_add(p, SIDE_GUEST, op_prctl, op_prctl_args, PR_SET_PDEATHSIG, SIGKILL);
	close_to_others(p);
}

static void new_session(struct plan *p, const struct ns_birth_options *o, bool join)
{
	int step;

	plan_add0(p, SIDE_GUEST, op_setsid);
	if (o && o->no_new_keyring)
		return;
	/* Else the container could read the caller's keys. Where the kernel or a filter has no
	 * keyctl for us, the container has none either. */
	step = plan_add(p, SIDE_GUEST, op_session_keyring, op_session_keyring_args,
			o ? o->keyring : NULL, join);
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

static void cgroup_namespace(struct plan *p, const struct ns_spec *s)
{
	/* Only now, in its final cgroup, which becomes the namespace's root. */
	plan_scope(p, "/linux/namespaces", NULL);
	if (s->new_namespaces & CLONE_NEWCGROUP)
		plan_add(p, SIDE_GUEST, op_unshare, op_flags_args, CLONE_NEWCGROUP);
}

/* Who may not go back to the own pid namespace, because that is the host's, sends a joiner. */
static bool needs_joiner(const struct ns_spec *s, const struct host *h)
{
	return s->join_namespaces &&
	       (ns_has_userns(s) || (!h->root && (s->join_namespaces & CLONE_NEWPID)));
}

void ns_plan_birth(struct plan *p, const struct ns_spec *s, const struct host *h, int slot_cgroup)
{
	struct op_clone3_args clone = { .namespaces = s->new_namespaces & ~(unsigned int)CLONE_NEWCGROUP,
					.cgroup_slot = slot_cgroup };
	bool joiner = needs_joiner(s, h);
	bool join_pid = !joiner && (s->join_namespaces & CLONE_NEWPID);

	plan_scope(p, "/linux/namespaces", NULL);
	plan_add0(p, SIDE_HOST, op_socketpair);
	open_joined(p, s);
	if (joiner)
		add_joins(p, s, h, &clone);
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
	plan_add0(p, SIDE_HOST, op_open_guest_proc);
	/* The files of a process that is not dumpable are root's: for an unprivileged caller, who
	 * could not write the maps, it is dumpable until then. Nobody else is in the new user
	 * namespace, and nobody in another one may attach to it. */
	write_maps(p, s, h);
}

void ns_plan_settle(struct plan *p, const struct ns_spec *s, const struct host *h,
		    const struct ns_birth_options *o)
{
	bool joiner = needs_joiner(s, h);

	plan_scope(p, "/linux/namespaces", NULL);
	/* To become its own namespace's root takes both back, and they follow right after it. */
	if (s->join_namespaces || !(s->new_namespaces & CLONE_NEWUSER))
		first_steps(p);
	for (int i = 0; i < NS_KINDS && !joiner; i++)
		if (i != NS_PID && (s->join_namespaces & ns_kind_info[i].flag))
			plan_add(p, SIDE_GUEST, op_setns, op_setns_args, join_slot(p, i),
				 ns_kind_info[i].flag);
	if (ns_has_userns(s))
		become_root(p);
	new_session(p, o, false);
	cgroup_namespace(p, s);
	set_names(p, s);
}

/* The joiner enters all at once: the kernel takes the user namespace first, whose owner the caller
 * is, and so has every right over the rest. */
static void join_through_joiner(struct plan *p, int slot_target_pidfd, unsigned int namespaces,
				int slot_cgroup, const char *oom_score_adj)
{
	struct op_clone3_args clone = { .cgroup_slot = slot_cgroup, .join_count = 1,
					.join_slot = { slot_target_pidfd },
					.join_flag = { namespaces },
					.oom_score_adj = oom_score_adj };

	add_clone3(p, &clone);
	plan_add0(p, SIDE_HOST, op_open_guest_proc);
}

void ns_plan_join(struct plan *p, const struct host *h, int slot_target_pidfd,
		  unsigned int namespaces, int slot_cgroup, const char *oom_score_adj)
{
	struct op_clone3_args clone = { .cgroup_slot = slot_cgroup };

	plan_scope(p, "", "namespaces");
	plan_add0(p, SIDE_HOST, op_socketpair);
	if (!h->root && namespaces) {
		join_through_joiner(p, slot_target_pidfd, namespaces, slot_cgroup, oom_score_adj);
		return;
	}
	if (namespaces & CLONE_NEWPID)
		enter_for_child(p, slot_target_pidfd, CLONE_NEWPID, "/proc/self/ns/pid", "own pid");
	add_clone3(p, &clone);
	if (namespaces & CLONE_NEWPID)
		leave_for_child(p, CLONE_NEWPID, "own pid");
	plan_add0(p, SIDE_HOST, op_open_guest_proc);
}

void ns_plan_join_settle(struct plan *p, const struct host *h, int slot_target_pidfd,
			 unsigned int namespaces, const struct ns_birth_options *o)
{
	unsigned int others = namespaces & ~(unsigned int)CLONE_NEWPID;
	bool joined = !h->root && namespaces; /* by the joiner */

	plan_scope(p, "", "namespaces");
	first_steps(p);
	/* All at once, by the pidfd: never by names that the container could have changed. */
	if (others && !joined)
		plan_add(p, SIDE_GUEST, op_setns, op_setns_args, slot_target_pidfd, others);
	if (namespaces & CLONE_NEWUSER)
		become_root(p);
	new_session(p, o, true);
}
