/*
 * store-use.c - who runs an image: users/NAME, a record whose flock(2) says that its maker lives.
 *
 * The layers are kept by the flock on the topmost one (image_resolve()); this
 * only tells people whose that is. So a record that cannot be made (a full
 * disk, a store that may only be read) never keeps a container from starting.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/path.h"
#include "image/store.h"
#include "image/store-layout.h"

static int open_users(const struct store *s)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(s->dir, "users", flags);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	mkdirat(s->dir, "users", 0700); /* a store from before there were any */
	return openat(s->dir, "users", flags);
}

/* A new file, locked. Who clears up may have had the lock, and the file, before us: then once more.
 */
static int make_record(struct image_user *u)
{
	unsigned long long random = 0;
	struct stat st;
	int tries;

	for (tries = 0; tries < 8; tries++) {
		_cleanup_fd_ int fd = -EBADF;

		if (getrandom(&random, sizeof(random), 0) != sizeof(random))
			return -EIO;
		snprintf(u->name, sizeof(u->name), "%016llx", random);
		fd = openat(u->dir, u->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0600);
		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0) {
			u->fd = fd_take(&fd);
			return 0;
		}
	}
	return -EAGAIN;
}

void image_user_begin(const char *store, const struct image_info *image, const char *id,
		      struct image_user *ret)
{
	_cleanup_store_ struct store s = STORE_INIT;
	struct image_user u = IMAGE_USER_INIT;
	char text[512];
	int n;

	if (image->shared || !path_is_id(id, 255) || store_open(&s, store, false, NULL))
		return;
	n = snprintf(text, sizeof(text), "{\"id\": \"%s\", \"manifest\": \"%s\"}\n", id,
		     image->manifest_digest);
	u.dir = open_users(&s);
	if (u.dir < 0)
		return;
	if (make_record(&u) == 0 && fd_write_all(u.fd, text, n) == 0)
		*ret = u;
	else
		image_user_end(&u);
}

void image_user_end(struct image_user *u)
{
	if (u->fd >= 0)
		unlinkat(u->dir, u->name, 0);
	fd_close(&u->fd);
	fd_close(&u->dir);
}

static int read_record(int dir, const char *name, struct store_use *ret, struct err *e)
{
	_cleanup_json_ json_t *record = NULL;
	struct json_at root = JSON_AT_ROOT;
	const char *id = NULL, *manifest = NULL;
	int got = json_read_file(dir, name, &record, e);

	if (got >= 0)
		got = json_require(json_get_string(record, &root, "id", &id, e), &root, "id", e);
	if (got >= 0)
		got = json_require(json_get_string(record, &root, "manifest", &manifest, e), &root,
				   "manifest", e);
	if (got >= 0 && !path_is_id(id, sizeof(ret->id) - 1))
		return json_bad(e, &root, "it names no container");
	if (got >= 0)
		got = digest_parse(manifest, &ret->manifest, e);
	if (got < 0)
		return got;
	snprintf(ret->id, sizeof(ret->id), "%s", id);
	return 0;
}

int store_each_use(const struct store *s, store_use_fn *visit, void *user, struct err *e)
{
	DIR *dir = store_open_folder(s->dir, "users");
	struct dirent *d;
	int error = 0, got = 0;

	if (dir == NULL)
		return errno == ENOENT ? 0 : err_set(e, errno, "cannot read %s/users", s->path);
	while (!error && (got = store_next(dir, "users", &d, e)) > 0) {
		struct store_use use = { .name = d->d_name };
		_cleanup_fd_ int fd = -EBADF;

		if (d->d_name[0] == '.')
			continue;
		fd = openat(dirfd(dir), d->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			continue;
		use.alive = flock(fd, LOCK_SH | LOCK_NB) < 0;
		/* One that is just being written is no one's yet: its layer's flock speaks for it.
		 */
		if (use.alive && read_record(dirfd(dir), d->d_name, &use, NULL))
			continue;
		error = visit(s, &use, user, e);
	}
	closedir(dir);
	return error ? error : got;
}
