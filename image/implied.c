/*
 * implied.c - attributes of folders that a layer uses but does not list.
 *
 * In overlayfs the topmost layer that has a folder decides how it looks, so a
 * folder that was only made to hold files must look like the one it covers.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/path.h"
#include "image/apply-attr.h"
#include "image/owner-xattr.h"

static int copy_xattr(int from, int to, const char *name, struct err *e)
{
	char value[4096];
	ssize_t n = fgetxattr(from, name, value, sizeof(value));

	if (n < 0)
		return errno == ENODATA || errno == ENOTSUP ? 0 : err_set(e, errno, "fgetxattr");
	return n > 0 && fsetxattr(to, name, value, n, 0) < 0 ? err_set(e, errno, "fsetxattr") : 0;
}

/* Something else stands there or on the way to it; without privilege, also a folder that its owner
 * may not open. Any other error tells nothing of what is there. */
static bool is_no_folder(int fd, bool owners)
{
	return fd == -ENOTDIR || fd == -ELOOP || (fd == -EACCES && !owners);
}

/* 1: *ret is the nearest lower folder of that path; 0: there is none. A whiteout or file on the way
 * ends the search: what lies below is hidden. */
static int find_lower(const char *path, bool owners, const int *lowers, size_t count, int *ret)
{
	size_t i;

	for (i = 0; i < count; i++) {
		int fd = path_open_beneath(lowers[i], path, O_RDONLY | O_DIRECTORY, 0, true);

		if (fd >= 0) {
			*ret = fd;
			return 1;
		}
		if (fd != -ENOENT)
			return is_no_folder(fd, owners) ? 0 : fd;
	}
	return 0;
}

static int fix_one(int fd, int lower, enum apply_as as, struct err *e)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { 0 } };
	struct stat st;
	int error;

	if (lower >= 0) {
		if (fstat(lower, &st) < 0)
			return err_set(e, errno, "fstat");
		if (as != APPLY_SINGLE && fchown(fd, st.st_uid, st.st_gid) < 0)
			return err_set(e, errno, "fchown");
		if (fchmod(fd, st.st_mode & 07777) < 0)
			return err_set(e, errno, "fchmod");
		error = copy_xattr(lower, fd, "system.posix_acl_access", e);
		if (!error)
			error = copy_xattr(lower, fd, "system.posix_acl_default", e);
		if (!error && as != APPLY_ROOT)
			error = copy_xattr(lower, fd, OWNER_XATTR, e);
		if (error)
			return error;
		times[1] = st.st_mtim;
	}
	return futimens(fd, times) < 0 ? err_set(e, errno, "futimens") : 0;
}

int apply_fix_implied(int root, const char *implied, size_t size, enum apply_as as,
		      const int *lowers, size_t count, struct err *e)
{
	bool owners = as != APPLY_SINGLE;
	const char *path;
	struct stat st;
	int found, error;

	for (path = implied; path < implied + size; path += strlen(path) + 1) {
		_cleanup_fd_ int lower = -EBADF;
		_cleanup_fd_ int fd =
			path_open_beneath(root, path, O_RDONLY | O_DIRECTORY, 0, true);

		/* replaced, or given an entry of its own, later in the layer */
		if (fd == -ENOENT || is_no_folder(fd, owners))
			continue;
		if (fd < 0 || fstat(fd, &st) < 0)
			return err_set(e, fd < 0 ? -fd : errno, "cannot open the folder %s", path);
		if (st.st_mtim.tv_sec != apply_implied_mtime.tv_sec ||
		    st.st_mtim.tv_nsec != apply_implied_mtime.tv_nsec)
			continue;
		found = find_lower(path, owners, lowers, count, &lower);
		if (found < 0)
			return err_set(e, -found, "cannot open the folder %s of a lower layer",
				       path);
		error = fix_one(fd, lower, as, e);
		if (error)
			return err_wrap(e, "%s", path);
	}
	return 0;
}
