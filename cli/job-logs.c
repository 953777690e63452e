/*
 * job-logs.c - kist job logs: what a detached job said, and says.
 *
 * Files are read from the oldest to the one being written; then, with
 * --follow, whenever inotify(7) tells of a change, until the job is over. A
 * file that was cut meanwhile is read to its end before the next.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "cli/job.h"

#define EXIT_JOB_FAILED 125
#define BLOCK		65536
#define RECORD_MAX	(1 << 20)

struct reading {
	int dir, fd; /* of the job's folder, of the file being written */
	bool timestamps;
	char *line; /* a record that is not whole yet; owned */
	size_t used;
};

/* A line of a json-file goes where it came from; of another file, to standard output. */
static void print_line(const struct reading *r, const char *line, size_t size)
{
	/* jansson's own reader: kist's takes no \u0000, which a job may well say. */
	_cleanup_json_ json_t *o =
		line[0] == '{' ? json_loadb(line, size, JSON_ALLOW_NUL, NULL) : NULL;
	const char *stream, *log;
	FILE *to;

	if (!(log = json_string_value(json_object_get(o, "log"))) ||
	    !(stream = json_string_value(json_object_get(o, "stream")))) {
		fwrite(line, 1, size, stdout);
		return;
	}
	to = strcmp(stream, "stderr") == 0 ? stderr : stdout;
	if (r->timestamps)
		fprintf(to, "%s ", json_string_value(json_object_get(o, "time")));
	fwrite(log, 1, json_string_length(json_object_get(o, "log")), to);
}

static int take(struct reading *r, const char *data, size_t size, struct err *e)
{
	while (size > 0) {
		const char *newline = memchr(data, '\n', size);
		size_t n = newline ? (size_t)(newline + 1 - data) : size;

		if (r->used + n > RECORD_MAX)
			return err_say(e, EFBIG, "the log has a record of more than %d bytes",
				       RECORD_MAX);
		memcpy(r->line + r->used, data, n);
		r->used += n;
		data += n;
		size -= n;
		if (newline) {
			print_line(r, r->line, r->used);
			r->used = 0;
		}
	}
	return 0;
}

/* All that is in the open file now. */
static int drain(struct reading *r, struct err *e)
{
	char block[BLOCK];
	ssize_t n;
	int error = 0;

	while (r->fd >= 0 && (n = read(r->fd, block, sizeof block)) > 0 && error == 0)
		error = take(r, block, (size_t)n, e);
	fflush(stdout);
	return error;
}

static int open_log(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static void log_name(char name[32], int index)
{
	snprintf(name, 32, index ? JOB_LOG ".%d" : JOB_LOG, index);
}

/* Which one the open file is by now; -1: none, it was the oldest and is gone. */
static int find_index(const struct reading *r)
{
	struct stat have, named;
	char name[32];

	if (r->fd < 0 || fstat(r->fd, &have) < 0)
		return -1;
	for (int i = 0; i < CONTAINER_LOG_FILES; i++) {
		log_name(name, i);
		if (fstatat(r->dir, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
		    named.st_ino == have.st_ino && named.st_dev == have.st_dev)
			return i;
	}
	return -1;
}

/* The file after the open one; -ENOENT: there is none yet. Names move on at any moment: what was
 * opened is right if the old one had the same name before and after. */
static int open_next(const struct reading *r)
{
	for (;;) {
		int index = find_index(r), fd = -ENOENT;
		char name[32];

		if (index == 0)
			return -ENOENT;
		for (int i = index < 0 ? CONTAINER_LOG_FILES : index; i > 0 && fd == -ENOENT; i--) {
			log_name(name, i - 1);
			fd = open_log(r->dir, name);
		}
		if (fd < 0 || find_index(r) == index)
			return fd;
		close(fd);
	}
}

/* What came since, over cuts, too. Of one file that begins anew (--log-files 1): from its start. */
static int read_more(struct reading *r, struct err *e)
{
	struct stat st;
	int error, next;

	if (r->fd >= 0 && fstat(r->fd, &st) == 0 && lseek(r->fd, 0, SEEK_CUR) > st.st_size)
		lseek(r->fd, 0, SEEK_SET);
	error = drain(r, e);
	while (error == 0 && (next = open_next(r)) >= 0) {
		/* It was cut: nothing more comes there, but what came before may be unread. */
		error = drain(r, e);
		fd_close(&r->fd);
		r->fd = next;
		if (error == 0)
			error = drain(r, e);
	}
	return error;
}

static int follow(struct reading *r, const struct job_folder *f, struct err *e)
{
	_cleanup_fd_ int changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd fds[2] = { { .fd = changes, .events = POLLIN },
				 { .fd = f->pidfd, .events = POLLIN } };
	char path[32], events[4096];
	int error = 0;

	snprintf(path, sizeof path, "/proc/self/fd/%d", r->dir);
	if (changes < 0 ||
	    inotify_add_watch(changes, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
		return err_set(e, errno, "inotify");
	while (error == 0) {
		/* Before waiting: what came before the watch was there. */
		error = read_more(r, e);
		if (fds[1].revents || ferror(stdout))
			break;
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return err_set(e, errno, "poll");
		while (read(changes, events, sizeof events) > 0)
			;
	}
	return error;
}

int command_job_logs(int argc, char **argv)
{
	static const struct command command = {
		"job logs", "[options] ID", "print what a detached job said.", 1, 1, false, NULL
	};
	struct reading r = { .dir = -EBADF, .fd = -EBADF };
	bool follows = false;
	const struct option table[] = {
		{ "follow", 'f', OPTION_FLAG, &follows, NULL,
		  "and what it says, until it is over" },
		{ "timestamps", 't', OPTION_FLAG, &r.timestamps, NULL,
		  "before each line, its time" },
	};
	_cleanup_job_folder_ struct job_folder f = { .pidfd = -EBADF };
	_cleanup_fd_ int root = -EBADF;
	struct err e = ERR_INIT;
	int status = 0, first = cli_parse(&command, table, 2, argc, argv, &status), error;

	if (first < 0)
		return status ? EXIT_JOB_FAILED : 0;
	error = cli_open_root(true, &root, &e);
	if (error == 0)
		error = container_check_id(argv[first], &e);
	if (error == 0)
		r.dir = job_folder_open(root, argv[first], false, &e);
	if (error == 0 && r.dir < 0)
		error = r.dir;
	if (error == 0)
		error = job_folder_read(r.dir, &f, &e);
	r.line = error == 0 ? malloc(RECORD_MAX) : NULL;
	if (error == 0 && !r.line)
		error = err_set(&e, ENOMEM, "a record");
	if (error == 0)
		error = read_more(&r, &e);
	if (error == 0 && follows && f.state == JOB_IS_RUNNING)
		error = follow(&r, &f, &e);
	if (error == 0 && r.used)
		print_line(&r, r.line, r.used);
	free(r.line);
	fd_close(&r.fd);
	fd_close(&r.dir);
	if (error < 0)
		return cli_fail(&e, EXIT_JOB_FAILED);
	return cli_flush() ? EXIT_JOB_FAILED : 0;
}
