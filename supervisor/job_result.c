/*
 * job_result.c - what became of a job, as JSON.
 */
#include "supervisor/job.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/utc.h"
#include "ns/builders.h"

static const char *const reasons[] = { "exit", "signal", "oom", "wall", "cpu", "output",
				       "disk", "pids", "cancelled", "sandbox-error" };

const char *job_reason_text(enum job_reason reason)
{
	return reasons[reason];
}

int job_reason_find(const char *text)
{
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (strcmp(text, reasons[i]) == 0)
			return (int)i;
	return -EINVAL;
}

static json_t *time_text(int64_t ns)
{
	time_t seconds = (time_t)(ns / 1000000000);
	char stamp[UTC_TEXT_MAX];

	utc_format(seconds, stamp);
	return json_sprintf("%s.%06dZ", stamp, (int)(ns % 1000000000 / 1000));
}

static json_t *stat_value(const struct cgroup_stats *s, enum cgroup_stat_bit bit)
{
	return cgroup_stat_has(s, bit) && s->value[bit] <= INT64_MAX
		? json_integer((json_int_t)s->value[bit]) : json_null();
}

/* kist's init is not the job's. */
static json_t *pids_peak(const struct job *job, const struct cgroup_stats *s)
{
	json_t *v = stat_value(s, CGROUP_STAT_PIDS_PEAK);

	if (job->init && json_integer_value(v) > 0)
		json_integer_set(v, json_integer_value(v) - 1);
	return v;
}

/* enforced: it was there. waived: the host can't, and the caller allowed that by name.
 * absent: nobody asked for it. */
static const char *limit_control(const struct job *job, uint32_t bit, bool asked)
{
	if (job->degraded & bit)
		return "waived";
	return asked ? "enforced" : "absent";
}

static json_t *controls(const struct job *job)
{
	static const char *const always[] = { "user_namespace", "pid_namespace", "mount_namespace",
					      "network_namespace", "ipc_namespace", "uts_namespace",
					      "cgroup_namespace", "time_namespace", "seccomp", "devices" };
	const struct job_walls *w = job_walls(job);
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof always / sizeof *always; i++)
		json_object_set_new(o, always[i], json_string("enforced"));
	/* A kernel or a sandbox that has none for kist has none for the job, and no wall is there. */
	json_object_set_new(o, "keyring", json_string(ns_has_keyrings() ? "enforced" : "absent"));
	/* Its filter keeps the limit where no core is given to a program of the host's: docker's doesn't. */
	json_object_set_new(o, "no_core_dumps",
			    json_string(job->profile == JOB_PROFILE_DOCKER ? "absent" : "enforced"));
	json_object_set_new(o, "capabilities", json_string(w->caps[0] ? "absent" : "enforced"));
	json_object_set_new(o, "no_new_privs", json_string(w->new_privs ? "absent" : "enforced"));
	if (job->shares || job->host_net)
		json_object_set_new(o, "network_namespace", json_string("absent"));
	json_object_set_new(o, "read_only_root", json_string(job->writable ? "absent" : "enforced"));
	json_object_set_new(o, "landlock",
			    json_string(limit_control(job, JOB_LANDLOCK, job->landlock)));
	json_object_set_new(o, "abstract_sockets", json_string(!job->host_net || job->scoped
							       ? "enforced" : "absent"));
	json_object_set_new(o, "hidden_processes", json_string(w->hidden ? "enforced" : "absent"));
	json_object_set_new(o, "no_sockets", json_string(w->hidden ? "enforced" : "absent"));
	json_object_set_new(o, "memory", json_string(limit_control(job, JOB_MEMORY, job->memory)));
	json_object_set_new(o, "pids", json_string(limit_control(job, JOB_PIDS, job->pids)));
	json_object_set_new(o, "cpu", json_string(limit_control(job, JOB_CPU, job->cpu_quota)));
	json_object_set_new(o, "wall", json_string(job->wall_ms ? "enforced" : "absent"));
	json_object_set_new(o, "cpu_time", json_string(limit_control(job, JOB_CPU_TIME, job->cpu_ms)));
	json_object_set_new(o, "workspace", json_string(job->workspace ? "enforced" : "absent"));
	json_object_set_new(o, "output", json_string(job->output ? "enforced" : "absent"));
	json_object_set_new(o, "file_size", json_string(job->file_size ? "enforced" : "absent"));
	json_object_set_new(o, "open_files", json_string("enforced"));
	return o;
}

static json_t *limits(const struct job *job)
{
	json_t *o = json_object();

	if (job->memory)
		json_object_set_new(o, "memory", json_integer((json_int_t)job->memory));
	if (job->pids)
		json_object_set_new(o, "pids", json_integer((json_int_t)job->pids));
	if (job->cpu_quota)
		json_object_set_new(o, "cpu_quota_us_per_100ms",
				    json_integer((json_int_t)job->cpu_quota));
	if (job->wall_ms)
		json_object_set_new(o, "wall_ms", json_integer(job->wall_ms));
	if (job->cpu_ms)
		json_object_set_new(o, "cpu_time_ms", json_integer(job->cpu_ms));
	if (job->grace_ms)
		json_object_set_new(o, "grace_ms", json_integer(job->grace_ms));
	if (job->output)
		json_object_set_new(o, "output", json_integer((json_int_t)job->output));
	if (job->file_size)
		json_object_set_new(o, "file_size", json_integer((json_int_t)job->file_size));
	if (job->workspace) {
		json_object_set_new(o, "workspace", json_integer((json_int_t)job->workspace));
		json_object_set_new(o, "workspace_inodes", json_integer((json_int_t)(
				    job->workspace_inodes ? job->workspace_inodes
							  : JOB_WORKSPACE_INODES)));
	}
	if (job->collect_count && job->collect_bytes != JOB_NO_LIMIT)
		json_object_set_new(o, "collect", json_integer((json_int_t)(job->collect_bytes
				    ? job->collect_bytes : JOB_COLLECT_BYTES)));
	if (job->stack)
		json_object_set_new(o, "stack", json_integer((json_int_t)job->stack));
	if (job->cpus)
		json_object_set_new(o, "cpuset_cpus", json_string(job->cpus));
	json_object_set_new(o, "open_files", json_integer((json_int_t)job->open_files));
	return o;
}

