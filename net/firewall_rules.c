/*
 * firewall_rules.c - the sets, chains and rules of kist's tables; none of them names a container.
 *
 * Addresses, interfaces and ports stand in the sets (firewall_elements.c).
 */
#include "net/firewall_tables.h"

#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <linux/rtnetlink.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#define END NFT_TYPE_END

/* linux/netfilter_bridge.h is at odds with netinet/in.h. */
#define BRIDGE_PRE_ROUTING 0
#define BRIDGE_LOCAL_IN	   1
#define BRIDGE_PRI_FILTER  (-200)

/* clang-format off */
const struct nft_set firewall_sets[SET_COUNT] = {
	[SET_BRIDGES] = { NFPROTO_INET, "bridges", { NFT_TYPE_IFNAME }, { END }, false },
	[SET_WITHIN] = { NFPROTO_INET, "within", { NFT_TYPE_IFNAME, NFT_TYPE_IFNAME }, { END }, false },
	[SET_INTERNAL] = { NFPROTO_INET, "internal", { NFT_TYPE_IFNAME }, { END }, false },
	[SET_SUBNETS4] = { NFPROTO_INET, "subnets4", { NFT_TYPE_IPV4 }, { END }, true },
	[SET_SUBNETS6] = { NFPROTO_INET, "subnets6", { NFT_TYPE_IPV6 }, { END }, true },
	[SET_MEMBERS4] = { NFPROTO_INET, "members4", { NFT_TYPE_IFNAME, NFT_TYPE_IPV4 }, { END }, false },
	[SET_MEMBERS6] = { NFPROTO_INET, "members6", { NFT_TYPE_IFNAME, NFT_TYPE_IPV6 }, { END }, false },
	[SET_PUBLISHED4] = { NFPROTO_INET, "published4",
		{ NFT_TYPE_IPV4, NFT_TYPE_PROTOCOL, NFT_TYPE_PORT }, { NFT_TYPE_IPV4, NFT_TYPE_PORT }, false },
	[SET_PUBLISHED6] = { NFPROTO_INET, "published6",
		{ NFT_TYPE_IPV6, NFT_TYPE_PROTOCOL, NFT_TYPE_PORT }, { NFT_TYPE_IPV6, NFT_TYPE_PORT }, false },
	[SET_ANYWHERE4] = { NFPROTO_INET, "anywhere4",
		{ NFT_TYPE_PROTOCOL, NFT_TYPE_PORT }, { NFT_TYPE_IPV4, NFT_TYPE_PORT }, false },
	[SET_ANYWHERE6] = { NFPROTO_INET, "anywhere6",
		{ NFT_TYPE_PROTOCOL, NFT_TYPE_PORT }, { NFT_TYPE_IPV6, NFT_TYPE_PORT }, false },
	[SET_GUARDED] = { NFPROTO_BRIDGE, "guarded", { NFT_TYPE_IFNAME }, { END }, false },
	[SET_PINS4] = { NFPROTO_BRIDGE, "pins4",
		{ NFT_TYPE_IFNAME, NFT_TYPE_ETHER, NFT_TYPE_IPV4 }, { END }, false },
	[SET_PINS6] = { NFPROTO_BRIDGE, "pins6",
		{ NFT_TYPE_IFNAME, NFT_TYPE_ETHER, NFT_TYPE_IPV6 }, { END }, false },
};
/* clang-format on */

/* --- what rules match: each continues with the next when it is so --------------------- */

/* Offsets in the headers: RFC 791, RFC 8200, RFC 826, IEEE 802.3. */
#define IP4_SOURCE   12
#define IP4_TARGET   16
#define IP6_SOURCE   8
#define IP6_TARGET   24
#define ARP_KIND     0 /* hardware and protocol, and the lengths of their addresses */
#define ARP_ETHER    8 /* the sender's */
#define ARP_ADDRESS  14
#define ETHER_TARGET 0
#define ETHER_SOURCE 6
#define ETHER_TYPE   12
#define PORT_SOURCE  0
#define PORT_TARGET  2
#define ICMP_TYPE    0
#define ND_TARGET    8 /* of a solicitation or an advertisement, RFC 4861 */
#define IFNAME_WORDS 4 /* registers an interface's name takes */
#define ETHER_WORDS  2

