/*
 * compile.c - orders the domains' steps: the canonical start order.
 *
 * Pure. What runs before what, and why, is decided here and nowhere else:
 * limits before any process, namespaces before mounts, mounts before masks,
 * everything of the host closed before the program, seccomp last.
 */
#include "runtime/compile.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>

#include "base/engine.h"
#include "cgroup/systemd.h"
#include "ns/ops.h"
#include "runtime/activation.h"
#include "runtime/idrange.h"
#include "runtime/publish.h"
#include "runtime/restore.h"
#include "runtime/upper.h"

#define KEYRING_NAME "_ses.%s" /* as runc's: tools look for it */

static bool has_create_hooks(const struct hooks_spec *s)
{
	return s->count[HOOK_PRESTART] || s->count[HOOK_CREATE_RUNTIME] ||
	       s->count[HOOK_CREATE_CONTAINER];
}

static struct ns_overlay overlay_of(const struct plan *p, const struct container_spec *s,
				    const struct create_options *o, int slot_pin)
{
	struct ns_overlay overlay = {
		.mount_dir = arena_printf(p->arena, "%s/%s/root", o->root_path, o->id),
		.slot_below = slot_pin,
		.idmap = ns_has_userns(&s->ns),
		/* Nobody there could make one, and nobody is given one by an image. */
		.nodev = ns_has_userns(&s->ns),
		/* Also under a read-only root there may be mount points to make, before it is that. */
		.readonly = false,
		.dir = o->layers->dir,
		.layers = o->layers->layers,
		.count = o->layers->count,
		.upper_dir = o->layers->upper_dir,
		.upper_bytes = o->layers->upper_bytes,
	};

	ns_host_root(&s->ns, &overlay.root_uid, &overlay.root_gid);
	return overlay;
}

static void plan_layers(struct plan *p, struct ns_overlay *overlay, const struct host *h,
			const struct create_options *o, struct ns_rootfs_options *rootfs)
{
	plan_scope(p, "/root/path", NULL);
	if (overlay->upper_dir)
		overlay->slot_upper = upper_plan_claim(p, overlay->upper_dir,
						       arena_printf(p->arena, "%s/%s", o->root_path, o->id),
						       overlay->root_uid, overlay->root_gid,
						       o->layers->upper_bytes);
	if (!ns_overlay_is_detached(h))
		publish_plan_mkdir(p, "root");
	ns_plan_overlay(p, overlay, h, rootfs);
}

/* prestart and createRuntime hooks find the container's mounts in place, as do those of
 * createContainer; before the terminal: what they say is said to kist's caller. */
static void plan_create_hooks(struct plan *p, const struct container_spec *s,
			      struct hooks_plan_options *hooks, const struct ns_rootfs_options *rootfs)
{
	hooks_plan(p, &s->hooks, HOOK_PRESTART, hooks);
	hooks_plan(p, &s->hooks, HOOK_CREATE_RUNTIME, hooks);
	if (!s->hooks.count[HOOK_CREATE_CONTAINER])
		return;
	hooks->slot_root = ns_root_slot(p, rootfs);
	hooks_plan(p, &s->hooks, HOOK_CREATE_CONTAINER, hooks);
}

static void plan_guest_root(struct compiled *c, const struct container_spec *s,
			    const struct host *h, const struct create_options *o,
			    const struct ns_rootfs_options *rootfs,
			    struct hooks_plan_options *hooks)
{
	struct plan *p = &c->plan;
	uid_t console_uid = s->process.uid;

	ns_plan_mounts(p, &s->ns, h, rootfs);
	plan_create_hooks(p, s, hooks, rootfs);
	if (o->console) {
		c->slot_master = plan_new_slot(p, "pty master");
		ns_plan_console(p, &s->ns, c->slot_master, s->process.rows, s->process.cols,
				console_uid);
		if (o->console_socket)
			publish_plan_send(p, o->console_socket, c->slot_master, "/process/terminal");
		else
			ns_plan_foreground(p, c->slot_master);
	}
	for (size_t i = 0; i < o->file_count; i++)
		ns_plan_file(p, ns_root_slot(p, rootfs), &o->files[i]);
	/* As long as a read-only root can still be written. */
	process_plan_cwd(p, &s->process, ns_root_slot(p, rootfs));
	ns_plan_restrict(p, &s->ns, h, rootfs);
	ns_plan_pivot(p, &s->ns, h, rootfs);
}

/* The cgroup's BPF programs are for the container's own program. Nothing of the set-up asks them in a
 * new user namespace, where devices are not made but mounted: the kernel checks and translates them
 * while the guest goes on. */
static bool filters_may_wait(const struct container_spec *s)
{
	return (s->ns.new_namespaces & CLONE_NEWUSER) && !has_create_hooks(&s->hooks);
}

