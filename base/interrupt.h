/*
 * interrupt.h - signals that ask a command to end: SIGINT, SIGTERM, SIGHUP, SIGQUIT.
 *
 * While it sets up it has them blocked, and what waits for others looks for them here: so that what was
 * made is taken back. One that is ignored (nohup(1)) asks for nothing; one that is not blocked ends
 * the process as it always does.
 */
#pragma once
#include <signal.h>

#define INTERRUPT_LOOK_MS 200 /* how often one who waits looks, in the middle of a call */

/* Those that are to be heeded now. */
void interrupt_set(sigset_t *ret);
/* One of them that is there, or 0. It is taken, or it would end whatever comes next, too. */
int interrupt_take(void);
