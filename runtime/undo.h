/*
 * undo.h - every kind of undo there is, and the order given at start.
 */
#pragma once
#include "base/plan.h"

/* NULL-terminated list of the domains' NULL-terminated lists. */
extern const struct undo_kind *const *const undo_registry[];
extern const struct undo_kind undo_kind_state_folder;
const struct undo_kind *undo_find_kind(const char *name);
/* Undoes what can be found without the intent record: what has a name that derives from the id, and
 * the cgroup that the state record names (or NULL). */
void undo_by_name(const struct undo_at *at, const char *cgroup, struct err *e);

#define START_MAGIC 0x6b697374u /* "kist" */
struct start_order {
	unsigned int magic;
};
