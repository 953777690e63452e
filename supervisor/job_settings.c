/*
 * job_settings.c - the single values of a job: one table for the options of `kist job run` and the
 * keys of a job file, so that neither can say what the other can't.
 */
#include "runtime/cpu_list.h"
#include "supervisor/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"

static void *target(struct job *job, const struct job_setting *s)
{
	return (char *)job + s->offset;
}

static bool says_none(const struct job_setting *s, const char *text)
{
	return ((s->none & JOB_NONE_MAX) && strcmp(text, "max") == 0) ||
	       ((s->none & JOB_NONE_ZERO) && strcmp(text, "0") == 0);
}

static int no_limit(struct job *job, const struct job_setting *s)
{
	*(uint64_t *)target(job, s) = JOB_NO_LIMIT;
	return 0;
}

static int set_size(struct job *job, const struct job_setting *s, const char *where,
		    const char *text, struct err *e)
{
	if (says_none(s, text))
		return no_limit(job, s);
	return job_parse_size(where, text, target(job, s), e);
}

static int set_duration(struct job *job, const struct job_setting *s, const char *where,
			const char *text, struct err *e)
{
	if (says_none(s, text)) {
		*(int64_t *)target(job, s) = JOB_NO_TIME;
		return 0;
	}
	return job_parse_duration(where, text, target(job, s), e);
}

static int set_cpus(struct job *job, const struct job_setting *s, const char *where,
		    const char *text, struct err *e)
{
	if (says_none(s, text))
		return no_limit(job, s);
	return job_parse_cpus(where, text, target(job, s), e);
}

static int set_number(struct job *job, const struct job_setting *s, const char *where,
		      const char *text, struct err *e)
{
	unsigned long long value;
	char *end;

	if (says_none(s, text))
		return no_limit(job, s);
	errno = 0;
	value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || value < 1 || value > s->max)
		return err_say(e, EINVAL, "%s: \"%.40s\" is not a number from 1 to %llu", where,
			       text, (unsigned long long)s->max);
	*(uint64_t *)target(job, s) = value;
	return 0;
}

static int set_choice(struct job *job, const struct job_setting *s, const char *where,
		      const char *text, struct err *e)
{
	bool second = strcmp(text, s->choices[1]) == 0;

	if (!second && strcmp(text, s->choices[0]) != 0)
		return err_say(e, EINVAL, "%s: \"%.40s\" is neither %s nor %s", where, text,
			       s->choices[0], s->choices[1]);
	*(bool *)target(job, s) = second;
	return 0;
}

static int set_text(struct job *job, const struct job_setting *s, const char *where,
		    const char *text, struct err *e)
{
	if (!*text)
		return err_say(e, EINVAL, "%s: is empty", where);
	*(const char **)target(job, s) = text;
	return 0;
}

static int set_workdir(struct job *job, const struct job_setting *s, const char *where,
		       const char *text, struct err *e)
{
	if (text[0] != '/')
		return err_say(e, EINVAL, "%s: \"%.64s\" is not an absolute path", where, text);
	return set_text(job, s, where, text, e);
}

static int set_network(struct job *job, const struct job_setting *s, const char *where,
		       const char *text, struct err *e)
{
	(void)s;
	job->network_given = true;
	return job_parse_network(where, text, job, e);
}

static int set_profile(struct job *job, const struct job_setting *s, const char *where,
		       const char *text, struct err *e)
{
	(void)s;
	for (enum job_profile p = JOB_PROFILE_JOB; p < JOB_PROFILES; p++)
		if (strcmp(text, job_profile_name(p)) == 0) {
			job->profile = p;
			return 0;
		}
	return err_say(e, EINVAL, "%s: \"%.40s\" is none of job, compute, dev, docker", where, text);
}

/* "1000" or "1000:100"; of an image's names only the image knows. */
static int set_user(struct job *job, const struct job_setting *s, const char *where,
		    const char *text, struct err *e)
{
	size_t n = strcspn(text, ":");
	uint32_t uid, gid;

	(void)s;
	if (id_parse(text, n, &uid) < 0 ||
	    id_parse(text[n] ? text + n + 1 : text, text[n] ? strlen(text + n + 1) : n, &gid) < 0)
		return err_say(e, EINVAL, "%s: \"%.40s\" is not UID or UID:GID", where, text);
	job->user_given = true;
	job->uid = uid;
	job->gid = gid;
	return 0;
}

