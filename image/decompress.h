/*
 * decompress.h - one pass over a blob: size, digest, copy, decompression.
 *
 * Owns the pipe from a blob's fd to plain bytes. The compressed bytes are
 * counted, hashed and (if asked) copied on their way; gzip (any number of
 * members) and zstd (any number of frames, skippable ones too) are told by
 * their first bytes. When decompress_read() answers 0 the whole blob was read
 * and its size and digest were right; until then nothing may become visible.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"
#include "image/digest.h"

#define DECOMPRESS_BLOCK      (256u << 10) /* bytes read and handed out at once */
#define DECOMPRESS_WINDOW_LOG 27	   /* zstd: at most 128 MiB of window */

enum compression { COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD };

struct blob_expect {
	struct digest digest;
	uint64_t size;
};
struct decompressor;

/* Where a blob comes from when not from an fd. read: as fd_read_full(), fewer bytes than asked for
 * only at the end; -errno with the record filled. */
struct blob_reader {
	ssize_t (*read)(void *user, void *data, size_t size, struct err *e);
	void *user;
	void (*cancel)(void *user); /* or NULL; by another thread: read() shall fail soon */
};

/* Reads from fd (borrowed). expect NULL: size and digest are unknown and not checked. copy_fd >= 0
 * (borrowed): the compressed bytes are written there too. */
int decompress_new(int fd, const struct blob_expect *expect, int copy_fd, struct decompressor **ret,
		   struct err *e);
/* Reads from there instead of the fd. Before the first read. */
void decompress_read_from(struct decompressor *d, const struct blob_reader *from);
/* Where the plain bytes of the next read go: DECOMPRESS_BLOCK bytes. Those of a blob that is not
 * compressed don't. */
void decompress_output(struct decompressor *d, unsigned char *block);
/* By another thread, which wants no more: a read that waits ends. */
void decompress_cancel(struct decompressor *d);
/* The next plain bytes, valid until the next call. Bytes (> 0), 0 at the verified end, -errno. */
ssize_t decompress_read(struct decompressor *d, const void **ret, struct err *e);
enum compression decompress_kind(const struct decompressor *d);
/* Compressed bytes read so far. */
uint64_t decompress_bytes_in(const struct decompressor *d);
void decompress_free(struct decompressor **d);
#define _cleanup_decompressor_ __attribute__((cleanup(decompress_free)))

/* Reads the rest of fd (or of `from`) against expect without decompressing; copies to copy_fd when
 * >= 0. */
int decompress_verify_only(int fd, const struct blob_reader *from, const struct blob_expect *expect,
			   int copy_fd, struct err *e);
