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
#include <sys/xattr.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/path.h"
#include "image/apply.h"
#include "image/apply-attr.h"
#include "image/apply-folder.h"

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define WHITEOUT_META	".wh..wh."

/* Any entry for the folder itself replaces this: implied.c knows by it which still have none. */
const struct timespec apply_implied_mtime = { .tv_sec = 1, .tv_nsec = 716253000 };

void apply_begin(struct apply *a, int root, enum apply_as as)
{
	memset(a, 0, sizeof(*a));
	a->root = root;
	a->owners = as != APPLY_SINGLE;
	a->host = as == APPLY_ROOT;
	a->uid = geteuid();
	a->gid = getegid();
	a->file_fd = -EBADF;
	/* The store's own folder may have one, for all that is made in it. */
	fremovexattr(root, "system.posix_acl_default");
}

void apply_free(struct apply *a)
{
	folders_free(a);
	fd_close(&a->file_fd);
	free(a->implied);
	a->implied = NULL;
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

int apply_end(struct apply *a, struct err *e)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, apply_implied_mtime };

	folders_leave(a);
	if (a->late_error)
		return err_set(e, a->late_error, "cannot set a folder's time");
	/* The root is a folder like others: the topmost layer's decides how it looks. */
	if (a->root_said || a->opaque_root)
		return 0;
	if (futimens(a->root, times) < 0)
		return err_set(e, errno, "futimens");
	return note_implied(a, ".", e);
}

bool apply_is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

/* Makes the missing folder `path` (its own parent is there): an entry came without one for its
 * folder. Where a whiteout stands the new folder hides what it hid. */
static int make_implied(struct apply *a, const char *path, const struct layer_entry *entry,
			struct err *e)
{
	const struct layer_entry like = { .path = path, .mode = S_IFDIR | 0755 };
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char parent[APPLY_PATH_MAX + 1];
	bool opaque = false, plain;
	struct stat st;
	int error, fd;

	snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - path) : 0, path);
	error = folder_enter(a, parent);
	if (error)
		return err_set(e, -error, "cannot open the folder %s", parent);
	if (fstatat(a->in->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISLNK(st.st_mode))
			return err_say(e, ENOTDIR,
				       "%s is used as a folder, but is a symlink to none", path);
		if (!apply_is_whiteout(&st))
			return err_say(e, ENOTDIR, "%s is not a folder", path);
		unlinkat(a->in->fd, name, 0);
		opaque = true;
	}
	a->in->touched = true;
	plain = a->in->plain;
	if (mkdirat(a->in->fd, name, 0755) < 0)
		return err_set(e, errno, "cannot make the folder %s", path);
	fd = openat(a->in->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "cannot open the folder %s", path);
	error = apply_attrs_fd(a, fd, &like, plain, e);
	if (!error && opaque)
		error = apply_set_opaque(a, fd, e);
	if (error) {
		close(fd);
		return error;
	}
	error = folder_adopt(a, fd, path);
	if (error)
		return err_set(e, -error, "cannot open the folder %s", path);
	a->in->mtime = opaque ? entry->mtime : apply_implied_mtime;
	a->in->touched = true;
	return opaque ? 0 : note_implied(a, path, e);
}

/* Makes a->in the folder that the entry goes into, making what is missing of it. */
static int reach_parent(struct apply *a, const char *parent, const struct layer_entry *entry,
			struct err *e)
{
	int error = folder_enter(a, parent);
	char prefix[APPLY_PATH_MAX + 1];
	size_t i, len = strlen(parent);
	bool missing = false; /* below what is missing everything is */

