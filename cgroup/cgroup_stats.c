/*
 * cgroup_stats.c - what a cgroup has used: numbers from its files, and as JSON.
 *
 * What a controller that is not enabled, or an older kernel, does not tell is
 * left out, never reported as 0. On a hybrid host only cpu time is there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "cgroup/cgroup.h"

#define STATS_FILE_MAX 16384 /* io.stat of a host with many disks */

static void set(struct cgroup_stats *s, enum cgroup_stat_bit bit, uint64_t value)
{
	s->value[bit] = value;
	s->present |= 1ull << bit;
}

/* Files that hold one number, or "max". */
static const struct {
	const char *file;
	enum cgroup_stat_bit bit;
} single[] = {
	{ "memory.current", CGROUP_STAT_MEMORY_CURRENT },
	{ "memory.peak", CGROUP_STAT_MEMORY_PEAK }, /* Linux 5.19 */
	{ "memory.max", CGROUP_STAT_MEMORY_MAX },
	{ "pids.current", CGROUP_STAT_PIDS_CURRENT },
	{ "pids.peak", CGROUP_STAT_PIDS_PEAK }, /* Linux 6.6 */
	{ "pids.max", CGROUP_STAT_PIDS_MAX },
};

/* "key value" lines. */
static const struct {
	const char *file, *key;
	enum cgroup_stat_bit bit;
} keyed[] = {
	{ "memory.events", "max", CGROUP_STAT_MEMORY_EVENTS_MAX },
	{ "memory.events", "oom", CGROUP_STAT_MEMORY_OOM },
	{ "memory.events", "oom_kill", CGROUP_STAT_MEMORY_OOM_KILL },
	{ "cpu.stat", "usage_usec", CGROUP_STAT_CPU_USAGE },
	{ "cpu.stat", "user_usec", CGROUP_STAT_CPU_USER },
	{ "cpu.stat", "system_usec", CGROUP_STAT_CPU_SYSTEM },
	{ "cpu.stat", "nr_throttled", CGROUP_STAT_CPU_NR_THROTTLED },
	{ "cpu.stat", "throttled_usec", CGROUP_STAT_CPU_THROTTLED },
	{ "pids.events", "max", CGROUP_STAT_PIDS_EVENTS_MAX },
};

