/*
 * job_conclude.c - why a job ended, told from what the kernel counted and what the job left.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>

#include "base/fd.h"
#include "base/path.h"
#include "supervisor/job_collect.h"
#include "supervisor/job_task.h"

#define EMPTY_WAIT_MS 10000
#define STATUS_LIMIT  124
#define STATUS_FAILED 125

void job_result_begin(struct job_result *ret)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	*ret = (struct job_result){ .exit_code = -1,
				    .started_ns = t.tv_sec * 1000000000LL + t.tv_nsec };
}

void job_result_fail(struct job_result *ret, const struct err *e)
{
	ret->reason = JOB_SANDBOX_ERROR;
	ret->status = e->exit_code ? e->exit_code : STATUS_FAILED;
	ret->wall_us = 0;
	err_format(e, ret->error, sizeof ret->error);
}

/* Kills all that is left, so that the figures are final, and reads them. */
void job_result_read(int cgroup, struct job_result *ret)
{
	struct err ignored = ERR_INIT;

	if (cgroup < 0)
		return;
	cgroup_kill(cgroup, &ignored);
	cgroup_wait_empty(cgroup, EMPTY_WAIT_MS, &ignored);
	cgroup_stats_read(cgroup, &ret->stats, &ignored);
}

static bool was_cut(const struct job_result *ret)
{
	return ret->output[0].bytes > ret->output[0].kept ||
	       ret->output[1].bytes > ret->output[1].kept;
}

/* Its own end, told apart by what the kernel counted. */
static enum job_reason own_reason(const struct job *job, const struct job_end *end,
				  const struct job_result *ret)
{
	uint64_t used_us = cgroup_stat_get(&ret->stats, CGROUP_STAT_CPU_USAGE);
	bool cpu_gone = job->cpu_ms && used_us >= (uint64_t)job->cpu_ms * 1000;

	if (job->output_kills && was_cut(ret))
		return JOB_OUTPUT;
	if (end->signal == SIGKILL && cgroup_stat_get(&ret->stats, CGROUP_STAT_MEMORY_OOM_KILL))
		return JOB_OOM;
	/* It can send itself either signal: what was used decides. */
	if (cpu_gone && (end->signal == SIGXCPU || end->signal == SIGKILL))
		return JOB_CPU_USED;
	if ((job->file_size && end->signal == SIGXFSZ) || (end->status != 0 && ret->disk_full))
		return JOB_DISK;
	if (end->status != 0 && cgroup_stat_get(&ret->stats, CGROUP_STAT_PIDS_EVENTS_MAX))
		return JOB_PIDS_REFUSED;
	return end->signal ? JOB_SIGNAL : JOB_EXIT;
}

void job_result_conclude(const struct job *job, const struct job_end *end, struct job_result *ret)
{
	ret->exit_code = end->exit_code;
	ret->signal = end->signal;
	ret->status = end->status;
	ret->reason = end->reason != JOB_EXIT ? end->reason : own_reason(job, end, ret);
	switch (ret->reason) {
	case JOB_WALL:
	case JOB_CPU_USED:
	case JOB_OUTPUT:
	case JOB_DISK:
		ret->status = STATUS_LIMIT;
		break;
	case JOB_CANCELLED:
		ret->status = 128 + end->cancel_signal;
		break;
	default:
		break;
	}
}

/* Is nothing left of what it had? Sizes that are the host's own business say nothing. */
static void look_at_disk(int root, const char *path, bool ours, struct job_result *ret)
{
	_cleanup_fd_ int fd = path_open_in_root(root, path, O_PATH | O_DIRECTORY, 0);
	struct statfs st;

	if (fd < 0 || fstatfs(fd, &st) < 0 || !st.f_blocks)
		return;
	ret->disk_full |= !st.f_bavail || (st.f_files && !st.f_ffree);
	if (!ours)
		return;
	ret->workspace_bytes = (uint64_t)(st.f_blocks - st.f_bfree) * (uint64_t)st.f_bsize;
	ret->workspace_inodes = st.f_files - st.f_ffree;
}

/* What it left, looked at from outside: everything in it is dead. */
int job_result_look_back(const struct job *job, int root, int collect_to, struct job_result *ret,
			 struct err *e)
{
	_cleanup_fd_ int from = -EBADF;

	if (root < 0)
		return 0;
	look_at_disk(root, "/tmp", false, ret);
	look_at_disk(root, "/dev/shm", false, ret);
	if (job->workspace)
		look_at_disk(root, JOB_WORKSPACE, true, ret);
	if (job->writable)
		look_at_disk(root, "/", !job->workspace, ret);
	if (!job->collect_count)
		return 0;
	from = path_open_in_root(root, job->workspace ? JOB_WORKSPACE : "/", O_PATH | O_DIRECTORY,
				 0);
	if (from < 0)
		return err_set(e, -from, "collect: the job's folder");
	return job_collect(from, collect_to, job, &ret->collected, e);
}
