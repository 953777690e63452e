/*
 * bpf_code.h - an eBPF program while it is assembled by hand.
 */
#pragma once
#include <linux/bpf.h>
#include <stddef.h>

struct bpf_code {
	struct bpf_insn *at; /* room for all of it: the caller counts */
	size_t count;
};

/* Returns where it stands, for bpf_jump_here(). */
static inline size_t bpf_emit(struct bpf_code *c, unsigned code, unsigned dst, unsigned src, int off,
			      int imm)
{
	c->at[c->count] = (struct bpf_insn){ .code = (__u8)code,
					     .dst_reg = dst & 15,
					     .src_reg = src & 15,
					     .off = (__s16)off,
					     .imm = imm };
	return c->count++;
}

/* The jump at `from` leads to what is emitted next. */
static inline void bpf_jump_here(struct bpf_code *c, size_t from)
{
	c->at[from].off = (__s16)(c->count - from - 1);
}
