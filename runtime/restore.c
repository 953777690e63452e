/*
 * restore.c - saved processes into a container: the steps around criu, and the verb.
 *
 * A plan of host steps: state folder, cgroup with its limits and device filter, the sources of the
 * binds; then criu makes namespaces, mounts and processes from its images; then what it does not
 * do.
 */
#include "runtime/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/publish.h"
#include "runtime/restore.h"

struct restore_source_args {
	struct restore *restore;
	size_t index;
};

/* --- sources of binds ------------------------------------------------------- */

/* A copy of the mount that follows the host's, and gives it nothing back. */
static int act_source(struct run *r, const void *args, struct err *e)
{
	const struct restore_source_args *a = args;
	const struct checkpoint_external *x = &a->restore->list[a->index];
	unsigned int deep = x->recursive ? AT_RECURSIVE : 0;
	struct mount_attr attr = { .propagation = MS_SLAVE };
	_cleanup_fd_ int fd = (int)syscall(SYS_open_tree, AT_FDCWD, x->source,
					   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | deep);

	(void)r;
	if (fd < 0)
		return err_set(e, errno, "the source %s", x->source);
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | deep, &attr, sizeof attr) < 0)
		return -errno;
	a->restore->fds[a->index] = fd_take(&fd);
	return 0;
}

static void show_source(struct buf *out, const struct plan *p, const void *args)
{
	const struct restore_source_args *a = args;
	const struct checkpoint_external *x = &a->restore->list[a->index];

	(void)p;
	buf_add(out, "open_tree(AT_FDCWD, ");
	buf_add_quoted(out, x->source);
	buf_addf(out, ", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC%s); mount_setattr(MS_SLAVE)",
		 x->recursive ? "|AT_RECURSIVE" : "");
}

static const struct op op_restore_source = { .name = "open_tree",
					     .man = "open_tree(2)",
					     .compound = true,
					     .act = act_source,
					     .show = show_source };

/* --- criu ------------------------------------------------------------------- */

static int is_folder(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -errno : S_ISDIR(st.st_mode);
}

/* In the child: criu wants a root that is a mount, and the sources by path. What criu has its
 * processes inherit: no_new_privs, which it does not keep, and the session keyring, which else
 * would be the caller's. */
