/*
 * store-kind.c - the file `xattrs` of a store: "trusted" or "user".
 *
 * It says by which xattrs its layers tell overlayfs what is hidden. Root of the
 * host writes, and mounts, trusted.overlay.*; anybody else may write only
 * user.overlay.*, which count in a mount with "userxattr". One would see in the
 * other's layers what a whiteout removed: so neither uses the other's.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/host.h"
#include "image/store.h"
#include "image/store-layout.h"

#define NAME "xattrs"

bool store_caller_userxattr(void)
{
	return geteuid() != 0 || host_in_user_namespace();
}

static const char *kind_name(bool userxattr)
{
	return userxattr ? "user" : "trusted";
}

int store_read_kind(struct store *s, struct err *e)
{
	char text[16] = "";
	struct stat st;
	_cleanup_fd_ int fd = openat(s->dir, NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) { /* from before there was one */
		if (fstat(s->dir, &st) < 0)
			return err_set(e, errno, "the store %s", s->path);
		s->userxattr = st.st_uid != 0 || host_in_user_namespace();
		return 0;
	}
	if (fd < 0 || fd_read_full(fd, text, sizeof(text) - 1) < 0)
		return err_set(e, errno, "cannot read %s/" NAME, s->path);
	text[strcspn(text, "\n")] = '\0';
	s->userxattr = strcmp(text, kind_name(true)) == 0;
	if (!s->userxattr && strcmp(text, kind_name(false)) != 0)
		return err_say(e, EINVAL, "%s/" NAME " says neither trusted nor user", s->path);
	return 0;
}

int store_write_kind(const struct store *s, struct err *e)
{
	_cleanup_fd_ int lock = -EBADF;
	char text[16];
	int n;

	if (faccessat(s->dir, NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	/* Whoever has the lock may clear temporary files away. */
	n = store_lock(s, true, &lock, e);
	if (n)
		return n;
	n = snprintf(text, sizeof(text), "%s\n", kind_name(s->userxattr));
	return file_replace_at(s->dir, NAME, text, n, 0600, true, e);
}

int store_check_kind(const char *path, bool userxattr, struct err *e)
{
	if (userxattr == store_caller_userxattr())
		return 0;
	if (userxattr) {
		err_say(e, EPERM,
			"the store %s is one of a user without root, whose whiteouts root's "
			"overlay does not see",
			path);
		return err_fix(
			e, "run it as that user, or pull the image into root's own store (without "
			   "--store and KIST_STORE)");
	}
	err_say(e, EPERM,
		"the store %s is root's, whose whiteouts an overlay made without root does not "
		"see",
		path);
	return err_fix(
		e, "run it as root, or pull the image into a store of your own (without --store "
		   "and KIST_STORE)");
}
