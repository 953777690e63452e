/*
 * registry-list.h - what a registry lists: tags, and what refers to an image.
 *
 * Lists come in pages (Link: rel="next"), of a registry that may be hostile:
 * pages, entries and bytes have limits.
 */
#pragma once
#include <jansson.h>
#include "image/registry.h"

#define LIST_PAGES_MAX	 500
#define LIST_ENTRIES_MAX 100000

/* end-8: all tags, as strings in an array, as the registry orders them. What is no tag is left out,
 * and counted. last: only those after it; or NULL. At most `most`, if not 0. New reference. */
int registry_tags(struct registry *r, struct http *h, const char *last, size_t most, json_t **ret,
		  size_t *ret_bad, struct err *e);
/* end-12: descriptors of what names `digest` as its subject, as an array. type: of that
 * artifactType alone; or NULL. Where the registry does not know the API, by the tag that stands for
 * it. */
int registry_referrers(struct registry *r, struct http *h, const struct digest *digest,
		       const char *type, json_t **ret, struct err *e);

/* Pure: the URL of a Link header's rel="next", as it is written; false: there is none. */
bool link_next(const char *header, char *url, size_t size);
