/*
 * test_engine.c - base/engine.c: plans with two sides, their turns, failures and ends.
 */
#include "tests/unit/fake_plan.h"

/* --- walking -------------------------------------------------------------------------- */

static void test_host_only(void **state)
{
	(void)state;
	host(0);
	host(1);
	assert_int_equal(walk(), 0);
	assert_string_equal(done(), "0h 1h");
	assert_no_fd_left();
}

static void test_empty_plan(void **state)
{
	(void)state;
	assert_int_equal(walk(), 0);
	assert_no_fd_left();
}

static void test_turns(void **state)
{
	(void)state;
	host(0);
	birth();
	guest(1);
	guest(2);
	host(3);
	guest(4);
	host(5);
	host(6);
	guest(7);
	plan_add(&plan, SIDE_GUEST, op_exec, fake_args, .id = 8);
	assert_int_equal(walk(), 0);
	assert_int_equal(reap_guest(), 0);
	assert_string_equal(done(), "0h 1g 2g 3h 4g 5h 6h 7g 8g");
	for (int i = 0; i < shared->count; i++)
		assert_true((shared->done[i].pid == getpid()) == (shared->done[i].side == SIDE_HOST));
	assert_no_fd_left();
}

static void test_many_turns(void **state)
{
	(void)state;
	birth();
	for (int i = 0; i < 30; i++)
		(i % 2 ? guest : host)(i);
	assert_int_equal(walk(), 0);
	reap_guest();
	assert_int_equal(shared->count, 30);
	for (int i = 0; i < 30; i++)
		assert_int_equal(shared->done[i].id, i);
	assert_no_fd_left();
}

static void test_an_fd_crosses(void **state)
{
	int slot = plan_new_slot(&plan, "pipe"), back = plan_new_slot(&plan, "end");
	char text[8] = "";

	(void)state;
	birth();
	plan_add(&plan, SIDE_HOST, op_pipe, fake_args, .slot = slot);
	plan_add(&plan, SIDE_HOST, op_send_fd, op_send_fd_args, .slot = slot);
	plan_add(&plan, SIDE_GUEST, op_say, fake_args, .slot = slot);
	assert_int_equal(walk(), 0);
	assert_int_equal(reap_guest(), 0);
	assert_int_equal(read(run_slot(&run, back), text, sizeof text), 5);
	assert_string_equal(text, "hello");
	assert_no_fd_left();
}

static void test_sending_an_empty_slot_fails(void **state)
{
	int slot = plan_new_slot(&plan, "empty"), r;

	(void)state;
	birth();
	plan_add(&plan, SIDE_HOST, op_send_fd, op_send_fd_args, .slot = slot);
	plan_add(&plan, SIDE_GUEST, op_say, fake_args, .slot = slot);
	r = walk();
	if (r >= 0)
		reap_guest();
	assert_no_fd_left();
	assert_true(r < 0);
	assert_no_child();
	assert_no_fd_left();
}

/* --- on-errno ------------------------------------------------------------------------- */

