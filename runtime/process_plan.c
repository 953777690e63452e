/*
 * process_plan.c - the order of the steps that turn the guest into the container's process.
 *
 * Pure: reads a process_spec, appends steps. Why this order:
 *   - the bounding set first: dropping needs CAP_SETPCAP, which the id change
 *     takes from a user that is not root;
 *   - groups before ids: setgroups needs CAP_SETGID;
 *   - the working directory before the uid changes, as runc has it: an image's
 *     WORKDIR may be readable by root only;
 *   - the executable after ids and capabilities: it is looked up with the
 *     rights of the process that is going to be;
 *   - seccomp last. Loading a filter wants no_new_privs or CAP_SYS_ADMIN.
 *     Without no_new_privs that one capability is kept until execve, which
 *     computes the sets anew from inheritable, bounding and ambient
 *     (capabilities(7)): it does not survive, and nothing but execve has to be
 *     allowed by the filter.
 */
#include <errno.h>
#include <linux/securebits.h>
#include <paths.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "runtime/init.h"
#include "runtime/process_ops.h"

#define SECUREBITS_LOCKED                                                                         \
	(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |                          \
	 SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |  \
	 SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

#define CAP_SYS_ADMIN_BIT CAPS_BIT(21)

const char *process_oom_score_adj(struct plan *p, const struct process_spec *s)
{
	return s->has_oom_score_adj ? arena_printf(p->arena, "%d", s->oom_score_adj) : NULL;
}

void process_plan_host(struct plan *p, const struct process_spec *s)
{
	if (!s->has_oom_score_adj)
		return;
	plan_scope(p, "/process/oomScoreAdj", NULL);
	plan_add(p, SIDE_HOST, op_oom_score_adj, op_oom_score_adj_args,
		 process_oom_score_adj(p, s));
}

void process_plan_affinity_initial(struct plan *p, const struct process_spec *s)
{
	if (!s->cpus_initial.text)
		return;
	plan_scope(p, "/process/execCPUAffinity/initial", NULL);
	plan_add(p, SIDE_HOST, op_sched_setaffinity, op_sched_setaffinity_args, -1,
		 s->cpus_initial);
}

void process_plan_affinity_final(struct plan *p, const struct process_spec *s)
{
	if (!s->cpus_final.text)
		return;
	plan_scope(p, "/process/execCPUAffinity/final", NULL);
	plan_add(p, SIDE_HOST, op_sched_setaffinity, op_sched_setaffinity_args, SLOT_GUEST_PID,
		 s->cpus_final);
}

void process_plan_cwd(struct plan *p, const struct process_spec *s, int root_slot)
{
	int step;

	if (strcmp(s->cwd, "/") == 0)
		return;
	plan_scope(p, "/process/cwd", s->cwd);
	step = plan_add(p, SIDE_GUEST, op_make_cwd, op_cwd_args, root_slot, s->cwd);
	plan_on_done(p, step, EROFS);
}

#define SETUP_FDS 1024 /* more than any setup has open */

/* No setup comes near it, however low it is. */
static bool is_early(const struct rlimit_spec *l)
{
	switch (l->resource) {
	case RLIMIT_NOFILE:
		return l->soft >= SETUP_FDS;
	case RLIMIT_CORE:
	case RLIMIT_LOCKS:
	case RLIMIT_MEMLOCK:
	case RLIMIT_MSGQUEUE:
	case RLIMIT_NICE:
	case RLIMIT_RTPRIO:
	case RLIMIT_SIGPENDING:
		return true;
	default:
		return false;
	}
}

static void plan_rlimits(struct plan *p, const struct process_spec *s, bool early)
{
	char why[48];

	for (size_t i = 0; i < s->rlimit_count; i++) {
		struct buf b = BUF_ON(why);

		if (is_early(&s->rlimits[i]) != early)
			continue;
		buf_reset(&b);
		buf_addf(&b, "/process/rlimits/%zu", i);
		plan_scope(p, why, s->rlimits[i].name);
		plan_add(p, SIDE_HOST, op_prlimit, op_prlimit_args, s->rlimits[i]);
	}
}

void process_plan_early_limits(struct plan *p, const struct process_spec *s)
{
	plan_rlimits(p, s, true);
}

void process_plan_limits(struct plan *p, const struct process_spec *s)
{
	plan_rlimits(p, s, false);
	if (s->has_scheduler) {
		plan_scope(p, "/process/scheduler", NULL);
		plan_add(p, SIDE_HOST, op_sched_setattr, op_sched_setattr_args, s->scheduler);
	}
	if (s->has_io_priority) {
		plan_scope(p, "/process/ioPriority", NULL);
		plan_add(p, SIDE_HOST, op_ioprio_set, op_ioprio_set_args, s->io_class,
			 s->io_priority);
	}
	plan_scope(p, "/process/user/umask", NULL);
	plan_add(p, SIDE_GUEST, op_umask, op_umask_args, s->has_umask ? s->umask : 022);
}

static void plan_prctl(struct plan *p, int option, unsigned long arg)
{
	plan_add(p, SIDE_GUEST, op_prctl, op_prctl_args, option, arg);
}

/* CAP_SYS_ADMIN while it is needed to load the filter; see above. */
static uint64_t caps_for_filter(const struct process_spec *s, const struct seccomp_filter *filter)
{
	return (filter || landlock_is_asked(&s->landlock)) && !s->no_new_privs ? CAP_SYS_ADMIN_BIT : 0;
}

static void plan_ids(struct plan *p, const struct process_spec *s,
		     const struct process_exec_options *o)
{
	int step;

	if (!s->keep_groups) {
		plan_scope(p, "/process/user/additionalGids", NULL);
		step = plan_add(p, SIDE_GUEST, op_setgroups, op_setgroups_args, s->gids,
				s->gid_count);
		/* Where setgroups is denied the groups are the caller's own and cannot be dropped:
		 * user_namespaces(7). Asking for some is an error there, asking for none is not. */
		if (s->gid_count == 0 && o->has_user_namespace)
			plan_on_done(p, step, EPERM);
	}
	plan_scope(p, "/process/user/gid", NULL);
	plan_add(p, SIDE_GUEST, op_setresgid, op_id_args, s->gid);
	plan_scope(p, "/process/cwd", s->cwd);
	plan_add(p, SIDE_GUEST, op_enter_cwd, op_cwd_args, -1, s->cwd);
	plan_scope(p, "/process/user/uid", NULL);
	plan_add(p, SIDE_GUEST, op_setresuid, op_id_args, s->uid);
	/* A change of ids sets this to fs.suid_dumpable, which may be 1: stops a process of the
	 * same uid from attaching to us while host fds are still open (CVE-2016-9962). */
	plan_prctl(p, PR_SET_DUMPABLE, 0);
}

static void plan_caps(struct plan *p, const struct process_spec *s, uint64_t extra)
{
	const struct caps_spec *c = &s->caps;

	plan_scope(p, "/process/capabilities", NULL);
	plan_add(p, SIDE_GUEST, op_capset, op_capset_args, c->effective | extra,
		 c->permitted | extra, c->inheritable);
	plan_scope(p, "/process/capabilities/ambient", NULL);
	plan_add(p, SIDE_GUEST, op_set_ambient, op_set_ambient_args, c->ambient);
}

static const char *env_value(const struct process_spec *s, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < s->env_count; i++)
		if (strncmp(s->env[i], name, n) == 0 && s->env[i][n] == '=')
			return s->env[i] + n + 1;
	return NULL;
}

