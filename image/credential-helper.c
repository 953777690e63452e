/*
 * credential-helper.c - docker-credential-NAME: a program that keeps secrets.
 *
 * Its name comes from a file, so it is looked for in the system's own folders
 * only, and it gets of our environment what a keyring needs, no more.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/fd.h"
#include "image/credentials.h"

#define HELPER_PATH    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define HELPER_SECONDS 30

static int find_program(const char *name, char *path, size_t size, struct err *e)
{
	const char *from = HELPER_PATH, *colon;

	if (name[0] == '\0' || strlen(name) > 100 ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") !=
		    strlen(name))
		return err_say(e, EINVAL, "\"%.100s\" is no name of a credential helper", name);
	for (; *from; from = *colon ? colon + 1 : colon) {
		colon = strchrnul(from, ':');
		snprintf(path, size, "%.*s/docker-credential-%s", (int)(colon - from), from, name);
		if (access(path, X_OK) == 0)
			return 0;
	}
	err_say(e, ENOENT, "no program docker-credential-%s", name);
	return err_fix(e, "install it in one of " HELPER_PATH);
}

/* Of our environment only these. */
static void make_environment(char *lines[], char text[][1024], size_t count)
{
	static const char *const names[] = { "HOME",
					     "USER",
					     "LOGNAME",
					     "XDG_RUNTIME_DIR",
					     "DBUS_SESSION_BUS_ADDRESS",
					     "DISPLAY",
					     "WAYLAND_DISPLAY",
					     "GNUPGHOME" };
	size_t i, n = 0;

	snprintf(text[n], 1024, "PATH=" HELPER_PATH);
	lines[n] = text[n];
	n++;
	for (i = 0; i < sizeof(names) / sizeof(names[0]) && n + 1 < count; i++) {
		const char *value = getenv(names[i]);

		if (value == NULL || strlen(value) > 1000)
			continue;
		snprintf(text[n], 1024, "%s=%s", names[i], value);
		lines[n] = text[n];
		n++;
	}
	lines[n] = NULL;
}

static int start(const char *path, const char *verb, int in, int out, pid_t *ret)
{
	char text[12][1024], *lines[12];
	char *args[] = { (char *)(uintptr_t)path, (char *)(uintptr_t)verb, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t usual;
	int error;

	make_environment(lines, text, 12);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	posix_spawnattr_init(&attr);
	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE); /* we ignore it, which would be inherited */
	posix_spawnattr_setsigdefault(&attr, &usual);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	error = posix_spawn(ret, path, &actions, &attr, args, lines);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

/* Its output until it closes it, within the deadline. */
static int gather(int fd, char *output, size_t size, struct err *e)
{
	struct timespec t;
	size_t have = 0;
	time_t end;
	ssize_t n;

	clock_gettime(CLOCK_MONOTONIC, &t);
	end = t.tv_sec + HELPER_SECONDS;
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		clock_gettime(CLOCK_MONOTONIC, &t);
		if (t.tv_sec >= end)
			return err_say(e, ETIMEDOUT, "no answer in %d seconds", HELPER_SECONDS);
		if (poll(&p, 1, 1000) <= 0)
			continue;
		if (have + 1 >= size)
			return err_say(e, EFBIG, "it says too much");
		n = read(fd, output + have, size - 1 - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += n;
	}
	output[have] = '\0';
	return 0;
}

static int finish(pid_t pid, const char *name, const char *output, int error, struct err *e)
{
	int status = 0;

	if (error)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (error)
		return err_wrap(e, "docker-credential-%s", name);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (strstr(output, "credentials not found"))
		return -ENOENT;
	return err_say(e, EACCES, "docker-credential-%s failed: %.*s", name,
		       (int)strcspn(output, "\r\n"), output);
}

int credential_helper(const char *name, const char *verb, const char *input, char *output,
		      size_t size, struct err *e)
{
	int in[2] = { -EBADF, -EBADF }, out[2] = { -EBADF, -EBADF };
	char path[256];
	pid_t pid = 0;
	int error = find_program(name, path, sizeof(path), e);

	if (error)
		return error;
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		error = err_set(e, errno, "pipe");
	if (!error)
		error = start(path, verb, in[0], out[1], &pid);
	if (error > 0)
		error = err_set(e, error, "cannot run %s", path);
	fd_close(&in[0]);
	fd_close(&out[1]);
	if (!error) {
		/* SIGPIPE is ignored by whoever pulls; a helper that reads nothing is no error. It
		 * fits into the pipe. */
		(void)fd_write_all(in[1], input, strlen(input));
		fd_close(&in[1]);
		output[0] = '\0';
		error = finish(pid, name, output, gather(out[0], output, size, e), e);
	}
	fd_close(&in[1]);
	fd_close(&out[0]);
	return error;
}
