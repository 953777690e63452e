/*
 * netns.c - another network namespace, visited for a moment.
 */
#include "net/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

int netns_enter(int netns, int *ret_back)
{
	_cleanup_fd_ int back = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (back < 0 || setns(netns, CLONE_NEWNET) < 0)
		return -errno;
	*ret_back = fd_take(&back);
	return 0;
}

void netns_leave(int back)
{
	struct err e = ERR_INIT;

	/* For want of memory, say: that may pass. */
	for (int tries = 0; tries < 3; tries++) {
		if (setns(back, CLONE_NEWNET) < 0)
			continue;
		close(back);
		return;
	}
	/* The intent record then takes all back. */
	err_set(&e, errno, "cannot return from the container's network namespace: setns");
	err_fix(&e, "what was made is on record: kist delete --force");
	log_err(&e);
	_exit(1);
}
