/*
 * linux_process.c - personality(2) and set_mempolicy(2) of the container's process.
 *
 * Both survive execve and go to every child, so one call in the guest is all. The kernel's rules
 * for policies (set_mempolicy(2)) are checked when parsing: its own answer is EINVAL for each of
 * them.
 */
#include "runtime/linux_process.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/engine.h"
#include "runtime/json_more.h"

/* Newer than Debian 12's headers. */
#define POLICY_PREFERRED_MANY	   5
#define POLICY_WEIGHTED_INTERLEAVE 6

static const struct json_name policy_modes[] = {
	{ "MPOL_DEFAULT", MPOL_DEFAULT },
	{ "MPOL_PREFERRED", MPOL_PREFERRED },
	{ "MPOL_BIND", MPOL_BIND },
	{ "MPOL_INTERLEAVE", MPOL_INTERLEAVE },
	{ "MPOL_LOCAL", MPOL_LOCAL },
	{ "MPOL_PREFERRED_MANY", POLICY_PREFERRED_MANY },
	{ "MPOL_WEIGHTED_INTERLEAVE", POLICY_WEIGHTED_INTERLEAVE },
};
static const struct json_name policy_flags[] = {
	{ "MPOL_F_STATIC_NODES", MPOL_F_STATIC_NODES },
	{ "MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES },
	{ "MPOL_F_NUMA_BALANCING", MPOL_F_NUMA_BALANCING },
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *memory_policy_mode_name(size_t i)
{
	return i < COUNT(policy_modes) ? policy_modes[i].name : NULL;
}

const char *memory_policy_flag_name(size_t i)
{
	return i < COUNT(policy_flags) ? policy_flags[i].name : NULL;
}

/* --- parsing ------------------------------------------------------------------ */

static int parse_personality(const json_t *linux_object, const struct json_at *at,
			     struct linux_process_spec *s, struct err *e)
{
	static const struct json_name domains[] = { { "LINUX", PER_LINUX },
						    { "LINUX32", PER_LINUX32 } };
	struct json_at here = json_at_key(at, "personality"), flags_at;
	json_t *o = NULL, *flags = NULL;
	uint64_t domain = 0;
	int r = json_get_object(linux_object, at, "personality", &o, e);

	if (r <= 0 || json_object_size(o) == 0)
		return r < 0 ? r : 0;
	r = json_require(json_get_name(o, &here, "domain", domains, COUNT(domains), &domain, e),
			 &here, "domain", e);
	if (r >= 0)
		r = json_get_array(o, &here, "flags", &flags, e);
	if (r < 0)
		return r;
	flags_at = json_at_key(&here, "flags");
	if (json_array_size(flags))
		return json_bad(e, &flags_at, "the specification defines no flags");
	s->has_personality = true;
	s->personality = domain;
	return 0;
}

static bool parse_node(const char **text, unsigned long *ret)
{
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	*ret = strtoul(*text, &end, 10);
	*text = end;
	return errno == 0 && *ret < MEMORY_NODES_MAX;
}

int linux_process_parse_nodes(const char *list, unsigned long nodes[MEMORY_NODE_WORDS])
{
	const unsigned long word = 8 * sizeof(unsigned long);

	memset(nodes, 0, MEMORY_NODE_WORDS * sizeof *nodes);
	for (;;) {
		unsigned long first, last;

		if (!parse_node(&list, &first))
			return -EINVAL;
		last = first;
		if (*list == '-') {
			list++;
			if (!parse_node(&list, &last) || last < first)
				return -EINVAL;
		}
		for (unsigned long i = first; i <= last; i++)
			nodes[i / word] |= 1ul << i % word;
		if (!*list)
			return 0;
		if (*list++ != ',')
			return -EINVAL;
	}
}

/* What the kernel would answer with a bare EINVAL. */
static const char *wrong_policy(const struct memory_policy *m)
{
	bool fixed = m->flags & (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES);

	if ((m->mode == MPOL_DEFAULT || m->mode == MPOL_LOCAL) && m->has_nodes)
		return "takes no nodes";
	if (m->mode == MPOL_DEFAULT && m->flags)
		return "takes no flags";
	if (m->mode != MPOL_DEFAULT && m->mode != MPOL_LOCAL && m->mode != MPOL_PREFERRED &&
	    !m->has_nodes)
		return "needs nodes";
	if (fixed && !m->has_nodes)
		return "takes MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES with nodes only";
	if ((m->flags & MPOL_F_STATIC_NODES) && (m->flags & MPOL_F_RELATIVE_NODES))
		return "takes one of MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES";
	if ((m->flags & MPOL_F_NUMA_BALANCING) && m->mode != MPOL_BIND &&
	    m->mode != POLICY_PREFERRED_MANY)
		return "does not take MPOL_F_NUMA_BALANCING, which is for MPOL_BIND and "
		       "MPOL_PREFERRED_MANY";
	return NULL;
}

static int parse_memory_policy(const json_t *linux_object, const struct json_at *at,
			       struct arena *a, struct linux_process_spec *s, struct err *e)
{
	struct json_at here = json_at_key(at, "memoryPolicy"),
		       nodes_at = json_at_key(&here, "nodes");
	struct memory_policy m = { 0 };
	const char *list = NULL, *wrong;
	uint64_t mode = 0, flags = 0;
	json_t *o = NULL;
	int r = json_get_object(linux_object, at, "memoryPolicy", &o, e);

	if (r <= 0 || json_object_size(o) == 0)
		return r < 0 ? r : 0;
	r = json_require(
		json_get_name(o, &here, "mode", policy_modes, COUNT(policy_modes), &mode, e), &here,
		"mode", e);
	if (r >= 0)
		r = json_get_flags(o, &here, "flags", policy_flags, COUNT(policy_flags), &flags, e);
	if (r >= 0)
		r = json_get_string(o, &here, "nodes", &list, e);
	if (r < 0)
		return r;
	m.mode = (int)mode;
	m.name = arena_strdup(a, json_string_value(json_object_get(o, "mode")));
	m.flags = (unsigned int)flags;
	m.has_nodes = list && *list;
	m.list = arena_strdup(a, list ? list : "");
	if (m.has_nodes && linux_process_parse_nodes(list, m.nodes) < 0)
		return json_bad(e, &nodes_at,
				"\"%.60s\" is no list of nodes from 0 to %d, as 0-3,7", list,
				MEMORY_NODES_MAX - 1);
	wrong = wrong_policy(&m);
	if (wrong)
		return json_bad(e, &here, "%s %s (set_mempolicy(2))",
				json_string_value(json_object_get(o, "mode")), wrong);
	s->has_memory_policy = true;
	s->memory_policy = m;
	return 0;
}

int linux_process_parse(const json_t *linux_object, const struct json_at *at, struct arena *a,
			struct linux_process_spec *ret, struct err *e)
{
	struct linux_process_spec s = { 0 };
	int r = parse_personality(linux_object, at, &s, e);

	if (r >= 0)
		r = parse_memory_policy(linux_object, at, a, &s, e);
	if (r < 0)
		return r;
	*ret = s;
	return 0;
}

/* --- personality ---------------------------------------------------------------- */

struct op_personality_args {
	unsigned long domain;
};

static int act_personality(struct run *r, const void *args, struct err *e)
{
	const struct op_personality_args *a = args;

	(void)r;
	(void)e;
	return personality(a->domain) < 0 ? -errno : 0;
}

static void show_personality(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_personality_args *a = args;

	(void)p;
	buf_addf(out, "personality(%s)", a->domain == PER_LINUX32 ? "PER_LINUX32" : "PER_LINUX");
}

static void by_hand_personality(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_personality_args *a = args;

	(void)p;
	buf_add(out, a->domain == PER_LINUX32 ? "setarch linux32 sh" : "setarch linux64 sh");
}

static const struct op op_personality = { .name = "personality",
					  .man = "personality(2)",
					  .act = act_personality,
					  .show = show_personality,
					  .by_hand = by_hand_personality };

/* --- set_mempolicy ---------------------------------------------------------------- */

static int act_set_mempolicy(struct run *r, const void *args, struct err *e)
{
	const struct memory_policy *m = args;
	int error;

	(void)r;
	/* The kernel reads one bit less than it is told. */
	if (syscall(SYS_set_mempolicy, m->mode | (int)m->flags, m->has_nodes ? m->nodes : NULL,
		    m->has_nodes ? MEMORY_NODES_MAX + 1ul : 0ul) == 0)
		return 0;
	error = errno;
	err_set(e, error, "set_mempolicy %s", m->name);
	if (error == ENOSYS)
		err_fix(e, "the kernel is built without NUMA: remove memoryPolicy");
	if (error == EINVAL)
		err_fix(e,
			"one of the nodes must be online (/sys/devices/system/node/online) and in "
			"/linux/resources/cpu/mems, and the kernel must know the mode");
	return -error;
}

static void show_set_mempolicy(struct buf *out, const struct plan *p, const void *args)
{
	const struct memory_policy *m = args;

	(void)p;
	buf_add(out, "set_mempolicy(");
	buf_add(out, m->name);
	for (size_t i = 0; i < COUNT(policy_flags); i++)
		if (m->flags & policy_flags[i].value)
			buf_addf(out, "|%s", policy_flags[i].name);
	buf_addf(out, ", {%s}, %d)", m->list, m->has_nodes ? MEMORY_NODES_MAX + 1 : 0);
}

static void by_hand_set_mempolicy(struct buf *out, const struct plan *p, const void *args)
{
	const struct memory_policy *m = args;
	const char *option = m->mode == MPOL_BIND		     ? "--membind="
			     : m->mode == MPOL_INTERLEAVE	     ? "--interleave="
			     : m->mode == MPOL_PREFERRED	     ? "--preferred="
			     : m->mode == POLICY_PREFERRED_MANY	     ? "--preferred-many="
			     : m->mode == POLICY_WEIGHTED_INTERLEAVE ? "--weighted-interleave="
								     : NULL;

	(void)p;
	if (option && m->has_nodes)
		buf_addf(out, "numactl %s%s sh", option, m->list);
	else
		buf_add(out, "numactl --localalloc sh");
}

static const struct op op_set_mempolicy = { .name = "set_mempolicy",
					    .man = "set_mempolicy(2)",
					    .act = act_set_mempolicy,
					    .show = show_set_mempolicy,
					    .by_hand = by_hand_set_mempolicy };

void linux_process_plan(struct plan *p, const struct linux_process_spec *s)
{
	if (s->has_personality) {
		plan_scope(p, "/linux/personality", NULL);
		plan_add(p, SIDE_GUEST, op_personality, op_personality_args, s->personality);
	}
	if (s->has_memory_policy) {
		plan_scope(p, "/linux/memoryPolicy", NULL);
		plan_add_step(p, SIDE_GUEST, &op_set_mempolicy, &s->memory_policy,
			      sizeof s->memory_policy);
	}
}