	if (error != -ENOENT && error != -ENOTDIR)
		return error ? err_set(e, -error, "cannot open the folder %s", parent) : 0;
	for (i = 0; i <= len; i++) {
		if (parent[i] != '/' && parent[i] != '\0')
			continue;
		snprintf(prefix, sizeof(prefix), "%.*s", (int)i, parent);
		error = missing ? -ENOENT : folder_enter(a, prefix);
		missing = error == -ENOENT || error == -ENOTDIR;
		if (missing)
			error = make_implied(a, prefix, entry, e);
		else if (error)
			err_set(e, -error, "cannot open the folder %s", prefix);
		if (error)
			return error;
	}
	error = folder_enter(a, parent);
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

/* Clears the way for an entry whose name is taken: a folder may stay for a folder, all else goes.
 * *ret_whiteout says that a whiteout stood here, *ret_kept that a folder stays. */
static int clear_way(struct apply *a, const char *name, bool want_folder, bool *ret_whiteout,
		     bool *ret_kept, struct err *e)
{
	struct stat st;

	*ret_whiteout = *ret_kept = false;
	if (fstatat(a->in->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_set(e, errno, "cannot look at it");
	*ret_whiteout = apply_is_whiteout(&st);
	*ret_kept = want_folder && S_ISDIR(st.st_mode);
	if (*ret_kept)
		return 0;
	folders_forget_names(a);
	if (S_ISDIR(st.st_mode))
		return path_remove_tree(a->in->fd, name, e);
	if (unlinkat(a->in->fd, name, 0) < 0)
		return err_set(e, errno, "cannot replace what an earlier entry made");
	return 0;
}

/* The same after `call` found the name taken, for what is no folder: 1 to make the call again. */
static int try_again(struct apply *a, const char *name, int tries, const char *call, struct err *e)
{
	bool whiteout, kept;
	int error;

	if (errno != EEXIST || tries > 0)
		return err_set(e, errno, "%s", call);
	error = clear_way(a, name, false, &whiteout, &kept, e);
	return error ? error : 1;
}

static int apply_root(struct apply *a, const struct layer_entry *entry, struct err *e)
{
	int error;

	if (!S_ISDIR(entry->mode) || entry->hardlink)
		return err_say(e, EINVAL, "the image's root must be a folder");
	error = folder_enter(a, "");
	if (error)
		return err_set(e, -error, "cannot open the layer's folder");
	error = apply_attrs_kept(a, a->in->fd, entry, e);
	if (error)
		return error;
	error = folder_changed(a);
	if (error)
		return err_set(e, -error, "cannot look at the layer's folder");
	a->in->mtime = entry->mtime;
	a->in->touched = true;
	a->root_said = true;
	return 0;
}

/* Sets what a folder that is new, or was kept, shall be, and enters it: what it holds comes next.
 */
static int finish_folder(struct apply *a, int fd, const char *path, const struct layer_entry *entry,
			 bool kept, struct err *e)
{
	_cleanup_fd_ int own = fd;
	int error = kept ? apply_attrs_kept(a, fd, entry, e)
			 : apply_attrs_fd(a, fd, entry, a->in->plain, e);

	if (error)
		return error;
	error = folder_adopt(a, fd_take(&own), path);
	if (error)
		return err_set(e, -error, "cannot keep the folder open");
	a->in->mtime = entry->mtime;
	a->in->touched = true;
	return 0;
}

static int apply_folder(struct apply *a, const char *path, const char *name,
			const struct layer_entry *entry, struct err *e)
{
	mode_t mode = apply_mode(a, entry) & 0777;
	bool whiteout = false, kept = false;
	int error = 0, fd;

	if (mkdirat(a->in->fd, name, mode) < 0) {
		if (errno != EEXIST)
			return err_set(e, errno, "mkdirat");
		error = clear_way(a, name, true, &whiteout, &kept, e);
		if (!error && !kept && mkdirat(a->in->fd, name, mode) < 0)
			error = err_set(e, errno, "mkdirat");
	}
	if (error)
		return error;
	fd = openat(a->in->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "openat");
	/* Whited out, then made anew in one layer: the lower folder stays hidden. */
	if (whiteout)
		error = apply_set_opaque(a, fd, e);
	if (error) {
		close(fd);
		return error;
	}
	return finish_folder(a, fd, path, entry, kept, e);
}

static int apply_file(struct apply *a, const char *name, const struct layer_entry *entry,
		      int *ret_fd, struct err *e)
{
	mode_t mode = (apply_mode(a, entry) & 0777) | (a->owners ? 0 : 0200);
	int tries, go = 1;

	for (tries = 0; go == 1; tries++) {
		a->file_fd = openat(a->in->fd, name,
				    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
		if (a->file_fd >= 0)
			break;
		go = try_again(a, name, tries, "openat", e);
	}
	if (go < 0)
		return go;
	*ret_fd = a->file_fd;
	return 0;
}

int apply_file_done(struct apply *a, const struct layer_entry *entry, uint64_t written,
		    uint64_t size, struct err *e)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, entry->mtime };
	_cleanup_fd_ int fd = fd_take(&a->file_fd);
	int error;

	if (size > written && ftruncate(fd, size) < 0)
		return err_set(e, errno, "ftruncate to %llu bytes", (unsigned long long)size);
	error = apply_attrs_fd(a, fd, entry, a->in->plain, e);
	if (error)
		return error;
	return futimens(fd, times) < 0 ? err_set(e, errno, "futimens") : 0;
}

/* One try; 1: the name is taken by something else. */
static int link_to(struct apply *a, const char *folder, const char *last, const char *name,
		   const struct layer_entry *entry, struct err *e)
{
	struct apply_folder *from = folder_find(a, folder);
	struct stat st, own;

	if (from == NULL || fstatat(from->fd, last, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
			return err_set(e, errno, "cannot look at \"%.200s\"", entry->hardlink);
		return err_say(e, ENOENT,
			       "hard link to \"%.200s\", which this layer does not hold (a layer "
			       "must carry the target again)",
			       entry->hardlink);
	}
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return err_say(e, EINVAL,
			       "hard link to \"%.200s\", which is neither file nor symlink",
			       entry->hardlink);
	/* flags 0: a symlink is linked, never followed (linkat(2)) */
	if (linkat(from->fd, last, a->in->fd, name, 0) == 0)
		return 0;
	if (errno != EEXIST || fstatat(a->in->fd, name, &own, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(e, errno, "linkat to \"%.200s\"", entry->hardlink);
	/* To itself: what it would replace is what it links to. */
	return own.st_ino == st.st_ino && own.st_dev == st.st_dev ? 0 : 1;
}

static int apply_hardlink(struct apply *a, const char *name, const struct layer_entry *entry,
			  struct err *e)
{
	char target[APPLY_PATH_MAX + 1], *slash;
	const char *last = target, *folder = "";
	bool whiteout, kept;
	int error = clean_path(entry->hardlink, target, e);

	if (error)
		return err_wrap(e, "hard link to \"%.200s\"", entry->hardlink);
	slash = strrchr(target, '/');
	if (slash) {
		*slash = '\0';
		last = slash + 1;
		folder = target;
	}
	error = link_to(a, folder, last, name, entry, e);
	if (error != 1)
		return error;
	error = clear_way(a, name, false, &whiteout, &kept, e);
	if (!error)
		error = link_to(a, folder, last, name, entry, e);
	return error == 1 ? err_set(e, EEXIST, "linkat to \"%.200s\"", entry->hardlink) : error;
}

static int apply_node(struct apply *a, const char *name, const struct layer_entry *entry,
		      struct err *e)
{
	_cleanup_fd_ int fd = -EBADF;
	bool whiteout, kept;
	int tries, go = 1;

	if (S_ISCHR(entry->mode) && entry->rdev == 0)
		return err_say(e, EPERM,
			       "char device 0/0 is overlayfs's whiteout; an image may not "
			       "bring its own");
	if (!S_ISFIFO(entry->mode) && !a->host) {
		apply_note(a, NOTE_DEVICE, entry->path);
		return clear_way(a, name, false, &whiteout, &kept, e);
	}
	for (tries = 0; go == 1; tries++) {
		if (mknodat(a->in->fd, name, (entry->mode & S_IFMT) | 0600, entry->rdev) == 0)
			break;
		go = try_again(a, name, tries, "mknodat", e);
	}
	if (go < 0)
		return go;
	fd = openat(a->in->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "openat");
	return apply_attrs_path_fd(a, fd, entry, e);
}

static int apply_symlink(struct apply *a, const char *name, const struct layer_entry *entry,
			 struct err *e)
{
	int tries, go = 1;

	if (entry->symlink == NULL || entry->symlink[0] == '\0')
		return err_say(e, EINVAL, "a symlink to nothing");
	for (tries = 0; go == 1; tries++) {
		if (symlinkat(entry->symlink, a->in->fd, name) == 0)
			return apply_attrs_symlink(a, a->in->fd, name, entry, a->in->plain, e);
		go = try_again(a, name, tries, "symlinkat", e);
	}
	return go;
}

/* `.wh.NAME`: hides NAME of lower layers. What this layer itself made stays (layer.md: whiteouts
 * apply to lower layers only), but a folder of its own then shows nothing of the lower one. */
static int apply_whiteout(struct apply *a, const char *name, struct err *e)
{
	_cleanup_fd_ int fd = -EBADF;
	struct stat st;

	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return err_say(e, EINVAL, "a whiteout of nothing");
	if (fstatat(a->in->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return err_set(e, errno, "cannot look at %s", name);
		if (mknodat(a->in->fd, name, S_IFCHR, makedev(0, 0)) < 0)
			return err_set(e, errno, "mknodat of the whiteout");
		return 0;
	}
	if (!S_ISDIR(st.st_mode))
		return 0;
	fd = openat(a->in->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
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
		error = apply_set_opaque(a, a->in->fd, e);
	} else if (strncmp(name, WHITEOUT_META, strlen(WHITEOUT_META)) == 0) {
		error = 0; /* .wh..wh.plnk, .wh..wh.aufs: aufs's own bookkeeping */
	} else {
		error = apply_whiteout(a, name + strlen(WHITEOUT_PREFIX), e);
	}
	return error ? error : 1;
}

static int dispatch(struct apply *a, const char *path, const char *name,
		    const struct layer_entry *entry, int *ret_fd, struct err *e)
{
	if (entry->hardlink)
		return apply_hardlink(a, name, entry, e);
	if (S_ISDIR(entry->mode))
		return apply_folder(a, path, name, entry, e);
	if (S_ISREG(entry->mode))
		return apply_file(a, name, entry, ret_fd, e);
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
	a->in->touched = true;
	error = try_whiteout(a, parent, name, e);
	if (error)
		return error < 0 ? error : 0;
	if (slash)
		*slash = '/';
	return dispatch(a, path, name, entry, ret_fd, e);
}
