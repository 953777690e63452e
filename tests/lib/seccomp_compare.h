/*
 * seccomp_compare.h - a profile's program against the tests' reading of the profile, and
 * libseccomp's program as the second witness, at every place where an answer may change.
 *
 * Those are: each number a rule has in each ABI, and its neighbours; the edges of the ABIs; every
 * constant of the program; for the arguments that rules about a number look at, each value, its
 * neighbours, the same in the other word, values that differ in bits of masks and beside them, and
 * the constants the program compares that word with, in all combinations (or, of very many, a
 * sample).
 *
 * libseccomp 2.5 is known to differ here, and only here:
 *
 *   - newer calls: ENOSYS for them is kist's and runc's doing, not libseccomp's;
 *   - names it does not know (mseal and later): its program has no rule for them;
 *   - x32 and MIPS n32: it compares the lower 32 bits of arguments only, though these ABIs have
 *     registers of 64;
 *   - values beyond 32 bits on a 32-bit ABI: it cuts them off, so that "< 2^32" is "< 0";
 *   - calls through socketcall and ipc: it drops the condition on the first argument and tests the
 *     others against the pointer or whatever stands there; a rule for a call of ipc does not hold
 *     when the version in the upper 16 bits of ipc's first argument is set, which the kernel
 *     accepts: a denial of shmget is passed by ipc(0x10017, ...);
 *   - several rules with conditions for one call and with different actions: which one decides
 *     comes of the order of its tree, and one whose conditions are some of another's may be lost.
 *     With kist it is the first of the profile that holds;
 *   - several rules with conditions for one call, one of which is about order (LT, LE, GT, GE):
 *     some of them it loses;
 *   - MASKED_EQ with bits in the value that the mask has not: such a condition never holds, and
 *     libseccomp drops the bits;
 *   - x86_64 together with x32: of some profiles its program does not load the number, and takes
 *     the architecture for it.
 */
#pragma once
#include <jansson.h>

#include "runtime/seccomp_profile.h"
#include "tests/lib/seccomp_witness.h"

struct compare_counts {
	size_t calls;	  /* asked for */
	size_t witnessed; /* of them, with libseccomp's answer too */
	size_t known;	  /* left out as known to differ */
};

/*
 * Compares. False: they differ, `text` says where. `program` is seccomp_parse_for()'s for `native`;
 * `witness` may be NULL.
 */
bool compare_everywhere(const struct eval_profile *p, const struct seccomp_filter *program,
			const struct sock_filter *witness, size_t witness_count,
			struct compare_counts *counts, char *text, size_t size);

/* Whether libseccomp is known to answer something else. */
bool compare_known_difference(const struct eval_profile *p, const struct seccomp_data *d);

/* The answers of programs, for arguments as numbers: a machine of the other byte order has their
 * halves the other way round. */
uint32_t compare_run(const struct sock_filter *code, size_t count, const struct seccomp_data *d);
