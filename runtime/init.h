/*
 * init.h - a container's process 1 that is kist's own: it reaps what others leave, and passes
 * signals on.
 */
#pragma once
#include "base/plan.h"

/* GUEST, last but the execve: what follows is done by a child, and the guest stays as process 1
 * until that has ended. Its memory is kist's own: not dumpable, so nothing in the container can
 * look at it or at /proc/1/exe, and it has no fd. */
void init_plan(struct plan *p);
extern const struct op op_stay_as_init;