static int prepare(void *user)
{
	const struct restore *r = user;
	int n = checkpoint_private_mounts(r->private_path, r->yard ? r->cgroup_mount : NULL);

	if (n == 0 && mount(r->rootfs, r->rootfs, NULL, MS_BIND | MS_REC, NULL) < 0)
		return -errno;
	for (size_t i = 0; n == 0 && i < r->count; i++) {
		char path[PATH_MAX];
		int folder = is_folder(r->fds[i]);

		snprintf(path, sizeof path, "%s/%zu", r->private_path, i);
		if (folder < 0 ||
		    (folder ? mkdir(path, 0700) : mknod(path, S_IFREG | 0600, 0)) < 0 ||
		    syscall(SYS_move_mount, r->fds[i], "", AT_FDCWD, path,
			    MOVE_MOUNT_F_EMPTY_PATH) < 0)
			return -errno;
	}
	if (n == 0 && r->record.no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (n == 0 && r->keyring && syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 &&
	    errno != ENOSYS)
		return -errno;
	if (n == 0 && r->net >= 0) {
		int high = fcntl(r->net, F_DUPFD_CLOEXEC, CRIU_FDS_ABOVE);

		n = high < 0 || dup2(high, CRIU_NET) < 0 ? -errno : 0;
	}
	return n;
}

static void build_args(struct restore *r)
{
	struct criu_args *args = &r->args;

	criu_args_begin(args, r->arena, r->criu, "restore");
	criu_args_addf(args, "--images-dir", "%s", r->image_path);
	criu_args_addf(args, "--work-dir", "%s", r->work_path);
	criu_args_addf(args, "--log-file", CHECKPOINT_RESTORE_LOG);
	criu_args_addf(args, "--root", "%s", r->rootfs);
	criu_args_addf(args, "--pidfile", "%s", r->pid_file);
	criu_args_add(args, "--restore-detached");
	criu_args_add(args, "--restore-sibling");
	criu_args_addf(args, "--cgroup-root", "%s", r->cgroup);
	if (r->yard)
		criu_args_addf(args, "--cgroup-yard", "%s/yard", r->private_path);
	checkpoint_common_args(args, r->o);
	if (r->lsm)
		criu_args_addf(args, "--lsm-profile", "%s", r->lsm);
	for (size_t i = 0; i < r->count; i++)
		criu_args_addf(args, "--external", "mnt[%s]:%s/%zu", r->list[i].name,
			       r->private_path, i);
	if (r->net_path)
		criu_args_addf(args, "--inherit-fd", "fd[%d]:" CHECKPOINT_NET_NAME, CRIU_NET);
	for (int i = 0; i < 3; i++) {
		const char *key = r->record.stdio[i].key;
		bool again = false;

		/* One key, one file: what was the same is the same again. */
		for (int k = 0; key && k < i; k++)
			again |= r->record.stdio[k].key && strcmp(key, r->record.stdio[k].key) == 0;
		if (key && !again)
			criu_args_addf(args, "--inherit-fd", "fd[%d]:%s", CRIU_STDIO + i, key);
	}
}

static int read_pid(const struct restore *r, struct err *e)
{
	char text[32], *end;
	long pid;

	if (file_read_at(AT_FDCWD, r->pid_file, text, sizeof text) <= 0)
		return err_say(e, EIO, "criu has not said which process it made");
	pid = strtol(text, &end, 10);
	if (*end || pid <= 0 || pid > INT_MAX)
		return err_say(e, EIO, "criu's pid file says \"%.20s\"", text);
	return (int)pid;
}

struct restore_args {
	struct restore *restore;
};

static int act_criu(struct run *run, const void *args, struct err *e)
{
	struct restore *r = ((const struct restore_args *)args)->restore;
	struct criu_run c = { .argv = r->args.word,
			      .work = r->work,
			      .log = CHECKPOINT_RESTORE_LOG,
			      .prepare = prepare,
			      .user = r,
			      .dies_with_us = true,
			      .keep_stdio = true };
	int n, pid, pidfd;

	n = criu_run(&c, e);
	for (size_t i = 0; i < r->count; i++)
		fd_close(&r->fds[i]);
	if (n < 0)
		return n;
	pid = read_pid(r, e);
	if (pid < 0)
		return pid;
	/* Our child: its pid can't be another's. */
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0)
		return err_set(e, errno, "the restored process %d", pid);
	run_set_number(run, SLOT_GUEST_PID, pid);
	run_set_fd(run, SLOT_GUEST_PIDFD, pidfd);
	return 0;
}

static void show_criu(struct buf *out, const struct plan *p, const void *args)
{
	const struct restore *r = ((const struct restore_args *)args)->restore;

	(void)p;
	buf_add(out, "execve(");
	for (size_t i = 0; i < r->args.count; i++) {
		if (i)
			buf_add_char(out, ' ');
		buf_add_shell(out, r->args.word[i]);
	}
	buf_add_char(out, ')');
}

static const struct op op_criu = { .name = "criu_restore",
				   .man = "criu(8)",
				   .compound = true,
				   .act = act_criu,
				   .show = show_criu };

/* --- after it --------------------------------------------------------------- */

static int status_number(const char *status, const char *key, int base, uint64_t *ret)
{
	const char *line = strstr(status, key);

	if (!line)
		return -EPROTO;
	*ret = strtoull(line + strlen(key), NULL, base);
	return 0;
}

