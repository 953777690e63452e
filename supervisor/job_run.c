/*
 * job_run.c - runs a job to its end, in the foreground, and says why it ended.
 */
#include "supervisor/job.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "image/user.h"
#include "runtime/layers.h"
#include "supervisor/job_detach.h"
#include "supervisor/job_collect.h"
#include "supervisor/job_names.h"
#include "supervisor/job_watch.h"

#define UPPER_BYTES   (1u << 20) /* the root is read-only: only mount points are made there */
#define FILE_OVERHEAD 8192
#define EMPTY_WAIT_MS 10000
#define STATUS_LIMIT  124
#define STATUS_FAILED 125

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* The image's user, looked up in its own files: the topmost layer that has them decides. */
static int find_user(const struct image_info *image, int pin, struct job_user *ret, struct err *e)
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

static int parse_config(struct job *job, const struct image_info *image, int pin,
			const struct host *h, const struct job_ids *ids, struct arena *a,
			struct container_spec *spec, struct job_user *user, struct err *e)
{
	json_t *config;
	int r = 0;

	if (job->user_given)
		*user = (struct job_user){ .uid = job->uid, .gid = job->gid };
	else if (image)
		r = find_user(image, pin, user, e);
	if (r == 0)
		r = job_policy_check(job, user->uid, e);
	if (r == 0)
		r = job_ids_check(ids, user, e);
	if (r < 0)
		return r;
	config = job_config(job, image, ids, user);
	if (!config)
		return err_set(e, ENOMEM, "the job's configuration (is every argument UTF-8?)");
	r = spec_parse(config, "/", job->id, a, spec, e);
	if (r < 0)
		return r;
	spec->cgroup.oom_group = job->memory != 0;
	return spec_settle(spec, h, !h->root, a, e);
}

struct running {
	struct job *job;
	const struct host *host;
	int root;
	int slot_root, slot_mounts; /* of the job's own tree; -1 */
	int slot_netns; /* -1: no network */
	int collect_to;
	int slot_cgroup; /* by fd, never by name: another job may have the name by now */
	int pin, user_of_image; /* what keeps the image; -1 */
	struct job_user user;
	struct run run;
};

/* Kills all that is left, so that the figures are final, and reads them. */
static void read_stats(int cgroup, struct job_result *ret)
{
	struct err ignored = ERR_INIT;

	if (cgroup < 0)
		return;
	cgroup_kill(cgroup, &ignored);
	cgroup_wait_empty(cgroup, EMPTY_WAIT_MS, &ignored);
	cgroup_stats_read(cgroup, &ret->stats, &ignored);
}

static bool was_cut(const struct job_result *ret)
{
	return ret->output[0].bytes > ret->output[0].kept ||
	       ret->output[1].bytes > ret->output[1].kept;
}

/* Its own end, told apart by what the kernel counted. */
static enum job_reason own_reason(const struct job *job, const struct job_end *end,
				  const struct job_result *ret)
{
	uint64_t used_us = cgroup_stat_get(&ret->stats, CGROUP_STAT_CPU_USAGE);
	bool cpu_gone = job->cpu_ms && used_us >= (uint64_t)job->cpu_ms * 1000;

	if (job->output_kills && was_cut(ret))
		return JOB_OUTPUT;
	if (end->signal == SIGKILL && cgroup_stat_get(&ret->stats, CGROUP_STAT_MEMORY_OOM_KILL))
		return JOB_OOM;
	if (job->cpu_ms && (end->signal == SIGXCPU || (end->signal == SIGKILL && cpu_gone)))
		return JOB_CPU_USED;
	if ((job->file_size && end->signal == SIGXFSZ) || (end->status != 0 && ret->disk_full))
		return JOB_DISK;
	if (end->status != 0 && cgroup_stat_get(&ret->stats, CGROUP_STAT_PIDS_EVENTS_MAX))
		return JOB_PIDS_REFUSED;
	return end->signal ? JOB_SIGNAL : JOB_EXIT;
}

