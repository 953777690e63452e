/*
 * image-ls.c - `kist image ls`: the images of the store, as a table or as JSON.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/json.h"
#include "cli/image-cli.h"
#include "image/reference.h"
#include "image/store-layout.h"
#include "image/usage.h"

struct row {
	const char *reference, *created;
	const char *shared; /* the store it is in, when that is a shared one */
	struct digest digest;
	uint64_t size, shared_bytes, own; /* compressed; on the disk, with what is unpacked */
	size_t layers;
};

static int fill_row(const struct store *s, const struct index_entry *entry, struct arena *a,
		    struct row *row, struct err *e)
{
	struct image_manifest manifest;
	struct image_config config;
	size_t i;
	int error = store_read_manifest(s, &entry->descriptor, a, &manifest, e);

	if (!error)
		error = store_read_config(s, &manifest.config, a, &config, e);
	if (error)
		return err_wrap(e, "image %.200s", entry->ref_name ? entry->ref_name : "(unnamed)");
	row->reference = entry->ref_name ? entry->ref_name : "";
	row->digest = entry->descriptor.digest;
	row->created = config.created;
	row->layers = manifest.layer_count;
	row->size = entry->descriptor.size + manifest.config.size;
	for (i = 0; i < manifest.layer_count; i++)
		row->size += manifest.layers[i].size;
	return 0;
}

/* What an image says of its time is hostile text: one line, that can't steer a terminal. */
static const char *clean_time(const char *created, char text[64])
{
	struct buf b = { .text = text, .size = 64 };

	buf_reset(&b);
	buf_add_clean(&b, created[0] ? created : "-");
	return text;
}

static void print_table(const struct row *rows, size_t count, bool digests)
{
	int width = (int)strlen("REFERENCE"), digest_width = digests ? 71 : DIGEST_SHORT;
	bool any_shared = false;
	char size[24], disk[24], own[24], created[64];
	size_t i;

	for (i = 0; i < count; i++) {
		int len = strlen(reference_familiar(rows[i].reference).text);

		width = len > width ? len : width;
		any_shared |= rows[i].shared != NULL;
	}
	printf("%-*s  %-*s  %8s  %8s  %8s  %6s  %-*s%s\n", width, "REFERENCE", digest_width, "DIGEST",
	       "SIZE", "DISK", "OWN", "LAYERS", any_shared ? 19 : 0, "CREATED",
	       any_shared ? "  IN" : "");
	for (i = 0; i < count; i++)
		printf("%-*s  %-*.*s  %8s  %8s  %8s  %6zu  %-*.19s%s%s\n", width,
		       reference_familiar(rows[i].reference).text, digest_width,
		       digests ? DIGEST_HEX_MAX + 8 : DIGEST_SHORT,
		       digests ? digest_text(&rows[i].digest).text : rows[i].digest.hex,
		       image_cli_size(rows[i].size, size),
		       image_cli_size(rows[i].shared_bytes + rows[i].own, disk),
		       image_cli_size(rows[i].own, own), rows[i].layers, any_shared ? 19 : 0,
		       clean_time(rows[i].created, created), rows[i].shared ? "  " : "",
		       rows[i].shared ? rows[i].shared : "");
}

static int print_json(const struct row *rows, size_t count, struct err *e)
{
	_cleanup_json_ json_t *list = json_array();
	_cleanup_free_ char *text = NULL;
	size_t i;

	for (i = 0; i < count; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:s?}",
						      "reference", rows[i].reference, "digest",
						      digest_text(&rows[i].digest).text, "size",
						      (json_int_t)rows[i].size, "shared",
						      (json_int_t)rows[i].shared_bytes, "own",
						      (json_int_t)rows[i].own, "layers",
						      (json_int_t)rows[i].layers, "created",
						      rows[i].created, "shared_store",
						      rows[i].shared));
	text = json_dumps(list, JSON_INDENT(1));
	if (text == NULL)
		return err_set(e, ENOMEM, "no memory for the list");
	puts(text);
	return 0;
}

/* The names are docker's. */
static int print_template(const char *format, const struct row *row, FILE *out, struct err *e)
{
	struct reference_text shown = reference_familiar(row->reference);
	char *slash = strrchr(shown.text, '/'), *tag, created[64], size[24];
	_cleanup_json_ json_t *object = NULL;

	tag = shown.text + (slash ? slash - shown.text : 0);
	tag += strcspn(tag, ":@");
	if (*tag)
		*tag++ = '\0';
	object = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "Repository", shown.text, "Tag", tag,
			   "ID", digest_text(&row->digest).text, "Digest",
			   digest_text(&row->digest).text, "Size", image_cli_size(row->size, size),
			   "CreatedAt", clean_time(row->created, created));
	if (object == NULL)
		return err_set(e, ENOMEM, "no memory for the list");
	json_object_set_new(object, "ID", json_stringn(row->digest.hex, DIGEST_SHORT));
	return image_cli_template(format, object, out, e);
}

