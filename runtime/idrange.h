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

/* Leases a range to `id`; *ret_base is its first host id. *ret_taking is to be closed once the state
 * folder of that id is there: until then idrange_sweep() leaves all leases alone. */
int idrange_take(int root, const char *id, uint32_t *ret_base, int *ret_taking, struct err *e);
/* The same for one range; -EBUSY names who has it. */
int idrange_take_this(int root, const char *id, uint32_t base, int *ret_taking, struct err *e);
/* Frees what is leased to ids without a state folder: whoever took it was killed before it made one. */
int idrange_sweep(int root, struct err *e);
/* Frees that one range, when it is still leased to `id`. */
void idrange_drop(int root, const char *id, uint32_t base);
/* Frees what `id` has leased; nothing leased: 0. */
int idrange_release(int root, const char *id, struct err *e);
extern const struct undo_kind *const idrange_undo_kinds[];
/* Puts the release of the id's range on the intent record, at the step given. */
void idrange_plan_undo(struct plan *p, int step);
