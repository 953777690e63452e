/*
 * bundle-config.c - from an image's configuration to a runtime's (conversion.md). Pure.
 */
#include <errno.h>
#include <string.h>
#include "base/arena.h"
#include "base/json.h"
#include "image/bundle.h"
#include "image/manifest.h"

#define ANNOTATION "org.opencontainers.image."

static json_t *strings(char *const *list)
{
	json_t *array = json_array();

	for (; list && *list; list++)
		json_array_append_new(array, json_string(*list));
	return array;
}

static bool names(const json_t *env, const char *variable)
{
	size_t i, len = strlen(variable);

	for (i = 0; i < json_array_size(env); i++) {
		const char *text = json_string_value(json_array_get(env, i));

		if (text && strncmp(text, variable, len) == 0 && text[len] == '=')
			return true;
	}
	return false;
}

/* The image's first; what the base has, and HOME, only where the image says nothing. */
static json_t *environment(json_t *base, const struct image_config *c,
			   const struct bundle_user *user, bool terminal)
{
	json_t *env = strings(c->env);
	size_t i;

	for (i = 0; i < json_array_size(base); i++) {
		const char *text = json_string_value(json_array_get(base, i));
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(text, "="), text);
		if (!names(env, name) && (terminal || strcmp(name, "TERM") != 0))
			json_array_append_new(env, json_string(text));
	}
	if (!names(env, "HOME") && user->home[0])
		json_array_append_new(env, json_sprintf("HOME=%s", user->home));
	return env;
}

/* docker's rule: arguments replace Cmd and follow Entrypoint. */
static int set_args(json_t *process, const struct image_config *c, const char *const *args,
		    struct err *e)
{
	json_t *list = strings(c->entrypoint);
	json_t *rest = strings(args && args[0] ? (char *const *)args : c->cmd);

	json_array_extend(list, rest);
	json_decref(rest);
	json_object_set_new(process, "args", list);
	if (json_array_size(list) > 0)
		return 0;
	err_say(e, EINVAL, "the image names no command");
	return err_fix(e, "name one: kist image bundle REFERENCE DIR -- COMMAND [ARG...]");
}

static int set_process(json_t *process, const struct image_config *c,
		       const struct bundle_user *user, const char *const *args, bool terminal,
		       struct err *e)
{
	json_t *gids = json_array(), *who;
	size_t i;

	for (i = 0; i < user->gid_count; i++)
		json_array_append_new(gids, json_integer(user->gids[i]));
	who = json_pack("{s:I, s:I}", "uid", (json_int_t)user->uid, "gid", (json_int_t)user->gid);
	if (user->gid_count)
		json_object_set(who, "additionalGids", gids);
	json_decref(gids);
	json_object_set_new(process, "user", who);
	json_object_set_new(process, "terminal", json_boolean(terminal));
	json_object_set_new(process, "cwd",
			    c->workdir[0] == '/' ? json_string(c->workdir)
						 : json_sprintf("/%s", c->workdir));
	json_object_set_new(process, "env",
			    environment(json_object_get(process, "env"), c, user, terminal));
	return set_args(process, c, args, e);
}

static int annotate(json_t *annotations, json_t *from, const struct json_at *at, const char *key,
		    const char *as, struct err *e)
{
	const char *text = NULL;
	int got = json_get_string(from, at, key, &text, e);

	if (got < 0 || text == NULL || text[0] == '\0')
		return got < 0 ? got : 0;
	json_object_set_new(annotations, as, json_string(text));
	return 0;
}

/* "80/tcp,443/tcp": the keys of an object, or the words of a list. */
static int annotate_words(json_t *annotations, json_t *words, const char *as,
			  const struct json_at *at, struct err *e)
{
	json_t *joined = json_string(""), *value;
	const char *key;
	size_t i;

	json_object_foreach(words, key, value)
	{
		json_t *more = json_sprintf("%s%s%s", json_string_value(joined),
					    json_string_length(joined) ? "," : "", key);

		json_decref(joined);
		joined = more;
	}
	json_array_foreach(words, i, value)
	{
		json_t *more = json_sprintf("%s%s%s", json_string_value(joined), i ? "," : "",
					    json_is_string(value) ? json_string_value(value) : "");

		json_decref(joined);
		joined = more;
		if (!json_is_string(value)) {
			json_decref(joined);
			return json_bad(e, at, "must be strings");
		}
	}
	if (json_string_length(joined))
		json_object_set(annotations, as, joined);
	json_decref(joined);
	return 0;
}

