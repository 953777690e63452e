/*
 * posture.c - everything that confines a process, as it sees it itself: one fact a line.
 *
 *   posture        prints it and waits to be killed: a container's program
 *   posture once   prints it and ends: for exec
 *
 * Two containers of one configuration print the same, whatever happened on the way: the sweeps
 * compare what was started after a failed call with what was started in peace. Facts with a number
 * of their own (namespaces, device numbers) are left to the reader. The last line is "end". Deeds
 * are tried, too, since a mount or a filter that is there may still not hold.
 *
 * Build:  cc -O2 -static -o posture posture.c
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

extern char **environ;

static const char *answer(long r)
{
	return r >= 0 ? "OK" : strerrorname_np(errno);
}

/* The lines of a file that begin with one of the words; all of them without words. */
static void put_file(const char *path, const char *const *words)
{
	FILE *f = fopen(path, "re");
	char line[4096];

	if (!f)
		printf("%s %s\n", path, answer(-1));
	while (f && fgets(line, sizeof line, f)) {
		bool wanted = !words;

		for (const char *const *w = words; w && *w && !wanted; w++)
			wanted = strncmp(line, *w, strlen(*w)) == 0;
		line[strcspn(line, "\n")] = '\0';
		if (wanted)
			printf("%s %s\n", path, line);
	}
	if (f)
		fclose(f);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted, without the numbers of mounts, which are each one's own. */
static void put_mounts(void)
{
	static char *lines[1000];
	char line[8192], root[4096], at[4096];
	FILE *f = fopen("/proc/self/mountinfo", "re");
	int n = 0, rest;

	while (f && n < 1000 && fgets(line, sizeof line, f)) {
		rest = 0;
		if (sscanf(line, "%*d %*d %*s %4095s %4095s %n", root, at, &rest) == 2 && rest &&
		    asprintf(&lines[n], "%s %s %s", at, root, line + rest) >= 0)
			n++;
	}
	if (f)
		fclose(f);
	qsort(lines, (size_t)n, sizeof *lines, by_text);
	for (int i = 0; i < n; i++)
		printf("mount %s", lines[i]);
}

static void put_limits(void)
{
	struct rlimit l;

	for (int i = 0; i < 16; i++)
		if (getrlimit(i, &l) == 0)
			printf("limit %d %lld %lld\n", i, (long long)l.rlim_cur,
			       (long long)l.rlim_max);
}

static void put_fds(void)
{
	for (int fd = 0; fd < 1024; fd++) {
		char path[64], target[4096];
		ssize_t n;

		if (fcntl(fd, F_GETFD) < 0)
			continue;
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof target - 1);
		target[n < 0 ? 0 : n] = '\0';
		printf("fd %d %s flags %o\n", fd, target, fcntl(fd, F_GETFL) & ~O_ACCMODE);
	}
}

static void put_link(const char *path)
{
	char target[4096];
	ssize_t n = readlink(path, target, sizeof target - 1);

	target[n < 0 ? 0 : n] = '\0';
	printf("link %s %s\n", path, target);
}

/* Of /dev: who owns what, and which device it is. */
static void put_folder(const char *dir)
{
	struct dirent **names;
	int n = scandir(dir, &names, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		char path[600];
		struct stat st;

		snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
		if (names[i]->d_name[0] != '.' && lstat(path, &st) == 0)
			printf("node %s %o %u %u %u:%u\n", path, st.st_mode, st.st_uid, st.st_gid,
			       major(st.st_rdev), minor(st.st_rdev));
	}
}

static void put_attributes(void)
{
	int death = 0;
	char cwd[4096] = "", key[256] = "", host[128] = "", domain[128] = "";
	mode_t mask = umask(0);
	struct ifreq lo = { .ifr_name = "lo" };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	long serial = syscall(SYS_keyctl, 0, -3, 0);

	umask(mask);
	prctl(PR_GET_PDEATHSIG, &death);
	printf("umask %o dumpable %d securebits %d death %d keepcaps %d timerslack %d\n", mask,
	       prctl(PR_GET_DUMPABLE), prctl(PR_GET_SECUREBITS), death, prctl(PR_GET_KEEPCAPS),
	       prctl(PR_GET_TIMERSLACK));
	printf("pid %d ppid %d sid %d pgid %d\n", getpid(), getppid(), getsid(0), getpgrp());
	printf("nice %d scheduler %d ioprio %ld personality %x\n", getpriority(PRIO_PROCESS, 0),
	       sched_getscheduler(0), syscall(SYS_ioprio_get, 1, 0), personality(0xffffffff));
	printf("cwd %s\n", syscall(SYS_getcwd, cwd, sizeof cwd) < 0 ? answer(-1) : cwd);
	gethostname(host, sizeof host - 1);
	if (getdomainname(domain, sizeof domain - 1) < 0)
		strcpy(domain, "?");
	printf("host %s %s\n", host, domain);
	if (serial < 0 || syscall(SYS_keyctl, 6, serial, key, sizeof key - 1) < 0)
		snprintf(key, sizeof key, "%s", answer(-1));
	printf("keyring %s\n", key);
	printf("lo %s", answer(ioctl(sock, SIOCGIFFLAGS, &lo)));
	printf(" %x\n", lo.ifr_flags & (IFF_UP | IFF_RUNNING));
	close(sock);
}

