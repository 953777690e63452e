/*
 * job_run.c - runs a job to its end, in the foreground, or hands it over to a monitor.
 */
#include <errno.h>

#include "supervisor/job_detach.h"
#include "supervisor/job_task.h"

/* To a monitor; returns only when that can't be. */
static int leave(const struct job_task *t, struct err *e)
{
	const struct job *job = t->job;
	int root = t->compiled.slot_root, mounts = t->compiled.slot_mounts,
	    netns = t->compiled.slot_netns;
	const struct job_kept kept = { .dir = job->detach->dir,
				       .root = root < 0 ? -1 : run_slot(&t->run, root),
				       .mounts = mounts < 0 ? -1 : run_slot(&t->run, mounts),
				       .cgroup = run_slot(&t->run, t->compiled.slot_cgroup),
				       .netns = netns < 0 ? -1 : run_slot(&t->run, netns),
				       .collect = job->collect_count ? t->collect_to : -1,
				       .pin = t->image ? t->image->pin : -1,
				       .user = t->image ? t->image->user.fd : -1 };
	const int output[2] = { t->stdio.stream[1]->from,
				t->stdio.stream[2] ? t->stdio.stream[2]->from : -1 };

	attach_restore_signals();
	return job_become_monitor(job, run_slot(&t->run, SLOT_GUEST_PIDFD), output, &kept,
				  &t->result, e);
}

static int run_task(struct job_task *t, struct err *e)
{
	int n = job_task_start(t, e);

	if (n < 0)
		return n;
	n = t->job->detach ? leave(t, e) : job_watch(&t->watch, e);
	if (n == 0)
		return job_task_finish(t, e);
	job_task_drop(t);
	return n;
}

void job_run(struct job *job, const char *store, int root, const char *root_path,
	     const struct runtime_hooks_in *in, struct arena *a, struct job_result *ret,
	     struct err *e)
{
	struct job_task *t = arena_alloc(a, sizeof *t);
	struct job_host on = { 0 };
	int n;

	job_result_begin(ret);
	attach_block_signals();
	n = t ? job_host_open(&on, store, root, root_path, in, a, e)
	      : err_set(e, ENOMEM, "the job");
	if (n == 0)
		n = job_task_open(t, &on, job, a, e);
	if (n == 0)
		n = run_task(t, e);
	if (t && t->job)
		*ret = t->result;
	if (n < 0)
		job_result_fail(ret, e);
	job_host_close(&on);
	attach_restore_signals();
}
