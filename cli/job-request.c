/*
 * job-request.c - from the command line, and a job file, to a job.
 */
#include "cli/job.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/path.h"

#define WAIVED_VARIABLE "KIST_ALLOW_DEGRADED" /* as --allow-degraded, for all of a caller's jobs */
#define JOB_ID_MAX 63 /* it is the job's host name too */

/* Also those of a batch, for each of its jobs. */
size_t job_request_common(struct job_request *q, struct option *table)
{
	const struct option own[] = {
		{ "env", 'e', OPTION_TEXTS, &q->env, "NAME=VALUE", "set a variable" },
		{ "pass-env", 0, OPTION_TEXTS, &q->pass_env, "NAME",
		  "give it this variable of kist's own; others never are" },
		{ "file", 0, OPTION_TEXTS, &q->files, "PATH=TEXT",
		  "put a file with this text there" },
		{ "input", 0, OPTION_TEXTS, &q->inputs, "SOURCE:PATH",
		  "a file or folder of the host, read-only" },
		{ "collect", 0, OPTION_TEXTS, &q->collect, "PATTERN",
		  "copy out what it left in its workspace: \"*.txt\", \"out/**\"" },
		{ "allow-degraded", 0, OPTION_TEXT, &q->waived, "LIST",
		  "controls this host may be unable to enforce: memory,pids,cpu,cpu-time,landlock" },
		{ "store", 0, OPTION_TEXT, &q->store, "DIR", "image store (or KIST_STORE)" },
	};
	size_t n = 0, repeated = 0;

	for (size_t i = 0; i < job_setting_count; i++) {
		const struct job_setting *s = &job_settings[i];

		if (job_setting_repeats(s)) {
			table[n++] = (struct option){ s->option, s->letter, OPTION_TEXTS,
						      &q->repeated[repeated++], s->value, s->help };
			continue;
		}
		table[n++] = (struct option){ s->option,      s->letter, OPTION_TEXT,
					      &q->setting[i], s->value,	 s->help };
	}
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		table[n++] = own[i];
	return n;
}

size_t job_request_options(struct job_request *q, struct option table[JOB_OPTIONS_MAX])
{
	const struct option own[] = {
		{ "result", 0, OPTION_TEXT, &q->result, "FILE",
		  "write what happened there, as JSON" },
		{ "exit-zero", 0, OPTION_FLAG, &q->exit_zero, NULL,
		  "end with 0 whatever became of the job: its result says it" },
		{ "id", 0, OPTION_TEXT, &q->id, "NAME", "the job's name (default: random)" },
		{ "detach", 'd', OPTION_FLAG, &q->detach, NULL,
		  "leave it to a monitor, and print its id: kist job ls, logs, wait, kill" },
		{ "log", 0, OPTION_TEXT, &q->log, "FORMAT",
		  "of a detached job: json-file (the default), raw, none" },
		{ "log-size", 0, OPTION_TEXT, &q->log_size, "SIZE",
		  "begin a new file then: 10m (0: never)" },
		{ "log-files", 0, OPTION_TEXT, &q->log_files, "N", "keep so many of them: 2" },
		{ "explain", 0, OPTION_FLAG, &q->explain, NULL,
		  "print every kernel primitive to stderr as it runs" },
	};
	size_t n = job_request_common(q, table);

	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		table[n++] = own[i];
	return n;
}

static int choose_id(struct job_request *q, struct job *job, struct err *e)
{
	uint32_t number;

	if (q->id)
		job->id = q->id;
	if (!job->id) {
		if (getrandom(&number, sizeof number, 0) != sizeof number)
			return err_set(e, EIO, "getrandom");
		snprintf(q->random_id, sizeof q->random_id, "job-%08x", number);
		job->id = q->random_id;
	}
	return path_is_id(job->id, JOB_ID_MAX)
		       ? 0
		       : err_say(e, EINVAL,
				 "--id: \"%.64s\" is not a name (letters, digits, '_.+-', at "
				 "most %d)",
				 job->id, JOB_ID_MAX);
}

/* A relative folder, or one with symlinks, is resolved here. */
static int find_folder(struct job *job, struct arena *a, struct err *e)
{
	char absolute[PATH_MAX];
	struct stat st;

	if (!realpath(job->source, absolute) || stat(absolute, &st) < 0)
		return err_set(e, errno, "the root folder %s", job->source);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ENOTDIR, "the root folder %s", job->source);
	job->source = arena_strdup(a, absolute);
	return job->source ? 0 : err_set(e, ENOMEM, "the root folder");
}

int job_request_read(const json_t *document, const char *name, const char *folder, struct job *job,
		     struct arena *a, struct err *e)
{
	if (job_file_parse(document, folder, a, job, e) < 0)
		return err_wrap(e, "%s", name);
	if (job->source)
		return 0;
	err_say(e, EINVAL, "%s: says neither /image nor /folder", name);
	return err_fix(e, "add one of them");
}

