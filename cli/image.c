/*
 * image.c - `kist image VERB` runs kist-image, as git runs its commands, so
 * that starting a container never loads a decompressor.
 */
#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/self.h"

static int run_image(char **argv)
{
	char path[PATH_MAX], name[] = "kist-image";
	struct err e = ERR_INIT;

	argv[0] = name;
	if (self_beside(name, path, sizeof path) == 0)
		execv(path, argv);
	execv(KIST_LIBEXEC "/kist-image", argv);
	err_set(&e, errno, "cannot run kist-image");
	err_fix(&e, "install it beside kist, or in " KIST_LIBEXEC);
	return cli_fail(&e, 125);
}

int command_image(int argc, char **argv)
{
	(void)argc;
	return run_image(argv);
}

/* `kist pull X` is `kist image pull X`; images and rmi are docker's words for ls and rm. */
int command_image_verb(int argc, char **argv)
{
	static const char *const other[][2] = { { "images", "ls" }, { "rmi", "rm" } };
	char **args = calloc(argc + 2, sizeof(*args)), verb[16];
	struct err e = ERR_INIT;
	size_t i;

	if (args == NULL) {
		err_set(&e, ENOMEM, "cannot run kist-image");
		return cli_fail(&e, 125);
	}
	snprintf(verb, sizeof verb, "%s", argv[0]);
	for (i = 0; i < sizeof other / sizeof *other; i++)
		if (strcmp(verb, other[i][0]) == 0)
			snprintf(verb, sizeof verb, "%s", other[i][1]);
	args[1] = verb;
	memcpy(&args[2], &argv[1], (argc - 1) * sizeof(*args));
	return run_image(args);
}
