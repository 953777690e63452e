/*
 * lease_record.h - one record of the lease store: a symlink whose target is its text. lease.c's and
 * lease_store.c's own.
 */
#pragma once
#include <stddef.h>
#include "net/lease.h"

/* Of all networks: endpoint_ports.c. No network's name begins with a dot. */
#define LEASE_PORTS ".ports"

/* 1 read, 0 absent, -errno. */
int record_get(int dir, const char *name, char *text, size_t size);
/* -EEXIST: another has the name. */
int record_set(int dir, const char *name, const char *text);
/* Absent: 0. */
int record_remove(int dir, const char *name);
