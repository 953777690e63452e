/*
 * push.c - blobs, then the manifest (distribution-spec, "Push").
 *
 * A blob is looked for, asked to be mounted from a repository of the same
 * registry that we know to have it, and only then sent.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "image/push.h"

struct push {
	const struct push_options *o;
	struct store store;
	struct store_tmp tmp;
	struct arena arena;
	const struct index_entry *entry;
	struct image_index index;
	struct image_manifest manifest;
	struct reference target;
	const char *mount_path;	     /* of the repository at the same registry, or NULL */
	struct image_manifest mount; /* what that one has */
	char push_scope[REFERENCE_NAME_MAX + 32];
	struct registry_options registry_options;
	struct registry registry;
	struct http *http;
	struct push_result *result;
};

static bool has_blob(const struct image_manifest *m, const struct digest *d)
{
	size_t i;

	for (i = 0; i < m->layer_count; i++)
		if (digest_equal(&m->layers[i].digest, d))
			return true;
	return digest_equal(&m->config.digest, d);
}

/* An image of the store that came from the same registry, by another path, and shares a layer. */
static int find_mount(struct push *p, struct err *e)
{
	size_t i, domain = strcspn(p->target.name, "/");
	struct image_manifest m;
	struct reference r;

	for (i = 0; i < p->index.count && p->mount_path == NULL; i++) {
		const struct index_entry *other = &p->index.entries[i];

		if (!other->ref_name || other->descriptor.media != MEDIA_MANIFEST ||
		    reference_parse(other->ref_name, &r, NULL) ||
		    strncmp(r.name, p->target.name, domain + 1) != 0 ||
		    strcmp(r.name, p->target.name) == 0)
			continue;
		if (store_read_manifest(&p->store, &other->descriptor, &p->arena, &m, e))
			return -e->error;
		if (!has_blob(&m, &p->manifest.layers[0].digest))
			continue;
		p->mount = m;
		p->mount_path = arena_strdup(&p->arena, r.name + domain + 1);
		snprintf(p->push_scope, sizeof(p->push_scope), " repository:%s:pull",
			 p->mount_path ? p->mount_path : "");
	}
	return 0;
}

static int pin(struct push *p, struct err *e)
{
	size_t i, count = 0;
	struct digest *pins = arena_array(&p->arena, p->manifest.layer_count + 2, sizeof(*pins));

	if (pins == NULL)
		return err_set(e, ENOMEM, "no memory for pins");
	pins[count++] = p->entry->descriptor.digest;
	pins[count++] = p->manifest.config.digest;
	for (i = 0; i < p->manifest.layer_count; i++)
		pins[count++] = p->manifest.layers[i].digest;
	return store_tmp_pin(&p->tmp, pins, count, e);
}

static int set_target(struct push *p, struct err *e)
{
	const char *text = p->o->target ? p->o->target : p->entry->ref_name;
	int error = reference_parse(text, &p->target, e);

	if (error)
		return error;
	if (p->target.has_digest) {
		err_say(e, EINVAL, "\"%.200s\" names a digest; a name and tag is wanted", text);
		return err_fix(e, "say what it is called there: kist push IMAGE NAME:TAG");
	}
	snprintf(p->result->reference, sizeof(p->result->reference), "%s",
		 reference_canonical(&p->target).text);
	p->result->digest = p->entry->descriptor.digest;
	return 0;
}

static int find_all(struct push *p, struct err *e)
{
	_cleanup_fd_ int lock = -EBADF;
	int error = store_open(&p->store, p->o->store, false, e);

	if (error == -ENOENT && p->store.dir < 0) { /* no store yet: no images */
		err_clear(e);
		return store_explain_shared(store_say_unknown(&p->store, p->o->source, e),
					    p->o->source, e);
	}
	if (!error)
		error = store_lock(&p->store, true, &lock, e);
	if (!error)
		error = store_explain_shared(
			store_find(&p->store, p->o->source, &p->arena, &p->entry, e), p->o->source, e);
	if (!error)
		error = store_read_index(&p->store, &p->arena, &p->index, e);
	if (!error)
		error = store_read_manifest(&p->store, &p->entry->descriptor, &p->arena,
					    &p->manifest, e);
	if (!error)
		error = set_target(p, e);
	if (!error)
		error = find_mount(p, e);
	if (!error)
		error = store_tmp_new(&p->store, &p->tmp, e);
	return error ? error : pin(p, e);
}

