/*
 * linux_process.h - /linux/personality and /linux/memoryPolicy of config.json: what the spec keeps
 * under /linux, but is set on the process itself and inherited by all it starts.
 */
#pragma once
#include <stdbool.h>

#include "base/json.h"
#include "base/plan.h"

#define MEMORY_NODES_MAX  1024 /* the kernel's MAX_NUMNODES, at most */
#define MEMORY_NODE_WORDS (MEMORY_NODES_MAX / (8 * sizeof(unsigned long)))

struct memory_policy {
	int mode;	    /* MPOL_* */
	const char *name;   /* "MPOL_BIND" */
	unsigned int flags; /* MPOL_F_* */
	bool has_nodes;
	unsigned long nodes[MEMORY_NODE_WORDS];
	const char *list; /* the nodes as they were given: "0-3,7" */
};

struct linux_process_spec {
	bool has_personality;
	unsigned long personality; /* PER_* */
	bool has_memory_policy;
	struct memory_policy memory_policy;
};

/* Reads both from the `linux` object at `at`. 0, or -EINVAL with the JSON pointer. */
int linux_process_parse(const json_t *linux_object, const struct json_at *at, struct arena *a,
			struct linux_process_spec *ret, struct err *e);
/* "0-3,7" into a bit mask; -EINVAL for anything else. */
int linux_process_parse_nodes(const char *list, unsigned long nodes[MEMORY_NODE_WORDS]);
/* The i-th name the parser knows, or NULL. */
const char *memory_policy_mode_name(size_t i);
const char *memory_policy_flag_name(size_t i);
/* GUEST: both, after the guest is in its cgroup (the policy's nodes must be in its cpuset) and
 * before the seccomp filter. */
void linux_process_plan(struct plan *p, const struct linux_process_spec *s);
