/*
 * seccomp_eval.c - a seccomp profile read straight from its JSON.
 */
#include "tests/lib/seccomp_eval.h"

#include <ctype.h>
#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define X32_BIT 0x40000000u

static int index_of(const char *word, const char *const *words)
{
	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	abort(); /* the tests' profiles are right */
}

static uint32_t read_action(const json_t *o, const char *key, const char *errno_key)
{
	static const char *const names[] = { "SCMP_ACT_KILL",	"SCMP_ACT_KILL_THREAD",
					     "SCMP_ACT_TRAP",	"SCMP_ACT_KILL_PROCESS",
					     "SCMP_ACT_ERRNO",	"SCMP_ACT_TRACE",
					     "SCMP_ACT_ALLOW",	"SCMP_ACT_LOG",
					     "SCMP_ACT_NOTIFY", NULL };
	static const uint32_t values[] = { 0x00000000, 0x00000000, 0x00030000,
					   0x80000000, 0x00050000, 0x7ff00000,
					   0x7fff0000, 0x7ffc0000, 0x7fc00000 };
	uint32_t action = values[index_of(json_string_value(json_object_get(o, key)), names)];
	const json_t *number = json_object_get(o, errno_key);

	if (action == 0x00050000 || action == 0x7ff00000)
		action |= number ? (uint32_t)json_integer_value(number) : 1; /* EPERM */
	return action;
}

static uint64_t read_u64(const json_t *v)
{
	uint64_t big;

	return json_big_value(v, &big) ? big : (uint64_t)json_integer_value(v);
}

static void read_conditions(const json_t *array, struct eval_rule *r)
{
	static const char *const names[] = { "SCMP_CMP_NE",	   "SCMP_CMP_LT", "SCMP_CMP_LE",
					     "SCMP_CMP_EQ",	   "SCMP_CMP_GE", "SCMP_CMP_GT",
					     "SCMP_CMP_MASKED_EQ", NULL };

	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *o = json_array_get(array, i);
		struct eval_condition *c = &r->conditions[r->count++];

		c->arg = (unsigned int)json_integer_value(json_object_get(o, "index"));
		c->compare = (enum eval_compare)index_of(
			json_string_value(json_object_get(o, "op")), names);
		c->value = read_u64(json_object_get(o, "value"));
		c->second = read_u64(json_object_get(o, "valueTwo"));
		for (size_t j = 0; j < i; j++)
			r->any |= r->conditions[j].arg == c->arg;
	}
}

/* --- numbers ------------------------------------------------------------------ */

/* Those of Linux 6.5 to 6.18, which libseccomp may not know yet, in the order of their numbers. */
static const char *const newer[] = {
	"cachestat",	     "fchmodat2",	  "map_shadow_stack", "futex_wake",
	"futex_wait",	     "futex_requeue",	  "statmount",	      "listmount",
	"lsm_get_self_attr", "lsm_set_self_attr", "lsm_list_modules", "mseal",
	"setxattrat",	     "getxattrat",	  "listxattrat",      "removexattrat",
	"open_tree_attr",    "file_getattr",	  "file_setattr",
};

static int newer_number(const char *name, uint32_t scmp)
{
	int first = 451;

	if (scmp == SCMP_ARCH_MIPS || scmp == SCMP_ARCH_MIPSEL)
		first += 4000;
	else if (scmp == SCMP_ARCH_MIPS64 || scmp == SCMP_ARCH_MIPSEL64)
		first += 5000;
	else if (scmp == SCMP_ARCH_MIPS64N32 || scmp == SCMP_ARCH_MIPSEL64N32)
		first += 6000;
	for (size_t i = 0; i < sizeof newer / sizeof newer[0]; i++)
		if (strcmp(newer[i], name) == 0)
			return first + (int)i;
	return -1;
}

/* Where libseccomp answers with a number of its own, the kernel's is found by trying. */
static int number_of(const char *name, const struct eval_abi *abi)
{
	int number = seccomp_syscall_resolve_name_arch(abi->scmp, name);

	if (number >= 0)
		return number & ~(int)X32_BIT;
	for (int i = 5000; number > -1000 && number < -1 && i >= 0; i--) {
		char *other = seccomp_syscall_resolve_num_arch(abi->scmp, i);
		bool same = other && strcmp(other, name) == 0;

		free(other);
		if (same)
			return i;
	}
	return number == __NR_SCMP_ERROR ? newer_number(name, abi->scmp) : -1;
}

static const struct {
	const char *name;
	uint32_t value;
} socket_calls[] = {
	{ "socket", 1 },      { "bind", 2 },	     { "connect", 3 },	   { "listen", 4 },
	{ "accept", 5 },      { "getsockname", 6 },  { "getpeername", 7 }, { "socketpair", 8 },
	{ "send", 9 },	      { "recv", 10 },	     { "sendto", 11 },	   { "recvfrom", 12 },
	{ "shutdown", 13 },   { "setsockopt", 14 },  { "getsockopt", 15 }, { "sendmsg", 16 },
	{ "recvmsg", 17 },    { "accept4", 18 },     { "recvmmsg", 19 },   { "sendmmsg", 20 },
}, ipc_calls[] = {
	{ "semop", 1 },	  { "semget", 2 },  { "semctl", 3 }, { "semtimedop", 4 },
	{ "msgsnd", 11 }, { "msgrcv", 12 }, { "msgget", 13 }, { "msgctl", 14 },
	{ "shmat", 21 },  { "shmdt", 22 },  { "shmget", 23 }, { "shmctl", 24 },
};

