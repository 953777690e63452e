/*
 * manifest.c - parsing of index, manifest and config.
 *
 * JSON null counts as absent here: Go's encoder writes it for every empty
 * slice ("Env": null), so real images are full of it.
 */
#include <errno.h>
#include <string.h>
#include "image/manifest.h"

static const struct {
	const char *name;
	enum media media;
} media_types[] = {
	{ "application/vnd.oci.image.index.v1+json", MEDIA_INDEX },
	{ "application/vnd.docker.distribution.manifest.list.v2+json", MEDIA_INDEX },
	{ "application/vnd.oci.image.manifest.v1+json", MEDIA_MANIFEST },
	{ "application/vnd.docker.distribution.manifest.v2+json", MEDIA_MANIFEST },
	{ "application/vnd.oci.image.config.v1+json", MEDIA_CONFIG },
	{ "application/vnd.docker.container.image.v1+json", MEDIA_CONFIG },
	{ "application/vnd.oci.image.layer.v1.tar", MEDIA_LAYER },
	{ "application/vnd.oci.image.layer.v1.tar+gzip", MEDIA_LAYER },
	{ "application/vnd.oci.image.layer.v1.tar+zstd", MEDIA_LAYER },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar", MEDIA_LAYER },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", MEDIA_LAYER },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", MEDIA_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar", MEDIA_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar.gzip", MEDIA_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar.zstd", MEDIA_LAYER },
	{ "application/vnd.docker.image.rootfs.foreign.diff.tar", MEDIA_LAYER },
	{ "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", MEDIA_LAYER },
	{ "application/vnd.docker.distribution.manifest.v1+json", MEDIA_SCHEMA1 },
	{ "application/vnd.docker.distribution.manifest.v1+prettyjws", MEDIA_SCHEMA1 },
};

enum media media_of(const char *media_type)
{
	size_t i;

	for (i = 0; i < sizeof(media_types) / sizeof(media_types[0]); i++)
		if (strcmp(media_type, media_types[i].name) == 0)
			return media_types[i].media;
	return MEDIA_OTHER;
}

bool manifest_may_distribute(const struct descriptor *d)
{
	return !strstr(d->media_type, "nondistributable") && !strstr(d->media_type, "foreign");
}

void manifest_drop_nulls(json_t *object)
{
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(object, next, key, value) if (json_is_null(value))
		json_object_del(object, key);
}

static const char *copied(struct arena *a, const char *text)
{
	return text ? arena_strdup(a, text) : "";
}

static int must_be_object(const json_t *o, const struct json_at *at, struct err *e)
{
	return json_is_object(o) ? 0 : json_bad(e, at, "must be an object");
}

int manifest_sniff(const json_t *document, enum media *ret, struct err *e)
{
	struct json_at root = JSON_AT_ROOT;
	const char *text = NULL;
	bool manifests, layers;
	enum media media = MEDIA_OTHER;
	int got = must_be_object(document, &root, e);

	if (got)
		return got;
	manifests = json_object_get(document, "manifests") != NULL;
	layers = json_object_get(document, "layers") != NULL ||
		 json_object_get(document, "config") != NULL;
	got = json_get_string(document, &root, "mediaType", &text, e);
	if (got < 0)
		return got;
	if (text)
		media = media_of(text);
	if (media == MEDIA_SCHEMA1 || json_object_get(document, "fsLayers")) {
		err_say(e, EINVAL, "an image of docker's old schema 1");
		return err_fix(e, "convert it, for example with skopeo copy");
	}
	if (manifests && layers)
		return err_say(e, EINVAL, "it is index and image at once (manifests and layers)");
	if (!manifests && !layers)
		return err_say(e, EINVAL, "it is neither an index nor an image manifest");
	if (text && media != (manifests ? MEDIA_INDEX : MEDIA_MANIFEST))
		return err_say(e, EINVAL, "its mediaType is \"%.100s\" but it is %s", text,
			       manifests ? "an index" : "an image manifest");
	*ret = manifests ? MEDIA_INDEX : MEDIA_MANIFEST;
	return 0;
}

