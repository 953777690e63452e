/*
 * dns_aside.c - port 53 of a container left to the container itself.
 *
 * A socket at 127.0.0.11, port 53, keeps every other from port 53 at all addresses, and a server
 * for names seldom listens elsewhere. One rule costs each of the container's flows an entry of
 * conntrack, so only who asks for it has it.
 */
#include "net/dns_aside.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>

#include "base/fd.h"
#include "net/dns.h"
#include "net/nft.h"
#include "net/nft_message.h"

#define FAMILY	    NFPROTO_IPV4
#define CHAIN	    "names"
#define IP4_TARGET  16 /* RFC 791 */
#define PORT_TARGET 2

static void put_rule(struct nl_batch *b, uint8_t protocol, in_port_t port)
{
	const uint32_t address = htonl(DNS_ADDRESS);
	const uint16_t from = htons(53), to = htons(port);
	struct nft_rule r = nft_rule_begin(b, FAMILY, CHAIN);

	nft_payload(&r, NFT_PAYLOAD_NETWORK_HEADER, IP4_TARGET, sizeof address, 0);
	nft_compare(&r, 0, NFT_CMP_EQ, &address, sizeof address);
	nft_meta(&r, NFT_META_L4PROTO, 0);
	nft_compare(&r, 0, NFT_CMP_EQ, &protocol, sizeof protocol);
	nft_payload(&r, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_TARGET, sizeof from, 0);
	nft_compare(&r, 0, NFT_CMP_EQ, &from, sizeof from);
	nft_immediate(&r, 0, &address, sizeof address);
	nft_immediate(&r, 1, &to, sizeof to);
	nft_dnat(&r, FAMILY, 0, 1);
	nft_rule_end(&r, "names: kist-dns");
}

int dns_aside_lead(in_port_t port, struct err *e)
{
	_cleanup_fd_ int fd = nl_open(NETLINK_NETFILTER);
	struct nl_batch b;
	int r;

	if (fd < 0)
		return err_set(e, -fd, "socket(AF_NETLINK, NETLINK_NETFILTER)");
	nl_batch_init(&b);
	nft_begin(&b);
	nft_put_new_table(&b, FAMILY, NULL);
	nft_put_delete_table(&b, FAMILY);
	nft_put_new_table(&b, FAMILY, NULL);
	nft_put_base_chain(&b, FAMILY, CHAIN, "nat", NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST);
	put_rule(&b, IPPROTO_UDP, port);
	put_rule(&b, IPPROTO_TCP, port);
	nft_end(&b);
	r = nl_talk(fd, &b, NULL, NULL, e);
	return r < 0 ? err_wrap(e, "nftables table ip " NFT_TABLE
				   " in the container's network namespace")
		     : 0;
}
