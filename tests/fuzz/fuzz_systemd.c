/* fuzz_systemd.c - any text as a path for systemd, as a slice, as a property's value, as a limit; any
 * bytes as what kist and kist-systemd say to each other.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "cgroup/systemd_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_as_path(const char *text, struct arena *a)
{
	const struct systemd_manager manager = { .version = 252, .cgroup = "/user.slice" };
	struct cgroup_spec s = { .given = text };
	struct err e = ERR_INIT;

	if (cgroup_use_systemd(&s, NULL, &JSON_AT_ROOT, "web", &manager, a, &e) < 0)
		return;
	/* one unit, below the manager, whatever the text was */
	assert(strncmp(s.path, "/user.slice/", 12) == 0);
	assert(!strstr(s.path, "//") && !strstr(s.path, "/../"));
	assert(!strchr(s.unit->name, '/') && strlen(s.unit->name) <= SYSTEMD_UNIT_MAX);
}

static void use_as_limit(const char *text, struct arena *a)
{
	static const char *const files[] = { "memory.max", "cpu.max", "cpuset.cpus", "io.weight",
					     "cpu.idle" };

	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		const struct cgroup_write w = { .file = files[i], .value = text };
		const struct cgroup_spec s = { .writes = &w, .write_count = 1 };
		size_t count;

		assert(systemd_limits(&s, 252, a, &count) && count <= 2);
	}
}

/* What was read can be packed again, and is as long. */
static void use_as_message(const uint8_t *data, size_t size, struct arena *a)
{
	struct systemd_request q;
	struct systemd_reply reply;
	void *packed;
	size_t packed_size;

	if (systemd_request_unpack(data, size, a, &q) == 0) {
		assert(systemd_request_pack(&q, &packed, &packed_size) == 0);
		assert(packed_size == size + sizeof(uint32_t));
		assert(memcmp((char *)packed + sizeof(uint32_t), data, size) == 0);
		free(packed);
	}
	if (systemd_reply_unpack(data, size, &reply) == 0) {
		char line[256];

		err_format(&reply.err, line, sizeof line);
		assert(reply.result <= 0 && strlen(reply.text) < size);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct systemd_property p = { .name = "P" };
	struct arena arena = ARENA_INIT;
	struct err e = ERR_INIT;
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	use_as_path(text, &arena);
	systemd_slice_path(text, &arena);
	use_as_limit(text, &arena);
	if (systemd_parse_variant(text, &JSON_AT_ROOT, &arena, &p, &e) == 0)
		assert(p.count <= SYSTEMD_VALUES_MAX && strchr("sybnqiuxtd", p.type));
	use_as_message(data, size, &arena);
	arena_free(&arena);
	free(text);
	return 0;
}
