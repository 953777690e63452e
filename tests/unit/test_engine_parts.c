/*
 * test_engine_parts.c - base/engine.c: a walk in parts, by a host that has other things to do.
 */
#include <poll.h>
#include "base/clock.h"
#include "tests/unit/fake_plan.h"

/* Waits until the test lets it go on. */
static int act_wait(struct run *r, const void *args, struct err *e)
{
	const struct fake_args *a = args;
	char c;

	(void)e;
	if (read(run_slot(r, a->slot), &c, 1) != 1)
		return -EIO;
	note(r, a->id);
	return 0;
}

static const struct op op_wait = { .name = "wait", .man = "read(2)", .act = act_wait,
				   .show = show_fake };

/* What the guest has open: stdio, its socket, what it waits at. */
static int act_count(struct run *r, const void *args, struct err *e)
{
	int count = 0;

	(void)args;
	(void)e;
	for (int fd = 3; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	note(r, 100 + count);
	return 0;
}

static const struct op op_count = { .name = "count", .man = "fcntl(2)", .act = act_count,
				    .show = show_fake };

static int walk_on(int gate[2], int slot)
{
	run_init(&run, &plan);
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	run_set_fd(&run, slot, gate[0]);
	return run_walk_on(&run, &err);
}

static void go_on_at(int gate)
{
	struct pollfd p = { .fd = run.sync, .events = POLLIN };

	assert_int_equal(write(gate, "x", 1), 1);
	assert_int_equal(poll(&p, 1, -1), 1);
}

static int walk_to_end(void)
{
	struct pollfd p = { .fd = run.sync, .events = POLLIN };
	int n;

	while ((n = run_walk_on(&run, &err)) == 1)
		assert_int_equal(poll(&p, 1, -1), 1);
	return n;
}

static void test_a_walk_in_parts(void **state)
{
	int slot = plan_new_slot(&plan, "gate"), gate[2], other = open("/dev/null", O_RDONLY), n;

	(void)state;
	host(0);
	birth();
	plan_add(&plan, SIDE_GUEST, op_wait, fake_args, .id = 1, .slot = slot);
	plan_add0(&plan, SIDE_GUEST, op_count);
	host(2);
	plan_add(&plan, SIDE_GUEST, op_wait, fake_args, .id = 3, .slot = slot);
	host(4);
	guest(5);
	n = walk_on(gate, slot);
	/* The guest's turn, and it has not even begun: whoever asks again gets the same answer. */
	assert_int_equal(n, 1);
	assert_int_equal(run_walk_on(&run, &err), 1);
	assert_string_equal(done(), "0h");
	go_on_at(gate[1]);
	assert_int_equal(run_walk_on(&run, &err), 1);
	/* Of all that is open here the guest has its socket and its own pipe. */
	assert_string_equal(done(), "0h 1g 102g 2h");
	go_on_at(gate[1]);
	assert_int_equal(walk_to_end(), 0);
	assert_string_equal(done(), "0h 1g 102g 2h 3g 4h 5g");
	reap_guest();
	close(gate[1]);
	close(other);
	assert_no_fd_left();
}

/* At the gate the guest has done all before it, and goes on only when it is let. */
static void walk_until_held(void)
{
	struct pollfd p;
	int n;

	run.hold = true;
	while ((n = run_walk_on(&run, &err)) == 1) {
		p = (struct pollfd){ .fd = run.sync, .events = POLLIN };
		assert_int_equal(poll(&p, 1, -1), 1);
	}
	assert_int_equal(n, 2);
}

static void test_a_walk_that_is_held(void **state)
{
	(void)state;
	host(0);
	birth();
	guest(1);
	plan.gate = plan.count;
	host(2);
	guest(3);
	run_init(&run, &plan);
	walk_until_held();
	assert_int_equal(run_walk_on(&run, &err), 2);
	assert_string_equal(done(), "0h 1g");
	run.hold = false;
	assert_int_equal(walk_to_end(), 0);
	assert_string_equal(done(), "0h 1g 2h 3g");
	reap_guest();
	assert_no_fd_left();
}

/* Whoever gives it up kills it there. */
static void test_a_guest_that_dies_while_held(void **state)
{
	struct pollfd p;

	(void)state;
	birth();
	guest(1);
	plan.gate = plan.count;
	host(2);
	guest(3);
	run_init(&run, &plan);
	walk_until_held();
	assert_int_equal(syscall(SYS_pidfd_send_signal, run_slot(&run, SLOT_GUEST_PIDFD), SIGKILL,
				 NULL, 0), 0);
	p = (struct pollfd){ .fd = run.sync, .events = POLLIN };
	assert_int_equal(poll(&p, 1, -1), 1);
	run.hold = false;
	assert_int_equal(run_walk_on(&run, &err), -ECHILD);
	assert_string_equal(done(), "1g 2h");
	assert_no_child();
	run_close(&run);
	assert_no_fd_left();
}

static void test_a_guest_that_dies_between_two_parts(void **state)
{
	int slot = plan_new_slot(&plan, "gate"), gate[2];
	struct pollfd p;

	(void)state;
	birth();
	plan_add(&plan, SIDE_GUEST, op_wait, fake_args, .id = 1, .slot = slot);
	host(2);
	assert_int_equal(walk_on(gate, slot), 1);
	assert_int_equal(syscall(SYS_pidfd_send_signal, run_slot(&run, SLOT_GUEST_PIDFD), SIGKILL,
				 NULL, 0), 0);
	p = (struct pollfd){ .fd = run.sync, .events = POLLIN };
	assert_int_equal(poll(&p, 1, -1), 1);
	assert_int_equal(run_walk_on(&run, &err), -ECHILD);
	assert_string_equal(done(), "");
	assert_no_child();
	run_close(&run);
	close(gate[1]);
	assert_no_fd_left();
}

/* Away from home nobody goes back to other things: it waits. */
static void test_a_host_on_a_visit_waits(void **state)
{
	int slot = plan_new_slot(&plan, "gate"), home = plan_new_slot(&plan, "home"), gate[2];

	(void)state;
	plan_home(&plan, home);
	birth();
	plan_add(&plan, SIDE_GUEST, op_wait, fake_args, .id = 1, .slot = slot);
	host(2);
	guest(3);
	run_init(&run, &plan);
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	assert_int_equal(write(gate[1], "x", 1), 1);
	run_set_fd(&run, slot, gate[0]);
	run_set_fd(&run, home, open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC));
	assert_int_equal(run_walk_on(&run, &err), 0);
	assert_string_equal(done(), "1g 2h 3g");
	reap_guest();
	close(gate[1]);
	assert_no_fd_left();
}

