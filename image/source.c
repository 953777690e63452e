/*
 * source.c - opening an OCI layout (image-spec image-layout.md), or what becomes one.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/json.h"
#include "image/decompress.h"
#include "image/layout-make.h"
#include "image/manifest.h"
#include "image/source.h"
#include "image/tar-guard.h"

struct spool {
	struct decompressor *in;
	struct tar_guard guard;
	int dir;
	uint64_t bytes, bytes_max, entries;
	json_t *files; /* of docker's form: name -> "files/N", or a symlink's target */
	bool failed; /* *e was filled inside libarchive's callback */
	struct err *e;
};

static int over_limit(struct spool *sp)
{
	err_say(sp->e, EFBIG, "the archive has more than %llu bytes",
		(unsigned long long)sp->bytes_max);
	return err_fix(sp->e, "if you trust it, allow more with --max-size");
}

static la_ssize_t read_callback(struct archive *archive, void *user, const void **ret)
{
	struct spool *sp = user;
	ssize_t n = decompress_read(sp->in, ret, sp->e);
	int error = n < 0 ? (int)n : 0;

	if (n > 0) {
		sp->bytes += n;
		error = sp->bytes > sp->bytes_max ? over_limit(sp)
						  : tar_guard_feed(&sp->guard, *ret, n, sp->e);
	} else if (n == 0) {
		error = tar_guard_end(&sp->guard, sp->e);
	}
	if (error == 0)
		return n;
	sp->failed = true;
	archive_set_error(archive, EBADMSG, "input");
	return -1;
}

#define SPOOL_NAME	(DIGEST_HEX_MAX + 32)
#define SPOOL_FILES_MAX 20000 /* that are no part of a layout */

/* The name to spool an entry under, or NULL when it is not part of a layout. */
static const char *spool_name(const char *path, char name[SPOOL_NAME])
{
	struct digest digest;

	while (path[0] == '.' && path[1] == '/')
		path += 2;
	if (strcmp(path, "oci-layout") == 0 || strcmp(path, "index.json") == 0)
		snprintf(name, SPOOL_NAME, "%s", path);
	else if ((strncmp(path, "blobs/sha256/", 13) == 0 &&
		  digest_from_hex("sha256", path + 13, &digest)) ||
		 (strncmp(path, "blobs/sha512/", 13) == 0 &&
		  digest_from_hex("sha512", path + 13, &digest)))
		snprintf(name, SPOOL_NAME, "%s", path);
	else
		return NULL;
	return name;
}

static int spool_content(struct spool *sp, struct archive *a, int fd)
{
	const void *data;
	size_t size;
	la_int64_t offset;
	int r, error;

	while ((r = archive_read_data_block(a, &data, &size, &offset)) == ARCHIVE_OK) {
		if (lseek(fd, offset, SEEK_SET) < 0)
			return err_set(sp->e, errno, "lseek");
		error = fd_write_all(fd, data, size);
		if (error)
			return err_set(sp->e, -error, "cannot write to the store");
	}
	if (r == ARCHIVE_EOF)
		return 0;
	return sp->failed ? -sp->e->error : err_say(sp->e, EBADMSG, "tar: damaged archive");
}

/* A symlink's target as a name of the archive: "a/layer.tar" -> "../b/layer.tar" is "b/layer.tar". */
static bool join(const char *path, const char *target, char *text, size_t size)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	if (len >= size || target[0] == '/')
		return false;
	memcpy(text, path, len);
	text[len] = '\0';
	while (strncmp(target, "../", 3) == 0) {
		if (len == 0)
			return false;
		while (len > 0 && text[len - 1] != '/')
			len--;
		len -= len > 0;
		text[len] = '\0';
		target += 3;
	}
	return snprintf(text + len, size - len, "%s%s", len ? "/" : "", target) <
	       (int)(size - len);
}

/* What may turn out to be a part of docker's form is kept under a name of ours. 1: to be written. */
static int keep_file(struct spool *sp, const char *path, struct archive_entry *ae, char name[SPOOL_NAME])
{
	const char *link = archive_entry_symlink(ae);
	char target[1024];
	json_t *value;

	while (path[0] == '.' && path[1] == '/')
		path += 2;
	if (archive_entry_hardlink(ae) || !(link || S_ISREG(archive_entry_mode(ae))))
		return 0;
	if (json_object_size(sp->files) == SPOOL_FILES_MAX)
		return err_say(sp->e, EFBIG, "the archive has more than %d files", SPOOL_FILES_MAX);
	if (json_object_get(sp->files, path))
		return err_say(sp->e, EBADMSG, "%.100s is in the archive twice", path);
	if (link && !join(path, link, target, sizeof(target)))
		return 0;
	snprintf(name, SPOOL_NAME, "files/%zu", json_object_size(sp->files));
	value = link ? json_pack("{s:s}", "link", target) : json_string(name);
	/* A name that is no UTF-8 can't be in manifest.json. */
	if (value == NULL || json_object_set_new(sp->files, path, value) < 0)
		return 0;
	return link == NULL;
}

