/*
 * hooks.h - /hooks of config.json (config.md#posix-platform-hooks): parsing them, the steps that
 * run them, and running one.
 *
 *   prestart, createRuntime  host, after the container's mounts, before the pivot
 *   createContainer          guest, then; the path is the host's still
 *   startContainer           guest, as the container's user, last thing before its program
 *   poststart                host, once the program runs and before `start` or `run` says so
 *   poststop                 host, when all is taken back but the state folder
 *
 * A hook that fails fails the operation, and the container is destroyed; a poststop hook that fails
 * is a warning. Hooks get their own environment and nothing of kist's, stdin with the state, and no
 * other file descriptors than 0, 1 and 2.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/plan.h"
#include "runtime/seccomp.h"

#define HOOKS_MAX		 256	  /* of one kind */
#define HOOK_TIMEOUT_SECONDS_MAX 31622400 /* a year */

enum hook_kind {
	HOOK_PRESTART,
	HOOK_CREATE_RUNTIME,
	HOOK_CREATE_CONTAINER,
	HOOK_START_CONTAINER,
	HOOK_POSTSTART,
	HOOK_POSTSTOP,
	HOOK_KINDS,
};
extern const char *const hook_kind_names[HOOK_KINDS];

struct hook {
	const char *path; /* absolute */
	char **args;	  /* NULL-terminated, at least one */
	char **env;	  /* NULL-terminated; all the hook gets */
	int64_t timeout;  /* seconds; 0: none */
	const char *why;  /* "/hooks/prestart/0" */
};

/* Files that take what hooks say, as crun has it; podman writes these annotations. */
enum hook_output { HOOK_STDOUT, HOOK_STDERR, HOOK_OUTPUTS };
#define HOOK_ANNOTATION_STDOUT "run.oci.hooks.stdout"
#define HOOK_ANNOTATION_STDERR "run.oci.hooks.stderr"

struct hooks_spec {
	struct hook *list[HOOK_KINDS];
	size_t count[HOOK_KINDS];
	const char *output[HOOK_OUTPUTS]; /* absolute host paths; NULL: kist's own */
};

/* Parses /hooks of a whole config.json. Everything in *ret lives in the arena. */
int hooks_parse(const json_t *config, struct arena *a, struct hooks_spec *ret, struct err *e);

/* The state a hook reads, but for its status and pid, which are known last: the guest must not
 * build JSON. */
struct hook_state {
	const char *head; /* {"ociVersion":"1.3.0","id":"web","status": */
	const char *tail; /* ,"bundle":"/b","annotations":{}} */
};
int hook_state_make(struct arena *a, const char *id, const char *bundle, const json_t *config,
		    struct hook_state *ret, struct err *e);

struct hooks_plan_options {
	const char *id, *bundle;
	const json_t *config;
	int slot_root; /* createContainer: where it is run, as runc does; -1: in the bundle */
	const struct seccomp_filter *filter; /* startContainer: the program's; NULL: none */
	int slot_output[HOOK_OUTPUTS];	     /* of hooks_plan_outputs(); -1: none */
};
/* HOST, before the guest is born, which inherits them: the files for what hooks say. */
void hooks_plan_outputs(struct plan *p, const struct hooks_spec *s, struct hooks_plan_options *o);
/* The steps that run the hooks of one kind, not HOOK_POSTSTOP. */
void hooks_plan(struct plan *p, const struct hooks_spec *s, enum hook_kind kind,
		const struct hooks_plan_options *o);
/* Poststop hooks are an undo of `step`: what is taken back after all later steps. They are read
 * from the configuration in the state folder. */
void hooks_plan_poststop(struct plan *p, const struct hooks_spec *s, int step, const char *bundle);
extern const struct undo_kind *const hooks_undo_kinds[];

struct hook_run {
	const struct hook *hook;
	enum hook_kind kind;
	size_t index;
	struct hook_state state;
	const char *status; /* "creating" */
	pid_t pid;	    /* as the hook is to see it; 0: none */
	int out_fd, err_fd; /* where its words go; -1: to ours */
	int cwd_fd;	    /* -1: in cwd, or "/" when that is gone */
	const char *cwd;
	const struct seccomp_filter *filter; /* its own too; NULL: none */
	bool interruptible; /* a blocked SIGINT, SIGTERM, SIGHUP or SIGQUIT ends the wait */
};
/* Runs one hook to its end, or kills it with its process group at its deadline. What it says on
 * stderr is passed on, and the end of it quoted in the error. Guest-safe. */
int hook_run(const struct hook_run *h, struct err *e);
/* The file that output goes to. fd; an error has its JSON pointer. */
int hooks_open_output(const struct hooks_spec *s, enum hook_output which, struct err *e);
/* As the engine says of a step: "/hooks/poststart/0 (/usr/bin/x)". */
int hook_err_at(const struct hook *hook, struct err *e);
/* Runs all poststart hooks of a started container. */
int hooks_run_poststart(const struct hooks_spec *s, const struct hook_state *state,
			const char *bundle, pid_t pid, int pidfd, struct err *e);
