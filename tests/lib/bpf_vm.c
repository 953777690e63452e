/*
 * bpf_vm.c - checks and runs a classic BPF program, as the kernel does.
 */
#include "tests/lib/bpf_vm.h"

#include <stdbool.h>
#include <string.h>

static uint32_t alu(uint16_t op, uint32_t a, uint32_t x)
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

static bool jumps(uint16_t op, uint32_t a, uint32_t x)
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

struct machine {
	uint32_t a, x, mem[BPF_MEMWORDS];
};

/* False: no such instruction. */
static bool load(struct machine *m, const struct sock_filter *i, const struct seccomp_data *data)
{
	if (i->code == (BPF_LD | BPF_W | BPF_ABS)) {
		if (i->k % 4 || i->k >= sizeof *data)
			return false;
		memcpy(&m->a, (const char *)data + i->k, 4);
		return true;
	}
	if (BPF_MODE(i->code) != BPF_IMM && (BPF_MODE(i->code) != BPF_MEM || i->k >= BPF_MEMWORDS))
		return false;
	*(BPF_CLASS(i->code) == BPF_LD ? &m->a : &m->x) =
		BPF_MODE(i->code) == BPF_IMM ? i->k : m->mem[i->k];
	return true;
}

uint32_t bpf_vm_run(const struct sock_filter *code, size_t count, const struct seccomp_data *data,
		    struct bpf_vm_trace *trace)
{
	struct machine m = { 0 };
	struct bpf_vm_trace unused, *t = trace ? trace : &unused;

	*t = (struct bpf_vm_trace){ 0 };
	for (size_t pc = 0; pc < count; pc++) {
		const struct sock_filter *i = &code[pc];
		uint32_t operand = BPF_SRC(i->code) == BPF_X ? m.x : i->k;

		t->steps++;
		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
		case BPF_LDX:
			if (!load(&m, i, data))
				return BPF_VM_BAD;
			if (BPF_MODE(i->code) == BPF_ABS)
				t->loaded |= 1u << i->k / 4;
			break;
		case BPF_ST:
		case BPF_STX:
			if (i->k >= BPF_MEMWORDS)
				return BPF_VM_BAD;
			m.mem[i->k] = BPF_CLASS(i->code) == BPF_ST ? m.a : m.x;
			break;
		case BPF_ALU:
			m.a = alu(BPF_OP(i->code), m.a, operand);
			break;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_JA)
				pc += i->k;
			else
				pc += jumps(BPF_OP(i->code), m.a, operand) ? i->jt : i->jf;
			break;
		case BPF_MISC:
			if (BPF_MISCOP(i->code) == BPF_TAX)
				m.x = m.a;
			else
				m.a = m.x;
			break;
		default: /* BPF_RET */
			return BPF_RVAL(i->code) == BPF_A ? m.a : i->k;
		}
	}
	return BPF_VM_BAD;
}

static const char *check_one(const struct sock_filter *i, size_t behind)
{
	switch (i->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		return i->k % 4 || i->k >= sizeof(struct seccomp_data) ? "a load past the data"
								       : NULL;
	case BPF_JMP | BPF_JA:
		return i->k >= behind ? "a jump past the end" : NULL;
	case BPF_JMP | BPF_JEQ | BPF_K:
	case BPF_JMP | BPF_JGE | BPF_K:
	case BPF_JMP | BPF_JGT | BPF_K:
	case BPF_JMP | BPF_JSET | BPF_K:
		if (i->jt >= behind || i->jf >= behind)
			return "a jump past the end";
		return i->jt == i->jf ? "a jump that decides nothing" : NULL;
	case BPF_ALU | BPF_AND | BPF_K:
	case BPF_RET | BPF_K:
		return NULL;
	default:
		return "an instruction that the kernel does not follow when it looks for calls "
		       "that are always permitted";
	}
}

const char *bpf_vm_check(const struct sock_filter *code, size_t count)
{
	if (count == 0 || count > BPF_MAXINSNS)
		return "a wrong length";
	for (size_t i = 0; i < count; i++) {
		const char *what = check_one(&code[i], count - 1 - i);

		if (what)
			return what;
	}
	return code[count - 1].code == (BPF_RET | BPF_K) ? NULL : "no return at the end";
}

size_t bpf_vm_unreached(const struct sock_filter *code, size_t count)
{
	bool reached[BPF_MAXINSNS] = { count > 0 };
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		if (!reached[i]) {
			n++;
		} else if (code[i].code == (BPF_JMP | BPF_JA)) {
			reached[i + 1 + code[i].k] = true;
		} else if (BPF_CLASS(code[i].code) == BPF_JMP) {
			reached[i + 1 + code[i].jt] = true;
			reached[i + 1 + code[i].jf] = true;
		} else if (BPF_CLASS(code[i].code) != BPF_RET) {
			reached[i + 1] = true;
		}
	}
	return n;
}
