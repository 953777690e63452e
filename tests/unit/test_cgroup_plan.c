/* The cgroup plan as text, and what a host can't do: pure, no root. */
#include "tests/unit/cgroup_live.h"
#include "cgroup/cgroup_ops.h"

static struct arena arena = ARENA_INIT;

/* ---- text ---- */

static const struct host full_host = { .root = true, .cgroup_mount = "/sys/fs/cgroup",
				       .controllers = 0xff };
static const struct host hybrid_host = { .root = true, .cgroup_hybrid = true,
					 .cgroup_mount = "/sys/fs/cgroup/unified",
					 .controllers = HOST_HUGETLB };

static struct cgroup_spec spec_of(const char *json, const char *id)
{
	_cleanup_json_ json_t *o = NULL;
	struct json_at at = json_at_key(&JSON_AT_ROOT, "linux");
	struct cgroup_spec spec = { 0 };
	struct err e = ERR_INIT;

	assert_ok(json_parse_strict(json, strlen(json), "test", &o, &e), e);
	assert_ok(cgroup_parse(o, &at, id, &arena, &spec, &e), e);
	return spec;
}

/* One line a step: "why: call", alternatives indented, on-errno and undo behind. */
static void text_of(const struct plan *p, char *text, size_t size)
{
	struct buf b = { .text = text, .size = size };
	struct err e = ERR_INIT;

	buf_reset(&b);
	assert_ok(plan_check(p, &e), e);
	for (int i = 0; i < p->count; i++) {
		const struct step *s = &p->steps[i];

		buf_addf(&b, "%s%d %s: ", s->alternative ? "  " : "", i, s->why);
		plan_show_step(&b, p, i);
		for (int j = 0; j < s->on_errno_count; j++) {
			char name[16];

			buf_addf(&b, " %s", err_name(s->on_errno[j].error, name));
			if (s->on_errno[j].action == ON_DONE)
				buf_add(&b, "=ok");
			else
				buf_addf(&b, "%s%d",
					 s->on_errno[j].action == ON_ALT ? "=alt" : "=skip",
					 s->on_errno[j].to);
		}
		if (s->undo)
			buf_addf(&b, " undo %s(%s%s%s)", s->undo->name, s->undo_args[0],
				 s->undo_args[1] ? ", " : "",
				 s->undo_args[1] ? s->undo_args[1] : "");
		buf_add_char(&b, '\n');
	}
	assert_false(buf_truncated(&b));
}

static void plan_of(const char *json, const struct host *h, const char *expected)
{
	struct cgroup_spec spec = spec_of(json, "web");
	struct plan p;
	char text[8192];
	int slot;

	plan_init(&p, &arena);
	slot = plan_new_slot(&p, "cgroup");
	cgroup_plan_make(&p, &spec, h, "web", slot);
	text_of(&p, text, sizeof(text));
	if (strcmp(text, expected))
		for (size_t i = 0; text[i]; i++) {
			if (text[i] == expected[i])
				continue;
			fail_msg("the plan goes on with\n%.300s\nexpected\n%.300s", text + i,
				 expected + i);
		}
}

static void plan_without_a_limit(void **state)
{
	(void)state;
	plan_of("{}", &hybrid_host,
		"  0 /linux/cgroupsPath: make_cgroup(\"/sys/fs/cgroup/unified/kist-web\", \"\", "
		"EXCL) EEXIST=alt1\n"
		"  1 /linux/cgroupsPath: check_cgroup(\"/sys/fs/cgroup/unified/kist-web\", "
		"\"web\") EEXIST=skip5\n"
		"2 /linux/cgroupsPath: mkdir(\"/sys/fs/cgroup/unified/kist-web\", 01755) "
		"ENOENT=alt0 EEXIST=alt1 undo rmdir_cgroup(/sys/fs/cgroup/unified/kist-web, web)\n"
		"3 /linux/cgroupsPath: setxattr(\"/sys/fs/cgroup/unified/kist-web\", "
		"\"trusted.kist\", \"web\", 3, 0) EPERM=alt4\n"
		"  4 /linux/cgroupsPath: setxattr(\"/sys/fs/cgroup/unified/kist-web\", "
		"\"user.kist\", \"web\", 3, 0)\n"
		"5 /linux/cgroupsPath: <cgroup> = open(\"/sys/fs/cgroup/unified/kist-web\", "
		"O_PATH|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC)\n");
}