/* sniff, and that it is what the caller came for; then the schema version. */
static int check_document(const json_t *document, enum media want, struct err *e)
{
	struct json_at root = JSON_AT_ROOT;
	enum media media = MEDIA_OTHER;
	int64_t version = 2;
	int got = manifest_sniff(document, &media, e);

	if (got < 0)
		return got;
	if (media != want)
		return err_say(e, EINVAL, "it is %s",
			       want == MEDIA_INDEX ? "an image manifest, not an index"
						   : "an index, not an image manifest");
	got = json_get_int(document, &root, "schemaVersion", 0, INT64_MAX, &version, e);
	if (got >= 0 && version != 2)
		return json_bad(e, &root, "schemaVersion must be 2");
	return got < 0 ? got : 0;
}

/* Content that is in the descriptor itself, or at other places. Null is what Go writes for neither. */
static int parse_elsewhere(const json_t *o, const struct json_at *at, struct arena *a,
			   struct descriptor *ret, struct err *e)
{
	struct json_at urls_at = json_at_key(at, "urls");
	const char *data = NULL;
	size_t count = 0;
	int got = 0;

	ret->urls = NULL;
	ret->data = NULL;
	if (!json_is_null(json_object_get(o, "urls")))
		got = json_get_strings(o, at, "urls", a, &ret->urls, &count, e);
	if (got >= 0 && count > MANIFEST_URLS_MAX)
		return json_bad(e, &urls_at, "has more than %d entries", MANIFEST_URLS_MAX);
	if (got >= 0 && !json_is_null(json_object_get(o, "data")))
		got = json_get_string(o, at, "data", &data, e);
	if (data)
		ret->data = arena_strdup(a, data);
	return got;
}

int manifest_parse_descriptor(const json_t *o, const struct json_at *at, struct arena *a,
			      struct descriptor *ret, struct err *e)
{
	const char *media_type = NULL, *digest = NULL;
	struct json_at digest_at = json_at_key(at, "digest");
	int64_t size = 0;
	int got = must_be_object(o, at, e);

	if (got < 0)
		return got;
	got = json_require(json_get_string(o, at, "mediaType", &media_type, e), at, "mediaType", e);
	if (got < 0)
		return got;
	got = json_require(json_get_string(o, at, "digest", &digest, e), at, "digest", e);
	if (got < 0)
		return got;
	got = json_require(json_get_int(o, at, "size", 0, INT64_MAX, &size, e), at, "size", e);
	if (got < 0)
		return got;
	got = digest_parse(digest, &ret->digest, e);
	if (got)
		return err_at(e, digest_at.text);
	got = parse_elsewhere(o, at, a, ret, e);
	if (got < 0)
		return got;
	ret->media_type = copied(a, media_type);
	ret->media = media_of(media_type);
	ret->size = size;
	return 0;
}

static int parse_platform(json_t *o, const struct json_at *at, struct arena *a,
			  struct platform *ret, struct err *e)
{
	const char *os = NULL, *architecture = NULL, *variant = NULL;
	int got;

	manifest_drop_nulls(o);
	got = json_get_string(o, at, "os", &os, e);
	if (got >= 0)
		got = json_get_string(o, at, "architecture", &architecture, e);
	if (got >= 0)
		got = json_get_string(o, at, "variant", &variant, e);
	if (got < 0)
		return got;
	ret->os = copied(a, os);
	ret->architecture = copied(a, architecture);
	ret->variant = copied(a, variant);
	return 0;
}

static int parse_annotations(json_t *o, const struct json_at *at, struct arena *a,
			     struct index_entry *ret, struct err *e)
{
	const char *ref = NULL, *containerd = NULL, *chain = NULL;
	int got;

	manifest_drop_nulls(o);
	got = json_get_string(o, at, "org.opencontainers.image.ref.name", &ref, e);
	if (got >= 0) /* ctr and docker write the full name here, and only the tag there */
		got = json_get_string(o, at, "io.containerd.image.name", &containerd, e);
	if (got >= 0)
		got = json_get_string(o, at, "io.kist.chain", &chain, e);
	if (got < 0)
		return got;
	if (containerd)
		ref = containerd;
	ret->ref_name = ref ? arena_strdup(a, ref) : NULL;
	ret->chain = chain ? arena_strdup(a, chain) : NULL;
	return 0;
}

/* 1: an entry of another world (a signature, an attestation), to be passed over. */
static int parse_entry(json_t *o, const struct json_at *at, struct arena *a,
		       struct index_entry *ret, struct err *e)
{
	struct json_at platform_at = json_at_key(at, "platform");
	struct json_at annotations_at = json_at_key(at, "annotations");
	json_t *platform = NULL, *annotations = NULL;
	const char *media_type = NULL;
	int got = must_be_object(o, at, e);

