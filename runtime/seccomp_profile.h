/*
 * seccomp_profile.h - a parsed profile, between seccomp.c and seccomp_compile.c.
 */
#pragma once
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/seccomp.h"

#define SECCOMP_ARGS_MAX 6

struct seccomp_rule {
	const char *name;
	int nr; /* native number, or libseccomp's negative one for another ABI's syscall */
	bool only_native;
	uint32_t action;
	unsigned int arg_count;
	struct scmp_arg_cmp args[SECCOMP_ARGS_MAX];
	size_t entry; /* index in /syscalls */
};

struct seccomp_profile {
	uint32_t default_action;
	uint32_t archs[32];
	size_t arch_count;
	struct seccomp_rule *rules;
	size_t rule_count;
	const char **skipped;
	size_t skipped_count;
};

/* Fills ret->code and ret->count; the program lives in the arena. */
int seccomp_compile(const struct seccomp_profile *p, const struct json_at *at, struct arena *a,
		    struct seccomp_filter *ret, struct err *e);
