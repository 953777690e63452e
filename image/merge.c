/*
 * merge.c - the walk.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "base/arena.h"
#include "base/fd.h"
#include "base/path.h"
#include "image/apply-attr.h"
#include "image/manifest.h"
#include "image/merge.h"
#include "image/owner-xattr.h"
#include "image/store-layout.h"

#define XATTR_NAMES_MAX 65536 /* the kernel's own limit: XATTR_LIST_MAX */
#define COPY_BLOCK	(1u << 20)

struct link { /* the first name of an inode that has several */
	dev_t dev;
	ino_t ino;
	char *path;
};

struct merge {
	const struct merge_options *o;
	struct arena arena; /* of links */
	struct link *links; /* open addressing; a power of two */
	size_t link_count, link_room;
	char path[APPLY_PATH_MAX + 1];
	size_t len;
	char names[XATTR_NAMES_MAX];
	struct err *e;
};

struct name { /* of one folder, in one layer */
	char *text;
	size_t layer; /* index into the level's fds */
};

struct level {			      /* one folder of the merged view */
	int fds[MANIFEST_LAYERS_MAX]; /* top first */
	size_t count;
};

static size_t link_place(const struct merge *m, const struct stat *st)
{
	size_t i = (st->st_ino * 0x9E3779B97F4A7C15ull ^ st->st_dev) & (m->link_room - 1);

	while (m->links[i].path && (m->links[i].ino != st->st_ino || m->links[i].dev != st->st_dev))
		i = (i + 1) & (m->link_room - 1);
	return i;
}

static int grow_links(struct merge *m)
{
	size_t i, old_room = m->link_room;
	struct link *old = m->links;

	m->link_room = old_room ? 2 * old_room : 1024;
	m->links = calloc(m->link_room, sizeof(*m->links));
	if (m->links == NULL) {
		m->links = old;
		m->link_room = old_room;
		return err_set(m->e, ENOMEM, "no memory for hard links");
	}
	for (i = 0; i < old_room; i++) {
		struct stat st = { .st_dev = old[i].dev, .st_ino = old[i].ino };

		if (old[i].path)
			m->links[link_place(m, &st)] = old[i];
	}
	free(old);
	return 0;
}

/* The name that this inode had before, or NULL: then it is known from now on. */
static int known_link(struct merge *m, const struct stat *st, const char **ret)
{
	size_t at;

	*ret = NULL;
	if (st->st_nlink < 2 || S_ISDIR(st->st_mode))
		return 0;
	if (2 * (m->link_count + 1) > m->link_room && grow_links(m))
		return -m->e->error;
	at = link_place(m, st);
	*ret = m->links[at].path;
	if (*ret)
		return 0;
	m->links[at] = (struct link){ st->st_dev, st->st_ino, arena_strdup(&m->arena, m->path) };
	m->link_count++;
	return m->links[at].path ? 0 : err_set(m->e, ENOMEM, "no memory for hard links");
}

static int compare_names(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	int order = strcmp(x->text, y->text);

	return order ? order : (x->layer > y->layer) - (x->layer < y->layer);
}

static int add_name(struct name **names, size_t *count, size_t *room, char *text, size_t layer)
{
	if (*count == *room) {
		size_t more = *room ? 2 * *room : 64;
		struct name *list = realloc(*names, more * sizeof(*list));

		if (list == NULL)
			return -ENOMEM;
		*names = list;
		*room = more;
	}
	(*names)[(*count)++] = (struct name){ text, layer };
	return text ? 0 : -ENOMEM;
}

static int read_names_of(struct merge *m, int fd, size_t layer, struct arena *a,
			 struct name **names, size_t *count, size_t *room)
{
	DIR *dir = store_open_folder(fd, ".");
	struct dirent *d;
	int error = 0;

	if (dir == NULL)
		return err_set(m->e, errno, "cannot read the folder /%s", m->path);
	while (!error) {
		errno = 0;
		d = readdir(dir);
		if (d == NULL) {
			error = -errno;
			break;
		}
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			error = add_name(names, count, room, arena_strdup(a, d->d_name), layer);
	}
	closedir(dir);
	return error ? err_set(m->e, -error, "cannot read the folder /%s", m->path) : 0;
}

static void take_owner(const struct layer_xattr *x, struct layer_entry *entry)
{
	uint32_t uid, gid;

	if (owner_xattr_decode(x->value, x->size, &uid, &gid)) {
		entry->uid = uid;
		entry->gid = gid;
	}
}

