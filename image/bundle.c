/*
 * bundle.c - the bundle's folder: the merged layers, and config.json last.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/path.h"
#include "image/bundle.h"
#include "image/merge.h"
#include "image/store-layout.h"
#include "image/store.h"
#include "image/user.h"

struct bundle {
	const struct bundle_options *o;
	struct arena arena;
	struct image_info image;
	int pin; /* the layers stay while it is open */
	int dir; /* the bundle */
	bool made_dir, made_rootfs;
	struct apply apply;
};

static int put(void *user, const struct layer_entry *entry, int fd, uint64_t size, struct err *e)
{
	struct bundle *b = user;
	int to = -EBADF, error = apply_entry(&b->apply, entry, &to, e);

	if (error || to < 0)
		return error;
	error = merge_copy_content(fd, to, size, e);
	return error ? error : apply_file_done(&b->apply, entry, 0, size, e);
}

/* Of --overlay: as much as it takes to know the image's users. */
static int put_users(void *user, const struct layer_entry *entry, int fd, uint64_t size, struct err *e)
{
	static const char *const wanted[] = { ".", "etc", "etc/passwd", "etc/group" };
	size_t i;

	for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (strcmp(entry->path, wanted[i]) == 0 && !entry->hardlink)
			return put(user, entry, fd, size, e);
	return 0;
}

static int merge_into(struct bundle *b, int rootfs, struct err *e)
{
	struct merge_options m = { .layers = image_layer_paths(&b->image, &b->arena),
				   .count = b->image.layer_count,
				   .as = image_apply_as(&b->image),
				   .only = b->o->overlay ? "etc" : NULL,
				   .each = b->o->overlay ? put_users : put,
				   .user = b };
	int error;

	if (m.layers == NULL)
		return err_set(e, ENOMEM, "no memory for layers");
	apply_begin(&b->apply, rootfs, store_caller_userxattr() ? APPLY_SINGLE : APPLY_ROOT);
	error = image_merge(&m, e);
	if (!error)
		error = apply_end(&b->apply, e);
	if (!error && b->apply.notes[NOTE_XATTR].count && b->o->note) {
		char text[256];

		snprintf(text, sizeof(text), "xattrs were left out: %llu, the first at %s",
			 (unsigned long long)b->apply.notes[NOTE_XATTR].count,
			 b->apply.notes[NOTE_XATTR].first);
		b->o->note(b->o->user, text);
	}
	apply_free(&b->apply);
	return error;
}

/* A folder that holds something is somebody's. 0700: it will hold setuid files, which a user of the
 * host must not reach (CVE-2021-41091). */
static int check_empty(int fd, const char *path, struct err *e)
{
	DIR *dir = store_open_folder(fd, ".");
	struct dirent *d = NULL;
	int got;

	if (dir == NULL)
		return err_set(e, errno, "cannot read %s", path);
	while ((got = store_next(dir, path, &d, e)) > 0)
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			break;
	closedir(dir);
	if (got <= 0)
		return got;
	err_say(e, ENOTEMPTY, "%s is not empty", path);
	return err_fix(e, "give a new or empty folder");
}

static int open_dir(struct bundle *b, struct err *e)
{
	const char *path = b->o->dir;
	int error;

	b->made_dir = mkdir(path, 0700) == 0;
	if (!b->made_dir && errno != EEXIST)
		return err_set(e, errno, "cannot make %s", path);
	b->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->dir < 0)
		return err_set(e, errno, "cannot open %s", path);
	error = check_empty(b->dir, path, e);
	if (error)
		return error;
	if (fchmod(b->dir, 0700) < 0 || mkdirat(b->dir, "rootfs", 0755) < 0)
		return err_set(e, errno, "cannot make %s/rootfs", path);
	b->made_rootfs = true;
	return 0;
}

static int read_config(struct bundle *b, json_t **ret, struct err *e)
{
	_cleanup_store_ struct store s = STORE_INIT;
	_cleanup_fd_ int lock = -EBADF;
	const struct index_entry *entry;
	struct image_manifest manifest;
	int error = b->image.shared ? store_open_shared(&s, b->image.store, e)
				    : store_open(&s, b->image.store, false, e);

	if (!error)
		error = store_lock(&s, false, &lock, e);
	if (!error) /* by its digest: what the name means may have changed since */
		error = store_find(&s, b->image.manifest_digest, &b->arena, &entry, e);
	if (!error)
		error = store_read_manifest(&s, &entry->descriptor, &b->arena, &manifest, e);
	return error ? error : store_read_json(&s, &manifest.config, MANIFEST_CONFIG_MAX, ret, e);
}

