/*
 * devices.h - linux.netDevices: interfaces of the host that a container gets (runtime-spec 1.3,
 * config-linux.md, "Network Devices").
 *
 * Moving takes an interface's addresses; permanent ones with global scope are added again
 * inside. Once the container runs the interface is its network namespace's: when that ends, the
 * kernel gives a physical one back to the first namespace and removes a virtual one
 * (network_namespaces(7)), and kist has no part in it. Only a start that fails moves it back.
 */
#pragma once
#include <net/if.h>
#include "base/host.h"
#include "base/json.h"
#include "base/plan.h"

#define NET_DEVICES_MAX 32

struct net_device {
	const char *why;    /* "/linux/netDevices/eth1" */
	const char *name;   /* on the host */
	const char *inside; /* in the container; may end in "%d", which the kernel makes a number */
};
struct net_devices {
	const struct net_device *device;
	size_t count;
};

/* Of config.json's `linux` object. 0, or -EINVAL with the JSON pointer. */
int net_parse_devices(const json_t *linux_object, const struct json_at *at, struct arena *a,
		      struct net_devices *ret, struct err *e);
/* Whether the caller may: before the plan is built. */
int net_check_devices(const struct net_devices *d, const struct host *h, struct err *e);
/* HOST: moves them into the guest's network namespace, which is another than the host's. */
void net_plan_devices(struct plan *p, const struct net_devices *d);
/* The container runs: its interfaces are its own from now on. */
void net_devices_let_go(void);

extern const struct undo_kind net_undo_device;
