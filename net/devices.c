/*
 * devices.c - linux.netDevices: parsed, moved, and moved back when the start fails.
 */
#include "net/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "net/link.h"
#include "net/net.h"
#include "net/netlink.h"
#include "net/ops.h"

#define ADDRESSES_MAX 64 /* of one interface */

/* --- parsing ---------------------------------------------------------------------- */

/* As the kernel's dev_valid_name(). */
static bool is_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= IFNAMSIZ || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (; *name; name++)
		if ((unsigned char)*name <= ' ' || *name == '/' || *name == ':' || *name == 0x7f)
			return false;
	return true;
}

static bool is_template(const char *name)
{
	const char *percent = strchr(name, '%');

	return percent && percent != name && strcmp(percent, "%d") == 0;
}

static int parse_device(const char *name, const json_t *o, const struct json_at *at,
			struct arena *a, struct net_device *d, struct err *e)
{
	struct json_at inside_at = json_at_key(at, "name");
	const char *inside = NULL;
	int r;

	if (!is_name(name) || strchr(name, '%'))
		return json_bad(e, at, "is no name of a network interface");
	if (!json_is_object(o))
		return json_bad(e, at, "must be an object");
	if (strcmp(name, "lo") == 0)
		return json_bad(e, at,
				"loopback belongs to its network namespace and cannot be moved");
	r = json_get_string(o, at, "name", &inside, e);
	if (r < 0)
		return r;
	if (!inside || !*inside)
		inside = name;
	if (!is_name(inside) || (strchr(inside, '%') && !is_template(inside)))
		return json_bad(e, &inside_at,
				"\"%.20s\" is no name of a network interface, nor one that "
				"ends in %%d",
				inside);
	if (strcmp(inside, "lo") == 0)
		return json_bad(e, &inside_at, "lo is the container's loopback");
	d->why = arena_strdup(a, at->text);
	d->name = arena_strdup(a, name);
	d->inside = arena_strdup(a, inside);
	return 0;
}

int net_parse_devices(const json_t *linux_object, const struct json_at *at, struct arena *a,
		      struct net_devices *ret, struct err *e)
{
	struct json_at here = json_at_key(at, "netDevices");
	struct net_device *all;
	json_t *o = NULL, *value;
	const char *key;
	size_t count = 0;
	int r = json_get_object(linux_object, at, "netDevices", &o, e);

	if (r <= 0 || json_object_size(o) == 0)
		return r < 0 ? r : 0;
	if (json_object_size(o) > NET_DEVICES_MAX)
		return json_bad(e, &here, "has %zu interfaces; at most %d", json_object_size(o),
				NET_DEVICES_MAX);
	all = arena_array(a, json_object_size(o), sizeof *all);
	if (!all)
		return err_set(e, ENOMEM, "cannot read netDevices");
	json_object_foreach(o, key, value)
	{
		struct json_at item = json_at_key(&here, key);

		r = parse_device(key, value, &item, a, &all[count], e);
		if (r < 0)
			return r;
		for (size_t i = 0; i < count; i++)
			if (strcmp(all[i].inside, all[count].inside) == 0 &&
			    !strchr(all[i].inside, '%'))
				return json_bad(e, &item, "a second interface %s in the container",
						all[i].inside);
		count++;
	}
	*ret = (struct net_devices){ all, count };
	return 0;
}

int net_check_devices(const struct net_devices *d, const struct host *h, struct err *e)
{
	if (d->count == 0 || h->root)
		return 0;
	err_say(e, EPERM, "moving interfaces of the host needs root");
	return err_at(e, "/linux/netDevices");
}

/* --- addresses ---------------------------------------------------------------------- */

struct address {
	uint8_t family, prefix, size; /* size: bytes of one */
	uint32_t flags, priority;
	bool has_local, has_broadcast;
	uint8_t address[16], local[16], broadcast[16];
};
struct addresses {
	int index; /* whose */
	bool too_many;
	int count;
	struct address list[ADDRESSES_MAX];
};

static void take_attribute(struct address *to, const struct nlattr *attr)
{
	const void *value = nl_attr_payload(attr);
	bool number = nl_attr_len(attr) == sizeof(uint32_t);

	switch (nl_attr_type(attr)) {
	case IFA_FLAGS:
		if (number)
			to->flags = nl_attr_u32(attr);
		return;
	case IFA_RT_PRIORITY:
		if (number)
			to->priority = nl_attr_u32(attr);
		return;
	}
	if (nl_attr_len(attr) != to->size)
		return;
	switch (nl_attr_type(attr)) {
	case IFA_ADDRESS:
		memcpy(to->address, value, to->size);
		break;
	case IFA_LOCAL:
		to->has_local = true;
		memcpy(to->local, value, to->size);
		break;
	case IFA_BROADCAST:
		to->has_broadcast = true;
		memcpy(to->broadcast, value, to->size);
		break;
	}
}