static json_t *id_lines(const struct subid_range *r)
{
	return json_pack("[{s:i, s:I, s:i}, {s:i, s:I, s:I}]", "containerID", 0, "hostID",
			 (json_int_t)r->own, "size", 1, "containerID", 1, "hostID",
			 (json_int_t)r->first, "size", (json_int_t)r->count);
}

/* Those that the store's files have: with others they would be nobody's. */
static void map_ids(struct bundle *b)
{
	json_t *l = json_object_get(b->o->base, "linux");

	if (json_object_get(l, "uidMappings") == NULL)
		return;
	json_object_set_new(l, "uidMappings", id_lines(&b->image.ids.uid));
	json_object_set_new(l, "gidMappings", id_lines(&b->image.ids.gid));
}

/* The runtime finds the layers itself: by digest, since a name may mean another image tomorrow. */
static int add_overlay(struct bundle *b, struct err *e)
{
	_cleanup_free_ char *dir = realpath(b->o->dir, NULL);
	json_t *annotations = json_object_get(b->o->base, "annotations");

	if (dir == NULL)
		return err_set(e, errno, "%s", b->o->dir);
	if (mkdirat(b->dir, "changes", 0700) < 0)
		return err_set(e, errno, "cannot make %s/changes", b->o->dir);
	if (b->image.mapped)
		map_ids(b);
	json_object_set_new(annotations, "io.kist.image", json_string(b->image.manifest_digest));
	json_object_set_new(annotations, "io.kist.image.store", json_string(b->image.store));
	json_object_set_new(annotations, "io.kist.image.writable", json_sprintf("%s/changes", dir));
	return 0;
}

static void say_left_out(const struct bundle *b, size_t count)
{
	char text[160];

	if (count == 0 || b->o->note == NULL)
		return;
	snprintf(text, sizeof(text), "%zu label%s left out: runtimes would act upon %s, and an image "
		 "may not say so", count, count == 1 ? " was" : "s were", count == 1 ? "it" : "them");
	b->o->note(b->o->user, text);
}

static int write_config(struct bundle *b, int rootfs, struct err *e)
{
	_cleanup_json_ json_t *config = NULL;
	_cleanup_free_ char *text = NULL;
	struct bundle_user user = { .gid_count = sizeof(user.gids) / sizeof(user.gids[0]) };
	size_t left_out = 0;
	int error = read_config(b, &config, e);

	if (!error)
		error = image_user_lookup(rootfs, b->o->run_as ? b->o->run_as : b->image.user,
					  &user.uid, &user.gid, user.gids, &user.gid_count, e);
	/* With numbers alone it does not matter what the image has for a passwd. */
	if (!error && image_user_home(rootfs, user.uid, user.home, sizeof(user.home), NULL))
		user.home[0] = '\0';
	if (!error)
		error = bundle_convert(b->o->base, config, &user, b->o->args, b->o->terminal,
				       &left_out, e);
	if (!error && b->o->overlay)
		error = add_overlay(b, e);
	if (error)
		return error;
	say_left_out(b, left_out);
	text = json_dumps(b->o->base, JSON_INDENT(4));
	if (text == NULL)
		return err_set(e, ENOMEM, "no memory for the configuration");
	return file_replace_at(b->dir, "config.json", text, strlen(text), 0644, false, e);
}

static int run(struct bundle *b, struct err *e)
{
	_cleanup_fd_ int rootfs = -EBADF;
	int error = image_resolve(b->o->store, b->o->reference, &b->arena, &b->image, &b->pin, e);

	if (!error)
		error = image_enter(&b->image, e);
	if (!error)
		error = open_dir(b, e);
	if (error)
		return error;
	rootfs = openat(b->dir, "rootfs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (rootfs < 0 || fchmod(rootfs, 0755) < 0)
		return err_set(e, errno, "cannot open %s/rootfs", b->o->dir);
	error = merge_into(b, rootfs, e);
	if (!error)
		error = write_config(b, rootfs, e);
	if (!error && b->o->overlay)
		error = path_remove_tree(rootfs, "etc", e);
	return error;
}

int image_bundle(const struct bundle_options *o, struct err *e)
{
	struct bundle b = { .o = o, .pin = -EBADF, .dir = -EBADF };
	int error = run(&b, e);

	if (error && b.made_rootfs) {
		path_remove_tree(b.dir, "rootfs", NULL);
		path_remove_tree(b.dir, "changes", NULL);
		unlinkat(b.dir, "config.json", 0);
	}
	if (error && b.made_dir)
		rmdir(o->dir);
	fd_close(&b.dir);
	fd_close(&b.pin);
	arena_free(&b.arena);
	return error ? err_wrap(e, "cannot make a bundle of %.200s", o->reference) : 0;
}
