/*
 * annotations.h - the annotations of config.json that kist acts upon.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Keep the caller's supplementary groups: what podman writes for --group-add keep-groups. */
#define ANNOTATION_KEEP_GROUPS "run.oci.keep_original_groups"

/* The root is an image's layers instead of root.path: layers.h. */
#define ANNOTATION_IMAGE    "io.kist.image"          /* its name or digest */
#define ANNOTATION_STORE    "io.kist.image.store"    /* absolute; else the caller's */
#define ANNOTATION_WRITABLE "io.kist.image.writable" /* "64m": a tmpfs; "/folder": kept there */

/* The networks it is on, and its published ports: net/net.h. */
#define ANNOTATION_NET	   "io.kist.net"
#define ANNOTATION_PUBLISH "io.kist.publish"
#define ANNOTATION_RATE	   "io.kist.net-rate"

/* Refuses those of crun's that ask for what kist does otherwise, or not at all. */
int annotations_refuse(const json_t *config, struct err *e);
/* Those that could weaken a container, for `kist features`: the i-th, or NULL. */
const char *annotation_unsafe_name(size_t i);
/* "1" or "true", "0" or "false"; absent: false. -EINVAL with the JSON pointer otherwise. */
int annotation_flag(const json_t *config, const char *name, bool *ret, struct err *e);
