/*
 * batch.c - kist batch: jobs as lines of JSON in, a line for each result out.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "cli/batch.h"

#define EXIT_BATCH_FAILED 125
#define SLOTS_MAX	  1024
#define FDS_PER_SLOT	  24
#define FDS_OTHERS	  64

static int parse_retry_on(const char *text, uint32_t *ret, struct err *e)
{
	_cleanup_free_ char *copy = strdup(text);
	char *next = copy, *word;

	*ret = 0;
	if (!copy)
		return err_set(e, ENOMEM, "--retry-on");
	while ((word = strsep(&next, ","))) {
		int reason = job_reason_find(word);

		if (reason < 0) {
			err_say(e, EINVAL, "--retry-on: \"%.40s\" is no reason", word);
			return err_fix(
				e,
				"some of: signal,oom,wall,cpu,output,disk,pids,sandbox-error,exit");
		}
		*ret |= 1u << reason;
	}
	return 0;
}

/* Each slot holds some fds of its job's. */
static void allow_fds(unsigned slots)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < slots * FDS_PER_SLOT + FDS_OTHERS) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

/* As many as can work at a time. */
static unsigned count_bearers(unsigned slots)
{
	cpu_set_t own;
	unsigned processors = sched_getaffinity(0, sizeof own, &own) < 0 ? 1 : CPU_COUNT(&own);

	return slots < processors ? slots : processors;
}

static int parse(struct batch_request *q, struct batch *b, struct batch_lines *lines, struct err *e)
{
	int64_t processors = sysconf(_SC_NPROCESSORS_ONLN);
	int r = 0;

	if (q->jobs_given < 0)
		q->jobs_given = processors > 0 ? processors : 1;
	if (q->jobs_given < 1 || q->jobs_given > SLOTS_MAX)
		return err_say(e, EINVAL, "--jobs: %lld is not 1 to %d", (long long)q->jobs_given,
			       SLOTS_MAX);
	b->slots = (unsigned)q->jobs_given;
	if (q->retry > 100)
		return err_say(e, EINVAL, "--retry: %lld is not 0 to 100", (long long)q->retry);
	if (q->retry_on && !q->retry) {
		err_say(e, EINVAL, "--retry-on: nothing is tried again");
		return err_fix(e, "add --retry N");
	}
	b->retries = (unsigned)q->retry;
	b->retry_on = 1u << JOB_SANDBOX_ERROR;
	b->fail_fast = q->fail_fast;
	if (q->retry_on)
		r = parse_retry_on(q->retry_on, &b->retry_on, e);
	if (r == 0 && (q->pin || q->cpuset))
		r = batch_part_cpus(q->cpuset, b->slots, &lines->arena, &b->cpus, e);
	if (r == 0 && q->outputs && faccessat(AT_FDCWD, q->outputs, W_OK | X_OK, AT_EACCESS) < 0)
		r = err_set(e, errno, "--outputs: cannot write to the folder %.200s", q->outputs);
	if (r == 0)
		r = batch_lines_open(lines, q->file, e);
	b->source = lines->fd;
	return r;
}

static char *tell(void *user, const struct batch_job *j, const struct job_result *result)
{
	(void)user;
	return batch_result_line(j, result);
}

static int run(struct batch_request *q)
{
	struct batch_lines lines = { .fd = -EBADF, .request = q };
	struct arena arena = ARENA_INIT;
	struct runtime_hooks_in in = { .fault_step = -1 };
	struct job_host on = { 0 };
	struct batch b = { .on = &on,
			   .user = &lines,
			   .next = batch_lines_next,
			   .read = batch_lines_read,
			   .tell = tell,
			   .sink = STDOUT_FILENO };
	struct batch_end end = { 0 };
	_cleanup_fd_ int root = -EBADF;
	struct err e = ERR_INIT;
	unsigned bearers;
	char holder[32];
	int r = parse(q, &b, &lines, &e);

	if (r == 0)
		r = cli_fault(&in, &e);
	if (r == 0)
		r = cli_open_root(true, &root, &e);
	if (r == 0)
		r = job_host_open(&on, q->job.store, root, cli.root_text, &in, &arena, &e);
	if (r == 0) {
		snprintf(holder, sizeof holder, "batch-%d", (int)getpid());
		on.holder = holder;
		allow_fds(b.slots + 1);
		bearers = count_bearers(b.slots);
		/* One at a time are one after the other: a job may be what the next one starts from. */
		b.ahead = b.cpus || b.slots == 1 ? 0 : bearers;
		batch_progress_begin(&lines, &b);
		r = bearers > 1 ? batch_deal(&b, bearers, &end, &e) : batch_run(&b, &end, &e);
		batch_progress_end(&lines, &end);
	}
	job_host_close(&on);
	batch_lines_close(&lines);
	arena_free(&arena);
	if (r < 0) {
		err_wrap(&e, "batch");
		return cli_fail(&e, EXIT_BATCH_FAILED);
	}
	return end.signal ? 128 + end.signal : end.failed ? 1 : 0;
}

int command_batch(int argc, char **argv)
{
	static const struct command command = {
		"batch",
		"[options] JOBS.jsonl|-",
		"run many jobs: each line of the file is a job file (see kist job run), and gives "
		"a line\n"
		"of JSON on standard output once it is over: its result, with \"line\" and "
		"\"tries\".\n"
		"Options of a job hold for each of them, over what its line says.\n"
		"Ends with 0 when all ended with 0, 1 when some did not, 125 when kist could not "
		"go on,\n"
		"and 128 and its number for a signal, by which what runs is cancelled.",
		1,
		1,
		false,
		NULL
	};
	struct batch_request q = { .jobs_given = -1 };
	struct option table[JOB_OPTIONS_MAX] = {
		{ "jobs", 'j', OPTION_NUMBER, &q.jobs_given, "N",
		  "so many at a time (default: one for each processor)" },
		{ "retry", 0, OPTION_NUMBER, &q.retry, "N",
		  "try a job up to N times more, when its reason is one of --retry-on" },
		{ "retry-on", 0, OPTION_TEXT, &q.retry_on, "REASONS",
		  "oom,wall,sandbox-error (the default is sandbox-error)" },
		{ "fail-fast", 0, OPTION_FLAG, &q.fail_fast, NULL,
		  "the first job that does not end with 0 cancels the others" },
		{ "pin", 0, OPTION_FLAG, &q.pin, NULL,
		  "processors of its own for each that runs, for stable times" },
		{ "cpuset", 0, OPTION_TEXT, &q.cpuset, "LIST",
		  "the same, of these processors alone: 2-7" },
		{ "outputs", 0, OPTION_TEXT, &q.outputs, "DIR",
		  "what a job says goes to DIR/ID.out and DIR/ID.err, unless its line says where" },
		{ "quiet", 'q', OPTION_FLAG, &q.quiet, NULL, "no progress bar on a terminal" },
	};
	size_t count = 8;
	struct err e = ERR_INIT;
	int status, first;

	count += job_request_common(&q.job, table + count);
	first = cli_parse(&command, table, count, argc, argv, &status);
	if (first < 0)
		return status ? EXIT_BATCH_FAILED : 0;
	if (cli.systemd_cgroup || (cli.cgroup_manager && strcmp(cli.cgroup_manager, "cgroupfs"))) {
		err_say(&e, ENOTSUP,
			"batch: a job's cgroup is made by kist itself, never by others");
		err_fix(&e, "leave out --systemd-cgroup and --cgroup-manager");
		return cli_fail(&e, EXIT_BATCH_FAILED);
	}
	q.file = argv[first];
	return run(&q);
}
