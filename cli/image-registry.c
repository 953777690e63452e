/*
 * image-registry.c - `kist image tags`, `referrers`, `inspect --remote`, `pull --artifact`: what a
 * registry has, without the store.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/image-cli.h"
#include "image/artifact.h"
#include "image/registry-list.h"

struct asked { /* an open repository */
	struct registry_options options;
	struct registry registry;
	struct http *http;
};

static void note(void *user, const char *text)
{
	const struct image_cli *o = user;

	if (!o->quiet)
		log_msg(LOG_WARN, "%s", text);
}

static int ask(const struct image_cli *o, struct asked *a, struct err *e)
{
	struct reference reference;
	int error = reference_parse(o->args[0], &reference, e);

	image_cli_registry(o, &a->options);
	a->options.note = note;
	a->options.user = (void *)(uintptr_t)o;
	if (!error)
		error = http_open(&a->http, e);
	return error ? error : registry_open(&a->registry, &reference, &a->options, e);
}

static void ask_done(struct asked *a)
{
	http_close(&a->http);
	registry_close(&a->registry);
	free(a);
}

static int print(json_t *o, struct err *e)
{
	_cleanup_free_ char *text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;

	if (text == NULL)
		return err_set(e, ENOMEM, "no memory for the output");
	puts(text);
	return 0;
}

static const char *clean(struct buf *b, const json_t *text)
{
	buf_reset(b);
	buf_add_clean(b, json_is_string(text) ? json_string_value(text) : "-");
	return b->text;
}

int image_cli_tags(const struct image_cli *o, struct err *e)
{
	struct asked *a = calloc(1, sizeof(*a));
	_cleanup_json_ json_t *tags = NULL;
	json_t *tag;
	size_t i, bad = 0;
	int error = a ? ask(o, a, e) : err_set(e, ENOMEM, "no memory for a registry");

	if (!error)
		error = registry_tags(&a->registry, a->http, o->last, o->limit, &tags, &bad, e);
	if (!error && o->json)
		error = print(tags, e);
	else if (!error)
		json_array_foreach(tags, i, tag) puts(json_string_value(tag));
	if (!error && bad && !o->quiet)
		log_msg(LOG_WARN, "%zu of the registry's tags are none, and were left out", bad);
	if (a)
		ask_done(a);
	return error ? err_wrap(e, "cannot list the tags of %.200s", o->args[0]) : 0;
}

static void print_referrers(const json_t *list)
{
	char type[300], digest[256], size[24];
	struct buf t = BUF_ON(type), d = BUF_ON(digest);
	json_t *entry;
	size_t i;

	printf("%-71s  %8s  %s\n", "DIGEST", "SIZE", "TYPE");
	json_array_foreach(list, i, entry)
	{
		json_t *kind = json_object_get(entry, "artifactType");
		int64_t bytes = json_integer_value(json_object_get(entry, "size"));

		printf("%-71s  %8s  %s\n", clean(&d, json_object_get(entry, "digest")),
		       image_cli_size(bytes > 0 ? bytes : 0, size),
		       clean(&t, kind ? kind : json_object_get(entry, "mediaType")));
	}
}

/* The digest that the reference means now. */
static int find_digest(struct asked *a, struct digest *ret, struct err *e)
{
	struct artifact manifest = { 0 };
	int error = 0;

	*ret = a->registry.reference.digest;
	if (!a->registry.reference.has_digest)
		error = artifact_open(&a->registry, a->http, &manifest, e);
	if (!error && !a->registry.reference.has_digest)
		*ret = manifest.manifest.digest;
	artifact_close(&manifest);
	return error;
}

int image_cli_referrers(const struct image_cli *o, struct err *e)
{
	struct asked *a = calloc(1, sizeof(*a));
	_cleanup_json_ json_t *list = NULL;
	struct digest digest;
	int error = a ? ask(o, a, e) : err_set(e, ENOMEM, "no memory for a registry");

	if (!error)
		error = find_digest(a, &digest, e);
	if (!error)
		error = registry_referrers(&a->registry, a->http, &digest, o->artifact_type, &list,
					   e);
	if (!error && o->json)
		error = print(list, e);
	else if (!error)
		print_referrers(list);
	if (a)
		ask_done(a);
	return error ? err_wrap(e, "cannot list what refers to %.200s", o->args[0]) : 0;
}

