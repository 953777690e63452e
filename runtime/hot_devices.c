/*
 * hot_devices.c - devices given to a container that lives, and taken away again.
 *
 * Two things make one usable: its node, and a rule in the cgroup's device filter. The list in
 * state.json is written first: whatever happens after that, a removal finds what was begun, and
 * makes the filter anew of config.json's rules and those of the list that are left.
 */
#include "runtime/hot.h"

#include <errno.h>

#include "base/json.h"
#include "cgroup/cgroup.h"

#define LIST	  "addedDevices"
#define ADDED_MAX 200

struct change {
	struct container c;
	struct arena a;
	json_t *config, *list;
	struct ns_spec ns;
	struct ns_device device;
	struct ns_hot hot;
	const struct host *h;
	const struct runtime_hooks_in *in;
};
#define CHANGE_INIT                                                                                \
	{                                                                                          \
		.c = CONTAINER_INIT, .a = ARENA_INIT                                               \
	}

static void change_end(struct change *ch)
{
	json_decref(ch->config);
	arena_free(&ch->a);
	container_close(&ch->c);
}

static int change_begin(struct change *ch, int root, const char *id, const struct host *h,
			const struct runtime_hooks_in *in, struct err *e)
{
	int r = hot_open(root, id, "giving a device to", h, &ch->c, e);

	if (r < 0)
		return r;
	ch->h = h;
	ch->in = in;
	ch->list = hot_list(&ch->c, LIST);
	return hot_spec(&ch->c, &ch->a, &ch->config, &ch->ns, e);
}

static json_t *rule_of(const json_t *added)
{
	return json_pack("{s:b, s:O, s:O, s:O, s:O}", "allow", 1, "type",
			 json_object_get(added, "type"), "major", json_object_get(added, "major"),
			 "minor", json_object_get(added, "minor"), "access",
			 json_object_get(added, "access"));
}

/* The configuration's rules, then one for each device of the list. No rules: no filter. */
static int parse_rules(struct change *ch, struct cgroup_spec *ret, struct err *e)
{
	const json_t *linux_object = json_object_get(ch->config, "linux");
	const json_t *resources = json_object_get(linux_object, "resources");
	const json_t *config = json_object_get(resources, "devices");
	_cleanup_json_ json_t *all =
		json_pack("{s:o}", "devices", config ? json_deep_copy(config) : json_array());
	json_t *rules = json_object_get(all, "devices"), *added;
	const struct json_at at = JSON_AT_ROOT;
	size_t i;

	if (json_array_size(config)) {
		json_array_foreach(ch->list, i, added) json_array_append_new(rules, rule_of(added));
	}
	return cgroup_parse_resources(all, &at, &ch->a, ret, e);
}

/* Nodes can be made, unless the container's user namespace, or the host itself, keeps it from it.
 */
static bool is_bound(const struct change *ch)
{
	return ns_has_userns(&ch->ns) || ch->h->no_mknod;
}

static void begin_plan(struct change *ch, struct plan *p)
{
	plan_init(p, &ch->a);
	ch->hot = hot_target(&ch->c, &ch->ns, p);
}

/* The filter first: when the node fails, which is one step, the filter alone is to be taken back.
 */
static int put_in(struct change *ch, const char *source, json_t *added, struct err *e)
{
	struct cgroup_filter filter;
	struct cgroup_spec rules = { 0 };
	struct plan p;
	struct run run;
	int slot, r = parse_rules(ch, &rules, e);

	if (r < 0)
		return r;
	begin_plan(ch, &p);
	plan_scope(&p, "", ch->device.path);
	cgroup_plan_filter_load(&p, &rules, ch->c.cgroup, &filter);
	cgroup_plan_filter_replace(&p, &filter);
	slot = is_bound(ch) ? ns_plan_hot_bound(&p, &ch->hot, &ch->device, source)
			    : ns_plan_hot_node(&p, &ch->hot, &ch->device);
	r = hot_walk(&p, ch->in, &run, e);
	if (r < 0)
		return r;
	if (is_bound(ch))
		json_object_set_new(added, "mountId", json_integer(run_slot(&run, slot)));
	else
		json_object_set_new(added, "made", json_boolean(run_slot(&run, slot)));
	run_close(&run);
	return 0;
}

