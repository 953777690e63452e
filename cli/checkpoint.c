/*
 * checkpoint.c - kist checkpoint, kist restore: processes into files and back, by criu.
 */
#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "runtime/checkpoint.h"
#include "runtime/exit_record.h"
#include "runtime/protect.h"

#define COMMON_OPTIONS(o)                                                                             \
	{ "image-path", 0,     OPTION_TEXT,                                                           \
	  &(o).image,	"DIR", "folder of the images (default: checkpoint)" },                        \
		{ "work-path", 0,     OPTION_TEXT,                                                    \
		  &(o).work,   "DIR", "folder of criu's logs (default: that of the images)" },        \
		{ "tcp-established",	0,    OPTION_FLAG,                                            \
		  &(o).tcp_established, NULL, "also TCP connections that stand" },                    \
		{ "file-locks", 0, OPTION_FLAG, &(o).file_locks, NULL, "also locks on files" },       \
		{ "link-remap", 0,                                                                    \
		  OPTION_FLAG,	&(o).link_remap,                                                      \
		  NULL,		"also open files that have lost the name they were opened by" },      \
		{ "manage-cgroups-mode", 0,	 OPTION_TEXT,                                         \
		  &(cgroups_mode),	 "MODE", "soft: the limits are those of config.json" },       \
		{ "ext-unix-sk", 0,    OPTION_REFUSED,                                                \
		  NULL,		 NULL, "a unix socket whose other end is outside can't be saved" },   \
		{ "shell-job", 0, OPTION_REFUSED, NULL, NULL, "a terminal can't be saved" },          \
		{ "lazy-pages", 0, OPTION_REFUSED, NULL, NULL, "pages are saved and loaded whole" },  \
		{ "auto-dedup", 0, OPTION_REFUSED, NULL, NULL, "images are not changed afterwards" }, \
		{ "empty-ns", 0,    OPTION_REFUSED,                                                   \
		  NULL,	      NULL, "a network that is not criu's is a namespace given by path" },    \
		{ "network-lock", 0,	OPTION_REFUSED,                                               \
		  NULL,		  NULL, "kist locks the network with nftables" },                     \
	{                                                                                             \
		"tcp-close", 0, OPTION_REFUSED, NULL, NULL, "connections are kept, or refused"        \
	}

int command_checkpoint(int argc, char **argv)
{
	struct checkpoint_options o = { 0 };
	const char *cgroups_mode = NULL;
	const struct option table[] = {
		COMMON_OPTIONS(o),
		{ "leave-running", 0, OPTION_FLAG, &o.leave_running, NULL,
		  "let the container go on" },
		{ "pre-dump", 0, OPTION_FLAG, &o.pre_dump, NULL,
		  "save the memory alone, while the container goes on" },
		{ "parent-path", 0, OPTION_TEXT, &o.parent, "DIR",
		  "folder of a pre-dump, relative to --image-path: what it has is left out" },
		{ "status-fd", 0, OPTION_REFUSED, NULL, NULL, "it belongs to --lazy-pages" },
		{ "page-server", 0, OPTION_REFUSED, NULL, NULL, "pages are written to files" },
		{ "tcp-skip-in-flight", 0, OPTION_REFUSED, NULL, NULL,
		  "a connection that is not established yet is refused" },
	};
	_cleanup_fd_ int root = -EBADF;
	struct err e = ERR_INIT;
	struct host host;
	int status, r,
		first = cli_parse(cli_find("checkpoint"), table, sizeof table / sizeof *table, argc,
				  argv, &status);

	if (first < 0)
		return status;
	r = checkpoint_check_mode(cgroups_mode, &e);
	if (r == 0 && o.parent && o.parent[0] == '/')
		r = err_say(&e, EINVAL, "--parent-path: must be relative to --image-path");
	/* Never in the middle because of Ctrl-C: the container would stay frozen. */
	attach_block_signals();
	if (r == 0)
		r = cli_open_root(false, &root, &e);
	if (r == 0)
		r = host_probe(&host, &e);
	if (r == 0)
		r = runtime_checkpoint(root, cli.root_text, argv[first], &o, &host, &e);
	if (r < 0)
		err_wrap(&e, "cannot checkpoint %.64s", argv[first]);
	e.exit_code = 0;
	return r < 0 ? cli_fail(&e, 1) : 0;
}

struct request {
	const char *bundle, *pid_file;
	bool detach, keep, no_subreaper, no_new_keyring;
	struct checkpoint_options o;
};

