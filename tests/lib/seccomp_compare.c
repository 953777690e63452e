/*
 * seccomp_compare.c - a profile's program against the tests' reading of the profile.
 */
#include "tests/lib/seccomp_compare.h"

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/bpf_vm.h"

#define LE_BIT	    0x40000000u /* __AUDIT_ARCH_LE */
#define VALUES_MAX  400
#define NUMBERS_MAX 16384
#define SAMPLE	    4000 /* combinations of arguments for one number */

struct values {
	uint64_t at[VALUES_MAX];
	size_t count;
};

struct compare {
	const struct eval_profile *p;
	const struct seccomp_filter *program;
	const struct sock_filter *witness;
	size_t witness_count;
	struct compare_counts *counts;
	char *text;
	size_t size;
	uint32_t numbers[NUMBERS_MAX];
	size_t number_count;
	uint64_t random;
};

static uint64_t next_random(struct compare *c)
{
	c->random ^= c->random << 13;
	c->random ^= c->random >> 7;
	c->random ^= c->random << 17;
	return c->random;
}

static uint32_t run(const struct sock_filter *code, size_t count, const struct seccomp_data *d,
		    struct bpf_vm_trace *trace)
{
	struct seccomp_data there = *d;

	for (int i = 0; i < 6 && !(d->arch & LE_BIT); i++)
		there.args[i] = d->args[i] << 32 | d->args[i] >> 32;
	return bpf_vm_run(code, count, &there, trace);
}

uint32_t compare_run(const struct sock_filter *code, size_t count, const struct seccomp_data *d)
{
	return run(code, count, d, NULL);
}

/* --- known differences of libseccomp ------------------------------------------ */

static bool compares_order(const struct eval_rule *r)
{
	for (unsigned int i = 0; i < r->count; i++)
		if (r->conditions[i].compare != EVAL_EQ && r->conditions[i].compare != EVAL_NE &&
		    r->conditions[i].compare != EVAL_MASKED)
			return true;
	return false;
}

/* Values that a 32-bit ABI cannot have, and values beside their mask. */
static bool has_odd_value(const struct eval_rule *r, bool wide)
{
	for (unsigned int i = 0; i < r->count; i++) {
		const struct eval_condition *c = &r->conditions[i];
		uint64_t value = c->compare == EVAL_MASKED ? c->second : c->value;

		if (c->compare == EVAL_MASKED && (value & ~c->value))
			return true;
		if (!wide && value > UINT32_MAX && value < 0xffffffff80000000)
			return true;
	}
	return false;
}

static bool compares_low_words(const struct eval_abi *abi)
{
	return abi->scmp == SCMP_ARCH_X32 || abi->scmp == SCMP_ARCH_MIPS64N32 ||
	       abi->scmp == SCMP_ARCH_MIPSEL64N32;
}

bool compare_known_difference(const struct eval_profile *p, const struct seccomp_data *d)
{
	int abi = eval_abi_of(p, d);
	const struct eval_rule *first = NULL;
	unsigned int conditional = 0;
	bool order = false, plain = false, clash = false;

	if (abi < 0)
		return false;
	if (eval_is_newer(p, d))
		return true;
	for (size_t i = 0; i < p->rule_count; i++) {
		const struct eval_rule *r = &p->rules[i];
		bool muxed = r->mux[abi] >= 0 && r->mux[abi] == d->nr;

		if (!muxed && (r->number[abi] < 0 ||
			       ((uint32_t)r->number[abi] | p->abis[abi].bit) != (uint32_t)d->nr))
			continue;
		if (r->action == p->default_action)
			continue;
		if (seccomp_syscall_resolve_name(r->name) == __NR_SCMP_ERROR)
			return true;
		if (muxed && (r->count || (d->args[0] & ~(uint64_t)r->mux_mask)))
			return true;
		if (r->count &&
		    (compares_low_words(&p->abis[abi]) || has_odd_value(r, p->abis[abi].wide)))
			return true;
		if (!r->count && !muxed) {
			plain = true;
			continue;
		}
		conditional += r->any ? r->count : 1;
		order |= compares_order(r);
		clash |= first && first->action != r->action;
		first = first ? first : r;
	}
	return !plain && (clash || (order && conditional > 1));
}

/* --- one call ------------------------------------------------------------------ */

