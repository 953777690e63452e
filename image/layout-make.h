/*
 * layout-make.h - a layout of ours, out of files that came in another form.
 *
 * For sources that are no layout (docker's archives, a root file system): what
 * they hold becomes one in the spool folder, and is loaded like any other.
 */
#pragma once
#include <jansson.h>
#include <stdint.h>
#include "base/err.h"
#include "image/manifest.h"
#include "image/source.h"

/* blobs/ and its folders, below dir. */
int layout_make_folders(int dir, struct err *e);
/* Moves the file `path` to where its sha256 says. *ret: its descriptor. */
int layout_adopt(int dir, const char *path, const char *media_type, json_t **ret, struct err *e);
/* A document of ours as a blob. */
int layout_add(int dir, const json_t *document, const char *media_type, json_t **ret,
	       struct err *e);
/* index.json and oci-layout: then it is one. entries is borrowed. */
int layout_finish(int dir, json_t *entries, struct err *e);
/* An image manifest of these; takes over neither. */
json_t *layout_manifest(json_t *config, json_t *layers);

/* docker's old form (docker save before 25, podman, skopeo: docker-archive). files: the archive's
 * names, each with "files/N", the file in the spool folder that has its content; or, as an object,
 * {"link": NAME} of a symlink. */
int source_from_docker(int spool, json_t *files, struct err *e);

struct source_import {		    /* a root file system as a tar, and what the image shall say */
	const char *const *changes; /* docker's: "CMD [...]", "ENV A=b", ...; NULL-terminated */
	const char *message;	    /* or NULL */
	struct platform platform;
};
/* path: a tar, plain or compressed, or "-". */
int source_from_rootfs(int spool, const char *path, const struct source_import *o,
		       uint64_t bytes_max, struct err *e);
/* Pure: one of docker's changes into an image's "config". */
int source_change(json_t *config, const char *change, struct err *e);
