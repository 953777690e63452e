/*
 * shape.h - how fast a container may send and receive: a token bucket on each end of its veth pair.
 *
 * A qdisc shapes what leaves an interface: on the host's end what the container
 * receives ("down"), on its own end what it sends ("up"). The latter is for
 * containers without CAP_NET_ADMIN, such as jobs: others could change it. Qdiscs go
 * with their interface.
 */
#pragma once
#include <stdint.h>
#include "base/err.h"
#include "base/plan.h"
#include "net/netlink.h"

#define RATE_MIN 1000ull	/* bytes per second: 8kbit */
#define RATE_MAX 50000000000ull /* 400gbit */

struct net_rate {
	uint64_t down, up; /* bytes per second; 0: no limit */
};

/* "down=10mbit,up=500kbit", or one of them: bits per second, as tc(8) counts (k is 1000). */
int net_parse_rate(const char *text, struct net_rate *ret, struct err *e);

/* The qdisc of an interface, whatever was there. Pure. */
void shape_put_tbf(struct nl_batch *b, int index, uint64_t rate);
/* Bytes that may go at once, and that may wait. */
uint32_t shape_burst(uint64_t rate);
uint32_t shape_queue(uint64_t rate);

/* HOST: limits the interface of that name as rtnl_slot's network namespace knows it; rate 0: nothing.
 * `inside`: it is the container's namespace, for people. */
void net_plan_shape(struct plan *p, int rtnl_slot, const char *interface, uint64_t rate, bool inside);
