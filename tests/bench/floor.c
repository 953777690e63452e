/*
 * floor.c - the measuring rod for start-up: one container, by hand, nothing more.
 *
 * A table of parts, in the order in which they happen, each a few bare system
 * calls: what the configuration that `runc spec` prints makes the kernel do.
 * The parts can be left out one by one, which prices them. There is no
 * configuration, no state, no protocol and no second exec, so a runtime is as
 * good as its time divided by the floor's. It owns no safety: paths are fixed,
 * the root filesystem is trusted. Never run anything foreign with it.
 *
 * Build:  cc -O2 -static -o floor floor.c   (musl: musl-gcc -idirafter /usr/include ...)
 *
 * The exit status is the command's, 128+n when signal n ended it, 125 when the
 * floor itself failed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STATUS_BROKEN 125
#define CGROUP2_MAGIC 0x63677270
#define BOX_FLAGS     (MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define COUNT(array)  (sizeof(array) / sizeof *(array))

/* What the command line chose. Set once, read by every part. */
static struct {
	const char *rootfs;
	char **argv;
	const char *cgroup_root;
	struct sock_fprog filter;
	bool userns;
	unsigned first_id, id_count; /* host ids that 0.. in the user namespace stand for */
	bool vfork;
	bool trace;
	int repeat;
} want = { .first_id = 100000, .id_count = 65536, .repeat = 1 };

/* What one round holds. */
static struct {
	char cgroup[256];
	int cgroup_fd;
	int gate[2]; /* with a user namespace: the child waits here for its id maps */
	int status;
} live;

static _Noreturn void broken(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	_exit(STATUS_BROKEN);
}

static void need(bool ok, const char *what)
{
	if (!ok)
		broken(what);
}

/* ---- stop-watch: one page both sides write, one after the other ---- */

#define LAPS_MAX 80

struct watch {
	int laps;
	struct timespec since;
	struct {
		const char *name;
		double us;
	} lap[LAPS_MAX];
};

static struct watch *watch;

static void watch_lap(const char *name)
{
	struct timespec t;

	if (!want.trace)
		return;
	clock_gettime(CLOCK_MONOTONIC, &t);
	if (name && watch->laps < LAPS_MAX) {
		watch->lap[watch->laps].name = name;
		watch->lap[watch->laps++].us = (double)(t.tv_sec - watch->since.tv_sec) * 1e6 +
					       (double)(t.tv_nsec - watch->since.tv_nsec) / 1e3;
	}
	/* Taken again, so that the bookkeeping is charged to nobody. */
	clock_gettime(CLOCK_MONOTONIC, &watch->since);
}

static void watch_print(void)
{
	double total = 0;

	for (int i = 0; i < watch->laps; i++) {
		const char *name = watch->lap[i].name;

		fprintf(stderr, "%10.1f us  %s\n", watch->lap[i].us, name + (*name == ':'));
		total += watch->lap[i].us;
	}
	fprintf(stderr, "%10.1f us  total\n", total);
	watch->laps = 0;
}

/* ---- parts of the child, each in the new namespaces ---- */

/* Not a clone3 flag: the namespace's root has to be the leaf made for us. */
static void do_cgroupns(void)
{
	need(unshare(CLONE_NEWCGROUP) == 0, "unshare cgroup namespace");
}

static void do_loopback(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	need(sock >= 0 && ioctl(sock, SIOCSIFFLAGS, &lo) == 0, "loopback up");
	close(sock);
}

static void do_hostname(void)
{
	need(sethostname("floor", 5) == 0, "sethostname");
}

static void do_private(void)
{
	need(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) == 0, "make mounts private");
}

/* From here to the pivot the working directory is the new root. */
static void do_bind_root(void)
{
	need(mount(want.rootfs, want.rootfs, NULL, MS_BIND | MS_REC, NULL) == 0, want.rootfs);
	need(chdir(want.rootfs) == 0, want.rootfs);
}

static void mount_new(const char *type, const char *at, unsigned long flags, const char *data)
{
	need(mount(type, at, type, flags, data) == 0, at);
}

static bool dev_is_ours;

