/*
 * load.h - from an OCI layout into the store: verify, unpack, then show.
 *
 * One load is one transaction: it works in a temporary folder, and only when
 * every digest of every image was right does anything move into place; the
 * index, replaced last, makes the images visible all at once.
 */
#pragma once
#include "image/store-gc.h"
#include "image/unpack.h"

struct load_options {
	const char *store;  /* NULL: the default */
	const char *source; /* folder, file or "-" */
	const char *tag;    /* NULL: the names that the source gives */
	uint64_t bytes_max, entries_max;
	/* Called for each image that is now in the store, and for each note about it. */
	void (*loaded)(void *user, const char *reference, const struct digest *manifest,
		       size_t layers, size_t unpacked);
	void (*note)(void *user, const char *text);
	void *user;
};

int image_load(const struct load_options *o, struct err *e);
