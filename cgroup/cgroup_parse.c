/*
 * cgroup_parse.c - linux.resources as a list of writes to cgroup v2 files.
 *
 * Every conversion from the v1 words of config.json happens here, so that the
 * plan is a mere walk over the list. Fields that only exist in cgroup v1 ask
 * for something no cgroup v2 kernel can do; callers send them all the same
 * (docker: swappiness, disableOOMKiller), so they are tolerated with a warning.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cgroup/cgroup_parse.h"

#define CPU_PERIOD_DEFAULT 100000 /* microseconds, the kernel's own default */
#define CPU_PERIOD_MIN	   1000
#define CPU_PERIOD_MAX	   1000000

int cgroup_parser_add(struct cgroup_parser *p, const struct json_at *why, uint32_t controller,
		      const char *file, const char *value, struct err *e)
{
	size_t count = p->spec->write_count;

	if (count >= CGROUP_WRITES_MAX)
		return json_bad(e, why, "more than %d limits", CGROUP_WRITES_MAX);
	if (count == p->room) {
		size_t room = p->room ? 2 * p->room : 16;
		struct cgroup_write *more = arena_array(p->arena, room, sizeof(*more));

		if (!more)
			return err_set(e, ENOMEM, "limits");
		if (count)
			memcpy(more, p->writes, count * sizeof(*more));
		p->spec->writes = p->writes = more;
		p->room = room;
	}
	p->writes[count] = (struct cgroup_write){ .file = arena_strdup(p->arena, file),
						  .value = arena_strdup(p->arena, value),
						  .why = arena_strdup(p->arena, why->text),
						  .controllers = controller };
	if (arena_failed(p->arena))
		return err_set(e, ENOMEM, "limits");
	p->spec->write_count++;
	return 0;
}

int cgroup_parser_warn(struct cgroup_parser *p, const struct json_at *at, struct err *e,
		       const char *fmt, ...)
{
	char text[200];
	va_list ap;
	char *line;

	if (!p->spec->warnings)
		p->spec->warnings = arena_array(p->arena, CGROUP_WARNINGS_MAX + 1, sizeof(char *));
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	line = arena_printf(p->arena, "%s: %s", at->text, text);
	if (!p->spec->warnings || !line)
		return err_set(e, ENOMEM, "warnings");
	if (p->spec->warning_count < CGROUP_WARNINGS_MAX)
		p->spec->warnings[p->spec->warning_count++] = line;
	return 0;
}

const char *cgroup_parser_number(struct cgroup_parser *p, int64_t value)
{
	return value == -1 ? "max" : arena_printf(p->arena, "%lld", (long long)value);
}

/* A field cgroup v2 has no file for. `quiet` is the value that asks for nothing. */
static int tolerate_int(struct cgroup_parser *p, const json_t *o, const struct json_at *at,
			const char *key, int64_t min, int64_t max, int64_t quiet, struct err *e)
{
	struct json_at here = json_at_key(at, key);
	int64_t value = quiet;
	int r = json_get_int(o, at, key, min, max, &value, e);

	if (r < 0 || value == quiet || value == 0)
		return r < 0 ? r : 0;
	return cgroup_parser_warn(p, &here, e, "only cgroup v1 has this; it has no effect");
}

static int tolerate_bool(struct cgroup_parser *p, const json_t *o, const struct json_at *at,
			 const char *key, bool quiet, struct err *e)
{
	struct json_at here = json_at_key(at, key);
	bool value = quiet;
	int r = json_get_bool(o, at, key, &value, e);

	if (r < 0 || value == quiet)
		return r < 0 ? r : 0;
	return cgroup_parser_warn(p, &here, e, "only cgroup v1 has this; it has no effect");
}

/* limit is memory alone, swap is memory plus swap; memory.swap.max is swap alone. 0 means "not
 * set", as everywhere callers pass Go's zero values through. */
