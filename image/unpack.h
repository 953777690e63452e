/*
 * unpack.h - one layer blob into one folder, in a single pass.
 *
 * decompress.c gives plain bytes, tar-guard.c and libarchive's tar reader
 * look at them, apply.c writes. Both digests (blob and diffID) are checked
 * before it answers 0; the caller makes nothing visible until then.
 */
#pragma once
#include "image/apply.h"
#include "image/decompress.h"

#define UNPACK_ENTRIES_MAX 10000000ull	  /* entries of all layers of one image */
#define UNPACK_BYTES_MAX   (32ull << 30)  /* plain bytes, and bytes of files, of one image */
#define UNPACK_RATIO_MAX   2000u	  /* plain to compressed, */
#define UNPACK_RATIO_FROM  (256ull << 20) /* ... once this much came out */

/* What one image may still use; shared by the layers (atomic adds). */
struct unpack_budget {
	uint64_t entries_max, bytes_max;
	uint64_t entries, bytes; /* used */
};

struct unpack_job {
	int blob_fd; /* the compressed layer, at its beginning */
	const struct blob_reader *from; /* or, when not NULL, where it comes from */
	struct blob_expect expect;
	int copy_fd;	      /* -EBADF, or where the compressed bytes go as well */
	struct digest diffid; /* of the plain bytes */
	int root;	      /* an empty folder */
	enum apply_as as;
	struct unpack_budget *budget;
};

struct unpack_result {
	uint64_t entries, bytes; /* entries in the tar; bytes of files */
	struct apply apply;	 /* notes, opaque_root, implied; release with apply_free() */
};

/* On failure the folder holds a part of the layer: remove it. */
int unpack_layer(const struct unpack_job *job, struct unpack_result *ret, struct err *e);
