/*
 * hot_mounts.c - mounts added to a container that lives, and taken off again.
 *
 * A plan like any other, of host steps only. What was added is remembered in state.json, with the
 * mount's id: nothing else is ever taken off.
 */
#include "runtime/runtime.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/json.h"
#include "runtime/publish.h"

#define ADDED_MAX 1000

static int open_living(int root, const char *id, const struct host *h, struct container *c,
		       struct err *e)
{
	int r;

	if (!h->root)
		return err_say(e, EPERM, "mounting into a container that runs needs root");
	r = container_open(root, id, true, c, e);
	if (r == 0 && c->pidfd < 0)
		return err_say(e, ESRCH, "the container is not running");
	return r;
}

static unsigned int namespaces_of(const struct container *c)
{
	return (unsigned int)json_integer_value(json_object_get(c->state, "namespaces"));
}

static json_t *added_of(const struct container *c)
{
	json_t *added = json_object_get(c->state, "addedMounts");

	if (json_is_array(added))
		return added;
	json_object_set_new(c->state, "addedMounts", json_array());
	return json_object_get(c->state, "addedMounts");
}

/* The last one that was added there; -1: none. */
static int find_added(json_t *added, const char *destination)
{
	for (int i = (int)json_array_size(added) - 1; i >= 0; i--) {
		const char *at = json_string_value(
			json_object_get(json_array_get(added, (size_t)i), "destination"));

		if (at && strcmp(at, destination) == 0)
			return i;
	}
	return -1;
}

static int walk(struct plan *p, const struct runtime_hooks_in *in, struct run *run, struct err *e)
{
	int r = plan_check(p, e);

	if (r < 0)
		return r;
	run_init(run, p);
	run->report = in->report;
	run->user = in->user;
	run->fault_step = in->fault_step;
	run->fault_error = in->fault_error;
	/* In the container's mount namespace nobody of it may attach to us. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	r = run_walk(run, e);
	/* Out of the container's mount namespace; what follows goes by fds in any case. */
	for (int i = 0; r == 0 && i < p->home_count; i++)
		setns(run_slot(run, p->homes[i]), 0);
	if (r < 0)
		run_close(run);
	return r;
}

int runtime_mount_add(int root, const char *id, const json_t *mount, const char *cwd,
		      const struct host *h, const struct runtime_hooks_in *in, struct err *e)
{
	_cleanup_container_ struct container c = CONTAINER_INIT;
	struct arena a = ARENA_INIT;
	struct ns_mount m;
	struct ns_hot hot;
	struct plan p;
	struct run run;
	json_t *added;
	int slot_id = -1, r = open_living(root, id, h, &c, e);

	if (r == 0)
		r = ns_parse_hot(mount, cwd, namespaces_of(&c) & CLONE_NEWUSER, &a, &m, e);
	if (r == 0 && json_array_size(added_of(&c)) >= ADDED_MAX)
		r = err_say(e, E2BIG, "%d mounts were added already", ADDED_MAX);
	if (r == 0) {
		plan_init(&p, &a);
		hot = (struct ns_hot){ c.pid, publish_plan_given_fd(&p, "container", c.pidfd) };
		slot_id = ns_plan_hot_add(&p, &hot, &m);
		r = walk(&p, in, &run, e);
	}
	if (r == 0) {
		added = json_pack("{s:s, s:s, s:i, s:b}", "destination", m.destination, "source",
				  m.source, "mountId", run_slot(&run, slot_id), "nofollow",
				  m.flags.target_nofollow);
		json_array_append_new(added_of(&c), added);
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
	struct arena a = ARENA_INIT;
	struct ns_hot hot;
	struct plan p;
	struct run run;
	json_t *added = NULL, *mount;
	char *plain;
	int found = -1, r = open_living(root, id, h, &c, e);

	plain = ns_path_normalise(destination, &a);
	if (r == 0 && !plain)
		r = err_say(e, ENAMETOOLONG, "the destination is longer than a path may be");
	if (r == 0) {
		added = added_of(&c);
		found = find_added(added, plain);
	}
	if (r == 0 && found < 0)
		r = err_say(e, ENOENT, "%s: no mount was added there", plain);
	if (r == 0) {
		plan_init(&p, &a);
		hot = (struct ns_hot){ c.pid, publish_plan_given_fd(&p, "container", c.pidfd) };
		mount = json_array_get(added, (size_t)found);
		ns_plan_hot_remove(&p, &hot, plain, json_is_true(json_object_get(mount, "nofollow")),
				   (int)json_integer_value(json_object_get(mount, "mountId")));
		r = walk(&p, in, &run, e);
	}
	if (r == 0) {
		run_close(&run);
		json_array_remove(added, (size_t)found);
		r = container_write_state(c.dir, c.state, e);
	}
	arena_free(&a);
	return r;
}
