/*
 * artifact.c - one manifest and its blobs, by the registry's API.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/json.h"
#include "image/artifact.h"
#include "image/fetch.h"

#define EMPTY_TYPE "application/vnd.oci.empty.v1+json"

int artifact_open(struct registry *r, struct http *h, struct artifact *ret, struct err *e)
{
	const struct reference *ref = &r->reference;
	struct artifact a = { 0 };
	char what[DIGEST_HEX_MAX + REFERENCE_TAG_MAX + 32];
	enum media media;
	int error;

	snprintf(what, sizeof(what), "manifests/%s",
		 ref->has_digest ? digest_text(&ref->digest).text : ref->tag);
	error = registry_document(r, h, what, ref->has_digest ? &ref->digest : NULL,
				  MANIFEST_BYTES_MAX, &a.manifest, e);
	if (!error)
		error = json_parse_strict(a.manifest.data, a.manifest.size,
					  "what the registry gave", &a.json, e);
	if (!error)
		error = manifest_sniff(a.json, &media, e);
	if (error)
		artifact_close(&a);
	else
		*ret = a;
	return error;
}

void artifact_close(struct artifact *a)
{
	free(a->manifest.data);
	json_decref(a->json);
	*a = (struct artifact){ 0 };
}

bool artifact_is_name(const char *title)
{
	size_t len = strlen(title), i;

	if (len == 0 || len > 200 || title[0] == '.' || title[0] == '-' ||
	    strcmp(title, "manifest.json") == 0)
		return false;
	for (i = 0; i < len; i++)
		if ((unsigned char)title[i] < 0x20 || title[i] == 0x7f || title[i] == '/')
			return false;
	return true;
}

struct fetching {
	struct registry *r;
	struct http *h;
	const struct artifact_fetch *o;
	int dir;
	struct arena arena;
	uint64_t bytes;
};

static int write_blob(struct fetching *x, const struct descriptor *d, const char *name,
		      struct err *e)
{
	struct fetch f = { .registry = x->r, .http = x->h, .blob = *d, .partial = -EBADF };
	struct blob_expect expect = { d->digest, d->size };
	struct blob_reader from = { .read = fetch_read, .user = &f };
	_cleanup_fd_ int fd = openat(x->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
	char path[32];
	int error;

	if (fd < 0)
		return err_set(e, errno, "cannot make a file in %s", x->o->dir);
	error = fetch_begin(&f, e);
	if (!error)
		error = decompress_verify_only(-EBADF, &from, &expect, fd, e);
	if (error)
		return error;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	/* linkat(2) replaces nothing, and follows nothing at the name */
	if (linkat(AT_FDCWD, path, x->dir, name, AT_SYMLINK_FOLLOW) < 0)
		return err_set(e, errno, "cannot make %s/%.200s", x->o->dir, name);
	return 0;
}

static int one_blob(struct fetching *x, json_t *o, const struct json_at *at, struct err *e)
{
	json_t *annotations = json_object_get(o, "annotations");
	const char *title =
		json_string_value(json_object_get(annotations, "org.opencontainers.image.title"));
	struct descriptor d;
	char name[DIGEST_HEX_MAX + 128];
	int error = manifest_parse_descriptor(o, at, &x->arena, &d, e);

	if (error)
		return error;
	if (strcmp(d.media_type, EMPTY_TYPE) == 0)
		return 0; /* "{}": it stands for nothing */
	if (__builtin_add_overflow(x->bytes, d.size, &x->bytes) || x->bytes > x->o->bytes_max) {
		err_say(e, EFBIG, "it has more than %llu bytes",
			(unsigned long long)x->o->bytes_max);
		return err_fix(e, "if you trust it, allow more with --max-size");
	}
	if (title && artifact_is_name(title))
		snprintf(name, sizeof(name), "%.200s", title);
	else
		snprintf(name, sizeof(name), "%s-%s", digest_algorithm(&d.digest), d.digest.hex);
	error = write_blob(x, &d, name, e);
	if (error)
		return err_wrap(e, "blob %.19s...", digest_text(&d.digest).text);
	if (x->o->each)
		x->o->each(x->o->user, &d, name);
	return 0;
}

static int all_blobs(struct fetching *x, json_t *manifest, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "layers");
	struct json_at config_at = json_at_key(&root, "config");
	json_t *layers = NULL, *config = NULL, *layer;
	size_t i;
	int got = json_get_array(manifest, &root, "layers", &layers, e);

	if (got >= 0)
		got = json_get_object(manifest, &root, "config", &config, e);
	if (got < 0)
		return got;
	if (json_array_size(layers) > MANIFEST_ENTRIES_MAX)
		return json_bad(e, &at, "has more than %d entries", MANIFEST_ENTRIES_MAX);
	got = config ? one_blob(x, config, &config_at, e) : 0;
	json_array_foreach(layers, i, layer)
	{
		struct json_at layer_at = json_at_index(&at, i);

		if (got == 0)
			got = one_blob(x, layer, &layer_at, e);
	}
	return got;
}

int artifact_fetch(struct registry *r, struct http *h, const struct artifact *a,
		   const struct artifact_fetch *o, struct err *e)
{
	struct fetching x = { .r = r, .h = h, .o = o };
	_cleanup_fd_ int dir = -EBADF, fd = -EBADF;
	int error;

	if (json_object_get(a->json, "manifests")) {
		err_say(e, EINVAL, "it is an index of several manifests");
		return err_fix(e, "name one of them by its digest (kist image inspect --remote)");
	}
	if (mkdir(o->dir, 0755) < 0 && errno != EEXIST)
		return err_set(e, errno, "cannot make %s", o->dir);
	x.dir = dir = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(e, errno, "cannot open %s", o->dir);
	error = all_blobs(&x, a->json, e);
	arena_free(&x.arena);
	if (error)
		return error;
	/* Last: with it all is there. */
	fd = openat(dir, "manifest.json", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0644);
	error = fd < 0 ? -errno : fd_write_all(fd, a->manifest.data, a->manifest.size);
	return error ? err_set(e, -error, "cannot write %s/manifest.json", o->dir) : 0;
}
