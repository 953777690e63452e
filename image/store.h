/*
 * store.h - what programs need of the image store to run an image.
 *
 * Reading only, with jansson and libc: `kist` links this and pays for nothing
 * else. Loading and removing are load.h and store-gc.h.
 *
 * The store is a plain OCI layout that other tools can read, plus unpacked
 * layers:
 *   oci-layout  index.json  blobs/sha256/HEX
 *   layers/sha256/CHAINID/{diff/, complete}
 *   lock  locks/CHAINID  tmp/NAME/  users/NAME
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/arena.h"
#include "base/err.h"
#include "base/plan.h"
#include "base/subids.h"

struct image_info {		     /* all in the arena */
	const char *reference;	     /* canonical: docker.io/library/busybox:latest */
	const char *manifest_digest; /* sha256:HEX */
	const char *layer_dir;	     /* absolute: the folder that all layers lie in */
	char **layer_names;	     /* below it, TOP first: "HEX/diff" */
	size_t layer_count;
	char **env, **entrypoint, **cmd; /* NULL-terminated; NULL when the image says nothing */
	const char *workdir, *user;	 /* "" when the image says nothing */
	bool userxattr; /* layers were unpacked without root: mount with userxattr */
	const char *store; /* absolute */
	bool mapped;	   /* the files are who they should be's, of these ids */
	struct subids ids;
	bool shared;	   /* one that is only read: store-shared.c */
	const char *chain; /* sha256:HEX of the topmost layer */
};

/* KIST_STORE; else /var/lib/kist for root, ${XDG_DATA_HOME:-~/.local/share}/kist for a user. */
int store_default_path(char *text, size_t size);
/* Finds an image by reference ("busybox", "docker.io/library/busybox:latest", "name@sha256:...")
 * or by its digest (sha256:HEX or at least 12 hex digits). store NULL: the default. *ret_pin_fd is
 * an fd whose shared flock keeps the layers from being removed until its last copy is closed; it
 * is inherited over fork. -ENOENT with a fix when the store has no such image. */
int image_resolve(const char *store, const char *reference, struct arena *a, struct image_info *ret,
		  int *ret_pin_fd, struct err *e);
/* The same for who wants the layers alone: of what the config says, ret has nothing. Manifest and config
 * need not be read. */
int image_resolve_layers(const char *store, const char *reference, struct arena *a,
			 struct image_info *ret, int *ret_pin_fd, struct err *e);
/* Absolute, top first; NULL: no memory. */
char **image_layer_paths(const struct image_info *image, struct arena *a);

/* Refuses a store of root's to anybody else, and the reverse: store-kind.c. image_resolve() does, and
 * who adds to a store. */
int store_check_kind(const char *path, bool userxattr, struct err *e);

/* Who runs it, for people: `kist image rm` names them. Ends with the process, at the latest. */
struct image_user {
	int dir, fd;
	char name[24];
};
#define IMAGE_USER_INIT                                                                            \
	{                                                                                          \
		.dir = -EBADF, .fd = -EBADF                                                        \
	}
/* After image_resolve(), whose fd is what keeps the layers. Does what it can: *ret stays as it was
 * when the store cannot be written to. */
void image_user_begin(const char *store, const struct image_info *image, const char *id,
		      struct image_user *ret);
void image_user_end(struct image_user *u);
#define _cleanup_image_user_ __attribute__((cleanup(image_user_end)))

/* HOST: a record in the store that the container in the folder `state` runs the image, for as long as
 * that folder is there: for one that outlives its maker. */
void image_plan_hold(struct plan *p, const struct image_info *image, const char *id,
		     const char *state);
extern const struct undo_kind *const image_undo_kinds[];
