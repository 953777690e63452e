/*
 * dns_op.h - a container's server for names, as a step of attach.c's plan.
 */
#pragma once
#include "base/plan.h"
#include "net/network.h"

struct op_names_args {
	const struct network *network;
	const char *owner;
	int netns_slot;
};
extern const struct op op_names;
