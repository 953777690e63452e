/*
 * counters.c - what went through interfaces: IFLA_STATS64 of rtnetlink(7), and /proc/net/dev.
 */
#include "net/counters.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/netlink.h"

#define DUMP_TRIES     20
#define INTERFACES_MAX 65536
#define COLUMNS	       16 /* of /proc/net/dev, after the name */

struct list {
	struct net_counters *all;
	size_t count, room;
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct net_counters *)a)->name, ((const struct net_counters *)b)->name);
}

static int add(struct list *l, const struct net_counters *c)
{
	struct net_counters *more;

	if (l->count == l->room) {
		l->room = l->room ? l->room * 2 : 64;
		more = l->room > INTERFACES_MAX ? NULL
						: reallocarray(l->all, l->room, sizeof *l->all);
		if (!more)
			return -ENOMEM;
		l->all = more;
	}
	l->all[l->count++] = *c;
	return 0;
}

/* Newer kernels have more members, older ones fewer. */
static void take_stats(const struct nlattr *attr, struct net_counters *c)
{
	struct rtnl_link_stats64 s = { 0 };
	size_t size = nl_attr_len(attr);

	memcpy(&s, nl_attr_payload(attr), size < sizeof s ? size : sizeof s);
	c->rx_bytes = s.rx_bytes;
	c->rx_packets = s.rx_packets;
	c->rx_errors = s.rx_errors;
	c->rx_dropped = s.rx_dropped;
	c->tx_bytes = s.tx_bytes;
	c->tx_packets = s.tx_packets;
	c->tx_errors = s.tx_errors;
	c->tx_dropped = s.tx_dropped;
}

static int take_link(const struct nlmsghdr *m, void *user)
{
	struct net_counters c = { 0 };
	const struct nlattr *attr;

	if (m->nlmsg_type != RTM_NEWLINK || nl_payload_len(m) < sizeof(struct ifinfomsg))
		return 0;
	nl_for_each(attr, m, sizeof(struct ifinfomsg)) {
		if (nl_attr_type(attr) == IFLA_IFNAME && nl_attr_is_string(attr))
			snprintf(c.name, sizeof c.name, "%s", nl_attr_string(attr));
		if (nl_attr_type(attr) == IFLA_STATS64)
			take_stats(attr, &c);
	}
	return c.name[0] ? add(user, &c) : 0;
}

int net_counters_list(int rtnl, struct net_counters **ret, size_t *ret_count, struct err *e)
{
	struct list l = { 0 };
	int r = -EAGAIN;

	/* Interfaces that come or go meanwhile interrupt a dump: read it anew. */
	for (int i = 0; i < DUMP_TRIES && r == -EAGAIN; i++) {
		struct nl_batch b;
		struct nlmsghdr *m;

		l.count = 0;
		err_clear(e);
		nl_batch_init(&b);
		m = nl_begin(&b, RTM_GETLINK, NLM_F_DUMP);
		nl_extra_header(m, sizeof(struct ifinfomsg));
		nl_end(&b, m);
		r = nl_talk(rtnl, &b, take_link, &l, e);
	}
	if (r == -ENOMEM)
		err_set(e, ENOMEM, "the list of interfaces");
	if (r < 0) {
		free(l.all);
		return err_wrap(e, "cannot read the interfaces' counters");
	}
	if (l.count)
		qsort(l.all, l.count, sizeof *l.all, compare);
	*ret = l.all;
	*ret_count = l.count;
	return 0;
}

int net_counters_get(int rtnl, const char *name, struct net_counters *ret, struct err *e)
{
	struct list l = { 0 };
	struct err scratch = ERR_INIT;
	struct nl_batch b;
	struct nlmsghdr *m;
	int r;

	nl_batch_init(&b);
	m = nl_begin(&b, RTM_GETLINK, NLM_F_ACK);
	nl_extra_header(m, sizeof(struct ifinfomsg));
	nl_put_string(m, IFLA_IFNAME, name);
	nl_end(&b, m);
	r = nl_talk(rtnl, &b, take_link, &l, &scratch);
	if (l.count)
		*ret = l.all[0];
	free(l.all);
	if (r == -ENODEV)
		return 0;
	if (r < 0 && e)
		*e = scratch;
	return r < 0 ? err_wrap(e, "cannot read the counters of %s", name) : l.count == 1;
}

const struct net_counters *net_counters_find(const struct net_counters *all, size_t count,
					     const char *name)
{
	struct net_counters wanted = { 0 };

	snprintf(wanted.name, sizeof wanted.name, "%s", name);
	return count ? bsearch(&wanted, all, count, sizeof *all, compare) : NULL;
}

struct net_counters net_counters_turned(const struct net_counters *c)
{
	struct net_counters t = *c;

	t.rx_bytes = c->tx_bytes;
	t.rx_packets = c->tx_packets;
	t.rx_errors = c->tx_errors;
	t.rx_dropped = c->tx_dropped;
	t.tx_bytes = c->rx_bytes;
	t.tx_packets = c->rx_packets;
	t.tx_errors = c->rx_errors;
	t.tx_dropped = c->rx_dropped;
	return t;
}

int net_counters_parse(char *line, struct net_counters *ret)
{
	char *name = line + strspn(line, " "), *colon = strrchr(name, ':'), *at;
	uint64_t value[COLUMNS] = { 0 };
	struct net_counters c = { 0 };

	/* A name may hold any byte but '/', blanks and ':' (dev_valid_name() of the kernel). */
	if (!colon || colon == name || (size_t)(colon - name) >= sizeof c.name || strchr(name, '|'))
		return 0;
	memcpy(c.name, name, (size_t)(colon - name));
	at = colon + 1;
	for (int i = 0; i < COLUMNS; i++) {
		char *end;

		at += strspn(at, " ");
		if (*at < '0' || *at > '9')
			return 0;
		value[i] = strtoull(at, &end, 10);
		at = end;
	}
	c.rx_bytes = value[0];
	c.rx_packets = value[1];
	c.rx_errors = value[2];
	c.rx_dropped = value[3];
	c.tx_bytes = value[8];
	c.tx_packets = value[9];
	c.tx_errors = value[10];
	c.tx_dropped = value[11];
	*ret = c;
	return 1;
}
