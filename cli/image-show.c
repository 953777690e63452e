/*
 * image-show.c - `kist image inspect`, `history`, `tag`: what the store knows of an image.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/fd.h"
#include "base/json.h"
#include "cli/image-cli.h"
#include "image/reference.h"
#include "image/store-gc.h"

const char *image_cli_size(uint64_t n, char text[24])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double x = n;
	int unit = 0;

	for (; x >= 999.5 && unit < 6; unit++)
		x /= 1000;
	snprintf(text, 24, x < 9.95 && unit ? "%.1f %s" : "%.0f %s", x, units[unit]);
	return text;
}

struct view { /* one image, opened */
	struct store store;
	int lock;
	struct arena arena;
	const struct index_entry *entry;
	struct image_manifest manifest;
	json_t *manifest_json, *config_json;
};
#define VIEW_INIT                                                                                  \
	{                                                                                          \
		.store = STORE_INIT, .lock = -EBADF                                                \
	}

/* To change its name: in one's own store alone. */
static int open_own(const struct image_cli *o, struct view *v, struct err *e)
{
	int error = store_open(&v->store, o->store, false, e);

	if (error == -ENOENT) {
		err_clear(e);
		return store_say_unknown(&v->store, o->args[0], e);
	}
	if (!error)
		error = store_lock(&v->store, true, &v->lock, e);
	return error ? error : store_find(&v->store, o->args[0], &v->arena, &v->entry, e);
}

static int view_open(const struct image_cli *o, struct view *v, bool exclusive, struct err *e)
{
	int error = exclusive ? store_explain_shared(open_own(o, v, e), o->args[0], e)
			      : store_open_having(&v->store, o->store, o->args[0], false,
						  &v->arena, &v->entry, &v->lock, e);

	if (!error)
		error = store_read_manifest(&v->store, &v->entry->descriptor, &v->arena,
					    &v->manifest, e);
	if (!error)
		error = store_read_json(&v->store, &v->entry->descriptor, MANIFEST_BYTES_MAX,
					&v->manifest_json, e);
	if (!error)
		error = store_read_json(&v->store, &v->manifest.config, MANIFEST_CONFIG_MAX,
					&v->config_json, e);
	return error;
}

static void view_close(struct view *v)
{
	json_decref(v->manifest_json);
	json_decref(v->config_json);
	arena_free(&v->arena);
	fd_close(&v->lock);
	store_close(&v->store);
}

static int print(json_t *o, struct err *e)
{
	_cleanup_free_ char *text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;

	if (text == NULL)
		return err_set(e, ENOMEM, "no memory for the output");
	puts(text);
	return 0;
}

/* Top first, as the markers tell: what each layer is and where. */
static int layer_list(struct view *v, json_t *list, struct err *e)
{
	struct layer_marker m;
	struct digest chain;
	size_t i = v->manifest.layer_count;
	int got = digest_parse(v->entry->chain, &chain, e);

	/* Another's layers are not for us to see. */
	if (v->store.shared && faccessat(v->store.dir, "layers", X_OK, AT_EACCESS) < 0)
		return 0;
	while (got >= 0 && i-- > 0) {
		const struct descriptor *d = &v->manifest.layers[i];

		got = store_read_marker(&v->store, &chain, &m, e);
		if (got == 0)
			return err_say(e, ENOENT, "layer %.12s is missing from the store",
				       chain.hex);
		if (got < 0)
			break;
		json_array_insert_new(
			list, 0,
			json_pack("{s:s, s:s, s:I, s:s, s:s, s:I, s:I, s:o}", "digest",
				  digest_text(&d->digest).text, "mediaType", d->media_type, "size",
				  (json_int_t)d->size, "diffid", digest_text(&m.diffid).text,
				  "chain", digest_text(&chain).text, "entries",
				  (json_int_t)m.entries, "bytes", (json_int_t)m.bytes, "path",
				  json_sprintf("%s/%s", v->store.path,
					       store_layer_path(&chain, "/diff").text)));
		chain = m.parent;
	}
	return got < 0 ? got : 0;
}

/* The blob's bytes, as they are: what its digest is of. */
static int print_raw(const struct view *v, const struct descriptor *d, struct err *e)
{
	_cleanup_free_ char *data = NULL;
	size_t size = 0;
	int error = file_read_whole(v->store.dir, store_blob_path(&d->digest).text,
				    MANIFEST_CONFIG_MAX, &data, &size, e);

	if (!error)
		fwrite(data, 1, size, stdout);
	return error;
}

