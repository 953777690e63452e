/*
 * tree.c - sizes of trees, and comparing two.
 *
 * Each level holds a descriptor or two: who calls has raised RLIMIT_NOFILE, or
 * is told where it ended.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/fd.h"
#include "base/host.h"
#include "image/apply-attr.h"
#include "image/tree.h"

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define BLOCK	     (128u << 10)

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

uint64_t tree_bytes(int dirfd, const char *name)
{
	struct dirent *d;
	struct stat st;
	uint64_t bytes = 0;
	DIR *dir;
	int fd;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (!S_ISDIR(st.st_mode))
		return S_ISREG(st.st_mode) ? st.st_size : 0;
	fd = openat(dirfd, name, FOLDER_FLAGS);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		fd_close(&fd);
		return 0;
	}
	while ((d = readdir(dir)) != NULL)
		if (!is_dots(d->d_name))
			bytes += tree_bytes(fd, d->d_name);
	closedir(dir);
	return bytes;
}

struct names {
	char **list;
	size_t count;
};

static void names_free(struct names *n)
{
	while (n->count > 0)
		free(n->list[--n->count]);
	free(n->list);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int names_add(struct names *n, const char *name)
{
	char **more;

	if ((n->count & (n->count - 1)) == 0) { /* full at each power of two */
		more = realloc(n->list, (n->count ? 2 * n->count : 1) * sizeof(*more));
		if (more == NULL)
			return -ENOMEM;
		n->list = more;
	}
	n->list[n->count] = strdup(name);
	if (n->list[n->count] == NULL)
		return -ENOMEM;
	n->count++;
	return 0;
}

static int names_read(int fd, struct names *n)
{
	int copy = openat(fd, ".", FOLDER_FLAGS), error = 0;
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *d;

	if (dir == NULL) {
		error = -errno;
		fd_close(&copy);
		return error;
	}
	while (!error && (errno = 0, d = readdir(dir)) != NULL)
		if (!is_dots(d->d_name))
			error = names_add(n, d->d_name);
	if (!error && errno)
		error = -errno;
	closedir(dir);
	if (!error && n->count)
		qsort(n->list, n->count, sizeof(*n->list), compare_names);
	return error;
}

struct comparison {
	char path[4200];   /* for people */
	char names[65536]; /* of xattrs */
	char *why, *blocks;
	bool by_user; /* not root of the host */
	struct err *e;
};

static int differs(struct comparison *c, const char *what)
{
	struct buf b = { .text = c->why, .size = TREE_DIFFERENCE_MAX };

	buf_reset(&b);
	buf_add(&b, what);
	buf_add(&b, ": ");
	buf_add_clean(&b, c->path[0] ? c->path : "/");
	return 0;
}

static int failed(struct comparison *c, int error)
{
	return err_set(c->e, -error, "cannot look at %.200s", c->path[0] ? c->path : "/");
}

/* The way to an object that must not be opened: of a device or a fifo that would have effects. */
static void way_to(int dir, const char *name, char text[300])
{
	snprintf(text, 300, "/proc/self/fd/%d/%s", dir, name);
}

/* Labels are the host's to give, and are left out of layers. Capabilities of files are a user's to give
 * in a namespace of his own, and there alone: his store may have been filled here or there. */
static bool is_left_out(const struct comparison *c, const char *name)
{
	return strncmp(name, "security.", 9) == 0 &&
	       (c->by_user || strcmp(name, "security.capability") != 0);
}

/* Are all xattrs of a there in b, with the same values? */
static int xattrs_within(struct comparison *c, const char *a, const char *b)
{
	char *name, *x = c->blocks, *y = c->blocks + BLOCK;
	ssize_t n = llistxattr(a, c->names, sizeof(c->names)), size, got;

	if (n < 0)
		return errno == ENOTSUP ? 1 : -errno;
	for (name = c->names; name < c->names + n; name += strlen(name) + 1) {
		if (is_left_out(c, name))
			continue;
		size = lgetxattr(a, name, x, BLOCK);
		if (size < 0)
			return -errno;
		got = lgetxattr(b, name, y, BLOCK);
		if (got < 0 && errno != ENODATA && errno != ERANGE)
			return -errno;
		if (got != size || memcmp(x, y, size) != 0)
			return 0;
	}
	return 1;
}

static int same_xattrs(struct comparison *c, int want, int have, const char *name)
{
	char a[300], b[300];
	int same;

	way_to(want, name, a);
	way_to(have, name, b);
	same = xattrs_within(c, a, b);
	if (same > 0)
		same = xattrs_within(c, b, a);
	if (same < 0)
		return failed(c, same);
	return same ? 1 : differs(c, "other xattrs");
}

/* In a user's store there may be files and folders that their owner cannot read: kist's modes are
 * the image's. When that goes for both, that is all that can be told. */
static bool both_closed(int a, int a_errno, int b, int b_errno)
{
	return a < 0 && b < 0 && a_errno == EACCES && b_errno == EACCES;
}

