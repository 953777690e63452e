/*
 * process.c - parses /process of config.json (config.md#process). No steps, no syscalls.
 */
#include "runtime/process.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/resource.h>

#include "runtime/annotations.h"
#include "runtime/json_more.h"

/* setresuid(2) and setresgid(2) read this one as "leave it as it is". */
#define ID_UNCHANGED UINT32_MAX

static int parse_id(const json_t *o, const struct json_at *at, const char *key, uint32_t *ret,
		    struct err *e)
{
	struct json_at here = json_at_key(at, key);
	uint32_t id;
	int r = json_require(json_get_u32(o, at, key, &id, e), at, key, e);

	if (r < 0)
		return r;
	if (id == ID_UNCHANGED)
		return json_bad(e, &here, "%u is no id: the kernel reads it as -1", id);
	*ret = id;
	return 0;
}

static int parse_groups(const json_t *user, const struct json_at *at, struct arena *a,
			struct process_spec *s, struct err *e)
{
	struct json_at here = json_at_key(at, "additionalGids");
	json_t *array, *v;
	size_t i;
	int r = json_get_array(user, at, "additionalGids", &array, e);

	if (r <= 0)
		return r;
	if (json_array_size(array) > PROCESS_GROUPS_MAX)
		return json_bad(e, &here, "has %zu groups, more than the kernel's %d",
				json_array_size(array), PROCESS_GROUPS_MAX);
	s->gids = arena_array(a, json_array_size(array) + 1, sizeof *s->gids);
	if (!s->gids)
		return err_set(e, ENOMEM, "%s", here.text);
	json_array_foreach(array, i, v)
	{
		struct json_at item = json_at_index(&here, i);

		if (!json_is_integer(v))
			return json_bad(e, &item, "must be an integer");
		if (json_integer_value(v) < 0 || json_integer_value(v) >= ID_UNCHANGED)
			return json_bad(e, &item, "%lld is out of range (0 to %u)",
					(long long)json_integer_value(v), ID_UNCHANGED - 1);
		s->gids[s->gid_count++] = (uint32_t)json_integer_value(v);
	}
	return 0;
}

static int parse_user(const json_t *process, const struct json_at *at, struct arena *a,
		      struct process_spec *s, struct err *e)
{
	struct json_at here = json_at_key(at, "user");
	json_t *user;
	int64_t mask = 022;
	int r = json_require(json_get_object(process, at, "user", &user, e), at, "user", e);

	if (r < 0)
		return r;
	r = parse_id(user, &here, "uid", &s->uid, e);
	if (r == 0)
		r = parse_id(user, &here, "gid", &s->gid, e);
	if (r == 0)
		r = json_get_int(user, &here, "umask", 0, 0777, &mask, e);
	if (r < 0)
		return r;
	s->has_umask = r == 1;
	s->umask = (uint32_t)mask;
	return parse_groups(user, &here, a, s, e);
}

int process_check_strings(char **strings, size_t count, const struct json_at *at, struct err *e)
{
	if (count > PROCESS_STRINGS_MAX)
		return json_bad(e, at, "has %zu entries, more than the limit of %d", count,
				PROCESS_STRINGS_MAX);
	for (size_t i = 0; i < count; i++) {
		if (strlen(strings[i]) >= PROCESS_STRING_MAX) {
			struct json_at item = json_at_index(at, i);

			return json_bad(e, &item, "is longer than the kernel's limit of %d bytes",
					PROCESS_STRING_MAX - 1);
		}
	}
	return 0;
}

static int parse_args(const json_t *process, const struct json_at *at, struct arena *a,
		      struct process_spec *s, struct err *e)
{
	struct json_at here = json_at_key(at, "args");
	int r = json_require(json_get_strings(process, at, "args", a, &s->args, &s->arg_count, e),
			     at, "args", e);

	if (r < 0)
		return r;
	if (s->arg_count == 0)
		return json_bad(e, &here, "must hold at least the command");
	if (s->args[0][0] == '\0') {
		here = json_at_index(&here, 0);
		return json_bad(e, &here, "the command must not be empty");
	}
	return process_check_strings(s->args, s->arg_count, &here, e);
}

