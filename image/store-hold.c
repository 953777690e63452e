/*
 * store-hold.c - containers/NAME: an image that a container runs while no kist does.
 *
 * A foreground kist keeps its image by a flock (image_resolve()), which ends with
 * it. A created or detached container has nobody like that: it is on record, from
 * before its birth until its undo. The record counts as long as the container's
 * state folder is there; that one cannot be seen from another mount namespace, so
 * a record of this boot counts in any case.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/engine.h"
#include "base/fd.h"
#include "base/path.h"
#include "image/store.h"
#include "image/store-layout.h"

#define FOLDER "containers"

struct hold_args {
	const char *store, *name, *state, *id;
	const char *manifest, *chain; /* of its topmost layer */
};

static void read_boot(char text[64])
{
	ssize_t n = file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", text, 64);

	text[n > 0 ? strcspn(text, "\n") : 0] = '\0';
}

static int open_folder(int store, bool make)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(store, FOLDER, flags);

	if (fd >= 0 || errno != ENOENT || !make)
		return fd;
	mkdirat(store, FOLDER, 0700);
	return openat(store, FOLDER, flags);
}

static int act_hold(struct run *r, const void *args, struct err *e)
{
	const struct hold_args *a = args;
	_cleanup_store_ struct store s = STORE_INIT;
	_cleanup_json_ json_t *record = NULL;
	_cleanup_free_ char *text = NULL;
	_cleanup_fd_ int dir = -EBADF;
	char boot[64];
	int error = store_open(&s, a->store, false, e);

	(void)r;
	if (error)
		return error;
	/* From what can't be written nothing is removed. Elsewhere the record keeps the layers: it is the
	 * one thing that is written to a shared store, whose owner is the caller. */
	if (faccessat(s.dir, ".", W_OK, 0) < 0 && errno == EROFS)
		return 0;
	read_boot(boot);
	record = json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", a->id, "manifest", a->manifest,
			   "chain", a->chain, "state", a->state, "boot", boot);
	text = record ? json_dumps(record, JSON_COMPACT) : NULL;
	if (text == NULL)
		return err_set(e, ENOMEM, "no memory for a record");
	dir = open_folder(s.dir, true);
	if (dir < 0)
		return err_set(e, errno, "cannot make %s/" FOLDER, s.path);
	return file_replace_at(dir, a->name, text, strlen(text), 0600, false, e);
}

static void show_hold(struct buf *out, const struct plan *p, const void *args)
{
	const struct hold_args *a = args;

	(void)p;
	buf_addf(out, "hold_image(%s/" FOLDER "/%s, \"%s\")", a->store, a->name, a->state);
}

static const struct op op_hold = { .name = "hold_image",
				   .man = "rename(2)",
				   .compound = true,
				   .act = act_hold,
				   .show = show_hold };

/* What a maker that was killed left of the record: file_replace_at()'s ".NAME.PID.tmp". */
static void remove_unfinished(int folder, const char *name)
{
	DIR *dir = store_open_folder(folder, ".");
	size_t len = strlen(name);
	struct dirent *d;

	while (dir && (d = readdir(dir)) != NULL)
		if (store_is_temporary(d->d_name) && strncmp(d->d_name + 1, name, len) == 0 &&
		    d->d_name[1 + len] == '.')
			unlinkat(folder, d->d_name, 0);
	if (dir)
		closedir(dir);
}

/* Only what names the same container: the record may have been replaced by another's. */
static int undo_hold(const struct undo_at *at, const char *const args[PLAN_UNDO_ARGS],
		     struct err *e)
{
	_cleanup_json_ json_t *record = NULL;
	_cleanup_fd_ int store = open(args[0], O_PATH | O_DIRECTORY | O_CLOEXEC), dir = -EBADF;
	struct err ignored = ERR_INIT;
	const char *state;

	(void)at;
	dir = store < 0 ? store : open_folder(store, false);
	if (dir >= 0)
		remove_unfinished(dir, args[1]);
	if (dir < 0 || json_read_file(dir, args[1], &record, &ignored))
		return 0;
	state = json_string_value(json_object_get(record, "state"));
	if (state == NULL || strcmp(state, args[2]) != 0)
		return 0;
	if (unlinkat(dir, args[1], 0) < 0 && errno != ENOENT)
		return err_set(e, errno, "cannot remove %s/" FOLDER "/%s", args[0], args[1]);
	return 0;
}

static const struct undo_kind kind_hold = { .name = "release_image", .act = undo_hold };
const struct undo_kind *const image_undo_kinds[] = { &kind_hold, NULL };

/* One name for one state folder. */
static const char *hold_name(struct arena *a, const char *state)
{
	uint64_t h = 14695981039346656037u;

	for (; *state; state++)
		h = (h ^ (unsigned char)*state) * 1099511628211u;
	return arena_printf(a, "%016llx", (unsigned long long)h);
}

void image_plan_hold(struct plan *p, const struct image_info *image, const char *id,
		     const char *state)
{
	const char *name = hold_name(p->arena, state);
	int step = plan_add(p, SIDE_HOST, op_hold, hold_args, image->store, name, state, id,
			    image->manifest_digest, image->chain);

	plan_undo(p, step, &kind_hold, image->store, name, state);
}

static bool is_alive(const char *state, const char *boot)
{
	char now[64];

	/* Not to know is not "gone". */
	if (faccessat(AT_FDCWD, state, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	    (errno != ENOENT && errno != ENOTDIR))
		return true;
	read_boot(now);
	return !now[0] || strcmp(boot, now) == 0;
}

/* 1; 0 when it is none, or gone; or -errno. */
static int read_hold(int dir, const char *name, struct store_use *ret, struct err *e)
{
	_cleanup_json_ json_t *record = NULL;
	struct err ignored = ERR_INIT;
	const char *id, *manifest, *chain, *state, *boot;
	int error = json_read_file(dir, name, &record, e);

	if (error == -ENOENT || error == -EINVAL || error == -E2BIG || error == -ELOOP) {
		err_clear(e);
		return 0;
	}
	if (error)
		return error;
	if (json_unpack(record, "{s:s, s:s, s:s, s:s, s:s}", "id", &id, "manifest", &manifest,
			"chain", &chain, "state", &state, "boot", &boot) < 0)
		return 0;
	if (digest_parse(manifest, &ret->manifest, &ignored) ||
	    digest_parse(chain, &ret->chain, &ignored))
		return 0;
	/* Ids may be longer than a file's name; what is said of it need not be. */
	snprintf(ret->id, sizeof(ret->id), "%s", id);
	ret->alive = is_alive(state, boot);
	return 1;
}

int store_each_hold(const struct store *s, store_use_fn *visit, void *user, struct err *e)
{
	int fd = open_folder(s->dir, false), error = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	int got = 0;

	if (dir == NULL && errno == ENOENT)
		return 0;
	if (dir == NULL) {
		error = err_set(e, errno, "cannot read %s/" FOLDER, s->path);
		if (fd >= 0)
			close(fd);
		return error;
	}
	while (!error && (got = store_next(dir, FOLDER, &d, e)) > 0) {
		struct store_use use = { .name = d->d_name };

		if (d->d_name[0] == '.')
			continue;
		error = read_hold(fd, d->d_name, &use, e);
		if (error <= 0)
			continue;
		error = 0;
		if (use.alive)
			error = visit(s, &use, user, e);
		else
			unlinkat(fd, d->d_name, 0);
	}
	closedir(dir);
	return error ? error : got;
}
