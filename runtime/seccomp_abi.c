/*
 * seccomp_abi.c - the ABIs of seccomp profiles: names, what the kernel calls them, which run where;
 * the calls some have as functions of another.
 */
#include "runtime/seccomp_abi.h"

#include <linux/audit.h>

#ifndef AUDIT_ARCH_LOONGARCH64
#define AUDIT_ARCH_LOONGARCH64 (258 | __AUDIT_ARCH_64BIT | __AUDIT_ARCH_LE)
#endif

static const struct {
	const char *name;
	uint32_t audit;
	int host; /* whose kernel runs it too; its own does anyway */
} abis[SECCOMP_ABIS] = {
	[SECCOMP_ABI_ARM] = { "ARM", AUDIT_ARCH_ARM, SECCOMP_ABI_AARCH64 },
	[SECCOMP_ABI_AARCH64] = { "AARCH64", AUDIT_ARCH_AARCH64, -1 },
	[SECCOMP_ABI_MIPS] = { "MIPS", AUDIT_ARCH_MIPS, SECCOMP_ABI_MIPS64 },
	[SECCOMP_ABI_MIPS64] = { "MIPS64", AUDIT_ARCH_MIPS64, -1 },
	[SECCOMP_ABI_MIPS64N32] = { "MIPS64N32", AUDIT_ARCH_MIPS64N32, SECCOMP_ABI_MIPS64 },
	[SECCOMP_ABI_MIPSEL] = { "MIPSEL", AUDIT_ARCH_MIPSEL, SECCOMP_ABI_MIPSEL64 },
	[SECCOMP_ABI_MIPSEL64] = { "MIPSEL64", AUDIT_ARCH_MIPSEL64, -1 },
	[SECCOMP_ABI_MIPSEL64N32] = { "MIPSEL64N32", AUDIT_ARCH_MIPSEL64N32, SECCOMP_ABI_MIPSEL64 },
	[SECCOMP_ABI_PPC] = { "PPC", AUDIT_ARCH_PPC, SECCOMP_ABI_PPC64 },
	[SECCOMP_ABI_PPC64] = { "PPC64", AUDIT_ARCH_PPC64, -1 },
	[SECCOMP_ABI_PPC64LE] = { "PPC64LE", AUDIT_ARCH_PPC64LE, -1 },
	[SECCOMP_ABI_S390] = { "S390", AUDIT_ARCH_S390, SECCOMP_ABI_S390X },
	[SECCOMP_ABI_S390X] = { "S390X", AUDIT_ARCH_S390X, -1 },
	[SECCOMP_ABI_PARISC] = { "PARISC", AUDIT_ARCH_PARISC, SECCOMP_ABI_PARISC64 },
	[SECCOMP_ABI_PARISC64] = { "PARISC64", AUDIT_ARCH_PARISC64, -1 },
	[SECCOMP_ABI_RISCV64] = { "RISCV64", AUDIT_ARCH_RISCV64, -1 },
	[SECCOMP_ABI_LOONGARCH64] = { "LOONGARCH64", AUDIT_ARCH_LOONGARCH64, -1 },
	[SECCOMP_ABI_M68K] = { "M68K", AUDIT_ARCH_M68K, -1 },
	[SECCOMP_ABI_SH] = { "SH", AUDIT_ARCH_SHEL, -1 },
	[SECCOMP_ABI_SHEB] = { "SHEB", AUDIT_ARCH_SH, -1 },
	[SECCOMP_ABI_X86] = { "X86", AUDIT_ARCH_I386, SECCOMP_ABI_X86_64 },
	[SECCOMP_ABI_X86_64] = { "X86_64", AUDIT_ARCH_X86_64, -1 },
	[SECCOMP_ABI_X32] = { "X32", AUDIT_ARCH_X86_64, SECCOMP_ABI_X86_64 },
};

const char *seccomp_abi_name(size_t abi)
{
	return abi < SECCOMP_ABIS ? abis[abi].name : NULL;
}

uint32_t seccomp_abi_audit(enum seccomp_abi abi)
{
	return abis[abi].audit;
}

enum seccomp_abi seccomp_abi_native(void)
{
#if defined(__x86_64__)
	return SECCOMP_ABI_X86_64;
#elif defined(__i386__)
	return SECCOMP_ABI_X86;
#elif defined(__aarch64__)
	return SECCOMP_ABI_AARCH64;
#elif defined(__arm__)
	return SECCOMP_ABI_ARM;
#elif defined(__s390x__)
	return SECCOMP_ABI_S390X;
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
	return SECCOMP_ABI_PPC64LE;
#elif defined(__powerpc64__)
	return SECCOMP_ABI_PPC64;
#elif defined(__riscv) && __riscv_xlen == 64
	return SECCOMP_ABI_RISCV64;
#elif defined(__loongarch64)
	return SECCOMP_ABI_LOONGARCH64;
#elif defined(__mips64) && defined(__MIPSEL__)
	return SECCOMP_ABI_MIPSEL64;
#elif defined(__mips__) && defined(__MIPSEL__)
	return SECCOMP_ABI_MIPSEL;
#else
	return SECCOMP_ABIS; /* the build stops: runtime/gen/syscalls.c */
#endif
}

bool seccomp_abi_runs_on(enum seccomp_abi abi, enum seccomp_abi native)
{
	return abi == native || abis[abi].host == (int)native;
}

/* clang-format off */
#define SOCKETCALL(name, number) { name, "socketcall", 0xffffffff, number }
#define IPC(name, number)	 { name, "ipc", 0xffff, number }

/* linux/net.h, linux/ipc.h */
const struct seccomp_mux seccomp_muxes[] = {
	SOCKETCALL("socket", 1), SOCKETCALL("bind", 2), SOCKETCALL("connect", 3),
	SOCKETCALL("listen", 4), SOCKETCALL("accept", 5), SOCKETCALL("getsockname", 6),
	SOCKETCALL("getpeername", 7), SOCKETCALL("socketpair", 8), SOCKETCALL("send", 9),
	SOCKETCALL("recv", 10), SOCKETCALL("sendto", 11), SOCKETCALL("recvfrom", 12),
	SOCKETCALL("shutdown", 13), SOCKETCALL("setsockopt", 14), SOCKETCALL("getsockopt", 15),
	SOCKETCALL("sendmsg", 16), SOCKETCALL("recvmsg", 17), SOCKETCALL("accept4", 18),
	SOCKETCALL("recvmmsg", 19), SOCKETCALL("sendmmsg", 20),
	IPC("semop", 1), IPC("semget", 2), IPC("semctl", 3), IPC("semtimedop", 4),
	IPC("msgsnd", 11), IPC("msgrcv", 12), IPC("msgget", 13), IPC("msgctl", 14),
	IPC("shmat", 21), IPC("shmdt", 22), IPC("shmget", 23), IPC("shmctl", 24),
	{ 0 },
};
/* clang-format on */
