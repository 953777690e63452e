/*
 * path.c - opening paths that somebody hostile may be rearranging.
 *
 * openat2(2) where the kernel has it; otherwise a walk that holds one O_PATH
 * fd per directory it has entered, so that ".." is a step back to an fd that
 * was checked, never a lookup.
 */
#include "base/path.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"

bool path_openat2_missing;

char *path_of_fd(int fd, char text[32])
{
	snprintf(text, 32, "/proc/self/fd/%d", fd);
	return text;
}

int path_name_of_fd(int fd, const char *path, char name[PATH_MAX])
{
	static const char gone[] = " (deleted)";
	char link[32];
	/* The kernel's own buffer for it is a PATH_MAX, with the NUL. */
	ssize_t n = readlink(path_of_fd(fd, link), name, PATH_MAX - 1);
	bool usable = n > 0 && name[0] == '/';

	if (usable && (size_t)n >= strlen(gone) &&
	    !memcmp(name + n - strlen(gone), gone, strlen(gone)))
		usable = false; /* or it is called so */
	if (!usable)
		return realpath(path, name) ? 0 : -errno;
	name[n] = '\0';
	return 0;
}

bool path_is_id(const char *id, size_t max)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-";
	size_t len = strlen(id);

	if (len == 0 || len > max)
		return false;
	/* runc takes a leading '_' or '-' too; a name that looks like an option is refused. */
	return (strchr(first, id[0]) || id[0] == '_') && strspn(id, rest) == len;
}

/* A rename anywhere on the system can make openat2 ask to try again; one who renames without end
 * must not hold us for ever. */
#define RENAME_RETRIES 10000

static int try_openat2(int dirfd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = { .flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
				.resolve = resolve };
	int fd, tries = 0;

	/* openat2 refuses a mode without O_CREAT. */
	if (flags & O_CREAT)
		how.mode = mode;
	do {
		fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
	} while (fd < 0 && errno == EAGAIN && ++tries < RENAME_RETRIES);
	return fd < 0 ? -errno : fd;
}

/* --- the component walk ---------------------------------------------------- */

#define WALK_OPEN_MAX 256 /* directories held open at once: deeper paths need openat2 */

struct walk {
	int stack[WALK_OPEN_MAX]; /* [0] is the root, not owned */
	int depth;
	int links;
	bool beneath;     /* leaving the root is -EXDEV instead of staying at it */
	bool no_symlinks;
	char rest[PATH_MAX];
};

static void walk_close(struct walk *w)
{
	while (w->depth > 0)
		close(w->stack[w->depth--]);
}

