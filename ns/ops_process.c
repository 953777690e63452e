/*
 * ops_process.c - births, namespaces, ids, session and names of the guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "ns/ops.h"

static const struct flag_name clone_names[] = {
	{ CLONE_NEWUSER, "CLONE_NEWUSER" },     { CLONE_NEWNS, "CLONE_NEWNS" },
	{ CLONE_NEWPID, "CLONE_NEWPID" },       { CLONE_NEWNET, "CLONE_NEWNET" },
	{ CLONE_NEWIPC, "CLONE_NEWIPC" },       { CLONE_NEWUTS, "CLONE_NEWUTS" },
	{ CLONE_NEWCGROUP, "CLONE_NEWCGROUP" }, { CLONE_NEWTIME, "CLONE_NEWTIME" },
	{ CLONE_PIDFD, "CLONE_PIDFD" },         { CLONE_INTO_CGROUP, "CLONE_INTO_CGROUP" },
	{ CLONE_PARENT, "CLONE_PARENT" },
};

void ns_show_clone_flags(struct buf *out, uint64_t flags)
{
	buf_add_flags(out, flags, clone_names, sizeof clone_names / sizeof clone_names[0]);
}

/* --- clone3 ------------------------------------------------------------------------ */

static long raw_clone3(struct clone_args *args)
{
	/* Raw, as fork: the child runs on a copy of this stack. glibc's own fork would run atfork
	 * handlers and take locks that the guest must not touch. */
	return syscall(SYS_clone3, args, sizeof *args);
}

static int become_parent(struct run *r, pid_t pid, int pidfd)
{
	run_become_parent(r);
	run_set_number(r, SLOT_GUEST_PID, pid);
	run_set_fd(r, SLOT_GUEST_PIDFD, pidfd);
	return 0;
}

static struct clone_args guest_args(const struct run *r, const struct op_clone3_args *a,
				    bool into_cgroup, int *pidfd)
{
	struct clone_args args = { .flags = a->namespaces | CLONE_PIDFD,
				   .pidfd = (uintptr_t)pidfd, .exit_signal = SIGCHLD };

	if (into_cgroup) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)run_slot(r, a->cgroup_slot);
	}
	return args;
}

struct joined { /* what a joiner says */
	int error;
	int step; /* index of the namespace it could not enter; JOINED_BIRTH, JOINED_OOM */
	int pid, pidfd;
};

enum { JOINED_BIRTH = -1, JOINED_OOM = -2 };

/* The guest inherits it. The files of a process that is not dumpable are root's: the joiner is
 * dumpable as long as it is in the host's namespaces, where nobody of the container sees it. */
static int set_own_oom_score_adj(const char *text)
{
	int r;

	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	r = file_write_at(AT_FDCWD, "/proc/self/oom_score_adj", text);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return r;
}

/* The joiner: enters the namespaces, then bears the guest as its own sibling. Shares the fd table
 * with the host, so the guest's pidfd is at once the host's. Returns in the guest only. */
static int joiner_run(struct run *r, const struct op_clone3_args *a, bool into_cgroup, int report)
{
	struct joined j = { .step = JOINED_BIRTH, .pidfd = -EBADF };
	struct clone_args args = guest_args(r, a, into_cgroup, &j.pidfd);
	long pid = 0;
	int r2 = a->oom_score_adj ? set_own_oom_score_adj(a->oom_score_adj) : 0;

	if (r2 < 0) {
		j.error = -r2;
		j.step = JOINED_OOM;
	}
	for (int i = 0; i < a->join_count && !j.error; i++) {
		if (setns(run_slot(r, a->join_slot[i]), (int)a->join_flag[i]) < 0) {
			j.error = errno;
			j.step = i;
		}
	}
	if (!j.error) {
		/* A change of user namespace is one of credentials: dumpable may be fs.suid_dumpable. */
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
		/* With CLONE_PARENT the exit signal is the joiner's own: SIGCHLD. */
		args.flags |= CLONE_PARENT;
		args.exit_signal = 0;
		pid = raw_clone3(&args);
		if (pid == 0)
			return 0;
		if (pid < 0)
			j.error = errno;
		j.pid = (int)pid;
	}
	_exit(write(report, &j, sizeof j) == sizeof j ? 0 : 1);
}

