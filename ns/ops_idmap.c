/*
 * ops_idmap.c - id maps by newuidmap(1) and newgidmap(1): how a caller without rights gets more
 * ids than its own.
 *
 * The helpers are setuid programs of the host and look into /etc/subuid and
 * /etc/subgid themselves: what a caller may have is decided there, not here.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/engine.h"
#include "base/fd.h"
#include "ns/ops.h"

#define WORD_MAX 12 /* a 32 bit number and its NUL */

/* argv of the helper: its name, the pid, then container, host, size of each line. */
struct words {
	char text[NS_MAP_LINES_MAX * 3 + 1][WORD_MAX];
	char *argv[NS_MAP_LINES_MAX * 3 + 3];
};

static void fill_words(struct words *w, const struct op_map_ids_args *a, pid_t pid)
{
	size_t n = 0;

	snprintf(w->text[n++], WORD_MAX, "%d", (int)pid);
	for (size_t i = 0; i < a->maps->count; i++) {
		const struct ns_id_map *line = &a->maps->line[i];

		snprintf(w->text[n++], WORD_MAX, "%u", line->container);
		snprintf(w->text[n++], WORD_MAX, "%u", line->host);
		snprintf(w->text[n++], WORD_MAX, "%u", line->size);
	}
	w->argv[0] = (char *)(uintptr_t)a->helper;
	for (size_t i = 0; i < n; i++)
		w->argv[i + 1] = w->text[i];
	w->argv[n + 1] = NULL;
}

/* Its words go to `output`; it gets nothing of ours: no fd, no environment, no blocked signal. */
static int spawn(const char *path, char *const argv[], int output, pid_t *ret_pid)
{
	static char *const environment[] = { "PATH=/usr/bin:/bin", "LC_ALL=C", NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	int r;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, output, 1);
	posix_spawn_file_actions_adddup2(&files, output, 2);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attr, &none);
	r = posix_spawn(ret_pid, path, &files, &attr, argv, environment);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -r;
}

/* What it says, then its end. It may close its output and stay: the deadline is for both.
 * 0 with the wait status, or -ETIMEDOUT. */
static int follow(pid_t pid, int output, int timeout_ms, struct buf *said, int *ret_status)
{
	_cleanup_fd_ int pidfd = pidfd_open(pid, 0);
	int64_t end = clock_now_ms() + timeout_ms;
	bool open = true;
	int r = pidfd < 0 ? -errno : 0;

	while (r == 0) {
		struct pollfd p[] = { { .fd = pidfd, .events = POLLIN },
				      { .fd = open ? output : -1, .events = POLLIN } };
		int ready = poll(p, 2, clock_left_ms(end));
		char text[128];
		ssize_t n;

		if (ready == 0)
			r = -ETIMEDOUT;
		else if (ready < 0 && errno != EINTR)
			r = -errno;
		if (ready <= 0)
			continue;
		if (p[1].revents) {
			n = read(output, text, sizeof text - 1);
			text[n > 0 ? n : 0] = '\0';
			buf_add(said, text);
			open = n > 0;
		} else { /* pidfd's */
			break;
		}
	}
	if (r < 0)
		kill(pid, SIGKILL); /* its real uid is still ours */
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
	return r;
}

static int refused(const struct op_map_ids_args *a, int status, struct buf *said, struct err *e)
{
	const char *name = strrchr(a->helper, '/') + 1;
	const char *file = strcmp(name, "newgidmap") == 0 ? "/etc/subgid" : "/etc/subuid";
	char *line = said->text;

	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
		line += strlen(name) + 1 + (line[strlen(name) + 1] == ' ');
	if (WIFSIGNALED(status))
		return err_say(e, EPERM, "%s was killed by signal %d", name, WTERMSIG(status));
	err_say(e, EPERM, "%s: %s", name, *line ? line : "it failed and did not say why");
	if (strstr(line, "not allowed"))
		return err_fix(
			e,
			"give the caller these ids in %s (usermod --add-sub%cids FIRST-LAST USER), "
			"or map ids it has",
			file, name[3]);
	if (strstr(line, "user name"))
		return err_fix(e, "the caller's uid needs a name: an entry in /etc/passwd");
	if (strstr(line, "not permitted") || strstr(line, "ermission denied"))
		return err_fix(e, "%s must be setuid root, and no_new_privs not be set", a->helper);
	return -EPERM;
}

static int act_map_ids(struct run *r, const void *args, struct err *e)
{
	const struct op_map_ids_args *a = args;
	_cleanup_free_ struct words *words = malloc(sizeof *words);
	_cleanup_fd_ int mine = -EBADF, its = -EBADF;
	int ends[2], result, status = 0;
	char text[200];
	struct buf said = BUF_ON(text);
	pid_t pid;

	buf_reset(&said);
	if (!words)
		return -ENOMEM;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	mine = ends[0];
	its = ends[1];
	fill_words(words, a, run_slot(r, SLOT_GUEST_PID));
	result = spawn(a->helper, words->argv, its, &pid);
	if (result < 0) {
		err_set(e, -result, "cannot run %s", a->helper);
		return err_fix(e, "install the package uidmap");
	}
	fd_close(&its);
	result = follow(pid, mine, a->timeout_ms, &said, &status);
	if (result == -ETIMEDOUT)
		return err_say(e, ETIMEDOUT, "%s took more than %d ms", a->helper, a->timeout_ms);
	if (result < 0)
		return result;
	return status == 0 ? 0 : refused(a, status, &said, e);
}

static void add_map_words(struct buf *out, const struct ns_id_maps *maps)
{
	for (size_t i = 0; i < maps->count; i++)
		buf_addf(out, " %u %u %u", maps->line[i].container, maps->line[i].host,
			 maps->line[i].size);
}

static void show_map_ids(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_map_ids_args *a = args;

	(void)p;
	buf_addf(out, "execve(\"%s <guest pid>", a->helper);
	add_map_words(out, a->maps);
	buf_addf(out, "\") within %d ms", a->timeout_ms);
}

static void by_hand_map_ids(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_map_ids_args *a = args;

	(void)p;
	buf_addf(out, "%s $PID", a->helper);
	add_map_words(out, a->maps);
}

const struct op op_map_ids = { .name = "map_ids",
			       .man = "newuidmap(1)",
			       .compound = true,
			       .act = act_map_ids,
			       .show = show_map_ids,
			       .by_hand = by_hand_map_ids };
