/*
 * checkpoint.c - a running container's processes into files.
 */
#include "runtime/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "net/nft.h"
#include "runtime/hot_net.h"

int checkpoint_check_mode(const char *mode, struct err *e)
{
	if (!mode || strcmp(mode, "soft") == 0)
		return 0;
	err_say(e, ENOTSUP,
		"--manage-cgroups-mode: \"%.40s\" is not soft: the container's cgroup and its "
		"limits are made as config.json says",
		mode);
	return err_fix(e, "kist update changes limits of a container that runs");
}

/* Whoever may write to the images has the rights of what is made of them. */
static int check_owner(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(e, errno, "%s", path);
	if (st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH)))
		return 0;
	err_say(e, EPERM,
		"the folder %s belongs to uid %u and has mode %04o: others could change what is "
		"restored",
		path, st.st_uid, st.st_mode & 07777);
	return err_fix(e, "a folder of the caller's own, that nobody else may write to");
}

int checkpoint_open_folder(const char *path, bool make, struct arena *a, const char **ret_path,
			   struct err *e)
{
	_cleanup_fd_ int fd = -EBADF;
	char here[PATH_MAX];

	if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_set(e, errno, "cannot make the folder %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "the folder %s", path);
	if (check_owner(fd, path, e) < 0)
		return -e->error;
	if (!realpath(path, here))
		return err_set(e, errno, "the folder %s", path);
	*ret_path = arena_strdup(a, here);
	return *ret_path ? fd_take(&fd) : err_set(e, ENOMEM, "the folder");
}

void checkpoint_common_args(struct criu_args *args, const struct checkpoint_options *o)
{
	const struct {
		bool asked;
		const char *word;
	} flags[] = {
		{ o->tcp_established, "--tcp-established" },
		{ o->file_locks, "--file-locks" },
		{ o->link_remap, "--link-remap" },
	};

	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (flags[i].asked)
			criu_args_add(args, flags[i].word);
	criu_args_add(args, "-v4");
	/* A cgroup that is there keeps its limits; those that the container made in it come again.
	 */
	criu_args_add(args, "--manage-cgroups=soft");
}

/* --- what the processes are ------------------------------------------------- */

struct dump {
	struct container *c;
	const struct checkpoint_options *o;
	const struct host *h;
	struct arena *arena;
	struct container_spec spec;
	const char *image_path, *work_path, *private_path;
	int image, work;
	struct checkpoint_record record;
};

/* Set for every process of the container, or for none: restore can do no other. */
static int look_at_no_new_privs(struct dump *d, struct err *e)
{
	_cleanup_fd_ int cgroup =
		open(d->c->cgroup, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_free_ pid_t *pids = NULL;
	size_t count = 0, with = 0, without = 0;
	int r = cgroup < 0 ? err_set(e, errno, "the container's cgroup")
			   : cgroup_pids(cgroup, true, &pids, &count, e);

	for (size_t i = 0; r >= 0 && i < count; i++) {
		char path[64], text[8192], *line;

		snprintf(path, sizeof path, "/proc/%d/status", (int)pids[i]);
		if (file_read_at(AT_FDCWD, path, text, sizeof text) <= 0)
			continue; /* it has ended */
		line = strstr(text, "\nNoNewPrivs:\t");
		with += line && line[13] == '1';
		without += line && line[13] == '0';
	}
	if (r < 0)
		return r;
	d->record.no_new_privs = with > 0;
	if (with && without)
		return err_say(e, ENOTSUP,
			       "checkpoint: some processes have no_new_privs and others don't, "
			       "which criu does not keep");
	return 0;
}

/* Is that mount among the container's own? */
static bool is_own_mount(pid_t pid, unsigned long long id)
{
	_cleanup_stream_ FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	char path[64];
	size_t room = 0;

	snprintf(path, sizeof path, "/proc/%d/mountinfo", (int)pid);
	f = fopen(path, "re");
	while (f && getline(&line, &room, f) > 0)
		if (strtoull(line, NULL, 10) == id)
			return true;
	return false;
}

static bool is_terminal(const struct stat *st)
{
	unsigned int major = major(st->st_rdev);

	return S_ISCHR(st->st_mode) && (major == 4 || major == 5 || (major >= 136 && major <= 143));
}

/* stdin, stdout and stderr that came from outside: restore puts its caller's in their place. */
static int look_at_stdio(struct dump *d, struct criu_args *args, int fd, struct err *e)
{
	char path[64], target[PATH_MAX], info[1024], *line;
	unsigned long long mount_id;
	struct stat st;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)d->c->pid, fd);
	n = readlink(path, target, sizeof target - 1);
	if (n < 0 || stat(path, &st) < 0)
		return 0; /* closed */
	target[n] = '\0';
	if (S_ISFIFO(st.st_mode) && checkpoint_key_is_plain(target)) {
		d->record.stdio[fd] =
			(struct checkpoint_stdio){ .key = arena_strdup(d->arena, target),
						   .mode = st.st_mode };
		return 0;
	}
	if (is_terminal(&st)) {
		err_say(e, ENOTSUP,
			"checkpoint: file descriptor %d is a terminal of who started the "
			"container",
			fd);
		return err_fix(e, "start it with another stdin, stdout and stderr");
	}
	if (S_ISSOCK(st.st_mode))
		return 0; /* of criu's to say */
	snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)d->c->pid, fd);
	if (file_read_at(AT_FDCWD, path, info, sizeof info) <= 0)
		return err_set(e, errno, "%s", path);
	line = strstr(info, "mnt_id:");
	mount_id = line ? strtoull(line + 7, NULL, 10) : 0;
	if (!mount_id || is_own_mount(d->c->pid, mount_id))
		return 0;
	d->record.stdio[fd] = (struct checkpoint_stdio){
		.key = arena_printf(d->arena, "file[%llx:%llx]", mount_id,
				    (unsigned long long)st.st_ino),
		.mode = st.st_mode,
		.size = st.st_size,
	};
	criu_args_add(args, "--external");
	criu_args_add(args, d->record.stdio[fd].key);
	return 0;
}