/* The images say what the processes may; config.json says what they should be able to. */
static int act_verify(struct run *run, const void *args, struct err *e)
{
	const struct restore *r = ((const struct restore_args *)args)->restore;
	uint64_t bounding, no_new_privs, seccomp;
	char path[64], text[8192];

	snprintf(path, sizeof path, "/proc/%d/status", run_slot(run, SLOT_GUEST_PID));
	if (file_read_at(AT_FDCWD, path, text, sizeof text) <= 0 ||
	    status_number(text, "\nCapBnd:\t", 16, &bounding) < 0 ||
	    status_number(text, "\nNoNewPrivs:\t", 10, &no_new_privs) < 0 ||
	    status_number(text, "\nSeccomp:\t", 10, &seccomp) < 0)
		return err_say(e, EIO, "the restored process is gone already");
	if (bounding & ~r->bounding) {
		err_say(e, EPERM,
			"the saved process has capabilities that the configuration does not "
			"give");
		err_at(e, "/process/capabilities/bounding");
	} else if (r->no_new_privs && !no_new_privs) {
		err_say(e, EPERM, "the saved process lacks no_new_privs");
		err_at(e, "/process/noNewPrivileges");
	} else if (r->filtered && seccomp != 2) {
		err_say(e, EPERM, "the saved process has no filter");
		err_at(e, "/linux/seccomp");
	} else {
		return 0;
	}
	return err_fix(e, "restore it with the configuration it was started with");
}

static void show_verify(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	(void)args;
	buf_add(out, "verify(/proc/PID/status: CapBnd, NoNewPrivs, Seccomp)");
}

static const struct op op_verify = { .name = "verify_restored",
				     .man = "proc_pid_status(5)",
				     .compound = true,
				     .act = act_verify,
				     .show = show_verify };

/* criu 3.17 looks for its lock under the new pid, and its images hold the one under the old. */
static int act_unlock(struct run *run, const void *args, struct err *e)
{
	const struct restore *r = ((const struct restore_args *)args)->restore;
	_cleanup_fd_ int net = -EBADF;
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/ns/net", run_slot(run, SLOT_GUEST_PID));
	net = open(path, O_RDONLY | O_CLOEXEC);
	if (net < 0)
		return err_set(e, errno, "the container's network namespace");
	return checkpoint_unlock(net, r->record.pid, e);
}

static void show_unlock(struct buf *out, const struct plan *p, const void *args)
{
	const struct restore *r = ((const struct restore_args *)args)->restore;

	(void)p;
	buf_addf(out, "setns(<container>, CLONE_NEWNET); nft delete table inet CRIU-%d",
		 r->record.pid);
}

static const struct op op_unlock = { .name = "unlock_network",
				     .man = "setns(2)",
				     .compound = true,
				     .act = act_unlock,
				     .show = show_unlock };

void restore_plan_sources(struct plan *p, struct restore *r)
{
	for (size_t i = 0; i < r->count; i++) {
		plan_scope(p, r->list[i].why, r->list[i].name);
		plan_add(p, SIDE_HOST, op_restore_source, restore_source_args, .restore = r,
			 .index = i);
	}
}

void restore_plan_criu(struct plan *p, struct restore *r)
{
	build_args(r);
	plan_scope(p, "", NULL);
	plan_add(p, SIDE_HOST, op_criu, restore_args, .restore = r);
}

void restore_plan_verify(struct plan *p, struct restore *r)
{
	plan_add(p, SIDE_HOST, op_verify, restore_args, .restore = r);
	plan_add(p, SIDE_HOST, op_unlock, restore_args, .restore = r);
}

/* --- the verb --------------------------------------------------------------- */

static int open_folders(struct restore *r, struct err *e)
{
	const char *image = r->o->image ? r->o->image : "checkpoint";

	r->image = checkpoint_open_folder(image, false, r->arena, &r->image_path, e);
	if (r->image < 0)
		return r->image;
	r->work = checkpoint_open_folder(r->o->work ? r->o->work : image, r->o->work != NULL,
					 r->arena, &r->work_path, e);
	return r->work < 0 ? r->work : 0;
}

