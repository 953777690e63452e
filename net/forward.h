/*
 * forward.h - whether the host forwards packets: turned on for networks, and off again after the last
 * one, if kist had turned it on.
 */
#pragma once
#include <stdbool.h>
#include "base/err.h"
#include "net/lease.h"

/* With a note of what it was. */
int forward_ensure(const struct lease_store *s, bool ipv6, struct err *e);
/* Both families. */
int forward_restore(const struct lease_store *s, struct err *e);
