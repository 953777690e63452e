/*
 * load.h - from an OCI layout or a registry into the store: verify, unpack, then show.
 *
 * One load is one transaction: it works in a temporary folder, and only when
 * every digest of every image was right does anything move into place; the
 * index, replaced last, makes the images visible all at once.
 */
#pragma once
#include "image/registry.h"
#include "image/store-gc.h"
#include "image/unpack.h"

struct load_layer_state { /* of one layer that is being pulled */
	struct digest blob;
	uint64_t have, size; /* compressed bytes */
	uint64_t resumed;    /* of these, what a former run had left */
	bool there;	     /* nothing to do: the store has it */
	bool done;
};

struct load_options {
	const char *store;  /* NULL: the default */
	const char *source; /* folder, file or "-"; with `registry`: a reference */
	const struct source_import *import; /* not NULL: the source is a root file system's tar */
	const char *tag;    /* NULL: the names that the source gives */
	const char *only;   /* the one image of a layout that is wanted; NULL: all */
	const struct registry_options *registry; /* NULL: it is a layout */
	const struct platform *platform;	 /* NULL: this machine */
	/* Whenever something moved, one call at a time: all layers, lowest first. */
	void (*progress)(void *user, const struct load_layer_state *layers, size_t count);
	uint64_t bytes_max, entries_max;
	/* Called for each image that is now in the store, and for each note about it. */
	void (*loaded)(void *user, const char *reference, const struct digest *manifest,
		       size_t layers, size_t unpacked);
	void (*note)(void *user, const char *text);
	void *user;
};

int image_load(const struct load_options *o, struct err *e);