/* HOST: what need not be done before the guest goes on. */
static void plan_record(struct plan *p, const struct container_spec *s, const struct host *h,
			const struct create_options *o, int slot_cgroup)
{
	if (!s->cgroup.none && !s->cgroup.unit && filters_may_wait(s))
		cgroup_plan_filters(p, &s->cgroup, h, slot_cgroup);
	plan_scope(p, "", NULL);
	publish_plan_state_prepare(p, s, h, o);
}

/* Into a cgroup that is there, with its limits. A systemd scope wants a process to begin with: then
 * the guest waits until it is in it; what it will make its namespace's root is where it is by then. */
static void plan_birth(struct plan *p, const struct container_spec *s, const struct host *h,
		       const struct create_options *o, const struct ns_rootfs_options *rootfs,
		       int slot_cgroup)
{
	bool early = !s->cgroup.none && !s->cgroup.unit;

	if (early)
		cgroup_plan_place(p, &s->cgroup, h, o->id, slot_cgroup);
	if (early && !filters_may_wait(s))
		cgroup_plan_filters(p, &s->cgroup, h, slot_cgroup);
	if (!o->layers)
		ns_plan_host_root(p, &s->ns, h, rootfs);
	ns_plan_birth(p, &s->ns, h, early ? slot_cgroup : -1);
	if (s->cgroup.unit)
		cgroup_plan_systemd(p, &s->cgroup, h, arena_printf(p->arena,
				    "kist container %s in %s", o->id, o->root_path), slot_cgroup);
}

/* HOST: the fds that are not the caller's own get slots, which the guest is born with. */
static void plan_given_stdio(struct plan *p, const int *stdio, int slots[3])
{
	static const char *const names[] = { "stdin", "stdout", "stderr" };

	for (int i = 0; i < 3; i++)
		slots[i] = stdio && stdio[i] != i ? publish_plan_given_fd(p, names[i], stdio[i]) : -1;
}

/* HOST: the guest has its copies, and an end of a pipe is seen once nobody else has one. */
static void plan_forget_stdio(struct plan *p, const int slots[3])
{
	for (int i = 0; i < 3; i++)
		if (slots[i] >= 0)
			plan_add(p, SIDE_HOST, op_close, op_close_args, slots[i]);
}

static void plan_stdio(struct plan *p, const int slots[3])
{
	plan_scope(p, "/process", NULL);
	for (int i = 0; i < 3; i++)
		if (slots[i] >= 0)
			plan_add(p, SIDE_GUEST, op_dup2, op_dup_args, slots[i], i);
}

/* The guest's own fds, as only they are for whoever isn't root: proc(5) says no to others until the
 * program runs, and may be over when it does. */
static void plan_keep_root(struct compiled *c)
{
	struct plan *p = &c->plan;

	c->slot_root = plan_new_slot(p, "root");
	c->slot_mounts = plan_new_slot(p, "mounts");
	plan_scope(p, "/root", NULL);
	plan_add(p, SIDE_GUEST, op_openat, op_openat_args, -1, "/", O_PATH | O_DIRECTORY,
		 c->slot_root);
	plan_add(p, SIDE_GUEST, op_send_fd, op_send_fd_args, c->slot_root);
	plan_add(p, SIDE_GUEST, op_openat, op_openat_args, -1, "/proc/self/ns/mnt", O_RDONLY,
		 c->slot_mounts);
	plan_add(p, SIDE_GUEST, op_send_fd, op_send_fd_args, c->slot_mounts);
}

