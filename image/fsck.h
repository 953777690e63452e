/*
 * fsck.h - is the store what it should be? And mending it.
 *
 * Looks at every byte: blobs are hashed, and each layer is unpacked again, beside, and compared
 * with what is there. `quick` leaves both out: names, sizes, documents and markers alone.
 *
 * What is wrong is removed, so that the next pull or load fetches it anew, or
 * unpacked again from its blob. What could not be read is told, and stays. What is no damage but a leftover (of a process
 * that was killed, of an image whose name went) is told apart from that.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

enum fsck_status {
	FSCK_CLEAN = 0,
	FSCK_MENDED = 1,
	FSCK_WRONG = 4,
	FSCK_FAILED = 8
}; /* as fsck(8) */

struct fsck_found {
	const char *kind; /* "folder", "index", "blob", "layer", "image", "leftover", "stray" */
	const char *what; /* which: a digest, a name, a path in the store */
	const char *text; /* what is wrong with it */
	const char *done; /* what was done about it, or NULL */
	bool wrong;	  /* else the store is whole all the same */
};
struct fsck_options {
	const char *store;
	bool quick, repair;
	void (*found)(void *user, const struct fsck_found *found);
	void *user;
};
struct fsck_result {
	uint64_t images, blobs, layers, bytes; /* looked at */
	uint64_t wrong, mended, leftovers;
};

int store_fsck(const struct fsck_options *o, struct fsck_result *ret, struct err *e);
