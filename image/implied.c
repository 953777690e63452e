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

static void copy_acl(int from, int to, const char *name)
{
	char value[4096];
	ssize_t n = fgetxattr(from, name, value, sizeof(value));

	if (n > 0)
		fsetxattr(to, name, value, n, 0);
}

/* The nearest lower folder of that path, or -EBADF. A whiteout or file on the way ends the search:
 * what lies below is hidden. */
static int find_lower(const char *path, const int *lowers, size_t count)
{
	size_t i;
	int fd;

	for (i = 0; i < count; i++) {
		fd = path_open_beneath(lowers[i], path, O_RDONLY | O_DIRECTORY, 0, true);
		if (fd >= 0)
			return fd;
		if (fd != -ENOENT)
			break;
	}
	return -EBADF;
}

static int fix_one(int fd, int lower, bool privileged, struct err *e)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { 0 } };
	struct stat st;

	if (lower >= 0) {
		if (fstat(lower, &st) < 0)
			return err_set(e, errno, "fstat");
		if (privileged && fchown(fd, st.st_uid, st.st_gid) < 0)
			return err_set(e, errno, "fchown");
		if (fchmod(fd, st.st_mode & 07777) < 0)
			return err_set(e, errno, "fchmod");
		copy_acl(lower, fd, "system.posix_acl_access");
		copy_acl(lower, fd, "system.posix_acl_default");
		times[1] = st.st_mtim;
	}
	return futimens(fd, times) < 0 ? err_set(e, errno, "futimens") : 0;
}

int apply_fix_implied(int root, const char *implied, size_t size, bool privileged,
		      const int *lowers, size_t count, struct err *e)
{
	const char *path;
	struct stat st;
	int error;

	for (path = implied; path < implied + size; path += strlen(path) + 1) {
		_cleanup_fd_ int lower = -EBADF;
		_cleanup_fd_ int fd =
			path_open_beneath(root, path, O_RDONLY | O_DIRECTORY, 0, true);

		/* replaced, or given an entry of its own, later in the layer */
		if (fd < 0 || fstat(fd, &st) < 0 ||
		    st.st_mtim.tv_sec != apply_implied_mtime.tv_sec ||
		    st.st_mtim.tv_nsec != apply_implied_mtime.tv_nsec)
			continue;
		lower = find_lower(path, lowers, count);
		error = fix_one(fd, lower, privileged, e);
		if (error)
			return err_wrap(e, "%s", path);
	}
	return 0;
}
