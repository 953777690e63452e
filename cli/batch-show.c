/*
 * batch-show.c - a batch's progress on a terminal; processors parted among its slots.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/batch.h"
#include "runtime/cpu_list.h"

#define SHOW_EVERY_MS 100
#define BAR_WIDTH     30

/* --- progress -------------------------------------------------------------------------------- */

/* How many there are to be; 0: nobody knows. */
static size_t count_lines(int fd)
{
	char block[65536];
	size_t lines = 0;
	bool open_line = false;
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, block, sizeof block, at)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			lines += block[i] == '\n' && open_line;
			open_line = block[i] != '\n';
		}
		at += n;
	}
	return lines + open_line;
}

static void draw(const struct batch_lines *l, const struct batch_end *so_far, unsigned running)
{
	int64_t ms = clock_now_ms() - l->began;
	unsigned long long done = so_far->done;
	size_t filled = l->total ? (size_t)(done * BAR_WIDTH / l->total) : 0;
	char bar[BAR_WIDTH + 1], of[32] = "";

	if (filled > BAR_WIDTH)
		filled = BAR_WIDTH;
	memset(bar, ' ', BAR_WIDTH);
	memset(bar, '#', filled);
	bar[BAR_WIDTH] = '\0';
	if (l->total)
		snprintf(of, sizeof of, "/%zu", l->total);
	dprintf(STDERR_FILENO, "\r%s%s%s%llu%s done, %llu failed, %u running, %.1f/s\033[K",
		l->total ? "[" : "", l->total ? bar : "", l->total ? "] " : "", done, of,
		(unsigned long long)so_far->failed, running,
		ms > 0 ? (double)done * 1000 / (double)ms : 0.0);
}

static void show(void *user, const struct batch_end *so_far, unsigned running)
{
	struct batch_lines *l = user;
	int64_t now = clock_now_ms();

	if (now - l->shown < SHOW_EVERY_MS)
		return;
	l->shown = now;
	draw(l, so_far, running);
}

void batch_progress_begin(struct batch_lines *l, struct batch *b)
{
	if (l->request->quiet || !isatty(STDERR_FILENO))
		return;
	l->bar = true;
	l->total = l->is_file ? count_lines(l->fd) : 0;
	l->began = clock_now_ms();
	b->show = show;
}

void batch_progress_end(struct batch_lines *l, const struct batch_end *end)
{
	if (!l->bar)
		return;
	draw(l, end, 0);
	dprintf(STDERR_FILENO, "\n");
}

/* --- processors ------------------------------------------------------------------------------ */

static bool has_cpu(const struct cpu_list *list, const cpu_set_t *own, unsigned cpu)
{
	const unsigned bits = 8 * sizeof(unsigned long);

	if (!CPU_ISSET(cpu, own))
		return false;
	return !list->text || (cpu / 8 < list->bytes && (list->mask[cpu / bits] >> cpu % bits & 1));
}

static int refuse_cpus(unsigned slots, int have, struct err *e)
{
	err_say(e, EINVAL, "%u jobs at a time can't have processors of their own: there are %d",
		slots, have);
	return err_fix(e, "at most as many at a time: --jobs %d", have > 0 ? have : 1);
}

int batch_part_cpus(const char *text, unsigned slots, struct arena *a, const char *const **ret,
		    struct err *e)
{
	struct cpu_list list = { 0 };
	const char **of_slot = arena_array(a, slots, sizeof *of_slot);
	unsigned have = 0, each, slot = 0, given = 0;
	cpu_set_t own;

	if (text && cpu_list_parse(text, a, &list) < 0)
		return err_say(e, EINVAL,
			       "--cpuset: \"%.64s\" is no list of processors, like 0-3,7", text);
	if (sched_getaffinity(0, sizeof own, &own) < 0)
		return err_set(e, errno, "sched_getaffinity");
	for (unsigned cpu = 0; text && cpu < list.bytes * 8; cpu++)
		if (list.mask[cpu / (8 * sizeof(long))] >> cpu % (8 * sizeof(long)) & 1 &&
		    (cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &own)))
			return err_say(e, EINVAL,
				       "--cpuset: kist itself may not run on processor %u", cpu);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
		have += has_cpu(&list, &own, cpu);
	each = have / slots;
	if (each == 0)
		return refuse_cpus(slots, (int)have, e);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && slot < slots && of_slot; cpu++) {
		if (!has_cpu(&list, &own, cpu))
			continue;
		of_slot[slot] = of_slot[slot] ? arena_printf(a, "%s,%u", of_slot[slot], cpu)
					      : arena_printf(a, "%u", cpu);
		if (++given % each == 0)
			slot++;
	}
	*ret = of_slot;
	return arena_failed(a) ? err_set(e, ENOMEM, "--cpuset") : 0;
}
