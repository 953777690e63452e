/*
 * update_merge.h - an update of linux.resources, as JSON.
 */
#pragma once
#include <jansson.h>

/* What an update leaves out, but the kernel needs together with what is in it, is taken from what
 * holds now: cpu.max is quota and period, swap counts from the memory limit. -ENOMEM. */
int update_fill(json_t *update, const json_t *now);
/* `now` becomes what holds after the update. 0 stands for "not set", as callers pass Go's zero
 * values through. -ENOMEM. */
int update_merge(json_t *now, const json_t *update);
