/*
 * job-stats.c - kist job stats: what the jobs that run use, now or again and again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "cgroup/cgroup.h"
#include "cli/job.h"
#include "runtime/runtime.h"

#define EXIT_JOB_FAILED 125
#define INTERVAL_MS	1000

struct watched {
	struct watched *next;
	struct container c;
	int cgroup;	     /* -EBADF: it has none */
	int64_t started_ms;  /* CLOCK_REALTIME */
	int64_t seen_ms;     /* by clock_now_ms(): when cpu_us was read; 0: never */
	uint64_t cpu_us;
	bool there;	     /* in this turn */
	struct cgroup_stats now;
	double cpu_percent;
};

struct stats {
	int root;
	char *const *ids; /* NULL-terminated; empty: all */
	bool json;
	struct watched *all;
};

static bool is_job(int dir)
{
	_cleanup_json_ json_t *config = NULL;
	struct err ignored = ERR_INIT;

	return json_read_file(dir, "config.json", &config, &ignored) == 0 &&
	       json_object_get(json_object_get(config, "annotations"), JOB_ANNOTATION);
}

static void drop(struct watched *w)
{
	fd_close(&w->cgroup);
	container_close(&w->c);
	free(w);
}

/* 1: it is watched from now on. 0: no job, or none that runs. */
static int add(struct stats *s, const char *id, struct err *e)
{
	struct watched *w = calloc(1, sizeof *w);
	struct stat st;

	if (!w)
		return err_set(e, ENOMEM, "%s", id);
	w->c = (struct container)CONTAINER_INIT;
	w->cgroup = -EBADF;
	if (container_open(s->root, id, false, &w->c, e) < 0) {
		drop(w);
		return -e->error;
	}
	if ((w->c.status != STATUS_RUNNING && w->c.status != STATUS_PAUSED) || !is_job(w->c.dir)) {
		drop(w);
		return 0;
	}
	if (w->c.cgroup)
		w->cgroup = open(w->c.cgroup, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Its record is written just before its program runs. */
	if (fstatat(w->c.dir, "state.json", &st, AT_SYMLINK_NOFOLLOW) == 0)
		w->started_ms = st.st_mtim.tv_sec * 1000LL + st.st_mtim.tv_nsec / 1000000;
	w->next = s->all;
	s->all = w;
	return 1;
}

static bool is_known(const struct stats *s, const char *id)
{
	for (const struct watched *w = s->all; w; w = w->next)
		if (strcmp(w->c.id, id) == 0)
			return true;
	return false;
}

/* Those that began since. */
static int find_all(struct stats *s, struct err *e)
{
	int fd = openat(s->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return err_set(e, errno, "the state root");
	}
	while ((entry = readdir(dir))) {
		struct err gone = ERR_INIT;

		if (entry->d_name[0] != '.' && container_check_id(entry->d_name, NULL) == 0 &&
		    !is_known(s, entry->d_name))
			add(s, entry->d_name, &gone);
	}
	closedir(dir);
	return 0;
}

static int64_t real_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Of one processor since it was looked at last; the first time, of its life. */
static void measure(struct watched *w)
{
	struct pollfd end = { .fd = w->c.pidfd, .events = POLLIN };
	int64_t now = clock_now_ms(), ms = w->seen_ms ? now - w->seen_ms : real_ms() - w->started_ms;
	struct err ignored = ERR_INIT;
	uint64_t used;

	w->there = w->c.pidfd >= 0 && poll(&end, 1, 0) == 0;
	w->now = (struct cgroup_stats){ 0 };
	if (!w->there || w->cgroup < 0 || cgroup_stats_read(w->cgroup, &w->now, &ignored) < 0)
		return;
	used = cgroup_stat_get(&w->now, CGROUP_STAT_CPU_USAGE);
	w->cpu_percent = ms > 0 && used >= w->cpu_us
				 ? (double)(used - w->cpu_us) / 10.0 / (double)ms
				 : 0;
	w->cpu_us = used;
	w->seen_ms = now;
}

static const char *size_text(const struct cgroup_stats *s, enum cgroup_stat_bit bit, char text[16])
{
	static const char units[] = "BKMGT";
	double value = (double)cgroup_stat_get(s, bit);
	size_t unit = 0;

	if (!cgroup_stat_has(s, bit))
		return "-";
	if (s->value[bit] == CGROUP_STAT_UNLIMITED)
		return "max";
	for (; value >= 1024 && unit + 2 < sizeof units; unit++)
		value /= 1024;
	snprintf(text, 16, unit ? "%.1f%c" : "%.0f%c", value, units[unit]);
	return text;
}

static const char *count_text(const struct cgroup_stats *s, enum cgroup_stat_bit bit, char text[24])
{
	if (!cgroup_stat_has(s, bit))
		return "-";
	if (s->value[bit] == CGROUP_STAT_UNLIMITED)
		return "max";
	snprintf(text, 24, "%llu", (unsigned long long)s->value[bit]);
	return text;
}

static void print_row(const struct watched *w)
{
	char memory[16], limit[16], pids[24], most[24], cpu[16] = "-", both[40], tasks[64];
	int64_t ms = real_ms() - w->started_ms;

	if (cgroup_stat_has(&w->now, CGROUP_STAT_CPU_USAGE))
		snprintf(cpu, sizeof cpu, "%.1f%%", w->cpu_percent);
	snprintf(both, sizeof both, "%s / %s", size_text(&w->now, CGROUP_STAT_MEMORY_CURRENT, memory),
		 size_text(&w->now, CGROUP_STAT_MEMORY_MAX, limit));
	snprintf(tasks, sizeof tasks, "%s / %s", count_text(&w->now, CGROUP_STAT_PIDS_CURRENT, pids),
		 count_text(&w->now, CGROUP_STAT_PIDS_MAX, most));
	printf("%-24s  %8s  %-18s  %-12s  %7.1fs\n", w->c.id, cpu, both, tasks,
	       (double)(ms > 0 ? ms : 0) / 1000);
}

static void print_json(const struct watched *w)
{
	int64_t ms = real_ms() - w->started_ms;
	_cleanup_json_ json_t *o = json_pack("{s:s, s:I, s:o, s:o*}", "id", w->c.id, "running_ms",
					     (json_int_t)(ms > 0 ? ms : 0), "cpu_percent",
					     cgroup_stat_has(&w->now, CGROUP_STAT_CPU_USAGE)
						     ? json_real(w->cpu_percent)
						     : json_null(),
					     "stats", cgroup_stats_json(&w->now));
	_cleanup_free_ char *text = o ? json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;

	if (text)
		printf("%s\n", text);
}

/* Forgets those that are over. How many are there. */
static size_t show(struct stats *s, bool again)
{
	struct watched **at = &s->all;
	size_t count = 0;

	if (!s->json && again)
		printf(isatty(STDOUT_FILENO) ? "\033[H\033[J" : "\n");
	if (!s->json)
		printf("%-24s  %8s  %-18s  %-12s  %8s\n", "ID", "CPU", "MEMORY / LIMIT", "PIDS / LIMIT",
		       "RUNNING");
	while (*at) {
		struct watched *w = *at;

		measure(w);
		if (!w->there) {
			*at = w->next;
			drop(w);
			continue;
		}
		count++;
		if (s->json)
			print_json(w);
		else
			print_row(w);
		at = &w->next;
	}
	return count;
}

static int look(struct stats *s, bool stream, int64_t interval_ms, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && s->ids[i]; i++) {
		r = add(s, s->ids[i], e);
		if (r == 0)
			r = err_say(e, ESRCH, "%s is no job that runs", s->ids[i]);
	}
	if (stream && !s->json && isatty(STDOUT_FILENO))
		printf("\033[H\033[J");
	for (bool again = false; r >= 0; again = true) {
		if (!s->ids[0])
			r = find_all(s, e);
		if (r < 0 || (show(s, again) == 0 && s->ids[0]) || !stream)
			break;
		/* Who reads it is gone, or wants it now. */
		if (cli_flush())
			return -EPIPE;
		poll(NULL, 0, (int)interval_ms);
	}
	return r < 0 ? r : 0;
}

