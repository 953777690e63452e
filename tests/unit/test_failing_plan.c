/*
 * test_failing_plan.c - whole plans, when a call of the kernel fails, or memory is short.
 *
 * Each step that a guest takes, with every call failing, in a child of its own: it says so by the
 * errno, and leaves no descriptor open. Each allocation of what leads to a plan.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <cmocka.h>

#include "tests/unit/failing.h"

#include "base/engine.h"
#include "ns/builders.h"
#include "runtime/compile.h"

static int begin(void **state)
{
	(void)state;
	failing = mmap(NULL, sizeof *failing, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	assert_ptr_not_equal(failing, MAP_FAILED);
	return 0;
}

/* --- each step of a plan ------------------------------------------------------ */

static json_t *everything(void)
{
	_cleanup_json_ json_t *config = NULL;
	struct err e = ERR_INIT;

	if (json_read_file(AT_FDCWD, "tests/fuzz/corpus/fuzz_config/full.json", &config, &e) < 0)
		fail_msg("run from the top: %s", e.context[0]);
	return json_incref(config);
}

/* In a child: whatever does not fail does its work there. 0: it failed; 1: with two errnos; 2: with
 * an fd more; 3: it did not fail. */
static int try_step(const struct plan *p, int step, int error)
{
	const struct step *s = &p->steps[step];
	struct err e = ERR_INIT;
	struct run r;
	int before, result;

	__real_unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC);
	alarm(20);
	run_init(&r, p);
	r.side = s->side;
	r.step = step;
	before = open_fds();
	*failing = (struct failing){ .armed = true, .error = error };
	result = s->op->act(&r, s->args, &e);
	failing->armed = false;
	if (result >= 0)
		return 3; /* it makes no call that fails here, or that errno is fine to it */
	if (e.error && e.error != -result)
		return 1;
	return open_fds() > before ? 2 : 0;
}

static void each_step_of(json_t *config, const struct host *h, int *ret_failed, int *ret_done)
{
	struct create_options o = { .id = "web",
				    .root = -1,
				    .root_path = "/run/kist",
				    .wait_for_start = true,
				    .console = true,
				    .preserve_fds = 0 };
	struct arena arena = ARENA_INIT;
	struct container_spec spec;
	struct err e = ERR_INIT;
	struct compiled c;
	char line[1000];

	if (spec_parse(config, "/bundle", "web", &arena, &spec, &e) < 0 ||
	    spec_settle(&spec, h, !h->root, &arena, &e) < 0 ||
	    compile_create(&c, &spec, h, &o, &arena, &e) < 0) {
		err_format(&e, line, sizeof line);
		fail_msg("%s", line);
	}
	for (int i = 0; i < c.plan.count; i++) {
		if (c.plan.steps[i].side != SIDE_GUEST)
			continue;
		for (size_t k = 0; k < ERRORS; k++) {
			pid_t pid = fork();
			int status = -1;

			if (pid == 0)
				_exit(try_step(&c.plan, i, errors[k]));
			assert_int_equal(__real_waitpid(pid, &status, 0), pid);
			failing->armed = false; /* it may have died */
			*(status ? ret_done : ret_failed) += 1;
			if (status != 0 && status != 3 << 8)
				fail_msg("step %d, %s, with %s: status %x", i,
					 c.plan.steps[i].op->name, strerrorname_np(errors[k]),
					 status);
		}
	}
	spec_free(&spec);
	arena_free(&arena);
}

static void each_step_of_a_guest(void **state)
{
	static const struct host host = { .root = true,
					  .cgroup_mount = "/sys/fs/cgroup",
					  .last_cap = 40,
					  .controllers = 0xff,
					  .landlock_abi = 3 };
	int failed = 0, done = 0;

	(void)state;
	each_step_of(everything(), &host, &failed, &done);
	each_step_of(spec_default(false), &host, &failed, &done);
	/* Most make a call, and no errno is fine to it. */
	assert_true(failed > 8 * done);
}

/* --- each allocation ---------------------------------------------------------- */

static int start(json_t *config, const struct host *h, struct err *e)
{
	struct create_options o = { .id = "web",
				    .root = -1,
				    .root_path = "/run/kist",
				    .wait_for_start = true,
				    .console = true };
	struct arena arena = ARENA_INIT;
	struct container_spec spec;
	struct compiled c;
	int r = spec_parse(json_incref(config), "/bundle", "web", &arena, &spec, e);

	if (r == 0) {
		r = spec_settle(&spec, h, !h->root, &arena, e);
		if (r >= 0)
			r = compile_create(&c, &spec, h, &o, &arena, e);
		spec_free(&spec);
	}
	arena_free(&arena);
	return r;
}

