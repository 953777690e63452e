/*
 * load-layers.c - unpacking the layers of one load, several at a time.
 *
 * Layers in overlay form don't look at each other, so they unpack in any
 * order; what depends on those below (implied folders) comes after, in order.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "image/load-internal.h"

#define LOAD_THREADS_MAX 4
#define PULL_THREADS	 3 /* layers at once from one registry, whatever the CPUs */

struct crew {
	struct load *load;
	pthread_mutex_t lock;
	size_t next;
	int error;
	struct err *e;
};

struct tmp_path {
	char text[sizeof("layers/") + DIGEST_HEX_MAX + sizeof("/complete")];
};

static struct tmp_path layer_path(const struct digest *chain, const char *tail)
{
	struct tmp_path p;

	snprintf(p.text, sizeof(p.text), "layers/%s%s", chain->hex, tail);
	return p;
}

int load_open_copy(struct load *l, const struct load_layer *layer, int *ret, struct err *e)
{
	char path[DIGEST_HEX_MAX + 32];

	snprintf(path, sizeof(path), "blobs/%s", layer->blob->digest.hex);
	*ret = openat(l->tmp.dir, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return *ret < 0 ? err_set(e, errno, "cannot make a blob in the store") : 0;
}

int load_make_root(struct load *l, const struct load_layer *layer, int *ret, struct err *e)
{
	struct tmp_path diff = layer_path(&layer->chain, "/diff");

	if (mkdirat(l->tmp.dir, layer_path(&layer->chain, "").text, 0700) < 0 ||
	    mkdirat(l->tmp.dir, diff.text, 0755) < 0)
		return err_set(e, errno, "cannot make a layer's folder");
	*ret = openat(l->tmp.dir, diff.text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*ret < 0 || fchmod(*ret, 0755) < 0)
		return err_set(e, errno, "cannot open a layer's folder");
	return 0;
}

static int do_layer(struct load *l, struct load_layer *layer, struct err *e)
{
	_cleanup_fd_ int blob = -EBADF, copy = -EBADF, root = -EBADF;
	struct unpack_job job = { .budget = &l->budget, .as = l->as };
	int error = load_open_blob(l, layer->blob, &blob, e);

	if (!error && layer->copy && !l->source.spooled)
		error = load_open_copy(l, layer, &copy, e);
	if (!error && layer->unpack)
		error = load_make_root(l, layer, &root, e);
	if (error)
		return error;
	job.blob_fd = blob;
	job.copy_fd = copy;
	job.root = root;
	job.expect = (struct blob_expect){ layer->blob->digest, layer->blob->size };
	job.diffid = layer->diffid;
	error = layer->unpack ? unpack_layer(&job, &layer->result, e)
			      : decompress_verify_only(blob, NULL, &job.expect, copy, e);
	if (error == -ENOSPC || error == -EDQUOT)
		err_fix(e, "free some space on the file system of %s, or use another --store",
			l->store.path);
	return error ? err_wrap(e, "layer %.19s...", digest_text(&layer->blob->digest).text) : 0;
}

static void *work(void *user)
{
	struct crew *c = user;

	for (;;) {
		struct err e = ERR_INIT;
		struct load_layer *layer = NULL;
		int error;

		pthread_mutex_lock(&c->lock);
		if (c->error == 0 && c->next < c->load->layer_count)
			layer = &c->load->layers[c->next++];
		pthread_mutex_unlock(&c->lock);
		if (layer == NULL)
			return NULL;
		if (!layer->unpack && !layer->copy)
			continue;
		error = c->load->pull ? pull_layer(c->load, layer, &e)
				      : do_layer(c->load, layer, &e);
		if (error == 0)
			continue;
		pthread_mutex_lock(&c->lock);
		if (c->error == 0) {
			c->error = error;
			*c->e = e;
		}
		pull_cancel(c->load);
		pthread_mutex_unlock(&c->lock);
	}
}

static int unpack_all(struct load *l, struct err *e)
{
	struct crew crew = { .load = l, .lock = PTHREAD_MUTEX_INITIALIZER, .e = e };
	pthread_t threads[LOAD_THREADS_MAX];
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t want = cpus < 1 ? 1 : (size_t)cpus, started = 0;

	if (want > LOAD_THREADS_MAX)
		want = LOAD_THREADS_MAX;
	if (l->pull)
		want = PULL_THREADS;
	if (want > l->layer_count)
		want = l->layer_count;
	while (started + 1 < want && pthread_create(&threads[started], NULL, work, &crew) == 0)
		started++;
	work(&crew);
	while (started > 0)
		pthread_join(threads[--started], NULL);
	return crew.error;
}

static int open_diff(struct load *l, const struct digest *chain)
{
	const struct load_layer *layer = load_find_layer(l, chain);
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

	if (layer->unpack)
		return openat(l->tmp.dir, layer_path(chain, "/diff").text, flags);
	return openat(l->store.dir, store_layer_path(chain, "/diff").text, flags);
}

/* chains[at] is layer's; those before it lie below. */
static int fix_layer(struct load *l, struct load_layer *layer, const struct digest *chains,
		     size_t at, struct err *e)
{
	_cleanup_fd_ int root = open_diff(l, &layer->chain);
	int lowers[MANIFEST_LAYERS_MAX];
	struct apply *a = &layer->result.apply;
	size_t i, count = 0;
	int error = 0;

	if (root < 0)
		return err_set(e, errno, "cannot open layer %.12s", layer->chain.hex);
	for (i = at; i-- > 0 && !error;) {
		lowers[count] = open_diff(l, &chains[i]);
		if (lowers[count] < 0)
			error = err_set(e, errno, "cannot open layer %.12s", chains[i].hex);
		else
			count++;
	}
	if (!error)
		error = apply_fix_implied(root, a->implied, a->implied_size, l->as,
					  lowers,
					  count, e);
	while (count > 0)
		close(lowers[--count]);
	return error;
}

static int finish_layer(struct load *l, struct load_layer *layer, struct err *e)
{
	_cleanup_fd_ int dir = openat(l->tmp.dir, layer_path(&layer->chain, "").text,
				      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct layer_marker m = {
		.diffid = layer->diffid,
		.has_parent = layer->has_parent,
		.parent = layer->parent,
		.entries = layer->result.entries,
		.bytes = layer->result.bytes,
		.userxattr = l->as != APPLY_ROOT,
		.opaque_root = layer->result.apply.opaque_root,
	};

	if (dir < 0)
		return err_set(e, errno, "cannot open a layer's folder");
	return store_write_marker(dir, &m, e);
}

int load_unpack(struct load *l, struct err *e)
{
	int error = unpack_all(l, e);
	size_t i, j;

	for (i = 0; !error && i < l->image_count; i++) {
		const struct load_image *image = &l->images[i];

		for (j = 0; !error && j < image->manifest.layer_count; j++) {
			struct load_layer *layer = load_find_layer(l, &image->chains[j]);

			if (!layer->unpack || layer->result.apply.implied_size == 0)
				continue;
			error = fix_layer(l, layer, image->chains, j, e);
			layer->result.apply.implied_size = 0;
		}
	}
	for (i = 0; !error && i < l->layer_count; i++)
		if (l->layers[i].unpack)
			error = finish_layer(l, &l->layers[i], e);
	return error;
}
