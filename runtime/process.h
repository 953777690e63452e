/*
 * process.h - /process of config.json: parsing it, and the steps that become it.
 *
 * Owns ids, groups, umask, rlimits, capabilities, no_new_privs, scheduler and
 * I/O priority, the working directory, finding the executable, and the tail of
 * the guest up to execve. Does not own the terminal (only its size is parsed
 * here), namespaces, mounts or the session.
 *
 * Order, as compile.c has to call it:
 *   process_plan_host     any time after birth
 *   process_plan_cwd      while the rootfs is still writable
 *   process_plan_early_limits  the same
 *   process_plan_limits   before the guest's ids change
 *   process_plan_become   caps, groups, ids, cwd, executable found: after it the
 *                         guest is the container's user. A missing command fails
 *                         here, so what comes before "created" lets `create` fail.
 *   process_plan_leave    signals, fds, seccomp, execve: nothing may follow
 */
#pragma once
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/plan.h"
#include "runtime/caps.h"
#include "runtime/cpu_list.h"
#include "runtime/labels.h"
#include "runtime/landlock.h"
#include "runtime/seccomp.h"

#define PROCESS_STRINGS_MAX 65536	/* entries in args, and in env */
#define PROCESS_STRING_MAX  (128 * 1024) /* bytes of one with its NUL: the kernel's MAX_ARG_STRLEN */
#define PROCESS_GROUPS_MAX  65536	/* the kernel's NGROUPS_MAX */
#define PROCESS_RLIMITS_MAX 16		/* RLIM_NLIMITS: each type at most once */

struct rlimit_spec {
	int resource;
	const char *name; /* "RLIMIT_NOFILE" */
	uint64_t soft, hard;
};

struct scheduler_spec { /* sched_setattr(2); times in nanoseconds */
	uint32_t policy;
	int32_t nice;
	uint32_t priority;
	uint64_t flags, runtime, deadline, period;
};

struct process_spec {
	char **args; /* NULL-terminated, at least one */
	char **env;  /* NULL-terminated "NAME=value"; each name once, the last value won */
	size_t arg_count, env_count;
	const char *cwd; /* absolute */
	bool terminal;
	uint16_t rows, cols; /* 0: not given */
	uint32_t uid, gid;
	uint32_t umask;
	bool has_umask;
	uint32_t *gids; /* supplementary, exactly these */
	size_t gid_count;
	bool keep_groups; /* the caller's, by annotation; gids is empty then */
	struct caps_spec caps; /* all empty when has_caps is false */
	bool has_caps;
	struct caps_unknown unknown_caps; /* dropped: the caller warns */
	struct rlimit_spec *rlimits;
	size_t rlimit_count;
	bool no_new_privs;
	int oom_score_adj;
	bool has_oom_score_adj;
	struct scheduler_spec scheduler;
	bool has_scheduler;
	int io_class, io_priority; /* IOPRIO_CLASS_*, 0-7 */
	bool has_io_priority;
	struct labels_spec labels;
	struct landlock_spec landlock;
	struct cpu_list cpus_initial, cpus_final; /* of exec, before and in the container's cgroup */
};

/*
 * Parses a process object (config.md#process), at `at`. Everything in *ret
 * lives in the arena.
 */
int process_parse(const json_t *process, const struct json_at *at, struct arena *a,
		  struct process_spec *ret, struct err *e);

/* The limits of args and env: how many, how long. `at` is the array's place. */
int process_check_strings(char **strings, size_t count, const struct json_at *at, struct err *e);

/* Takes up what the annotations of the whole config.json say of the process. */
int process_annotate(struct process_spec *s, const json_t *config, struct arena *a, struct err *e);
/* Sets a variable, whatever the configuration said of it. */
int process_set_env(struct process_spec *s, struct arena *a, const char *name, const char *value,
		    struct err *e);

/* Labels or Landlock: wants host_probe_more(). */
static inline bool process_asks_security(const struct process_spec *s)
{
	return s->labels.apparmor || s->labels.selinux || landlock_is_asked(&s->landlock);
}

struct process_exec_options {
	int preserve_fds;	 /* fds 3 .. 3+n-1 stay open; the caller saw that they are open */
	bool has_user_namespace; /* setgroups may be denied there */
	/* Sets and locks SECBIT_NOROOT and friends: uid 0 never gets capabilities again. Only
	 * for a process that has none. */
	bool lock_securebits;
	bool init;		 /* kist's own process 1, and it is that one's child: init.h */
	int landlock_abi;	 /* of the host */
	uint64_t signals_taken;	 /* of the host */
	/* For the seccomp agent; NULL: whoever orders the start tells it. */
	const struct seccomp_state *agent;
};

/* What the guest finds out: filled by its own steps in its own memory. */
struct process_found {
	char path[PATH_MAX];	 /* of the executable, as execve(2) gets it */
	char home[PATH_MAX + 8]; /* "HOME=/root", from the container's passwd file */
	char **env;		 /* the environment, with room for HOME */
	int home_index;		 /* where HOME goes in env; -1: it was given */
};

/* As text; NULL: not asked for. */
const char *process_oom_score_adj(struct plan *p, const struct process_spec *s);
/* HOST: oom_score_adj through SLOT_GUEST_PROC. */
void process_plan_host(struct plan *p, const struct process_spec *s);
/* HOST on the guest's pid: those rlimits that no setup minds, so that it need not wait for them. */
void process_plan_early_limits(struct plan *p, const struct process_spec *s);
/* exec only. HOST, before the birth: on itself; after it: on the guest, in its cgroup. */
void process_plan_affinity_initial(struct plan *p, const struct process_spec *s);
void process_plan_affinity_final(struct plan *p, const struct process_spec *s);
/* GUEST: makes a missing cwd, 0755; in-root of `root_slot` (-1: of "/"). EROFS is left to the cwd
 * step, which says what is missing. */
void process_plan_cwd(struct plan *p, const struct process_spec *s, int root_slot);
/* HOST on the guest's pid: the other rlimits, scheduler, I/O priority (a user namespace's root may not
 * raise them); GUEST: umask. */
void process_plan_limits(struct plan *p, const struct process_spec *s);
/* GUEST: steps 24 to 27 of the start, then HOME and the executable. `filter` (NULL: none) is only
 * asked whether there is one. */
struct process_found *process_plan_become(struct plan *p, const struct process_spec *s,
					  const struct seccomp_filter *filter,
					  const struct process_exec_options *o);
/* GUEST: steps 28 to 30: signals, fds, seccomp, execve. */
void process_plan_leave(struct plan *p, const struct process_spec *s,
			const struct seccomp_filter *filter, const struct process_exec_options *o,
			struct process_found *found);
