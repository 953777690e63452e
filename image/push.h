/*
 * push.h - an image of the store into a registry.
 */
#pragma once
#include "image/registry.h"
#include "image/store-gc.h"

struct push_options {
	const char *store;
	const char *source; /* which image of the store */
	const char *target; /* what it is called there; NULL: as here */
	uint64_t chunk;	    /* bytes of one request; 0: each blob in one */
	struct registry_options registry;
	void (*progress)(void *user, const struct digest *blob, uint64_t size, const char *how);
	void *user;
};
struct push_result {
	char reference[512];
	struct digest digest;
	size_t blobs, there, mounted, sent;
	uint64_t bytes; /* sent */
};

/* Only what the registry lacks is sent; the manifest last, so that the name never means a part. */
int image_push(const struct push_options *o, struct push_result *ret, struct err *e);
