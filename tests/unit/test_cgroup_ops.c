/*
 * The ops of a cgroup plan on the real hierarchy: who owns what, what is
 * refused, what limits the kernel then shows and holds.
 */
#include "tests/unit/cgroup_live.h"
#include "cgroup/cgroup_ops.h"

static struct arena arena = ARENA_INIT;

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

static char *config(const char *path, const char *resources)
{
	return arena_printf(&arena, "{\"cgroupsPath\":\"%s\",\"resources\":%s}", path, resources);
}

static const char *mark_of(const char *path)
{
	static char mark[64];
	ssize_t n = getxattr(live_full(path), CGROUP_MARK, mark, sizeof(mark) - 1);

	mark[n < 0 ? 0 : n] = '\0';
	return mark;
}

static void makes_marks_and_takes_back(void **state)
{
	const char *top, *leaf;
	struct plan p;
	struct run r;
	struct err e = ERR_INIT;
	char proc[64], line[512];
	int slot = -1;
	pid_t child;

	(void)state;
	live_or_skip(0);
	top = arena_strdup(&arena, live_path("nest"));
	leaf = arena_printf(&arena, "%s/b/web", top);
	assert_ok(live_make(config(leaf, "{}"), "web", &arena, &p, &r, &slot, &e), e);
	assert_true(live_exists(leaf));
	assert_string_equal(mark_of(leaf), "web");
	assert_string_equal(mark_of(top), "");

	/* the slot takes a child at birth */
	child = live_child(run_slot(&r, slot), NULL);
	assert_true(child > 0);
	snprintf(proc, sizeof(proc), "/proc/%d/cgroup", child);
	assert_true(file_read_at(AT_FDCWD, proc, line, sizeof(line)) > 0);
	assert_non_null(strstr(line, leaf));
	run_close(&r);

	/* undo kills what lives in it, and again is fine */
	live_take_back(&p, "web");
	assert_int_equal(WTERMSIG(live_wait(child)), SIGKILL);
	assert_false(live_exists(top));
	live_take_back(&p, "web");
}

static void leaves_what_others_made(void **state)
{
	const char *top, *leaf;
	struct plan p;
	struct run r;
	struct err e = ERR_INIT;
	int slot = -1;

	(void)state;
	live_or_skip(0);
	top = arena_strdup(&arena, live_path("foreign"));
	leaf = arena_printf(&arena, "%s/leaf", top);
	assert_int_equal(mkdir(live_full(top), 0755), 0);
	assert_int_equal(mkdir(live_full(leaf), 0755), 0);
	assert_ok(live_make(config(leaf, "{}"), "web", &arena, &p, &r, &slot, &e), e);
	assert_true(run_slot(&r, slot) >= 0);
	assert_string_equal(mark_of(leaf), "");
	run_close(&r);
	live_take_back(&p, "web");
	assert_true(live_exists(leaf));
	assert_int_equal(rmdir(live_full(leaf)), 0);
	/* a parent of somebody else stays, our leaf in it goes */
	assert_ok(live_make(config(leaf, "{}"), "web", &arena, &p, &r, &slot, &e), e);
	run_close(&r);
	live_take_back(&p, "web");
	assert_false(live_exists(leaf));
	assert_true(live_exists(top));
	assert_int_equal(rmdir(live_full(top)), 0);
}

/* Runs a plan that must be refused. */
static void refused(const char *path, const char *id, const char *words)
{
	struct plan p;
	struct run r;
	struct err e = ERR_INIT;
	int slot = -1;

	assert_int_equal(live_make(config(path, "{}"), id, &arena, &p, &r, &slot, &e), -EBUSY);
	assert_says(&e, words);
	assert_true(e.fix[0]);
	run_close(&r);
	/* as the caller of a failed create does: the steps before the failing one */
	assert_int_equal(plan_take_back(&p, e.step, &(struct undo_at){ .id = id }, &e), 0);
}

static void refuses_what_is_not_fit(void **state)
{
	struct plan p;
	struct run r;
	struct err e = ERR_INIT;
	int slot = -1, fd;
	const char *path;
	pid_t child;

	(void)state;
	live_or_skip(0);
	path = arena_strdup(&arena, live_path("unfit"));
	assert_ok(live_make(config(path, "{}"), "one", &arena, &p, &r, &slot, &e), e);

	refused(path, "two", "belongs to container \"one\"");
	child = live_child(run_slot(&r, slot), NULL);
	refused(path, "one", "is not empty");
	assert_int_equal(kill(child, 0), 0); /* and nobody was hurt */
	kill(child, SIGKILL);
	live_wait(child);
	run_close(&r);
	live_take_back(&p, "one");
	assert_false(live_exists(path));

	assert_int_equal(mkdir(live_full(path), 0755), 0);
	fd = cgroup_open(&live_host, path, &e);
	assert_ok(fd, e);
	assert_ok(cgroup_freeze(fd, true, 5000, &e), e);
	refused(path, "one", "frozen");
	/* born below a frozen one is just as stuck */
	refused(arena_printf(&arena, "%s/below", path), "three", "frozen");
	assert_false(live_exists(arena_printf(&arena, "%s/below", path)));
	close(fd);
	assert_int_equal(rmdir(live_full(path)), 0);
}