static void plan_with_parents_and_limits(void **state)
{
	(void)state;
	plan_of("{\"cgroupsPath\":\"/a/b\",\"resources\":{\"pids\":{\"limit\":32},"
		"\"memory\":{\"limit\":64,\"swap\":64},\"cpu\":{\"idle\":0},"
		"\"blockIO\":{\"weight\":10},\"devices\":[{\"allow\":false}]}}",
		&full_host,
		"0 /linux/cgroupsPath: write(\"/sys/fs/cgroup/cgroup.subtree_control\", "
		"\"+cpu +memory +pids +io\") ENOENT=alt1 EBUSY=alt1 EACCES=alt1 EPERM=alt1 "
		"EROFS=alt1 EOPNOTSUPP=alt1\n"
		"  1 /linux/cgroupsPath: make_cgroup(\"/sys/fs/cgroup\", "
		"\"+cpu +memory +pids +io\")\n"
		"2 /linux/cgroupsPath: mkdir(\"/sys/fs/cgroup/a\", 01755) EEXIST=ok ENOENT=alt3 "
		"undo rmdir_cgroup_parent(/sys/fs/cgroup/a)\n"
		"  3 /linux/cgroupsPath: make_cgroup(\"/sys/fs/cgroup/a\", "
		"\"+cpu +memory +pids +io\")\n"
		"4 /linux/cgroupsPath: write(\"/sys/fs/cgroup/a/cgroup.subtree_control\", "
		"\"+cpu +memory +pids +io\") ENOENT=alt5 EBUSY=alt5 EACCES=alt5 EPERM=alt5 "
		"EROFS=alt5 EOPNOTSUPP=alt5\n"
		"  5 /linux/cgroupsPath: make_cgroup(\"/sys/fs/cgroup/a\", "
		"\"+cpu +memory +pids +io\")\n"
		"  6 /linux/cgroupsPath: make_cgroup(\"/sys/fs/cgroup/a/b\", "
		"\"+cpu +memory +pids +io\", EXCL) EEXIST=alt7\n"
		"  7 /linux/cgroupsPath: check_cgroup(\"/sys/fs/cgroup/a/b\", \"web\") "
		"EEXIST=skip11\n"
		"8 /linux/cgroupsPath: mkdir(\"/sys/fs/cgroup/a/b\", 01755) ENOENT=alt6 "
		"EEXIST=alt7 undo rmdir_cgroup(/sys/fs/cgroup/a/b, web)\n"
		"9 /linux/cgroupsPath: setxattr(\"/sys/fs/cgroup/a/b\", \"trusted.kist\", "
		"\"web\", 3, 0) EPERM=alt10\n"
		"  10 /linux/cgroupsPath: setxattr(\"/sys/fs/cgroup/a/b\", \"user.kist\", "
		"\"web\", 3, 0)\n"
		"11 /linux/cgroupsPath: <cgroup> = open(\"/sys/fs/cgroup/a/b\", "
		"O_PATH|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC)\n"
		"12 /linux/cgroupsPath: read(\"/sys/fs/cgroup/a/b/cgroup.events\") "
		"/* frozen 0? */\n"
		"13 /linux/resources/memory/limit: write(\"/sys/fs/cgroup/a/b/memory.max\", "
		"\"64\")\n"
		"14 /linux/resources/memory/swap: write(\"/sys/fs/cgroup/a/b/memory.swap.max\", "
		"\"0\") ENOENT=alt15\n"
		"  15 /linux/resources/memory/swap: read(\"/proc/swaps\") "
		"/* no swap, nothing to limit? */\n"
		"16 /linux/resources/cpu/idle: write(\"/sys/fs/cgroup/a/b/cpu.idle\", \"0\") "
		"ENOENT=ok\n"
		"17 /linux/resources/pids/limit: write(\"/sys/fs/cgroup/a/b/pids.max\", \"32\")\n"
		"18 /linux/resources/blockIO/weight: "
		"write(\"/sys/fs/cgroup/a/b/io.bfq.weight\", \"10\") ENOENT=alt19\n"
		"  19 /linux/resources/blockIO/weight: write(\"/sys/fs/cgroup/a/b/io.weight\", "
		"\"1\")\n"
		"20 /linux/resources/devices: <device filter> = bpf(BPF_PROG_LOAD, "
		"{BPF_PROG_TYPE_CGROUP_DEVICE, insn_cnt=32}) /* 11 rules */\n"
		"21 /linux/resources/devices: bpf(BPF_PROG_ATTACH, {target_fd=<cgroup>, "
		"attach_bpf_fd=<device filter>, BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI})\n"
		"22 /linux/resources/devices: close(<device filter>)\n");
}

static void what_a_user_types(void **state)
{
	static const char *const expected[] = {
		"echo '+memory +pids +io' > /sys/fs/cgroup/cgroup.subtree_control",
		"mkdir -m 1755 /sys/fs/cgroup/kist-web",
		"setfattr -n trusted.kist -v web /sys/fs/cgroup/kist-web",
		"echo 32 > /sys/fs/cgroup/kist-web/pids.max",
	};
	struct cgroup_spec spec = spec_of("{\"resources\":{\"pids\":{\"limit\":32}}}", "web");
	size_t found = 0;
	struct plan p;

	(void)state;
	plan_init(&p, &arena);
	cgroup_plan_make(&p, &spec, &full_host, "web", plan_new_slot(&p, "cgroup"));
	for (int i = 0; i < p.count; i++) {
		char text[256];
		struct buf b = BUF_ON(text);

		buf_reset(&b);
		if (p.steps[i].alternative || !p.steps[i].op->by_hand)
			continue;
		p.steps[i].op->by_hand(&b, &p, p.steps[i].args);
		assert_true(found < sizeof(expected) / sizeof(expected[0]));
		assert_string_equal(text, expected[found++]);
	}
	assert_int_equal(found, sizeof(expected) / sizeof(expected[0]));
}

