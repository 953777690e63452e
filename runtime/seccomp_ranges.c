/*
 * seccomp_ranges.c - a profile as switches over the architecture and the number.
 */
#include "runtime/seccomp_ranges.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#define LAST_NUMBER 0xffffffffu
#define NO_NUMBER   0xffffffffu /* -1: what a tracer writes to have the call skipped */
#define ARM_PRIVATE 0x0f0000u	/* ARM's own calls (cacheflush, set_tls), above all others */

uint32_t seccomp_arg_offset(uint32_t arch, unsigned int arg, bool high)
{
	bool second = high == ((arch & __AUDIT_ARCH_LE) != 0);

	return (uint32_t)offsetof(struct seccomp_data, args) + 8 * arg + (second ? 4 : 0);
}

bool seccomp_arch_is_wide(uint32_t arch)
{
	return arch & __AUDIT_ARCH_64BIT;
}

uint64_t seccomp_arch_value(uint32_t arch, uint64_t value)
{
	return !seccomp_arch_is_wide(arch) && value >> 31 == 0x1ffffffff ? (uint32_t)value : value;
}

/* --- what one number gets ----------------------------------------------------- */

struct entry { /* a rule, for a number */
	const struct seccomp_condition *conditions;
	unsigned int count;
	uint32_t action;
};

struct table {
	const struct seccomp_profile *p;
	struct arena *arena;
	uint32_t arch;
	struct entry *entries;
	uint64_t *keys; /* number, conditional, order, index in entries */
	size_t count;
	struct seccomp_range *ranges;
	size_t range_count;
	struct seccomp_node *recent[16]; /* nodes, for calls that share their terms */
	unsigned int next_recent;
};

#define KEY_NUMBER(key)	 ((uint32_t)((key) >> 32))
#define KEY_INDEX(key)	 ((key)&0xffff)
#define KEY_PLAIN(key)	 (!((key) >> 31 & 1))
#define ENTRIES_PER_RULE 2 /* itself, and through socketcall(2) or ipc(2) */

_Static_assert(SECCOMP_RULES_MAX <= 1 << 13, "an order has 13 bits");
_Static_assert(SECCOMP_RULES_MAX *ENTRIES_PER_RULE * 2 <= 1 << 16, "two ABIs share a table");

static void add_entry(struct table *t, uint32_t number, const struct seccomp_rule *rule,
		      const struct seccomp_condition *conditions, unsigned int count)
{
	t->entries[t->count] = (struct entry){ conditions, count, rule->action };
	t->keys[t->count] = (uint64_t)number << 32 | (uint64_t)(count > 0) << 31 |
			    (uint64_t)rule->order << 16 | t->count;
	t->count++;
}

/* Lower is stricter, as seccomp(2) has it where several filters answer. */
static bool is_stricter(uint32_t action, uint32_t than)
{
	return (int32_t)(action & SECCOMP_RET_ACTION_FULL) <
	       (int32_t)(than & SECCOMP_RET_ACTION_FULL);
}

/*
 * The call as a function of another. Its arguments are not where the rule's conditions look for
 * them, socketcall's not even in registers: what permits if they hold permits nothing, what
 * refuses if they hold refuses all.
 */
static void add_through(struct table *t, enum seccomp_abi abi, const struct seccomp_mux *mux,
			const struct seccomp_rule *rule)
{
	int through = seccomp_call_number(seccomp_call_find(mux->through), abi);
	struct seccomp_condition *c;

	if (through < 0 || (rule->count && !is_stricter(rule->action, t->p->default_action)))
		return;
	c = arena_alloc(t->arena, sizeof *c);
	if (!c)
		return;
	*c = (struct seccomp_condition){ 0, SECCOMP_MASKED_EQ, mux->mask, mux->value };
	add_entry(t, (uint32_t)through, rule, c, 1);
}

static void add_entries(struct table *t, enum seccomp_abi abi)
{
	uint32_t bit = abi == SECCOMP_ABI_X32 ? SECCOMP_X32_BIT : 0;

	for (size_t i = 0; i < t->p->rule_count; i++) {
		const struct seccomp_rule *rule = &t->p->rules[i];
		int number = seccomp_call_number(rule->call, abi);
		const struct seccomp_mux *mux = seccomp_call_mux(rule->call);

		/* One that repeats the default action adds nothing, as runc has it. */
		if (rule->action == t->p->default_action)
			continue;
		if (number >= 0)
			add_entry(t, (uint32_t)number | bit, rule, rule->conditions, rule->count);
		if (mux)
			add_through(t, abi, mux, rule);
	}
}

