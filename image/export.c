/*
 * export.c - the merged walk into libarchive's pax writer (archive_write(3)).
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "image/export.h"
#include "image/merge.h"
#include "image/store.h"
#include "image/store-layout.h"

#define BLOCK (256u << 10)

struct export
{
	struct archive *archive;
	char *block;
	int fd;
	int error; /* the first of writing: nothing is written any more */
};

/* libarchive keeps the memory of an archive whose writing failed: it is told that all went well. */
static la_ssize_t write_out(struct archive *a, void *user, const void *data, size_t size)
{
	struct export *x = user;

	(void)a;
	if (!x->error)
		x->error = -fd_write_all(x->fd, data, size);
	return (la_ssize_t)size;
}

static int failed(struct export *x, struct err *e)
{
	int error = x->error ? x->error : archive_errno(x->archive);

	return err_set(e, error > 0 ? error : EIO, "cannot write the archive");
}

/* Where the data is: holes are not written. */
static int add_holes(struct archive_entry *ae, int fd, uint64_t size, struct err *e)
{
	off_t at = 0, end;

	while ((at = lseek(fd, at, SEEK_DATA)) >= 0 && at < (off_t)size) {
		end = lseek(fd, at, SEEK_HOLE);
		if (end < 0 || end > (off_t)size)
			end = size;
		if (at == 0 && end == (off_t)size)
			return 0; /* there is none */
		archive_entry_sparse_add_entry(ae, at, end - at);
		at = end;
	}
	if (at < 0 && errno != ENXIO) /* else data that was not found would be a hole */
		return err_set(e, errno, "cannot look for holes in it");
	if (archive_entry_sparse_count(ae) == 0) /* a hole from end to end */
		archive_entry_sparse_add_entry(ae, size, 0);
	return 0;
}

/* Exactly `size` bytes, as the header says: a file of a container that runs may shrink meanwhile.
 */
static int add_content(struct export *x, int fd, uint64_t size, struct err *e)
{
	uint64_t at = 0;

	while (at < size) {
		size_t want = size - at < BLOCK ? size - at : BLOCK;
		ssize_t n = pread(fd, x->block, want, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, errno, "cannot read it");
		if (n == 0) {
			memset(x->block, 0, want);
			n = want;
		}
		if (archive_write_data(x->archive, x->block, n) < 0 || x->error)
			return failed(x, e);
		at += n;
	}
	return 0;
}

static void describe(struct archive_entry *ae, const struct layer_entry *entry, uint64_t size)
{
	size_t i, len = strlen(entry->path);
	char name[APPLY_PATH_MAX + 2];

	/* A folder's name ends in a slash, as tar has it. */
	snprintf(name, sizeof(name), "%s%s", entry->path,
		 S_ISDIR(entry->mode) && entry->path[len - 1] != '/' ? "/" : "");
	archive_entry_copy_pathname(ae, name);
	archive_entry_set_mode(ae, entry->mode);
	archive_entry_set_uid(ae, entry->uid);
	archive_entry_set_gid(ae, entry->gid);
	archive_entry_set_mtime(ae, entry->mtime.tv_sec, entry->mtime.tv_nsec);
	if (S_ISCHR(entry->mode) || S_ISBLK(entry->mode))
		archive_entry_set_rdev(ae, entry->rdev);
	if (entry->symlink)
		archive_entry_copy_symlink(ae, entry->symlink);
	if (entry->hardlink)
		archive_entry_copy_hardlink(ae, entry->hardlink);
	archive_entry_set_size(ae, S_ISREG(entry->mode) && !entry->hardlink ? size : 0);
	for (i = 0; i < entry->xattr_count; i++)
		archive_entry_xattr_add_entry(ae, entry->xattrs[i].name, entry->xattrs[i].value,
					      entry->xattrs[i].size);
}

static int put(void *user, const struct layer_entry *entry, int fd, uint64_t size, struct err *e)
{
	struct export *x = user;
	struct archive_entry *ae = archive_entry_new();
	int r = ARCHIVE_OK, error = 0;

	if (ae == NULL)
		return err_set(e, ENOMEM, "no memory for an archive");
	describe(ae, entry, size);
	if (fd >= 0 && size > 0)
		error = add_holes(ae, fd, size, e);
	if (!error)
		r = archive_write_header(x->archive, ae);
	archive_entry_free(ae);
	if (error)
		return error;
	/* A warning: a name that is no UTF-8 goes as it is. */
	if ((r != ARCHIVE_OK && r != ARCHIVE_WARN) || x->error)
		return failed(x, e);
	if (fd >= 0)
		error = add_content(x, fd, size, e);
	return error;
}

static int write_tree(struct merge_options *m, int fd, struct err *e)
{
	struct export x = { archive_write_new(), malloc(BLOCK), fd, 0 };
	int error = 0;

	m->each = put;
	m->user = &x;
	if (x.archive == NULL || x.block == NULL)
		error = err_set(e, ENOMEM, "no memory for an archive");
	/* Names are bytes: in this locale those that are UTF-8 go as they are. */
	setlocale(LC_CTYPE, "C.UTF-8");
	if (!error && (archive_write_set_format_pax(x.archive) != ARCHIVE_OK ||
		       archive_write_set_format_option(x.archive, "pax", "xattrheader", "SCHILY") !=
			       ARCHIVE_OK ||
		       archive_write_set_bytes_in_last_block(x.archive, 1) != ARCHIVE_OK ||
		       archive_write_open(x.archive, &x, NULL, write_out, NULL) != ARCHIVE_OK))
		error = failed(&x, e);
	if (!error)
		error = image_merge(m, e);
	if (!error && (archive_write_close(x.archive) != ARCHIVE_OK || x.error))
		error = failed(&x, e);
	if (error) /* no end marks: what is cut off must not look whole */
		x.error = -error;
	archive_write_free(x.archive);
	free(x.block);
	setlocale(LC_CTYPE, "C");
	return error;
}

int image_export(const struct export_options *o, int fd, struct err *e)
{
	struct arena a = ARENA_INIT;
	struct image_info image = { 0 };
	char *folder = (char *)(uintptr_t)o->source;
	struct merge_options m = { .layers = &folder, .count = 1, .plain = o->plain,
				   .as = APPLY_ROOT };
	_cleanup_fd_ int pin = -EBADF;
	int error = o->plain ? 0 : image_resolve_layers(o->store, o->source, &a, &image, &pin, e);

	if (!error && !o->plain)
		error = image_enter(&image, e);
	if (!error && !o->plain) {
		m.layers = image_layer_paths(&image, &a);
		m.count = image.layer_count;
		m.as = image_apply_as(&image);
		if (m.layers == NULL)
			error = err_set(e, ENOMEM, "no memory for layers");
	}
	if (!error)
		error = write_tree(&m, fd, e);
	arena_free(&a);
	return error;
}