/* Mounts that become others, or take mount(2). */
static json_t *odd_mounts(void)
{
	static const char text[] =
		"{\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"r\"}, \"process\": {\"args\": [\"a\"], "
		"\"cwd\": \"/\", \"user\": {\"uid\": 0, \"gid\": 0}}, \"mounts\": ["
		"{\"destination\": \"/sys\", \"type\": \"sysfs\"}, "
		"{\"destination\": \"/cg\", \"type\": \"cgroup\"}, "
		"{\"destination\": \"/b\", \"source\": \"/\", \"options\": [\"bind\", "
		"\"ridmap=uids=0-5-1;gids=0-5-1\"]}, "
		"{\"destination\": \"/o\", \"type\": \"overlay\", \"options\": [\"a=b\", \"c\"]}], "
		"\"linux\": {\"mountLabel\": \"a:b\", \"namespaces\": [{\"type\": \"mount\"}, "
		"{\"type\": \"user\"}, {\"type\": \"pid\"}], "
		"\"uidMappings\": [{\"containerID\": 0, \"hostID\": 1000, \"size\": 100}], "
		"\"gidMappings\": [{\"containerID\": 0, \"hostID\": 1000, \"size\": 100}]}}";

	return json_loads(text, 0, NULL);
}

/* Devices in folders of their own, one of a group; with a /dev of the host, which is left alone. */
static json_t *odd_devices(bool dev_bound, bool userns)
{
	static const char text[] =
		"{\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"r\"}, \"process\": {\"args\": [\"a\"], "
		"\"cwd\": \"/\", \"user\": {\"uid\": 0, \"gid\": 0}}, \"mounts\": ["
		"{\"destination\": \"/dev\", %s}], \"linux\": {\"namespaces\": [{\"type\": \"mount\"}, "
		"{\"type\": \"%s\"}, {\"type\": \"pid\"}], \"devices\": ["
		"{\"path\": \"/dev/a/b\", \"type\": \"c\", \"major\": 1, \"minor\": 3, \"gid\": 5}, "
		"{\"path\": \"/dev/p\", \"type\": \"p\", \"uid\": 5}, "
		"{\"path\": \"/x/y\", \"type\": \"c\", \"major\": 1, \"minor\": 3}, "
		"{\"path\": \"/z\", \"type\": \"b\", \"major\": 1, \"minor\": 3}]%s}}";
	static const char maps[] =
		", \"uidMappings\": [{\"containerID\": 0, \"hostID\": 1000, \"size\": 100}], "
		"\"gidMappings\": [{\"containerID\": 0, \"hostID\": 1000, \"size\": 100}]";
	char whole[2000];

	snprintf(whole, sizeof whole, text,
		 dev_bound ? "\"source\": \"/dev\", \"options\": [\"rbind\"]" : "\"type\": \"tmpfs\"",
		 userns ? "user" : "uts", userns ? maps : "");
	return json_loads(whole, 0, NULL);
}

/* Without mounts nobody else sees what was missing. */
static json_t *no_mounts(void)
{
	json_t *config = spec_default(false);

	json_object_del(config, "mounts");
	return config;
}

/* Out of memory: nothing is read that was not allocated, and no plan is
 * taken for whole that lacks a step. */
static void each_allocation_of(json_t *config, const struct host *h)
{
	for (int at = 1;; at++) {
		struct err e = ERR_INIT;
		char line[1000];
		int r;

		json_out_of_memory = false;
		*failing = (struct failing){ .armed = true, .memory = true, .at = at };
		r = start(config, h, &e);
		failing->armed = false;
		if (failing->calls < at) {
			assert_int_equal(r, 0);
			break;
		}
		err_format(&e, line, sizeof line);
		if (r >= 0 || e.error != -r)
			fail_msg("allocation %d: %d, %s", at, r, line);
	}
	json_decref(config);
}

