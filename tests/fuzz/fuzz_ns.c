/* Any JSON as a config.json: parsed, checked, compiled and shown, without a crash. The bytes after
 * a NUL are mount options, one a line. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "net/devices.h"
#include "ns/builders.h"
#include "runtime/linux_process.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compile_for(const json_t *config, const struct host *h, struct arena *a)
{
	struct ns_rootfs_options options = { .slot_root = -1, .terminal = true };
	struct err e = ERR_INIT;
	char text[400];
	struct ns_spec s;
	struct plan p;

	if (ns_parse(config, "/bundle", a, &s, &e) < 0) {
		if (!e.error || !e.where[0])
			abort(); /* an error always says where */
		return;
	}
	if (ns_check(&s, h, &e) < 0)
		return;
	plan_init(&p, a);
	ns_plan_host_root(&p, &s, h, &options);
	ns_plan_birth(&p, &s, h, -1);
	ns_plan_settle(&p, &s, h, NULL);
	ns_plan_mounts(&p, &s, h, &options);
	ns_plan_restrict(&p, &s, h, &options);
	ns_plan_pivot(&p, &s, h, &options);
	for (int i = 0; i < p.count; i++) {
		struct buf b = BUF_ON(text);

		buf_reset(&b);
		plan_show_step(&b, &p, i);
		if (p.steps[i].op->by_hand)
			p.steps[i].op->by_hand(&b, &p, p.steps[i].args);
	}
}

static void compile(const json_t *config, struct arena *a)
{
	const struct host root = { .root = true, .selinux = true, .cgroup_mount = "/sys/fs/cgroup" };
	const struct host user = { .uid = 1000, .gid = 1000, .idmap_helpers = true };

	compile_for(config, &root, a);
	compile_for(config, &user, a);
}

/* What others read of the same object: the process's memory policy, interfaces to move; and one mount
 * for a container that runs. */
static void linux_rest(const json_t *config, struct arena *a)
{
	const json_t *o = json_object_get(config, "linux");
	struct json_at at = { "/linux" };
	struct linux_process_spec process = { 0 };
	struct net_devices devices = { 0 };
	struct ns_hot hot = { .pid = 1 };
	struct err e = ERR_INIT;
	struct ns_mount m;
	char text[400];
	struct plan p;

	plan_init(&p, a);
	if (linux_process_parse(o, &at, a, &process, &e) < 0 && (!e.error || !e.where[0]))
		abort();
	err_clear(&e);
	if (net_parse_devices(o, &at, a, &devices, &e) < 0 && (!e.error || !e.where[0]))
		abort();
	linux_process_plan(&p, &process);
	net_plan_devices(&p, &devices);
	if (ns_parse_hot(json_array_get(json_object_get(config, "mounts"), 0), "/cwd", true, a, &m, &e) == 0)
		ns_plan_hot_add(&p, &hot, &m);
	for (int i = 0; i < p.count; i++) {
		struct buf b = BUF_ON(text);

		buf_reset(&b);
		plan_show_step(&b, &p, i);
		if (p.steps[i].op->by_hand)
			p.steps[i].op->by_hand(&b, &p, p.steps[i].args);
	}
}

static void options(const char *text, struct arena *a)
{
	char *copy = arena_strdup(a, text), *save = NULL;
	const char *list[NS_OPTIONS_MAX];
	struct ns_mount_flags f;
	struct err e = ERR_INIT;
	size_t count = 0;

	for (char *one = strtok_r(copy, "\n", &save); one && count < NS_OPTIONS_MAX;
	     one = strtok_r(NULL, "\n", &save))
		list[count++] = one;
	if (ns_mount_options_parse(list, count, "/o", a, &f, &e) == 0 &&
	    ((f.attr_set & f.attr_clr & ~(uint64_t)0x70) || f.super_count > 4))
		abort(); /* nothing is both set and cleared, but for the access time */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ json_t *config = NULL;
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	char *text = malloc(size + 1);
	size_t first;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	first = strlen(text);
	if (json_parse_strict(text, first, "fuzz", &config, &e) == 0) {
		compile(config, &a);
		linux_rest(config, &a);
	}
	if (first < size)
		options(text + first + 1, &a);
	free(text);
	arena_free(&a);
	return 0;
}
