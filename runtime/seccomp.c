/*
 * seccomp.c - /linux/seccomp of config.json: parsed, compiled to BPF, loaded.
 */
#include "runtime/seccomp.h"

#include <ctype.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
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
	{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
	{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
	{ "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0) },
	{ "SCMP_ACT_TRACE", SCMP_ACT_TRACE(0) },
	{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
	{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
	{ "SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY },
};

static const struct json_name operator_names[] = {
	{ "SCMP_CMP_NE", SCMP_CMP_NE },
	{ "SCMP_CMP_LT", SCMP_CMP_LT },
	{ "SCMP_CMP_LE", SCMP_CMP_LE },
	{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
	{ "SCMP_CMP_GE", SCMP_CMP_GE },
	{ "SCMP_CMP_GT", SCMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
};

static const struct json_name flag_names[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV },
};

/* Later than Debian 12's libseccomp; since 5.1 a new syscall has one number everywhere. */
static const struct {
	const char *name;
	int nr;
} new_syscalls[] = {
	{ "cachestat", 451 },	      { "fchmodat2", 452 },	   { "map_shadow_stack", 453 },
	{ "futex_wake", 454 },	      { "futex_wait", 455 },	   { "futex_requeue", 456 },
	{ "statmount", 457 },	      { "listmount", 458 },	   { "lsm_get_self_attr", 459 },
	{ "lsm_set_self_attr", 460 }, { "lsm_list_modules", 461 }, { "mseal", 462 },
	{ "setxattrat", 463 },	      { "getxattrat", 464 },	   { "listxattrat", 465 },
	{ "removexattrat", 466 },     { "open_tree_attr", 467 },   { "file_getattr", 468 },
	{ "file_setattr", 469 },
};

/* Architectures of the specification; most are of processes this machine cannot run anyway. */
static const char *const spec_archs[] = {
	"ARM",	    "AARCH64",	   "MIPS",     "MIPS64",  "MIPS64N32",	 "MIPSEL",
	"MIPSEL64", "MIPSEL64N32", "PPC",      "PPC64",	  "PPC64LE",	 "S390",
	"S390X",    "PARISC",	   "PARISC64", "RISCV64", "LOONGARCH64", "M68K",
	"SH",	    "SHEB",	   "X86",      "X86_64",  "X32",
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
			 action == SCMP_ACT_TRACE(0) ? UINT16_MAX : KERNEL_ERRNO_MAX, &value, e);
	if (r < 0)
		return r;
	has_errno = r == 1;
	if (action == SCMP_ACT_ERRNO(0)) {
		action = SCMP_ACT_ERRNO((uint32_t)value);
	} else if (action == SCMP_ACT_TRACE(0)) {
		action = SCMP_ACT_TRACE((uint32_t)value);
	} else if (has_errno) {
		here = json_at_key(at, errno_key);
		return json_bad(e, &here, "only SCMP_ACT_ERRNO and SCMP_ACT_TRACE return an errno");
	}
	*ret = (uint32_t)action;
	return 0;
}

static bool native_runs(uint32_t arch)
{
	uint32_t native = seccomp_arch_native();

	if (arch == native)
		return true;
	switch (native) {
	case SCMP_ARCH_X86_64:
		return arch == SCMP_ARCH_X86 || arch == SCMP_ARCH_X32;
	case SCMP_ARCH_AARCH64:
		return arch == SCMP_ARCH_ARM;
	case SCMP_ARCH_S390X:
		return arch == SCMP_ARCH_S390;
	case SCMP_ARCH_PPC64:
		return arch == SCMP_ARCH_PPC;
	case SCMP_ARCH_MIPS64:
		return arch == SCMP_ARCH_MIPS || arch == SCMP_ARCH_MIPS64N32;
	case SCMP_ARCH_MIPSEL64:
		return arch == SCMP_ARCH_MIPSEL || arch == SCMP_ARCH_MIPSEL64N32;
	default:
		return false;
	}
}

static int add_arch(const char *name, const struct json_at *at, struct seccomp_profile *p,
		    struct err *e)
{
	char lower[24];
	uint32_t arch;
	bool known = false;

	if (strcmp(name, "SCMP_ARCH_NATIVE") == 0)
		return 0;
	if (strncmp(name, "SCMP_ARCH_", 10) == 0)
		for (size_t i = 0; i < COUNT(spec_archs) && !known; i++)
			known = strcmp(name + 10, spec_archs[i]) == 0;
	if (!known)
		return json_bad(e, at, "unknown architecture \"%s\"", name);
	for (size_t i = 0; i <= strlen(name + 10); i++)
		lower[i] = (char)tolower((unsigned char)name[10 + i]);
	arch = seccomp_arch_resolve_name(lower);
	if (!arch || !native_runs(arch))
		return 0;
	for (size_t i = 0; i < p->arch_count; i++)
		if (p->archs[i] == arch)
			return 0;
	p->archs[p->arch_count++] = arch;
	return 0;
}

static int parse_archs(const json_t *seccomp, const struct json_at *at, struct seccomp_profile *p,
		       struct err *e)
{
	struct json_at here = json_at_key(at, "architectures");
	json_t *array, *v;
	size_t i;
	int r = json_get_array(seccomp, at, "architectures", &array, e);

	p->archs[p->arch_count++] = seccomp_arch_native();
	if (r <= 0)
		return r;
	json_array_foreach(array, i, v)
	{
		struct json_at item = json_at_index(&here, i);

		if (!json_is_string(v))
			return json_bad(e, &item, "must be a string");
		r = add_arch(json_string_value(v), &item, p, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_arg(const json_t *v, const struct json_at *at, struct scmp_arg_cmp *ret,
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
	if (has_second && second && op != SCMP_CMP_MASKED_EQ)
		return json_bad(e, &here, "only SCMP_CMP_MASKED_EQ has a second value");
	/* For MASKED_EQ `value` is the mask and `valueTwo` what must be left. */
	*ret = (struct scmp_arg_cmp){ (unsigned int)index, (enum scmp_compare)op, value, second };
	return 0;
}

static int parse_rule_args(const json_t *o, const struct json_at *at, struct seccomp_rule *rule,
			   struct err *e)
{
	struct json_at here = json_at_key(at, "args");
	json_t *array = NULL, *v;
	size_t i;
	int r = json_get_array(o, at, "args", &array, e);

	if (r < 0)
		return r;
	if (json_array_size(array) > SECCOMP_ARGS_MAX)
		return json_bad(e, &here, "has %zu conditions, more than the limit of %d",
				json_array_size(array), SECCOMP_ARGS_MAX);
	json_array_foreach(array, i, v)
	{
		struct json_at item = json_at_index(&here, i);

		r = parse_arg(v, &item, &rule->args[rule->arg_count++], e);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool has_alternatives(const struct seccomp_rule *rule)
{
	for (unsigned int i = 0; i < rule->arg_count; i++)
		for (unsigned int j = 0; j < i; j++)
			if (rule->args[i].arg == rule->args[j].arg)
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

static int resolve_syscall(struct seccomp_rule *rule)
{
	rule->nr = seccomp_syscall_resolve_name(rule->name);
	if (rule->nr != __NR_SCMP_ERROR)
		return 0;
	for (size_t i = 0; i < COUNT(new_syscalls); i++) {
		if (strcmp(new_syscalls[i].name, rule->name) == 0) {
			rule->nr = new_syscalls[i].nr;
			rule->only_native = true;
			return 0;
		}
	}
	return -ENOENT;
}

static int add_rules(struct seccomp_profile *p, const struct seccomp_rule *from,
		     const struct json_at *at, struct err *e)
{
	struct seccomp_rule rule = *from;
	int r = 0;

	if (resolve_syscall(&rule) < 0) {
		if (p->skipped_count < SKIPPED_MAX)
			p->skipped[p->skipped_count++] = rule.name;
		return 0;
	}
	if (!has_alternatives(from))
		return keep_rule(p, &rule, at, e);
	rule.arg_count = 1;
	for (unsigned int i = 0; i < from->arg_count && r == 0; i++) {
		rule.args[0] = from->args[i];
		r = keep_rule(p, &rule, at, e);
	}
	return r;
}

static int parse_entry(const json_t *o, const struct json_at *at, size_t entry, struct arena *a,
		       struct seccomp_profile *p, struct err *e)
{
	struct json_at here = json_at_key(at, "names");
	struct seccomp_rule rule = { .entry = entry };
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
		r = parse_rule_args(o, at, &rule, e);
	for (size_t i = 0; i < count && r == 0; i++) {
		struct json_at item = json_at_index(&here, i);

		if (!*names[i])
			return json_bad(e, &item, "must be the name of a syscall");
		rule.name = names[i];
		r = add_rules(p, &rule, at, e);
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

static int by_syscall(const void *a, const void *b)
{
	const struct seccomp_rule *x = a, *y = b;

	if (x->nr != y->nr)
		return x->nr < y->nr ? -1 : 1;
	if (!x->arg_count != !y->arg_count)
		return x->arg_count ? 1 : -1; /* the unconditional one first */
	return (x->entry > y->entry) - (x->entry < y->entry);
}

/*
 * Stops a denial from being without effect unnoticed: the unconditional rule would always win.
 * Of several unconditional ones the first decides, as with libseccomp everywhere: the profile that
 * podman and buildah ship lists setns as permitted and, further down, as denied.
 */
static int check_conflicts(const struct seccomp_profile *p, const struct json_at *at, struct err *e)
{
	const struct seccomp_rule *plain = NULL;

	for (size_t i = 0; i < p->rule_count; i++) {
		const struct seccomp_rule *rule = &p->rules[i];
		struct json_at here = json_at_key(at, "syscalls");

		if (plain && plain->nr != rule->nr)
			plain = NULL;
		/* One with the default action decides nothing; others may stand beside it. */
		if (!plain && rule->arg_count == 0 && rule->action != p->default_action)
			plain = rule;
		if (!plain || rule->arg_count == 0 || rule->action == plain->action)
			continue;
		here = json_at_index(&here, rule->entry);
		json_bad(e, &here,
			 "the rule for %s has no effect: /syscalls/%zu, without "
			 "conditions, decides every call of it",
			 rule->name, plain->entry);
		return err_fix(e, "give the other rule the opposite conditions");
	}
	return 0;
}

static bool permits(uint32_t action)
{
	/* The agent may let it through. */
	return action == SCMP_ACT_ALLOW || action == SCMP_ACT_LOG || action == SCMP_ACT_NOTIFY;
}

static int check_execve(const struct seccomp_profile *p, const struct json_at *at, struct err *e)
{
	int nr = seccomp_syscall_resolve_name("execve");
	bool permitted = permits(p->default_action);

	for (size_t i = 0; i < p->rule_count; i++) {
		const struct seccomp_rule *rule = &p->rules[i];

		if (rule->nr != nr || rule->action == p->default_action)
			continue;
		if (permits(rule->action))
			permitted = true;
		else if (rule->arg_count == 0)
			permitted = false;
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
	f->notify = p->default_action == SCMP_ACT_NOTIFY;
	for (size_t i = 0; i < p->rule_count; i++)
		f->notify |= p->rules[i].action == SCMP_ACT_NOTIFY;
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

int seccomp_parse(const json_t *seccomp, const struct json_at *at, struct arena *a,
		  struct seccomp_filter *ret, struct err *e)
{
	_cleanup_free_ struct seccomp_rule *rules = calloc(SECCOMP_RULES_MAX, sizeof *rules);
	struct seccomp_profile p = { .rules = rules };
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
	qsort(rules, p.rule_count, sizeof *rules, by_syscall);
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

const char *seccomp_arch_name(size_t i)
{
	return i < COUNT(spec_archs) ? spec_archs[i] : NULL;
}

bool seccomp_flag_works(size_t i)
{
	unsigned int flags = (unsigned int)flag_names[i].value;

	if (flags == SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
		flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	/* A program that is not there: EFAULT when the flags were fine, else EINVAL. */
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, NULL) < 0 && errno == EFAULT;
}
