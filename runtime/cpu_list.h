/*
 * cpu_list.h - lists of processors, as cpuset(7) writes them: "0-3,7".
 */
#pragma once
#include <stddef.h>
#include "base/arena.h"

#define CPU_LIST_MAX 65536 /* processors: more than any kernel is built for */

struct cpu_list {
	const char *text;    /* NULL: none */
	unsigned long *mask; /* as sched_setaffinity(2) takes it, as long as the list needs */
	size_t bytes;
};

/* 0, -EINVAL when it is no such list or an empty one, -ENOMEM. Lives in the arena. */
int cpu_list_parse(const char *text, struct arena *a, struct cpu_list *ret);
