/*
 * exit_record.h - how a container ended: status, code or signal, and what it used.
 */
#pragma once
#include "runtime/runtime.h"

/* Writes it into the state folder of `run`, whose first process was reaped. The cgroup must still
 * be there (slot_cgroup; -1: none). */
int exit_record_write(const struct run *run, int slot_cgroup, const struct attach_result *end,
		      struct err *e);
/* New reference; NULL when it has not stopped, or nobody knows how. */
json_t *exit_record_read(const struct container *c);
