/*
 * apply.c - layer entries onto the file system (image-spec layer.md, overlayfs.rst).
 *
 * Attack surface: a layer that leads a path through a symlink, "..", or a
 * hard link out of its folder (CVE-2014-6407, CVE-2018-20834). Parents are
 * opened with path_open_in_root(), last parts with O_NOFOLLOW and O_EXCL.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/path.h"
#include "image/apply.h"
#include "image/apply-attr.h"

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define WHITEOUT_META	".wh..wh."

/* Any entry for the folder itself replaces this: implied.c knows by it which still have none. */
const struct timespec apply_implied_mtime = { .tv_sec = 1, .tv_nsec = 716253000 };

void apply_begin(struct apply *a, int root, bool privileged)
{
	memset(a, 0, sizeof(*a));
	a->root = root;
	a->privileged = privileged;
	a->parent_fd = -EBADF;
	a->file_fd = -EBADF;
}

/* Making things in a folder changes its mtime: each visit puts back what it was. */
static void leave_parent(struct apply *a)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, a->parent_mtime };

	if (a->parent_fd >= 0)
		futimens(a->parent_fd, times);
	fd_close(&a->parent_fd);
}

void apply_free(struct apply *a)
{
	fd_close(&a->parent_fd);
	fd_close(&a->file_fd);
	free(a->implied);
	a->implied = NULL;
}

int apply_end(struct apply *a, struct err *e)
{
	(void)e;
	leave_parent(a);
	return 0;
}

static int note_implied(struct apply *a, const char *path, struct err *e)
{
	size_t size = strlen(path) + 1;
	char *more;

	if (a->implied_size + size > APPLY_IMPLIED_MAX)
		return err_say(e, E2BIG, "over %u bytes of folders without an entry of their own",
			       APPLY_IMPLIED_MAX);
	more = realloc(a->implied, a->implied_size + size);
	if (more == NULL)
		return err_set(e, ENOMEM, "no memory for folder names");
	memcpy(more + a->implied_size, path, size);
	a->implied = more;
	a->implied_size += size;
	return 0;
}

bool apply_is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

/* Takes fd over as the folder that entries go into. */
static void adopt_parent(struct apply *a, int fd, const char *parent)
{
	struct stat st = { 0 };

	leave_parent(a);
	fstat(fd, &st);
	snprintf(a->parent, sizeof(a->parent), "%s", parent);
	a->parent_fd = fd;
	a->parent_mtime = st.st_mtim;
}

static int enter_parent(struct apply *a, const char *parent)
{
	int fd;

	if (a->parent_fd >= 0 && strcmp(a->parent, parent) == 0)
		return 0;
	/* first: the folder to enter may be the one to leave, by another name */
	leave_parent(a);
	fd = path_open_in_root(a->root, parent[0] ? parent : ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	adopt_parent(a, fd, parent);
	return 0;
}

/* Makes the missing folder `path` (its own parent is there): an entry came without one for its
 * folder. Where a whiteout stands the new folder hides what it hid. */
static int make_implied(struct apply *a, const char *path, const struct layer_entry *entry,
			struct err *e)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char parent[APPLY_PATH_MAX + 1];
	bool opaque = false;
	struct stat st;
	int error, fd;

	snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - path) : 0, path);
	error = enter_parent(a, parent);
	if (error)
		return err_set(e, -error, "cannot open the folder %s", parent);
	if (fstatat(a->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISLNK(st.st_mode))
			return err_say(e, ENOTDIR,
				       "%s is used as a folder, but is a symlink to none", path);
		if (!apply_is_whiteout(&st))
			return err_say(e, ENOTDIR, "%s is not a folder", path);
		unlinkat(a->parent_fd, name, 0);
		opaque = true;
	}
	if (mkdirat(a->parent_fd, name, 0755) < 0)
		return err_set(e, errno, "cannot make the folder %s", path);
	fd = openat(a->parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "cannot open the folder %s", path);
	adopt_parent(a, fd, path);
	if (fchmod(fd, 0755) < 0) /* whatever the umask */
		return err_set(e, errno, "cannot open the folder %s", path);
	a->parent_mtime = opaque ? entry->mtime : apply_implied_mtime;
	if (opaque)
		return apply_set_opaque(a, a->parent_fd, e);
	return note_implied(a, path, e);
}

