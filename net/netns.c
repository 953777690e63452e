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
#include "net/netlink.h"

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
	/* In the container's namespace every later step, and every undo, would act on the wrong
	 * host. To end is better: the intent record then takes all back. */
	err_set(&e, errno, "cannot return from the container's network namespace: setns");
	err_fix(&e, "what was made is on record: kist delete --force");
	log_err(&e);
	_exit(1);
}

int netns_open_rtnl(int netns)
{
	int back, fd, r = netns_enter(netns, &back);

	if (r < 0)
		return r;
	fd = nl_open(NETLINK_ROUTE);
	netns_leave(back);
	return fd;
}
