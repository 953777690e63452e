/*
 * test_engine_beside.c - base/engine.c: steps of the host's beside which the guest goes on.
 */
#include "tests/unit/fake_plan.h"

static bool has_done(int id)
{
	const volatile struct shared *seen = shared;

	for (int i = 0; i < seen->count; i++)
		if (seen->done[i].id == id)
			return true;
	return false;
}

/* The host sees the guest do step `id` while it is in one of its own. */
static int act_await(struct run *r, const void *args, struct err *e)
{
	const struct fake_args *a = args;

	while (!has_done(a->id))
		usleep(1000);
	if (a->error)
		return err_set(e, a->error, "%s", a->say);
	note(r, a->slot);
	return 0;
}

static const struct op op_await = { .name = "await", .man = "await(2)", .act = act_await,
				    .show = show_fake };

static int await(int guest_id, int own_id, int error)
{
	return plan_add(&plan, SIDE_HOST, op_await, fake_args, .id = guest_id, .slot = own_id,
			.error = error, .say = "it failed");
}

static void test_both_work_at_once(void **state)
{
	(void)state;
	birth();
	host(0);
	plan_beside(&plan, await(1, 2, 0));
	guest(1);
	host(3);
	guest(4);
	assert_int_equal(walk(), 0);
	assert_int_equal(reap_guest(), 0);
	assert_string_equal(done(), "0h 1g 2h 3h 4g");
	assert_no_fd_left();
}

static void test_after_a_turn_of_the_guest(void **state)
{
	(void)state;
	birth();
	guest(0);
	plan_beside(&plan, await(1, 2, 0));
	guest(1);
	host(3);
	guest(4);
	assert_int_equal(walk(), 0);
	assert_int_equal(reap_guest(), 0);
	assert_string_equal(done(), "0g 1g 2h 3h 4g");
	assert_no_fd_left();
}

static void test_alternatives_stay_what_they_are(void **state)
{
	int first, alternative;

	(void)state;
	birth();
	first = plan_add(&plan, SIDE_HOST, op_fake, fake_args, .id = 0, .error = EPERM);
	alternative = host(1);
	plan_on_alt(&plan, first, EPERM, alternative);
	await(3, 2, 0);
	plan_beside(&plan, first);
	guest(3);
	host(4);
	guest(5);
	assert_int_equal(walk(), 0);
	assert_int_equal(reap_guest(), 0);
	/* Which side begins is not said. */
	if (strcmp(done(), "1h 3g 2h 4h 5g") != 0 && strcmp(done(), "3g 1h 2h 4h 5g") != 0)
		fail_msg("done: %s", done());
	assert_no_fd_left();
}

static void test_no_guest_to_be_beside(void **state)
{
	(void)state;
	birth();
	guest(0);
	plan_beside(&plan, host(1));
	host(2);
	guest(3);
	assert_int_equal(walk(), 0);
	assert_int_equal(reap_guest(), 0);
	assert_string_equal(done(), "0g 1h 2h 3g");
	assert_no_fd_left();
}

static void test_its_failure_ends_the_guest(void **state)
{
	char line[1024];

	(void)state;
	birth();
	plan_scope(&plan, "/linux/resources/devices", NULL);
	plan_beside(&plan, await(1, 2, ENOSPC));
	guest(1);
	host(3);
	plan_add(&plan, SIDE_GUEST, op_exec, fake_args, .id = 4);
	assert_int_equal(walk(), -ENOSPC);
	err_format(&err, line, sizeof line);
	assert_non_null(strstr(line, "/linux/resources/devices"));
	assert_string_equal(done(), "1g");
	assert_no_child();
	assert_no_fd_left();
}

static void test_the_guest_fails_meanwhile(void **state)
{
	(void)state;
	birth();
	plan_beside(&plan, await(1, 2, 0));
	guest(1);
	plan_add(&plan, SIDE_GUEST, op_fake, fake_args, .id = 3, .error = EBUSY);
	host(4);
	assert_int_equal(walk(), -EBUSY);
	assert_string_equal(done(), "1g 2h");
	assert_no_child();
	assert_no_fd_left();
}

static void test_the_guest_dies_meanwhile(void **state)
{
	char line[1024];

	(void)state;
	birth();
	plan_beside(&plan, await(1, 2, 0));
	guest(1);
	plan_add(&plan, SIDE_GUEST, op_fake, fake_args, .id = 3, .signal = SIGKILL);
	host(4);
	assert_true(walk() < 0);
	err_format(&err, line, sizeof line);
	assert_non_null(strstr(line, "signal 9"));
	assert_string_equal(done(), "1g 2h");
	assert_no_child();
	assert_no_fd_left();
}

#define BESIDE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BESIDE(test_both_work_at_once),
		BESIDE(test_after_a_turn_of_the_guest),
		BESIDE(test_alternatives_stay_what_they_are),
		BESIDE(test_no_guest_to_be_beside),
		BESIDE(test_its_failure_ends_the_guest),
		BESIDE(test_the_guest_fails_meanwhile),
		BESIDE(test_the_guest_dies_meanwhile),
	};

	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
