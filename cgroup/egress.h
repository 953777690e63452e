/*
 * egress.h - where a container may send to: a list of networks and ports.
 *
 * The kernel asks BPF programs of the container's cgroup at connect(2) and
 * sendmsg(2), so that a refusal is EPERM at once and no packet leaves. What
 * answers a connection from outside is not asked. Two more programs close the
 * ways around: sockets of other protocols than TCP and UDP, and packets whose
 * header says another destination than the program asked for (source routes).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/arena.h"
#include "base/err.h"

#define EGRESS_RULES_MAX  128
#define EGRESS_ANNOTATION "io.kist.egress"

/* One of the list: all must match. Numbers are in host byte order. */
struct egress_rule {
	int family;	  /* AF_INET, AF_INET6 */
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP; 0: both */
	uint8_t prefix;
	uint32_t address[4];  /* AF_INET: the first */
	uint16_t first, last; /* ports; 0 to 65535: all */
};

struct egress {
	bool asked;    /* there is a list, maybe an empty one ("none") */
	bool loopback; /* 127.0.0.0/8 and ::1 are the container's own, and allowed */
	const struct egress_rule *rules;
	size_t count;
	const char *why; /* JSON pointer */
};

/*
 * "10.0.0.0/8:5432,192.0.2.7:80-90/tcp,[2001:db8::/32]:53/udp,[fd00::1]", or "none". Without a port
 * all, without a protocol both. -EINVAL says which one is wrong, and how it should be.
 */
int egress_parse(const char *text, struct arena *a, struct egress *ret, struct err *e);
