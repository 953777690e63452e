/*
 * job_collect.c - files that a job left, copied out.
 */
#include "supervisor/job_collect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

#define DEPTH_MAX   64	    /* of folders: each holds an fd here */
#define ENTRIES_MAX 1000000 /* looked at in all */
#define CHUNK	    65536

/* The files taken so far: two patterns may match one. Open addressing, at most half full. */
struct seen {
	struct taken {
		dev_t dev;
		ino_t ino; /* 0: free */
	} * table;
	size_t room, count;
};

struct collecting {
	int to;
	struct seen seen;
	uint64_t left; /* bytes */
	size_t entries;
	struct job_collected *ret;
	char path[PATH_MAX]; /* below `to`: of what is being looked at */
};

static struct taken *find_seen(const struct seen *s, dev_t dev, ino_t ino)
{
	size_t i = (size_t)(ino * 0x9E3779B97F4A7C15ULL ^ dev) & (s->room - 1);

	while (s->table[i].ino && (s->table[i].ino != ino || s->table[i].dev != dev))
		i = (i + 1) & (s->room - 1);
	return &s->table[i];
}

/* 1: it was taken before. */
static int note_seen(struct seen *s, dev_t dev, ino_t ino)
{
	struct taken *at;

	if (s->count * 2 >= s->room) {
		struct seen more = { .room = s->room ? s->room * 2 : 64, .count = s->count };

		more.table = calloc(more.room, sizeof *more.table);
		if (!more.table)
			return -ENOMEM;
		for (size_t i = 0; i < s->room; i++)
			if (s->table[i].ino)
				*find_seen(&more, s->table[i].dev, s->table[i].ino) = s->table[i];
		free(s->table);
		*s = more;
	}
	at = find_seen(s, dev, ino);
	if (at->ino)
		return 1;
	*at = (struct taken){ dev, ino };
	s->count++;
	return 0;
}

/* One name in a folder of the job's: no link, no other mount, nothing that blocks. */
static int open_in_job(int dir, const char *name, int flags)
{
	struct open_how how = { .flags = (uint64_t)(O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
						    O_CLOEXEC | flags),
				.resolve =
					RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV };

	return (int)syscall(SYS_openat2, dir, name, &how, sizeof how);
}

int job_collect_open(const char *folder, struct err *e)
{
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
				.resolve = RESOLVE_NO_SYMLINKS };
	long fd = syscall(SYS_openat2, AT_FDCWD, folder, &how, sizeof how);

	if (fd < 0 && errno == ELOOP) {
		err_say(e, ELOOP, "collect: %.200s has a symbolic link in its path", folder);
		return err_fix(e, "give the path without it: realpath(1)");
	}
	if (fd < 0)
		return err_set(e, errno, "collect: cannot open the folder %.200s", folder);
	return (int)fd;
}

/* The folders of c->path made in `to`; *ret_name is its last name. */
static int make_parents(const struct collecting *c, const char **ret_name, struct err *e)
{
	int dir = fcntl(c->to, F_DUPFD_CLOEXEC, 0);
	const char *at = c->path, *slash;
	char name[NAME_MAX + 1];

	while (dir >= 0 && (slash = strchr(at, '/'))) {
		int next;

		snprintf(name, sizeof name, "%.*s", (int)(slash - at), at);
		if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST) {
			err_set(e, errno, "collect: cannot make the folder of %.200s", c->path);
			close(dir);
			return -e->error;
		}
		next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close(dir);
		dir = next;
		at = slash + 1;
	}
	*ret_name = at;
	return dir < 0 ? err_set(e, errno, "collect: the folder of %.200s", c->path) : dir;
}

/* Everybody who could write it is dead: its size is what it was. */
static int copy(int from, int to, uint64_t size)
{
	char data[CHUNK];

	while (size) {
		ssize_t n = read(from, data, size < sizeof data ? size : sizeof data);
		int r;

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		r = fd_write_all(to, data, (size_t)n);
		if (r < 0)
			return r;
		size -= (uint64_t)n;
	}
	return 0;
}