/* --- criu's lock of the network --------------------------------------------- */

int checkpoint_unlock(int net, int pid, struct err *e)
{
	_cleanup_fd_ int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	char table[32];
	int r;

	if (home < 0 || setns(net, CLONE_NEWNET) < 0)
		return err_set(e, errno, "the container's network namespace");
	snprintf(table, sizeof table, "CRIU-%d", pid);
	r = nft_remove_other(table, e);
	return setns(home, CLONE_NEWNET) < 0 ? err_set(e, errno, "back to the host's network") : r;
}

/* --- the dump --------------------------------------------------------------- */

static int add_network(struct dump *d, struct criu_args *args, struct err *e)
{
	char path[64];
	struct stat st;

	if (!d->spec.ns.join_path[NS_NET])
		return 0;
	snprintf(path, sizeof path, "/proc/%d/ns/net", (int)d->c->pid);
	if (stat(path, &st) < 0)
		return err_set(e, errno, "%s", path);
	criu_args_addf(args, "--external", "net[%llu]:" CHECKPOINT_NET_NAME,
		       (unsigned long long)st.st_ino);
	return 0;
}

static int build_args(struct dump *d, struct criu_args *args, struct err *e)
{
	struct checkpoint_external *list = NULL;
	size_t count = checkpoint_externals(&d->spec, d->h, d->arena, &list);
	const char *criu;
	int r = criu_find(d->arena, &criu, e);

	if (r < 0)
		return r;
	criu_args_begin(args, d->arena, criu, d->o->pre_dump ? "pre-dump" : "dump");
	criu_args_addf(args, "--tree", "%d", (int)d->c->pid);
	criu_args_addf(args, "--images-dir", "%s", d->image_path);
	criu_args_addf(args, "--work-dir", "%s", d->work_path);
	criu_args_addf(args, "--log-file", CHECKPOINT_DUMP_LOG);
	criu_args_addf(args, "--root", "%s", d->spec.ns.rootfs);
	criu_args_addf(args, "--freeze-cgroup", "%s", d->c->cgroup);
	criu_args_addf(args, "--network-lock", "nftables");
	if (!d->h->cgroup_hybrid)
		criu_args_addf(args, "--cgroup-yard", "%s/yard", d->private_path);
	checkpoint_common_args(args, d->o);
	if (d->o->leave_running && !d->o->pre_dump)
		criu_args_add(args, "--leave-running");
	if (d->o->parent)
		criu_args_addf(args, "--prev-images-dir", "%s", d->o->parent);
	if (d->o->parent || d->o->pre_dump)
		criu_args_add(args, "--track-mem");
	r = add_network(d, args, e);
	for (int fd = 0; r == 0 && fd < 3; fd++)
		r = look_at_stdio(d, args, fd, e);
	if (r == 0)
		r = checkpoint_name_mounts(args, d->c->pid, list, count, e);
	return r < 0 ? r : criu_args_check(args, e);
}

static int prepare(void *user)
{
	const struct dump *d = user;

	return checkpoint_private_mounts(d->private_path,
					 d->h->cgroup_hybrid ? NULL : d->h->cgroup_mount);
}

/* A network that outlives the container stays locked only for connections that are to go on. */
static int end_lock(const struct dump *d, int net, struct err *e)
{
	if ((d->spec.ns.new_namespaces & CLONE_NEWNET) || d->o->tcp_established || d->o->pre_dump)
		return 0;
	return checkpoint_unlock(net, d->record.pid, e);
}

