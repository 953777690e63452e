/*
 * job_profile.c - what a profile sets where the caller said nothing.
 */
#include "supervisor/job.h"

const char *job_profile_name(enum job_profile profile)
{
	static const char *const names[] = { "job", "compute", "dev" };

	return names[profile];
}

static void set_unless(uint64_t *value, uint64_t otherwise)
{
	if (!*value)
		*value = otherwise;
}

static void set_time_unless(int64_t *value, int64_t otherwise)
{
	if (!*value)
		*value = otherwise;
}

void job_profile_apply(struct job *job)
{
	if (job->profile == JOB_PROFILE_DEV) {
		if (!job->writable)
			job->writable = "1g";
		if (!job->network_given) {
			job->bridge = true;
			job->net = "bridge";
		}
	}
	if (job->profile != JOB_PROFILE_COMPUTE)
		return;
	set_unless(&job->memory, 256u << 20);
	set_unless(&job->pids, 64);
	set_unless(&job->cpu_quota, 100000);
	set_unless(&job->output, 1u << 20);
	set_unless(&job->file_size, 64u << 20);
	set_unless(&job->open_files, 256);
	set_unless(&job->workspace, 64u << 20);
	set_time_unless(&job->cpu_ms, 30000);
	set_time_unless(&job->wall_ms, 60000);
}
