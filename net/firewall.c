/*
 * firewall.c - kist's nftables: transactions sent, and whose the tables are.
 */
#include "net/firewall.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/firewall_tables.h"
#include "net/nft.h"
#include "net/publish.h"

#define COMMENT_MAX	 100
#define USERDATA_COMMENT 0 /* nft(8)'s number of a comment in a table's user data */

static int open_nft(struct err *e)
{
	int fd = nl_open(NETLINK_NETFILTER);

	return fd < 0 ? err_set(e, -fd, "socket(AF_NETLINK, NETLINK_NETFILTER)") : fd;
}

/* What the kernel lacks, when the error says so; the record keeps the kernel's words. */
static int explain(int error, struct err *e)
{
	err_wrap(e, "nftables table inet " NFT_TABLE);
	if (error == -EPERM)
		return err_fix(e, "kist's networks need root (CAP_NET_ADMIN)");
	if (error == -EPROTONOSUPPORT || error == -EOPNOTSUPP || error == -EINVAL ||
	    error == -ENOENT)
		err_fix(e, "the kernel lacks nf_tables, nft_chain_nat, nft_masq, nft_fib_inet or "
			   "nft_ct: modprobe them, or use --net none");
	return error;
}

/* --- whose they are --------------------------------------------------------------- */

struct table_seen {
	bool found;
	char comment[COMMENT_MAX];
};

static int take_table(const struct nlmsghdr *m, void *user)
{
	struct table_seen *seen = user;
	const struct nlattr *attr;

	if (m->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE))
		return 0;
	seen->found = true;
	nl_for_each(attr, m, sizeof(struct nfgenmsg))
	{
		const unsigned char *data = nl_attr_payload(attr);
		size_t size = nl_attr_len(attr);

		if (nl_attr_type(attr) != NFTA_TABLE_USERDATA || size < 3 ||
		    data[0] != USERDATA_COMMENT || data[1] > size - 2 || data[1] >= COMMENT_MAX)
			continue;
		memcpy(seen->comment, data + 2, data[1]);
		seen->comment[data[1]] = '\0';
	}
	return 0;
}

static int look(int fd, int family, struct table_seen *ret, struct err *e)
{
	struct nl_batch b;
	struct nlmsghdr *m;
	int r;

	memset(ret, 0, sizeof *ret);
	nl_batch_init(&b);
	m = nft_message(&b, NFT_MSG_GETTABLE, family, NLM_F_ACK);
	nl_put_string(m, NFTA_TABLE_NAME, NFT_TABLE);
	nl_end(&b, m);
	r = nl_talk(fd, &b, take_table, ret, e);
	if (r == -ENOENT) {
		err_clear(e);
		return 0;
	}
	return r;
}

static bool is_ours(const struct table_seen *seen)
{
	return strncmp(seen->comment, FIREWALL_MARK, strlen(FIREWALL_MARK)) == 0;
}

static int refuse_foreign(int fd, int family, const char *name, struct err *e)
{
	struct table_seen seen;
	int r = look(fd, family, &seen, e);

	if (r < 0)
		return explain(r, e);
	if (!seen.found || is_ours(&seen))
		return 0;
	err_say(e, EEXIST, "nftables has a table %s " NFT_TABLE " that kist did not make", name);
	err_fix(e, "rename it, or: nft delete table %s " NFT_TABLE, name);
	return -EEXIST;
}

/* --- ports on 127.0.0.1 -------------------------------------------------------------- */

static bool wants_loopback(const struct endpoint *ep)
{
	for (int i = 0; i < ep->port_count && ep->address; i++) {
		const struct published_port *p = &ep->ports[i];

		if (!p->family ||
		    (p->family == AF_INET && (!p->address || p->address >> 24 == 127)))
			return true;
	}
	return false;
}

/* The host reaches a published port over 127.0.0.1 too, if the bridge may carry what that becomes.
 * After the rules, which keep everybody else from it. */