static int clone_through_joiner(struct run *r, const struct op_clone3_args *a, bool into_cgroup,
				struct err *e)
{
	struct clone_args args = { .flags = CLONE_FILES, .exit_signal = SIGCHLD };
	struct joined j = { 0 };
	int ends[2], r2;
	long pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = raw_clone3(&args);
	if (pid == 0) {
		joiner_run(r, a, into_cgroup, ends[1]);
		close(ends[0]);
		close(ends[1]);
		run_become_guest(r);
		return 0;
	}
	if (pid < 0) {
		r2 = -errno;
	} else {
		while (waitpid((pid_t)pid, NULL, __WALL) < 0 && errno == EINTR)
			;
		/* The joiner is gone; what it said is in the pipe, or never will be. */
		close(ends[1]);
		ends[1] = -EBADF;
		r2 = fd_read_full(ends[0], &j, sizeof j) == sizeof j ? -j.error : -ECHILD;
	}
	close(ends[0]);
	fd_close(&ends[1]);
	if (r2 < 0 && pid > 0 && j.error && j.step == JOINED_OOM)
		return err_set(e, j.error, "write oom_score_adj \"%s\"", a->oom_score_adj);
	if (r2 < 0 && pid > 0 && j.error && j.step >= 0) {
		char names[200];
		struct buf b = BUF_ON(names);

		buf_reset(&b);
		ns_show_clone_flags(&b, a->join_flag[j.step]);
		return err_set(e, j.error, "cannot join %s", names);
	}
	return r2 < 0 ? r2 : become_parent(r, j.pid, j.pidfd);
}

static int birth(struct run *r, const struct op_clone3_args *a, bool into_cgroup, struct err *e)
{
	int pidfd = -EBADF;
	struct clone_args args = guest_args(r, a, into_cgroup, &pidfd);
	long pid;

	if (a->join_count)
		return clone_through_joiner(r, a, into_cgroup, e);
	pid = raw_clone3(&args);
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		run_become_guest(r);
		return 0;
	}
	return become_parent(r, (pid_t)pid, pidfd);
}

static int act_clone3(struct run *r, const void *args, struct err *e)
{
	const struct op_clone3_args *a = args;

	return birth(r, a, a->cgroup_slot >= 0, e);
}

static void show_clone3(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_clone3_args *a = args;

	if (a->join_count) {
		buf_add(out, "clone3({CLONE_FILES}): joiner: ");
		if (a->oom_score_adj)
			buf_addf(out, "write(\"/proc/self/oom_score_adj\", \"%s\"), ",
				 a->oom_score_adj);
		for (int i = 0; i < a->join_count; i++) {
			buf_add(out, "setns(");
			plan_show_slot(out, p, a->join_slot[i]);
			buf_add(out, ", ");
			ns_show_clone_flags(out, a->join_flag[i]);
			buf_add(out, "), ");
		}
	}
	buf_add(out, "clone3({flags=");
	ns_show_clone_flags(out, a->namespaces | CLONE_PIDFD | (a->join_count ? CLONE_PARENT : 0) |
			    (a->cgroup_slot >= 0 ? CLONE_INTO_CGROUP : 0));
	if (a->cgroup_slot >= 0) {
		buf_add(out, ", cgroup=");
		plan_show_slot(out, p, a->cgroup_slot);
	}
	buf_add(out, "})");
}