/* All xattrs of dirfd/name (or of dirfd itself), in one piece of memory. */
static int read_xattrs(struct merge *m, int dirfd, const char *name, struct layer_entry *entry,
		       struct arena *a)
{
	char path[32 + NAME_MAX + 2], fd_path[32];
	struct layer_xattr *x;
	ssize_t size, got;
	char *at;

	snprintf(path, sizeof(path), "%s/%s", path_of_fd(dirfd, fd_path), name);
	size = llistxattr(path, m->names, sizeof(m->names));
	if (size < 0 && (errno == ENOTSUP || errno == ENOENT))
		return 0;
	if (size < 0)
		return err_set(m->e, errno, "cannot read the xattrs of /%s", m->path);
	x = arena_array(a, APPLY_XATTRS_MAX, size ? sizeof(*x) : 1);
	for (at = m->names; x && at < m->names + size; at += strlen(at) + 1) {
		/* overlayfs's own are no part of what it shows */
		if (strncmp(at, "trusted.overlay.", 16) == 0 ||
		    strncmp(at, "user.overlay.", 13) == 0 || strcmp(at, "security.selinux") == 0)
			continue;
		if (entry->xattr_count == APPLY_XATTRS_MAX)
			return err_say(m->e, E2BIG, "/%s has more than %d xattrs", m->path,
				       APPLY_XATTRS_MAX);
		got = lgetxattr(path, at, NULL, 0);
		if (got >= 0) {
			void *value = arena_alloc(a, got + 1);

			got = value ? lgetxattr(path, at, value, got) : -1;
			x[entry->xattr_count] =
				(struct layer_xattr){ arena_strdup(a, at), value, got };
		}
		if (got < 0 && errno != ENODATA && errno != ERANGE)
			return err_set(m->e, errno, "cannot read the xattr %.64s of /%s", at,
				       m->path);
		/* a layer unpacked without root: how the image has it */
		if (got >= 0 && m->o->as != APPLY_ROOT && strcmp(at, OWNER_XATTR) == 0) {
			take_owner(&x[entry->xattr_count], entry);
			continue;
		}
		entry->xattr_count += got >= 0;
	}
	entry->xattrs = x;
	return a->failed ? err_set(m->e, ENOMEM, "no memory for xattrs") : 0;
}

/* What is at dirfd/name, handed on. */
static int hand_on(struct merge *m, int dirfd, const char *name, const struct stat *st)
{
	char target[PATH_MAX];
	struct layer_entry entry = {
		.path = m->path[0] ? m->path : ".",
		.mode = st->st_mode,
		.uid = m->o->as == APPLY_SINGLE ? 0 : st->st_uid,
		.gid = m->o->as == APPLY_SINGLE ? 0 : st->st_gid,
		.mtime = st->st_mtim,
		.rdev = st->st_rdev,
	};
	_cleanup_fd_ int fd = -EBADF;
	struct arena a = ARENA_INIT;
	ssize_t n;
	int error = known_link(m, st, &entry.hardlink);

	if (!error && !entry.hardlink)
		error = read_xattrs(m, dirfd, name, &entry, &a);
	if (!error && S_ISLNK(st->st_mode) && !entry.hardlink) {
		n = readlinkat(dirfd, name, target, sizeof(target) - 1);
		if (n < 0)
			error = err_set(m->e, errno, "cannot read the symlink /%s", m->path);
		target[n < 0 ? 0 : n] = '\0';
		entry.symlink = target;
	}
	if (!error && S_ISREG(st->st_mode) && !entry.hardlink) {
		/* O_NONBLOCK: in a container that runs it may have become a fifo */
		fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd < 0)
			error = err_set(m->e, errno, "cannot open /%s", m->path);
	}
	if (!error)
		error = m->o->each(m->o->user, &entry, fd, st->st_size, m->e);
	arena_free(&a);
	return error ? err_wrap(m->e, "/%s", m->path) : 0;
}

/* Of as_layer: "in/.wh.NAME", or with name NULL "in/.wh..wh..opq". */
static int hand_on_hiding(struct merge *m, const char *in, const char *name)
{
	struct layer_entry entry = { .mode = S_IFREG };
	char path[APPLY_PATH_MAX + 1];
	int n = snprintf(path, sizeof(path), "%s%s.wh.%s", in, in[0] ? "/" : "",
			 name ? name : ".wh..opq");

	if (n < 0 || (size_t)n >= sizeof(path))
		return err_say(m->e, ENAMETOOLONG, "a path is over %d bytes", APPLY_PATH_MAX);
	entry.path = path;
	return m->o->each(m->o->user, &entry, -EBADF, 0, m->e);
}

