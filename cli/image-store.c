/*
 * image-store.c - `kist image prune`, `df`, `fsck`: the store as a whole.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/fd.h"
#include "base/json.h"
#include "base/size.h"
#include "cli/image-cli.h"
#include "image/prune.h"
#include "image/reference.h"
#include "image/usage.h"

static int print(json_t *o, struct err *e)
{
	_cleanup_free_ char *text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;

	if (text == NULL)
		return err_set(e, ENOMEM, "no memory for the output");
	puts(text);
	return 0;
}

/* "36h", "7d", "0": seconds. */
static int parse_age(const char *text, int64_t *ret)
{
	size_t digits = strspn(text, "0123456789");
	int64_t ms;

	if (digits > 0 && digits < 9 && (text[digits] == '\0' || strcmp(text + digits, "d") == 0)) {
		*ret = strtoll(text, NULL, 10) * 86400;
		return text[digits] || *ret == 0 ? 0 : -EINVAL; /* a bare number: of what? */
	}
	if (duration_parse(text, &ms))
		return -EINVAL;
	*ret = ms / 1000;
	return 0;
}

static int parse_until(const char *text, time_t *ret, struct err *e)
{
	int64_t age;

	if (prune_parse_time(text, ret) == 0)
		return 0;
	if (parse_age(text, &age))
		return err_say(
			e, EINVAL,
			"--filter until=%.100s: not a time (2026-01-31T12:00:00Z), nor how long "
			"ago (36h, 7d)",
			text);
	*ret = time(NULL) - age;
	return 0;
}

/* until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]: docker's. */
static int parse_filter(const char *text, struct prune_options *o, struct prune_label *label,
			struct arena *a, struct err *e)
{
	bool absent = strncmp(text, "label!=", 7) == 0;
	char *key, *value;

	if (strncmp(text, "until=", 6) == 0)
		return parse_until(text + 6, &o->until, e);
	if (!absent && strncmp(text, "label=", 6) != 0) {
		err_say(e, EINVAL, "--filter %.100s is not known", text);
		return err_fix(e, "until=TIME, label=KEY[=VALUE] and label!=KEY[=VALUE] are");
	}
	key = arena_strdup(a, text + (absent ? 7 : 6));
	if (key == NULL)
		return err_set(e, ENOMEM, "no memory for a filter");
	value = strchr(key, '=');
	if (value)
		*value++ = '\0';
	*label = (struct prune_label){ key, value, absent };
	o->label_count++;
	return 0;
}

static int prune_options(const struct image_cli *o, struct prune_options *ret,
			 struct prune_label labels[IMAGE_CLI_WORDS_MAX], struct arena *a,
			 struct err *e)
{
	size_t i;
	int error = 0;

	*ret = (struct prune_options){ .all = o->all,
				       .dry_run = o->dry_run,
				       .partial_seconds = PRUNE_PARTIAL_SECONDS,
				       .labels = labels };
	if (o->older_than && parse_age(o->older_than, &ret->partial_seconds))
		return err_say(e, EINVAL, "--older-than %.100s: it must be like 36h, 7d or 0",
			       o->older_than);
	if (o->filters.count && !o->all) {
		err_say(e, EINVAL, "--filter chooses among images, which only --all removes");
		return err_fix(e, "add --all, or leave it away");
	}
	for (i = 0; i < o->filters.count && !error; i++)
		error = parse_filter(o->filters.item[i], ret, &labels[ret->label_count], a, e);
	return error;
}

static json_t *prune_json(const struct prune_result *r, bool dry_run)
{
	json_t *names = json_array();
	size_t i;

	for (i = 0; i < r->removed.references; i++)
		json_array_append_new(names, json_string(r->names[i]));
	return json_pack(
		"{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "images", names, "blobs",
		(json_int_t)r->removed.blobs, "layers", (json_int_t)r->removed.layers,
		"layers_in_use", (json_int_t)r->removed.layers_in_use, "partial",
		(json_int_t)r->leftovers.partial, "folders", (json_int_t)r->leftovers.folders,
		"files", (json_int_t)r->leftovers.files, "bytes",
		(json_int_t)(r->removed.bytes + r->leftovers.bytes + r->leftovers.partial_bytes),
		"dry_run", dry_run);
}

