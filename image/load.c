/*
 * load.c - one load: plan, pin, lock, unpack, commit.
 *
 * The locks of layers are taken in the order of their chainIDs, so two loads
 * cannot wait for each other; the store's lock is never held meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "image/hash.h"
#include "image/layout-make.h"
#include "image/load-internal.h"

static int compare_layers(const void *a, const void *b)
{
	const struct load_layer *x = a, *y = b;

	return strcmp(x->chain.hex, y->chain.hex);
}

struct load_layer *load_find_layer(struct load *l, const struct digest *chain)
{
	struct load_layer key = { .chain = *chain };

	return bsearch(&key, l->layers, l->layer_count, sizeof(key), compare_layers);
}

/* All layers of all images, each chainID once, sorted. */
static int plan_layers(struct load *l, struct err *e)
{
	size_t i, j, room = 0, kept = 0;

	for (i = 0; i < l->image_count; i++)
		room += l->images[i].manifest.layer_count;
	l->layers = arena_array(&l->arena, room, sizeof(*l->layers));
	if (l->layers == NULL)
		return err_set(e, ENOMEM, "no memory for layers");
	for (i = 0; i < l->image_count; i++) {
		struct load_image *image = &l->images[i];

		image->chains =
			arena_array(&l->arena, image->manifest.layer_count, sizeof(*image->chains));
		if (image->chains == NULL)
			return err_set(e, ENOMEM, "no memory for layers");
		for (j = 0; j < image->manifest.layer_count; j++) {
			struct load_layer *layer = &l->layers[l->layer_count++];
			const struct digest *parent = j ? &image->chains[j - 1] : NULL;
			int error = hash_chain(parent, &image->config.diff_ids[j],
					       &image->chains[j], e);

			if (error)
				return error;
			layer->chain = image->chains[j];
			layer->diffid = image->config.diff_ids[j];
			layer->has_parent = parent != NULL;
			if (parent)
				layer->parent = *parent;
			layer->blob = &image->manifest.layers[j];
			layer->lock = layer->partial = -EBADF;
			layer->result.apply.file_fd = -EBADF;
		}
	}
	qsort(l->layers, l->layer_count, sizeof(*l->layers), compare_layers);
	for (i = 0; i < l->layer_count; i++)
		if (i == 0 || compare_layers(&l->layers[i], &l->layers[kept - 1]) != 0)
			l->layers[kept++] = l->layers[i];
	l->layer_count = kept;
	return 0;
}

/* From now on no sweep removes what this load found or will put into the store. */
static int pin_all(struct load *l, struct err *e)
{
	_cleanup_fd_ int lock = -EBADF;
	size_t i, count = 0, room = 2 * (l->image_count + l->layer_count);
	struct digest *pins = arena_array(&l->arena, room, sizeof(*pins));
	int error;

	if (pins == NULL)
		return err_set(e, ENOMEM, "no memory for pins");
	for (i = 0; i < l->image_count; i++) {
		pins[count++] = l->images[i].descriptor.digest;
		pins[count++] = l->images[i].manifest.config.digest;
	}
	for (i = 0; i < l->layer_count; i++) {
		pins[count++] = l->layers[i].chain;
		pins[count++] = l->layers[i].blob->digest;
	}
	error = store_lock(&l->store, true, &lock, e);
	return error ? error : store_tmp_pin(&l->tmp, pins, count, e);
}

static bool blob_there(const struct load *l, const struct descriptor *d)
{
	struct stat st;

	return fstatat(l->store.dir, store_blob_path(&d->digest).text, &st, 0) == 0 &&
	       (uint64_t)st.st_size == d->size;
}

static bool blob_planned(const struct load *l, size_t upto, const struct digest *d)
{
	size_t i;

	for (i = 0; i < upto; i++)
		if (l->layers[i].copy && digest_equal(&l->layers[i].blob->digest, d))
			return true;
	return false;
}

static int compare_chains(const void *a, const void *b)
{
	const struct load_layer *const *x = a, *const *y = b;

	return strcmp((*x)->chain.hex, (*y)->chain.hex);
}

/* All layers, by ascending name: two loads whose images share layers in another order would
 * otherwise wait for each other for ever. */
