/*
 * job_task.c - one job on its way, in parts.
 */
#include "supervisor/job_task.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/user.h"
#include "runtime/layers.h"
#include "runtime/profile_job.h"
#include "supervisor/job_collect.h"
#include "supervisor/job_names.h"

#define UPPER_BYTES   (1u << 20) /* the root is read-only: only mount points are made there */
#define FILE_OVERHEAD 8192

static int64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* --- what is found once ---------------------------------------------------------------------- */

int job_host_open(struct job_host *on, const char *store, int root, const char *root_path,
		  const struct runtime_hooks_in *in, struct arena *a, struct err *e)
{
	*on = (struct job_host){
		.store = store, .root = root, .root_path = root_path, .in = in, .arena = a
	};
	return host_probe(&on->host, e);
}

void job_host_close(struct job_host *on)
{
	for (struct job_image *i = on->images; i; i = i->next) {
		image_user_end(&i->user);
		fd_close(&i->pin);
	}
	for (size_t i = 0; i < sizeof on->filter / sizeof on->filter[0]; i++)
		json_decref(on->filter[i].seccomp);
	on->images = NULL;
}

static int find_image(struct job_task *t, struct err *e)
{
	struct job_host *on = t->on;
	struct job_image *i = on->images;
	int r;

	while (i && strcmp(i->name, t->job->source) != 0)
		i = i->next;
	if (!i) {
		i = arena_alloc(on->arena, sizeof *i);
		if (!i)
			return err_set(e, ENOMEM, "the image");
		*i = (struct job_image){ .next = on->images,
					 .name = arena_strdup(on->arena, t->job->source),
					 .user = IMAGE_USER_INIT };
		r = image_resolve(on->store, t->job->source, on->arena, &i->info, &i->pin, e);
		if (r < 0)
			return r;
		image_user_begin(on->store, &i->info, on->holder ? on->holder : t->job->id,
				 &i->user);
		on->images = i;
	}
	t->image = i;
	t->result.image_digest = i->info.manifest_digest;
	return 0;
}

/* The image's user, looked up in its own files: the topmost layer that has them decides. */
static int look_up_user(const struct image_info *image, int pin, struct job_user *ret,
			struct err *e)
{
	int r = -ENOENT;

	*ret = (struct job_user){ 0 };
	if (!image->user || !image->user[0])
		return 0;
	for (size_t i = 0; i < image->layer_count && r == -ENOENT; i++) {
		char below[PATH_MAX];
		_cleanup_fd_ int layer = -EBADF;

		/* By what the image was found in: its name may be another folder's by now. */
		snprintf(below, sizeof below, "../%s", image->layer_names[i]);
		layer = openat(pin, below, O_PATH | O_DIRECTORY | O_CLOEXEC);

		ret->gid_count = JOB_GROUPS_MAX;
		if (layer < 0)
			return err_set(e, errno, "cannot open layer %zu of the image", i);
		err_clear(e);
		r = image_user_lookup(layer, image->user, &ret->uid, &ret->gid, ret->gids,
				      &ret->gid_count, e);
	}
	return r < 0 ? r : 0;
}

static int find_user(struct job_task *t, struct err *e)
{
	struct job_image *i = t->image;
	int r = 0;

	if (t->job->user_given)
		t->user = (struct job_user){ .uid = t->job->uid, .gid = t->job->gid };
	if (t->job->user_given || !i)
		return 0;
	if (!i->knows_user)
		r = look_up_user(&i->info, i->pin, &i->runs_as, e);
	i->knows_user = r == 0;
	t->user = i->runs_as;
	return r;
}

/* --- what it asks for ------------------------------------------------------------------------ */

static int find_layers(struct job_task *t, struct err *e)
{
	static const char *const itself[] = { "." };
	struct root_layers *l = &t->layers;
	int n = 0;

	if (t->image)
		root_layers_of_image(&t->image->info, t->image->pin, l);
	else
		*l = (struct root_layers){
			.pin = -EBADF, .dir = t->job->source, .layers = itself, .count = 1
		};
	l->upper_bytes = UPPER_BYTES;
	for (size_t i = 0; i < t->job->file_count; i++)
		l->upper_bytes += t->job->file[i].size + FILE_OVERHEAD;
	if (t->job->writable)
		n = root_layers_parse_writable(t->job->writable, t->arena, l, e);
	if (n < 0)
		return err_wrap(e, "--writable");
	return root_layers_check(l, &t->on->host, !t->job->writable, e);
}

/* Its own, and behind them those of its network. */
static int find_files(struct job_task *t, struct err *e)
{
	const struct job *job = t->job;
	struct ns_file *files =
		arena_array(t->arena, job->file_count + JOB_NAMES_FILES, sizeof *files);

	if (!files)
		return err_set(e, ENOMEM, "the job's files");
	for (size_t i = 0; i < job->file_count; i++) {
		const struct job_file *f = &job->file[i];

		files[i] = (struct ns_file){ f->path, f->data,	   f->size,
					     f->mode, t->user.uid, t->user.gid };
	}
	t->options.files = files;
	t->options.file_count = job->file_count + job_names_files(job, &t->options.net, t->arena,
								  files + job->file_count);
	return 0;
}

