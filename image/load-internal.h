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
	struct store_stack stack; /* with runs of small layers joined; empty: as they are */
};

struct load_layer { /* one chainID, however many of the images have it */
	struct digest chain, diffid, parent;
	bool has_parent;
	const struct descriptor *blob;
	int lock;
	bool unpack; /* it is not in the store yet */
	bool copy;   /* its blob is not either */
	int partial; /* of a pull: its blob as far as it came, in partial/, locked */
	bool from_shared, shared_bad; /* its blob is read there; and was found wrong */
	struct unpack_result result;
};

struct pull;

struct load {
	const struct load_options *options;
	struct pull *pull;	  /* NULL: the source is a layout */
	struct platform platform; /* what is wanted */
	struct arena arena;
	struct store store;
	struct store_tmp tmp;
	struct store_set shared; /* of a pull: where blobs are looked for, too */
	struct source source;
	struct load_image *images;
	size_t image_count;
	struct load_layer *layers; /* sorted by chain */
	size_t layer_count;
	struct unpack_budget budget;
	enum apply_as as;
};

/* Reads a JSON document of the source: exact size, digest verified. */
int load_read_document(struct load *l, const struct descriptor *d, size_t limit, json_t **ret,
		       struct err *e);
/* Fills l->images: reference, descriptor, manifest, config. */
int load_choose(struct load *l, struct err *e);
/* Opens a blob of the source. */
int load_open_blob(struct load *l, const struct descriptor *d, int *ret_fd, struct err *e);
struct load_layer *load_find_layer(struct load *l, const struct digest *chain);
int load_make_root(struct load *l, const struct load_layer *layer, int *ret, struct err *e);
int load_open_copy(struct load *l, const struct load_layer *layer, int *ret, struct err *e);
/* Of a pull (load-pull.c). The source becomes a layout of documents in the spool folder. */
int pull_open(struct load *l, int spool, struct err *e);
void pull_close(struct load *l);
/* Fetches a document into that layout, if it is not there. */
int pull_document(struct load *l, const struct descriptor *d, struct err *e);
/* After planning, before threads: for progress. */
int pull_ready(struct load *l, struct err *e);
int pull_layer(struct load *l, struct load_layer *layer, struct err *e);
/* The name of what was pulled. */
const char *pull_name(const struct load *l);
void pull_cancel(struct load *l);

/* Joins small layers, where it is worth it: store-flat.h. What fails is left out. */
void load_flatten(struct load *l);
int load_move_flat(struct load *l, struct err *e);
void load_write_stacks(const struct load *l);

/* Unpacks into tmp what l->layers wants, on a few threads. */
int load_unpack(struct load *l, struct err *e);
