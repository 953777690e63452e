/*
 * json_more.h - getters for what process and seccomp profiles hold: uint64, enums, flag lists.
 */
#pragma once
#include "base/json.h"

/* A name of the spec and its value for the kernel. */
struct json_name {
	const char *name;
	uint64_t value;
};

/*
 * 0 to 2^64-1. A real that is exactly 2^64-1 (which a double rounds to 2^64) stands for
 * UINT64_MAX: so "unlimited" arrives from who has no integers. 1, 0 or -EINVAL as the other getters.
 */
int json_get_u64(const json_t *o, const struct json_at *at, const char *key, uint64_t *ret,
		 struct err *e);
/* A string that must be one of `names`. */
int json_get_name(const json_t *o, const struct json_at *at, const char *key,
		  const struct json_name *names, size_t count, uint64_t *ret, struct err *e);
/* An array of such strings, or-ed. */
int json_get_flags(const json_t *o, const struct json_at *at, const char *key,
		   const struct json_name *names, size_t count, uint64_t *ret, struct err *e);
