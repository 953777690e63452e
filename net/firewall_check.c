/*
 * firewall_check.c - whether the kernel's tables are as the records say.
 *
 * The transaction that would make them is built, and what the kernel has is
 * read; both are the same messages. Rules are known by chain, order and
 * comment, elements by set and key and value: of both there is a sum that does
 * not mind the order of what has none.
 */
#include "net/firewall_tables.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "base/fd.h"
#include "net/nft.h"

struct digest {
	uint64_t sum;
	uint32_t rules, elements, chains;
	bool dormant;
	int family;
	char chain[32];
	uint32_t order; /* of the rule in that chain */
	bool bridge;	/* a bridge table is among them */
};

static uint64_t hash(uint64_t h, const void *bytes, size_t size)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < size; i++)
		h = (h ^ at[i]) * 0x100000001b3;
	return h;
}

/* So that sums of neighbours don't cancel. */
static uint64_t finish(uint64_t h)
{
	h = (h ^ h >> 31) * 0xbf58476d1ce4e5b9;
	return h ^ h >> 29;
}

static uint64_t hash_attr(uint64_t h, const struct nlattr *a)
{
	const uint16_t type = nl_attr_type(a);

	return hash(hash(h, &type, sizeof type), nl_attr_payload(a), nl_attr_len(a));
}

static void take_rule(const struct nlmsghdr *m, struct digest *d)
{
	const struct nlattr *a;
	char chain[sizeof d->chain] = "";
	uint64_t h = 0xcbf29ce484222325;

	nl_for_each(a, m, sizeof(struct nfgenmsg))
	{
		if (nl_attr_type(a) == NFTA_RULE_CHAIN && nl_attr_is_string(a))
			strncpy(chain, nl_attr_string(a), sizeof chain - 1);
		if (nl_attr_type(a) == NFTA_RULE_CHAIN || nl_attr_type(a) == NFTA_RULE_USERDATA)
			h = hash_attr(h, a);
	}
	/* A chain's rules come in order, and together: in the kernel's dump as in ours. */
	d->order = strcmp(chain, d->chain) == 0 ? d->order + 1 : 0;
	memcpy(d->chain, chain, sizeof chain);
	h = hash(h, &d->family, sizeof d->family);
	d->sum += finish(hash(h, &d->order, sizeof d->order));
	d->rules++;
}

static uint64_t hash_element(uint64_t h, const struct nlattr *element)
{
	const struct nlattr *a, *v;
	uint64_t parts = 0;

	/* The kernel has an order of its own for an element's parts. */
	nl_for_each_in(a, element) {
		const uint16_t type = nl_attr_type(a);

		if (type == NFTA_SET_ELEM_FLAGS)
			parts += finish(hash_attr(h, a));
		if (type != NFTA_SET_ELEM_KEY && type != NFTA_SET_ELEM_DATA)
			continue;
		nl_for_each_in(v, a)
			if (nl_attr_type(v) == NFTA_DATA_VALUE)
				parts += finish(hash_attr(hash(h, &type, sizeof type), v));
	}
	return parts;
}