static int open_loopback(const struct network *n, const struct endpoint *ep, struct err *e)
{
	char path[sizeof "/proc/sys/net/ipv4/conf//route_localnet" + IFNAMSIZ];
	int r;

	if (n->internal || !wants_loopback(ep))
		return 0;
	snprintf(path, sizeof path, "/proc/sys/net/ipv4/conf/%s/route_localnet", n->interface);
	r = file_write_at(AT_FDCWD, path, "1");
	/* A bridge that is still to come is followed by another replace or attach. */
	return r < 0 && r != -ENOENT ? err_set(e, -r, "cannot set %s to 1", path) : 0;
}

/* --- making them ------------------------------------------------------------------- */

static int replace(int fd, const struct network *networks, size_t network_count,
		   const struct endpoint *endpoints, size_t endpoint_count, bool bridge,
		   struct err *e)
{
	_cleanup_batch_ struct nl_batch b;

	nl_batch_init_growing(&b);
	firewall_put_all(&b, networks, network_count, endpoints, endpoint_count, bridge);
	return nl_talk(fd, &b, NULL, NULL, e);
}

int firewall_replace(const struct network *networks, size_t network_count,
		     const struct endpoint *endpoints, size_t endpoint_count, struct err *e)
{
	_cleanup_fd_ int fd = open_nft(e);
	int r;

	if (fd < 0)
		return explain(fd, e);
	r = refuse_foreign(fd, NFPROTO_INET, "inet", e);
	if (r == 0)
		r = refuse_foreign(fd, NFPROTO_BRIDGE, "bridge", e);
	if (r < 0)
		return r;
	r = replace(fd, networks, network_count, endpoints, endpoint_count, true, e);
	if (r == -EOPNOTSUPP || r == -EAFNOSUPPORT) {
		/* A kernel without tables of the bridge family: the rest holds all the same. */
		_cleanup_fd_ int again = open_nft(NULL);

		err_clear(e);
		r = replace(again, networks, network_count, endpoints, endpoint_count, false, e);
	}
	if (r < 0)
		return explain(r, e);
	for (size_t i = 0; i < endpoint_count && r == 0; i++) {
		const struct network *n =
			firewall_network_of(&endpoints[i], networks, network_count);

		r = n ? open_loopback(n, &endpoints[i], e) : 0;
	}
	return r;
}

bool firewall_has_bridge(void)
{
	_cleanup_fd_ int fd = nl_open(NETLINK_NETFILTER);
	struct table_seen seen;

	return fd < 0 || look(fd, NFPROTO_INET, &seen, NULL) < 0 || !seen.found ||
	       strcmp(seen.comment, FIREWALL_NO_BRIDGE) != 0;
}

static int send_endpoint(const struct network *n, const struct endpoint *ep, bool bridge,
			 bool remove, struct err *e)
{
	_cleanup_batch_ struct nl_batch b;
	_cleanup_fd_ int fd = open_nft(e);

	if (fd < 0)
		return fd;
	nl_batch_init_growing(&b);
	nft_begin(&b);
	if (!remove)
		firewall_put_network(&b, n, false);
	firewall_put_endpoint(&b, n, ep, bridge, remove);
	nft_end(&b);
	return nl_talk(fd, &b, NULL, NULL, e);
}

int firewall_attach(const struct network *n, const struct endpoint *ep, struct err *e)
{
	int r;

	if (n->driver != NETWORK_BRIDGE)
		return 0;
	r = send_endpoint(n, ep, true, false, e);
	if (r == -ENOENT) {
		err_clear(e);
		if (firewall_has_bridge())
			return -ENOENT;
		r = send_endpoint(n, ep, false, false, e);
	}
	/* Its address is its own by the lease: what is in the way is a port. */
	if (r == -EBUSY || r == -EEXIST) {
		err_clear(e);
		err_say(e, EADDRINUSE,
			"one of the published ports of %s leads to another container "
			"already",
			ep->id);
		return err_fix(e, "see: nft list map inet " NFT_TABLE " anywhere4");
	}
	return r < 0 ? explain(r, e) : open_loopback(n, ep, e);
}

