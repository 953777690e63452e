/*
 * source-docker.c - `docker save` before docker 25: manifest.json, a tar for each layer.
 *
 * The archive is hostile. Its names are only looked up in a table of what it
 * holds; no path is ever made of one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/json.h"
#include "image/layout-make.h"

#define IMAGES_MAX 1000
#define NAMES_MAX  1000 /* of one image */
#define LINKS_MAX  8	/* symlinks to symlinks */

struct docker {
	int dir;
	json_t *files;	 /* name -> "files/N" | {"link": NAME} */
	json_t *adopted; /* "files/N" -> its descriptor */
	json_t *entries;
	struct err *e;
};

/* The file that a name of the archive leads to, "files/N". */
static int find_file(struct docker *d, const char *name, const char **ret)
{
	const char *at = name;
	int hops;

	for (hops = 0; hops < LINKS_MAX; hops++) {
		json_t *found = json_object_get(d->files, at);

		if (json_is_string(found)) {
			*ret = json_string_value(found);
			return 0;
		}
		at = json_string_value(json_object_get(found, "link"));
		if (at == NULL)
			break;
	}
	return err_say(d->e, ENOENT, "the archive has no file \"%.150s\"", name);
}

/* Docker leaves layers plain, others compress them: the first bytes tell. */
static const char *layer_type(const struct docker *d, const char *path)
{
	_cleanup_fd_ int fd = openat(d->dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	unsigned char head[4] = { 0 };

	if (fd >= 0 && fd_read_full(fd, head, sizeof(head)) == sizeof(head)) {
		if (head[0] == 0x1f && head[1] == 0x8b)
			return "application/vnd.oci.image.layer.v1.tar+gzip";
		if (head[0] == 0x28 && head[1] == 0xb5 && head[2] == 0x2f && head[3] == 0xfd)
			return "application/vnd.oci.image.layer.v1.tar+zstd";
	}
	return "application/vnd.oci.image.layer.v1.tar";
}

/* type NULL: a layer. New reference. */
static int adopt(struct docker *d, const char *name, const char *type, json_t **ret)
{
	const char *path = NULL;
	json_t *known;
	int error = find_file(d, name, &path);

	if (error)
		return error;
	known = json_object_get(d->adopted, path);
	if (known) {
		*ret = json_incref(known);
		return 0;
	}
	error = layout_adopt(d->dir, path, type ? type : layer_type(d, path), ret, d->e);
	if (!error)
		json_object_set(d->adopted, path, *ret);
	return error;
}

static int adopt_layers(struct docker *d, json_t *names, const struct json_at *at, json_t *layers)
{
	json_t *name, *layer = NULL;
	size_t i;
	int error;

	if (json_array_size(names) > MANIFEST_LAYERS_MAX)
		return json_bad(d->e, at, "has more than %d layers", MANIFEST_LAYERS_MAX);
	json_array_foreach(names, i, name)
	{
		struct json_at name_at = json_at_index(at, i);

		if (!json_is_string(name))
			return json_bad(d->e, &name_at, "must be a string");
		error = adopt(d, json_string_value(name), NULL, &layer);
		if (error)
			return err_at(d->e, name_at.text);
		json_array_append_new(layers, layer);
	}
	return 0;
}

/* An entry of the index for each of its names; without one, one without a name. */
static int add_entries(struct docker *d, json_t *manifest, json_t *tags, const struct json_at *at)
{
	json_t *tag, *entry;
	size_t i;

	if (json_array_size(tags) > NAMES_MAX)
		return json_bad(d->e, at, "has more than %d names", NAMES_MAX);
	json_array_foreach(tags, i, tag)
	{
		struct json_at tag_at = json_at_index(at, i);

		if (!json_is_string(tag))
			return json_bad(d->e, &tag_at, "must be a string");
		entry = json_copy(manifest);
		json_object_set_new(entry, "annotations",
				    json_pack("{s:O}", "org.opencontainers.image.ref.name", tag));
		json_array_append_new(d->entries, entry);
	}
	if (json_array_size(tags) == 0)
		json_array_append(d->entries, manifest);
	return 0;
}

static int one_image(struct docker *d, json_t *image, const struct json_at *at)
{
	_cleanup_json_ json_t *config = NULL, *layers = json_array(), *manifest = NULL,
			      *document = NULL;
	struct json_at layers_at = json_at_key(at, "Layers"), tags_at = json_at_key(at, "RepoTags");
	json_t *names = NULL, *tags = NULL;
	const char *config_name = NULL;
	int got;

	if (!json_is_object(image))
		return json_bad(d->e, at, "must be an object");
	manifest_drop_nulls(image);
	got = json_require(json_get_string(image, at, "Config", &config_name, d->e), at, "Config",
			   d->e);
	if (got >= 0)
		got = json_require(json_get_array(image, at, "Layers", &names, d->e), at, "Layers",
				   d->e);
	if (got >= 0)
		got = json_get_array(image, at, "RepoTags", &tags, d->e);
	if (got >= 0)
		got = adopt_layers(d, names, &layers_at, layers);
	if (got >= 0)
		got = adopt(d, config_name, "application/vnd.oci.image.config.v1+json", &config);
	if (got < 0)
		return got;
	document = layout_manifest(config, layers);
	got = layout_add(d->dir, document, "application/vnd.oci.image.manifest.v1+json", &manifest,
			 d->e);
	return got ? got : add_entries(d, manifest, tags, &tags_at);
}

int source_from_docker(int spool, json_t *files, struct err *e)
{
	_cleanup_json_ json_t *adopted = json_object(), *entries = json_array(), *list = NULL;
	struct docker d = {
		.dir = spool, .files = files, .adopted = adopted, .entries = entries, .e = e
	};
	struct json_at root = JSON_AT_ROOT;
	const char *path = NULL;
	json_t *image;
	size_t i;
	int error = find_file(&d, "manifest.json", &path);

	if (!error)
		error = json_read_file(spool, path, &list, e);
	if (!error && (!json_is_array(list) || json_array_size(list) > IMAGES_MAX))
		error = json_bad(e, &root, "must be an array of at most %d images", IMAGES_MAX);
	json_array_foreach(list, i, image)
	{
		struct json_at at = json_at_index(&root, i);

		if (!error)
			error = one_image(&d, image, &at);
	}
	if (error)
		return err_wrap(e, "docker's manifest.json");
	return layout_finish(spool, entries, e);
}
