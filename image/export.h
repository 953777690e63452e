/*
 * export.h - a root file system as a tar: an image's, merged, or a container's folder.
 */
#pragma once
#include <stdbool.h>
#include "base/err.h"

struct export_options {
	const char *store;
	const char *source; /* a reference */
	bool plain; /* or a folder, of a container perhaps: what is mounted in it is left out */
};

/* Into fd: owners, modes, times, xattrs, hard links, devices, holes; sorted, so that the same tree
 * is the same bytes. */
int image_export(const struct export_options *o, int fd, struct err *e);
