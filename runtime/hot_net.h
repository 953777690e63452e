/*
 * hot_net.h - a container that runs joins a network, or leaves one.
 */
#pragma once
#include "runtime/runtime.h"

/* In the state folder of one that was ever connected. */
#define HOT_NET_MARK "connected"

/* NULL for the default state root: net_spec.realm. */
const char *hot_net_realm(const char *root_path);
/* What a bundle's annotations ask of the network; none of them: ret stays as it is. */
int net_of_annotations(const struct container_spec *s, const struct host *h, const char *root_path,
		       struct net_spec *ret, struct arena *a, struct err *e);
/* One network in the spec. */
int runtime_net_connect(int root, const char *id, struct net_spec *s, const struct host *h,
			const struct runtime_hooks_in *in, struct err *e);
int runtime_net_disconnect(int root, const char *id, const char *realm, const char *network,
			   const struct host *h, struct err *e);
