/*
 * process_ops.h - the primitives process_plan.c is made of. Inside runtime/ only.
 */
#pragma once
#include <sys/types.h>

#include "base/ops.h"
#include "base/plan.h"
#include "runtime/process.h"

/* process_ops.c */
struct op_oom_score_adj_args { /* HOST, on SLOT_GUEST_PROC */
	const char *text;
};
extern const struct op op_oom_score_adj;
struct op_prlimit_args { /* HOST, on SLOT_GUEST_PID */
	struct rlimit_spec limit;
};
extern const struct op op_prlimit;
struct op_sched_setattr_args { /* HOST, on SLOT_GUEST_PID */
	struct scheduler_spec scheduler;
};
extern const struct op op_sched_setattr;
struct op_ioprio_set_args { /* HOST, on SLOT_GUEST_PID */
	int io_class, priority;
};
extern const struct op op_ioprio_set;
struct op_sched_setaffinity_args { /* HOST */
	int slot; /* SLOT_GUEST_PID; -1: kist itself */
	struct cpu_list cpus;
};
extern const struct op op_sched_setaffinity;
struct op_setgroups_args {
	const gid_t *gids;
	size_t count;
};
extern const struct op op_setgroups;

/* process_fs.c */
struct op_cwd_args {
	int root_slot; /* -1: "/" */
	const char *path;
};
extern const struct op op_make_cwd, op_enter_cwd; /* compound; op_enter_cwd is always in "/" */
struct op_fds_args {
	int preserve; /* fds 3 .. 3+preserve-1 */
};
extern const struct op op_keep_fds, op_close_fds; /* compound */
/* Every signal's default action, but of those in `taken` (host.signals_taken), and none blocked. 0 or
 * -errno. Guest-safe. */
int process_reset_signals(uint64_t taken);
struct op_reset_signals_args {
	uint64_t taken;
};
extern const struct op op_reset_signals; /* compound */

/* exec_path.c */
struct op_find_home_args {
	uint32_t uid;
	struct process_found *found;
};
extern const struct op op_find_home; /* compound */
struct op_find_executable_args {
	const char *name; /* argv[0] */
	const char *path; /* $PATH of the container, or the default one */
	struct process_found *found;
};
extern const struct op op_find_executable; /* compound */
struct op_execve_args {
	char *const *argv;
	const struct process_found *found;
	size_t env_count;
};
extern const struct op op_execve;

/* Looks `name` up as execvp(3) does, with the credentials of now. 0 and the path, or -errno with
 * runc's words and exit_code 126 or 127. Guest-safe. */
int exec_find(const char *name, const char *search, char path[PATH_MAX], struct err *e);
/* The home of `uid` in the passwd text behind `fd`. 0, -ENOENT, or -errno. Guest-safe. */
int exec_read_home(int fd, uint32_t uid, char *home, size_t size);
