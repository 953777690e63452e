/*
 * test_seccomp_load.c - the stand-in that hands a listener to the host: when it fails, the guest
 * ends, and never waits for it nor runs without the agent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>

#include "tests/unit/failing.h"

#include "base/engine.h"
#include "runtime/seccomp.h"

static struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
static const struct seccomp_filter for_agent = {
	.code = &allow, .count = 1, .notify = true, .flags = SECCOMP_FILTER_FLAG_NEW_LISTENER
};
/* Of the calls that can fail: mmap, sigaction, clone3; in the stand-in prctl, set_robust_list,
 * gettid; seccomp. */
enum { ROBUST_LIST = 5, SECCOMP = 7 };

static int begin(void **state)
{
	(void)state;
	failing = mmap(NULL, sizeof *failing, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	assert_ptr_not_equal(failing, MAP_FAILED);
	return 0;
}

static int load(struct err *e)
{
	struct plan p = { 0 };
	struct run r;
	int result;

	run_init(&r, &p);
	r.side = SIDE_GUEST; /* whose host is gone: its socket is closed */
	result = op_seccomp.act(&r, &(struct op_seccomp_args){ &for_agent, 5 }, e);
	failing->armed = false;
	return result;
}

/* In a child, whose wait status it returns: 0, it failed with that error and those words. */
static int loads(struct failing how, bool in_pidns, int error, const char *words)
{
	pid_t pid = fork();
	int status = -1;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct err e = ERR_INIT;

		alarm(60);
		signal(SIGILL, SIG_DFL); /* cmocka's */
		signal(SIGTRAP, SIG_DFL);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (in_pidns && unshare(CLONE_NEWPID) < 0)
			_exit(2);
		*failing = how;
		_exit(load(&e) != -error || !strstr(e.context[0], words));
	}
	/* Not one of the calls that are counted. */
	assert_int_equal(__real_waitpid(pid, &status, 0), pid);
	failing->armed = false;
	return status;
}

static void the_stand_in_cannot(void **state)
{
	(void)state;
	assert_int_equal(loads((struct failing){ .armed = true, .error = EPERM, .at = ROBUST_LIST },
			       false, ECHILD, "the helper for the seccomp listener is gone"),
			 0);
	/* Whose parent it is not, it does not know: in another pid namespace nobody has a number.
	 */
	if (geteuid() == 0)
		assert_int_equal(loads((struct failing){ 0 }, true, ECHILD, "is gone"), 0);
}

static void the_filter_is_refused(void **state)
{
	(void)state;
	assert_int_equal(loads((struct failing){ .armed = true, .error = EBUSY, .at = SECCOMP },
			       false, EBUSY, "seccomp(SECCOMP_SET_MODE_FILTER)"),
			 0);
}

/* The filter is there, and nobody has its listener: a trap, since no call could be made to end. */
static void the_host_is_gone(void **state)
{
	int status = loads((struct failing){ 0 }, false, 0, "");

	(void)state;
	if (!WIFSIGNALED(status) || (WTERMSIG(status) != SIGILL && WTERMSIG(status) != SIGTRAP))
		fail_msg("status %x", (unsigned)status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_stand_in_cannot),
		cmocka_unit_test(the_filter_is_refused),
		cmocka_unit_test(the_host_is_gone),
	};

	return cmocka_run_group_tests_name("seccomp_load", tests, begin, NULL);
}
