/*
 * fsck-images.c - every image of the index: its documents, and what they name.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/fd.h"
#include "image/fsck-internal.h"
#include "image/hash.h"
#include "image/reference.h"

static const char *name_of(const struct fsck_image *image)
{
	return image->entry->ref_name ? image->entry->ref_name : "(without a name)";
}

static int make_chains(struct fsck *f, struct fsck_image *image, struct err *e)
{
	size_t i;
	int error = 0;

	image->chains =
		arena_array(&f->arena, image->manifest.layer_count + 1, sizeof(*image->chains));
	if (image->chains == NULL)
		return err_set(e, ENOMEM, "no memory for layers");
	for (i = 0; i < image->manifest.layer_count && !error; i++)
		error = hash_chain(i ? &image->chains[i - 1] : NULL, &image->config.diff_ids[i],
				   &image->chains[i], e);
	return error;
}

static int document_missing(const struct fsck *f, const struct descriptor *d, const char *what,
			    struct err *e)
{
	enum fsck_blob state = fsck_blob_state(f, d);

	if (state == FSCK_BLOB_GOOD)
		return 0;
	if (state == FSCK_BLOB_UNREAD)
		return err_set(e, EIO, "its %s %.19s... cannot be read", what,
			       digest_text(&d->digest).text);
	return err_say(e, EBADMSG, "its %s %.19s... is missing or damaged", what,
		       digest_text(&d->digest).text);
}

/* 0, or why it cannot be an image that runs. */
static int read_image(struct fsck *f, struct fsck_image *image, struct err *e)
{
	const struct index_entry *entry = image->entry;
	size_t count;
	int error;

	if (entry->ref_name == NULL || entry->chain == NULL ||
	    entry->descriptor.media != MEDIA_MANIFEST)
		return err_say(e, EBADMSG, "it is not an entry of kist's: no name, or no layers");
	error = document_missing(f, &entry->descriptor, "manifest", e);
	if (!error)
		error = store_read_manifest(&f->store, &entry->descriptor, &f->arena,
					    &image->manifest, e);
	if (!error)
		error = document_missing(f, &image->manifest.config, "configuration", e);
	if (!error)
		error = store_read_config(&f->store, &image->manifest.config, &f->arena,
					  &image->config, e);
	if (error)
		return error;
	count = image->manifest.layer_count;
	if (count == 0 || image->config.diff_id_count != count)
		return err_say(e, EBADMSG, "it lists %zu diff_ids, its manifest %zu layers",
			       image->config.diff_id_count, count);
	error = make_chains(f, image, e);
	if (!error && strcmp(digest_text(&image->chains[count - 1]).text, entry->chain) != 0)
		error = err_say(e, EBADMSG, "the index gives it other layers than its own");
	return error;
}

/* It runs without them; but it cannot be pushed or saved, and its layers not be made again. */
static void check_layer_blobs(struct fsck *f, const struct fsck_image *image)
{
	size_t i;

	for (i = 0; i < image->manifest.layer_count; i++) {
		const struct descriptor *d = &image->manifest.layers[i];
		enum fsck_blob state = fsck_blob_state(f, d);

		if (state != FSCK_BLOB_GOOD)
			fsck_tell(f, "image", reference_familiar(name_of(image)).text, true, NULL,
				  "the blob %.19s... of its layer %zu %s: it runs, "
				  "but cannot be saved or pushed; pull or load it again",
				  digest_text(&d->digest).text, i + 1,
				  state == FSCK_BLOB_UNREAD ? "cannot be read"
							    : "is missing or damaged");
	}
}

int fsck_images(struct fsck *f, struct err *e)
{
	char why[ERR_TEXT_MAX];
	size_t i;
	int error;

	f->images = arena_array(&f->arena, f->index.count + 1, sizeof(*f->images));
	if (f->images == NULL)
		return err_set(e, ENOMEM, "no memory for images");
	for (i = 0; i < f->index.count; i++) {
		struct fsck_image *image = &f->images[i];

		*image = (struct fsck_image){ .entry = &f->index.entries[i] };
		f->result.images++;
		error = read_image(f, image, e);
		if (error && error != -EIO && !fsck_is_damage(error))
			return error;
		image->unread = error == -EIO;
		image->lost = error && !image->unread;
		if (!error) {
			check_layer_blobs(f, image);
			continue;
		}
		err_format(e, why, sizeof(why));
		err_clear(e);
		fsck_tell(f, "image", reference_familiar(name_of(image)).text, true,
			  f->options->repair && image->lost
				  ? "its name was removed: pull or load it again"
				  : NULL,
			  "%s", why);
	}
	return 0;
}

int fsck_drop_lost(struct fsck *f, struct err *e)
{
	const char **names = arena_array(&f->arena, f->index.count + 1, sizeof(*names));
	size_t i, count = 0;

	if (names == NULL)
		return err_set(e, ENOMEM, "no memory for names");
	for (i = 0; i < f->index.count; i++)
		if (f->images[i].lost)
			names[count++] = f->index.entries[i].ref_name;
	return count ? store_index_drop(&f->store, names, count, e) : 0;
}