static int parse_swap(struct cgroup_parser *p, const json_t *memory, const struct json_at *at,
		      int64_t limit, struct err *e)
{
	struct json_at here = json_at_key(at, "swap");
	int64_t swap = 0;
	int r = json_get_int(memory, at, "swap", -1, INT64_MAX, &swap, e);

	if (r < 0)
		return r;
	if (!swap && limit == -1)
		swap = -1; /* unlimited memory never meant a limit on swap in cgroup v1 */
	if (!swap)
		return 0;
	if (swap > 0 && limit <= 0)
		return json_bad(e, &here,
				"needs /memory/limit: it counts memory and swap together");
	if (swap > 0 && swap < limit)
		return json_bad(e, &here,
				"is memory and swap together, so it can't be less than "
				"the memory limit (%lld)",
				(long long)limit);
	r = cgroup_parser_add(p, &here, HOST_MEMORY, "memory.swap.max",
			      cgroup_parser_number(p, swap > 0 ? swap - limit : -1), e);
	if (r < 0)
		return r;
	cgroup_parser_last(p)->absent_is_done = swap == -1;
	return 0;
}

static int parse_memory(struct cgroup_parser *p, const json_t *resources, const struct json_at *up,
			struct err *e)
{
	struct json_at at = json_at_key(up, "memory"), limit_at = json_at_key(&at, "limit");
	struct json_at reservation_at = json_at_key(&at, "reservation");
	int64_t limit = 0, reservation = 0;
	json_t *memory = NULL;
	int r;

	r = json_get_object(resources, up, "memory", &memory, e);
	if (r <= 0)
		return r;
	if ((r = json_get_int(memory, &at, "limit", -1, INT64_MAX, &limit, e)) < 0 ||
	    (r = json_get_int(memory, &at, "reservation", -1, INT64_MAX, &reservation, e)) < 0 ||
	    (r = json_get_bool(memory, &at, "checkBeforeUpdate", &p->spec->check_before_update,
			       e)) < 0)
		return r;
	if (limit > 0 && reservation > limit)
		return json_bad(e, &reservation_at, "can't be more than the memory limit (%lld)",
				(long long)limit);
	p->spec->memory_limit = limit;
	if (limit && (r = cgroup_parser_add(p, &limit_at, HOST_MEMORY, "memory.max",
					    cgroup_parser_number(p, limit), e)) < 0)
		return r;
	if ((r = parse_swap(p, memory, &at, limit, e)) < 0)
		return r;
	if (reservation && (r = cgroup_parser_add(p, &reservation_at, HOST_MEMORY, "memory.low",
						  cgroup_parser_number(p, reservation), e)) < 0)
		return r;
	if ((r = tolerate_int(p, memory, &at, "kernel", -1, INT64_MAX, -1, e)) < 0 ||
	    (r = tolerate_int(p, memory, &at, "kernelTCP", -1, INT64_MAX, -1, e)) < 0 ||
	    (r = tolerate_int(p, memory, &at, "swappiness", -1, 200, -1, e)) < 0 ||
	    (r = tolerate_bool(p, memory, &at, "disableOOMKiller", false, e)) < 0 ||
	    (r = tolerate_bool(p, memory, &at, "useHierarchy", true, e)) < 0)
		return r;
	return 0;
}

static int parse_bandwidth(struct cgroup_parser *p, const json_t *cpu, const struct json_at *at,
			   struct err *e)
{
	struct json_at quota_at = json_at_key(at, "quota"), period_at = json_at_key(at, "period");
	struct json_at burst_at = json_at_key(at, "burst");
	int64_t quota = 0, period = 0, burst = -1;
	const char *value;
	int r;

	if ((r = json_get_int(cpu, at, "quota", -1, INT64_MAX, &quota, e)) < 0 ||
	    (r = json_get_int(cpu, at, "period", 0, CPU_PERIOD_MAX, &period, e)) < 0 ||
	    (r = json_get_int(cpu, at, "burst", 0, INT64_MAX, &burst, e)) < 0)
		return r;
	if (period && period < CPU_PERIOD_MIN)
		return json_bad(e, &period_at, "must be %d to %d microseconds", CPU_PERIOD_MIN,
				CPU_PERIOD_MAX);
	if (quota > 0 && quota < CPU_PERIOD_MIN)
		return json_bad(e, &quota_at, "must be at least %d microseconds, or -1",
				CPU_PERIOD_MIN);
	if (quota > 0 && burst > quota)
		return json_bad(e, &burst_at, "can't be more than the quota (%lld)",
				(long long)quota);
	if (quota || period) {
		value = arena_printf(p->arena, "%s %lld",
				     cgroup_parser_number(p, quota ? quota : -1),
				     (long long)(period ? period : CPU_PERIOD_DEFAULT));
		r = cgroup_parser_add(p, quota ? &quota_at : &period_at, HOST_CPU, "cpu.max", value,
				      e);
		if (r < 0)
			return r;
	}
	if (burst < 0)
		return 0;
	r = cgroup_parser_add(p, &burst_at, HOST_CPU, "cpu.max.burst",
			      cgroup_parser_number(p, burst), e);
	if (r < 0)
		return r;
	cgroup_parser_last(p)->absent_is_done = burst == 0; /* the file is there since Linux 5.14 */
	return 0;
}

