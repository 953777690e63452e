/*
 * fuzz_resources.c - libFuzzer: an update of linux.resources, {"now": ..., "update": ...}: filled,
 * parsed, planned, merged; and annotations. Build with clang -fsanitize=fuzzer,address,undefined.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cgroup/cgroup.h"
#include "runtime/update_merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void show(const struct plan *p)
{
	char text[1024];
	struct buf b = BUF_ON(text);

	for (int i = 0; i < p->count; i++) {
		buf_reset(&b);
		plan_show_step(&b, p, i);
		if (p->steps[i].op->by_hand)
			p->steps[i].op->by_hand(&b, p, p->steps[i].args);
	}
}

static void update(json_t *now, json_t *wanted, struct arena *a)
{
	const struct host host = { .root = true, .cgroup_mount = "/c", .controllers = 0xff };
	struct cgroup_spec spec = { .path = "/x" };
	struct json_at at = JSON_AT_ROOT;
	struct err e = ERR_INIT;
	struct plan p;

	update_fill(wanted, now);
	if (cgroup_parse_resources(wanted, &at, a, &spec, &e) < 0)
		return;
	cgroup_parse_annotations(wanted, &at, a, &spec, &e);
	plan_init(&p, a);
	cgroup_plan_limits(&p, &spec, &host);
	show(&p);
	for (size_t i = 0; i < spec.write_count; i++)
		cgroup_text_before(a, spec.writes[i].file, spec.writes[i].value,
				   spec.writes[(i + 1) % spec.write_count].value);
	update_merge(now, wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT;
	struct err e = ERR_INIT;
	json_t *j = NULL;

	if (json_parse_strict((const char *)data, size, "fuzz", &j, &e) == 0) {
		json_t *now = json_object_get(j, "now"), *wanted = json_object_get(j, "update");

		if (json_is_object(now) && json_is_object(wanted))
			update(now, wanted, &arena);
	}
	json_decref(j);
	arena_free(&arena);
	return 0;
}
