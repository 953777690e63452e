/*
 * cli.c - the command table and what all commands share.
 */
#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "base/sanitized.h"
#include "runtime/protect.h"

struct cli cli;

const struct command cli_commands[] = {
	{ "run", "[options] ID", "create and start a container", 1, 1, false, command_run },
	{ "create", "[options] ID", "create a container that waits for start", 1, 1, false,
	  command_create },
	{ "start", "ID", "run the program of a created container", 1, 1, false, command_start },
	{ "exec", "[options] ID COMMAND [ARG...]", "run another program in a container", 1, -1,
	  false, command_exec },
	{ "state", "ID", "print a container's state as JSON", 1, 1, false, command_state },
	{ "kill", "[options] ID [SIGNAL]", "send a signal (default: the image's, or SIGTERM)", 1, 2, false,
	  command_kill },
	{ "pause", "ID", "freeze all processes of a container", 1, 1, false, command_pause },
	{ "resume", "ID", "let a paused container go on", 1, 1, false, command_resume },
	{ "update", "[options] ID", "set other limits for a container that lives", 1, 1, false,
	  command_update },
	{ "events", "[options] ID", "print what a container uses, and when memory ran out", 1, 1,
	  false, command_events },
	{ "ps", "[options] ID [PS-OPTION...]", "list the processes of a container", 1, -1, false,
	  command_ps },
	{ "devices", "[options] add|remove ID ...", "give a device to a container that runs, or take it away",
	  3, 3, false, command_devices },
	{ "mounts", "[options] add|remove ID ...", "mount into a container that runs, or take it off",
	  3, 3, false, command_mounts },
	{ "checkpoint", "[options] ID", "save a container's processes to files, by criu", 1, 1, false,
	  command_checkpoint },
	{ "restore", "[options] ID", "make a container of saved processes, by criu", 1, 1, false,
	  command_restore },
	{ "delete", "[options] ID...", "remove a stopped container", 1, -1, false,
	  command_delete },
	{ "list", "[options]", "list containers", 0, 0, false, command_list },
	{ "spec", "[options]", "write a default config.json", 0, 0, false, command_spec },
	{ "features", "", "print what this runtime can do, as JSON", 0, 0, false, command_features },
	{ "info", "[options]", "print what this host has for containers", 0, 0, false, command_info },
	{ "doctor", "[options]", "try what kist needs of this host, and say how to get what is missing", 0,
	  0, false, command_doctor },
	{ "completion", "bash", "print the completion for a shell", 1, 1, false, command_completion },
	{ "check", "[options] [BUNDLE]", "say all that would keep a bundle from starting", 0, 1,
	  false, command_check },
	{ "plan", "[options]", "print the kernel primitives a bundle needs, running none", 0, 0,
	  false, command_plan },
	{ "image", "VERB ...", "pull, push, load, save, ls, rm: the image store (see kist image --help)", 0, -1,
	  false, command_image },
	{ "pull", "[options] REFERENCE", "get an image from a registry: kist image pull", 0, -1, false,
	  command_image_verb },
	{ "load", "[options] FILE|DIR|-", "kist image load", 0, -1, false, command_image_verb },
	{ "images", "[options]", "kist image ls", 0, -1, false, command_image_verb },
	{ "rmi", "[options] REFERENCE...", "kist image rm", 0, -1, false, command_image_verb },
	{ "push", "[options] REFERENCE [NAME]", "send an image to a registry: kist image push", 0, -1,
	  false, command_image_verb },
	{ "tag", "REFERENCE NAME", "kist image tag", 0, -1, false, command_image_verb },
	{ "save", "[options] REFERENCE...", "kist image save", 0, -1, false, command_image_verb },
	{ "login", "[options] [REGISTRY]", "kist image login", 0, -1, false, command_image_verb },
	{ "logout", "[REGISTRY]", "kist image logout", 0, -1, false, command_image_verb },
	{ "net", "VERB ...", "create, ls, inspect, rm, connect, disconnect: networks (see kist net --help)",
	  0, -1, false, command_net },
	{ "job", "run [options] IMAGE|DIR -- COMMAND...", "run an untrusted job, closed by default",
	  0, -1, false, command_job },
	{ "batch", "[options] JOBS.jsonl|-", "run many jobs, some at a time", 1, 1, false, command_batch },
};
const size_t cli_command_count = sizeof cli_commands / sizeof *cli_commands;

const struct command *cli_find(const char *name)
{
	for (size_t i = 0; i < cli_command_count; i++)
		if (strcmp(cli_commands[i].name, name) == 0)
			return &cli_commands[i];
	return NULL;
}

int cli_fail(const struct err *e, int otherwise)
{
	log_err(e);
	return e->exit_code ? e->exit_code : otherwise;
}

int cli_flush(void)
{
	struct err e = ERR_INIT;

	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	/* An earlier write failed, and stdio keeps no reason: what is cut off is asked once more. */
	if (errno == 0 && write(STDOUT_FILENO, "\n", 1) == 1)
		errno = EIO;
	err_set(&e, errno ? errno : EIO, "cannot write to standard output");
	return cli_fail(&e, 1);
}

