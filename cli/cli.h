/*
 * cli.h - what the commands share: global options, error printing, exit codes.
 */
#pragma once
#include <stdbool.h>
#include "base/engine.h"
#include "base/err.h"
#include "base/host.h"
#include "cli/options.h"
#include "runtime/runtime.h"

#define EXIT_EXEC_FAILED 255 /* kist exec: any failure of kist's own */
#define EXIT_TIMEOUT     124 /* kist exec --timeout: as timeout(1) */

struct cli {
	const char *root;        /* --root */
	const char *fault;       /* --fault-step N[:ERRNO] */
	bool systemd_cgroup;     /* --systemd-cgroup, or --cgroup-manager systemd */
	const char *rootless;    /* --rootless true, false, auto */
	const char *cgroup_manager; /* --cgroup-manager cgroupfs, systemd, disabled */
	char **argv;             /* the whole command line, for the protective re-exec */
	char root_text[4096];    /* absolute path of the state root */
};
extern struct cli cli;

extern const struct command cli_commands[];
extern const size_t cli_command_count;

/* Prints the record as "kist: ..." and returns the exit status: e->exit_code, or `otherwise`. */
int cli_fail(const struct err *e, int otherwise);
/* Half of an answer, or none, is no success: 0, or 1 when standard output took not all of it. */
int cli_flush(void);
/* Ends the program here and now: what a command holds, the kernel takes back faster than it is given
 * back piece by piece. Returns only where a leak checker wants to see it given back. */
void cli_leave(int status);
/* Parses a command's options and checks how many arguments follow. Returns the index of the first
 * argument, or -1 with *ret_exit to end with (help was printed, or the usage was wrong). */
int cli_parse(const struct command *command, const struct option *table, size_t count, int argc,
	      char **argv, int *ret_exit);
const struct command *cli_find(const char *name);
/* Opens the state root into *ret_fd and fills cli.root_text. Without `make`, a root that is not
 * there is -ENOENT, "container does not exist". */
int cli_open_root(bool make, int *ret_fd, struct err *e);
/* --rootless: may a container do without a cgroup when the caller may make none? */
bool cli_tolerant(const struct host *h);
/* Checks --cgroup-manager. */
int cli_check_cgroup_manager(struct err *e);
/* spec_settle(), after what --cgroup-manager says about who makes the cgroup: the one place where it
 * has a meaning. */
int cli_settle(struct container_spec *s, const char *id, const struct host *h, struct arena *a,
	       struct err *e);
/* Fills fault_step and fault_error from --fault-step. */
int cli_fault(struct runtime_hooks_in *in, struct err *e);
/* Checks what --preserve-fds asks for, and keeps those fds for the container. */
int cli_preserve_fds(int64_t asked, int *ret, struct err *e);

/* The name /etc/passwd has for a user, until the next call; NULL when it has none. */
const char *cli_user_name(uid_t uid);

/* A path that will be used after chdirs of its own: absolute now. NULL stays NULL. */
const char *cli_absolute(const char *path, char text[4096]);

/* explain.c */
void explain_report(void *user, const struct plan *p, struct run_report report);
json_t *explain_plan_json(const struct plan *p);
void explain_plan_text(const struct plan *p);

int command_checkpoint(int argc, char **argv);
int command_restore(int argc, char **argv);
int command_spec(int argc, char **argv);
int command_create(int argc, char **argv);
int command_run(int argc, char **argv);
int command_start(int argc, char **argv);
int command_state(int argc, char **argv);
int command_kill(int argc, char **argv);
int command_pause(int argc, char **argv);
int command_resume(int argc, char **argv);
int command_update(int argc, char **argv);
int command_events(int argc, char **argv);
int command_ps(int argc, char **argv);
int command_delete(int argc, char **argv);
int command_exec(int argc, char **argv);
int command_mounts(int argc, char **argv);
int command_devices(int argc, char **argv);
int command_list(int argc, char **argv);
int command_plan(int argc, char **argv);
int command_check(int argc, char **argv);
int command_features(int argc, char **argv);
int command_info(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_completion(int argc, char **argv);
int command_image(int argc, char **argv);
int command_image_verb(int argc, char **argv);
int command_job(int argc, char **argv);
int command_batch(int argc, char **argv);
int command_net(int argc, char **argv);
