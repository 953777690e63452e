/*
 * job_profile.c - what a profile sets where the caller said nothing.
 *
 * Of a limit that was not said the profile's counts; "max" and "0" say that there is none.
 */
#include "supervisor/job.h"

#include <sys/resource.h>

#include "runtime/profile_job.h"

const char *job_profile_name(enum job_profile profile)
{
	static const char *const names[] = { "job", "compute", "dev", "docker" };

	return names[profile];
}

/* clang-format off */
static const char *const no_caps[] = { NULL };
static const char *const docker_caps[] = {
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW",
	"CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE",
	"CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE", NULL,
};

static const struct job_walls walls[JOB_PROFILES] = {
	[JOB_PROFILE_JOB] = { .caps = no_caps, .limited = true, .seccomp = profile_job_json },
	[JOB_PROFILE_COMPUTE] = { .caps = no_caps, .limited = true, .hidden = true,
				  .seccomp = profile_compute_json },
	[JOB_PROFILE_DEV] = { .caps = no_caps, .open = true, .seccomp = profile_job_json },
	[JOB_PROFILE_DOCKER] = { .caps = docker_caps, .new_privs = true, .sysfs = true,
				 .open = true, .seccomp = profile_docker_json },
};
/* clang-format on */

const struct job_walls *job_walls(const struct job *job)
{
	return &walls[job->profile];
}

struct defaults { /* 0: none */
	uint64_t memory, pids, cpu_quota, output, file_size, open_files, workspace;
	int64_t cpu_ms, wall_ms;
};

/* clang-format off */
static const struct defaults closed = {
	.memory = 256u << 20, .pids = 64, .cpu_quota = 100000, .output = 1u << 20,
	.file_size = 64u << 20, .open_files = JOB_OPEN_FILES, .cpu_ms = 30000, .wall_ms = 60000,
};
static const struct defaults open_world = { .open_files = 1024 };
/* clang-format on */

static void settle(uint64_t *value, uint64_t otherwise)
{
	if (*value == JOB_NO_LIMIT)
		*value = 0;
	else if (!*value)
		*value = otherwise;
}

static void settle_time(int64_t *value, int64_t otherwise)
{
	if (*value == JOB_NO_TIME)
		*value = 0;
	else if (!*value)
		*value = otherwise;
}

static void settle_network(struct job *job)
{
	if (job->network_given)
		return;
	job->bridge = true;
	job->net = "bridge";
}

/* "max" of what has to have a number: as many as kist itself may have. */
static uint64_t most_open_files(void)
{
	struct rlimit l;

	return getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_max > JOB_OPEN_FILES_MAX
		       ? JOB_OPEN_FILES_MAX
		       : l.rlim_max;
}

void job_profile_apply(struct job *job)
{
	const struct job_walls *w = job_walls(job);
	struct defaults d = w->limited ? closed : open_world;

	if (job->profile == JOB_PROFILE_COMPUTE || job->workspace_from)
		d.workspace = JOB_WORKSPACE_BYTES;
	if (job->profile == JOB_PROFILE_DOCKER)
		d.open_files = most_open_files();
	if (w->open) {
		if (!job->writable)
			job->writable = "1g";
		settle_network(job);
	}
	if (!job->init_said)
		job->init = job->profile != JOB_PROFILE_DOCKER;
	if (job->open_files == JOB_NO_LIMIT)
		job->open_files = most_open_files();
	settle(&job->memory, d.memory);
	settle(&job->pids, d.pids);
	settle(&job->cpu_quota, d.cpu_quota);
	settle(&job->output, d.output);
	settle(&job->file_size, d.file_size);
	settle(&job->open_files, d.open_files);
	settle(&job->workspace, d.workspace);
	settle_time(&job->cpu_ms, d.cpu_ms);
	settle_time(&job->wall_ms, d.wall_ms);
	settle_time(&job->grace_ms, 0);
	settle_time(&job->setup_ms, JOB_SETUP_MS);
}