void cli_leave(int status)
{
	if (SANITIZED)
		return;
	status = status == 0 ? cli_flush() : status;
	fflush(NULL);
	_exit(status);
}

static void print_usage(const struct command *command, const struct option *table, size_t count)
{
	printf("usage: kist %s %s\n%s\n", command->name, command->usage, command->help);
	if (count) {
		printf("\noptions:\n");
		options_print(table, count);
	}
}

int cli_parse(const struct command *command, const struct option *table, size_t count, int argc,
	      char **argv, int *ret_exit)
{
	struct err e = ERR_INIT;
	bool help;
	int first = options_parse(table, count, argc, argv, &help, &e), given;

	*ret_exit = 1;
	if (first < 0) {
		err_wrap(&e, "%s", command->name);
		cli_fail(&e, 1);
		return -1;
	}
	if (help) {
		print_usage(command, table, count);
		*ret_exit = 0;
		return -1;
	}
	given = argc - first;
	if (given < command->min || (command->max >= 0 && given > command->max)) {
		err_say(&e, EINVAL, "%s: %s", command->name, given < command->min
			? "an argument is missing" : "too many arguments");
		if (given > 1 && argv[first + 1][0] == '-')
			err_fix(&e, "options go before %s: kist %s %s", argv[first], command->name,
				command->usage);
		else
			err_fix(&e, "usage: kist %s %s", command->name, command->usage);
		cli_fail(&e, 1);
		return -1;
	}
	return first;
}

int cli_open_root(bool make, int *ret_fd, struct err *e)
{
	char given[PATH_MAX];
	bool shared = false;
	int fd, r;

	if (cli.root) {
		if (!cli.root[0] || strlen(cli.root) >= sizeof given)
			return err_say(e, EINVAL, "--root: not a usable path");
		snprintf(given, sizeof given, "%s", cli.root);
	} else {
		r = state_root_default(host_in_user_namespace(), given, sizeof given, e);
		if (r < 0)
			return r;
		shared = strncmp(given, "/tmp/", 5) == 0;
	}
	fd = state_root_open(given, make, shared, e);
	if (fd == -ENOENT && !make)
		return err_say(e, ENOENT, "container does not exist");
	if (fd < 0)
		return fd;
	r = path_name_of_fd(fd, given, cli.root_text);
	if (r < 0) {
		close(fd);
		return err_set(e, -r, "the state root %s", given);
	}
	*ret_fd = fd;
	return 0;
}

bool cli_tolerant(const struct host *h)
{
	if (cli.rootless && strcmp(cli.rootless, "auto") != 0)
		return strcmp(cli.rootless, "true") == 0;
	return !h->root;
}

int cli_fault(struct runtime_hooks_in *in, struct err *e)
{
	const char *colon;
	char *end;

	in->fault_step = -1;
	if (!cli.fault)
		return 0;
	in->fault_step = (int)strtol(cli.fault, &end, 10);
	in->fault_error = EIO;
	colon = end;
	if (end == cli.fault || (*colon && *colon != ':') || in->fault_step < 0)
		return err_say(e, EINVAL, "--fault-step: \"%s\" is not N or N:ERRNO", cli.fault);
	if (*colon == '\0')
		return 0;
	for (int i = 1; i < 134; i++) {
		const char *name = strerrorname_np(i);

		if (name && strcmp(name, colon + 1) == 0) {
			in->fault_error = i;
			return 0;
		}
	}
	return err_say(e, EINVAL, "--fault-step: \"%s\" is no errno", colon + 1);
}

int cli_preserve_fds(int64_t asked, int *ret, struct err *e)
{
	int count = asked > INT_MAX ? INT_MAX : (int)asked;
	int r = protect_keep_fds(count, e);

	if (r == 0)
		*ret = count;
	return r;
}

int cli_check_cgroup_manager(struct err *e)
{
	const char *name = cli.cgroup_manager;

	if (!name)
		return 0;
	if (strcmp(name, "systemd") == 0) {
		cli.systemd_cgroup = true;
		return 0;
	}
	if (strcmp(name, "cgroupfs") != 0 && strcmp(name, "disabled") != 0)
		return err_say(e, EINVAL, "--cgroup-manager: \"%.40s\" is neither cgroupfs nor "
			       "systemd nor disabled", name);
	if (cli.systemd_cgroup)
		return err_say(e, EINVAL, "--cgroup-manager %s and --systemd-cgroup contradict each "
			       "other", name);
	return 0;
}

int cli_settle(struct container_spec *s, const char *id, const struct host *h, struct arena *a,
	       struct err *e)
{
	int r = 0;

	if (cli.cgroup_manager && strcmp(cli.cgroup_manager, "disabled") == 0)
		r = cgroup_disable(&s->cgroup, a, e);
	if (cli.systemd_cgroup)
		r = spec_use_systemd(s, id, h, a, e);
	return r < 0 ? r : spec_settle(s, h, cli_tolerant(h), a, e);
}

const char *cli_absolute(const char *path, char text[PATH_MAX])
{
	char here[PATH_MAX];

	if (!path || path[0] == '/' || !getcwd(here, sizeof here) ||
	    snprintf(text, PATH_MAX, "%s/%s", here, path) >= PATH_MAX)
		return path;
	return text;
}
