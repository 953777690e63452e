/*
 * fuzz_seccomp.c - libFuzzer: a seccomp profile, parsed and compiled; the program then answers
 * every number of three ABIs. Build with clang -fsanitize=fuzzer,address,undefined.
 */
#include <linux/audit.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "runtime/seccomp.h"
#include "tests/unit/bpf_sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void simulate(const struct seccomp_filter *f)
{
	static const uint32_t archs[] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64 };

	for (int i = 0; i < 3; i++) {
		for (int nr = 0; nr < 512; nr++) {
			struct seccomp_data d = { .nr = nr, .arch = archs[i] };

			if (bpf_sim_run(f->code, f->count, &d) == BPF_SIM_BAD)
				abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_at at = { "/linux/seccomp" };
	struct arena arena = ARENA_INIT;
	struct err e = ERR_INIT;
	struct seccomp_filter filter;
	json_t *j = NULL;

	if (json_parse_strict((const char *)data, size, "fuzz", &j, &e) == 0 &&
	    seccomp_parse(j, &at, &arena, &filter, &e) == 0)
		simulate(&filter);
	else if (!e.error)
		abort(); /* failed without saying why */
	json_decref(j);
	arena_free(&arena);
	return 0;
}
