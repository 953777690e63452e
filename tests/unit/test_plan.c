/*
 * test_plan.c - base/plan.c: building, showing, and the limits that stick.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/engine.h"
#include "base/plan.h"

static struct arena arena;
static struct plan plan;

static int set_up(void **state)
{
	(void)state;
	arena = (struct arena)ARENA_INIT;
	plan_init(&plan, &arena);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static const char *show(int step)
{
	static char text[512];
	struct buf b = BUF_ON(text);

	buf_reset(&b);
	plan_show_step(&b, &plan, step);
	return text;
}

static void test_steps_are_copies(void **state)
{
	char why[] = "/mounts/3", about[] = "/data";
	struct op_close_args args = { .slot = 7 };
	struct step *s;
	int i;

	(void)state;
	plan_scope(&plan, why, about);
	i = plan_add_step(&plan, SIDE_GUEST, &op_close, &args, sizeof args);
	args.slot = 9;
	why[1] = about[1] = 'X';
	s = &plan.steps[i];
	assert_int_equal(((const struct op_close_args *)s->args)->slot, 7);
	assert_string_equal(s->why, "/mounts/3");
	assert_string_equal(s->about, "/data");
	assert_int_equal(s->side, SIDE_GUEST);
	assert_true(!s->alternative && !s->undo && s->on_errno_count == 0);
	plan_scope(&plan, NULL, NULL);
	i = plan_add0(&plan, SIDE_HOST, op_socketpair);
	assert_string_equal(plan.steps[i].why, "");
	assert_null(plan.steps[i].about);
	assert_null(plan.steps[i].args);
	assert_int_equal(plan_check(&plan, NULL), 0);
	assert_int_equal(plan.detach, -1);
}

static void test_growing_keeps_the_steps(void **state)
{
	(void)state;
	for (int i = 0; i < 5000; i++)
		assert_int_equal(plan_add(&plan, SIDE_HOST, op_close, op_close_args, .slot = i), i);
	for (int i = 0; i < 5000; i++)
		assert_int_equal(((const struct op_close_args *)plan.steps[i].args)->slot, i);
	assert_int_equal(plan_check(&plan, NULL), 0);
}

static void test_too_many_steps(void **state)
{
	struct err e = ERR_INIT;
	char line[256];

	(void)state;
	for (int i = 0; i < PLAN_STEPS_MAX; i++)
		plan_add0(&plan, SIDE_HOST, op_socketpair);
	assert_int_equal(plan_check(&plan, &e), 0);
	plan_add0(&plan, SIDE_HOST, op_socketpair);
	assert_int_equal(plan.count, PLAN_STEPS_MAX);
	assert_int_equal(plan_check(&plan, &e), -E2BIG);
	err_format(&e, line, sizeof line);
	assert_non_null(strstr(line, "60000"));
}

static void test_tables(void **state)
{
	struct err e = ERR_INIT;
	int a = plan_add0(&plan, SIDE_HOST, op_socketpair), alt;

	(void)state;
	plan_on_done(&plan, a, EEXIST);
	alt = plan_add0(&plan, SIDE_HOST, op_socketpair);
	plan_on_alt(&plan, a, EPERM, alt);
	plan_on_skip_here(&plan, a, ENOENT);
	assert_int_equal(plan.steps[a].on_errno_count, 3);
	assert_true(plan.steps[a].on_errno[0].action == ON_DONE && plan.steps[a].on_errno[0].error == EEXIST);
	assert_true(plan.steps[a].on_errno[1].action == ON_ALT && plan.steps[a].on_errno[1].to == alt);
	assert_true(plan.steps[a].on_errno[2].action == ON_SKIP && plan.steps[a].on_errno[2].to == alt + 1);
	assert_true(plan.steps[alt].alternative && !plan.steps[a].alternative);
	for (int i = 3; i < PLAN_ON_ERRNO_MAX; i++)
		plan_on_done(&plan, a, 100 + i);
	assert_int_equal(plan_check(&plan, &e), 0);
	plan_on_done(&plan, a, 99);
	assert_true(plan_check(&plan, &e) < 0);
	/* A step that is not there is left alone. */
	plan_on_done(&plan, 1000, 1);
	plan_undo(&plan, 1000, NULL, NULL, NULL, NULL);
}

