/*
 * store-flat.c - joining a run of small layers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "image/merge.h"
#include "image/store-flat.h"
#include "image/tree.h"

static bool is_small(const struct layer_marker *m)
{
	return m->bytes <= FLAT_LAYER_BYTES && m->entries <= FLAT_LAYER_ENTRIES;
}

/* From the lowest layer up: an image that is built upon another has that one's runs, but for the
 * topmost. So what is in a flat one follows from its chainID. */
void flat_partition(const struct layer_marker *markers, size_t count, size_t *ret)
{
	size_t end = count, i = count;
	uint64_t bytes = 0;

	memset(ret, 0, count * sizeof(*ret));
	while (i-- > 0) {
		if (is_small(&markers[i]) && bytes + markers[i].bytes <= FLAT_RUN_BYTES) {
			bytes += markers[i].bytes;
			continue;
		}
		if (end > i + 1)
			ret[i + 1] = end - (i + 1);
		end = i + 1;
		bytes = markers[i].bytes;
		if (is_small(&markers[i]))
			continue;
		ret[i] = 1;
		end = i;
		bytes = 0;
	}
	if (end > 0)
		ret[0] = end;
}

struct making {
	struct apply apply;
	uint64_t bytes;
};

static int put(void *user, const struct layer_entry *entry, int fd, uint64_t size, struct err *e)
{
	struct making *m = user;
	int to = -EBADF, error = apply_entry(&m->apply, entry, &to, e);

	if (error || to < 0)
		return error;
	m->bytes += size;
	error = merge_copy_content(fd, to, size, e);
	return error ? error : apply_file_done(&m->apply, entry, 0, size, e);
}

int flat_make(char *const *layers, size_t count, enum apply_as as, int to, uint64_t *ret_bytes,
	      struct err *e)
{
	struct making making = { .apply.file_fd = -EBADF };
	struct apply *a = &making.apply;
	struct merge_options m = { .layers = layers,
				   .count = count,
				   .as = as,
				   .as_layer = true,
				   .each = put,
				   .user = &making };
	int error;

	apply_begin(a, to, as);
	error = image_merge(&m, e);
	if (!error)
		error = apply_end(a, e);
	/* What this file system, or caller, can't keep a second time must not be missing. */
	if (!error && (a->notes[NOTE_XATTR].count || a->notes[NOTE_DEVICE].count))
		error = err_say(e, ENOTSUP, "it holds what can't be copied");
	apply_free(a);
	if (!error && ret_bytes)
		*ret_bytes = making.bytes;
	return error;
}

void flat_note_bytes(int dir, const char *path, uint64_t bytes)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)bytes);
	_cleanup_fd_ int fd =
		openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd >= 0 && fd_write_all(fd, text, n) < 0)
		unlinkat(dir, path, 0);
}

uint64_t flat_bytes(const struct store *s, const struct digest *chain)
{
	_cleanup_fd_ int layer = openat(s->dir, store_layer_path(chain, "").text,
					O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char text[24], *end = text;
	uint64_t bytes = 0;
	ssize_t n;

	if (layer < 0 || faccessat(layer, "flat", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	n = file_read_at(layer, "flat-bytes", text, sizeof(text));
	if (n > 0)
		bytes = strtoull(text, &end, 10);
	return n > 0 && *end == '\n' ? bytes : tree_bytes(layer, "flat");
}
