/*
 * seccomp_witness.h - libseccomp's program for a profile, built as runc builds it.
 */
#pragma once
#include <linux/filter.h>

#include "tests/lib/seccomp_eval.h"

/*
 * Instructions, to free(); in this machine's byte order, whatever the ABI's. NULL: libseccomp
 * refuses, or has more than BPF_MAXINSNS. `optimize`: 1, by priority, its default and a walk
 * through all calls; 2, a binary tree. Without the answer to calls newer than the profile, which
 * runc adds by itself.
 */
struct sock_filter *witness_build(const struct eval_profile *p, int optimize, size_t *ret_count);
