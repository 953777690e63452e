/*
 * upper.h - a folder that keeps the changes of a container's root.
 */
#pragma once
#include <sys/types.h>
#include "base/plan.h"

/* HOST: opens the folder (made if it is not there) for this container alone, `owner` being its
 * state folder's path, uid and gid the host's ids of its root; quota: bytes for all in it, 0: none.
 * Returns the slot with its fd. */
int upper_plan_claim(struct plan *p, const char *dir, const char *owner, uid_t uid, gid_t gid,
		     uint64_t quota);
/* Which ids the folder's containers have had; false: none yet. */
bool upper_read_ids(const char *dir, uid_t *ret_uid, gid_t *ret_gid);
extern const struct undo_kind *const upper_undo_kinds[];