/* Makes parent_fd the folder that the entry goes into, making what is missing of it. */
static int reach_parent(struct apply *a, const char *parent, const struct layer_entry *entry,
			struct err *e)
{
	int error = enter_parent(a, parent);
	char prefix[APPLY_PATH_MAX + 1];
	size_t i, len = strlen(parent);
	bool missing = false; /* below what is missing everything is */

	if (error != -ENOENT && error != -ENOTDIR)
		return error ? err_set(e, -error, "cannot open the folder %s", parent) : 0;
	for (i = 0; i <= len; i++) {
		if (parent[i] != '/' && parent[i] != '\0')
			continue;
		snprintf(prefix, sizeof(prefix), "%.*s", (int)i, parent);
		error = missing ? -ENOENT : enter_parent(a, prefix);
		missing = error == -ENOENT || error == -ENOTDIR;
		if (missing)
			error = make_implied(a, prefix, entry, e);
		else if (error)
			err_set(e, -error, "cannot open the folder %s", prefix);
		if (error)
			return error;
	}
	error = enter_parent(a, parent);
	return error ? err_set(e, -error, "cannot open the folder %s", parent) : 0;
}

/* "./usr//bin/" -> "usr/bin"; "/", "./" -> "". ".." is never needed, so it is refused. */
static int clean_path(const char *path, char clean[APPLY_PATH_MAX + 1], struct err *e)
{
	size_t out = 0, len, parts = 0;

	if (*path == '\0')
		return err_say(e, EINVAL, "an entry without a name");
	for (; *path; path += len + (path[len] == '/')) {
		len = strcspn(path, "/");
		if (len == 0 || (len == 1 && path[0] == '.'))
			continue;
		if (len == 2 && path[0] == '.' && path[1] == '.')
			return err_say(e, EINVAL, "the path leads out with \"..\"");
		if (len > 255)
			return err_say(e, ENAMETOOLONG, "a name of %zu bytes (limit 255)", len);
		if (out + len + 1 > APPLY_PATH_MAX || ++parts > APPLY_DEPTH_MAX)
			return err_say(e, ENAMETOOLONG, "the path is over %d bytes",
				       APPLY_PATH_MAX);
		if (out)
			clean[out++] = '/';
		memcpy(clean + out, path, len);
		out += len;
	}
	clean[out] = '\0';
	return 0;
}

/* Clears the way for an entry: a folder may stay for a folder, all else goes. *ret_whiteout says
 * that a whiteout stood here, *ret_kept that a folder stays. */
