/*
 * counters.h - what went through interfaces: bytes, packets, drops, errors.
 *
 * Two sources: the host's end of a veth pair, which the container can't change
 * (one dump for all), and /proc/PID/net/dev, which has all of a container's own.
 */
#pragma once
#include <net/if.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct net_counters {
	char name[IFNAMSIZ];
	uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped;
	uint64_t tx_bytes, tx_packets, tx_errors, tx_dropped;
};

/* All interfaces of rtnl's network namespace, by name; free() *ret. */
int net_counters_list(int rtnl, struct net_counters **ret, size_t *ret_count, struct err *e);
/* One interface's. 1 found, 0 none of that name, -errno. */
int net_counters_get(int rtnl, const char *name, struct net_counters *ret, struct err *e);
/* NULL: none of that name. */
const struct net_counters *net_counters_find(const struct net_counters *all, size_t count,
					     const char *name);
/* What went through one end of a pair, as the other end would count it. */
struct net_counters net_counters_turned(const struct net_counters *c);

/* A line of /proc/net/dev. 1: it is one of an interface; 0: it is not. The text is changed. */
int net_counters_parse(char *line, struct net_counters *ret);