static int parse_idle(struct cgroup_parser *p, const json_t *cpu, const struct json_at *at,
		      struct err *e)
{
	struct json_at here = json_at_key(at, "idle");
	int64_t idle = 0;
	int r = json_get_int(cpu, at, "idle", 0, 1, &idle, e);

	if (r <= 0)
		return r;
	r = cgroup_parser_add(p, &here, HOST_CPU, "cpu.idle", cgroup_parser_number(p, idle), e);
	if (r < 0)
		return r;
	cgroup_parser_last(p)->absent_is_done = idle == 0; /* the file is there since Linux 5.15 */
	return 0;
}

#define CPU_NUMBER_MAX 65535 /* more than any kernel is built for */

static bool take_number(const char **text, unsigned long *ret)
{
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	*ret = strtoul(*text, &end, 10);
	*text = end;
	return *ret <= CPU_NUMBER_MAX;
}

/* "0-3,8", as cpuset(7) has it. */
static bool is_cpu_list(const char *text)
{
	do {
		unsigned long first, last;

		if (!take_number(&text, &first))
			return false;
		last = first;
		if (*text == '-' && (text++, !take_number(&text, &last)))
			return false;
		if (last < first)
			return false;
	} while (*text++ == ',');
	return !text[-1];
}

static int parse_cpu_list(struct cgroup_parser *p, const json_t *cpu, const struct json_at *at,
			  const char *key, const char *file, struct err *e)
{
	struct json_at here = json_at_key(at, key);
	const char *list = NULL;
	int r = json_get_string(cpu, at, key, &list, e);

	if (r < 0 || !list || !*list)
		return r < 0 ? r : 0;
	if (!is_cpu_list(list))
		return json_bad(e, &here, "must be a list such as \"0-3,8\"");
	return cgroup_parser_add(p, &here, HOST_CPUSET, file, list, e);
}

static int parse_cpu(struct cgroup_parser *p, const json_t *resources, const struct json_at *up,
		     struct err *e)
{
	struct json_at at = json_at_key(up, "cpu"), shares_at = json_at_key(&at, "shares");
	int64_t shares = 0;
	const char *weight;
	json_t *cpu = NULL;
	int r;

	r = json_get_object(resources, up, "cpu", &cpu, e);
	if (r <= 0)
		return r;
	r = json_get_int(cpu, &at, "shares", 0, INT64_MAX, &shares, e);
	if (r < 0)
		return r;
	/* the weight goes first: the kernel refuses one for a group that is already idle */
	weight = cgroup_parser_number(p, cgroup_weight_of_shares((uint64_t)shares));
	if (shares && (r = cgroup_parser_add(p, &shares_at, HOST_CPU, "cpu.weight", weight, e)) < 0)
		return r;
	if ((r = parse_bandwidth(p, cpu, &at, e)) < 0 || (r = parse_idle(p, cpu, &at, e)) < 0 ||
	    (r = parse_cpu_list(p, cpu, &at, "cpus", "cpuset.cpus", e)) < 0 ||
	    (r = parse_cpu_list(p, cpu, &at, "mems", "cpuset.mems", e)) < 0 ||
	    (r = tolerate_int(p, cpu, &at, "realtimeRuntime", INT64_MIN, INT64_MAX, 0, e)) < 0 ||
	    (r = tolerate_int(p, cpu, &at, "realtimePeriod", 0, INT64_MAX, 0, e)) < 0)
		return r;
	return 0;
}

static int parse_pids(struct cgroup_parser *p, const json_t *resources, const struct json_at *up,
		      struct err *e)
{
	struct json_at at = json_at_key(up, "pids"), here = json_at_key(&at, "limit");
	json_t *pids = NULL;
	int64_t limit = -1;
	int r;

