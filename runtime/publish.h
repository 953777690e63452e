/*
 * publish.h - host steps that tell the caller: state record, pid file, fds over
 * sockets; and small steps the runtime itself needs.
 */
#pragma once
#include "base/plan.h"
#include "runtime/compile.h"

/* HOST: the state record, written aside; once the guest is born. */
void publish_plan_state_prepare(struct plan *p, const struct container_spec *s, const struct host *h,
				const struct create_options *o);
/* HOST: it is state.json, once everything is there. */
void publish_plan_state(struct plan *p);
/* HOST: the guest's pid, atomically, mode 0644. */
int publish_plan_pid_file(struct plan *p, const char *path);
/* Removes the file that step wrote, when a later one failed. */
void publish_take_back_pid_file(const struct plan *p, int step, int failed_step);
/* HOST: connects to a unix socket and sends the slot's fd (console and pidfd sockets). */
void publish_plan_send(struct plan *p, const char *socket_path, int slot, const char *why);
/* HOST: a folder inside the state folder. */
void publish_plan_mkdir(struct plan *p, const char *name);
/* HOST: puts an fd the caller holds into a new slot (a dup). */
int publish_plan_given_fd(struct plan *p, const char *name, int fd);
/* HOST: O_PATH fd of a cgroup. */
void publish_plan_open_cgroup(struct plan *p, const char *path, int slot);
/* GUEST: from now on outlives the process that made it; or dies with it, also after the change of
 * ids, which clears the death signal. */
void publish_plan_life(struct plan *p, bool outlive);
