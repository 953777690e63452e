/*
 * host.h - what this host can do: probed once, read by the pure plan compiler.
 *
 * Only facts that change a plan are here. host_probe() makes no lasting
 * change. Tests fill the struct by hand.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"

enum host_controller {
	HOST_CPU = 1 << 0, HOST_CPUSET = 1 << 1, HOST_MEMORY = 1 << 2, HOST_PIDS = 1 << 3,
	HOST_IO = 1 << 4, HOST_HUGETLB = 1 << 5, HOST_RDMA = 1 << 6, HOST_MISC = 1 << 7,
};

struct host {
	uid_t uid;                /* effective, in the initial view of this process */
	gid_t gid;
	bool root;                /* uid 0 with CAP_SYS_ADMIN over the host itself */
	bool no_mknod;            /* root, but without CAP_MKNOD: in a container, for instance */
	bool userns_root;         /* the same, over a user namespace that is not the host's */
	bool own_mounts;          /* userns_root may mount in its mount namespace, too: see below */
	bool setgroups_denied;    /* in this user namespace, and so in all below it */
	bool idmap_helpers;       /* newuidmap and newgidmap are installed; root needs none */
	char cgroup_mount[128];   /* where cgroup2 is: /sys/fs/cgroup or .../unified; "" when absent */
	bool cgroup_hybrid;       /* v1 controllers hold what cgroup2 lacks */
	uint32_t controllers;     /* HOST_* bits in the root's cgroup.controllers */
	bool cgroup_writable;     /* the caller may make cgroups below cgroup_base */
	char cgroup_base[1024];   /* below cgroup_mount; "" for root: anywhere */
	int landlock_abi;         /* 0: none */
	int last_cap;             /* /proc/sys/kernel/cap_last_cap */
	unsigned int kernel;      /* HOST_KERNEL(), as uname(2) says; 0: it said something else */
	bool apparmor, selinux;
	uint64_t signals_taken;   /* bit N-1: signal N is surely not ignored by this process */
};
#define HOST_KERNEL(major, minor) (((major) << 16) | (minor))

#define HOST_NEWUIDMAP "/usr/bin/newuidmap"
#define HOST_NEWGIDMAP "/usr/bin/newgidmap"

/* Neither root of the host nor of a user namespace of its own. */
static inline bool host_unprivileged(const struct host *h)
{
	return !h->root && !h->userns_root;
}
/* May it mount where it is now, before any namespace of a container's? */
static inline bool host_may_mount(const struct host *h)
{
	return h->root || h->own_mounts;
}
/* This process lives in another user namespace than the host's. */
bool host_in_user_namespace(void);
int host_probe(struct host *ret, struct err *e);
/* The same in two parts: what every plan asks for, and the security modules, capabilities and age of
 * the kernel (landlock_abi, last_cap, apparmor, selinux, kernel), which few do. */
int host_probe_rights(struct host *ret, struct err *e);
void host_probe_more(struct host *h);
/* Of that only the age of the kernel. */
void host_probe_kernel(struct host *h);
/* "memory,pids" for messages; bits of enum host_controller. */
const char *host_controller_names(uint32_t bits, char text[96]);
