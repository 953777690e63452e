/*
 * endpoint.h - a container on a network: the record that rules, names and reports are made from.
 *
 * One file for each (container, network), in the leases' folder of this boot
 * and network namespace, written whole under its lock. It is what a flushed
 * firewall, a dead DNS server or a lost bridge is made anew from.
 */
#pragma once
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "net/lease.h"
#include "net/network.h"

#define ENDPOINT_NAMES_MAX 32
#define ENDPOINT_PORTS_MAX 128 /* ranges count as one */
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
	char names[ENDPOINT_NAMES_MAX][ENDPOINT_NAME_MAX]; /* the container's name, then aliases */
	int name_count;
	struct published_port ports[ENDPOINT_PORTS_MAX];
	int port_count;
};