static void adopts_its_own_leftover(void **state)
{
	struct plan p;
	struct run r;
	struct err e = ERR_INIT;
	int slot = -1;
	const char *path;

	(void)state;
	live_or_skip(0);
	/* killed between mkdir and setxattr: sticky, no mark. The name holds the id: ours. */
	path = arena_strdup(&arena, live_path("leftover"));
	assert_int_equal(mkdir(live_full(path), CGROUP_MODE), 0);
	assert_ok(live_make(config(path, "{}"), "leftover", &arena, &p, &r, &slot, &e), e);
	assert_string_equal(mark_of(path), "leftover");
	run_close(&r);
	live_take_back(&p, "leftover");
	assert_false(live_exists(path));
	/* the same folder under a name that tells nothing may be another kist's, just now */
	assert_int_equal(mkdir(live_full(path), CGROUP_MODE), 0);
	refused(path, "elsewise", "left by a kist that was killed");
	assert_int_equal(rmdir(live_full(path)), 0);
}

static void undo_in_the_kill_window(void **state)
{
	struct cgroup_spec spec;
	struct plan p;
	const char *path;

	(void)state;
	live_or_skip(0);
	path = arena_strdup(&arena, live_path("window"));
	spec = spec_of(config(path, "{}"), "window");
	plan_init(&p, &arena);
	cgroup_plan_make(&p, &spec, &live_host, "window", plan_new_slot(&p, "cgroup"));
	live_take_back(&p, "window"); /* nothing is there yet */
	assert_int_equal(mkdir(live_full(path), CGROUP_MODE), 0);
	live_take_back(&p, "window");
	assert_false(live_exists(path));
	/* made by a caller, with a caller's mode */
	assert_int_equal(mkdir(live_full(path), 0755), 0);
	live_take_back(&p, "window");
	assert_true(live_exists(path));
	assert_int_equal(rmdir(live_full(path)), 0);
}

/* A parent that vanishes after it was made: the alternative makes it again. */
static void a_parent_may_vanish(void **state)
{
	struct cgroup_spec spec;
	struct plan p;
	struct run r;
	struct err e = ERR_INIT;
	const char *top, *leaf;
	static const struct op_close_args nothing = { .slot = PLAN_SLOTS_MAX - 1 };
	int slot;

	(void)state;
	live_or_skip(0);
	top = arena_strdup(&arena, live_path("gone"));
	leaf = arena_printf(&arena, "%s/x/leaf", top);
	spec = spec_of(config(leaf, "{}"), "leaf");
	plan_init(&p, &arena);
	slot = plan_new_slot(&p, "cgroup");
	cgroup_plan_make(&p, &spec, &live_host, "leaf", slot);
	for (int i = 0; i < p.count; i++) /* as if somebody else's rmdir came right behind */
		if (p.steps[i].undo == &cgroup_undo_remove_parent)
			p.steps[i].op = &op_close, p.steps[i].args = &nothing;
	assert_ok(live_run(&p, &r, &e), e);
	assert_true(live_exists(leaf));
	assert_string_equal(mark_of(leaf), "leaf");
	run_close(&r);
	live_take_back(&p, "leaf");
	assert_false(live_exists(top));
}

/* ---- limits, as the kernel shows them ---- */

static void shows(const char *path, const char *file, const char *expected)
{
	const char *text = live_read(path, file);

	if (strcmp(text, expected))
		fail_msg("%s is \"%s\", expected \"%s\"", file, text, expected);
}

