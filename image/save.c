/*
 * save.c - writing the archive, with libarchive's ustar and pax (archive_write(3)), or the folder.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/json.h"
#include "image/decompress.h"
#include "image/hash.h"
#include "image/reference.h"
#include "image/save.h"
#include "image/store-gc.h"

#define SAVE_BLOCK (256u << 10)

struct save_image {
	const struct store *store; /* where it was found */
	const char *reference;
	const struct index_entry *entry;
	struct image_manifest manifest;
	struct image_config config;
};

struct save {
	const struct store *store;
	struct store_set shared;
	struct save_image *images;
	size_t count;
	enum save_format format;
	struct archive *archive;
	int dir, file; /* of a folder: it, and the file that is being written */
	struct arena arena;
	json_t *index, *docker; /* index.json's entries; manifest.json */
	json_t *seen;		/* the digests that are in the archive */
	char *block;
	struct err *e;
};

static int failed(struct save *v, const char *what)
{
	int error = archive_errno(v->archive);

	return err_set(v->e, error > 0 ? error : EIO, "cannot write %s", what);
}

static int begin(struct save *v, const char *path, uint64_t size, mode_t type)
{
	struct archive_entry *entry;
	int r;

	if (v->format == SAVE_OCI) {
		fd_close(&v->file);
		v->file = openat(v->dir, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				 0644);
		return v->file < 0 ? err_set(v->e, errno, "cannot make %s", path) : 0;
	}
	entry = archive_entry_new();
	if (entry == NULL)
		return err_set(v->e, ENOMEM, "no memory for an archive");
	archive_entry_set_pathname(entry, path);
	archive_entry_set_size(entry, size);
	archive_entry_set_filetype(entry, type);
	archive_entry_set_perm(entry, type == AE_IFDIR ? 0755 : 0644);
	archive_entry_set_mtime(entry, 0, 0);
	r = archive_write_header(v->archive, entry);
	archive_entry_free(entry);
	return r == ARCHIVE_OK ? 0 : failed(v, path);
}

static int add(struct save *v, const void *data, size_t size, const char *path)
{
	int error;

	if (v->format == SAVE_OCI) {
		error = fd_write_all(v->file, data, size);
		return error ? err_set(v->e, -error, "cannot write %s", path) : 0;
	}
	return archive_write_data(v->archive, data, size) == (la_ssize_t)size ? 0 : failed(v, path);
}

static int add_text(struct save *v, const char *path, const char *text)
{
	int error = text ? begin(v, path, strlen(text), AE_IFREG)
			 : err_set(v->e, ENOMEM, "no memory for an archive");

	return error ? error : add(v, text, strlen(text), path);
}

static int copy_blob(struct save *v, int fd, const struct descriptor *d, const char *path)
{
	_cleanup_hash_ struct hash h = HASH_INIT;
	struct digest got;
	uint64_t left = d->size;
	int error = hash_begin_as(&h, &d->digest, v->e);

	while (!error && left > 0) {
		ssize_t n = fd_read_full(fd, v->block, left < SAVE_BLOCK ? left : SAVE_BLOCK);

		if (n <= 0)
			return err_set(v->e, n < 0 ? -n : EBADMSG, "blob %.12s", d->digest.hex);
		hash_add(&h, v->block, n);
		error = add(v, v->block, n, path);
		left -= n;
	}
	if (error)
		return error;
	hash_end(&h, &got);
	if (!digest_equal(&got, &d->digest)) {
		err_say(v->e, EBADMSG, "blob %.19s... is damaged in the store",
			digest_text(&d->digest).text);
		return err_fix(v->e, "remove the image and get it again");
	}
	return 0;
}

struct save_name {
	char text[sizeof(struct store_path)];
};

static struct save_name config_name(const struct save *v, const struct image_manifest *m)
{
	struct save_name n;