static void each_allocation_of_a_start(void **state)
{
	static const struct host host = { .root = true,
					  .cgroup_mount = "/sys/fs/cgroup",
					  .last_cap = 40,
					  .controllers = 0xff,
					  .landlock_abi = 3 };

	(void)state;
	each_allocation_of(odd_mounts(), &host);
	each_allocation_of(no_mounts(), &host);
	for (int i = 0; i < 4; i++)
		each_allocation_of(odd_devices(i & 1, i & 2), &host);
	each_allocation_of(everything(), &host);
	each_allocation_of(spec_default(false), &host);
}

/* Each way of joining layers, where there is memory for one step less each time: the plan says so. */
static void overlay(const struct ns_overlay *o, const struct host *h)
{
	for (int at = 1;; at++) {
		struct ns_rootfs_options rootfs = { 0 };
		struct arena arena = ARENA_INIT;
		struct err e = ERR_INIT;
		struct plan p;
		int r;

		*failing = (struct failing){ .memory = true, .error = ENOMEM, .at = at };
		plan_init(&p, &arena);
		failing->armed = true;
		ns_plan_overlay(&p, o, h, &rootfs);
		ns_plan_overlay_give(&p, h);
		ns_plan_overlay_close(&p, o, h);
		failing->armed = false;
		r = arena_failed(&arena) ? -ENOMEM : plan_check(&p, &e);
		arena_free(&arena);
		if (o->count == 0 || o->count > NS_LAYERS_MAX) {
			assert_true(r < 0);
			return;
		}
		assert_int_equal(r, failing->calls < at ? 0 : -ENOMEM);
		if (failing->calls < at)
			return;
	}
}

static void each_allocation_of_an_overlay(void **state)
{
	static const size_t counts[] = { 1, 3, 0, NS_LAYERS_MAX + 1 };
	static const char *layers[NS_LAYERS_MAX + 1];
	static const struct host hosts[] = {
		{ .root = true, .kernel = HOST_KERNEL(6, 1) },
		{ .root = true, .kernel = HOST_KERNEL(6, 15) },
		{ .kernel = HOST_KERNEL(6, 1) },
		{ .kernel = HOST_KERNEL(6, 15) },
	};

	(void)state;
	for (size_t i = 0; i < NS_LAYERS_MAX + 1; i++)
		layers[i] = "l";
	for (int i = 0; i < 64; i++) {
		struct ns_overlay o = { .dir = "/layers",
					.slot_below = i & 4 ? 3 : -1,
					.layers = layers,
					.count = counts[i % 4],
					.mount_dir = "/run/kist/x/m",
					.idmap = i & 8,
					.readonly = i & 16,
					.root_gid = i & 8 ? 5 : 0,
					.upper_dir = i & 32 ? "/upper" : NULL,
					.slot_upper = 4 };

		for (size_t k = 0; k < sizeof hosts / sizeof hosts[0]; k++)
			overlay(&o, &hosts[k]);
	}
}

/* A mount or a device more of a container, without memory for it. */
static void each_allocation_of_a_hot_mount(void **state)
{
	static const struct ns_mount dev = { .destination = "/dev", .source = "/dev", .flags.bind = true };
	static const struct ns_spec hostly = { .mounts = &dev, .mount_count = 1 };
	json_t *mount = json_pack("{s:s, s:s, s:[s]}", "source", "/s", "destination", "/x", "options", "bind");
	json_t *device = json_pack("{s:s, s:s, s:i, s:i}", "path", "/x", "type", "c", "major", 1, "minor", 3);

	(void)state;
	for (int k = 0; k < 2; k++) {
		for (int at = 1;; at++) {
			struct arena arena = ARENA_INIT;
			struct err e = ERR_INIT;
			struct ns_device d;
			struct ns_mount m;
			int r;

			*failing = (struct failing){ .armed = true, .memory = true, .error = ENOMEM, .at = at };
			r = k ? ns_parse_hot(mount, "/", false, &arena, &m, &e)
			      : ns_parse_hot_device(device, &hostly, &arena, &d, &e);
			failing->armed = false;
			if (arena_failed(&arena))
				r = -ENOMEM;
			arena_free(&arena);
			if (failing->calls < at) {
				assert_int_equal(r, 0);
				break;
			}
			assert_true(r < 0);
		}
	}
	json_decref(mount);
	json_decref(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_step_of_a_guest),
		cmocka_unit_test(each_allocation_of_a_start),
		cmocka_unit_test(each_allocation_of_an_overlay),
		cmocka_unit_test(each_allocation_of_a_hot_mount),
	};

	return cmocka_run_group_tests_name("failing_plan", tests, begin, NULL);
}
