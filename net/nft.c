/*
 * nft.c - tables of nftables that are not kist's.
 */
#include "net/nft.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "base/fd.h"
#include "net/nft_message.h"

int nft_remove_other(const char *table, struct err *e)
{
	_cleanup_fd_ int fd = nl_open(NETLINK_NETFILTER);
	struct nlmsghdr *m;
	struct nl_batch b;
	int r;

	if (fd == -EPROTONOSUPPORT)
		return 0;
	if (fd < 0)
		return err_set(e, -fd, "socket(AF_NETLINK, NETLINK_NETFILTER)");
	nl_batch_init(&b);
	nft_begin(&b);
	m = nft_message(&b, NFT_MSG_DELTABLE, NFPROTO_INET, 0);
	nl_put_string(m, NFTA_TABLE_NAME, table);
	nl_end(&b, m);
	nft_end(&b);
	r = nl_talk(fd, &b, NULL, NULL, e);
	if (r == -ENOENT) {
		err_clear(e);
		return 0;
	}
	return r < 0 ? err_wrap(e, "nftables table inet %s", table) : 0;
}