bool bundle_is_order(const char *annotation)
{
	static const char *const prefixes[] = { "org.kist.",	"io.kist.",	"run.oci.",	"org.systemd.property.",
						"org.criu.",	"module.wasm.", "io.katacontainers.",
						"io.containerd.", "io.podman.",	"io.crun." };
	size_t i;

	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncmp(annotation, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static int add_labels(json_t *annotations, json_t *labels, const struct json_at *at,
		      size_t *ret_left_out, struct err *e)
{
	const char *key;
	json_t *value;

	json_object_foreach(labels, key, value)
	{
		struct json_at label = json_at_key(at, key);

		if (!json_is_string(value))
			return json_bad(e, &label, "must be a string");
		if (key[0] == '\0')
			return json_bad(e, at, "a label without a name");
		if (bundle_is_order(key))
			(*ret_left_out)++;
		else
			json_object_set(annotations, key, value);
	}
	return 0;
}

/* Volumes: their content is not the image's; they begin with what the image has there. */
static int add_volumes(json_t *spec, json_t *volumes, const struct json_at *at, struct err *e)
{
	json_t *mounts = json_object_get(spec, "mounts"), *value;
	const char *key;

	json_object_foreach(volumes, key, value)
	{
		struct json_at volume = json_at_key(at, key);

		if (key[strspn(key, "/.")] == '\0' || strstr(key, ".."))
			return json_bad(e, &volume, "is no place for a volume");
		json_array_append_new(
			mounts,
			json_pack("{s:o, s:s, s:s, s:[s,s,s,s,s]}", "destination",
				  key[0] == '/' ? json_string(key) : json_sprintf("/%s", key),
				  "type", "tmpfs", "source", "tmpfs", "options", "rw", "nosuid",
				  "nodev", "relatime", "tmpcopyup"));
	}
	return 0;
}

static int add_annotations(json_t *spec, json_t *image, json_t *run, size_t *ret_left_out,
			   struct err *e)
{
	static const char *const top[][2] = {
		{ "os", ANNOTATION "os" },	     { "architecture", ANNOTATION "architecture" },
		{ "variant", ANNOTATION "variant" }, { "os.version", ANNOTATION "os.version" },
		{ "author", ANNOTATION "author" },   { "created", ANNOTATION "created" }
	};
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "config");
	struct json_at labels_at = json_at_key(&at, "Labels"),
		       volumes_at = json_at_key(&at, "Volumes");
	struct json_at features_at = json_at_key(&root, "os.features");
	struct json_at ports_at = json_at_key(&at, "ExposedPorts");
	json_t *annotations = json_object(), *ports = NULL, *labels = NULL, *volumes = NULL,
	       *features = NULL;
	int got = 0;
	size_t i;

	json_object_set_new(spec, "annotations", annotations);
	for (i = 0; i < sizeof(top) / sizeof(top[0]) && got >= 0; i++)
		got = annotate(annotations, image, &root, top[i][0], top[i][1], e);
	if (got >= 0)
		got = json_get_array(image, &root, "os.features", &features, e);
	if (got > 0)
		got = annotate_words(annotations, features, ANNOTATION "os.features", &features_at,
				     e);
	if (got >= 0)
		got = annotate(annotations, run, &at, "StopSignal", ANNOTATION "stopSignal", e);
	if (got >= 0)
		got = json_get_object(run, &at, "ExposedPorts", &ports, e);
	if (got > 0)
		got = annotate_words(annotations, ports, ANNOTATION "exposedPorts", &ports_at, e);
	if (got >= 0)
		got = json_get_object(run, &at, "Labels", &labels, e);
	if (got > 0) /* last: an explicit label wins */
		got = add_labels(annotations, labels, &labels_at, ret_left_out, e);
	if (got >= 0)
		got = json_get_object(run, &at, "Volumes", &volumes, e);
	if (got > 0)
		got = add_volumes(spec, volumes, &volumes_at, e);
	return got < 0 ? got : 0;
}

int bundle_convert(json_t *spec, json_t *image_config, const struct bundle_user *user,
		   const char *const *args, bool terminal, size_t *ret_left_out, struct err *e)
{
	json_t *run = json_object_get(image_config, "config"), *none = NULL;
	struct arena a = ARENA_INIT;
	struct image_config c;
	int error = manifest_parse_config(image_config, &a, &c, e);

	if (!json_is_object(run)) /* absent or null */
		run = none = json_object();
	manifest_drop_nulls(run);
	*ret_left_out = 0;
	if (!error)
		error = set_process(json_object_get(spec, "process"), &c, user, args, terminal, e);
	if (!error)
		error = add_annotations(spec, image_config, run, ret_left_out, e);
	json_object_set_new(json_object_get(spec, "root"), "readonly", json_false());
	json_decref(none);
	arena_free(&a);
	if (!error && json_out_of_memory)
		return err_set(e, ENOMEM, "no memory for the configuration");
	return error;
}
