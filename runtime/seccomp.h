/*
 * seccomp.h - /linux/seccomp of config.json: parsed, compiled to BPF, loaded.
 *
 * Owns the OCI profile syntax (config-linux.md#seccomp) and seccomp(2). The
 * program is compiled when parsing, through libseccomp, so that the guest only
 * hands an array to the kernel.
 *
 * Meaning of a profile, where the specification leaves it open:
 *   - a rule whose action is the default one adds nothing;
 *   - conditions of one rule must all hold, but several on one argument are
 *     alternatives (profiles are written that way, runc reads them so);
 *   - a rule with conditions beside one without, for the same syscall and with
 *     another action, could never have an effect: refused;
 *   - a call through an ABI the profile does not list kills the process.
 */
#pragma once
#include <jansson.h>
#include <linux/filter.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/plan.h"

#define SECCOMP_RULES_MAX 8192 /* syscall names in a profile, times their alternatives */

struct seccomp_filter {
	struct sock_filter *code;
	size_t count;
	unsigned int flags;   /* SECCOMP_FILTER_FLAG_* */
	const char **skipped; /* syscall names nobody here knows: cannot be called either */
	size_t skipped_count;
};

/*
 * Parses and compiles a profile at `at`; the program lives in the arena.
 * Refused: unknown actions, operators, flags, architectures; an errnoRet beside
 * an action that has none; SCMP_ACT_NOTIFY, listenerPath and listenerMetadata;
 * a profile under which execve can never succeed; one too long for the kernel.
 */
int seccomp_parse(const json_t *seccomp, const struct json_at *at, struct arena *a,
		  struct seccomp_filter *ret, struct err *e);

/* GUEST: loads it. From then on this side reports no more steps: sendmsg may be forbidden. */
struct op_seccomp_args {
	const struct seccomp_filter *filter;
};
extern const struct op op_seccomp;
