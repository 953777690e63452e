/*
 * ops.c - the network's ops: one netlink message, one socket, one sysctl each.
 */
#include "net/ops.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "base/log.h"
#include "net/address.h"
#include "net/bridge.h"
#include "net/link.h"
#include "net/netlink.h"
#include "net/netns.h"

static uint32_t slot_address(const struct run *r, int slot)
{
	return (uint32_t)run_slot(r, slot);
}

static int talk(struct run *r, int slot, struct nl_batch *b, struct err *e)
{
	return nl_talk(run_slot(r, slot), b, NULL, NULL, e);
}

/* --- the guest's namespace ------------------------------------------------------ */

static int act_netns_open(struct run *r, const void *args, struct err *e)
{
	const struct op_netns_open_args *a = args;
	int fd = openat(run_slot(r, a->proc_slot), "ns/net", O_RDONLY | O_CLOEXEC);

	(void)e;
	if (fd < 0)
		return -errno;
	run_set_fd(r, a->netns_slot, fd);
	return 0;
}

static void show_netns_open(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_netns_open_args *a = args;

	buf_add(out, "openat(");
	plan_show_slot(out, p, a->proc_slot);
	buf_add(out, ", \"ns/net\", O_RDONLY|O_CLOEXEC) = ");
	plan_show_slot(out, p, a->netns_slot);
}

const struct op op_netns_open = { .name = "openat", .man = "openat(2)", .act = act_netns_open,
				  .show = show_netns_open };

static int act_rtnl_open(struct run *r, const void *args, struct err *e)
{
	const struct op_rtnl_open_args *a = args;
	int fd = a->netns_slot >= 0 ? netns_open_rtnl(run_slot(r, a->netns_slot))
				    : nl_open(NETLINK_ROUTE);

	(void)e;
	if (fd < 0)
		return fd;
	run_set_fd(r, a->rtnl_slot, fd);
	return 0;
}

static void show_rtnl_open(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_rtnl_open_args *a = args;

	if (a->netns_slot >= 0) {
		buf_add(out, "setns(");
		plan_show_slot(out, p, a->netns_slot);
		buf_add(out, ", CLONE_NEWNET), ");
	}
	buf_add(out, "socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE) = ");
	plan_show_slot(out, p, a->rtnl_slot);
	if (a->netns_slot >= 0)
		buf_add(out, ", setns back");
}

const struct op op_rtnl_open = { .name = "rtnl_socket", .man = "rtnetlink(7)", .compound = true,
				 .act = act_rtnl_open, .show = show_rtnl_open };

#define PROC "/proc/"

/* A procfs of our own, or the host's if none may be made. In the host's, what a name below sys/net
 * means is looked up among the files of that name of all network namespaces that were ever asked for
 * there and live: with hundreds of containers that takes longer than a mount. */