static void prune_text(const struct prune_result *r, bool dry_run)
{
	const struct store_leftovers *l = &r->leftovers;
	const char *would = dry_run ? "would remove" : "removed";
	char size[24];
	size_t i;

	for (i = 0; i < r->removed.references; i++)
		printf("%s image %s\n", would, reference_familiar(r->names[i]).text);
	if (r->removed.blobs || r->removed.layers)
		printf("%s %zu blob%s, %zu layer%s: %s\n", would, r->removed.blobs,
		       r->removed.blobs == 1 ? "" : "s", r->removed.layers,
		       r->removed.layers == 1 ? "" : "s", image_cli_size(r->removed.bytes, size));
	if (l->partial)
		printf("%s %zu partial download%s: %s\n", would, l->partial,
		       l->partial == 1 ? "" : "s", image_cli_size(l->partial_bytes, size));
	if (l->folders || l->files)
		printf("%s what %zu dead process%s left: %s\n", would, l->folders + l->files,
		       l->folders + l->files == 1 ? "" : "es", image_cli_size(l->bytes, size));
	printf("%s: %s\n", dry_run ? "it would free" : "freed",
	       image_cli_size(r->removed.bytes + l->bytes + l->partial_bytes, size));
}

int image_cli_prune(const struct image_cli *o, struct err *e)
{
	_cleanup_store_ struct store s = STORE_INIT;
	struct prune_label labels[IMAGE_CLI_WORDS_MAX];
	_cleanup_json_ json_t *out = NULL;
	struct arena a = ARENA_INIT;
	struct prune_result result = { 0 };
	struct prune_options options;
	int error = prune_options(o, &options, labels, &a, e);

	if (!error)
		error = image_cli_enter(o, false, e);
	if (!error)
		error = store_open(&s, o->store, false, e);
	if (!error)
		error = store_prune(&s, &options, &a, &result, e);
	if (error == -ENOENT && s.dir < 0) { /* no store yet: nothing to free */
		err_clear(e);
		error = 0;
	}
	if (!error && o->json) {
		out = prune_json(&result, o->dry_run);
		error = print(out, e);
	} else if (!error && !o->quiet) {
		prune_text(&result, o->dry_run);
	}
	arena_free(&a);
	return error ? err_wrap(e, "cannot prune") : 0;
}

static json_t *df_json(const struct usage *u)
{
	json_t *images = json_array();
	size_t i;

	for (i = 0; i < u->count; i++)
		json_array_append_new(
			images,
			json_pack("{s:s, s:s, s:I, s:I, s:b}", "reference",
				  u->images[i].entry->ref_name ? u->images[i].entry->ref_name : "",
				  "digest",
				  digest_text(&u->images[i].entry->descriptor.digest).text,
				  "shared", (json_int_t)u->images[i].shared, "own",
				  (json_int_t)u->images[i].own, "in_use", u->images[i].in_use));
	return json_pack(
		"{s:{s:I, s:I, s:I, s:I}, s:{s:I, s:I, s:I, s:I}, s:{s:I, s:I}, s:{s:I, s:I}, "
		"s:o}",
		"images", "total", (json_int_t)u->different, "in_use", (json_int_t)u->used, "bytes",
		(json_int_t)u->bytes, "reclaimable", (json_int_t)u->reclaimable, "unneeded",
		"blobs", (json_int_t)u->unneeded.blobs, "layers", (json_int_t)u->unneeded.layers,
		"layers_in_use", (json_int_t)u->unneeded.layers_in_use, "bytes",
		(json_int_t)u->unneeded.bytes, "partial", "total", (json_int_t)u->leftovers.partial,
		"bytes", (json_int_t)u->leftovers.partial_bytes, "leftovers", "total",
		(json_int_t)(u->leftovers.folders + u->leftovers.files), "bytes",
		(json_int_t)u->leftovers.bytes, "list", images);
}

static void df_row(const char *what, size_t total, long used, uint64_t bytes, uint64_t reclaimable)
{
	char size[24], free_size[24], in_use[24] = "-";

	if (used >= 0)
		snprintf(in_use, sizeof(in_use), "%ld", used);
	printf("%-10s  %6zu  %6s  %8s  %11s\n", what, total, in_use, image_cli_size(bytes, size),
	       image_cli_size(reclaimable, free_size));
}

