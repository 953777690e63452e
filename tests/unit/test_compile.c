/*
 * test_compile.c - runtime/compile.c: golden plans. No root, no kernel: a host
 * made by hand, the default configuration, and what steps come out, in order.
 * KIST_UPDATE_GOLDEN=1 writes the files anew; read the difference.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "cgroup/systemd.h"
#include "runtime/compile.h"
#include "runtime/restore.h"
#include "supervisor/job.h"

static const struct host host = {
	.root = true,
	.cgroup_mount = "/sys/fs/cgroup",
	.controllers = HOST_CPU | HOST_CPUSET | HOST_MEMORY | HOST_PIDS | HOST_IO,
	.last_cap = 40,
};

static char *plan_text(const struct plan *p)
{
	char *text = NULL, call[2048];
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	for (int i = 0; i < p->count; i++) {
		const struct step *s = &p->steps[i];
		struct buf b = BUF_ON(call);

		buf_reset(&b);
		plan_show_step(&b, p, i);
		fprintf(out, "%s%s %s [%s]", s->alternative ? "  or " : "",
			s->side == SIDE_HOST ? "host" : "guest", call, s->why);
		for (int k = 0; k < s->on_errno_count; k++)
			fprintf(out, " %s", strerrorname_np(s->on_errno[k].error));
		if (s->undo)
			fprintf(out, " undo:%s", s->undo->name);
		if (s->beside)
			fputs(" beside", out);
		fputc('\n', out);
	}
	fclose(out);
	return text;
}

static void compare(const char *name, const char *text)
{
	char path[256], *golden = NULL;
	size_t size = 0;
	FILE *file;

	snprintf(path, sizeof path, "tests/unit/golden/%s.txt", name);
	if (getenv("KIST_UPDATE_GOLDEN")) {
		file = fopen(path, "w");
		assert_non_null(file);
		fputs(text, file);
		fclose(file);
	}
	file = fopen(path, "r");
	assert_non_null(file);
	if (getdelim(&golden, &size, '\0', file) < 0)
		fail_msg("%s is empty", path);
	fclose(file);
	assert_string_equal(text, golden);
	free(golden);
}

static int use_systemd(struct container_spec *s, struct arena *a, struct err *e)
{
	const struct systemd_manager manager = { .version = 252, .cgroup = "",
						 .controllers = UINT32_MAX };
	struct json_at at = json_at_key(&JSON_AT_ROOT, "annotations");

	return cgroup_use_systemd(&s->cgroup, json_object_get(s->config, "annotations"), &at, "web",
				  &manager, a, e);
}

static void check_plan_on(const struct host *h, const char *name, json_t *config,
			  const struct create_options *o, bool systemd)
{
	struct arena arena = ARENA_INIT;
	struct container_spec spec;
	struct err e = ERR_INIT;
	struct compiled c;
	char *text, line[512];

	assert_non_null(config);
	if (spec_parse(config, "/bundle", "web", &arena, &spec, &e) < 0 ||
	    (systemd && use_systemd(&spec, &arena, &e) < 0) ||
	    spec_settle(&spec, h, !h->root, &arena, &e) < 0 || spec_check(&spec, h, &e) < 0 ||
	    compile_create(&c, &spec, h, o, &arena, &e) < 0) {
		err_format(&e, line, sizeof line);
		fail_msg("%s", line);
	}
	text = plan_text(&c.plan);
	compare(name, text);
	free(text);
	spec_free(&spec);
	arena_free(&arena);
}

static void check_plan(const char *name, json_t *config, const struct create_options *o)
{
	check_plan_on(&host, name, config, o, false);
}

/* The guest is born, waits for its scope, and only then makes its cgroup namespace. */
static void systemd_create(void **state)
{
	struct create_options o = { .id = "web", .root = -1, .root_path = "/run/kist" };
	_cleanup_json_ json_t *more = json_pack(
		"{s:{s:s}, s:{s:s, s:{s:{s:I}, s:{s:i, s:s}, s:{s:i}, s:[{s:b, s:s}]}}}",
		"annotations", "org.systemd.property.TimeoutStopSec", "5", "linux", "cgroupsPath",
		"machine.slice:pod:web", "resources", "memory", "limit", (json_int_t)64 << 20, "cpu",
		"shares", 512, "cpus", "0-1,9", "pids", "limit", 32, "devices", "allow", 0, "access",
		"rwm");
	json_t *config = spec_default(false);

	(void)state;
	assert_non_null(more);
	json_object_update_recursive(config, more);
	check_plan_on(&host, "create-systemd", config, &o, true);
}