static void test_slots(void **state)
{
	char name[] = "veth", text[64];
	struct buf b = BUF_ON(text);
	int slot = plan_new_slot(&plan, name);

	(void)state;
	name[0] = 'X';
	assert_int_equal(slot, SLOT_FIRST_FREE);
	buf_reset(&b);
	plan_show_slot(&b, &plan, slot);
	buf_add_char(&b, ' ');
	plan_show_slot(&b, &plan, -1);
	buf_add_char(&b, ' ');
	plan_show_slot(&b, &plan, SLOT_GUEST_PIDFD);
	buf_add_char(&b, ' ');
	plan_show_slot(&b, &plan, 47);
	assert_string_equal(text, "<veth> AT_FDCWD <guest pidfd> <?>");
	while (plan.slot_count < PLAN_SLOTS_MAX)
		assert_true(plan_new_slot(&plan, "s") < PLAN_SLOTS_MAX);
	assert_int_equal(plan_check(&plan, NULL), 0);
	assert_true(plan_new_slot(&plan, "one too many") < PLAN_SLOTS_MAX);
	assert_true(plan_check(&plan, NULL) < 0);
}

static void test_out_of_memory_is_sticky(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	arena_alloc(&arena, SIZE_MAX);
	plan_add0(&plan, SIDE_HOST, op_socketpair);
	assert_int_equal(plan_check(&plan, &e), -ENOMEM);
	assert_int_equal(e.error, ENOMEM);
}

static void test_undo_is_kept(void **state)
{
	static const struct undo_kind kind = { .name = "rmdir_cgroup" };
	char path[] = "/box";
	int i = plan_add0(&plan, SIDE_HOST, op_socketpair);

	(void)state;
	plan_undo(&plan, i, &kind, path, NULL, "x");
	path[1] = 'X';
	assert_ptr_equal(plan.steps[i].undo, &kind);
	assert_string_equal(plan.steps[i].undo_args[0], "/box");
	assert_null(plan.steps[i].undo_args[1]);
	assert_string_equal(plan.steps[i].undo_args[2], "x");
}

static void test_show_ops_of_base(void **state)
{
	int slot = plan_new_slot(&plan, "cgroup"), i;
	char text[256];
	struct buf b = BUF_ON(text);

	(void)state;
	i = plan_add(&plan, SIDE_HOST, op_write, op_write_args, .dir_slot = slot,
		     .path = "pids.max", .text = "32\n");
	assert_string_equal(show(i), "write(<cgroup>/pids.max, \"32\\n\")");
	i = plan_add(&plan, SIDE_HOST, op_write, op_write_args, .dir_slot = -1,
		     .path = "/proc/sys/x y", .text = "it's");
	assert_string_equal(show(i), "write(/proc/sys/x y, \"it's\")");
	buf_reset(&b);
	op_write.by_hand(&b, &plan, plan.steps[i].args);
	assert_string_equal(text, "echo 'it'\\''s' > '/proc/sys/x y'");
	i = plan_add(&plan, SIDE_HOST, op_write, op_write_args, .dir_slot = SLOT_GUEST_PROC,
		     .path = "uid_map", .text = "0 1 2");
	buf_reset(&b);
	op_write.by_hand(&b, &plan, plan.steps[i].args);
	assert_string_equal(text, "echo '0 1 2' > /proc/$PID/uid_map");
	i = plan_add(&plan, SIDE_GUEST, op_close, op_close_args, .slot = slot);
	assert_string_equal(show(i), "close(<cgroup>)");
	i = plan_add(&plan, SIDE_HOST, op_send_fd, op_send_fd_args, .slot = slot);
	assert_non_null(strstr(show(i), "<cgroup>"));
	assert_non_null(strstr(show(i), "SCM_RIGHTS"));
	i = plan_add0(&plan, SIDE_HOST, op_socketpair);
	assert_non_null(strstr(show(i), "SOCK_SEQPACKET|SOCK_CLOEXEC"));
}

/* What show() says is what act() does. */
static void test_write_acts_as_shown(void **state)
{
	char file[] = "/tmp/kist-plan-XXXXXX", text[16] = "";
	int fd = mkstemp(file);
	struct err e = ERR_INIT;
	struct run r;

	(void)state;
	assert_true(fd >= 0);
	plan_add(&plan, SIDE_HOST, op_write, op_write_args, .dir_slot = -1, .path = file, .text = "32");
	run_init(&r, &plan);
	assert_int_equal(run_walk(&r, &e), 0);
	assert_int_equal(pread(fd, text, sizeof text, 0), 2);
	assert_string_equal(text, "32");
	close(fd);
	unlink(file);
	assert_int_equal(run_walk(&r, &e), -ENOENT);
	assert_int_equal(access(file, F_OK), -1);
	run_close(&r);
}

#define PLAN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLAN(test_steps_are_copies), PLAN(test_growing_keeps_the_steps),
		PLAN(test_too_many_steps),   PLAN(test_tables),
		PLAN(test_slots),	     PLAN(test_out_of_memory_is_sticky),
		PLAN(test_undo_is_kept),     PLAN(test_show_ops_of_base),
		PLAN(test_write_acts_as_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
