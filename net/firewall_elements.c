/*
 * firewall_elements.c - networks and endpoints as elements of the tables' sets and maps.
 */
#include "net/firewall_tables.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "net/link.h"

static void put(struct nl_batch *b, enum firewall_set set, const struct nft_element *list,
		size_t count, bool remove)
{
	nft_put_elements(b, &firewall_sets[set], list, count, remove);
}

static void add_name(struct nft_value *v, const char *name)
{
	char padded[IFNAMSIZ] = { 0 };

	memcpy(padded, name, strnlen(name, IFNAMSIZ - 1));
	nft_add_value(v, padded, sizeof padded);
}

static void add_ipv4(struct nft_value *v, uint32_t address)
{
	const uint32_t big = htonl(address);

	nft_add_value(v, &big, sizeof big);
}

static bool has_ipv6(const struct endpoint *ep)
{
	return !IN6_IS_ADDR_UNSPECIFIED(&ep->address6);
}

/* --- networks ------------------------------------------------------------------- */

/* First and last + 1; a subnet at the very end of all addresses has no such end. */
static size_t cover4(struct nft_element list[2], uint32_t subnet, int prefix)
{
	uint32_t first = subnet & ipv4_mask(prefix), past = first + ~ipv4_mask(prefix) + 1;

	add_ipv4(&list[0].key, first);
	add_ipv4(&list[1].key, past);
	list[1].flags = NFT_SET_ELEM_INTERVAL_END;
	return past ? 2 : 1;
}

static size_t cover6(struct nft_element list[2], const struct in6_addr *subnet, int prefix)
{
	struct in6_addr first = *subnet, past;
	int carry = 1;

	for (int i = 0; i < 16; i++) {
		int bits = prefix - i * 8;
		uint8_t mask = bits >= 8 ? 0xff : bits <= 0 ? 0 : (uint8_t)(0xff << (8 - bits));

		first.s6_addr[i] &= mask;
		past.s6_addr[i] = (uint8_t)(first.s6_addr[i] | (uint8_t)~mask);
	}
	for (int i = 15; i >= 0 && carry; i--)
		carry = ++past.s6_addr[i] == 0;
	nft_add_value(&list[0].key, &first, sizeof first);
	nft_add_value(&list[1].key, &past, sizeof past);
	list[1].flags = NFT_SET_ELEM_INTERVAL_END;
	return carry ? 1 : 2;
}

void firewall_put_network(struct nl_batch *b, const struct network *n, bool remove)
{
	struct nft_element bridge = { 0 }, pair = { 0 }, subnet4[2] = { 0 }, subnet6[2] = { 0 };

	if (n->driver != NETWORK_BRIDGE)
		return;
	add_name(&bridge.key, n->interface);
	add_name(&pair.key, n->interface);
	add_name(&pair.key, n->interface);
	put(b, SET_BRIDGES, &bridge, 1, remove);
	if (!n->isolated)
		put(b, SET_WITHIN, &pair, 1, remove);
	if (n->internal)
		put(b, SET_INTERNAL, &bridge, 1, remove);
	if (n->prefix)
		put(b, SET_SUBNETS4, subnet4, cover4(subnet4, n->subnet, n->prefix), remove);
	if (n->prefix6)
		put(b, SET_SUBNETS6, subnet6, cover6(subnet6, &n->subnet6, n->prefix6), remove);
}

/* --- endpoints -------------------------------------------------------------------- */

/* The link-local address the kernel gives an interface of this MAC (RFC 4291, appendix A): with it
 * neighbours are found. */
static struct in6_addr link_local(const uint8_t mac[6])
{
	struct in6_addr a = { .s6_addr = { 0xfe, 0x80 } };

	a.s6_addr[8] = mac[0] ^ 2;
	a.s6_addr[9] = mac[1];
	a.s6_addr[10] = mac[2];
	a.s6_addr[11] = 0xff;
	a.s6_addr[12] = 0xfe;
	memcpy(a.s6_addr + 13, mac + 3, 3);
	return a;
}

static void put_members(struct nl_batch *b, const struct network *n, const struct endpoint *ep,
			bool remove)
{
	const struct in6_addr local = link_local(ep->mac);
	struct nft_element four = { 0 }, six[2] = { 0 };

	add_name(&four.key, n->interface);
	add_ipv4(&four.key, ep->address);
	if (ep->address)
		put(b, SET_MEMBERS4, &four, 1, remove);
	for (int i = 0; i < 2; i++) {
		add_name(&six[i].key, n->interface);
		nft_add_value(&six[i].key, i ? &local : &ep->address6, sizeof local);
	}
	if (has_ipv6(ep))
		put(b, SET_MEMBERS6, six, 2, remove);
}

