/*
 * store-read.c - the store's JSON: index, manifests, configs, layer markers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "image/reference.h"
#include "image/store-layout.h"

int store_read_index(const struct store *s, struct arena *a, struct image_index *ret, struct err *e)
{
	_cleanup_json_ json_t *document = NULL;
	int error;

	if (faccessat(s->dir, "index.json", F_OK, 0) < 0 && errno == ENOENT) {
		*ret = (struct image_index){ 0 };
		return 0;
	}
	error = json_read_file(s->dir, "index.json", &document, e);
	if (!error)
		error = manifest_parse_index(document, a, ret, e);
	return error ? err_wrap(e, "%s/index.json", s->path) : 0;
}

int store_read_json(const struct store *s, const struct descriptor *d, size_t limit, json_t **ret,
		    struct err *e)
{
	struct store_path path = store_blob_path(&d->digest);
	_cleanup_free_ char *data = NULL;
	size_t size = 0;
	int error = file_read_whole(s->dir, path.text, limit, &data, &size, e);

	if (error == -ENOENT)
		return err_fix(e, "load the image again");
	if (error)
		return error;
	if (size != d->size)
		return err_say(e, EBADMSG, "%s has %zu bytes, not %llu: the store is damaged",
			       path.text, size, (unsigned long long)d->size);
	return json_parse_strict(data, size, path.text, ret, e);
}

int store_read_manifest(const struct store *s, const struct descriptor *d, struct arena *a,
			struct image_manifest *ret, struct err *e)
{
	_cleanup_json_ json_t *document = NULL;
	int error = store_read_json(s, d, MANIFEST_BYTES_MAX, &document, e);

	return error ? error : manifest_parse(document, a, ret, e);
}

int store_read_config(const struct store *s, const struct descriptor *d, struct arena *a,
		      struct image_config *ret, struct err *e)
{
	_cleanup_json_ json_t *document = NULL;
	int error = store_read_json(s, d, MANIFEST_CONFIG_MAX, &document, e);

	return error ? error : manifest_parse_config(document, a, ret, e);
}

static int parse_marker(json_t *document, struct layer_marker *m, struct err *e)
{
	struct json_at root = JSON_AT_ROOT;
	const char *diffid = NULL, *parent = NULL;
	int64_t entries = 0, bytes = 0;
	int got = json_require(json_get_string(document, &root, "diffid", &diffid, e), &root,
			       "diffid", e);

	if (got >= 0)
		got = json_get_string(document, &root, "parent", &parent, e);
	if (got >= 0)
		got = json_get_int(document, &root, "entries", 0, INT64_MAX, &entries, e);
	if (got >= 0)
		got = json_get_int(document, &root, "bytes", 0, INT64_MAX, &bytes, e);
	if (got >= 0)
		got = json_get_bool(document, &root, "userxattr", &m->userxattr, e);
	if (got >= 0)
		got = json_get_bool(document, &root, "opaque_root", &m->opaque_root, e);
	if (got >= 0)
		got = digest_parse(diffid, &m->diffid, e);
	if (got >= 0 && parent)
		got = digest_parse(parent, &m->parent, e);
	m->has_parent = parent != NULL;
	m->entries = entries;
	m->bytes = bytes;
	return got < 0 ? got : 0;
}

int store_read_marker(const struct store *s, const struct digest *chain, struct layer_marker *ret,
		      struct err *e)
{
	struct store_path path = store_layer_path(chain, "/complete");
	_cleanup_json_ json_t *document = NULL;
	struct layer_marker m = { 0 };
	int error;

	if (faccessat(s->dir, path.text, F_OK, 0) < 0 && errno == ENOENT)
		return 0;
	error = json_read_file(s->dir, path.text, &document, e);
	if (!error)
		error = parse_marker(document, &m, e);
	if (error)
		return err_wrap(e, "%s/%s", s->path, path.text);
	*ret = m;
	return 1;
}

int store_write_marker(int dir, const struct layer_marker *m, struct err *e)
{
	_cleanup_json_ json_t *o = json_object();
	_cleanup_free_ char *text = NULL;

	json_object_set_new(o, "diffid", json_string(digest_text(&m->diffid).text));
	if (m->has_parent)
		json_object_set_new(o, "parent", json_string(digest_text(&m->parent).text));
	json_object_set_new(o, "entries", json_integer(m->entries));
	json_object_set_new(o, "bytes", json_integer(m->bytes));
	json_object_set_new(o, "userxattr", json_boolean(m->userxattr));
	json_object_set_new(o, "opaque_root", json_boolean(m->opaque_root));
	text = json_dumps(o, JSON_INDENT(1));
	if (text == NULL)
		return err_set(e, ENOMEM, "no memory for a layer's marker");
	return file_replace_at(dir, "complete", text, strlen(text), 0600, false, e);
}

static bool is_hex_start(const char *text, size_t least)
{
	size_t n = strspn(text, "0123456789abcdef");

	return text[n] == '\0' && n >= least && n <= DIGEST_HEX_MAX;
}

int store_query_parse(const char *text, struct store_query *ret, struct err *e)
{
	struct store_query q = { 0 };
	struct reference r;
	const char *hex = strncmp(text, "sha256:", 7) == 0 || strncmp(text, "sha512:", 7) == 0
				  ? text + 7
				  : text;
	int error;

	if (is_hex_start(hex, DIGEST_SHORT)) {
		snprintf(q.digest, sizeof(q.digest), "%s", hex);
		/* 64 digits can't be a name; fewer can, and a name goes first */
		if (hex != text || strlen(hex) >= DIGEST_HEX_LEN) {
			*ret = q;
			return 0;
		}
	}
	error = reference_parse(text, &r, e);
	if (error)
		return error;
	if (r.has_digest) {
		snprintf(q.digest, sizeof(q.digest), "%s", r.digest.hex);
		snprintf(q.name, sizeof(q.name), "%s", r.name);
	} else {
		snprintf(q.reference, sizeof(q.reference), "%s", reference_canonical(&r).text);
	}
	q.no_domain = !r.has_domain;
	*ret = q;
	return 0;
}

