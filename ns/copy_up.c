/*
 * copy_up.c - tmpcopyup: what the image has at a mount's place, copied into the tmpfs that covers
 * it.
 *
 * The tree is hostile. It is walked by fds, one name at a time, without following a symlink, and
 * never onto another mount; its depth and its number of files have limits, its bytes the size
 * of the tmpfs. Runs in the guest: nothing allocates, the walk's memory is static.
 *
 * Kept: type, mode, owner, times, holes, xattrs as far as a tmpfs takes them. A hard link becomes a
 * file of its own. A device is left out where it may not be made. What belongs to an id that the
 * user namespace lacks becomes the container's root's, without setuid bits and file capabilities.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "ns/ops.h"

struct entry { /* getdents64(2) */
	uint64_t inode;
	int64_t offset;
	unsigned short size;
	unsigned char type;
	char name[];
};

struct level {
	int from, to;
	off_t resume; /* where the directory goes on after the one that was entered */
};

unsigned int ns_copy_up_files_max = NS_COPY_UP_FILES_MAX;

static struct level stack[NS_COPY_UP_DEPTH_MAX];
static _Alignas(struct entry) char entries[32768];
static char names[65536], bytes[65536]; /* lists and values of xattrs end at 64 KiB, xattr(7) */
static int depth;
static unsigned int count;
static uint64_t mount_id;

static int bad_entry(struct err *e, const char *name)
{
	int error = errno;

	err_set(e, error, "tmpcopyup of \"%s\"", name);
	if (error == ENOSPC)
		err_fix(e,
			"the image's folder is larger than the tmpfs: raise size= or nr_inodes=");
	return -error;
}

static int get_mount_id(int fd, uint64_t *ret)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_MNT_ID, &st) < 0)
		return -errno;
	*ret = st.stx_mnt_id;
	return 0;
}

static int on_this_mount(int fd)
{
	uint64_t id = 0;
	int r = get_mount_id(fd, &id);

	return r < 0 ? r : id == mount_id;
}

/* --- attributes ----------------------------------------------------------------- */

static bool is_copied_xattr(const char *name, bool own)
{
	/* An overlay's marks mean something to an overlay only; labels are the mount's. */
	return strncmp(name, "trusted.", 8) != 0 && strcmp(name, "security.selinux") != 0 &&
	       (own || strcmp(name, "security.capability") != 0);
}

static void copy_xattrs(int from, int to, bool own)
{
	ssize_t size = flistxattr(from, names, sizeof names), n;

	for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1) {
		if (!is_copied_xattr(names + at, own))
			continue;
		n = fgetxattr(from, names + at, bytes, sizeof bytes);
		/* A tmpfs has no user.* before Linux 6.6: such ones get lost. */
		if (n >= 0)
			(void)fsetxattr(to, names + at, bytes, (size_t)n, 0);
	}
}

/* Owner, xattrs, mode: in this order, since a change of owner takes the other two. */
static int copy_attributes(int from, int to, const struct stat *st)
{
	mode_t mode = st->st_mode & 07777;
	bool own = fchown(to, st->st_uid, st->st_gid) == 0;

	if (!own && errno != EINVAL && errno != EPERM)
		return -errno;
	copy_xattrs(from, to, own);
	return fchmod(to, own ? mode : mode & 01777) < 0 ? -errno : 0;
}

static void copy_times(int to, const char *name, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (name)
		(void)utimensat(to, name, times, AT_SYMLINK_NOFOLLOW);
	else
		(void)futimens(to, times);
}

/* --- one entry ------------------------------------------------------------------- */

static int copy_range(int from, int to, off_t at, off_t end)
{
	while (at < end) {
		size_t want = end - at < (off_t)sizeof bytes ? (size_t)(end - at) : sizeof bytes;
		ssize_t n = pread(from, bytes, want, at);

		if (n < 0)
			return -errno;
		if (n == 0)
			return 0; /* somebody cut it meanwhile */
		n = pwrite(to, bytes, (size_t)n, at);
		if (n < 0)
			return -errno;
		at += n;
	}
	return 0;
}