/* At a detached job's end the file may be another: then it is what was kept of it. */
static int read_file(struct job_request *q, const char *path, struct job *job, struct arena *a,
		     struct err *e)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX], text[PATH_MAX];
	int n = snprintf(text, sizeof text, "%.*s", slash ? (int)(slash - path + 1) : 1,
			 slash ? path : ".");

	if (n >= (int)sizeof text || !realpath(text, folder))
		return err_set(e, n >= (int)sizeof text ? ENAMETOOLONG : errno, "%s", path);
	n = q->kept ? json_read_file(q->kept->dir, JOB_DOCUMENT, &q->document, e)
		    : json_read_file(AT_FDCWD, path, &q->document, e);
	return n < 0 ? n : job_request_read(q->document, path, folder, job, a, e);
}

static bool is_job_file(const char *text)
{
	size_t len = strlen(text);

	return len > 5 && strcmp(text + len - 5, ".json") == 0;
}

/* What the caller has of it; nothing when it is not set. */
static int pass_one(const char *name, const char **all, size_t *n, struct arena *a, struct err *e)
{
	const char *value = getenv(name);

	if (!*name || strchr(name, '='))
		return err_say(e, EINVAL, "--pass-env: \"%.64s\" is no variable's name", name);
	if (!value)
		return 0;
	all[*n] = arena_printf(a, "%s=%s", name, value);
	return all[(*n)++] ? 0 : err_set(e, ENOMEM, "the environment");
}

/* The image's, what is passed, the file's, the options': a later one of a name wins when all are
 * parsed. */
static int add_env(const struct job_request *q, struct job *job, struct arena *a, struct err *e)
{
	size_t room = job->env_count + q->env.count + job->pass_env_count + q->pass_env.count + 1;
	const char **all = arena_array(a, room, sizeof *all);
	size_t n = 0;
	int r = 0;

	if (!all)
		return err_set(e, ENOMEM, "the environment");
	for (size_t i = 0; r == 0 && i < job->pass_env_count; i++)
		r = pass_one(job->pass_env[i], all, &n, a, e);
	for (size_t i = 0; r == 0 && i < q->pass_env.count; i++)
		r = pass_one(q->pass_env.item[i], all, &n, a, e);
	for (size_t i = 0; r == 0 && i < job->env_count; i++)
		all[n++] = job->env[i];
	for (size_t i = 0; r == 0 && i < q->env.count; i++) {
		if (!strchr(q->env.item[i], '=') || q->env.item[i][0] == '=')
			return err_say(e, EINVAL, "--env: \"%.64s\" is not NAME=VALUE",
				       q->env.item[i]);
		all[n++] = q->env.item[i];
	}
	job->env = all;
	job->env_count = n;
	return r;
}

static int add_lists(const struct job_request *q, struct job *job, struct arena *a, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < q->files.count; i++)
		r = job_add_file(job, "--file", q->files.item[i], a, e);
	for (size_t i = 0; r == 0 && i < q->inputs.count; i++)
		r = job_add_input(job, "--input", q->inputs.item[i], a, e);
	for (size_t i = 0; r == 0 && i < q->collect.count; i++)
		r = job_add_pattern(job, "--collect", q->collect.item[i], e);
	return r;
}

/* Sources are the host's: absolute, and without symlinks, from here on. */
static int find_inputs(struct job *job, struct arena *a, struct err *e)
{
	char absolute[PATH_MAX];
	struct stat st;

	if (job->workspace_from) {
		if (!realpath(job->workspace_from, absolute) || stat(absolute, &st) < 0)
			return err_set(e, errno, "workspace-from: %.200s", job->workspace_from);
		if (!S_ISDIR(st.st_mode))
			return err_say(e, ENOTDIR, "workspace-from: %.200s is no folder", absolute);
		job->workspace_from = arena_strdup(a, absolute);
		if (!job->workspace_from)
			return err_set(e, ENOMEM, "workspace-from");
	}
	for (size_t i = 0; i < job->input_count; i++) {
		if (!realpath(job->input[i].source, absolute))
			return err_set(e, errno, "input: %.200s", job->input[i].source);
		job->input[i].source = arena_strdup(a, absolute);
		if (!job->input[i].source)
			return err_set(e, ENOMEM, "input");
	}
	return 0;
}

static const char *join(const struct option_texts *texts, struct arena *a)
{
	const char *all = texts->count ? texts->item[0] : NULL;

	for (size_t i = 1; all && i < texts->count; i++)
		all = arena_printf(a, "%s %s", all, texts->item[i]);
	return all;
}

static int join_repeated(struct job_request *q, struct arena *a, struct err *e)
{
	size_t repeated = 0;

	for (size_t i = 0; i < job_setting_count; i++)
		if (job_setting_repeats(&job_settings[i]))
			q->setting[i] = join(&q->repeated[repeated++], a);
	return arena_failed(a) ? err_set(e, ENOMEM, "the options") : 0;
}

static int apply_settings(const struct job_request *q, struct job *job, struct err *e)
{
	char where[64];
	int r = 0;

	for (size_t i = 0; r == 0 && i < job_setting_count; i++) {
		if (!q->setting[i])
			continue;
		snprintf(where, sizeof where, "--%s", job_settings[i].option);
		r = job_settings[i].set(job, &job_settings[i], where, q->setting[i], e);
	}
	return r;
}

