/*
 * layout-make.c - blobs by their digests, and the documents that name them.
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
#include "image/hash.h"
#include "image/layout-make.h"
#include "image/store-layout.h"

#define BLOCK (256u << 10)

int layout_make_folders(int dir, struct err *e)
{
	static const char *const folders[] = { "blobs", "blobs/sha256", "blobs/sha512", "files" };
	size_t i;

	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (mkdirat(dir, folders[i], 0700) < 0 && errno != EEXIST)
			return err_set(e, errno, "cannot make a folder in the store");
	return 0;
}

static json_t *descriptor(const char *media_type, const struct digest *d, uint64_t size)
{
	return json_pack("{s:s, s:s, s:I}", "mediaType", media_type, "digest", digest_text(d).text,
			 "size", (json_int_t)size);
}

static int hash_file(int fd, struct digest *ret, uint64_t *ret_size, struct err *e)
{
	_cleanup_hash_ struct hash h = HASH_INIT;
	_cleanup_free_ char *block = malloc(BLOCK);
	int error = block ? hash_begin(&h, e) : err_set(e, ENOMEM, "no memory for a blob");
	ssize_t n = 1;

	*ret_size = 0;
	while (!error && n > 0) {
		n = fd_read_full(fd, block, BLOCK);
		if (n < 0)
			return err_set(e, -n, "cannot read a blob");
		hash_add(&h, block, n);
		*ret_size += n;
	}
	if (!error)
		hash_end(&h, ret);
	return error;
}

int layout_adopt(int dir, const char *path, const char *media_type, json_t **ret, struct err *e)
{
	_cleanup_fd_ int fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct digest digest;
	uint64_t size = 0;
	int error = fd < 0 ? err_set(e, errno, "cannot open %s", path)
			   : hash_file(fd, &digest, &size, e);

	if (error)
		return error;
	if (renameat(dir, path, dir, store_blob_path(&digest).text) < 0)
		return err_set(e, errno, "cannot move a blob");
	*ret = descriptor(media_type, &digest, size);
	return *ret ? 0 : err_set(e, ENOMEM, "no memory for a descriptor");
}

static int write_text(int dir, const char *path, const char *text, struct err *e)
{
	_cleanup_fd_ int fd =
		openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int error = fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));

	return error ? err_set(e, -error, "cannot write to the store") : 0;
}

int layout_add(int dir, const json_t *document, const char *media_type, json_t **ret, struct err *e)
{
	_cleanup_free_ char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
	struct digest digest;
	int error;

	if (text == NULL)
		return err_set(e, ENOMEM, "no memory for a document");
	error = hash_memory(text, strlen(text), &digest, e);
	if (!error)
		error = write_text(dir, store_blob_path(&digest).text, text, e);
	if (error)
		return error;
	*ret = descriptor(media_type, &digest, strlen(text));
	return *ret ? 0 : err_set(e, ENOMEM, "no memory for a descriptor");
}

json_t *layout_manifest(json_t *config, json_t *layers)
{
	return json_pack("{s:i, s:s, s:O, s:O}", "schemaVersion", 2, "mediaType",
			 "application/vnd.oci.image.manifest.v1+json", "config", config, "layers",
			 layers);
}

int layout_finish(int dir, json_t *entries, struct err *e)
{
	_cleanup_json_ json_t *index =
		json_pack("{s:i, s:s, s:O}", "schemaVersion", 2, "mediaType",
			  "application/vnd.oci.image.index.v1+json", "manifests", entries);
	_cleanup_free_ char *text = index ? json_dumps(index, JSON_COMPACT) : NULL;
	int error = text ? write_text(dir, "index.json", text, e)
			 : err_set(e, ENOMEM, "no memory for an index");

	return error ? error
		     : write_text(dir, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}", e);
}