static int dump(struct dump *d, struct err *e)
{
	struct criu_args args;
	struct criu_run run = {
		.work = d->work, .log = CHECKPOINT_DUMP_LOG, .prepare = prepare, .user = d
	};
	_cleanup_fd_ int net = -EBADF;
	char path[64];
	int r = build_args(d, &args, e);

	if (r < 0)
		return r;
	d->record.pid = d->c->pid;
	snprintf(path, sizeof path, "/proc/%d/ns/net", (int)d->c->pid);
	net = open(path, O_RDONLY | O_CLOEXEC);
	r = net < 0 ? err_set(e, errno, "%s", path) : look_at_no_new_privs(d, e);
	if (r == 0 && !d->o->pre_dump)
		r = checkpoint_record_write(d->image, &d->record, e);
	run.argv = args.word;
	if (r == 0)
		r = criu_run(&run, e);
	if (r == 0)
		return end_lock(d, net, e);
	if (!d->o->pre_dump)
		unlinkat(d->image, CHECKPOINT_RECORD, 0);
	return r;
}

static int open_dump(struct dump *d, const char *root_path, struct err *e)
{
	const char *image = d->o->image ? d->o->image : "checkpoint", *work = d->o->work;

	d->image = checkpoint_open_folder(image, true, d->arena, &d->image_path, e);
	if (d->image < 0)
		return d->image;
	d->work = checkpoint_open_folder(work ? work : image, true, d->arena, &d->work_path, e);
	if (d->work < 0)
		return d->work;
	if (mkdirat(d->c->dir, "criu", 0700) < 0 && errno != EEXIST)
		return err_set(e, errno, "the state folder");
	d->private_path = arena_printf(d->arena, "%s/%s/criu", root_path, d->c->id);
	return 0;
}

static int check_container(struct container *c, const struct host *h, struct err *e)
{
	if (!h->root)
		return err_say(e, EPERM, "checkpoint and restore need root");
	if (c->status == STATUS_PAUSED) {
		err_say(e, EBUSY, "cannot checkpoint a paused container");
		return err_fix(e, "kist resume %.64s", c->id);
	}
	if (c->status != STATUS_RUNNING)
		return err_say(e, EINVAL, "cannot checkpoint a container that is %s",
			       container_status_name(c->status));
	if (!c->cgroup)
		return err_say(e, ENOTSUP, "checkpoint: the container has no cgroup of its own");
	if (faccessat(c->dir, "root", F_OK, 0) == 0)
		return err_say(e, ENOTSUP,
			       "checkpoint: the container's root is an image's layers, which "
			       "are gone with it");
	if (json_is_true(json_object_get(c->state, "foreground"))) {
		err_say(e, ENOTSUP, "checkpoint: the container ends with the kist that started it");
		return err_fix(e, "start it with create, or run --detach");
	}
	return json_array_size(json_object_get(c->state, "addedMounts"))
		       ? err_say(e, ENOTSUP,
				 "checkpoint: the container has mounts that are not in its "
				 "configuration (kist mounts add)")
		       : 0;
}

static int load_spec(struct dump *d, struct err *e)
{
	const char *bundle = json_string_value(json_object_get(d->c->state, "bundle"));
	json_t *config;
	int r = json_read_file(d->c->dir, "config.json", &config, e);

	if (r == 0)
		r = spec_parse(config, bundle ? bundle : "/", d->c->id, d->arena, &d->spec, e);
	return r;
}

int runtime_checkpoint(int root, const char *root_path, const char *id,
		       const struct checkpoint_options *o, const struct host *h, struct err *e)
{
	_cleanup_container_ struct container c = CONTAINER_INIT;
	struct arena arena = ARENA_INIT;
	struct dump d = {
		.c = &c, .o = o, .h = h, .arena = &arena, .image = -EBADF, .work = -EBADF
	};
	int r = container_open(root, id, true, &c, e);

	if (r == 0)
		r = check_container(&c, h, e);
	if (r == 0)
		r = load_spec(&d, e);
	if (r == 0)
		r = checkpoint_check(&d.spec, e);
	if (r == 0 && faccessat(c.dir, HOT_NET_MARK, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		r = checkpoint_refuse_network(e); /* by kist net connect */
	if (r == 0)
		r = open_dump(&d, root_path, e);
	if (r == 0)
		r = dump(&d, e);
	/* As runc: what was saved is no container any more, and its id is free. */
	if (r == 0 && !o->leave_running && !o->pre_dump)
		r = runtime_destroy(&c, e);
	spec_free(&d.spec);
	fd_close(&d.image);
	fd_close(&d.work);
	arena_free(&arena);
	return r;
}