/* 1 the registry has it, 0 it has not. again: another try could help. */
static int look(struct push *p, const struct descriptor *d, bool *again, struct err *e)
{
	struct http_reply reply = { 0 };
	char what[DIGEST_HEX_MAX + 32];
	struct registry_call call = { .method = "HEAD", .what = what };
	int error;

	snprintf(what, sizeof(what), "blobs/%s", digest_text(&d->digest).text);
	error = registry_send(&p->registry, p->http, &call, &reply, again, e);
	return error ? error : reply.status == 200;
}

/* 1 mounted, 0 an upload was begun at `url`. */
static int begin(struct push *p, const struct descriptor *d, char url[HTTP_URL_MAX], bool *again,
		 struct err *e)
{
	struct http_reply reply = { 0 };
	char what[2 * REFERENCE_NAME_MAX] = "blobs/uploads/";
	struct registry_call call = { .method = "POST", .what = what };
	int error;

	if (p->mount_path && has_blob(&p->mount, &d->digest)) {
		snprintf(what, sizeof(what),
			 "blobs/uploads/?mount=%s&from=", digest_text(&d->digest).text);
		if (!http_escape(what, sizeof(what), p->mount_path))
			snprintf(what, sizeof(what), "blobs/uploads/");
	}
	error = registry_send(&p->registry, p->http, &call, &reply, again, e);
	if (error)
		return error;
	if (reply.status == 201)
		return 1;
	return registry_location(&p->registry, &call, &reply, url, e);
}

static int with_digest(char url[HTTP_URL_MAX], const struct digest *d, struct err *e)
{
	size_t len = strlen(url);
	int n = snprintf(url + len, HTTP_URL_MAX - len, "%cdigest=%s%%3A%s",
			 strchr(url, '?') ? '&' : '?', digest_algorithm(d), d->hex);

	return n < 0 || (size_t)n >= HTTP_URL_MAX - len
		       ? err_say(e, ENAMETOOLONG, "the upload's URL is too long")
		       : 0;
}

/* In pieces: each answer says where the next one goes. */
static int send_chunks(struct push *p, int fd, const struct descriptor *d, char url[HTTP_URL_MAX],
		       bool *again, struct err *e)
{
	uint64_t at = 0;
	int error = 0;

	while (!error && at < d->size) {
		uint64_t size = d->size - at < p->o->chunk ? d->size - at : p->o->chunk;
		struct http_reply reply = { 0 };
		char range[64];
		struct http_upload upload = { .type = "application/octet-stream",
					      .range = range,
					      .fd = fd,
					      .offset = at,
					      .size = size };
		struct registry_call call = { "PATCH", "", url, &upload };

		snprintf(range, sizeof(range), "%llu-%llu", (unsigned long long)at,
			 (unsigned long long)(at + size - 1));
		error = registry_send(&p->registry, p->http, &call, &reply, again, e);
		if (!error)
			error = registry_location(&p->registry, &call, &reply, url, e);
		at += size;
	}
	return error;
}

static int send_blob(struct push *p, int fd, const struct descriptor *d, char url[HTTP_URL_MAX],
		     bool *again, struct err *e)
{
	struct http_reply reply = { 0 };
	struct http_upload upload = { .type = "application/octet-stream",
				      .fd = fd,
				      .size = d->size };
	struct registry_call call = { "PUT", "", url, &upload };
	int error = 0;

	if (p->o->chunk && p->o->chunk < d->size) {
		error = send_chunks(p, fd, d, url, again, e);
		upload.data = "";
		upload.size = 0;
	}
	if (!error)
		error = with_digest(url, &d->digest, e);
	return error ? error : registry_send(&p->registry, p->http, &call, &reply, again, e);
}

/* Said when it is known how: there, mounted, sent. */
static int try_blob(struct push *p, int fd, const struct descriptor *d, const char **how,
		    bool *again, struct err *e)
{
	_cleanup_free_ char *url = calloc(1, HTTP_URL_MAX);
	int got = url ? look(p, d, again, e) : err_set(e, ENOMEM, "no memory for a URL");

	*how = "already there";
	p->result->there += got == 1;
	if (got != 0)
		return got < 0 ? got : 0;
	got = begin(p, d, url, again, e);
	*how = "mounted";
	p->result->mounted += got == 1;
	if (got != 0)
		return got < 0 ? got : 0;
	got = send_blob(p, fd, d, url, again, e);
	if (got)
		return got;
	*how = "sent";
	p->result->sent++;
	p->result->bytes += d->size;
	return 0;
}

