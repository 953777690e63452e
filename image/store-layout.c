/*
 * store-layout.c - opening the store, its locks and its small files.
 *
 * The store's folder is 0700: layers hold setuid files that a host user must
 * never reach (CVE-2021-41091).
 */
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/json.h"
#include "image/store.h"
#include "image/store-layout.h"

int store_default_path(char *text, size_t size)
{
	const char *env = getenv("KIST_STORE"), *home;
	int n;

	if (env && env[0]) {
		n = snprintf(text, size, "%s", env);
	} else if (geteuid() == 0 && !store_has_entered()) {
		n = snprintf(text, size, "/var/lib/kist");
	} else if ((env = getenv("XDG_DATA_HOME")) != NULL && env[0] == '/') {
		n = snprintf(text, size, "%s/kist", env);
	} else {
		home = getenv("HOME");
		if (home == NULL || home[0] != '/')
			return -ENOENT;
		n = snprintf(text, size, "%s/.local/share/kist", home);
	}
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static const char *const known_names[] = { "oci-layout", "index.json",	 "blobs",  "layers",
					   "lock",	 "locks",	 "tmp",	   "partial",
					   "users",	 "index.broken", "xattrs", "containers",
					   "reserve",	 "shared" };

DIR *store_open_folder(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL && fd >= 0)
		close(fd);
	return dir;
}

int store_next(DIR *dir, const char *what, struct dirent **ret, struct err *e)
{
	errno = 0;
	*ret = readdir(dir);
	if (*ret == NULL && errno)
		return err_set(e, errno, "cannot read %s", what);
	return *ret != NULL;
}

/* What file_replace_at() leaves when it is killed: ".index.json.PID.tmp". */
bool store_is_temporary(const char *name)
{
	size_t len = strlen(name);

	return name[0] == '.' && len > 5 && strcmp(name + len - 4, ".tmp") == 0;
}

/* A store has a lock file; another tool's layout has none, and may hold what kist can't keep. */
static int check_own(const struct store *s, struct err *e)
{
	if (faccessat(s->dir, "lock", F_OK, 0) == 0)
		return 0;
	err_say(e, EINVAL, "%s is a layout that is not kist's own", s->path);
	return err_fix(e, "load its images: kist image load %s", s->path);
}

/* Someone else's folder must not be turned into a store by a slip of the finger. */
static int check_foreign(const struct store *s, struct err *e)
{
	char usual[STORE_PATH_MAX];
	struct dirent *d;
	DIR *dir;
	size_t i;
	int got;

	if (faccessat(s->dir, "oci-layout", F_OK, 0) == 0)
		return check_own(s, e);
	if (store_default_path(usual, sizeof(usual)) == 0 && !getenv("KIST_STORE") &&
	    strcmp(usual, s->path) == 0)
		return 0;
	dir = store_open_folder(s->dir, ".");
	if (dir == NULL)
		return err_set(e, errno, "cannot read the store %s", s->path);
	while ((got = store_next(dir, s->path, &d, e)) > 0) {
		bool known = strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0;

		known |= store_is_temporary(d->d_name);
		for (i = 0; i < sizeof(known_names) / sizeof(known_names[0]); i++)
			known |= strcmp(d->d_name, known_names[i]) == 0;
		if (known)
			continue;
		err_say(e, ENOTEMPTY, "%s is no store: it holds %.100s", s->path, d->d_name);
		closedir(dir);
		return err_fix(e, "give --store an empty or new folder");
	}
	closedir(dir);
	return got;
}

static int make_parents(const char *path, struct err *e)
{
	char part[STORE_PATH_MAX];
	size_t i;

	for (i = 1; path[i] != '\0'; i++) {
		if (path[i] != '/')
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)i, path);
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return err_set(e, errno, "cannot make the folder %s", part);
	}
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_set(e, errno, "cannot make the store %s", path);
	return 0;
}

