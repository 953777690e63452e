/*
 * apply-attr.c - attributes, by file descriptor and without following links.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "base/path.h"
#include "image/apply-attr.h"
#include "image/owner-xattr.h"

void apply_note(struct apply *a, enum note kind, const char *path)
{
	struct apply_note *n = &a->notes[kind];

	if (n->count++ == 0)
		snprintf(n->first, sizeof(n->first), "%s", path);
}

const char *apply_opaque_xattr(bool trusted)
{
	return trusted ? "trusted.overlay.opaque" : "user.overlay.opaque";
}

int apply_set_opaque(struct apply *a, int fd, struct err *e)
{
	const char *name = apply_opaque_xattr(a->host);

	if (fsetxattr(fd, name, "y", 1, 0) < 0) {
		err_set(e, errno, "cannot set %s", name);
		return err_fix(e, "the store needs a file system with xattrs (ext4, xfs, btrfs)");
	}
	return 0;
}

enum xattr_fate { XATTR_KEEP, XATTR_OVERLAY, XATTR_FOREIGN };

/* What an image may bring. overlayfs's own names would let it redirect or hide at mount time;
 * security labels and IMA's belong to the host; trusted.* is the host's root's. */
static enum xattr_fate judge(const char *name)
{
	if (strncmp(name, "trusted.overlay.", 16) == 0 || strncmp(name, "user.overlay.", 13) == 0)
		return XATTR_OVERLAY;
	if (strncmp(name, "user.", 5) == 0 || strcmp(name, "security.capability") == 0 ||
	    strcmp(name, "system.posix_acl_access") == 0 ||
	    strcmp(name, "system.posix_acl_default") == 0)
		return XATTR_KEEP;
	return XATTR_FOREIGN;
}

/* May this failure be a note? user.* is a convenience that file systems and file types may lack;
 * capabilities and ACLs are only given up where we could never set them. */
static bool forgivable(const struct apply *a, const char *name, int error)
{
	if (strncmp(name, "user.", 5) == 0)
		return error == EPERM || error == ENOTSUP || error == EACCES;
	return !a->host && (error == EPERM || error == ENOTSUP || error == EINVAL);
}

enum xattr_by { BY_FD, BY_MAGIC_LINK, BY_NAME };

static int set_one(enum xattr_by by, int fd, const char *path, const struct layer_xattr *x)
{
	switch (by) {
	case BY_FD:
		return fsetxattr(fd, x->name, x->value, x->size, 0);
	case BY_MAGIC_LINK: /* followed: it leads to the inode that the O_PATH fd holds */
		return setxattr(path, x->name, x->value, x->size, 0);
	default:
		return lsetxattr(path, x->name, x->value, x->size, 0);
	}
}

static int set_xattrs(struct apply *a, enum xattr_by by, int fd, const char *path,
		      const struct layer_entry *entry, struct err *e)
{
	size_t i;

	for (i = 0; i < entry->xattr_count; i++) {
		const struct layer_xattr *x = &entry->xattrs[i];
		enum xattr_fate fate = judge(x->name);

		if (!a->host && strcmp(x->name, OWNER_XATTR) == 0)
			fate = XATTR_FOREIGN; /* the entry's own owner counts */
		if (fate != XATTR_KEEP) {
			apply_note(a, fate == XATTR_OVERLAY ? NOTE_OVERLAY_XATTR : NOTE_XATTR,
				   entry->path);
			continue;
		}
		if (set_one(by, fd, path, x) == 0) {
			a->acl_seen |= strcmp(x->name, "system.posix_acl_default") == 0;
			continue;
		}
		if (!forgivable(a, x->name, errno))
			return err_set(e, errno, "cannot set the xattr %.64s (%zu bytes)", x->name,
				       x->size);
		apply_note(a, NOTE_XATTR, entry->path);
	}
	return 0;
}

static int check_owner(const struct layer_entry *entry, struct err *e)
{
	/* (uid_t)-1 means "leave it" to chown(2): it is nobody's id */
	if (entry->uid >= UINT32_MAX || entry->gid >= UINT32_MAX)
		return err_say(e, EINVAL, "owner %llu:%llu is out of range",
			       (unsigned long long)entry->uid, (unsigned long long)entry->gid);
	return 0;
}

/* What chown(2) would do with rights: told to those who read the layer (merge.c). Symlinks, fifos and
 * some file systems can't have it. */
static int keep_owner(struct apply *a, int fd, const struct layer_entry *entry, struct err *e)
{
	unsigned char value[OWNER_XATTR_MAX];
	size_t size;

	if (entry->uid == 0 && entry->gid == 0)
		return 0;
	size = owner_xattr_encode(entry->uid, entry->gid, value);
	if (fsetxattr(fd, OWNER_XATTR, value, size, 0) < 0 && errno != EBADF &&
	    !forgivable(a, OWNER_XATTR, errno))
		return err_set(e, errno, "cannot keep its owner in an xattr");
	apply_note(a, NOTE_OWNER, entry->path);
	return 0;
}

