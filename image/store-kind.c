/*
 * store-kind.c - the file `xattrs` of a store: "trusted", "user", or "user-mapped" and its ids.
 *
 * It says by which xattrs its layers tell overlayfs what is hidden. Root of the
 * host writes, and mounts, trusted.overlay.*; anybody else may write only
 * user.overlay.*, which count in a mount with "userxattr". One would see in the
 * other's layers what a whiteout removed: so neither uses the other's.
 *
 * And it says whose a user's files are: "user", his own, whoever they should be (which is in an
 * xattr); "user-mapped", of the ids that he has by these two lines, which only a user namespace with
 * the same ids shows as the image has them:
 *
 *   uids OWN FIRST COUNT     0 is OWN of the host, 1 and what follows FIRST...
 *   gids OWN FIRST COUNT
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/host.h"
#include "image/store.h"
#include "image/store-layout.h"

#define NAME "xattrs"

/* Of this process: store-enter.c. */
static struct {
	bool entered, mapped;
	struct subids ids;
} caller;

bool store_caller_userxattr(void)
{
	return geteuid() != 0 || host_in_user_namespace();
}

bool store_has_entered(void)
{
	return caller.entered;
}

void store_note_entered(void)
{
	caller.entered = true;
}

void store_choose_ids(const struct subids *ids)
{
	caller.mapped = ids != NULL;
	caller.ids = ids ? *ids : (struct subids){ 0 };
}

static enum apply_as as(bool userxattr, bool mapped)
{
	return !userxattr ? APPLY_ROOT : mapped ? APPLY_MAPPED : APPLY_SINGLE;
}

enum apply_as store_apply_as(const struct store *s)
{
	return as(s->userxattr, s->mapped);
}

enum apply_as image_apply_as(const struct image_info *image)
{
	return as(image->userxattr, image->mapped);
}

static bool parse_range(const char *line, const char *name, struct subid_range *ret)
{
	unsigned own, first, count;
	char word[8];
	int end = 0;

	if (sscanf(line, "%7s %u %u %u%n", word, &own, &first, &count, &end) != 4 ||
	    (line[end] != '\n' && line[end] != '\0') || strcmp(word, name) != 0 || count == 0 ||
	    count > SUBIDS_MAX || first > UINT32_MAX - count)
		return false;
	*ret = (struct subid_range){ own, first, count };
	return true;
}

static int parse_kind(struct store *s, const char *text, struct err *e)
{
	const char *uids = strchrnul(text, '\n'), *gids;
	size_t len = uids - text;

	uids += *uids != '\0';
	gids = strchrnul(uids, '\n');
	gids += *gids != '\0';
	s->mapped = len == 11 && memcmp(text, "user-mapped", len) == 0;
	s->userxattr = s->mapped || (len == 4 && memcmp(text, "user", len) == 0);
	if (!s->userxattr && (len != 7 || memcmp(text, "trusted", len) != 0))
		return err_say(e, EINVAL, "%s/" NAME " says neither trusted nor user", s->path);
	if (s->mapped &&
	    (!parse_range(uids, "uids", &s->ids.uid) || !parse_range(gids, "gids", &s->ids.gid)))
		return err_say(e, EINVAL, "%s/" NAME " does not say which ids its files are of",
			       s->path);
	return 0;
}

int store_read_kind(struct store *s, struct err *e)
{
	char text[256] = "";
	struct stat st;
	_cleanup_fd_ int fd = openat(s->dir, NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) { /* a new one, or from before there was one */
		if (fstat(s->dir, &st) < 0)
			return err_set(e, errno, "the store %s", s->path);
		s->userxattr = st.st_uid != 0 || host_in_user_namespace();
		s->mapped = caller.mapped && s->userxattr &&
			    faccessat(s->dir, "oci-layout", F_OK, AT_SYMLINK_NOFOLLOW) < 0;
		s->ids = caller.ids;
		return 0;
	}
	if (fd < 0 || fd_read_full(fd, text, sizeof(text) - 1) < 0)
		return err_set(e, errno, "cannot read %s/" NAME, s->path);
	return parse_kind(s, text, e);
}

static int kind_text(const struct store *s, char *text, size_t size)
{
	const struct subid_range *u = &s->ids.uid, *g = &s->ids.gid;

	if (!s->mapped)
		return snprintf(text, size, "%s\n", s->userxattr ? "user" : "trusted");
	return snprintf(text, size, "user-mapped\nuids %u %u %u\ngids %u %u %u\n", u->own, u->first,
			u->count, g->own, g->first, g->count);
}

/* Another process may make the same store, of another kind. */
int store_write_kind(const struct store *s, struct err *e)
{
	_cleanup_fd_ int lock = -EBADF;
	struct store there = { .dir = s->dir };
	char text[256];
	int n;

	if (faccessat(s->dir, NAME, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
		/* Whoever has the lock may clear temporary files away. */
		n = store_lock(s, true, &lock, e);
		if (n)
			return n;
	}
	if (faccessat(s->dir, NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		snprintf(there.path, sizeof(there.path), "%s", s->path);
		n = store_read_kind(&there, e);
		if (n || store_apply_as(&there) == store_apply_as(s))
			return n;
		err_say(e, EAGAIN, "somebody else made the store %s meanwhile, of another kind",
			s->path);
		return err_fix(e, "try again");
	}
	n = kind_text(s, text, sizeof(text));
	return file_replace_at(s->dir, NAME, text, n, 0600, true, e);
}

/* Without them all files would be nobody's, and what is unpacked another store's. */
int store_check_ids(const struct store *s, struct err *e)
{
	if (!s->mapped || subids_are_here(&s->ids))
		return 0;
	err_say(e, EPERM,
		"the files of the store %s are of the ids %u to %u, which are not those of 1 to %u "
		"here",
		s->path, s->ids.uid.first, s->ids.uid.first + s->ids.uid.count - 1, s->ids.uid.count);
	return err_fix(e, "use it as the user that made it, outside of user namespaces; or another --store");
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
