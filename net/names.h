/*
 * names.h - interfaces of kist's that somebody gave another name.
 */
#pragma once
#include "net/endpoint.h"

/* The bridge of a network, and its endpoints' ends on the host, get their names back: rules,
 * records and those who take them away know them by these. Such as can't be told for sure stay as
 * they are. */
int names_settle(const struct network *n, int rtnl, const struct endpoint *all, size_t count,
		 struct err *e);