static int take_file(struct collecting *c, int from, const struct stat *st, struct err *e)
{
	const char *name = NULL;
	_cleanup_fd_ int dir = make_parents(c, &name, e), to = -EBADF;
	int n;

	if (dir < 0)
		return dir;
	/* What a former job's file was, or a link that somebody put there, is replaced. */
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return err_set(e, errno, "collect: cannot replace %.200s", c->path);
	to = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0644 | (st->st_mode & 0111));
	if (to < 0)
		return err_set(e, errno, "collect: cannot make %.200s", c->path);
	n = copy(from, to, (uint64_t)st->st_size);
	if (n < 0) {
		unlinkat(dir, name, 0);
		return err_set(e, -n, "collect: cannot copy %.200s", c->path);
	}
	c->left -= (uint64_t)st->st_size;
	c->ret->files++;
	c->ret->bytes += (uint64_t)st->st_size;
	return 0;
}

static int skip(struct collecting *c)
{
	c->ret->skipped++;
	return 0;
}

static int look_at_file(struct collecting *c, int dir, const char *name, struct err *e)
{
	_cleanup_fd_ int fd = open_in_job(dir, name, 0);
	struct stat st;
	int n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1)
		return skip(c);
	if ((uint64_t)st.st_size > c->left) {
		c->ret->truncated = true;
		return skip(c);
	}
	n = note_seen(&c->seen, st.st_dev, st.st_ino);
	if (n != 0)
		return n < 0 ? err_set(e, ENOMEM, "collect") : 0;
	return take_file(c, fd, &st, e);
}

static int match(struct collecting *c, int dir, const char *pattern, int depth, struct err *e);

/* One entry of a folder against the first name of the pattern. */
static int match_entry(struct collecting *c, int dir, const char *entry, const char *pattern,
		       int depth, struct err *e)
{
	size_t len = strcspn(pattern, "/"), used = strlen(c->path);
	bool any = len == 2 && strncmp(pattern, "**", 2) == 0, last = !pattern[len];
	char name[NAME_MAX + 1];
	_cleanup_fd_ int next = -EBADF;
	int n = 0;

	if (len >= sizeof name || used + strlen(entry) + 2 > sizeof c->path)
		return skip(c);
	snprintf(name, sizeof name, "%.*s", (int)len, pattern);
	if (!any && fnmatch(name, entry, FNM_PERIOD) != 0)
		return 0;
	snprintf(c->path + used, sizeof c->path - used, "%s%s", used ? "/" : "", entry);
	if (last && !any) {
		n = look_at_file(c, dir, entry, e);
	} else {
		next = open_in_job(dir, entry, O_DIRECTORY);
		if (next >= 0)
			n = match(c, next, any ? pattern : pattern + len + 1, depth + 1, e);
		else if (last)
			n = look_at_file(c, dir, entry, e);
	}
	c->path[used] = '\0';
	return n;
}

static int match(struct collecting *c, int dir, const char *pattern, int depth, struct err *e)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (!list || depth > DEPTH_MAX) {
		if (list)
			closedir(list);
		else if (fd >= 0)
			close(fd);
		return skip(c);
	}
	/* "**" is no folder, too. */
	if (strncmp(pattern, "**/", 3) == 0)
		n = match(c, dir, pattern + 3, depth + 1, e);
	while (n == 0 && (d = readdir(list))) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (++c->entries > ENTRIES_MAX) {
			c->ret->truncated = true;
			break;
		}
		n = match_entry(c, dir, d->d_name, pattern, depth, e);
	}
	closedir(list);
	return n;
}

int job_collect(int from, int to, const struct job *job, struct job_collected *ret, struct err *e)
{
	struct collecting c = { .to = to,
				.left = job->collect_bytes ? job->collect_bytes : JOB_COLLECT_BYTES,
				.ret = ret };
	int n = 0;

	for (size_t i = 0; n == 0 && i < job->collect_count; i++)
		n = match(&c, from, job->collect[i], 0, e);
	free(c.seen.table);
	return n;
}