/* As `kist spec --rootless` writes it for uid and gid 1000. */
static json_t *rootless_spec(void)
{
	json_t *spec = spec_default(true), *l = json_object_get(spec, "linux");

	json_object_set_new(l, "uidMappings", json_pack("[{s:i,s:i,s:i}]", "containerID", 0, "hostID",
			    1000, "size", 1));
	json_object_set(l, "gidMappings", json_object_get(l, "uidMappings"));
	return spec;
}

static void default_create(void **state)
{
	struct create_options o = { .id = "web", .root = -1, .root_path = "/run/kist",
				    .wait_for_start = true, .outlive = true, .console = true };

	(void)state;
	check_plan("create-default", spec_default(false), &o);
}

static void job_on_the_bridge(void **state)
{
	const struct job_user user = { 0 };
	static const char *const names[] = { "b/diff", "a/diff", NULL };
	static const struct root_layers layers = { .pin = 99, .dir = "/store/layers/sha256",
						   .layers = names, .count = 2,
						   .upper_bytes = 1 << 20 };
	static char *const args[] = { "sh", "-c", "true", NULL };
	struct job job = { .id = "web", .source = "busybox", .args = args, .memory = 64 << 20,
			   .pids = 32, .cpu_quota = 50000, .wall_ms = 5000, .bridge = true };
	const struct job_ids ids = { .uid = { { .host = 0x60000000, .size = 65536 } },
				     .gid = { { .host = 0x60000000, .size = 65536 } }, .count = 1 };
	struct image_info image = { .reference = "busybox", .workdir = "/", .user = "" };
	struct create_options o = { .id = "web", .root = -1, .root_path = "/run/kist",
				    .layers = &layers,
				    .idrange = true, .lock_securebits = true, .net = { .mode = NET_BRIDGE } };

	(void)state;
	job_profile_apply(&job);
	check_plan("job-bridge", job_config(&job, &image, &ids, &user), &o);
}

/* Each kind in its place: two of the host and one of the guest after the mounts, then those around
 * the start; poststop as an undo. */
static void with_hooks(void **state)
{
	struct create_options o = { .id = "web", .root = -1, .root_path = "/run/kist",
				    .wait_for_start = true, .outlive = true };
	json_t *config = spec_default(false);
	json_t *hooks = json_object();

	(void)state;
	for (int kind = 0; kind < HOOK_KINDS; kind++)
		json_object_set_new(hooks, hook_kind_names[kind],
				    json_pack("[{s:s, s:[s, s], s:[s], s:i}]", "path", "/usr/bin/hook", "args",
					      "hook", hook_kind_names[kind], "env", "A=b c", "timeout",
					      kind + 1));
	json_object_set_new(config, "hooks", hooks);
	json_object_set_new(json_object_get(config, "process"), "terminal", json_false());
	json_object_set_new(json_object_get(config, "linux"), "maskedPaths", json_pack("[s]", "/proc/keys"));
	json_object_set_new(json_object_get(config, "linux"), "readonlyPaths", json_array());
	check_plan("create-hooks", config, &o);
}

/* What a user without any right gets: own maps, everything by the guest, no cgroup. */
static void rootless(void **state)
{
	const struct host user = { .uid = 1000, .gid = 1000, .cgroup_mount = "/sys/fs/cgroup",
				   .last_cap = 40 };
	struct create_options o = { .id = "web", .root = -1, .root_path = "/run/user/1000/kist" };

	(void)state;
	check_plan_on(&user, "run-rootless", rootless_spec(), &o, false);
}

