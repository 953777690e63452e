/*
 * undo.c - every kind of undo there is.
 */
#include "runtime/undo.h"

#include <string.h>

#include "cgroup/cgroup.h"
#include "image/store.h"
#include "net/net.h"
#include "runtime/hooks.h"
#include "runtime/idrange.h"
#include "runtime/upper.h"

static const struct undo_kind *const own_kinds[] = { &undo_kind_state_folder, NULL };

const struct undo_kind *const *const undo_registry[] = {
	own_kinds, hooks_undo_kinds, idrange_undo_kinds, cgroup_undo_kinds, cgroup_systemd_undo_kinds,
	net_undo_kinds, image_undo_kinds, upper_undo_kinds, NULL,
};

const struct undo_kind *undo_find_kind(const char *name)
{
	for (const struct undo_kind *const *const *list = undo_registry; *list; list++)
		for (const struct undo_kind *const *kind = *list; *kind; kind++)
			if (strcmp((*kind)->name, name) == 0)
				return *kind;
	return NULL;
}

/* Not a cgroup of the default name: under another state root it may be another container's. */
void undo_by_name(const struct undo_at *at, const char *cgroup, struct err *e)
{
	if (cgroup)
		cgroup_undo_remove.act(at, (const char *const[PLAN_UNDO_ARGS]){ cgroup, at->id }, e);
	idrange_release(at->state_root, at->id, e);
}