int compile_create(struct compiled *ret, const struct container_spec *s, const struct host *h,
		   const struct create_options *o, struct arena *a, struct err *e)
{
	struct compiled c = { .slot_root = -1, .slot_mounts = -1, .slot_netns = -1, .slot_master = -1,
			      .slot_notify = -1, .step_pid_file = -1 };
	struct plan *p = &c.plan;
	struct ns_birth_options birth = {
		.no_new_keyring = o->no_new_keyring,
		.keyring = arena_printf(a, KEYRING_NAME, o->id),
	};
	struct ns_rootfs_options rootfs = { .slot_root = -1, .no_pivot = o->no_pivot,
					    .terminal = o->console,
					    .in_place = has_create_hooks(&s->hooks) };
	struct hooks_plan_options hooks = { .id = o->id, .bundle = s->bundle, .config = s->config,
					    .slot_root = -1 };
	struct process_exec_options exec = {
		.landlock_abi = h->landlock_abi,
		.signals_taken = h->signals_taken,
		.preserve_fds = o->preserve_fds,
		.has_user_namespace = ns_has_userns(&s->ns) || !h->root,
		.lock_securebits = o->lock_securebits,
		.init = o->init,
	};
	const struct seccomp_filter *filter = s->has_seccomp ? &s->seccomp : NULL;
	struct seccomp_state *agent = arena_alloc(a, sizeof *agent);
	struct process_found *found;
	/* Nothing is attached anywhere: the guest need not stand by while the host joins them. */
	bool layers_beside = o->layers && h->root && ns_overlay_is_detached(h);
	struct ns_overlay overlay = { .count = 0 };
	int slot_start = -1, slot_pin = -1, stdio[3], first;

	if (o->layers && root_layers_check_ids(o->layers, &s->ns, e) < 0)
		return -e->error;
	plan_init(p, a);
	c.intent = container_plan_begin(p, o->id, o->root, s->config_text);
	hooks_plan_poststop(p, &s->hooks, p->count - 2, s->bundle);
	if (o->idrange)
		idrange_plan_undo(p, p->count - 1);
	hooks_plan_outputs(p, &s->hooks, &hooks);
	if (o->layers && o->layers->pin >= 0)
		slot_pin = publish_plan_given_fd(p, "image", o->layers->pin);
	plan_given_stdio(p, o->stdio, stdio);
	if (o->layers && o->layers->image && o->outlive)
		image_plan_hold(p, o->layers->image, o->id,
				arena_printf(a, "%s/%s", o->root_path, o->id));
	if (o->wait_for_start)
		container_plan_listen(p, &slot_start);
	if (o->notify) {
		c.slot_notify = o->wait_for_start ? -1 : plan_new_slot(p, "notify socket");
		activation_plan_notify(p, c.slot_notify);
	}
	c.slot_cgroup = plan_new_slot(p, "cgroup");
	plan_birth(p, s, h, o, &rootfs, c.slot_cgroup);
	if (o->net.mode == NET_USER)
		net_plan_user(p, &o->net);
	c.ends_as_one = s->cgroup.none || (s->ns.new_namespaces & CLONE_NEWPID);
	c.host_stays_dumpable = ns_host_stays_dumpable(&s->ns, h);
	process_plan_host(p, &s->process);
	process_plan_early_limits(p, &s->process);
	plan_forget_stdio(p, stdio);
	if (o->layers)
		overlay = overlay_of(p, s, o, slot_pin);
	first = p->count;
	if (layers_beside)
		plan_layers(p, &overlay, h, o, &rootfs);
	else
		plan_record(p, s, h, o, c.slot_cgroup);
	plan_beside(p, first);
	ns_plan_settle(p, &s->ns, h, &birth);
	if (o->net.mode == NET_BRIDGE)
		c.slot_netns = net_plan_attach(p, &o->net, h, o->id);
	if (s->ns.new_namespaces & CLONE_NEWNET) {
		plan_scope(p, "/linux/namespaces", NULL);
		net_plan_loopback(p);
	}
	net_plan_devices(p, &s->net_devices);
	if (o->layers && !layers_beside)
		plan_layers(p, &overlay, h, o, &rootfs);
	if (o->layers) {
		ns_plan_overlay_give(p, h);
		first = p->count;
		if (layers_beside)
			plan_record(p, s, h, o, c.slot_cgroup);
		ns_plan_overlay_close(p, &overlay, h);
		plan_beside(p, first);
	}
	plan_guest_root(&c, s, h, o, &rootfs, &hooks);
	if (o->keep_root)
		plan_keep_root(&c);
	process_plan_limits(p, &s->process);
	linux_process_plan(p, &s->linux_process);
	if (agent && !o->wait_for_start) {
		*agent = (struct seccomp_state){
			.id = o->id, .bundle = s->bundle, .status = "created",
			.annotations = json_object_get(s->config, "annotations"),
		};
		exec.agent = agent;
	}
	found = process_plan_become(p, &s->process, filter, &exec);
	plan_scope(p, "", NULL);
	publish_plan_life(p, o->outlive);
	p->gate = p->count;
	publish_plan_state(p);
	if (o->pidfd_socket)
		publish_plan_send(p, o->pidfd_socket, SLOT_GUEST_PIDFD, "");
	if (o->pid_file)
		c.step_pid_file = publish_plan_pid_file(p, o->pid_file);
	if (o->wait_for_start) {
		p->detach = p->count;
		container_plan_wait_start(p, slot_start);
	}
	plan_stdio(p, stdio);
	hooks.filter = filter; /* its program is the image's, as the container's is */
	hooks_plan(p, &s->hooks, HOOK_START_CONTAINER, &hooks);
	process_plan_leave(p, &s->process, filter, &exec, found);
	p->launched = p->count;
	hooks_plan(p, &s->hooks, HOOK_POSTSTART, &hooks);
	if (container_plan_seal(p, c.intent, o->id, e) < 0)
		return -e->error;
	*ret = c;
	return 0;
}

