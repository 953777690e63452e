/*
 * seccomp_abi.h - the ABIs of seccomp profiles, and the numbers their syscalls have in each.
 *
 * The numbers are a table that the build makes, with the resolver of the libseccomp it finds and
 * the calls that are newer than that (runtime/gen/syscalls.c). kist itself does not link it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order of the specification (config-linux.md#seccomp), and of the table's columns. */
enum seccomp_abi {
	SECCOMP_ABI_ARM,
	SECCOMP_ABI_AARCH64,
	SECCOMP_ABI_MIPS,
	SECCOMP_ABI_MIPS64,
	SECCOMP_ABI_MIPS64N32,
	SECCOMP_ABI_MIPSEL,
	SECCOMP_ABI_MIPSEL64,
	SECCOMP_ABI_MIPSEL64N32,
	SECCOMP_ABI_PPC,
	SECCOMP_ABI_PPC64,
	SECCOMP_ABI_PPC64LE,
	SECCOMP_ABI_S390,
	SECCOMP_ABI_S390X,
	SECCOMP_ABI_PARISC,
	SECCOMP_ABI_PARISC64,
	SECCOMP_ABI_RISCV64,
	SECCOMP_ABI_LOONGARCH64,
	SECCOMP_ABI_M68K,
	SECCOMP_ABI_SH,
	SECCOMP_ABI_SHEB,
	SECCOMP_ABI_X86,
	SECCOMP_ABI_X86_64,
	SECCOMP_ABI_X32,
	SECCOMP_ABIS
};

#define SECCOMP_X32_BIT                                                                            \
	0x40000000u /* in the numbers of x32, which seccomp_data.arch calls x86_64 */

#define SECCOMP_CALLS_MAX 1024 /* an index of the table is below that */

/* Its number without x32's bit; -1: that ABI has no such call. `call` is of seccomp_call_find(). */
int seccomp_call_number(int call, enum seccomp_abi abi);
/* An index of the table; -1: nobody here knows that name. */
int seccomp_call_find(const char *name);
const char *seccomp_call_name(int call);

/* "X86_64"; NULL behind the last. */
const char *seccomp_abi_name(size_t abi);
/* AUDIT_ARCH_*, as in seccomp_data.arch. */
uint32_t seccomp_abi_audit(enum seccomp_abi abi);
/* This program's. */
enum seccomp_abi seccomp_abi_native(void);
/* Whether processes of `abi` can run where `native` ones do. */
bool seccomp_abi_runs_on(enum seccomp_abi abi, enum seccomp_abi native);

/*
 * A call that some ABIs also have as a function of another: socket(2) as socketcall(2) with 1 in
 * its first argument, shmget(2) as ipc(2) with 23, of which the upper 16 bits are a version.
 */
struct seccomp_mux {
	const char *call, *through; /* "socket", "socketcall" */
	uint32_t mask, value;	    /* of the first argument */
};
extern const struct seccomp_mux seccomp_muxes[]; /* ends with a NULL */
/* NULL: no such call. */
const struct seccomp_mux *seccomp_call_mux(int call);

/* FNV-1a; also of the build's table. */
static inline uint32_t seccomp_call_hash(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return h ^ h >> 15;
}