bool store_query_matches(const struct store_query *q, const struct index_entry *entry)
{
	size_t name_len = strlen(q->name);

	if (entry->ref_name == NULL)
		return false;
	if (q->reference[0] && strcmp(q->reference, entry->ref_name) == 0)
		return true;
	if (q->digest[0] == '\0' ||
	    strncmp(entry->descriptor.digest.hex, q->digest, strlen(q->digest)) != 0)
		return false;
	return name_len == 0 || (strncmp(entry->ref_name, q->name, name_len) == 0 &&
				 strchr(":@", entry->ref_name[name_len]) &&
				 entry->ref_name[name_len]);
}

/* Is `name` what docker.io's `wanted` is called, but at another registry? localhost:5000/debian:12 is,
 * for docker.io/library/debian:12; example.org/other/debian:12 is not. */
static bool is_elsewhere(const char *name, const char *wanted)
{
	const char *path = strchr(name, '/'), *tail = strchr(wanted, '/');

	if (path == NULL || tail == NULL)
		return false;
	if (strcmp(path, tail) == 0)
		return true;
	return strncmp(tail, "/library/", 9) == 0 && strcmp(path, tail + 8) == 0;
}

/* The entry's name, as far as the query's goes: with its tag, or without. */
static bool name_for(const struct store_query *q, const struct index_entry *entry, char name[512])
{
	if (entry->ref_name == NULL)
		return false;
	snprintf(name, 512, "%s", entry->ref_name);
	if (q->name[0]) {
		char *slash = strrchr(name, '/');

		if (slash)
			slash[strcspn(slash, ":@")] = '\0';
		return strncmp(entry->descriptor.digest.hex, q->digest, strlen(q->digest)) == 0;
	}
	return true;
}

int store_query_settle(struct store_query *q, const struct image_index *index, struct err *e)
{
	const char *wanted = q->name[0] ? q->name : q->reference;
	const struct index_entry *found = NULL;
	char name[512], chosen[512] = "";
	size_t i;

	for (i = 0; i < index->count; i++)
		if (store_query_matches(q, &index->entries[i]))
			return 0;
	for (i = 0; q->no_domain && i < index->count; i++) {
		const struct index_entry *entry = &index->entries[i];

		if (!name_for(q, entry, name) || !is_elsewhere(name, wanted))
			continue;
		if (found && !digest_equal(&found->descriptor.digest, &entry->descriptor.digest)) {
			err_say(e, EINVAL, "\"%.150s\" may mean %.150s or %.150s",
				reference_familiar(wanted).text, found->ref_name, entry->ref_name);
			return err_fix(e, "say which, with its registry");
		}
		if (found == NULL)
			memcpy(chosen, name, sizeof(chosen));
		found = found ? found : entry;
	}
	if (found && q->name[0])
		snprintf(q->name, sizeof(q->name), "%.255s", chosen);
	else if (found)
		memcpy(q->reference, chosen, sizeof(q->reference));
	return 0;
}
