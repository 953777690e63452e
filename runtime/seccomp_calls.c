/*
 * seccomp_calls.c - the numbers of syscalls, from the build's table.
 */
#include <string.h>

#include "runtime/seccomp_abi.h"
#include "runtime/seccomp_syscalls.h" /* made by runtime/gen/syscalls.c */

int seccomp_call_number(int call, enum seccomp_abi abi)
{
	return call_number[abi][call];
}

int seccomp_call_find(const char *name)
{
	uint32_t slot = seccomp_call_hash(name) % CALL_SLOTS;

	for (; call_slot[slot]; slot = (slot + 1) % CALL_SLOTS) {
		int call = call_slot[slot] - 1;

		if (strcmp(call_names + call_name_at[call], name) == 0)
			return call;
	}
	return -1;
}

const char *seccomp_call_name(int call)
{
	return call_names + call_name_at[call];
}

const struct seccomp_mux *seccomp_call_mux(int call)
{
	return call_mux[call] ? &seccomp_muxes[call_mux[call] - 1] : NULL;
}
