/*
 * probe.c - what a process sees from inside a container, as JSON on stdout.
 *
 *   probe             ids, capabilities, limits, env, fds, namespaces, terminal
 *   probe try NAME... tries system calls, each in a child of its own, natively,
 *                     and where that makes sense through int 0x80 and as x32
 *   probe list        the names
 *   probe notify TEXT...  sends each to $NOTIFY_SOCKET, a message each
 *
 * Static, needs nothing of the image, not even /proc. Of a `try`:
 *   {"name": "mount", "native": "EPERM", "int80": "SIGSYS", "x32": "SIGSYS"}
 * where "OK" is success. Calls are made with arguments that do no harm when
 * they are permitted. Not part of kist: it links none of it.
 *
 * Build:  cc -O2 -static -o probe probe.c
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void put_string(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

/* --- what it sees ----------------------------------------------------------- */

static void put_ids(void)
{
	uid_t r, e, s;
	gid_t rg, eg, sg, groups[1024];
	int n = getgroups(1024, groups);

	getresuid(&r, &e, &s);
	getresgid(&rg, &eg, &sg);
	printf("\"uid\": [%u, %u, %u], \"gid\": [%u, %u, %u], \"groups\": [", r, e, s, rg, eg, sg);
	for (int i = 0; i < n; i++)
		printf("%s%u", i ? ", " : "", groups[i]);
	printf("],\n");
}

static uint64_t read_cap_set(int option, int sub)
{
	uint64_t set = 0;

	for (int cap = 0; cap < 64; cap++) {
		int r = sub < 0 ? prctl(option, cap, 0, 0, 0) : prctl(option, sub, cap, 0, 0);

		if (r > 0)
			set |= 1ULL << cap;
	}
	return set;
}

static void put_caps(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { { 0 } };

	syscall(SYS_capget, &header, d);
#define WHOLE(field) (unsigned long long)(d[0].field | (uint64_t)d[1].field << 32)
	printf("\"CapInh\": \"%016llx\", \"CapPrm\": \"%016llx\", \"CapEff\": \"%016llx\", ",
	       WHOLE(inheritable), WHOLE(permitted), WHOLE(effective));
	printf("\"CapBnd\": \"%016llx\", \"CapAmb\": \"%016llx\",\n",
	       (unsigned long long)read_cap_set(PR_CAPBSET_READ, -1),
	       (unsigned long long)read_cap_set(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET));
	printf("\"NoNewPrivs\": %d, \"Seccomp\": %d, \"securebits\": %d, \"dumpable\": %d,\n",
	       prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_SECCOMP, 0, 0, 0, 0),
	       prctl(PR_GET_SECUREBITS, 0, 0, 0, 0), prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
}

static void put_limits(void)
{
	static const char *const names[] = {
		"RLIMIT_CPU",	"RLIMIT_FSIZE",	 "RLIMIT_DATA",	      "RLIMIT_STACK",
		"RLIMIT_CORE",	"RLIMIT_RSS",	 "RLIMIT_NPROC",      "RLIMIT_NOFILE",
		"RLIMIT_MEMLOCK", "RLIMIT_AS",	 "RLIMIT_LOCKS",      "RLIMIT_SIGPENDING",
		"RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_RTPRIO",     "RLIMIT_RTTIME",
	};
	struct rlimit l;

	printf("\"rlimits\": {");
	for (int i = 0; i < 16; i++) {
		getrlimit(i, &l);
		/* Signed, so that "unlimited" is -1 and fits every JSON reader. */
		printf("%s\"%s\": [%lld, %lld]", i ? ", " : "", names[i], (long long)l.rlim_cur,
		       (long long)l.rlim_max);
	}
	printf("},\n");
}