static const struct {
	const char *file;
	enum cgroup_stat_bit some, full;
} pressure[] = {
	{ "cpu.pressure", CGROUP_STAT_PSI_CPU_SOME, CGROUP_STAT_PSI_CPU_FULL },
	{ "memory.pressure", CGROUP_STAT_PSI_MEMORY_SOME, CGROUP_STAT_PSI_MEMORY_FULL },
	{ "io.pressure", CGROUP_STAT_PSI_IO_SOME, CGROUP_STAT_PSI_IO_FULL },
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Length, 0 when the file is not there or the kernel can't answer, or -errno. */
static ssize_t read_optional(int fd, const char *file, char *text, size_t size, struct err *e)
{
	ssize_t n = file_read_at(fd, file, text, size);

	/* EOPNOTSUPP: pressure accounting is off; ENODEV: the cgroup was just removed */
	if (n == -ENOENT || n == -EOPNOTSUPP || n == -ENODEV)
		return 0;
	return n < 0 ? err_set(e, (int)-n, "read %s", file) : n;
}

/* The line that starts with the key and a space; its rest, or NULL. */
static const char *find_line(const char *text, const char *key)
{
	size_t length = strlen(key);

	while (text && *text) {
		if (!strncmp(text, key, length) && text[length] == ' ')
			return text + length + 1;
		text = strchr(text, '\n');
		if (text)
			text++;
	}
	return NULL;
}

static int read_single(int fd, char *text, struct cgroup_stats *s, struct err *e)
{
	for (size_t i = 0; i < COUNT(single); i++) {
		ssize_t n = read_optional(fd, single[i].file, text, STATS_FILE_MAX, e);

		if (n < 0)
			return (int)n;
		if (n > 0)
			set(s, single[i].bit,
			    strncmp(text, "max", 3) ? strtoull(text, NULL, 10)
						    : CGROUP_STAT_UNLIMITED);
	}
	return 0;
}

static int read_keyed(int fd, char *text, struct cgroup_stats *s, struct err *e)
{
	const char *file = "", *line;
	ssize_t n = 0;

	for (size_t i = 0; i < COUNT(keyed); i++) {
		if (strcmp(file, keyed[i].file)) { /* the rows of one file stand together */
			file = keyed[i].file;
			n = read_optional(fd, file, text, STATS_FILE_MAX, e);
			if (n < 0)
				return (int)n;
		}
		line = n > 0 ? find_line(text, keyed[i].key) : NULL;
		if (line)
			set(s, keyed[i].bit, strtoull(line, NULL, 10));
	}
	return 0;
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0": microseconds somebody waited */
static int read_pressure(int fd, char *text, struct cgroup_stats *s, struct err *e)
{
	for (size_t i = 0; i < COUNT(pressure); i++) {
		ssize_t n = read_optional(fd, pressure[i].file, text, STATS_FILE_MAX, e);

		if (n < 0)
			return (int)n;
		for (int full = 0; n > 0 && full < 2; full++) {
			const char *line = find_line(text, full ? "full" : "some");
			const char *total = line ? strstr(line, "total=") : NULL;

			if (total)
				set(s, full ? pressure[i].full : pressure[i].some,
				    strtoull(total + strlen("total="), NULL, 10));
		}
	}
	return 0;
}

static uint64_t sum_words(const char *text, const char *word)
{
	uint64_t sum = 0;

	while ((text = strstr(text, word))) {
		text += strlen(word);
		sum += strtoull(text, NULL, 10);
	}
	return sum;
}

/* "8:0 rbytes=180224 wbytes=0 rios=3 ...": one line a device, none before the first request */
static int read_io(int fd, char *text, struct cgroup_stats *s, struct err *e)
{
	ssize_t n;

	text[0] = '\0';
	if (faccessat(fd, "io.stat", F_OK, 0) < 0)
		return 0;
	n = read_optional(fd, "io.stat", text, STATS_FILE_MAX, e);
	if (n < 0)
		return (int)n;
	set(s, CGROUP_STAT_IO_RBYTES, sum_words(text, "rbytes="));
	set(s, CGROUP_STAT_IO_WBYTES, sum_words(text, "wbytes="));
	return 0;
}

int cgroup_stats_read(int fd, struct cgroup_stats *ret, struct err *e)
{
	struct cgroup_stats s = { 0 };
	char text[STATS_FILE_MAX];
	int r;

	if ((r = read_single(fd, text, &s, e)) < 0 || (r = read_keyed(fd, text, &s, e)) < 0 ||
	    (r = read_pressure(fd, text, &s, e)) < 0 || (r = read_io(fd, text, &s, e)) < 0)
		return r;
	*ret = s;
	return 0;
}

/* ---- JSON ---- */

static const struct {
	const char *group, *key;
} names[CGROUP_STAT_COUNT] = {
	[CGROUP_STAT_MEMORY_CURRENT] = { "memory", "current" },
	[CGROUP_STAT_MEMORY_PEAK] = { "memory", "peak" },
	[CGROUP_STAT_MEMORY_MAX] = { "memory", "max" },
	[CGROUP_STAT_MEMORY_OOM] = { "memory", "oom" },
	[CGROUP_STAT_MEMORY_OOM_KILL] = { "memory", "oom_kill" },
	[CGROUP_STAT_MEMORY_EVENTS_MAX] = { "memory", "events_max" },
	[CGROUP_STAT_CPU_USAGE] = { "cpu", "usage_usec" },
	[CGROUP_STAT_CPU_USER] = { "cpu", "user_usec" },
	[CGROUP_STAT_CPU_SYSTEM] = { "cpu", "system_usec" },
	[CGROUP_STAT_CPU_NR_THROTTLED] = { "cpu", "nr_throttled" },
	[CGROUP_STAT_CPU_THROTTLED] = { "cpu", "throttled_usec" },
	[CGROUP_STAT_PIDS_CURRENT] = { "pids", "current" },
	[CGROUP_STAT_PIDS_PEAK] = { "pids", "peak" },
	[CGROUP_STAT_PIDS_MAX] = { "pids", "max" },
	[CGROUP_STAT_PIDS_EVENTS_MAX] = { "pids", "events_max" },
	[CGROUP_STAT_IO_RBYTES] = { "io", "rbytes" },
	[CGROUP_STAT_IO_WBYTES] = { "io", "wbytes" },
	[CGROUP_STAT_PSI_CPU_SOME] = { "pressure", "cpu_some_usec" },
	[CGROUP_STAT_PSI_CPU_FULL] = { "pressure", "cpu_full_usec" },
	[CGROUP_STAT_PSI_MEMORY_SOME] = { "pressure", "memory_some_usec" },
	[CGROUP_STAT_PSI_MEMORY_FULL] = { "pressure", "memory_full_usec" },
	[CGROUP_STAT_PSI_IO_SOME] = { "pressure", "io_some_usec" },
	[CGROUP_STAT_PSI_IO_FULL] = { "pressure", "io_full_usec" },
};

json_t *cgroup_stats_json(const struct cgroup_stats *s)
{
	_cleanup_json_ json_t *all = json_object();

	for (int i = 0; i < CGROUP_STAT_COUNT; i++) {
		json_t *group, *value;

		if (!cgroup_stat_has(s, (enum cgroup_stat_bit)i))
			continue;
		group = json_object_get(all, names[i].group);
		if (!group) {
			group = json_object();
			if (json_object_set_new(all, names[i].group, group) < 0)
				return NULL;
		}
		value = s->value[i] > INT64_MAX ? json_null()
						: json_integer((json_int_t)s->value[i]);
		if (json_object_set_new(group, names[i].key, value) < 0)
			return NULL;
	}
	return json_incref(all);
}
