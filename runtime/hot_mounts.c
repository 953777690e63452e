/*
 * hot_mounts.c - mounts added to a container that lives, and taken off again.
 *
 * A plan like any other, of host steps only. What was added is remembered in state.json, with the
 * mount's id: nothing else is ever taken off.
 */
#include "runtime/hot.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"

#define ADDED_MAX 1000

int runtime_mount_add(int root, const char *id, const json_t *mount, const char *cwd,
		      const struct host *h, const struct runtime_hooks_in *in, struct err *e)
{
	_cleanup_container_ struct container c = CONTAINER_INIT;
	struct arena a = ARENA_INIT;
	_cleanup_json_ json_t *config = NULL;
	struct ns_spec spec = { 0 };
	struct ns_mount m;
	struct ns_hot hot;
	struct plan p;
	struct run run;
	json_t *added;
	int slot_id = -1, r = hot_open(root, id, "mounting into", h, &c, e);

	if (r == 0)
		r = hot_spec(&c, &a, &config, &spec, e);
	if (r == 0)
		r = ns_parse_hot(mount, cwd, ns_has_userns(&spec), &a, &m, e);
	if (r == 0 && json_array_size(hot_list(&c, "addedMounts")) >= ADDED_MAX)
		r = err_say(e, E2BIG, "%d mounts were added already", ADDED_MAX);
	if (r == 0) {
		plan_init(&p, &a);
		hot = hot_target(&c, &spec, &p);
		slot_id = ns_plan_hot_add(&p, &hot, &m);
		r = hot_walk(&p, in, &run, e);
	}
	if (r == 0) {
		added = json_pack("{s:s, s:s, s:i, s:b}", "destination", m.destination, "source",
				  m.source, "mountId", run_slot(&run, slot_id), "nofollow",
				  m.flags.target_nofollow);
		json_array_append_new(hot_list(&c, "addedMounts"), added);
		run_close(&run);
		r = container_write_state(c.dir, c.state, e);
	}
	arena_free(&a);
	return r;
}

int runtime_mount_remove(int root, const char *id, const char *destination, const struct host *h,
			 const struct runtime_hooks_in *in, struct err *e)
{
	_cleanup_container_ struct container c = CONTAINER_INIT;
	_cleanup_json_ json_t *config = NULL;
	struct ns_spec spec = { 0 };
	struct arena a = ARENA_INIT;
	struct ns_hot hot;
	struct plan p;
	struct run run;
	json_t *added = NULL, *mount;
	char *plain;
	int found = -1, r = hot_open(root, id, "mounting into", h, &c, e);

	if (r == 0)
		r = hot_spec(&c, &a, &config, &spec, e);
	plain = ns_path_normalise(destination, &a);
	if (r == 0 && !plain)
		r = err_say(e, ENAMETOOLONG, "the destination is longer than a path may be");
	if (r == 0) {
		added = hot_list(&c, "addedMounts");
		found = hot_find(added, "destination", plain);
	}
	if (r == 0 && found < 0)
		r = err_say(e, ENOENT, "%s: no mount was added there", plain);
	if (r == 0) {
		plan_init(&p, &a);
		hot = hot_target(&c, &spec, &p);
		mount = json_array_get(added, (size_t)found);
		ns_plan_hot_remove(&p, &hot, plain, json_is_true(json_object_get(mount, "nofollow")),
				   (int)json_integer_value(json_object_get(mount, "mountId")));
		r = hot_walk(&p, in, &run, e);
	}
	if (r == 0) {
		run_close(&run);
		json_array_remove(added, (size_t)found);
		r = container_write_state(c.dir, c.state, e);
	}
	arena_free(&a);
	return r;
}