static void find_numbers(struct eval_profile *p, struct eval_rule *r)
{
	const char *through = NULL;

	for (size_t i = 0; i < sizeof socket_calls / sizeof socket_calls[0]; i++) {
		if (strcmp(socket_calls[i].name, r->name) == 0) {
			through = "socketcall";
			r->mux_value = socket_calls[i].value;
			r->mux_mask = 0xffffffff;
		}
	}
	for (size_t i = 0; i < sizeof ipc_calls / sizeof ipc_calls[0]; i++) {
		if (strcmp(ipc_calls[i].name, r->name) == 0) {
			through = "ipc";
			r->mux_value = ipc_calls[i].value;
			r->mux_mask = 0xffff;
		}
	}
	for (size_t a = 0; a < p->abi_count; a++) {
		struct eval_abi *abi = &p->abis[a];
		bool arm_private = abi->scmp == SCMP_ARCH_ARM;

		r->number[a] = number_of(r->name, abi);
		r->mux[a] = through ? number_of(through, abi) : -1;
		arm_private &= r->number[a] >= 0x0f0000;
		if (r->number[a] > abi->newest && !arm_private)
			abi->newest = r->number[a];
	}
}

/* --- the profile -------------------------------------------------------------- */

static void read_entry(struct eval_profile *p, const json_t *o)
{
	const json_t *names = json_object_get(o, "names");

	for (size_t i = 0; i < json_array_size(names); i++) {
		struct eval_rule *r = &p->rules[p->rule_count++];

		if (p->rule_count > EVAL_RULES_MAX)
			abort();
		r->name = json_string_value(json_array_get(names, i));
		r->action = read_action(o, "action", "errnoRet");
		read_conditions(json_object_get(o, "args"), r);
		find_numbers(p, r);
	}
}

/* Whose processes a kernel of `native` runs. */
static bool runs(uint32_t native, uint32_t scmp)
{
	static const uint32_t pairs[][2] = {
		{ SCMP_ARCH_X86_64, SCMP_ARCH_X86 },
		{ SCMP_ARCH_X86_64, SCMP_ARCH_X32 },
		{ SCMP_ARCH_AARCH64, SCMP_ARCH_ARM },
		{ SCMP_ARCH_S390X, SCMP_ARCH_S390 },
		{ SCMP_ARCH_PPC64, SCMP_ARCH_PPC },
		{ SCMP_ARCH_PARISC64, SCMP_ARCH_PARISC },
		{ SCMP_ARCH_MIPS64, SCMP_ARCH_MIPS },
		{ SCMP_ARCH_MIPS64, SCMP_ARCH_MIPS64N32 },
		{ SCMP_ARCH_MIPSEL64, SCMP_ARCH_MIPSEL },
		{ SCMP_ARCH_MIPSEL64, SCMP_ARCH_MIPSEL64N32 },
	};

	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
		if (pairs[i][0] == native && pairs[i][1] == scmp)
			return true;
	return false;
}

static void add_abi(struct eval_profile *p, uint32_t scmp)
{
	struct eval_abi *abi = &p->abis[p->abi_count++];

	*abi = (struct eval_abi){ .scmp = scmp, .audit = scmp, .newest = -1 };
	if (scmp == SCMP_ARCH_X32) {
		abi->audit = SCMP_ARCH_X86_64;
		abi->bit = X32_BIT;
	}
	abi->wide = abi->audit & 0x80000000; /* __AUDIT_ARCH_64BIT */
}

static void read_abis(struct eval_profile *p, const json_t *array, uint32_t native)
{
	add_abi(p, native);
	for (size_t i = 0; i < json_array_size(array); i++) {
		const char *name = json_string_value(json_array_get(array, i)) + 10;
		char lower[24] = "";
		uint32_t scmp;
		bool known = false;

		for (size_t k = 0; name[k] && k < sizeof lower - 1; k++)
			lower[k] = (char)tolower((unsigned char)name[k]);
		scmp = seccomp_arch_resolve_name(lower);
		for (size_t k = 0; k < p->abi_count; k++)
			known |= p->abis[k].scmp == scmp;
		if (!known && runs(native, scmp))
			add_abi(p, scmp);
	}
}

struct eval_profile *eval_read(const json_t *profile, uint32_t native)
{
	struct eval_profile *p = calloc(1, sizeof *p);
	const json_t *entries = json_object_get(profile, "syscalls");

	if (!p)
		abort();
	p->default_action = read_action(profile, "defaultAction", "defaultErrnoRet");
	read_abis(p, json_object_get(profile, "architectures"), native);
	for (size_t i = 0; i < json_array_size(entries); i++)
		read_entry(p, json_array_get(entries, i));
	return p;
}

