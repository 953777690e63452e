/*
 * main-kist.c - the kist program: global options, then one command.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/commit.h"
#include "base/log.h"
#include "base/self.h"
#include "cli/cli.h"
#include "runtime/protect.h"

static int no_command(const char *name)
{
	struct err e = ERR_INIT;

	err_say(&e, EINVAL, "unknown command \"%.64s\"", name);
	err_fix(&e, "see kist --help");
	return cli_fail(&e, 1);
}

/* --log-level, in the words of crun and of runc's log; --debug is the loudest. */
static int choose_level(const char *name, bool debug, enum log_level *ret, struct err *e)
{
	static const struct {
		const char *name;
		enum log_level level;
	} levels[] = {
		{ "error", LOG_ERROR }, { "warning", LOG_WARN }, { "warn", LOG_WARN },
		{ "info", LOG_INFO },	{ "debug", LOG_DEBUG },
	};

	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
		if (strcmp(levels[i].name, name) != 0)
			continue;
		*ret = debug ? LOG_DEBUG : levels[i].level;
		return 0;
	}
	err_say(e, EINVAL, "--log-level: \"%s\" is no level", name);
	return err_fix(e, "one of: error, warning, info, debug");
}

static int run_command(int argc, char **argv)
{
	bool debug = false, help = false, version = false;
	const char *log_file = NULL, *log_format = "text", *log_level = "warning";
	const struct option table[] = {
		{ "root", 0, OPTION_TEXT, &cli.root, "DIR",
		  "state folder (/run/kist; for a user $XDG_RUNTIME_DIR/kist or /tmp/kist-UID)" },
		{ "log", 0, OPTION_TEXT, &log_file, "FILE", "also write diagnostics there" },
		{ "log-format", 0, OPTION_TEXT, &log_format, "FORMAT", "text or json" },
		{ "log-level", 0, OPTION_TEXT, &log_level, "LEVEL",
		  "error, warning (the default), info or debug" },
		{ "debug", 0, OPTION_FLAG, &debug, NULL, "the same as --log-level debug" },
		{ "version", 'v', OPTION_FLAG, &version, NULL, "print the version" },
		{ "fault-step", 0, OPTION_TEXT, &cli.fault, "N[:ERRNO]",
		  "make step N of the plan fail, to see what is taken back" },
		{ "systemd-cgroup", 0, OPTION_FLAG, &cli.systemd_cgroup, NULL,
		  "ask systemd for a container's cgroup, as a scope" },
		{ "cgroup-manager", 0, OPTION_TEXT, &cli.cgroup_manager, "NAME",
		  "cgroupfs (the default), systemd, or disabled: no cgroup is made" },
		{ "rootless", 0, OPTION_TEXT, &cli.rootless, "WHEN",
		  "true, false or auto: do without a cgroup that may not be made (auto: not as root)" },
	};
	const size_t count = sizeof table / sizeof *table;
	struct err e = ERR_INIT;
	const struct command *command;
	enum log_level level = LOG_WARN;
	int first;

	if (argc < 1)
		return 125; /* CVE-2021-4034: argv[0] is not there */
	if (protect_start(&e) < 0)
		return cli_fail(&e, 1);
	cli.argv = argv;
	first = options_parse(table, count, argc, argv, &help, &e);
	if (first < 0)
		return cli_fail(&e, 1);
	if (strcmp(log_format, "text") != 0 && strcmp(log_format, "json") != 0) {
		err_say(&e, EINVAL, "--log-format: \"%s\" is neither text nor json", log_format);
		return cli_fail(&e, 1);
	}
	if (cli.rootless && strcmp(cli.rootless, "true") != 0 &&
	    strcmp(cli.rootless, "false") != 0 && strcmp(cli.rootless, "auto") != 0) {
		err_say(&e, EINVAL, "--rootless: \"%s\" is neither true nor false nor auto",
			cli.rootless);
		return cli_fail(&e, 1);
	}
	if (cli_check_cgroup_manager(&e) < 0)
		return cli_fail(&e, 1);
	if (choose_level(log_level, debug, &level, &e) < 0 ||
	    log_open("kist", log_file, strcmp(log_format, "json") == 0, level, &e) < 0)
		return cli_fail(&e, 1);
	if (version) {
		/* dockerd and podman look for these lines; dockerd shows the commit. */
		printf("kist version %s\n", KIST_VERSION);
		if (KIST_COMMIT[0])
			printf("commit: %s\n", KIST_COMMIT);
		printf("spec: %s\n", SPEC_OCI_VERSION);
		return 0;
	}
	if (help || first == argc) {
		printf("usage: kist [global options] COMMAND [options] ...\n\ncommands:\n");
		for (size_t i = 0; i < cli_command_count; i++)
			if (!cli_commands[i].hidden)
				printf("  %-10s %s\n", cli_commands[i].name, cli_commands[i].help);
		printf("\nglobal options:\n");
		options_print(table, count);
		printf("\n`kist COMMAND --help` says more.\n");
		return help ? 0 : 1;
	}
	command = cli_find(argv[first]);
	if (!command)
		return no_command(argv[first]);
	if (level >= LOG_DEBUG)
		log_msg(LOG_DEBUG, "kist %s: %s, as uid %u", KIST_VERSION, command->name, geteuid());
	return command->run(argc - first, argv + first);
}

int main(int argc, char **argv)
{
	int status;

	self_keep_arguments(argc, argv);
	status = run_command(argc, argv);
	return status == 0 ? cli_flush() : status;
}
