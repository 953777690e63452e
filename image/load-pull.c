/*
 * load-pull.c - a registry as the source of a load.
 *
 * Documents (index, manifest, configuration) are few and small: they are
 * fetched into a layout in the spool folder, from where the load goes on as
 * with any layout. Layers are streamed: network, hashes, decompression and
 * unpacking are one pass. What came of a blob stays in partial/ when the pull
 * is cut off, and is hashed again by the next one.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/path.h"
#include "image/fetch.h"
#include "image/hash.h"
#include "image/load-internal.h"

struct pull {
	struct registry registry;
	struct http *http; /* of the main thread */
	char name[512];
	pthread_mutex_t lock;
	struct load_layer_state *states; /* one per layer of the image, lowest first */
	size_t count;
};

const char *pull_name(const struct load *l)
{
	return l->pull->name;
}

void pull_cancel(struct load *l)
{
	if (l->pull)
		atomic_store(&l->pull->registry.cancelled, true);
}

static int write_file(int dir, const char *path, const void *data, size_t size, struct err *e)
{
	_cleanup_fd_ int fd =
		openat(dir, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int error = fd < 0 ? -errno : fd_write_all(fd, data, size);

	return error ? err_set(e, -error, "cannot write to the store") : 0;
}

/* What the server calls it and what it is must agree, where it names a type we know: else two
 * clients could see two images under one digest (CVE-2021-41190). */
static int type_of(const struct document *d, const char **ret, struct err *e)
{
	_cleanup_json_ json_t *document = NULL;
	enum media media = MEDIA_OTHER, said;
	char bare[sizeof(d->content_type)];
	const char *text = NULL;
	struct json_at root = JSON_AT_ROOT;
	int got = json_parse_strict(d->data, d->size, "what the registry gave", &document, e);

	if (got < 0)
		return err_wrap(e, "no manifest");
	if (got >= 0)
		got = manifest_sniff(document, &media, e);
	if (got >= 0)
		got = json_get_string(document, &root, "mediaType", &text, e);
	if (got < 0)
		return got;
	snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(d->content_type, "; \t"),
		 d->content_type);
	said = media_of(bare);
	if (said != MEDIA_OTHER && said != media)
		return err_say(e, EBADMSG, "the registry calls it \"%.100s\", but it is %s", bare,
			       media == MEDIA_INDEX ? "an index" : "an image manifest");
	*ret = media == MEDIA_INDEX ? "application/vnd.oci.image.index.v1+json"
				    : "application/vnd.oci.image.manifest.v1+json";
	if (text && strstr(text, "docker"))
		*ret = media == MEDIA_INDEX
			       ? "application/vnd.docker.distribution.manifest.list.v2+json"
			       : "application/vnd.docker.distribution.manifest.v2+json";
	return 0;
}

static int write_layout(struct load *l, const struct document *d, struct err *e)
{
	_cleanup_json_ json_t *index = NULL;
	_cleanup_free_ char *text = NULL;
	const char *type = NULL;
	int error = type_of(d, &type, e);

	if (error)
		return error;
	index = json_pack("{s:i, s:[{s:s, s:s, s:I}]}", "schemaVersion", 2, "manifests",
			  "mediaType", type, "digest", digest_text(&d->digest).text, "size",
			  (json_int_t)d->size);
	text = index ? json_dumps(index, 0) : NULL;
	if (text == NULL)
		return err_set(e, ENOMEM, "no memory for an index");
	error = write_file(l->source.dir, "index.json", text, strlen(text), e);
	if (!error)
		error = write_file(l->source.dir, store_blob_path(&d->digest).text, d->data,
				   d->size, e);
	return error;
}

static int fetch_root(struct load *l, struct err *e)
{
	struct pull *p = l->pull;
	const struct reference *ref = &p->registry.reference;
	struct document d = { 0 };
	char what[REFERENCE_TAG_MAX + 96];
	int error;

	snprintf(what, sizeof(what), "manifests/%s",
		 ref->has_digest ? digest_text(&ref->digest).text : ref->tag);
	error = registry_document(&p->registry, p->http, what,
				  ref->has_digest ? &ref->digest : NULL, MANIFEST_BYTES_MAX, &d, e);
	if (error == -ENOENT)
		err_fix(e, "look at its name and tag");
	if (!error)
		error = write_layout(l, &d, e);
	free(d.data);
	return error;
}

