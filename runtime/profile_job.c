/*
 * profile_job.c - the seccomp profile of `kist job run`: an allow-list.
 *
 * What is not listed answers ENOSYS, so that programs fall back as on an older
 * kernel; what is known and refused answers EPERM, since a program that sees
 * ENOSYS for mount(2) would give a misleading diagnosis. Another ABI (int 0x80,
 * x32) kills the process: none is listed in `architectures`.
 *
 * OCI rules have no order and no "not": where a call is refused for some values
 * only, the values to allow are spelled out as conditions that cannot overlap
 * with the refused ones. Kernel ints are 32 bits wide, so conditions that
 * refuse mask the upper half of the register off: else ioctl(fd, TIOCSTI |
 * 1<<32) would get past an equality test and still be TIOCSTI for the kernel.
 */
#include "runtime/profile_job.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/profile_text.h"

#define PROFILE_MAX 49152

/* clang-format off */
static const char *const allowed[] = {
	/* files */
	"access", "chdir", "chmod", "chown", "chown32", "close", "close_range", "copy_file_range",
	"creat", "dup", "dup2", "dup3", "faccessat", "faccessat2", "fadvise64", "fallocate",
	"fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat", "fcntl", "fdatasync",
	"fgetxattr", "file_getattr", "flistxattr", "flock", "fremovexattr", "fsetxattr", "fstat",
	"fstatfs", "fsync", "ftruncate", "futimesat", "getcwd", "getdents", "getdents64",
	"getxattr", "getxattrat", "lchown", "lgetxattr", "link", "linkat", "listxattr",
	"listxattrat", "llistxattr", "lremovexattr", "lseek", "lsetxattr", "lstat", "mkdir",
	"mkdirat", "mknod", "mknodat", "newfstatat", "open", "openat", "openat2", "pread64",
	"preadv", "preadv2", "pwrite64", "pwritev", "pwritev2", "read", "readahead", "readlink",
	"readlinkat", "readv", "removexattr", "removexattrat", "rename", "renameat", "renameat2",
	"rmdir", "sendfile", "setxattr", "setxattrat", "splice", "stat", "statfs", "statx",
	"symlink", "symlinkat", "sync", "sync_file_range", "syncfs", "tee", "truncate", "umask",
	"unlink", "unlinkat", "utime", "utimensat", "utimes", "vmsplice", "write", "writev",
	/* waiting for files, events, time */
	"epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait",
	"epoll_pwait2", "epoll_wait", "epoll_wait_old", "eventfd", "eventfd2", "inotify_add_watch",
	"inotify_init", "inotify_init1", "inotify_rm_watch", "pause", "pipe", "pipe2", "poll",
	"ppoll", "pselect6", "select", "signalfd", "signalfd4", "timerfd_create",
	"timerfd_gettime", "timerfd_settime", "io_cancel", "io_destroy", "io_getevents",
	"io_pgetevents", "io_setup", "io_submit",
	/* memory */
	"brk", "cachestat", "get_mempolicy", "madvise", "map_shadow_stack", "membarrier",
	"memfd_create", "mincore", "mlock", "mlock2", "mlockall", "mmap", "mprotect", "mremap",
	"mseal", "msync", "munlock", "munlockall", "munmap", "pkey_alloc", "pkey_free",
	"pkey_mprotect", "remap_file_pages",
	/* processes and threads; clone has conditions, below */
	"alarm", "arch_prctl", "capget", "capset", "execve", "execveat", "exit", "exit_group",
	"fork", "futex", "futex_requeue", "futex_wait", "futex_waitv", "futex_wake",
	"get_robust_list", "get_thread_area", "getcpu", "getegid", "geteuid", "getgid",
	"getgroups", "getitimer", "getpgid", "getpgrp", "getpid", "getppid", "getpriority",
	"getresgid", "getresuid", "getrlimit", "getrusage", "getsid", "gettid", "getuid",
	"ioprio_get", "ioprio_set", "kill", "landlock_add_rule", "landlock_create_ruleset",
	"landlock_restrict_self", "pidfd_open", "pidfd_send_signal", "prctl",
	"restart_syscall", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask",
	"rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait",
	"rt_tgsigqueueinfo", "sched_get_priority_max", "sched_get_priority_min",
	"sched_getaffinity", "sched_getattr", "sched_getparam", "sched_getscheduler",
	"sched_rr_get_interval", "sched_setaffinity", "sched_setattr", "sched_setparam",
	"sched_setscheduler", "sched_yield", "seccomp", "set_robust_list", "set_thread_area",
	"set_tid_address", "setfsgid", "setfsuid", "setgid", "setgroups", "setitimer", "setpgid",
	"setpriority", "setregid", "setresgid", "setresuid", "setreuid", "setsid",
	"setuid", "sigaltstack", "tgkill", "time", "times", "tkill", "vfork", "wait4", "waitid",
	/* clocks, random, the machine */
	"clock_getres", "clock_gettime", "clock_nanosleep", "getrandom", "gettimeofday",
	"nanosleep", "sysinfo", "timer_create", "timer_delete", "timer_getoverrun",
	"timer_gettime", "timer_settime", "uname",
};

