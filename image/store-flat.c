/*
 * store-flat.c - joining a run of small layers.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "image/merge.h"
#include "image/store-flat.h"

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

static int put(void *user, const struct layer_entry *entry, int fd, uint64_t size, struct err *e)
{
	struct apply *a = user;
	int to = -EBADF, error = apply_entry(a, entry, &to, e);

	if (error || to < 0)
		return error;
	error = merge_copy_content(fd, to, size, e);
	return error ? error : apply_file_done(a, entry, 0, size, e);
}

int flat_make(char *const *layers, size_t count, enum apply_as as, int to, struct err *e)
{
	struct apply a = { .file_fd = -EBADF };
	struct merge_options m = { .layers = layers,
				   .count = count,
				   .as = as,
				   .as_layer = true,
				   .each = put,
				   .user = &a };
	int error;

	apply_begin(&a, to, as);
	error = image_merge(&m, e);
	if (!error)
		error = apply_end(&a, e);
	/* What this file system, or caller, can't keep a second time must not be missing. */
	if (!error && (a.notes[NOTE_XATTR].count || a.notes[NOTE_DEVICE].count))
		error = err_say(e, ENOTSUP, "it holds what can't be copied");
	apply_free(&a);
	return error;
}
