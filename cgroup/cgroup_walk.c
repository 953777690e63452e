/*
 * cgroup_walk.c - the cgroups below one: their processes, and their removal.
 *
 * A container that may make cgroups may nest them as deep as it likes, and change them meanwhile.
 * So the way is kept in memory, not on the stack, and one fd is enough: nothing moves a cgroup, so
 * ".." is where we came from.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "cgroup/cgroup.h"

/* The cgroups below one that is on the way, and how many of them are done. */
struct level {
	char **names;
	size_t count, room, next;
};
struct way {
	struct level *levels; /* from the top down to here */
	size_t depth, room;
};

static int no_memory(struct err *e)
{
	return err_set(e, ENOMEM, "list cgroups");
}

static int add_name(struct level *l, const char *name, struct err *e)
{
	char *copy = strdup(name);

	if (copy && l->count == l->room) {
		size_t room = l->room ? 2 * l->room : 8;
		char **more = reallocarray(l->names, room, sizeof(*more));

		if (!more) {
			free(copy);
			return no_memory(e);
		}
		l->names = more;
		l->room = room;
	}
	if (!copy)
		return no_memory(e);
	l->names[l->count++] = copy;
	return 0;
}

static void free_level(struct level *l)
{
	while (l->count)
		free(l->names[--l->count]);
	free(l->names);
}

/* What is gone by now is empty. */
static int read_names(int cgroup, struct level *l, struct err *e)
{
	int copy = openat(cgroup, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!dir) {
		r = errno == ENOENT || errno == ENODEV ? 0 : err_set(e, errno, "list cgroup");
		fd_close(&copy);
		return r;
	}
	while (errno = 0, r >= 0 && (entry = readdir(dir)))
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") &&
		    strcmp(entry->d_name, ".."))
			r = add_name(l, entry->d_name, e);
	if (r >= 0 && errno && errno != ENOENT && errno != ENODEV)
		r = err_set(e, errno, "list cgroup");
	closedir(dir);
	return r;
}

/* One level more: what is below the cgroup that was entered. */
static int go_down(int cgroup, struct way *w, struct err *e)
{
	if (w->depth == w->room) {
		size_t room = w->room ? 2 * w->room : 16;
		struct level *more = reallocarray(w->levels, room, sizeof(*more));

		if (!more)
			return no_memory(e);
		w->levels = more;
		w->room = room;
	}
	w->levels[w->depth++] = (struct level){ 0 };
	return read_names(cgroup, &w->levels[w->depth - 1], e);
}

/* Back to the cgroup above; with `remove`, without the one we were in. */
static int go_up(int *cgroup, struct way *w, bool remove, struct err *e)
{
	struct level *above;
	const char *name;
	int fd;

	free_level(&w->levels[--w->depth]);
	if (!w->depth)
		return 0;
	above = &w->levels[w->depth - 1];
	name = above->names[above->next - 1];
	fd = openat(*cgroup, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "open the cgroup above %s", name);
	fd_close(cgroup);
	*cgroup = fd;
	if (remove && unlinkat(fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_set(e, errno, "rmdir cgroup %s", name);
	return 0;
}

/* Every cgroup below fd: visited (NULL: not) on the way down, removed on the way up. */
static int walk(int fd, int (*visit)(int cgroup, void *user, struct err *e), void *user,
		bool remove, struct err *e)
{
	_cleanup_fd_ int cgroup = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct way w = { 0 };
	int r;

	if (cgroup < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : err_set(e, errno, "open cgroup");
	r = go_down(cgroup, &w, e);
	while (r >= 0 && w.depth) {
		struct level *here = &w.levels[w.depth - 1];
		int below;

		if (here->next == here->count) {
			r = go_up(&cgroup, &w, remove, e);
			continue;
		}
		below = openat(cgroup, here->names[here->next++],
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below < 0) {
			r = errno == ENOENT || errno == ENODEV
				    ? 0
				    : err_set(e, errno, "open cgroup %s",
					      here->names[here->next - 1]);
			continue;
		}
		fd_close(&cgroup);
		cgroup = below;
		r = visit ? visit(cgroup, user, e) : 0;
		if (r >= 0)
			r = go_down(cgroup, &w, e);
	}
	while (w.depth)
		free_level(&w.levels[--w.depth]);
	free(w.levels);
	return r;
}

int cgroup_remove_children(int fd, struct err *e)
{
	return walk(fd, NULL, NULL, true, e);
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

static int read_procs(int fd, void *user, struct err *e)
{
	struct pid_list *list = user;
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

int cgroup_pids(int fd, bool recursive, pid_t **ret, size_t *ret_count, struct err *e)
{
	struct pid_list list = { 0 };
	int r = read_procs(fd, &list, e);

	if (r >= 0 && recursive)
		r = walk(fd, read_procs, &list, false, e);
	if (r < 0) {
		free(list.pids);
		return r;
	}
	*ret = list.pids;
	*ret_count = list.count;
	return 0;
}