static void compare8(struct nft_rule *r, uint32_t op, uint8_t value)
{
	nft_compare(r, 0, op, &value, sizeof value);
}

static void compare16(struct nft_rule *r, uint32_t op, uint16_t value)
{
	const uint16_t big = htons(value);

	nft_compare(r, 0, op, &big, sizeof big);
}

static void is_family(struct nft_rule *r, int family)
{
	nft_meta(r, NFT_META_NFPROTO, 0);
	compare8(r, NFT_CMP_EQ, (uint8_t)family);
}

static void is_protocol(struct nft_rule *r, uint8_t protocol)
{
	nft_meta(r, NFT_META_L4PROTO, 0);
	compare8(r, NFT_CMP_EQ, protocol);
}

/* key: NFT_META_IIFNAME, NFT_META_OIFNAME */
static void interface_in(struct nft_rule *r, uint32_t key, enum firewall_set set)
{
	nft_meta(r, key, 0);
	nft_lookup(r, 0, firewall_sets[set].name, false);
}

static void interface_not_in(struct nft_rule *r, uint32_t key, enum firewall_set set)
{
	nft_meta(r, key, 0);
	nft_lookup(r, 0, firewall_sets[set].name, true);
}

static void is_loopback(struct nft_rule *r, uint32_t key, uint32_t op)
{
	const char lo[IFNAMSIZ] = "lo";

	nft_meta(r, key, 0);
	nft_compare(r, 0, op, lo, sizeof lo);
}

static void load_source(struct nft_rule *r, int family, int reg)
{
	nft_payload(r, NFT_PAYLOAD_NETWORK_HEADER, family == NFPROTO_IPV4 ? IP4_SOURCE : IP6_SOURCE,
		    family == NFPROTO_IPV4 ? 4 : 16, reg);
}

static void load_target(struct nft_rule *r, int family, int reg)
{
	nft_payload(r, NFT_PAYLOAD_NETWORK_HEADER, family == NFPROTO_IPV4 ? IP4_TARGET : IP6_TARGET,
		    family == NFPROTO_IPV4 ? 4 : 16, reg);
}

static void source_in(struct nft_rule *r, int family)
{
	is_family(r, family);
	load_source(r, family, 0);
	nft_lookup(r, 0, firewall_sets[family == NFPROTO_IPV4 ? SET_SUBNETS4 : SET_SUBNETS6].name,
		   false);
}

/* `iifname . ip saddr @members4` */
static void is_member(struct nft_rule *r, uint32_t key, int family)
{
	is_family(r, family);
	nft_meta(r, key, 0);
	load_source(r, family, IFNAME_WORDS);
	nft_lookup(r, 0, firewall_sets[family == NFPROTO_IPV4 ? SET_MEMBERS4 : SET_MEMBERS6].name,
		   false);
}

/* `ip saddr 127.0.0.0/8`, or daddr */
static void is_127(struct nft_rule *r, uint32_t offset)
{
	is_family(r, NFPROTO_IPV4);
	nft_payload(r, NFT_PAYLOAD_NETWORK_HEADER, offset, 1, 0);
	compare8(r, NFT_CMP_EQ, 127);
}

static void has_bits(struct nft_rule *r, uint32_t key, uint32_t bits)
{
	const uint32_t zero = 0;

	nft_ct(r, key, 0);
	nft_mask(r, 0, &bits, sizeof bits);
	nft_compare(r, 0, NFT_CMP_NEQ, &zero, sizeof zero);
}

static void is_answer(struct nft_rule *r)
{
	has_bits(r, NFT_CT_STATE,
		 NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
}

static void is_published(struct nft_rule *r)
{
	has_bits(r, NFT_CT_STATUS, IPS_DST_NAT);
}

static void is_icmp(struct nft_rule *r, uint8_t protocol, uint8_t type)
{
	is_protocol(r, protocol);
	nft_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, ICMP_TYPE, 1, 0);
	compare8(r, NFT_CMP_EQ, type);
}

