/*
 * store-index.c - changing index.json: all or nothing, replaced atomically.
 *
 * Only what kist itself knows is written: an image's own annotations never
 * reach the index, where io.kist.* has a meaning.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/json.h"
#include "image/reference.h"
#include "image/store-gc.h"

static int read_document(const struct store *s, json_t **ret, struct err *e)
{
	/* One that can't be looked at is not one that isn't there: a new one would have no other
	 * names. */
	if (faccessat(s->dir, "index.json", F_OK, 0) == 0 || errno != ENOENT)
		return json_read_file(s->dir, "index.json", ret, e);
	*ret = json_pack("{s:i, s:s, s:[]}", "schemaVersion", 2, "mediaType",
			 "application/vnd.oci.image.index.v1+json", "manifests");
	return *ret ? 0 : err_set(e, ENOMEM, "no memory for the index");
}

static int write_document(const struct store *s, const json_t *document, struct err *e)
{
	_cleanup_free_ char *text = json_dumps(document, JSON_INDENT(1));

	if (text == NULL)
		return err_set(e, ENOMEM, "no memory for the index");
	return file_replace_at(s->dir, "index.json", text, strlen(text),
			       store_is_open(s) ? 0644 : 0600, true, e);
}

static const char *name_of(const json_t *entry)
{
	return json_string_value(json_object_get(json_object_get(entry, "annotations"),
						 "org.opencontainers.image.ref.name"));
}

/* reference NULL: entries that have none. */
static void drop_name(json_t *entries, const char *reference)
{
	size_t i = json_array_size(entries);
	const char *name;

	while (i-- > 0) {
		name = name_of(json_array_get(entries, i));
		if (name && reference ? strcmp(name, reference) == 0 : name == reference)
			json_array_remove(entries, i);
	}
}

static json_t *make_entry(const struct store_put *put)
{
	json_t *platform = json_object(), *entry;

	json_object_set_new(platform, "os", json_string(put->platform.os));
	json_object_set_new(platform, "architecture", json_string(put->platform.architecture));
	if (put->platform.variant[0])
		json_object_set_new(platform, "variant", json_string(put->platform.variant));
	entry = json_pack("{s:s, s:s, s:I, s:o, s:{s:s, s:s}}", "mediaType",
			  put->manifest.media_type, "digest",
			  digest_text(&put->manifest.digest).text, "size",
			  (json_int_t)put->manifest.size, "platform", platform, "annotations",
			  "org.opencontainers.image.ref.name", put->reference, "io.kist.chain",
			  digest_text(&put->chain).text);
	return entry;
}

int store_index_put(const struct store *s, const struct store_put *puts, size_t count,
		    struct err *e)
{
	_cleanup_json_ json_t *document = NULL;
	json_t *entries, *entry;
	size_t i;
	int error = read_document(s, &document, e);

	if (error)
		return error;
	entries = json_object_get(document, "manifests");
	for (i = 0; i < count; i++) {
		drop_name(entries, puts[i].reference);
		entry = make_entry(&puts[i]);
		if (entry == NULL || json_array_append_new(entries, entry) < 0)
			return err_set(e, ENOMEM, "no memory for the index");
	}
	return write_document(s, document, e);
}

/* Does `query` mean this entry, given that a name goes before the start of a digest? */
static int remove_matching(json_t *document, const struct image_index *index, const char *reference,
			   size_t *ret_removed, struct err *e)
{
	json_t *entries = json_object_get(document, "manifests");
	const struct index_entry *match = NULL;
	struct store_query q;
	bool by_name = false;
	size_t i;
	int error = store_query_parse(reference, &q, e);

	if (!error)
		error = store_query_settle(&q, index, e);
	if (error)
		return error;
	for (i = 0; i < index->count; i++)
		by_name |= q.reference[0] && index->entries[i].ref_name &&
			   strcmp(q.reference, index->entries[i].ref_name) == 0;
	if (by_name)
		q.digest[0] = '\0';
	for (i = 0; i < index->count; i++) {
		const struct index_entry *entry = &index->entries[i];

		if (!store_query_matches(&q, entry))
			continue;
		if (match && !digest_equal(&match->descriptor.digest, &entry->descriptor.digest))
			return err_say(e, EINVAL, "%.64s is the start of more than one digest",
				       reference);
		match = entry;
		drop_name(entries, entry->ref_name);
		(*ret_removed)++;
	}
	if (match == NULL)
		return err_say(e, ENOENT, "no such image: %.200s (see: kist image ls)", reference);
	return 0;
}

static bool has_digest(const json_t *document, const char *digest)
{
	const json_t *entry;
	const char *text;
	size_t i;

	json_array_foreach (json_object_get(document, "manifests"), i, entry) {
		text = json_string_value(json_object_get(entry, "digest"));
		if (text && strcmp(text, digest) == 0)
			return true;
	}
	return false;
}

/* Names may go; the last one of an image that runs may not: docker's rule. */
static int check_in_use(const struct store *s, const json_t *left, const struct image_index *index,
			struct err *e)
{
	char users[200];
	size_t i;

	for (i = 0; i < index->count; i++) {
		const struct index_entry *entry = &index->entries[i];

		if (has_digest(left, digest_text(&entry->descriptor.digest).text) ||
		    !store_image_in_use(s, entry, users, sizeof(users)))
			continue;
		err_say(e, EBUSY, "%.150s is used by %s%s",
			reference_familiar(entry->ref_name ? entry->ref_name : "an image").text,
			users[0] ? "container " : "a container", users);
		return err_fix(e, "end it first; --force takes the name away at once, and the rest "
				  "can go when it has ended");
	}
	return 0;
}

static int remove_names(const struct store *s, const char *const *references, size_t count,
			bool force, struct store_removed *ret, struct err *e)
{
	_cleanup_json_ json_t *document = NULL;
	struct arena a = ARENA_INIT;
	struct image_index index;
	size_t i;
	int error = read_document(s, &document, e);

	ret->references = 0;
	if (!error)
		error = store_read_index(s, &a, &index, e);
	for (i = 0; !error && i < count; i++)
		error = remove_matching(document, &index, references[i], &ret->references, e);
	if (!error && !force)
		error = check_in_use(s, document, &index, e);
	arena_free(&a);
	return error ? error : write_document(s, document, e);
}

int store_index_drop(const struct store *s, const char *const *names, size_t count, struct err *e)
{
	_cleanup_json_ json_t *document = NULL;
	size_t i;
	int error = read_document(s, &document, e);

	for (i = 0; !error && i < count; i++)
		drop_name(json_object_get(document, "manifests"), names[i]);
	return error ? error : write_document(s, document, e);
}

int store_remove(const struct store *s, const char *const *references, size_t count, bool force,
		 struct store_removed *ret, struct err *e)
{
	struct store_removed removed = { 0 };
	struct store_tmp tmp = STORE_TMP_INIT;
	_cleanup_fd_ int lock = -EBADF;
	int error = store_lock(s, true, &lock, e), later;

	/* What frees the disk may take a block first. */
	if (!error)
		do
			error = store_tmp_new(s, &tmp, e);
		while (store_reserve_spend(s, error, e));
	if (!error)
		do
			error = remove_names(s, references, count, force, &removed, e);
		while (store_reserve_spend(s, error, e));
	if (!error)
		do
			error = store_sweep(s, &tmp, &removed, e);
		while (store_reserve_spend(s, error, e));
	fd_close(&lock); /* the long part needs no lock: nobody can reach what is in tmp */
	later = store_tmp_remove(s, &tmp, error ? NULL : e);
	*ret = removed;
	return error ? error : later;
}