static int set_publish(struct job *job, const struct job_setting *s, const char *where,
		       const char *text, struct err *e)
{
	(void)s;
	return job_parse_publish(where, text, job, e);
}

static int set_init(struct job *job, const struct job_setting *s, const char *where,
		    const char *text, struct err *e)
{
	job->init_said = true;
	return set_choice(job, s, where, text, e);
}

static int set_lookup(struct job *job, const struct job_setting *s, const char *where,
		      const char *text, struct err *e)
{
	return job_parse_lookup(where, s->key, text, job, e);
}

bool job_setting_repeats(const struct job_setting *s)
{
	return s->set == set_network || s->set == set_publish || s->set == set_lookup;
}

static int set_egress(struct job *job, const struct job_setting *s, const char *where,
		      const char *text, struct err *e)
{
	struct arena scratch = ARENA_INIT;
	struct egress list;
	int r = egress_parse(text, &scratch, &list, e);

	(void)s;
	arena_free(&scratch);
	if (r < 0)
		return err_wrap(e, "%s", where);
	job->egress = text;
	return 0;
}

static int set_cpuset(struct job *job, const struct job_setting *s, const char *where,
		      const char *text, struct err *e)
{
	struct arena scratch = ARENA_INIT;
	struct cpu_list list;
	int r = cpu_list_parse(text, &scratch, &list);

	(void)s;
	arena_free(&scratch);
	if (r < 0) {
		err_say(e, -r, "%s: \"%.40s\" is no list of processors", where, text);
		return err_fix(e, "write it like 0-1,3");
	}
	job->cpus = text;
	return 0;
}

static int set_rate(struct job *job, const struct job_setting *s, const char *where,
		    const char *text, struct err *e)
{
	(void)s;
	return net_parse_rate(text, &job->rate, e) < 0 ? err_wrap(e, "%s", where) : 0;
}

static const char *const over_output[] = { "truncate", "kill", NULL };
static const char *const no_yes[] = { "no", "yes", NULL };
static const char *const stderr_to[] = { "stderr", "stdout", NULL };

