/*
 * live.h - verbs on a container that lives: pause, resume, its processes, other limits, what it uses.
 */
#pragma once
#include <jansson.h>
#include "base/arena.h"
#include "base/host.h"
#include "cgroup/cgroup.h"
#include "runtime/container.h"

#define FREEZE_WAIT_MS 10000 /* a process in uninterruptible sleep never freezes */

/* Directory fd of the container's cgroup. -ENOENT: it is gone, or it never had one. */
int container_open_cgroup(const struct container *c, struct err *e);

/* Both wait, for a bounded time, until the kernel says that all processes are (or none is). */
int runtime_pause(int root, const char *id, struct err *e);
int runtime_resume(int root, const char *id, struct err *e);

/* Ids of its processes as this pid namespace sees them, also of cgroups below; free() *ret. */
int runtime_processes(int root, const char *id, pid_t **ret, size_t *ret_count, struct err *e);

struct update_options {
	const struct cgroup_watch *watch;  /* NULL: none */
	void (*warn)(const char *text);    /* what is tolerated without effect */
};
/* Sets what `resources` (runtime-spec's LinuxResources) names, all of it or nothing, and keeps it
 * for the next update. Device rules stay as they are. */
int runtime_update(int root, const char *id, const json_t *resources, const struct host *h,
		   const struct update_options *o, struct arena *a, struct err *e);

/* Writes records to `out`, one a line: what the container uses, each interval_ms, and each kill for
 * want of memory, until nothing lives in it; interval_ms 0: one record of what it uses. */
int runtime_events(int root, const char *id, int64_t interval_ms, int out, struct err *e);
