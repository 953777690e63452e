/*
 * seccomp_bpf.c - a tree of switches to a BPF program.
 */
#include "runtime/seccomp_bpf.h"

#include <linux/seccomp.h>

/* A place in the program: how many instructions there are from it to the end. */
typedef uint32_t place;

#define NEAR	       255 /* what a conditional jump can jump over */
#define EXCEPTIONS_MAX 3   /* single numbers looked for one after the other */

static place put(struct seccomp_bpf *b, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	if (b->count == BPF_MAXINSNS) {
		b->too_long = true;
		return (place)b->count;
	}
	b->count++;
	b->code[BPF_MAXINSNS - b->count] = (struct sock_filter){ code, jt, jf, k };
	return (place)b->count;
}

static place put_return(struct seccomp_bpf *b, uint32_t action)
{
	place *known = &b->returned_at[(action ^ action >> 16) % 64];

	if (!*known || b->code[BPF_MAXINSNS - *known].k != action || b->count - *known > NEAR - 1)
		*known = put(b, BPF_RET | BPF_K, 0, 0, action);
	return *known;
}

/* The same, not further away than that from what is put next. */
static place nearby(struct seccomp_bpf *b, place to, size_t limit)
{
	const struct sock_filter *there = &b->code[BPF_MAXINSNS - to];

	if (b->too_long || b->count - to <= limit)
		return to;
	if (there->code == (BPF_RET | BPF_K))
		return put_return(b, there->k);
	return put(b, BPF_JMP | BPF_JA, 0, 0, (uint32_t)(b->count - to));
}

/* What is put next runs on into `to`. */
static void run_on(struct seccomp_bpf *b, place to)
{
	const struct sock_filter *there = &b->code[BPF_MAXINSNS - to];

	if (to == b->count)
		return;
	if (there->code == (BPF_RET | BPF_K))
		put(b, there->code, 0, 0, there->k);
	else
		put(b, BPF_JMP | BPF_JA, 0, 0, (uint32_t)(b->count - to));
}

static place put_jump(struct seccomp_bpf *b, uint16_t test, uint32_t k, place yes, place no)
{
	if (yes == no)
		return yes;
	yes = nearby(b, yes, NEAR - 1); /* the other may put one instruction between */
	no = nearby(b, no, NEAR);
	return put(b, BPF_JMP | test | BPF_K, (uint8_t)(b->count - yes), (uint8_t)(b->count - no),
		   k);
}

static place put_load(struct seccomp_bpf *b, uint32_t offset)
{
	return put(b, BPF_LD | BPF_W | BPF_ABS, 0, 0, offset);
}

/* --- conditions ------------------------------------------------------------- */

#define NOTHING UINT32_MAX /* is no offset */

/* (word & mask) == value. `loaded`: what is in the accumulator by then. */
static place put_equal(struct seccomp_bpf *b, uint32_t offset, uint32_t mask, uint32_t value,
		       place yes, place no, uint32_t loaded)
{
	const uint32_t clear = mask & ~value;

	if (yes == no || mask == 0)
		return yes;
	if (mask == UINT32_MAX) {
		yes = put_jump(b, BPF_JEQ, value, yes, no);
	} else if (value == 0) {
		yes = put_jump(b, BPF_JSET, mask, no, yes);
	} else if (__builtin_popcount(value) == 1) { /* keeps the word, as BPF_AND does not */
		yes = put_jump(b, BPF_JSET, value, yes, no);
		yes = clear ? put_jump(b, BPF_JSET, clear, no, yes) : yes;
	} else {
		put_jump(b, BPF_JEQ, value, yes, no);
		yes = put(b, BPF_ALU | BPF_AND | BPF_K, 0, 0, mask);
	}
	return offset == loaded ? yes : put_load(b, offset);
}

struct masked {
	uint64_t mask, value;
};

static struct masked masked_of(uint32_t arch, const struct seccomp_condition *c)
{
	return (struct masked){ seccomp_arch_is_wide(arch) ? c->mask : (uint32_t)c->mask,
				seccomp_arch_value(arch, c->value) };
}

