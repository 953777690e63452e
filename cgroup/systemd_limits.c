/*
 * systemd_limits.c - limits, as the writes of a cgroup_spec, in systemd's own words.
 *
 * A file that is not here has no property, or none that says as much
 * (io.max wants device nodes, not numbers): it is only written.
 */
#include <stdlib.h>
#include <string.h>
#include "cgroup/systemd.h"

#define MAPPED_MAX  32
#define CPUS_MAX    8192
#define QUOTA_GRAIN 10000 /* systemd keeps a quota as whole percents of a processor */

struct list {
	struct arena *arena;
	struct systemd_property *items;
	size_t count;
};

/* One value; a property that is there already gets the new one (unified comes last). */
static union systemd_value *add(struct list *l, const char *name, char type)
{
	union systemd_value *value = arena_alloc(l->arena, sizeof *value);
	size_t i = 0;

	while (i < l->count && strcmp(l->items[i].name, name))
		i++;
	if (!value || i == MAPPED_MAX)
		return NULL;
	l->items[i] = (struct systemd_property){
		.name = name, .type = type, .count = 1, .values = value
	};
	l->count += i == l->count;
	return value;
}

static void add_number(struct list *l, const char *name, uint64_t number)
{
	union systemd_value *value = add(l, name, 't');

	if (value)
		value->number = number;
}

/* "max" is infinity. False: no plain number, the file alone is written. */
static bool number_of(const char *text, uint64_t *ret)
{
	char *end;

	if (!strcmp(text, "max")) {
		*ret = UINT64_MAX;
		return true;
	}
	if (text[0] < '0' || text[0] > '9')
		return false;
	*ret = strtoull(text, &end, 10);
	return *end == '\0';
}

static void map_cpu_max(struct list *l, const char *text, unsigned version)
{
	char quota_text[32] = "";
	unsigned long long period = 100000;
	uint64_t quota, per_second;

	if (sscanf(text, "%31s %llu", quota_text, &period) < 1 || !number_of(quota_text, &quota) ||
	    period == 0 || period > UINT32_MAX ||
	    (quota != UINT64_MAX && quota > UINT32_MAX * 1000ULL))
		return;
	per_second = quota;
	if (quota != UINT64_MAX) {
		per_second = quota * 1000000 / period;
		per_second = (per_second + QUOTA_GRAIN - 1) / QUOTA_GRAIN * QUOTA_GRAIN;
	}
	add_number(l, "CPUQuotaPerSecUSec", per_second);
	if (version >= 242)
		add_number(l, "CPUQuotaPeriodUSec", period);
}

/* "0-3,8" as a bitmask, the least byte first. */
static void map_cpu_list(struct list *l, const char *name, const char *text)
{
	uint8_t mask[CPUS_MAX / 8] = { 0 };
	union systemd_value *values;
	struct systemd_property *p;
	size_t bytes = 0;

	while (*text) {
		char *end;
		unsigned long first = strtoul(text, &end, 10), last = first;

		if (end == text)
			return;
		if (*end == '-') {
			text = end + 1;
			last = strtoul(text, &end, 10);
			if (end == text)
				return;
		}
		if (last >= CPUS_MAX || first > last || (*end && *end != ','))
			return;
		for (unsigned long i = first; i <= last; i++)
			mask[i / 8] |= (uint8_t)(1 << i % 8);
		bytes = last / 8 + 1 > bytes ? last / 8 + 1 : bytes;
		text = end + (*end == ',');
	}
	values = bytes ? arena_array(l->arena, bytes, sizeof *values) : NULL;
	if (!values || !add(l, name, 'y'))
		return;
	for (size_t i = 0; i < bytes; i++)
		values[i].number = mask[i];
	for (p = l->items; strcmp(p->name, name); p++)
		;
	p->array = true;
	p->count = bytes;
	p->values = values;
}

/* Only the weight for all devices; those of one device name it by number. */
static void map_io_weight(struct list *l, const char *text)
{
	uint64_t weight;

	if (!strncmp(text, "default ", 8))
		text += 8;
	if (number_of(text, &weight) && weight >= 1 && weight <= 10000)
		add_number(l, "IOWeight", weight);
}

static void map_write(struct list *l, const char *file, const char *text, unsigned version)
{
	static const struct {
		const char *file, *name;
	} numbers[] = {
		{ "memory.max", "MemoryMax" },		{ "memory.high", "MemoryHigh" },
		{ "memory.low", "MemoryLow" },		{ "memory.min", "MemoryMin" },
		{ "memory.swap.max", "MemorySwapMax" }, { "pids.max", "TasksMax" },
		{ "cpu.weight", "CPUWeight" },
	};
	uint64_t number;

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		if (!strcmp(file, numbers[i].file) && number_of(text, &number))
			add_number(l, numbers[i].name, number);
	if (!strcmp(file, "cpu.max"))
		map_cpu_max(l, text, version);
	if (!strcmp(file, "cpu.idle") && !strcmp(text, "1") && version >= 252)
		add_number(l, "CPUWeight", 0); /* "idle" */
	if (!strcmp(file, "cpuset.cpus") && version >= 244)
		map_cpu_list(l, "AllowedCPUs", text);
	if (!strcmp(file, "cpuset.mems") && version >= 244)
		map_cpu_list(l, "AllowedMemoryNodes", text);
	if (!strcmp(file, "io.weight"))
		map_io_weight(l, text);
}

const struct systemd_property *systemd_limits(const struct cgroup_spec *s, unsigned version,
					      struct arena *a, size_t *ret_count)
{
	struct list l = { .arena = a, .items = arena_array(a, MAPPED_MAX, sizeof *l.items) };

	for (size_t i = 0; i < s->write_count && l.items; i++) {
		map_write(&l, s->writes[i].file, s->writes[i].value, version);
		if (s->writes[i].or_file)
			map_write(&l, s->writes[i].or_file, s->writes[i].or_value, version);
	}
	*ret_count = l.count;
	return l.items;
}
