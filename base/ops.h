/*
 * ops.h - primitives on the calling process itself that several domains use.
 */
#pragma once
#include <stdint.h>
#include <sys/types.h>
#include "base/plan.h"

struct op_umask_args {
	mode_t mask;
};
extern const struct op op_umask;
struct op_id_args { /* real, effective and saved */
	uint32_t id;
};
extern const struct op op_setresgid, op_setresuid;
struct op_prctl_args {
	int option;
	unsigned long value;
};
extern const struct op op_prctl;