static int same_content(struct comparison *c, int want, int have, const char *name)
{
	int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	_cleanup_fd_ int a = openat(want, name, flags);
	int error = errno;
	_cleanup_fd_ int b = openat(have, name, flags);
	ssize_t n, m;

	if (both_closed(a, error, b, errno))
		return 1;
	if (a < 0 || b < 0)
		return failed(c, -errno);
	do {
		n = fd_read_full(a, c->blocks, BLOCK);
		m = fd_read_full(b, c->blocks + BLOCK, BLOCK);
		if (n < 0 || m < 0)
			return failed(c, n < 0 ? n : m);
		if (n != m || memcmp(c->blocks, c->blocks + BLOCK, n) != 0)
			return differs(c, "other content");
	} while (n > 0);
	return 1;
}

static int same_target(struct comparison *c, int want, int have, const char *name)
{
	ssize_t n = readlinkat(want, name, c->blocks, BLOCK);
	ssize_t m = readlinkat(have, name, c->blocks + BLOCK, BLOCK);

	if (n < 0 || m < 0)
		return failed(c, -errno);
	return n == m && memcmp(c->blocks, c->blocks + BLOCK, n) == 0
		       ? 1
		       : differs(c, "another target");
}

static int same_attributes(struct comparison *c, const struct stat *a, const struct stat *b)
{
	if ((a->st_mode & S_IFMT) != (b->st_mode & S_IFMT))
		return differs(c, "another type");
	if (a->st_mode != b->st_mode)
		return differs(c, "another mode");
	if (a->st_uid != b->st_uid || a->st_gid != b->st_gid)
		return differs(c, "another owner");
	if (!S_ISDIR(a->st_mode) && a->st_nlink != b->st_nlink)
		return differs(c, "more or fewer names");
	if (S_ISREG(a->st_mode) && a->st_size != b->st_size)
		return differs(c, "another size");
	if ((S_ISCHR(a->st_mode) || S_ISBLK(a->st_mode)) && a->st_rdev != b->st_rdev)
		return differs(c, "another device");
	if (!apply_is_whiteout(a) &&
	    (a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec))
		return differs(c, "another time");
	return 1;
}

static int same_folder(struct comparison *c, int want, int have);

static int same_inside(struct comparison *c, int want, int have, const char *name)
{
	_cleanup_fd_ int a = openat(want, name, FOLDER_FLAGS);
	int error = errno;
	_cleanup_fd_ int b = openat(have, name, FOLDER_FLAGS);

	if (both_closed(a, error, b, errno))
		return 1;
	return a < 0 || b < 0 ? failed(c, -errno) : same_folder(c, a, b);
}

static int same_object(struct comparison *c, int want, int have, const char *name)
{
	struct stat a, b;
	int same;

	if (fstatat(want, name, &a, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fstatat(have, name, &b, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(c, -errno);
	same = same_attributes(c, &a, &b);
	if (same > 0)
		same = same_xattrs(c, want, have, name);
	if (same > 0 && S_ISREG(a.st_mode))
		same = same_content(c, want, have, name);
	if (same > 0 && S_ISLNK(a.st_mode))
		same = same_target(c, want, have, name);
	if (same > 0 && S_ISDIR(a.st_mode))
		same = same_inside(c, want, have, name);
	return same;
}

static int same_names(struct comparison *c, const struct names *a, const struct names *b)
{
	size_t i;

	for (i = 0; i < a->count || i < b->count; i++) {
		int order = i == a->count ? 1 : i == b->count ? -1 : strcmp(a->list[i], b->list[i]);

		if (order == 0)
			continue;
		snprintf(c->path + strlen(c->path), sizeof(c->path) - strlen(c->path), "/%s",
			 order < 0 ? a->list[i] : b->list[i]);
		return differs(c, order < 0 ? "missing" : "not the image's");
	}
	return 1;
}

static int same_folder(struct comparison *c, int want, int have)
{
	struct names a = { 0 }, b = { 0 };
	size_t len = strlen(c->path), i;
	int same = names_read(want, &a);

	if (!same)
		same = names_read(have, &b);
	same = same ? failed(c, same) : same_names(c, &a, &b);
	for (i = 0; same > 0 && i < a.count; i++) {
		snprintf(c->path + len, sizeof(c->path) - len, "/%s", a.list[i]);
		same = same_object(c, want, have, a.list[i]);
		if (same > 0)
			c->path[len] = '\0';
	}
	names_free(&a);
	names_free(&b);
	return same;
}

int tree_same(int want, int have, char why[TREE_DIFFERENCE_MAX], struct err *e)
{
	_cleanup_free_ char *blocks = malloc(2 * BLOCK);
	_cleanup_free_ struct comparison *c = calloc(1, sizeof(*c));
	struct stat a, b;
	int same;

	if (blocks == NULL || c == NULL)
		return err_set(e, ENOMEM, "no memory to compare layers");
	c->why = why;
	c->blocks = blocks;
	c->by_user = geteuid() != 0 || host_in_user_namespace();
	c->e = e;
	if (fstat(want, &a) < 0 || fstat(have, &b) < 0)
		return err_set(e, errno, "cannot look at a layer");
	b.st_mtim = a.st_mtim; /* a root that no entry sets is as old as the folder */
	same = same_attributes(c, &a, &b);
	if (same > 0)
		same = same_xattrs(c, want, have, ".");
	return same > 0 ? same_folder(c, want, have) : same;
}
