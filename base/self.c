/*
 * self.c - the folder of /proc/self/exe, or of argv[0] where that is a copy in memory.
 */
#include "base/self.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What the kernel appends once a file's name is gone; an update put another there since. */
#define GONE " (deleted)"

static int read_link(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	size_t gone = strlen(GONE);

	if (n < 0)
		return -errno;
	path[n] = '\0';
	if ((size_t)n > gone && strcmp(path + n - gone, GONE) == 0)
		path[n - gone] = '\0';
	return path[0] == '/' && strncmp(path, "/memfd:", 7) != 0 ? 0 : -ENOENT;
}

static char remembered[PATH_MAX];

void self_remember(char **argv)
{
	if (read_link(remembered, sizeof remembered) < 0)
		remembered[0] = '\0';
	else
		argv[0] = remembered;
}

int self_beside(const char *name, char *path, size_t size)
{
	char self[PATH_MAX];
	const char *known = self;
	int r = read_link(self, sizeof self);

	/* Only a whole path: kist-NAME of whatever folder this is might be an image's. */
	if (r < 0)
		known = remembered[0] ? remembered : program_invocation_name;
	if (known[0] != '/')
		return r < 0 ? r : -ENOENT;
	r = snprintf(path, size, "%.*s/%s", (int)(strrchr(known, '/') - known), known, name);
	return r < 0 || (size_t)r >= size ? -ENAMETOOLONG : 0;
}
