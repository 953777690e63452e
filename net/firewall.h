/*
 * firewall.h - kist's nftables: `inet kist` and `bridge kist`, made from networks and endpoints.
 *
 * The rules are few and always the same (firewall_rules.c); which bridges,
 * addresses and ports there are stands in sets and maps beside them, so that a
 * container comes and goes as a few elements, whether it is the first or the
 * thousandth. Every change is one transaction. No other table is read or
 * touched, and none of kist's verdicts overrides another table's drop.
 *
 * All of it is a function of the records: firewall_replace() makes it anew.
 * The caller holds the lease store's lock. Only networks of driver bridge are
 * looked at.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"
#include "net/endpoint.h"
#include "net/netlink.h"
#include "net/network.h"

/* Makes the tables as they must be, whatever they were, for these networks (those that are up) and
 * these endpoints on them. A table of that name that kist did not make is -EEXIST. */
int firewall_replace(const struct network *networks, size_t network_count,
		     const struct endpoint *endpoints, size_t endpoint_count, struct err *e);
/* Adds an endpoint, and its network when it is not in yet. Before the interface of the host is
 * made. -EADDRINUSE: another has one of its published ports. -ENOENT, without a record: the tables
 * are not there, or not whole: then firewall_replace(), with this endpoint among the others. */
int firewall_attach(const struct network *n, const struct endpoint *ep, struct err *e);
/* Takes the endpoint out again. What is not there is done. */
int firewall_detach(const struct network *n, const struct endpoint *ep, struct err *e);
/* Takes the network out, when its bridge goes. What is not there is done. */
int firewall_drop_network(const struct network *n, struct err *e);
/* 1: the tables are as firewall_replace() would make them; 0: not. */
int firewall_is_whole(const struct network *networks, size_t network_count,
		      const struct endpoint *endpoints, size_t endpoint_count, struct err *e);
/* Removes both tables; absent, or not made by kist: 0. */
int firewall_remove(struct err *e);

/* A socket that becomes readable when somebody changes any table; after firewall_watch_read() it is
 * quiet again. fd, or -errno. */
int firewall_watch(struct err *e);
void firewall_watch_read(int fd);