/* The filter first: what can't be opened any more may as well be seen for a moment. */
static int take_out(struct change *ch, const json_t *added, const struct runtime_hooks_in *in,
		    struct err *e)
{
	int mount_id = (int)json_integer_value(json_object_get(added, "mountId"));
	struct cgroup_filter filter;
	struct cgroup_spec rules = { 0 };
	struct plan p;
	struct run run;
	int r = parse_rules(ch, &rules, e);

	if (r < 0)
		return r;
	begin_plan(ch, &p);
	plan_scope(&p, "", ch->device.path);
	cgroup_plan_filter_load(&p, &rules, ch->c.cgroup, &filter);
	cgroup_plan_filter_replace(&p, &filter);
	if (!filter.none)
		plan_on_skip_here(&p, filter.find_step, ENOENT);
	if (mount_id)
		ns_plan_hot_remove(&p, &ch->hot, ch->device.path, true, mount_id);
	else if (!json_is_false(json_object_get(added, "made")) && !is_bound(ch))
		ns_plan_hot_unnode(&p, &ch->hot, &ch->device);
	r = hot_walk(&p, in, &run, e);
	if (r == 0)
		run_close(&run);
	return r;
}

/* After a failure: as it was, as far as that goes. */
static void take_back(struct change *ch, json_t *added)
{
	const struct runtime_hooks_in quiet = { .fault_step = -1 };
	struct err e = ERR_INIT;

	json_incref(added);
	json_array_remove(ch->list, json_array_size(ch->list) - 1);
	if (!json_object_get(added, "mountId") && !json_object_get(added, "made"))
		json_object_set_new(added, "made",
				    json_false()); /* the step that failed was the last */
	if (take_out(ch, added, &quiet, &e) == 0)
		container_write_state(ch->c.dir, ch->c.state, &e);
	json_decref(added);
}

int runtime_device_add(int root, const char *id, const json_t *device, const char *source,
		       const char *access, const struct host *h, const struct runtime_hooks_in *in,
		       struct err *e)
{
	struct change ch = CHANGE_INIT;
	json_t *added = NULL;
	int r = change_begin(&ch, root, id, h, in, e);

	if (r == 0)
		r = ns_parse_hot_device(device, &ch.ns, &ch.a, &ch.device, e);
	if (r == 0 && hot_find(ch.list, "path", ch.device.path) >= 0)
		r = err_say(e, EEXIST, "%s: a device was added there already", ch.device.path);
	if (r == 0 && json_array_size(ch.list) >= ADDED_MAX)
		r = err_say(e, E2BIG, "%d devices were added already", ADDED_MAX);
	if (r == 0) {
		added = json_deep_copy(device);
		json_object_set_new(added, "path", json_string(ch.device.path));
		json_object_set_new(added, "access", json_string(access));
		json_array_append_new(ch.list, added);
		r = container_write_state(ch.c.dir, ch.c.state, e);
		if (r == 0)
			r = put_in(&ch, source, added, e);
		if (r == 0)
			r = container_write_state(ch.c.dir, ch.c.state, e);
		if (r < 0)
			take_back(&ch, added);
	}
	change_end(&ch);
	return r;
}

int runtime_device_remove(int root, const char *id, const char *path, const struct host *h,
			  const struct runtime_hooks_in *in, struct err *e)
{
	struct change ch = CHANGE_INIT;
	json_t *added = NULL;
	char *plain;
	int found = -1, r = change_begin(&ch, root, id, h, in, e);

	plain = ns_path_normalise(path, &ch.a);
	if (r == 0 && !plain)
		r = err_say(e, ENAMETOOLONG, "the path is longer than a path may be");
	if (r == 0)
		found = hot_find(ch.list, "path", plain);
	if (r == 0 && found < 0)
		r = err_say(e, ENOENT, "%s: no device was added there", plain);
	if (r == 0) {
		added = json_incref(json_array_get(ch.list, (size_t)found));
		r = ns_parse_hot_device(added, &ch.ns, &ch.a, &ch.device, e);
	}
	if (r == 0) {
		json_array_remove(ch.list, (size_t)found);
		r = take_out(&ch, added, in, e);
	}
	if (r == 0)
		r = container_write_state(ch.c.dir, ch.c.state, e);
	json_decref(added);
	change_end(&ch);
	return r;
}