static int take_address(const struct nlmsghdr *m, void *user)
{
	const struct ifaddrmsg *info = nl_payload(m);
	struct addresses *all = user;
	struct address one = { 0 };
	const struct nlattr *attr;

	if (m->nlmsg_type != RTM_NEWADDR || nl_payload_len(m) < sizeof *info ||
	    (int)info->ifa_index != all->index || info->ifa_scope != RT_SCOPE_UNIVERSE ||
	    (info->ifa_family != AF_INET && info->ifa_family != AF_INET6))
		return 0;
	one.family = info->ifa_family;
	one.prefix = info->ifa_prefixlen;
	one.size = info->ifa_family == AF_INET ? 4 : 16;
	one.flags = info->ifa_flags;
	nl_for_each(attr, m, sizeof *info) take_attribute(&one, attr);
	if (!(one.flags & IFA_F_PERMANENT))
		return 0;
	if (all->count == ADDRESSES_MAX)
		all->too_many = true;
	else
		all->list[all->count++] = one;
	return 0;
}

static int get_addresses(int rtnl, int index, struct addresses *ret, struct err *e)
{
	int r = -EAGAIN;

	for (int i = 0; i < 20 && r == -EAGAIN; i++) {
		struct nl_batch b;
		struct nlmsghdr *m;

		ret->index = index;
		ret->count = 0;
		err_clear(e);
		nl_batch_init(&b);
		m = nl_begin(&b, RTM_GETADDR, NLM_F_DUMP);
		nl_extra_header(m, sizeof(struct ifaddrmsg));
		nl_end(&b, m);
		r = nl_talk(rtnl, &b, take_address, ret, e);
	}
	if (r == 0 && ret->too_many)
		return err_say(e, E2BIG, "has more than %d addresses", ADDRESSES_MAX);
	return r;
}