/* The configuration of an image; of an artifact whatever JSON it has there, or nothing. */
static int fetch_config(struct asked *a, const struct artifact *m, struct document *ret,
			struct err *e)
{
	json_t *config = json_object_get(m->json, "config");
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "config");
	struct arena arena = ARENA_INIT;
	struct descriptor d;
	char what[DIGEST_HEX_MAX + 32];
	int error = 0;

	if (config)
		error = manifest_parse_descriptor(config, &at, &arena, &d, e);
	if (config && !error && d.media == MEDIA_CONFIG) {
		snprintf(what, sizeof(what), "blobs/%s", digest_text(&d.digest).text);
		error = registry_document(
			&a->registry, a->http, what, &d.digest,
			d.size < MANIFEST_CONFIG_MAX ? d.size : MANIFEST_CONFIG_MAX, ret, e);
	}
	arena_free(&arena);
	return error;
}

static int print_remote(const struct image_cli *o, struct asked *a, const struct artifact *m,
			struct err *e)
{
	_cleanup_json_ json_t *out = NULL, *config_json = NULL;
	struct document config = { 0 };
	const struct document *raw = o->config ? &config : &m->manifest;
	int error = o->raw && !o->config ? 0 : fetch_config(a, m, &config, e);

	if (!error && o->config && config.data == NULL)
		error = err_say(e, ENOENT, "it has no configuration: it is an index, or no image");
	if (!error && o->raw) {
		fwrite(raw->data, 1, raw->size, stdout);
	} else if (!error) {
		if (config.data)
			error = json_parse_strict(config.data, config.size, "its config",
						  &config_json, e);
		out = o->config ? json_incref(config_json)
				: json_pack("{s:s, s:s, s:s, s:O, s:O*}", "reference",
					    reference_canonical(&a->registry.reference).text,
					    "digest", digest_text(&m->manifest.digest).text,
					    "mediaType", m->manifest.content_type, "manifest",
					    m->json, "config", config_json);
		error = error ? error : print(out, e);
	}
	free(config.data);
	return error;
}

int image_cli_inspect_remote(const struct image_cli *o, struct err *e)
{
	struct asked *a = calloc(1, sizeof(*a));
	struct artifact m = { 0 };
	int error = a ? ask(o, a, e) : err_set(e, ENOMEM, "no memory for a registry");

	if (!error)
		error = artifact_open(&a->registry, a->http, &m, e);
	if (!error)
		error = print_remote(o, a, &m, e);
	artifact_close(&m);
	if (a)
		ask_done(a);
	return error ? err_wrap(e, "cannot inspect %.200s", o->args[0]) : 0;
}

static void fetched(void *user, const struct descriptor *blob, const char *name)
{
	const struct image_cli *o = user;
	char line[300], type[200], size[24];
	struct buf n = BUF_ON(line), t = BUF_ON(type);

	buf_reset(&n);
	buf_reset(&t);
	buf_add_clean(&n, name);
	buf_add_clean(&t, blob->media_type);
	if (!o->quiet && !o->json)
		fprintf(stderr, "%s: %s, %s\n", line, image_cli_size(blob->size, size), type);
}

int image_cli_pull_artifact(const struct image_cli *o, struct err *e)
{
	struct artifact_fetch fetch = { .dir = o->output,
					.bytes_max = o->bytes_max,
					.each = fetched,
					.user = (void *)(uintptr_t)o };
	struct asked *a = calloc(1, sizeof(*a));
	struct artifact m = { 0 };
	int error = a ? 0 : err_set(e, ENOMEM, "no memory for a registry");

	if (!error && o->output == NULL) {
		err_say(e, EINVAL, "an artifact's files go into a folder, not into the store");
		error = err_fix(e, "name it: --output DIR");
	}
	if (!error)
		error = ask(o, a, e);
	if (!error)
		error = artifact_open(&a->registry, a->http, &m, e);
	if (!error)
		error = artifact_fetch(&a->registry, a->http, &m, &fetch, e);
	if (!error && o->quiet)
		puts(digest_text(&m.manifest.digest).text);
	else if (!error)
		printf("pulled %s  %s  into %s\n", o->args[0], digest_text(&m.manifest.digest).text,
		       o->output);
	artifact_close(&m);
	if (a)
		ask_done(a);
	return error ? err_wrap(e, "cannot pull %.200s", o->args[0]) : 0;
}