int job_request_log(const struct job_request *q, struct container_log_options *ret, struct err *e)
{
	uint64_t size;
	char *end;
	int r = 0;

	*ret = (struct container_log_options){ CONTAINER_LOG_JSON, 10 << 20, 2 };
	if (q->log)
		r = container_log_parse_format(q->log, &ret->format, e);
	if (r == 0 && q->log_size && strcmp(q->log_size, "0") != 0) {
		r = job_parse_size("--log-size", q->log_size, &size, e);
		if (r == 0 && size < CONTAINER_LOG_MIN)
			return err_say(e, EINVAL, "--log-size: at least %d bytes", CONTAINER_LOG_MIN);
		ret->max_size = size;
	} else if (q->log_size) {
		ret->max_size = 0;
	}
	if (r == 0 && q->log_files) {
		ret->max_files = (int)strtoul(q->log_files, &end, 10);
		if (*end || ret->max_files < 1 || ret->max_files > CONTAINER_LOG_FILES)
			return err_say(e, EINVAL, "--log-files: \"%.32s\" is no number from 1 to %d",
				       q->log_files, CONTAINER_LOG_FILES);
	}
	return r;
}

/* What has no sense beside what else was said. */
static int check_detached(const struct job_request *q, const struct job *job, struct err *e)
{
	static const char *const names[] = { "stdin", "stdout", "stderr" };

	if (!q->detach && (q->log || q->log_size || q->log_files))
		return err_say(e, EINVAL, "--log, --log-size, --log-files: only a detached job has a log "
			       "(--detach)");
	for (int i = 0; q->detach && i < 3; i++)
		if (job->stdio[i]) {
			err_say(e, EINVAL, "--%s: a detached job's streams are its monitor's", names[i]);
			return err_fix(e, i ? "leave it out: kist job logs" :
					      "give it a file with --file or --input");
		}
	if (q->detach && q->exit_zero)
		return err_say(e, EINVAL, "--exit-zero: a detached job's status is kist job wait's");
	return 0;
}

static int refuse_egress(const struct job *job, struct err *e)
{
	if (!job->net || strcmp(job->net, "none") == 0) {
		err_say(e, EINVAL, "--egress: without a network there is nowhere to send to");
		return err_fix(e, "add --net bridge, or leave --egress out");
	}
	err_say(e, EINVAL, "--egress: not with --net %.40s: who asks for it has no right to the cgroup program that "
		"would hold it", job->net);
	return err_fix(e, "as root: --net bridge instead; or leave --egress out");
}

int job_request_settle(struct job_request *q, char **words, struct job *job, struct arena *a,
		       struct err *e)
{
	static char *const none[] = { NULL };
	int r = choose_id(q, job, e);

	if (r == 0)
		r = join_repeated(q, a, e);
	if (r == 0)
		r = apply_settings(q, job, e);
	job_profile_apply(job);
	if (r == 0 && q->waived)
		r = job_parse_waived("--allow-degraded", q->waived, &job->waived, e);
	if (r == 0 && getenv(WAIVED_VARIABLE))
		r = job_parse_waived(WAIVED_VARIABLE, getenv(WAIVED_VARIABLE), &job->waived, e);
	if (r == 0)
		r = add_env(q, job, a, e);
	if (r == 0)
		r = add_lists(q, job, a, e);
	if (r == 0 && !q->kept)
		r = find_inputs(job, a, e);
	if (r == 0 && job->is_folder && !q->kept)
		r = find_folder(job, a, e);
	if (r == 0 && job->egress && !job->bridge && !job->shares && !job->host_net)
		return refuse_egress(job, e);
	if (r == 0)
		r = check_detached(q, job, e);
	if (r < 0)
		return r;
	if (words && words[0])
		job->args = words;
	if (job->is_folder && job_bundle_read(job->source, a, job, e) < 0)
		return -e->error;
	if (job->is_folder && find_folder(job, a, e) < 0)
		return -e->error;
	if (!job->args)
		job->args = none;
	if (job->is_folder && !job->args[0])
		return err_say(e, EINVAL, "the command is missing");
	return 0;
}

int job_request_parse(struct job_request *q, int argc, char **argv, struct job *job,
		      struct arena *a, struct err *e)
{
	int r = 0;

	if (q->exit_zero && !q->result && !q->detach) {
		err_say(e, EINVAL,
			"--exit-zero: without --result nobody would learn what became of the job");
		return err_fix(e, "add --result FILE");
	}
	if (is_job_file(argv[0])) {
		r = read_file(q, argv[0], job, a, e);
	} else {
		/* An image's name never begins with '.' or '/'. */
		job->source = argv[0];
		job->is_folder = argv[0][0] == '/' || argv[0][0] == '.';
	}
	argv++;
	if (argc > 1 && strcmp(argv[0], "--") == 0)
		argv++;
	return r < 0 ? r : job_request_settle(q, argv, job, a, e);
}
