/*
 * seccomp_ranges.c - a profile as switches over the architecture and the number.
 */
#include "runtime/seccomp_ranges.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>

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

struct table {
	const struct seccomp_profile *p;
	struct arena *arena;
	uint32_t arch;
	uint64_t *keys; /* of a rule, for a number */
	size_t count;
	struct seccomp_range *ranges;
	size_t range_count;
	struct seccomp_node *recent[16]; /* nodes, for calls that share their terms */
	unsigned int next_recent;
};

/* In the order in which rules are looked at: the number; then, before all others, rules that
 * depend on nothing; then as in the profile. The last bit: through another call. */
#define KEY(number, depends, rule, through)                                                        \
	((uint64_t)(number) << 32 | (uint64_t)(depends) << 31 | (uint64_t)(rule) << 1 | (through))
#define KEY_NUMBER(key)	 ((uint32_t)((key) >> 32))
#define KEY_DEPENDS(key) ((key) >> 31 & 1)
#define KEY_RULE(key)	 ((uint32_t)(key) >> 1 & 0x3fffffff)
#define KEY_THROUGH(key) ((key)&1)
#define KEYS_PER_RULE	 2 /* itself, and through socketcall(2) or ipc(2) */

/* Where a key goes at first: numbers are small, x32's have a bit of their own; ARM's private ones,
 * which are not, share a place. */
#define PLACES 2048
static size_t place_of(uint64_t key)
{
	uint32_t number = KEY_NUMBER(key), low = number & ~SECCOMP_X32_BIT;

	return (number & SECCOMP_X32_BIT ? PLACES / 2 : 0) +
	       (low < PLACES / 2 ? low : PLACES / 2 - 1);
}

/* By counting, and what shares a place by insertion: some hundred keys, several times in each start.
 * False: no memory. */
static bool sort_keys(struct table *t)
{
	uint64_t *sorted = arena_array(t->arena, t->count, sizeof *sorted);
	uint32_t at[PLACES + 1] = { 0 };

	if (!sorted)
		return false;
	for (size_t i = 0; i < t->count; i++)
		at[place_of(t->keys[i]) + 1]++;
	for (size_t i = 1; i < PLACES; i++)
		at[i] += at[i - 1];
	for (size_t i = 0; i < t->count; i++)
		sorted[at[place_of(t->keys[i])]++] = t->keys[i];
	for (size_t i = 1; i < t->count; i++) {
		uint64_t key = sorted[i];
		size_t to = i;

		for (; to > 0 && sorted[to - 1] > key; to--)
			sorted[to] = sorted[to - 1];
		sorted[to] = key;
	}
	t->keys = sorted;
	return true;
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
static bool counts_through(const struct seccomp_profile *p, const struct seccomp_rule *rule)
{
	return rule->count == 0 || is_stricter(rule->action, p->default_action);
}

static void add_keys(struct table *t, enum seccomp_abi abi)
{
	uint32_t bit = abi == SECCOMP_ABI_X32 ? SECCOMP_X32_BIT : 0;

	for (size_t i = 0; i < t->p->rule_count; i++) {
		const struct seccomp_rule *rule = &t->p->rules[i];
		int number = seccomp_call_number(rule->call, abi), through = -1;
		const struct seccomp_mux *mux = seccomp_call_mux(rule->call);

		/* One that repeats the default action adds nothing, as runc has it. */
		if (rule->action == t->p->default_action)
			continue;
		if (number >= 0)
			t->keys[t->count++] = KEY((uint32_t)number | bit, rule->count > 0, i, 0);
		if (mux && counts_through(t->p, rule))
			through = seccomp_call_number(seccomp_call_find(mux->through), abi);
		if (through >= 0)
			t->keys[t->count++] = KEY((uint32_t)through, 1, i, 1);
	}
}

/* The rule behind a key. Through another call, that it is asked for is the only condition. */
static bool term_of(struct table *t, uint64_t key, struct seccomp_term *ret)
{
	const struct seccomp_rule *rule = &t->p->rules[KEY_RULE(key)];
	const struct seccomp_mux *mux = seccomp_call_mux(rule->call);
	struct seccomp_condition *c;

	*ret = (struct seccomp_term){ rule->conditions, rule->count, rule->action };
	if (!KEY_THROUGH(key))
		return true;
	c = arena_alloc(t->arena, sizeof *c);
	if (!c)
		return false;
	*c = (struct seccomp_condition){ 0, SECCOMP_MASKED_EQ, mux->mask, mux->value };
	ret->conditions = c;
	ret->count = 1;
	return true;
}

static bool same_terms(const struct seccomp_node *a, const struct seccomp_term *terms, size_t count)
{
	if (a->term_count != count)
		return false;
	/* They are an entry's of the profile, or one of them: who shares them shares its action. */
	for (size_t i = 0; i < count; i++)
		if (a->terms[i].conditions != terms[i].conditions)
			return false;
	return true;
}

/* So many rules that depend on something, from that key on. */
static struct seccomp_node *terms_node(struct table *t, const uint64_t *keys, size_t count)
{
	struct seccomp_term *terms = arena_array(t->arena, count, sizeof *terms);
	struct seccomp_node *node = arena_alloc(t->arena, sizeof *node);

	if (!terms || !node)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (!term_of(t, keys[i], &terms[i]))
			return NULL;
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
	if ((deny & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ERRNO)
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
		uint32_t action = t->p->rules[KEY_RULE(t->keys[i])].action;

		for (next = i + 1; next < t->count && KEY_NUMBER(t->keys[next]) == number;)
			next++;
		if (KEY_DEPENDS(t->keys[i])) {
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
					bool x32, uint64_t *keys, struct arena *a)
{
	struct seccomp_node *node = arena_alloc(a, sizeof *node);
	struct table t = { .p = p, .arena = a, .arch = seccomp_abi_audit(abi), .keys = keys };
	struct ground ground[GROUND_MAX];
	size_t ground_count = ground_of(p, abi, x32, ground);

	add_keys(&t, abi);
	if (x32)
		add_keys(&t, SECCOMP_ABI_X32);
	t.ranges = arena_array(a, 2 * t.count + GROUND_MAX, sizeof *t.ranges);
	if (!node || !t.ranges || !sort_keys(&t))
		return NULL;
	if (!lay_rules(&t, ground, ground_count))
		return NULL;
	*node = (struct seccomp_node){ .offset = offsetof(struct seccomp_data, nr),
				       .mask = UINT32_MAX,
				       .ranges = t.ranges,
				       .range_count = t.range_count,
				       .arch = t.arch };
	return node;
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
	uint64_t *keys;

	keys = arena_array(a, p->rule_count * KEYS_PER_RULE * 2, sizeof *keys); /* two: x32 */
	t.ranges = arena_array(a, 2 * count + 1, sizeof *t.ranges);
	if (!root || !keys || !t.ranges)
		return NULL;
	/* Stops calls through an ABI whose numbers the profile does not know. */
	add_range(&t, 0, SECCOMP_RET_KILL_PROCESS, NULL);
	for (size_t i = 0; i < count; i++) {
		uint32_t arch = seccomp_abi_audit(abis[i]);
		bool x32 = arch == AUDIT_ARCH_X86_64 && has_x32(p);
		struct seccomp_node *node = number_node(p, abis[i], x32, keys, a);

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