static void conclude(const struct job *job, const struct job_end *end, struct job_result *ret)
{
	ret->exit_code = end->exit_code;
	ret->signal = end->signal;
	ret->status = end->status;
	ret->reason = end->reason != JOB_EXIT ? end->reason : own_reason(job, end, ret);
	switch (ret->reason) {
	case JOB_WALL:
	case JOB_CPU_USED:
	case JOB_OUTPUT:
	case JOB_DISK:
		ret->status = STATUS_LIMIT;
		break;
	case JOB_CANCELLED:
		ret->status = 128 + end->cancel_signal;
		break;
	default:
		break;
	}
}

/* Is nothing left of what it had? Sizes that are the host's own business say nothing. */
static void look_at_disk(int root, const char *path, bool ours, struct job_result *ret)
{
	_cleanup_fd_ int fd = path_open_in_root(root, path, O_PATH | O_DIRECTORY, 0);
	struct statfs st;

	if (fd < 0 || fstatfs(fd, &st) < 0 || !st.f_blocks)
		return;
	ret->disk_full |= !st.f_bavail || (st.f_files && !st.f_ffree);
	if (!ours)
		return;
	ret->workspace_bytes = (uint64_t)(st.f_blocks - st.f_bfree) * (uint64_t)st.f_bsize;
	ret->workspace_inodes = st.f_files - st.f_ffree;
}

/* What it left, looked at from outside: everything in it is dead. */
static int look_back(const struct job *job, int root, int collect_to, struct job_result *ret,
		     struct err *e)
{
	_cleanup_fd_ int from = -EBADF;

	if (root < 0)
		return 0;
	look_at_disk(root, "/tmp", false, ret);
	look_at_disk(root, "/dev/shm", false, ret);
	if (job->workspace)
		look_at_disk(root, JOB_WORKSPACE, true, ret);
	if (job->writable)
		look_at_disk(root, "/", !job->workspace, ret);
	if (!job->collect_count)
		return 0;
	from = path_open_in_root(root, job->workspace ? JOB_WORKSPACE : "/", O_PATH | O_DIRECTORY, 0);
	if (from < 0)
		return err_set(e, -from, "collect: the job's folder");
	return job_collect(from, collect_to, job, &ret->collected, e);
}

static int slot_fd(const struct run *run, int slot)
{
	return slot < 0 ? -EBADF : run_slot(run, slot);
}

static int watch(struct running *r, struct job_stdio *io, struct job_result *ret, struct err *e)
{
	struct job_watch w = { .job = r->job,
			       .pidfd = run_slot(&r->run, SLOT_GUEST_PIDFD),
			       .cgroup = run_slot(&r->run, r->slot_cgroup),
			       .stdio = io };
	struct job_end end;
	int n = job_watch(&w, &end, e);

	ret->wall_us = (clock_ns(CLOCK_MONOTONIC) - ret->wall_us) / 1000;
	if (n < 0)
		return n;
	read_stats(w.cgroup, ret);
	job_traffic_read(slot_fd(&r->run, r->slot_netns), ret);
	job_watch_drain(&w);
	n = look_back(r->job, slot_fd(&r->run, r->slot_root), r->collect_to, ret, e);
	if (n < 0)
		return n;
	conclude(r->job, &end, ret);
	return 0;
}

/* To a monitor; returns only when that can't be. */
static int leave(const struct running *r, const struct job_stdio *io, const struct job_result *so_far,
		 struct err *e)
{
	const struct job_kept kept = { .dir = r->job->detach->dir,
				       .root = slot_fd(&r->run, r->slot_root),
				       .mounts = slot_fd(&r->run, r->slot_mounts),
				       .cgroup = run_slot(&r->run, r->slot_cgroup),
				       .netns = slot_fd(&r->run, r->slot_netns),
				       .collect = r->job->collect_count ? r->collect_to : -1,
				       .pin = r->pin,
				       .user = r->user_of_image };
	const int output[2] = { io->stream[1]->from, io->stream[2] ? io->stream[2]->from : -1 };

