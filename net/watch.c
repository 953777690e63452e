/*
 * watch.c - the networks kept as the records say, by somebody who stays.
 *
 * The kernel says when nftables or an interface changed (nfnetlink's and
 * rtnetlink's groups). A kist-dns that dies is nobody's child: it is missed by
 * looking.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "base/fd.h"
#include "base/log.h"
#include "net/firewall.h"
#include "net/net.h"
#include "net/netlink.h"

#define LOOK_EVERY 3000 /* ms */
/* Changes come in bunches, and one's own are among them. */
#define PAUSE_NS 100000000

static int watch_links(struct err *e)
{
	_cleanup_fd_ int fd = nl_open(NETLINK_ROUTE);
	int group = RTNLGRP_LINK;

	if (fd < 0)
		return err_set(e, -fd, "socket(AF_NETLINK, NETLINK_ROUTE)");
	if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
		return err_set(e, errno, "setsockopt(NETLINK_ADD_MEMBERSHIP, RTNLGRP_LINK)");
	return fd_take(&fd);
}

int net_watch(struct err *e)
{
	static const struct timespec pause = { .tv_nsec = PAUSE_NS };
	_cleanup_fd_ int rules = firewall_watch(e), links = rules < 0 ? -EBADF : watch_links(e);

	if (rules < 0 || links < 0)
		return rules < 0 ? rules : links;
	for (;;) {
		struct pollfd p[] = { { .fd = rules, .events = POLLIN }, { .fd = links, .events = POLLIN } };
		struct err now = ERR_INIT;

		/* What changes from here on is seen by the next look. */
		firewall_watch_read(rules);
		firewall_watch_read(links);
		if (net_reconcile(&now) < 0)
			log_err(&now);
		nanosleep(&pause, NULL);
		if (poll(p, 2, LOOK_EVERY) < 0 && errno != EINTR)
			return err_set(e, errno, "poll");
	}
}