static void end_accept(struct nft_rule *r, const char *comment)
{
	nft_verdict(r, NF_ACCEPT, NULL);
	nft_rule_end(r, comment);
}

static void end_drop(struct nft_rule *r, const char *comment)
{
	nft_verdict(r, NF_DROP, NULL);
	nft_rule_end(r, comment);
}

static struct nft_rule in_chain(struct nl_batch *b, const char *chain)
{
	return nft_rule_begin(b, NFPROTO_INET, chain);
}

/* --- inet: who may say what --------------------------------------------------------------- */

/* Before conntrack: a lie makes no state. */
static void put_sources(struct nl_batch *b)
{
	struct nft_rule r;

	nft_put_chain(b, NFPROTO_INET, "from_container");
	/* Ports published on 127.0.0.1 need route_localnet on the bridge, which would let a
	 * container reach what listens there for the host alone (CVE-2020-8558). */
	r = in_chain(b, "from_container");
	is_127(&r, IP4_TARGET);
	end_drop(&r, "the host's loopback is not a container's");
	r = in_chain(b, "from_container");
	is_member(&r, NFT_META_IIFNAME, NFPROTO_IPV4);
	end_accept(&r, "its own address");
	r = in_chain(b, "from_container");
	is_member(&r, NFT_META_IIFNAME, NFPROTO_IPV6);
	end_accept(&r, "its own address");
	/* Before an address is used: where br_netfilter is loaded, neighbours' frames come by. */
	r = in_chain(b, "from_container");
	is_family(&r, NFPROTO_IPV6);
	load_source(&r, NFPROTO_IPV6, 0);
	nft_compare(&r, 0, NFT_CMP_EQ, &in6addr_any, sizeof in6addr_any);
	is_icmp(&r, IPPROTO_ICMPV6, 135);
	end_accept(&r, "duplicate address detection");
	r = in_chain(b, "from_container");
	end_drop(&r, "no address of a container on this bridge");

	nft_put_base_chain(b, NFPROTO_INET, "prerouting", "filter", NF_INET_PRE_ROUTING,
			   NF_IP_PRI_RAW);
	r = in_chain(b, "prerouting");
	interface_in(&r, NFT_META_IIFNAME, SET_BRIDGES);
	nft_verdict(&r, NFT_GOTO, "from_container");
	nft_rule_end(&r, "what containers send");
	r = in_chain(b, "prerouting");
	is_loopback(&r, NFT_META_IIFNAME, NFT_CMP_EQ);
	end_accept(&r, "the host to itself");
	r = in_chain(b, "prerouting");
	source_in(&r, NFPROTO_IPV4);
	end_drop(&r, "a container's address, from elsewhere");
	r = in_chain(b, "prerouting");
	source_in(&r, NFPROTO_IPV6);
	end_drop(&r, "a container's address, from elsewhere");
}

/* A rule for what comes by the interfaces of a set, or leaves by them. */
struct row {
	uint32_t key; /* NFT_META_IIFNAME, NFT_META_OIFNAME */
	enum firewall_set set;
	void (*match)(struct nft_rule *r); /* NULL: whatever it is */
	uint32_t verdict;
	const char *comment;
};

static void put_rows(struct nl_batch *b, const char *chain, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct nft_rule r = in_chain(b, chain);

		interface_in(&r, rows[i].key, rows[i].set);
		if (rows[i].match)
			rows[i].match(&r);
		nft_verdict(&r, rows[i].verdict, NULL);
		nft_rule_end(&r, rows[i].comment);
	}
}

static void is_solicitation(struct nft_rule *r)
{
	is_icmp(r, IPPROTO_ICMPV6, 135);
}

static void is_advertisement(struct nft_rule *r)
{
	is_icmp(r, IPPROTO_ICMPV6, 136);
}