static void df_text(const struct usage *u)
{
	char shared[24], own[24];
	size_t i;

	printf("%-10s  %6s  %6s  %8s  %11s\n", "WHAT", "TOTAL", "IN USE", "SIZE", "RECLAIMABLE");
	df_row("images", u->different, u->used, u->bytes, u->reclaimable);
	df_row("unneeded", u->unneeded.blobs + u->unneeded.layers, -1, u->unneeded.bytes,
	       u->unneeded.bytes);
	df_row("partial", u->leftovers.partial, -1, u->leftovers.partial_bytes,
	       u->leftovers.partial_bytes);
	df_row("leftovers", u->leftovers.folders + u->leftovers.files, -1, u->leftovers.bytes,
	       u->leftovers.bytes);
	if (u->count)
		printf("\n%8s  %8s  %-6s  %s\n", "SHARED", "OWN", "IN USE", "IMAGE");
	for (i = 0; i < u->count; i++) {
		const struct usage_image *image = &u->images[i];
		const char *name = image->entry->ref_name;

		printf("%8s  %8s  %-6s  %s\n", image_cli_size(image->shared, shared),
		       image_cli_size(image->own, own), image->in_use ? "yes" : "-",
		       name ? reference_familiar(name).text : "-");
	}
}

/* Stores of others take none of one's room: which there are, and whether they are of use. */
static json_t *shared_json(struct arena *a, struct err *e)
{
	json_t *out = json_array();
	struct store_list list;
	char why[ERR_TEXT_MAX];
	size_t i;

	if (store_shared_list(a, &list, e)) {
		json_decref(out);
		return NULL;
	}
	for (i = 0; i < list.count; i++) {
		_cleanup_store_ struct store s = STORE_INIT;
		struct image_index index = { 0 };
		struct err refused = ERR_INIT;
		int error = store_open_shared(&s, list.paths[i], &refused);

		if (!error)
			error = store_read_index(&s, a, &index, &refused);
		why[0] = '\0';
		if (error)
			err_format(&refused, why, sizeof(why));
		json_array_append_new(out, json_pack("{s:s, s:I, s:b, s:s}", "path", list.paths[i],
						     "images", (json_int_t)index.count, "used", !error,
						     "why", why));
	}
	return out;
}

static void shared_text(const json_t *shared)
{
	const json_t *one;
	size_t i;

	if (json_array_size(shared))
		printf("\n%6s  %s\n", "IMAGES", "SHARED STORE, WHICH IS ONLY READ");
	json_array_foreach (shared, i, one) {
		const char *why = json_string_value(json_object_get(one, "why"));

		printf("%6lld  %s%s%s\n", json_integer_value(json_object_get(one, "images")),
		       json_string_value(json_object_get(one, "path")), why[0] ? ": " : "", why);
	}
}

int image_cli_share(const struct image_cli *o, struct err *e)
{
	_cleanup_store_ struct store s = STORE_INIT;
	int error = image_cli_enter(o, !o->off, e);

	if (!error)
		error = store_open(&s, o->store, !o->off, e);
	if (!error)
		error = store_share(&s, !o->off, e);
	if (error)
		return err_wrap(e, "cannot share the store");
	if (!o->quiet && o->off)
		printf("%s is yours alone\n", s.path);
	else if (!o->quiet)
		printf("%s: others may read its images; they say so by KIST_SHARED_STORES, or "
		       "/etc/kist/shared-stores does\n", s.path);
	return 0;
}

static const char *ids_name(const struct store *s)
{
	static const char *const names[] = {
		[APPLY_SINGLE] = "single", [APPLY_MAPPED] = "mapped", [APPLY_ROOT] = "root"
	};

	return names[store_apply_as(s)];
}

int image_cli_df(const struct image_cli *o, struct err *e)
{
	_cleanup_store_ struct store s = STORE_INIT;
	_cleanup_json_ json_t *out = NULL, *shared = NULL;
	_cleanup_fd_ int lock = -EBADF;
	struct arena a = ARENA_INIT;
	struct usage u = { 0 };
	int error = image_cli_enter(o, false, e);

	if (!error)
		error = store_open(&s, o->store, false, e);
	if (!error)
		error = store_lock(&s, true, &lock, e);
	if (!error)
		error = usage_of_store(&s, &a, &u, e);
	if (error == -ENOENT && s.dir < 0) {
		err_clear(e);
		error = 0;
	}
	shared = error ? NULL : shared_json(&a, e);
	if (!error && shared == NULL)
		error = -e->error;
	if (!error && o->json) {
		out = df_json(&u);
		json_object_set(out, "shared", shared);
		json_object_set_new(out, "ids", json_string(ids_name(&s)));
		error = print(out, e);
	} else if (!error) {
		df_text(&u);
		shared_text(shared);
	}
	arena_free(&a);
	return error;
}