static void by_hand_clone3(struct buf *out, const struct plan *p, const void *args)
{
	static const struct flag_name options[] = {
		{ CLONE_NEWUSER, " --user" }, { CLONE_NEWNS, " --mount" },
		{ CLONE_NEWPID, " --pid --fork" }, { CLONE_NEWNET, " --net" },
		{ CLONE_NEWIPC, " --ipc" }, { CLONE_NEWUTS, " --uts" }, { CLONE_NEWTIME, " --time" },
	};
	const struct op_clone3_args *a = args;

	(void)p;
	buf_add(out, "unshare");
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
		if (a->namespaces & options[i].bit)
			buf_add(out, options[i].name);
	buf_add(out, " sh");
}

const struct op op_clone3 = { .name = "clone3", .man = "clone(2)", .act = act_clone3,
			      .show = show_clone3, .by_hand = by_hand_clone3 };

/* For kernels and cgroups that refuse CLONE_INTO_CGROUP: the guest waits for its turn, so it does
 * nothing before it is in its cgroup. */
static int act_clone3_then_cgroup(struct run *r, const void *args, struct err *e)
{
	const struct op_clone3_args *a = args;
	char pid[16];
	int result = birth(r, a, false, e);

	if (result < 0 || r->side == SIDE_GUEST)
		return result;
	snprintf(pid, sizeof pid, "%d", run_slot(r, SLOT_GUEST_PID));
	result = file_write_at(run_slot(r, a->cgroup_slot), "cgroup.procs", pid);
	return result < 0 ? err_set(e, -result, "cannot move the guest into its cgroup") : 0;
}

static void show_clone3_then_cgroup(struct buf *out, const struct plan *p, const void *args)
{
	struct op_clone3_args a = *(const struct op_clone3_args *)args;
	int slot = a.cgroup_slot;

	a.cgroup_slot = -1;
	show_clone3(out, p, &a);
	buf_add(out, ", write(");
	plan_show_slot(out, p, slot);
	buf_add(out, "/cgroup.procs, <guest pid>)");
}

const struct op op_clone3_then_cgroup = { .name = "clone3", .man = "clone(2)", .compound = true,
					  .act = act_clone3_then_cgroup,
					  .show = show_clone3_then_cgroup };

/* --- the guest's /proc/PID ------------------------------------------------------------ */

static int act_open_guest_proc(struct run *r, const void *args, struct err *e)
{
	struct statfs fs;
	char path[32];
	int fd;

	(void)args;
	snprintf(path, sizeof path, "/proc/%d", run_slot(r, SLOT_GUEST_PID));
	fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return -errno;
	/* Maps are written below this directory: a fake or overmounted /proc must not get them
	 * (CVE-2025-52881). Nor is there one that lacks a child who waits to be reaped. */
	if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC) {
		fd_close(&fd);
		return err_say(e, EPERM, "/proc of this host is no procfs that shows its processes");
	}
	run_set_fd(r, SLOT_GUEST_PROC, fd);
	return 0;
}

static void show_open_guest_proc(struct buf *out, const struct plan *p, const void *args)
{
	(void)args;
	buf_add(out, "open(\"/proc\" (procfs), \"<guest pid>\", "
		     "O_PATH|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC) = ");
	plan_show_slot(out, p, SLOT_GUEST_PROC);
}

const struct op op_open_guest_proc = { .name = "open", .man = "proc(5)", .compound = true,
				       .act = act_open_guest_proc, .show = show_open_guest_proc };

/* --- setns, unshare -------------------------------------------------------------------- */

static int act_setns(struct run *r, const void *args, struct err *e)
{
	const struct op_setns_args *a = args;

	(void)e;
	return setns(run_slot(r, a->slot), (int)a->flags) < 0 ? -errno : 0;
}

static void show_setns(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_setns_args *a = args;

	buf_add(out, "setns(");
	plan_show_slot(out, p, a->slot);
	buf_add(out, ", ");
	ns_show_clone_flags(out, a->flags);
	buf_add_char(out, ')');
}

static void by_hand_setns(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_setns_args *a = args;

	(void)p;
	buf_add(out, "nsenter");
	for (int i = 0; i < NS_KINDS; i++)
		if (a->flags & ns_kind_info[i].flag)
			buf_addf(out, " --%s=FILE", ns_kind_info[i].json[0] == 'n' ? "net"
				 : ns_kind_info[i].json);
}

