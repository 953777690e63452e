/*
 * image-config.c - parsing of the image config (image-spec config.md).
 *
 * Labels and history are hostile text that nothing here acts on.
 */
#include <errno.h>
#include <string.h>
#include "image/manifest.h"

static int get_text(const json_t *o, const struct json_at *at, const char *key, struct arena *a,
		    const char **ret, struct err *e)
{
	const char *text = "";
	int got = json_get_string(o, at, key, &text, e);

	if (got < 0)
		return got;
	*ret = arena_strdup(a, text);
	return 0;
}

static int parse_diff_ids(json_t *rootfs, struct arena *a, struct image_config *c, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "rootfs");
	struct json_at ids_at = json_at_key(&at, "diff_ids"), id_at;
	const char *type = NULL;
	char **ids = NULL;
	size_t i, count = 0;
	int got = json_require(json_get_string(rootfs, &at, "type", &type, e), &at, "type", e);

	if (got < 0)
		return got;
	if (strcmp(type, "layers") != 0)
		return json_bad(e, &at, "type must be \"layers\", not \"%.40s\"", type);
	got = json_require(json_get_strings(rootfs, &at, "diff_ids", a, &ids, &count, e), &at,
			   "diff_ids", e);
	if (got < 0)
		return got;
	if (count > MANIFEST_LAYERS_MAX)
		return json_bad(e, &ids_at, "has %zu layers (limit %d)", count,
				MANIFEST_LAYERS_MAX);
	c->diff_ids = arena_array(a, count + 1, sizeof(*c->diff_ids));
	if (c->diff_ids == NULL)
		return err_set(e, ENOMEM, "no memory for a config");
	for (i = 0; i < count; i++) {
		id_at = json_at_index(&ids_at, i);
		got = digest_parse(ids[i], &c->diff_ids[i], e);
		if (got)
			return err_at(e, id_at.text);
	}
	c->diff_id_count = count;
	return 0;
}

static int parse_run(json_t *o, struct arena *a, struct image_config *c, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "config");
	int got;

	manifest_drop_nulls(o);
	got = json_get_strings(o, &at, "Env", a, &c->env, NULL, e);
	if (got >= 0)
		got = json_get_strings(o, &at, "Entrypoint", a, &c->entrypoint, NULL, e);
	if (got >= 0)
		got = json_get_strings(o, &at, "Cmd", a, &c->cmd, NULL, e);
	if (got >= 0)
		got = get_text(o, &at, "WorkingDir", a, &c->workdir, e);
	if (got >= 0)
		got = get_text(o, &at, "User", a, &c->user, e);
	return got < 0 ? got : 0;
}

int manifest_parse_config(json_t *document, struct arena *a, struct image_config *ret,
			  struct err *e)
{
	struct json_at root = JSON_AT_ROOT;
	struct image_config c = { .workdir = "", .user = "" };
	json_t *rootfs = NULL, *run = NULL;
	int got;

	if (!json_is_object(document))
		return json_bad(e, &root, "must be an object");
	manifest_drop_nulls(document);
	got = get_text(document, &root, "os", a, &c.platform.os, e);
	if (got >= 0)
		got = get_text(document, &root, "architecture", a, &c.platform.architecture, e);
	if (got >= 0)
		got = get_text(document, &root, "variant", a, &c.platform.variant, e);
	if (got >= 0)
		got = get_text(document, &root, "created", a, &c.created, e);
	if (got >= 0)
		got = json_require(json_get_object(document, &root, "rootfs", &rootfs, e), &root,
				   "rootfs", e);
	if (got >= 0)
		got = parse_diff_ids(rootfs, a, &c, e);
	if (got >= 0)
		got = json_get_object(document, &root, "config", &run, e);
	if (got == 1)
		got = parse_run(run, a, &c, e);
	if (got < 0)
		return got;
	if (arena_failed(a))
		return err_set(e, ENOMEM, "no memory for a config");
	*ret = c;
	return 0;
}