static bool makes_new(int flags)
{
	return (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
}

/* On procfs only the links of its root ("self", "mounts") are text; those below, as /proc/PID/root
 * and fd/N, jump out of any root (RESOLVE_NO_MAGICLINKS, openat2(2)). */
static bool is_magic_link(int dirfd)
{
	struct statfs fs;
	struct stat st;

	return fstatfs(dirfd, &fs) < 0 || fstat(dirfd, &st) < 0 ||
	       (fs.f_type == PROC_SUPER_MAGIC && st.st_ino != 1);
}

/* Puts the link's target in front of what remains of the path. */
static int walk_follow(struct walk *w, int dirfd, const char *name, const char *after)
{
	char target[PATH_MAX], joined[PATH_MAX];
	ssize_t n;

	if (w->no_symlinks || ++w->links > PATH_LINKS_MAX || is_magic_link(dirfd))
		return -ELOOP;
	n = readlinkat(dirfd, name, target, sizeof target - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (n == 0)
		return -ENOENT;
	if (target[0] == '/') {
		if (w->beneath)
			return -EXDEV;
		walk_close(w);
	}
	if (snprintf(joined, sizeof joined, "%s%s%s", target, *after ? "/" : "", after) >=
	    (int)sizeof joined)
		return -ENAMETOOLONG;
	memcpy(w->rest, joined, strlen(joined) + 1);
	return 0;
}

/* Opens the last component, or enters a middle one. 1: done, *ret_fd is set; 0: go on. */
static int walk_component(struct walk *w, char *name, char *after, int flags, mode_t mode,
			  int *ret_fd)
{
	int dirfd = w->stack[w->depth], fd;
	struct stat st;
	bool last = *after == '\0';

	if (strcmp(name, "..") == 0) {
		if (w->depth > 0)
			close(w->stack[w->depth--]);
		else if (w->beneath)
			return -EXDEV;
	} else if (strcmp(name, ".") != 0) {
		fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && last && makes_new(flags)) {
			close(fd);
			return -EEXIST;
		}
		if (fd < 0 && errno == ENOENT && last && (flags & O_CREAT)) {
			*ret_fd = openat(dirfd, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
			return *ret_fd < 0 ? -errno : 1;
		}
		if (fd < 0)
			return -errno;
		if (fstat(fd, &st) < 0) {
			close(fd);
			return -EIO;
		}
		if (S_ISLNK(st.st_mode) && !(last && (flags & O_NOFOLLOW))) {
			close(fd);
			return walk_follow(w, dirfd, name, after);
		}
		if (last) {
			close(fd);
			*ret_fd = openat(dirfd, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
			return *ret_fd < 0 ? -errno : 1;
		}
		if (!S_ISDIR(st.st_mode)) {
			close(fd);
			return -ENOTDIR;
		}
		if (w->depth + 1 >= WALK_OPEN_MAX) {
			close(fd);
			return -ENAMETOOLONG;
		}
		w->stack[++w->depth] = fd;
	}
	if (!last) {
		memmove(w->rest, after, strlen(after) + 1);
		return 0;
	}
	if (flags & O_CREAT)
		return makes_new(flags) ? -EEXIST : -EISDIR;
	*ret_fd = openat(w->stack[w->depth], ".", flags & ~(O_CREAT | O_EXCL), mode);
	return *ret_fd < 0 ? -errno : 1;
}

static int walk_open(int rootfd, const char *path, int flags, mode_t mode, bool beneath,
		     bool no_symlinks)
{
	struct walk w = { .stack = { rootfd }, .beneath = beneath, .no_symlinks = no_symlinks };
	int r = 0, fd = -EBADF;
	size_t len = strlen(path);

	if (len == 0)
		return -ENOENT;
	if (len >= sizeof w.rest)
		return -ENAMETOOLONG;
	if (beneath && path[0] == '/')
		return -EXDEV;
	memcpy(w.rest, path, len + 1);
	while (r == 0) {
		char *name = w.rest + strspn(w.rest, "/"), *after, dot[] = ".";
		bool slash;

		after = name + strcspn(name, "/");
		slash = *after == '/';
		if (slash) {
			*after++ = '\0';
			after += strspn(after, "/");
		}
		if (*name == '\0') { /* "/" or nothing left but slashes */
			fd = openat(w.stack[w.depth], ".", (flags & ~(O_CREAT | O_EXCL)) | O_CLOEXEC);
			r = fd < 0 ? -errno : 1;
			break;
		}
		if (slash && *after == '\0' && (flags & O_CREAT)) {
			r = -EISDIR;
			break;
		}
		/* "dir/" means a directory, link or not: as if "dir/." had been asked. */
		if (slash && *after == '\0')
			after = dot;
		r = walk_component(&w, name, after, flags, mode, &fd);
	}
	walk_close(&w);
	return r < 0 ? r : fd;
}

/* --- public ---------------------------------------------------------------- */

int path_open_in_root(int rootfd, const char *path, int flags, mode_t mode)
{
	if (!path_openat2_missing) {
		int fd = try_openat2(rootfd, path, flags, mode,
				     RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);

		if (fd != -ENOSYS)
			return fd;
		path_openat2_missing = true;
	}
	return walk_open(rootfd, path, flags | O_CLOEXEC, mode, false, false);
}

int path_open_in_own_root(const char *path, int flags)
{
	int root, fd;

	/* "/" and ".." are what they are for any path then; but no magic link may lead out. */
	if (!path_openat2_missing && path[0] == '/') {
		fd = try_openat2(AT_FDCWD, path, flags, 0, RESOLVE_NO_MAGICLINKS);
		if (fd != -ENOSYS)
			return fd;
	}
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	fd = path_open_in_root(root, path, flags, 0);
	close(root);
	return fd;
}

int path_open_beneath(int dirfd, const char *path, int flags, mode_t mode, bool no_symlinks)
{
	if (!path_openat2_missing) {
		int fd = try_openat2(dirfd, path, flags, mode,
				     RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS |
					     (no_symlinks ? RESOLVE_NO_SYMLINKS : 0));

		if (fd != -ENOSYS)
			return fd;
		path_openat2_missing = true;
	}
	return walk_open(dirfd, path, flags | O_CLOEXEC, mode, true, no_symlinks);
}

int path_parent_in_root(int rootfd, const char *path, mode_t mode, char name[NAME_MAX + 1])
{
	char parent[PATH_MAX];
	size_t len = strlen(path), last;

	while (len > 0 && path[len - 1] == '/')
		len--;
	last = len;
	while (last > 0 && path[last - 1] != '/')
		last--;
	if (len - last > NAME_MAX || last >= sizeof parent)
		return -ENAMETOOLONG;
	memcpy(name, path + last, len - last);
	name[len - last] = '\0';
	memcpy(parent, path, last);
	parent[last] = '\0';
	if (strspn(parent, "/") == last)
		return path_open_in_root(rootfd, "/", O_PATH | O_DIRECTORY, 0);
	return path_mkdir_in_root(rootfd, parent, mode);
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int path_mkdir_in_root(int rootfd, const char *path, mode_t mode)
{
	_cleanup_fd_ int parent = -EBADF;
	char name[NAME_MAX + 1];
	int fd;

	fd = path_open_in_root(rootfd, path, O_PATH | O_DIRECTORY, 0);
	if (fd != -ENOENT)
		return fd;
	parent = path_parent_in_root(rootfd, path, mode, name);
	if (parent < 0)
		return parent;
	/* "x/..", and x is there only now. Looked up anew: ".." of a made parent could leave the root. */
	if (is_dots(name))
		return path_open_in_root(rootfd, path, O_PATH | O_DIRECTORY, 0);
	/* mkdirat does not follow a link at `name`: a dangling link is answered by EEXIST, and the
	 * open below then refuses it, so nothing is ever made outside. */
	if (mkdirat(parent, name, mode) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int path_mkfile_in_root(int rootfd, const char *path, mode_t mode)
{
	_cleanup_fd_ int parent = -EBADF, made = -EBADF;
	char name[NAME_MAX + 1];
	struct stat st;
	int fd, error;

	fd = path_open_in_root(rootfd, path, O_PATH, 0);
	if (fd == -ENOENT) {
		parent = path_parent_in_root(rootfd, path, 0755, name);
		if (parent < 0)
			return parent;
		if (is_dots(name))
			return -EISDIR;
		made = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			      mode);
		if (made < 0 && errno != EEXIST)
			return -errno;
		fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return -errno;
	}
	if (fd < 0)
		return fd;
	error = fstat(fd, &st) < 0 ? errno : S_ISDIR(st.st_mode) ? EISDIR : S_ISLNK(st.st_mode) ? ELOOP : 0;
	if (error) {
		close(fd);
		return -error;
	}
	return fd;
}

/* --- removing ---------------------------------------------------------------- */

#define REMOVE_DEPTH_MAX 32 /* directories open at once; what is deeper is moved up first */

struct remover {
	int top;        /* the folder whose content goes; not owned */
	uint64_t mount; /* its mount id, or device where the kernel does not tell */
	unsigned int moved;
	bool again;
	bool no_statx;  /* devices are compared */
};

/* A bind mount of the same filesystem has the same device: only the mount id tells them apart. */
static int mount_of(struct remover *rm, int fd, uint64_t *ret)
{
	struct statx stx;
	struct stat st;

	if (!rm->no_statx && statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) == 0) {
		*ret = stx.stx_mask & STATX_MNT_ID
			       ? stx.stx_mnt_id
			       : (uint64_t)stx.stx_dev_major << 32 | stx.stx_dev_minor;
		return 0;
	}
	/* A sandbox may forbid it; but only from the first call on, or numbers would be mixed. */
	if (!rm->no_statx && (errno != EPERM || fd != rm->top))
		return -errno;
	rm->no_statx = true;
	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = st.st_dev;
	return 0;
}

static int remove_content(struct remover *rm, int dirfd, unsigned int depth);

static int remove_folder(struct remover *rm, int dirfd, const char *name, unsigned int depth)
{
	int sub = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r;
	uint64_t mount;
	char moved[32];

	if (sub < 0)
		return errno == ENOENT ? 0 : -errno;
	r = mount_of(rm, sub, &mount);
	if (r < 0 || mount != rm->mount) {
		close(sub);
		return r < 0 ? r : -EXDEV;
	}
	if (depth >= REMOVE_DEPTH_MAX) {
		/* A container digs deeper than a process may hold fds. */
		close(sub);
		snprintf(moved, sizeof moved, ".kist-remove-%u", rm->moved++);
		rm->again = true;
		return renameat(dirfd, name, rm->top, moved) < 0 ? -errno : 0;
	}
	r = remove_content(rm, sub, depth + 1);
	if (r == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = -errno;
	return r;
}

/* Removes everything in the directory, and closes it. */
static int remove_content(struct remover *rm, int dirfd, unsigned int depth)
{
	DIR *dir = fdopendir(dirfd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		r = -errno;
		close(dirfd);
		return r;
	}
	while (errno = 0, r == 0 && (entry = readdir(dir))) {
		if (is_dots(entry->d_name) || unlinkat(dirfd, entry->d_name, 0) == 0 ||
		    errno == ENOENT)
			continue;
		r = errno == EISDIR || errno == EPERM
			    ? remove_folder(rm, dirfd, entry->d_name, depth) : -errno;
	}
	if (r == 0 && errno)
		r = -errno;
	closedir(dir);
	return r;
}

int path_remove_tree(int dirfd, const char *name, struct err *e)
{
	_cleanup_fd_ int top = -EBADF;
	struct remover rm;
	uint64_t mount;
	int r;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM) /* what it says of a folder */
		return err_set(e, errno, "cannot remove %s", name);
	top = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (top < 0)
		return errno == ENOENT ? 0 : err_set(e, errno, "cannot remove %s", name);
	rm = (struct remover){ .top = top };
	r = mount_of(&rm, top, &rm.mount);
	if (r == 0)
		r = mount_of(&rm, dirfd, &mount);
	if (r < 0)
		return err_set(e, -r, "cannot remove %s: statx", name);
	if (rm.mount != mount)
		return err_set(e, EXDEV, "cannot remove %s: it is a mount point", name);
	do {
		int content = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		rm.again = false;
		r = content < 0 ? -errno : remove_content(&rm, content, 0);
	} while (r == 0 && rm.again);
	if (r == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = -errno;
	return r < 0 ? err_set(e, -r, "cannot remove %s", name) : 0;
}