	attach_restore_signals();
	return job_become_monitor(r->job, run_slot(&r->run, SLOT_GUEST_PIDFD), output, &kept, so_far, e);
}

static int find_layers(const struct running *r, const struct image_info *image, int pin,
		       struct arena *a, struct root_layers *ret, struct err *e)
{
	static const char *const itself[] = { "." };
	int n = 0;

	if (image)
		root_layers_of_image(image, pin, ret);
	else
		*ret = (struct root_layers){ .pin = -EBADF, .dir = r->job->source, .layers = itself,
					     .count = 1 };
	ret->upper_bytes = UPPER_BYTES;
	for (size_t i = 0; i < r->job->file_count; i++)
		ret->upper_bytes += r->job->file[i].size + FILE_OVERHEAD;
	if (r->job->writable)
		n = root_layers_parse_writable(r->job->writable, a, ret, e);
	if (n < 0)
		return err_wrap(e, "--writable");
	return root_layers_check(ret, r->host, !r->job->writable, e);
}

/* Its own, and behind them those of its network. */
static struct ns_file *job_files(const struct running *r, const struct net_spec *net, struct arena *a,
				 size_t *ret_count)
{
	struct ns_file *files =
		arena_array(a, r->job->file_count + JOB_NAMES_FILES, sizeof *files);

	for (size_t i = 0; files && i < r->job->file_count; i++) {
		const struct job_file *f = &r->job->file[i];

		files[i] = (struct ns_file){ f->path,	  f->data,	f->size,
					     f->mode,	  r->user.uid, r->user.gid };
	}
	*ret_count = r->job->file_count;
	if (files)
		*ret_count += job_names_files(r->job, net, a, files + *ret_count);
	return files;
}

/* As the host counts; an id that has none stays kist's own. */
static uint32_t host_id(const struct ns_id_map *map, size_t count, uint32_t id, uint32_t otherwise)
{
	for (size_t i = 0; i < count; i++)
		if (id >= map[i].container && id - map[i].container < map[i].size)
			return map[i].host + (id - map[i].container);
	return otherwise;
}

static const char *realm_of(const char *root_path)
{
	return strcmp(root_path, "/run/kist") == 0 ? NULL : root_path;
}

static void note_network(const char *owner, struct job_result *ret)
{
	net_lease_lookup(owner, &ret->address);
	snprintf(ret->owner, sizeof ret->owner, "%s", owner);
}

static int start_and_watch(struct running *r, const struct root_layers *layers,
			   struct job_ids *ids, struct container_spec *spec,
			   const char *root_path, const struct runtime_hooks_in *in, struct arena *a,
			   struct job_result *ret, struct err *e)
{
	struct create_options o = {
		.id = r->job->id,
		.root = r->root,
		.root_path = root_path,
		.layers = layers,
		.idrange = ids->leased,
		.lock_securebits = true,
		.init = r->job->init,
		.keep_root = r->job->collect_count || r->job->workspace || r->job->writable,
		.net = { .rate = r->job->rate,
			 .keep_netns = true,
			 .realm = realm_of(root_path) },
	};
	struct compiled compiled;
	struct err ignored = ERR_INIT;
	struct job_stdio io = JOB_STDIO_INIT;
	int n;

