/*
 * dns_sandbox.c - what is left to kist-dns once it has begun: its sockets, and the leases folder.
 */
#include "net/dns_sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sanitized.h"

#define NOBODY 65534

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#endif

/* --- capabilities ------------------------------------------------------------------- */

static int set_caps(unsigned long long caps)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	data[0].effective = data[0].permitted = (uint32_t)caps;
	data[1].effective = data[1].permitted = (uint32_t)(caps >> 32);
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

static int drop_ids(struct err *e)
{
	const unsigned long long reads = 1ULL << CAP_DAC_READ_SEARCH;

	/* A bounding set without it: no execve could give it back, if there was one. */
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap) < 0)
			return err_set(e, errno, "prctl(PR_CAPBSET_DROP, %d)", cap);
	if (prctl(PR_SET_KEEPCAPS, 1) < 0)
		return err_set(e, errno, "prctl(PR_SET_KEEPCAPS)");
	/* In a user namespace that has no such ids, or may set no groups, its root is as good as
	 * nobody once the capabilities are gone. */
	if (setgroups(0, NULL) < 0 && errno != EPERM)
		return err_set(e, errno, "setgroups");
	if (setresgid(NOBODY, NOBODY, NOBODY) < 0 && errno != EINVAL)
		return err_set(e, errno, "setresgid");
	if (setresuid(NOBODY, NOBODY, NOBODY) < 0 && errno != EINVAL)
		return err_set(e, errno, "setresuid");
	if (set_caps(reads) < 0)
		return err_set(e, errno, "capset");
	return 0;
}

/* --- system calls ------------------------------------------------------------------- */

#define NR(offset)    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, offset))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)
#define DENY	      RETURN(SECCOMP_RET_ERRNO | EPERM)
#define ALLOW(call)                                                                                \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##call, 0, 1), RETURN(SECCOMP_RET_ALLOW)
#define SKIP_UNLESS(call, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##call, 0, n)

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARG(n) NR(args[n])
#endif

#if defined(ARCH) && defined(ARG)
static int filter_calls(struct err *e)
{
	struct sock_filter code[] = {
		NR(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		NR(nr),
		/* The answers, and the loop they are given in. */
		ALLOW(epoll_pwait),
#ifdef __NR_epoll_wait
		ALLOW(epoll_wait),
#endif
		ALLOW(recvmmsg),
		ALLOW(sendmmsg),
		ALLOW(write),
		ALLOW(dup3),
		ALLOW(recvfrom),
		ALLOW(sendto),
		ALLOW(recvmsg),
		ALLOW(sendmsg),
		ALLOW(epoll_ctl),
		ALLOW(accept4),
		ALLOW(close),
		ALLOW(read),
		ALLOW(clock_gettime),
		ALLOW(getrandom),
		ALLOW(connect),
		ALLOW(getsockopt),
		/* Memory. */
		ALLOW(brk),
		ALLOW(munmap),
		ALLOW(mremap),
		ALLOW(madvise),
		/* The records. */
		ALLOW(openat),
		ALLOW(getdents64),
		ALLOW(newfstatat),
		ALLOW(fstat),
		ALLOW(fcntl),
		ALLOW(lseek),
		ALLOW(faccessat),
		ALLOW(inotify_add_watch),
		ALLOW(getpid),
		/* The end. */
		ALLOW(exit_group),
		ALLOW(exit),
		ALLOW(rt_sigreturn),
		ALLOW(restart_syscall),
		/* Memory that is no program; sockets that speak IP. */
		SKIP_UNLESS(mmap, 4),
		ARG(2),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
		DENY,
		RETURN(SECCOMP_RET_ALLOW),
		SKIP_UNLESS(socket, 5),
		ARG(0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
		RETURN(SECCOMP_RET_ALLOW),
		DENY,
		DENY,
	};
	struct sock_fprog program = { sizeof code / sizeof *code, code };

	/* What watches its own memory makes calls of its own. */
	if (SANITIZED)
		return 0;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 && errno != EINVAL)
		return err_set(e, errno, "prctl(PR_SET_SECCOMP)");
	return 0;
}
#else
static int filter_calls(struct err *e)
{
	(void)e;
	return 0;
}
#endif

int dns_sandbox_enter(int dir, struct err *e)
{
	const struct rlimit none = { 0, 0 };
	int r;

	/* No capability to leave it by chroot(2) again is kept, and no fd of a folder outside. */
	if (fchdir(dir) < 0 || chroot(".") < 0)
		return err_set(e, errno, "chroot to the leases folder");
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(e, errno, "prctl");
	r = drop_ids(e);
	if (r < 0)
		return r;
	if (setrlimit(RLIMIT_FSIZE, &none) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		return err_set(e, errno, "setrlimit");
	return filter_calls(e);
}
