/*
 * digest.h - the names of content: "sha256:" and 64 lower-case hex digits, or "sha512:" and 128.
 *
 * Owns the grammar (image-spec, descriptor.md "Digests"). A digest becomes
 * part of a path in the store, so nothing but this exact form is let through:
 * no other algorithm, no upper case, no "..", no slash. Does not hash: hash.h.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

#define DIGEST_HEX_LEN 64  /* of sha256, which chainIDs always are */
#define DIGEST_HEX_MAX 128 /* of sha512 */
#define DIGEST_SHORT   12 /* hex digits that people see */

/* Only the hex, whose length tells the algorithm: what the store's file names are made of. */
struct digest {
	char hex[DIGEST_HEX_MAX + 1];
};
/* "sha256:HEX", for JSON and people: "%.19s" has its first 12 digits. */
struct digest_text {
	char text[sizeof("sha256:") + DIGEST_HEX_MAX];
};

/* Exactly 64 of [0-9a-f]. */
bool digest_is_hex(const char *hex);
/* "sha256", "sha512" */
const char *digest_algorithm(const struct digest *d);
/* From a file's name in blobs/ALGORITHM; false: it is none. */
bool digest_from_hex(const char *algorithm, const char *hex, struct digest *ret);
/* 0, or -EINVAL saying what is wrong: "sha512 digests are not supported", ... */
int digest_parse(const char *text, struct digest *ret, struct err *e);
struct digest_text digest_text(const struct digest *d);
static inline bool digest_equal(const struct digest *a, const struct digest *b)
{
	return __builtin_strcmp(a->hex, b->hex) == 0;
}
