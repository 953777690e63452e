/*
 * store-shared.c - stores of others, which are only read: a second place to look for an image.
 *
 * KIST_SHARED_STORES (paths, with ':' between), else /etc/kist/shared-stores (a path a line). Whose
 * store may be one: root's or the caller's own. What another unprivileged user can alter is never
 * looked into, whoever named it: of a layer nothing is hashed at a start.
 *
 * No lock is taken in a store of another's, nor does that one let us: whoever may open its `lock`
 * could keep its owner waiting for ever (store-share.c). Files there are replaced whole, and what
 * is read is verified, or the owner's word counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "image/store.h"
#include "image/store-layout.h"

#define LIST_FILE      "/etc/kist/shared-stores"
#define LIST_BYTES_MAX (64u << 10)

static int add_path(struct store_list *list, const char *path, size_t len, struct arena *a,
		    struct err *e)
{
	if (len == 0)
		return 0;
	if (path[0] != '/' || len >= STORE_PATH_MAX)
		return err_say(e, EINVAL, "a shared store must be an absolute path, not %.*s",
			       (int)(len < 200 ? len : 200), path);
	if (list->count == STORE_SHARED_MAX)
		return err_say(e, E2BIG, "over %d shared stores", STORE_SHARED_MAX);
	list->paths[list->count] = arena_strndup(a, path, len);
	if (list->paths[list->count++] == NULL)
		return err_set(e, ENOMEM, "no memory for a path");
	return 0;
}

static int split(const char *text, char between, struct arena *a, struct store_list *ret,
		 struct err *e)
{
	struct store_list list = { .count = 0 };
	int error = 0;

	while (!error && *text) {
		const char *end = strchrnul(text, between);

		if (*text != '#')
			error = add_path(&list, text, end - text, a, e);
		text = *end ? end + 1 : end;
	}
	if (!error)
		*ret = list;
	return error;
}

int store_shared_list(struct arena *a, struct store_list *ret, struct err *e)
{
	const char *env = getenv("KIST_SHARED_STORES");
	_cleanup_free_ char *text = NULL;
	struct store_list none = { .count = 0 };
	size_t size = 0;
	int error;

	if (env) {
		error = split(env, ':', a, ret, e);
		return error ? err_at(e, "KIST_SHARED_STORES") : 0;
	}
	error = file_read_whole(AT_FDCWD, LIST_FILE, LIST_BYTES_MAX, &text, &size, e);
	if (error == -ENOENT) {
		err_clear(e);
		*ret = none;
		return 0;
	}
	if (!error)
		error = split(text, '\n', a, ret, e);
	return error ? err_at(e, LIST_FILE) : 0;
}

/* An ACL's right to write is in the group's bits. */
static int check_trust(const struct store *s, const char *name, const struct stat *st,
		       struct err *e)
{
	if (st->st_uid != 0 && st->st_uid != geteuid()) {
		err_say(e, EPERM,
			"the shared store %s is not used: %s belongs to uid %u, who could "
			"put anything there",
			s->path, name, st->st_uid);
		return err_fix(e, "share one of root's, or of your own");
	}
	if (st->st_mode & 022) {
		err_say(e, EPERM,
			"the shared store %s is not used: others can alter %s, its mode is "
			"%03o",
			s->path, name, st->st_mode & 07777);
		return err_fix(e, "close it to them: chmod go-w");
	}
	return 0;
}

/* In a user namespace root's files look like nobody's: whoever enters one of its own (store-enter.c)
 * looked before. */
static struct vouched {
	dev_t dev;
	ino_t ino;
	struct err refused;
} vouched[STORE_SHARED_MAX];
static size_t vouched_count;

void store_vouch_shared(void)
{
	struct arena a = ARENA_INIT;
	struct store_list list = { .count = 0 };
	struct stat st;
	size_t i;

	if (store_shared_list(&a, &list, NULL))
		list.count = 0;
	for (i = 0; i < list.count; i++) {
		_cleanup_store_ struct store s = STORE_INIT;
		struct vouched *v = &vouched[vouched_count];

		err_clear(&v->refused);
		store_open_shared(&s, list.paths[i], &v->refused);
		if (s.dir < 0 || fstat(s.dir, &st) < 0)
			continue;
		v->dev = st.st_dev;
		v->ino = st.st_ino;
		vouched_count++;
	}
	arena_free(&a);
}

