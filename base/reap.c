/*
 * reap.c - how a container's first process ended.
 */
#include "base/reap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"

#define SIGNALS_MAX 64

/* A zombie keeps its pid, and its name. */
static int signal_named(int pidfd)
{
	char path[64], text[512];
	const char *at;
	int n;

	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
	if (file_read_at(AT_FDCWD, path, text, sizeof text) <= 0 || !(at = strstr(text, "\nPid:")))
		return 0;
	snprintf(path, sizeof path, "/proc/%ld/comm", strtol(at + strlen("\nPid:"), NULL, 10));
	if (file_read_at(AT_FDCWD, path, text, sizeof text) <= 0 ||
	    strncmp(text, REAP_SIGNAL_NAME, strlen(REAP_SIGNAL_NAME)) != 0)
		return 0;
	n = (int)strtol(text + strlen(REAP_SIGNAL_NAME), NULL, 10);
	return n > 0 && n <= SIGNALS_MAX ? n : 0;
}

static int wait_for(int pidfd, siginfo_t *ret, int flags)
{
	*ret = (siginfo_t){ 0 };
	while (waitid(P_PIDFD, (id_t)pidfd, ret, flags) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int reap_first(int pidfd, siginfo_t *ret)
{
	int r = wait_for(pidfd, ret, WEXITED | WNOWAIT), signal = 0;

	if (r == 0 && ret->si_code == CLD_EXITED && ret->si_status > 128)
		signal = signal_named(pidfd);
	if (r == 0)
		r = wait_for(pidfd, ret, WEXITED);
	if (r == 0 && signal && ret->si_status == 128 + signal) {
		ret->si_code = CLD_KILLED;
		ret->si_status = signal;
	}
	return r;
}