/* Each message as a transaction of its own: one that is gone already takes no other along. */
static int send_singly(const struct nl_batch *all, struct err *e)
{
	const struct nlmsghdr *m = (const struct nlmsghdr *)all->bytes;
	int left = (int)all->used, first = 0;

	for (; nl_ok(m, left); m = nl_next(m, &left)) {
		_cleanup_fd_ int fd = -EBADF;
		struct nl_batch one;
		int r;

		if (m->nlmsg_type == NFNL_MSG_BATCH_BEGIN || m->nlmsg_type == NFNL_MSG_BATCH_END)
			continue;
		fd = open_nft(e);
		if (fd < 0)
			return fd;
		nl_batch_init(&one);
		nft_begin(&one);
		memcpy(one.bytes + one.used, m, m->nlmsg_len);
		one.used += NL_ALIGN(m->nlmsg_len);
		one.count++;
		nft_end(&one);
		r = nl_talk(fd, &one, NULL, NULL, first < 0 ? NULL : e);
		if (r == -ENOENT && first == 0)
			err_clear(e);
		else if (r < 0 && first == 0)
			first = r;
	}
	return first;
}

/* Removes elements; such as are gone already are no failure. */
static int take_out(struct nl_batch *b, struct err *e)
{
	_cleanup_fd_ int fd = open_nft(e);
	int r;

	if (fd == -EPROTONOSUPPORT) {
		err_clear(e);
		return 0; /* no nf_tables in this kernel: no element either */
	}
	if (fd < 0)
		return fd;
	r = nl_talk(fd, b, NULL, NULL, e);
	if (r == -ENOENT) {
		err_clear(e);
		r = send_singly(b, e);
	}
	return r < 0 ? explain(r, e) : 0;
}

int firewall_detach(const struct network *n, const struct endpoint *ep, struct err *e)
{
	_cleanup_batch_ struct nl_batch b;

	nl_batch_init_growing(&b);
	nft_begin(&b);
	firewall_put_endpoint(&b, n, ep, true, true);
	nft_end(&b);
	return n->driver == NETWORK_BRIDGE ? take_out(&b, e) : 0;
}

int firewall_drop_network(const struct network *n, struct err *e)
{
	_cleanup_batch_ struct nl_batch b;

	nl_batch_init_growing(&b);
	nft_begin(&b);
	firewall_put_network(&b, n, true);
	nft_end(&b);
	return n->driver == NETWORK_BRIDGE ? take_out(&b, e) : 0;
}

static int remove_family(int fd, int family, struct err *e)
{
	struct table_seen seen;
	struct nl_batch b;
	int r = look(fd, family, &seen, e);

	if (r == -EINVAL || r == -EOPNOTSUPP || r == -EAFNOSUPPORT) {
		err_clear(e);
		return 0;
	}
	if (r < 0)
		return explain(r, e);
	if (!seen.found || !is_ours(&seen))
		return 0;
	nl_batch_init(&b);
	nft_begin(&b);
	nft_put_delete_table(&b, family);
	nft_end(&b);
	r = nl_talk(fd, &b, NULL, NULL, e);
	if (r == -ENOENT) {
		err_clear(e);
		return 0;
	}
	return r < 0 ? explain(r, e) : 0;
}

int firewall_remove(struct err *e)
{
	_cleanup_fd_ int fd = nl_open(NETLINK_NETFILTER);
	int r;

	if (fd == -EPROTONOSUPPORT)
		return 0;
	if (fd < 0)
		return err_set(e, -fd, "socket(AF_NETLINK, NETLINK_NETFILTER)");
	r = remove_family(fd, NFPROTO_BRIDGE, e);
	return r < 0 ? r : remove_family(fd, NFPROTO_INET, e);
}

/* --- hearing of changes ------------------------------------------------------------- */

int firewall_watch(struct err *e)
{
	_cleanup_fd_ int fd = open_nft(e);
	int group = NFNLGRP_NFTABLES;

	if (fd < 0)
		return fd;
	if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
		return err_set(e, errno, "setsockopt(NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)");
	return fd_take(&fd);
}

void firewall_watch_read(int fd)
{
	char scratch[4096];

	/* ENOBUFS says that more changed than fitted: that is read, too. */
	while (recv(fd, scratch, sizeof scratch, MSG_DONTWAIT | MSG_TRUNC) > 0 ||
	       errno == ENOBUFS || errno == EINTR)
		errno = 0;
}
