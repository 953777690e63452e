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
};
/* Moves everything that nothing refers to into t, whose removal then frees it. With the lock held
 * exclusively. */
int store_sweep(const struct store *s, const struct store_tmp *t, struct store_removed *ret,
		struct err *e);
/* Takes the lock itself. Removes the names that match all of `queries`' texts, or none of them when
 * one is unknown (-ENOENT), then sweeps. */
int store_remove(const struct store *s, const char *const *references, size_t count,
		 struct store_removed *ret, struct err *e);