/* The environment as execve gets it: a copy with room for HOME. */
static struct process_found *make_found(struct plan *p, const struct process_spec *s)
{
	struct process_found *found = arena_alloc(p->arena, sizeof *found);
	const char *home = env_value(s, "HOME");

	if (!found)
		return NULL;
	found->env = arena_array(p->arena, s->env_count + 2, sizeof *found->env);
	if (!found->env)
		return NULL;
	if (s->env_count)
		memcpy(found->env, s->env, s->env_count * sizeof *found->env);
	found->home_index = home ? -1 : (int)s->env_count;
	return found;
}

struct process_found *process_plan_become(struct plan *p, const struct process_spec *s,
					  const struct seccomp_filter *filter,
					  const struct process_exec_options *o)
{
	struct process_found *found = make_found(p, s);
	uint64_t extra = caps_for_filter(s, filter);
	const char *path = env_value(s, "PATH");

	if (!found)
		return NULL; /* sticky in the arena */
	plan_scope(p, "/process/capabilities/bounding", NULL);
	plan_add(p, SIDE_GUEST, op_drop_bounding_set, op_drop_bounding_set_args, s->caps.bounding);
	if (o->lock_securebits) {
		if (s->caps.permitted | s->caps.ambient | s->caps.bounding)
			p->error = -EINVAL;
		plan_scope(p, "/process/capabilities", NULL);
		/* NO_SETUID_FIXUP keeps the capabilities over setresuid; capset takes them. */
		plan_prctl(p, PR_SET_SECUREBITS, SECUREBITS_LOCKED);
	} else if (s->uid != 0 && (s->caps.permitted | s->caps.inheritable | extra)) {
		plan_scope(p, "/process/capabilities", NULL);
		plan_prctl(p, PR_SET_KEEPCAPS, 1);
	}
	plan_ids(p, s, o);
	plan_caps(p, s, extra);
	if (s->no_new_privs) {
		plan_scope(p, "/process/noNewPrivileges", NULL);
		plan_prctl(p, PR_SET_NO_NEW_PRIVS, 1);
	}
	labels_plan(p, &s->labels);
	if (found->home_index >= 0) {
		plan_scope(p, "/process/env", "HOME");
		plan_add(p, SIDE_GUEST, op_find_home, op_find_home_args, s->uid, found);
	}
	plan_scope(p, "/process/args/0", s->args[0]);
	plan_add(p, SIDE_GUEST, op_find_executable, op_find_executable_args, s->args[0],
		 path ? path : _PATH_DEFPATH, found);
	return found;
}

