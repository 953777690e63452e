/*
 * ps.c - the processes of a container: their ids as JSON, or a table.
 *
 * Without options for it the table is made here, in the columns of "ps -ef",
 * so that no ps(1) is needed; with them ps(1) is run and its lines filtered.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/live.h"

extern char **environ;

static int compare_pids(const void *a, const void *b)
{
	return *(const pid_t *)a - *(const pid_t *)b;
}

static void print_json(const pid_t *pids, size_t count)
{
	putchar('[');
	for (size_t i = 0; i < count; i++)
		printf("%s%d", i ? "," : "", (int)pids[i]);
	printf("]\n");
}

/* ---- the table made here ---- */

struct process_line {
	char state;
	int ppid, tty;
	unsigned long long user, system, start; /* clock ticks; start since boot */
};

static bool read_process(pid_t pid, struct process_line *ret)
{
	char path[32], text[1024];
	const char *after;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (file_read_at(AT_FDCWD, path, text, sizeof text) < 0)
		return false;
	after = strrchr(text, ')');
	return after && sscanf(after + 1, " %c %d %*d %*d %d %*d %*u %*u %*u %*u %*u %llu %llu "
			       "%*d %*d %*d %*d %*d %*d %llu", &ret->state, &ret->ppid, &ret->tty,
			       &ret->user, &ret->system, &ret->start) == 6;
}

/* The command line, or "[name]" for one that has none; hostile text, so cleaned. */
static void add_command(struct buf *b, pid_t pid)
{
	char path[32], text[4096];
	_cleanup_fd_ int fd = -EBADF;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fd_read_full(fd, text, sizeof text - 1);
	while (n > 0 && text[n - 1] == '\0')
		n--;
	if (n > 0) {
		text[n] = '\0';
		for (ssize_t i = 0; i < n; i++)
			if (text[i] == '\0')
				text[i] = ' ';
		buf_add_clean(b, text);
		return;
	}
	snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
	if (file_read_at(AT_FDCWD, path, text, sizeof text) < 0)
		text[0] = '\0';
	buf_add_char(b, '[');
	buf_add_clean(b, text);
	buf_add_char(b, ']');
}

static void add_user(struct buf *b, pid_t pid)
{
	const char *name;
	struct stat st;
	char path[32];

	snprintf(path, sizeof path, "/proc/%d", (int)pid);
	if (stat(path, &st) < 0)
		return;
	name = cli_user_name(st.st_uid);
	if (name && strlen(name) <= 8)
		buf_add_clean(b, name);
	else
		buf_addf(b, "%u", st.st_uid);
}

static void add_tty(struct buf *b, int tty)
{
	unsigned int kind = major((dev_t)tty), number = minor((dev_t)tty);

	if (kind >= 136 && kind <= 143) /* UNIX98_PTY_SLAVE_MAJOR */
		buf_addf(b, "pts/%u", number + (kind - 136) * 256);
	else if (kind == 4)
		buf_addf(b, number < 64 ? "tty%u" : "ttyS%u", number < 64 ? number : number - 64);
	else
		buf_add_char(b, '?');
}

static void print_process(pid_t pid, const struct process_line *p, time_t now, double uptime)
{
	double ticks = (double)sysconf(_SC_CLK_TCK), age = uptime - (double)p->start / ticks;
	unsigned long used = (unsigned long)((double)(p->user + p->system) / ticks);
	time_t start = now - (time_t)age;
	char user[64], tty[32], when[16], command[8192];
	struct buf user_buf = BUF_ON(user), tty_buf = BUF_ON(tty), command_buf = BUF_ON(command);
	struct tm tm;

	buf_reset(&user_buf);
	buf_reset(&tty_buf);
	buf_reset(&command_buf);
	add_user(&user_buf, pid);
	add_tty(&tty_buf, p->tty);
	add_command(&command_buf, pid);
	localtime_r(&start, &tm);
	strftime(when, sizeof when, now - start < 86400 ? "%H:%M" : "%b%d", &tm);
	printf("%-8s %7d %7d %2.0f %s %-8s %02lu:%02lu:%02lu %s\n", user, (int)pid, p->ppid,
	       age > 0 ? 100 * (double)(p->user + p->system) / ticks / age : 0.0, when, tty,
	       used / 3600, used / 60 % 60, used % 60, command);
}

