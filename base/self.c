/*
 * self.c - the folder of /proc/self/exe, or of the path this program was started by.
 */
#include "base/self.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

/* What the kernel appends once a file's name is gone; an update put another there since. */
#define GONE " (deleted)"

extern char **environ;

static int read_link(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	size_t gone = strlen(GONE);

	if (n < 0)
		return -errno;
	path[n] = '\0';
	if ((size_t)n > gone && strcmp(path + n - gone, GONE) == 0)
		path[n - gone] = '\0';
	return path[0] == '/' && strncmp(path, "/memfd:", 7) != 0 ? 0 : -ENOENT;
}

static int find_self(char path[PATH_MAX])
{
	/* As execve(2) got it; of a copy, which is started by an fd, argv[0] says it. */
	const char *started = (const char *)getauxval(AT_EXECFN);

	if (read_link(path) == 0)
		return 0;
	if (!started || strncmp(started, "/dev/fd/", 8) == 0)
		started = program_invocation_name[0] == '/' ? program_invocation_name : "";
	return realpath(started, path) ? 0 : -errno;
}

int self_beside(const char *name, char *path, size_t size)
{
	char self[PATH_MAX];
	int r = find_self(self);

	if (r < 0)
		return r;
	r = snprintf(path, size, "%.*s/%s", (int)(strrchr(self, '/') - self), self, name);
	return r < 0 || (size_t)r >= size ? -ENAMETOOLONG : 0;
}

static int spawn(const char *path, char *const argv[], const int fds[][2], size_t count, pid_t *ret)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	for (size_t i = 0; i < count; i++)
		posix_spawn_file_actions_adddup2(&files, fds[i][0], fds[i][1]);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	r = posix_spawn(ret, path, &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -r;
}

int self_spawn(char *const argv[], const int fds[][2], size_t count, pid_t *ret)
{
	char path[PATH_MAX];
	int r = self_beside(argv[0], path, sizeof path);

	if (r == 0)
		r = spawn(path, argv, fds, count, ret);
	if (r == 0)
		return 0;
	snprintf(path, sizeof path, KIST_LIBEXEC "/%s", argv[0]);
	return spawn(path, argv, fds, count, ret) == 0 ? 0 : r;
}

static char *arguments;
static size_t arguments_size;

void self_keep_arguments(int argc, char **argv)
{
	/* The kernel lays them one behind the other. */
	if (argc < 1)
		return;
	arguments = argv[0];
	arguments_size = (size_t)(argv[argc - 1] - argv[0]) + strlen(argv[argc - 1]);
}

void self_hide_arguments(const char *name)
{
	size_t n = strlen(name);

	if (!arguments)
		return;
	memset(arguments, 0, arguments_size);
	memcpy(arguments, name, n < arguments_size ? n : arguments_size);
}

void self_tell_copy(char *argv[])
{
	static char path[PATH_MAX];

	if (find_self(path) == 0)
		argv[0] = path;
}
