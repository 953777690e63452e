/*
 * bridge.c - the default network `bridge`: what its containers share on the host.
 */
#include "net/bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/lease.h"
#include "net/link.h"
#include "net/netlink.h"
#include "net/nft.h"

#define FORWARD_PATH "/proc/sys/net/ipv4/ip_forward"
#define FORWARD_NOTE "ip_forward"

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

/* RFC 1918; away from where Docker (172.17/16 on), podman (10.88/16), libvirt (192.168.122/24) and
 * home routers sit, and not all in one block: a VPN often routes the whole of 10/8. */
const struct subnet net_candidates[NET_CANDIDATES] = {
	{ IP(10, 87, 0, 0), 16 },   { IP(10, 187, 0, 0), 16 }, { IP(172, 30, 0, 0), 16 },
	{ IP(192, 168, 208, 0), 20 }, { IP(172, 27, 0, 0), 16 },
};

uint32_t net_gateway(uint32_t address, int prefix)
{
	return (address & ipv4_mask(prefix)) + 1;
}

void net_mac(uint32_t address, uint8_t mac[6])
{
	/* 0x02: locally administered, unicast (IEEE 802). */
	const uint8_t bytes[6] = { 0x02, 'k', (uint8_t)(address >> 24), (uint8_t)(address >> 16),
				   (uint8_t)(address >> 8), (uint8_t)address };

	memcpy(mac, bytes, sizeof bytes);
}

static int open_rtnl(struct err *e)
{
	int fd = nl_open(NETLINK_ROUTE);

	return fd < 0 ? err_set(e, -fd, "socket(AF_NETLINK, NETLINK_ROUTE)") : fd;
}

static bool is_our_bridge(const struct link_info *link)
{
	return strcmp(link->kind, "bridge") == 0 && strcmp(link->alias, NET_ALIAS) == 0;
}

/* --- taking it all back -------------------------------------------------------- */

static int delete_link(int rtnl, int index, struct err *e)
{
	struct nl_batch b;
	int r;

	nl_batch_init(&b);
	link_put_delete(&b, index);
	r = nl_talk(rtnl, &b, NULL, NULL, e);
	if (r == -ENODEV) {
		err_clear(e);
		return 0;
	}
	return r < 0 ? err_wrap(e, "cannot remove interface " NET_BRIDGE_NAME) : 0;
}

static int remove_bridge(struct err *e)
{
	_cleanup_fd_ int rtnl = open_rtnl(e);
	struct link_info link;
	int r;

	if (rtnl < 0)
		return rtnl;
	r = link_get(rtnl, NET_BRIDGE_NAME, &link, e);
	if (r == -ENODEV || (r == 0 && !is_our_bridge(&link)))
		return 0;
	return r < 0 ? r : delete_link(rtnl, link.index, e);
}

static int restore_forward(const struct lease_store *s, struct err *e)
{
	char before[8];
	int r = lease_note_get(s, FORWARD_NOTE, before, sizeof before);

	if (r == 0)
		return 0;
	if (r > 0)
		r = file_write_at(AT_FDCWD, FORWARD_PATH, "0");
	if (r >= 0)
		r = lease_note_remove(s, FORWARD_NOTE);
	return r < 0 ? err_set(e, -r, "cannot set " FORWARD_PATH " back to 0") : 0;
}

/* What the kernel holds for the network. Goes on after a failure; the first one is told. */
static int take_down(const struct lease_store *s, struct err *e)
{
	struct err later = ERR_INIT;
	int first = nft_remove(e), r;

	r = remove_bridge(first < 0 ? &later : e);
	first = first < 0 ? first : r;
	r = restore_forward(s, first < 0 ? &later : e);
	return first < 0 ? first : r;
}

/* With nobody left: the kernel's part first, so that a failure leaves the store to try again. */
static int take_down_unused(struct lease_store *s, struct err *e)
{
	int r = lease_any(s, NET_NETWORK);

	if (r < 0)
		return err_set(e, -r, "%s: cannot read the leases", lease_root);
	if (r > 0)
		return 0;
	r = take_down(s, e);
	if (r == 0)
		r = lease_network_remove(s, NET_NETWORK, e);
	return r == 0 ? lease_store_remove(s, e) : r;
}

int network_leave(const char *owner, struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	int r = lease_store_open(&s, false, e);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = lease_drop(&s, NET_NETWORK, owner, e);
	return r == 0 ? take_down_unused(&s, e) : r;
}

/* --- the lease ------------------------------------------------------------------ */

/* Before anything is made: a subnet that the host already reaches elsewhere would be cut off. */
static int choose_subnet(const struct subnet *wanted, struct subnet *ret, struct err *e)
{
	_cleanup_fd_ int rtnl = open_rtnl(e);
	const struct subnet *from = wanted->prefix ? wanted : net_candidates;
	int count = wanted->prefix ? 1 : NET_CANDIDATES, r;
	char what[96] = "", text[IPV4_TEXT];
	struct link_info bridge = { 0 };

	if (rtnl < 0)
		return rtnl;
	/* A bridge that a crash left has routes, which are no conflict: it will be made anew. */
	r = link_get(rtnl, NET_BRIDGE_NAME, &bridge, e);
	if (r < 0 && r != -ENODEV)
		return r;
	for (int i = 0; i < count; i++) {
		r = route_find_overlap(rtnl, from[i].address, from[i].prefix,
				       r == 0 && is_our_bridge(&bridge) ? bridge.index : 0, what,
				       e);
		if (r < 0)
			return r;
		if (r == 0) {
			*ret = from[i];
			return 0;
		}
	}
	if (count == 1)
		err_say(e, EADDRINUSE, "network " NET_NETWORK ": %s/%d overlaps the host's %s",
			ipv4_format(from[0].address, text), from[0].prefix, what);
	else
		err_say(e, EADDRINUSE, "network " NET_NETWORK ": all %d subnets kist may take "
			"overlap routes of the host, the last one with %s", count, what);
	return err_fix(e, "remove the route (see: ip route show table all), or use --net none");
}

