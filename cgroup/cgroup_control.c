/*
 * cgroup_control.c - what the verbs do with a cgroup that exists: open, kill,
 * freeze, wait, list.
 *
 * Works on a directory fd, so that a cgroup that was removed and made again
 * is never taken for the old one. Host side only; allocates.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/fd.h"
#include "cgroup/cgroup.h"

#define KILL_ROUNDS    100 /* of the loop for kernels without cgroup.kill */
#define KILL_FREEZE_MS 2000
#define DEPTH_MAX      64 /* of cgroups below a container's */

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

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

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
	int64_t end = now_ms() + timeout_ms;

	if (events < 0)
		return events;
	for (;;) {
		struct pollfd p = { .fd = events, .events = POLLPRI };
		int got = read_event(events, key, e);
		int64_t left = timeout_ms < 0 ? -1 : end - now_ms();

		if (got == value)
			return 0;
		if (got == -ENODEV)
			return value == 0 ? 0 : err_set(e, ENODEV, "the cgroup is gone");
		if (got < 0)
			return got;
		if (timeout_ms >= 0 && left <= 0)
			return err_set(e, ETIMEDOUT, "waited %d ms for \"%s %d\" in cgroup.events",
				       timeout_ms, key, value);
		if (poll(&p, 1, left > INT_MAX ? INT_MAX : (int)left) < 0 && errno != EINTR)
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

/* ---- walking the cgroups below ---- */

/* Calls visit for every child cgroup of fd, deepest first when `visit` removes it. */
static int
each_child(int fd, int (*visit)(int parent, const char *name, int depth, void *user, struct err *e),
	   int depth, void *user, struct err *e)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	struct dirent *entry;
	DIR *dir;

	if (copy < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : err_set(e, errno, "open cgroup");
	dir = fdopendir(copy);
	if (!dir) {
		r = err_set(e, errno, "list cgroup");
		close(copy);
		return r;
	}
	while (r >= 0 && (entry = readdir(dir)))
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") &&
		    strcmp(entry->d_name, ".."))
			r = visit(fd, entry->d_name, depth, user, e);
	closedir(dir);
	return r;
}

/* A copy of the name of some cgroup below fd; NULL: there is none, or (*ret_r < 0) no telling. */
static char *find_child(int fd, int *ret_r, struct err *e)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	char *name = NULL;

	*ret_r = 0;
	if (!dir) {
		if (errno != ENOENT && errno != ENODEV)
			*ret_r = err_set(e, errno, "list cgroup");
		fd_close(&copy);
		return NULL;
	}
	while (!name && (entry = readdir(dir)))
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") &&
		    strcmp(entry->d_name, "..")) {
			name = strdup(entry->d_name);
			if (!name)
				*ret_r = err_set(e, ENOMEM, "list cgroup");
		}
	closedir(dir);
	return name;
}

/* From the top down to here. */
struct descent {
	char **names;
	size_t depth, room;
};

static int enter_child(int *cgroup, char *name, struct descent *d, struct err *e)
{
	int fd;

	if (d->depth == d->room) {
		size_t room = d->room ? 2 * d->room : 64;
		char **more = reallocarray(d->names, room, sizeof(*more));

		if (!more) {
			free(name);
			return err_set(e, ENOMEM, "cgroups in cgroups");
		}
		d->names = more;
		d->room = room;
	}
	d->names[d->depth++] = name;
	fd = openat(*cgroup, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) { /* gone by itself */
		free(d->names[--d->depth]);
		return 0;
	}
	if (fd < 0)
		return err_set(e, errno, "open cgroup %s", name);
	fd_close(cgroup);
	*cgroup = fd;
	return 0;
}

static int leave_child(int *cgroup, struct descent *d, struct err *e)
{
	_cleanup_free_ char *name = d->names[--d->depth];
	int fd = openat(*cgroup, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_set(e, errno, "open the cgroup above %s", name);
	fd_close(cgroup);
	*cgroup = fd;
	if (unlinkat(fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_set(e, errno, "rmdir cgroup %s", name);
	return 0;
}

/* A container that may make cgroups may nest them as deep as it likes: so the way is kept in memory,
 * not on the stack, and one fd is enough. Nothing moves a cgroup, so ".." is where we came from. */
int cgroup_remove_children(int fd, struct err *e)
{
	_cleanup_fd_ int cgroup = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct descent d = { 0 };
	int r = 0;

	if (cgroup < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : err_set(e, errno, "open cgroup");
	while (r >= 0) {
		char *name = find_child(cgroup, &r, e);

		if (name)
			r = enter_child(&cgroup, name, &d, e);
		else if (r >= 0 && d.depth)
			r = leave_child(&cgroup, &d, e);
		else
			break;
	}
	while (d.depth)
		free(d.names[--d.depth]);
	free(d.names);
	return r;
}

struct pid_list {
	pid_t *pids;
	size_t count, room;
};

static int add_pid(struct pid_list *list, pid_t pid, struct err *e)
{
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		pid_t *more = reallocarray(list->pids, room, sizeof(*more));

		if (!more)
			return err_set(e, ENOMEM, "process list");
		list->pids = more;
		list->room = room;
	}
	list->pids[list->count++] = pid;
	return 0;
}

static int read_procs(int fd, struct pid_list *list, struct err *e)
{
	int file = openat(fd, "cgroup.procs", O_RDONLY | O_CLOEXEC), r = 0;
	_cleanup_stream_ FILE *stream = file < 0 ? NULL : fdopen(file, "r");
	char line[32];

	if (!stream)
		return errno == ENOENT ? 0 : err_set(e, errno, "open cgroup.procs");
	/* a threaded cgroup answers EOPNOTSUPP, its processes are listed above it; 0 is a process
	 * outside this pid namespace */
	while (r >= 0 && fgets(line, sizeof(line), stream)) {
		long pid = strtol(line, NULL, 10);

		if (pid > 0)
			r = add_pid(list, (pid_t)pid, e);
	}
	return r;
}

static int list_child(int parent, const char *name, int depth, void *user, struct err *e)
{
	_cleanup_fd_ int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_set(e, errno, "open cgroup %s", name);
	if (depth > DEPTH_MAX)
		return err_set(e, ELOOP, "cgroups nested deeper than %d", DEPTH_MAX);
	r = read_procs(fd, user, e);
	return r < 0 ? r : each_child(fd, list_child, depth + 1, user, e);
}

int cgroup_pids(int fd, bool recursive, pid_t **ret, size_t *ret_count, struct err *e)
{
	struct pid_list list = { 0 };
	int r = read_procs(fd, &list, e);

	if (r >= 0 && recursive)
		r = each_child(fd, list_child, 0, &list, e);
	if (r < 0) {
		free(list.pids);
		return r;
	}
	*ret = list.pids;
	*ret_count = list.count;
	return 0;
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
