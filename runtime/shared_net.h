/*
 * shared_net.h - the network of a container that runs, for another: container:ID.
 */
#pragma once
#include "base/host.h"
#include "net/net.h"
#include "runtime/container.h"
#include "runtime/spec.h"

/* The network namespace of a container of the caller's own state folder, held by an fd; never the
 * host's. *c is opened for more questions. */
int shared_net_open(int root, const char *id, struct container *c, struct err *e);
/* For a bundle whose annotation says so (net->mode NET_CONTAINER; else nothing is done): the
 * container joins that one instead of a new one. *ret_fd must stay open until it has. */
int shared_net_join(struct container_spec *s, const struct net_spec *net, int root, struct arena *a,
		    int *ret_fd, struct err *e);