static int open_proc(void)
{
	_cleanup_fd_ int fs = fsopen("proc", FSOPEN_CLOEXEC);
	int fd = -1;

	if (fs >= 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return fd >= 0 ? fd : open(PROC, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int act_sysctl_in(struct run *r, const void *args, struct err *e)
{
	const struct op_sysctl_in_args *a = args;
	_cleanup_fd_ int proc = open_proc();
	int back = -EBADF, result = netns_enter(run_slot(r, a->netns_slot), &back);

	(void)e;
	if (result < 0)
		return result;
	result = file_write_at(proc, a->path + strlen(PROC), a->text);
	netns_leave(back);
	return result;
}

static void show_sysctl_in(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_sysctl_in_args *a = args;

	buf_add(out, "setns(");
	plan_show_slot(out, p, a->netns_slot);
	buf_addf(out, ", CLONE_NEWNET), fsmount(\"proc\"), write(%s, ", a->path);
	buf_add_quoted(out, a->text);
	buf_add(out, "), setns back");
}

static void by_hand_sysctl_in(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_sysctl_in_args *a = args;

	(void)p;
	buf_addf(out, "nsenter --net=/proc/$PID/ns/net sysctl -w %s=",
		 a->path + strlen("/proc/sys/"));
	buf_add_shell(out, a->text);
}

const struct op op_sysctl_in = { .name = "sysctl_in_netns", .man = "setns(2)", .compound = true,
				 .act = act_sysctl_in, .show = show_sysctl_in,
				 .by_hand = by_hand_sysctl_in };

/* --- interfaces ------------------------------------------------------------------ */

static int act_link_index(struct run *r, const void *args, struct err *e)
{
	const struct op_link_index_args *a = args;
	struct link_info link;
	int result = link_get(run_slot(r, a->rtnl_slot), a->name, &link, e);

	if (result < 0)
		return result;
	run_set_number(r, a->index_slot, link.index);
	return 0;
}

static void show_link_index(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_link_index_args *a = args;

	plan_show_slot(out, p, a->rtnl_slot);
	buf_addf(out, " RTM_GETLINK %s = ", a->name);
	plan_show_slot(out, p, a->index_slot);
}

static void by_hand_link_index(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_link_index_args *a = args;

	(void)p;
	buf_addf(out, "nsenter --net=/proc/$PID/ns/net ip link show %s", a->name);
}

const struct op op_link_index = { .name = "RTM_GETLINK", .man = "rtnetlink(7)", .compound = true,
				  .act = act_link_index, .show = show_link_index,
				  .by_hand = by_hand_link_index };

static int act_link_up(struct run *r, const void *args, struct err *e)
{
	const struct op_link_up_args *a = args;
	struct nl_batch b;

	nl_batch_init(&b);
	link_put_up(&b, a->name);
	return talk(r, a->rtnl_slot, &b, e);
}

static void show_link_up(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_link_up_args *a = args;

	plan_show_slot(out, p, a->rtnl_slot);
	buf_addf(out, " RTM_SETLINK %s up", a->name);
}

static void by_hand_link_up(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_link_up_args *a = args;

	(void)p;
	if (a->inside)
		buf_add(out, "nsenter --net=/proc/$PID/ns/net ");
	buf_addf(out, "ip link set %s up", a->name);
}

const struct op op_link_up = { .name = "RTM_SETLINK", .man = "rtnetlink(7)", .compound = true,
			       .act = act_link_up, .show = show_link_up,
			       .by_hand = by_hand_link_up };

/* --- addresses and routes --------------------------------------------------------- */

static int act_address(struct run *r, const void *args, struct err *e)
{
	const struct op_address_args *a = args;
	uint32_t address = slot_address(r, a->address_slot);
	int prefix = run_slot(r, a->prefix_slot);
	struct nl_batch b;

	if (a->gateway)
		address = a->fixed ? a->fixed : net_gateway(address, prefix);
	nl_batch_init(&b);
	link_put_address(&b, run_slot(r, a->index_slot), address, prefix);
	return talk(r, a->rtnl_slot, &b, e);
}

static void show_address(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_address_args *a = args;

	plan_show_slot(out, p, a->rtnl_slot);
	buf_add(out, a->gateway ? " RTM_NEWADDR gateway of " : " RTM_NEWADDR ");
	plan_show_slot(out, p, a->address_slot);
	buf_add_char(out, '/');
	plan_show_slot(out, p, a->prefix_slot);
	buf_addf(out, " dev %s", a->name);
}

static void by_hand_address(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_address_args *a = args;
	char text[IPV4_TEXT];

	(void)p;
	if (a->gateway)
		buf_addf(out, "ip addr replace %s/%d dev %s", ipv4_format(a->likely, text),
			 a->likely_prefix, a->name);
	else
		buf_addf(out, "nsenter --net=/proc/$PID/ns/net ip addr replace $ADDRESS/%d dev %s",
			 a->likely_prefix, a->name);
}

const struct op op_address = { .name = "RTM_NEWADDR", .man = "rtnetlink(7)", .compound = true,
			       .act = act_address, .show = show_address,
			       .by_hand = by_hand_address };

static int act_route(struct run *r, const void *args, struct err *e)
{
	const struct op_route_args *a = args;
	struct nl_batch b;

	nl_batch_init(&b);
	link_put_default_route(&b, run_slot(r, a->index_slot),
			       a->fixed ? a->fixed
					: net_gateway(slot_address(r, a->address_slot),
						      run_slot(r, a->prefix_slot)));
	return talk(r, a->rtnl_slot, &b, e);
}

static void show_route(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_route_args *a = args;

	plan_show_slot(out, p, a->rtnl_slot);
	buf_add(out, " RTM_NEWROUTE default via gateway of ");
	plan_show_slot(out, p, a->address_slot);
	buf_add_char(out, '/');
	plan_show_slot(out, p, a->prefix_slot);
	buf_add(out, " dev ");
	plan_show_slot(out, p, a->index_slot);
}

static void by_hand_route(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_route_args *a = args;
	char text[IPV4_TEXT];

	(void)p;
	buf_addf(out, "nsenter --net=/proc/$PID/ns/net ip route add default via %s",
		 ipv4_format(a->likely, text));
}

const struct op op_route = { .name = "RTM_NEWROUTE", .man = "rtnetlink(7)", .compound = true,
			     .act = act_route, .show = show_route, .by_hand = by_hand_route };

/* --- the same in IPv6 --------------------------------------------------------------- */

static int act_address6(struct run *r, const void *args, struct err *e)
{
	const struct op_address6_args *a = args;
	struct in6_addr address = a->fixed;
	struct nl_batch b;
	int result;

	if (in6_is_zero(&address))
		address = in6_host(&a->subnet, a->prefix, slot_address(r, a->host_slot));
	nl_batch_init(&b);
	link_put_address6(&b, run_slot(r, a->index_slot), &address, a->prefix);
	result = talk(r, a->rtnl_slot, &b, e);
	if (result == -EACCES || result == -EOPNOTSUPP || result == -EAFNOSUPPORT)
		err_fix(e, "IPv6 is off there (sysctl net.ipv6.conf.%s.disable_ipv6, or the kernel "
			"has none)", a->name);
	return result;
}

static void format_address6(char text[CIDR_TEXT], const struct op_address6_args *a)
{
	cidr6_format(in6_is_zero(&a->fixed) ? &a->subnet : &a->fixed, a->prefix, text);
}

static void show_address6(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_address6_args *a = args;
	char text[CIDR_TEXT];

	format_address6(text, a);
	plan_show_slot(out, p, a->rtnl_slot);
	buf_add(out, " RTM_NEWADDR ");
	if (in6_is_zero(&a->fixed)) {
		plan_show_slot(out, p, a->host_slot);
		buf_add(out, " of ");
	}
	buf_addf(out, "%s dev %s", text, a->name);
}

static void by_hand_address6(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_address6_args *a = args;
	char text[CIDR_TEXT];

	(void)p;
	format_address6(text, a);
	buf_addf(out, "%sip addr replace ", a->inside ? "nsenter --net=/proc/$PID/ns/net " : "");
	if (in6_is_zero(&a->fixed))
		buf_addf(out, "$ADDRESS6/%d", a->prefix);
	else
		buf_add(out, text);
	buf_addf(out, " dev %s nodad", a->name);
}

const struct op op_address6 = { .name = "RTM_NEWADDR", .man = "rtnetlink(7)", .compound = true,
				.act = act_address6, .show = show_address6,
				.by_hand = by_hand_address6 };

static int act_route6(struct run *r, const void *args, struct err *e)
{
	const struct op_route6_args *a = args;
	struct nl_batch b;

	nl_batch_init(&b);
	link_put_default_route6(&b, run_slot(r, a->index_slot), &a->gateway);
	return talk(r, a->rtnl_slot, &b, e);
}

static void show_route6(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_route6_args *a = args;
	char text[INET6_ADDRSTRLEN] = "";

	plan_show_slot(out, p, a->rtnl_slot);
	buf_addf(out, " RTM_NEWROUTE default via %s dev ",
		 inet_ntop(AF_INET6, &a->gateway, text, sizeof text));
	plan_show_slot(out, p, a->index_slot);
}

static void by_hand_route6(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_route6_args *a = args;
	char text[INET6_ADDRSTRLEN] = "";

	(void)p;
	buf_addf(out, "nsenter --net=/proc/$PID/ns/net ip route add default via %s",
		 inet_ntop(AF_INET6, &a->gateway, text, sizeof text));
}

const struct op op_route6 = { .name = "RTM_NEWROUTE", .man = "rtnetlink(7)", .compound = true,
			      .act = act_route6, .show = show_route6, .by_hand = by_hand_route6 };

/* --- in the guest ------------------------------------------------------------------ */

static int act_loopback(struct run *r, const void *args, struct err *e)
{
	/* Any socket asks the interfaces of its network namespace; this family is always there. */
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), n;
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	(void)args;
	(void)e;
	if (fd < 0)
		return -errno;
	n = ioctl(fd, SIOCSIFFLAGS, &lo) < 0 ? -errno : 0;
	run_leave_fd(r, fd, true);
	return n;
}

static void show_loopback(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	(void)args;
	buf_add(out, "ioctl(socket(AF_UNIX), SIOCSIFFLAGS, {\"lo\", IFF_UP})");
}

static void by_hand_loopback(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	(void)args;
	buf_add(out, "ip link set lo up");
}

const struct op op_loopback = { .name = "ioctl", .man = "netdevice(7)", .compound = true,
				.act = act_loopback, .show = show_loopback,
				.by_hand = by_hand_loopback };
