/*
 * job-list.c - detached jobs: which there are, how they ended, and an end to them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "cli/job.h"
#include "runtime/runtime.h"

#define EXIT_JOB_FAILED 125

static const char *state_name(const struct job_folder *f)
{
	static const char *const names[] = { [JOB_IS_STARTING] = "starting",
					     [JOB_IS_RUNNING] = "running",
					     [JOB_IS_OVER] = "over",
					     [JOB_IS_LOST] = "lost" };

	return names[f->state];
}

/* A command with one job's id for its argument, open. */
static int open_one(int root, const char *id, int *ret_dir, struct job_folder *f, struct err *e)
{
	int r = container_check_id(id, e);

	if (r == 0)
		*ret_dir = job_folder_open(root, id, false, e);
	if (r == 0 && *ret_dir < 0)
		r = *ret_dir;
	return r < 0 ? r : job_folder_read(*ret_dir, f, e);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The ids of all, sorted; names end with NULL and are the caller's. */
static int list(int root, char ***ret, struct err *e)
{
	int fd = openat(root, JOBS_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	size_t count = 0;
	char **names = calloc(1, sizeof *names), **more;

	if (!dir && fd >= 0)
		close(fd);
	if (fd < 0 && errno != ENOENT) {
		free(names);
		return err_set(e, errno, "the folder " JOBS_FOLDER);
	}
	while (names && dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		more = realloc(names, (count + 2) * sizeof *names);
		if (!more)
			break;
		names = more;
		names[count++] = strdup(entry->d_name);
		names[count] = NULL;
	}
	if (dir)
		closedir(dir);
	if (!names)
		return err_set(e, ENOMEM, "the list of jobs");
	qsort(names, count, sizeof *names, by_name);
	*ret = names;
	return 0;
}

static void free_list(char **names)
{
	for (size_t i = 0; names && names[i]; i++)
		free(names[i]);
	free(names);
}

static void print_row(const char *id, const struct job_folder *f)
{
	const char *reason = json_string_value(json_object_get(f->result, "reason"));
	const char *started = json_string_value(json_object_get(f->result, "started"));
	char status[16] = "-", pid[16] = "-";

	if (f->result)
		snprintf(status, sizeof status, "%d",
			 (int)json_integer_value(json_object_get(f->result, "status")));
	if (f->state == JOB_IS_RUNNING)
		snprintf(pid, sizeof pid, "%d",
			 (int)json_integer_value(json_object_get(f->begun, "pid")));
	printf("%-24s  %-8s  %-14s  %-6s  %-8s  %s\n", id, state_name(f), reason ? reason : "-",
	       status, pid, started ? started : "-");
}

static void print_json(const char *id, const struct job_folder *f)
{
	_cleanup_json_ json_t *o = json_pack("{s:s, s:s}", "id", id, "state", state_name(f));
	_cleanup_free_ char *text = NULL;

	if (f->state == JOB_IS_RUNNING)
		json_object_set(o, "monitor_pid", json_object_get(f->begun, "pid"));
	if (f->result)
		json_object_set(o, "result", f->result);
	text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	if (text)
		printf("%s\n", text);
}

int command_job_ls(int argc, char **argv)
{
	static const struct command command = {
		"job ls",
		"[options]",
		"list the detached jobs of this state root.\n"
		"starting; running; over: its result is there; lost: its monitor was killed (kist job gc).",
		0,
		0,
		false,
		NULL
	};
	bool json = false, quiet = false;
	const struct option table[] = {
		{ "json", 0, OPTION_FLAG, &json, NULL, "one JSON object a line, with the result" },
		{ "quiet", 'q', OPTION_FLAG, &quiet, NULL, "ids alone" },
	};
	_cleanup_fd_ int root = -EBADF;
	struct err e = ERR_INIT;
	char **names = NULL;
	int status = 0, r = cli_parse(&command, table, 2, argc, argv, &status);

	if (r < 0)
		return status ? EXIT_JOB_FAILED : 0;
	r = cli_open_root(true, &root, &e);
	if (r == 0)
		r = list(root, &names, &e);
	if (r < 0)
		return cli_fail(&e, EXIT_JOB_FAILED);
	if (!json && !quiet)
		printf("%-24s  %-8s  %-14s  %-6s  %-8s  %s\n", "ID", "STATE", "REASON", "STATUS",
		       "MONITOR", "STARTED");
	for (size_t i = 0; names[i]; i++) {
		_cleanup_job_folder_ struct job_folder f = { .pidfd = -EBADF };
		_cleanup_fd_ int dir = -EBADF;

		/* Removed meanwhile, or damaged: the others are listed. */
		if (open_one(root, names[i], &dir, &f, &e) < 0) {
			err_clear(&e);
			continue;
		}
		if (quiet)
			printf("%s\n", names[i]);
		else if (json)
			print_json(names[i], &f);
		else
			print_row(names[i], &f);
	}
	free_list(names);
	return cli_flush() ? EXIT_JOB_FAILED : 0;
}

int command_job_wait(int argc, char **argv)
{
	static const struct command command = {
		"job wait",
		"[options] ID",
		"wait until a detached job is over, and end with its status.",
		1,
		1,
		false,
		NULL
	};
	bool json = false;
	const struct option table[] = { { "json", 0, OPTION_FLAG, &json, NULL,
					  "print its result" } };
	_cleanup_fd_ int root = -EBADF, dir = -EBADF;
	_cleanup_job_folder_ struct job_folder f = { .pidfd = -EBADF };
	struct err e = ERR_INIT;
	int status = 0, first = cli_parse(&command, table, 1, argc, argv, &status), r;
	struct pollfd end;

	if (first < 0)
		return status ? EXIT_JOB_FAILED : 0;
	r = cli_open_root(true, &root, &e);
	if (r == 0)
		r = open_one(root, argv[first], &dir, &f, &e);
	while (r == 0 && f.state == JOB_IS_STARTING) {
		usleep(20000);
		job_folder_free(&f);
		r = job_folder_read(dir, &f, &e);
	}
	if (r == 0 && f.state == JOB_IS_RUNNING) {
		end = (struct pollfd){ .fd = f.pidfd, .events = POLLIN };
		while (poll(&end, 1, -1) < 0 && errno == EINTR)
			;
		job_folder_free(&f);
		r = job_folder_read(dir, &f, &e);
	}
	if (r == 0 && f.state != JOB_IS_OVER) {
		r = err_say(&e, ECHILD, "job %s: its monitor was killed, and the job with it",
			    argv[first]);
		err_fix(&e, "kist job gc");
	}
	if (r < 0)
		return cli_fail(&e, EXIT_JOB_FAILED);
	if (json) {
		_cleanup_free_ char *text = json_dumps(f.result, JSON_INDENT(2));

		printf("%s\n", text ? text : "");
		if (cli_flush())
			return EXIT_JOB_FAILED;
	}
	return (int)json_integer_value(json_object_get(f.result, "status"));
}

int command_job_kill(int argc, char **argv)
{
	static const struct command command = {
		"job kill",
		"ID [SIGNAL]",
		"end a detached job: as its --grace says, its reason is \"cancelled\".\n"
		"With a signal, send that to its first process instead.",
		1,
		2,
		false,
		NULL
	};
	_cleanup_fd_ int root = -EBADF, dir = -EBADF;
	_cleanup_job_folder_ struct job_folder f = { .pidfd = -EBADF };
	struct err e = ERR_INIT;
	int status = 0, first = cli_parse(&command, NULL, 0, argc, argv, &status), r,
	    signal = SIGTERM;

	if (first < 0)
		return status ? EXIT_JOB_FAILED : 0;
	r = cli_open_root(true, &root, &e);
	if (r == 0 && argv[first + 1])
		r = signal_parse(argv[first + 1], &signal, &e);
	if (r == 0)
		r = open_one(root, argv[first], &dir, &f, &e);
	if (r == 0 && f.state != JOB_IS_RUNNING)
		r = err_say(&e, ESRCH, "job %s is %s", argv[first], state_name(&f));
	if (r == 0 && argv[first + 1])
		r = runtime_kill(root, argv[first], signal, false, &e);
	else if (r == 0 && pidfd_send_signal(f.pidfd, SIGTERM, NULL, 0) < 0)
		r = err_set(&e, errno, "job %s: its monitor", argv[first]);
	return r < 0 ? cli_fail(&e, EXIT_JOB_FAILED) : 0;
}

/* 1: removed, 0: it runs. */
static int collect_one(int root, const char *id, struct err *e)
{
	_cleanup_fd_ int dir = -EBADF;
	_cleanup_job_folder_ struct job_folder f = { .pidfd = -EBADF };
	struct err ignored = ERR_INIT;
	int r = open_one(root, id, &dir, &f, e);

	if (r < 0)
		return r;
	if (f.state == JOB_IS_RUNNING || f.state == JOB_IS_STARTING)
		return 0;
	/* Not as long as somebody is with it, be it without a record. */
	if (f.state == JOB_IS_LOST && flock(dir, LOCK_EX | LOCK_NB) < 0)
		return 0;
	/* Its first process died with the monitor; what was made for it is still there. */
	if (f.state == JOB_IS_LOST) {
		r = runtime_delete(root, id, true, &ignored);
		if (r < 0 && r != -ENOENT) {
			*e = ignored;
			return r;
		}
	}
	r = job_folder_remove(root, id, e);
	return r < 0 ? r : 1;
}

static void gc_said(void *user, const char *id, const struct err *failure)
{
	if (failure)
		*(int *)user = cli_fail(failure, EXIT_JOB_FAILED);
	else
		printf("%s\n", id);
}

int command_job_gc(int argc, char **argv)
{
	static const struct command command = {
		"job gc",
		"[ID...]",
		"forget detached jobs that are over, with their logs and results, and clean up "
		"after\n"
		"those whose monitor was killed. Without an id: all of them, and what is left of jobs "
		"in\n"
		"the foreground whose kist was killed.",
		0,
		-1,
		false,
		NULL
	};
	_cleanup_fd_ int root = -EBADF;
	struct err e = ERR_INIT;
	char **names = NULL, **all;
	int status = 0, first = cli_parse(&command, NULL, 0, argc, argv, &status), r;

	if (first < 0)
		return status ? EXIT_JOB_FAILED : 0;
	r = cli_open_root(true, &root, &e);
	if (r == 0 && !argv[first])
		r = list(root, &names, &e);
	if (r < 0)
		return cli_fail(&e, EXIT_JOB_FAILED);
	all = names ? names : argv + first;
	status = 0;
	for (size_t i = 0; all[i]; i++) {
		r = collect_one(root, all[i], &e);
		if (r > 0)
			printf("%s\n", all[i]);
		if (r == 0 && !names)
			r = err_say(&e, EBUSY, "job %s is running", all[i]);
		if (r < 0)
			status = cli_fail(&e, EXIT_JOB_FAILED);
		err_clear(&e);
	}
	if (names && job_gc(root, gc_said, &status, &e) < 0)
		status = cli_fail(&e, EXIT_JOB_FAILED);
	free_list(names);
	return cli_flush() ? EXIT_JOB_FAILED : status;
}