static void put_surroundings(void)
{
	char cwd[4096] = "";
	mode_t mask = umask(0);

	umask(mask);
	/* Raw: glibc hides "(unreachable)/..." behind ENOENT. */
	if (syscall(SYS_getcwd, cwd, sizeof cwd) < 0)
		snprintf(cwd, sizeof cwd, "errno %d", errno);
	printf("\"umask\": \"%04o\", \"cwd\": ", mask);
	put_string(cwd);
	printf(",\n\"env\": [");
	for (char **v = environ; *v; v++) {
		if (v != environ)
			printf(", ");
		put_string(*v);
	}
	printf("],\n\"pid\": %d, \"ppid\": %d, \"sid\": %d, \"pgid\": %d, ", getpid(), getppid(),
	       getsid(0), getpgrp());
	printf("\"tty\": [%d, %d, %d], ", isatty(0), isatty(1), isatty(2));
	{
		int tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

		printf("\"controlling_tty\": %s,\n", tty >= 0 ? "true" : "false");
		if (tty >= 0)
			close(tty);
	}
	printf("\"nice\": %d, \"scheduler\": %d, \"ioprio\": %ld,\n", getpriority(PRIO_PROCESS, 0),
	       sched_getscheduler(0), syscall(SYS_ioprio_get, 1, 0));
}

static void put_fds(void)
{
	bool first = true;

	printf("\"fds\": [");
	for (int fd = 0; fd < 4096; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			continue;
		printf("%s%d", first ? "" : ", ", fd);
		first = false;
	}
	printf("],\n");
}

static void put_signals(void)
{
	sigset_t mask;
	bool first = true;

	sigprocmask(SIG_SETMASK, NULL, &mask);
	printf("\"blocked\": [");
	for (int s = 1; s < 65; s++) {
		if (sigismember(&mask, s) != 1)
			continue;
		printf("%s%d", first ? "" : ", ", s);
		first = false;
	}
	first = true;
	printf("], \"ignored\": [");
	for (int s = 1; s < 65; s++) {
		/* The kernel's struct begins with the handler; glibc hides 32 and 33. */
		unsigned long action[4] = { 0 };

		if (syscall(SYS_rt_sigaction, s, NULL, action, 8) < 0 || action[0] != 1)
			continue;
		printf("%s%d", first ? "" : ", ", s);
		first = false;
	}
	printf("],\n");
}

