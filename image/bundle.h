/*
 * bundle.h - an image as an OCI bundle: image-spec's conversion.md.
 *
 * The image is hostile: its configuration is parsed strictly, its files are
 * merged by merge.h into a folder of ours, and its users are looked up in
 * there with in-root resolution.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include "base/err.h"
#include "image/apply.h"

struct bundle_options {
	const char *store, *reference;
	const char *dir;	 /* made, or an empty folder */
	json_t *base;		 /* a configuration of the runtime's, to be filled; borrowed */
	const char *const *args; /* instead of Cmd, NULL-terminated; empty: Cmd */
	const char *run_as;	 /* instead of the image's User, or NULL */
	bool terminal;
	bool overlay; /* no copy: kist joins the store's layers at each start; runc can't */
	void (*note)(void *user, const char *text);
	void *user;
};

struct bundle_user { /* whom the image's User means, in the image's own files */
	uint32_t uid, gid, gids[256];
	size_t gid_count;
	char home[256]; /* "" when no line says */
};

/* Names that runtimes act upon: kist's own, crun's, runc's. A label is text of a stranger, and becomes
 * an annotation: it must not be one of these. */
bool bundle_is_order(const char *annotation);
/* DIR/rootfs and, last, DIR/config.json. What it made of DIR is removed when it fails. */
int image_bundle(const struct bundle_options *o, struct err *e);

/* Pure: what the image's configuration says goes into `spec`, a runtime configuration. *ret_left_out:
 * how many labels were orders. */
int bundle_convert(json_t *spec, json_t *image_config, const struct bundle_user *user,
		   const char *const *args, bool terminal, size_t *ret_left_out, struct err *e);