/* The host's last step must stand right after the filter's: the guest's stand-in gives it the turn. */
static void plan_filter(struct plan *p, const struct seccomp_filter *filter,
			const struct seccomp_state *state)
{
	struct op_agent_args agent = { filter, state, -1, -1 };
	bool told_here = filter->notify && state;

	if (filter->notify)
		agent.slot_listener = plan_new_slot(p, "seccomp listener");
	if (told_here) {
		agent.slot_agent = plan_new_slot(p, "seccomp agent");
		plan_scope(p, "/linux/seccomp/listenerPath", NULL);
		plan_add_step(p, SIDE_HOST, &op_connect_agent, &agent, sizeof agent);
	}
	plan_scope(p, "/linux/seccomp", NULL);
	plan_add(p, SIDE_GUEST, op_seccomp, op_seccomp_args, filter, agent.slot_listener);
	if (told_here) {
		plan_scope(p, "/linux/seccomp/listenerPath", NULL);
		plan_add_step(p, SIDE_HOST, &op_send_listener, &agent, sizeof agent);
	}
}

void process_plan_leave(struct plan *p, const struct process_spec *s,
			const struct seccomp_filter *filter, const struct process_exec_options *o,
			struct process_found *found)
{
	if (!found)
		return;
	plan_scope(p, "/process", NULL);
	plan_add(p, SIDE_GUEST, op_reset_signals, op_reset_signals_args, o->signals_taken);
	if (o->preserve_fds)
		plan_add(p, SIDE_GUEST, op_keep_fds, op_fds_args, o->preserve_fds);
	plan_add(p, SIDE_GUEST, op_close_fds, op_fds_args, o->preserve_fds);
	landlock_plan(p, &s->landlock, o->landlock_abi);
	if (filter)
		plan_filter(p, filter, o->agent);
	if (o->init)
		init_plan(p);
	plan_scope(p, "/process/args", s->args[0]);
	plan_add(p, SIDE_GUEST, op_execve, op_execve_args, s->args, found,
		 s->env_count + (found->home_index >= 0));
}