/* What a job may do and one that only computes may not. */
static const char *const talking[] = {
	/* System V and POSIX IPC: the job has an IPC namespace of its own */
	"mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink",
	"msgctl", "msgget", "msgrcv", "msgsnd", "semctl", "semget", "semop", "semtimedop",
	"shmat", "shmctl", "shmdt", "shmget",
	/* sockets; socket and socketpair have conditions, below */
	"accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt",
	"listen", "recvfrom", "recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "sendto",
	"setsockopt", "shutdown",
};

static const char *const refused[] = {
	/* the mount table and the root */
	"chroot", "fsconfig", "fsmount", "fsopen", "fspick", "listmount", "mount",
	"mount_setattr", "move_mount", "open_tree", "open_tree_attr", "pivot_root", "statmount",
	"umount", "umount2",
	/* namespaces, other processes */
	"kcmp", "move_pages", "migrate_pages", "mbind", "pidfd_getfd", "process_madvise",
	"process_mrelease", "process_vm_readv", "process_vm_writev", "ptrace", "set_mempolicy",
	"set_mempolicy_home_node", "setns", "unshare",
	/* kernel interfaces with a history */
	"add_key", "bpf", "fanotify_init", "fanotify_mark", "io_uring_enter",
	"io_uring_register", "io_uring_setup", "keyctl", "lookup_dcookie", "memfd_secret",
	"modify_ldt", "name_to_handle_at", "open_by_handle_at", "perf_event_open", "request_key",
	"userfaultfd",
	/* the machine */
	"acct", "adjtimex", "clock_adjtime", "clock_settime", "create_module", "delete_module",
	"finit_module", "get_kernel_syms", "init_module", "ioperm", "iopl", "kexec_file_load",
	"kexec_load", "nfsservctl", "query_module", "quotactl", "quotactl_fd", "reboot",
	"setdomainname", "sethostname", "settimeofday", "swapoff", "swapon", "syslog", "uselib",
	"vhangup",
};
/* clang-format on */

#define EPERM_VALUE	   1
#define ENOSYS_VALUE	   38
#define EAFNOSUPPORT_VALUE 97

#define LOW32 0xffffffffULL

/* clone: stops a job from making namespaces, above all a user namespace, which opens most of the
 * kernel to it. CLONE_NEWTIME is in the exit signal's bits and only means something to unshare
 * and clone3. clone3 hides its flags behind a pointer: libc falls back to clone on ENOSYS. */
static void add_clone(struct buf *b)
{
	static const uint64_t namespaces[] = {
		0x00020000, /* CLONE_NEWNS */
		0x02000000, /* CLONE_NEWCGROUP */
		0x04000000, /* CLONE_NEWUTS */
		0x08000000, /* CLONE_NEWIPC */
		0x10000000, /* CLONE_NEWUSER */
		0x20000000, /* CLONE_NEWPID */
		0x40000000, /* CLONE_NEWNET */
	};
	uint64_t all = 0;

	for (size_t i = 0; i < sizeof namespaces / sizeof namespaces[0]; i++) {
		all |= namespaces[i];
		profile_add_masked(b, "clone", EPERM_VALUE, 0, namespaces[i], namespaces[i]);
	}
	profile_add_masked(b, "clone", PROFILE_ALLOW, 0, all, 0);
}

/*
 * ioctl: TIOCSTI (0x5412) types into the terminal of whoever started the job,
 * TIOCLINUX (0x541c) pastes into it (CVE-2017-5226). Everything else is allowed:
 * what differs from 0x541- in a bit of the upper 28, or ends in neither 2 nor c.
 */
static void add_ioctl(struct buf *b)
{
	static const struct {
		uint64_t mask, value;
	} last_digit[] = {
		{ 0x1, 0x1 }, /* ---1 */
		{ 0xa, 0x0 }, /* 0-0- */
		{ 0x6, 0x6 }, /* -11- */
		{ 0xc, 0x8 }, /* 10-- */
	};

	profile_add_masked(b, "ioctl", EPERM_VALUE, 1, LOW32, 0x5412);
	profile_add_masked(b, "ioctl", EPERM_VALUE, 1, LOW32, 0x541c);
	for (int bit = 4; bit < 32; bit++)
		profile_add_masked(b, "ioctl", PROFILE_ALLOW, 1, 1ULL << bit, ~0x5410ULL & (1ULL << bit));
	for (size_t i = 0; i < sizeof last_digit / sizeof last_digit[0]; i++)
		profile_add_masked(b, "ioctl", PROFILE_ALLOW, 1, last_digit[i].mask, last_digit[i].value);
}

