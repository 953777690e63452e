/*
 * syscalls.c - run by the build: prints the table of syscall numbers, from libseccomp's resolver.
 *
 * Numbers are looked up by number, not by name: by name libseccomp answers with a number of its
 * own invention where an ABI has a call twice (socket(2) of i386, which socketcall(2) also is).
 */
#include <ctype.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/seccomp_abi.h"

#define NUMBERS	  8192 /* MIPS n32 begins at 6000 */
#define SLOTS	  2048
#define ARM_FIRST 0x0f0000 /* ARM's private calls stand here */
#define ARM_LAST  0x0f00ff

struct call {
	const char *name;
	int number[SECCOMP_ABIS];
};

static struct call calls[SECCOMP_CALLS_MAX];
static int count;

/* Later than the libseccomp of Debian 12; since Linux 5.1 a new call has one number everywhere. */
static const struct {
	const char *name;
	int number;
} newer[] = {
	{ "cachestat", 451 },	      { "fchmodat2", 452 },	   { "map_shadow_stack", 453 },
	{ "futex_wake", 454 },	      { "futex_wait", 455 },	   { "futex_requeue", 456 },
	{ "statmount", 457 },	      { "listmount", 458 },	   { "lsm_get_self_attr", 459 },
	{ "lsm_set_self_attr", 460 }, { "lsm_list_modules", 461 }, { "mseal", 462 },
	{ "setxattrat", 463 },	      { "getxattrat", 464 },	   { "listxattrat", 465 },
	{ "removexattrat", 466 },     { "open_tree_attr", 467 },   { "file_getattr", 468 },
	{ "file_setattr", 469 },
};

static const int first_number[SECCOMP_ABIS] = {
	[SECCOMP_ABI_MIPS] = 4000,	[SECCOMP_ABI_MIPSEL] = 4000,
	[SECCOMP_ABI_MIPS64] = 5000,	[SECCOMP_ABI_MIPSEL64] = 5000,
	[SECCOMP_ABI_MIPS64N32] = 6000, [SECCOMP_ABI_MIPSEL64N32] = 6000,
};

/* Does not return without one. */
static struct call *call_of(const char *name)
{
	for (int i = 0; i < count; i++)
		if (strcmp(calls[i].name, name) == 0)
			return &calls[i];
	if (count == SECCOMP_CALLS_MAX || !(calls[count].name = strdup(name))) {
		fprintf(stderr, "syscalls: more than %d names\n", SECCOMP_CALLS_MAX);
		exit(1);
	}
	for (int abi = 0; abi < SECCOMP_ABIS; abi++)
		calls[count].number[abi] = -1;
	return &calls[count++];
}

static uint32_t token(int abi)
{
	char name[24] = "";

	for (size_t i = 0; i + 1 < sizeof name && seccomp_abi_name((size_t)abi)[i]; i++)
		name[i] = (char)tolower((unsigned char)seccomp_abi_name((size_t)abi)[i]);
	return seccomp_arch_resolve_name(name);
}

static void ask(int abi, uint32_t arch, int from, int to)
{
	int bit = abi == SECCOMP_ABI_X32 ? (int)SECCOMP_X32_BIT : 0;

	for (int number = from; number <= to; number++) {
		char *name = seccomp_syscall_resolve_num_arch(arch, number | bit);

		if (name)
			call_of(name)->number[abi] = number;
		free(name);
	}
}

/* Those that no ABI here has are known by name all the same. */
static void ask_for_absent(void)
{
	for (int number = -10000; number > -12000; number--) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);

		if (name)
			call_of(name);
		free(name);
	}
}

static void add_newer(void)
{
	const int known = count;

	for (size_t i = 0; i < sizeof newer / sizeof newer[0]; i++) {
		struct call *c = call_of(newer[i].name);

		for (int abi = 0; c >= calls + known && abi < SECCOMP_ABIS; abi++)
			c->number[abi] = first_number[abi] + newer[i].number;
	}
	call_of("uretprobe")->number[SECCOMP_ABI_X86_64] = 335;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct call *)a)->name, ((const struct call *)b)->name);
}

static void print_names(void)
{
	size_t at = 0;

	printf("static const char call_names[] =\n");
	for (int i = 0; i < count; i++)
		printf("\t\"%s\\0\"\n", calls[i].name);
	printf("\t\"\";\nstatic const uint16_t call_name_at[] = {\n");
	for (int i = 0; i < count; at += strlen(calls[i++].name) + 1)
		printf("%zu,%s", at, i % 12 == 11 ? "\n" : " ");
	printf("\n};\n");
}

/* Open addressing; 0: nothing there, else the index + 1. */
static void print_slots(void)
{
	static int slot[SLOTS];

	for (int i = 0; i < count; i++) {
		uint32_t h = seccomp_call_hash(calls[i].name) % SLOTS;

		while (slot[h])
			h = (h + 1) % SLOTS;
		slot[h] = i + 1;
	}
	printf("#define CALL_SLOTS %d\nstatic const uint16_t call_slot[CALL_SLOTS] = {\n", SLOTS);
	for (int i = 0; i < SLOTS; i++)
		printf("%d,%s", slot[i], i % 24 == 23 ? "\n" : " ");
	printf("\n};\n");
}

static int mux_of(const char *name)
{
	for (int i = 0; seccomp_muxes[i].call; i++)
		if (strcmp(seccomp_muxes[i].call, name) == 0)
			return i + 1;
	return 0;
}

/* 0: none, else the index in seccomp_muxes[] + 1. */
static void print_muxes(void)
{
	printf("static const uint8_t call_mux[] = {\n");
	for (int i = 0; i < count; i++)
		printf("%d,%s", mux_of(calls[i].name), i % 24 == 23 ? "\n" : " ");
	printf("\n};\n");
}

static void print_numbers(void)
{
	printf("static const int32_t call_number[SECCOMP_ABIS][%d] = {\n", count);
	for (int abi = 0; abi < SECCOMP_ABIS; abi++) {
		printf("\t[%d] = { /* %s */\n", abi, seccomp_abi_name((size_t)abi));
		for (int i = 0; i < count; i++)
			printf("%d,%s", calls[i].number[abi], i % 16 == 15 ? "\n" : " ");
		printf("\n\t},\n");
	}
	printf("};\n");
}

int main(void)
{
	const struct scmp_version *v = seccomp_version();

	for (int abi = 0; abi < SECCOMP_ABIS; abi++) {
		uint32_t arch = token(abi);

		if (arch)
			ask(abi, arch, first_number[abi], NUMBERS);
		if (arch && abi == SECCOMP_ABI_ARM)
			ask(abi, arch, ARM_FIRST, ARM_LAST);
	}
	ask_for_absent();
	add_newer();
	qsort(calls, (size_t)count, sizeof *calls, by_name);
	if (seccomp_abi_native() == SECCOMP_ABIS ||
	    call_of("execve")->number[seccomp_abi_native()] < 0) {
		fprintf(stderr, "syscalls: an architecture that runtime/seccomp_abi.c or this "
				"libseccomp does not know\n");
		return 1;
	}
	printf("/* Made by runtime/gen/syscalls.c from libseccomp %u.%u.%u. */\n", v->major,
	       v->minor, v->micro);
	print_names();
	print_slots();
	print_muxes();
	print_numbers();
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
