/*
 * direct.c - direct delivery: the maps, the filter on a container's interface, the step of the
 * plan.
 */
#include "net/direct.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "net/bridge.h"
#include "net/lease.h"
#include "net/link.h"
#include "net/netlink.h"

#define CLSACT_HANDLE  TC_H_MAKE(TC_H_CLSACT, 0)
#define CLSACT_INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
/* The last of all: other filters, and their drops, come before. */
#define FILTER_PRIORITY 65535u
#define FILTER_INFO	(FILTER_PRIORITY << 16 | htons(ETH_P_ALL))
#define FILTER_HANDLE	1
#define NOTE		"direct" /* in the network's folder: the ids of the maps */
#define ENDS_TYPE	BPF_MAP_TYPE_DEVMAP_HASH
#define NO_QUEUE	"noqueue" /* what a veth has unless somebody gave it a queue */

struct maps {
	int ends, counters;
};
struct delivered {
	uint64_t bytes, packets;
};
#define MAPS_INIT                                                                                  \
	{                                                                                          \
		.ends = -EBADF, .counters = -EBADF                                                 \
	}

static void maps_close(struct maps *m)
{
	fd_close(&m->ends);
	fd_close(&m->counters);
}
#define _cleanup_maps_ __attribute__((cleanup(maps_close)))

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof *attr) < 0 ? -errno : 0;
}

static int bpf_fd(int command, union bpf_attr *attr)
{
	int fd = (int)syscall(SYS_bpf, command, attr, sizeof *attr);

	return fd < 0 ? -errno : fd;
}

/* ---- the maps ---- */

static int make_map(uint32_t type, uint32_t value, uint32_t flags, const char *name)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof attr);
	attr.map_type = type;
	attr.key_size = sizeof(uint32_t);
	attr.value_size = value;
	attr.max_entries = DIRECT_ENDS_MAX;
	attr.map_flags = flags;
	memcpy(attr.map_name, name, strnlen(name, sizeof attr.map_name - 1));
	return bpf_fd(BPF_MAP_CREATE, &attr);
}

static int refuse(struct err *e, int error, const char *what)
{
	err_set(e, error, "%s", what);
	return err_fix(e, "direct delivery needs Linux 5.10, CAP_BPF and CAP_NET_ADMIN on the "
			  "host; or make the "
			  "network without --direct");
}

static int make_maps(const char *name, struct maps *m, struct err *e)
{
	m->ends = make_map(ENDS_TYPE, sizeof(uint32_t), 0, name);
	m->counters = m->ends < 0 ? m->ends
				  : make_map(BPF_MAP_TYPE_HASH, sizeof(struct delivered),
					     BPF_F_NO_PREALLOC, name);
	return m->counters < 0 ? refuse(e, -m->counters, "bpf(BPF_MAP_CREATE) for direct delivery")
			       : 0;
}

static int map_info(int fd, struct bpf_map_info *info)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof attr);
	memset(info, 0, sizeof *info);
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = sizeof *info;
	attr.info.info = (uint64_t)(uintptr_t)info;
	return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

/* The map with that id, if it is the one that was noted. */
static int open_map(uint32_t id, uint32_t type, uint32_t value, const char *name)
{
	_cleanup_fd_ int fd = -EBADF;
	struct bpf_map_info info;
	union bpf_attr attr;
	int r;

	memset(&attr, 0, sizeof attr);
	attr.map_id = id;
	fd = bpf_fd(BPF_MAP_GET_FD_BY_ID, &attr);
	if (fd < 0)
		return fd;
	r = map_info(fd, &info);
	if (r < 0)
		return r;
	return info.type == type && info.key_size == sizeof(uint32_t) && info.value_size == value &&
			       strcmp(info.name, name) == 0
		       ? fd_take(&fd)
		       : -ENOENT;
}

/* The maps of the network, whose interface they are named after; -ENOENT: there are none. */
static int find_maps(const struct lease_store *s, const char *network, struct maps *m)
{
	char text[32] = "", name[IFNAMSIZ] = "";
	unsigned ends, counters;
	int r = lease_network_note_get(s, network, NOTE, text, sizeof text);

	if (r > 0)
		r = lease_interface_get(s, network, name, sizeof name);
	if (r <= 0 || sscanf(text, "%u %u", &ends, &counters) != 2)
		return r < 0 ? r : -ENOENT;
	m->ends = open_map(ends, ENDS_TYPE, sizeof(uint32_t), name);
	m->counters =
		m->ends < 0 ? m->ends
			    : open_map(counters, BPF_MAP_TYPE_HASH, sizeof(struct delivered), name);
	return m->counters < 0 ? m->counters : 0;
}