static void put_links(const char *key, const char *dir)
{
	struct dirent *d;
	DIR *stream = opendir(dir);
	bool first = true;

	printf("\"%s\": {", key);
	while (stream && (d = readdir(stream))) {
		char path[512], target[4096];
		ssize_t n;

		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%.200s", dir, d->d_name);
		n = readlink(path, target, sizeof target - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		printf("%s", first ? "" : ", ");
		put_string(d->d_name);
		printf(": ");
		put_string(target);
		first = false;
	}
	if (stream)
		closedir(stream);
	printf("}");
}

static int see(char **argv)
{
	printf("{\"argv\": [");
	for (char **v = argv; *v; v++) {
		if (v != argv)
			printf(", ");
		put_string(*v);
	}
	printf("],\n");
	put_ids();
	put_caps();
	put_limits();
	put_surroundings();
	put_fds();
	put_signals();
	put_links("namespaces", "/proc/self/ns");
	printf("}\n");
	return 0;
}

/* --- what it may do --------------------------------------------------------- */

struct attempt {
	const char *name;
	long nr, nr32;	 /* nr32 -1: not through int 0x80 */
	long arg[6];	 /* small numbers or NULL, so that they mean the same in 32 bits */
};

/* Numbers of the i386 table (arch/x86/entry/syscalls/syscall_32.tbl). */
static const struct attempt attempts[] = {
	/* Bad pointers answer EFAULT or EINVAL where the call is let in: nothing is ever done. */
	{ "mount", SYS_mount, 21, { 0, 0, 0, 0, 0 } },
	{ "umount2", SYS_umount2, 52, { 0, 0 } },
	{ "pivot_root", SYS_pivot_root, 217, { 0, 0 } },
	{ "chroot", SYS_chroot, 61, { 0 } },
	{ "open_tree", 428, 428, { -1, 0, 0 } },
	{ "move_mount", 429, 429, { -1, 0, -1, 0, 0 } },
	{ "fsopen", 430, 430, { 0, 0 } },
	{ "fsconfig", 431, 431, { -1, 0, 0, 0, 0 } },
	{ "fsmount", 432, 432, { -1, 0, 0 } },
	{ "mount_setattr", 442, 442, { -1, 0, 0, 0, 0 } },
	{ "bpf", SYS_bpf, 357, { 0, 0, 0 } },
	{ "keyctl", SYS_keyctl, 288, { 0, -3, 0 } },
	{ "add_key", SYS_add_key, 286, { 0, 0, 0, 0, 0 } },
	{ "request_key", SYS_request_key, 287, { 0, 0, 0, 0 } },
	{ "unshare_newuser", SYS_unshare, 310, { 0x10000000 } },
	{ "unshare_newns", SYS_unshare, 310, { 0x00020000 } },
	{ "unshare_newnet", SYS_unshare, 310, { 0x40000000 } },
	{ "clone_newuser", SYS_clone, -1, { 0x10000000 | SIGCHLD, 0, 0, 0, 0 } },
	{ "setns", SYS_setns, 346, { -1, 0 } },
	{ "io_uring_setup", 425, 425, { 0, 0 } },
	{ "userfaultfd", SYS_userfaultfd, 374, { 0 } },
	{ "perf_event_open", SYS_perf_event_open, 336, { 0, 0, -1, -1, 0 } },
	{ "ptrace", SYS_ptrace, 26, { 16, 0, 0, 0 } },
	{ "process_vm_readv", SYS_process_vm_readv, 347, { 0, 0, 0, 0, 0, 0 } },
	{ "pidfd_getfd", 438, 438, { -1, 0, 0 } },
	{ "personality_query", SYS_personality, 136, { 0xffffffff } },
	{ "personality_norandomize", SYS_personality, 136, { 0x0040000 } },
	{ "open_by_handle_at", SYS_open_by_handle_at, 342, { -1, 0, 0 } },
	{ "name_to_handle_at", SYS_name_to_handle_at, 341, { -1, 0, 0, 0, 0 } },
	{ "kexec_load", SYS_kexec_load, 283, { 0, 1, 0, 0 } },
	{ "init_module", SYS_init_module, 128, { 0, 0, 0 } },
	{ "finit_module", SYS_finit_module, 350, { -1, 0, 0 } },
	{ "delete_module", SYS_delete_module, 129, { 0, 0 } },
	{ "reboot", SYS_reboot, 88, { 0, 0, 0, 0 } },
	{ "swapon", SYS_swapon, 87, { 0, 0 } },
	{ "syslog", SYS_syslog, 103, { 10, 0, 0 } },
	{ "sethostname", SYS_sethostname, 74, { 0, 1 } },
	{ "clock_settime", SYS_clock_settime, 264, { 0, 0 } },
	{ "memfd_secret", 447, 447, { -1 } },
	{ "fanotify_init", SYS_fanotify_init, 338, { -1, 0 } },
	{ "modify_ldt", SYS_modify_ldt, 123, { 0, 0, 0 } },
	{ "iopl", SYS_iopl, 110, { 3 } },
	{ "socket_unix", SYS_socket, 359, { 1, 1, 0 } },
	{ "socket_inet", SYS_socket, 359, { 2, 1, 0 } },
	{ "socket_inet6", SYS_socket, 359, { 10, 1, 0 } },
	{ "socket_netlink", SYS_socket, 359, { 16, 3, 0 } },
	{ "socket_packet", SYS_socket, 359, { 17, 3, 0 } },
	{ "socket_rds", SYS_socket, 359, { 21, 5, 0 } },
	{ "socket_can", SYS_socket, 359, { 29, 3, 1 } },
	{ "socket_tipc", SYS_socket, 359, { 30, 5, 0 } },
	{ "socket_alg", SYS_socket, 359, { 38, 5, 0 } },
	{ "socket_vsock", SYS_socket, 359, { 40, 1, 0 } },
	/* The kernel's int is 32 bits wide: the same family to it, another number to a filter. */
	{ "socket_alg_high", SYS_socket, -1, { 0x100000026, 5, 0 } },
	{ "tiocsti", SYS_ioctl, 54, { -1, 0x5412, 0 } },
	{ "tiocsti_high", SYS_ioctl, -1, { -1, 0x100005412, 0 } },
	{ "tioclinux", SYS_ioctl, 54, { -1, 0x541c, 0 } },
	{ "tioclinux_high", SYS_ioctl, -1, { -1, 0x10000541c, 0 } },
	{ "tiocgwinsz", SYS_ioctl, 54, { -1, 0x5413, 0 } },
	{ "getpid", SYS_getpid, 20, { 0 } },
	{ "unknown_600", 600, 600, { 0 } },
};
#define ATTEMPTS (sizeof attempts / sizeof attempts[0])

static long call_int80(long nr, const long *a)
{
	long result = -ENOSYS;
#if defined(__x86_64__)
	/* ebp is the sixth argument; none of these has one that matters. */
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(nr), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
			 : "memory", "r8", "r9", "r10", "r11");
	result = (int)result;
#endif
	return result;
}

