/*
 * pump.h - a decompressor in a thread of its own, a few blocks ahead of who reads.
 *
 * Reading, decompressing and hashing a layer take as long as writing its
 * files: with two CPUs they go on side by side, also when a layer is alone.
 * The blocks are handed over, not copied; memory is PUMP_BLOCKS of them.
 */
#pragma once
#include "image/decompress.h"
#include "image/hash.h"

#define PUMP_BLOCKS 6
#define PUMP_FROM   (1u << 20) /* smaller blobs are not worth a thread */

struct pump;

/* d and plain (gets the plain bytes) are borrowed and nobody else's until pump_stop(). -EAGAIN: no
 * thread can be had; sets no record then. */
int pump_start(struct decompressor *d, struct hash *plain, struct pump **ret, struct err *e);
/* As decompress_read(); *ret_in: compressed bytes read when this block was made. */
ssize_t pump_read(struct pump *p, const void **ret, uint64_t *ret_in, struct err *e);
/* Ends the thread, wherever it is. */
void pump_stop(struct pump **p);