/* The same table on each side: done, skip over two, alternative. */
static void run_errno_table(enum side side)
{
	int s;

	plan_add(&plan, side, op_fake, fake_args, .id = 0);
	s = plan_add(&plan, side, op_fake, fake_args, .id = 1, .error = EEXIST);
	plan_on_done(&plan, s, EBUSY);
	plan_on_done(&plan, s, EEXIST);
	s = plan_add(&plan, side, op_fake, fake_args, .id = 2, .error = ENOENT, .say = "absent");
	plan_add(&plan, side, op_fake, fake_args, .id = 3);
	plan_add(&plan, side, op_fake, fake_args, .id = 4);
	plan_on_skip_here(&plan, s, ENOENT);
	s = plan_add(&plan, side, op_fake, fake_args, .id = 5, .error = ENOTDIR);
	plan_on_alt(&plan, s, ENOTDIR, plan_add(&plan, side, op_fake, fake_args, .id = 6));
	/* An alternative nobody needs, one of an alternative, one that fails in a known way. */
	s = plan_add(&plan, side, op_fake, fake_args, .id = 7);
	plan_on_alt(&plan, s, EPERM, plan_add(&plan, side, op_fake, fake_args, .id = 8));
	s = plan_add(&plan, side, op_fake, fake_args, .id = 9, .error = EPERM);
	{
		int alt = plan_add(&plan, side, op_fake, fake_args, .id = 10, .error = ENOSYS);

		plan_on_alt(&plan, s, EPERM, alt);
		plan_on_alt(&plan, alt, ENOSYS, plan_add(&plan, side, op_fake, fake_args, .id = 11));
	}
	s = plan_add(&plan, side, op_fake, fake_args, .id = 12, .error = EPERM);
	{
		int alt = plan_add(&plan, side, op_fake, fake_args, .id = 13, .error = EBUSY);

		plan_on_alt(&plan, s, EPERM, alt);
		plan_on_done(&plan, alt, EBUSY);
	}
	plan_add(&plan, side, op_fake, fake_args, .id = 14);
}

static void test_errno_table_host(void **state)
{
	(void)state;
	run_errno_table(SIDE_HOST);
	assert_int_equal(walk(), 0);
	assert_string_equal(done(), "0h 6h 7h 11h 14h");
	assert_int_equal(err.error, 0);
}

static void test_errno_table_guest(void **state)
{
	(void)state;
	birth();
	run_errno_table(SIDE_GUEST);
	host(20);
	guest(21);
	assert_int_equal(walk(), 0);
	assert_int_equal(reap_guest(), 0);
	assert_string_equal(done(), "0g 6g 7g 11g 14g 20h 21g");
	assert_no_fd_left();
}

static void test_skip_to_the_end(void **state)
{
	int s;

	(void)state;
	host(0);
	s = plan_add(&plan, SIDE_HOST, op_fake, fake_args, .id = 1, .error = ENOENT);
	host(2);
	plan_on_skip_here(&plan, s, ENOENT);
	assert_int_equal(walk(), 0);
	assert_string_equal(done(), "0h");
}

static void test_other_errno_is_an_error(void **state)
{
	int s;

	(void)state;
	s = plan_add(&plan, SIDE_HOST, op_fake, fake_args, .id = 0, .error = EACCES);
	plan_on_done(&plan, s, ENOENT);
	plan_on_skip_here(&plan, s, EPERM);
	host(1);
	assert_int_equal(walk(), -EACCES);
	assert_int_equal(err.step, 0);
	assert_int_equal(shared->count, 0);
}

static void test_failing_alternative_is_named(void **state)
{
	int s, alt;

	(void)state;
	s = plan_add(&plan, SIDE_HOST, op_fake, fake_args, .id = 0, .error = EACCES);
	alt = plan_add(&plan, SIDE_HOST, op_fake, fake_args, .id = 1, .error = EROFS);
	plan_on_alt(&plan, s, EACCES, alt);
	host(2);
	assert_int_equal(walk(), -EROFS);
	assert_int_equal(err.step, alt);
	assert_int_equal(shared->count, 0);
}

/* --- errors --------------------------------------------------------------------------- */

static void test_host_error_says_where(void **state)
{
	char line[1024];

	(void)state;
	plan_scope(&plan, "/mounts/3", "/data");
	plan_add(&plan, SIDE_HOST, op_fake, fake_args, .id = 5, .error = EPERM);
	assert_int_equal(walk(), -EPERM);
	err_format(&err, line, sizeof line);
	assert_string_equal(line, "/mounts/3 (/data): fake(5): Operation not permitted");
	assert_int_equal(err.error, EPERM);
	assert_int_equal(err.step, 0);
}

