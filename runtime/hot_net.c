/*
 * hot_net.c - a container that runs joins a network, or leaves one.
 *
 * What delete must take back is added to the intent record first, as at create. A kill -9 in the middle
 * leaves an endpoint whose maker is dead: `kist net gc` takes that away, or delete does.
 */
#include "runtime/hot_net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "net/bridge.h"
#include "net/lease.h"
#include "net/takeover.h"
#include "runtime/caps.h"
#include "runtime/hot.h"
#include "runtime/record.h"

#define DEFAULT_ROOT "/run/kist"

const char *hot_net_realm(const char *root_path)
{
	return strcmp(root_path, DEFAULT_ROOT) == 0 ? NULL : root_path;
}

/* What the container sends is limited on its own end, which nothing of its own may change. */
static int parse_rate(const struct container_spec *s, const char *text, struct net_rate *ret,
		      struct err *e)
{
	int r = net_parse_rate(text, ret, e);

	if (r == 0 && ret->up && (s->process.caps.bounding & CAPS_BIT(CAP_NET_ADMIN))) {
		r = err_say(e, EINVAL, "up= would not hold: with CAP_NET_ADMIN the container can take it off");
		err_fix(e, "take CAP_NET_ADMIN out of /process/capabilities/bounding, or leave up= out");
	}
	return r < 0 ? err_at(e, "/annotations/" RATE_ANNOTATION) : 0;
}

int net_of_annotations(const struct container_spec *s, const struct host *h, const char *root_path,
		       struct net_spec *ret, struct arena *a, struct err *e)
{
	const json_t *all = json_object_get(s->config, "annotations");
	const char *net = json_string_value(json_object_get(all, NET_ANNOTATION));
	const char *publish = json_string_value(json_object_get(all, PUBLISH_ANNOTATION));
	const char *rate = json_string_value(json_object_get(all, RATE_ANNOTATION));
	struct net_spec spec = { .realm = hot_net_realm(root_path) };
	int r;

	if (!net && !publish && !rate)
		return 0;
	r = net_parse_annotations(net, publish, &spec, a, e);
	if (r == 0 && rate)
		r = parse_rate(s, rate, &spec.rate, e);
	if (r < 0)
		return r;
	if (net && spec.mode == NET_NONE && net[strspn(net, " \t\n")] == '\0') {
		err_say(e, EINVAL, "is empty");
		err_at(e, "/annotations/" NET_ANNOTATION);
		return err_fix(e, "leave it out, or say none");
	}
	if (spec.mode == NET_HOST) {
		err_say(e, EINVAL, "the host's network is no network to join");
		err_at(e, "/annotations/" NET_ANNOTATION);
		return err_fix(e, "leave {\"type\": \"network\"} out of /linux/namespaces");
	}
	if (spec.mode != NET_NONE && !(s->ns.new_namespaces & CLONE_NEWNET)) {
		err_say(e, EINVAL, "needs a network namespace of the container's own");
		err_at(e, "/annotations/" NET_ANNOTATION);
		return err_fix(e, "add {\"type\": \"network\"}, without a path, to /linux/namespaces%s",
			       spec.mode == NET_CONTAINER ? ": that container's stands in for it" : "");
	}
	/* Who makes the interface enters both. */
	if (spec.mode == NET_USER && host_unprivileged(h) &&
	    !(s->ns.new_namespaces & CLONE_NEWUSER)) {
		err_say(e, EINVAL, "\"user\" needs a user namespace of the container's own");
		err_at(e, "/annotations/" NET_ANNOTATION);
		return err_fix(e, "add {\"type\": \"user\"}, without a path, to /linux/namespaces");
	}
	r = net_find(&spec, a, e);
	if (r == 0)
		r = net_check(&spec, h, e);
	if (r < 0)
		return err_at(e, net	   ? "/annotations/" NET_ANNOTATION
				 : publish ? "/annotations/" PUBLISH_ANNOTATION
					   : "/annotations/" RATE_ANNOTATION);
	*ret = spec;
	return 0;
}