	r = json_get_object(resources, up, "pids", &pids, e);
	if (r <= 0)
		return r;
	r = json_get_int(pids, &at, "limit", -1, INT64_MAX, &limit, e);
	if (r <= 0)
		return r;
	/* 0 is a real value: "may not fork". One task alone in the cgroup is the same, and lets
	 * it be born there: clone3(CLONE_INTO_CGROUP) is itself a fork that pids.max counts. */
	if (limit == 0)
		limit = 1;
	return cgroup_parser_add(p, &here, HOST_PIDS, "pids.max", cgroup_parser_number(p, limit),
				 e);
}

static int check_priority(const json_t *o, const struct json_at *at, struct err *e)
{
	const char *name;
	uint32_t priority;
	int r;

	if (!json_is_object(o))
		return json_bad(e, at, "must be an object");
	r = json_require(json_get_string(o, at, "name", &name, e), at, "name", e);
	if (r >= 0)
		r = json_require(json_get_u32(o, at, "priority", &priority, e), at, "priority", e);
	return r < 0 ? r : 0;
}

/* net_cls and net_prio were never brought to cgroup v2. */
static int parse_network(struct cgroup_parser *p, const json_t *resources, const struct json_at *up,
			 struct err *e)
{
	struct json_at at = json_at_key(up, "network"), here = json_at_key(&at, "priorities");
	json_t *network = NULL, *priorities = NULL;
	int r;

	r = json_get_object(resources, up, "network", &network, e);
	if (r <= 0)
		return r;
	if ((r = tolerate_int(p, network, &at, "classID", 0, UINT32_MAX, 0, e)) < 0 ||
	    (r = json_get_array(network, &at, "priorities", &priorities, e)) < 0)
		return r;
	for (size_t i = 0; i < json_array_size(priorities); i++) {
		struct json_at item = json_at_index(&here, i);

		r = check_priority(json_array_get(priorities, i), &item, e);
		if (r < 0)
			return r;
	}
	if (!json_array_size(priorities))
		return 0;
	return cgroup_parser_warn(p, &here, e, "only cgroup v1 has this; it has no effect");
}

int cgroup_parse_resources(const json_t *resources, const struct json_at *at, struct arena *a,
			   struct cgroup_spec *ret, struct err *e)
{
	static int (*const parts[])(struct cgroup_parser *, const json_t *, const struct json_at *,
				    struct err *) = {
		parse_memory,		parse_cpu,	   parse_pids,	  cgroup_parse_block_io,
		cgroup_parse_hugepages, cgroup_parse_rdma, parse_network, cgroup_parse_devices,
		cgroup_parse_unified, /* last: what it says overrides the typed fields */
	};
	struct cgroup_spec spec = *ret;
	struct cgroup_parser p = { .arena = a, .spec = &spec };

	spec.writes = NULL;
	spec.write_count = 0;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		int r = parts[i](&p, resources, at, e);

		if (r < 0)
			return r;
	}
	if (arena_failed(a))
		return err_set(e, ENOMEM, "limits");
	*ret = spec;
	return 0;
}

int cgroup_parse(const json_t *linux_object, const struct json_at *at, const char *id,
		 struct arena *a, struct cgroup_spec *ret, struct err *e)
{
	struct json_at here = json_at_key(at, "resources");
	struct cgroup_spec spec = { 0 };
	json_t *resources = NULL;
	const char *given;
	int r;

	r = cgroup_parse_path(linux_object, at, id, a, &spec, e);
	if (r < 0)
		return r;
	r = linux_object ? json_get_object(linux_object, at, "resources", &resources, e) : 0;
	if (r > 0)
		r = cgroup_parse_resources(resources, &here, a, &spec, e);
	if (r < 0)
		return r;
	if (arena_failed(a))
		return err_set(e, ENOMEM, "cgroup");
	given = json_string_value(json_object_get(linux_object, "cgroupsPath"));
	spec.path_asked = given && given[0];
	spec.path_absolute = given && given[0] == '/';
	spec.named_by_id = strstr(strrchr(spec.path, '/'), id) != NULL;
	*ret = spec;
	return 0;
}
