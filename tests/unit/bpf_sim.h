/*
 * bpf_sim.h - runs a classic BPF program over a struct seccomp_data, as the kernel does.
 *
 * For tests only. Independent of the code under test: it knows the
 * instructions of linux/filter.h that seccomp accepts, and nothing of profiles.
 */
#pragma once
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BPF_SIM_BAD 0xdeadbeefU /* the program is broken: no such instruction, or it runs off */

static inline uint32_t bpf_sim_alu(uint16_t op, uint32_t a, uint32_t x)
{
	switch (op) {
	case BPF_ADD:
		return a + x;
	case BPF_SUB:
		return a - x;
	case BPF_MUL:
		return a * x;
	case BPF_DIV:
		return x ? a / x : 0;
	case BPF_AND:
		return a & x;
	case BPF_OR:
		return a | x;
	case BPF_XOR:
		return a ^ x;
	case BPF_LSH:
		return x < 32 ? a << x : 0;
	case BPF_RSH:
		return x < 32 ? a >> x : 0;
	default:
		return 0 - a; /* BPF_NEG */
	}
}

static inline bool bpf_sim_jump(uint16_t op, uint32_t a, uint32_t x)
{
	switch (op) {
	case BPF_JEQ:
		return a == x;
	case BPF_JGT:
		return a > x;
	case BPF_JGE:
		return a >= x;
	default:
		return (a & x) != 0; /* BPF_JSET */
	}
}

/* The SECCOMP_RET_* value. */
static inline uint32_t bpf_sim_run(const struct sock_filter *code, size_t count,
				   const struct seccomp_data *data)
{
	uint32_t a = 0, x = 0, mem[BPF_MEMWORDS] = { 0 };

	for (size_t pc = 0; pc < count; pc++) {
		const struct sock_filter *i = &code[pc];
		uint32_t operand = BPF_SRC(i->code) == BPF_X ? x : i->k;

		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			if (i->code == (BPF_LD | BPF_W | BPF_ABS)) {
				if (i->k % 4 || i->k >= sizeof *data)
					return BPF_SIM_BAD;
				memcpy(&a, (const char *)data + i->k, 4);
			} else if (BPF_MODE(i->code) == BPF_IMM) {
				a = i->k;
			} else if (BPF_MODE(i->code) == BPF_MEM && i->k < BPF_MEMWORDS) {
				a = mem[i->k];
			} else {
				return BPF_SIM_BAD;
			}
			break;
		case BPF_LDX:
			if (BPF_MODE(i->code) == BPF_IMM)
				x = i->k;
			else if (BPF_MODE(i->code) == BPF_MEM && i->k < BPF_MEMWORDS)
				x = mem[i->k];
			else
				return BPF_SIM_BAD;
			break;
		case BPF_ST:
		case BPF_STX:
			if (i->k >= BPF_MEMWORDS)
				return BPF_SIM_BAD;
			mem[i->k] = BPF_CLASS(i->code) == BPF_ST ? a : x;
			break;
		case BPF_ALU:
			a = bpf_sim_alu(BPF_OP(i->code), a, operand);
			break;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_JA)
				pc += i->k;
			else
				pc += bpf_sim_jump(BPF_OP(i->code), a, operand) ? i->jt : i->jf;
			break;
		case BPF_MISC:
			if (BPF_MISCOP(i->code) == BPF_TAX)
				x = a;
			else
				a = x;
			break;
		default: /* BPF_RET */
			return BPF_RVAL(i->code) == BPF_A ? a : i->k;
		}
	}
	return BPF_SIM_BAD;
}
