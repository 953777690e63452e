/*
 * net_json.h - networks as users of docker expect them.
 */
#pragma once
#include <stddef.h>
#include "base/err.h"
#include "net/network.h"

int net_print_json(const struct network *list, size_t count, struct err *e);
