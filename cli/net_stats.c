/*
 * net_stats.c - kist net stats: what went through the interfaces of containers, as they see it.
 *
 * A bridge's containers are counted at the host's end of their pair, where they can't change
 * anything; what has no end there (macvlan) inside.
 */
#include "cli/net_stats.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "cli/cli.h"
#include "net/counters.h"
#include "net/direct.h"
#include "net/endpoint.h"
#include "net/lease.h"
#include "net/netlink.h"
#include "net/netns.h"
#include "net/network.h"

int net_stats_on_host(struct on_host *h, struct err *e)
{
	_cleanup_fd_ int rtnl = nl_open(NETLINK_ROUTE);

	if (rtnl < 0)
		return err_set(e, -rtnl, "socket(AF_NETLINK, NETLINK_ROUTE)");
	return net_counters_list(rtnl, &h->all, &h->count, e);
}

static int look_inside(const struct endpoint *ep, struct net_counters *ret, struct err *e)
{
	_cleanup_fd_ int netns = endpoint_open_netns(ep), rtnl = -EBADF;
	const struct net_counters *found;
	struct net_counters *all;
	size_t count;
	int r;

	if (netns < 0)
		return 0;
	rtnl = netns_open_rtnl(netns);
	if (rtnl < 0)
		return err_set(e, -rtnl, "%s: the network namespace of process %d", ep->id, (int)ep->pid);
	r = net_counters_list(rtnl, &all, &count, e);
	if (r < 0)
		return r;
	found = net_counters_find(all, count, ep->interface);
	if (found)
		*ret = *found;
	free(all);
	return found != NULL;
}

int net_stats_of(const struct endpoint *ep, const struct on_host *h, struct net_counters *ret,
		 struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	const struct net_counters *found;

	if (!ep->host_if[0])
		return look_inside(ep, ret, e);
	found = net_counters_find(h->all, h->count, ep->host_if);
	if (!found)
		return 0;
	*ret = net_counters_turned(found);
	if (lease_store_peek(&s, NULL) == 0)
		direct_count(&s, ep, ret);
	return 1;
}

static json_t *counters_json(const struct endpoint *ep, const struct net_counters *c)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "network",
			 ep->network, "name", ep->id, "owner", ep->owner, "interface", ep->interface,
			 "rx_bytes", (json_int_t)c->rx_bytes, "rx_packets", (json_int_t)c->rx_packets,
			 "rx_errors", (json_int_t)c->rx_errors, "rx_dropped", (json_int_t)c->rx_dropped,
			 "tx_bytes", (json_int_t)c->tx_bytes, "tx_packets", (json_int_t)c->tx_packets,
			 "tx_errors", (json_int_t)c->tx_errors, "tx_dropped", (json_int_t)c->tx_dropped);
}

static void print_line(const struct endpoint *ep, const struct net_counters *c)
{
	printf("%-20s %-20s %-9s %14" PRIu64 " %10" PRIu64 " %7" PRIu64 " %14" PRIu64 " %10" PRIu64
	       " %7" PRIu64 "\n", ep->network, ep->id, ep->interface, c->rx_bytes, c->rx_packets,
	       c->rx_dropped, c->tx_bytes, c->tx_packets, c->tx_dropped);
}

static int print_all(const struct endpoint *list, size_t count, bool json, struct err *e)
{
	_cleanup_json_ json_t *all = json_array();
	struct on_host h = { 0 };
	int r = net_stats_on_host(&h, e);

	if (r == 0 && !json)
		printf("%-20s %-20s %-9s %14s %10s %7s %14s %10s %7s\n", "NETWORK", "CONTAINER", "INTERFACE",
		       "RX BYTES", "PACKETS", "DROPS", "TX BYTES", "PACKETS", "DROPS");
	for (size_t i = 0; r >= 0 && i < count; i++) {
		struct net_counters c = { 0 };

		r = net_stats_of(&list[i], &h, &c, e);
		if (r > 0 && json)
			json_array_append_new(all, counters_json(&list[i], &c));
		else if (r > 0)
			print_line(&list[i], &c);
	}
	free(h.all);
	if (r >= 0 && json_out_of_memory)
		return err_set(e, ENOMEM, "the counters");
	if (r >= 0 && json) {
		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	return r < 0 ? r : 0;
}

/* Those on the network of that name; NULL: on any. */
static int stats(const char *name, bool json, struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	struct endpoint *list = NULL;
	struct network *n = NULL;
	size_t count = 0;
	int r = 0;

	if (name) {
		n = calloc(1, sizeof *n);
		r = n ? network_find(name, n, e) : err_set(e, ENOMEM, "%s", name);
	}
	if (r == 0) {
		r = lease_store_peek(&s, e);
		if (r == 0)
			r = endpoint_list(&s, n ? n->name : NULL, &list, &count, e);
		if (r == -ENOENT && !e->error)
			r = 0; /* nobody is on any */
		if (n)
			network_free(n);
	}
	free(n);
	if (r == 0)
		r = print_all(list, count, json, e);
	free(list);
	return r;
}

int net_stats(int argc, char **argv)
{
	static const struct command self = { "net stats", "[options] [NETWORK]",
					     "what went through, of each container on a network", 0, 1,
					     false, NULL };
	bool json = false;
	const struct option table[] = {
		{ "json", 0, OPTION_FLAG, &json, NULL, "as JSON" },
	};
	struct err e = ERR_INIT;
	int status, first = cli_parse(&self, table, sizeof table / sizeof *table, argc, argv, &status);

	if (first < 0)
		return status;
	if (stats(first < argc ? argv[first] : NULL, json, &e) < 0) {
		err_wrap(&e, "net stats");
		return cli_fail(&e, 1);
	}
	return cli_flush();
}