static void print_own_table(const pid_t *pids, size_t count)
{
	struct timespec boot;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	printf("%-8s %7s %7s %2s %s %-8s %8s %s\n", "UID", "PID", "PPID", "C", "STIME", "TTY",
	       "TIME", "CMD");
	for (size_t i = 0; i < count; i++) {
		struct process_line line;

		if (read_process(pids[i], &line)) /* else it has just ended */
			print_process(pids[i], &line, time(NULL),
				      (double)boot.tv_sec + (double)boot.tv_nsec / 1e9);
	}
}

/* ---- the table of ps(1) ---- */

/* Starts "ps ARGS"; its output comes from *ret. */
static int start_ps(int argc, char **argv, pid_t *ret_pid, FILE **ret, struct err *e)
{
	_cleanup_free_ char **args = calloc((size_t)argc + 2, sizeof *args);
	posix_spawn_file_actions_t actions;
	char name[] = "ps";
	int ends[2], r;

	if (!args)
		return err_set(e, ENOMEM, "ps");
	args[0] = name;
	memcpy(args + 1, argv, (size_t)argc * sizeof *args);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(e, errno, "a pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	r = posix_spawnp(ret_pid, "ps", &actions, NULL, args, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	*ret = r ? NULL : fdopen(ends[0], "r");
	if (*ret)
		return 0;
	close(ends[0]);
	err_set(e, r ? r : ENOMEM, "cannot run ps");
	return err_fix(e, "install ps(1), or leave its options away");
}

/* In which word, from 0, the ids stand; -1: in none. */
static int pid_column(const char *line)
{
	for (int word = 0;; word++) {
		size_t len;

		line += strspn(line, " \t\n");
		len = strcspn(line, " \t\n");
		if (len == 0)
			return -1;
		if (len == 3 && strncmp(line, "PID", 3) == 0)
			return word;
		line += len;
	}
}

static pid_t pid_in(const char *line, int column)
{
	for (; column > 0; column--) {
		line += strspn(line, " \t");
		line += strcspn(line, " \t\n");
	}
	return (pid_t)strtol(line, NULL, 10);
}

static int print_filtered(FILE *stream, const pid_t *pids, size_t count, struct err *e)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	int column = -1;

	while (getline(&line, &size, stream) > 0) {
		pid_t pid;

		if (column < 0) {
			column = pid_column(line);
			if (column < 0)
				return err_say(e, EINVAL, "couldn't find PID field in ps output");
			fputs(line, stdout);
			continue;
		}
		pid = pid_in(line, column);
		if (count && bsearch(&pid, pids, count, sizeof *pids, compare_pids))
			fputs(line, stdout);
	}
	return 0;
}

static int print_ps_table(int argc, char **argv, const pid_t *pids, size_t count, struct err *e)
{
	_cleanup_stream_ FILE *stream = NULL;
	pid_t child = -1;
	int status, r = start_ps(argc, argv, &child, &stream, e);

	if (r < 0)
		return r;
	r = print_filtered(stream, pids, count, e);
	close_stream(&stream);
	if (waitpid(child, &status, 0) < 0)
		return err_set(e, errno, "waiting for ps");
	if (r == 0 && status != 0)
		return err_say(e, EINVAL, "ps failed (status %d)",
			       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return r;
}

int command_ps(int argc, char **argv)
{
	const char *format = "table";
	const struct option table[] = {
		{ "format", 'f', OPTION_TEXT, &format, "FORMAT", "table or json" },
	};
	_cleanup_free_ pid_t *pids = NULL;
	_cleanup_fd_ int root = -EBADF;
	struct err e = ERR_INIT;
	size_t count = 0;
	int status, r, first = cli_parse(cli_find("ps"), table, 1, argc, argv, &status);

	if (first < 0)
		return status;
	if (strcmp(format, "table") != 0 && strcmp(format, "json") != 0) {
		err_say(&e, EINVAL, "--format: \"%s\" is neither table nor json", format);
		return cli_fail(&e, 1);
	}
	r = cli_open_root(false, &root, &e);
	if (r == 0)
		r = runtime_processes(root, argv[first], &pids, &count, &e);
	if (r < 0)
		return cli_fail(&e, 1);
	if (count)
		qsort(pids, count, sizeof *pids, compare_pids);
	if (strcmp(format, "json") == 0)
		print_json(pids, count);
	else if (argc - first > 1)
		r = print_ps_table(argc - first - 1, argv + first + 1, pids, count, &e);
	else
		print_own_table(pids, count);
	return r < 0 ? cli_fail(&e, 1) : 0;
}