static void set_name(struct pull *p)
{
	const struct reference *r = &p->registry.reference;

	if (r->tag[0])
		snprintf(p->name, sizeof(p->name), "%s", reference_canonical(r).text);
	else
		snprintf(p->name, sizeof(p->name), "%s@%s", r->name, digest_text(&r->digest).text);
}

int pull_open(struct load *l, int spool, struct err *e)
{
	struct reference reference;
	int error = reference_parse(l->options->source, &reference, e);

	if (error)
		return error;
	l->pull = calloc(1, sizeof(*l->pull));
	if (l->pull == NULL || pthread_mutex_init(&l->pull->lock, NULL))
		return err_set(e, ENOMEM, "no memory for a pull");
	error = http_open(&l->pull->http, e);
	if (!error)
		error = registry_open(&l->pull->registry, &reference, l->options->registry, e);
	if (error)
		return error;
	/* One that may not be used is no reason not to pull. */
	error = store_open_all_shared(&l->shared, NULL, e);
	if (error)
		return error;
	set_name(l->pull);
	l->source.dir = openat(spool, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->source.dir < 0 || mkdirat(spool, "blobs", 0700) < 0 ||
	    mkdirat(spool, "blobs/sha256", 0700) < 0 || mkdirat(spool, "blobs/sha512", 0700) < 0)
		return err_set(e, errno, "cannot make a folder in the store");
	return fetch_root(l, e);
}

void pull_close(struct load *l)
{
	if (l->pull == NULL)
		return;
	http_close(&l->pull->http);
	registry_close(&l->pull->registry);
	store_close_all(&l->shared);
	pthread_mutex_destroy(&l->pull->lock);
	free(l->pull->states);
	free(l->pull);
	l->pull = NULL;
}

/* The content came within the descriptor: as good as any other once its digest is right. */
static int write_inline(struct load *l, const struct descriptor *d, const char *path, struct err *e)
{
	size_t len = strlen(d->data), size = len / 4 * 3;
	_cleanup_free_ unsigned char *data = malloc(size + 1);
	struct digest got;
	int error, n;

	if (data == NULL)
		return err_set(e, ENOMEM, "no memory for a document");
	n = EVP_DecodeBlock(data, (const unsigned char *)d->data, len);
	for (; n > 0 && len > 0 && d->data[len - 1] == '='; len--)
		n--;
	if (n < 0 || (uint64_t)n != d->size)
		return err_say(e, EBADMSG, "the data in the descriptor of %.19s... is not its content",
			       digest_text(&d->digest).text);
	error = hash_memory_as(data, n, &d->digest, &got, e);
	if (!error && !digest_equal(&got, &d->digest))
		error = err_say(e, EBADMSG, "the data in the descriptor of %.19s... is %.19s...",
				digest_text(&d->digest).text, digest_text(&got).text);
	return error ? error : write_file(l->source.dir, path, data, n, e);
}

/* Opens a blob that a shared store has, by its name and size alone: its bytes are hashed as any. */
static int open_in_shared(const struct load *l, const struct descriptor *d)
{
	struct stat st;
	size_t i;

	for (i = 0; i < l->shared.count; i++) {
		_cleanup_fd_ int fd = openat(l->shared.stores[i].dir, store_blob_path(&d->digest).text,
					     O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		    (uint64_t)st.st_size == d->size)
			return fd_take(&fd);
	}
	return -EBADF;
}

/* False: ask the registry. */
static bool copy_shared_document(struct load *l, const struct descriptor *d, const char *path)
{
	_cleanup_fd_ int fd = open_in_shared(l, d);
	_cleanup_free_ char *data = NULL;
	struct digest got;

	if (fd < 0 || d->size > MANIFEST_CONFIG_MAX)
		return false;
	data = malloc(d->size + 1);
	return data && fd_read_full(fd, data, d->size + 1) == (ssize_t)d->size &&
	       hash_memory_as(data, d->size, &d->digest, &got, NULL) == 0 &&
	       digest_equal(&got, &d->digest) &&
	       write_file(l->source.dir, path, data, d->size, NULL) == 0;
}

