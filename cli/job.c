/*
 * job.c - kist job run: options in, exit status and result record out.
 */
#include "cli/job.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"

#define HEAP_BYTES (256u << 10) /* what a profile takes of it */
#define EXIT_JOB_FAILED 125

static const struct command run_command = {
	"job run", "[options] IMAGE|DIR|JOB.json [--] [COMMAND [ARG...]]",
	"run a command in a sandbox: no network, no capability, read-only root, its own ids.\n"
	"Ends with the command's status; 124 when a limit ended it, 125 when kist could not or\n"
	"would not run it, 126/127 when the command can't be run, 137 out of memory.",
	1, -1, false, NULL
};

/* Opened before the job runs: a result that can't be written is a refusal, not a surprise. */
int job_open_result(const char *path, int *ret_dir, const char **ret_name, struct err *e)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	struct stat st;
	int n = snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path + 1) : 1,
			 slash ? path : ".");

	*ret_name = slash ? slash + 1 : path;
	if (n >= (int)sizeof folder || !**ret_name)
		return err_say(e, EINVAL, "--result: \"%.64s\" is not a file's path", path);
	*ret_dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_dir < 0 || faccessat(*ret_dir, ".", W_OK, AT_EACCESS) < 0)
		return err_set(e, errno, "--result: cannot write to the folder %s", folder);
	if (fstatat(*ret_dir, *ret_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
		return err_say(e, EISDIR, "--result: \"%.200s\" is a folder", path);
	return 0;
}

int job_write_result(int dir, const char *name, const struct job *job, const struct job_result *result,
		     struct err *e)
{
	_cleanup_json_ json_t *o = job_result_json(job, result);
	_cleanup_free_ char *text = o ? json_dumps(o, JSON_INDENT(2)) : NULL;
	_cleanup_free_ char *line = NULL;
	int size = text ? asprintf(&line, "%s\n", text) : -1;

	if (size < 0) {
		line = NULL;
		return err_set(e, ENOMEM, "the result");
	}
	return file_publish_at(dir, name, line, (size_t)size, 0644, e);
}

/* A job that kist or the kernel ended does not say so itself. */
static void say_limit(const struct job *job, const struct job_result *result)
{
	const char *why = NULL;

	switch (result->reason) {
	case JOB_WALL:
		why = "ended: its time was over (--wall)";
		break;
	case JOB_CPU_USED:
		why = "ended: its processor time was used up (--cpu-time)";
		break;
	case JOB_OUTPUT:
		why = "ended: it said more than it may (--output)";
		break;
	case JOB_DISK:
		why = "failed: it wrote more than it may (--workspace, --writable, --file-size)";
		break;
	case JOB_OOM:
		why = job->memory ? "killed by the kernel: out of memory (--memory)"
				  : "killed by the kernel: out of memory";
		break;
	default:
		break;
	}
	if (why)
		log_msg(LOG_WARN, "job %s: %s", job->id, why);
}

static int run(struct job_request *q, int argc, char **argv)
{
	const char *end = getenv(JOB_END_VARIABLE), *id = NULL;
	struct job_kept kept;
	struct runtime_hooks_in in = { .report = q->explain ? explain_report : NULL };
	struct job job = { 0 };
	_cleanup_fd_ int root = -EBADF, result_dir = -EBADF;
	const char *result_name = NULL;
	struct arena arena = ARENA_INIT;
	struct err e = ERR_INIT, write_error = ERR_INIT;
	struct job_result result;
	int r;

	r = end ? job_kept_parse(end, &id, &kept) : 0;
	if (r < 0)
		err_say(&e, EINVAL, JOB_END_VARIABLE " is a monitor's, and nobody else's");
	if (r == 0 && end) {
		q->id = strdupa(id);
		q->kept = &kept;
		unsetenv(JOB_END_VARIABLE);
	}
	if (r == 0)
		r = job_request_parse(q, argc, argv, &job, &arena, &e);
	if (r == 0)
		r = cli_fault(&in, &e);
	if (r == 0 && q->result)
		r = job_open_result(q->result, &result_dir, &result_name, &e);
	if (q->kept) {
		struct err no_root = ERR_INIT;

		job.id = q->id;
		if (cli_open_root(true, &root, &no_root) < 0)
			return cli_fail(&no_root, EXIT_JOB_FAILED);
		r = job_run_end(q, &job, root, r < 0 ? &e : NULL, &arena);
		arena_free(&arena);
		return r;
	}
	if (r == 0)
		r = cli_open_root(true, &root, &e);
	if (r < 0) {
		json_decref(q->document);
		arena_free(&arena);
		err_wrap(&e, "job");
		return cli_fail(&e, EXIT_JOB_FAILED);
	}
	if (q->detach) {
		r = job_run_detached(q, &job, root, &arena, &in, cli.argv);
		json_decref(q->document);
		arena_free(&arena);
		return r;
	}
	job_run(&job, q->store, root, cli.root_text, &in, &arena, &result, &e);
	if (result.reason == JOB_SANDBOX_ERROR) {
		err_wrap(&e, "job %s", job.id);
		log_err(&e);
	}
	say_limit(&job, &result);
	if (q->result && job_write_result(result_dir, result_name, &job, &result, &write_error) < 0) {
		err_wrap(&write_error, "job %s: the result", job.id);
		result.status = cli_fail(&write_error, EXIT_JOB_FAILED);
	} else if (q->exit_zero) {
		result.status = 0;
	}
	json_decref(q->document);
	arena_free(&arena);
	return result.status;
}

int command_job(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} verbs[] = { { "ls", command_job_ls },	    { "logs", command_job_logs },
		      { "kill", command_job_kill }, { "wait", command_job_wait },
		      { "gc", command_job_gc },	    { "stats", command_job_stats } };
	/* A hundred kilobytes, most of which no call touches: of the program's own, where these cost
	 * nothing. */
	static struct job_request q;
	struct option table[JOB_OPTIONS_MAX];
	size_t count = job_request_options(&q, table);
	struct err e = ERR_INIT;
	int first, status;

	for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof verbs[0]; i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	if (argc < 2 || strcmp(argv[1], "run") != 0) {
		if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
			printf("usage: kist job run %s\n       kist job ls | logs | stats | kill | wait | gc ...\n"
			       "see: kist job run --help\n",
			       run_command.usage);
			return 0;
		}
		err_say(&e, EINVAL, "job: the verb is missing or unknown");
		err_fix(&e, "kist job run %s; or ls, logs, stats, kill, wait, gc", run_command.usage);
		return cli_fail(&e, EXIT_JOB_FAILED);
	}
	first = cli_parse(&run_command, table, count, argc - 1, argv + 1, &status);
	if (first < 0)
		return status ? EXIT_JOB_FAILED : 0;
	if (cli.systemd_cgroup || (cli.cgroup_manager && strcmp(cli.cgroup_manager, "cgroupfs"))) {
		err_say(&e, ENOTSUP, "job: a job's cgroup is made by kist itself, never by others");
		err_fix(&e, "leave out --systemd-cgroup and --cgroup-manager");
		return cli_fail(&e, EXIT_JOB_FAILED);
	}
	arena_warm_heap(HEAP_BYTES);
	return run(&q, argc - 1 - first, argv + 1 + first);
}