static int clear_way(struct apply *a, const char *name, bool want_folder, bool *ret_whiteout,
		     bool *ret_kept, struct err *e)
{
	struct stat st;

	*ret_whiteout = *ret_kept = false;
	if (fstatat(a->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_set(e, errno, "cannot look at it");
	*ret_whiteout = apply_is_whiteout(&st);
	*ret_kept = want_folder && S_ISDIR(st.st_mode);
	if (*ret_kept)
		return 0;
	if (S_ISDIR(st.st_mode))
		return path_remove_tree(a->parent_fd, name, e);
	if (unlinkat(a->parent_fd, name, 0) < 0)
		return err_set(e, errno, "cannot replace what an earlier entry made");
	return 0;
}

static int apply_root(struct apply *a, const struct layer_entry *entry, struct err *e)
{
	int error;

	if (!S_ISDIR(entry->mode) || entry->hardlink)
		return err_say(e, EINVAL, "the image's root must be a folder");
	error = enter_parent(a, "");
	if (error)
		return err_set(e, -error, "cannot open the layer's folder");
	error = apply_attrs_fd(a, a->parent_fd, entry, e);
	a->parent_mtime = entry->mtime;
	return error;
}

static int apply_folder(struct apply *a, const char *name, const struct layer_entry *entry,
			struct err *e)
{
	_cleanup_fd_ int fd = -EBADF;
	bool whiteout, kept;
	int error = clear_way(a, name, true, &whiteout, &kept, e);

	if (error)
		return error;
	if (!kept && mkdirat(a->parent_fd, name, 0700) < 0)
		return err_set(e, errno, "mkdirat");
	fd = openat(a->parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "openat");
	/* Whited out, then made anew in one layer: the lower folder stays hidden. */
	if (whiteout) {
		error = apply_set_opaque(a, fd, e);
		if (error)
			return error;
	}
	return apply_attrs_fd(a, fd, entry, e);
}

static int apply_file(struct apply *a, const char *name, int *ret_fd, struct err *e)
{
	a->file_fd = openat(a->parent_fd, name,
			    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (a->file_fd < 0)
		return err_set(e, errno, "openat");
	*ret_fd = a->file_fd;
	return 0;
}

int apply_file_done(struct apply *a, const struct layer_entry *entry, uint64_t size, struct err *e)
{
	_cleanup_fd_ int fd = fd_take(&a->file_fd);

	if (ftruncate(fd, size) < 0)
		return err_set(e, errno, "ftruncate to %llu bytes", (unsigned long long)size);
	return apply_attrs_fd(a, fd, entry, e);
}

static int apply_hardlink(struct apply *a, const char *name, const struct layer_entry *entry,
			  struct err *e)
{
	char target[APPLY_PATH_MAX + 1], *slash;
	_cleanup_fd_ int fd = -EBADF;
	const char *last = target;
	struct stat st, own;
	int error = clean_path(entry->hardlink, target, e);

	if (error)
		return err_wrap(e, "hard link to \"%.200s\"", entry->hardlink);
	slash = strrchr(target, '/');
	if (slash) {
		*slash = '\0';
		last = slash + 1;
	}
	fd = path_open_in_root(a->root, slash ? target : ".", O_PATH | O_DIRECTORY, 0);
	if (fd < 0 || fstatat(fd, last, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_say(e, ENOENT,
			       "hard link to \"%.200s\", which this layer does not hold (a layer "
			       "must carry the target again)",
			       entry->hardlink);
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return err_say(e, EINVAL,
			       "hard link to \"%.200s\", which is neither file nor symlink",
			       entry->hardlink);
	/* To itself: what it would replace is what it links to. */
	if (fstatat(a->parent_fd, name, &own, AT_SYMLINK_NOFOLLOW) == 0) {
		bool whiteout, kept;

		if (own.st_ino == st.st_ino && own.st_dev == st.st_dev)
			return 0;
		error = clear_way(a, name, false, &whiteout, &kept, e);
		if (error)
			return error;
	}
	/* flags 0: a symlink is linked, never followed (linkat(2)) */
	if (linkat(fd, last, a->parent_fd, name, 0) < 0)
		return err_set(e, errno, "linkat to \"%.200s\"", entry->hardlink);
	return 0;
}

static int apply_node(struct apply *a, const char *name, const struct layer_entry *entry,
		      struct err *e)
{
	_cleanup_fd_ int fd = -EBADF;

	if (S_ISCHR(entry->mode) && entry->rdev == 0)
		return err_say(e, EPERM,
			       "char device 0/0 is overlayfs's whiteout; an image may not "
			       "bring its own");
	if (!S_ISFIFO(entry->mode) && !a->privileged) {
		apply_note(a, NOTE_DEVICE, entry->path);
		return 0;
	}
	if (mknodat(a->parent_fd, name, (entry->mode & S_IFMT) | 0600, entry->rdev) < 0)
		return err_set(e, errno, "mknodat");
	fd = openat(a->parent_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "openat");
	return apply_attrs_path_fd(a, fd, entry, e);
}

static int apply_symlink(struct apply *a, const char *name, const struct layer_entry *entry,
			 struct err *e)
{
	if (entry->symlink == NULL || entry->symlink[0] == '\0')
		return err_say(e, EINVAL, "a symlink to nothing");
	if (symlinkat(entry->symlink, a->parent_fd, name) < 0)
		return err_set(e, errno, "symlinkat");
	return apply_attrs_symlink(a, a->parent_fd, name, entry, e);
}

/* `.wh.NAME`: hides NAME of lower layers. What this layer itself made stays (layer.md: whiteouts
 * apply to lower layers only), but a folder of its own then shows nothing of the lower one. */
static int apply_whiteout(struct apply *a, const char *name, struct err *e)
{
	_cleanup_fd_ int fd = -EBADF;
	struct stat st;

	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return err_say(e, EINVAL, "a whiteout of nothing");
	if (fstatat(a->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return err_set(e, errno, "cannot look at %s", name);
		if (mknodat(a->parent_fd, name, S_IFCHR, makedev(0, 0)) < 0)
			return err_set(e, errno, "mknodat of the whiteout");
		return 0;
	}
	if (!S_ISDIR(st.st_mode))
		return 0;
	fd = openat(a->parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "openat");
	return apply_set_opaque(a, fd, e);
}

/* 1: handled (a whiteout or aufs's own file), 0: an ordinary name. */
static int try_whiteout(struct apply *a, const char *parent, const char *name, struct err *e)
{
	int error;

	if (strncmp(name, WHITEOUT_PREFIX, strlen(WHITEOUT_PREFIX)) != 0)
		return 0;
	if (strcmp(name, WHITEOUT_OPAQUE) == 0) {
		/* overlayfs does not look at a layer's root for this: the store remembers it */
		if (parent[0] == '\0')
			a->opaque_root = true;
		error = apply_set_opaque(a, a->parent_fd, e);
	} else if (strncmp(name, WHITEOUT_META, strlen(WHITEOUT_META)) == 0) {
		error = 0; /* .wh..wh.plnk, .wh..wh.aufs: aufs's own bookkeeping */
	} else {
		error = apply_whiteout(a, name + strlen(WHITEOUT_PREFIX), e);
	}
	return error ? error : 1;
}

static int dispatch(struct apply *a, const char *name, const struct layer_entry *entry, int *ret_fd,
		    struct err *e)
{
	bool whiteout, kept;
	int error;

	if (entry->hardlink)
		return apply_hardlink(a, name, entry, e);
	if (S_ISDIR(entry->mode))
		return apply_folder(a, name, entry, e);
	error = clear_way(a, name, false, &whiteout, &kept, e);
	if (error)
		return error;
	if (S_ISREG(entry->mode))
		return apply_file(a, name, ret_fd, e);
	if (S_ISLNK(entry->mode))
		return apply_symlink(a, name, entry, e);
	if (S_ISCHR(entry->mode) || S_ISBLK(entry->mode) || S_ISFIFO(entry->mode))
		return apply_node(a, name, entry, e);
	return err_say(e, EINVAL, "an entry of unknown type");
}

int apply_entry(struct apply *a, const struct layer_entry *entry, int *ret_fd, struct err *e)
{
	char path[APPLY_PATH_MAX + 1], *slash;
	const char *name = path, *parent = "";
	int error = clean_path(entry->path, path, e);

	*ret_fd = -EBADF;
	if (error)
		return error;
	if (path[0] == '\0')
		return apply_root(a, entry, e);
	slash = strrchr(path, '/');
	if (slash) {
		*slash = '\0';
		name = slash + 1;
		parent = path;
	}
	/* A whiteout's name as a folder: its content would be nowhere. */
	if (strncmp(parent, WHITEOUT_PREFIX, 4) == 0 || strstr(parent, "/" WHITEOUT_PREFIX))
		return err_say(e, EINVAL, "a whiteout is used as a folder");
	error = reach_parent(a, parent, entry, e);
	if (error)
		return error;
	error = try_whiteout(a, parent, name, e);
	if (error)
		return error < 0 ? error : 0;
	return dispatch(a, name, entry, ret_fd, e);
}