static bool differs(struct compare *c, const struct seccomp_data *d, const char *who, uint32_t got,
		    uint32_t expected)
{
	snprintf(c->text, c->size,
		 "arch %#x nr %#x (%#llx, %#llx, %#llx, %#llx, %#llx, %#llx): %s answers %#x, the "
		 "profile says %#x",
		 d->arch, (unsigned int)d->nr, d->args[0], d->args[1], d->args[2], d->args[3],
		 d->args[4], d->args[5], who, got, expected);
	return false;
}

static bool ask(struct compare *c, const struct seccomp_data *d)
{
	uint32_t expected = eval_call(c->p, d);
	struct bpf_vm_trace trace;
	uint32_t got = run(c->program->code, c->program->count, d, &trace);

	c->counts->calls++;
	if (got != expected)
		return differs(c, d, "the program", got, expected);
	if (trace.steps > c->program->depth)
		return differs(c, d, "at most as many steps as said", (uint32_t)trace.steps,
			       (uint32_t)c->program->depth);
	if (!c->witness)
		return true;
	got = run(c->witness, c->witness_count, d, &trace);
	/* Exporting for the other byte order, libseccomp leaves some returns in this one. */
	if (!(d->arch & LE_BIT) && got == __builtin_bswap32(expected))
		got = expected;
	if (got == expected) {
		c->counts->witnessed++;
		return true;
	}
	if (!compare_known_difference(c->p, d) && (trace.loaded & 1))
		return differs(c, d, "libseccomp", got, expected);
	c->counts->known++;
	return true;
}

/* --- arguments ------------------------------------------------------------------ */

static void add_value(struct values *v, uint64_t value)
{
	for (size_t i = 0; i < v->count; i++)
		if (v->at[i] == value)
			return;
	if (v->count < VALUES_MAX)
		v->at[v->count++] = value;
}

static void add_around(struct values *v, uint64_t value)
{
	for (int i = -1; i <= 1; i++) {
		add_value(v, value + (uint64_t)i);
		add_value(v, value + ((uint64_t)i << 32));
		add_value(v, (uint32_t)(value + (uint64_t)i));
		add_value(v, 0xdeadbeef00000000 | (uint32_t)(value + (uint64_t)i));
	}
}

static void add_condition(struct values *v, const struct eval_condition *k)
{
	uint64_t lowest, highest;

	if (k->compare != EVAL_MASKED) {
		add_around(v, k->value);
		return;
	}
	lowest = k->value & -k->value;
	highest = k->value ? 1ULL << (63 - __builtin_clzll(k->value)) : 0;
	add_value(v, k->second);
	add_value(v, k->second | ~k->value);
	add_value(v, k->second ^ lowest);
	add_value(v, k->second ^ highest);
	add_value(v, (k->second | ~k->value) ^ highest);
	add_value(v, k->value);
	add_value(v, k->second ^ 1ULL << 32);
}

/* What the program compares that argument's words with. */
static void add_constants(struct compare *c, struct values *v, unsigned int arg, uint32_t arch)
{
	const uint32_t first = (uint32_t)offsetof(struct seccomp_data, args) + 8 * arg;
	uint32_t loaded = 0;

	for (size_t i = 0; i < c->program->count; i++) {
		const struct sock_filter *s = &c->program->code[i];

		if (BPF_CLASS(s->code) == BPF_LD)
			loaded = s->k;
		if ((BPF_CLASS(s->code) != BPF_JMP && BPF_CLASS(s->code) != BPF_ALU) ||
		    s->code == (BPF_JMP | BPF_JA) || (loaded & ~7u) != first)
			continue;
		for (int d = -1; d <= 1; d++) {
			uint64_t word = s->k + (uint32_t)d;
			bool high = (loaded == first) != ((arch & LE_BIT) != 0);

			add_value(v, high ? word << 32 : word);
		}
	}
}

static void collect(struct compare *c, int abi, uint32_t number, struct values v[6])
{
	for (int i = 0; i < 6; i++)
		v[i].count = 0;
	for (size_t i = 0; i < c->p->rule_count; i++) {
		const struct eval_rule *r = &c->p->rules[i];

		if (!eval_is_about(c->p, r, abi, number))
			continue;
		for (unsigned int k = 0; k < r->count; k++)
			add_condition(&v[r->conditions[k].arg], &r->conditions[k]);
		if (r->mux[abi] >= 0 && (uint32_t)r->mux[abi] == number) {
			add_around(&v[0], r->mux_value);
			add_value(&v[0], 0x10000 | r->mux_value);
		}
	}
	for (unsigned int i = 0; i < 6; i++) {
		if (v[i].count)
			add_constants(c, &v[i], i, c->p->abis[abi].audit);
		add_value(&v[i], 0);
		add_value(&v[i], UINT64_MAX);
	}
}

