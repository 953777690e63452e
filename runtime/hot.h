/*
 * hot.h - what the verbs share that change a container while it lives: hot_mounts.c, hot_devices.c.
 */
#pragma once
#include "runtime/runtime.h"

/* The container, locked, alive; needs root. `what` is not possible otherwise: "mounting into". */
int hot_open(int root, const char *id, const char *what, const struct host *h, struct container *c,
	     struct err *e);
/* Its configuration, as it was at create, and what of it is the namespaces'. ret_config: new
 * reference. */
int hot_spec(const struct container *c, struct arena *a, json_t **ret_config, struct ns_spec *ret,
	     struct err *e);
/* Who is to be changed; its pidfd in a slot of the plan. */
struct ns_hot hot_target(const struct container *c, const struct ns_spec *s, struct plan *p);
/* A list in state.json, made if it is not there; borrowed. */
json_t *hot_list(const struct container *c, const char *key);
/* The last one whose `key` is that text; -1: none. */
int hot_find(const json_t *list, const char *key, const char *text);
/* Runs it, and comes back out of the container's namespaces. After success: run_close(). */
int hot_walk(struct plan *p, const struct runtime_hooks_in *in, struct run *run, struct err *e);