const struct op op_setns = { .name = "setns", .man = "setns(2)", .act = act_setns,
			     .show = show_setns, .by_hand = by_hand_setns };

static int act_unshare(struct run *r, const void *args, struct err *e)
{
	const struct op_flags_args *a = args;

	(void)r;
	(void)e;
	return unshare((int)a->flags) < 0 ? -errno : 0;
}

static void show_unshare(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_flags_args *a = args;

	(void)p;
	buf_add(out, "unshare(");
	ns_show_clone_flags(out, a->flags);
	buf_add_char(out, ')');
}

const struct op op_unshare = { .name = "unshare", .man = "unshare(2)", .act = act_unshare,
			       .show = show_unshare };

static int act_check_ns(struct run *r, const void *args, struct err *e)
{
	const struct op_check_ns_args *a = args;
	int type = ioctl(run_slot(r, a->slot), NS_GET_NSTYPE);

	/* Any other file than a namespace, and any other kind, is refused before the birth. */
	if (type < 0)
		return err_say(e, EINVAL, "the path is no namespace");
	if ((unsigned int)type == a->flag)
		return 0;
	for (int i = 0; i < NS_KINDS; i++)
		if ((unsigned int)type == ns_kind_info[i].flag)
			return err_say(e, EINVAL, "the path is a %s namespace", ns_kind_info[i].json);
	return err_say(e, EINVAL, "the path is another kind of namespace");
}

static void show_check_ns(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_check_ns_args *a = args;

	buf_add(out, "ioctl(");
	plan_show_slot(out, p, a->slot);
	buf_add(out, ", NS_GET_NSTYPE) is ");
	ns_show_clone_flags(out, a->flag);
}

const struct op op_check_ns = { .name = "ioctl", .man = "ioctl_ns(2)", .act = act_check_ns,
				.show = show_check_ns };

/* --- the guest itself -------------------------------------------------------------------- */

static int act_setsid(struct run *r, const void *args, struct err *e)
{
	(void)r;
	(void)args;
	(void)e;
	return setsid() < 0 ? -errno : 0;
}

static void show_setsid(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	(void)args;
	buf_add(out, "setsid()");
}

const struct op op_setsid = { .name = "setsid", .man = "setsid(2)", .act = act_setsid,
			      .show = show_setsid };

static int act_sethostname(struct run *r, const void *args, struct err *e)
{
	const struct op_text_args *a = args;

	(void)r;
	(void)e;
	return sethostname(a->text, strlen(a->text)) < 0 ? -errno : 0;
}

static void show_sethostname(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_text_args *a = args;

	(void)p;
	buf_add(out, "sethostname(");
	buf_add_quoted(out, a->text);
	buf_addf(out, ", %zu)", strlen(a->text));
}

static void by_hand_sethostname(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	buf_add(out, "hostname ");
	buf_add_shell(out, ((const struct op_text_args *)args)->text);
}

const struct op op_sethostname = { .name = "sethostname", .man = "sethostname(2)",
				   .act = act_sethostname, .show = show_sethostname,
				   .by_hand = by_hand_sethostname };

static int act_setdomainname(struct run *r, const void *args, struct err *e)
{
	const struct op_text_args *a = args;

	(void)r;
	(void)e;
	return setdomainname(a->text, strlen(a->text)) < 0 ? -errno : 0;
}

static void show_setdomainname(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_text_args *a = args;

	(void)p;
	buf_add(out, "setdomainname(");
	buf_add_quoted(out, a->text);
	buf_addf(out, ", %zu)", strlen(a->text));
}

static void by_hand_setdomainname(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	buf_add(out, "domainname ");
	buf_add_shell(out, ((const struct op_text_args *)args)->text);
}

const struct op op_setdomainname = { .name = "setdomainname", .man = "setdomainname(2)",
				     .act = act_setdomainname, .show = show_setdomainname,
				     .by_hand = by_hand_setdomainname };