int command_job_stats(int argc, char **argv)
{
	static const struct command command = {
		"job stats",
		"[options] [ID...]",
		"show what jobs use, until they are over: those named, or all of this state root that run,\n"
		"detached, in the foreground, or of a batch.",
		0,
		-1,
		false,
		NULL
	};
	struct stats s = { .root = -EBADF };
	bool once = false;
	const char *interval = NULL;
	const struct option table[] = {
		{ "json", 0, OPTION_FLAG, &s.json, NULL, "one JSON object a job, a line each" },
		{ "no-stream", 0, OPTION_FLAG, &once, NULL, "once, instead of again and again" },
		{ "interval", 0, OPTION_TEXT, &interval, "TIME", "how often: 1s" },
	};
	int64_t interval_ms = INTERVAL_MS;
	struct err e = ERR_INIT;
	int status = 0, first = cli_parse(&command, table, 3, argc, argv, &status), r = 0;

	if (first < 0)
		return status ? EXIT_JOB_FAILED : 0;
	s.ids = argv + first;
	if (interval)
		r = job_parse_duration("--interval", interval, &interval_ms, &e);
	if (r == 0)
		r = cli_open_root(true, &s.root, &e);
	if (r == 0)
		r = look(&s, !once, interval_ms, &e);
	while (s.all) {
		struct watched *w = s.all;

		s.all = w->next;
		drop(w);
	}
	fd_close(&s.root);
	if (r < 0 && e.error)
		return cli_fail(&e, EXIT_JOB_FAILED);
	return r < 0 || cli_flush() ? EXIT_JOB_FAILED : 0;
}