	if (got)
		return got;
	manifest_drop_nulls(o);
	got = json_require(json_get_string(o, at, "mediaType", &media_type, e), at, "mediaType", e);
	if (got < 0)
		return got;
	if (media_of(media_type) == MEDIA_OTHER)
		return 1;
	*ret = (struct index_entry){ .platform = { "", "", "" } };
	got = manifest_parse_descriptor(o, at, a, &ret->descriptor, e);
	if (got >= 0)
		got = json_get_object(o, at, "platform", &platform, e);
	if (got == 1)
		got = parse_platform(platform, &platform_at, a, &ret->platform, e);
	if (got >= 0)
		got = json_get_object(o, at, "annotations", &annotations, e);
	if (got == 1)
		got = parse_annotations(annotations, &annotations_at, a, ret, e);
	return got < 0 ? got : 0;
}

int manifest_parse_index(json_t *document, struct arena *a, struct image_index *ret, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "manifests"), entry_at;
	struct image_index index = { 0 };
	json_t *entries = NULL;
	int error = check_document(document, MEDIA_INDEX, e);
	size_t i;

	if (error)
		return error;
	error = json_get_array(document, &root, "manifests", &entries, e);
	if (error < 0)
		return error;
	if (json_array_size(entries) > MANIFEST_ENTRIES_MAX)
		return json_bad(e, &at, "has more than %d entries", MANIFEST_ENTRIES_MAX);
	index.entries = arena_array(a, json_array_size(entries) + 1, sizeof(*index.entries));
	if (index.entries == NULL)
		return err_set(e, ENOMEM, "no memory for an index");
	for (i = 0; i < json_array_size(entries); i++) {
		entry_at = json_at_index(&at, i);
		error = parse_entry(json_array_get(entries, i), &entry_at, a,
				    &index.entries[index.count], e);
		if (error < 0)
			return error;
		if (error)
			index.skipped++;
		else
			index.count++;
	}
	*ret = index;
	return arena_failed(a) ? err_set(e, ENOMEM, "no memory for an index") : 0;
}

static int parse_layers(json_t *layers, struct arena *a, struct image_manifest *m, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "layers"), layer_at;
	size_t i, count = json_array_size(layers);
	int error;

	if (count == 0)
		return json_bad(e, &at, "is empty: an image without layers cannot run");
	if (count > MANIFEST_LAYERS_MAX)
		return json_bad(e, &at, "has %zu layers (limit %d)", count, MANIFEST_LAYERS_MAX);
	m->layers = arena_array(a, count, sizeof(*m->layers));
	if (m->layers == NULL)
		return err_set(e, ENOMEM, "no memory for a manifest");
	for (i = 0; i < count; i++) {
		layer_at = json_at_index(&at, i);
		error = manifest_parse_descriptor(json_array_get(layers, i), &layer_at, a, &m->layers[i], e);
		if (error)
			return error;
		if (m->layers[i].media != MEDIA_LAYER)
			return json_bad(e, &layer_at, "\"%.100s\" is no layer type kist knows",
					m->layers[i].media_type);
	}
	m->layer_count = count;
	return 0;
}

int manifest_parse(json_t *document, struct arena *a, struct image_manifest *ret, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "config");
	struct image_manifest m = { 0 };
	json_t *config = NULL, *layers = NULL;
	int got = check_document(document, MEDIA_MANIFEST, e);

	if (got)
		return got;
	got = json_require(json_get_object(document, &root, "config", &config, e), &root, "config",
			   e);
	if (got < 0)
		return got;
	got = manifest_parse_descriptor(config, &at, a, &m.config, e);
	if (got < 0)
		return got;
	if (m.config.media != MEDIA_CONFIG) {
		json_bad(e, &at, "\"%.100s\" is an artifact, not an image's config",
			 m.config.media_type);
		return err_fix(e, "its files: kist image pull --artifact --output DIR REFERENCE");
	}
	got = json_require(json_get_array(document, &root, "layers", &layers, e), &root, "layers",
			   e);
	if (got < 0)
		return got;
	got = parse_layers(layers, a, &m, e);
	if (got)
		return got;
	*ret = m;
	return arena_failed(a) ? err_set(e, ENOMEM, "no memory for a manifest") : 0;
}
