/*
 * job_check.c - what a job may not ask for, and what this host can't enforce of it.
 */
#include <errno.h>

#include "base/buf.h"
#include "runtime/landlock.h"
#include "supervisor/job.h"

#define STATUS_FAILED 125

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
	} else if (job->workspace_from && !job->workspace) {
		err_say(e, EINVAL, "workspace-from: there is no workspace");
		err_fix(e, "leave --workspace 0 out");
	} else if (job->workspace_inodes && !job->workspace) {
		err_say(e, EINVAL, "workspace-inodes: there is no workspace");
		err_fix(e, "add --workspace SIZE");
	} else {
		return 0;
	}
	e->exit_code = STATUS_FAILED;
	return -EINVAL;
}

/* Limits that need a controller of cgroup v2. */
static const struct {
	enum job_limit limit;
	uint32_t controller; /* 0: any cgroup will do */
	const char *option, *name;
	size_t offset;
} limits[] = {
	{ JOB_MEMORY, HOST_MEMORY, "--memory", "memory", offsetof(struct job, memory) },
	{ JOB_PIDS, HOST_PIDS, "--pids", "pids", offsetof(struct job, pids) },
	{ JOB_CPU, HOST_CPU, "--cpus", "cpu", offsetof(struct job, cpu_quota) },
	{ JOB_CPU_TIME, 0, "--cpu-time", "cpu-time", offsetof(struct job, cpu_ms) },
};
#define LIMITS (sizeof limits / sizeof *limits)

/* All of them in one line: who has to waive them wants to read it once. */
static int refuse_limits(uint32_t missing, const struct host *h, struct err *e)
{
	char options[64] = "", names[64] = "", words[64] = "";
	struct buf o = BUF_ON(options), n = BUF_ON(names), w = BUF_ON(words);

	for (size_t i = 0; i < LIMITS; i++) {
		if (!(missing & limits[i].limit))
			continue;
		buf_addf(&o, "%s%s", o.len ? ", " : "", limits[i].option);
		buf_addf(&n, "%s\"%s\"", n.len ? ", " : "", limits[i].name);
		buf_addf(&w, "%s%s", w.len ? "," : "", limits[i].name);
	}
	if (!h->root && !h->cgroup_writable) {
		err_say(e, ENOTSUP,
			"%s can't be enforced: it needs a cgroup, and uid %u may make none here",
			options, (unsigned)h->uid);
		err_fix(e,
			"start kist in a cgroup that is the caller's (systemd-run --user --scope "
			"-p "
			"Delegate=yes kist ...), or waive it: --allow-degraded=%s",
			words);
	} else {
		err_say(e, ENOTSUP,
			"%s can't be enforced: this host has no cgroup v2 controller %s%s", options,
			names, h->cgroup_hybrid ? " (a cgroup v1 hierarchy holds it)" : "");
		err_fix(e,
			"boot with cgroup v2 only (systemd.unified_cgroup_hierarchy=1), or waive "
			"it: "
			"--allow-degraded=%s",
			words);
	}
	e->exit_code = STATUS_FAILED;
	return -ENOTSUP;
}

static int check_limits(struct job *job, const struct host *h, struct err *e)
{
	/* Whose cgroup is not the caller's has no controller either. */
	bool any = h->root || h->cgroup_writable;
	uint32_t missing = 0;

	for (size_t i = 0; i < LIMITS; i++) {
		uint64_t *value = (uint64_t *)((char *)job + limits[i].offset);

		if (!*value ||
		    (any && (h->controllers & limits[i].controller) == limits[i].controller))
			continue;
		if (job->waived & limits[i].limit)
			job->degraded |= limits[i].limit;
		else
			missing |= limits[i].limit;
		*value = 0;
	}
	return missing ? refuse_limits(missing, h, e) : 0;
}

static int check_landlock(struct job *job, const struct host *h, struct err *e)
{
	/* A root that is all writable has no second wall. */
	job->landlock = !job_walls(job)->open && !job->writable;
	/* They belong to a network namespace, and need no rights of a file. */
	job->scoped = job->host_net && h->landlock_abi >= LANDLOCK_ABI_SCOPE;
	if (!job->landlock || h->landlock_abi)
		return 0;
	job->landlock = false;
	if (job->waived & JOB_LANDLOCK) {
		job->degraded |= JOB_LANDLOCK;
		return 0;
	}
	err_say(e, ENOTSUP,
		"the profile %s can't be enforced: this kernel has no Landlock, or it is off",
		job_profile_name(job->profile));
	err_fix(e, "boot with landlock in lsm=, or waive it: --allow-degraded=landlock");
	e->exit_code = STATUS_FAILED;
	return -ENOTSUP;
}

static int check_rights(const struct job *job, const struct host *h, struct err *e)
{
	if (!job->workspace_from || h->root)
		return 0;
	err_say(e, EPERM, "workspace-from: needs root of the host, whose mounts can map ids");
	err_fix(e, "copy the folder in the job: --input %.200s:/in --workspace SIZE", job->workspace_from);
	e->exit_code = STATUS_FAILED;
	return -EPERM;
}

/* Unlike a limit it is never waived: what was measured without it would not be what it says. */
static int check_cpus(const struct job *job, const struct host *h, struct err *e)
{
	if (!job->cpus || ((h->root || h->cgroup_writable) && (h->controllers & HOST_CPUSET)))
		return 0;
	err_say(e, ENOTSUP,
		"processors of its own can't be had: there is no cgroup v2 controller \"cpuset\" here%s",
		h->cgroup_hybrid ? " (a cgroup v1 hierarchy holds it)" : "");
	err_fix(e, "boot with cgroup v2 only (systemd.unified_cgroup_hierarchy=1), or leave out "
		   "--cpuset-cpus, --pin and --cpuset");
	e->exit_code = STATUS_FAILED;
	return -ENOTSUP;
}

int job_check(struct job *job, const struct host *h, struct err *e)
{
	int r = check_sense(job, e);

	if (r == 0)
		r = check_rights(job, h, e);
	if (r == 0)
		r = check_cpus(job, h, e);
	if (r == 0)
		r = check_limits(job, h, e);
	return r < 0 ? r : check_landlock(job, h, e);
}