static int note_maps(const struct lease_store *s, const struct network *n, const struct maps *m,
		     struct err *e)
{
	struct bpf_map_info ends, counters;
	char text[32];
	int r = map_info(m->ends, &ends);

	if (r == 0)
		r = map_info(m->counters, &counters);
	if (r < 0)
		return err_set(e, -r, "bpf(BPF_OBJ_GET_INFO_BY_FD) for direct delivery");
	snprintf(text, sizeof text, "%u %u", ends.id, counters.id);
	r = lease_network_note_set(s, n->name, NOTE, text);
	return r < 0 ? err_set(e, -r, "%s/%s/%s/" NOTE, lease_root, s->key, n->name) : 0;
}

/* They live as long as a program knows them: with the first container they are made. */
static int ensure_maps(const struct lease_store *s, const struct network *n, struct maps *m,
		       struct err *e)
{
	int r = find_maps(s, n->name, m);

	if (r != -ENOENT)
		return r < 0 ? refuse(e, -r, "bpf(BPF_MAP_GET_FD_BY_ID) for direct delivery") : 0;
	maps_close(m);
	r = make_maps(n->interface, m, e);
	return r < 0 ? r : note_maps(s, n, m, e);
}

static int map_element(int command, int map, uint32_t key, void *value, uint64_t flags)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof attr);
	attr.map_fd = (uint32_t)map;
	attr.key = (uint64_t)(uintptr_t)&key;
	attr.value = (uint64_t)(uintptr_t)value;
	attr.flags = flags;
	return bpf(command, &attr);
}

/* ---- the program ---- */

static int load_program(const struct direct_sender *from, const struct maps *m, struct err *e)
{
	struct bpf_insn program[DIRECT_INSNS];
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof attr);
	attr.prog_type = BPF_PROG_TYPE_SCHED_CLS;
	attr.insn_cnt = (uint32_t)direct_assemble(from, m->ends, m->counters, program);
	attr.insns = (uint64_t)(uintptr_t)program;
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0"; /* its helpers are for all */
	memcpy(attr.prog_name, DIRECT_NAME, sizeof DIRECT_NAME);
	fd = bpf_fd(BPF_PROG_LOAD, &attr);
	return fd < 0 ? refuse(e, -fd, "bpf(BPF_PROG_LOAD) of direct delivery") : fd;
}

int direct_probe(struct err *e)
{
	const struct direct_sender nobody = { .address = 1, .address6 = IN6ADDR_LOOPBACK_INIT };
	_cleanup_maps_ struct maps m = MAPS_INIT;
	_cleanup_fd_ int program = -EBADF;
	int r = make_maps(DIRECT_NAME, &m, e);

	if (r == 0)
		program = load_program(&nobody, &m, e);
	return r < 0 ? r : program < 0 ? program : 0;
}

/* ---- the filter ---- */

static struct nlmsghdr *begin_tc(struct nl_batch *b, uint16_t type, uint16_t flags, int index,
				 uint32_t handle, uint32_t parent, uint32_t info)
{
	struct nlmsghdr *m = nl_begin(b, type, flags | NLM_F_ACK);
	struct tcmsg *tc = nl_extra_header(m, sizeof *tc);

	tc->tcm_family = AF_UNSPEC;
	tc->tcm_ifindex = index;
	tc->tcm_handle = handle;
	tc->tcm_parent = parent;
	tc->tcm_info = info;
	return m;
}

static int note_filter(const struct nlmsghdr *m, void *user)
{
	if (m->nlmsg_type == RTM_NEWTFILTER)
		*(bool *)user = true;
	return 0;
}

static bool has_filter(int rtnl, int index)
{
	struct err absent = ERR_INIT;
	struct nl_batch b;
	bool found = false;

	nl_batch_init(&b);
	nl_end(&b,
	       begin_tc(&b, RTM_GETTFILTER, 0, index, FILTER_HANDLE, CLSACT_INGRESS, FILTER_INFO));
	return nl_talk(rtnl, &b, note_filter, &found, &absent) == 0 && found;
}

/* Another's clsact, or its ingress, will do as well. */
static int ensure_clsact(int rtnl, int index, struct err *e)
{
	struct nl_batch b;
	struct nlmsghdr *m;
	int r;

	nl_batch_init(&b);
	m = begin_tc(&b, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, index, CLSACT_HANDLE, TC_H_CLSACT,
		     0);
	nl_put_string(m, TCA_KIND, "clsact");
	nl_end(&b, m);
	r = nl_talk(rtnl, &b, NULL, NULL, e);
	if (r == -EEXIST) {
		err_clear(e);
		return 0;
	}
	if (r == -ENOENT)
		err_fix(e, "the kernel lacks the module sch_ingress: modprobe sch_ingress, or make "
			   "the network "
			   "without --direct");
	return r;
}

