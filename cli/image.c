/*
 * image.c - `kist image VERB` runs kist-image, as git runs its commands, so
 * that starting a container never loads a decompressor.
 */
#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef KIST_LIBEXEC
#define KIST_LIBEXEC "/usr/local/libexec"
#endif

/* Beside kist itself first: a build folder or an installation moved as a whole just works. */
static int find_beside(char *path, size_t size)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	char *slash;

	if (n < 0)
		return -errno;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return -ENOENT;
	*slash = '\0';
	return snprintf(path, size, "%s/kist-image", self) >= (int)size ? -ENAMETOOLONG : 0;
}

int command_image(int argc, char **argv)
{
	char path[PATH_MAX], name[] = "kist-image";
	struct err e = ERR_INIT;

	(void)argc;
	argv[0] = name;
	if (find_beside(path, sizeof path) == 0)
		execv(path, argv);
	execv(KIST_LIBEXEC "/kist-image", argv);
	err_set(&e, errno, "cannot run kist-image");
	err_fix(&e, "install it beside kist, or in " KIST_LIBEXEC);
	return cli_fail(&e, 125);
}
