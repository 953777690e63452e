/*
 * undo.c - every kind of undo there is.
 */
#include "runtime/undo.h"

#include "cgroup/cgroup.h"
#include "net/net.h"
#include "runtime/hooks.h"
#include "runtime/idrange.h"

static const struct undo_kind *const own_kinds[] = { &undo_kind_state_folder, NULL };

const struct undo_kind *const *const undo_registry[] = {
	own_kinds, hooks_undo_kinds, idrange_undo_kinds, cgroup_undo_kinds, cgroup_systemd_undo_kinds,
	net_undo_kinds, NULL,
};

/* What a container leaves under names that derive from its id, when the record can't be read or
 * was never written: its range of ids. (Cgroup and network come after the record.) */
void undo_by_name(const struct undo_at *at, struct err *e)
{
	idrange_release(at->state_root, at->id, e);
}
