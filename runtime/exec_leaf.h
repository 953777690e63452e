/*
 * exec_leaf.h - a cgroup of its own for one exec, so that all it starts can be killed with it.
 *
 * A leaf below the cgroup the process would have been in, without controllers: it has no limits,
 * those above hold for it. There is none where processes and cgroups may not stand side by side
 * (the cgroup gives controllers to its children, cgroups(7)), or the caller may make none.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include <sys/types.h>

struct exec_leaf {
	const char *path; /* absolute; NULL: there is none */
	const char *name;
	int above, fd; /* owned */
	pid_t watcher; /* 0: none */
};
#define EXEC_LEAF_INIT                                                                             \
	{                                                                                          \
		.above = -EBADF, .fd = -EBADF                                                      \
	}

/* Makes the leaf below `cgroup`, and a process that kills what is in it when this one is killed.
 * 0 also when it can't be. */
int exec_leaf_begin(struct exec_leaf *l, const char *cgroup, struct arena *a, struct err *e);
/* SIGKILL to all in it. */
void exec_leaf_kill(const struct exec_leaf *l);
/* What the program left running goes on, in the cgroup above; the leaf is removed. */
void exec_leaf_end(struct exec_leaf *l);