static void without_privilege_no_filter_is_made(void **state)
{
	struct cgroup_spec spec = spec_of("{\"resources\":{\"devices\":[{\"allow\":false}]}}", "w");
	struct host user = full_host;
	struct plan p;
	char text[4096];

	(void)state;
	user.root = false;
	assert_true(cgroup_devices_skipped(&spec, &user));
	assert_false(cgroup_devices_skipped(&spec, &full_host));
	plan_init(&p, &arena);
	cgroup_plan_make(&p, &spec, &user, "w", plan_new_slot(&p, "cgroup"));
	text_of(&p, text, sizeof(text));
	assert_null(strstr(text, "bpf"));
	assert_null(strstr(text, "trusted."));
	assert_non_null(strstr(text, "user.kist"));
}

static void a_missing_controller_is_named(void **state)
{
	struct cgroup_spec spec = spec_of("{\"resources\":{\"memory\":{\"limit\":64}}}", "w");
	struct cgroup_spec none = spec_of("{}", "w");
	struct host no_cgroup2 = { .root = true }, small = full_host;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(cgroup_controllers_needed(&spec), HOST_MEMORY);
	assert_int_equal(cgroup_controllers_needed(&none), 0);
	assert_int_equal(cgroup_check(&spec, &full_host, &e), 0);
	assert_int_equal(cgroup_check(&none, &hybrid_host, &e), 0);

	assert_int_equal(cgroup_check(&spec, &hybrid_host, &e), -EOPNOTSUPP);
	assert_string_equal(e.where, "/linux/resources/memory/limit");
	assert_says(&e, "controller memory, which a cgroup v1 hierarchy holds");
	assert_non_null(strstr(e.fix, "systemd.unified_cgroup_hierarchy=1"));

	small.controllers = HOST_PIDS;
	assert_int_equal(cgroup_check(&spec, &small, &e), -EOPNOTSUPP);
	assert_says(&e, "which this host does not offer");
	none.oom_group = true;
	assert_int_equal(cgroup_controllers_needed(&none), HOST_MEMORY);
	assert_int_equal(cgroup_check(&none, &small, &e), -EOPNOTSUPP);

	assert_int_equal(cgroup_check(&spec, &no_cgroup2, &e), -EOPNOTSUPP);
	assert_says(&e, "no cgroup v2 hierarchy is mounted");
}

static void check_before_update_reads_first(void **state)
{
	struct cgroup_spec spec = spec_of("{\"resources\":{\"memory\":{\"limit\":64,"
					  "\"checkBeforeUpdate\":true}}}", "w");
	struct plan p;
	char text[1024];

	(void)state;
	plan_init(&p, &arena);
	cgroup_plan_limits(&p, &spec, &full_host);
	text_of(&p, text, sizeof(text));
	assert_string_equal(text, "0 /linux/resources/memory/limit: "
				  "read(\"/sys/fs/cgroup/kist-w/memory.current\") /* <= 64? */\n"
				  "1 /linux/resources/memory/limit: "
				  "write(\"/sys/fs/cgroup/kist-w/memory.max\", \"64\")\n");
}

static void delegation_comes_after_the_limits(void **state)
{
	struct cgroup_spec spec = spec_of("{\"resources\":{\"pids\":{\"limit\":3}}}", "w");
	struct plan p;
	char text[4096];

	(void)state;
	plan_init(&p, &arena);
	cgroup_plan_delegate(&p, &spec, &full_host);
	assert_int_equal(p.count, 0);
	spec.delegate = true;
	spec.delegate_uid = 1234;
	cgroup_plan_make(&p, &spec, &full_host, "w", plan_new_slot(&p, "cgroup"));
	text_of(&p, text, sizeof(text));
	assert_non_null(strstr(text, "pids.max\", \"3\")\n"));
	assert_non_null(strstr(strstr(text, "pids.max\", \"3\")\n"),
			       "/linux/cgroupsPath: delegate_cgroup(\"/sys/fs/cgroup/kist-w\", 1234)\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_without_a_limit),
		cmocka_unit_test(plan_with_parents_and_limits),
		cmocka_unit_test(what_a_user_types),
		cmocka_unit_test(without_privilege_no_filter_is_made),
		cmocka_unit_test(a_missing_controller_is_named),
		cmocka_unit_test(check_before_update_reads_first),
		cmocka_unit_test(delegation_comes_after_the_limits),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
