/*
 * checkpoint_check.c - which containers can be saved, and what of them is the host's. Pure.
 */
#include "runtime/checkpoint.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/annotations.h"

static int refuse(struct err *e, const char *why, const char *what)
{
	err_say(e, ENOTSUP, "checkpoint: %s", what);
	return err_at(e, why);
}

/* What criu 3.17 does not save, and would not say so: the processes would go on without it. */
static int check_lost(const struct container_spec *s, struct err *e)
{
	if (s->linux_process.has_personality)
		return refuse(e, "/linux/personality", "criu does not keep it");
	if (s->linux_process.has_memory_policy)
		return refuse(e, "/linux/memoryPolicy", "criu does not keep it");
	if (s->process.has_io_priority)
		return refuse(e, "/process/ioPriority", "criu does not keep it");
	if (s->process.has_scheduler &&
	    (s->process.scheduler.policy > SCHED_IDLE || s->process.scheduler.flags))
		return refuse(e, "/process/scheduler", "criu does not keep a deadline, nor flags");
	if (landlock_is_asked(&s->process.landlock))
		return refuse(e, "/annotations", "criu does not keep a Landlock domain");
	return 0;
}

/* Interfaces could come back; addresses that are leased, rules, ports and names would not. */
int checkpoint_refuse_network(struct err *e)
{
	refuse(e, "/annotations/" ANNOTATION_NET, "kist's networks can't be kept");
	return err_fix(e, "a network namespace that others made can: {\"type\": \"network\", \"path\": ...} in "
		       "/linux/namespaces");
}

static int check_network(const struct container_spec *s, struct err *e)
{
	const json_t *annotations = json_object_get(s->config, "annotations");
	const char *net = json_string_value(json_object_get(annotations, ANNOTATION_NET));

	return net && strcmp(net, "none") != 0 ? checkpoint_refuse_network(e) : 0;
}

static int check_namespaces(const struct container_spec *s, struct err *e)
{
	for (int kind = 0; kind < NS_KINDS; kind++)
		if (kind != NS_NET && s->ns.join_path[kind])
			return refuse(e, s->ns.join_why[kind],
				      "of namespaces given by path only the network's can be kept");
	/* criu reads them with the rights of the namespace's root: the memory of the processes
	 * would have to be open to others on this host. */
	if (ns_has_userns(&s->ns))
		return refuse(e, "/linux/namespaces",
			      "processes of a user namespace can't be saved");
	if (!(s->ns.new_namespaces & CLONE_NEWPID))
		return refuse(e, "/linux/namespaces",
			      "needs a pid namespace of the container's own: its "
			      "process ids must be free again");
	if (!(s->ns.new_namespaces & CLONE_NEWNS))
		return refuse(e, "/linux/namespaces",
			      "needs a mount namespace of the container's own");
	return 0;
}

static int check_mounts(const struct container_spec *s, struct err *e)
{
	for (size_t i = 0; i < s->ns.mount_count; i++) {
		const struct ns_mount *m = &s->ns.mounts[i];

		if (m->flags.idmap)
			return refuse(e, m->why, "criu does not keep an id-mapped mount");
		if (strchr(m->destination, ']'))
			return refuse(e, m->why, "criu can't be told of a destination with ]");
	}
	return 0;
}

int checkpoint_check(const struct container_spec *s, struct err *e)
{
	int r = check_lost(s, e);

	if (r == 0 && s->process.terminal) {
		refuse(e, "/process/terminal", "a terminal can't be saved");
		r = err_fix(e, "only containers without one");
	}
	if (r == 0)
		r = check_network(s, e);
	if (r == 0)
		r = check_namespaces(s, e);
	if (r == 0 && s->has_seccomp && s->seccomp.notify)
		r = refuse(e, "/linux/seccomp/listenerPath",
			   "a filter with an agent can't be saved");
	if (r == 0 && s->net_devices.count)
		r = refuse(e, s->net_devices.device[0].why,
			   "an interface of the host's can't be saved");
	for (int kind = 0; r == 0 && kind < HOOK_POSTSTOP; kind++)
		if (s->hooks.count[kind])
			r = refuse(e, s->hooks.list[kind][0].why,
				   "restore runs no hooks of a start");
	return r < 0 ? r : check_mounts(s, e);
}

size_t checkpoint_externals(const struct container_spec *s, const struct host *h, struct arena *a,
			    struct checkpoint_external **ret)
{
	struct checkpoint_external *list =
		arena_array(a, s->ns.mount_count + s->ns.device_count + 1, sizeof *list);
	size_t count = 0;

	if (!list)
		return 0;
	list[count++] = (struct checkpoint_external){ .name = CHECKPOINT_NULL,
						      .source = "/dev/null",
						      .why = "/linux/maskedPaths" };
	for (size_t i = 0; i < s->ns.device_count; i++) {
		const struct ns_device *d = &s->ns.devices[i];

		if (ns_device_is_bound(&s->ns, h, d))
			list[count++] = (struct checkpoint_external){
				.name = arena_printf(a, "device%s", d->path),
				.source = d->path,
				.why = d->why,
				.at = d->path,
			};
	}
	for (size_t i = 0; i < s->ns.mount_count; i++) {
		const struct ns_mount *m = &s->ns.mounts[i];

		if (m->flags.bind && !m->flags.remount)
			list[count++] = (struct checkpoint_external){
				.name = m->destination,
				.source = m->source,
				.why = m->why,
				.at = m->destination,
				.recursive = m->flags.recursive,
			};
	}
	*ret = list;
	return count;
}
