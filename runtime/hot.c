/*
 * hot.c - what the verbs share that change a container while it lives.
 */
#include "runtime/hot.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/json.h"
#include "runtime/publish.h"

int hot_open(int root, const char *id, const char *what, const struct host *h, struct container *c,
	     struct err *e)
{
	int r;

	if (!h->root)
		return err_say(e, EPERM, "%s a container that runs needs root", what);
	r = container_open(root, id, true, c, e);
	if (r == 0 && c->pidfd < 0)
		return err_say(e, ESRCH, "the container is not running");
	return r;
}

int hot_spec(const struct container *c, struct arena *a, json_t **ret_config, struct ns_spec *ret,
	     struct err *e)
{
	int r = json_read_file(c->dir, "config.json", ret_config, e);

	return r < 0 ? r
		     : ns_parse(*ret_config, json_string_value(json_object_get(c->state, "bundle")),
				a, ret, e);
}

struct ns_hot hot_target(const struct container *c, const struct ns_spec *s, struct plan *p)
{
	struct ns_hot hot = { .pid = c->pid,
			      .slot_pidfd = publish_plan_given_fd(p, "container", c->pidfd) };

	ns_host_root(s, &hot.root_uid, &hot.root_gid);
	return hot;
}

json_t *hot_list(const struct container *c, const char *key)
{
	json_t *list = json_object_get(c->state, key);

	if (json_is_array(list))
		return list;
	json_object_set_new(c->state, key, json_array());
	return json_object_get(c->state, key);
}

int hot_find(const json_t *list, const char *key, const char *text)
{
	for (int i = (int)json_array_size(list) - 1; i >= 0; i--) {
		const char *at =
			json_string_value(json_object_get(json_array_get(list, (size_t)i), key));

		if (at && strcmp(at, text) == 0)
			return i;
	}
	return -1;
}

int hot_walk(struct plan *p, const struct runtime_hooks_in *in, struct run *run, struct err *e)
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