	if (v->format == SAVE_DOCKER_ARCHIVE)
		snprintf(n.text, sizeof(n.text), "%s.json", m->config.digest.hex);
	else
		snprintf(n.text, sizeof(n.text), "%s", store_blob_path(&m->config.digest).text);
	return n;
}

static struct save_name layer_name(const struct save *v, const struct save_image *image, size_t i)
{
	struct save_name n;

	if (v->format == SAVE_DOCKER_ARCHIVE)
		snprintf(n.text, sizeof(n.text), "%s/layer.tar", image->config.diff_ids[i].hex);
	else
		snprintf(n.text, sizeof(n.text), "%s",
			 store_blob_path(&image->manifest.layers[i].digest).text);
	return n;
}

static bool is_new(struct save *v, const char *name)
{
	bool is = !json_object_get(v->seen, name);

	json_object_set_new(v->seen, name, json_true());
	return is;
}

static int add_blob(struct save *v, const struct store *store, const struct descriptor *d,
		    const char *name)
{
	struct store_path path = store_blob_path(&d->digest);
	_cleanup_fd_ int fd = -EBADF;
	int error;

	if (!is_new(v, name))
		return 0;
	fd = openat(store->dir, path.text, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(v->e, errno, "blob %.19s...", digest_text(&d->digest).text);
	error = begin(v, name, d->size, AE_IFREG);
	return error ? error : copy_blob(v, fd, d, name);
}

/* One pass over the plain bytes: counts and verifies, and with `write` writes them. */
static int plain_pass(struct save *v, const struct store *store, const struct descriptor *d,
		      const struct digest *diffid, const char *name, bool write, uint64_t *ret_size)
{
	struct blob_expect expect = { d->digest, d->size };
	_cleanup_decompressor_ struct decompressor *in = NULL;
	_cleanup_hash_ struct hash h = HASH_INIT;
	_cleanup_fd_ int fd = openat(store->dir, store_blob_path(&d->digest).text,
				     O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct digest got;
	const void *data;
	ssize_t n = 1;
	int error = fd < 0 ? err_set(v->e, errno, "cannot open it")
			   : decompress_new(fd, &expect, -EBADF, &in, v->e);

	if (!error)
		error = hash_begin_as(&h, diffid, v->e);
	*ret_size = 0;
	while (!error && (n = decompress_read(in, &data, v->e)) > 0) {
		hash_add(&h, data, n);
		*ret_size += n;
		if (write)
			error = add(v, data, n, name);
	}
	if (error || n < 0)
		return error ? error : (int)n;
	hash_end(&h, &got);
	return digest_equal(&got, diffid) ? 0
					  : err_say(v->e, EBADMSG, "it is damaged in the store");
}

/* Docker's old form has layers plain, and readers that want them so. A tar wants the size first: so
 * it is unpacked twice. */
static int add_plain_layer(struct save *v, const struct save_image *image, size_t i)
{
	const struct descriptor *d = &image->manifest.layers[i];
	struct save_name name = layer_name(v, image, i);
	uint64_t size = 0;
	int error;

	if (!is_new(v, name.text))
		return 0;
	error = plain_pass(v, image->store, d, &image->config.diff_ids[i], name.text, false, &size);
	if (!error)
		error = begin(v, name.text, size, AE_IFREG);
	if (!error)
		error = plain_pass(v, image->store, d, &image->config.diff_ids[i], name.text, true,
				   &size);
	return error ? err_wrap(v->e, "blob %.19s...", digest_text(&d->digest).text) : 0;
}

static json_t *layer_paths(const struct save *v, const struct save_image *image)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < image->manifest.layer_count; i++)
		json_array_append_new(list, json_string(layer_name(v, image, i).text));
	return list;
}

