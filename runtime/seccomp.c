/*
 * seccomp.c - /linux/seccomp of config.json: parsed and checked.
 */
#include "runtime/seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/json_more.h"
#include "runtime/seccomp_profile.h"

#define COUNT(array)	 (sizeof(array) / sizeof((array)[0]))
#define SKIPPED_MAX	 512  /* names remembered for the caller's warning */
#define KERNEL_ERRNO_MAX 4095 /* what SECCOMP_RET_ERRNO can return */

/* --- names ------------------------------------------------------------------ */

static const struct json_name action_names[] = {
	{ "SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD },
	{ "SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD },
	{ "SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS },
	{ "SCMP_ACT_TRAP", SECCOMP_RET_TRAP },
	{ "SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO },
	{ "SCMP_ACT_TRACE", SECCOMP_RET_TRACE },
	{ "SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW },
	{ "SCMP_ACT_LOG", SECCOMP_RET_LOG },
	{ "SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF },
};

static const struct json_name operator_names[] = {
	{ "SCMP_CMP_NE", SECCOMP_NE },
	{ "SCMP_CMP_LT", SECCOMP_LT },
	{ "SCMP_CMP_LE", SECCOMP_LE },
	{ "SCMP_CMP_EQ", SECCOMP_EQ },
	{ "SCMP_CMP_GE", SECCOMP_GE },
	{ "SCMP_CMP_GT", SECCOMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SECCOMP_MASKED_EQ },
};

static const struct json_name flag_names[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV },
};

/* --- parsing ---------------------------------------------------------------- */

/* `errno_key` is errnoRet or defaultErrnoRet. */
static int parse_action(const json_t *o, const struct json_at *at, const char *key,
			const char *errno_key, uint32_t *ret, struct err *e)
{
	struct json_at here = json_at_key(at, key);
	uint64_t action = 0;
	int64_t value = EPERM;
	bool has_errno;
	int r = json_require(
		json_get_name(o, at, key, action_names, COUNT(action_names), &action, e), at, key,
		e);

	if (r < 0)
		return r;
	r = json_get_int(o, at, errno_key, 0,
			 action == SECCOMP_RET_TRACE ? UINT16_MAX : KERNEL_ERRNO_MAX, &value, e);
	if (r < 0)
		return r;
	has_errno = r == 1;
	if (action == SECCOMP_RET_ERRNO || action == SECCOMP_RET_TRACE) {
		action |= (uint64_t)value;
	} else if (has_errno) {
		here = json_at_key(at, errno_key);
		return json_bad(e, &here, "only SCMP_ACT_ERRNO and SCMP_ACT_TRACE return an errno");
	}
	*ret = (uint32_t)action;
	return 0;
}

/* Of those that processes here can have; the others are checked and left out. */
static int add_abi(const char *name, const struct json_at *at, struct seccomp_profile *p,
		   struct err *e)
{
	enum seccomp_abi abi = SECCOMP_ABIS;

	if (strcmp(name, "SCMP_ARCH_NATIVE") == 0)
		return 0;
	if (strncmp(name, "SCMP_ARCH_", 10) == 0)
		for (abi = 0; abi < SECCOMP_ABIS; abi++)
			if (strcmp(name + 10, seccomp_abi_name(abi)) == 0)
				break;
	if (abi == SECCOMP_ABIS)
		return json_bad(e, at, "unknown architecture \"%s\"", name);
	if (!seccomp_abi_runs_on(abi, p->native))
		return 0;
	for (size_t i = 0; i < p->abi_count; i++)
		if (p->abis[i] == abi)
			return 0;
	p->abis[p->abi_count++] = abi;
	return 0;
}

static int parse_archs(const json_t *seccomp, const struct json_at *at, struct seccomp_profile *p,
		       struct err *e)
{
	struct json_at here = json_at_key(at, "architectures");
	json_t *array, *v;
	size_t i;
	int r = json_get_array(seccomp, at, "architectures", &array, e);

	p->abis[p->abi_count++] = p->native;
	if (r <= 0)
		return r;
	json_array_foreach(array, i, v)
	{
		struct json_at item = json_at_index(&here, i);

		if (!json_is_string(v))
			return json_bad(e, &item, "must be a string");
		r = add_abi(json_string_value(v), &item, p, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_arg(const json_t *v, const struct json_at *at, struct seccomp_condition *ret,
		     struct err *e)
{
	struct json_at here = json_at_key(at, "valueTwo");
	uint64_t op = 0, value = 0, second = 0;
	int64_t index = 0;
	bool has_second;
	int r;

	if (!json_is_object(v))
		return json_bad(e, at, "must be an object");
	r = json_require(json_get_int(v, at, "index", 0, SECCOMP_ARGS_MAX - 1, &index, e), at,
			 "index", e);
	if (r >= 0)
		r = json_require(json_get_u64(v, at, "value", &value, e), at, "value", e);
	if (r >= 0)
		r = json_require(
			json_get_name(v, at, "op", operator_names, COUNT(operator_names), &op, e),
			at, "op", e);
	if (r >= 0)
		r = json_get_u64(v, at, "valueTwo", &second, e);
	if (r < 0)
		return r;
	has_second = r == 1;
	if (has_second && second && op != SECCOMP_MASKED_EQ)
		return json_bad(e, &here, "only SCMP_CMP_MASKED_EQ has a second value");
	*ret = (struct seccomp_condition){ .arg = (unsigned int)index, .compare = op };
	/* For MASKED_EQ `value` is the mask and `valueTwo` what must be left. */
	ret->mask = op == SECCOMP_MASKED_EQ ? value : UINT64_MAX;
	ret->value = op == SECCOMP_MASKED_EQ ? second : value;
	return 0;
}

static int parse_conditions(const json_t *o, const struct json_at *at, struct arena *a,
			    struct seccomp_rule *rule, struct err *e)
{
	struct json_at here = json_at_key(at, "args");
	struct seccomp_condition *conditions;
	json_t *array = NULL, *v;
	size_t i;
	int r = json_get_array(o, at, "args", &array, e);

	if (r < 0)
		return r;
	if (json_array_size(array) > SECCOMP_ARGS_MAX)
		return json_bad(e, &here, "has %zu conditions, more than the limit of %d",
				json_array_size(array), SECCOMP_ARGS_MAX);
	conditions = arena_array(a, json_array_size(array), sizeof *conditions);
	if (!conditions)
		return err_set(e, ENOMEM, "%s", here.text);
	json_array_foreach(array, i, v)
	{
		struct json_at item = json_at_index(&here, i);

		r = parse_arg(v, &item, &conditions[i], e);
		if (r < 0)
			return r;
	}
	rule->conditions = conditions;
	rule->count = (unsigned int)json_array_size(array);
	return 0;
}

static bool has_alternatives(const struct seccomp_rule *rule)
{
	for (unsigned int i = 0; i < rule->count; i++)
		for (unsigned int j = 0; j < i; j++)
			if (rule->conditions[i].arg == rule->conditions[j].arg)
				return true;
	return false;
}

static int keep_rule(struct seccomp_profile *p, const struct seccomp_rule *rule,
		     const struct json_at *at, struct err *e)
{
	if (p->rule_count == SECCOMP_RULES_MAX)
		return json_bad(e, at, "the profile has more than %d rules", SECCOMP_RULES_MAX);
	p->rules[p->rule_count++] = *rule;
	return 0;
}

static int add_rules(struct seccomp_profile *p, const char *name, const struct seccomp_rule *from,
		     const struct json_at *at, struct err *e)
{
	struct seccomp_rule rule = *from;
	int r = 0;

	rule.call = seccomp_call_find(name);
	if (rule.call < 0) {
		if (p->skipped_count < SKIPPED_MAX)
			p->skipped[p->skipped_count++] = name;
		return 0;
	}
	if (!has_alternatives(from))
		return keep_rule(p, &rule, at, e);
	rule.count = 1;
	for (unsigned int i = 0; i < from->count && r == 0; i++) {
		rule.conditions = &from->conditions[i];
		r = keep_rule(p, &rule, at, e);
	}
	return r;
}

static int parse_entry(const json_t *o, const struct json_at *at, size_t entry, struct arena *a,
		       struct seccomp_profile *p, struct err *e)
{
	struct json_at here = json_at_key(at, "names");
	struct seccomp_rule rule = { .entry = (unsigned int)entry };
	char **names;
	size_t count;
	int r;

	if (!json_is_object(o))
		return json_bad(e, at, "must be an object");
	r = json_require(json_get_strings(o, at, "names", a, &names, &count, e), at, "names", e);
	if (r < 0)
		return r;
	if (count == 0)
		return json_bad(e, &here, "must hold at least one syscall");
	r = parse_action(o, at, "action", "errnoRet", &rule.action, e);
	if (r == 0)
		r = parse_conditions(o, at, a, &rule, e);
	for (size_t i = 0; i < count && r == 0; i++) {
		if (!*names[i]) {
			here = json_at_index(&here, i);
			return json_bad(e, &here, "must be the name of a syscall");
		}
		r = add_rules(p, names[i], &rule, at, e);
	}
	return r;
}

static int parse_syscalls(const json_t *seccomp, const struct json_at *at, struct arena *a,
			  struct seccomp_profile *p, struct err *e)
{
	struct json_at here = json_at_key(at, "syscalls");
	json_t *array, *v;
	size_t i;
	int r = json_get_array(seccomp, at, "syscalls", &array, e);

	if (r <= 0)
		return r;
	json_array_foreach(array, i, v)
	{
		struct json_at item = json_at_index(&here, i);

		r = parse_entry(v, &item, i, a, p, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- checks ----------------------------------------------------------------- */

/* For each call the first rule without conditions, as index + 1. One with the default action
 * decides nothing; others may stand beside it. */
static void find_plain_rules(const struct seccomp_profile *p, uint16_t ret[SECCOMP_CALLS_MAX])
{
	for (size_t i = 0; i < p->rule_count; i++) {
		const struct seccomp_rule *rule = &p->rules[i];

		if (!ret[rule->call] && rule->count == 0 && rule->action != p->default_action)
			ret[rule->call] = (uint16_t)(i + 1);
	}
}

/*
 * Stops a denial from being without effect unnoticed: the unconditional rule would always win.
 * Of several unconditional ones the first decides, as under runc: the profile that
 * podman and buildah ship lists setns as permitted and, further down, as denied.
 */
static int check_conflicts(const struct seccomp_profile *p, const struct json_at *at, struct err *e)
{
	uint16_t plain[SECCOMP_CALLS_MAX] = { 0 };

	find_plain_rules(p, plain);
	for (size_t i = 0; i < p->rule_count; i++) {
		const struct seccomp_rule *rule = &p->rules[i], *other;
		struct json_at here;

		if (!plain[rule->call] || rule->count == 0)
			continue;
		other = &p->rules[plain[rule->call] - 1];
		if (rule->action == other->action)
			continue;
		here = json_at_key(at, "syscalls");
		here = json_at_index(&here, rule->entry);
		json_bad(e, &here,
			 "the rule for %s has no effect: /syscalls/%u, without "
			 "conditions, decides every call of it",
			 seccomp_call_name(rule->call), other->entry);
		return err_fix(e, "give the other rule the opposite conditions");
	}
	return 0;
}

static bool permits(uint32_t action)
{
	/* The agent may let it through. */
	return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG ||
	       action == SECCOMP_RET_USER_NOTIF;
}

static int check_execve(const struct seccomp_profile *p, const struct json_at *at, struct err *e)
{
	int execve_call = seccomp_call_find("execve");
	bool permitted = permits(p->default_action);

	for (size_t i = 0; i < p->rule_count; i++) {
		const struct seccomp_rule *rule = &p->rules[i];

		if (rule->call != execve_call || rule->action == p->default_action)
			continue;
		/* With conditions it may permit some; the first without decides. */
		permitted = permits(rule->action) || (rule->count && permitted);
		if (!rule->count)
			break;
	}
	if (permitted)
		return 0;
	json_bad(e, at, "the profile never allows execve, so nothing could be started");
	return err_fix(e, "allow execve");
}

/* Who answers SCMP_ACT_NOTIFY. */
static int parse_agent(const json_t *seccomp, const struct json_at *at,
		       const struct seccomp_profile *p, struct arena *a,
		       struct seccomp_filter *f, struct err *e)
{
	struct json_at here = json_at_key(at, "listenerPath");
	const char *path = "", *metadata = "";
	int r = json_get_string(seccomp, at, "listenerPath", &path, e);

	if (r >= 0)
		r = json_get_string(seccomp, at, "listenerMetadata", &metadata, e);
	if (r < 0)
		return r;
	f->notify = p->default_action == SECCOMP_RET_USER_NOTIF;
	for (size_t i = 0; i < p->rule_count; i++)
		f->notify |= p->rules[i].action == SECCOMP_RET_USER_NOTIF;
	if (path[0] && path[0] != '/')
		return json_bad(e, &here, "must be an absolute path");
	if (f->notify && !path[0]) {
		json_bad(e, &here, "is required by SCMP_ACT_NOTIFY");
		return err_fix(e, "name the unix socket where the agent listens");
	}
	here = json_at_key(at, "listenerMetadata");
	if (metadata[0] && !path[0])
		return json_bad(e, &here, "is for the agent at listenerPath, which is not given");
	if (!f->notify)
		return 0;
	f->listener_path = arena_strdup(a, path);
	f->listener_metadata = metadata[0] ? arena_strdup(a, metadata) : NULL;
	return arena_failed(a) ? err_set(e, ENOMEM, "%s", at->text) : 0;
}

/* Each name, and each of its alternatives: no more than are allowed. Types are checked later. */
static size_t rules_at_most(const json_t *seccomp)
{
	const json_t *entries = json_object_get(seccomp, "syscalls"), *o;
	size_t count = 0, i;

	json_array_foreach(entries, i, o)
	{
		size_t names = json_array_size(json_object_get(o, "names"));
		size_t conditions = json_array_size(json_object_get(o, "args"));

		if (conditions > SECCOMP_ARGS_MAX || names > SECCOMP_RULES_MAX)
			return SECCOMP_RULES_MAX;
		count += names * (conditions ? conditions : 1);
		if (count > SECCOMP_RULES_MAX)
			return SECCOMP_RULES_MAX;
	}
	return count;
}

int seccomp_parse_for(enum seccomp_abi native, const json_t *seccomp, const struct json_at *at,
		      struct arena *a, struct seccomp_filter *ret, struct err *e)
{
	_cleanup_free_ struct seccomp_rule *rules =
		calloc(rules_at_most(seccomp) + 1, sizeof *rules);
	struct seccomp_profile p = { .native = native, .rules = rules };
	struct seccomp_filter filter = { 0 };
	uint64_t flags = 0;
	int r;

	p.skipped = arena_array(a, SKIPPED_MAX, sizeof *p.skipped);
	if (!rules || !p.skipped)
		return err_set(e, ENOMEM, "%s", at->text);
	if (!json_is_object(seccomp))
		return json_bad(e, at, "must be an object");
	r = parse_action(seccomp, at, "defaultAction", "defaultErrnoRet", &p.default_action, e);
	if (r >= 0)
		r = json_get_flags(seccomp, at, "flags", flag_names, COUNT(flag_names), &flags, e);
	if (r >= 0)
		r = parse_archs(seccomp, at, &p, e);
	if (r >= 0)
		r = parse_syscalls(seccomp, at, a, &p, e);
	if (r < 0)
		return r;
	r = check_conflicts(&p, at, e);
	if (r == 0)
		r = check_execve(&p, at, e);
	if (r == 0)
		r = parse_agent(seccomp, at, &p, a, &filter, e);
	if (r == 0)
		r = seccomp_compile(&p, at, a, &filter, e);
	if (r < 0)
		return r;
	filter.flags = (unsigned int)flags;
	if (filter.notify)
		filter.flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	else /* it is about the wait for an agent, and there is none */
		filter.flags &= ~(unsigned int)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	/* seccomp(2): a call that may return a listener must be told how to say a thread. */
	if (filter.notify && (filter.flags & SECCOMP_FILTER_FLAG_TSYNC))
		filter.flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
	filter.skipped = p.skipped;
	filter.skipped_count = p.skipped_count;
	*ret = filter;
	return 0;
}

int seccomp_parse(const json_t *seccomp, const struct json_at *at, struct arena *a,
		  struct seccomp_filter *ret, struct err *e)
{
	return seccomp_parse_for(seccomp_abi_native(), seccomp, at, a, ret, e);
}

/* --- the tables' names ------------------------------------------------------ */

const char *seccomp_action_name(size_t i)
{
	return i < COUNT(action_names) ? action_names[i].name : NULL;
}

const char *seccomp_operator_name(size_t i)
{
	return i < COUNT(operator_names) ? operator_names[i].name : NULL;
}

const char *seccomp_flag_name(size_t i)
{
	return i < COUNT(flag_names) ? flag_names[i].name : NULL;
}

bool seccomp_flag_works(size_t i)
{
	unsigned int flags = (unsigned int)flag_names[i].value;

	if (flags == SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
		flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	/* A program that is not there: EFAULT when the flags were fine, else EINVAL. */
	syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, NULL);
	return errno == EFAULT;
}