/* clone3 with CLONE_NEWUSER: its flags are behind a pointer, out of a filter's sight. */
static long call_clone3(void)
{
	uint64_t args[8] = { 0x10000000, 0, 0, 0, SIGCHLD };

	return syscall(SYS_clone3, args, sizeof args);
}

enum abi { NATIVE, INT80, X32 };

static long call(const struct attempt *t, enum abi abi)
{
	const long *a = t->arg;
	long r;

	if (abi == INT80)
		return call_int80(t->nr32, a);
	if (t->nr == SYS_clone3)
		r = call_clone3();
	else
		r = syscall(abi == X32 ? (t->nr | 0x40000000) : t->nr, a[0], a[1], a[2], a[3], a[4],
			    a[5]);
	return r < 0 ? -errno : r;
}

/* In a child, so that being killed is an answer. */
static void put_result(const struct attempt *t, enum abi abi)
{
	int pipefd[2], status = 0;
	long r = -ENODATA;
	pid_t pid;

	fflush(stdout);
	if (pipe(pipefd) < 0 || (pid = fork()) < 0) {
		printf("\"cannot fork\"");
		return;
	}
	if (pid == 0) {
		pid_t self = getpid();

		r = call(t, abi);
		if (getpid() != self) /* clone went through: this is the grandchild */
			_exit(0);
		if (write(pipefd[1], &r, sizeof r) < 0)
			_exit(1);
		_exit(0);
	}
	close(pipefd[1]);
	if (read(pipefd[0], &r, sizeof r) < 0)
		r = -errno;
	close(pipefd[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		printf("\"SIG%s\"", sigabbrev_np(WTERMSIG(status)));
	else if (r < 0)
		printf("\"%s\"", strerrorname_np((int)-r) ? strerrorname_np((int)-r) : "?");
	else
		printf("\"OK\"");
}

static int try_one(const struct attempt *t)
{
	printf("{\"name\": \"%s\", \"native\": ", t->name);
	put_result(t, NATIVE);
#if defined(__x86_64__)
	if (t->nr32 >= 0) {
		printf(", \"int80\": ");
		put_result(t, INT80);
	}
	if (t->nr != SYS_clone3 && t->nr != SYS_clone) {
		printf(", \"x32\": ");
		put_result(t, X32);
	}
#endif
	printf("}\n");
	return 0;
}

static int try_name(const char *name)
{
	static const struct attempt clone3_newuser = { "clone3_newuser", SYS_clone3, -1, { 0 } };

	if (strcmp(name, clone3_newuser.name) == 0)
		return try_one(&clone3_newuser);
	for (size_t i = 0; i < ATTEMPTS; i++)
		if (strcmp(attempts[i].name, name) == 0)
			return try_one(&attempts[i]);
	fprintf(stderr, "probe: no such attempt: %s (see: probe list)\n", name);
	return 2;
}

static int notify(char **texts)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	int sock = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (!path || sock < 0)
		return 1;
	strncpy(to.sun_path, path, sizeof to.sun_path - 1);
	for (; *texts; texts++)
		if (sendto(sock, *texts, strlen(*texts), 0, (struct sockaddr *)&to, sizeof to) < 0) {
			perror(path);
			return 1;
		}
	return 0;
}

int main(int argc, char **argv)
{
	int result = 0;

	if (argc >= 2 && strcmp(argv[1], "list") == 0) {
		puts("clone3_newuser");
		for (size_t i = 0; i < ATTEMPTS; i++)
			puts(attempts[i].name);
		return 0;
	}
	if (argc >= 3 && strcmp(argv[1], "notify") == 0)
		return notify(argv + 2);
	if (argc >= 3 && strcmp(argv[1], "try") == 0) {
		for (int i = 2; i < argc && result == 0; i++)
			result = try_name(argv[i]);
		return result;
	}
	return see(argv);
}