static int add_filter(int rtnl, int index, int program, struct err *e)
{
	struct nl_batch b;
	struct nlmsghdr *m;
	struct nlattr *options;
	int r;

	nl_batch_init(&b);
	m = begin_tc(&b, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, index, FILTER_HANDLE,
		     CLSACT_INGRESS, FILTER_INFO);
	nl_put_string(m, TCA_KIND, "bpf");
	options = nl_nest_begin(m, TCA_OPTIONS);
	nl_put_u32(m, TCA_BPF_FD, (uint32_t)program);
	nl_put_string(m, TCA_BPF_NAME, DIRECT_NAME);
	nl_put_u32(m, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	nl_nest_end(m, options);
	nl_end(&b, m);
	r = nl_talk(rtnl, &b, NULL, NULL, e);
	if (r == -ENOENT)
		err_fix(e, "the kernel lacks the module cls_bpf: modprobe cls_bpf, or make the "
			   "network without "
			   "--direct");
	return r;
}

static int attach(const struct network *n, const struct endpoint *ep, const struct maps *m,
		  int rtnl, int index, struct err *e)
{
	struct direct_sender from = { .address = ep->address,
				      .address6 = ep->address6,
				      .subnet6 = n->subnet6,
				      .prefix6 = n->prefix6 };
	_cleanup_fd_ int program = -EBADF;
	int r;

	memcpy(from.mac, ep->mac, sizeof from.mac);
	program = load_program(&from, m, e);
	if (program < 0)
		return program;
	r = ensure_clsact(rtnl, index, e);
	return r < 0 ? r : add_filter(rtnl, index, program, e);
}

/* ---- a container ---- */

/* As the program reads it from a frame. */
static uint32_t number_of(const struct endpoint *ep)
{
	uint32_t number;

	memcpy(&number, ep->mac + 2, sizeof number);
	return number;
}

/* A MAC of its own choice may have another's number. */
static bool has_number(const struct endpoint *ep)
{
	uint8_t mac[6];

	net_endpoint_mac(ep->address, &ep->address6, mac);
	return memcmp(mac, ep->mac, sizeof mac) == 0;
}

/* Counters first: without them nothing is delivered. Who finds the maps full is reached over the bridge. */
static int enter(const struct maps *m, const struct endpoint *ep, uint32_t index, bool begins,
		 struct err *e)
{
	struct delivered none = { 0 };
	int r = map_element(BPF_MAP_UPDATE_ELEM, m->counters, number_of(ep), &none,
			    begins ? BPF_ANY : BPF_NOEXIST);

	if (r == 0 || (r == -EEXIST && !begins))
		r = map_element(BPF_MAP_UPDATE_ELEM, m->ends, number_of(ep), &index, BPF_ANY);
	return r < 0 && r != -E2BIG ? err_set(e, -r, "bpf(BPF_MAP_UPDATE_ELEM) for direct delivery") : 0;
}

int direct_settle(const struct lease_store *s, const struct network *n, const struct endpoint *ep,
		  int rtnl, bool begins, struct err *e)
{
	_cleanup_maps_ struct maps m = MAPS_INIT;
	struct link_info link;
	int r = link_get(rtnl, ep->host_if, &link, e);

	if (r == -ENODEV)
		return begins ? err_set(e, ENODEV, "interface %s", ep->host_if) : 0;
	if (r == 0)
		r = ensure_maps(s, n, &m, e);
	if (r == 0 && !has_filter(rtnl, link.index))
		r = attach(n, ep, &m, rtnl, link.index, e);
	if (r == 0 && has_number(ep) && strcmp(link.qdisc, NO_QUEUE) == 0)
		r = enter(&m, ep, (uint32_t)link.index, begins, e);
	else if (r == 0 && has_number(ep)) /* somebody gave it a queue meanwhile */
		(void)map_element(BPF_MAP_DELETE_ELEM, m.ends, number_of(ep), NULL, 0);
	return r < 0 ? err_wrap(e, "cannot deliver directly to %s", ep->host_if) : 0;
}

void direct_forget(const struct lease_store *s, const char *network, const char *owner)
{
	_cleanup_maps_ struct maps m = MAPS_INIT;
	struct err ignored = ERR_INIT;
	struct endpoint ep;

	if (find_maps(s, network, &m) == 0 && endpoint_get(s, network, owner, &ep, &ignored) > 0 &&
	    has_number(&ep))
		(void)map_element(BPF_MAP_DELETE_ELEM, m.counters, number_of(&ep), NULL, 0);
}

void direct_count(const struct lease_store *s, const struct endpoint *ep, struct net_counters *c)
{
	_cleanup_maps_ struct maps m = MAPS_INIT;
	struct delivered d = { 0 };

	if (!has_number(ep) || find_maps(s, ep->network, &m) < 0 ||
	    map_element(BPF_MAP_LOOKUP_ELEM, m.counters, number_of(ep), &d, 0) < 0)
		return;
	c->rx_bytes += d.bytes;
	c->rx_packets += d.packets;
}

struct seen {
	const struct lease_store *store;
	pid_t pid;
	struct net_counters *counters;
};

/* Before 6.7 the kernel counts at the end inside what came over the pair alone. */
static void complete(const struct lease_store *s, const struct endpoint *ep, struct net_counters *c)
{
	_cleanup_fd_ int rtnl = nl_open(NETLINK_ROUTE);
	struct net_counters outside;

	if (rtnl < 0 || net_counters_get(rtnl, ep->host_if, &outside, NULL) <= 0)
		return;
	outside = net_counters_turned(&outside);
	direct_count(s, ep, &outside);
	if (outside.rx_bytes > c->rx_bytes) {
		c->rx_bytes = outside.rx_bytes;
		c->rx_packets = outside.rx_packets;
	}
}

static int look_on(int dir, const char *network, void *user)
{
	const struct seen *seen = user;
	struct endpoint *all = NULL;
	struct err ignored = ERR_INIT;
	size_t count = 0;
	char text[32];

	(void)dir;
	if (lease_network_note_get(seen->store, network, NOTE, text, sizeof text) <= 0 ||
	    endpoint_list(seen->store, network, &all, &count, &ignored) < 0)
		return 0;
	for (size_t i = 0; i < count; i++)
		if (all[i].pid == seen->pid && strcmp(all[i].interface, seen->counters->name) == 0)
			complete(seen->store, &all[i], seen->counters);
	free(all);
	return 0;
}

void direct_complete(pid_t pid, struct net_counters *c)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	struct seen seen = { .store = &s, .pid = pid, .counters = c };

	if (lease_store_peek(&s, NULL) == 0)
		(void)lease_each_network(&s, look_on, &seen);
}

