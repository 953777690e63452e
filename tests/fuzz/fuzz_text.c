/*
 * fuzz_text.c - any text as what people type or write in a field: sizes, durations, numbers, ids,
 * names of containers and signals, lists of processors.
 */
#include <assert.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "base/size.h"
#include "runtime/cpu_list.h"
#include "runtime/runtime.h"
#include "supervisor/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void numbers(const char *text)
{
	int64_t value = -7;
	uint32_t id;

	if (size_parse(text, &value) == 0)
		assert(value >= -1);
	if (duration_parse(text, &value) == 0)
		assert(value >= 1);
	integer_parse(text, &value);
	if (id_parse(text, strlen(text), &id) == 0)
		assert(id != UINT32_MAX && strspn(text, "0123456789") == strlen(text));
}

static void job_words(const char *text)
{
	struct err e = ERR_INIT;
	uint64_t value;
	uint32_t bits;
	int64_t ms;

	if (job_parse_size("--memory", text, &value, &e) == 0)
		assert(value >= 1);
	if (job_parse_duration("--wall", text, &ms, &e) == 0)
		assert(ms >= 1);
	if (job_parse_cpus("--cpus", text, &value, &e) == 0)
		assert(value >= 1);
	job_parse_waived("--allow-degraded", text, &bits, &e);
}

static void cpus(const char *text)
{
	struct arena a = ARENA_INIT;
	struct cpu_list list = { 0 };

	if (cpu_list_parse(text, &a, &list) == 0 && list.text) {
		unsigned long any = 0;

		assert(list.bytes && list.bytes <= CPU_LIST_MAX / 8 &&
		       list.bytes % sizeof any == 0);
		for (size_t i = 0; i < list.bytes / sizeof any; i++)
			any |= list.mask[i];
		assert(any);
	}
	arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct err e = ERR_INIT;
	int signal;

	assert(text);
	memcpy(text, data, size);
	text[size] = '\0';
	numbers(text);
	job_words(text);
	cpus(text);
	if (signal_parse(text, &signal, &e) == 0)
		assert(signal >= 0 && signal < _NSIG);
	if (container_check_id(text, &e) == 0)
		assert(text[0] && !strchr(text, '/') && strcmp(text, ".") && strcmp(text, ".."));
	free(text);
	return 0;
}