static void test_guest_error_arrives(void **state)
{
	char line[1024];
	int s;

	(void)state;
	birth();
	plan_scope(&plan, "/mounts/3", "/data");
	guest(0);
	host(1);
	s = plan_add(&plan, SIDE_GUEST, op_fake, fake_args, .id = 2, .error = ENOSPC, .say = "no room");
	host(3);
	assert_int_equal(walk(), -ENOSPC);
	assert_int_equal(err.error, ENOSPC);
	assert_int_equal(err.step, s);
	assert_string_equal(err.where, "/mounts/3 (/data)");
	err_format(&err, line, sizeof line);
	assert_non_null(strstr(line, "no room"));
	assert_non_null(strstr(line, "No space left on device"));
	assert_string_equal(done(), "0g 1h");
	assert_no_child();
	assert_no_fd_left();
}

static void test_guest_error_after_the_last_host_step(void **state)
{
	(void)state;
	birth();
	guest(0);
	host(1);
	guest(2);
	plan_add(&plan, SIDE_GUEST, op_fake, fake_args, .id = 3, .error = ENOEXEC, .say = "bad program");
	guest(4);
	assert_int_equal(walk(), -ENOEXEC);
	assert_string_equal(done(), "0g 1h 2g");
	assert_no_child();
	assert_no_fd_left();
}

static void test_host_error_ends_the_guest(void **state)
{
	(void)state;
	birth();
	guest(0);
	plan_add(&plan, SIDE_HOST, op_fake, fake_args, .id = 1, .error = EBUSY);
	guest(2);
	assert_int_equal(walk(), -EBUSY);
	assert_string_equal(done(), "0g");
	assert_no_child();
	assert_no_fd_left();
}

/* --- a guest that dies -------------------------------------------------------------------- */

static void die_at(int position, int signal, int exit_code)
{
	char line[1024];
	int r;

	set_up(NULL);
	birth();
	for (int i = 0; i < 6; i++) {
		if (i == position)
			plan_add(&plan, SIDE_GUEST, op_fake, fake_args, .signal = signal,
				 .exit_code = exit_code);
		else
			(i % 2 ? host : guest)(i);
	}
	host(6);
	r = walk();
	err_format(&err, line, sizeof line);
	if (r >= 0)
		fail_msg("guest died at %d and nobody noticed", position);
	if (signal && !strstr(line, "signal"))
		fail_msg("died at %d of signal %d, told: %s", position, signal, line);
	if (exit_code && !strstr(line, "status"))
		fail_msg("died at %d with status %d, told: %s", position, exit_code, line);
	for (int i = 0; i < shared->count; i++)
		assert_true(shared->done[i].id < position);
	assert_no_child();
	assert_no_fd_left();
	tear_down(NULL);
}

static void test_guest_dies_anywhere(void **state)
{
	(void)state;
	tear_down(NULL);
	for (int position = 0; position < 6; position++) {
		die_at(position, SIGKILL, 0);
		die_at(position, SIGSYS, 0);
		die_at(position, 0, 9);
	}
	set_up(NULL);
}

static void test_guest_killed_during_a_host_step(void **state)
{
	char line[1024];

	(void)state;
	birth();
	guest(0);
	plan_add0(&plan, SIDE_HOST, op_murder);
	host(1);
	guest(2);
	host(3);
	assert_true(walk() < 0);
	assert_string_equal(done(), "0g 1h");
	err_format(&err, line, sizeof line);
	/* Not "Broken pipe": what a user can use is that it was killed. */
	if (!strstr(line, "signal 9"))
		fail_msg("told: %s", line);
	assert_no_child();
	assert_no_fd_left();
}

/* --- faults ------------------------------------------------------------------------------- */

static int fault_plan(void)
{
	int s;

	host(0);
	birth();
	guest(1);
	host(2);
	s = guest(3);
	plan_on_done(&plan, s, EEXIST);
	guest(4);
	host(5);
	s = host(6);
	plan_on_alt(&plan, s, EPERM, plan_add(&plan, SIDE_HOST, op_fake, fake_args, .id = 7));
	guest(8);
	host(9);
	guest(10);
	return plan.count;
}