static void warn_line(void *user, bool usual, const char *text)
{
	(void)user;
	log_msg(usual ? LOG_DEBUG : LOG_WARN, "%s", text);
}

static int restore(const struct request *q, const char *id, int root, struct arena *a,
		   struct container_spec *s, struct compiled *c, struct run *run, struct err *e)
{
	struct create_options create = { .id = id,
					 .root = root,
					 .root_path = cli.root_text,
					 .outlive = true,
					 .no_new_keyring = q->no_new_keyring };
	struct runtime_hooks_in in = { 0 };
	char pid_file[PATH_MAX];
	struct host host;
	int r = container_check_id(id, e);

	if (r == 0)
		r = spec_load(q->bundle ? q->bundle : ".", NULL, NULL, id, a, s, e);
	if (r == 0)
		r = host_probe(&host, e);
	if (r == 0)
		r = cli_settle(s, id, &host, a, e);
	if (r == 0)
		r = spec_check(s, &host, e);
	if (r == 0)
		r = cli_fault(&in, e);
	if (r < 0)
		return r;
	spec_warn(s, warn_line, NULL);
	create.pid_file = cli_absolute(q->pid_file, pid_file);
	return runtime_restore(c, s, &host, &create, &q->o, &in, a, run, e);
}

static int finish(const struct request *q, const char *id, struct compiled *c, struct run *run,
		  int root, struct err *e)
{
	struct attach_options attach = { .pidfd = run_slot(run, SLOT_GUEST_PIDFD),
					 .timeout_ms = -1,
					 .master = -1,
					 .subreaper = !q->no_subreaper };
	struct err lost = ERR_INIT;
	struct attach_result result;
	int r;

	if (q->detach) {
		run_close(run);
		return 0;
	}
	if (q->no_subreaper)
		prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
	r = attach_wait(&attach, false, &result, e);
	if (r == 0 && q->keep && exit_record_write(run, c->slot_cgroup, &result, &lost) < 0)
		log_err(&lost);
	if (r == 0 && !q->keep)
		r = runtime_delete_made(root, id, run, e);
	run_close(run);
	return r < 0 ? r : result.status;
}

int command_restore(int argc, char **argv)
{
	struct request q = { 0 };
	const char *cgroups_mode = NULL;
	const struct option table[] = {
		COMMON_OPTIONS(q.o),
		{ "bundle", 'b', OPTION_TEXT, &q.bundle, "DIR", "the bundle (default: here)" },
		{ "pid-file", 0, OPTION_TEXT, &q.pid_file, "FILE", "write the process id there" },
		{ "detach", 'd', OPTION_FLAG, &q.detach, NULL, "do not wait for the program" },
		{ "keep", 0, OPTION_FLAG, &q.keep, NULL, "do not delete it when it ends" },
		{ "no-subreaper", 0, OPTION_FLAG, &q.no_subreaper, NULL,
		  "do not inherit orphans of the container" },
		{ "no-new-keyring", 0, OPTION_FLAG, &q.no_new_keyring, NULL,
		  "keep the caller's session keyring" },
		{ "console-socket", 0, OPTION_REFUSED, NULL, NULL,
		  "containers with a terminal can't be saved" },
		{ "no-pivot", 0, OPTION_REFUSED, NULL, NULL, "criu makes the root" },
		{ "lsm-profile", 0, OPTION_REFUSED, NULL, NULL, "config.json says which" },
		{ "lsm-mount-context", 0, OPTION_REFUSED, NULL, NULL, "config.json says which" },
	};
	_cleanup_spec_ struct container_spec s = { 0 };
	_cleanup_fd_ int root = -EBADF;
	struct arena arena = ARENA_INIT;
	struct err e = ERR_INIT;
	struct compiled c;
	struct run run;
	int status, r,
		first = cli_parse(cli_find("restore"), table, sizeof table / sizeof *table, argc,
				  argv, &status);

	if (first < 0)
		return status;
	/* The restored process is criu's child, and must be ours to be waited for. */
	if (!q.detach)
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	attach_block_signals();
	r = checkpoint_check_mode(cgroups_mode, &e);
	if (r == 0)
		r = cli_open_root(true, &root, &e);
	if (r == 0)
		r = restore(&q, argv[first], root, &arena, &s, &c, &run, &e);
	if (r < 0)
		err_wrap(&e, "cannot restore %.64s", argv[first]);
	else
		r = finish(&q, argv[first], &c, &run, root, &e);
	attach_restore_signals();
	arena_free(&arena);
	e.exit_code = 0;
	return r < 0 ? cli_fail(&e, 1) : r;
}
