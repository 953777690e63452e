/*
 * job_detach.c - kist becomes kist-monitor, and kist again.
 *
 * Both by execve(2), so that the parent of the job's first process is one
 * process from its start to its end: with it the job would be killed.
 */
#include "supervisor/job_detach.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/self.h"
#include "runtime/container.h"
#include "supervisor/monitor.h"

#define MONITOR	    "kist-monitor"
#define OWN	    48
#define NUMBER_TEXT 24

static int write_begun(const struct job_kept *kept, const struct job_result *so_far, struct err *e)
{
	unsigned long long ticks = 0;
	bool zombie;
	_cleanup_json_ json_t *o = NULL;
	_cleanup_free_ char *text = NULL;
	int r = process_start_time(getpid(), &ticks, &zombie);

	if (r < 0)
		return err_set(e, -r, "kist's own start time");
	o = json_pack("{s:i, s:I, s:I, s:I, s:s*, s:s*}", "pid", (int)getpid(), "startTime",
		      (json_int_t)ticks, "startedNs", (json_int_t)so_far->started_ns, "address",
		      (json_int_t)so_far->address, "digest", so_far->image_digest,
		      "owner", so_far->owner[0] ? so_far->owner : NULL);
	text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	if (!text)
		return err_set(e, ENOMEM, JOB_BEGUN);
	return file_replace_at(kept->dir, JOB_BEGUN, text, strlen(text), 0600, false, e);
}

/* The monitor removes it before it writes how the job ended. */
static int make_reserve(int dir, struct err *e)
{
	static const char zeros[JOB_RESERVE_SIZE];
	_cleanup_fd_ int fd = openat(dir, JOB_RESERVE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : fd_write_all(fd, zeros, sizeof zeros);

	return r < 0 ? err_set(e, -r, "cannot keep room for the job's end") : 0;
}

/* Room for OWN words of the monitor's beside kist's. */
struct words {
	char **word;
	char number[OWN][NUMBER_TEXT];
	int count;
};

static void add(struct words *w, const char *word)
{
	w->word[w->count++] = (char *)(uintptr_t)word;
}

static void add_number(struct words *w, const char *option, long long number)
{
	char *text = w->number[w->count];

	snprintf(text, NUMBER_TEXT, "%lld", number);
	add(w, option);
	add(w, text);
}

static void monitor_words(struct words *w, const char *path, const struct job *job, int pidfd,
			  const int output[2], const struct job_kept *kept)
{
	static const char *const formats[] = { [CONTAINER_LOG_NONE] = "none",
					       [CONTAINER_LOG_RAW] = "raw",
					       [CONTAINER_LOG_JSON] = "json-file" };
	const struct container_log_options *log = &job->detach->log;

	add(w, path);
	add_number(w, "--pidfd", pidfd);
	if (kept->cgroup >= 0)
		add_number(w, "--cgroup", kept->cgroup);
	add_number(w, "--stdout", output[0]);
	if (output[1] >= 0)
		add_number(w, "--stderr", output[1]);
	add_number(w, "--dir", kept->dir);
	add(w, "--record");
	add(w, JOB_ENDED);
	add(w, "--reserve");
	add(w, JOB_RESERVE);
	add(w, "--log");
	add(w, formats[log->format]);
	add(w, "--log-name");
	add(w, JOB_LOG);
	add_number(w, "--log-size", (long long)log->max_size);
	add_number(w, "--log-files", log->max_files);
	if (job->wall_ms)
		add_number(w, "--wall", job->wall_ms);
	if (job->cpu_ms)
		add_number(w, "--cpu", job->cpu_ms);
	if (job->grace_ms)
		add_number(w, "--grace", job->grace_ms);
	if (job->output) {
		add_number(w, "--stdout-limit", (long long)job->output);
		add_number(w, "--stderr-limit", (long long)job->output);
	}
	if (job->output_kills)
		add(w, "--output-ends");
	add_number(w, "--ready", job->detach->ready);
	add(w, "--");
}

static int keep_open(int fd)
{
	return fd < 0 || fcntl(fd, F_SETFD, 0) == 0 ? 0 : -errno;
}

/* From here on nobody listens: the caller's pipes must not be held open. */
static int leave_caller(int dir)
{
	_cleanup_fd_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_fd_ int errors =
		openat(dir, JOB_ERRORS, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (null < 0 || errors < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(errors, 2) < 0)
		return -errno;
	return 0;
}

int job_become_monitor(const struct job *job, int pidfd, const int output[2],
		       const struct job_kept *k, const struct job_result *so_far, struct err *e)
{
	const int fds[] = { pidfd,	output[0], output[1], job->detach->ready,
			    k->dir,	k->root,   k->mounts, k->cgroup,
			    k->collect, k->pin,	   k->user,   k->netns };
	char path[PATH_MAX], kist[PATH_MAX], kept[256];
	struct words w = { .count = 0 };
	int given = 0, r = write_begun(k, so_far, e);

	if (r == 0)
		r = make_reserve(k->dir, e);
	if (r == 0 && ((r = self_beside(MONITOR, path, sizeof path)) < 0 ||
		       (r = self_beside("kist", kist, sizeof kist)) < 0))
		return err_set(e, -r, "where " MONITOR " lies");
	if (r == 0 && access(path, X_OK) < 0 && access(KIST_LIBEXEC "/" MONITOR, X_OK) == 0)
		snprintf(path, sizeof path, KIST_LIBEXEC "/" MONITOR);
	for (size_t i = 0; r == 0 && i < sizeof fds / sizeof fds[0]; i++)
		if ((r = keep_open(fds[i])) < 0)
			err_set(e, -r, "fcntl(%d, F_SETFD)", fds[i]);
	if (r < 0)
		return r;
	snprintf(kept, sizeof kept, "%d,%d,%d,%d,%d,%d,%s", k->dir, k->root, k->mounts, k->cgroup,
		 k->collect, k->netns, job->id);
	if (setenv(JOB_END_VARIABLE, kept, 1) < 0)
		return err_set(e, errno, "setenv");
	while (job->detach->argv[given])
		given++;
	w.word = calloc((size_t)given + OWN, sizeof *w.word);
	if (!w.word)
		return err_set(e, ENOMEM, "the monitor's arguments");
	monitor_words(&w, path, job, pidfd, output, k);
	add(&w, kist);
	for (int i = 1; i < given; i++)
		add(&w, job->detach->argv[i]);
	if (access(path, X_OK) == 0 && (r = leave_caller(k->dir)) == 0)
		execv(path, w.word);
	errno = r < 0 ? -r : errno;
	err_set(e, errno, "cannot execute %s", path);
	free(w.word);
	return err_fix(e, "install it beside kist, or in " KIST_LIBEXEC "");
}

int job_kept_parse(const char *text, const char **ret_id, struct job_kept *ret)
{
	int used = 0;

	*ret = (struct job_kept){ .pin = -1, .user = -1 };
	if (sscanf(text, "%d,%d,%d,%d,%d,%d,%n", &ret->dir, &ret->root, &ret->mounts, &ret->cgroup,
		   &ret->collect, &ret->netns, &used) != 6 ||
	    !used)
		return -EINVAL;
	*ret_id = text + used;
	return 0;
}
