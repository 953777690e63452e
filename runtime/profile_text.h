/*
 * profile_text.h - rules of a seccomp profile as OCI JSON (config-linux.md#seccomp), behind a first
 * one.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"

#define PROFILE_ALLOW (-1) /* or an errno */

void profile_add_list(struct buf *b, int action, const char *const *names, size_t count);
/* (argument & mask) == value */
void profile_add_masked(struct buf *b, const char *name, int action, int index, uint64_t mask,
			uint64_t value);
/* Of the first argument; op: "SCMP_CMP_EQ" and its like. */
void profile_add_compare(struct buf *b, const char *name, int action, const char *op,
			 uint64_t value);
/* An argument is `value`, and the one behind it `op` 0. */
void profile_add_pair(struct buf *b, const char *name, int action, int index, uint64_t value,
		      const char *op);