/* As the host counts; an id that has none stays kist's own. */
static uint32_t host_id(const struct ns_id_map *map, size_t count, uint32_t id, uint32_t otherwise)
{
	const struct ns_id_maps maps = { map, count };
	uint32_t host;

	return ns_map_id(&maps, id, &host) ? host : otherwise;
}

/* The filter of a profile is compiled once. */
static const struct spec_known *known_filter(struct job_host *on, const struct job *job,
					     const json_t *config, struct err *e)
{
	static const struct json_at at = { .text = "/linux/seccomp" };
	json_t *seccomp = json_object_get(json_object_get(config, "linux"), "seccomp");
	struct spec_known *k = on->filter;

	while (k < on->filter + JOB_FILTERS && k->seccomp && k->seccomp != seccomp)
		k++;
	if (k == on->filter + JOB_FILTERS || k->seccomp == seccomp)
		return k->seccomp == seccomp ? k : NULL;
	if (seccomp_parse(seccomp, &at, on->arena, &k->filter, e) < 0)
		return NULL;
	k->seccomp = json_incref(seccomp);
	k->text = job_walls(job)->seccomp();
	return k;
}

static int parse_config(struct job_task *t, struct err *e)
{
	const struct host *h = &t->on->host;
	struct container_spec *spec = &t->spec;
	json_t *config;
	int r;

	r = find_user(t, e);
	if (r == 0)
		r = job_policy_check(t->job, t->user.uid, e);
	if (r == 0)
		r = job_ids_check(&t->ids, &t->user, e);
	if (r == 0)
		r = job_look_at_inputs(t->job, t->on->root, t->on->store, e);
	if (r < 0)
		return r;
	config = job_config(t->job, t->image ? &t->image->info : NULL, &t->ids, &t->user);
	if (!config)
		return err_set(e, ENOMEM, "the job's configuration (is every argument UTF-8?)");
	r = spec_parse_knowing(config, "/", t->job->id, t->arena, known_filter(t->on, t->job, config, e), spec, e);
	if (r < 0)
		return r;
	spec->cgroup.oom_group = t->job->memory != 0;
	r = spec_settle(spec, h, !h->root, t->arena, e);
	return r < 0 ? r : spec_check(spec, h, e);
}

static const char *realm_of(const char *root_path)
{
	return strcmp(root_path, "/run/kist") == 0 ? NULL : root_path;
}

static int compile(struct job_task *t, struct err *e)
{
	const struct job *job = t->job;
	struct job_host *on = t->on;
	struct create_options *o = &t->options;
	uint32_t uid = host_id(t->ids.uid, t->ids.count, t->user.uid, on->host.uid);
	uint32_t gid = host_id(t->ids.gid, t->ids.count, t->user.gid, on->host.gid);
	int n;

	*o = (struct create_options){
		.id = job->id,
		.root = on->root,
		.root_path = on->root_path,
		.layers = &t->layers,
		.idrange = t->ids.leased,
		.lock_securebits = !job_walls(job)->caps[0],
		.init = job->init,
		.keep_root = job->collect_count || job->workspace || job->writable,
		.net = { .rate = job->rate,
			 .keep_netns = true,
			 .realm = realm_of(on->root_path) },
	};
	n = net_parse_annotations(job->net, job->publish, &o->net, t->arena, e);
	if (n == 0)
		n = net_find(&o->net, t->arena, e);
	if (n == 0)
		n = net_check(&o->net, &on->host, e);
	if (n == 0)
		n = job_lookup_check(t->job, &o->net, e);
	if (n == 0)
		n = job_lookup_servers(t->job, &o->net, e);
	if (n == 0)
		n = find_files(t, e);
	if (n == 0)
		n = job_stdio_open(&t->stdio, job, uid, gid, t->arena, t->result.output, e);
	o->stdio = t->stdio.given ? t->stdio.fd : NULL;
	if (n == 0)
		n = compile_create(&t->compiled, &t->spec, &on->host, o, t->arena, e);
	t->compiled.setup_ms = job->setup_ms;
	return n;
}

/* --- its way --------------------------------------------------------------------------------- */

static void close_task(struct job_task *t)
{
	job_stdio_close(&t->stdio);
	fd_close(&t->collect_to);
	fd_close(&t->shared);
	spec_free(&t->spec);
}

