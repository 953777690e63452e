/*
 * endpoint.h - a container on a network: the record that rules, names and reports are made from.
 *
 * One file for each (container, network), in the leases' folder of this boot
 * and network namespace, written whole under its lock, in one go with the lease:
 * a lease without one is what a kill -9 left. It is what a flushed firewall, a
 * dead DNS server or a lost bridge is made anew from. Who calls firewall_*() or
 * dns_*() with one holds the lock of the store.
 */
#pragma once
#include <jansson.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "net/lease.h"
#include "net/network.h"

#define ENDPOINT_NAMES_MAX 32
#define ENDPOINT_PORTS_MAX 128 /* ranges count as one */
#define ENDPOINT_SERVERS_MAX 8
#define ENDPOINT_NAME_MAX  64  /* with the NUL: a DNS label */

/* --publish [ADDRESS:]HOST[-HOST]:PORT[-PORT][/tcp|/udp] */
struct published_port {
	uint8_t protocol;	 /* IPPROTO_TCP, IPPROTO_UDP */
	uint8_t family;		 /* of the host's address; 0: any address of both families */
	uint32_t address;	 /* AF_INET; 0: any */
	struct in6_addr address6; /* AF_INET6; ::: any */
	uint16_t host, port, count;
};

struct endpoint {
	char owner[LEASE_OWNER_MAX]; /* net_owner() */
	char network[NETWORK_NAME_MAX];
	char id[256];		     /* the container's */
	pid_t pid;		     /* whose /proc/PID/ns/net it is in, with ... */
	uint64_t start_time;	     /* ... field 22 of its stat(5); */
	uint64_t cookie;	     /* of that network namespace (SO_NETNS_COOKIE) */
	char host_if[IFNAMSIZ];	     /* its end on the host */
	char interface[IFNAMSIZ];    /* its end inside: eth0 ... */
	uint8_t mac[6];
	uint32_t address;	     /* 0: none */
	struct in6_addr address6;
	bool first;		     /* the network its default route and its resolver are of */
	bool internal;		     /* as the network is: what asks there, and on no other, asks nobody outside */
	bool no_names;		     /* it asks nobody of kist's for names */
	bool names_aside;	     /* port 53 is its own; the server for names is asked by way of another */
	char names[ENDPOINT_NAMES_MAX][ENDPOINT_NAME_MAX]; /* the container's name, then aliases */
	int name_count;
	struct in6_addr servers[ENDPOINT_SERVERS_MAX]; /* asked for it instead of the host's; IPv4 as ::ffff:0:0/96 */
	int server_count;
	struct published_port ports[ENDPOINT_PORTS_MAX];
	int port_count;
	/* While it is being connected or disconnected by a process of its own (`kist net connect`):
	 * that one. Once it is gone, so is the endpoint. 0: it stands. */
	pid_t maker;
	uint64_t maker_start_time;
};

/* Adds or replaces. */
int endpoint_put(const struct lease_store *s, const struct endpoint *ep, struct err *e);
/* 1 found, 0 none, -errno. */
int endpoint_get(const struct lease_store *s, const char *network, const char *owner,
		 struct endpoint *ret, struct err *e);
/* By owner within a network; network NULL: all networks' (an unknown one has none). free() them. The
 * store may be one that is only peeked at. */
int endpoint_list(const struct lease_store *s, const char *network, struct endpoint **ret,
		  size_t *ret_count, struct err *e);
/* Those that have published a port of a number and protocol that `ep` publishes too, on whatever
 * addresses; itself may be among them. free() them. */
int endpoint_list_meeting(const struct lease_store *s, const struct endpoint *ep, struct endpoint **ret,
			  size_t *ret_count, struct err *e);
/* Absent: 0. */
int endpoint_remove(const struct lease_store *s, const char *network, const char *owner,
		    struct err *e);
/* Whether the process whose network namespace it is in still lives; maker: the same of that one. */
bool endpoint_is_alive(const struct endpoint *ep);
/* The network namespace its process is in; -errno, also when that is gone. */
int endpoint_open_netns(const struct endpoint *ep);
bool endpoint_is_made(const struct endpoint *ep);
/* Field 22 of /proc/PID/stat, or 0. */
uint64_t endpoint_start_time(pid_t pid);
/* Whether text is one label that DNS may answer: letters, digits, '-', '_'; '-' at neither end. */
bool endpoint_is_dns_name(const char *text);

/* One of its servers, as text. */
json_t *endpoint_server_json(const struct in6_addr *server);
json_t *endpoint_to_json(const struct endpoint *ep);
int endpoint_from_json(const json_t *o, struct endpoint *ret, struct err *e);

/* A record by the name of its file: 1, 0, -errno. */
int endpoint_read(int dir, const char *name, struct endpoint *ret, struct err *e);
/* endpoint_ports.c: what put and remove do beside the record. */
int endpoint_ports_note(const struct lease_store *s, const struct endpoint *ep);
int endpoint_ports_forget(const struct lease_store *s, const char *owner);
