/*
 * load-internal.h - what the stages of one load share. For load*.c only.
 *
 * choose (load-choose.c): which images; plan (load.c): which blobs and
 * layers; unpack (load-layers.c): on threads; commit (load.c).
 */
#pragma once
#include "image/load.h"
#include "image/source.h"

struct load_image { /* one image that will be visible */
	char reference[512];
	struct descriptor descriptor; /* of its manifest */
	struct platform platform;
	struct image_manifest manifest;
	struct image_config config;
	struct digest *chains; /* one per layer, lowest first */
};

struct load_layer { /* one chainID, however many of the images have it */
	struct digest chain, diffid, parent;
	bool has_parent;
	const struct descriptor *blob;
	int lock;
	bool unpack; /* it is not in the store yet */
	bool copy;   /* its blob is not either */
	struct unpack_result result;
};

struct load {
	const struct load_options *options;
	struct arena arena;
	struct store store;
	struct store_tmp tmp;
	struct source source;
	struct load_image *images;
	size_t image_count;
	struct load_layer *layers; /* sorted by chain */
	size_t layer_count;
	struct unpack_budget budget;
	bool privileged;
};

/* Reads a JSON document of the source: exact size, digest verified. */
int load_read_document(struct load *l, const struct descriptor *d, size_t limit, json_t **ret,
		       struct err *e);
/* Fills l->images: reference, descriptor, manifest, config. */
int load_choose(struct load *l, struct err *e);
/* Opens a blob of the source. */
int load_open_blob(struct load *l, const struct descriptor *d, int *ret_fd, struct err *e);
struct load_layer *load_find_layer(struct load *l, const struct digest *chain);
/* Unpacks into tmp what l->layers wants, on a few threads. */
int load_unpack(struct load *l, struct err *e);