static bool has_entry(const json_t *undo, const json_t *entry)
{
	const json_t *old;
	size_t i;

	json_array_foreach(undo, i, old) if (json_equal(old, entry)) return true;
	return false;
}

static int add_entry(json_t *undo, const char *kind, const char *a0, const char *a1, bool *changed)
{
	json_t *entry = json_pack("{s:s, s:[s, s?, n]}", "undo", kind, "args", a0, a1);
	bool there = entry && has_entry(undo, entry);

	if (!entry)
		return -ENOMEM;
	*changed |= !there;
	return there ? (json_decref(entry), 0) : json_array_append_new(undo, entry);
}

/* Replayed in reverse: the interface, then the lease. */
static int add_undo(const struct container *c, const char *owner, const char *network,
		    const char *host_if, struct err *e)
{
	_cleanup_json_ json_t *intent = NULL;
	_cleanup_free_ char *text = NULL;
	bool changed = false;
	json_t *undo;
	int r = record_read(c->dir, "intent.json", &intent, e);

	if (r < 0)
		return r;
	undo = json_object_get(intent, "undo");
	if (!json_is_array(undo))
		return err_say(e, EINVAL, "the intent record is damaged");
	if (add_entry(undo, net_undo_lease.name, owner, network, &changed) < 0 ||
	    (host_if && add_entry(undo, net_undo_veth.name, host_if, owner, &changed) < 0))
		return err_set(e, ENOMEM, "the intent record");
	text = changed ? record_seal(intent) : NULL;
	if (!changed)
		return 0;
	return text ? file_replace_at(c->dir, "intent.json", text, strlen(text), 0600, false, e)
		    : err_set(e, ENOMEM, "the intent record");
}

/* Who waits for a container of its own takes it back by what it made, unless this says that there is
 * more. */
static int mark(const struct container *c, struct err *e)
{
	_cleanup_fd_ int fd = openat(c->dir, HOT_NET_MARK, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
				     0600);

	return fd < 0 ? err_set(e, errno, "the state folder") : 0;
}

static int open_process(const struct container *c, int *ret_proc, int *ret_netns, struct err *e)
{
	struct stat own, its;
	char path[32];

	snprintf(path, sizeof path, "/proc/%d", (int)c->pid);
	*ret_proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*ret_proc < 0)
		return err_set(e, errno, "%s", path);
	*ret_netns = openat(*ret_proc, "ns/net", O_RDONLY | O_CLOEXEC);
	if (*ret_netns < 0 || fstat(*ret_netns, &its) < 0 || stat("/proc/self/ns/net", &own) < 0)
		return err_set(e, errno, "%s/ns/net", path);
	if (own.st_ino == its.st_ino)
		return err_say(e, EINVAL, "the container has the host's network");
	return 0;
}

/* What it has already, by its other networks: a default route, servers for names of its own. */
static int find_default(const char *owner, struct net_spec *spec, struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	struct endpoint *all = NULL;
	size_t count = 0;
	int r = lease_store_peek(&s, e);

	if (r == 0)
		r = endpoint_list(&s, NULL, &all, &count, e);
	for (size_t i = 0; r == 0 && i < count; i++) {
		if (strcmp(all[i].owner, owner) != 0)
			continue;
		spec->has_default |= all[i].first;
		memcpy(spec->servers, all[i].servers, sizeof spec->servers);
		spec->server_count = all[i].server_count;
		spec->names_aside = all[i].names_aside;
	}
	free(all);
	return r == -ENOENT ? 0 : r;
}

static int refuse_twice(const char *owner, const char *network, const char *id, struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	struct endpoint ep;
	int r = lease_store_peek(&s, e);

	if (r == 0)
		r = endpoint_get(&s, network, owner, &ep, e);
	if (r == -ENOENT || r == 0)
		return 0;
	if (r < 0)
		return r;
	if (!endpoint_is_made(&ep)) {
		err_say(e, EEXIST, "what a connect that was killed made is in the way");
		return err_fix(e, "kist net gc");
	}
	return err_say(e, EEXIST, "container %s is on network %s already", id, network);
}