/* ---- the op ---- */

struct op_direct_args {
	const struct network *network;
	const struct endpoint *endpoint; /* its names; the addresses are in the record */
	int rtnl_slot;
};

static int act_direct(struct run *r, const void *args, struct err *e)
{
	const struct op_direct_args *a = args;
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	struct endpoint ep;
	int n = lease_store_open(&s, false, e);

	if (n == -ENOENT && !e->error)
		return err_set(e, ENOENT, "%s: the container's lease is gone", lease_root);
	if (n == 0)
		n = endpoint_get(&s, a->network->name, a->endpoint->owner, &ep, e);
	if (n <= 0)
		return n < 0 ? n : err_set(e, ENOENT, "the record of %s", a->endpoint->owner);
	return direct_settle(&s, a->network, &ep, run_slot(r, a->rtnl_slot), true, e);
}

static void show_direct(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_direct_args *a = args;

	plan_show_slot(out, p, a->rtnl_slot);
	buf_addf(
		out,
		" RTM_NEWQDISC %s clsact; bpf(BPF_PROG_LOAD, {BPF_PROG_TYPE_SCHED_CLS, " DIRECT_NAME
		"}); RTM_NEWTFILTER %s ingress pref %u bpf direct-action; bpf(BPF_MAP_UPDATE_ELEM, "
		"{%s}) unless "
		"it has a queue",
		a->endpoint->host_if, a->endpoint->host_if, FILTER_PRIORITY, a->network->interface);
}

static void by_hand_direct(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_direct_args *a = args;

	(void)p;
	buf_addf(out,
		 "tc qdisc add dev %s clsact # kist's program on it: tc filter show dev %s ingress",
		 a->endpoint->host_if, a->endpoint->host_if);
}

static const struct op op_direct = { .name = "ensure_direct",
				     .man = "tc-bpf(8)",
				     .compound = true,
				     .act = act_direct,
				     .show = show_direct,
				     .by_hand = by_hand_direct };

void direct_plan(struct plan *p, const struct network *n, const struct endpoint *ep, int rtnl_slot)
{
	if (n->direct)
		plan_add(p, SIDE_HOST, op_direct, op_direct_args, n, ep, rtnl_slot);
}