/* Name, and only a tag, as docker and ctr write them: each reads what it knows. */
static int add_names(struct save *v, const struct save_image *image)
{
	const struct index_entry *entry = image->entry;
	const char *tag = strrchr(entry->ref_name, ':');
	bool tagged = tag && !strchr(tag, '/') && !strchr(entry->ref_name, '@');
	json_t *o = json_pack(
		"{s:s, s:s, s:I, s:{s:s, s:s}}", "mediaType", entry->descriptor.media_type,
		"digest", digest_text(&entry->descriptor.digest).text, "size",
		(json_int_t)entry->descriptor.size, "annotations", "io.containerd.image.name",
		entry->ref_name, "org.opencontainers.image.ref.name",
		tagged ? tag + 1 : entry->ref_name);
	json_t *p = json_pack("{s:s, s:[], s:o}", "Config", config_name(v, &image->manifest).text,
			      "RepoTags", "Layers", layer_paths(v, image));

	if (tagged)
		json_array_append_new(json_object_get(p, "RepoTags"),
				      json_string(reference_familiar(entry->ref_name).text));
	if (json_array_append_new(v->index, o) < 0 || json_array_append_new(v->docker, p) < 0)
		return err_set(v->e, ENOMEM, "no memory for an archive");
	return 0;
}

static int add_image(struct save *v, const struct save_image *image)
{
	size_t i;
	int error = add_names(v, image);

	if (!error && v->format != SAVE_DOCKER_ARCHIVE)
		error = add_blob(v, image->store, &image->entry->descriptor,
				 store_blob_path(&image->entry->descriptor.digest).text);
	if (!error)
		error = add_blob(v, image->store, &image->manifest.config,
				 config_name(v, &image->manifest).text);
	for (i = 0; !error && i < image->manifest.layer_count; i++)
		error = v->format == SAVE_DOCKER_ARCHIVE
				? add_plain_layer(v, image, i)
				: add_blob(v, image->store, &image->manifest.layers[i],
					   layer_name(v, image, i).text);
	return error ? err_wrap(v->e, "image %.200s", image->reference) : 0;
}

static int add_documents(struct save *v)
{
	_cleanup_json_ json_t *index =
		json_pack("{s:i, s:s, s:O}", "schemaVersion", 2, "mediaType",
			  "application/vnd.oci.image.index.v1+json", "manifests", v->index);
	_cleanup_free_ char *text = json_dumps(index, JSON_COMPACT);
	_cleanup_free_ char *docker = json_dumps(v->docker, JSON_COMPACT);
	int error = v->format == SAVE_DOCKER_ARCHIVE ? 0 : add_text(v, "index.json", text);

	return error || v->format == SAVE_OCI ? error : add_text(v, "manifest.json", docker);
}

static int make_folders(const struct save *v)
{
	static const char *const folders[] = { "blobs", "blobs/sha256", "blobs/sha512" };
	size_t i;

	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (mkdirat(v->dir, folders[i], 0755) < 0)
			return err_set(v->e, errno, "cannot make %s", folders[i]);
	return 0;
}

