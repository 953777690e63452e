/*
 * manifest.h - the JSON documents of an image: index, manifest, config.
 *
 * Owns their strict parsing (image-spec descriptor.md, image-index.md,
 * manifest.md, config.md; docker's schema 2 twins) and the choice of a
 * platform. Pure: parsed JSON in, structs in the caller's arena out. Strings
 * are copied into the arena. Verifies no digests: that takes the bytes.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "image/digest.h"

#define MANIFEST_BYTES_MAX   (4u << 20) /* manifest or index (distribution-spec's own limit) */
#define MANIFEST_CONFIG_MAX  (8u << 20)
#define MANIFEST_LAYERS_MAX  200
#define MANIFEST_ENTRIES_MAX 10000 /* of one index */
#define MANIFEST_URLS_MAX    16 /* of one descriptor */
#define MANIFEST_NESTING_MAX 4	   /* indexes in indexes */

enum media { MEDIA_OTHER, MEDIA_INDEX, MEDIA_MANIFEST, MEDIA_CONFIG, MEDIA_LAYER, MEDIA_SCHEMA1 };

struct descriptor {
	const char *media_type;
	enum media media;
	struct digest digest;
	uint64_t size;
	char **urls;	  /* NULL-terminated: where else a layer is that is not for distribution; or NULL */
	const char *data; /* the content in Base64, unverified; or NULL */
};
struct platform {
	const char *os, *architecture, *variant; /* "" when not said */
};
struct index_entry {
	struct descriptor descriptor;
	struct platform platform;
	const char *ref_name; /* org.opencontainers.image.ref.name, or NULL */
	const char *chain;    /* io.kist.chain (in the store's own index), or NULL */
};
struct image_index {
	struct index_entry *entries;
	size_t count;
	size_t skipped; /* entries of types that are neither image nor index */
};
struct image_manifest {
	struct descriptor config;
	struct descriptor *layers; /* lowest first, as written */
	size_t layer_count;
};
struct image_config {
	struct platform platform;
	const char *created; /* as written, or "" */
	struct digest *diff_ids;
	size_t diff_id_count;
	char **env, **entrypoint, **cmd; /* NULL-terminated, or NULL when absent */
	const char *workdir, *user;	 /* "" when not said */
};

/* Removes members that are null. */
void manifest_drop_nulls(json_t *object);
enum media media_of(const char *media_type);
/* Not so: a layer that is fetched from where its descriptor says, and never pushed. */
bool manifest_may_distribute(const struct descriptor *d);
/* What a document of unknown type says it is: its mediaType, or by its members. -EINVAL when both
 * "manifests" and "layers" are there (CVE-2021-41190), or neither. */
int manifest_sniff(const json_t *document, enum media *ret, struct err *e);
/* A descriptor: its three members, of any media type. */
int manifest_parse_descriptor(const json_t *o, const struct json_at *at, struct arena *a,
			      struct descriptor *ret, struct err *e);
int manifest_parse_index(json_t *document, struct arena *a, struct image_index *ret, struct err *e);
int manifest_parse(json_t *document, struct arena *a, struct image_manifest *ret, struct err *e);
int manifest_parse_config(json_t *document, struct arena *a, struct image_config *ret,
			  struct err *e);

/* This machine, in Go's words: linux, amd64, ... */
struct platform platform_here(void);
/* "linux/arm/v6"; what uname says (aarch64) is understood. Strings go into the arena. */
int platform_parse(const char *text, struct arena *a, struct platform *ret, struct err *e);
/* How well `have` runs on `here`: 0 not at all; more is better. Says nothing: 1. */
int platform_rank(const struct platform *have, const struct platform *here);
