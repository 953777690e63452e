/*
 * artifact.h - manifests that need be no image's: looked at, and their blobs fetched as files.
 *
 * Nothing of them is unpacked or run; media types are told, not judged.
 */
#pragma once
#include <jansson.h>
#include "image/registry.h"

struct artifact {
	struct document manifest; /* free(manifest.data) */
	json_t *json;
};
/* The manifest, or index, that a reference means at its registry: verified, and one thing. */
int artifact_open(struct registry *r, struct http *h, struct artifact *ret, struct err *e);
void artifact_close(struct artifact *a);

struct artifact_fetch {
	const char *dir; /* made when it is not there; no file in it is replaced */
	uint64_t bytes_max;
	void (*each)(void *user, const struct descriptor *blob, const char *name);
	void *user;
};
/* Every blob into a file: by its title (org.opencontainers.image.title) where that is a plain file
 * name, else by its digest; and manifest.json. Verified before a file appears. */
int artifact_fetch(struct registry *r, struct http *h, const struct artifact *a,
		   const struct artifact_fetch *o, struct err *e);
/* Pure: may a stranger's title be a file's name? */
bool artifact_is_name(const char *title);