static void test_fault_at_every_step(void **state)
{
	int count = fault_plan();

	(void)state;
	for (int n = 0; n < count; n++) {
		bool alternative = plan.steps[n].alternative;
		int r;

		memset(shared, 0, sizeof *shared);
		err_clear(&err);
		run_init(&run, &plan);
		run.fault_step = n;
		run.fault_error = EIO;
		r = run_walk(&run, &err);
		if (alternative) {
			assert_int_equal(r, 0);
			reap_guest();
		} else {
			assert_int_equal(r, -EIO);
			assert_int_equal(err.step, n);
			/* Nothing behind the fault was done. */
			for (int i = 0; i < shared->count; i++)
				for (int k = n; k < count; k++)
					if (plan.steps[k].op == &op_fake)
						assert_true(((const struct fake_args *)
							     plan.steps[k].args)->id !=
							    shared->done[i].id);
		}
		assert_no_child();
		assert_no_fd_left();
	}
}

static void test_fault_that_a_table_takes(void **state)
{
	(void)state;
	fault_plan();
	run_init(&run, &plan);
	for (int n = 0; n < plan.count; n++)
		if (plan.steps[n].on_errno_count && plan.steps[n].on_errno[0].action == ON_ALT)
			run.fault_step = n;
	run.fault_error = EPERM;
	assert_int_equal(run_walk(&run, &err), 0);
	reap_guest();
	assert_string_equal(done(), "0h 1g 2h 3g 4g 5h 7h 8g 9h 10g");
	assert_no_fd_left();
}

/* --- reports ------------------------------------------------------------------------------ */

static int reported[MAX_DONE][2], report_count;

static void on_report(void *user, const struct plan *p, struct run_report report)
{
	assert_ptr_equal(user, &report_count);
	assert_ptr_equal(p, &plan);
	reported[report_count][0] = report.step;
	reported[report_count++][1] = report.result;
}

static void test_every_step_is_reported_once(void **state)
{
	int skipped, taken;

	(void)state;
	host(0);
	birth();
	guest(1);
	taken = plan_add(&plan, SIDE_GUEST, op_fake, fake_args, .id = 2, .error = EEXIST);
	plan_on_done(&plan, taken, EEXIST);
	host(3);
	skipped = plan_add(&plan, SIDE_HOST, op_fake, fake_args, .id = 4);
	plan_on_alt(&plan, host(5), EPERM, skipped);
	guest(6);
	plan_add(&plan, SIDE_GUEST, op_exec, fake_args, .id = 7);
	run_init(&run, &plan);
	report_count = 0;
	run.report = on_report;
	run.user = &report_count;
	run.report_steps = true;
	assert_int_equal(run_walk(&run, &err), 0);
	reap_guest();
	for (int step = 0, at = 0; step < plan.count; step++) {
		if (step == skipped)
			continue;
		assert_true(at < report_count);
		assert_int_equal(reported[at][0], step);
		if (step == taken)
			assert_int_equal(reported[at][1], -EEXIST);
		else
			assert_true(reported[at][1] >= 0);
		at++;
	}
	assert_int_equal(report_count, plan.count - 1);
	assert_no_fd_left();
}

/* --- detaching ---------------------------------------------------------------------------- */

static int act_slow(struct run *r, const void *args, struct err *e)
{
	const struct fake_args *a = args;

	(void)e;
	usleep(200000);
	note(r, a->id);
	return 0;
}

static const struct op op_slow = { .name = "slow", .man = "nanosleep(2)", .act = act_slow };

static void test_detach(void **state)
{
	(void)state;
	birth();
	guest(0);
	host(1);
	plan.detach = plan_add(&plan, SIDE_GUEST, op_slow, fake_args, .id = 2);
	guest(3);
	assert_int_equal(walk(), 0);
	/* The host is done before the guest is; its closing of the socket changes nothing. */
	assert_string_equal(done(), "0g 1h");
	fd_close(&run.sync);
	assert_int_equal(reap_guest(), 0);
	assert_string_equal(done(), "0g 1h 2g 3g");
	assert_no_fd_left();
}