static int fill(const struct store *s, struct err *e)
{
	static const char *const folders[] = { "blobs",		"blobs/sha256", "blobs/sha512",
					       "layers",	"layers/sha256", "locks",
					       "tmp",		"partial",	"users" };
	static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}\n";
	_cleanup_fd_ int lock = -EBADF;
	size_t i;
	int error;

	if (fchmod(s->dir, store_is_open(s) ? 0755 : 0700) < 0)
		return err_set(e, errno, "cannot make %s private", s->path);
	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (mkdirat(s->dir, folders[i], 0700) < 0 && errno != EEXIST)
			return err_set(e, errno, "cannot make %s/%s", s->path, folders[i]);
	/* Before it is a store for all to see: of which kind. */
	error = store_write_kind(s, e);
	if (error || faccessat(s->dir, "oci-layout", F_OK, 0) == 0)
		return error;
	error = store_lock(s, true, &lock, e);
	if (error)
		return error;
	return file_replace_at(s->dir, "oci-layout", layout, strlen(layout), 0600, true, e);
}

static int check_version(const struct store *s, struct err *e)
{
	_cleanup_json_ json_t *layout = NULL;
	struct json_at root = JSON_AT_ROOT;
	const char *version = "";
	int got = json_read_file(s->dir, "oci-layout", &layout, e);

	if (got)
		return err_wrap(e, "%s is no store", s->path);
	got = json_get_string(layout, &root, "imageLayoutVersion", &version, e);
	if (got < 0)
		return got;
	if (strcmp(version, "1.0.0") != 0)
		return err_say(e, EINVAL, "%s/oci-layout has version \"%.20s\", not 1.0.0", s->path,
			       version);
	return 0;
}

static int resolve_path(struct store *s, const char *path, struct err *e)
{
	char usual[STORE_PATH_MAX], cwd[STORE_PATH_MAX];
	size_t len;
	int n;

	if (path == NULL) {
		n = store_default_path(usual, sizeof(usual));
		if (n)
			return err_set(e, -n, "cannot tell where the store is (HOME)");
		path = usual;
	}
	if (path[0] == '\0')
		return err_say(e, EINVAL, "the store's path is empty");
	if (path[0] == '/') {
		n = snprintf(s->path, sizeof(s->path), "%s", path);
	} else {
		if (getcwd(cwd, sizeof(cwd)) == NULL)
			return err_set(e, errno, "getcwd");
		n = snprintf(s->path, sizeof(s->path), "%s/%s", cwd, path);
	}
	if (n < 0 || (size_t)n >= sizeof(s->path))
		return err_say(e, ENAMETOOLONG, "the store's path is over %d bytes",
			       STORE_PATH_MAX);
	for (len = strlen(s->path); len > 1 && s->path[len - 1] == '/'; len--)
		s->path[len - 1] = '\0';
	return 0;
}

int store_open(struct store *s, const char *path, bool create, struct err *e)
{
	static const char not_yours[] = "it is another user's: leave out --store and KIST_STORE";
	int error = resolve_path(s, path, e);

	if (!error && create)
		error = make_parents(s->path, e);
	if (error)
		return error;
	s->dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0) {
		error = err_set(e, errno, "cannot open the store %s", s->path);
		return error == -EACCES ? err_fix(e, not_yours) : error;
	}
	if (create) {
		error = check_foreign(s, e);
		if (!error)
			error = store_read_kind(s, e);
		if (!error)
			error = store_check_kind(s->path, s->userxattr, e);
		if (!error)
			error = fill(s, e);
		if (error)
			return error;
		store_reserve_keep(s);
	}
	error = check_version(s, e);
	/* Its maker was killed before the store was one: nothing is in it. */
	if (error == -ENOENT && !create && check_foreign(s, NULL) == 0) {
		fd_close(&s->dir);
		return error;
	}
	if (error == -EACCES)
		return err_fix(e, not_yours);
	if (!error)
		error = check_own(s, e);
	return error ? error : store_read_kind(s, e);
}

