/*
 * fsck.c - the store's skeleton and its blobs; the order of it all.
 *
 * A check holds the lock shared: containers start meanwhile, and nothing is
 * swept. Mending holds it exclusively.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "image/fsck-internal.h"
#include "image/hash.h"

#define HASH_BLOCK (256u << 10)

void fsck_tell(struct fsck *f, const char *kind, const char *what, bool wrong, const char *done,
	       const char *fmt, ...)
{
	char text[1024];
	struct fsck_found found = { kind, what, text, done, wrong };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (wrong) {
		f->result.wrong++;
		f->result.mended += done != NULL;
	} else {
		f->result.leftovers++;
	}
	if (f->options->found)
		f->options->found(f->options->user, &found);
}

int digests_add(struct digests *set, const struct digest *d, struct err *e)
{
	if (set->count == set->room) {
		size_t room = set->room ? 2 * set->room : 16;
		struct digest *more = realloc(set->list, room * sizeof(*more));

		if (more == NULL)
			return err_set(e, ENOMEM, "no memory for digests");
		set->list = more;
		set->room = room;
	}
	set->list[set->count++] = *d;
	return 0;
}

bool digests_has(const struct digests *set, const struct digest *d)
{
	size_t i;

	for (i = 0; i < set->count; i++)
		if (digest_equal(&set->list[i], d))
			return true;
	return false;
}

enum fsck_blob fsck_blob_state(const struct fsck *f, const struct descriptor *d)
{
	struct stat st;

	if (digests_has(&f->bad_blobs, &d->digest))
		return FSCK_BLOB_BAD;
	if (digests_has(&f->unread_blobs, &d->digest))
		return FSCK_BLOB_UNREAD;
	if (fstatat(f->store.dir, store_blob_path(&d->digest).text, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? FSCK_BLOB_BAD : FSCK_BLOB_UNREAD;
	return S_ISREG(st.st_mode) && (uint64_t)st.st_size == d->size ? FSCK_BLOB_GOOD
								      : FSCK_BLOB_BAD;
}

int fsck_set_aside(struct fsck *f, const char *path, struct err *e)
{
	char name[32];

	snprintf(name, sizeof(name), "aside-%llu", (unsigned long long)f->result.wrong);
	if (renameat(f->store.dir, path, f->tmp.dir, name) < 0)
		return err_set(e, errno, "cannot remove %s", path);
	return 0;
}

/* One part of it, that others may reach, or (a shared store) may not. */
static int check_mode(struct fsck *f, const char *name, mode_t should, struct err *e)
{
	const char *done = NULL;
	struct stat st;

	if (fstatat(f->store.dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_set(e, errno, "cannot look at %s/%s", f->store.path, name);
	if ((st.st_mode & 07777) == should || S_ISLNK(st.st_mode))
		return 0;
	if (f->options->repair) {
		if (fchmodat(f->store.dir, name, should, 0) < 0)
			return err_set(e, errno, "cannot set the mode of %s/%s", f->store.path, name);
		done = "set";
	}
	fsck_tell(f, "folder", name, true, done, "its mode is %03o, not %03o as in a store that is "
		  "shared", st.st_mode & 07777, should);
	return 0;
}

static int check_shared_modes(struct fsck *f, struct err *e)
{
	size_t i;
	int error = 0;

	for (i = 0; !error && i < store_part_count; i++)
		error = check_mode(f, store_parts[i].name, store_parts[i].open, e);
	return error;
}

/* Files are for their owner alone: layers hold setuid programs. */
static int check_root(struct fsck *f, struct err *e)
{
	mode_t should = store_is_open(&f->store) ? 0755 : 0700;
	const char *done = NULL;
	struct stat st;

	if (fstat(f->store.dir, &st) < 0)
		return err_set(e, errno, "cannot look at the store %s", f->store.path);
	if (st.st_uid != geteuid()) {
		err_say(e, EPERM, "the store %s is not yours: it belongs to uid %u", f->store.path,
			st.st_uid);
		return err_fix(e, "only its owner can tell what its files should be");
	}
	if ((st.st_mode & 07777) != should) {
		if (f->options->repair) {
			if (fchmod(f->store.dir, should) < 0)
				return err_set(e, errno, "cannot set the mode of %s", f->store.path);
			done = should == 0700 ? "closed" : "opened";
		}
		fsck_tell(f, "folder", ".", true, done, "%s: its mode is %03o, not %03o",
			  should == 0700 ? "others can reach it" : "it is shared, as image share says",
			  st.st_mode & 07777, should);
	}
	return should == 0700 ? 0 : check_shared_modes(f, e);
}

static int check_folders(struct fsck *f, struct err *e)
{
	static const char *const folders[] = { "blobs",	 "blobs/sha256",  "blobs/sha512",
					       "layers", "layers/sha256", "locks",
					       "tmp",	 "partial",	  "users" };
	struct stat st;
	size_t i;

	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		const char *done = NULL;

		if (fstatat(f->store.dir, folders[i], &st, AT_SYMLINK_NOFOLLOW) == 0) {
			if (S_ISDIR(st.st_mode))
				continue;
			err_say(e, ENOTDIR, "%s/%s is no folder", f->store.path, folders[i]);
			return err_fix(e,
				       "put it away; then kist image fsck --repair makes it anew");
		}
		if (errno != ENOENT)
			return err_set(e, errno, "cannot look at %s/%s", f->store.path, folders[i]);
		if (f->options->repair) {
			if (mkdirat(f->store.dir, folders[i], 0700) < 0)
				return err_set(e, errno, "cannot make %s/%s", f->store.path,
					       folders[i]);
			done = "made";
		}
		/* These came with later versions, and are made when they are needed. */
		if (i != 2 && i < 7)
			fsck_tell(f, "folder", folders[i], true, done, "it is missing");
	}
	return 0;
}

/* Names are nowhere else: an index that cannot be read is put beside, for a human's eyes. */
static int check_index(struct fsck *f, struct err *e)
{
	const char *done = NULL;
	char text[ERR_TEXT_MAX];
	int error = store_read_index(&f->store, &f->arena, &f->index, e);

	if (!error)
		return 0;
	if (!fsck_is_damage(error))
		return error;
	err_format(e, text, sizeof(text));
	err_clear(e);
	f->index = (struct image_index){ 0 };
	f->index_broken = true;
	if (f->options->repair) {
		if (renameat(f->store.dir, "index.json", f->store.dir, "index.broken") < 0)
			return err_set(e, errno, "cannot put index.json away");
		done = "moved to index.broken; pull or load the images again: what is good of them "
		       "is not fetched twice";
	}
	fsck_tell(f, "index", "index.json", true, done, "%s", text);
	return 0;
}

/* 0 with the digest of what is in it, or -errno. */
static int hash_file(struct fsck *f, int fd, const struct digest *like, struct digest *ret,
		     struct err *e)
{
	_cleanup_hash_ struct hash h = HASH_INIT;
	_cleanup_free_ char *block = malloc(HASH_BLOCK);
	ssize_t n;
	int error;

	if (block == NULL)
		return err_set(e, ENOMEM, "no memory to hash");
	error = hash_begin_as(&h, like, e);
	if (error)
		return error;
	while ((n = fd_read_full(fd, block, HASH_BLOCK)) > 0) {
		hash_add(&h, block, n);
		f->result.bytes += n;
	}
	hash_end(&h, ret);
	return n < 0 ? err_set(e, -n, "it cannot be read") : 0;
}

static int bad_blob(struct fsck *f, const struct digest *d, const char *why, struct err *e)
{
	const char *done = NULL;
	int error = 0;

	if (f->options->repair) {
		error = fsck_set_aside(f, store_blob_path(d).text, e);
		done = "removed";
	} else {
		error = digests_add(&f->bad_blobs, d, e);
	}
	fsck_tell(f, "blob", digest_text(d).text, true, error ? NULL : done, "%s", why);
	return error;
}

/* A disk, or a cable, may give tomorrow what it does not give today: what was not read was not found
 * wrong, and is nobody's to remove but its owner's. */
static int unread_blob(struct fsck *f, const struct digest *d, struct err *e)
{
	char why[ERR_TEXT_MAX];

	err_format(e, why, sizeof(why));
	err_clear(e);
	fsck_tell(f, "blob", digest_text(d).text, true, NULL,
		  "%s; it is kept: if the disk is done for, remove %s/%s, and pull the image again",
		  why, f->store.path, store_blob_path(d).text);
	return digests_add(&f->unread_blobs, d, e);
}

static int check_blob(struct fsck *f, const struct digest *d, struct err *e)
{
	_cleanup_fd_ int fd = openat(f->store.dir, store_blob_path(d).text,
				     O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct digest got;
	struct stat st;
	char why[256];
	int error;

	if (fd < 0 && errno == ENOENT)
		return 0; /* somebody's rm, between readdir(3) and here */
	if (fd < 0 && errno != ELOOP && errno != ENXIO) {
		error = err_set(e, errno, "it cannot be read");
		if (error == -EIO)
			return unread_blob(f, d, e);
		return err_wrap(e, "blob %.19s...", digest_text(d).text);
	}
	if (fd >= 0 && fstat(fd, &st) < 0)
		return err_set(e, errno, "cannot look at blob %.19s...", digest_text(d).text);
	if (fd < 0 || !S_ISREG(st.st_mode))
		return bad_blob(f, d, "it is no file", e);
	f->result.blobs++;
	if (f->options->quick)
		return 0;
	error = hash_file(f, fd, d, &got, e);
	if (error == -EIO)
		return unread_blob(f, d, e);
	if (error)
		return err_wrap(e, "blob %.19s...", digest_text(d).text);
	if (digest_equal(&got, d))
		return 0;
	snprintf(why, sizeof(why), "it has the content of %.19s..., %lld bytes",
		 digest_text(&got).text, (long long)st.st_size);
	return bad_blob(f, d, why, e);
}

int fsck_each(struct fsck *f, const char *folder, const char *algorithm,
	      int (*check)(struct fsck *f, const struct digest *d, struct err *e), struct err *e)
{
	struct digests all = { 0 };
	struct dirent *entry;
	struct digest d;
	char path[300];
	size_t i;
	int error = 0, got = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s", folder, algorithm);
	dir = store_open_folder(f->store.dir, path);
	if (dir == NULL)
		return errno == ENOENT ? 0 : err_set(e, errno, "cannot read %s", path);
	while (!error && (got = store_next(dir, folder, &entry, e)) > 0) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (digest_from_hex(algorithm, entry->d_name, &d)) {
			error = digests_add(&all, &d, e);
			continue;
		}
		snprintf(path, sizeof(path), "%s/%s/%s", folder, algorithm, entry->d_name);
		fsck_tell(f, "stray", path, false, NULL, "it is nothing of kist's");
	}
	closedir(dir);
	error = error ? error : got;
	for (i = 0; i < all.count && !error; i++)
		error = check(f, &all.list[i], e);
	free(all.list);
	return error;
}

/* What nothing needs. Where something is damaged, who knows what that is; and the next pull of an
 * image that was lost is glad of what is left of it: `prune` takes that. */
static int check_orphans(struct fsck *f, struct err *e)
{
	struct store_removed r = { 0 };
	const char *done = f->options->repair ? "removed" : NULL;
	size_t i;
	int error;

	if (f->result.wrong != f->result.mended || f->index_broken)
		return 0;
	for (i = 0; i < f->index.count; i++)
		if (f->images[i].lost)
			return 0;
	error = store_sweep_as(&f->store, f->options->repair ? &f->tmp : NULL, NULL, &r, e);
	if (!error && (r.blobs || r.layers))
		fsck_tell(f, "leftover", "blobs, layers", false, done,
			  "no image needs %llu blobs and %llu layers, %llu bytes",
			  (unsigned long long)r.blobs, (unsigned long long)r.layers,
			  (unsigned long long)r.bytes);
	return error;
}

static int check_leftovers(struct fsck *f, struct err *e)
{
	const char *done = f->options->repair ? "removed" : NULL;
	struct store_leftovers l;
	int error = store_clear(&f->store, STORE_PARTIAL_SECONDS, !f->options->repair, &l, e);

	if (error)
		return error;
	if (l.folders)
		fsck_tell(f, "leftover", "tmp", false, done,
			  "%zu folders of processes that are dead, %llu bytes", l.folders,
			  (unsigned long long)l.bytes);
	if (l.files)
		fsck_tell(f, "leftover", "locks, users", false, done,
			  "%zu locks, records and files of processes that are dead", l.files);
	if (l.partial)
		fsck_tell(f, "leftover", "partial", false, done,
			  "%zu partial downloads that are a week old, %llu bytes", l.partial,
			  (unsigned long long)l.partial_bytes);
	return 0;
}

/* Stores of others are read, and nothing is mended there. */
static int check_shared_stores(struct fsck *f, struct err *e)
{
	char why[ERR_TEXT_MAX];
	struct store_list list;
	size_t i;
	int error = store_shared_list(&f->arena, &list, e);

	for (i = 0; !error && i < list.count; i++) {
		_cleanup_store_ struct store s = STORE_INIT;
		struct err refused = ERR_INIT;

		if (store_open_shared(&s, list.paths[i], &refused) == 0)
			continue;
		err_format(&refused, why, sizeof(why));
		fsck_tell(f, "shared", list.paths[i], false, NULL, "%s", why);
	}
	return error;
}

static int check_all(struct fsck *f, struct err *e)
{
	int error = check_index(f, e);

	if (!error)
		error = fsck_each(f, "blobs", "sha256", check_blob, e);
	if (!error)
		error = fsck_each(f, "blobs", "sha512", check_blob, e);
	if (!error)
		error = fsck_images(f, e);
	if (!error)
		error = fsck_layer_folders(f, e);
	if (!error)
		error = fsck_image_layers(f, e);
	if (!error)
		error = fsck_flat_layers(f, e);
	if (!error && f->options->repair)
		error = fsck_drop_lost(f, e);
	if (!error)
		error = check_shared_stores(f, e);
	return error ? error : check_orphans(f, e);
}

static int open_all(struct fsck *f, int *ret_lock, struct err *e)
{
	int error = store_open(&f->store, f->options->store, false, e);

	if (!error)
		error = check_root(f, e);
	if (!error)
		error = store_lock(&f->store, true, ret_lock, e);
	if (!error)
		error = check_folders(f, e);
	if (!error)
		error = check_leftovers(f, e);
	/* A quick look changes nothing: it also works where there is no room at all. */
	if (!error && (f->options->repair || !f->options->quick))
		do
			error = store_tmp_make(&f->store, &f->tmp, e);
		while (f->options->repair && store_reserve_spend(&f->store, error, e));
	if (!error && !f->options->repair && flock(*ret_lock, LOCK_SH) < 0)
		error = err_set(e, errno, "cannot share the store's lock");
	return error;
}

int store_fsck(const struct fsck_options *o, struct fsck_result *ret, struct err *e)
{
	struct fsck f = { .options = o, .store = STORE_INIT, .tmp = STORE_TMP_INIT };
	_cleanup_fd_ int lock = -EBADF;
	struct rlimit files;
	int error, later;

	/* Comparing folders holds two descriptors for each level of them. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	error = open_all(&f, &lock, e);
	if (error == -ENOENT && f.store.dir < 0) { /* no store yet: nothing wrong with it */
		err_clear(e);
		error = check_shared_stores(&f, e);
		arena_free(&f.arena);
		*ret = f.result;
		return error;
	}
	if (!error)
		error = check_all(&f, e);
	fd_close(&lock);
	later = f.store.dir < 0 ? 0 : store_tmp_remove(&f.store, &f.tmp, error ? NULL : e);
	*ret = f.result;
	free(f.bad_blobs.list);
	free(f.unread_blobs.list);
	free(f.bad_layers.list);
	free(f.seen_layers.list);
	arena_free(&f.arena);
	store_close(&f.store);
	return error ? error : later;
}
