/*
 * fetch.h - one blob of a registry as a stream: first what a former run left, then the network.
 *
 * A transfer that breaks goes on where it stopped (Range); what comes is kept
 * in a partial file for the next run. Bytes are not verified here: the
 * decompressor that reads this stream hashes all of them, old and new.
 */
#pragma once
#include "image/decompress.h"
#include "image/registry.h"

struct fetch {
	struct registry *registry;
	struct http *http; /* the calling thread's */
	struct descriptor blob;
	int partial; /* -EBADF, or where it is kept (read and written) */
	void (*progress)(void *user, const struct descriptor *blob, uint64_t have);
	void *user;

	uint64_t resumed; /* bytes that were there already */
	uint64_t at;	  /* bytes handed out */
	uint64_t discard; /* of the answer: it began before `at` */
	uint64_t advance; /* since the last break */
	size_t host;
	size_t url; /* 0: of the host; n: from the blob's nth other place */
	bool running, no_range, used_mirror;
	struct retry retry;
};

/* Fill the first five members; the others 0. */
int fetch_begin(struct fetch *f, struct err *e);
/* blob_reader.read */
ssize_t fetch_read(void *fetch, void *data, size_t size, struct err *e);
/* blob_reader.cancel */
void fetch_cancel(void *fetch);
