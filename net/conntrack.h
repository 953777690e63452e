/*
 * conntrack.h - flows the kernel remembers (ctnetlink).
 */
#pragma once
#include <netinet/in.h>
#include <stdint.h>

/* Forgets all flows from and to these addresses (0 and ::: none of that family), before others get
 * them: what was published goes on to where it led as long as datagrams come. A kernel without
 * ctnetlink remembers them until they have been silent for their time. */
void conntrack_forget(uint32_t address, const struct in6_addr *address6);