/* criu compares too, but says less. */
static int check_stdio(const struct restore *r, struct err *e)
{
	for (int i = 0; i < 3; i++) {
		const struct checkpoint_stdio *was = &r->record.stdio[i];
		struct stat st;

		if (!was->key ||
		    (fstat(i, &st) == 0 && (st.st_mode & S_IFMT) == (was->mode & S_IFMT) &&
		     (!S_ISREG(st.st_mode) || st.st_size == was->size)))
			continue;
		if (S_ISREG(was->mode))
			err_say(e, EINVAL,
				"file descriptor %d is not the file of %lld bytes it was", i,
				(long long)was->size);
		else
			err_say(e, EINVAL, "file descriptor %d is not a %s as it was", i,
				S_ISFIFO(was->mode)  ? "pipe"
				: S_ISCHR(was->mode) ? "device"
						     : "file");
		return err_fix(
			e,
			"restore with stdin, stdout and stderr as the container was started with");
	}
	return 0;
}

static int open_network(struct restore *r, struct err *e)
{
	if (!r->net_path)
		return 0;
	r->net = open(r->net_path, O_RDONLY | O_CLOEXEC);
	if (r->net >= 0)
		return 0;
	err_set(e, errno, "cannot open the namespace %s", r->net_path);
	return err_at(e, "/linux/namespaces");
}

const char *restore_label(const struct container_spec *s, struct arena *a)
{
	if (s->process.labels.apparmor)
		return arena_printf(a, "apparmor:%s", s->process.labels.apparmor);
	return s->process.labels.selinux ? arena_printf(a, "selinux:%s", s->process.labels.selinux) : NULL;
}

static int settle(struct restore *r, const struct container_spec *s, const struct host *h,
		  const struct create_options *create, struct err *e)
{
	struct arena *a = r->arena;
	struct checkpoint_external *list = NULL;

	if (!h->root)
		return err_say(e, EPERM, "checkpoint and restore need root");
	if (s->cgroup.unit)
		return err_say(e, ENOTSUP,
			       "restore: --systemd-cgroup is not supported by this version of "
			       "kist: systemd makes no cgroup before there is a process");
	if (s->cgroup.none)
		return err_say(e, ENOTSUP, "restore: needs a cgroup of the container's own");
	r->count = checkpoint_externals(s, h, a, &list);
	r->list = list;
	r->fds = arena_array(a, r->count, sizeof *r->fds);
	for (size_t i = 0; r->fds && i < r->count; i++)
		r->fds[i] = -EBADF;
	r->rootfs = s->ns.rootfs;
	r->private_path = arena_printf(a, "%s/%s/criu", create->root_path, create->id);
	r->pid_file = arena_printf(a, "%s/%s/criu.pid", create->root_path, create->id);
	r->cgroup = s->cgroup.path;
	r->cgroup_mount = arena_strdup(a, h->cgroup_mount);
	r->yard = !h->cgroup_hybrid;
	r->keyring = !create->no_new_keyring;
	r->net_path = s->ns.join_path[NS_NET];
	r->lsm = restore_label(s, a);
	r->bounding = s->process.caps.bounding;
	r->no_new_privs = s->process.no_new_privs;
	r->filtered = s->has_seccomp;
	return 0;
}

int runtime_restore(struct compiled *c, const struct container_spec *s, const struct host *h,
		    const struct create_options *create, const struct checkpoint_options *o,
		    const struct runtime_hooks_in *in, struct arena *a, struct run *ret_run,
		    struct err *e)
{
	struct restore *r = arena_alloc(a, sizeof *r);
	int n;

	if (!r)
		return err_set(e, ENOMEM, "restore");
	*r = (struct restore){ .arena = a, .o = o, .image = -EBADF, .work = -EBADF, .net = -EBADF };
	n = checkpoint_check(s, e);
	if (n == 0)
		n = settle(r, s, h, create, e);
	if (n == 0)
		n = open_folders(r, e);
	if (n == 0)
		n = checkpoint_record_read(r->image, a, &r->record, e);
	if (n == 0)
		n = check_stdio(r, e);
	if (n == 0)
		n = open_network(r, e);
	if (n == 0)
		n = criu_find(a, &r->criu, e);
	if (n == 0)
		n = compile_restore(c, s, h, create, r, a, e);
	if (n == 0)
		n = criu_args_check(&r->args, e);
	if (n == 0)
		n = runtime_walk(c, s, h, create, in, ret_run, e);
	fd_close(&r->image);
	fd_close(&r->work);
	fd_close(&r->net);
	return n;
}
