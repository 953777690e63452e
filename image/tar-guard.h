/*
 * tar-guard.h - refuses tar streams that two readers could read in two ways.
 *
 * A second, strict look at the bytes that libarchive parses. It follows only
 * the framing (headers, sizes, pax records) and lets nothing ambiguous
 * through: bad checksums, numbers that are neither octal nor base-256, a size
 * that pax and header tell differently, links or folders with data, records
 * twice, unknown types, global overrides, data after the end. Its count of
 * entries must equal libarchive's. Owns no files, does no I/O.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define TAR_EXTENSION_MAX (1u << 20) /* bytes of one pax header or GNU long name */
#define TAR_SPARSE_MAX	  65536	     /* pieces of one sparse file */

struct tar_guard {
	uint64_t at;		  /* stream offset of the next byte */
	uint64_t entries;	  /* real entries (not extension headers) */
	unsigned char block[512]; /* header being collected */
	size_t block_have;
	uint64_t skip; /* data and padding still to pass over */
	char *text;    /* extension being collected */
	size_t text_size, text_have, text_room;
	char text_type;			/* 'x', 'g', 'L', 'K' while collecting */
	bool pax, long_name, long_link; /* extensions that wait for their entry */
	bool pax_has_size, pax_has_path;
	bool folder_name; /* the entry's name ends in a slash */
	uint64_t pax_size;
	bool sparse_in_data;   /* GNU 1.0: the map begins the data */
	bool sparse_extended;  /* old GNU: more map blocks follow */
	bool sparse_count_due; /* the next block begins with the map's length */
	unsigned sparse_pieces;
	uint64_t sparse_data; /* old GNU: data after the map blocks */
	int zero_blocks;      /* 2: the archive has ended */
	bool ended;
};
#define TAR_GUARD_INIT                                                                             \
	{                                                                                          \
		0                                                                                  \
	}

int tar_guard_feed(struct tar_guard *g, const void *data, size_t size, struct err *e);
/* The stream has ended: may it? */
int tar_guard_end(struct tar_guard *g, struct err *e);
void tar_guard_free(struct tar_guard *g);
#define _cleanup_tar_guard_ __attribute__((cleanup(tar_guard_free)))
