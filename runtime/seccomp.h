/*
 * seccomp.h - /linux/seccomp of config.json: parsed, compiled to BPF, loaded.
 *
 * Owns the OCI profile syntax (config-linux.md#seccomp) and seccomp(2). The
 * program is compiled when parsing (seccomp_profile.h says how), so that the
 * guest only hands an array to the kernel.
 *
 * Meaning of a profile, where the specification leaves it open:
 *   - a rule whose action is the default one adds nothing;
 *   - conditions of one rule must all hold, but several on one argument are
 *     alternatives (profiles are written that way, runc reads them so);
 *   - of several rules for one call the first whose conditions hold decides; one
 *     without conditions stands before all that have some, and of several
 *     such the first decides;
 *   - a rule with conditions beside one without, for the same syscall and with
 *     another action, could never have an effect: refused;
 *   - a call through an ABI the profile does not list kills the process;
 *   - where an ABI has a call through another too (socket as socketcall), a rule
 *     is of both; its conditions can't be seen there, so that one which permits
 *     if they hold permits nothing there, and one which is stricter than the
 *     default is for all of that call;
 *   - arguments of a 32-bit ABI are 32 bits (seccomp_ranges.h);
 *   - where the default is an errno, calls newer than every one the profile names
 *     get ENOSYS instead: its author could not know them, and libc has a way out
 *     for "not there" but none for "not permitted".
 *
 * SCMP_ACT_NOTIFY: the kernel's listener goes to the agent at listenerPath with
 * the container process state. From the moment the filter is there the guest
 * may make no syscall, since the agent would have to answer it: a stand-in, a
 * process without the filter that shares the guest's fds, hands the listener to
 * the host, while the guest waits at a word of memory. So a profile may hand
 * any syscall to the agent. Hooks of startContainer have no agent: what is the
 * agent's fails there with ENOSYS, as seccomp(2) has it without a listener.
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
	size_t depth;	      /* the most instructions that one call runs through */
	unsigned int flags;   /* SECCOMP_FILTER_FLAG_* */
	const char **skipped; /* syscall names nobody here knows: cannot be called either */
	size_t skipped_count;
	bool notify;	      /* some syscalls are the agent's */
	const char *listener_path, *listener_metadata; /* with notify; metadata may be NULL */
};

/*
 * Parses and compiles a profile at `at`; the program lives in the arena.
 * Refused: unknown actions, operators, flags, architectures; an errnoRet beside
 * an action that has none; SCMP_ACT_NOTIFY without listenerPath; a profile under
 * which execve can never succeed; one too long for the kernel.
 */
int seccomp_parse(const json_t *seccomp, const struct json_at *at, struct arena *a,
		  struct seccomp_filter *ret, struct err *e);

/* GUEST: loads it. From then on this side reports no more steps: sendmsg may be forbidden. */
struct op_seccomp_args {
	const struct seccomp_filter *filter;
	int slot_listener; /* host: gets the listener of a filter with notify */
};
extern const struct op op_seccomp;

/* The names of the tables, for `kist features`: NULL-terminated when called until NULL. */
const char *seccomp_action_name(size_t i);
const char *seccomp_operator_name(size_t i);
const char *seccomp_flag_name(size_t i);
/* Whether the kernel knows the flag. */
bool seccomp_flag_works(size_t i);

/* --- the agent (seccomp_agent.c) --------------------------------------------- */

/* Loads it into this process, without its agent, whose syscalls then fail with ENOSYS. 0 or -errno.
 * Guest-safe. */
int seccomp_confine(const struct seccomp_filter *f);

/* What the agent is told of the container: config-linux.md#containerprocessstate. */
struct seccomp_state {
	const char *id, *bundle, *status;
	const json_t *annotations;
	int pid; /* of the container's first process; 0: the guest is that */
};

/* HOST: connects to the agent. A socket, or -errno. */
int seccomp_agent_connect(const char *path, struct err *e);
/* HOST: sends the listener with the state, once. */
int seccomp_agent_send(int sock, int listener, const char *metadata,
		       const struct seccomp_state *state, int pid, struct err *e);

struct op_agent_args {
	const struct seccomp_filter *filter;
	const struct seccomp_state *state;
	int slot_agent, slot_listener;
};
extern const struct op op_connect_agent, op_send_listener;