	n = net_parse_annotations(r->job->net, r->job->publish, &o.net, a, e);
	if (n == 0)
		n = net_find(&o.net, a, e);
	if (n == 0)
		n = net_check(&o.net, r->host, e);
	if (n == 0)
		n = job_lookup_check(r->job, &o.net, e);
	if (n == 0)
		o.files = job_files(r, &o.net, a, &o.file_count);
	if (n == 0 && !o.files)
		n = err_set(e, ENOMEM, "the job's files");
	if (n == 0)
		n = job_stdio_open(&io, r->job,
				   host_id(ids->uid, ids->count, r->user.uid, r->host->uid),
				   host_id(ids->gid, ids->count, r->user.gid, r->host->gid), a,
				   ret->output, e);
	o.stdio = io.given ? io.fd : NULL;
	if (n == 0)
		n = runtime_create(&compiled, spec, r->host, &o, in, a, &r->run, e);
	job_ids_settle(ids);
	job_stdio_given(&io);
	if (n < 0) {
		job_stdio_close(&io);
		return n;
	}
	r->slot_cgroup = compiled.slot_cgroup;
	r->slot_root = compiled.slot_root;
	r->slot_mounts = compiled.slot_mounts;
	r->slot_netns = compiled.slot_netns;
	ret->wall_us = clock_ns(CLOCK_MONOTONIC);
	if (r->job->bridge)
		note_network(net_owner(a, o.id, o.net.realm), ret);
	n = r->job->detach ? leave(r, &io, ret, e) : watch(r, &io, ret, e);
	job_stdio_close(&io);
	if (n < 0)
		runtime_delete_made(r->root, r->job->id, &r->run, &ignored);
	else
		n = runtime_delete_made(r->root, r->job->id, &r->run, e);
	run_close(&r->run);
	return n;
}

static int run_job(struct job *job, const char *store, int root, const char *root_path,
		   const struct runtime_hooks_in *in, struct arena *a, struct job_result *ret,
		   struct err *e)
{
	_cleanup_spec_ struct container_spec spec = { 0 };
	_cleanup_fd_ int pin = -EBADF;
	_cleanup_image_user_ struct image_user user = IMAGE_USER_INIT;
	struct image_info image;
	struct host host;
	_cleanup_fd_ int collect_to = -EBADF, shared = -EBADF;
	struct running r = { .job = job, .host = &host, .root = root, .slot_root = -1, .slot_netns = -1,
			     .pin = -1,
			     .user_of_image = -1 };
	struct root_layers layers;
	struct job_ids ids;
	int n;

	n = host_probe(&host, e);
	if (n == 0)
		n = job_check(job, &host, e);
	if (n == 0 && job->shares)
		n = shared = job_share_network(job, &host, root, realm_of(root_path), a, e);
	n = n < 0 ? n : 0;
	if (n == 0 && job->collect_count) {
		collect_to = job_collect_open(job->collect_to, e);
		n = collect_to < 0 ? collect_to : 0;
		r.collect_to = collect_to;
	}
	if (n == 0 && !job->is_folder)
		n = image_resolve(store, job->source, a, &image, &pin, e);
	if (n < 0)
		return n;
	if (!job->is_folder) {
		ret->image_digest = image.manifest_digest;
		image_user_begin(store, &image, job->id, &user);
		r.pin = pin;
		r.user_of_image = user.fd;
	}
	n = find_layers(&r, job->is_folder ? NULL : &image, pin, a, &layers, e);
	if (n == 0)
		n = job_ids_take(&ids, &host, root, job->id, layers.upper_dir, e);
	if (n < 0)
		return n;
	n = parse_config(job, job->is_folder ? NULL : &image, pin, &host, &ids, a, &spec, &r.user, e);
	if (n == 0)
		n = spec_check(&spec, &host, e);
	if (n < 0) {
		job_ids_drop(&ids, root, job->id);
		return n;
	}
	n = start_and_watch(&r, &layers, &ids, &spec, root_path, in, a, ret, e);
	/* Another's container has the id: only what is ours goes. Else the intent gave it back. */
	if (n < 0)
		job_ids_drop(&ids, root, job->id);
	return n;
}

void job_run(struct job *job, const char *store, int root, const char *root_path,
	     const struct runtime_hooks_in *in, struct arena *a, struct job_result *ret,
	     struct err *e)
{
	*ret = (struct job_result){ .exit_code = -1, .started_ns = clock_ns(CLOCK_REALTIME) };
	attach_block_signals();
	if (run_job(job, store, root, root_path, in, a, ret, e) < 0) {
		ret->reason = JOB_SANDBOX_ERROR;
		ret->status = e->exit_code ? e->exit_code : STATUS_FAILED;
		ret->wall_us = 0;
		err_format(e, ret->error, sizeof ret->error);
	}
	attach_restore_signals();
}

/* --- after the monitor ------------------------------------------------------------------------ */

