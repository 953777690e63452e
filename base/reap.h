/*
 * reap.h - how a container's first process ended, when that is kist's own init.
 *
 * Init can't end by its child's signal: process 1 of a pid namespace is deaf to what it sends
 * itself. It ends with 128 + n, as a shell would, and leaves the number where only it can: its own
 * name, which stays readable until it is reaped.
 */
#pragma once
#include <sys/wait.h>

#define REAP_SIGNAL_NAME "signal " /* and the number */

/* Waits for it and reaps it. si_code, si_status: of init's child, where it is init. 0 or -errno. */
int reap_first(int pidfd, siginfo_t *ret);