/* Mount points below /dev exist only where the image brought its own /dev. */
static void mount_in_dev(const char *type, const char *at, unsigned long flags, const char *data)
{
	if (dev_is_ours)
		need(mkdir(at, 0755) == 0, at);
	mount_new(type, at, flags, data);
}

static void do_proc(void)
{
	mount_new("proc", "proc", BOX_FLAGS, NULL);
}

static void do_dev(void)
{
	mount_new("tmpfs", "dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
	dev_is_ours = true;
}

static void do_pts(void)
{
	mount_in_dev("devpts", "dev/pts", MS_NOSUID | MS_NOEXEC,
		     "newinstance,ptmxmode=0666,mode=0620,gid=5");
}

static void do_shm(void)
{
	mount_in_dev("tmpfs", "dev/shm", BOX_FLAGS, "mode=1777,size=65536k");
}

static void do_mqueue(void)
{
	mount_in_dev("mqueue", "dev/mqueue", BOX_FLAGS, NULL);
}

static void do_sysfs(void)
{
	mount_new("sysfs", "sys", BOX_FLAGS | MS_RDONLY, NULL);
}

static void do_cgroupfs(void)
{
	mount_new("cgroup2", "sys/fs/cgroup", BOX_FLAGS | MS_RDONLY, NULL);
}

/* mknod(2) of a device is never allowed in a user namespace: there the host's node is bound. */
static void make_node(const char *path, dev_t number)
{
	char host[32];
	int fd;

	if (!want.userns) {
		need(mknod(path, S_IFCHR | 0666, number) == 0, path);
		return;
	}
	snprintf(host, sizeof host, "/%s", path);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
	need(fd >= 0, path);
	close(fd);
	need(mount(host, path, NULL, MS_BIND, NULL) == 0, path);
}

static void do_nodes(void)
{
	if (!dev_is_ours)
		return;
	make_node("dev/null", makedev(1, 3));
	make_node("dev/zero", makedev(1, 5));
	make_node("dev/full", makedev(1, 7));
	make_node("dev/random", makedev(1, 8));
	make_node("dev/urandom", makedev(1, 9));
	make_node("dev/tty", makedev(5, 0));

	static const char *const link_at[][2] = {
		{ "dev/ptmx", "pts/ptmx" },		{ "dev/fd", "/proc/self/fd" },
		{ "dev/core", "/proc/kcore" },		{ "dev/stdin", "/proc/self/fd/0" },
		{ "dev/stdout", "/proc/self/fd/1" },	{ "dev/stderr", "/proc/self/fd/2" },
	};
	for (size_t i = 0; i < COUNT(link_at); i++)
		need(symlink(link_at[i][1], link_at[i][0]) == 0, link_at[i][0]);
}

/*
 * A file is hidden by /dev/null, a directory by an empty tmpfs. Which of both
 * it is the kernel says by itself: a file bound on a directory is ENOTDIR.
 */
static void do_mask(void)
{
	static const char *const hidden[] = {
		"proc/acpi",	     "proc/asound",	 "proc/kcore",	     "proc/keys",
		"proc/latency_stats", "proc/timer_list", "proc/timer_stats", "proc/sched_debug",
		"sys/firmware",	     "proc/scsi",
	};
	const char *empty = NULL;

	for (size_t i = 0; i < COUNT(hidden); i++) {
		const char *at = hidden[i];

		if (mount("dev/null", at, NULL, MS_BIND, NULL) == 0)
			continue;
		if (errno == ENOENT)
			continue;
		need(errno == ENOTDIR, at);
		if (empty)
			need(mount(empty, at, NULL, MS_BIND, NULL) == 0, at);
		else
			mount_new("tmpfs", at, MS_RDONLY, "nr_inodes=1");
		empty = empty ? empty : at;
	}
}

static void do_readonly_paths(void)
{
	static const char *const frozen[] = {
		"proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger",
	};

	for (size_t i = 0; i < COUNT(frozen); i++) {
		const char *at = frozen[i];
		int failed = mount(at, at, NULL, MS_BIND | MS_REC, NULL);

		if (failed && errno == ENOENT)
			continue;
		need(!failed && mount(NULL, at, NULL,
				      MS_REMOUNT | MS_BIND | MS_RDONLY | BOX_FLAGS, NULL) == 0, at);
	}
}

static void do_pivot(void)
{
	need(syscall(SYS_pivot_root, ".", ".") == 0, "pivot_root");
}

static void do_drop_old_root(void)
{
	need(umount2(".", MNT_DETACH) == 0, "detach the old root");
}

/* mount_setattr and no remount: it touches no flag that a user namespace has locked. */
static void do_root_readonly(void)
{
	struct {
		uint64_t set, clear, propagation, userns_fd;
	} attr = { .set = 1 /* MOUNT_ATTR_RDONLY */ };

	need(syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attr, sizeof attr) == 0,
	     "read-only root");
}

