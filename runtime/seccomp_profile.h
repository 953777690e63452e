/*
 * seccomp_profile.h - a parsed profile, between seccomp.c and the compiler.
 *
 * The way of a profile: rules (here) -> for each architecture, ranges of numbers and what they get
 * (seccomp_ranges) -> instructions (seccomp_bpf).
 */
#pragma once
#include "runtime/seccomp.h"
#include "runtime/seccomp_abi.h"

#define SECCOMP_ARGS_MAX 6

enum seccomp_compare {
	SECCOMP_NE,
	SECCOMP_LT,
	SECCOMP_LE,
	SECCOMP_EQ,
	SECCOMP_GE,
	SECCOMP_GT,
	SECCOMP_MASKED_EQ,
};

struct seccomp_condition {
	unsigned int arg;
	enum seccomp_compare compare;
	uint64_t mask; /* MASKED_EQ: (arg & mask) == value */
	uint64_t value;
};

struct seccomp_rule {
	int call; /* of seccomp_call_find() */
	uint32_t action;
	const struct seccomp_condition *conditions; /* all must hold */
	unsigned int count;
	unsigned int entry; /* index in /syscalls */
};

struct seccomp_profile {
	uint32_t default_action;
	enum seccomp_abi native;
	enum seccomp_abi abis[SECCOMP_ABIS]; /* the native one first */
	size_t abi_count;
	struct seccomp_rule *rules; /* as the profile has them */
	size_t rule_count;
	const char **skipped;
	size_t skipped_count;
};

/* seccomp_parse() for another architecture than this program's. */
int seccomp_parse_for(enum seccomp_abi native, const json_t *seccomp, const struct json_at *at,
		      struct arena *a, struct seccomp_filter *ret, struct err *e);

/* Fills ret->code, ->count and ->depth; the program lives in the arena. */
int seccomp_compile(const struct seccomp_profile *p, const struct json_at *at, struct arena *a,
		    struct seccomp_filter *ret, struct err *e);
