/*
 * cgroup_report.c - what a cgroup uses, as the JSON that "events" of other
 * runtimes has, in the words of cgroup v1 that its readers know.
 *
 * Written as text: "no limit" is 2^64-1 there, which jansson has no integer
 * for. What a controller that is not enabled does not tell is 0 or left out.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "cgroup/cgroup.h"

#define REPORT_FILE_MAX 16384 /* io.stat of a host with many disks */
#define CPUS_MAX	8192

/* A document that grows; a comma is owed after each value. */
struct report {
	FILE *out;
	int fd; /* the cgroup */
	bool comma;
	char text[REPORT_FILE_MAX]; /* of the file read last */
};

static void put_key(struct report *r, const char *key)
{
	fprintf(r->out, "%s\"%s\":", r->comma ? "," : "", key);
	r->comma = true;
}

static void put(struct report *r, const char *key, uint64_t value)
{
	put_key(r, key);
	fprintf(r->out, "%" PRIu64, value);
}

static void put_unless_0(struct report *r, const char *key, uint64_t value)
{
	if (value)
		put(r, key, value);
}

static void begin(struct report *r, const char *key, char bracket)
{
	put_key(r, key);
	fputc(bracket, r->out);
	r->comma = false;
}

static void end(struct report *r, char bracket)
{
	fputc(bracket, r->out);
	r->comma = true;
}

/* False when the file is not there, or can't be read just now: nothing is known then. */
static bool read_text(struct report *r, const char *file)
{
	return file_read_at(r->fd, file, r->text, sizeof(r->text)) >= 0;
}

static uint64_t read_number(struct report *r, const char *file, uint64_t absent)
{
	if (!read_text(r, file))
		return absent;
	return strncmp(r->text, "max", 3) ? strtoull(r->text, NULL, 10) : UINT64_MAX;
}

/* Of "key value" lines, in r->text. */
static uint64_t keyed(const struct report *r, const char *key)
{
	size_t length = strlen(key);

	for (const char *line = r->text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, length) && line[length] == ' ')
			return strtoull(line + length, NULL, 10);
	}
	return 0;
}

