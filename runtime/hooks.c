/*
 * hooks.c - parses /hooks of config.json, and makes the state that hooks read. No syscalls.
 */
#include "runtime/hooks.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "runtime/process.h"
#include "runtime/spec.h"

const char *const hook_kind_names[HOOK_KINDS] = {
	"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
};

static int parse_path(const json_t *o, const struct json_at *at, struct arena *a, struct hook *ret,
		      struct err *e)
{
	struct json_at here = json_at_key(at, "path");
	const char *path;
	int r = json_require(json_get_string(o, at, "path", &path, e), at, "path", e);

	if (r < 0)
		return r;
	if (path[0] != '/')
		return json_bad(e, &here, "must be an absolute path");
	if (strlen(path) >= PATH_MAX)
		return json_bad(e, &here, "is longer than %d bytes", PATH_MAX - 1);
	ret->path = arena_strdup(a, path);
	return ret->path ? 0 : err_set(e, ENOMEM, "%s", here.text);
}

/* Without args the path alone: an empty argv is nothing a program expects. */
static int parse_args(const json_t *o, const struct json_at *at, struct arena *a, struct hook *ret,
		      struct err *e)
{
	struct json_at here = json_at_key(at, "args");
	size_t count = 0;
	int r = json_get_strings(o, at, "args", a, &ret->args, &count, e);

	if (r < 0)
		return r;
	if (count)
		return process_check_strings(ret->args, count, &here, e);
	ret->args = arena_array(a, 2, sizeof *ret->args);
	if (!ret->args)
		return err_set(e, ENOMEM, "%s", here.text);
	ret->args[0] = arena_strdup(a, ret->path);
	return ret->args[0] ? 0 : err_set(e, ENOMEM, "%s", here.text);
}

static int parse_env(const json_t *o, const struct json_at *at, struct arena *a, struct hook *ret,
		     struct err *e)
{
	struct json_at here = json_at_key(at, "env");
	size_t count = 0;
	int r = json_get_strings(o, at, "env", a, &ret->env, &count, e);

	if (r < 0)
		return r;
	if (r == 0) {
		ret->env = arena_array(a, 1, sizeof *ret->env);
		return ret->env ? 0 : err_set(e, ENOMEM, "%s", here.text);
	}
	for (size_t i = 0; i < count; i++) {
		struct json_at item = json_at_index(&here, i);
		const char *equals = strchr(ret->env[i], '=');

		if (!equals || equals == ret->env[i])
			return json_bad(e, &item, "must be NAME=value");
	}
	return process_check_strings(ret->env, count, &here, e);
}

static int parse_hook(const json_t *o, const struct json_at *at, struct arena *a, struct hook *ret,
		      struct err *e)
{
	int r;

	if (!json_is_object(o))
		return json_bad(e, at, "must be an object");
	ret->why = arena_strdup(a, at->text);
	if (!ret->why)
		return err_set(e, ENOMEM, "%s", at->text);
	r = parse_path(o, at, a, ret, e);
	if (r == 0)
		r = parse_args(o, at, a, ret, e);
	if (r == 0)
		r = parse_env(o, at, a, ret, e);
	if (r == 0)
		r = json_get_int(o, at, "timeout", 1, HOOK_TIMEOUT_SECONDS_MAX, &ret->timeout, e);
	return r < 0 ? r : 0;
}

static int parse_kind(const json_t *hooks, const struct json_at *at, enum hook_kind kind,
		      struct arena *a, struct hooks_spec *s, struct err *e)
{
	struct json_at here = json_at_key(at, hook_kind_names[kind]);
	json_t *array, *v;
	size_t i;
	int r = json_get_array(hooks, at, hook_kind_names[kind], &array, e);

	if (r <= 0)
		return r;
	if (json_array_size(array) > HOOKS_MAX)
		return json_bad(e, &here, "has %zu hooks, more than the limit of %d",
				json_array_size(array), HOOKS_MAX);
	s->list[kind] = arena_array(a, json_array_size(array) + 1, sizeof **s->list);
	if (!s->list[kind])
		return err_set(e, ENOMEM, "%s", here.text);
	json_array_foreach(array, i, v)
	{
		struct json_at item = json_at_index(&here, i);

		r = parse_hook(v, &item, a, &s->list[kind][i], e);
		if (r < 0)
			return r;
		s->count[kind]++;
	}
	return 0;
}

static int parse_outputs(const json_t *config, struct arena *a, struct hooks_spec *s, struct err *e)
{
	static const char *const keys[HOOK_OUTPUTS] = { HOOK_ANNOTATION_STDOUT,
							HOOK_ANNOTATION_STDERR };
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "annotations");
	json_t *annotations = NULL;
	int r = json_get_object(config, &root, "annotations", &annotations, e);

	for (int i = 0; r > 0 && i < HOOK_OUTPUTS; i++) {
		struct json_at here = json_at_key(&at, keys[i]);
		const char *path = NULL;

		r = json_get_string(annotations, &at, keys[i], &path, e);
		if (r > 0 && path[0] != '/')
			return json_bad(e, &here, "must be absolute");
		if (r > 0)
			s->output[i] = arena_strdup(a, path);
		r = r < 0 ? r : 1;
	}
	return r;
}

int hooks_parse(const json_t *config, struct arena *a, struct hooks_spec *ret, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "hooks");
	struct hooks_spec s = { 0 };
	json_t *hooks = NULL;
	int r = json_get_object(config, &root, "hooks", &hooks, e);

	for (int kind = 0; r > 0 && kind < HOOK_KINDS; kind++) {
		r = parse_kind(hooks, &at, kind, a, &s, e);
		if (r < 0)
			return r;
		r = 1;
	}
	if (r >= 0)
		r = parse_outputs(config, a, &s, e);
	if (r < 0)
		return r;
	*ret = s;
	return 0;
}

/* A value as JSON text in the arena; takes over the reference. */
static const char *json_text(struct arena *a, json_t *value)
{
	_cleanup_free_ char *text =
		value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	json_decref(value);
	return text ? arena_strdup(a, text) : NULL;
}

int hook_state_make(struct arena *a, const char *id, const char *bundle, const json_t *config,
		    struct hook_state *ret, struct err *e)
{
	json_t *annotations = json_object_get(config, "annotations");
	const char *id_text = json_text(a, json_string(id));
	const char *bundle_text = json_text(a, json_string(bundle));
	const char *more = json_text(a, annotations ? json_incref(annotations) : json_object());
	struct hook_state s = { 0 };

	if (id_text && bundle_text && more) {
		s.head = arena_printf(a, "{\"ociVersion\":\"%s\",\"id\":%s,\"status\":",
				      SPEC_OCI_VERSION, id_text);
		s.tail = arena_printf(a, ",\"bundle\":%s,\"annotations\":%s}", bundle_text, more);
	}
	if (!s.head || !s.tail)
		return err_set(e, ENOMEM, "the state for hooks (is the bundle's path UTF-8?)");
	*ret = s;
	return 0;
}