static void test_guest_dies_before_detach(void **state)
{
	(void)state;
	birth();
	guest(0);
	plan_add(&plan, SIDE_GUEST, op_fake, fake_args, .signal = SIGKILL);
	plan.detach = guest(2);
	assert_true(walk() < 0);
	assert_no_child();
	assert_no_fd_left();
}

/* After wait_start the guest answers on another socket; that end hears EOF or the error. */
static int start_pair[2];

static int act_new_sync(struct run *r, const void *args, struct err *e)
{
	(void)args;
	(void)e;
	close(start_pair[0]);
	run_set_sync(r, start_pair[1]);
	return 0;
}

static const struct op op_new_sync = { .name = "accept4", .man = "accept(2)", .act = act_new_sync };

static void run_started(int error)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, start_pair), 0);
	birth();
	guest(0);
	plan.detach = plan_add0(&plan, SIDE_GUEST, op_new_sync);
	if (error)
		plan_add(&plan, SIDE_GUEST, op_fake, fake_args, .error = error, .say = "no program");
	else
		plan_add(&plan, SIDE_GUEST, op_exec, fake_args, .id = 1);
	assert_int_equal(walk(), 0);
	close(start_pair[1]);
	assert_int_equal(run_await_exec(start_pair[0], &err), -error);
	close(start_pair[0]);
	reap_guest();
	assert_no_fd_left();
}

static void test_start_hears_the_exec(void **state)
{
	(void)state;
	run_started(0);
	assert_string_equal(done(), "0g 1g");
}

static void test_start_hears_the_error(void **state)
{
	(void)state;
	run_started(ENOENT);
	assert_string_equal(err.context[0], "no program");
}

/* --- slots -------------------------------------------------------------------------------- */

static void test_slots(void **state)
{
	int a = open("/dev/null", O_RDONLY | O_CLOEXEC), b = dup(a);

	(void)state;
	run_init(&run, &plan);
	for (int i = 0; i < PLAN_SLOTS_MAX; i++)
		assert_int_equal(run_slot(&run, i), -EBADF);
	assert_int_equal(run_slot(&run, -1), -EBADF);
	assert_int_equal(run_slot(&run, PLAN_SLOTS_MAX), -EBADF);
	run_set_fd(&run, 40, a);
	run_set_fd(&run, 40, a); /* the same one is not closed */
	assert_true(fcntl(a, F_GETFD) >= 0);
	run_set_fd(&run, 40, b);
	assert_int_equal(fcntl(a, F_GETFD), -1);
	/* A number is no fd: nothing of that number is closed. */
	run_set_number(&run, 41, b);
	run_set_number(&run, 41, 0);
	assert_true(fcntl(b, F_GETFD) >= 0);
	run_set_number(&run, 42, b);
	run_close(&run);
	assert_int_equal(fcntl(b, F_GETFD), -1);
	assert_int_equal(run_slot(&run, 40), -EBADF);
	assert_int_equal(count_fds(), fds_before);
}

/* --- undo --------------------------------------------------------------------------------- */

static int undone[16], undo_count;

static int act_undo(const struct undo_at *at, const char *const args[PLAN_UNDO_ARGS], struct err *e)
{
	assert_string_equal(at->id, "box");
	undone[undo_count++] = (int)strtol(args[0], NULL, 10);
	if (args[1])
		return err_set(e, (int)strtol(args[1], NULL, 10), "undo %s", args[0]);
	assert_null(args[2]);
	return 0;
}

static const struct undo_kind undo_fake = { .name = "fake", .act = act_undo };