int image_cli_inspect(const struct image_cli *o, struct err *e)
{
	struct view v = VIEW_INIT;
	_cleanup_json_ json_t *out = NULL, *layers = json_array();
	int error;

	if (o->format && (o->remote || o->raw || o->config)) {
		err_say(e, EINVAL, "--format goes with the whole object");
		return err_fix(e, "leave out --remote, --raw, --config");
	}
	if (o->remote)
		return image_cli_inspect_remote(o, e);
	error = view_open(o, &v, false, e);
	if (!error && (o->raw || o->config)) {
		error = o->raw ? print_raw(&v, o->config ? &v.manifest.config : &v.entry->descriptor, e)
			       : print(v.config_json, e);
		view_close(&v);
		return error;
	}
	if (!error)
		error = layer_list(&v, layers, e);
	if (!error) {
		out = json_pack("{s:s, s:s, s:O, s:O, s:O}", "reference", v.entry->ref_name,
				"digest", digest_text(&v.entry->descriptor.digest).text, "layers",
				layers, "manifest", v.manifest_json, "config", v.config_json);
		error = o->format ? image_cli_template(o->format, out, stdout, e) : print(out, e);
	}
	view_close(&v);
	return error;
}

/* What stands in the image is hostile text: it stays one line, and can't steer a terminal. */
static void print_step(const json_t *step, const struct descriptor *layer)
{
	const char *created = json_string_value(json_object_get(step, "created"));
	const char *by = json_string_value(json_object_get(step, "created_by"));
	const char *comment = json_string_value(json_object_get(step, "comment"));
	char line[4096], when[64], size[24];
	struct buf text = BUF_ON(line), time = BUF_ON(when);

	buf_reset(&text);
	buf_reset(&time);
	buf_add_clean(&time, created ? created : "-");
	buf_add_clean(&text, by ? by : comment ? comment : "");
	printf("%-19.19s  %8s  %.12s  %s\n", when, layer ? image_cli_size(layer->size, size) : "-",
	       layer ? layer->digest.hex : "-           ", line);
}

static int print_history(struct view *v, json_t *steps, bool as_json, struct err *e)
{
	size_t i, layer = v->manifest.layer_count, count = json_array_size(steps);
	_cleanup_json_ json_t *list = json_array();

	if (!as_json)
		printf("%-19s  %8s  %-12s  %s\n", "CREATED", "SIZE", "LAYER", "BY");
	/* The newest first, as its readers want it. */
	for (i = count; i-- > 0;) {
		json_t *step = json_array_get(steps, i);
		bool empty = json_is_true(json_object_get(step, "empty_layer"));
		const struct descriptor *d =
			empty || layer == 0 ? NULL : &v->manifest.layers[--layer];

		if (!json_is_object(step))
			return err_say(e, EINVAL, "the config's history holds something else");
		if (!as_json) {
			print_step(step, d);
			continue;
		}
		if (d)
			json_object_set_new(step, "layer",
					    json_string(digest_text(&d->digest).text));
		if (d)
			json_object_set_new(step, "size", json_integer(d->size));
		json_array_append(list, step);
	}
	return as_json ? print(list, e) : 0;
}

int image_cli_history(const struct image_cli *o, struct err *e)
{
	struct view v = VIEW_INIT;
	struct json_at root = JSON_AT_ROOT;
	json_t *steps = NULL;
	int error = view_open(o, &v, false, e);

	if (!error) {
		manifest_drop_nulls(v.config_json);
		error = json_get_array(v.config_json, &root, "history", &steps, e);
	}
	if (error >= 0)
		error = print_history(&v, steps, o->json, e);
	view_close(&v);
	return error < 0 ? error : 0;
}

int image_cli_tag(const struct image_cli *o, struct err *e)
{
	struct view v = VIEW_INIT;
	struct reference r;
	struct reference_text name;
	struct image_config config;
	struct store_put put;
	int error = reference_parse(o->args[1], &r, e);

	if (!error && r.has_digest)
		error = err_say(e, EINVAL, "\"%.200s\" names a digest; a name and tag is wanted",
				o->args[1]);
	if (!error)
		error = view_open(o, &v, true, e);
	if (!error)
		error = store_read_config(&v.store, &v.manifest.config, &v.arena, &config, e);
	if (!error) {
		name = reference_canonical(&r);
		put = (struct store_put){ .reference = name.text,
					  .manifest = v.entry->descriptor,
					  .platform = config.platform };
		error = digest_parse(v.entry->chain, &put.chain, e);
	}
	if (!error)
		error = store_index_put(&v.store, &put, 1, e);
	view_close(&v);
	return error ? err_wrap(e, "cannot tag %.200s", o->args[0]) : 0;
}