/* More ids by the setuid helpers, a cgroup in a delegated subtree, a limit. */
static void rootless_with_more_ids(void **state)
{
	const struct host user = { .uid = 1000, .gid = 1000, .cgroup_mount = "/sys/fs/cgroup",
				   .controllers = HOST_MEMORY | HOST_PIDS, .idmap_helpers = true,
				   .cgroup_writable = true, .cgroup_base = "/user.slice/me",
				   .last_cap = 40 };
	struct create_options o = { .id = "web", .root = -1, .root_path = "/run/user/1000/kist" };
	json_t *spec = rootless_spec(), *l = json_object_get(spec, "linux");

	(void)state;
	json_object_set_new(l, "uidMappings", json_pack("[{s:i,s:i,s:i},{s:i,s:i,s:i}]",
			    "containerID", 0, "hostID", 1000, "size", 1,
			    "containerID", 1, "hostID", 100000, "size", 65536));
	json_object_set(l, "gidMappings", json_object_get(l, "uidMappings"));
	json_object_set_new(l, "resources", json_pack("{s:{s:i}}", "pids", "limit", 50));
	json_object_set_new(json_object_get(spec, "process"), "oomScoreAdj", json_integer(100));
	check_plan_on(&user, "run-rootless-ids", spec, &o, false);
}

/* exec by the owner of the container's user namespace: a joiner, and its oom_score_adj. */
static void rootless_exec(void **state)
{
	const struct host user = { .uid = 1000, .gid = 1000 };
	struct exec_options o = { .host = &user, .pidfd = 9, .outlive = true,
				  .namespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID };
	struct json_at root = JSON_AT_ROOT;
	_cleanup_json_ json_t *process = json_pack("{s:s, s:[s], s:{s:i,s:i}, s:i}", "cwd", "/",
			"args", "id", "user", "uid", 0, "gid", 0, "oomScoreAdj", 100);
	struct arena arena = ARENA_INIT;
	struct process_spec spec;
	struct err e = ERR_INIT;
	struct compiled c;
	char *text;

	(void)state;
	assert_int_equal(process_parse(process, &root, &arena, &spec, &e), 0);
	assert_int_equal(compile_exec(&c, &spec, NULL, &o, &arena, &e), 0);
	text = plan_text(&c.plan);
	compare("exec-rootless", text);
	free(text);
	/* What a user's systemd made, it alone may let others into; root needs nobody for that. */
	o.cgroup = "/sys/fs/cgroup/x/kist-web.scope";
	o.systemd_unit = "user:kist-web.scope";
	o.systemd_below = "/y";
	assert_int_equal(compile_exec(&c, &spec, NULL, &o, &arena, &e), 0);
	text = plan_text(&c.plan);
	assert_non_null(strstr(text, "AttachProcessesToUnit(\"kist-web.scope\", \"/y\", "
				     "[<guest pid>])"));
	assert_null(strstr(text, "CLONE_INTO_CGROUP"));
	free(text);
	o.systemd_unit = "system:kist-web.scope";
	assert_int_equal(compile_exec(&c, &spec, NULL, &o, &arena, &e), 0);
	text = plan_text(&c.plan);
	assert_null(strstr(text, "AttachProcessesToUnit"));
	assert_non_null(strstr(text, "CLONE_INTO_CGROUP"));
	free(text);
	arena_free(&arena);
}

