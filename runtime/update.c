/*
 * update.c - other limits for a container that lives.
 *
 * The kept config.json follows, so that the next update, which may name but
 * half of what the kernel takes as one, knows the other half.
 */
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/json.h"
#include "cgroup/cgroup.h"
#include "cgroup/systemd.h"
#include "runtime/live.h"
#include "runtime/update_merge.h"

/* The update without device rules, which stay as they were at create: callers send all
 * resources back, those among them. New reference. */
static json_t *without_devices(const json_t *resources, const json_t *now,
			       void (*warn)(const char *text))
{
	json_t *update = json_deep_copy(resources);
	const json_t *devices = json_object_get(update, "devices");

	if (json_array_size(devices) && !json_equal(devices, json_object_get(now, "devices")))
		warn("/devices: the device rules stay as they were at create");
	json_object_del(update, "devices");
	return update;
}

/* `linux.resources` of the kept configuration, made if it is not there; borrowed. */
static json_t *kept_resources(json_t *config)
{
	static const char *const keys[] = { "linux", "resources" };
	json_t *o = config;

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		json_t *inner = json_object_get(o, keys[i]);

		if (!json_is_object(inner)) {
			inner = json_object();
			if (json_object_set_new(o, keys[i], inner) < 0)
				return NULL;
		}
		o = inner;
	}
	return o;
}

static int keep(const struct container *c, json_t *config, struct err *e)
{
	_cleanup_free_ char *text = json_dumps(config, JSON_COMPACT);

	if (!text)
		return err_set(e, ENOMEM, "config.json");
	return file_replace_at(c->dir, "config.json", text, strlen(text), 0600, false, e);
}

static int path_below_mount(const struct container *c, const struct host *h, const char **ret,
			    struct err *e)
{
	size_t length = strlen(h->cgroup_mount);

	if (!c->cgroup)
		return err_say(e, ENOENT, "the container has no cgroup of its own");
	if (strncmp(c->cgroup, h->cgroup_mount, length) != 0 || c->cgroup[length] != '/')
		return err_say(e, EINVAL, "its cgroup %.160s is not below %s", c->cgroup,
			       h->cgroup_mount);
	*ret = c->cgroup + length;
	return 0;
}

/* It writes the files again, from what it is told, in its own grain: ours go over that. */
static int tell_systemd(const char *unit, const struct cgroup_spec *spec, const struct host *h,
			const struct update_options *o, struct arena *a,
			const struct cgroup_update *done, struct err *e)
{
	struct cgroup_update again;
	int r = cgroup_systemd_update(unit, spec, e);

	if (r < 0)
		cgroup_update_undo(done, NULL);
	return r < 0 ? r : cgroup_update_apply(spec, h, o->watch, a, &again, e);
}

static int update_limits(const struct container *c, const json_t *update, const struct host *h,
			 const struct update_options *o, struct arena *a,
			 struct cgroup_update *ret, struct err *e)
{
	struct json_at root = JSON_AT_ROOT;
	struct cgroup_spec spec = { 0 };
	const char *unit = json_string_value(json_object_get(c->state, "systemdUnit"));
	int r = path_below_mount(c, h, &spec.path, e);

	if (r == 0)
		r = cgroup_parse_resources(update, &root, a, &spec, e);
	if (r == 0)
		r = cgroup_check(&spec, h, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < spec.warning_count; i++)
		o->warn(spec.warnings[i]);
	r = cgroup_update_apply(&spec, h, o->watch, a, ret, e);
	return r < 0 || !unit ? r : tell_systemd(unit, &spec, h, o, a, ret, e);
}

int runtime_update(int root, const char *id, const json_t *resources, const struct host *h,
		   const struct update_options *o, struct arena *a, struct err *e)
{
	_cleanup_container_ struct container c = CONTAINER_INIT;
	_cleanup_json_ json_t *config = NULL, *update = NULL;
	struct cgroup_update done;
	json_t *now;
	struct json_at at = JSON_AT_ROOT;
	int r = json_is_object(resources) ? container_open(root, id, true, &c, e)
					  : json_bad(e, &at, "must be an object");

	if (r < 0)
		return r;
	if (c.pidfd < 0)
		return err_say(e, EINVAL, "container not running");
	r = json_read_file(c.dir, "config.json", &config, e);
	if (r < 0)
		return r;
	now = kept_resources(config);
	update = now ? without_devices(resources, now, o->warn) : NULL;
	if (!update || update_fill(update, now) < 0)
		return err_set(e, ENOMEM, "limits");
	r = update_limits(&c, update, h, o, a, &done, e);
	if (r < 0)
		return r;
	if (update_merge(now, update) < 0)
		r = err_set(e, ENOMEM, "config.json");
	else
		r = keep(&c, config, e);
	if (r < 0)
		cgroup_update_undo(&done, NULL);
	return r;
}
