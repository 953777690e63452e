/*
 * net.h - a container's network: what runtime/ needs of this folder.
 *
 * The builders are pure. What they leave in the world is taken back by two
 * undo kinds, in this order: the container's interface, then its lease; with
 * the last lease go the bridge, the firewall table and forwarding.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/host.h"
#include "base/json.h"
#include "base/plan.h"
#include "net/endpoint.h"
#include "net/network.h"
#include "net/shape.h"

#define NET_JOINS_MAX 16

enum net_mode {
	NET_NONE,   /* a network namespace of its own, with nothing but loopback */
	NET_BRIDGE, /* on networks: an interface, addresses and routes each */
	NET_HOST,   /* the host's network namespace */
	NET_CONTAINER, /* another container's */
	NET_USER, /* without root: pasta or slirp4netns of the caller's (user.h) */
};

/* NAME[,ip=ADDRESS][,ip6=ADDRESS][,mac=MAC][,alias=NAME]...[,interface=NAME]
 * [,names=no|aside][,dns=ADDRESS]... */
struct net_join {
	const char *name;
	const struct network *network; /* net_find() */
	uint32_t address;	       /* 0: any */
	struct in6_addr address6;      /* ::: any */
	uint8_t mac[6];		       /* zeros: the address's own */
	const char *aliases[ENDPOINT_NAMES_MAX];
	int alias_count;
	bool no_names;		       /* no server for names inside */
	const char *interface;	       /* inside; NULL: the first ethN that is free in the list */
};

struct net_spec {
	enum net_mode mode;
	/* What sets containers of one id apart: the state root's path, when it isn't the default
	 * one; else NULL. Two state roots may then both have a container "web". */
	const char *realm;
	uint32_t subnet; /* of the default network: IPv4, host byte order */
	int prefix;      /* of the subnet; 0: kist chooses */
	struct net_join *joins; /* in order; none with NET_BRIDGE: the default network */
	int join_count;
	const struct published_port *ports; /* on the first network that is not internal */
	int port_count;
	/* Whom the server for names asks for it, instead of the host's; as in struct endpoint. */
	bool names_aside;
	struct in6_addr servers[ENDPOINT_SERVERS_MAX];
	int server_count;
	const char *container; /* NET_CONTAINER: its id */
	const char *user_program; /* NET_USER: net_find(); NULL: there is none */
	bool user_is_pasta;
	struct net_rate rate;  /* of each of its interfaces */
	bool into_running; /* the records say that this process is still at it, until the plan has ended */
	bool has_default;  /* a default route leads elsewhere already */
	bool keep_netns;   /* its network namespace stays open: net_plan_attach()'s slot */
};

/* "none", "bridge", "host". */
int net_mode_parse(const char *text, enum net_mode *ret, struct err *e);
/* Adds a word of --net: a mode, or a network with what is wanted of it. Texts in the arena. */
int net_parse_word(const char *text, struct net_spec *s, struct arena *a, struct err *e);
/* Adds a server for names. */
int net_parse_server(const char *text, struct net_spec *s, struct err *e);
/* Adds --publish. */
int net_parse_publish(const char *text, struct net_spec *s, struct arena *a, struct err *e);
/* Both annotations, words parted by blanks; neither there: the spec stays as it is. */
#define NET_ANNOTATION	   "io.kist.net" /* as runtime/annotations.h has them */
#define PUBLISH_ANNOTATION "io.kist.publish"
#define RATE_ANNOTATION	   "io.kist.net-rate"
int net_parse_annotations(const char *net, const char *publish, struct net_spec *s, struct arena *a,
			  struct err *e);
/* Reads the definitions of the networks that were named. Into the arena. */
int net_find(struct net_spec *s, struct arena *a, struct err *e);
/* Whether the host and the caller can have this; before the plan is built. */
int net_check(const struct net_spec *s, const struct host *h, struct err *e);

/* GUEST: loopback up, in a network namespace that is the guest's own and new. */
void net_plan_loopback(struct plan *p);
/* HOST: all of NET_BRIDGE; nothing for the other modes. The guest exists: its namespace is opened
 * below SLOT_GUEST_PROC; nothing of it has run yet, or it is asked for (into_running). The slot of the
 * namespace with keep_netns; else -1. */
int net_plan_attach(struct plan *p, const struct net_spec *s, const struct host *h,
		     const char *id);
/* HOST: all of NET_USER, right after birth: as long as the guest lets its user look into its /proc. */
void net_plan_user(struct plan *p, const struct net_spec *s);

/* Who an address or interface belongs to: the id, or "id@1a2b3c4d" in a realm. Long ids are cut
 * and end in a hash. Text in the arena. */
const char *net_owner(struct arena *a, const char *id, const char *realm);

extern const struct undo_kind net_undo_veth, net_undo_lease;
/* All of them, NULL-terminated, for the registry that replays intents. */
extern const struct undo_kind *const net_undo_kinds[];

/* The veth's end on the host. Text in the arena. */
const char *net_host_interface(struct arena *a, const char *network, const char *owner);
/* Takes off a network what an endpoint's record says is on it: the interface, addresses, the record.
 * What is not there is done. */
int net_detach(const struct endpoint *ep, struct err *e);

/* Frees what ended containers, and who was killed while connecting one, left in the caller's network
 * namespace. *ret: how many endpoints. */
int net_gc(size_t *ret, struct err *e);
/* Makes bridges, their addresses and ports, forwarding and rules anew, where the records say that they
 * ought to be. */
int net_reconcile(struct err *e);
/* Does so again and again: when somebody changes rules or interfaces, and every few seconds, which is
 * how a server for names is missed. Ends when it can't watch. */
int net_watch(struct err *e);
/* A name for the next interface inside: the first ethN that the network namespace has not. */
int net_free_interface(int netns, char name[IFNAMSIZ], struct err *e);
/* Forgets a network's definition. -EBUSY: it is in use. */
int net_remove(const struct network *n, struct err *e);

/* The address `owner` (net_owner) has, in host byte order. 1 found, 0 none, -errno. */
int net_lease_lookup(const char *owner, uint32_t *ret_address);
