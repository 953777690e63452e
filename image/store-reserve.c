/*
 * store-reserve.c - a little room that is kept, so that a full disk can be freed.
 *
 * What goes from the store goes by names first: a new index.json, a folder in
 * tmp/. Without a block or an inode for these nothing could be removed any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/stat.h>
#include "base/fd.h"
#include "base/path.h"
#include "image/store-gc.h"

#define RESERVE	      "reserve"
#define RESERVE_BYTES (128 << 10)

void store_reserve_keep(const struct store *s)
{
	_cleanup_fd_ int fd = -EBADF;

	/* A folder and a file: two inodes. */
	if (mkdirat(s->dir, RESERVE, 0700) < 0 && errno != EEXIST)
		return;
	fd = openat(s->dir, RESERVE "/room", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fallocate(fd, 0, 0, RESERVE_BYTES) < 0)
		path_remove_tree(s->dir, RESERVE, NULL);
}

bool store_reserve_spend(const struct store *s, int error, struct err *e)
{
	struct stat st;

	if ((error != -ENOSPC && error != -EDQUOT) ||
	    fstatat(s->dir, RESERVE, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    path_remove_tree(s->dir, RESERVE, NULL) < 0)
		return false;
	err_clear(e);
	return true;
}
