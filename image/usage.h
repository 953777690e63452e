/*
 * usage.h - what images take on the disk: blobs and unpacked layers, shared and own.
 */
#pragma once
#include "image/store-gc.h"

struct usage_image {
	const struct index_entry *entry;
	uint64_t shared, own; /* bytes that other images need too, and that only this one does */
	bool in_use;
};
struct usage {
	struct usage_image *images; /* one per name; two names of one image take what one takes */
	size_t count, different, used; /* names; images; images that containers run */
	uint64_t bytes;		       /* of all of them, each piece once */
	uint64_t reclaimable;	       /* of these, what the images need that nobody runs */
	struct store_removed unneeded; /* what no image needs */
	struct store_leftovers leftovers;
};

/* The images' part alone. With the lock held. */
int usage_of_images(const struct store *s, const struct image_index *index, struct arena *a,
		    struct usage *ret, struct err *e);
/* All of it. With the lock held exclusively, since it looks who runs what. */
int usage_of_store(const struct store *s, struct arena *a, struct usage *ret, struct err *e);
