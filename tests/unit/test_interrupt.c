/*
 * test_interrupt.c - signals that ask to end: those that are blocked, and not ignored.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/interrupt.h"

static void each_signal(void **state)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigset_t all, before;

	(void)state;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	assert_int_equal(interrupt_take(), 0);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		sigset_t set;

		signal(ends[i], SIG_DFL);
		kill(getpid(), ends[i]);
		assert_int_equal(interrupt_take(), ends[i]);
		assert_int_equal(interrupt_take(), 0);
		signal(ends[i], SIG_IGN);
		kill(getpid(), ends[i]);
		interrupt_set(&set);
		assert_false(sigismember(&set, ends[i]));
		assert_int_equal(interrupt_take(), 0);
		signal(ends[i], SIG_IGN); /* which drops it */
		signal(ends[i], SIG_DFL);
	}
	kill(getpid(), SIGUSR1);
	assert_int_equal(interrupt_take(), 0);
	signal(SIGUSR1, SIG_IGN);
	sigprocmask(SIG_SETMASK, &before, NULL);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		sigset_t set;

		interrupt_set(&set);
		assert_false(sigismember(&set, ends[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_signal) };

	return cmocka_run_group_tests_name("interrupt", tests, NULL, NULL);
}