/* All combinations, the last argument fastest; of very many a sample. */
static bool ask_arguments(struct compare *c, struct seccomp_data *d, const struct values v[6])
{
	size_t total = 1;

	for (int i = 0; i < 6; i++)
		total *= v[i].count > 2 ? v[i].count : 1;
	if (total == 1)
		total = 2; /* arguments nobody looks at: all 0, all 1 */
	for (size_t n = 0; n < (total > SAMPLE ? SAMPLE : total); n++) {
		size_t rest = total > SAMPLE ? (size_t)(next_random(c) >> 8) % total : n;

		for (int i = 0; i < 6; i++) {
			if (v[i].count > 2) {
				d->args[i] = v[i].at[rest % v[i].count];
				rest /= v[i].count;
			} else {
				d->args[i] = v[i].at[n % 2];
			}
		}
		if (!ask(c, d))
			return false;
	}
	return true;
}

/* --- numbers -------------------------------------------------------------------- */

static void add_number(struct compare *c, uint32_t number)
{
	for (int i = -1; i <= 1; i++)
		if (c->number_count < NUMBERS_MAX)
			c->numbers[c->number_count++] = number + (uint32_t)i;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void collect_numbers(struct compare *c)
{
	static const uint32_t edges[] = { 0,	      0x0f0000,	  0x3fffffff, 0x40000000,
					  0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff };

	c->number_count = 0;
	for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++)
		add_number(c, edges[i]);
	for (size_t a = 0; a < c->p->abi_count; a++) {
		add_number(c, (uint32_t)c->p->abis[a].newest | c->p->abis[a].bit);
		for (size_t i = 0; i < c->p->rule_count; i++) {
			add_number(c, (uint32_t)c->p->rules[i].number[a] | c->p->abis[a].bit);
			add_number(c, (uint32_t)c->p->rules[i].mux[a]);
		}
	}
	for (size_t i = 0; i < c->program->count; i++)
		if (BPF_CLASS(c->program->code[i].code) == BPF_JMP)
			add_number(c, c->program->code[i].k);
	qsort(c->numbers, c->number_count, sizeof c->numbers[0], by_number);
}

static bool ask_numbers(struct compare *c, uint32_t arch)
{
	struct values v[6];

	for (size_t i = 0; i < c->number_count; i++) {
		struct seccomp_data d = { .nr = (int)c->numbers[i], .arch = arch };
		int abi = eval_abi_of(c->p, &d);

		if (i && c->numbers[i] == c->numbers[i - 1])
			continue;
		if (abi < 0) {
			if (!ask(c, &d))
				return false;
			continue;
		}
		collect(c, abi, c->numbers[i], v);
		if (!ask_arguments(c, &d, v))
			return false;
	}
	return true;
}

static bool ask_archs(struct compare *c)
{
	/* x86_64, i386, aarch64, arm, s390x; each listed one and its neighbours */
	uint32_t archs[8 + 3 * EVAL_ABIS_MAX] = { 0xc000003e, 0x40000003, 0xc00000b7, 0x40000028,
						  0x80000016, 0,	  0xffffffff };
	size_t count = 7;

	for (size_t i = 0; i < c->p->abi_count; i++)
		for (int d = -1; d <= 1; d++)
			archs[count++] = c->p->abis[i].audit + (uint32_t)d;
	qsort(archs, count, sizeof archs[0], by_number);
	for (size_t i = 0; i < count; i++)
		if ((!i || archs[i] != archs[i - 1]) && !ask_numbers(c, archs[i]))
			return false;
	return true;
}

bool compare_everywhere(const struct eval_profile *p, const struct seccomp_filter *program,
			const struct sock_filter *witness, size_t witness_count,
			struct compare_counts *counts, char *text, size_t size)
{
	struct compare *c = calloc(1, sizeof *c);
	const char *what = bpf_vm_check(program->code, program->count);
	bool same;

	if (!c)
		abort();
	*c = (struct compare){ .p = p,
			       .program = program,
			       .witness = witness,
			       .witness_count = witness_count,
			       .counts = counts,
			       .text = text,
			       .size = size,
			       .random = 88172645463325252 };
	if (what)
		snprintf(text, size, "the program has %s", what);
	collect_numbers(c);
	same = !what && ask_archs(c);
	free(c);
	return same;
}
