/*
 * network_firewall.h - the firewall's part in joining and leaving. The caller holds the store's lock.
 */
#pragma once
#include <stddef.h>
#include "base/err.h"
#include "net/lease.h"
#include "net/network.h"

/* -EADDRINUSE: a port that is to be published is another's. */
int network_firewall_attach(const struct lease_store *s, const struct network *n, const char *owner,
			    struct err *e);
int network_firewall_detach(const struct lease_store *s, const char *network, const char *owner,
			    struct err *e);
/* The network goes; its interface is called that. */
int network_firewall_drop(const char *network, const char *interface, struct err *e);
int network_firewall_remove(struct err *e);
/* The rules anew, unless they are whole. */
int network_firewall_restore(const struct lease_store *s, struct err *e);