int pull_document(struct load *l, const struct descriptor *d, struct err *e)
{
	bool manifest = d->media == MEDIA_MANIFEST || d->media == MEDIA_INDEX;
	struct store_path path = store_blob_path(&d->digest);
	struct document document = { 0 };
	char what[DIGEST_HEX_MAX + 32];
	int error;

	if (faccessat(l->source.dir, path.text, F_OK, 0) == 0)
		return 0;
	if (d->data)
		return write_inline(l, d, path.text, e);
	if (copy_shared_document(l, d, path.text))
		return 0;
	snprintf(what, sizeof(what), "%s/%s", manifest ? "manifests" : "blobs",
		 digest_text(&d->digest).text);
	error = registry_document(&l->pull->registry, l->pull->http, what, &d->digest, d->size,
				  &document, e);
	if (!error)
		error = write_file(l->source.dir, path.text, document.data, document.size, e);
	free(document.data);
	return error ? err_wrap(e, "%s %.19s...", manifest ? "manifest" : "config",
				digest_text(&d->digest).text)
		     : 0;
}

int pull_ready(struct load *l, struct err *e)
{
	const struct load_image *image = &l->images[0];
	struct pull *p = l->pull;
	size_t i;

	p->count = image->manifest.layer_count;
	p->states = calloc(p->count, sizeof(*p->states));
	if (p->states == NULL)
		return err_set(e, ENOMEM, "no memory for layers");
	for (i = 0; i < p->count; i++) {
		const struct load_layer *layer = load_find_layer(l, &image->chains[i]);
		struct load_layer_state *s = &p->states[i];

		s->blob = layer->blob->digest;
		s->size = layer->blob->size;
		s->there = s->done = !layer->unpack && !layer->copy;
	}
	if (l->options->progress)
		l->options->progress(l->options->user, p->states, p->count);
	return 0;
}

struct watcher { /* whose progress it is */
	struct load *load;
	struct load_layer_state *state;
};

static void show(struct watcher *w, uint64_t have, uint64_t resumed, bool done)
{
	struct pull *p = w->load->pull;

	pthread_mutex_lock(&p->lock);
	w->state->have = have;
	w->state->resumed = resumed;
	w->state->done = done;
	if (w->load->options->progress)
		w->load->options->progress(w->load->options->user, p->states, p->count);
	pthread_mutex_unlock(&p->lock);
}

static void on_progress(void *user, const struct descriptor *blob, uint64_t have)
{
	struct watcher *w = user;

	(void)blob;
	show(w, have, w->state->resumed, false);
}

static struct load_layer_state *state_of(struct load *l, const struct load_layer *layer)
{
	const struct load_image *image = &l->images[0];
	size_t i;

	for (i = 0; i + 1 < image->manifest.layer_count; i++)
		if (digest_equal(&image->chains[i], &layer->chain))
			break;
	return &l->pull->states[i];
}

/* partial/HEX, locked; none when another process fetches the same blob: then we do it aside. */
static int open_partial(struct load *l, struct load_layer *layer, struct err *e)
{
	char path[DIGEST_HEX_MAX + 32];
	struct stat here, there;

	snprintf(path, sizeof(path), "partial/%s", layer->blob->digest.hex);
	for (;;) {
		_cleanup_fd_ int fd =
			openat(l->store.dir, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd < 0)
			return err_set(e, errno, "cannot make a blob in the store");
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			return 0;
		/* Its last holder may have moved it into place: that one must not be touched. */
		if (fstat(fd, &here) == 0 && fstatat(l->store.dir, path, &there, 0) == 0 &&
		    here.st_ino == there.st_ino && here.st_dev == there.st_dev) {
			layer->partial = fd_take(&fd);
			return 0;
		}
	}
}

static void drop_partial(struct load *l, struct load_layer *layer)
{
	char path[DIGEST_HEX_MAX + 32];

	snprintf(path, sizeof(path), "partial/%s", layer->blob->digest.hex);
	if (layer->partial >= 0)
		unlinkat(l->store.dir, path, 0);
	fd_close(&layer->partial);
}

/* The store has the blob, but not the layer unpacked: nothing to fetch. */
static int open_in_store(struct load *l, const struct load_layer *layer)
{
	struct stat st;
	_cleanup_fd_ int fd = -EBADF;

	if (layer->copy)
		return -EBADF;
	fd = openat(l->store.dir, store_blob_path(&layer->blob->digest).text,
		    O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || (uint64_t)st.st_size != layer->blob->size)
		return -EBADF;
	return fd_take(&fd);
}