static void take_elements(const struct nlmsghdr *m, struct digest *d)
{
	const struct nlattr *a, *element;
	uint64_t h = hash(0xcbf29ce484222325, &d->family, sizeof d->family);

	nl_for_each(a, m, sizeof(struct nfgenmsg))
	{
		if (nl_attr_type(a) == NFTA_SET_ELEM_LIST_SET && nl_attr_is_string(a))
			h = hash(h, nl_attr_string(a), nl_attr_len(a));
		if (nl_attr_type(a) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		nl_for_each_in(element, a)
		{
			d->sum += finish(hash_element(h, element));
			d->elements++;
		}
	}
}

static void take_base_chain(const struct nlmsghdr *m, struct digest *d)
{
	uint64_t h = hash(0xcbf29ce484222325, &d->family, sizeof d->family);
	const struct nlattr *a, *v;
	bool base = false;

	nl_for_each(a, m, sizeof(struct nfgenmsg))
	{
		if (nl_attr_type(a) == NFTA_CHAIN_NAME)
			h = hash_attr(h, a);
		if (nl_attr_type(a) != NFTA_CHAIN_HOOK)
			continue;
		base = true;
		nl_for_each_in(v, a) h = hash_attr(h, v);
	}
	if (!base)
		return;
	d->sum += finish(h);
	d->chains++;
}

static void take_table(const struct nlmsghdr *m, struct digest *d)
{
	const struct nlattr *a;

	nl_for_each(a, m, sizeof(struct nfgenmsg)) if (nl_attr_type(a) == NFTA_TABLE_FLAGS &&
						       nl_attr_is_u32(a) &&
						       nl_attr_u32(a) & htonl(NFT_TABLE_F_DORMANT))
		d->dormant = true;
}

static int take(const struct nlmsghdr *m, void *user)
{
	const struct nfgenmsg *head = nl_payload(m);
	struct digest *d = user;

	if (m->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || nl_payload_len(m) < sizeof *head)
		return 0;
	if (head->nfgen_family != d->family)
		d->chain[0] = '\0';
	d->family = head->nfgen_family;
	d->bridge |= d->family == NFPROTO_BRIDGE;
	switch (m->nlmsg_type & 0xff) {
	case NFT_MSG_NEWRULE:
		take_rule(m, d);
		break;
	case NFT_MSG_NEWSETELEM:
		take_elements(m, d);
		break;
	case NFT_MSG_NEWCHAIN:
		take_base_chain(m, d);
		break;
	case NFT_MSG_NEWTABLE:
		take_table(m, d);
		break;
	}
	return 0;
}

/* --- what should be, what is ------------------------------------------------------- */

static int digest_wanted(struct digest *d, const struct network *networks, size_t network_count,
			 const struct endpoint *endpoints, size_t endpoint_count, bool bridge,
			 struct err *e)
{
	_cleanup_batch_ struct nl_batch b;
	const struct nlmsghdr *m;
	int left;

	nl_batch_init_growing(&b);
	firewall_put_all(&b, networks, network_count, endpoints, endpoint_count, bridge);
	if (b.overflow)
		return err_set(e, ENOMEM, "nftables table inet " NFT_TABLE);
	m = (const struct nlmsghdr *)b.bytes;
	left = (int)b.used;
	for (; nl_ok(m, left); m = nl_next(m, &left))
		take(m, d);
	return 0;
}

static int dump(int fd, int type, int family, const char *set, struct digest *d, struct err *e)
{
	struct nlmsghdr *m;
	struct nl_batch b;

	nl_batch_init(&b);
	m = nft_message(&b, type, family, type == NFT_MSG_GETTABLE ? NLM_F_ACK : NLM_F_DUMP);
	nl_put_string(m, NFTA_TABLE_NAME, NFT_TABLE); /* 1 in all of these */
	if (set)
		nl_put_string(m, NFTA_SET_ELEM_LIST_SET, set);
	nl_end(&b, m);
	return nl_talk(fd, &b, take, d, e);
}

/* The dump of chains knows no table: others' are passed over here. */
static int take_our_chain(const struct nlmsghdr *m, void *user)
{
	const struct nlattr *a;

	nl_for_each(a, m, sizeof(struct nfgenmsg)) if (nl_attr_type(a) == NFTA_CHAIN_TABLE &&
						       nl_attr_is_string(a) &&
						       strcmp(nl_attr_string(a), NFT_TABLE) ==
							       0) return take(m, user);
	return 0;
}

static int dump_chains(int fd, int family, struct digest *d, struct err *e)
{
	struct nlmsghdr *m;
	struct nl_batch b;

	nl_batch_init(&b);
	m = nft_message(&b, NFT_MSG_GETCHAIN, family, NLM_F_DUMP);
	nl_end(&b, m);
	return nl_talk(fd, &b, take_our_chain, d, e);
}

static int dump_family(int fd, int family, struct digest *d, struct err *e)
{
	int r = dump(fd, NFT_MSG_GETTABLE, family, NULL, d, e);

	if (r == 0)
		r = dump_chains(fd, family, d, e);
	if (r == 0)
		r = dump(fd, NFT_MSG_GETRULE, family, NULL, d, e);
	for (int i = 0; i < SET_COUNT && r == 0; i++)
		if (firewall_sets[i].family == family)
			r = dump(fd, NFT_MSG_GETSETELEM, family, firewall_sets[i].name, d, e);
	return r;
}

static bool is_same(const struct digest *a, const struct digest *b)
{
	return a->sum == b->sum && a->rules == b->rules && a->elements == b->elements &&
	       a->chains == b->chains && !b->dormant;
}

#define TRIES 5 /* a table that changes while it is read is read again */

int firewall_is_whole(const struct network *networks, size_t network_count,
		      const struct endpoint *endpoints, size_t endpoint_count, struct err *e)
{
	bool bridge = firewall_has_bridge();
	struct digest wanted = { 0 };
	int r = digest_wanted(&wanted, networks, network_count, endpoints, endpoint_count, bridge,
			      e);

	if (r < 0)
		return r;
	for (int tries = 0; tries < TRIES; tries++) {
		_cleanup_fd_ int fd = nl_open(NETLINK_NETFILTER);
		struct digest seen = { 0 };

		err_clear(e);
		if (fd < 0)
			return err_set(e, -fd, "socket(AF_NETLINK, NETLINK_NETFILTER)");
		r = dump_family(fd, NFPROTO_INET, &seen, e);
		if (r == 0 && bridge)
			r = dump_family(fd, NFPROTO_BRIDGE, &seen, e);
		if (r == 0)
			return is_same(&wanted, &seen);
		if (r == -ENOENT) {
			err_clear(e);
			return 0;
		}
		if (r != -EAGAIN)
			break;
	}
	return err_wrap(e, "cannot read the nftables table " NFT_TABLE);
}