static int push_blob(struct push *p, const struct descriptor *d, struct err *e)
{
	struct retry t = { 0, p->registry_options.tries };
	_cleanup_fd_ int fd = openat(p->store.dir, store_blob_path(&d->digest).text,
				     O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	const char *how = "";
	struct stat st;
	bool again;
	int error;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, errno, "blob %.19s...", digest_text(&d->digest).text);
	if ((uint64_t)st.st_size != d->size)
		return err_say(e, EBADMSG, "blob %.19s... is damaged in the store",
			       digest_text(&d->digest).text);
	do {
		again = false;
		error = try_blob(p, fd, d, &how, &again, e);
		if (error && again)
			again = retry_wait(&p->registry, &t, 0, e) == 0;
	} while (error && again);
	if (error)
		return err_wrap(e, "blob %.19s...", digest_text(&d->digest).text);
	p->result->blobs++;
	if (p->o->progress)
		p->o->progress(p->o->user, &d->digest, d->size, how);
	return 0;
}

static int push_blobs(struct push *p, struct err *e)
{
	size_t i, j;
	int error = 0;

	for (i = 0; !error && i < p->manifest.layer_count; i++) {
		const struct descriptor *d = &p->manifest.layers[i];

		for (j = 0; j < i && !digest_equal(&p->manifest.layers[j].digest, &d->digest); j++)
			;
		if (j == i && manifest_may_distribute(d))
			error = push_blob(p, d, e);
	}
	return error ? error : push_blob(p, &p->manifest.config, e);
}

static int push_manifest(struct push *p, struct err *e)
{
	const struct descriptor *d = &p->entry->descriptor;
	struct retry t = { 0, p->registry_options.tries };
	_cleanup_free_ char *text = NULL;
	struct http_reply reply = { 0 };
	char what[REFERENCE_TAG_MAX + 16];
	size_t size = 0;
	struct http_upload upload = { .type = d->media_type };
	struct registry_call call = { "PUT", what, NULL, &upload };
	bool again;
	int error = file_read_whole(p->store.dir, store_blob_path(&d->digest).text,
				    MANIFEST_BYTES_MAX, &text, &size, e);

	if (error)
		return error;
	upload.data = text;
	upload.size = size;
	snprintf(what, sizeof(what), "manifests/%s", p->target.tag);
	do {
		error = registry_send(&p->registry, p->http, &call, &reply, &again, e);
		if (error && again)
			again = retry_wait(&p->registry, &t, reply.retry_after, e) == 0;
	} while (error && again);
	if (error)
		return err_wrap(e, "manifest %.19s...", digest_text(&d->digest).text);
	if (reply.digest[0] && strcmp(reply.digest, digest_text(&d->digest).text) != 0)
		return err_say(e, EBADMSG, "the registry took the manifest for %.80s, it is %s",
			       reply.digest, digest_text(&d->digest).text);
	return 0;
}

static int run(struct push *p, struct err *e)
{
	int error = http_open(&p->http, e);

	if (!error)
		error = find_all(p, e);
	p->registry_options = p->o->registry;
	p->registry_options.push_scope = p->push_scope;
	if (!error)
		error = registry_open(&p->registry, &p->target, &p->registry_options, e);
	if (!error)
		error = push_blobs(p, e);
	return error ? error : push_manifest(p, e);
}

int image_push(const struct push_options *o, struct push_result *ret, struct err *e)
{
	struct push p = { .o = o, .store = STORE_INIT, .tmp = STORE_TMP_INIT, .result = ret };
	int error;

	*ret = (struct push_result){ 0 };
	error = run(&p, e);
	http_close(&p.http);
	registry_close(&p.registry);
	if (p.store.dir >= 0)
		store_tmp_remove(&p.store, &p.tmp, NULL);
	store_close(&p.store);
	arena_free(&p.arena);
	return error ? err_wrap(e, "cannot push %.200s", o->target ? o->target : o->source) : 0;
}