static int write_all(struct save *v, int fd)
{
	size_t i;
	int error = 0;

	if (v->format == SAVE_OCI) {
		v->dir = fd;
		error = make_folders(v);
	} else if (archive_write_set_format_pax_restricted(v->archive) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(v->archive, 1) != ARCHIVE_OK ||
	    archive_write_open_fd(v->archive, fd) != ARCHIVE_OK)
		return failed(v, "the archive");
	if (!error && v->format != SAVE_DOCKER_ARCHIVE)
		error = add_text(v, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
	for (i = 0; !error && i < v->count; i++)
		error = add_image(v, &v->images[i]);
	if (!error)
		error = add_documents(v);
	fd_close(&v->file);
	if (v->format == SAVE_OCI) /* only when there was no sha512 at all */
		unlinkat(v->dir, "blobs/sha512", AT_REMOVEDIR);
	else if (!error && archive_write_close(v->archive) != ARCHIVE_OK)
		error = failed(v, "the archive");
	return error;
}

/* In one's own store, or the first shared one that has it. */
static int find_one(struct save *v, struct save_image *image)
{
	const struct store *s = v->store;
	struct err first = ERR_INIT;
	size_t i;
	int error = s->dir < 0 ? store_say_unknown(s, image->reference, v->e)
			       : store_find(s, image->reference, &v->arena, &image->entry, v->e);

	first = *v->e;
	for (i = 0; error == -ENOENT && i < v->shared.count; i++) {
		s = &v->shared.stores[i];
		err_clear(v->e);
		error = store_find(s, image->reference, &v->arena, &image->entry, v->e);
	}
	if (error == -ENOENT)
		*v->e = first;
	image->store = s;
	return error;
}

static int find_all(struct save *v, const char *const *references, size_t count)
{
	size_t i;
	int error = 0;

	v->images = arena_array(&v->arena, count, sizeof(*v->images));
	if (v->images == NULL)
		return err_set(v->e, ENOMEM, "no memory for an archive");
	for (i = 0; !error && i < count; i++) {
		struct save_image *image = &v->images[v->count++];

		image->reference = references[i];
		error = find_one(v, image);
		if (!error)
			error = store_read_manifest(image->store, &image->entry->descriptor, &v->arena,
						    &image->manifest, v->e);
		if (!error)
			error = store_read_config(image->store, &image->manifest.config, &v->arena,
						  &image->config, v->e);
		if (!error && image->config.diff_id_count != image->manifest.layer_count)
			error = err_say(v->e, EBADMSG, "its config and manifest disagree");
	}
	return error;
}

/* Nothing of it may be removed while it is written, which may take as long as its reader likes: so
 * it is pinned, and the lock is not held. */
static int pin_all(struct save *v, struct store_tmp *tmp)
{
	struct digest *pins;
	size_t i, j, count = 0, room = 0;

	for (i = 0; i < v->count; i++)
		room += 2 + v->images[i].manifest.layer_count;
	pins = arena_array(&v->arena, room, sizeof(*pins));
	if (pins == NULL)
		return err_set(v->e, ENOMEM, "no memory for pins");
	for (i = 0; i < v->count; i++) {
		const struct save_image *image = &v->images[i];

		pins[count++] = image->entry->descriptor.digest;
		pins[count++] = image->manifest.config.digest;
		for (j = 0; j < image->manifest.layer_count; j++)
			pins[count++] = image->manifest.layers[j].digest;
	}
	return store_tmp_pin(tmp, pins, count, v->e);
}

static int find_and_pin(struct save *v, const char *const *references, size_t count,
			struct store_tmp *tmp)
{
	_cleanup_fd_ int lock = -EBADF;
	int error = store_open_all_shared(&v->shared, NULL, v->e);

	if (!error && v->store->dir >= 0)
		error = store_lock(v->store, true, &lock, v->e);
	if (!error)
		error = find_all(v, references, count);
	if (error || v->store->dir < 0)
		return error;
	error = store_tmp_new(v->store, tmp, v->e);
	return error ? error : pin_all(v, tmp);
}

int image_save(const struct store *s, const char *const *references, size_t count,
	       enum save_format format, int fd, struct err *e)
{
	struct save v = { .store = s, .format = format, .file = -EBADF, .e = e };
	struct store_tmp tmp = STORE_TMP_INIT;
	int error = find_and_pin(&v, references, count, &tmp);

	v.archive = archive_write_new();
	v.index = json_array();
	v.docker = json_array();
	v.seen = json_object();
	v.block = malloc(SAVE_BLOCK);
	if (!error && (!v.archive || !v.index || !v.docker || !v.seen || !v.block))
		error = err_set(e, ENOMEM, "no memory for an archive");
	if (!error)
		error = write_all(&v, fd);
	if (s->dir >= 0)
		store_tmp_remove(s, &tmp, NULL);
	store_close_all(&v.shared);
	archive_write_free(v.archive);
	json_decref(v.index);
	json_decref(v.docker);
	json_decref(v.seen);
	free(v.block);
	arena_free(&v.arena);
	return error;
}
