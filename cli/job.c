/*
 * job.c - kist job run: options in, exit status and result record out.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "supervisor/job.h"

#define EXIT_JOB_FAILED 125
#define JOB_ID_MAX      63 /* it is the job's host name too */

struct request {
	const char *memory, *pids, *cpus, *wall, *net, *workdir, *result, *waived, *store, *id, *writable, *egress;
	struct option_texts env;
	bool explain;
};

static const struct command run_command = {
	"job run", "[options] IMAGE|DIR [--] [COMMAND [ARG...]]",
	"run a command in a sandbox: no network, no capability, read-only root, its own ids.\n"
	"Ends with the command's status; 124 when a limit ended it, 125 when kist could not or\n"
	"would not run it, 126/127 when the command can't be run, 137 out of memory.",
	1, -1, false, NULL
};

static int random_id(char *text, size_t size, struct err *e)
{
	uint32_t number;

	if (getrandom(&number, sizeof number, 0) != sizeof number)
		return err_set(e, EIO, "getrandom");
	snprintf(text, size, "job-%08x", number);
	return 0;
}

static int parse_pids(const char *text, uint64_t *ret, struct err *e)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || value < 1 || value > 4194304)
		return err_say(e, EINVAL, "--pids: \"%.40s\" is not a number from 1 to 4194304",
			       text);
	*ret = value;
	return 0;
}

/* Relative folders are resolved here; an image name never begins with '.' or '/'. */
static int parse_source(const char *text, struct job *job, struct arena *a, struct err *e)
{
	char absolute[PATH_MAX];
	struct stat st;

	job->source = text;
	job->is_folder = text[0] == '/' || text[0] == '.';
	if (!job->is_folder)
		return 0;
	if (!realpath(text, absolute) || stat(absolute, &st) < 0)
		return err_set(e, errno, "the root folder %s", text);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ENOTDIR, "the root folder %s", text);
	job->source = arena_strdup(a, absolute);
	return job->source ? 0 : err_set(e, ENOMEM, "%s", text);
}

static int check_env(const struct option_texts *env, struct err *e)
{
	for (size_t i = 0; i < env->count; i++)
		if (!strchr(env->item[i], '=') || env->item[i][0] == '=')
			return err_say(e, EINVAL, "--env: \"%.64s\" is not NAME=VALUE",
				       env->item[i]);
	return 0;
}

static int parse_egress(const struct request *q, struct job *job, struct arena *a, struct err *e)
{
	struct egress list;

	if (!job->bridge)
		return err_say(e, EINVAL, "--egress: without --net there is nowhere to send to");
	job->egress = q->egress;
	return egress_parse(q->egress, a, &list, e) < 0 ? err_wrap(e, "--egress") : 0;
}

static int parse_request(const struct request *q, struct job *job, struct arena *a, struct err *e)
{
	int r = 0;

	if (q->memory)
		r = job_parse_size("--memory", q->memory, &job->memory, e);
	if (r == 0 && q->pids)
		r = parse_pids(q->pids, &job->pids, e);
	if (r == 0 && q->cpus)
		r = job_parse_cpus("--cpus", q->cpus, &job->cpu_quota, e);
	if (r == 0 && q->wall)
		r = job_parse_duration("--wall", q->wall, &job->wall_ms, e);
	if (r == 0 && q->waived)
		r = job_parse_waived(q->waived, &job->waived, e);
	if (r == 0)
		r = check_env(&q->env, e);
	if (r == 0 && q->net && strcmp(q->net, "none") != 0 && strcmp(q->net, "bridge") != 0)
		r = err_say(e, EINVAL, "--net: \"%.40s\" is neither none nor bridge", q->net);
	if (r == 0 && q->workdir && q->workdir[0] != '/')
		r = err_say(e, EINVAL, "--workdir: \"%.64s\" is not an absolute path", q->workdir);
	job->bridge = q->net && strcmp(q->net, "bridge") == 0;
	if (r == 0 && q->egress)
		r = parse_egress(q, job, a, e);
	job->env = q->env.item;
	job->env_count = q->env.count;
	job->workdir = q->workdir;
	job->writable = q->writable;
	return r;
}

/* Opened before the job runs: a result that can't be written is a refusal, not a surprise. */
static int open_result(const char *path, int *ret_dir, const char **ret_name, struct err *e)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int n = snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path + 1) : 1,
			 slash ? path : ".");

	*ret_name = slash ? slash + 1 : path;
	if (n >= (int)sizeof folder || !**ret_name)
		return err_say(e, EINVAL, "--result: \"%.64s\" is not a file's path", path);
	*ret_dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_dir < 0 || faccessat(*ret_dir, ".", W_OK, AT_EACCESS) < 0)
		return err_set(e, errno, "--result: cannot write to the folder %s", folder);
	return 0;
}

static int write_result(int dir, const char *name, const struct job *job,
			const struct job_result *result, struct err *e)
{
	_cleanup_json_ json_t *o = job_result_json(job, result);
	_cleanup_free_ char *text = o ? json_dumps(o, JSON_INDENT(2)) : NULL;
	_cleanup_free_ char *line = NULL;
	int size = text ? asprintf(&line, "%s\n", text) : -1;

	if (size < 0) {
		line = NULL;
		return err_set(e, ENOMEM, "the result");
	}
	return file_replace_at(dir, name, line, (size_t)size, 0644, true, e);
}

/* Fills the job from the command line. */
static int prepare(const struct request *q, int argc, char **argv, struct job *job, char id[32],
		   struct arena *a, struct err *e)
{
	int r = random_id(id, 32, e);