/* The one word it looks at, and leaves in the accumulator; else NOTHING. */
static uint32_t word_of(uint32_t arch, const struct seccomp_condition *c)
{
	struct masked m = masked_of(arch, c);
	bool high = m.mask >> 32;
	uint32_t mask = (uint32_t)(high ? m.mask >> 32 : m.mask);
	uint32_t value = (uint32_t)(high ? m.value >> 32 : m.value);

	if (c->compare != SECCOMP_EQ && c->compare != SECCOMP_MASKED_EQ)
		return NOTHING;
	if (!mask || (high && (uint32_t)m.mask) || (m.value & ~m.mask))
		return NOTHING;
	if (mask != UINT32_MAX && value && __builtin_popcount(value) != 1)
		return NOTHING;
	return seccomp_arg_offset(arch, c->arg, high);
}

static place put_masked(struct seccomp_bpf *b, uint32_t arch, const struct seccomp_condition *c,
			place yes, place no, uint32_t loaded)
{
	struct masked m = masked_of(arch, c);
	place low;

	if (m.value & ~m.mask)
		return no;
	low = put_equal(b, seccomp_arg_offset(arch, c->arg, false), (uint32_t)m.mask,
			(uint32_t)m.value, yes, no, loaded);
	return put_equal(b, seccomp_arg_offset(arch, c->arg, true), (uint32_t)(m.mask >> 32),
			 (uint32_t)(m.value >> 32), low, no, loaded);
}

/* With `test` BPF_JGT or BPF_JGE: the low word decides where the high one is equal. */
static place put_greater(struct seccomp_bpf *b, uint32_t arch, const struct seccomp_condition *c,
			 uint16_t test, place yes, place no)
{
	uint64_t value = seccomp_arch_value(arch, c->value);
	uint32_t high = (uint32_t)(value >> 32), low = (uint32_t)value;
	place equal;

	if (yes == no || (!seccomp_arch_is_wide(arch) && high))
		return no;
	if (test == BPF_JGE && low == 0) {
		equal = yes;
	} else if (test == BPF_JGT && low == UINT32_MAX) {
		equal = no;
	} else {
		put_jump(b, test, low, yes, no);
		equal = put_load(b, seccomp_arg_offset(arch, c->arg, false));
	}
	if (!seccomp_arch_is_wide(arch) || (high == 0 && equal == yes))
		return equal;
	if (equal == yes) {
		put_jump(b, BPF_JGE, high, yes, no);
	} else {
		if (equal != no)
			no = high ? put_jump(b, BPF_JEQ, high, equal, no) : equal;
		put_jump(b, BPF_JGT, high, yes, no);
	}
	return put_load(b, seccomp_arg_offset(arch, c->arg, true));
}

static place put_condition(struct seccomp_bpf *b, uint32_t arch, const struct seccomp_condition *c,
			   place yes, place no, uint32_t loaded)
{
	switch (c->compare) {
	case SECCOMP_NE:
		return put_masked(b, arch, c, no, yes, NOTHING);
	case SECCOMP_GT:
		return put_greater(b, arch, c, BPF_JGT, yes, no);
	case SECCOMP_GE:
		return put_greater(b, arch, c, BPF_JGE, yes, no);
	case SECCOMP_LE:
		return put_greater(b, arch, c, BPF_JGT, no, yes);
	case SECCOMP_LT:
		return put_greater(b, arch, c, BPF_JGE, no, yes);
	case SECCOMP_EQ:
	case SECCOMP_MASKED_EQ:
		break;
	}
	return put_masked(b, arch, c, yes, no, loaded);
}

/* What the term before leaves loaded where it does not hold: nobody else leads to this one. */
static uint32_t loaded_before(const struct seccomp_node *n, size_t i)
{
	if (i == 0 || n->terms[i - 1].count != 1)
		return NOTHING;
	return word_of(n->arch, n->terms[i - 1].conditions);
}

static place put_terms(struct seccomp_bpf *b, const struct seccomp_node *n)
{
	place next = put_return(b, n->otherwise);

	for (size_t i = n->term_count; i-- > 0 && !b->too_long;) {
		const struct seccomp_term *term = &n->terms[i];
		uint32_t loaded = loaded_before(n, i);
		place yes = put_return(b, term->action);

		/* Only what keeps a word can do with one that is kept. */
		if (word_of(n->arch, term->conditions) != loaded)
			loaded = NOTHING;
		for (unsigned int c = term->count; c-- > 0;)
			yes = put_condition(b, n->arch, &term->conditions[c], yes, next,
					    c == 0 ? loaded : NOTHING);
		next = yes;
	}
	return next;
}