static void do_chroot(void)
{
	need(chroot(want.rootfs) == 0 && chdir("/") == 0, want.rootfs);
}

static void do_limits(void)
{
	need(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 1024, 1024 }) == 0, "RLIMIT_NOFILE");
	umask(022);
	need(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
}

/* The fourteen that Docker and Podman leave; all others leave the bounding set as well. */
static void do_caps(void)
{
	const uint64_t kept =
		1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_FSETID |
		1ull << CAP_FOWNER | 1ull << CAP_MKNOD | 1ull << CAP_NET_RAW | 1ull << CAP_SETGID |
		1ull << CAP_SETUID | 1ull << CAP_SETFCAP | 1ull << CAP_SETPCAP |
		1ull << CAP_NET_BIND_SERVICE | 1ull << CAP_SYS_CHROOT | 1ull << CAP_KILL |
		1ull << CAP_AUDIT_WRITE;
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2];

	for (int cap = 0; cap <= CAP_LAST_CAP; cap++) {
		if (kept >> cap & 1)
			continue;
		/* EINVAL: a capability younger than the kernel. */
		need(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0 || errno == EINVAL, "bounding set");
	}
	need(syscall(SYS_capget, &head, sets) == 0, "capget");
	for (int half = 0; half < 2; half++) {
		sets[half].permitted &= (uint32_t)(kept >> 32 * half);
		sets[half].effective = sets[half].permitted;
		sets[half].inheritable = 0;
	}
	need(syscall(SYS_capset, &head, sets) == 0, "capset");
}

static void do_seccomp(void)
{
	need(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &want.filter) == 0, "seccomp");
}

/* ---- the table ---- */

enum needs {
	ALWAYS = 0,
	IN_MNT = 1, /* only with the mount namespace */
	NO_MNT = 2, /* only without it */
	IN_NET = 4, /* only with the network namespace */
};

static struct part {
	const char *name; /* for --no-NAME and --only-NAME; a leading ':' means not optional */
	uint64_t flag;	  /* of clone3 */
	void (*act)(void); /* in the child; NULL: only a flag, or the parent's work */
	enum needs needs;
	bool off;
} parts[] = {
	{ "net", CLONE_NEWNET, NULL, ALWAYS, false },
	{ "pid", CLONE_NEWPID, NULL, ALWAYS, false },
	{ "ipc", CLONE_NEWIPC, NULL, ALWAYS, false },
	{ "mnt", CLONE_NEWNS, NULL, ALWAYS, false },
	{ "cgroup", 0, NULL, ALWAYS, false },
	{ "cgroupns", 0, do_cgroupns, ALWAYS, false },
	{ "lo", 0, do_loopback, IN_NET, false },
	{ "uts", CLONE_NEWUTS, do_hostname, ALWAYS, false },
	{ ":make-private", 0, do_private, IN_MNT, false },
	{ ":bind-root", 0, do_bind_root, IN_MNT, false },
	{ "proc", 0, do_proc, IN_MNT, false },
	{ "dev", 0, do_dev, IN_MNT, false },
	{ "pts", 0, do_pts, IN_MNT, false },
	{ "shm", 0, do_shm, IN_MNT, false },
	{ "mqueue", 0, do_mqueue, IN_MNT, false },
	{ "sysfs", 0, do_sysfs, IN_MNT, false },
	{ "cgroupfs", 0, do_cgroupfs, IN_MNT, false },
	{ "nodes", 0, do_nodes, IN_MNT, false },
	{ "mask", 0, do_mask, IN_MNT, false },
	{ "ro", 0, do_readonly_paths, IN_MNT, false },
	{ ":pivot", 0, do_pivot, IN_MNT, false },
	{ ":old-root", 0, do_drop_old_root, IN_MNT, false },
	{ "root-ro", 0, do_root_readonly, IN_MNT, false },
	{ ":chroot", 0, do_chroot, NO_MNT, false },
	{ ":limits", 0, do_limits, ALWAYS, false },
	{ "caps", 0, do_caps, ALWAYS, false },
	{ "seccomp", 0, do_seccomp, ALWAYS, false },
};

