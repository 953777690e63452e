/*
 * store-flat.h - runs of small layers, joined into one folder: layers/sha256/CHAINID/flat.
 *
 * Overlayfs asks each layer for each name, and a start looks up a few in the root: a hundred layers
 * cost it half as much again. Most of such an image's layers hold a few files. So those that follow
 * each other are copied into one, in overlayfs's own form, beside the topmost of them, and the
 * image's `stack` (store-stack.c) names that instead. Layers stay as they are: whoever does not
 * know of a flat one, or does not find it, takes them.
 */
#pragma once
#include "image/store-layout.h"

#define FLAT_IMAGE_MIN	   8 /* layers of an image for which it is worth it */
#define FLAT_RUN_MIN	   4
#define FLAT_LAYER_BYTES   (1ull << 20) /* of one that is small */
#define FLAT_LAYER_ENTRIES 1000ull
#define FLAT_RUN_BYTES	   (16ull << 20)

/* Which layers (markers: top first, those that show) go into one: ret[i] is how many do from i on,
 * where i is a topmost one; else 0. */
void flat_partition(const struct layer_marker *markers, size_t count, size_t *ret);
/* Joins the folders `layers` (absolute, top first) in `to`, which is empty. *ret_bytes (may be NULL): of
 * its files. */
int flat_make(char *const *layers, size_t count, enum apply_as as, int to, uint64_t *ret_bytes,
	      struct err *e);
/* Of the one beside a layer, 0 when there is none: the file CHAINID/flat-bytes says it, whose maker
 * writes it by flat_note_bytes() (path: below dir); else it is counted. */
uint64_t flat_bytes(const struct store *s, const struct digest *chain);
void flat_note_bytes(int dir, const char *path, uint64_t bytes);