static void limits_are_in_the_files(void **state)
{
	struct plan p;
	struct run r;
	struct err e = ERR_INIT;
	int slot = -1;
	const char *path;

	(void)state;
	live_or_skip(HOST_MEMORY | HOST_PIDS | HOST_CPU | HOST_CPUSET);
	path = arena_printf(&arena, "%s/leaf", live_path("limits"));
	assert_ok(live_make(config(path,
				   "{\"memory\":{\"limit\":67108864,\"reservation\":1048576,"
				   "\"swap\":100663296},\"pids\":{\"limit\":32},"
				   "\"cpu\":{\"shares\":512,\"quota\":50000,\"burst\":10000,"
				   "\"cpus\":\"0\",\"mems\":\"0\"},"
				   "\"unified\":{\"memory.high\":\"33554432\"}}"),
			    "limits", &arena, &p, &r, &slot, &e),
		  e);
	shows(path, "memory.max", "67108864");
	shows(path, "memory.low", "1048576");
	shows(path, "memory.high", "33554432");
	shows(path, "memory.swap.max", "33554432");
	shows(path, "pids.max", "32");
	shows(path, "cpu.weight", "59");
	shows(path, "cpu.max", "50000 100000");
	shows(path, "cpu.max.burst", "10000");
	shows(path, "cpuset.cpus", "0");
	shows(path, "cpuset.mems", "0");
	run_close(&r);
	live_take_back(&p, "limits");
	assert_false(live_exists(live_path("limits")));
}

static int hold_memory(void)
{
	static char held[2 << 20];

	memset(held, 1, sizeof(held));
	pause();
	return held[0];
}

static void an_update_changes_a_limit(void **state)
{
	struct plan p, change;
	struct run r, second;
	struct err e = ERR_INIT;
	struct cgroup_spec spec;
	int slot = -1;
	const char *path;
	pid_t child;

	(void)state;
	live_or_skip(HOST_MEMORY | HOST_PIDS);
	path = arena_strdup(&arena, live_path("update"));
	assert_ok(live_make(config(path, "{\"pids\":{\"limit\":32}}"), "update", &arena, &p, &r,
			    &slot, &e), e);
	spec = spec_of(config(path, "{\"pids\":{\"limit\":-1}}"), "update");
	plan_init(&change, &arena);
	cgroup_plan_limits(&change, &spec, &live_host);
	assert_ok(live_run(&change, &second, &e), e);
	shows(path, "pids.max", "max");
	run_close(&second);

	/* a limit below what is used is refused when the config asks for that check */
	child = live_child(run_slot(&r, slot), hold_memory);
	while (strtoull(live_read(path, "memory.current"), NULL, 10) < 1 << 20)
		usleep(1000);
	spec = spec_of(config(path, "{\"memory\":{\"limit\":1,\"checkBeforeUpdate\":true}}"),
		       "update");
	plan_init(&change, &arena);
	cgroup_plan_limits(&change, &spec, &live_host);
	assert_int_equal(live_run(&change, &second, &e), -EBUSY);
	assert_says(&e, "more than the new limit of 1");
	shows(path, "memory.max", "max");
	run_close(&second);
	run_close(&r);
	live_take_back(&p, "update");
	assert_int_equal(WTERMSIG(live_wait(child)), SIGKILL);
}

static void the_kernels_refusal_is_told(void **state)
{
	struct plan p;
	struct run r;
	struct err e = ERR_INIT;
	int slot = -1;

	(void)state;
	live_or_skip(0);
	assert_int_equal(live_make(config(live_path("refusal"),
					  "{\"unified\":{\"no.such.file\":\"1\"}}"),
				   "refusal", &arena, &p, &r, &slot, &e),
			 -ENOENT);
	assert_string_equal(e.where, "/linux/resources/unified/no.such.file");
	assert_non_null(strstr(e.fix, "no.such.file"));
	run_close(&r);
	live_take_back(&p, "refusal");
	assert_int_equal(live_make(config(live_path("refusal"),
					  "{\"unified\":{\"cgroup.max.depth\":\"x\"}}"),
				   "refusal", &arena, &p, &r, &slot, &e),
			 -EINVAL);
	assert_says(&e, "cgroup.max.depth \"x\"");
	run_close(&r);
	live_take_back(&p, "refusal");
	assert_false(live_exists(live_path("refusal")));
}

static int nothing(void)
{
	return 0;
}

static void processes_in_the_parent(void **state)
{
	struct plan p;
	struct run r;
	struct err e = ERR_INIT;
	int slot = -1, fd;
	const char *top, *leaf;
	pid_t child;

	(void)state;
	live_or_skip(HOST_MEMORY | HOST_PIDS);
	top = arena_strdup(&arena, live_path("busy"));
	leaf = arena_printf(&arena, "%s/leaf", top);
	assert_int_equal(mkdir(live_full(top), 0755), 0);
	fd = cgroup_open(&live_host, top, &e);
	assert_ok(fd, e);
	child = live_child(fd, NULL);
	/* with a limit it can't be, not even with one the kernel would take: a thread controller,
	 * which would lock everybody out of the leaf */
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(live_make(config(leaf, i ? "{\"memory\":{\"limit\":1048576}}" :
							    "{\"pids\":{\"limit\":3}}"),
					   "leaf", &arena, &p, &r, &slot, &e), -EBUSY);
		assert_non_null(strstr(e.fix, "processes live in"));
		run_close(&r);
		live_take_back(&p, "leaf");
		assert_false(live_exists(leaf));
	}
	/* without one, only accounting is given up */
	assert_ok(live_make(config(leaf, "{}"), "leaf", &arena, &p, &r, &slot, &e), e);
	shows(top, "cgroup.type", "domain");
	assert_int_equal(live_wait(live_child(run_slot(&r, slot), nothing)), 0);
	run_close(&r);
	live_take_back(&p, "leaf");
	kill(child, SIGKILL);
	live_wait(child);
	close(fd);
	assert_int_equal(rmdir(live_full(top)), 0);
}

