/*
 * main-kist-monitor.c - the program `kist-monitor`: what is left of kist while a detached container
 * runs.
 *
 * kist becomes it by execve(2) once the container runs, so it is the parent of
 * the container's first process; at the end it becomes the command after `--`,
 * which takes the container away. Everything comes by file descriptors that
 * kist leaves open; nobody else starts this program.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "supervisor/monitor.h"

#define STATUS_FAILED 125
#define FD_MAX	      1023

struct given {
	struct monitor m;
	struct container_log_options log;
	const char *log_name, *record, *reserve; /* reserve: a file that only keeps room for the record */
	int dir, log_dir, ready;
	char **then; /* NULL-terminated */
};

enum kind { IS_FD, IS_MS, IS_BYTES, IS_COUNT, IS_TEXT, IS_FORMAT, IS_FLAG };

static const struct option_row {
	const char *name;
	enum kind kind;
	size_t at;
} options[] = {
#define ROW(name, kind, field)                                                                     \
	{                                                                                          \
		name, kind, offsetof(struct given, field)                                          \
	}
	ROW("--pidfd", IS_FD, m.pidfd),
	ROW("--cgroup", IS_FD, m.cgroup),
	ROW("--stdout", IS_FD, m.output[0]),
	ROW("--stderr", IS_FD, m.output[1]),
	ROW("--dir", IS_FD, dir),
	ROW("--log-dir", IS_FD, log_dir),
	ROW("--ready", IS_FD, ready),
	ROW("--wall", IS_MS, m.limits.wall_ms),
	ROW("--cpu", IS_MS, m.limits.cpu_ms),
	ROW("--grace", IS_MS, m.limits.grace_ms),
	ROW("--stdout-limit", IS_BYTES, m.limits.output_bytes[0]),
	ROW("--stderr-limit", IS_BYTES, m.limits.output_bytes[1]),
	ROW("--output-ends", IS_FLAG, m.limits.output_ends),
	ROW("--log", IS_FORMAT, log.format),
	ROW("--log-name", IS_TEXT, log_name),
	ROW("--log-size", IS_BYTES, log.max_size),
	ROW("--log-files", IS_COUNT, log.max_files),
	ROW("--record", IS_TEXT, record),
	ROW("--reserve", IS_TEXT, reserve),
#undef ROW
};

static int set_number(const struct option_row *row, const char *text, void *to)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] < '0' || text[0] > '9')
		return -EINVAL;
	switch (row->kind) {
	case IS_FD:
		if (n > FD_MAX || fcntl((int)n, F_GETFD) < 0)
			return -EBADF;
		*(int *)to = (int)n;
		return 0;
	case IS_COUNT:
		if (n < 1 || n > CONTAINER_LOG_FILES)
			return -ERANGE;
		*(int *)to = (int)n;
		return 0;
	case IS_MS:
		if (n > INT64_MAX / 1000000)
			return -ERANGE;
		*(int64_t *)to = (int64_t)n;
		return 0;
	default:
		*(uint64_t *)to = n;
		return 0;
	}
}

/* How many words it took, or -errno. */
static int set_option(struct given *g, char **words)
{
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
		const struct option_row *row = &options[i];
		void *to = (char *)g + row->at;
		int r;

		if (strcmp(words[0], row->name) != 0)
			continue;
		if (row->kind == IS_FLAG) {
			*(bool *)to = true;
			return 1;
		}
		if (!words[1])
			return -EINVAL;
		if (row->kind == IS_TEXT) {
			*(const char **)to = words[1];
			return 2;
		}
		r = row->kind == IS_FORMAT ? container_log_parse_format(words[1], to, NULL)
					   : set_number(row, words[1], to);
		return r < 0 ? r : 2;
	}
	return -EINVAL;
}

static int parse(int argc, char **argv, struct given *g)
{
	int i = 1, n;

	while (i < argc && strcmp(argv[i], "--") != 0) {
		n = set_option(g, argv + i);
		if (n < 0) {
			fprintf(stderr, "kist-monitor: %s: %s\n", argv[i], strerror(-n));
			return n;
		}
		i += n;
	}
	g->then = i + 1 < argc ? argv + i + 1 : NULL;
	if (g->m.pidfd < 0 || g->dir < 0 || !g->record || !g->then) {
		fputs("kist-monitor: kist runs this program by itself, for containers that are "
		      "detached\n",
		      stderr);
		return -EINVAL;
	}
	if (g->log_dir < 0)
		g->log_dir = g->dir;
	return 0;
}

/* It outlives a memory shortage: without it nobody would count, log and clean up. Only root may. */
static void stay_alive(void)
{
	(void)file_write_at(AT_FDCWD, "/proc/self/oom_score_adj", "-1000");
	signal(SIGPIPE, SIG_IGN);
}

static int say(const struct err *e)
{
	char text[1024];

	err_format(e, text, sizeof text);
	fprintf(stderr, "kist-monitor: %s\n", text);
	return STATUS_FAILED;
}

int main(int argc, char **argv)
{
	static struct container_log log;
	struct given g = { .m = { .pidfd = -1,
				  .cgroup = -1,
				  .output = { -1, -1 },
				  .log = &log,
				  .limits = { -1, -1, 0, { UINT64_MAX, UINT64_MAX }, false } },
			   .log = { CONTAINER_LOG_NONE, 0, 1 },
			   .log_name = "log",
			   .dir = -1,
			   .log_dir = -1,
			   .ready = -1 };
	struct monitor_end end;
	struct err e = ERR_INIT;
	char text[1024];
	int r = parse(argc, argv, &g);

	if (r < 0)
		return STATUS_FAILED;
	stay_alive();
	r = container_log_open(&log, g.log_dir, g.log_name, &g.log, &e);
	if (r < 0) {
		/* Nobody waits for it any more: a container that nobody watches does not go on. */
		pidfd_send_signal(g.m.pidfd, SIGKILL, NULL, 0);
		return say(&e);
	}
	if (g.ready >= 0) {
		while (write(g.ready, "k", 1) < 0 && errno == EINTR)
			;
		close(g.ready);
	}
	r = monitor_run(&g.m, &end, &e);
	if (r < 0) {
		pidfd_send_signal(g.m.pidfd, SIGKILL, NULL, 0);
		say(&e);
	} else {
		r = monitor_end_format(&end, text, sizeof text);
		if (g.reserve)
			unlinkat(g.dir, g.reserve, 0);
		if (file_replace_at(g.dir, g.record, text, (size_t)r, 0600, false, &e) < 0)
			say(&e);
	}
	execv(g.then[0], g.then);
	fprintf(stderr, "kist-monitor: cannot execute %s: %s\n", g.then[0], strerror(errno));
	return STATUS_FAILED;
}
