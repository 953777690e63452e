/*
 * seccomp_bpf.h - a tree of switches to a BPF program. Pure.
 *
 * A switch is a binary search over its ranges. Jumps of BPF only go forward and, where they are
 * conditional, not over more than 255 instructions: the program is written from its end, so that
 * what is jumped to is there already, and what is too far away is returned once more, or jumped to
 * from nearby.
 */
#pragma once
#include <linux/filter.h>

#include "runtime/seccomp_ranges.h"

struct seccomp_bpf {
	size_t count;
	bool too_long;
	struct arena *arena;	  /* scratch */
	uint32_t returned_at[64]; /* where the nearest return of an action is, by its hash */
	struct sock_filter code[BPF_MAXINSNS]; /* the last `count` of them; need not be cleared */
};

/* False: longer than the kernel's BPF_MAXINSNS. b->arena may have failed. */
bool seccomp_bpf_write(struct seccomp_bpf *b, struct seccomp_node *root);
static inline const struct sock_filter *seccomp_bpf_code(const struct seccomp_bpf *b)
{
	return b->code + BPF_MAXINSNS - b->count;
}

/* The most instructions that one call can run through. */
size_t seccomp_bpf_depth(const struct sock_filter *code, size_t count);
