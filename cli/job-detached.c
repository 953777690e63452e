/*
 * job-detached.c - kist job run --detach: before its monitor, and after it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/job.h"

#define EXIT_JOB_FAILED 125

static int keep_document(const struct job_request *q, int dir, struct err *e)
{
	_cleanup_free_ char *text = NULL;

	if (!q->document)
		return 0;
	text = json_dumps(q->document, JSON_COMPACT);
	return text ? file_replace_at(dir, JOB_DOCUMENT, text, strlen(text), 0600, false, e)
		    : err_set(e, ENOMEM, "the job file");
}

/* The child's part: all that a job in the foreground does, up to its start. Returns only when it
 * failed. */
static int start(struct job_request *q, struct job *job, int root, struct arena *a,
		 const struct runtime_hooks_in *in, struct job_detach *detach)
{
	struct job_result result;
	struct err e = ERR_INIT, ignored = ERR_INIT;
	_cleanup_fd_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	setsid();
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	job->detach = detach;
	job_run(job, q->store, root, cli.root_text, in, a, &result, &e);
	err_wrap(&e, "job %s", job->id);
	log_err(&e);
	job_folder_remove(root, job->id, &ignored);
	return result.status;
}

static int wait_started(int ready, pid_t child, const char *id)
{
	int status;
	ssize_t n;
	char c;

	do
		n = read(ready, &c, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1) {
		printf("%s\n", id);
		return cli_flush() ? EXIT_JOB_FAILED : 0;
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_JOB_FAILED;
	return WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : EXIT_JOB_FAILED;
}

int job_run_detached(struct job_request *q, struct job *job, int root, struct arena *a,
		     const struct runtime_hooks_in *in, char *const argv[])
{
	struct job_detach detach = { .argv = argv };
	_cleanup_fd_ int dir = -EBADF;
	struct err e = ERR_INIT, ignored = ERR_INIT;
	int ends[2], r = job_request_log(q, &detach.log, &e);
	pid_t child = -1;

	if (r == 0) {
		dir = detach.dir = job_folder_open(root, job->id, true, &e);
		r = dir < 0 ? dir : keep_document(q, dir, &e);
	}
	if (r == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		r = err_set(&e, errno, "socketpair");
	if (r == 0) {
		child = fork();
		if (child < 0)
			r = err_set(&e, errno, "fork");
	}
	if (r < 0) {
		if (dir >= 0)
			job_folder_remove(root, job->id, &ignored);
		err_wrap(&e, "job %s", job->id);
		return cli_fail(&e, EXIT_JOB_FAILED);
	}
	if (child == 0) {
		close(ends[0]);
		detach.ready = ends[1];
		r = start(q, job, root, a, in, &detach);
		close(ends[1]);
		return r;
	}
	close(ends[1]);
	r = wait_started(ends[0], child, job->id);
	close(ends[0]);
	return r;
}

static int write_asked(const char *path, const struct job *job, const struct job_result *result,
		       struct err *e)
{
	_cleanup_fd_ int dir = -EBADF;
	const char *name;
	int r = job_open_result(path, &dir, &name, e);

	return r < 0 ? r : job_write_result(dir, name, job, result, e);
}

int job_run_end(const struct job_request *q, struct job *job, int root, const struct err *failed,
		struct arena *a)
{
	struct job_result result = { .exit_code = -1 };
	struct err e = ERR_INIT, later = ERR_INIT;

	job_end(job, root, q->kept, a, &result, &e);
	if (failed)
		e = *failed;
	if (result.reason == JOB_SANDBOX_ERROR || failed) {
		result.reason = JOB_SANDBOX_ERROR;
		result.status = EXIT_JOB_FAILED;
		err_format(&e, result.error, sizeof result.error);
		log_err(&e);
	}
	if (q->result && write_asked(q->result, job, &result, &later) < 0)
		log_err(&later);
	err_clear(&later);
	if (job_write_result(q->kept->dir, JOB_RESULT, job, &result, &later) < 0)
		log_err(&later);
	json_decref(q->document);
	return 0;
}