static void test_undo_in_reverse(void **state)
{
	struct undo_at at = { .id = "box", .state_root = -EBADF };

	(void)state;
	plan_undo(&plan, host(0), &undo_fake, "0", NULL, NULL);
	host(1);
	plan_undo(&plan, host(2), &undo_fake, "2", NULL, NULL);
	plan_undo(&plan, host(3), &undo_fake, "3", NULL, NULL);
	undo_count = 0;
	assert_int_equal(plan_take_back(&plan, 3, &at, &err), 0);
	assert_int_equal(undo_count, 2);
	assert_true(undone[0] == 2 && undone[1] == 0);
	/* Beyond the end is the end. */
	undo_count = 0;
	assert_int_equal(plan_take_back(&plan, 1000, &at, &err), 0);
	assert_true(undo_count == 3 && undone[0] == 3);
	undo_count = 0;
	assert_int_equal(plan_take_back(&plan, 0, &at, &err), 0);
	assert_int_equal(undo_count, 0);
}

static void test_undo_goes_on_after_a_failure(void **state)
{
	struct undo_at at = { .id = "box", .state_root = -EBADF };

	(void)state;
	plan_undo(&plan, host(0), &undo_fake, "0", "5", NULL);
	plan_undo(&plan, host(1), &undo_fake, "1", NULL, NULL);
	plan_undo(&plan, host(2), &undo_fake, "2", "16", NULL);
	undo_count = 0;
	assert_int_equal(plan_take_back(&plan, plan.count, &at, &err), -16);
	assert_int_equal(undo_count, 3);
	assert_int_equal(err.error, 16);
	assert_string_equal(err.context[0], "undo 2");
	assert_int_equal(plan_take_back(&plan, plan.count, &at, NULL), -16);
}

/* The record goes last, and stays when something is left that only it tells of. */
static void test_undo_keeps_the_record_after_a_failure(void **state)
{
	static const struct undo_kind last = { .name = "last", .act = act_undo, .last = true };
	struct undo_at at = { .id = "box", .state_root = -EBADF };

	(void)state;
	plan_undo(&plan, host(0), &last, "0", NULL, NULL);
	plan_undo(&plan, host(1), &undo_fake, "1", NULL, NULL);
	plan_undo(&plan, host(2), &undo_fake, "2", "16", NULL);
	undo_count = 0;
	assert_int_equal(plan_take_back(&plan, plan.count, &at, &err), -16);
	assert_true(undo_count == 2 && undone[0] == 2 && undone[1] == 1);
	undo_count = 0;
	assert_int_equal(plan_take_back(&plan, 2, &at, &err), 0);
	assert_true(undo_count == 2 && undone[1] == 0);
}

#define ENGINE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENGINE(test_host_only),
		ENGINE(test_empty_plan),
		ENGINE(test_turns),
		ENGINE(test_many_turns),
		ENGINE(test_an_fd_crosses),
		ENGINE(test_sending_an_empty_slot_fails),
		ENGINE(test_errno_table_host),
		ENGINE(test_errno_table_guest),
		ENGINE(test_skip_to_the_end),
		ENGINE(test_other_errno_is_an_error),
		ENGINE(test_failing_alternative_is_named),
		ENGINE(test_host_error_says_where),
		ENGINE(test_guest_error_arrives),
		ENGINE(test_guest_error_after_the_last_host_step),
		ENGINE(test_host_error_ends_the_guest),
		ENGINE(test_guest_dies_anywhere),
		ENGINE(test_guest_killed_during_a_host_step),
		ENGINE(test_fault_at_every_step),
		ENGINE(test_fault_that_a_table_takes),
		ENGINE(test_every_step_is_reported_once),
		ENGINE(test_detach),
		ENGINE(test_guest_dies_before_detach),
		ENGINE(test_start_hears_the_exec),
		ENGINE(test_start_hears_the_error),
		ENGINE(test_slots),
		ENGINE(test_undo_in_reverse),
		ENGINE(test_undo_goes_on_after_a_failure),
		ENGINE(test_undo_keeps_the_record_after_a_failure),
	};

	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