/* --- switches --------------------------------------------------------------- */

static place put_node(struct seccomp_bpf *b, struct seccomp_node *n);

static place put_range(struct seccomp_bpf *b, const struct seccomp_range *r)
{
	return r->node ? put_node(b, r->node) : put_return(b, r->action);
}

/* Ranges that need no search: one, or one that single numbers are excepted from. */
struct group {
	const struct seccomp_range *ranges;
	size_t count;
};

static bool is_exception(const struct seccomp_range *r, const struct seccomp_range *end)
{
	return end - r >= 3 && r[2].first == r[1].first + 1 && r[2].action == r[0].action &&
	       r[2].node == r[0].node;
}

static size_t group_ranges(const struct seccomp_node *n, struct group *ret)
{
	const struct seccomp_range *r = n->ranges, *end = r + n->range_count;
	size_t count = 0;

	while (r < end) {
		struct group g = { r, 1 };

		while (g.count < 2 * EXCEPTIONS_MAX && is_exception(&r[g.count - 1], end))
			g.count += 2;
		ret[count++] = g;
		r += g.count;
	}
	return count;
}

static place put_group(struct seccomp_bpf *b, const struct group *g)
{
	place other = put_range(b, &g->ranges[0]);

	/* What is put last is looked for first: of architectures the native one is the largest. */
	for (size_t i = 1; i < g->count && !b->too_long; i += 2)
		other = put_jump(b, BPF_JEQ, g->ranges[i].first, put_range(b, &g->ranges[i]),
				 other);
	return other;
}

static place put_search(struct seccomp_bpf *b, const struct group *g, size_t count)
{
	size_t half = count / 2;
	place from, below;

	if (count == 1 || b->too_long)
		return put_group(b, g);
	from = put_search(b, g + half, count - half);
	below = put_search(b, g, half);
	return put_jump(b, BPF_JGE, g[half].ranges[0].first, from, below);
}

static place put_switch(struct seccomp_bpf *b, const struct seccomp_node *n)
{
	struct group *groups = arena_array(b->arena, n->range_count, sizeof *groups);
	place start;

	if (!groups)
		return put_return(b, SECCOMP_RET_KILL_PROCESS);
	start = put_search(b, groups, group_ranges(n, groups));
	if (n->range_count == 1)
		return start;
	run_on(b, start);
	if (n->mask != UINT32_MAX)
		put(b, BPF_ALU | BPF_AND | BPF_K, 0, 0, n->mask);
	return put_load(b, n->offset);
}

/* Once, however many calls share it. */
static place put_node(struct seccomp_bpf *b, struct seccomp_node *n)
{
	struct seccomp_node *switched = NULL;

	if (n->placed)
		return n->placed;
	if (n->term_count)
		switched = seccomp_ranges_of_arg(n, b->arena);
	if (switched)
		n->placed = put_switch(b, switched);
	else
		n->placed = n->term_count ? put_terms(b, n) : put_switch(b, n);
	return n->placed;
}

bool seccomp_bpf_write(struct seccomp_bpf *b, struct seccomp_node *root)
{
	run_on(b, put_node(b, root));
	return !b->too_long;
}

size_t seccomp_bpf_depth(const struct sock_filter *code, size_t count)
{
	uint16_t depth[BPF_MAXINSNS];

	depth[0] = 0;
	for (size_t i = count; i-- > 0;) {
		const struct sock_filter *s = &code[i];
		size_t next = i + 1, other = next;

		if (BPF_CLASS(s->code) == BPF_RET) {
			depth[i] = 1;
			continue;
		}
		if (s->code == (BPF_JMP | BPF_JA)) {
			next = other = i + 1 + s->k;
		} else if (BPF_CLASS(s->code) == BPF_JMP) {
			next = i + 1 + s->jt;
			other = i + 1 + s->jf;
		}
		depth[i] =
			(uint16_t)(1 + (depth[next] > depth[other] ? depth[next] : depth[other]));
	}
	return depth[0];
}
