/*
 * save.h - images of the store as a tar that others load.
 */
#pragma once
#include "image/store-layout.h"

/* Writes an OCI layout, and docker's manifest.json beside it, as a tar into fd: the same bytes for
 * the same images. Every blob is hashed on its way out: what the store has lost to its disk is not
 * handed on. Takes the store's lock, but not while it writes. */
int image_save(const struct store *s, const char *const *references, size_t count, int fd,
	       struct err *e);
