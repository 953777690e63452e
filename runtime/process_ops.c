/*
 * process_ops.c - one syscall each: limits, umask, groups, ids, prctl.
 *
 * prlimit, sched_setattr and ioprio_set run on the host, on the guest's pid:
 * raising them needs CAP_SYS_RESOURCE or CAP_SYS_NICE in the initial user
 * namespace, which the root of a container's own user namespace never has.
 */
#include "runtime/process_ops.h"

#include <errno.h>
#include <grp.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"

/* --- oom_score_adj ----------------------------------------------------------- */

static int act_oom_score_adj(struct run *run, const void *args, struct err *e)
{
	const struct op_oom_score_adj_args *a = args;
	int r = file_write_at(run_slot(run, SLOT_GUEST_PROC), "oom_score_adj", a->text);

	if (r != -EACCES)
		return r;
	err_set(e, EACCES, "cannot set oom_score_adj to %s", a->text);
	return err_fix(e, "only CAP_SYS_RESOURCE may lower it: ask for no less than kist's own "
		       "(/proc/self/oom_score_adj)");
}

static void show_oom_score_adj(struct buf *out, const struct plan *p, const void *args)
{
	buf_add(out, "write(");
	plan_show_slot(out, p, SLOT_GUEST_PROC);
	buf_add(out, "/oom_score_adj, ");
	buf_add_quoted(out, ((const struct op_oom_score_adj_args *)args)->text);
	buf_add_char(out, ')');
}

static void by_hand_oom_score_adj(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	buf_addf(out, "echo %s > /proc/$PID/oom_score_adj",
		 ((const struct op_oom_score_adj_args *)args)->text);
}

const struct op op_oom_score_adj = {
	.name = "write",
	.man = "proc(5)",
	.act = act_oom_score_adj,
	.show = show_oom_score_adj,
	.by_hand = by_hand_oom_score_adj,
};

/* --- prlimit ---------------------------------------------------------------- */

static int act_prlimit(struct run *run, const void *args, struct err *e)
{
	const struct rlimit_spec *l = &((const struct op_prlimit_args *)args)->limit;
	struct rlimit64 limit = { .rlim_cur = l->soft, .rlim_max = l->hard };
	int error;

	if (prlimit64(run_slot(run, SLOT_GUEST_PID), l->resource, &limit, NULL) == 0)
		return 0;
	error = errno;
	err_set(e, error, "cannot set %s", l->name);
	if (error == EPERM)
		err_fix(e, "lower the hard limit to kist's own (ulimit -H), or give kist "
			   "CAP_SYS_RESOURCE");
	return -error;
}

static void show_limit(struct buf *out, uint64_t value)
{
	if (value == UINT64_MAX)
		buf_add(out, "RLIM_INFINITY");
	else
		buf_addf(out, "%llu", (unsigned long long)value);
}

static void show_prlimit(struct buf *out, const struct plan *p, const void *args)
{
	const struct rlimit_spec *l = &((const struct op_prlimit_args *)args)->limit;

	buf_add(out, "prlimit64(");
	plan_show_slot(out, p, SLOT_GUEST_PID);
	buf_addf(out, ", %s, {rlim_cur=", l->name);
	show_limit(out, l->soft);
	buf_add(out, ", rlim_max=");
	show_limit(out, l->hard);
	buf_add(out, "})");
}

static void by_hand_prlimit(struct buf *out, const struct plan *p, const void *args)
{
	const struct rlimit_spec *l = &((const struct op_prlimit_args *)args)->limit;
	uint64_t both[2] = { l->soft, l->hard };

	(void)p;
	buf_add(out, "prlimit --pid $PID --");
	for (const char *c = l->name + strlen("RLIMIT_"); *c; c++)
		buf_add_char(out, (char)(*c | 0x20)); /* ASCII lower case */
	for (int i = 0; i < 2; i++) {
		buf_add_char(out, i ? ':' : '=');
		if (both[i] == UINT64_MAX)
			buf_add(out, "unlimited");
		else
			buf_addf(out, "%llu", (unsigned long long)both[i]);
	}
}

const struct op op_prlimit = {
	.name = "prlimit64",
	.man = "prlimit(2)",
	.act = act_prlimit,
	.show = show_prlimit,
	.by_hand = by_hand_prlimit,
};

