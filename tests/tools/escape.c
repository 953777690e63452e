/*
 * escape.c - real attempts to get out of a container, or to act on its host.
 *
 *   escape FOLDER MAJOR:MINOR   tries all; FOLDER can be written; a block device of the host's
 *   escape writable PATH...     names of files below that can be opened for writing, of any
 *                               filesystem; processes' own folders left out
 *   escape readable PATH...     those of them that give a byte to read
 *
 * Of each attempt a line "NAME RESULT": an errno, "no" when nothing came of it, or "YES".
 * Nothing of the host is changed when one succeeds.
 *
 * Build:  cc -O2 -static -o escape escape.c
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *folder, *device;

/* Each returns 0 for "no", 1 for "YES", -1 for errno. */

/* Out of a chroot in the chroot, by an open folder: up to whatever is above the root. */
static int try_chroot(void)
{
	int here = open("/", O_RDONLY | O_DIRECTORY);
	struct stat before, after;

	if (here < 0 || stat("/", &before) < 0 || chroot(folder) < 0 || fchdir(here) < 0)
		return -1;
	for (int i = 0; i < 100; i++)
		if (chdir("..") < 0)
			return -1;
	if (chroot(".") < 0 || stat("/", &after) < 0)
		return -1;
	return before.st_ino != after.st_ino || before.st_dev != after.st_dev;
}

/* "Shocker": any inode of the filesystem by a made-up handle, the root of an ext4 here. */
static int try_handle(void)
{
	struct {
		struct file_handle h;
		unsigned int id[2];
	} handle = { { .handle_bytes = 8, .handle_type = 1 }, { 2, 0 } };
	int here = open(folder, O_RDONLY | O_DIRECTORY);

	return here < 0 || open_by_handle_at(here, &handle.h, O_RDONLY) < 0 ? -1 : 1;
}

static int try_node(void)
{
	unsigned int major, minor;
	char path[300];
	int fd;

	snprintf(path, sizeof path, "%s/disk", folder);
	if (sscanf(device, "%u:%u", &major, &minor) != 2)
		return 0;
	unlink(path);
	if (mknod(path, S_IFBLK | 0600, makedev(major, minor)) < 0)
		return -1;
	fd = open(path, O_RDONLY);
	unlink(path);
	return fd < 0 ? -1 : 1;
}

static int try_binfmt(void)
{
	char path[300];

	snprintf(path, sizeof path, "%s/binfmt", folder);
	mkdir(path, 0700);
	if (mount("binfmt_misc", path, "binfmt_misc", 0, NULL) < 0)
		return -1;
	strcat(path, "/register");
	return open(path, O_WRONLY) < 0 ? -1 : 1;
}

/* CVE-2022-0492: a cgroup v1 hierarchy's release_agent, from namespaces of its own. */
static int try_release_agent(void)
{
	static const char *const all[] = {
		"rdma", "misc", "memory", "freezer", "pids", "perf_event"
	};
	char path[300];

	unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP);
	snprintf(path, sizeof path, "%s/cgroup", folder);
	mkdir(path, 0700);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		char file[320], text[4096];
		ssize_t n = -1;
		int fd;

		if (mount("cgroup", path, "cgroup", 0, all[i]) < 0)
			continue;
		snprintf(file, sizeof file, "%s/release_agent", path);
		fd = open(file, O_RDWR);
		if (fd >= 0)
			n = read(fd, text, sizeof text);
		/* What is there already: right or not is known when it is written. */
		if (n >= 0)
			n = write(fd, n ? text : "\n", n ? (size_t)n : 1);
		close(fd);
		umount(path);
		if (n >= 0)
			return 1;
	}
	return 0;
}

static int write_to(const char *path)
{
	return open(path, O_WRONLY) < 0 ? -1 : 1;
}

static int try_core_pattern(void)
{
	return write_to("/proc/sys/kernel/core_pattern");
}
static int try_modprobe(void)
{
	return write_to("/proc/sys/kernel/modprobe");
}
static int try_sysrq(void)
{
	return write_to("/proc/sysrq-trigger");
}
static int try_uevent_helper(void)
{
	return write_to("/sys/kernel/uevent_helper");
}
static int try_cgroup_above(void)
{
	return write_to("/sys/fs/cgroup/../cgroup.procs");
}
static int try_cgroup_limit(void)
{
	return write_to("/sys/fs/cgroup/cgroup.max.depth");
}
static int try_mem(void)
{
	return write_to("/dev/mem");
}

static int try_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return clock_settime(CLOCK_REALTIME, &now) < 0 ? -1 : 1;
}

static int try_adjtimex(void)
{
	struct timex t = { .modes = ADJ_TICK, .tick = 10000 };

	return adjtimex(&t) < 0 ? -1 : 1;
}

static int try_hostname(void)
{
	char name[65];

	gethostname(name, sizeof name);
	return sethostname(name, strlen(name)) < 0 ? -1 : 1;
}