/*
 * personality: 0 is what the job has, 0xffffffff asks for it. Any other value
 * switches address randomisation off or maps page 0; as neither all bits nor
 * none are set, somewhere (bit 31 has bit 0 as neighbour) a 1 stands beside a 0.
 */
static void add_personality(struct buf *b)
{
	profile_add_masked(b, "personality", PROFILE_ALLOW, 0, LOW32, 0);
	profile_add_masked(b, "personality", PROFILE_ALLOW, 0, LOW32, LOW32);
	for (int bit = 0; bit < 32; bit++) {
		uint64_t one = 1ULL << bit, zero = 1ULL << ((bit + 1) % 32);

		profile_add_masked(b, "personality", EPERM_VALUE, 0, one | zero, one);
	}
}

/* socket: AF_UNIX 1, AF_INET 2, AF_INET6 10. The others, from AF_ALG to AF_VSOCK, are where the
 * kernel's local privilege escalations come from. An int with high bits set is "another" here. */
static void add_socket(struct buf *b)
{
	static const uint64_t families[] = { 1, 2, 10 };

	for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
		profile_add_compare(b, "socket", PROFILE_ALLOW, "SCMP_CMP_EQ", families[i]);
	for (uint64_t family = 0; family < 10; family++)
		if (family != 1 && family != 2)
			profile_add_compare(b, "socket", EAFNOSUPPORT_VALUE, "SCMP_CMP_EQ", family);
	profile_add_compare(b, "socket", EAFNOSUPPORT_VALUE, "SCMP_CMP_GT", 10);
	profile_add_compare(b, "socketpair", PROFILE_ALLOW, "SCMP_CMP_EQ", 1);
	profile_add_compare(b, "socketpair", EAFNOSUPPORT_VALUE, "SCMP_CMP_NE", 1);
}

/*
 * RLIMIT_CORE: 1 is what a job has, the one value at which the kernel starts no program of the host's
 * for a core (core(5)); at 0 it does, as the host's root, outside of all limits of the job, once for
 * each process that crashes.
 */
static void add_core_limit(struct buf *b)
{
	enum { CORE = 4 };
	static const struct {
		uint64_t free, value; /* bits that may be set, and those that are */
	} others[] = { { 3, 0 }, { 0, 5 }, { 1, 6 }, { 7, 8 } };

	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		uint64_t mask = (uint64_t)INT64_MAX & ~others[i].free;

		profile_add_masked(b, "setrlimit", PROFILE_ALLOW, 0, mask, others[i].value);
		profile_add_masked(b, "prlimit64", PROFILE_ALLOW, 1, mask, others[i].value);
	}
	profile_add_masked(b, "setrlimit", EPERM_VALUE, 0, LOW32, CORE);
	/* To read it is no harm. */
	profile_add_pair(b, "prlimit64", PROFILE_ALLOW, 1, CORE, "SCMP_CMP_EQ");
	profile_add_pair(b, "prlimit64", EPERM_VALUE, 1, CORE, "SCMP_CMP_NE");
}

static const char *const sockets[] = { "socket", "socketpair" };

static void build(char text[PROFILE_MAX], bool compute)
{
	struct buf b = { .text = text, .size = PROFILE_MAX };

	buf_reset(&b);
	buf_addf(&b,
		 "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": %d, "
		 "\"architectures\": [\"SCMP_ARCH_NATIVE\"], \"syscalls\": [\n"
		 "{\"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": %d, \"names\": [\"clone3\"]}",
		 ENOSYS_VALUE, ENOSYS_VALUE);
	profile_add_list(&b, PROFILE_ALLOW, allowed, sizeof allowed / sizeof allowed[0]);
	profile_add_list(&b, compute ? EPERM_VALUE : PROFILE_ALLOW, talking, sizeof talking / sizeof talking[0]);
	profile_add_list(&b, EPERM_VALUE, refused, sizeof refused / sizeof refused[0]);
	add_clone(&b);
	add_ioctl(&b);
	add_personality(&b);
	add_core_limit(&b);
	if (compute)
		profile_add_list(&b, EPERM_VALUE, sockets, sizeof sockets / sizeof sockets[0]);
	else
		add_socket(&b);
	buf_add(&b, "\n]}\n");
	/* A table that outgrew the buffer must not become a shorter profile. */
	if (buf_truncated(&b))
		abort();
}

const char *profile_job_json(void)
{
	static char text[PROFILE_MAX];

	if (!text[0])
		build(text, false);
	return text;
}

const char *profile_compute_json(void)
{
	static char text[PROFILE_MAX];

	if (!text[0])
		build(text, true);
	return text;
}
