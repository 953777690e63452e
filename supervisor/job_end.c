/*
 * job_end.c - a detached job after its monitor: the result of what that saw.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "supervisor/job_detach.h"
#include "supervisor/job_task.h"

static const struct {
	const char *text;
	enum job_reason reason;
} monitor_reasons[] = { { "exit", JOB_EXIT },
			{ "wall", JOB_WALL },
			{ "cpu", JOB_CPU_USED },
			{ "output", JOB_OUTPUT },
			{ "cancelled", JOB_CANCELLED } };

static void read_output(const json_t *o, uint64_t limit, struct job_output *ret)
{
	ret->counted = true;
	ret->bytes = (uint64_t)json_integer_value(json_object_get(o, "bytes"));
	ret->kept = limit && ret->bytes > limit ? limit : ret->bytes;
}

/* What the monitor saw. */
static int read_end(const struct job *job, int dir, struct job_end *end, struct arena *a,
		    struct job_result *ret, struct err *e)
{
	_cleanup_json_ json_t *begun = NULL, *o = NULL;
	const char *reason, *digest, *owner;
	int r = json_read_file(dir, JOB_BEGUN, &begun, e);

	if (r == 0)
		r = json_read_file(dir, JOB_ENDED, &o, e);
	if (r < 0)
		return err_wrap(e, "the monitor's record");
	reason = json_string_value(json_object_get(o, "reason"));
	for (size_t i = 0; reason && i < sizeof monitor_reasons / sizeof monitor_reasons[0]; i++)
		if (strcmp(reason, monitor_reasons[i].text) == 0)
			end->reason = monitor_reasons[i].reason;
	end->exit_code = (int)json_integer_value(json_object_get(o, "code"));
	end->signal = (int)json_integer_value(json_object_get(o, "signal"));
	end->cancel_signal = (int)json_integer_value(json_object_get(o, "cancelledBy"));
	end->status = end->signal ? 128 + end->signal : end->exit_code;
	ret->wall_us = json_integer_value(json_object_get(o, "wallUsec"));
	read_output(json_object_get(o, "stdout"), job->output, &ret->output[0]);
	read_output(json_object_get(o, "stderr"), job->output, &ret->output[1]);
	ret->logged = true;
	ret->log_lost = (uint64_t)json_integer_value(json_object_get(o, "dropped"));
	ret->started_ns = json_integer_value(json_object_get(begun, "startedNs"));
	ret->address = (uint32_t)json_integer_value(json_object_get(begun, "address"));
	owner = json_string_value(json_object_get(begun, "owner"));
	snprintf(ret->owner, sizeof ret->owner, "%s", owner ? owner : "");
	digest = json_string_value(json_object_get(begun, "digest"));
	ret->image_digest = digest ? arena_strdup(a, digest) : NULL;
	return 0;
}

static int end_job(struct job *job, const struct job_kept *kept, struct arena *a,
		   struct job_result *ret, struct err *e)
{
	struct job_end end = { .reason = JOB_EXIT, .exit_code = -1 };
	struct host host;
	int n = host_probe(&host, e);

	if (n == 0)
		n = job_check(job, &host, e);
	if (n == 0)
		n = read_end(job, kept->dir, &end, a, ret, e);
	if (n < 0)
		return n;
	job_result_read(kept->cgroup, ret);
	job_traffic_read(kept->netns, ret);
	n = job_result_look_back(job, kept->root, kept->collect, ret, e);
	if (n == 0)
		job_result_conclude(job, &end, ret);
	return n;
}

void job_end(struct job *job, int root, const struct job_kept *kept, struct arena *a,
	     struct job_result *ret, struct err *e)
{
	struct err failure = ERR_INIT;
	int n;

	*ret = (struct job_result){ .exit_code = -1 };
	n = end_job(job, kept, a, ret, e);
	/* Whatever became of it: nothing of it stays. Its tree is held by these. */
	if (kept->root >= 0)
		close(kept->root);
	if (kept->mounts >= 0)
		close(kept->mounts);
	if (kept->netns >= 0)
		close(kept->netns);
	if (runtime_delete(root, job->id, true, n < 0 ? &failure : e) < 0 && n == 0)
		n = -e->error;
	if (n < 0)
		job_result_fail(ret, e);
}