/* Keeps the last of several values of a name: getenv(3) would see the first, callers append. */
static int drop_duplicates(struct process_spec *s, struct err *e)
{
	_cleanup_json_ json_t *seen = json_object();
	size_t to = s->env_count;

	if (!seen)
		return err_set(e, ENOMEM, "/process/env");
	for (size_t i = s->env_count; i-- > 0;) {
		char *equals = strchr(s->env[i], '=');
		bool duplicate;
		int failed = 0;

		*equals = '\0';
		duplicate = json_object_get(seen, s->env[i]) != NULL;
		if (!duplicate)
			failed = json_object_set_new_nocheck(seen, s->env[i], json_true());
		*equals = '=';
		if (failed)
			return err_set(e, ENOMEM, "/process/env");
		if (!duplicate)
			s->env[--to] = s->env[i];
	}
	s->env_count -= to;
	memmove(s->env, s->env + to, (s->env_count + 1) * sizeof *s->env);
	return 0;
}

static int parse_env(const json_t *process, const struct json_at *at, struct arena *a,
		     struct process_spec *s, struct err *e)
{
	struct json_at here = json_at_key(at, "env");
	int r = json_get_strings(process, at, "env", a, &s->env, &s->env_count, e);

	if (r == 0) {
		s->env = arena_array(a, 1, sizeof *s->env);
		return s->env ? 0 : err_set(e, ENOMEM, "%s", here.text);
	}
	if (r > 0)
		r = process_check_strings(s->env, s->env_count, &here, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < s->env_count; i++) {
		const char *equals = strchr(s->env[i], '=');

		if (!equals || equals == s->env[i]) {
			struct json_at item = json_at_index(&here, i);

			return json_bad(e, &item,
					equals ? "has no name before the '='"
					       : "must be NAME=value: there is no '='");
		}
	}
	return drop_duplicates(s, e);
}

int process_set_env(struct process_spec *s, struct arena *a, const char *name, const char *value,
		    struct err *e)
{
	size_t len = strlen(name), at = 0;
	char *text = value ? arena_printf(a, "%s=%s", name, value) : NULL;
	char **env = arena_array(a, s->env_count + 2, sizeof *env);

	if (!text || !env)
		return err_set(e, ENOMEM, "the variable %s", name);
	while (at < s->env_count &&
	       (strncmp(s->env[at], name, len) != 0 || s->env[at][len] != '='))
		at++;
	if (s->env_count)
		memcpy(env, s->env, s->env_count * sizeof *env);
	env[at] = text;
	s->env = env;
	s->env_count += at == s->env_count;
	return 0;
}

static int parse_cwd(const json_t *process, const struct json_at *at, struct arena *a,
		     struct process_spec *s, struct err *e)
{
	struct json_at here = json_at_key(at, "cwd");
	const char *cwd;
	int r = json_require(json_get_string(process, at, "cwd", &cwd, e), at, "cwd", e);

	if (r < 0)
		return r;
	if (cwd[0] != '/')
		return json_bad(e, &here, "must be an absolute path");
	if (strlen(cwd) >= PATH_MAX)
		return json_bad(e, &here, "is longer than %d bytes", PATH_MAX - 1);
	s->cwd = arena_strdup(a, cwd);
	return s->cwd ? 0 : err_set(e, ENOMEM, "%s", here.text);
}

/* --- rlimits ---------------------------------------------------------------- */

static const struct {
	const char *name;
	int resource;
} rlimit_names[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
};

static int parse_rlimit(const json_t *o, const struct json_at *at, struct process_spec *s,
			struct err *e)
{
	struct json_at here = json_at_key(at, "type"), soft = json_at_key(at, "soft");
	struct rlimit_spec l = { .resource = -1 };
	const char *type;
	int r = json_require(json_get_string(o, at, "type", &type, e), at, "type", e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof rlimit_names / sizeof rlimit_names[0]; i++) {
		if (strcmp(rlimit_names[i].name, type) == 0) {
			l.resource = rlimit_names[i].resource;
			l.name = rlimit_names[i].name;
		}
	}
	if (l.resource < 0)
		return json_bad(e, &here, "no such limit: \"%s\" (see setrlimit(2))", type);
	for (size_t i = 0; i < s->rlimit_count; i++)
		if (s->rlimits[i].resource == l.resource)
			return json_bad(e, &here, "%s is given twice", type);
	r = json_require(json_get_u64(o, at, "soft", &l.soft, e), at, "soft", e);
	if (r >= 0)
		r = json_require(json_get_u64(o, at, "hard", &l.hard, e), at, "hard", e);
	if (r < 0)
		return r;
	if (l.soft > l.hard)
		return json_bad(e, &soft, "%s is above the hard limit", type);
	s->rlimits[s->rlimit_count++] = l;
	return 0;
}