#define AT(member) offsetof(struct job, member)
#define NO_LIMIT   (JOB_NONE_MAX | JOB_NONE_ZERO)
#define NONE_MAX   JOB_NONE_MAX
#define NONE_ZERO  JOB_NONE_ZERO
/* clang-format off */
const struct job_setting job_settings[] = {
	{ "limits", "memory", "memory", 'm', "SIZE",
	  "at most this much (64m, 1g), no swap; over it all is killed",
	  set_size, AT(memory), 0, NULL, NO_LIMIT },
	{ "limits", "pids", "pids", 0, "N", "at most N processes and threads",
	  set_number, AT(pids), 4194304, NULL, NO_LIMIT },
	{ "limits", "cpus", "cpus", 0, "N", "at most N processors' time (0.5)",
	  set_cpus, AT(cpu_quota), 0, NULL, NO_LIMIT },
	{ "limits", "cpuset_cpus", "cpuset-cpus", 0, "LIST", "on these processors alone: 0-1,3",
	  set_cpuset, 0, 0, NULL, 0 },
	{ "limits", "cpu_time", "cpu-time", 0, "TIME",
	  "at most this much processor time of all its processes (5s)",
	  set_duration, AT(cpu_ms), 0, NULL, NO_LIMIT },
	{ "limits", "wall", "wall", 0, "TIME", "at most this long (5s, 2m)",
	  set_duration, AT(wall_ms), 0, NULL, NO_LIMIT },
	{ "limits", "grace", "grace", 0, "TIME",
	  "SIGTERM first, when it must end, and SIGKILL so much later",
	  set_duration, AT(grace_ms), 0, NULL, NONE_ZERO },
	{ "limits", "setup_time", "setup-time", 0, "TIME",
	  "fail when it does not run after this long: a file system hangs (1m)",
	  set_duration, AT(setup_ms), 0, NULL, NO_LIMIT },
	{ "limits", "output", "output", 0, "SIZE",
	  "at most this much of standard output, and of standard error",
	  set_size, AT(output), 0, NULL, NO_LIMIT },
	{ "limits", "over_output", "over-output", 0, "WHAT",
	  "more output is dropped (truncate, default), or ends the job (kill)",
	  set_choice, AT(output_kills), 0, over_output, 0 },
	{ "limits", "file_size", "file-size", 0, "SIZE", "no file grows larger",
	  set_size, AT(file_size), 0, NULL, NO_LIMIT },
	{ "limits", "stack", "stack", 0, "SIZE", "no stack grows larger (8m)",
	  set_size, AT(stack), 0, NULL, 0 },
	{ "limits", "open_files", "open-files", 0, "N", "at most N open files each (256)",
	  set_number, AT(open_files), 1048576, NULL, NONE_MAX },
	{ "limits", "workspace", "workspace", 0, "SIZE",
	  "an empty folder /work of its own, of at most SIZE, in memory",
	  set_size, AT(workspace), 0, NULL, NONE_ZERO },
	{ "limits", "workspace_inodes", "workspace-inodes", 0, "N",
	  "at most N files in it (16384)",
	  set_number, AT(workspace_inodes), 1u << 30, NULL, 0 },
	{ NULL, "workspace_from", "workspace-from", 0, "DIR",
	  "/work begins as this folder of the host, which stays as it is",
	  set_text, AT(workspace_from), 0, NULL, 0 },
	{ "limits", "collect", "collect-limit", 0, "SIZE", "collect at most this much (64m)",
	  set_size, AT(collect_bytes), 0, NULL, NONE_MAX },
	{ NULL, "collect_to", "collect-to", 0, "DIR", "where what is collected goes",
	  set_text, AT(collect_to), 0, NULL, 0 },
	{ NULL, "profile", "profile", 0, "NAME",
	  "job (default), compute (no sockets), dev (writable, network, few limits), docker",
	  set_profile, 0, 0, NULL, 0 },
	{ NULL, "user", "user", 'u', "UID[:GID]", "instead of the image's user",
	  set_user, 0, 0, NULL, 0 },
	{ NULL, "init", "init", 0, "no|yes",
	  "process 1 is a small init of kist's own, and the command its child (yes)",
	  set_init, AT(init), 0, no_yes, 0 },
	{ NULL, "workdir", "workdir", 'w', "DIR", "working directory",
	  set_workdir, AT(workdir), 0, NULL, 0 },
	{ NULL, "writable", "writable", 0, "SIZE|DIR",
	  "a writable root: at most SIZE of changes in memory, or kept in DIR",
	  set_text, AT(writable), 0, NULL, 0 },
	{ NULL, "network", "net", 0, "NETWORK",
	  "none (default), bridge, user, host, container:ID, or one of kist net ls; may be given often",
	  set_network, 0, 0, NULL, 0 },
	{ NULL, "publish", "publish", 'p', "PORTS",
	  "[ADDRESS:]HOST:PORT[/udp]: reached at the host's port; may be given often",
	  set_publish, 0, 0, NULL, 0 },
	{ NULL, "egress", "egress", 0, "LIST",
	  "send nowhere but there: 10.0.0.0/8:5432,[fd00::/8]:53/udp, or none",
	  set_egress, 0, 0, NULL, 0 },
	{ NULL, "net_rate", "net-rate", 0, "RATES",
	  "at most so many bits a second: down=10mbit,up=1mbit",
	  set_rate, 0, 0, NULL, 0 },
	{ NULL, "dns", "dns", 0, "ADDRESS",
	  "ask this server for names instead of the host's; may be given often",
	  set_lookup, 0, 0, NULL, 0 },
	{ NULL, "dns_search", "dns-search", 0, "DOMAIN",
	  "search there instead of the host's (. is nowhere); may be given often",
	  set_lookup, 0, 0, NULL, 0 },
	{ NULL, "dns_option", "dns-option", 0, "OPTION",
	  "of resolv.conf(5), instead of the host's; may be given often",
	  set_lookup, 0, 0, NULL, 0 },
	{ NULL, "add_host", "add-host", 0, "NAME:ADDRESS",
	  "a line more in /etc/hosts; may be given often",
	  set_lookup, 0, 0, NULL, 0 },
	{ NULL, "stdin", "stdin", 0, "FILE", "its standard input",
	  set_text, AT(stdio[0]), 0, NULL, 0 },
	{ NULL, "stdout", "stdout", 0, "FILE", "its standard output goes there",
	  set_text, AT(stdio[1]), 0, NULL, 0 },
	{ NULL, "stderr", "stderr", 0, "FILE", "its standard error goes there",
	  set_text, AT(stdio[2]), 0, NULL, 0 },
	{ NULL, "stderr_to", "stderr-to", 0, "STREAM",
	  "standard error is its own stream (stderr, default), or stdout",
	  set_choice, AT(merge_stderr), 0, stderr_to, 0 },
};
/* clang-format on */
const size_t job_setting_count = sizeof job_settings / sizeof *job_settings;