/* clang-format off */
static const struct row input_rows[] = {
	{ NFT_META_IIFNAME, SET_INTERNAL, is_answer, NF_ACCEPT, "answers to the host" },
	/* Neighbour discovery; what it may claim the bridge's table says. */
	{ NFT_META_IIFNAME, SET_INTERNAL, is_solicitation, NF_ACCEPT, "who has an address" },
	{ NFT_META_IIFNAME, SET_INTERNAL, is_advertisement, NF_ACCEPT, "who has an address" },
	/* A service of the host would be a way out. */
	{ NFT_META_IIFNAME, SET_INTERNAL, NULL, NF_DROP, "internal: not to the host" },
};

static const struct row forward_rows[] = {
	{ NFT_META_IIFNAME, SET_INTERNAL, NULL, NF_DROP, "internal: no way out" },
	{ NFT_META_OIFNAME, SET_INTERNAL, NULL, NF_DROP, "internal: no way in" },
	{ NFT_META_OIFNAME, SET_BRIDGES, is_answer, NF_ACCEPT, "answers" },
	{ NFT_META_OIFNAME, SET_BRIDGES, is_published, NF_ACCEPT, "published ports" },
	/* Whatever routes a neighbour sets; and from one network to another. */
	{ NFT_META_OIFNAME, SET_BRIDGES, NULL, NF_DROP, "nothing else to containers" },
};
/* clang-format on */

static void put_input(struct nl_batch *b)
{
	nft_put_base_chain(b, NFPROTO_INET, "input", "filter", NF_INET_LOCAL_IN, NF_IP_PRI_FILTER);
	put_rows(b, "input", input_rows, sizeof input_rows / sizeof *input_rows);
}

/* What a container has the host send back to its own network, for each of 65000 addresses that nobody
 * has: the host would look for them all, and its table of neighbours, of which there is one for all
 * networks, would be full. */
static void put_nobodys(struct nl_batch *b, int family)
{
	const uint32_t unicast = RTN_UNICAST;
	bool four = family == NFPROTO_IPV4;
	struct nft_rule r = in_chain(b, "same_network");

	is_family(&r, family);
	load_target(&r, family, 0);
	nft_lookup(&r, 0, firewall_sets[four ? SET_SUBNETS4 : SET_SUBNETS6].name, false);
	nft_fib_type(&r, 0);
	nft_compare(&r, 0, NFT_CMP_EQ, &unicast, sizeof unicast);
	nft_meta(&r, NFT_META_OIFNAME, 0);
	load_target(&r, family, IFNAME_WORDS);
	nft_lookup(&r, 0, firewall_sets[four ? SET_MEMBERS4 : SET_MEMBERS6].name, true);
	end_drop(&r, "to nobody's address");
}

static void put_forward(struct nl_batch *b)
{
	struct nft_rule r;

	nft_put_chain(b, NFPROTO_INET, "same_network");
	put_nobodys(b, NFPROTO_IPV4);
	put_nobodys(b, NFPROTO_IPV6);
	r = in_chain(b, "same_network");
	end_accept(&r, "to one who is there");

	nft_put_base_chain(b, NFPROTO_INET, "forward", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER);
	/* Bridged packets come here too where br_netfilter is loaded. */
	r = in_chain(b, "forward");
	nft_meta(&r, NFT_META_IIFNAME, 0);
	nft_meta(&r, NFT_META_OIFNAME, IFNAME_WORDS);
	nft_lookup(&r, 0, firewall_sets[SET_WITHIN].name, false);
	nft_verdict(&r, NFT_GOTO, "same_network");
	nft_rule_end(&r, "within a network");
	put_rows(b, "forward", forward_rows, sizeof forward_rows / sizeof *forward_rows);
}

/* --- inet: translation ------------------------------------------------------------------------ */