/* --- scheduler and I/O priority --------------------------------------------- */

static int act_sched_setattr(struct run *run, const void *args, struct err *e)
{
	const struct scheduler_spec *s = &((const struct op_sched_setattr_args *)args)->scheduler;
	/* The utilisation clamps are not in config.json: 0 and 0, but their flags want the room. */
	struct sched_attr attr = {
		.size = s->flags & SCHED_FLAG_UTIL_CLAMP ? sizeof attr : SCHED_ATTR_SIZE_VER0,
		.sched_policy = s->policy,
		.sched_flags = s->flags,
		.sched_nice = s->nice,
		.sched_priority = s->priority,
		.sched_runtime = s->runtime,
		.sched_deadline = s->deadline,
		.sched_period = s->period,
	};

	(void)e;
	if (syscall(SYS_sched_setattr, run_slot(run, SLOT_GUEST_PID), &attr, 0) < 0)
		return -errno;
	return 0;
}

static const char *policy_name(uint32_t policy)
{
	static const char *const names[] = { "SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH",
					     "SCHED_ISO",   "SCHED_IDLE", "SCHED_DEADLINE" };

	return policy < sizeof names / sizeof names[0] ? names[policy] : "?";
}

static void show_sched_setattr(struct buf *out, const struct plan *p, const void *args)
{
	const struct scheduler_spec *s = &((const struct op_sched_setattr_args *)args)->scheduler;
	static const struct flag_name names[] = {
		{ SCHED_FLAG_RESET_ON_FORK, "SCHED_FLAG_RESET_ON_FORK" },
		{ SCHED_FLAG_RECLAIM, "SCHED_FLAG_RECLAIM" },
		{ SCHED_FLAG_DL_OVERRUN, "SCHED_FLAG_DL_OVERRUN" },
		{ SCHED_FLAG_KEEP_POLICY, "SCHED_FLAG_KEEP_POLICY" },
		{ SCHED_FLAG_KEEP_PARAMS, "SCHED_FLAG_KEEP_PARAMS" },
		{ SCHED_FLAG_UTIL_CLAMP_MIN, "SCHED_FLAG_UTIL_CLAMP_MIN" },
		{ SCHED_FLAG_UTIL_CLAMP_MAX, "SCHED_FLAG_UTIL_CLAMP_MAX" },
	};

	buf_add(out, "sched_setattr(");
	plan_show_slot(out, p, SLOT_GUEST_PID);
	buf_addf(out, ", {policy=%s, flags=", policy_name(s->policy));
	buf_add_flags(out, s->flags, names, sizeof names / sizeof names[0]);
	buf_addf(out, ", nice=%d, priority=%u, runtime=%llu, deadline=%llu, period=%llu})", s->nice,
		 s->priority, (unsigned long long)s->runtime, (unsigned long long)s->deadline,
		 (unsigned long long)s->period);
}

static void by_hand_sched_setattr(struct buf *out, const struct plan *p, const void *args)
{
	const struct scheduler_spec *s = &((const struct op_sched_setattr_args *)args)->scheduler;
	static const char *const flags[] = { "--other", "--fifo", "--rr", "--batch", "",
					     "--idle",	"--deadline" };

	(void)p;
	buf_addf(out, "chrt %s", s->policy < 7 ? flags[s->policy] : "");
	if (s->policy == SCHED_DEADLINE)
		buf_addf(out, " --sched-runtime %llu --sched-deadline %llu --sched-period %llu",
			 (unsigned long long)s->runtime, (unsigned long long)s->deadline,
			 (unsigned long long)s->period);
	buf_addf(out, " --pid %u $PID", s->priority);
	if (s->nice)
		buf_addf(out, "; renice -n %d -p $PID", s->nice);
}

const struct op op_sched_setattr = {
	.name = "sched_setattr",
	.man = "sched_setattr(2)",
	.act = act_sched_setattr,
	.show = show_sched_setattr,
	.by_hand = by_hand_sched_setattr,
};

static int act_ioprio_set(struct run *run, const void *args, struct err *e)
{
	const struct op_ioprio_set_args *a = args;

	(void)e;
	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, run_slot(run, SLOT_GUEST_PID),
		    IOPRIO_PRIO_VALUE(a->io_class, a->priority)) < 0)
		return -errno;
	return 0;
}

