/*
 * store-gc.h - changing the store: the index, temporary folders, removal.
 *
 * Every function here says whether it wants the store's lock held.
 */
#pragma once
#include "image/store-layout.h"

/* Work in progress: tmp/NAME, alive as long as `dir` is open. */
struct store_tmp {
	int dir;
	char name[40];
};
#define STORE_TMP_INIT                                                                             \
	{                                                                                          \
		.dir = -EBADF                                                                      \
	}

#define STORE_PARTIAL_SECONDS (7 * 86400) /* how long partial/HEX is kept, unused */

/* With the lock held exclusively. First clears away what dead makers left. */
int store_tmp_new(const struct store *s, struct store_tmp *ret, struct err *e);
/* The same, and clears nothing. */
int store_tmp_make(const struct store *s, struct store_tmp *ret, struct err *e);
/* Removes the folder and all in it. No lock needed. */
int store_tmp_remove(const struct store *s, struct store_tmp *t, struct err *e);
/* Names digests (blobs and chainIDs) that must not be removed while t lives. With the lock held:
 * what is in the store when the lock is dropped then stays. */
int store_tmp_pin(const struct store_tmp *t, const struct digest *digests, size_t count,
		  struct err *e);

struct store_put {
	const char *reference; /* canonical; replaces the entry of that name */
	struct descriptor manifest;
	struct platform platform;
	struct digest chain;
};
/* With the lock held exclusively: puts all or none. */
int store_index_put(const struct store *s, const struct store_put *puts, size_t count,
		    struct err *e);

struct store_removed {
	size_t references, blobs, layers, layers_in_use;
	uint64_t bytes; /* of blobs, and of layers' files */
};
/* Moves everything that nothing refers to into t, whose removal then frees it. With the lock held
 * exclusively. */
int store_sweep(const struct store *s, const struct store_tmp *t, struct store_removed *ret,
		struct err *e);
/* The same for a store whose index were `index` (NULL: its own); t NULL: removes nothing, counts. */
int store_sweep_as(const struct store *s, const struct store_tmp *t,
		   const struct image_index *index, struct store_removed *ret, struct err *e);
/* Takes the lock itself. Removes the names that `references` mean, or none of them when one is unknown
 * (-ENOENT), or (without force) is the last name of an image that a container uses (-EBUSY); then
 * sweeps. */
int store_remove(const struct store *s, const char *const *references, size_t count, bool force,
		 struct store_removed *ret, struct err *e);

/* Of the layer's files, as its marker says. */
uint64_t store_layer_bytes(const struct store *s, const struct digest *chain);
/* Does anybody hold its flock? With the lock held exclusively, else who starts meanwhile is missed. */
bool store_layer_in_use(const struct store *s, const struct digest *chain);
/* Is there a container that runs this image? The same lock. users: the containers' ids as far as they
 * are known, "web, db"; may be empty. */
bool store_image_in_use(const struct store *s, const struct index_entry *entry, char *users,
			size_t size);
/* With the lock held exclusively: these names go from the index, if they are there. */
int store_index_drop(const struct store *s, const char *const *names, size_t count, struct err *e);

struct store_leftovers { /* of dead makers */
	size_t folders, files, partial; /* in tmp/; locks and records; in partial/ */
	uint64_t bytes, partial_bytes; /* in tmp/, in partial/ */
};
/* With the lock held exclusively. partial_seconds: those unused for so long go. dry_run: counts. */
int store_clear(const struct store *s, int64_t partial_seconds, bool dry_run,
		struct store_leftovers *ret, struct err *e);