static uint64_t read_keyed(struct report *r, const char *file, const char *key)
{
	return read_text(r, file) ? keyed(r, key) : 0;
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" */
static void put_pressure(struct report *r, const char *file)
{
	static const char *const kinds[] = { "some", "full" };

	if (!read_text(r, file) || !*r->text)
		return;
	begin(r, "psi", '{');
	for (size_t i = 0; i < 2; i++) {
		const char *line = strstr(r->text, kinds[i]);
		double avg10 = 0, avg60 = 0, avg300 = 0;
		uint64_t total = 0;

		if (line) /* before Linux 5.13 the processors have no "full" */
			sscanf(line + 4, " avg10=%lf avg60=%lf avg300=%lf total=%" SCNu64, &avg10,
			       &avg60, &avg300, &total);
		put_key(r, kinds[i]);
		fprintf(r->out, "{\"avg10\":%.2f,\"avg60\":%.2f,\"avg300\":%.2f,\"total\":%" PRIu64
				"}", avg10, avg60, avg300, total);
	}
	end(r, '}');
}

static void put_cpu(struct report *r)
{
	if (!read_text(r, "cpu.stat"))
		r->text[0] = '\0';
	begin(r, "cpu", '{');
	begin(r, "usage", '{'); /* nanoseconds */
	put_unless_0(r, "total", keyed(r, "usage_usec") * 1000);
	put(r, "kernel", keyed(r, "system_usec") * 1000);
	put(r, "user", keyed(r, "user_usec") * 1000);
	end(r, '}');
	begin(r, "throttling", '{');
	put_unless_0(r, "periods", keyed(r, "nr_periods"));
	put_unless_0(r, "throttledPeriods", keyed(r, "nr_throttled"));
	put_unless_0(r, "throttledTime", keyed(r, "throttled_usec") * 1000);
	end(r, '}');
	put_pressure(r, "cpu.pressure");
	end(r, '}');
}

/* "0-2,5" as [0,1,2,5] */
static void put_list(struct report *r, const char *key, const char *file)
{
	char *text = r->text;
	bool first = true;

	if (!read_text(r, file) || !*text)
		return;
	begin(r, key, '[');
	while (*text >= '0' && *text <= '9') {
		unsigned long from = strtoul(text, &text, 10), to = from;

		if (*text == '-')
			to = strtoul(text + 1, &text, 10);
		for (; from <= to && from < CPUS_MAX; from++, first = false)
			fprintf(r->out, "%s%lu", first ? "" : ",", from);
		text += *text == ',';
	}
	end(r, ']');
}

static void put_cpuset(struct report *r)
{
	static const char *const of_v1[] = {
		"mem_hardwall",	      "mem_exclusive",	 "memory_migrate",     "memory_spread_page",
		"memory_spread_slab", "memory_pressure", "sched_load_balance", "sched_relax_domain_level",
	};

	begin(r, "cpuset", '{');
	put_list(r, "cpus", "cpuset.cpus.effective");
	put(r, "cpu_exclusive", 0);
	put_list(r, "mems", "cpuset.mems.effective");
	for (size_t i = 0; i < sizeof(of_v1) / sizeof(of_v1[0]); i++)
		put(r, of_v1[i], 0);
	end(r, '}');
}

static void put_memory_entry(struct report *r, const char *key, uint64_t limit, uint64_t usage,
			     uint64_t max, uint64_t failures)
{
	begin(r, key, '{');
	put(r, "limit", limit);
	put_unless_0(r, "usage", usage);
	put_unless_0(r, "max", max);
	put(r, "failcnt", failures);
	end(r, '}');
}

/* Every line of memory.stat; in r->text. */
static void put_raw(struct report *r)
{
	char *rest = NULL;

	begin(r, "raw", '{');
	for (char *line = strtok_r(r->text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *blank = strchr(line, ' ');

		if (!blank || strpbrk(line, "\"\\"))
			continue;
		*blank = '\0';
		put(r, line, strtoull(blank + 1, NULL, 10));
	}
	end(r, '}');
}

static void put_memory(struct report *r)
{
	uint64_t usage = read_number(r, "memory.current", 0), limit = read_number(r, "memory.max", 0);
	uint64_t swap = read_number(r, "memory.swap.current", 0);
	uint64_t swap_limit = read_number(r, "memory.swap.max", 0);
	uint64_t peak = read_number(r, "memory.peak", 0);
	uint64_t hits = read_keyed(r, "memory.events", "max");
	uint64_t swap_hits = read_keyed(r, "memory.swap.events", "max");

	/* the words of v1: memory and swap together */
	if (swap_limit != UINT64_MAX)
		swap_limit = limit == UINT64_MAX ? UINT64_MAX : swap_limit + limit;
	begin(r, "memory", '{');
	if (!read_text(r, "memory.stat"))
		r->text[0] = '\0';
	put_unless_0(r, "cache", keyed(r, "file"));
	put_memory_entry(r, "usage", limit, usage, peak, hits);
	put_memory_entry(r, "swap", swap_limit, swap + usage, 0, swap_hits);
	put_memory_entry(r, "kernel", 0, 0, 0, 0);
	put_memory_entry(r, "kernelTCP", 0, 0, 0, 0);
	if (read_text(r, "memory.stat") && *r->text)
		put_raw(r);
	put_pressure(r, "memory.pressure");
	end(r, '}');
}

/* Without the controller the processes are counted, threads not. */
static uint64_t count_processes(int fd)
{
	_cleanup_free_ pid_t *pids = NULL;
	size_t count = 0;

	return cgroup_pids(fd, true, &pids, &count, NULL) < 0 ? 0 : count;
}

static void put_pids(struct report *r)
{
	uint64_t current = read_number(r, "pids.current", UINT64_MAX);
	uint64_t limit = read_number(r, "pids.max", 0);

	begin(r, "pids", '{');
	put_unless_0(r, "current", current == UINT64_MAX ? count_processes(r->fd) : current);
	put_unless_0(r, "limit", limit == UINT64_MAX ? 0 : limit);
	end(r, '}');
}

static void put_io_entry(struct report *r, unsigned int major, unsigned int minor, const char *op,
			 uint64_t value)
{
	fprintf(r->out, "%s{", r->comma ? "," : "");
	r->comma = false;
	put_unless_0(r, "major", major);
	put_unless_0(r, "minor", minor);
	put_key(r, "op");
	fprintf(r->out, "\"%s\"", op);
	put_unless_0(r, "value", value);
	end(r, '}');
}

/* "8:0 rbytes=180224 wbytes=0 rios=3 wios=0 dbytes=0 dios=0", a line each device: those of its words
 * that are in `words`. */
static void put_io_list(struct report *r, const char *key, const char *const words[3])
{
	static const char *const ops[] = { "Read", "Write", "Discard" };
	bool any = false;

	for (const char *line = r->text; line && *line; line = strchr(line, '\n')) {
		unsigned int major, minor;
		const char *stop;

		line += *line == '\n';
		stop = line + strcspn(line, "\n");
		if (sscanf(line, "%u:%u", &major, &minor) != 2)
			continue;
		for (size_t i = 0; i < 3; i++) {
			const char *word = strstr(line, words[i]);

			if (!word || word > stop)
				continue;
			if (!any)
				begin(r, key, '[');
			any = true;
			put_io_entry(r, major, minor, ops[i],
				     strtoull(word + strlen(words[i]), NULL, 10));
		}
	}
	if (any)
		end(r, ']');
}

static void put_io(struct report *r)
{
	static const char *const bytes[] = { " rbytes=", " wbytes=", " dbytes=" };
	static const char *const requests[] = { " rios=", " wios=", " dios=" };

	begin(r, "blkio", '{');
	if (read_text(r, "io.stat")) {
		put_io_list(r, "ioServiceBytesRecursive", bytes);
		put_io_list(r, "ioServicedRecursive", requests);
	}
	put_pressure(r, "io.pressure");
	end(r, '}');
}

/* Pages in use or reserved, of one size. */
static void put_page_size(struct report *r, const char *size)
{
	char file[64];
	uint64_t usage;

	snprintf(file, sizeof(file), "hugetlb.%s.rsvd.current", size);
	usage = read_number(r, file, UINT64_MAX);
	snprintf(file, sizeof(file), "hugetlb.%s.current", size);
	if (usage == UINT64_MAX)
		usage = read_number(r, file, 0);
	snprintf(file, sizeof(file), "hugetlb.%s.events", size);
	begin(r, size, '{');
	put_unless_0(r, "usage", usage);
	put(r, "failcnt", read_keyed(r, file, "max"));
	end(r, '}');
}

static void put_hugepages(struct report *r)
{
	int copy = openat(r->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	begin(r, "hugetlb", '{');
	while (dir && (entry = readdir(dir))) {
		char size[16], rest[16];

		if (sscanf(entry->d_name, "hugetlb.%15[0-9KMGTB].%15s", size, rest) == 2 &&
		    !strcmp(rest, "max"))
			put_page_size(r, size);
	}
	if (dir)
		closedir(dir);
	else if (copy >= 0)
		close(copy);
	end(r, '}');
}

void cgroup_report(int fd, FILE *out)
{
	struct report r = { .out = out, .fd = fd };

	put_cpu(&r);
	put_cpuset(&r);
	put_memory(&r);
	put_pids(&r);
	put_io(&r);
	put_hugepages(&r);
}
