/*
 * pause.c - pause and resume.
 */
#include "cli/cli.h"

#include "base/fd.h"
#include "runtime/live.h"

static int command_on_one(const char *name, int argc, char **argv,
			  int (*verb)(int root, const char *id, struct err *e))
{
	_cleanup_fd_ int root = -EBADF;
	struct err e = ERR_INIT;
	int status, r, first = cli_parse(cli_find(name), NULL, 0, argc, argv, &status);

	if (first < 0)
		return status;
	r = cli_open_root(false, &root, &e);
	if (r == 0)
		r = verb(root, argv[first], &e);
	return r < 0 ? cli_fail(&e, 1) : 0;
}

int command_pause(int argc, char **argv)
{
	return command_on_one("pause", argc, argv, runtime_pause);
}

int command_resume(int argc, char **argv)
{
	return command_on_one("resume", argc, argv, runtime_resume);
}
