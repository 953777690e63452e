/*
 * conntrack.c - flows the kernel remembers: asked for by an address, and forgotten.
 */
#include "net/conntrack.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "net/address.h"
#include "net/netlink.h"

/* net/netfilter/nf_internals.h: which parts of a tuple a dump's filter looks at. */
#define FILTER_IP_SRC 1u
#define FLOWS_FEW     2000

struct flow_address {
	int family;
	const void *bytes;
	size_t size;
	uint16_t source; /* CTA_IP_V4_SRC, CTA_IP_V6_SRC */
};

struct forgetting {
	const struct flow_address *list;
	size_t count;
	struct nl_batch *deletions;
	size_t last; /* where the last of them begins */
};

static struct nlmsghdr *begin(struct nl_batch *b, int type, int family, uint16_t flags)
{
	struct nlmsghdr *m =
		nl_begin(b, (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | (unsigned)type), flags);
	struct nfgenmsg *head = nl_extra_header(m, sizeof *head);

	head->nfgen_family = (uint8_t)family;
	head->version = NFNETLINK_V0;
	return m;
}

/* Older kernels don't filter: then all come, and are looked at here. */
static void put_question(struct nl_batch *b, const struct flow_address *a, bool reply)
{
	struct nlmsghdr *m = begin(b, IPCTNL_MSG_CT_GET, a->family, NLM_F_DUMP);
	struct nlattr *tuple, *ip, *filter;

	tuple = nl_nest_begin(m, reply ? CTA_TUPLE_REPLY : CTA_TUPLE_ORIG);
	ip = nl_nest_begin(m, CTA_TUPLE_IP);
	nl_put(m, a->source, a->size, a->bytes);
	nl_nest_end(m, ip);
	nl_nest_end(m, tuple);
	filter = nl_nest_begin(m, CTA_FILTER);
	nl_put_u32(m, reply ? CTA_FILTER_REPLY_FLAGS : CTA_FILTER_ORIG_FLAGS, FILTER_IP_SRC);
	nl_nest_end(m, filter);
	nl_end(b, m);
}

static bool is_from(const struct nlattr *tuple, const struct flow_address *a)
{
	const struct nlattr *part, *inner;

	nl_for_each_in(part, tuple) {
		if (nl_attr_type(part) != CTA_TUPLE_IP)
			continue;
		nl_for_each_in(inner, part)
			if (nl_attr_type(inner) == a->source && nl_attr_len(inner) == a->size &&
			    memcmp(nl_attr_payload(inner), a->bytes, a->size) == 0)
				return true;
	}
	return false;
}

static void copy(struct nlmsghdr *m, const struct nlattr *attr)
{
	nl_put(m, attr->nla_type, nl_attr_len(attr), nl_attr_payload(attr));
}

static int take_flow(const struct nlmsghdr *m, void *user)
{
	struct forgetting *f = user;
	const struct nlattr *attr, *name[3] = { NULL };
	struct nlmsghdr *deletion;
	const struct flow_address *its = NULL;

	if (m->nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW))
		return 0;
	nl_for_each(attr, m, sizeof(struct nfgenmsg)) {
		uint16_t type = nl_attr_type(attr);

		for (size_t i = 0; i < f->count && !its; i++)
			if ((type == CTA_TUPLE_ORIG || type == CTA_TUPLE_REPLY) && is_from(attr, &f->list[i]))
				its = &f->list[i];
		if (type == CTA_TUPLE_ORIG)
			name[0] = attr;
		if (type == CTA_ID)
			name[1] = attr;
		if (type == CTA_ZONE)
			name[2] = attr;
	}
	if (!its || !name[0])
		return 0;
	deletion = begin(f->deletions, IPCTNL_MSG_CT_DELETE, its->family, 0);
	for (int i = 0; i < 3; i++)
		if (name[i])
			copy(deletion, name[i]);
	f->last = (size_t)((char *)deletion - f->deletions->bytes);
	nl_end(f->deletions, deletion);
	return 0;
}

/* The last deletion alone asks for an answer: others say nothing but that a flow has ended meanwhile, and
 * all are done by then. */
static void forget(struct nl_batch *question, const struct flow_address *list, size_t count)
{
	_cleanup_fd_ int fd = nl_open(NETLINK_NETFILTER);
	_cleanup_batch_ struct nl_batch deletions;
	struct forgetting f = { .list = list, .count = count, .deletions = &deletions };

	nl_batch_init_growing(&deletions);
	if (fd < 0 || nl_talk(fd, question, take_flow, &f, NULL) < 0 || !deletions.count)
		return;
	((struct nlmsghdr *)(deletions.bytes + f.last))->nlmsg_flags |= NLM_F_ACK;
	(void)nl_talk(fd, &deletions, NULL, NULL, NULL);
}

/* Of the caller's network namespace. */
static unsigned long count_flows(void)
{
	char text[32];
	ssize_t n = file_read_record_at(AT_FDCWD, "/proc/sys/net/netfilter/nf_conntrack_count", text, sizeof text);

	return n > 0 ? strtoul(text, NULL, 10) : ULONG_MAX;
}

/* The kernel goes through its whole table for each question, that of all network namespaces: with few
 * flows all of them at once are the cheaper answer, and with none there is nothing to ask. */
void conntrack_forget(uint32_t address, const struct in6_addr *address6)
{
	const uint32_t big = htonl(address);
	struct flow_address list[2];
	unsigned long flows = count_flows();
	struct nl_batch question;
	size_t count = 0;

	if (address)
		list[count++] = (struct flow_address){ AF_INET, &big, sizeof big, CTA_IP_V4_SRC };
	if (!in6_is_zero(address6))
		list[count++] = (struct flow_address){ AF_INET6, address6, sizeof *address6, CTA_IP_V6_SRC };
	if (!flows || !count)
		return;
	if (flows <= FLOWS_FEW) {
		nl_batch_init(&question);
		nl_end(&question, begin(&question, IPCTNL_MSG_CT_GET, AF_UNSPEC, NLM_F_DUMP));
		forget(&question, list, count);
		return;
	}
	for (size_t i = 0; i < 2 * count; i++) {
		nl_batch_init(&question);
		put_question(&question, &list[i / 2], i % 2);
		forget(&question, &list[i / 2], 1);
	}
}