/* The whiteout m->path. */
static int hand_on_whiteout(struct merge *m)
{
	char *slash = strrchr(m->path, '/');
	int error;

	if (slash == NULL)
		return hand_on_hiding(m, "", m->path);
	*slash = '\0';
	error = hand_on_hiding(m, m->path, slash + 1);
	*slash = '/';
	return error;
}

/* A mount in the folder that is looked at: shown, but not entered. 1 or 0, or -errno. */
static int is_mount(const struct merge *m, int dirfd, const char *name)
{
	struct statx x;

	if (!m->o->plain)
		return 0;
	if (statx(dirfd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, &x) < 0)
		return err_set(m->e, errno, "cannot look at /%s", m->path);
	return !!(x.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* 1 or 0, or -errno: what an opaque folder hides must not come back because it can't be asked. */
static int is_opaque(const struct merge *m, int fd)
{
	char value[2];
	ssize_t n;

	if (m->o->plain)
		return 0;
	n = fgetxattr(fd, apply_opaque_xattr(m->o->as == APPLY_ROOT), value, sizeof(value));
	if (n < 0 && errno != ENODATA && errno != ENOTSUP && errno != ERANGE)
		return err_set(m->e, errno, "cannot read the xattrs of /%s", m->path);
	return n == 1 && value[0] == 'y';
}

static void close_level(struct level *l)
{
	while (l && l->count > 0)
		close(l->fds[--l->count]);
	free(l);
}

/* The folders that are joined under one name, the topmost first, down to an opaque one or to what
 * is no folder. */
static int open_level(struct merge *m, const struct level *parent, const struct name *names,
		      size_t count, struct level **ret, bool *ret_opaque)
{
	struct level *l = calloc(1, sizeof(*l));
	struct stat st = { 0 };
	int end = 0;
	size_t i;

	if (l == NULL)
		return err_set(m->e, ENOMEM, "no memory for a folder");
	for (i = 0; i < count && end == 0; i++) {
		int dirfd = parent->fds[names[i].layer], fd;

		if (i > 0 && fstatat(dirfd, names[i].text, &st, AT_SYMLINK_NOFOLLOW) < 0)
			end = err_set(m->e, errno, "cannot look at /%s", m->path);
		else if (i > 0 && !S_ISDIR(st.st_mode))
			end = 1;
		if (end)
			break;
		fd = openat(dirfd, names[i].text,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0) {
			end = err_set(m->e, errno, "cannot open the folder /%s", m->path);
			break;
		}
		l->fds[l->count++] = fd;
		end = is_opaque(m, fd);
	}
	if (end < 0) {
		close_level(l);
		return end;
	}
	*ret = l;
	*ret_opaque = end > 0;
	return 0;
}

static int walk(struct merge *m, const struct level *level);

static int one_name(struct merge *m, const struct level *level, const struct name *names,
		    size_t count)
{
	int dirfd = level->fds[names[0].layer], error, mount;
	struct level *below = NULL;
	bool opaque = false;
	struct stat st;

	if (fstatat(dirfd, names[0].text, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT && m->o->plain)
			return 0; /* gone meanwhile */
		return err_set(m->e, errno, "cannot look at /%s", m->path);
	}
	if (!m->o->plain && apply_is_whiteout(&st))
		return m->o->as_layer ? hand_on_whiteout(m) : 0;
	if (S_ISSOCK(st.st_mode))
		return 0;
	mount = is_mount(m, dirfd, names[0].text);
	if (mount < 0 || (mount && !S_ISDIR(st.st_mode)))
		return mount < 0 ? mount : 0;
	error = hand_on(m, dirfd, names[0].text, &st);
	if (error || mount || !S_ISDIR(st.st_mode))
		return error;
	error = open_level(m, level, names, count, &below, &opaque);
	if (!error && opaque && m->o->as_layer)
		error = hand_on_hiding(m, m->path, NULL);
	if (!error)
		error = walk(m, below);
	close_level(below);
	return error;
}

static int walk(struct merge *m, const struct level *level)
{
	struct arena a = ARENA_INIT;
	size_t i, next, count = 0, room = 0, len = m->len;
	struct name *names = NULL;
	int error = 0;

	for (i = 0; i < level->count && !error; i++)
		error = read_names_of(m, level->fds[i], i, &a, &names, &count, &room);
	if (!error && count)
		qsort(names, count, sizeof(*names), compare_names);
	for (i = 0; i < count && !error; i = next) {
		size_t size = strlen(names[i].text);

		next = i + 1;
		if (len == 0 && m->o->only && strcmp(names[i].text, m->o->only) != 0)
			continue;
		for (; next < count && strcmp(names[next].text, names[i].text) == 0;
		     next++)
			;
		if (len + size + 2 > sizeof(m->path)) {
			error = err_say(m->e, ENAMETOOLONG, "a path is over %d bytes",
					APPLY_PATH_MAX);
			break;
		}
		m->len = snprintf(m->path + len, sizeof(m->path) - len, "%s%s", len ? "/" : "",
				  names[i].text) +
			 len;
		error = one_name(m, level, &names[i], next - i);
		m->path[len] = '\0';
		m->len = len;
	}
	free(names);
	arena_free(&a);
	return error;
}

static int open_roots(struct merge *m, struct level *roots)
{
	size_t i;

	for (i = 0; i < m->o->count; i++) {
		int fd = open(m->o->layers[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			return err_set(m->e, errno, "cannot open %s", m->o->layers[i]);
		roots->fds[roots->count++] = fd;
	}
	return 0;
}

/* Each folder of a path needs an fd for each layer that has it. */
static void raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* A user's own files may deny even him (mode 000). In a user namespace of his own that maps him to
 * himself he has CAP_DAC_OVERRIDE over them, and over nothing else. Where that is forbidden such a
 * file will be an error. */
static void read_own_files(void)
{
	char uids[64], gids[64];

	snprintf(uids, sizeof(uids), "%u %u 1", geteuid(), geteuid());
	snprintf(gids, sizeof(gids), "%u %u 1", getegid(), getegid());
	if (geteuid() == 0 || unshare(CLONE_NEWUSER) < 0)
		return;
	file_write_at(AT_FDCWD, "/proc/self/setgroups", "deny");
	file_write_at(AT_FDCWD, "/proc/self/uid_map", uids);
	file_write_at(AT_FDCWD, "/proc/self/gid_map", gids);
}

int image_merge(const struct merge_options *o, struct err *e)
{
	struct merge *m = calloc(1, sizeof(*m));
	struct level *roots = calloc(1, sizeof(*roots));
	struct stat st;
	int error;

	if (m == NULL || roots == NULL || o->count == 0 || o->count > MANIFEST_LAYERS_MAX) {
		free(m);
		free(roots);
		return err_set(e, ENOMEM, "no memory for the layers");
	}
	raise_fd_limit();
	if (!o->as_layer)
		read_own_files();
	m->o = o;
	m->e = e;
	error = open_roots(m, roots);
	if (!error && fstat(roots->fds[0], &st) < 0)
		error = err_set(e, errno, "cannot look at %s", o->layers[0]);
	if (!error)
		error = hand_on(m, roots->fds[0], ".", &st);
	if (!error)
		error = walk(m, roots);
	close_level(roots);
	free(m->links);
	arena_free(&m->arena);
	free(m);
	return error;
}

static int copy_piece(int from, int to, off_t at, off_t end, char *block, struct err *e)
{
	while (at < end) {
		off_t in = at, out = at;
		size_t want = end - at < (1 << 30) ? end - at : 1 << 30;
		ssize_t n = copy_file_range(from, &in, to, &out, want, 0);

		if (n < 0 && errno != EINTR) { /* not between these file systems */
			n = pread(from, block, want < COPY_BLOCK ? want : COPY_BLOCK, at);
			if (n > 0)
				n = pwrite(to, block, n, at);
		}
		if (n == 0)
			return 0; /* shorter than it was */
		if (n < 0 && errno != EINTR)
			return err_set(e, errno, "cannot copy");
		at += n > 0 ? n : 0;
	}
	return 0;
}

int merge_copy_content(int from, int to, uint64_t size, struct err *e)
{
	_cleanup_free_ char *block = NULL;
	off_t at = 0, end;
	int error = 0;

	if (size == 0 || ioctl(to, FICLONE, from) == 0)
		return 0;
	block = malloc(COPY_BLOCK);
	if (block == NULL)
		return err_set(e, ENOMEM, "no memory for a copy");
	while (!error && at < (off_t)size) {
		at = lseek(from, at, SEEK_DATA);
		if (at < 0)
			return errno == ENXIO ? 0 : err_set(e, errno, "lseek");
		end = lseek(from, at, SEEK_HOLE);
		if (end < 0 || end > (off_t)size)
			end = size;
		error = copy_piece(from, to, at, end, block, e);
		at = end;
	}
	return error;
}