/* `dnat ip to [ip daddr .] meta l4proto . th dport map @MAP`; no such key: the next rule. */
static void put_dnat(struct nl_batch *b, int family, enum firewall_set map, bool with_address)
{
	struct nft_rule r = in_chain(b, "published");
	int words = family == NFPROTO_IPV4 ? 1 : 4, at = 0;

	is_family(&r, family);
	if (with_address) {
		load_target(&r, family, 0);
		at = words;
	}
	nft_meta(&r, NFT_META_L4PROTO, at);
	nft_payload(&r, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_TARGET, 2, at + 1);
	nft_lookup_map(&r, 0, firewall_sets[map].name, 0);
	nft_dnat(&r, family, 0, words);
	nft_rule_end(&r, with_address ? "on one address" : "on all addresses");
}

static void put_local_jump(struct nl_batch *b, const char *chain)
{
	const uint32_t local = RTN_LOCAL;
	struct nft_rule r = in_chain(b, chain);

	nft_fib_type(&r, 0);
	nft_compare(&r, 0, NFT_CMP_EQ, &local, sizeof local);
	nft_verdict(&r, NFT_JUMP, "published");
	nft_rule_end(&r, "to an address of the host");
}

static void put_published(struct nl_batch *b)
{
	struct nft_rule r;

	nft_put_chain(b, NFPROTO_INET, "published");
	put_dnat(b, NFPROTO_IPV4, SET_PUBLISHED4, true);
	put_dnat(b, NFPROTO_IPV4, SET_ANYWHERE4, false);
	put_dnat(b, NFPROTO_IPV6, SET_PUBLISHED6, true);
	put_dnat(b, NFPROTO_IPV6, SET_ANYWHERE6, false);

	nft_put_base_chain(b, NFPROTO_INET, "dstnat", "nat", NF_INET_PRE_ROUTING,
			   NF_IP_PRI_NAT_DST);
	/* The kernel drops what comes from outside for 127.0.0.1 when it looks for the way, after
	 * this hook: a new target would save the packet from that (moby#45610). */
	r = in_chain(b, "dstnat");
	is_127(&r, IP4_TARGET);
	end_accept(&r, "loopback is for the host alone");
	put_local_jump(b, "dstnat");

	nft_put_base_chain(b, NFPROTO_INET, "output", "nat", NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST);
	put_local_jump(b, "output");
}

static void put_hairpin(struct nl_batch *b, int family)
{
	struct nft_rule r = in_chain(b, "postrouting");

	is_member(&r, NFT_META_OIFNAME, family);
	is_published(&r);
	nft_masquerade(&r);
	nft_rule_end(&r,
		     "a container to its own network's published port: the answer must come back");
}

static void put_way_out(struct nl_batch *b, int family)
{
	struct nft_rule r = in_chain(b, "postrouting");

	interface_not_in(&r, NFT_META_OIFNAME, SET_BRIDGES);
	is_loopback(&r, NFT_META_OIFNAME, NFT_CMP_NEQ);
	source_in(&r, family);
	nft_masquerade(&r);
	nft_rule_end(&r, "containers to the world");
}

static void put_postrouting(struct nl_batch *b)
{
	struct nft_rule r;

	nft_put_base_chain(b, NFPROTO_INET, "postrouting", "nat", NF_INET_POST_ROUTING,
			   NF_IP_PRI_NAT_SRC);
	r = in_chain(b, "postrouting");
	interface_in(&r, NFT_META_OIFNAME, SET_BRIDGES);
	is_127(&r, IP4_SOURCE);
	nft_masquerade(&r);
	nft_rule_end(&r, "the host over loopback to a published port");
	put_hairpin(b, NFPROTO_IPV4);
	put_hairpin(b, NFPROTO_IPV6);
	put_way_out(b, NFPROTO_IPV4);
	put_way_out(b, NFPROTO_IPV6);
}

/* --- bridge: before anything is learned or forwarded -------------------------------------------
 */

static struct nft_rule in_guard(struct nl_batch *b, uint16_t type)
{
	struct nft_rule r = nft_rule_begin(b, NFPROTO_BRIDGE, "guard");

	nft_payload(&r, NFT_PAYLOAD_LL_HEADER, ETHER_TYPE, 2, 0);
	compare16(&r, NFT_CMP_EQ, type);
	return r;
}

