/*
 * takeover.h - the default route of a container that left the network it led by.
 */
#pragma once
#include "net/endpoint.h"

/* `gone` is off its network, and the container runs on: where a default route of its led by that, one
 * leads by the first of the container's other networks that has a way out, in the order of its
 * interfaces. One that is there stays. */
int net_take_over(const struct endpoint *gone, struct err *e);