/* --- a call ------------------------------------------------------------------- */

static bool holds(const struct eval_condition *c, uint64_t arg, bool wide)
{
	uint64_t value = c->compare == EVAL_MASKED ? c->second : c->value;

	/* Registers of 32 bits: nothing above them counts, and -1 is 0xffffffff. */
	if (!wide) {
		arg &= 0xffffffff;
		if (value >= 0xffffffff80000000)
			value &= 0xffffffff;
	}
	switch (c->compare) {
	case EVAL_NE:
		return arg != value;
	case EVAL_LT:
		return arg < value;
	case EVAL_LE:
		return arg <= value;
	case EVAL_EQ:
		return arg == value;
	case EVAL_GE:
		return arg >= value;
	case EVAL_GT:
		return arg > value;
	default:
		return (arg & c->value) == value;
	}
}

static bool conditions_hold(const struct eval_rule *r, const struct seccomp_data *d, bool wide)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < r->count; i++)
		n += holds(&r->conditions[i], d->args[r->conditions[i].arg], wide);
	return r->any ? n > 0 : n == r->count;
}

int eval_abi_of(const struct eval_profile *p, const struct seccomp_data *d)
{
	bool has_x32 = false;

	for (size_t i = 0; i < p->abi_count; i++)
		has_x32 |= p->abis[i].bit != 0;
	for (size_t i = 0; i < p->abi_count; i++) {
		bool x32 = (uint32_t)d->nr >= X32_BIT && p->abis[i].audit == SCMP_ARCH_X86_64;

		/* -1 is no call of x32, if there is no x32: a tracer skips a call with it. */
		if (x32 && d->nr == -1 && !has_x32)
			x32 = false;
		if (p->abis[i].audit == d->arch && x32 == (p->abis[i].bit != 0))
			return (int)i;
	}
	return -1;
}

/* What only permits if something holds is no use where it can't be seen; a refusal is. */
static bool applies_through(const struct eval_profile *p, const struct eval_rule *r)
{
	return r->count == 0 ||
	       (int32_t)(r->action & 0xffff0000) < (int32_t)(p->default_action & 0xffff0000);
}

bool eval_is_about(const struct eval_profile *p, const struct eval_rule *r, int abi,
		   uint32_t number)
{
	if (r->action == p->default_action)
		return false;
	if (r->number[abi] >= 0 && ((uint32_t)r->number[abi] | p->abis[abi].bit) == number)
		return true;
	return r->mux[abi] >= 0 && (uint32_t)r->mux[abi] == number && applies_through(p, r);
}

/* Whether it is this rule that answers. `plain`: rules without conditions come first. */
static bool answers(const struct eval_profile *p, const struct eval_rule *r, int abi,
		    const struct seccomp_data *d, bool plain)
{
	const struct eval_abi *a = &p->abis[abi];

	if (r->action == p->default_action)
		return false;
	if (r->number[abi] >= 0 && ((uint32_t)r->number[abi] | a->bit) == (uint32_t)d->nr)
		return plain ? r->count == 0 : r->count > 0 && conditions_hold(r, d, a->wide);
	return !plain && r->mux[abi] >= 0 && r->mux[abi] == d->nr && applies_through(p, r) &&
	       ((uint32_t)d->args[0] & r->mux_mask) == r->mux_value;
}

static const struct eval_rule *rule_of(const struct eval_profile *p, int abi,
				       const struct seccomp_data *d)
{
	for (int plain = 1; plain >= 0; plain--)
		for (size_t i = 0; i < p->rule_count; i++)
			if (answers(p, &p->rules[i], abi, d, plain))
				return &p->rules[i];
	return NULL;
}

static bool has_rule(const struct eval_profile *p, int abi, const struct seccomp_data *d)
{
	for (size_t i = 0; i < p->rule_count; i++)
		if (eval_is_about(p, &p->rules[i], abi, (uint32_t)d->nr))
			return true;
	return false;
}

bool eval_is_newer(const struct eval_profile *p, const struct seccomp_data *d)
{
	int abi = eval_abi_of(p, d);
	const struct eval_abi *a = &p->abis[abi < 0 ? 0 : abi];
	uint32_t number = (uint32_t)d->nr - a->bit;
	uint32_t end = a->bit ? 0xffffffff : X32_BIT;

	if (abi < 0 || a->newest < 0 || (p->default_action & 0xffff0000) != SECCOMP_RET_ERRNO)
		return false;
	if (a->scmp == SCMP_ARCH_ARM)
		end = 0x0f0000;
	return number > (uint32_t)a->newest && number < end && !has_rule(p, abi, d);
}

uint32_t eval_call(const struct eval_profile *p, const struct seccomp_data *d)
{
	int abi = eval_abi_of(p, d);
	const struct eval_rule *r;

	if (abi < 0)
		return SECCOMP_RET_KILL_PROCESS;
	r = rule_of(p, abi, d);
	if (r)
		return r->action;
	return eval_is_newer(p, d) ? SECCOMP_RET_ERRNO | ENOSYS : p->default_action;
}