/* `iifname . ether saddr . <what stands at offset> @pins`, or not. */
static void pin(struct nft_rule *r, bool v6, uint32_t base, uint32_t offset, bool inverted)
{
	nft_meta(r, NFT_META_IIFNAME, 0);
	nft_payload(r, NFT_PAYLOAD_LL_HEADER, ETHER_SOURCE, ETH_ALEN, IFNAME_WORDS);
	nft_payload(r, base, offset, v6 ? 16 : 4, IFNAME_WORDS + ETHER_WORDS);
	nft_lookup(r, 0, firewall_sets[v6 ? SET_PINS6 : SET_PINS4].name, inverted);
}

static void put_arp_guard(struct nl_batch *b)
{
	const unsigned char kind[6] = { 0, 1, ETH_P_IP >> 8, ETH_P_IP & 255, ETH_ALEN, 4 };
	struct nft_rule r = in_guard(b, ETH_P_ARP);

	nft_payload(&r, NFT_PAYLOAD_NETWORK_HEADER, ARP_KIND, sizeof kind, 0);
	nft_compare(&r, 0, NFT_CMP_EQ, kind, sizeof kind);
	nft_verdict(&r, NFT_GOTO, "guard_arp");
	nft_rule_end(&r, "ARP for IPv4");
	r = in_guard(b, ETH_P_ARP);
	end_drop(&r, "ARP for something else");
}

static void put_arp_pins(struct nl_batch *b)
{
	struct nft_rule r = nft_rule_begin(b, NFPROTO_BRIDGE, "guard_arp");
	pin(&r, false, NFT_PAYLOAD_NETWORK_HEADER, ARP_ADDRESS, true);
	end_drop(&r, "for another's address, or from another's MAC");
	r = nft_rule_begin(b, NFPROTO_BRIDGE, "guard_arp");
	nft_meta(&r, NFT_META_IIFNAME, 0);
	nft_payload(&r, NFT_PAYLOAD_NETWORK_HEADER, ARP_ETHER, ETH_ALEN, IFNAME_WORDS);
	nft_payload(&r, NFT_PAYLOAD_NETWORK_HEADER, ARP_ADDRESS, 4, IFNAME_WORDS + ETHER_WORDS);
	nft_lookup(&r, 0, firewall_sets[SET_PINS4].name, true);
	end_drop(&r, "that says another MAC");
}

static void put_ip_guard(struct nl_batch *b)
{
	struct nft_rule r = in_guard(b, ETH_P_IP);

	pin(&r, false, NFT_PAYLOAD_NETWORK_HEADER, IP4_SOURCE, true);
	end_drop(&r, "another's address or MAC");
	r = in_guard(b, ETH_P_IP);
	is_icmp(&r, IPPROTO_ICMP, 5);
	end_drop(&r, "ICMP redirect");
	r = in_guard(b, ETH_P_IP);
	is_protocol(&r, IPPROTO_UDP);
	nft_payload(&r, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_SOURCE, 2, 0);
	compare16(&r, NFT_CMP_EQ, 67);
	end_drop(&r, "DHCP server");
}

static void put_ip6_guard(struct nl_batch *b)
{
	const struct in6_addr none = IN6ADDR_ANY_INIT;
	struct nft_rule r = in_guard(b, ETH_P_IPV6);

	/* Whether somebody has the address already, asked before it is used. */
	load_source(&r, NFPROTO_IPV6, 0);
	nft_compare(&r, 0, NFT_CMP_EQ, &none, sizeof none);
	is_icmp(&r, IPPROTO_ICMPV6, 135);
	pin(&r, true, NFT_PAYLOAD_TRANSPORT_HEADER, ND_TARGET, false);
	end_accept(&r, "duplicate address detection, for its own address");
	r = in_guard(b, ETH_P_IPV6);
	pin(&r, true, NFT_PAYLOAD_NETWORK_HEADER, IP6_SOURCE, true);
	end_drop(&r, "another's address or MAC");
	r = in_guard(b, ETH_P_IPV6);
	is_icmp(&r, IPPROTO_ICMPV6, 134);
	end_drop(&r, "router advertisement (CVE-2020-13401)");
	r = in_guard(b, ETH_P_IPV6);
	is_icmp(&r, IPPROTO_ICMPV6, 137);
	end_drop(&r, "ICMPv6 redirect");
	r = in_guard(b, ETH_P_IPV6);
	is_icmp(&r, IPPROTO_ICMPV6, 136);
	pin(&r, true, NFT_PAYLOAD_TRANSPORT_HEADER, ND_TARGET, true);
	end_drop(&r, "neighbour advertisement for another's address");
	r = in_guard(b, ETH_P_IPV6);
	is_protocol(&r, IPPROTO_UDP);
	nft_payload(&r, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_SOURCE, 2, 0);
	compare16(&r, NFT_CMP_EQ, 547);
	end_drop(&r, "DHCPv6 server");
}

