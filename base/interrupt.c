/*
 * interrupt.c - signals that ask a command to end.
 */
#include "base/interrupt.h"

#include <stddef.h>
#include <time.h>

void interrupt_set(sigset_t *ret)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction action;
	sigset_t blocked;

	sigemptyset(ret);
	sigprocmask(SIG_BLOCK, NULL, &blocked);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (sigismember(&blocked, ends[i]) && sigaction(ends[i], NULL, &action) == 0 &&
		    action.sa_handler != SIG_IGN)
			sigaddset(ret, ends[i]);
}

int interrupt_take(void)
{
	const struct timespec now = { 0 };
	sigset_t set;
	int signal;

	interrupt_set(&set);
	signal = sigtimedwait(&set, NULL, &now);
	return signal > 0 ? signal : 0;
}