static void put_pins(struct nl_batch *b, const struct endpoint *ep, bool remove)
{
	const struct in6_addr local = link_local(ep->mac);
	struct nft_element port = { 0 }, four = { 0 }, six[2] = { 0 };

	add_name(&port.key, ep->host_if);
	put(b, SET_GUARDED, &port, 1, remove);
	add_name(&four.key, ep->host_if);
	nft_add_value(&four.key, ep->mac, sizeof ep->mac);
	add_ipv4(&four.key, ep->address);
	if (ep->address)
		put(b, SET_PINS4, &four, 1, remove);
	for (int i = 0; i < 2; i++) {
		add_name(&six[i].key, ep->host_if);
		nft_add_value(&six[i].key, ep->mac, sizeof ep->mac);
		nft_add_value(&six[i].key, i ? &local : &ep->address6, sizeof local);
	}
	if (has_ipv6(ep))
		put(b, SET_PINS6, six, 2, remove);
}

static void add_port(struct nft_value *v, unsigned port)
{
	const uint16_t big = htons((uint16_t)port);

	nft_add_value(v, &big, sizeof big);
}

#define PORTS_AT_ONCE 64

static void put_port4(struct nl_batch *b, const struct endpoint *ep, const struct published_port *p,
		      bool remove)
{
	enum firewall_set set = p->family && p->address ? SET_PUBLISHED4 : SET_ANYWHERE4;

	for (unsigned at = 0; at < p->count; at += PORTS_AT_ONCE) {
		struct nft_element list[PORTS_AT_ONCE] = { 0 };
		unsigned i;

		for (i = 0; i < PORTS_AT_ONCE && at + i < p->count; i++) {
			if (set == SET_PUBLISHED4)
				add_ipv4(&list[i].key, p->address);
			nft_add_value(&list[i].key, &p->protocol, 1);
			add_port(&list[i].key, p->host + at + i);
			add_ipv4(&list[i].data, ep->address);
			add_port(&list[i].data, p->port + at + i);
		}
		put(b, set, list, i, remove);
	}
}

static void put_port6(struct nl_batch *b, const struct endpoint *ep, const struct published_port *p,
		      bool remove)
{
	bool any = !p->family || IN6_IS_ADDR_UNSPECIFIED(&p->address6);

	for (unsigned at = 0; at < p->count; at += PORTS_AT_ONCE) {
		struct nft_element list[PORTS_AT_ONCE] = { 0 };
		unsigned i;

		for (i = 0; i < PORTS_AT_ONCE && at + i < p->count; i++) {
			if (!any)
				nft_add_value(&list[i].key, &p->address6, sizeof p->address6);
			nft_add_value(&list[i].key, &p->protocol, 1);
			add_port(&list[i].key, p->host + at + i);
			nft_add_value(&list[i].data, &ep->address6, sizeof ep->address6);
			add_port(&list[i].data, p->port + at + i);
		}
		put(b, any ? SET_ANYWHERE6 : SET_PUBLISHED6, list, i, remove);
	}
}

void firewall_put_endpoint(struct nl_batch *b, const struct network *n, const struct endpoint *ep,
			   bool bridge, bool remove)
{
	if (n->driver != NETWORK_BRIDGE)
		return;
	put_members(b, n, ep, remove);
	if (bridge && ep->host_if[0])
		put_pins(b, ep, remove);
	for (int i = 0; i < ep->port_count && !n->internal; i++) {
		const struct published_port *p = &ep->ports[i];

		if (ep->address && p->family != AF_INET6)
			put_port4(b, ep, p, remove);
		if (has_ipv6(ep) && p->family != AF_INET)
			put_port6(b, ep, p, remove);
	}
}

const struct network *firewall_network_of(const struct endpoint *ep, const struct network *networks,
					  size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(networks[i].name, ep->network) == 0)
			return &networks[i];
	return NULL;
}

static void put_table(struct nl_batch *b, int family, const char *comment)
{
	/* Make, delete, make: in one transaction this replaces, and works when there is none. */
	nft_put_new_table(b, family, NULL);
	nft_put_delete_table(b, family);
	nft_put_new_table(b, family, comment);
	firewall_put_rules(b, family);
}

void firewall_put_all(struct nl_batch *b, const struct network *networks, size_t network_count,
		      const struct endpoint *endpoints, size_t endpoint_count, bool bridge)
{
	nft_begin(b);
	put_table(b, NFPROTO_INET, bridge ? FIREWALL_COMMENT : FIREWALL_NO_BRIDGE);
	if (bridge)
		put_table(b, NFPROTO_BRIDGE, FIREWALL_COMMENT);
	for (size_t i = 0; i < network_count; i++)
		firewall_put_network(b, &networks[i], false);
	for (size_t i = 0; i < endpoint_count; i++) {
		const struct network *n =
			firewall_network_of(&endpoints[i], networks, network_count);

		if (n)
			firewall_put_endpoint(b, n, &endpoints[i], bridge, false);
	}
	nft_end(b);
}
