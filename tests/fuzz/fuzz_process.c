/*
 * fuzz_process.c - libFuzzer: /process and /hooks of config.json, parsed and planned. Build with
 * clang -fsanitize=fuzzer,address,undefined.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "runtime/hooks.h"
#include "runtime/process.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void show_hooks(struct arena *arena, const struct hooks_spec *hooks, const json_t *config)
{
	struct hooks_plan_options o = { .id = "x", .bundle = "/b", .config = config, .slot_root = -1 };
	char text[1024];
	struct buf b = BUF_ON(text);
	struct plan p;

	plan_init(&p, arena);
	for (int kind = 0; kind < HOOK_POSTSTOP; kind++)
		hooks_plan(&p, hooks, kind, &o);
	for (int i = 0; i < p.count; i++) {
		buf_reset(&b);
		plan_show_step(&b, &p, i);
		p.steps[i].op->by_hand(&b, &p, p.steps[i].args);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_at at = { "/process" };
	struct arena arena = ARENA_INIT;
	struct err e = ERR_INIT;
	struct process_spec spec;
	struct hooks_spec hooks;
	json_t *j = NULL;
	char text[1024];

	if (json_parse_strict((const char *)data, size, "fuzz", &j, &e) == 0 &&
	    process_parse(j, &at, &arena, &spec, &e) == 0) {
		struct process_exec_options o = { .preserve_fds = 1 };
		struct buf b = BUF_ON(text);
		struct plan p;

		plan_init(&p, &arena);
		process_plan_host(&p, &spec);
		process_plan_early_limits(&p, &spec);
		process_plan_cwd(&p, &spec, -1);
		process_plan_limits(&p, &spec);
		process_plan_leave(&p, &spec, NULL, &o,
				   process_plan_become(&p, &spec, NULL, &o));
		for (int i = 0; i < p.count; i++) {
			buf_reset(&b);
			plan_show_step(&b, &p, i);
			if (p.steps[i].op->by_hand)
				p.steps[i].op->by_hand(&b, &p, p.steps[i].args);
		}
	} else if (e.error) {
		err_format(&e, text, sizeof text);
	} else {
		abort(); /* failed without saying why */
	}
	err_clear(&e);
	if (j && hooks_parse(j, &arena, &hooks, &e) == 0)
		show_hooks(&arena, &hooks, j);
	json_decref(j);
	arena_free(&arena);
	return 0;
}