int compile_exec(struct compiled *ret, const struct process_spec *process,
		 const struct seccomp_filter *seccomp, const struct exec_options *o,
		 struct arena *a, struct err *e)
{
	struct compiled c = { .slot_root = -1, .slot_mounts = -1, .slot_netns = -1, .slot_master = -1,
			      .slot_cgroup = -1, .slot_notify = -1, .step_pid_file = -1 };
	struct plan *p = &c.plan;
	struct process_exec_options exec = {
		.landlock_abi = o->host->landlock_abi,
		.signals_taken = o->host->signals_taken,
		.preserve_fds = o->preserve_fds,
		.lock_securebits = o->lock_securebits,
		.has_user_namespace = (o->namespaces & CLONE_NEWUSER) || !o->host->root,
		.agent = &o->state,
	};
	struct ns_birth_options birth = {
		.no_new_keyring = o->no_new_keyring,
		.keyring = arena_printf(a, KEYRING_NAME, o->state.id),
	};
	bool by_systemd = o->systemd_unit && cgroup_systemd_is_user(o->systemd_unit);
	struct process_found *found;
	int slot_target;

	plan_init(p, a);
	slot_target = publish_plan_given_fd(p, "container", o->pidfd);
	if (o->cgroup && !by_systemd) {
		c.slot_cgroup = plan_new_slot(p, "cgroup");
		publish_plan_open_cgroup(p, o->cgroup, c.slot_cgroup);
	}
	process_plan_affinity_initial(p, process);
	if (host_unprivileged(o->host)) {
		ns_plan_join(p, o->host, slot_target, o->namespaces, c.slot_cgroup,
			     process_oom_score_adj(p, process));
	} else {
		ns_plan_join(p, o->host, slot_target, o->namespaces, c.slot_cgroup, NULL);
		process_plan_host(p, process);
	}
	process_plan_early_limits(p, process);
	if (by_systemd)
		cgroup_plan_systemd_join(p, o->systemd_unit, o->systemd_below);
	process_plan_affinity_final(p, process);
	ns_plan_join_settle(p, o->host, slot_target, o->namespaces, &birth);
	if (o->console) {
		c.slot_master = plan_new_slot(p, "pty master");
		ns_plan_console(p, NULL, c.slot_master, process->rows, process->cols,
				process->uid);
		if (o->console_socket)
			publish_plan_send(p, o->console_socket, c.slot_master, "/terminal");
		else
			ns_plan_foreground(p, c.slot_master);
	}
	process_plan_limits(p, process);
	linux_process_plan(p, &o->linux_process);
	found = process_plan_become(p, process, seccomp, &exec);
	plan_scope(p, "", NULL);
	publish_plan_life(p, o->outlive);
	if (o->pidfd_socket)
		publish_plan_send(p, o->pidfd_socket, SLOT_GUEST_PIDFD, "");
	if (o->pid_file)
		c.step_pid_file = publish_plan_pid_file(p, o->pid_file);
	process_plan_leave(p, process, seccomp, &exec, found);
	if (plan_check(p, e) < 0)
		return -e->error;
	*ret = c;
	return 0;
}

int compile_restore(struct compiled *ret, const struct container_spec *s, const struct host *h,
		    const struct create_options *o, struct restore *restore, struct arena *a,
		    struct err *e)
{
	struct compiled c = { .slot_root = -1, .slot_mounts = -1, .slot_netns = -1, .slot_master = -1,
			      .slot_notify = -1, .step_pid_file = -1 };
	struct container_spec *restored = arena_alloc(a, sizeof *restored);
	struct plan *p = &c.plan;

	if (!restored)
		return err_set(e, ENOMEM, "the plan");
	/* criu gives its processes a time namespace, so that their clocks go on where they stood. */
	*restored = *s;
	restored->ns.new_namespaces |= CLONE_NEWTIME;
	plan_init(p, a);
	c.intent = container_plan_begin(p, o->id, o->root, s->config_text);
	hooks_plan_poststop(p, &s->hooks, p->count - 2, s->bundle);
	c.slot_cgroup = plan_new_slot(p, "cgroup");
	cgroup_plan_make(p, &s->cgroup, h, o->id, c.slot_cgroup);
	plan_scope(p, "", NULL);
	publish_plan_mkdir(p, "criu");
	restore_plan_sources(p, restore);
	restore_plan_criu(p, restore);
	restore_plan_verify(p, restore);
	plan_scope(p, "", NULL);
	publish_plan_state_prepare(p, restored, h, o);
	publish_plan_state(p);
	if (o->pid_file)
		c.step_pid_file = publish_plan_pid_file(p, o->pid_file);
	if (container_plan_seal(p, c.intent, o->id, e) < 0)
		return -e->error;
	*ret = c;
	return 0;
}
