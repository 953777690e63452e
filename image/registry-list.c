/*
 * registry-list.c - pages until the last one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fd.h"
#include "base/json.h"
#include "image/registry-list.h"

struct page {
	json_t *document;
	char next[HTTP_URL_MAX]; /* or "" */
};

static int read_json(struct http *h, json_t **ret, struct err *e)
{
	_cleanup_free_ char *data = malloc(MANIFEST_BYTES_MAX + 2);
	ssize_t n;

	if (data == NULL)
		return err_set(e, ENOMEM, "no memory for a list");
	n = http_read(h, data, MANIFEST_BYTES_MAX + 1, e);
	if (n < 0)
		return n;
	if (n > (ssize_t)MANIFEST_BYTES_MAX)
		return err_say(e, EFBIG, "a page of more than %u bytes", MANIFEST_BYTES_MAX);
	return json_parse_strict(data, n, "what the registry gave", ret, e);
}

static int try_page(struct registry *r, struct http *h, const char *what, const char *url,
		    struct page *ret, bool *again, unsigned *wait, struct err *e)
{
	struct http_reply reply = { 0 };
	char link[HTTP_URL_MAX];
	int error = url ? registry_get_url(r, h, url, "application/json, */*;q=0.1", 0, &reply,
					   again, e)
			: registry_get(r, h, r->hosts.count - 1, what,
				       "application/vnd.oci.image.index.v1+json, application/json, "
				       "*/*;q=0.1",
				       0, &reply, again, e);

	*wait = reply.retry_after;
	if (error)
		return error;
	error = read_json(h, &ret->document, e);
	*again = error && http_failure(h) == HTTP_FAILED_FOR_NOW;
	http_end(h);
	if (!error && link_next(reply.link, link, sizeof(link)))
		error = registry_resolve(r, what, url, link, ret->next, e);
	return error ? err_wrap(e, "registry %.100s", r->domain) : 0;
}

static int get_page(struct registry *r, struct http *h, const char *what, const char *url,
		    struct page *ret, struct err *e)
{
	struct retry t = { 0, r->options->tries };
	unsigned wait = 0;
	bool again = false;
	int error;

	do {
		*ret = (struct page){ 0 };
		error = try_page(r, h, what, url, ret, &again, &wait, e);
		if (error) {
			json_decref(ret->document);
			ret->document = NULL;
			again = again && retry_wait(r, &t, wait, e) == 0;
		}
	} while (error && again);
	return error;
}

/* All pages' arrays `key`, one after the other; `enough` entries end it, if not 0. */
static int get_all(struct registry *r, struct http *h, const char *what, const char *key,
		   size_t enough, json_t *all, struct err *e)
{
	_cleanup_free_ struct page *page = calloc(1, sizeof(*page));
	_cleanup_free_ char *url = calloc(1, HTTP_URL_MAX);
	struct json_at root = JSON_AT_ROOT;
	int error = page && url ? 0 : err_set(e, ENOMEM, "no memory for a list");
	size_t pages;

	for (pages = 0; !error; pages++) {
		json_t *list;

		if (pages == LIST_PAGES_MAX)
			return err_say(e, EFBIG, "the registry's list has more than %d pages",
				       LIST_PAGES_MAX);
		error = get_page(r, h, what, url[0] ? url : NULL, page, e);
		if (error)
			break;
		list = json_object_get(page->document, key);
		if (!json_is_object(page->document) ||
		    (list && !json_is_array(list) && !json_is_null(list)))
			error = json_bad(e, &root, "%s must be an array", key);
		else if (json_is_array(list))
			json_array_extend(all, list);
		json_decref(page->document);
		if (error)
			return err_wrap(e, "registry %.100s", r->domain);
		if (json_array_size(all) > LIST_ENTRIES_MAX)
			return err_say(e, EFBIG, "the registry's list has more than %d entries",
				       LIST_ENTRIES_MAX);
		if (page->next[0] == '\0' || (enough && json_array_size(all) >= enough))
			break;
		if (strcmp(page->next, url) == 0)
			return err_say(e, ELOOP, "the registry's list leads to itself");
		memcpy(url, page->next, HTTP_URL_MAX);
	}
	return error;
}

