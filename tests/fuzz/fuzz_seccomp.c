/*
 * fuzz_seccomp.c - libFuzzer: a seccomp profile, parsed and compiled; its program then answers as
 * the tests' own reading of the profile does. Build with clang -fsanitize=fuzzer,address,undefined.
 */
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/seccomp_profile.h"
#include "tests/lib/seccomp_compare.h"

#define RULES_MAX 40 /* of what is compared: it takes a while */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count_names(const json_t *profile)
{
	const json_t *entries = json_object_get(profile, "syscalls");
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(entries); i++)
		n += json_array_size(json_object_get(json_array_get(entries, i), "names"));
	return n;
}

static void compare(const json_t *profile, const struct seccomp_filter *f)
{
	struct eval_profile *p = eval_read(profile, SCMP_ARCH_X86_64);
	struct compare_counts counts = { 0 };
	char text[500];

	if (!compare_everywhere(p, f, NULL, 0, &counts, text, sizeof text)) {
		fprintf(stderr, "%s\n", text);
		abort();
	}
	free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_at at = { "/linux/seccomp" };
	struct arena arena = ARENA_INIT;
	struct err e = ERR_INIT;
	struct seccomp_filter filter;
	json_t *j = NULL;

	if (json_parse_strict((const char *)data, size, "fuzz", &j, &e) == 0 &&
	    seccomp_parse_for(SECCOMP_ABI_X86_64, j, &at, &arena, &filter, &e) == 0) {
		if (count_names(j) <= RULES_MAX)
			compare(j, &filter);
	} else if (!e.error) {
		abort(); /* failed without saying why */
	}
	json_decref(j);
	arena_free(&arena);
	return 0;
}
