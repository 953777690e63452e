/*
 * layers.h - a root that is made of an image's layers, instead of a folder of the bundle.
 */
#pragma once
#include <jansson.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/err.h"
#include "base/host.h"
#include "image/store.h"

struct root_layers {
	int pin; /* keeps the layers in the store, and lies beside them; -1: none */
	const struct image_info *image; /* NULL: a folder is the only layer */
	const char *dir;		/* absolute: where all of them are */
	const char *const *layers;	/* below it, top first; ".": itself */
	size_t count;
	const char *upper_dir; /* a folder that keeps changes; NULL: a tmpfs, gone at the end */
	uint64_t upper_bytes;  /* of that tmpfs (0: as much as the kernel gives), or the quota of
				* that folder (0: none) */
};
#define ROOT_LAYERS_INIT                                                                           \
	{                                                                                          \
		.pin = -EBADF                                                                      \
	}
void root_layers_close(struct root_layers *l);
#define _cleanup_layers_ __attribute__((cleanup(root_layers_close)))

/* What the annotations of a configuration ask for (annotations.h): 1 and the image's layers, found
 * and pinned; 0: nothing. */
int root_layers_find(const json_t *config, struct arena *a, struct root_layers *ret, struct err *e);
/* The layers of an image, whose pin is taken over. */
void root_layers_of_image(const struct image_info *image, int pin, struct root_layers *ret);
/* "64m", "/folder", or "/folder:64m". The text must live as long as the arena. */
int root_layers_parse_writable(const char *text, struct arena *a, struct root_layers *l,
			       struct err *e);
/* Refuses user namespaces in which the image's files would be nobody's. */
struct ns_spec;
int root_layers_check_ids(const struct root_layers *l, const struct ns_spec *ns, struct err *e);
/* Refuses what this host can't give such a root. readonly: only mount points are made in it. */
int root_layers_check(const struct root_layers *l, const struct host *h, bool readonly,
		      struct err *e);
