/*
 * events.c - what a container uses, now or again and again, and when the
 * kernel kills in it for want of memory: runc's records, one JSON object a
 * line.
 *
 * The kernel says when something changes (POLLPRI on cgroup files); the clock
 * is asked for the interval alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cgroup/cgroup.h"
#include "net/counters.h"
#include "net/direct.h"
#include "runtime/live.h"

static void add_interface(FILE *out, const struct net_counters *c)
{
	fprintf(out,
		"{\"Name\":\"%s\",\"RxBytes\":%" PRIu64 ",\"RxPackets\":%" PRIu64 ",\"RxErrors\":%" PRIu64
		",\"RxDropped\":%" PRIu64 ",\"TxBytes\":%" PRIu64 ",\"TxPackets\":%" PRIu64
		",\"TxErrors\":%" PRIu64 ",\"TxDropped\":%" PRIu64 "}",
		c->name, c->rx_bytes, c->rx_packets, c->rx_errors, c->rx_dropped, c->tx_bytes,
		c->tx_packets, c->tx_errors, c->tx_dropped);
}

/* The interfaces of the container's own network namespace, but for lo; null: none. */
static void add_interfaces(const struct container *c, FILE *out)
{
	json_int_t namespaces = json_integer_value(json_object_get(c->state, "namespaces"));
	_cleanup_stream_ FILE *stream = NULL;
	struct net_counters counters;
	char path[40], line[512];
	int count = 0;

	snprintf(path, sizeof path, "/proc/%d/net/dev", (int)c->pid);
	if (c->pid > 0 && (namespaces & CLONE_NEWNET))
		stream = fopen(path, "re");
	while (stream && fgets(line, sizeof line, stream)) {
		if (!net_counters_parse(line, &counters) || strcmp(counters.name, "lo") == 0 ||
		    strpbrk(counters.name, "\"\\")) /* which JSON would have to quote */
			continue;
		direct_complete(c->pid, &counters);
		fputc(count++ ? ',' : '[', out);
		add_interface(out, &counters);
	}
	fputs(count ? "]" : "null", out);
}

static int emit(int out, const char *text, size_t size, struct err *e)
{
	int r = fd_write_all(out, text, size);

	return r < 0 ? err_set(e, -r, "cannot write the record") : 0;
}

static int emit_stats(const struct container *c, int cgroup, int out, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return err_set(e, ENOMEM, "the record");
	fprintf(stream, "{\"type\":\"stats\",\"id\":\"%s\",\"data\":{", c->id);
	cgroup_report(cgroup, stream);
	fputs(",\"intel_rdt\":{},\"network_interfaces\":", stream);
	add_interfaces(c, stream);
	fputs("}}\n", stream);
	if (fclose(stream) != 0)
		return err_set(e, ENOMEM, "the record");
	return emit(out, text, size, e);
}

static int emit_oom(const struct container *c, int out, struct err *e)
{
	char text[CONTAINER_ID_MAX + 64];
	int n = snprintf(text, sizeof text, "{\"type\":\"oom\",\"id\":\"%s\"}\n", c->id);

	return emit(out, text, (size_t)n, e);
}

/* Until nothing lives in the cgroup, or nobody reads any more. */
static int watch(const struct container *c, int cgroup, const struct cgroup_events *events,
		 int64_t interval_ms, int out, struct err *e)
{
	uint64_t kills = cgroup_events_oom_kills(events);
	int64_t next = clock_now_ms() + interval_ms;

	for (;;) {
		struct pollfd p[] = { { .fd = events->life, .events = POLLPRI },
				      { .fd = events->memory, .events = POLLPRI },
				      { .fd = out } };
		/* Read first: what happened before this read raises no POLLPRI after it. */
		int alive = cgroup_events_populated(events, e);
		uint64_t now_killed = cgroup_events_oom_kills(events);
		int left = clock_left_ms(next);
		int r = 0;

		if (now_killed > kills)
			r = emit_oom(c, out, e);
		kills = now_killed > kills ? now_killed : kills;
		if (r == 0 && alive > 0 && left == 0) {
			r = emit_stats(c, cgroup, out, e);
			next = clock_now_ms() + interval_ms;
			left = clock_left_ms(next);
		}
		if (r < 0 || alive <= 0)
			return r < 0 ? r : alive;
		if (poll(p, 3, left) < 0 && errno != EINTR)
			return err_set(e, errno, "poll");
		if (p[2].revents & POLLERR)
			return 0;
	}
}

int runtime_events(int root, const char *id, int64_t interval_ms, int out, struct err *e)
{
	struct cgroup_events events = { -EBADF, -EBADF };
	_cleanup_container_ struct container c = CONTAINER_INIT;
	_cleanup_fd_ int cgroup = -EBADF;
	int r = container_open(root, id, false, &c, e);

	if (r < 0)
		return r;
	if (c.pidfd < 0)
		return err_say(e, ESRCH, "container with id %.64s is not running", id);
	cgroup = container_open_cgroup(&c, e);
	if (cgroup < 0)
		return cgroup;
	if (interval_ms <= 0)
		return emit_stats(&c, cgroup, out, e);
	r = cgroup_events_open(cgroup, &events, e);
	if (r == 0)
		r = watch(&c, cgroup, &events, interval_ms, out, e);
	cgroup_events_close(&events);
	return r;
}