/* `ether daddr 01:80:c2:00:00:xx`: IEEE 802.1D's, from one end of a wire to the other. */
static void is_for_bridges(struct nft_rule *r)
{
	const unsigned char first[5] = { 0x01, 0x80, 0xc2, 0, 0 };

	nft_payload(r, NFT_PAYLOAD_LL_HEADER, ETHER_TARGET, sizeof first, 0);
	nft_compare(r, 0, NFT_CMP_EQ, first, sizeof first);
}

static void go_to_guard(struct nft_rule *r)
{
	/* No map of verdicts: the kernel goes through all of such a one whenever an element comes. */
	interface_in(r, NFT_META_IIFNAME, SET_GUARDED);
	nft_verdict(r, NFT_GOTO, "guard");
	nft_rule_end(r, "what containers send");
}

static void put_bridge(struct nl_batch *b)
{
	const uint16_t known[] = { ETH_P_IP, ETH_P_ARP, ETH_P_IPV6 };
	struct nft_rule r;

	nft_put_chain(b, NFPROTO_BRIDGE, "guard");
	nft_put_chain(b, NFPROTO_BRIDGE, "guard_arp");
	/* The bridge hands these to the host as if they had come over the port itself, where no rule
	 * for the bridge holds, and learns from them who is where. */
	r = nft_rule_begin(b, NFPROTO_BRIDGE, "guard");
	is_for_bridges(&r);
	end_drop(&r, "for a bridge, of which it is none");
	/* Tags hide what is inside from all that follows. */
	r = nft_rule_begin(b, NFPROTO_BRIDGE, "guard");
	nft_payload(&r, NFT_PAYLOAD_LL_HEADER, ETHER_TYPE, 2, 0);
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		compare16(&r, NFT_CMP_NEQ, known[i]);
	end_drop(&r, "no IP, no ARP");
	put_arp_guard(b);
	put_ip_guard(b);
	put_ip6_guard(b);
	/* firewall_check.c wants a chain's rules together. */
	put_arp_pins(b);

	nft_put_base_chain(b, NFPROTO_BRIDGE, "prerouting", "filter", BRIDGE_PRE_ROUTING,
			   BRIDGE_PRI_FILTER);
	r = nft_rule_begin(b, NFPROTO_BRIDGE, "prerouting");
	go_to_guard(&r);
	/* Those that LINK_FORWARD_RESERVED does not bring to the hook before. */
	nft_put_base_chain(b, NFPROTO_BRIDGE, "input", "filter", BRIDGE_LOCAL_IN, BRIDGE_PRI_FILTER);
	r = nft_rule_begin(b, NFPROTO_BRIDGE, "input");
	is_for_bridges(&r);
	go_to_guard(&r);
}

void firewall_put_rules(struct nl_batch *b, int family)
{
	for (int i = 0; i < SET_COUNT; i++)
		if (firewall_sets[i].family == family)
			nft_put_set(b, &firewall_sets[i], (uint32_t)i + 1);
	if (family == NFPROTO_BRIDGE) {
		put_bridge(b);
		return;
	}
	put_sources(b);
	put_input(b);
	put_forward(b);
	put_published(b);
	put_postrouting(b);
}