int registry_tags(struct registry *r, struct http *h, const char *last, size_t most, json_t **ret,
		  size_t *ret_bad, struct err *e)
{
	_cleanup_json_ json_t *all = json_array(), *tags = json_array();
	char what[3 * REFERENCE_TAG_MAX + 64];
	json_t *tag;
	size_t i;
	int error;

	snprintf(what, sizeof(what), "tags/list?n=%zu", most && most < 1000 ? most : (size_t)1000);
	if (last) {
		strcat(what, "&last=");
		if (!http_escape(what, sizeof(what), last))
			return err_say(e, ENAMETOOLONG, "the tag to begin after is too long");
	}
	error = get_all(r, h, what, "tags", most, all, e);
	if (error)
		return error;
	*ret_bad = 0;
	json_array_foreach(all, i, tag)
	{
		if (most && json_array_size(tags) == most)
			break;
		if (json_is_string(tag) && reference_is_tag(json_string_value(tag)))
			json_array_append(tags, tag);
		else
			(*ret_bad)++;
	}
	*ret = json_incref(tags);
	return 0;
}

/* A registry without the API: those who attach things keep an index under this tag. */
static int by_tag(struct registry *r, struct http *h, const struct digest *digest, json_t *all,
		  struct err *e)
{
	_cleanup_json_ json_t *index = NULL;
	struct json_at root = JSON_AT_ROOT;
	char what[REFERENCE_TAG_MAX + 32];
	struct document d = { 0 };
	json_t *list = NULL;
	int error;

	snprintf(what, sizeof(what), "manifests/%s-%.64s", digest_algorithm(digest), digest->hex);
	error = registry_document(r, h, what, NULL, MANIFEST_BYTES_MAX, &d, e);
	if (error == -ENOENT) { /* nothing refers to it */
		err_clear(e);
		return 0;
	}
	if (!error)
		error = json_parse_strict(d.data, d.size, "what the registry gave", &index, e);
	free(d.data);
	if (!error) {
		error = json_get_array(index, &root, "manifests", &list, e);
		error = error < 0 ? error : 0;
	}
	if (!error)
		json_array_extend(all, list);
	return error;
}

static bool is_descriptor(const json_t *d)
{
	struct digest digest;
	const char *text = json_string_value(json_object_get(d, "digest"));

	return text && digest_parse(text, &digest, NULL) == 0 &&
	       json_is_string(json_object_get(d, "mediaType")) &&
	       json_is_integer(json_object_get(d, "size"));
}

int registry_referrers(struct registry *r, struct http *h, const struct digest *digest,
		       const char *type, json_t **ret, struct err *e)
{
	_cleanup_json_ json_t *all = json_array(), *kept = json_array();
	char what[HTTP_URL_MAX / 2];
	json_t *entry;
	size_t i;
	int error;

	snprintf(what, sizeof(what), "referrers/%s", digest_text(digest).text);
	if (type) {
		strcat(what, "?artifactType=");
		if (!http_escape(what, sizeof(what), type))
			return err_say(e, ENAMETOOLONG, "the artifact's type is too long");
	}
	error = get_all(r, h, what, "manifests", 0, all, e);
	if (error == -ENOENT) {
		err_clear(e);
		error = by_tag(r, h, digest, all, e);
	}
	if (error)
		return error;
	/* A registry may know no filter, and need not say so. */
	json_array_foreach(all, i, entry)
	{
		const char *have = json_string_value(json_object_get(entry, "artifactType"));

		if (is_descriptor(entry) && (!type || (have && strcmp(have, type) == 0)))
			json_array_append(kept, entry);
	}
	*ret = json_incref(kept);
	return 0;
}