static int stream(struct load *l, struct load_layer *layer, struct unpack_job *job, struct err *e)
{
	_cleanup_fd_ int root = -EBADF;
	int error = layer->unpack ? load_make_root(l, layer, &root, e) : 0;

	job->root = root;
	if (error)
		return error;
	return layer->unpack ? unpack_layer(job, &layer->result, e)
			     : decompress_verify_only(job->blob_fd, job->from, &job->expect,
						      job->copy_fd, e);
}

static int fetch_layer(struct load *l, struct load_layer *layer, struct http *http,
		       struct watcher *w, bool *ret_suspect, struct err *e)
{
	_cleanup_fd_ int copy = -EBADF, in_store = open_in_store(l, layer);
	_cleanup_fd_ int in_shared =
		layer->copy && !layer->shared_bad ? open_in_shared(l, layer->blob) : -EBADF;
	int have = in_store >= 0 ? in_store : in_shared;
	struct fetch f = { .registry = &l->pull->registry,
			   .http = http,
			   .blob = *layer->blob,
			   .partial = -EBADF,
			   .progress = on_progress,
			   .user = w };
	struct blob_reader from = { fetch_read, &f, fetch_cancel };
	struct unpack_job job = { .budget = &l->budget,
				  .as = l->as,
				  .blob_fd = have,
				  .from = have < 0 ? &from : NULL,
				  .expect = { layer->blob->digest, layer->blob->size },
				  .diffid = layer->diffid,
				  .copy_fd = -EBADF };
	int error = 0;

	layer->from_shared = in_shared >= 0;
	if (layer->copy && layer->partial < 0 && !layer->from_shared)
		error = open_partial(l, layer, e);
	if (!error && layer->copy && layer->partial < 0)
		error = load_open_copy(l, layer, &copy, e);
	job.copy_fd = copy;
	f.partial = layer->partial;
	if (!error)
		error = fetch_begin(&f, e);
	w->state->resumed = layer->from_shared ? layer->blob->size : f.resumed;
	if (!error)
		error = stream(l, layer, &job, e);
	*ret_suspect = f.resumed > 0 || f.used_mirror;
	layer->shared_bad |= layer->from_shared && (error == -EBADMSG || error == -EIO);
	if (error == -EBADMSG && f.used_mirror)
		atomic_store(&l->pull->registry.bad[f.host], true);
	return error;
}

static int start_over(struct load *l, struct load_layer *layer, struct err *e)
{
	char path[DIGEST_HEX_MAX + 32];
	int error;

	err_clear(e);
	drop_partial(l, layer);
	snprintf(path, sizeof(path), "blobs/%s", layer->blob->digest.hex);
	unlinkat(l->tmp.dir, path, 0);
	snprintf(path, sizeof(path), "layers/%s", layer->chain.hex);
	error = path_remove_tree(l->tmp.dir, path, e);
	return error ? err_wrap(e, "cannot start over") : 0;
}

static bool is_useless(const struct load_layer *layer)
{
	struct stat st;

	return layer->partial >= 0 && fstat(layer->partial, &st) == 0 && st.st_size == 0;
}

int pull_layer(struct load *l, struct load_layer *layer, struct err *e)
{
	struct watcher w = { l, state_of(l, layer) };
	struct http *http = NULL;
	bool suspect = false;
	int error = http_open(&http, e);

	if (!error)
		error = fetch_layer(l, layer, http, &w, &suspect, e);
	/* What a former run left, or what a mirror or a shared store gave, was bad: once more, from the
	 * registry. */
	if ((error == -EBADMSG && suspect) || (error && layer->shared_bad)) {
		error = start_over(l, layer, e);
		http_close(&http); /* it may have been cancelled */
		if (!error)
			error = http_open(&http, e);
		if (!error)
			error = fetch_layer(l, layer, http, &w, &suspect, e);
	}
	/* Wrong bytes are no good start for the next run, and a full disk wants room. */
	if (error &&
	    (is_useless(layer) || error == -EBADMSG || error == -ENOSPC || error == -EDQUOT))
		drop_partial(l, layer);
	http_close(&http);
	if (!error)
		show(&w, layer->blob->size, w.state->resumed, true);
	return error ? err_wrap(e, "layer %.19s...", digest_text(&layer->blob->digest).text) : 0;
}
