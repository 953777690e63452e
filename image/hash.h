/*
 * hash.h - SHA-256 (and SHA-512) of streams, by OpenSSL (which picks SHA-NI where there is).
 *
 * Lives in files of its own: only kist-image links libcrypto.
 */
#pragma once
#include <stddef.h>
#include "base/err.h"
#include "image/digest.h"

struct evp_md_ctx_st;
struct hash {
	struct evp_md_ctx_st *context;
};
#define HASH_INIT                                                                                  \
	{                                                                                          \
		0                                                                                  \
	}

/* 0 or -ENOMEM. */
int hash_begin(struct hash *h, struct err *e);
/* With the algorithm of `like`; NULL: sha256. */
int hash_begin_as(struct hash *h, const struct digest *like, struct err *e);
void hash_add(struct hash *h, const void *data, size_t size);
/* Ends the stream; hash_begin() may start another. */
void hash_end(struct hash *h, struct digest *ret);
void hash_free(struct hash *h);
#define _cleanup_hash_ __attribute__((cleanup(hash_free)))

/* The digest of one piece of memory. */
int hash_memory(const void *data, size_t size, struct digest *ret, struct err *e);
int hash_memory_as(const void *data, size_t size, const struct digest *like, struct digest *ret,
		   struct err *e);
/* image-spec config.md, "Layer ChainID": sha256("sha256:PARENT sha256:DIFFID"), or the diffID
 * itself for the lowest layer (parent NULL). It names what is in the store, and is always sha256: the
 * lowest layer's sha512 is hashed as if it had an empty parent. */
int hash_chain(const struct digest *parent, const struct digest *diffid, struct digest *ret,
	       struct err *e);
