/*
 * seccomp_eval.h - a seccomp profile read straight from its JSON, and what a call gets by it.
 *
 * The tests' own reading of config-linux.md#seccomp: no ranges, no tree, nothing of runtime/. Each
 * question walks all rules. Names become numbers through libseccomp.
 */
#pragma once
#include <jansson.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVAL_RULES_MAX 4096
#define EVAL_ABIS_MAX  3

enum eval_compare { EVAL_NE, EVAL_LT, EVAL_LE, EVAL_EQ, EVAL_GE, EVAL_GT, EVAL_MASKED };

struct eval_condition {
	unsigned int arg;
	enum eval_compare compare;
	uint64_t value, second; /* MASKED: (arg & value) == second */
};

struct eval_rule {
	const char *name;
	uint32_t action;
	unsigned int count;
	struct eval_condition conditions[6];
	bool any;		   /* of the conditions: one argument twice */
	int number[EVAL_ABIS_MAX]; /* -1: not there */
	int mux[EVAL_ABIS_MAX];	   /* the number of socketcall or ipc; -1: not called through it */
	uint32_t mux_value, mux_mask;
};

struct eval_abi {
	uint32_t scmp, audit; /* libseccomp's name, the kernel's */
	uint32_t bit;	      /* x32's */
	bool wide;	      /* arguments have 64 bits */
	int newest;	      /* number; -1: none */
};

struct eval_profile {
	uint32_t default_action;
	struct eval_abi abis[EVAL_ABIS_MAX];
	size_t abi_count;
	struct eval_rule rules[EVAL_RULES_MAX];
	size_t rule_count;
};

/* `native` is SCMP_ARCH_*. `profile` must outlive what is returned; free() it. */
struct eval_profile *eval_read(const json_t *profile, uint32_t native);

/* The SECCOMP_RET_* value; `d` as on a machine of this byte order. */
uint32_t eval_call(const struct eval_profile *p, const struct seccomp_data *d);
/* Whether it is answered as newer than the profile, and not by its rules. */
bool eval_is_newer(const struct eval_profile *p, const struct seccomp_data *d);
/* The ABI of a call; -1: one the profile does not list. */
int eval_abi_of(const struct eval_profile *p, const struct seccomp_data *d);
/* The rule is about that number of the ABI, itself or by socketcall(2), ipc(2). */
bool eval_is_about(const struct eval_profile *p, const struct eval_rule *r, int abi,
		   uint32_t number);
