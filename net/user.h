/*
 * user.h - a network without root: a program of the caller's, outside, speaks for the container.
 *
 * pasta (of passt) or slirp4netns makes a tap interface in the container's
 * network namespace and opens the caller's own sockets for what comes out of it.
 * Nothing of the host's loopback is reached; nothing is published but what
 * --publish names. The same addresses with both.
 */
#pragma once
#include "net/net.h"

#define NET_USER_ADDRESS   "10.0.2.100" /* the container's, as slirp4netns has it */
#define NET_USER_PREFIX	   "24"
#define NET_USER_GATEWAY   "10.0.2.2"
#define NET_USER_DNS	   "10.0.2.3"	/* leads to the first server of the host's resolv.conf */
#define NET_USER_DNS_BYTES { 10, 0, 2, 3 }
#define NET_USER_RECORD	   "user-net"	/* in the container's state folder: "PID START\n" */

/* Looks for both in PATH: s->user_program, NULL when there is none. -errno: no memory. */
int net_user_find(struct net_spec *s, struct arena *a, struct err *e);
int net_user_check(const struct net_spec *s, const struct host *h, struct err *e);

extern const struct undo_kind net_undo_user;