static const struct err *find_vouched(const struct stat *st)
{
	size_t i;

	for (i = 0; i < vouched_count; i++)
		if (vouched[i].dev == st->st_dev && vouched[i].ino == st->st_ino)
			return &vouched[i].refused;
	return NULL;
}

static int check_part(const struct store *s, const char *name, bool folder, struct err *e)
{
	struct stat st;

	if (fstatat(s->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == EACCES
			       ? 0
			       : err_set(e, errno, "%s/%s", s->path, name);
	if (folder ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))
		return err_say(e, EINVAL, "the shared store %s is not used: %s is no %s", s->path,
			       name, folder ? "folder" : "file");
	return check_trust(s, name, &st, e);
}

int store_check_shared(const struct store *s, struct err *e)
{
	static const char *const folders[] = { "blobs", "blobs/sha256", "blobs/sha512", "layers",
					       "layers/sha256" };
	static const char *const files[] = { "index.json", "oci-layout", "xattrs" };
	struct stat st;
	size_t i;
	int error;

	if (fstat(s->dir, &st) < 0)
		return err_set(e, errno, "the shared store %s", s->path);
	if (store_has_entered()) {
		const struct err *refused = find_vouched(&st);

		if (refused == NULL)
			return err_say(e, EPERM, "the shared store %s is not used: it was another before",
				       s->path);
		if (refused->error && e)
			*e = *refused;
		return -refused->error;
	}
	error = check_trust(s, "it", &st, e);
	for (i = 0; !error && i < sizeof(folders) / sizeof(folders[0]); i++)
		error = check_part(s, folders[i], true, e);
	for (i = 0; !error && i < sizeof(files) / sizeof(files[0]); i++)
		error = check_part(s, files[i], false, e);
	return error;
}

/* The fix is whole: whoever only lacks rights to the layers has the blobs. */
static int unpack_it(const struct store *s, const char *reference, struct err *e)
{
	return err_fix(e,
		       "kist load --image %s %s unpacks it into your own store, without a download",
		       reference, s->path);
}

int store_check_shared_layers(const struct store *s, const char *reference, struct err *e)
{
	struct err kind = ERR_INIT;
	struct stat st, layers;

	if (fstat(s->dir, &st) < 0)
		return err_set(e, errno, "the shared store %s", s->path);
	if (st.st_uid != geteuid()) {
		err_say(e, EPERM,
			"it is in the shared store %s, whose layers are uid %u's: no container "
			"of yours has that id",
			s->path, st.st_uid);
		return unpack_it(s, reference, e);
	}
	if (fstatat(s->dir, "layers", &layers, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(e, errno, "%s/layers", s->path);
	/* An image's files may be anybody's: who reaches them under the id they have there can
	 * alter them, or run what is setuid (CVE-2021-41091). */
	if ((st.st_mode & 077) && (layers.st_mode & 077)) {
		err_say(e, EPERM,
			"it is in the shared store %s, whose layers others can reach: the mode "
			"of layers is %03o",
			s->path, layers.st_mode & 07777);
		return err_fix(e, "chmod 700 %s/layers", s->path);
	}
	if (store_check_kind(s->path, s->userxattr, &kind)) {
		*e = kind;
		e->fix[0] = '\0';
		return unpack_it(s, reference, e);
	}
	return 0;
}

void store_close_all(struct store_set *set)
{
	while (set->count > 0)
		store_close(&set->stores[--set->count]);
}

int store_open_all_shared(struct store_set *ret, struct err *refused, struct err *e)
{
	struct arena a = ARENA_INIT;
	struct store_list list;
	struct err why;
	size_t i;
	int error = store_shared_list(&a, &list, e);

	ret->count = 0;
	for (i = 0; !error && i < list.count; i++) {
		struct store *s = &ret->stores[ret->count];

		*s = (struct store)STORE_INIT;
		err_clear(&why);
		if (store_open_shared(s, list.paths[i], &why) == 0) {
			ret->count++;
			continue;
		}
		store_close(s);
		if (refused && refused->error == 0 && why.error != ENOENT)
			*refused = why;
	}
	arena_free(&a);
	return error;
}

/* A store that was named: what runs on its layers runs what its owner likes. */
static int check_owner(const struct store *s, struct err *e)
{
	struct stat st;

	if (fstat(s->dir, &st) < 0)
		return err_set(e, errno, "the store %s", s->path);
	if (st.st_uid == geteuid())
		return 0;
	err_say(e, EPERM, "the store %s belongs to uid %u, who can alter its layers", s->path,
		st.st_uid);
	return err_fix(e, "load its images into a store of your own: kist load %s", s->path);
}

/* In one's own: -ENOENT where there is none, or no such image. */
static int look_in_own(struct store *s, const char *path, const char *reference, bool run,
		       struct arena *a, const struct index_entry **ret, int *ret_lock,
		       struct err *e)
{
	int error = store_open(s, path, false, e);

	if (error == -ENOENT) { /* no store yet: no images */
		err_clear(e);
		return store_say_unknown(s, reference, e);
	}
	if (!error && run)
		error = store_check_kind(s->path, s->userxattr, e);
	if (!error && run)
		error = check_owner(s, e);
	if (!error)
		error = store_lock(s, false, ret_lock, e);
	return error ? error : store_find(s, reference, a, ret, e);
}

static int look_in_shared(struct store *s, const char *reference, bool run, struct arena *a,
			  const struct index_entry **ret, int *ret_lock, struct err *e)
{
	int error = store_lock(s, false, ret_lock, e);

	if (!error)
		error = store_find(s, reference, a, ret, e);
	if (!error && run)
		error = store_check_shared_layers(s, reference, e);
	return error;
}

int store_open_having(struct store *s, const char *path, const char *reference, bool run,
		      struct arena *a, const struct index_entry **ret, int *ret_lock, struct err *e)
{
	struct store_set shared = { .count = 0 };
	struct err refused = ERR_INIT, why = ERR_INIT;
	int error = look_in_own(s, path, reference, run, a, ret, ret_lock, e);
	size_t i;

	if (error != -ENOENT)
		return error;
	error = store_open_all_shared(&shared, &refused, &why);
	if (error)
		*e = why;
	for (i = 0; !error && i < shared.count; i++) {
		_cleanup_fd_ int lock = -EBADF;

		err_clear(&why);
		error = look_in_shared(&shared.stores[i], reference, run, a, ret, &lock, &why);
		if (error == -ENOENT) {
			error = 0;
			continue;
		}
		store_close(s);
		*s = shared.stores[i];
		shared.stores[i].dir = -EBADF;
		fd_close(ret_lock);
		*ret_lock = fd_take(&lock);
		*e = why;
		store_close_all(&shared);
		return error;
	}
	store_close_all(&shared);
	if (error)
		return error;
	if (refused.error == 0)
		return -ENOENT;
	*e = refused;
	return err_wrap(e, "no such image");
}

int store_explain_shared(int error, const char *reference, struct err *e)
{
	struct store_set shared = { .count = 0 };
	const struct index_entry *entry;
	struct arena a = ARENA_INIT;
	size_t i;

	if (error != -ENOENT || store_open_all_shared(&shared, NULL, NULL))
		return error;
	for (i = 0; error == -ENOENT && i < shared.count; i++) {
		const struct store *s = &shared.stores[i];

		if (store_find(s, reference, &a, &entry, NULL))
			continue;
		error = err_say(e, EROFS, "%.200s is in the shared store %s, which is only read",
				reference, s->path);
		err_fix(e, "kist load --image %s %s puts it into your own store", reference,
			s->path);
	}
	store_close_all(&shared);
	arena_free(&a);
	return error;
}
