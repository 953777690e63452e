/*
 * job_traffic.c - what went through a job's interfaces, read when all of it has ended.
 *
 * Its network namespace is held from before its first instruction: else the interfaces would go with
 * its last process, and the counters with them.
 */
#include "supervisor/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "net/direct.h"
#include "net/lease.h"
#include "net/netlink.h"
#include "net/netns.h"

struct reading {
	const struct lease_store *store;
	struct job_result *result;
	int netns;
};

/* At the host's end of its pair, where the job can't change anything; what has no end there (macvlan)
 * inside. */
static int read_one(const struct endpoint *ep, int netns, struct net_counters *ret)
{
	_cleanup_fd_ int rtnl = ep->host_if[0] ? nl_open(NETLINK_ROUTE)
				: netns >= 0   ? netns_open_rtnl(netns) : -EBADF;
	struct net_counters c;
	int r = rtnl < 0 ? rtnl
			 : net_counters_get(rtnl, ep->host_if[0] ? ep->host_if : ep->interface, &c, NULL);

	if (r == 1)
		*ret = ep->host_if[0] ? net_counters_turned(&c) : c;
	return r;
}

static int add_network(int dir, const char *network, void *user)
{
	struct reading *g = user;
	struct job_traffic *t = &g->result->traffic[g->result->traffic_count];
	struct endpoint *ep = calloc(1, sizeof *ep);

	(void)dir;
	if (ep && g->result->traffic_count < JOB_TRAFFIC_MAX &&
	    endpoint_get(g->store, network, g->result->owner, ep, NULL) == 1 &&
	    read_one(ep, g->netns, &t->counters) == 1) {
		if (ep->host_if[0])
			direct_count(g->store, ep, &t->counters);
		memcpy(t->network, ep->network, sizeof t->network);
		memcpy(t->interface, ep->interface, sizeof t->interface);
		g->result->traffic_count++;
	}
	free(ep);
	return 0;
}

static int by_interface(const void *a, const void *b)
{
	return strverscmp(((const struct job_traffic *)a)->interface,
			  ((const struct job_traffic *)b)->interface);
}

void job_traffic_read(int netns, struct job_result *ret)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	struct reading g = { .store = &s, .result = ret, .netns = netns };

	ret->traffic_count = 0;
	if (!ret->owner[0] || lease_store_peek(&s, NULL) < 0)
		return;
	(void)lease_each_network(&s, add_network, &g);
	qsort(ret->traffic, (size_t)ret->traffic_count, sizeof *ret->traffic, by_interface);
}

json_t *job_traffic_json(const struct job_result *r)
{
	json_t *list = json_array();

	for (int i = 0; i < r->traffic_count; i++) {
		const struct job_traffic *t = &r->traffic[i];
		const struct net_counters *c = &t->counters;

		json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "network",
			t->network, "interface", t->interface, "rx_bytes", (json_int_t)c->rx_bytes,
			"rx_packets", (json_int_t)c->rx_packets, "rx_dropped", (json_int_t)c->rx_dropped,
			"tx_bytes", (json_int_t)c->tx_bytes, "tx_packets", (json_int_t)c->tx_packets,
			"tx_dropped", (json_int_t)c->tx_dropped));
	}
	return list;
}