static void show_ioprio_set(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_ioprio_set_args *a = args;
	static const char *const names[] = { "NONE", "RT", "BE", "IDLE" };

	buf_add(out, "ioprio_set(IOPRIO_WHO_PROCESS, ");
	plan_show_slot(out, p, SLOT_GUEST_PID);
	buf_addf(out, ", IOPRIO_CLASS_%s:%d)", names[a->io_class & 3], a->priority);
}

static void by_hand_ioprio_set(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_ioprio_set_args *a = args;

	(void)p;
	buf_addf(out, "ionice -c %d -n %d -p $PID", a->io_class, a->priority);
}

const struct op op_ioprio_set = {
	.name = "ioprio_set",
	.man = "ioprio_set(2)",
	.act = act_ioprio_set,
	.show = show_ioprio_set,
	.by_hand = by_hand_ioprio_set,
};

static int act_sched_setaffinity(struct run *run, const void *args, struct err *e)
{
	const struct op_sched_setaffinity_args *a = args;
	int pid = a->slot < 0 ? 0 : run_slot(run, a->slot), error;

	/* Raw: glibc's cpu_set_t ends at 1024 processors. */
	if (syscall(SYS_sched_setaffinity, pid, a->cpus.bytes, a->cpus.mask) == 0)
		return 0;
	error = errno;
	err_set(e, error, "cannot run on CPUs %.64s", a->cpus.text);
	if (error == EINVAL)
		err_fix(e, "name at least one that is there%s",
			a->slot < 0 ? "" : " and in the container's cpuset");
	return -error;
}

static void show_sched_setaffinity(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_sched_setaffinity_args *a = args;

	buf_add(out, "sched_setaffinity(");
	if (a->slot < 0)
		buf_add(out, "0");
	else
		plan_show_slot(out, p, a->slot);
	buf_addf(out, ", %zu, {%s})", a->cpus.bytes, a->cpus.text);
}

static void by_hand_sched_setaffinity(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_sched_setaffinity_args *a = args;

	(void)p;
	buf_addf(out, "taskset -p -c %s %s", a->cpus.text, a->slot < 0 ? "$$" : "$PID");
}

const struct op op_sched_setaffinity = {
	.name = "sched_setaffinity",
	.man = "sched_setaffinity(2)",
	.act = act_sched_setaffinity,
	.show = show_sched_setaffinity,
	.by_hand = by_hand_sched_setaffinity,
};

/* --- groups and ids: raw syscalls, since glibc's wrappers signal all threads - */

static int act_setgroups(struct run *run, const void *args, struct err *e)
{
	const struct op_setgroups_args *a = args;
	int error;

	(void)run;
	if (syscall(SYS_setgroups, a->count, a->gids) == 0)
		return 0;
	error = errno;
	if (a->count == 0)
		return -error; /* an on-errno entry may take it */
	err_set(e, error, "setgroups");
	if (error == EINVAL)
		err_fix(e, "a group has no mapping: extend /linux/gidMappings or drop it from "
			   "additionalGids");
	else if (error == EPERM)
		err_fix(e, "a user namespace made without privileges denies setgroups: drop "
			   "additionalGids, or run as root");
	return -error;
}

static void show_setgroups(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_setgroups_args *a = args;

	(void)p;
	buf_addf(out, "setgroups(%zu, [", a->count);
	for (size_t i = 0; i < a->count; i++)
		buf_addf(out, "%s%u", i ? ", " : "", a->gids[i]);
	buf_add(out, "])");
}

static void by_hand_setgroups(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_setgroups_args *a = args;

	(void)p;
	if (a->count == 0) {
		buf_add(out, "setpriv --clear-groups ...");
		return;
	}
	buf_add(out, "setpriv --groups ");
	for (size_t i = 0; i < a->count; i++)
		buf_addf(out, "%s%u", i ? "," : "", a->gids[i]);
	buf_add(out, " ...");
}

const struct op op_setgroups = {
	.name = "setgroups",
	.man = "setgroups(2)",
	.act = act_setgroups,
	.show = show_setgroups,
	.by_hand = by_hand_setgroups,
};