	job->id = q->id ? q->id : id;
	if (r == 0 && !path_is_id(job->id, JOB_ID_MAX))
		r = err_say(e, EINVAL, "--id: \"%.64s\" is not a name (letters, digits, '_.+-', at "
			    "most %d)", job->id, JOB_ID_MAX);
	if (r == 0)
		r = parse_request(q, job, a, e);
	if (r == 0)
		r = parse_source(argv[0], job, a, e);
	argc--;
	argv++;
	if (argc > 0 && strcmp(argv[0], "--") == 0)
		argv++;
	job->args = argv;
	if (r == 0 && job->is_folder && !argv[0])
		r = err_say(e, EINVAL, "the command is missing");
	return r;
}

/* A job that kist or the kernel ended does not say so itself. */
static void say_limit(const struct request *q, const struct job *job,
		      const struct job_result *result)
{
	if (result->reason == JOB_WALL)
		log_msg(LOG_WARN, "job %s: ended after its --wall %s", job->id, q->wall);
	else if (result->reason == JOB_OOM)
		log_msg(LOG_WARN, "job %s: killed by the kernel: out of memory (--memory %s)",
			job->id, q->memory ? q->memory : "was not set");
}

static int run(const struct request *q, int argc, char **argv)
{
	struct runtime_hooks_in in = { .report = q->explain ? explain_report : NULL };
	struct job job = { .wall_ms = -1 };
	_cleanup_fd_ int root = -EBADF, result_dir = -EBADF;
	const char *result_name = NULL;
	struct arena arena = ARENA_INIT;
	struct err e = ERR_INIT, write_error = ERR_INIT;
	struct job_result result;
	char id[32];
	int r;

	r = prepare(q, argc, argv, &job, id, &arena, &e);
	if (r == 0)
		r = cli_fault(&in, &e);
	if (r == 0 && q->result)
		r = open_result(q->result, &result_dir, &result_name, &e);
	if (r == 0)
		r = cli_open_root(true, &root, &e);
	if (r < 0) {
		arena_free(&arena);
		err_wrap(&e, "job");
		return cli_fail(&e, EXIT_JOB_FAILED);
	}
	job_run(&job, q->store, root, cli.root_text, &in, &arena, &result, &e);
	if (result.reason == JOB_SANDBOX_ERROR) {
		err_wrap(&e, "job %s", job.id);
		log_err(&e);
	}
	say_limit(q, &job, &result);
	if (q->result && write_result(result_dir, result_name, &job, &result, &write_error) < 0) {
		err_wrap(&write_error, "job %s: the result", job.id);
		result.status = cli_fail(&write_error, EXIT_JOB_FAILED);
	}
	arena_free(&arena);
	return result.status;
}

int command_job(int argc, char **argv)
{
	struct request q = { 0 };
	const struct option table[] = {
		{ "memory", 'm', OPTION_TEXT, &q.memory, "SIZE", "at most this much (64m, 1g), no "
		  "swap; over it all is killed" },
		{ "pids", 0, OPTION_TEXT, &q.pids, "N", "at most N processes and threads" },
		{ "cpus", 0, OPTION_TEXT, &q.cpus, "N", "at most N processors' time (0.5)" },
		{ "wall", 0, OPTION_TEXT, &q.wall, "TIME", "at most this long (5s, 2m)" },
		{ "net", 0, OPTION_TEXT, &q.net, "MODE", "none (default) or bridge" },
		{ "egress", 0, OPTION_TEXT, &q.egress, "LIST",
		  "send nowhere but there: 10.0.0.0/8:5432,[fd00::/8]:53/udp, or none" },
		{ "env", 'e', OPTION_TEXTS, &q.env, "NAME=VALUE", "set a variable" },
		{ "workdir", 'w', OPTION_TEXT, &q.workdir, "DIR", "working directory" },
		{ "writable", 0, OPTION_TEXT, &q.writable, "SIZE|DIR",
		  "a writable root: at most SIZE of changes in memory, or kept in DIR" },
		{ "result", 0, OPTION_TEXT, &q.result, "FILE", "write what happened there, as JSON" },
		{ "allow-degraded", 0, OPTION_TEXT, &q.waived, "LIST",
		  "limits this host may be unable to enforce: memory,pids,cpu" },
		{ "store", 0, OPTION_TEXT, &q.store, "DIR", "image store (or KIST_STORE)" },
		{ "id", 0, OPTION_TEXT, &q.id, "NAME", "the job's name (default: random)" },
		{ "explain", 0, OPTION_FLAG, &q.explain, NULL,
		  "print every kernel primitive to stderr as it runs" },
	};
	struct err e = ERR_INIT;
	int first, status;

	if (argc < 2 || strcmp(argv[1], "run") != 0) {
		if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
			printf("usage: kist job run %s\nsee: kist job run --help\n",
			       run_command.usage);
			return 0;
		}
		err_say(&e, EINVAL, "job: the verb is missing or unknown");
		err_fix(&e, "kist job run %s", run_command.usage);
		return cli_fail(&e, EXIT_JOB_FAILED);
	}
	first = cli_parse(&run_command, table, sizeof table / sizeof *table, argc - 1, argv + 1,
			  &status);
	if (first < 0)
		return status ? EXIT_JOB_FAILED : 0;
	if (cli.systemd_cgroup || (cli.cgroup_manager && strcmp(cli.cgroup_manager, "cgroupfs"))) {
		err_say(&e, ENOTSUP, "job: a job's cgroup is made by kist itself, never by others");
		err_fix(&e, "leave out --systemd-cgroup and --cgroup-manager");
		return cli_fail(&e, EXIT_JOB_FAILED);
	}
	return run(&q, argc - 1 - first, argv + 1 + first);
}
