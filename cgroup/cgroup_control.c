/*
 * cgroup_control.c - what the verbs do with a cgroup that exists: open, kill,
 * freeze, wait.
 *
 * Works on a directory fd, so that a cgroup that was removed and made again
 * is never taken for the old one. Host side only; allocates.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "cgroup/cgroup.h"

#define KILL_ROUNDS    100 /* of the loop for kernels without cgroup.kill */
#define KILL_FREEZE_MS 2000

bool cgroup_kill_missing;

int cgroup_open(const struct host *h, const char *path, struct err *e)
{
	char full[sizeof(h->cgroup_mount) + CGROUP_PATH_MAX + 2];
	int fd;

	if ((size_t)snprintf(full, sizeof(full), "%s%s", h->cgroup_mount, path) >= sizeof(full))
		return err_set(e, ENAMETOOLONG, "cgroup %s", path);
	fd = open(full, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_set(e, errno, "open cgroup %s", full) : fd;
}

/* ---- cgroup.events ---- */

/* "populated" or "frozen": 0 or 1. The file offset is not used, so that poll(2) can go on. */
static int read_event(int events, const char *key, struct err *e)
{
	char text[256];
	const char *line;
	ssize_t n = pread(events, text, sizeof(text) - 1, 0);

	if (n < 0)
		return errno == ENODEV ? -ENODEV : err_set(e, errno, "read cgroup.events");
	text[n] = '\0';
	line = strstr(text, key);
	if (!line || line[strlen(key)] != ' ')
		return err_say(e, EPROTO, "cgroup.events has no \"%s\"", key);
	return line[strlen(key) + 1] == '1';
}

static int open_events(int fd, struct err *e)
{
	int events = openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC);

	if (events < 0 && (errno == ENOENT || errno == ENODEV))
		return err_set(e, ENOENT, "no cgroup.events (removed, or the root cgroup)");
	return events < 0 ? err_set(e, errno, "open cgroup.events") : events;
}

/* Waits until the event has that value; a removed cgroup is empty. The kernel wakes a poll for
 * POLLPRI at every change (cgroups(7)), so nothing here sleeps by the clock. */
static int wait_event(int fd, const char *key, int value, int timeout_ms, struct err *e)
{
	_cleanup_fd_ int events = open_events(fd, e);
	int64_t end = timeout_ms < 0 ? -1 : clock_now_ms() + timeout_ms;

	if (events < 0)
		return events;
	for (;;) {
		struct pollfd p = { .fd = events, .events = POLLPRI };
		int got = read_event(events, key, e);
		int left = clock_left_ms(end);

		if (got == value)
			return 0;
		if (got == -ENODEV)
			return value == 0 ? 0 : err_set(e, ENODEV, "the cgroup is gone");
		if (got < 0)
			return got;
		if (left == 0)
			return err_set(e, ETIMEDOUT, "waited %d ms for \"%s %d\" in cgroup.events",
				       timeout_ms, key, value);
		if (poll(&p, 1, left) < 0 && errno != EINTR)
			return err_set(e, errno, "poll cgroup.events");
	}
}

static int get_event(int fd, const char *key, struct err *e)
{
	_cleanup_fd_ int events = open_events(fd, e);
	int got = events < 0 ? events : read_event(events, key, e);

	return got == -ENODEV ? 0 : got;
}

int cgroup_is_frozen(int fd, struct err *e)
{
	return get_event(fd, "frozen", e);
}

int cgroup_is_populated(int fd, struct err *e)
{
	return get_event(fd, "populated", e);
}

int cgroup_wait_empty(int fd, int timeout_ms, struct err *e)
{
	int r = wait_event(fd, "populated", 0, timeout_ms, e);

	return r == -ENOENT ? 0 : r; /* removed: as empty as can be */
}

int cgroup_freeze(int fd, bool frozen, int timeout_ms, struct err *e)
{
	int r = file_write_at(fd, "cgroup.freeze", frozen ? "1" : "0");

	if (r < 0)
		return err_set(e, -r, "write cgroup.freeze");
	return wait_event(fd, "frozen", frozen, timeout_ms, e);
}

int cgroup_events_open(int fd, struct cgroup_events *ret, struct err *e)
{
	int life = open_events(fd, e);

	if (life < 0)
		return life;
	*ret = (struct cgroup_events){ .life = life,
				       .memory = openat(fd, "memory.events",
							O_RDONLY | O_CLOEXEC) };
	return 0;
}

void cgroup_events_close(struct cgroup_events *events)
{
	fd_close(&events->life);
	fd_close(&events->memory);
}

int cgroup_events_populated(const struct cgroup_events *events, struct err *e)
{
	int got = read_event(events->life, "populated", e);

	return got == -ENODEV ? 0 : got;
}

uint64_t cgroup_events_oom_kills(const struct cgroup_events *events)
{
	char text[512];
	ssize_t n = events->memory < 0 ? -1 : pread(events->memory, text, sizeof(text) - 1, 0);
	const char *line;

	if (n < 0)
		return 0;
	text[n] = '\0';
	line = strstr(text, "\noom_kill ");
	return line ? strtoull(line + strlen("\noom_kill "), NULL, 10) : 0;
}

/* ---- kill ---- */

/* Before Linux 5.14: while all is frozen nobody can fork or leave, so that the list is complete
 * and no id can be reused; the signals act when it thaws. Repeated for a freeze that came late. */
static int kill_by_freezing(int fd, struct err *e)
{
	for (int round = 0; round < KILL_ROUNDS; round++) {
		_cleanup_free_ pid_t *pids = NULL;
		size_t count = 0;
		int r;

		/* a process in uninterruptible sleep may never freeze: signal it anyway */
		r = cgroup_freeze(fd, true, KILL_FREEZE_MS, e);
		/* No file of a cgroup's: others, such as systemd, have removed it, so it was empty. */
		if (r == -ENOENT) {
			err_clear(e);
			return 0;
		}
		if (r < 0 && r != -ETIMEDOUT)
			return r;
		r = cgroup_pids(fd, true, &pids, &count, e);
		for (size_t i = 0; i < count; i++)
			kill(pids[i], SIGKILL);
		file_write_at(fd, "cgroup.freeze", "0");
		if (r < 0)
			return r;
		if (!count || !cgroup_wait_empty(fd, KILL_FREEZE_MS, e))
			return 0;
	}
	return err_set(e, EBUSY, "processes in the cgroup do not die");
}

int cgroup_kill(int fd, struct err *e)
{
	int r = cgroup_kill_missing ? -ENOENT : file_write_at(fd, "cgroup.kill", "1");

	if (r >= 0)
		return 0;
	return r == -ENOENT ? kill_by_freezing(fd, e) : err_set(e, -r, "write cgroup.kill");
}
