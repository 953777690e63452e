/* test_reap.c - base/reap.c: how a first process ended, when that is kist's init, and when it
 * isn't. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/reap.h"

/* Of a child with that name and end. */
static siginfo_t end_of(const char *name, int code, int signal)
{
	siginfo_t info;
	pid_t pid = fork();
	int fd;

	if (pid == 0) {
		prctl(PR_SET_NAME, name);
		if (signal)
			kill(getpid(), signal);
		_exit(code);
	}
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(fd >= 0);
	assert_int_equal(reap_first(fd, &info), 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED),
			 -1); /* it is reaped */
	close(fd);
	return info;
}

#define assert_end(name, code, signal, si, status)                                                 \
	do {                                                                                       \
		siginfo_t end = end_of(name, code, signal);                                        \
		assert_int_equal(end.si_code, si);                                                 \
		assert_int_equal(end.si_status, status);                                           \
	} while (0)

static void ends(void **state)
{
	(void)state;
	assert_end("sh", 0, 0, CLD_EXITED, 0);
	assert_end("sh", 134, 0, CLD_EXITED, 134);
	assert_end("sh", 0, SIGKILL, CLD_KILLED, SIGKILL);
	assert_end(REAP_SIGNAL_NAME "6", 134, 0, CLD_KILLED, SIGABRT);
	assert_end(REAP_SIGNAL_NAME "64", 192, 0, CLD_KILLED, 64);
	/* What doesn't fit together is no word of init's. */
	assert_end(REAP_SIGNAL_NAME "6", 135, 0, CLD_EXITED, 135);
	assert_end(REAP_SIGNAL_NAME "6", 6, 0, CLD_EXITED, 6);
	assert_end(REAP_SIGNAL_NAME "0", 128, 0, CLD_EXITED, 128);
	assert_end(REAP_SIGNAL_NAME "65", 193, 0, CLD_EXITED, 193);
	assert_end(REAP_SIGNAL_NAME "x", 134, 0, CLD_EXITED, 134);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(ends) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