/* One that never answers is given up at its time, in parts and in one walk: dead, and reaped. */
static void test_a_guest_that_hangs(void **state)
{
	int slot = plan_new_slot(&plan, "gate"), gate[2];

	(void)state;
	birth();
	plan_add(&plan, SIDE_GUEST, op_wait, fake_args, .id = 1, .slot = slot);
	host(2);
	for (int parts = 0; parts < 2; parts++) {
		run_init(&run, &plan);
		assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
		run_set_fd(&run, slot, gate[0]);
		run.until = clock_now_ms() + 300;
		if (parts) {
			assert_int_equal(run_walk_on(&run, &err), 1);
			assert_int_equal(poll(NULL, 0, clock_left_ms(run.until) + 1), 0);
		}
		assert_int_equal(parts ? run_walk_on(&run, &err) : run_walk(&run, &err), -ETIMEDOUT);
		assert_true(clock_left_ms(run.until) == 0);
		assert_no_child();
		run_close(&run);
		close(gate[1]);
		assert_no_fd_left();
		err_clear(&err);
	}
	assert_string_equal(done(), "");
}

#define PARTS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PARTS(test_a_walk_in_parts),
		PARTS(test_a_guest_that_dies_between_two_parts),
		PARTS(test_a_walk_that_is_held),
		PARTS(test_a_guest_that_dies_while_held),
		PARTS(test_a_host_on_a_visit_waits),
		PARTS(test_a_guest_that_hangs),
	};

	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
