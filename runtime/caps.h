/*
 * caps.h - capabilities(7): names, the five sets of config.json, and their primitives.
 *
 * Owns /process/capabilities and the prctl/capset calls that apply it. Does
 * not decide the order of the calls: process_plan.c does. capset(2) is called
 * raw, since libcap allocates and the guest may not.
 */
#pragma once
#include <jansson.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/plan.h"

#define CAPS_BIT(cap)	 (1ULL << (cap))
#define CAPS_NAMES_MAX 128 /* entries in one set of config.json */

/* Bit n is capability n. */
struct caps_spec {
	uint64_t bounding, effective, inheritable, permitted, ambient;
	uint64_t ambient_dropped; /* asked for, but not permitted and inheritable: the caller warns */
};

/* Names no kernel headers here know: dropped, and the caller warns about them. */
struct caps_unknown {
	const char **names;
	size_t count;
};

/* "CAP_KILL", or NULL when `cap` has no name. */
const char *caps_name(int cap);
/* The capability's number, or -ENOENT. Names are exact, upper case, with "CAP_". */
int caps_number(const char *name);
/* "CAP_CHOWN|CAP_KILL", "all" or "0". */
void caps_show_set(struct buf *out, uint64_t set);

/*
 * Parses /process/capabilities (config.md#linux-process); an absent set is
 * empty. Refuses sets that the kernel would refuse: effective not within
 * permitted, inheritable not within bounding. *ret is written whole or not at all.
 */
int caps_parse(const json_t *caps, const struct json_at *at, struct arena *a,
	       struct caps_spec *ret, struct caps_unknown *ret_unknown, struct err *e);

/* Compound: PR_CAPBSET_DROP for every capability that is not in `keep`. */
struct op_drop_bounding_set_args {
	uint64_t keep;
};
extern const struct op op_drop_bounding_set;

struct op_capset_args {
	uint64_t effective, permitted, inheritable;
};
extern const struct op op_capset;

/* Compound: PR_CAP_AMBIENT_CLEAR_ALL, then PR_CAP_AMBIENT_RAISE for each. */
struct op_set_ambient_args {
	uint64_t set;
};
extern const struct op op_set_ambient;
