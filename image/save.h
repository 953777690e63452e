/*
 * save.h - images of the store as a tar, or a folder, that others load.
 */
#pragma once
#include "image/store-layout.h"

enum save_format {
	SAVE_OCI_ARCHIVE,    /* an OCI layout, and docker's manifest.json beside it */
	SAVE_DOCKER_ARCHIVE, /* docker's old form alone */
	SAVE_OCI,	     /* an OCI layout in a folder */
};
/* fd: a file, or with SAVE_OCI an empty folder. The same bytes for the same images. Every blob is hashed on its way out: what the store has lost to its disk is not
 * handed on. Takes the store's lock, but not while it writes. */
int image_save(const struct store *s, const char *const *references, size_t count,
	       enum save_format format, int fd, struct err *e);