static int print_rows(const struct image_cli *o, const struct row *rows, size_t count,
		      struct err *e)
{
	static const struct row none = { .reference = "", .created = "" };
	size_t i;
	int error = o->format ? print_template(o->format, &none, NULL, e) : 0;

	for (i = 0; !error && o->format && i < count; i++)
		error = print_template(o->format, &rows[i], stdout, e);
	if (error || o->format)
		return error;
	if (o->json)
		return print_json(rows, count, e);
	if (!o->quiet)
		print_table(rows, count, o->digests);
	for (i = 0; o->quiet && i < count; i++)
		printf("%s\n", digest_text(&rows[i].digest).text);
	return 0;
}

/* "debian", "debian:12", with the registry or, as it is shown, without. */
static bool is_wanted(const struct image_cli *o, const char *reference)
{
	struct reference_text shown = reference_familiar(reference);
	int i;

	for (i = 0; i < o->arg_count; i++) {
		size_t len = strlen(o->args[i]);
		const char *in[] = { reference, shown.text };

		if (strncmp(in[0], o->args[i], len) == 0 && strchr(":@", in[0][len]))
			return true;
		if (strncmp(in[1], o->args[i], len) == 0 && strchr(":@", in[1][len]))
			return true;
	}
	return o->arg_count == 0;
}

struct listing {
	const struct image_cli *o;
	struct arena *a;
	struct row *rows;
	size_t count;
};

static bool is_listed(const struct listing *l, const char *reference)
{
	size_t i;

	for (i = 0; i < l->count; i++)
		if (strcmp(l->rows[i].reference, reference) == 0)
			return true;
	return false;
}

static int make_room(struct listing *l, size_t more, struct err *e)
{
	struct row *rows = arena_array(l->a, l->count + more + 1, sizeof(*rows));

	if (rows == NULL)
		return err_set(e, ENOMEM, "no memory for the list");
	if (l->count)
		memcpy(rows, l->rows, l->count * sizeof(*rows));
	l->rows = rows;
	return 0;
}

/* A name of one's own hides a shared one's: it is what a start takes. */
static int list_store(struct listing *l, const struct store *s, struct err *e)
{
	_cleanup_fd_ int lock = -EBADF;
	struct image_index index;
	struct usage usage = { 0 };
	size_t i;
	int error = store_lock(s, false, &lock, e);

	if (!error)
		error = store_read_index(s, l->a, &index, e);
	if (!error && !s->shared)
		error = usage_of_images(s, &index, l->a, &usage, e);
	if (!error)
		error = make_room(l, index.count, e);
	for (i = 0; !error && i < index.count; i++) {
		const char *name = index.entries[i].ref_name ? index.entries[i].ref_name : "";
		struct row *row = &l->rows[l->count];

		if (!is_wanted(l->o, name) || (s->shared && is_listed(l, name)))
			continue;
		error = image_cli_fits(l->o, s, &index.entries[i], l->a, e);
		if (error <= 0)
			continue;
		error = fill_row(s, &index.entries[i], l->a, row, e);
		row->shared = s->shared ? arena_strdup(l->a, s->path) : NULL;
		row->shared_bytes = s->shared ? 0 : usage.images[i].shared;
		row->own = s->shared ? 0 : usage.images[i].own;
		l->count++;
	}
	return error < 0 ? error : 0;
}

int image_cli_ls(const struct image_cli *o, struct err *e)
{
	_cleanup_store_ struct store s = STORE_INIT;
	struct store_set shared = { .count = 0 };
	struct arena a = ARENA_INIT;
	struct listing l = { .o = o, .a = &a };
	int error = image_cli_check_filters(o, e);
	size_t i;

	if (error)
		return error;
	if (o->format && (o->json || o->quiet || o->digests)) {
		err_say(e, EINVAL, "--format says all that is printed");
		return err_fix(e, "leave out --json, --quiet, --digests");
	}
	error = store_open(&s, o->store, false, e);
	if (error == -ENOENT) { /* no store yet: an empty list */
		err_clear(e);
		error = 0;
		store_close(&s);
	}
	if (!error && s.dir >= 0)
		error = list_store(&l, &s, e);
	if (!error)
		error = store_open_all_shared(&shared, NULL, e);
	for (i = 0; !error && i < shared.count; i++)
		error = list_store(&l, &shared.stores[i], e);
	if (!error)
		error = print_rows(o, l.rows, l.count, e);
	store_close_all(&shared);
	arena_free(&a);
	return error;
}