static int lock_in_order(struct load *l, struct err *e)
{
	struct load_layer **order = arena_array(&l->arena, l->layer_count, sizeof(*order));
	size_t i;
	int error = 0;

	if (order == NULL)
		return err_set(e, ENOMEM, "cannot lock the layers");
	for (i = 0; i < l->layer_count; i++)
		order[i] = &l->layers[i];
	qsort(order, l->layer_count, sizeof(*order), compare_chains);
	for (i = 0; i < l->layer_count && !error; i++)
		error = store_lock_chain(&l->store, &order[i]->chain, &order[i]->lock, e);
	return error;
}

/* Locks each layer, then looks whether another load made it meanwhile. */
static int lock_layers(struct load *l, struct err *e)
{
	size_t i;
	int got = lock_in_order(l, e);

	if (got < 0)
		return got;
	for (i = 0; i < l->layer_count; i++) {
		struct load_layer *layer = &l->layers[i];
		struct layer_marker marker;

		got = store_read_marker(&l->store, &layer->chain, &marker, e);
		if (got < 0)
			return got;
		layer->unpack = got == 0;
		layer->copy =
			!blob_there(l, layer->blob) && !blob_planned(l, i, &layer->blob->digest);
	}
	return 0;
}

/* A manifest or config into tmp/blobs. */
static int copy_document(struct load *l, const struct descriptor *d, struct err *e)
{
	_cleanup_fd_ int from = -EBADF, to = -EBADF;
	struct blob_expect expect = { d->digest, d->size };
	char path[DIGEST_HEX_MAX + 32];
	int error;

	snprintf(path, sizeof(path), "blobs/%s", d->digest.hex);
	if (blob_there(l, d) || faccessat(l->tmp.dir, path, F_OK, 0) == 0)
		return 0;
	error = load_open_blob(l, d, &from, e);
	if (error)
		return error;
	to = openat(l->tmp.dir, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return err_set(e, errno, "cannot make a blob in the store");
	return decompress_verify_only(from, NULL, &expect, to, e);
}

static int copy_documents(struct load *l, struct err *e)
{
	size_t i;
	int error = 0;

	for (i = 0; !error && i < l->image_count; i++) {
		error = copy_document(l, &l->images[i].descriptor, e);
		if (!error)
			error = copy_document(l, &l->images[i].manifest.config, e);
	}
	return error;
}

static int move(int from, const char *path, int to, const char *target, struct err *e)
{
	if (renameat(from, path, to, target) == 0)
		return 0;
	return err_set(e, errno, "cannot put %s in place", target);
}

static int move_document(struct load *l, const struct descriptor *d, struct err *e)
{
	char path[DIGEST_HEX_MAX + 32];

	snprintf(path, sizeof(path), "blobs/%s", d->digest.hex);
	if (faccessat(l->tmp.dir, path, F_OK, 0) < 0)
		return 0; /* it was there already, or has been moved */
	return move(l->tmp.dir, path, l->store.dir, store_blob_path(&d->digest).text, e);
}

static int move_layer(struct load *l, const struct load_layer *layer, struct err *e)
{
	struct store_path target = store_blob_path(&layer->blob->digest);
	char path[DIGEST_HEX_MAX + 32];
	int error = 0;

	snprintf(path, sizeof(path), "blobs/%s", layer->blob->digest.hex);
	if (layer->copy && layer->partial >= 0) {
		snprintf(path, sizeof(path), "partial/%s", layer->blob->digest.hex);
		error = move(l->store.dir, path, l->store.dir, target.text, e);
	} else if (layer->copy && l->source.spooled) {
		error = move(l->source.dir, target.text, l->store.dir, target.text, e);
	} else if (layer->copy) {
		error = move(l->tmp.dir, path, l->store.dir, target.text, e);
	}
	if (error || !layer->unpack)
		return error;
	snprintf(path, sizeof(path), "layers/%s", layer->chain.hex);
	return move(l->tmp.dir, path, l->store.dir, store_layer_path(&layer->chain, "").text, e);
}

static int open_blob(const struct load *l, const struct digest *d, struct err *e)
{
	if (fchmodat(l->store.dir, store_blob_path(d).text, 0644, 0) == 0)
		return 0;
	return err_set(e, errno, "cannot let others read blob %.12s", d->hex);
}

/* Of a store whose blobs others may read. */
static int open_blobs(const struct load *l, struct err *e)
{
	size_t i;
	int error = 0;

	for (i = 0; !error && i < l->layer_count; i++)
		error = open_blob(l, &l->layers[i].blob->digest, e);
	for (i = 0; !error && i < l->image_count; i++) {
		error = open_blob(l, &l->images[i].descriptor.digest, e);
		if (!error)
			error = open_blob(l, &l->images[i].manifest.config.digest, e);
	}
	return error;
}

static int sync_folder(const struct store *s, const char *path, struct err *e)
{
	_cleanup_fd_ int fd = openat(s->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_set(e, errno, "cannot sync %s/%s", s->path, path);
	return 0;
}

/* Content first, on the disk; then the names; the index last: after a power loss at any moment a
 * blob or layer is whole or absent, and the index names only whole ones. */
static int move_all(struct load *l, struct err *e)
{
	size_t i;
	int error = 0;

	if (syncfs(l->store.dir) < 0)
		return err_set(e, errno, "cannot sync the store %s", l->store.path);
	for (i = 0; !error && i < l->layer_count; i++)
		error = move_layer(l, &l->layers[i], e);
	if (!error)
		error = load_move_flat(l, e);
	for (i = 0; !error && i < l->image_count; i++) {
		error = move_document(l, &l->images[i].descriptor, e);
		if (!error)
			error = move_document(l, &l->images[i].manifest.config, e);
	}
	if (!error && store_is_open(&l->store))
		error = open_blobs(l, e);
	if (!error)
		error = sync_folder(&l->store, "blobs/sha256", e);
	if (!error)
		error = sync_folder(&l->store, "blobs/sha512", e);
	return error ? error : sync_folder(&l->store, "layers/sha256", e);
}

/* What this load found in the store and counts on: its pins keep it from every sweep, but not from an
 * fsck that found it damaged. With the lock held. */
static int still_there(const struct load *l, struct err *e)
{
	const char *lost = NULL;
	struct layer_marker m;
	size_t i;

	for (i = 0; i < l->image_count && !lost; i++)
		if (!blob_there(l, &l->images[i].descriptor) ||
		    !blob_there(l, &l->images[i].manifest.config))
			lost = l->images[i].reference;
	for (i = 0; i < l->layer_count && !lost; i++)
		if (!blob_there(l, l->layers[i].blob) ||
		    store_read_marker(&l->store, &l->layers[i].chain, &m, NULL) != 1)
			lost = l->layers[i].chain.hex;
	if (lost == NULL)
		return 0;
	err_say(e, ESTALE, "what the store had of %.200s was removed meanwhile", lost);
	return err_fix(e, "try again");
}

static int commit(struct load *l, struct err *e)
{
	_cleanup_fd_ int lock = -EBADF;
	struct store_put *puts = arena_array(&l->arena, l->image_count, sizeof(*puts));
	size_t i;
	int error;

	if (puts == NULL)
		return err_set(e, ENOMEM, "no memory for the index");
	for (i = 0; i < l->image_count; i++) {
		const struct load_image *image = &l->images[i];

		puts[i] = (struct store_put){
			.reference = image->reference,
			.manifest = image->descriptor,
			.platform = image->platform,
			.chain = image->chains[image->manifest.layer_count - 1],
		};
	}
	error = move_all(l, e);
	if (!error)
		error = store_lock(&l->store, true, &lock, e);
	if (!error)
		error = still_there(l, e);
	if (!error)
		load_write_stacks(l);
	return error ? error : store_index_put(&l->store, puts, l->image_count, e);
}

static void report(const struct load *l)
{
	static const char *const texts[NOTE_COUNT] = {
		[NOTE_OVERLAY_XATTR] = "overlayfs's own xattrs were left out",
		[NOTE_XATTR] = "xattrs were left out (security labels, trusted.*, or not supported "
			       "by the store's file system)",
		[NOTE_DEVICE] = "devices were left out (only root can make them)",
		[NOTE_OWNER] = "files belong to you instead of their owners (which are in the xattr "
			       "user.rootlesscontainers, for export and bundle)",
	};
	const struct load_options *o = l->options;
	size_t i, n, unpacked;
	char text[256];

	for (n = 0; n < NOTE_COUNT; n++) {
		const char *first = NULL;
		uint64_t count = 0;

		for (i = 0; i < l->layer_count; i++) {
			const struct apply_note *note = &l->layers[i].result.apply.notes[n];

			if (note->count && first == NULL)
				first = note->first;
			count += note->count;
		}
		if (count == 0 || o->note == NULL)
			continue;
		snprintf(text, sizeof(text), "%s: %llu, the first at %s", texts[n],
			 (unsigned long long)count, first);
		o->note(o->user, text);
	}
	for (unpacked = 0, i = 0; i < l->layer_count; i++) {
		unpacked += l->layers[i].unpack;
		if (!l->layers[i].shared_bad || o->note == NULL)
			continue;
		snprintf(text, sizeof(text), "a shared store's blob %.19s... was not what it should be, "
			 "and was fetched instead", digest_text(&l->layers[i].blob->digest).text);
		o->note(o->user, text);
	}
	for (i = 0; i < l->image_count && o->loaded; i++)
		o->loaded(o->user, l->images[i].reference, &l->images[i].descriptor.digest,
			  l->images[i].manifest.layer_count, unpacked);
}

/* After a commit that failed half-way: what was moved is not in the index, so it goes. */
static void take_back(struct load *l)
{
	struct store_tmp tmp = STORE_TMP_INIT;
	struct store_removed removed = { 0 };
	_cleanup_fd_ int lock = -EBADF;

	store_tmp_remove(&l->store, &l->tmp, NULL); /* its pins hold what it moved */
	if (store_lock(&l->store, true, &lock, NULL) == 0 &&
	    store_tmp_new(&l->store, &tmp, NULL) == 0)
		store_sweep(&l->store, &tmp, &removed, NULL);
	fd_close(&lock);
	store_tmp_remove(&l->store, &tmp, NULL);
}

static int open_all(struct load *l, struct err *e)
{
	_cleanup_fd_ int lock = -EBADF, spool = -EBADF;
	int error = store_open(&l->store, l->options->store, true, e);

	if (!error)
		error = store_check_ids(&l->store, e);
	if (!error)
		error = store_lock(&l->store, true, &lock, e);
	if (!error)
		error = store_tmp_new(&l->store, &l->tmp, e);
	if (error)
		return error;
	l->as = store_apply_as(&l->store);
	fd_close(&lock);
	if (mkdirat(l->tmp.dir, "blobs", 0700) < 0 || mkdirat(l->tmp.dir, "layers", 0700) < 0 ||
	    mkdirat(l->tmp.dir, "spool", 0700) < 0)
		return err_set(e, errno, "cannot make a folder in the store %s", l->store.path);
	spool = openat(l->tmp.dir, "spool", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (spool < 0)
		return err_set(e, errno, "cannot open a folder in the store %s", l->store.path);
	if (l->options->registry)
		return pull_open(l, spool, e);
	if (l->options->import) {
		error = source_from_rootfs(spool, l->options->source, l->options->import,
					   l->budget.bytes_max, e);
		l->source.spooled = true;
		l->source.dir = fd_take(&spool);
		return error;
	}
	return source_open(&l->source, l->options->source, spool, l->budget.bytes_max, e);
}

static int run(struct load *l, struct err *e)
{
	int error = open_all(l, e);

	if (!error)
		error = load_choose(l, e);
	if (!error)
		error = plan_layers(l, e);
	if (!error)
		error = pin_all(l, e);
	if (!error)
		error = lock_layers(l, e);
	if (!error)
		error = copy_documents(l, e);
	if (!error && l->pull)
		error = pull_ready(l, e);
	if (!error)
		error = load_unpack(l, e);
	if (error)
		return error;
	load_flatten(l);
	error = commit(l, e);
	if (error)
		take_back(l);
	else
		report(l);
	return error;
}

int image_load(const struct load_options *o, struct err *e)
{
	struct load l = {
		.options = o,
		.store = STORE_INIT,
		.tmp = STORE_TMP_INIT,
		.source = SOURCE_INIT,
		.budget = { .entries_max = o->entries_max, .bytes_max = o->bytes_max },
		.platform = o->platform ? *o->platform : platform_here(),
	};
	int error = run(&l, e), later;
	size_t i;

	for (i = 0; i < l.layer_count; i++) {
		if (l.layers[i].unpack)
			apply_free(&l.layers[i].result.apply);
		store_unlock_chain(&l.store, &l.layers[i].chain, &l.layers[i].lock);
		fd_close(&l.layers[i].partial);
	}
	pull_close(&l);
	source_close(&l.source);
	later = l.store.dir < 0 ? 0 : store_tmp_remove(&l.store, &l.tmp, error ? NULL : e);
	store_close(&l.store);
	arena_free(&l.arena);
	if (error == -ENOSPC || error == -EDQUOT)
		err_fix(e, "free some space on the store's file system, or use another --store");
	if (error)
		return err_wrap(e, "cannot %s %.200s", o->registry ? "pull" : o->import ? "import" : "load",
				o->source);
	return later;
}
