/*
 * fuzz_config.c - any JSON as a whole config.json: parsed, settled, checked and compiled for hosts
 * of every kind, its plan shown and its intent record written. What is refused says where.
 */
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "cgroup/systemd.h"
#include "runtime/annotations.h"
#include "runtime/check.h"
#include "runtime/compile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void show(const struct plan *p)
{
	char text[2048];
	struct buf b = BUF_ON(text);

	for (int i = 0; i < p->count; i++) {
		buf_reset(&b);
		plan_show_step(&b, p, i);
		if (p->steps[i].op->by_hand)
			p->steps[i].op->by_hand(&b, p, p->steps[i].args);
	}
}

/* Whoever gets a refusal can find the field. */
static void must_say_where(const struct err *e)
{
	char line[2048];

	if (!e->error)
		abort();
	err_format(e, line, sizeof line);
	if (!line[0])
		abort();
}

static void start(struct container_spec *s, const struct host *h, struct arena *a)
{
	struct create_options o = { .id = "web",
				    .root = -1,
				    .root_path = "/run/kist",
				    .wait_for_start = true,
				    .console = true };
	struct err e = ERR_INIT;
	struct compiled c;

	if (spec_settle(s, h, !h->root, a, &e) < 0 || spec_check_groups(s, h, &e) < 0 ||
	    spec_check(s, h, &e) < 0 || compile_create(&c, s, h, &o, a, &e) < 0) {
		must_say_where(&e);
		return;
	}
	show(&c.plan);
}

static void enter(const struct container_spec *s, const struct host *h, struct arena *a)
{
	struct exec_options o = { .host = h,
				  .pidfd = 9,
				  .outlive = true,
				  .cgroup = "/sys/fs/cgroup/x",
				  .namespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID,
				  .linux_process = s->linux_process,
				  .state = { .id = "web" } };
	struct err e = ERR_INIT;
	struct compiled c;

	if (compile_exec(&c, &s->process, s->has_seccomp ? &s->seccomp : NULL, &o, a, &e) < 0)
		must_say_where(&e);
	else
		show(&c.plan);
}

static void ignore(void *user, bool usual, const char *text)
{
	(void)user;
	if (!usual && !text[0])
		abort();
}

static void use(json_t *config, const struct host *h, bool systemd)
{
	const struct systemd_manager manager = { .version = 252,
						 .cgroup = "",
						 .controllers = UINT32_MAX };
	struct json_at at = json_at_key(&JSON_AT_ROOT, "annotations");
	struct arena a = ARENA_INIT;
	struct container_spec s;
	struct err e = ERR_INIT;

	if (spec_parse(json_incref(config), "/bundle", "web", &a, &s, &e) < 0) {
		must_say_where(&e);
		if (!e.where[0])
			abort();
	} else {
		if (!systemd ||
		    cgroup_use_systemd(&s.cgroup, json_object_get(config, "annotations"), &at,
				       "web", &manager, &a, &e) == 0)
			start(&s, h, &a);
		enter(&s, h, &a);
		spec_warn(&s, ignore, NULL);
		spec_free(&s);
	}
	arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct host root = { .root = true,
					  .cgroup_mount = "/sys/fs/cgroup",
					  .controllers = 0xff,
					  .last_cap = 40,
					  .landlock_abi = 3 };
	static const struct host user = { .uid = 1000,
					  .gid = 1000,
					  .idmap_helpers = true,
					  .cgroup_mount = "/sys/fs/cgroup",
					  .controllers = HOST_MEMORY,
					  .cgroup_writable = true,
					  .cgroup_base = "/user",
					  .last_cap = 40 };
	struct err e = ERR_INIT;
	json_t *config = NULL;
	bool flag;

	if (json_parse_strict((const char *)data, size, "fuzz", &config, &e) < 0)
		return 0;
	use(config, &root, false);
	use(config, &root, true);
	use(config, &user, false);
	if (annotation_flag(config, ANNOTATION_KEEP_GROUPS, &flag, &e) < 0)
		must_say_where(&e);
	json_decref(config);
	return 0;
}