/* Null: it did not go through kist, which knows nothing of it. */
static json_t *output_json(const struct job_output *o)
{
	if (!o->counted)
		return json_null();
	return json_pack("{s:I, s:I, s:b}", "bytes", (json_int_t)o->bytes, "kept",
			 (json_int_t)o->kept, "truncated", o->bytes > o->kept);
}

/* Microseconds in which some, or all, of its processes waited for it. */
static json_t *pressure_json(const struct cgroup_stats *s)
{
	return json_pack("{s:{s:o, s:o}, s:{s:o, s:o}, s:{s:o, s:o}}", "cpu", "some_us",
			 stat_value(s, CGROUP_STAT_PSI_CPU_SOME), "full_us",
			 stat_value(s, CGROUP_STAT_PSI_CPU_FULL), "memory", "some_us",
			 stat_value(s, CGROUP_STAT_PSI_MEMORY_SOME), "full_us",
			 stat_value(s, CGROUP_STAT_PSI_MEMORY_FULL), "io", "some_us",
			 stat_value(s, CGROUP_STAT_PSI_IO_SOME), "full_us",
			 stat_value(s, CGROUP_STAT_PSI_IO_FULL));
}

json_t *job_result_json(const struct job *job, const struct job_result *r)
{
	json_t *o = json_pack("{s:i, s:s, s:s, s:i}", "version", 1, "id", job->id, "reason",
			      reasons[r->reason], "status", r->status);
	char address[24];

	json_object_set_new(o, "profile", json_string(job_profile_name(job->profile)));
	json_object_set_new(o, "exit_code", r->exit_code >= 0 ? json_integer(r->exit_code)
							      : json_null());
	json_object_set_new(o, "signal", r->signal ? json_integer(r->signal) : json_null());
	json_object_set_new(o, "started", time_text(r->started_ns));
	json_object_set_new(o, "wall_us", json_integer(r->wall_us));
	json_object_set_new(o, "cpu_us", stat_value(&r->stats, CGROUP_STAT_CPU_USAGE));
	json_object_set_new(o, "cpu_user_us", stat_value(&r->stats, CGROUP_STAT_CPU_USER));
	json_object_set_new(o, "cpu_system_us", stat_value(&r->stats, CGROUP_STAT_CPU_SYSTEM));
	json_object_set_new(o, "memory_peak", stat_value(&r->stats, CGROUP_STAT_MEMORY_PEAK));
	json_object_set_new(o, "oom_kills", stat_value(&r->stats, CGROUP_STAT_MEMORY_OOM_KILL));
	json_object_set_new(o, "pids_refused", stat_value(&r->stats, CGROUP_STAT_PIDS_EVENTS_MAX));
	json_object_set_new(o, "throttled_us",
			    stat_value(&r->stats, CGROUP_STAT_CPU_THROTTLED));
	json_object_set_new(o, "throttled_periods",
			    stat_value(&r->stats, CGROUP_STAT_CPU_NR_THROTTLED));
	json_object_set_new(o, "pids_peak", pids_peak(job, &r->stats));
	json_object_set_new(o, "io_read_bytes", stat_value(&r->stats, CGROUP_STAT_IO_RBYTES));
	json_object_set_new(o, "io_written_bytes", stat_value(&r->stats, CGROUP_STAT_IO_WBYTES));
	json_object_set_new(o, "pressure", pressure_json(&r->stats));
	json_object_set_new(o, "stdout", output_json(&r->output[0]));
	json_object_set_new(o, "stderr", output_json(&r->output[1]));
	json_object_set_new(o, "workspace", job->workspace || job->writable
		? json_pack("{s:I, s:I, s:b}", "bytes", (json_int_t)r->workspace_bytes, "inodes",
			    (json_int_t)r->workspace_inodes, "full", r->disk_full)
		: json_null());
	json_object_set_new(o, "log_lost",
			    r->logged ? json_integer((json_int_t)r->log_lost) : json_null());
	json_object_set_new(o, "collected", job->collect_count
		? json_pack("{s:I, s:I, s:I, s:b}", "files", (json_int_t)r->collected.files, "bytes",
			    (json_int_t)r->collected.bytes, "skipped",
			    (json_int_t)r->collected.skipped, "truncated", r->collected.truncated)
		: json_null());
	json_object_set_new(o, job->is_folder ? "folder" : "image", json_string(job->source));
	json_object_set_new(o, "image_digest", r->image_digest ? json_string(r->image_digest)
							       : json_null());
	snprintf(address, sizeof address, "%u.%u.%u.%u", r->address >> 24, r->address >> 16 & 255,
		 r->address >> 8 & 255, r->address & 255);
	json_object_set_new(o, "network", json_string(job->net ? job->net : "none"));
	json_object_set_new(o, "address", r->address ? json_string(address) : json_null());
	json_object_set_new(o, "traffic", r->owner[0] ? job_traffic_json(r) : json_null());
	json_object_set_new(o, "limits", limits(job));
	json_object_set_new(o, "controls", controls(job));
	if (r->error[0])
		json_object_set_new(o, "error", json_string(r->error));
	return o;
}