static int parse_rlimits(const json_t *process, const struct json_at *at, struct arena *a,
			 struct process_spec *s, struct err *e)
{
	struct json_at here = json_at_key(at, "rlimits");
	json_t *array, *v;
	size_t i;
	int r = json_get_array(process, at, "rlimits", &array, e);

	if (r <= 0)
		return r;
	/* One more than there are types can only be a duplicate, which the loop names. */
	s->rlimits = arena_array(a, PROCESS_RLIMITS_MAX + 1, sizeof *s->rlimits);
	if (!s->rlimits)
		return err_set(e, ENOMEM, "%s", here.text);
	json_array_foreach(array, i, v)
	{
		struct json_at item = json_at_index(&here, i);

		if (!json_is_object(v))
			return json_bad(e, &item, "must be an object");
		r = parse_rlimit(v, &item, s, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- scheduler and I/O priority --------------------------------------------- */

static const struct json_name policy_names[] = {
	{ "SCHED_OTHER", SCHED_NORMAL },
	{ "SCHED_FIFO", SCHED_FIFO },
	{ "SCHED_RR", SCHED_RR },
	{ "SCHED_BATCH", SCHED_BATCH },
	{ "SCHED_ISO", 4 },
	{ "SCHED_IDLE", SCHED_IDLE },
	{ "SCHED_DEADLINE", SCHED_DEADLINE },
};

static const struct json_name sched_flag_names[] = {
	{ "SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK },
	{ "SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM },
	{ "SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN },
	{ "SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY },
	{ "SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS },
	{ "SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX },
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int parse_scheduler(const json_t *process, const struct json_at *at, struct process_spec *s,
			   struct err *e)
{
	struct json_at here = json_at_key(at, "scheduler");
	struct scheduler_spec *c = &s->scheduler;
	uint64_t policy = 0;
	int64_t nice = 0, priority = 0;
	json_t *o;
	int r = json_get_object(process, at, "scheduler", &o, e);

	if (r <= 0)
		return r;
	r = json_require(
		json_get_name(o, &here, "policy", policy_names, COUNT(policy_names), &policy, e),
		&here, "policy", e);
	if (r >= 0)
		r = json_get_int(o, &here, "nice", -20, 19, &nice, e);
	if (r >= 0)
		r = json_get_int(o, &here, "priority", 0, 99, &priority, e);
	if (r >= 0)
		r = json_get_flags(o, &here, "flags", sched_flag_names, COUNT(sched_flag_names),
				   &c->flags, e);
	if (r >= 0)
		r = json_get_u64(o, &here, "runtime", &c->runtime, e);
	if (r >= 0)
		r = json_get_u64(o, &here, "deadline", &c->deadline, e);
	if (r >= 0)
		r = json_get_u64(o, &here, "period", &c->period, e);
	if (r < 0)
		return r;
	c->policy = (uint32_t)policy;
	c->nice = (int32_t)nice;
	c->priority = (uint32_t)priority;
	s->has_scheduler = true;
	return 0;
}

static const struct json_name io_class_names[] = {
	{ "IOPRIO_CLASS_RT", IOPRIO_CLASS_RT },
	{ "IOPRIO_CLASS_BE", IOPRIO_CLASS_BE },
	{ "IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE },
};

static int parse_io_priority(const json_t *process, const struct json_at *at,
			     struct process_spec *s, struct err *e)
{
	struct json_at here = json_at_key(at, "ioPriority");
	uint64_t class = 0;
	int64_t priority = 0;
	json_t *o;
	int r = json_get_object(process, at, "ioPriority", &o, e);

	if (r <= 0)
		return r;
	r = json_require(
		json_get_name(o, &here, "class", io_class_names, COUNT(io_class_names), &class, e),
		&here, "class", e);
	if (r >= 0)
		r = json_get_int(o, &here, "priority", 0, 7, &priority, e);
	if (r < 0)
		return r;
	s->io_class = (int)class;
	s->io_priority = (int)priority;
	s->has_io_priority = true;
	return 0;
}

/* --- the rest --------------------------------------------------------------- */

static int parse_console_size(const json_t *process, const struct json_at *at,
			      struct process_spec *s, struct err *e)
{
	struct json_at here = json_at_key(at, "consoleSize");
	int64_t rows = 0, cols = 0;
	json_t *o;
	int r = json_get_object(process, at, "consoleSize", &o, e);

	if (r <= 0)
		return r;
	/* struct winsize has unsigned shorts: ioctl_tty(2). */
	r = json_require(json_get_int(o, &here, "height", 0, UINT16_MAX, &rows, e), &here, "height",
			 e);
	if (r >= 0)
		r = json_require(json_get_int(o, &here, "width", 0, UINT16_MAX, &cols, e), &here,
				 "width", e);
	if (r < 0)
		return r;
	s->rows = (uint16_t)rows;
	s->cols = (uint16_t)cols;
	return 0;
}

static int parse_caps(const json_t *process, const struct json_at *at, struct arena *a,
		      struct process_spec *s, struct err *e)
{
	struct json_at here = json_at_key(at, "capabilities");
	json_t *caps;
	int r = json_get_object(process, at, "capabilities", &caps, e);

	if (r <= 0)
		return r;
	s->has_caps = true;
	return caps_parse(caps, &here, a, &s->caps, &s->unknown_caps, e);
}

static int parse_cpus(const json_t *o, const struct json_at *at, const char *key, struct arena *a,
		      struct cpu_list *ret, struct err *e)
{
	struct json_at here = json_at_key(at, key);
	const char *text = "";
	int r = json_get_string(o, at, key, &text, e);

	if (r < 0 || !text[0])
		return r;
	r = cpu_list_parse(text, a, ret);
	if (r == -EINVAL)
		return json_bad(e, &here, "\"%.64s\" is no list of CPUs such as 0-3,7", text);
	return r < 0 ? err_set(e, ENOMEM, "%s", here.text) : 0;
}

static int parse_affinity(const json_t *process, const struct json_at *at, struct arena *a,
			  struct process_spec *s, struct err *e)
{
	struct json_at here = json_at_key(at, "execCPUAffinity");
	json_t *o;
	int r = json_get_object(process, at, "execCPUAffinity", &o, e);

	if (r <= 0)
		return r;
	r = parse_cpus(o, &here, "initial", a, &s->cpus_initial, e);
	return r < 0 ? r : parse_cpus(o, &here, "final", a, &s->cpus_final, e);
}

static int parse_scalars(const json_t *process, const struct json_at *at, struct process_spec *s,
			 struct err *e)
{
	int64_t adj = 0;
	int r = json_get_bool(process, at, "terminal", &s->terminal, e);

	if (r >= 0)
		r = json_get_bool(process, at, "noNewPrivileges", &s->no_new_privs, e);
	if (r >= 0)
		r = json_get_int(process, at, "oomScoreAdj", -1000, 1000, &adj, e);
	if (r < 0)
		return r;
	s->has_oom_score_adj = r == 1;
	s->oom_score_adj = (int)adj;
	return 0;
}

int process_parse(const json_t *process, const struct json_at *at, struct arena *a,
		  struct process_spec *ret, struct err *e)
{
	struct process_spec s = { 0 };
	int r;

	if (!json_is_object(process))
		return json_bad(e, at, "must be an object");
	r = parse_args(process, at, a, &s, e);
	if (r >= 0)
		r = parse_env(process, at, a, &s, e);
	if (r >= 0)
		r = parse_cwd(process, at, a, &s, e);
	if (r >= 0)
		r = parse_user(process, at, a, &s, e);
	if (r >= 0)
		r = parse_scalars(process, at, &s, e);
	if (r >= 0)
		r = parse_console_size(process, at, &s, e);
	if (r >= 0)
		r = parse_caps(process, at, a, &s, e);
	if (r >= 0)
		r = parse_rlimits(process, at, a, &s, e);
	if (r >= 0)
		r = parse_scheduler(process, at, &s, e);
	if (r >= 0)
		r = parse_io_priority(process, at, &s, e);
	if (r >= 0)
		r = parse_affinity(process, at, a, &s, e);
	if (r >= 0)
		r = labels_parse(process, at, a, &s.labels, e);
	if (r < 0)
		return r;
	*ret = s;
	return 0;
}

int process_annotate(struct process_spec *s, const json_t *config, struct arena *a, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "annotations");
	int r = annotation_flag(config, ANNOTATION_KEEP_GROUPS, &s->keep_groups, e);

	if (r == 0)
		r = landlock_parse(config, a, &s->landlock, e);
	if (r < 0 || !s->keep_groups || !s->gid_count)
		return r;
	at = json_at_key(&at, ANNOTATION_KEEP_GROUPS);
	json_bad(e, &at, "the caller's groups are kept as they are, so additionalGids can't be set");
	return err_fix(e, "drop one of them");
}