/* The one batch may not hold them all: each is a message of its own. */
static int put_address(int rtnl, int index, const struct address *a, struct err *e)
{
	/* What the kernel keeps of them when they are asked for; the rest it works out itself. */
	const uint32_t kept = IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR |
			      IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN;
	struct ifaddrmsg *info;
	struct nlmsghdr *m;
	struct nl_batch b;

	nl_batch_init(&b);
	m = nl_begin(&b, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
	info = nl_extra_header(m, sizeof *info);
	info->ifa_family = a->family;
	info->ifa_prefixlen = a->prefix;
	info->ifa_index = (uint32_t)index;
	info->ifa_scope = RT_SCOPE_UNIVERSE;
	nl_put(m, IFA_ADDRESS, a->size, a->address);
	if (a->has_local)
		nl_put(m, IFA_LOCAL, a->size, a->local);
	if (a->has_broadcast)
		nl_put(m, IFA_BROADCAST, a->size, a->broadcast);
	if (a->flags & kept)
		nl_put_u32(m, IFA_FLAGS, a->flags & kept);
	if (a->priority)
		nl_put_u32(m, IFA_RT_PRIORITY, a->priority);
	nl_end(&b, m);
	return nl_talk(rtnl, &b, NULL, NULL, e);
}

/* --- moving ----------------------------------------------------------------------------- */

/* What was moved and may have to come back. The socket keeps the namespace, and so a virtual
 * interface in it, alive after the guest's death. */
static struct moved {
	const char *name;
	int inside_rtnl; /* -1: not moved, or let go */
	int old_index, index;
	bool was_up;
	struct addresses addresses;
} moved[NET_DEVICES_MAX];
static size_t moved_count;

/* An index that is free there: the interface's own, if it can keep it. */
static int free_index(int rtnl, int index, struct err *e)
{
	struct link_info link;

	for (int i = index; i < index + 4096; i++) {
		int r = link_get_index(rtnl, i, &link, e);

		if (r == -ENODEV)
			return i;
		if (r < 0)
			return r;
	}
	return err_say(e, EBUSY, "no index is free in the container's network namespace");
}

static int restore(int rtnl, int index, bool up, const struct addresses *a, struct err *e)
{
	struct nl_batch b;
	int r = 0;

	for (int i = 0; i < a->count && r == 0; i++)
		r = put_address(rtnl, index, &a->list[i], e);
	if (r < 0 || !up)
		return r;
	nl_batch_init(&b);
	link_put_up_index(&b, index);
	return nl_talk(rtnl, &b, NULL, NULL, e);
}

struct op_device_args {
	int rtnl_slot, netns_slot, inside_slot;
	const char *name, *inside;
};

static int check_free(int rtnl, const char *inside, struct err *e)
{
	struct link_info link;
	int r = strchr(inside, '%') ? -ENODEV : link_get(rtnl, inside, &link, e);

	if (r != 0)
		return r == -ENODEV ? 0 : r;
	err_say(e, EEXIST, "the container's network namespace has an interface %s already", inside);
	return err_fix(e, "give it another \"name\", or one that ends in %%d");
}

static int act_move_device(struct run *r, const void *args, struct err *e)
{
	const struct op_device_args *a = args;
	int rtnl = run_slot(r, a->rtnl_slot), inside = run_slot(r, a->inside_slot), result;
	struct moved *m = &moved[moved_count];
	struct link_info link;
	struct nl_batch b;

	if (moved_count == NET_DEVICES_MAX)
		return err_say(e, E2BIG, "too many interfaces");
	*m = (struct moved){ .name = a->name, .inside_rtnl = -1 };
	result = link_get(rtnl, a->name, &link, e);
	if (result == -ENODEV)
		return err_say(e, ENODEV, "the host has no network interface %s", a->name);
	if (result == 0 && (link.flags & IFF_LOOPBACK))
		return err_say(e, EINVAL, "%s is a loopback interface and cannot be moved",
			       a->name);
	if (result == 0)
		result = check_free(inside, a->inside, e);
	if (result == 0)
		result = get_addresses(rtnl, link.index, &m->addresses, e);
	if (result < 0)
		return result;
	m->old_index = link.index;
	m->was_up = link.flags & IFF_UP;
	m->index = free_index(inside, link.index, e);
	if (m->index < 0)
		return m->index;
	nl_batch_init(&b);
	link_put_move(&b, link.index, run_slot(r, a->netns_slot), a->inside, m->index);
	m->inside_rtnl = fcntl(inside, F_DUPFD_CLOEXEC, 3);
	moved_count++;
	result = nl_talk(rtnl, &b, NULL, NULL, e);
	return result < 0 ? err_wrap(e, "cannot move %s", a->name) : 0;
}

static void show_move_device(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_device_args *a = args;

	plan_show_slot(out, p, a->rtnl_slot);
	buf_add(out, " RTM_SETLINK ");
	buf_add_clean(out, a->name);
	buf_add(out, " netns ");
	plan_show_slot(out, p, a->netns_slot);
	buf_add(out, " name ");
	buf_add_clean(out, a->inside);
}

static void by_hand_move_device(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_device_args *a = args;

	(void)p;
	buf_add(out, "ip address show dev ");
	buf_add_shell(out, a->name);
	buf_add(out, "; ip link set ");
	buf_add_shell(out, a->name);
	buf_add(out, " netns $PID name ");
	buf_add_shell(out, a->inside);
}

static const struct op op_move_device = { .name = "RTM_SETLINK",
					  .man = "network_namespaces(7)",
					  .compound = true,
					  .act = act_move_device,
					  .show = show_move_device,
					  .by_hand = by_hand_move_device };

static int act_device_up(struct run *r, const void *args, struct err *e)
{
	const struct op_device_args *a = args;
	const struct moved *m = NULL;

	for (size_t i = 0; i < moved_count; i++)
		if (strcmp(moved[i].name, a->name) == 0)
			m = &moved[i];
	if (!m)
		return -ENODEV;
	if (restore(run_slot(r, a->inside_slot), m->index, true, &m->addresses, e) < 0)
		return err_wrap(e, "cannot set %s up", a->name);
	return 0;
}

static void show_device_up(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_device_args *a = args;

	plan_show_slot(out, p, a->inside_slot);
	buf_add(out, " RTM_NEWADDR each that ");
	buf_add_clean(out, a->name);
	buf_add(out, " had, for good and global; RTM_SETLINK up");
}

static void by_hand_device_up(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_device_args *a = args;

	(void)p;
	buf_add(out, "for address in $ADDRESSES; do nsenter --net=/proc/$PID/ns/net ip address add "
		     "$address dev ");
	buf_add_shell(out, a->inside);
	buf_add(out, "; done; nsenter --net=/proc/$PID/ns/net ip link set up dev ");
	buf_add_shell(out, a->inside);
}

static const struct op op_device_up = { .name = "RTM_NEWADDR",
					.man = "rtnetlink(7)",
					.compound = true,
					.act = act_device_up,
					.show = show_device_up,
					.by_hand = by_hand_device_up };

static int act_check_netns(struct run *r, const void *args, struct err *e)
{
	const struct op_netns_open_args *a = args;
	struct stat own, guest;

	if (stat("/proc/self/ns/net", &own) < 0 || fstat(run_slot(r, a->netns_slot), &guest) < 0)
		return -errno;
	if (own.st_dev != guest.st_dev || own.st_ino != guest.st_ino)
		return 0;
	return err_say(e, EINVAL,
		       "the network namespace to join is the host's, which has them already");
}

static void show_check_netns(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_netns_open_args *a = args;

	buf_add(out, "stat(/proc/self/ns/net) is another than ");
	plan_show_slot(out, p, a->netns_slot);
}

static const struct op op_check_netns = { .name = "stat",
					  .man = "stat(2)",
					  .compound = true,
					  .act = act_check_netns,
					  .show = show_check_netns };

void net_plan_devices(struct plan *p, const struct net_devices *d)
{
	struct op_device_args a;

	if (d->count == 0)
		return;
	plan_scope(p, "/linux/netDevices", NULL);
	a.netns_slot = plan_new_slot(p, "guest netns");
	a.rtnl_slot = plan_new_slot(p, "rtnl");
	a.inside_slot = plan_new_slot(p, "guest rtnl");
	plan_add(p, SIDE_HOST, op_netns_open, op_netns_open_args, SLOT_GUEST_PROC, a.netns_slot);
	plan_add(p, SIDE_HOST, op_check_netns, op_netns_open_args, -1, a.netns_slot);
	plan_add(p, SIDE_HOST, op_rtnl_open, op_rtnl_open_args, -1, a.rtnl_slot);
	plan_add(p, SIDE_HOST, op_rtnl_open, op_rtnl_open_args, a.netns_slot, a.inside_slot);
	for (size_t i = 0; i < d->count; i++) {
		int step;

		plan_scope(p, d->device[i].why, d->device[i].name);
		a.name = d->device[i].name;
		a.inside = d->device[i].inside;
		step = plan_add_step(p, SIDE_HOST, &op_move_device, &a, sizeof a);
		plan_undo(p, step, &net_undo_device, a.name, NULL, NULL);
		plan_add_step(p, SIDE_HOST, &op_device_up, &a, sizeof a);
	}
	plan_add(p, SIDE_HOST, op_close, op_close_args, a.inside_slot);
	plan_add(p, SIDE_HOST, op_close, op_close_args, a.rtnl_slot);
	plan_add(p, SIDE_HOST, op_close, op_close_args, a.netns_slot);
}

/* --- taking it back ------------------------------------------------------------------------ */

void net_devices_let_go(void)
{
	for (size_t i = 0; i < moved_count; i++)
		fd_close(&moved[i].inside_rtnl);
	moved_count = 0;
}

static int move_back(struct moved *m, struct err *e)
{
	_cleanup_fd_ int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	_cleanup_fd_ int rtnl = nl_open(NETLINK_ROUTE);
	struct link_info link;
	struct nl_batch b;
	int index, r;

	if (here < 0 || rtnl < 0)
		return err_set(e, EMFILE, "cannot move %s back", m->name);
	r = link_get_index(m->inside_rtnl, m->index, &link, e);
	if (r < 0) /* it never got there, or has gone */
		return r == -ENODEV ? 0 : r;
	index = free_index(rtnl, m->old_index, e);
	if (index < 0)
		return index;
	nl_batch_init(&b);
	link_put_move(&b, m->index, here, m->name, index);
	r = nl_talk(m->inside_rtnl, &b, NULL, NULL, e);
	if (r == 0)
		r = restore(rtnl, index, m->was_up, &m->addresses, e);
	return r < 0 ? err_wrap(e, "cannot move %s back", m->name) : 0;
}

/* By the process that moved it. For another one, after a kill -9, there is nothing to do: the
 * network namespace has ended, and the kernel has done what it does then. */
static int undo_device(const struct undo_at *at, const char *const args[PLAN_UNDO_ARGS],
		       struct err *e)
{
	int r = 0;

	(void)at;
	for (size_t i = 0; i < moved_count && args[0]; i++) {
		struct moved *m = &moved[i];

		if (m->inside_rtnl < 0 || strcmp(m->name, args[0]) != 0)
			continue;
		r = move_back(m, e);
		fd_close(&m->inside_rtnl);
	}
	return r;
}

const struct undo_kind net_undo_device = { .name = "return_interface", .act = undo_device };