static int walk(struct plan *p, int *proc, const struct runtime_hooks_in *in, const char *id,
		struct err *e)
{
	const struct undo_at at = { .id = id, .state_root = AT_FDCWD };
	struct err late = ERR_INIT;
	struct run run;
	int r = plan_check(p, e), upto;

	if (r < 0)
		return r;
	run_init(&run, p);
	run.report = in->report;
	run.fault_step = in->fault_step;
	run.fault_error = in->fault_error;
	run_set_fd(&run, SLOT_GUEST_PROC, fd_take(proc));
	r = run_walk(&run, e);
	run_close(&run);
	if (r == 0)
		return 0;
	upto = e->step < 0 || e->step >= p->count ? p->count : e->step + p->steps[e->step].op->compound;
	if (plan_take_back(p, upto, &at, &late) < 0)
		err_fix(e, "something is left: kist net gc");
	return r;
}

/* A container that got its default route from others (CNI, its own program) keeps that. */
static void allow_routes(struct plan *p)
{
	for (int i = 0; i < p->count; i++)
		if (strcmp(p->steps[i].op->name, "RTM_NEWROUTE") == 0)
			plan_on_done(p, i, EEXIST);
}

static int connect_locked(const struct container *c, struct net_spec *s, const struct host *h,
			  const struct runtime_hooks_in *in, struct arena *a, struct err *e)
{
	_cleanup_fd_ int proc = -EBADF, netns = -EBADF;
	const char *owner = net_owner(a, c->id, s->realm), *network = s->joins[0].network->name;
	const char *host_if = owner ? net_host_interface(a, network, owner) : NULL;
	char name[IFNAMSIZ];
	struct plan p;
	int r;

	if (!host_if)
		return err_set(e, ENOMEM, "network %s", network);
	/* Else what takes a failed join back would take the first one's. */
	r = refuse_twice(owner, network, c->id, e);
	if (r == 0)
		r = open_process(c, &proc, &netns, e);
	if (r == 0 && !s->joins[0].interface) {
		r = net_free_interface(netns, name, e);
		s->joins[0].interface = name;
	}
	if (r == 0)
		r = find_default(owner, s, e);
	if (r == 0)
		r = mark(c, e);
	if (r == 0)
		r = add_undo(c, owner, network,
			     s->joins[0].network->driver == NETWORK_BRIDGE ? host_if : NULL, e);
	if (r < 0)
		return r;
	s->into_running = true;
	plan_init(&p, a);
	plan_scope(&p, "", network);
	net_plan_attach(&p, s, h, c->id);
	allow_routes(&p);
	return walk(&p, &proc, in, c->id, e);
}

int runtime_net_connect(int root, const char *id, struct net_spec *s, const struct host *h,
			const struct runtime_hooks_in *in, struct err *e)
{
	_cleanup_container_ struct container c = CONTAINER_INIT;
	struct arena a = ARENA_INIT;
	int r = net_find(s, &a, e);

	if (r == 0)
		r = net_check(s, h, e);
	if (r == 0)
		r = hot_open(root, id, "connecting", h, &c, e);
	if (r == 0)
		r = connect_locked(&c, s, h, in, &a, e);
	arena_free(&a);
	return r;
}

int runtime_net_disconnect(int root, const char *id, const char *realm, const char *network,
			   const struct host *h, struct err *e)
{
	_cleanup_container_ struct container c = CONTAINER_INIT;
	struct arena a = ARENA_INIT;
	struct endpoint ep;
	const char *owner;
	int r = hot_open(root, id, "disconnecting", h, &c, e);

	if (r < 0)
		return r;
	owner = net_owner(&a, id, realm);
	r = owner ? network_unsettle(network, owner, &ep, e) : err_set(e, ENOMEM, "%s", id);
	if (r == 0)
		r = err_say(e, ENOENT, "container %s is not on network %s", id, network);
	else if (r > 0)
		r = net_detach(&ep, e);
	if (r == 0)
		r = net_take_over(&ep, e);
	arena_free(&a);
	return r;
}
