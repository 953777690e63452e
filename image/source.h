/*
 * source.h - where `load` reads an image from: an OCI layout as folder or tar.
 *
 * Afterwards both are a folder. A tar (plain, gzip or zstd) is spooled into
 * the store's temporary folder first, since its index may come last; only
 * files that belong to a layout are written, under names we make.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

struct source {
	int dir;      /* holds index.json and blobs/sha256/HEX */
	bool spooled; /* the blobs are ours: they may be moved */
};
#define SOURCE_INIT                                                                                \
	{                                                                                          \
		.dir = -EBADF                                                                      \
	}

/* path: a folder, a file, or "-" for standard input. spool: an empty folder of ours, for a tar.
 * At most bytes_max bytes are spooled. */
int source_open(struct source *s, const char *path, int spool, uint64_t bytes_max, struct err *e);
void source_close(struct source *s);