static int copy_data(int from, int to, off_t size)
{
	for (off_t at = 0, end; at < size; at = end) {
		off_t data = lseek(from, at, SEEK_DATA);
		int r;

		if (data < 0 && errno == ENXIO)
			break;
		if (data < 0)
			data = at;
		end = lseek(from, data, SEEK_HOLE);
		if (end < 0 || end > size)
			end = size;
		r = copy_range(from, to, data, end);
		if (r < 0)
			return r;
	}
	return ftruncate(to, size) < 0 ? -errno : 0;
}

static int copy_file(const struct level *l, const char *name)
{
	/* Nothing here may block or become a controlling terminal, whatever took the file's place.
	 */
	_cleanup_fd_ int from =
		openat(l->from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	_cleanup_fd_ int to = -EBADF;
	struct stat st;
	int r;

	if (from < 0 || fstat(from, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EAGAIN;
	to = openat(l->to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	r = on_this_mount(from);
	if (r > 0)
		r = copy_data(from, to, st.st_size);
	if (r == 0)
		r = copy_attributes(from, to, &st);
	copy_times(to, NULL, &st);
	return r;
}

/* Of what has no contents. An owner that has no id here stays the container's root. */
static int copy_owner(int to, const char *name, const struct stat *st)
{
	int flags = AT_SYMLINK_NOFOLLOW | (*name ? 0 : AT_EMPTY_PATH);

	if (fchownat(to, name, st->st_uid, st->st_gid, flags) < 0 && errno != EINVAL &&
	    errno != EPERM)
		return -errno;
	copy_times(to, *name ? name : NULL, st);
	return 0;
}

static int copy_link(const struct level *l, const char *name, const struct stat *st)
{
	ssize_t n = readlinkat(l->from, name, bytes, sizeof bytes - 1);

	if (n < 0)
		return -errno;
	bytes[n] = '\0';
	if (symlinkat(bytes, l->to, name) < 0)
		return -errno;
	return copy_owner(l->to, name, st);
}

static int copy_special(const struct level *l, const char *name, const struct stat *st)
{
	bool device = S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);

	if (mknodat(l->to, name, st->st_mode & (S_IFMT | 0777), st->st_rdev) < 0)
		return device && errno == EPERM ? 0 : -errno;
	return copy_owner(l->to, name, st);
}

static int enter_directory(const struct level *l, const char *name)
{
	_cleanup_fd_ int from =
		openat(l->from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_fd_ int to = -EBADF;
	struct stat st;
	int r;

	if (from < 0 || fstat(from, &st) < 0 || mkdirat(l->to, name, 0700) < 0)
		return -errno;
	to = openat(l->to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return -errno;
	r = copy_attributes(from, to, &st);
	/* What is mounted in the folder is not the image's: an empty directory stands for it. */
	if (r == 0)
		r = on_this_mount(from);
	if (r <= 0)
		return r;
	if (depth == NS_COPY_UP_DEPTH_MAX)
		return -ELOOP;
	stack[depth++] = (struct level){ .from = fd_take(&from), .to = fd_take(&to) };
	return 0;
}

static int copy_entry(const struct level *l, const char *name, struct err *e)
{
	struct stat st;
	int r;

	if (++count > ns_copy_up_files_max)
		return err_say(e, E2BIG, "tmpcopyup of more than %u files", ns_copy_up_files_max);
	if (fstatat(l->from, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		return bad_entry(e, name);
	if (S_ISDIR(st.st_mode))
		r = enter_directory(l, name);
	else if (S_ISREG(st.st_mode))
		r = copy_file(l, name);
	else if (S_ISLNK(st.st_mode))
		r = copy_link(l, name, &st);
	else
		r = copy_special(l, name, &st);
	if (r == -ELOOP && S_ISDIR(st.st_mode))
		return err_say(e, ELOOP, "tmpcopyup of folders more than %d deep",
			       NS_COPY_UP_DEPTH_MAX);
	errno = -r;
	return r < 0 ? bad_entry(e, name) : 0;
}

/* --- the walk ---------------------------------------------------------------------- */

static int leave_directory(void)
{
	struct level *l = &stack[--depth];
	struct stat st;

	/* Last, since what was made in it changed them. */
	if (fstat(l->from, &st) == 0)
		copy_times(l->to, NULL, &st);
	fd_close(&l->from);
	fd_close(&l->to);
	if (depth > 0 && lseek(stack[depth - 1].from, stack[depth - 1].resume, SEEK_SET) < 0)
		return -errno;
	return 0;
}

static int copy_some(struct err *e)
{
	int now = depth;
	struct level *l = &stack[now - 1];
	long size = syscall(SYS_getdents64, l->from, entries, sizeof entries);

	if (size < 0 || (size == 0 && leave_directory() < 0))
		return bad_entry(e, ".");
	for (long at = 0; at < size;) {
		const struct entry *d = (const void *)(entries + at);
		int r;

		at += d->size;
		if (strcmp(d->name, ".") == 0 || strcmp(d->name, "..") == 0)
			continue;
		r = copy_entry(l, d->name, e);
		if (r < 0)
			return r;
		if (depth != now) {
			l->resume = d->offset;
			return 0;
		}
	}
	return 0;
}

static int copy_contents(int from, int to, struct err *e)
{
	int r = get_mount_id(from, &mount_id);

	count = 0;
	depth = 1;
	stack[0] = (struct level){ .from = from, .to = to };
	while (r == 0 && depth > 0)
		r = copy_some(e);
	while (depth > 0)
		(void)leave_directory();
	return r;
}

static int act_copy_up(struct run *r, const void *args, struct err *e)
{
	const struct op_copy_up_args *a = args;
	int place = run_slot(r, a->from_slot), result = 0;
	_cleanup_fd_ int to =
		openat(run_slot(r, a->to_slot), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fd_ int from = -EBADF;
	struct statfs fs;
	struct stat st;

	if (to < 0 || fstat(place, &st) < 0 || fstatfs(place, &fs) < 0)
		return -errno;
	if (!a->contents) /* a folder that can't be read has a mode, too */
		return fchmod(to, st.st_mode & 07777) < 0 ? -errno : 0;
	/* Through a symlink of the image: files there may block, or never end. */
	if (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC)
		return err_say(e, EPERM,
			       "leads into a procfs or sysfs in the root: nothing is copied");
	from = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0)
		return -errno;
	if (a->owner)
		result = copy_owner(to, "", &st);
	if (a->mode)
		copy_xattrs(from, to, true);
	if (result == 0 && a->mode)
		result = fchmod(to, st.st_mode & 07777) < 0 ? -errno : 0;
	return result < 0 ? result : copy_contents(fd_take(&from), fd_take(&to), e);
}

static void show_copy_up(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_copy_up_args *a = args;

	buf_add(out, a->contents ? "copy_up(" : "fchmod(");
	plan_show_slot(out, p, a->contents ? a->from_slot : a->to_slot);
	buf_add(out, a->contents ? ", " : ", mode of ");
	plan_show_slot(out, p, a->contents ? a->to_slot : a->from_slot);
	if (a->contents)
		buf_addf(out, "%s%s", a->mode ? "" : ", but its mode",
			 a->owner ? "" : ", but its owner");
	buf_add_char(out, ')');
}

static void by_hand_copy_up(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_copy_up_args *a = args;

	(void)p;
	if (!a->contents)
		return;
	buf_add(out, "cp -ax $ROOT");
	buf_add_shell(out, a->path);
	buf_add(out, "/. /tmp/up # and from there into the tmpfs, once it is mounted");
}

const struct op op_copy_up = { .name = "copy_up",
			       .man = "getdents(2)",
			       .compound = true,
			       .act = act_copy_up,
			       .show = show_copy_up,
			       .by_hand = by_hand_copy_up };
