/*
 * live.h - verbs on a container that lives: pause, resume, its processes.
 */
#pragma once
#include "base/host.h"
#include "runtime/container.h"

#define FREEZE_WAIT_MS 10000 /* a process in uninterruptible sleep never freezes */

/* Directory fd of the container's cgroup. -ENOENT: it is gone, or it never had one. */
int container_open_cgroup(const struct container *c, struct err *e);

/* Both wait, for a bounded time, until the kernel says that all processes are (or none is). */
int runtime_pause(int root, const char *id, struct err *e);
int runtime_resume(int root, const char *id, struct err *e);

/* Ids of its processes as this pid namespace sees them, also of cgroups below; free() *ret. */
int runtime_processes(int root, const char *id, pid_t **ret, size_t *ret_count, struct err *e);