static const struct {
	const char *text;
	enum job_reason reason;
} monitor_reasons[] = { { "exit", JOB_EXIT },	  { "wall", JOB_WALL },
			{ "cpu", JOB_CPU_USED },  { "output", JOB_OUTPUT },
			{ "cancelled", JOB_CANCELLED } };

static void read_output(const json_t *o, uint64_t limit, struct job_output *ret)
{
	ret->counted = true;
	ret->bytes = (uint64_t)json_integer_value(json_object_get(o, "bytes"));
	ret->kept = limit && ret->bytes > limit ? limit : ret->bytes;
}

/* What the monitor saw. */
static int read_end(const struct job *job, int dir, struct job_end *end, struct arena *a,
		    struct job_result *ret, struct err *e)
{
	_cleanup_json_ json_t *begun = NULL, *o = NULL;
	const char *reason, *digest, *owner;
	int r = json_read_file(dir, JOB_BEGUN, &begun, e);

	if (r == 0)
		r = json_read_file(dir, JOB_ENDED, &o, e);
	if (r < 0)
		return err_wrap(e, "the monitor's record");
	reason = json_string_value(json_object_get(o, "reason"));
	for (size_t i = 0; reason && i < sizeof monitor_reasons / sizeof monitor_reasons[0]; i++)
		if (strcmp(reason, monitor_reasons[i].text) == 0)
			end->reason = monitor_reasons[i].reason;
	end->exit_code = (int)json_integer_value(json_object_get(o, "code"));
	end->signal = (int)json_integer_value(json_object_get(o, "signal"));
	end->cancel_signal = (int)json_integer_value(json_object_get(o, "cancelledBy"));
	end->status = end->signal ? 128 + end->signal : end->exit_code;
	ret->wall_us = json_integer_value(json_object_get(o, "wallUsec"));
	read_output(json_object_get(o, "stdout"), job->output, &ret->output[0]);
	read_output(json_object_get(o, "stderr"), job->output, &ret->output[1]);
	ret->started_ns = json_integer_value(json_object_get(begun, "startedNs"));
	ret->address = (uint32_t)json_integer_value(json_object_get(begun, "address"));
	owner = json_string_value(json_object_get(begun, "owner"));
	snprintf(ret->owner, sizeof ret->owner, "%s", owner ? owner : "");
	digest = json_string_value(json_object_get(begun, "digest"));
	ret->image_digest = digest ? arena_strdup(a, digest) : NULL;
	return 0;
}

static int end_job(struct job *job, const struct job_kept *kept, struct arena *a,
		   struct job_result *ret, struct err *e)
{
	struct job_end end = { .reason = JOB_EXIT, .exit_code = -1 };
	struct host host;
	int n = host_probe(&host, e);

	if (n == 0)
		n = job_check(job, &host, e);
	if (n == 0)
		n = read_end(job, kept->dir, &end, a, ret, e);
	if (n < 0)
		return n;
	read_stats(kept->cgroup, ret);
	job_traffic_read(kept->netns, ret);
	n = look_back(job, kept->root, kept->collect, ret, e);
	if (n == 0)
		conclude(job, &end, ret);
	return n;
}

void job_end(struct job *job, int root, const struct job_kept *kept, struct arena *a,
	     struct job_result *ret, struct err *e)
{
	struct err failure = ERR_INIT;
	int n;

	*ret = (struct job_result){ .exit_code = -1 };
	n = end_job(job, kept, a, ret, e);
	/* Whatever became of it: nothing of it stays. Its tree is held by these. */
	if (kept->root >= 0)
		close(kept->root);
	if (kept->mounts >= 0)
		close(kept->mounts);
	if (kept->netns >= 0)
		close(kept->netns);
	if (runtime_delete(root, job->id, true, n < 0 ? &failure : e) < 0 && n == 0)
		n = -e->error;
	if (n < 0) {
		ret->reason = JOB_SANDBOX_ERROR;
		ret->status = e->exit_code ? e->exit_code : STATUS_FAILED;
		err_format(e, ret->error, sizeof ret->error);
	}
}