/* Limits before criu makes a process, what may run compared before it is said to be there. */
static void restored(void **state)
{
	struct create_options o = { .id = "web", .root = -1, .root_path = "/run/kist", .outlive = true };
	const struct checkpoint_options options = { .file_locks = true };
	struct checkpoint_external *list = NULL;
	struct arena arena = ARENA_INIT;
	struct restore r = {
		.arena = &arena, .o = &options, .criu = "/usr/sbin/criu", .image_path = "/image",
		.work_path = "/work", .private_path = "/run/kist/web/criu",
		.pid_file = "/run/kist/web/criu.pid", .cgroup_mount = "/sys/fs/cgroup", .yard = true,
		.record = { .pid = 9, .stdio = { { "pipe:[5]", 0, 0 }, { "pipe:[6]", 0, 0 },
						 { "pipe:[6]", 0, 0 } } },
	};
	struct container_spec spec;
	struct err e = ERR_INIT;
	struct compiled c;
	json_t *config = spec_default(false);
	char *text;

	(void)state;
	json_array_append_new(json_object_get(config, "mounts"),
			      json_pack("{s:s, s:s, s:[s]}", "destination", "/data", "source", "/srv",
					"options", "rbind"));
	assert_int_equal(spec_parse(config, "/bundle", "web", &arena, &spec, &e), 0);
	r.count = checkpoint_externals(&spec, &host, &arena, &list);
	assert_int_equal(r.count, 2);
	r.list = list;
	r.rootfs = spec.ns.rootfs;
	r.cgroup = spec.cgroup.path;
	assert_int_equal(compile_restore(&c, &spec, &host, &o, &r, &arena, &e), 0);
	assert_int_equal(criu_args_check(&r.args, &e), 0);
	text = plan_text(&c.plan);
	compare("restore", text);
	free(text);
	/* criu gives its own label otherwise. */
	assert_null(restore_label(&spec, &arena));
	spec.process.labels.selinux = "u:r:t:s0";
	assert_string_equal(restore_label(&spec, &arena), "selinux:u:r:t:s0");
	spec.process.labels.apparmor = "docker-default";
	r.lsm = restore_label(&spec, &arena);
	assert_int_equal(compile_restore(&c, &spec, &host, &o, &r, &arena, &e), 0);
	text = plan_text(&c.plan);
	assert_non_null(strstr(text, " --lsm-profile apparmor:docker-default "));
	free(text);
	spec_free(&spec);
	arena_free(&arena);
}

/* Compiling twice gives the same plan: nothing of the world or the clock gets in. */
static void pure(void **state)
{
	struct create_options o = { .id = "web", .root = -1, .root_path = "/run/kist" };
	struct arena arena = ARENA_INIT;
	struct container_spec spec;
	struct err e = ERR_INIT;
	struct compiled c;
	char *first, *second;

	(void)state;
	assert_int_equal(spec_parse(spec_default(false), "/bundle", "web", &arena, &spec, &e), 0);
	assert_int_equal(compile_create(&c, &spec, &host, &o, &arena, &e), 0);
	first = plan_text(&c.plan);
	assert_int_equal(compile_create(&c, &spec, &host, &o, &arena, &e), 0);
	second = plan_text(&c.plan);
	assert_string_equal(first, second);
	free(first);
	free(second);
	spec_free(&spec);
	arena_free(&arena);
}

/* A filter that is known, with its text: the configuration that is stored is the same. */
static void text_of_what_is_known(void **state)
{
	static const char filter[] = "{ \"defaultAction\": \"SCMP_ACT_ALLOW\" }";
	json_t *config = spec_default(false), *seccomp = json_loads(filter, 0, NULL), *stored, *as_it_was;
	struct spec_known known = { .seccomp = seccomp };
	struct arena arena = ARENA_INIT;
	struct container_spec spec;
	struct err e = ERR_INIT;

	(void)state;
	json_object_set(json_object_get(config, "linux"), "seccomp", seccomp);
	as_it_was = json_deep_copy(config);
	for (int with_text = 0; with_text < 2; with_text++) {
		known.text = with_text ? filter : NULL;
		assert_int_equal(spec_parse_knowing(json_incref(config), "/bundle", "web", &arena,
						    &known, &spec, &e), 0);
		assert_ptr_equal(json_object_get(json_object_get(config, "linux"), "seccomp"),
				 seccomp);
		assert_true(json_equal(config, as_it_was));
		stored = json_loads(spec.config_text, JSON_REJECT_DUPLICATES, NULL);
		assert_true(json_equal(stored, as_it_was));
		assert_int_equal(strstr(spec.config_text, filter) != NULL, with_text);
		json_decref(stored);
		spec_free(&spec);
	}
	json_decref(as_it_was);
	json_decref(seccomp);
	json_decref(config);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(default_create),
		cmocka_unit_test(systemd_create),
		cmocka_unit_test(job_on_the_bridge),
		cmocka_unit_test(with_hooks),
		cmocka_unit_test(rootless),
		cmocka_unit_test(rootless_with_more_ids),
		cmocka_unit_test(rootless_exec),
		cmocka_unit_test(restored),
		cmocka_unit_test(pure),
		cmocka_unit_test(text_of_what_is_known),
	};

	return cmocka_run_group_tests_name("compile", tests, NULL, NULL);
}