static int set_owner(struct apply *a, int dirfd, const char *name, int flags,
		     const struct layer_entry *entry, struct err *e)
{
	int error = check_owner(entry, e);

	if (error)
		return error;
	if (!a->owners)
		return keep_owner(a, flags & AT_EMPTY_PATH ? dirfd : -EBADF, entry, e);
	if (fchownat(dirfd, name, entry->uid, entry->gid, flags) == 0)
		return 0;
	/* An id that the namespace has not. */
	if (errno == EINVAL && !a->host && fchownat(dirfd, name, a->uid, a->gid, flags) == 0)
		return keep_owner(a, flags & AT_EMPTY_PATH ? dirfd : -EBADF, entry, e);
	return err_set(e, errno, "cannot give it to %llu:%llu", (unsigned long long)entry->uid,
		       (unsigned long long)entry->gid);
}

mode_t apply_mode(const struct apply *a, const struct layer_entry *entry)
{
	mode_t mode = entry->mode & 07777;

	/* Without CAP_DAC_OVERRIDE a folder must stay enterable for its owner. */
	if (!a->owners && S_ISDIR(entry->mode))
		mode |= 0700;
	return mode;
}

/* What a new file inherits from its folder, or an earlier entry gave, is not this entry's. */
static int drop_xattrs(int fd, struct err *e)
{
	char names[65536], *name;
	ssize_t n = flistxattr(fd, names, sizeof(names));

	if (n < 0 && errno != ENOTSUP)
		return err_set(e, errno, "cannot read its xattrs");
	for (name = names; n > 0 && name < names + n; name += strlen(name) + 1)
		if (judge(name) == XATTR_KEEP && fremovexattr(fd, name) < 0 && errno != ENODATA &&
		    errno != ENOTSUP && errno != EPERM)
			return err_set(e, errno, "cannot remove the xattr %.64s", name);
	return 0;
}

static bool has_owner(const struct apply *a, const struct layer_entry *entry, bool plain)
{
	return plain && a->owners && entry->uid == a->uid && entry->gid == a->gid;
}

int apply_attrs_fd(struct apply *a, int fd, const struct layer_entry *entry, bool plain,
		   struct err *e)
{
	mode_t mode = apply_mode(a, entry);
	bool late = !a->owners && !(mode & 0200);
	int error = 0;

	if (!plain && a->acl_seen)
		error = drop_xattrs(fd, e);
	if (!error && !has_owner(a, entry, plain))
		error = set_owner(a, fd, "", AT_EMPTY_PATH, entry, e);
	if (error)
		return error;
	/* Without CAP_DAC_OVERRIDE a file that its owner can't write takes no xattrs. */
	if (late)
		error = set_xattrs(a, BY_FD, fd, NULL, entry, e);
	if (error)
		return error;
	if ((!plain || !a->umask_is_zero || (mode & 07000) || late) && fchmod(fd, mode) < 0)
		return err_set(e, errno, "fchmod");
	return late ? 0 : set_xattrs(a, BY_FD, fd, NULL, entry, e);
}

int apply_attrs_kept(struct apply *a, int fd, const struct layer_entry *entry, struct err *e)
{
	int error = drop_xattrs(fd, e);

	return error ? error : apply_attrs_fd(a, fd, entry, false, e);
}

int apply_attrs_path_fd(struct apply *a, int fd, const struct layer_entry *entry, struct err *e)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, entry->mtime };
	char path[32];
	int error = set_owner(a, fd, "", AT_EMPTY_PATH, entry, e);

	if (error)
		return error;
	/* fchmod(2) refuses O_PATH; the magic link leads to the very inode that fd holds */
	if (chmod(path_of_fd(fd, path), apply_mode(a, entry)) < 0)
		return err_set(e, errno, "chmod");
	if (a->acl_seen && removexattr(path, "system.posix_acl_access") < 0 && errno != ENODATA &&
	    errno != ENOTSUP)
		return err_set(e, errno, "removexattr");
	error = set_xattrs(a, BY_MAGIC_LINK, -1, path, entry, e);
	if (error)
		return error;
	if (utimensat(AT_FDCWD, path, times, 0) < 0)
		return err_set(e, errno, "utimensat");
	return 0;
}

int apply_attrs_symlink(struct apply *a, int parent, const char *name,
			const struct layer_entry *entry, bool plain, struct err *e)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, entry->mtime };
	char path[32 + 256], dir[32];
	int error = 0;

	if (!has_owner(a, entry, plain))
		error = set_owner(a, parent, name, AT_SYMLINK_NOFOLLOW, entry, e);
	if (!error && entry->xattr_count > 0) {
		snprintf(path, sizeof(path), "%s/%s", path_of_fd(parent, dir), name);
		error = set_xattrs(a, BY_NAME, -1, path, entry, e);
	}
	if (error)
		return error;
	if (utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(e, errno, "utimensat");
	return 0;
}
