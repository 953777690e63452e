/*
 * seccomp_args.c - conditions on one argument alone, as switches over its two words.
 *
 * Profiles list values (address families, ioctl commands, personalities): a search among them
 * instead of a walk, and each word loaded once.
 */
#include <stdlib.h>

#include "runtime/seccomp_ranges.h"

#define TERMS_MAX 256 /* each is tried at each boundary; more stay a walk */

struct interval {
	uint64_t first;
	uint32_t action;
};

static bool holds(const struct seccomp_condition *c, uint64_t value, uint64_t arg)
{
	switch (c->compare) {
	case SECCOMP_NE:
		return arg != value;
	case SECCOMP_LT:
		return arg < value;
	case SECCOMP_LE:
		return arg <= value;
	case SECCOMP_GE:
		return arg >= value;
	case SECCOMP_GT:
		return arg > value;
	case SECCOMP_EQ:
	case SECCOMP_MASKED_EQ: /* its mask is on arg already */
		break;
	}
	return arg == value;
}

static uint32_t decide(const struct seccomp_node *n, uint64_t arg)
{
	for (size_t i = 0; i < n->term_count; i++) {
		const struct seccomp_condition *c = n->terms[i].conditions;

		if (holds(c, seccomp_arch_value(n->arch, c->value), arg))
			return n->terms[i].action;
	}
	return n->otherwise;
}

/* The bits they all look at. False: not of that kind. */
static bool common_mask(const struct seccomp_node *n, uint64_t *ret)
{
	const uint64_t all = seccomp_arch_is_wide(n->arch) ? UINT64_MAX : UINT32_MAX;

	if (n->term_count > TERMS_MAX)
		return false;
	for (size_t i = 0; i < n->term_count; i++) {
		const struct seccomp_condition *c = n->terms[i].conditions;
		uint64_t mask = c->mask & all;

		if (n->terms[i].count != 1 || c->arg != n->terms[0].conditions->arg)
			return false;
		if (i && mask != *ret)
			return false;
		*ret = mask;
	}
	return *ret == all || *ret <= UINT32_MAX;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Where the answer may change: at a value and behind it. Values above `last` are none. */
static size_t cut(const struct seccomp_node *n, uint64_t last, struct interval *ret)
{
	uint64_t at[2 * TERMS_MAX + 1] = { 0 };
	size_t count = 1, kept = 0;

	for (size_t i = 0; i < n->term_count; i++) {
		uint64_t value = seccomp_arch_value(n->arch, n->terms[i].conditions->value);

		if (value <= last)
			at[count++] = value;
		if (value < last)
			at[count++] = value + 1;
	}
	qsort(at, count, sizeof *at, by_value);
	for (size_t i = 0; i < count; i++) {
		uint32_t action = decide(n, at[i]);

		if (!kept || ret[kept - 1].action != action)
			ret[kept++] = (struct interval){ at[i], action };
	}
	return kept;
}

struct halves {
	struct seccomp_range *high, *low; /* `low` is a pool, for all switches over low words */
	size_t high_count, low_count;
	struct arena *arena;
	uint32_t low_offset, arch;
};

static struct seccomp_range *add_high(struct halves *h, uint64_t first)
{
	h->high[h->high_count] = (struct seccomp_range){ .first = (uint32_t)first };
	return &h->high[h->high_count++];
}

static void add_low(struct halves *h, struct seccomp_node *node, uint64_t first, uint32_t action)
{
	h->low[h->low_count] = (struct seccomp_range){ .first = (uint32_t)first, .action = action };
	if (!node->range_count++)
		node->ranges = &h->low[h->low_count];
	h->low_count++;
}

/* Where an interval ends within a high word, that word gets a switch over the low one: what begins
 * within a word has such a switch, since the interval before ended there. */
static bool split(struct halves *h, const struct interval *in, size_t count)
{
	struct seccomp_node *open = NULL;

	for (size_t i = 0; i < count; i++) {
		uint64_t last = i + 1 < count ? in[i + 1].first - 1 : UINT64_MAX;
		uint64_t from = in[i].first >> 32, to = last >> 32;
		bool ends_within = (uint32_t)last != UINT32_MAX;

		if ((uint32_t)in[i].first) {
			add_low(h, open, in[i].first, in[i].action);
			from++;
		}
		if (from < to + !ends_within)
			add_high(h, from)->action = in[i].action;
		if (ends_within && from <= to) {
			open = arena_alloc(h->arena, sizeof *open);
			if (!open)
				return false;
			*open = (struct seccomp_node){ .offset = h->low_offset,
						       .mask = UINT32_MAX,
						       .arch = h->arch };
			add_high(h, to)->node = open;
			add_low(h, open, 0, in[i].action);
		}
	}
	return true;
}

static struct seccomp_node *wide_node(const struct seccomp_node *n, const struct interval *in,
				      size_t count, struct arena *a)
{
	unsigned int arg = n->terms[0].conditions->arg;
	struct seccomp_node *node = arena_alloc(a, sizeof *node);
	struct halves h = {
		.high = arena_array(a, 2 * count + 1, sizeof *h.high),
		.low = arena_array(a, 2 * count + 1, sizeof *h.low),
		.arena = a,
		.low_offset = seccomp_arg_offset(n->arch, arg, false),
		.arch = n->arch,
	};

	if (!node || !h.high || !h.low || !split(&h, in, count))
		return NULL;
	*node = (struct seccomp_node){ .offset = seccomp_arg_offset(n->arch, arg, true),
				       .mask = UINT32_MAX,
				       .ranges = h.high,
				       .range_count = h.high_count,
				       .arch = n->arch };
	return node;
}

static struct seccomp_node *word_node(const struct seccomp_node *n, const struct interval *in,
				      size_t count, uint32_t mask, struct arena *a)
{
	struct seccomp_node *node = arena_alloc(a, sizeof *node);
	struct seccomp_range *ranges = arena_array(a, count, sizeof *ranges);

	if (!node || !ranges)
		return NULL;
	for (size_t i = 0; i < count; i++)
		ranges[i] = (struct seccomp_range){ .first = (uint32_t)in[i].first,
						    .action = in[i].action };
	*node = (struct seccomp_node){
		.offset = seccomp_arg_offset(n->arch, n->terms[0].conditions->arg, false),
		.mask = mask,
		.ranges = ranges,
		.range_count = count,
		.arch = n->arch,
	};
	return node;
}

struct seccomp_node *seccomp_ranges_of_arg(const struct seccomp_node *terms, struct arena *a)
{
	struct interval intervals[2 * TERMS_MAX + 1];
	uint64_t mask = 0;
	size_t count;

	if (!common_mask(terms, &mask))
		return NULL;
	count = cut(terms, mask, intervals);
	return mask == UINT64_MAX ? wide_node(terms, intervals, count, a)
				  : word_node(terms, intervals, count, (uint32_t)mask, a);
}
