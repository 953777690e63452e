/*
 * idrange.h - a range of 65,536 host ids of its own for each container.
 *
 * Two jobs that shared ids could signal each other's processes and read each
 * other's files, were a namespace wall ever to fall. A lease is a symlink
 * <root>/.ids/N -> ID: made whole by one syscall, never followed.
 */
#pragma once
#include <stdint.h>
#include "base/err.h"
#include "base/plan.h"

#define IDRANGE_SIZE  65536u
#define IDRANGE_FIRST 0x60000000u /* inside systemd's container range, above any subuid of users */
#define IDRANGE_COUNT 4096u

/* Leases a range to `id`; *ret_base is its first host id. */
int idrange_take(int root, const char *id, uint32_t *ret_base, struct err *e);
/* The same for one range; -EBUSY names who has it. */
int idrange_take_this(int root, const char *id, uint32_t base, struct err *e);
/* Frees that one range, when it is still leased to `id`. */
void idrange_drop(int root, const char *id, uint32_t base);
/* Frees what `id` has leased; nothing leased: 0. */
int idrange_release(int root, const char *id, struct err *e);
extern const struct undo_kind *const idrange_undo_kinds[];
/* Puts the release of the id's range on the intent record, at the step given. */
void idrange_plan_undo(struct plan *p, int step);