static struct part *part_find(const char *name)
{
	for (size_t i = 0; i < COUNT(parts); i++)
		if (strcmp(parts[i].name, name) == 0)
			return &parts[i];
	fprintf(stderr, "floor: there is no part '%s'; there are:", name);
	for (size_t i = 0; i < COUNT(parts); i++)
		if (parts[i].name[0] != ':')
			fprintf(stderr, " %s", parts[i].name);
	fputc('\n', stderr);
	exit(STATUS_BROKEN);
}

static bool part_on(const char *name)
{
	return !part_find(name)->off;
}

static bool part_applies(const struct part *p, bool mnt, bool net)
{
	return p->act && !p->off && !(p->needs & IN_MNT && !mnt) && !(p->needs & NO_MNT && mnt) &&
	       !(p->needs & IN_NET && !net);
}

/* ---- the two sides ---- */

static void wait_for_maps(void)
{
	char go;

	close(live.gate[1]);
	need(read(live.gate[0], &go, 1) == 1, "id maps");
	need(setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0, "become root of the namespace");
	watch_lap("id-maps");
}

static _Noreturn void child(void)
{
	static char *const env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm",
		NULL,
	};
	bool mnt = part_on("mnt"), net = part_on("net");

	watch_lap("clone3");
	if (want.userns)
		wait_for_maps();
	setsid();
	umask(0);
	for (size_t i = 0; i < COUNT(parts); i++) {
		if (!part_applies(&parts[i], mnt, net))
			continue;
		parts[i].act();
		watch_lap(parts[i].name);
	}
	need(syscall(SYS_close_range, 3u, ~0u, 0u) == 0, "close_range");
	execve(want.argv[0], want.argv, env);
	broken(want.argv[0]);
}

static void write_map(pid_t pid, const char *file)
{
	char path[64], line[64];
	int fd, size;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	size = snprintf(line, sizeof line, "0 %u %u\n", want.first_id, want.id_count);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	need(fd >= 0 && write(fd, line, (size_t)size) == size, path);
	close(fd);
}

static void open_gate(pid_t pid)
{
	close(live.gate[0]);
	write_map(pid, "uid_map");
	write_map(pid, "gid_map");
	need(write(live.gate[1], "", 1) == 1, "let the child go on");
	close(live.gate[1]);
}

static void make_leaf(struct clone_args *args)
{
	snprintf(live.cgroup, sizeof live.cgroup, "%s/floor-%d", want.cgroup_root, (int)getpid());
	need(mkdir(live.cgroup, 0755) == 0, live.cgroup);
	live.cgroup_fd = open(live.cgroup, O_PATH | O_DIRECTORY | O_CLOEXEC);
	need(live.cgroup_fd >= 0, live.cgroup);
	args->cgroup = (uint64_t)live.cgroup_fd;
	args->flags |= CLONE_INTO_CGROUP;
	watch_lap("cgroup-mkdir");
}

