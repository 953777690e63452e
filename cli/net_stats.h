/*
 * net_stats.h - kist net stats: what went through the interfaces of containers.
 */
#pragma once

#include <stddef.h>
#include "net/counters.h"
#include "net/endpoint.h"

struct on_host { /* the host's interfaces */
	struct net_counters *all;
	size_t count;
};
/* free() what is in it. */
int net_stats_on_host(struct on_host *h, struct err *e);
/* 1 found, 0 its interface is gone, -errno. */
int net_stats_of(const struct endpoint *ep, const struct on_host *h, struct net_counters *ret,
		 struct err *e);

int net_stats(int argc, char **argv);