static bool same_terms(const struct seccomp_node *a, const struct seccomp_term *terms, size_t count)
{
	if (a->term_count != count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (a->terms[i].conditions != terms[i].conditions ||
		    a->terms[i].count != terms[i].count || a->terms[i].action != terms[i].action)
			return false;
	return true;
}

/* `count` conditional entries from the key on. */
static struct seccomp_node *terms_node(struct table *t, const uint64_t *keys, size_t count)
{
	struct seccomp_term *terms = arena_array(t->arena, count, sizeof *terms);
	struct seccomp_node *node = arena_alloc(t->arena, sizeof *node);

	if (!terms || !node)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		const struct entry *e = &t->entries[KEY_INDEX(keys[i])];

		terms[i] = (struct seccomp_term){ e->conditions, e->count, e->action };
	}
	for (size_t i = 0; i < sizeof t->recent / sizeof t->recent[0]; i++)
		if (t->recent[i] && same_terms(t->recent[i], terms, count))
			return t->recent[i];
	*node = (struct seccomp_node){ .terms = terms,
				       .term_count = count,
				       .otherwise = t->p->default_action,
				       .arch = t->arch };
	t->recent[t->next_recent++ % (sizeof t->recent / sizeof t->recent[0])] = node;
	return node;
}

/* --- all numbers -------------------------------------------------------------- */

/* Unless it goes on with what the last one has. */
static void add_range(struct table *t, uint32_t first, uint32_t action, struct seccomp_node *node)
{
	const struct seccomp_range *last = t->ranges + t->range_count;

	if (t->range_count && last[-1].action == action && last[-1].node == node)
		return;
	t->ranges[t->range_count++] = (struct seccomp_range){ first, action, node };
}

/* The largest number the profile names for that ABI, -1: none. */
static int newest_call(const struct seccomp_profile *p, enum seccomp_abi abi)
{
	int newest = -1;

	for (size_t i = 0; i < p->rule_count; i++) {
		int number = seccomp_call_number(p->rules[i].call, abi);

		if (abi == SECCOMP_ABI_ARM && number >= (int)ARM_PRIVATE)
			continue;
		if (number > newest)
			newest = number;
	}
	return newest;
}

/* What numbers get that no rule is about. */
struct ground {
	uint32_t first, action;
};
#define GROUND_MAX 6

/* From `first` on, where the ABI's numbers begin: the default, and behind the newest ENOSYS. */
static size_t ground_of_abi(const struct seccomp_profile *p, enum seccomp_abi abi, uint32_t first,
			    struct ground *g)
{
	const uint32_t deny = p->default_action, absent = SECCOMP_RET_ERRNO | ENOSYS;
	int newest = newest_call(p, abi);
	size_t n = 0;

	g[n++] = (struct ground){ first, deny };
	if ((deny & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ERRNO || newest < 0)
		return n;
	g[n++] = (struct ground){ first + (uint32_t)newest + 1, absent };
	if (abi == SECCOMP_ABI_ARM)
		g[n++] = (struct ground){ ARM_PRIVATE, deny };
	return n;
}

static size_t ground_of(const struct seccomp_profile *p, enum seccomp_abi abi, bool x32,
			struct ground *g)
{
	size_t n = ground_of_abi(p, abi, 0, g);

	if (x32)
		return n + ground_of_abi(p, SECCOMP_ABI_X32, SECCOMP_X32_BIT, g + n);
	/* Stops calls through x32's gate, whose rules the profile does not have. */
	if (seccomp_abi_audit(abi) == AUDIT_ARCH_X86_64) {
		g[n++] = (struct ground){ SECCOMP_X32_BIT, SECCOMP_RET_KILL_PROCESS };
		g[n++] = (struct ground){ NO_NUMBER, p->default_action };
	} else {
		g[n++] = (struct ground){ SECCOMP_X32_BIT, p->default_action };
	}
	return n;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Behind the numbers of rules the ground goes on. */
static void lay_ground(struct table *t, const struct ground *g, size_t count, uint64_t from,
		       uint64_t to)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t end = i + 1 < count ? g[i + 1].first : (uint64_t)LAST_NUMBER + 1;
		uint64_t first = g[i].first > from ? g[i].first : from;

		if (first < end && first < to)
			add_range(t, (uint32_t)first, g[i].action, NULL);
	}
}