static int one_round(void)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	bool leaf = part_on("cgroup");
	int status;
	long pid;

	watch_lap(NULL);
	for (size_t i = 0; i < COUNT(parts); i++)
		args.flags |= parts[i].off ? 0 : parts[i].flag;
	if (want.vfork)
		args.flags |= CLONE_VFORK;
	if (want.userns) {
		args.flags |= CLONE_NEWUSER;
		need(pipe2(live.gate, O_CLOEXEC) == 0, "pipe");
	}
	if (leaf)
		make_leaf(&args);
	pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid == 0)
		child();
	if (pid < 0) {
		int why = errno;

		if (leaf)
			rmdir(live.cgroup);
		errno = why;
		broken("clone3");
	}
	if (leaf)
		close(live.cgroup_fd);
	if (want.userns)
		open_gate((pid_t)pid);
	need(waitpid((pid_t)pid, &status, 0) == pid, "waitpid");
	watch_lap("exec, run, end");
	if (leaf) {
		need(rmdir(live.cgroup) == 0, live.cgroup);
		watch_lap("cgroup-rmdir");
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- command line ---- */

static _Noreturn void usage(void)
{
	fputs("usage: floor [OPTION]... ROOTFS COMMAND [ARG]...\n"
	      "  --no-PART, --only-PART   leave a part out, or all others (may be repeated)\n"
	      "  --userns[=FIRST:COUNT]   a user namespace too; host ids, default 100000:65536\n"
	      "  --bpf FILE               seccomp filter: raw struct sock_filter array\n"
	      "  --cgroup-root DIR        where to make the leaf; default: the cgroup2 mount\n"
	      "  --vfork                  the parent sleeps until the exec\n"
	      "  --repeat N               N containers, one after the other\n"
	      "  --trace                  microseconds of each part, on stderr\n",
	      stderr);
	exit(STATUS_BROKEN);
}

static void load_filter(const char *file)
{
	static struct sock_filter code[BPF_MAXINSNS];
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, code, sizeof code);

	need(size >= 0, file);
	errno = EINVAL;
	need(size > 0 && size % (ssize_t)sizeof *code == 0, file);
	close(fd);
	want.filter.filter = code;
	want.filter.len = (unsigned short)((size_t)size / sizeof *code);
}

static void find_cgroup_root(void)
{
	static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	struct statfs s;

	for (size_t i = 0; i < COUNT(places) && !want.cgroup_root; i++)
		if (statfs(places[i], &s) == 0 && s.f_type == CGROUP2_MAGIC)
			want.cgroup_root = places[i];
	errno = ENOENT;
	need(want.cgroup_root, "no cgroup2 mount (--no-cgroup goes without)");
}

static void choose_only(const char *name)
{
	static bool first = true;

	for (size_t i = 0; first && i < COUNT(parts); i++)
		parts[i].off = parts[i].name[0] != ':';
	first = false;
	part_find(name)->off = false;
}

static void choose_ids(const char *text)
{
	char end;

	want.userns = true;
	errno = EINVAL;
	need(!*text || sscanf(text, "=%u:%u%c", &want.first_id, &want.id_count, &end) == 2,
	     "--userns takes =FIRST:COUNT");
}

/* One option, which may use the next word; returns how many words it took. */
static int choose(const char *option, const char *value)
{
	if (strncmp(option, "--no-", 5) == 0)
		part_find(option + 5)->off = true;
	else if (strncmp(option, "--only-", 7) == 0)
		choose_only(option + 7);
	else if (strncmp(option, "--userns", 8) == 0)
		choose_ids(option + 8);
	else if (strcmp(option, "--vfork") == 0)
		want.vfork = true;
	else if (strcmp(option, "--trace") == 0)
		want.trace = true;
	else if (!value)
		usage();
	else if (strcmp(option, "--bpf") == 0)
		return load_filter(value), 2;
	else if (strcmp(option, "--cgroup-root") == 0)
		return want.cgroup_root = value, 2;
	else if (strcmp(option, "--repeat") == 0 && (want.repeat = (int)strtol(value, NULL, 10)) > 0)
		return 2;
	else
		usage();
	return 1;
}

int main(int argc, char **argv)
{
	static struct sock_filter allow[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	int at = 1, status = 0;

	want.filter = (struct sock_fprog){ COUNT(allow), allow };
	while (at < argc && strncmp(argv[at], "--", 2) == 0)
		at += choose(argv[at], at + 1 < argc ? argv[at + 1] : NULL);
	if (argc - at < 2)
		usage();
	want.rootfs = argv[at];
	want.argv = argv + at + 1;
	if (part_on("cgroup") && !want.cgroup_root)
		find_cgroup_root();
	watch = mmap(NULL, sizeof *watch, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	need(watch != MAP_FAILED, "mmap");
	for (int i = 0; i < want.repeat; i++) {
		status = one_round();
		if (want.trace)
			watch_print();
	}
	return status;
}