static int try_mount(void)
{
	return mount("none", folder, "tmpfs", 0, NULL) < 0 ? -1 : 1;
}

static int try_fsopen(void)
{
	return syscall(SYS_fsopen, "tmpfs", 0) < 0 ? -1 : 1;
}

static int try_proc_remount(void)
{
	return mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL) < 0 ? -1 : 1;
}

static int try_unmask(void)
{
	return umount2("/proc/keys", MNT_DETACH) < 0 ? -1 : 1;
}

static int try_setns(void)
{
	int fd = open("/proc/1/ns/mnt", O_RDONLY);

	return fd < 0 || setns(fd, 0) < 0 ? -1 : 1;
}

static int try_module(void)
{
	return syscall(SYS_init_module, "", 0L, "") < 0 && errno != ENOEXEC ? -1 : 1;
}

static int try_ns_user(void)
{
	return unshare(CLONE_NEWUSER) < 0 ? -1 : 1;
}

static int try_packet(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) < 0 ? -1 : 1;
}

static int try_tiocsti(void)
{
	return ioctl(0, TIOCSTI, "#") < 0 ? -1 : 1;
}

static int try_tiocsti_high(void)
{
	return syscall(SYS_ioctl, 0, 0x100005412UL, "#") < 0 ? -1 : 1;
}

static int try_tioclinux(void)
{
	char paste = 3;

	return ioctl(0, TIOCLINUX, &paste) < 0 ? -1 : 1;
}

static int try_steal_terminal(void)
{
	setsid();
	return ioctl(0, TIOCSCTTY, 1) < 0 ? -1 : 1;
}

static const struct {
	const char *name;
	int (*act)(void);
} attempts[] = {
	{ "chroot", try_chroot },
	{ "handle", try_handle },
	{ "disk", try_node },
	{ "binfmt", try_binfmt },
	{ "release_agent", try_release_agent },
	{ "core_pattern", try_core_pattern },
	{ "modprobe", try_modprobe },
	{ "sysrq", try_sysrq },
	{ "uevent_helper", try_uevent_helper },
	{ "cgroup_above", try_cgroup_above },
	{ "cgroup_limit", try_cgroup_limit },
	{ "mem", try_mem },
	{ "clock", try_clock },
	{ "adjtimex", try_adjtimex },
	{ "hostname", try_hostname },
	{ "mount", try_mount },
	{ "fsopen", try_fsopen },
	{ "proc_remount", try_proc_remount },
	{ "unmask", try_unmask },
	{ "setns", try_setns },
	{ "module", try_module },
	{ "userns", try_ns_user },
	{ "packet", try_packet },
	{ "tiocsti", try_tiocsti },
	{ "tiocsti_high", try_tiocsti_high },
	{ "tioclinux", try_tioclinux },
	{ "steal_terminal", try_steal_terminal },
};

static void try_all(void)
{
	for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
		int status;
		pid_t pid;

		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			int r = attempts[i].act();

			printf("%s %s\n", attempts[i].name,
			       r < 0 ? strerrorname_np(errno)
			       : r   ? "YES"
				     : "no");
			fflush(stdout);
			_exit(0);
		}
		if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
			printf("%s SIG%s\n", attempts[i].name, sigabbrev_np(WTERMSIG(status)));
	}
}

static bool is_number(const char *s)
{
	return *s && strspn(s, "0123456789") == strlen(s);
}

/* Nothing is written: files without a write operation say so even then. */
static bool can_open(const char *path, bool writing)
{
	char byte;
	int fd = open(path, (writing ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
	bool can = fd >= 0 && (writing ? write(fd, "", 0) == 0 : read(fd, &byte, 1) > 0);

	if (fd >= 0)
		close(fd);
	return can;
}

static void sweep(const char *path, bool writing, int depth)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	if (!dir && depth == 0 && can_open(path, writing))
		puts(path);
	while (dir && (e = readdir(dir))) {
		char below[4096];
		struct stat st;

		if (e->d_name[0] == '.' && (!e->d_name[1] || e->d_name[1] == '.'))
			continue;
		if (strcmp(path, "/proc") == 0 && is_number(e->d_name))
			continue;
		snprintf(below, sizeof below, "%s/%s", path, e->d_name);
		if (lstat(below, &st) < 0 || S_ISLNK(st.st_mode))
			continue;
		if (S_ISDIR(st.st_mode))
			sweep(below, writing, depth + 1);
		else if (can_open(below, writing))
			puts(below);
	}
	if (dir)
		closedir(dir);
}

int main(int argc, char **argv)
{
	if (argc >= 3 && (strcmp(argv[1], "writable") == 0 || strcmp(argv[1], "readable") == 0)) {
		for (int i = 2; i < argc; i++)
			sweep(argv[i], argv[1][0] == 'w', 0);
		return 0;
	}
	if (argc != 3)
		return 2;
	folder = argv[1];
	device = argv[2];
	try_all();
	return 0;
}