static int spool_entry(struct spool *sp, struct archive *a, struct archive_entry *ae)
{
	_cleanup_fd_ int fd = -EBADF;
	const char *path = archive_entry_pathname(ae);
	char name[SPOOL_NAME];
	int kept = 1;

	sp->entries++;
	if (path == NULL)
		return 0;
	if (spool_name(path, name) == NULL)
		kept = keep_file(sp, path, ae, name);
	if (kept <= 0)
		return kept;
	if (archive_entry_hardlink(ae) || !S_ISREG(archive_entry_mode(ae)) ||
	    archive_entry_sparse_count(ae) > 0)
		return err_say(sp->e, EINVAL, "%.100s is not a plain file", name);
	/* O_EXCL: a name that comes twice could be one thing to us and another to others */
	fd = openat(sp->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		return err_say(sp->e, EBADMSG, "%.100s is in the archive twice", name);
	if (fd < 0)
		return err_set(sp->e, errno, "cannot make %.100s in the store", name);
	return spool_content(sp, a, fd);
}

static int spool_walk(struct spool *sp, struct archive *a)
{
	struct archive_entry *ae;
	const void *data;
	int r, error;

	while ((r = archive_read_next_header(a, &ae)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
		error = spool_entry(sp, a, ae);
		if (error)
			return error;
	}
	if (r != ARCHIVE_EOF)
		return sp->failed ? -sp->e->error : err_say(sp->e, EBADMSG, "it is no tar archive");
	while ((r = read_callback(a, sp, &data)) > 0)
		;
	if (r < 0)
		return -sp->e->error;
	if (sp->entries != sp->guard.entries)
		return err_say(sp->e, EBADMSG, "tar: ambiguous");
	return 0;
}

static int spool_tar(struct spool *sp, int fd)
{
	struct archive *a = archive_read_new();
	int error = decompress_new(fd, NULL, -1, &sp->in, sp->e);

	if (!error)
		error = layout_make_folders(sp->dir, sp->e);
	if (!error && (a == NULL || archive_read_support_format_tar(a) != ARCHIVE_OK))
		error = err_set(sp->e, ENOMEM, "cannot start libarchive");
	if (!error && archive_read_open(a, sp, NULL, read_callback, NULL) != ARCHIVE_OK)
		error = sp->failed ? -sp->e->error
				   : err_say(sp->e, EBADMSG, "it is no tar archive");
	if (!error)
		error = spool_walk(sp, a);
	archive_read_free(a);
	decompress_free(&sp->in);
	tar_guard_free(&sp->guard);
	return error;
}

static int check_layout(const struct source *s, struct err *e)
{
	_cleanup_json_ json_t *layout = NULL;
	struct json_at root = JSON_AT_ROOT;
	const char *version = "";
	int got = json_read_file(s->dir, "oci-layout", &layout, e);

	if (got == -ENOENT) {
		err_clear(e);
		err_say(e, EINVAL, "it is no OCI image layout (no oci-layout file)");
		return err_fix(e, "give a layout folder, a tar of one, or what docker save wrote; "
				  "a root file system: kist image import");
	}
	if (got)
		return got;
	got = json_require(json_get_string(layout, &root, "imageLayoutVersion", &version, e), &root,
			   "imageLayoutVersion", e);
	if (got >= 0 && strcmp(version, "1.0.0") != 0)
		return err_say(e, EINVAL, "its layout version is \"%.20s\", not 1.0.0", version);
	return got < 0 ? got : 0;
}

static int open_tar(struct source *s, int fd, int spool, uint64_t bytes_max, struct err *e)
{
	_cleanup_json_ json_t *files = json_object();
	struct spool sp = { .dir = spool, .bytes_max = bytes_max, .files = files, .e = e };
	int error = spool_tar(&sp, fd);

	if (!error && faccessat(spool, "oci-layout", F_OK, 0) < 0 &&
	    json_object_get(files, "manifest.json"))
		error = source_from_docker(spool, files, e);
	if (error)
		return error;
	s->dir = openat(spool, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0)
		return err_set(e, errno, "openat");
	s->spooled = true;
	return check_layout(s, e);
}

int source_open(struct source *s, const char *path, int spool, uint64_t bytes_max, struct err *e)
{
	_cleanup_fd_ int fd = -EBADF;
	struct stat st;

	if (strcmp(path, "-") == 0)
		return open_tar(s, STDIN_FILENO, spool, bytes_max, e);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, errno, "cannot open it");
	if (!S_ISDIR(st.st_mode))
		return open_tar(s, fd, spool, bytes_max, e);
	s->dir = fd_take(&fd);
	return check_layout(s, e);
}

void source_close(struct source *s)
{
	fd_close(&s->dir);
}