static int fork_three(void)
{
	int made = 0;

	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();

		if (pid == 0)
			for (;;)
				pause();
		made += pid > 0;
		if (pid < 0 && errno != EAGAIN)
			return 99;
	}
	return made;
}

static void pids_limit_holds(void **state)
{
	static const struct {
		const char *limit;
		int made;
	} cases[] = { { "3", 2 }, { "1", 0 }, { "0", 0 }, { "-1", 3 } };

	(void)state;
	live_or_skip(HOST_PIDS);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct plan p;
		struct run r;
		struct err e = ERR_INIT;
		int slot = -1, status;
		char *resources = arena_printf(&arena, "{\"pids\":{\"limit\":%s}}", cases[i].limit);

		assert_ok(live_make(config(live_path("pids"), resources), "pids", &arena, &p, &r,
				    &slot, &e), e);
		status = live_wait(live_child(run_slot(&r, slot), fork_three));
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), cases[i].made);
		run_close(&r);
		live_take_back(&p, "pids"); /* the orphans die with their cgroup */
		assert_false(live_exists(live_path("pids")));
	}
}

static int eat_memory(void)
{
	for (int i = 0; i < 128; i++) {
		char *page = malloc(1 << 20);

		if (!page)
			return 1;
		memset(page, 1, 1 << 20);
	}
	return 0;
}

static void memory_limit_kills(void **state)
{
	struct cgroup_stats stats;
	struct cgroup_spec spec;
	struct plan p;
	struct run r;
	struct err e = ERR_INIT;
	int slot, status, fd;
	pid_t bystander;

	(void)state;
	live_or_skip(HOST_MEMORY);
	spec = spec_of(config(live_path("memory"),
			      "{\"memory\":{\"limit\":33554432,\"swap\":33554432}}"), "memory");
	spec.oom_group = true;
	plan_init(&p, &arena);
	slot = plan_new_slot(&p, "cgroup");
	cgroup_plan_make(&p, &spec, &live_host, "memory", slot);
	assert_ok(live_run(&p, &r, &e), e);
	shows(live_path("memory"), "memory.oom.group", "1");
	bystander = live_child(run_slot(&r, slot), NULL);
	status = live_wait(live_child(run_slot(&r, slot), eat_memory));
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(WTERMSIG(live_wait(bystander)), SIGKILL); /* the group goes together */

	fd = cgroup_open(&live_host, live_path("memory"), &e);
	assert_ok(fd, e);
	assert_ok(cgroup_stats_read(fd, &stats, &e), e);
	close(fd);
	assert_true(cgroup_stat_get(&stats, CGROUP_STAT_MEMORY_OOM_KILL) >= 1);
	assert_int_equal(cgroup_stat_get(&stats, CGROUP_STAT_MEMORY_MAX), 33554432);
	assert_true(cgroup_stat_get(&stats, CGROUP_STAT_MEMORY_PEAK) > 16 << 20);
	assert_true(cgroup_stat_get(&stats, CGROUP_STAT_MEMORY_PEAK) <= 33554432);
	run_close(&r);
	live_take_back(&p, "memory");
}

static void nothing_is_left(void **state)
{
	(void)state;
	live_or_skip(0);
	live_nothing_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_marks_and_takes_back),
		cmocka_unit_test(leaves_what_others_made),
		cmocka_unit_test(refuses_what_is_not_fit),
		cmocka_unit_test(adopts_its_own_leftover),
		cmocka_unit_test(undo_in_the_kill_window),
		cmocka_unit_test(a_parent_may_vanish),
		cmocka_unit_test(limits_are_in_the_files),
		cmocka_unit_test(an_update_changes_a_limit),
		cmocka_unit_test(the_kernels_refusal_is_told),
		cmocka_unit_test(processes_in_the_parent),
		cmocka_unit_test(pids_limit_holds),
		cmocka_unit_test(memory_limit_kills),
		cmocka_unit_test(nothing_is_left),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
