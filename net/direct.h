/*
 * direct.h - direct delivery: what containers of a network send each other goes past the bridge.
 *
 * A frame from one container to another goes through two veth pairs, and at the end of each through
 * a queue of the network stack's. A BPF program where the host receives what a container sends
 * (tc-bpf(8), clsact) hands it straight to the other's end inside (bpf_redirect_peer): one queue
 * less.
 *
 * It does so with TCP and UDP alone, of exactly the sender's own MAC and address, to exactly the
 * MAC and address of a container of the same network that takes part: nothing that kist's own rules
 * for the bridge would drop. All else goes over the bridge, as without the program. What it goes
 * past is written in docs/networking.md; so the network's maker asks for it (`--direct`).
 *
 * Two maps, one pair for each network, known to all its programs, which keep them alive:
 *   ends      BPF_MAP_TYPE_DEVMAP_HASH: number of a container -> its end of the pair on the host.
 * The kernel takes an entry out when its interface goes, so none ever leads to another one that has
 * the index by then, whoever was killed when. counters  number -> bytes and packets delivered: the
 * host's end does not see them. A container's number is the low half of its MAC, which is its IPv4
 * address (net_mac()).
 */
#pragma once
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/plan.h"
#include "net/counters.h"
#include "net/endpoint.h"
#include "net/network.h"

#define DIRECT_NAME	"kist_direct"
#define DIRECT_INSNS	96
#define DIRECT_ENDS_MAX 4096 /* containers of one network that are delivered to */

struct direct_sender {
	uint8_t mac[6];
	uint32_t address;	  /* host byte order; 0: no IPv4 */
	struct in6_addr address6; /* zeros: no IPv6 */
	struct in6_addr subnet6;
	int prefix6;
};

/* direct_program.c, pure: the program of one container, how many instructions. */
size_t direct_assemble(const struct direct_sender *from, int ends, int counters,
		       struct bpf_insn program[DIRECT_INSNS]);

/* Whether this kernel loads such a program for the caller. */
int direct_probe(struct err *e);
/* The program on the container's end on the host, and the container among the ends if its MAC is
 * that of its address, by which it is found, and nothing waits in line at the host's end, as
 * `--net-rate down=` has it. What is there stays. `begins`: so do its counters. The store is held.
 */
int direct_settle(const struct lease_store *s, const struct network *n, const struct endpoint *ep,
		  int rtnl, bool begins, struct err *e);
/* Its counters go; the rest goes with its interface. The store is held. */
void direct_forget(const struct lease_store *s, const char *network, const char *owner);
/* Adds what was delivered to the container, which its interface on the host has not counted. */
void direct_count(const struct lease_store *s, const struct endpoint *ep, struct net_counters *c);
/* The same for what an interface of the container of process `pid` has counted itself, unless the kernel
 * did. */
void direct_complete(pid_t pid, struct net_counters *c);

/* HOST: the step of a plan; rtnl_slot is the host's. */
void direct_plan(struct plan *p, const struct network *n, const struct endpoint *ep, int rtnl_slot);