static int lease_locked(struct lease_store *s, const char *owner, const struct subnet *wanted,
			uint32_t *ret_address, int *ret_prefix, struct err *e)
{
	struct subnet subnet;
	int r = lease_any(s, NET_NETWORK);

	if (r < 0)
		return err_set(e, -r, "%s: cannot read the leases", lease_root);
	if (r == 0) {
		/* Nobody is on it: what is there, a crash left. The subnet is chosen anew. */
		r = lease_network_remove(s, NET_NETWORK, e);
		if (r == 0)
			r = choose_subnet(wanted, &subnet, e);
		if (r == 0)
			r = lease_subnet_set(s, NET_NETWORK, subnet.address, subnet.prefix, e);
		if (r < 0)
			return r;
	} else {
		r = lease_subnet_get(s, NET_NETWORK, &subnet.address, &subnet.prefix);
		if (r <= 0)
			return err_set(e, r ? -r : ENOENT, "%s/%s/" NET_NETWORK "/subnet",
				       lease_root, s->key);
		if (wanted->prefix && (wanted->address != subnet.address ||
				       wanted->prefix != subnet.prefix))
			return err_say(e, EBUSY, "network " NET_NETWORK " is in use with another "
				       "subnet");
	}
	r = lease_take(s, NET_NETWORK, owner, subnet.address, subnet.prefix, ret_address, e);
	if (r == 0)
		*ret_prefix = subnet.prefix;
	return r;
}

int network_lease(const char *owner, const struct subnet *wanted, uint32_t *ret_address,
		  int *ret_prefix, struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	int r = lease_store_open(&s, true, e);

	if (r == 0)
		r = lease_locked(&s, owner, wanted, ret_address, ret_prefix, e);
	if (r < 0 && s.lock >= 0)
		(void)take_down_unused(&s, NULL);
	return r;
}

/* --- making it so --------------------------------------------------------------- */

static int make_bridge(int rtnl, uint32_t gateway, struct link_info *ret, struct err *e)
{
	struct nl_batch b;
	uint8_t mac[6];
	int r;

	net_mac(gateway, mac);
	nl_batch_init(&b);
	link_put_bridge(&b, NET_BRIDGE_NAME, mac);
	link_put_alias(&b, NET_BRIDGE_NAME, NET_ALIAS);
	r = nl_talk(rtnl, &b, NULL, NULL, e);
	if (r == -EOPNOTSUPP)
		err_fix(e, "the kernel lacks the module bridge: modprobe bridge, or use --net none");
	if (r < 0)
		return err_wrap(e, "cannot make the bridge " NET_BRIDGE_NAME);
	r = link_get(rtnl, NET_BRIDGE_NAME, ret, e);
	return r == -ENODEV ? err_set(e, ENODEV, NET_BRIDGE_NAME " vanished") : r;
}

/* The lock is held while looking and making; the caller's lease keeps the store alive. */
static int lock(struct lease_store *s, struct err *e)
{
	int r = lease_store_open(s, false, e);

	return r == -ENOENT ? err_set(e, ENOENT, "%s: the container's lease is gone", lease_root)
			    : r;
}

int network_ensure_bridge(int rtnl, uint32_t gateway, int *ret_index, struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	struct link_info link;
	uint8_t mac[6];
	int r = lock(&s, e);

	if (r < 0)
		return r;
	net_mac(gateway, mac);
	r = link_get(rtnl, NET_BRIDGE_NAME, &link, e);
	if (r == 0 && !is_our_bridge(&link)) {
		err_say(e, EEXIST, "the host has an interface " NET_BRIDGE_NAME " (%s) that kist "
			"did not make", link.kind[0] ? link.kind : "no virtual link");
		return err_fix(e, "rename it: ip link set " NET_BRIDGE_NAME " down name NEW");
	}
	/* One for another subnet: a crash left it, and nobody can be on it. */
	if (r == 0 && memcmp(link.mac, mac, sizeof mac) != 0) {
		r = delete_link(rtnl, link.index, e);
		r = r < 0 ? r : -ENODEV;
	}
	if (r == -ENODEV)
		r = make_bridge(rtnl, gateway, &link, e);
	if (r < 0)
		return r;
	*ret_index = link.index;
	return 0;
}

int network_ensure_forward(struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	char now[16];
	ssize_t n;
	int r = lock(&s, e);

	if (r < 0)
		return r;
	n = file_read_at(AT_FDCWD, FORWARD_PATH, now, sizeof now);
	if (n < 0)
		return err_set(e, (int)-n, "cannot read " FORWARD_PATH);
	if (strcmp(now, "0") != 0)
		return 0;
	/* The note first: a kill -9 between the two then restores what never changed. */
	r = lease_note_set(&s, FORWARD_NOTE, now);
	if (r == 0 || r == -EEXIST)
		r = file_write_at(AT_FDCWD, FORWARD_PATH, "1");
	return r < 0 ? err_set(e, -r, "cannot set " FORWARD_PATH " to 1") : 0;
}

int network_ensure_table(uint32_t subnet, int prefix, struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	const struct nft_network n = { NET_BRIDGE_NAME, subnet & ipv4_mask(prefix), prefix };
	int r = lock(&s, e);

	return r < 0 ? r : nft_ensure(&n, e);
}
