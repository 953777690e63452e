/*
 * merge.h - what a container would see of an image's layers, without mounting anything.
 *
 * Walks unpacked layers together, the topmost first, as overlayfs would join
 * them. Every name once, sorted, so the same layers give the same walk. Only
 * reads, by file descriptors, never following a symlink: it may also look at
 * one folder alone, of a container that runs and changes it.
 */
#pragma once
#include "image/apply.h"

struct merge_options {
	char *const *layers; /* paths of folders, top first */
	size_t count;
	bool plain; /* one folder that is no layer: no whiteouts; what is mounted in it is left out
		     */
	bool as_layer; /* the result is to lie upon others: whiteouts and opaque folders are handed on,
			* as a layer's tar has them (.wh.NAME, .wh..wh..opq) */
	const char *only; /* of the root's names this one alone; or NULL */
	enum apply_as as; /* how the layers were unpacked */
	/* fd: a regular file's content, at its beginning, else -EBADF; size: its bytes. A folder
	 * comes before what it holds, the root (".") first; sockets are left out. */
	int (*each)(void *user, const struct layer_entry *entry, int fd, uint64_t size,
		    struct err *e);
	void *user;
};

int image_merge(const struct merge_options *o, struct err *e);
/* Copies all that has data into `to`, sharing blocks where the file system can (FICLONE). */
int merge_copy_content(int from, int to, uint64_t size, struct err *e);
