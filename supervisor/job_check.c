/*
 * job_check.c - what can't be meant, and what this host can't enforce: refused before anything is
 * made.
 */
#include "supervisor/job.h"

#include <errno.h>

#define STATUS_FAILED 125

static int refuse_limit(struct job *job, const struct host *h, enum job_limit limit,
			const char *option, const char *controller, struct err *e)
{
	if (job->waived & limit) {
		job->degraded |= limit;
		return 0;
	}
	if (!h->root && !h->cgroup_writable) {
		err_say(e, ENOTSUP,
			"%s can't be enforced: it needs a cgroup, and uid %u may make none here",
			option, (unsigned)h->uid);
		err_fix(e,
			"start kist in a cgroup that is the caller's (systemd-run --user --scope "
			"-p "
			"Delegate=yes kist ...), or waive it: --allow-degraded=%s",
			controller);
	} else {
		err_say(e, ENOTSUP,
			"%s can't be enforced: this host has no cgroup v2 controller "
			"\"%s\"%s",
			option, controller,
			h->cgroup_hybrid ? " (a cgroup v1 hierarchy holds it)" : "");
		err_fix(e,
			"boot with cgroup v2 only (systemd.unified_cgroup_hierarchy=1), or waive "
			"it: "
			"--allow-degraded=%s",
			controller);
	}
	e->exit_code = STATUS_FAILED;
	return -ENOTSUP;
}

/* What can't be meant. */
static int check_sense(const struct job *job, struct err *e)
{
	if (job->collect_count && !job->workspace && !job->writable) {
		err_say(e, EINVAL, "collect: the job has nowhere to write");
		err_fix(e, "give it --workspace SIZE, or --writable SIZE");
	} else if (job->collect_count && !job->collect_to) {
		err_say(e, EINVAL, "collect: where to?");
		err_fix(e, "add --collect-to DIR");
	} else if (job->collect_to && !job->collect_count) {
		err_say(e, EINVAL, "collect-to: nothing is to be collected");
		err_fix(e, "add --collect PATTERN");
	} else if (job->workspace_inodes && !job->workspace) {
		err_say(e, EINVAL, "workspace-inodes: there is no workspace");
		err_fix(e, "add --workspace SIZE");
	} else {
		return 0;
	}
	e->exit_code = STATUS_FAILED;
	return -EINVAL;
}

int job_check(struct job *job, const struct host *h, struct err *e)
{
	int r = check_sense(job, e);
	/* Whose cgroup is not the caller's has no controller either. */
	uint32_t controllers = h->root || h->cgroup_writable ? h->controllers : 0;

	if (r == 0 && job->memory && !(controllers & HOST_MEMORY)) {
		r = refuse_limit(job, h, JOB_MEMORY, "--memory", "memory", e);
		job->memory = 0;
	}
	if (r == 0 && job->pids && !(controllers & HOST_PIDS)) {
		r = refuse_limit(job, h, JOB_PIDS, "--pids", "pids", e);
		job->pids = 0;
	}
	if (r == 0 && job->cpu_quota && !(controllers & HOST_CPU)) {
		r = refuse_limit(job, h, JOB_CPU, "--cpus", "cpu", e);
		job->cpu_quota = 0;
	}
	if (r == 0 && job->cpus && !(controllers & HOST_CPUSET)) {
		err_say(e, ENOTSUP,
			"processors of its own can't be had: there is no cgroup v2 controller "
			"\"cpuset\" here%s",
			h->cgroup_hybrid ? " (a cgroup v1 hierarchy holds it)" : "");
		err_fix(e, "boot with cgroup v2 only (systemd.unified_cgroup_hierarchy=1), or "
			   "leave out --pin and --cpuset");
		e->exit_code = STATUS_FAILED;
		r = -ENOTSUP;
	}
	/* A root that is all writable has no second wall. */
	job->landlock = job->profile != JOB_PROFILE_DEV && !job->writable;
	if (r == 0 && job->landlock && !h->landlock_abi) {
		job->landlock = false;
		if (job->waived & JOB_LANDLOCK) {
			job->degraded |= JOB_LANDLOCK;
		} else {
			err_say(e, ENOTSUP,
				"the profile %s can't be enforced: this kernel has no Landlock, or "
				"it is off",
				job_profile_name(job->profile));
			err_fix(e, "boot with landlock in lsm=, or waive it: "
				   "--allow-degraded=landlock");
			e->exit_code = STATUS_FAILED;
			r = -ENOTSUP;
		}
	}
	/* Each cgroup counts that, but there must be one. */
	if (r == 0 && job->cpu_ms && !h->root && !h->cgroup_writable) {
		r = refuse_limit(job, h, JOB_CPU_TIME, "--cpu-time", "cpu-time", e);
		job->cpu_ms = 0;
	}
	return r;
}
