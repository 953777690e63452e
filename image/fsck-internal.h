/*
 * fsck-internal.h - what the files of fsck share. For fsck*.c only.
 *
 * skeleton and blobs (fsck.c), images (fsck-images.c), layers (fsck-layers.c, fsck-flat.c).
 */
#pragma once
#include <errno.h>
#include "image/fsck.h"
#include "image/store-gc.h"

struct fsck_image {
	const struct index_entry *entry;
	struct image_manifest manifest;
	struct image_config config;
	struct digest *chains; /* one per layer, lowest first */
	bool lost;	       /* it cannot run */
	bool unread;	       /* nor can it be told whether it can */
};
struct digests {
	struct digest *list;
	size_t count, room;
};

struct fsck {
	const struct fsck_options *options;
	struct fsck_result result;
	struct store store;
	struct store_tmp tmp;
	struct arena arena;
	struct image_index index;
	bool index_broken;
	struct fsck_image *images;
	struct digests bad_blobs;
	struct digests unread_blobs; /* the disk does not give them; they stay */
	struct digests bad_layers;  /* in place, but not to be used */
	struct digests seen_layers; /* compared */
};

/* Tells; done NULL: nothing was done about it. */
void fsck_tell(struct fsck *f, const char *kind, const char *what, bool wrong, const char *done,
	       const char *fmt, ...) __attribute__((format(printf, 6, 7)));
int digests_add(struct digests *set, const struct digest *d, struct err *e);
bool digests_has(const struct digests *set, const struct digest *d);
/* Does the error say what its bytes are? That it could not be read now (no memory, no descriptors)
 * is no damage, and nothing may be removed for it. */
static inline bool fsck_is_damage(int error)
{
	return error == -EBADMSG || error == -EINVAL || error == -E2BIG || error == -ELOOP ||
	       error == -ENOENT || error == -ENOTDIR || error == -EISDIR;
}
/* Is it there, of that size, and (as far as it was hashed) right? */
enum fsck_blob { FSCK_BLOB_BAD, FSCK_BLOB_GOOD, FSCK_BLOB_UNREAD /* nobody knows */ };
enum fsck_blob fsck_blob_state(const struct fsck *f, const struct descriptor *d);
static inline bool fsck_blob_good(const struct fsck *f, const struct descriptor *d)
{
	return fsck_blob_state(f, d) == FSCK_BLOB_GOOD;
}
/* Puts folder/name of the store aside, into tmp, to be removed. */
int fsck_set_aside(struct fsck *f, const char *path, struct err *e);

/* Every digest that folder/algorithm holds something of, after the folder was read; what else is there
 * is told. */
int fsck_each(struct fsck *f, const char *folder, const char *algorithm,
	      int (*check)(struct fsck *f, const struct digest *d, struct err *e), struct err *e);
/* Every entry of the index: its documents, and that its layers' blobs are there. */
int fsck_images(struct fsck *f, struct err *e);
/* Every folder of layers/: its marker. */
int fsck_layer_folders(struct fsck *f, struct err *e);
/* Every layer of every image: there, and as its blob has it; unpacks again what is not. */
int fsck_image_layers(struct fsck *f, struct err *e);
/* Does a container run on it, as the topmost layer or one below? */
bool fsck_layer_in_use(struct fsck *f, const struct digest *chain);
/* Every run of small layers that was joined. */
int fsck_flat_layers(struct fsck *f, struct err *e);
/* Takes those that cannot run from the index. */
int fsck_drop_lost(struct fsck *f, struct err *e);