int store_look_at(struct store *s, const char *path, struct err *e)
{
	int error = resolve_path(s, path, e);

	if (error)
		return error;
	s->dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0)
		return errno == ENOENT ? 0 : err_set(e, errno, "cannot open the store %s", s->path);
	if (faccessat(s->dir, "xattrs", F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
	    faccessat(s->dir, "oci-layout", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_set(e, errno, "cannot look at the store %s", s->path);
	error = store_read_kind(s, e);
	return error ? error : 1;
}

int store_open_shared(struct store *s, const char *path, struct err *e)
{
	int error = resolve_path(s, path, e);

	if (error)
		return error;
	s->shared = true;
	s->dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0) {
		error = err_set(e, errno, "cannot open the shared store %s", s->path);
		return error == -EACCES
			       ? err_fix(e, "its owner shares it by: kist image share --store %s",
					 s->path)
			       : error;
	}
	error = store_check_shared(s, e);
	if (!error)
		error = check_version(s, e);
	if (!error)
		error = check_own(s, e);
	return error ? error : store_read_kind(s, e);
}

void store_close(struct store *s)
{
	fd_close(&s->dir);
}

static int lock_fd(int fd, int how)
{
	int r;

	do
		r = flock(fd, how);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

/* Another's: there is no lock for us. */
static bool is_anothers(const struct store *s)
{
	struct stat st;

	return s->shared && (fstat(s->dir, &st) < 0 || st.st_uid != geteuid());
}

int store_lock(const struct store *s, bool exclusive, int *ret_fd, struct err *e)
{
	_cleanup_fd_ int fd = -EBADF;
	int error;

	if (is_anothers(s))
		return 0;
	if (s->shared)
		fd = openat(s->dir, "lock", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	else
		fd = openat(s->dir, "lock", O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EROFS)
		fd = openat(s->dir, "lock", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "cannot lock the store %s", s->path);
	error = lock_fd(fd, exclusive ? LOCK_EX : LOCK_SH);
	if (error)
		return err_set(e, -error, "cannot lock the store %s", s->path);
	*ret_fd = fd_take(&fd);
	return 0;
}

static void chain_lock_name(const struct digest *chain, char text[80])
{
	snprintf(text, 80, "locks/%.64s", chain->hex);
}

static int lock_chain(const struct store *s, const struct digest *chain, int how, int *ret_fd,
		      struct err *e)
{
	char name[80];
	struct stat st;
	int error;

	chain_lock_name(chain, name);
	for (;;) {
		_cleanup_fd_ int fd =
			openat(s->dir, name, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd < 0)
			return err_set(e, errno, "cannot lock layer %.12s", chain->hex);
		error = lock_fd(fd, how);
		if (error)
			return err_set(e, -error, "cannot lock layer %.12s", chain->hex);
		/* The holder before us removes the file: then this lock guards nothing. */
		if (fstat(fd, &st) == 0 && st.st_nlink > 0) {
			*ret_fd = fd_take(&fd);
			return 0;
		}
	}
}

int store_lock_chain(const struct store *s, const struct digest *chain, int *ret_fd, struct err *e)
{
	return lock_chain(s, chain, LOCK_EX, ret_fd, e);
}

int store_try_lock_chain(const struct store *s, const struct digest *chain, int *ret_fd,
			 struct err *e)
{
	return lock_chain(s, chain, LOCK_EX | LOCK_NB, ret_fd, e);
}

void store_unlock_chain(const struct store *s, const struct digest *chain, int *fd)
{
	char name[80];

	if (*fd < 0)
		return;
	chain_lock_name(chain, name);
	unlinkat(s->dir, name, 0);
	fd_close(fd);
}

struct store_path store_blob_path(const struct digest *d)
{
	struct store_path p;

	snprintf(p.text, sizeof(p.text), "blobs/%s/%s", digest_algorithm(d), d->hex);
	return p;
}

struct store_path store_layer_path(const struct digest *chain, const char *tail)
{
	struct store_path p;

	snprintf(p.text, sizeof(p.text), "layers/sha256/%s%s", chain->hex, tail);
	return p;
}