static int prepare(struct job_task *t, struct err *e)
{
	const struct host *h = &t->on->host;
	int n = job_check(t->job, h, e);

	if (n == 0 && t->job->shares) {
		t->shared = job_share_network(t->job, h, t->on->root, realm_of(t->on->root_path),
					      t->arena, e);
		n = t->shared < 0 ? t->shared : 0;
	}
	if (n == 0 && t->job->collect_count) {
		t->collect_to = job_collect_open(t->job->collect_to, e);
		n = t->collect_to < 0 ? t->collect_to : 0;
	}
	if (n == 0 && !t->job->is_folder)
		n = find_image(t, e);
	if (n == 0)
		n = find_layers(t, e);
	if (n == 0)
		n = job_ids_take(&t->ids, h, t->on->root, t->job->id, t->layers.upper_dir, e);
	if (n < 0)
		return n;
	n = parse_config(t, e);
	if (n == 0)
		n = compile(t, e);
	if (n < 0)
		job_ids_drop(&t->ids, t->on->root, t->job->id);
	return n;
}

int job_task_open(struct job_task *t, struct job_host *on, struct job *job, struct arena *a,
		  struct err *e)
{
	int n;

	*t = (struct job_task){
		.job = job, .on = on, .arena = a, .stdio = JOB_STDIO_INIT, .collect_to = -EBADF,
		.shared = -EBADF,
	};
	job_result_begin(&t->result);
	n = prepare(t, e);
	if (n < 0)
		close_task(t);
	else
		runtime_walk_begin(&t->compiled, on->in, &t->run);
	return n;
}

static void note_network(const char *owner, struct job_result *ret)
{
	net_lease_lookup(owner, &ret->address);
	snprintf(ret->owner, sizeof ret->owner, "%s", owner);
}

/* What came of the walk. */
static int started(struct job_task *t, int n, struct err *e)
{
	if (n == -ETIMEDOUT)
		err_fix(e, "see to its folders and inputs; --setup-time allows more than %lld ms",
			(long long)t->job->setup_ms);
	/* Its first process has its ends, or there is none. */
	job_stdio_given(&t->stdio);
	job_ids_settle(&t->ids);
	if (n < 0) {
		/* Another's container has the id: only what is ours goes. Else the intent gave it
		 * back. */
		job_ids_drop(&t->ids, t->on->root, t->job->id);
		close_task(t);
		return n;
	}
	if (n > 0)
		return n;
	t->result.wall_us = monotonic_ns();
	if (t->job->bridge)
		note_network(net_owner(t->arena, t->job->id, t->options.net.realm), &t->result);
	t->watch = (struct job_watch){ .job = t->job,
				       .pidfd = run_slot(&t->run, SLOT_GUEST_PIDFD),
				       .cgroup = run_slot(&t->run, t->compiled.slot_cgroup),
				       .stdio = &t->stdio };
	return 0;
}

int job_task_start(struct job_task *t, struct err *e)
{
	int n = runtime_walk(&t->compiled, &t->spec, &t->on->host, &t->options, t->on->in, &t->run, e);

	return started(t, n, e);
}

int job_task_start_on(struct job_task *t, struct err *e)
{
	int n = runtime_walk_on(&t->compiled, &t->spec, &t->on->host, &t->options, &t->run, e);

	return started(t, n, e);
}

void job_task_let_run(struct job_task *t, int64_t held_ms)
{
	struct job_result now;

	job_result_begin(&now);
	t->result.started_ns = now.started_ns;
	if (t->run.until >= 0)
		t->run.until += held_ms;
}

static int slot_fd(const struct job_task *t, int slot)
{
	return slot < 0 ? -EBADF : run_slot(&t->run, slot);
}

/* The job's own undo needs no record read again: the plan is in memory. */
static int take_away(struct job_task *t, bool ended, struct err *e)
{
	int n = ended ? runtime_delete_ended(t->on->root, t->job->id, &t->compiled, &t->run, e)
		      : runtime_delete_made(t->on->root, t->job->id, &t->run, e);

	run_close(&t->run);
	close_task(t);
	return n;
}

int job_task_finish(struct job_task *t, struct err *e)
{
	struct job_result *ret = &t->result;
	struct err ignored = ERR_INIT;
	int n;

	ret->wall_us = (monotonic_ns() - ret->wall_us) / 1000;
	job_result_read(t->watch.cgroup, ret);
	job_traffic_read(slot_fd(t, t->compiled.slot_netns), ret);
	job_watch_drain(&t->watch);
	n = job_stdio_check(&t->stdio, t->job, e);
	if (n == 0)
		n = job_result_look_back(t->job, slot_fd(t, t->compiled.slot_root), t->collect_to,
					 ret, e);
	if (n == 0)
		job_result_conclude(t->job, &t->watch.end, ret);
	if (n == 0)
		return take_away(t, true, e);
	take_away(t, true, &ignored);
	return n;
}

void job_task_drop(struct job_task *t)
{
	struct err ignored = ERR_INIT;

	take_away(t, false, &ignored);
}