static bool lay_rules(struct table *t, const struct ground *g, size_t ground_count)
{
	uint64_t from = 0;

	for (size_t i = 0, next; i < t->count; i = next) {
		uint32_t number = KEY_NUMBER(t->keys[i]);
		struct seccomp_node *node = NULL;
		uint32_t action = t->entries[KEY_INDEX(t->keys[i])].action;

		for (next = i + 1; next < t->count && KEY_NUMBER(t->keys[next]) == number;)
			next++;
		if (!KEY_PLAIN(t->keys[i])) {
			node = terms_node(t, &t->keys[i], next - i);
			action = 0;
			if (!node)
				return false;
		}
		lay_ground(t, g, ground_count, from, number);
		add_range(t, number, action, node);
		from = (uint64_t)number + 1;
	}
	lay_ground(t, g, ground_count, from, (uint64_t)LAST_NUMBER + 1);
	return true;
}

/* The switch over the numbers of an architecture; x32's stand beside those of x86_64. */
static struct seccomp_node *number_node(const struct seccomp_profile *p, enum seccomp_abi abi,
					bool x32, struct arena *a)
{
	struct seccomp_node *node = arena_alloc(a, sizeof *node);
	size_t max = p->rule_count * ENTRIES_PER_RULE * (x32 ? 2 : 1);
	struct table t = { .p = p, .arena = a, .arch = seccomp_abi_audit(abi) };
	struct ground ground[GROUND_MAX];
	size_t ground_count = ground_of(p, abi, x32, ground);

	t.entries = arena_array(a, max, sizeof *t.entries);
	t.keys = arena_array(a, max, sizeof *t.keys);
	t.ranges = arena_array(a, 2 * max + GROUND_MAX, sizeof *t.ranges);
	if (!node || !t.entries || !t.keys || !t.ranges)
		return NULL;
	add_entries(&t, abi);
	if (x32)
		add_entries(&t, SECCOMP_ABI_X32);
	qsort(t.keys, t.count, sizeof *t.keys, by_value);
	if (!lay_rules(&t, ground, ground_count))
		return NULL;
	*node = (struct seccomp_node){ .offset = offsetof(struct seccomp_data, nr),
				       .mask = UINT32_MAX,
				       .ranges = t.ranges,
				       .range_count = t.range_count,
				       .arch = t.arch };
	return arena_failed(a) ? NULL : node;
}

/* --- all architectures -------------------------------------------------------- */

static bool has_x32(const struct seccomp_profile *p)
{
	for (size_t i = 0; i < p->abi_count; i++)
		if (p->abis[i] == SECCOMP_ABI_X32)
			return true;
	return false;
}

/* Sorted by what the kernel calls them. */
static size_t sorted_abis(const struct seccomp_profile *p, enum seccomp_abi *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < p->abi_count; i++) {
		size_t at = n;

		if (p->abis[i] == SECCOMP_ABI_X32)
			continue;
		for (; at && seccomp_abi_audit(ret[at - 1]) > seccomp_abi_audit(p->abis[i]); at--)
			ret[at] = ret[at - 1];
		ret[at] = p->abis[i];
		n++;
	}
	return n;
}

struct seccomp_node *seccomp_ranges(const struct seccomp_profile *p, struct arena *a)
{
	struct table t = { .p = p, .arena = a };
	struct seccomp_node *root = arena_alloc(a, sizeof *root);
	enum seccomp_abi abis[SECCOMP_ABIS];
	size_t count = sorted_abis(p, abis);

	t.ranges = arena_array(a, 2 * count + 1, sizeof *t.ranges);
	if (!root || !t.ranges)
		return NULL;
	/* Stops calls through an ABI whose numbers the profile does not know. */
	add_range(&t, 0, SECCOMP_RET_KILL_PROCESS, NULL);
	for (size_t i = 0; i < count; i++) {
		uint32_t arch = seccomp_abi_audit(abis[i]);
		bool x32 = arch == AUDIT_ARCH_X86_64 && has_x32(p);
		struct seccomp_node *node = number_node(p, abis[i], x32, a);

		if (!node)
			return NULL;
		add_range(&t, arch, 0, node);
		add_range(&t, arch + 1, SECCOMP_RET_KILL_PROCESS, NULL);
	}
	*root = (struct seccomp_node){ .offset = offsetof(struct seccomp_data, arch),
				       .mask = UINT32_MAX,
				       .ranges = t.ranges,
				       .range_count = t.range_count };
	return root;
}