static void try_open(const char *path, int flags)
{
	char bytes[8];
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0600);

	printf("open %s %o %s", path, flags, answer(fd));
	if (fd >= 0 && (flags & O_ACCMODE) == O_RDONLY && !(flags & O_DIRECTORY))
		printf(" read %zd", read(fd, bytes, sizeof bytes));
	putchar('\n');
	if (fd >= 0)
		close(fd);
	if (fd >= 0 && (flags & O_CREAT))
		unlink(path);
}

static void put_deeds(void)
{
	static const char *const made[] = { "/x",      "/tmp/x",	  "/dev/x", "/proc/x",
					    "/sys/x",  "/etc/x",	  "/mnt/x", "/ro/x",
					    "/data/x", "/sys/fs/cgroup/x" };
	static const char *const written[] = {
		"/proc/sysrq-trigger",
		"/proc/sys/kernel/hostname",
		"/proc/sys/kernel/core_pattern",
		"/proc/irq/0/smp_affinity",
		"/sys/kernel/mm/ksm/run",
		"/etc/passwd",
		"/dev/null",
		"/proc/1/oom_score_adj",
		"/sys/fs/cgroup/cgroup.procs",
	};
	static const char *const read_[] = { "/etc/passwd",	 "/etc/secret",
					     "/proc/kcore",	 "/proc/keys",
					     "/proc/timer_list", "/proc/self/environ",
					     "/bin/posture" };
	static const unsigned int devices[][2] = {
		{ 1, 1 }, { 1, 3 }, { 1, 11 }, { 10, 200 }, { 10, 229 }
	};

	for (size_t i = 0; i < sizeof made / sizeof *made; i++)
		try_open(made[i], O_WRONLY | O_CREAT | O_EXCL);
	for (size_t i = 0; i < sizeof written / sizeof *written; i++)
		try_open(written[i], O_WRONLY);
	for (size_t i = 0; i < sizeof read_ / sizeof *read_; i++)
		try_open(read_[i], O_RDONLY);
	try_open("/sys/firmware", O_RDONLY | O_DIRECTORY);
	for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
		long r = mknod("/dev/probe", S_IFCHR | 0600, makedev(devices[i][0], devices[i][1]));

		printf("device %u:%u made %s\n", devices[i][0], devices[i][1], answer(r));
		if (r < 0)
			continue;
		try_open("/dev/probe", O_RDONLY);
		unlink("/dev/probe");
	}
	/* Bad arguments: EFAULT or EINVAL where the call is let in. */
	printf("mount %s\n", answer(syscall(SYS_mount, 0, 0, 0, 0, 0)));
	printf("unshare %s\n", answer(syscall(SYS_unshare, CLONE_NEWNET)));
	printf("sethostname %s\n", answer(syscall(SYS_sethostname, NULL, -1)));
	printf("acct %s\n", answer(syscall(SYS_acct, "/nowhere")));
	printf("setuid %s\n", answer(syscall(SYS_setresuid, -1, 0, -1)));
}

static void put_namespaces(void)
{
	static const char *const names[] = { "cgroup", "ipc",  "mnt",  "net",
					     "pid",    "time", "user", "uts" };

	for (int i = 0; i < 8; i++) {
		char path[64], target[64];
		ssize_t n;

		snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
		n = readlink(path, target, sizeof target - 1);
		target[n < 0 ? 0 : n] = '\0';
		printf("namespace %s\n", target);
	}
}

int main(int argc, char **argv)
{
	static const char *const status[] = { "Cap",	     "NoNewPrivs",    "Seccomp",
					      "Uid",	     "Gid",	      "Groups",
					      "NSpid",	     "SigBlk",	      "SigIgn",
					      "SigCgt",	     "Umask",	      "CoreDump",
					      "THP_enabled", "Cpus_allowed:", "Mems_allowed:",
					      "Speculation", "Threads",	      "Tracer",
					      NULL };
	static const char *const plain[] = { "/proc/self/uid_map",
					     "/proc/self/gid_map",
					     "/proc/self/setgroups",
					     "/proc/self/oom_score_adj",
					     "/proc/self/cgroup",
					     "/proc/self/timens_offsets",
					     "/proc/self/attr/current",
					     "/proc/self/loginuid",
					     "/proc/sys/net/ipv4/ip_forward",
					     "/proc/sys/kernel/shm_rmid_forced",
					     NULL };

	/* In one write, so that a reader who sees "end" has it all. */
	setvbuf(stdout, NULL, _IOFBF, 1 << 18);
	put_fds();
	put_file("/proc/self/status", status);
	for (const char *const *p = plain; *p; p++)
		put_file(*p, NULL);
	put_limits();
	put_attributes();
	put_namespaces();
	put_link("/proc/self/exe");
	put_link("/proc/self/root");
	put_mounts();
	put_folder("/dev");
	put_folder("/dev/pts");
	put_folder("/tmp");
	for (char **v = environ; *v; v++)
		printf("env %s\n", *v);
	for (char **v = argv; *v; v++)
		printf("arg %s\n", *v);
	put_deeds();
	puts("end");
	fflush(stdout);
	if (argc > 1 && strcmp(argv[1], "once") == 0)
		return 0;
	for (;;)
		pause();
}
