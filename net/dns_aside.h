/*
 * dns_aside.h - port 53 of a container left to the container itself: kist's server for names
 * listens at another one, and what is sent to 127.0.0.11, port 53, is led there.
 */
#pragma once
#include <netinet/in.h>
#include "base/err.h"

/* In the caller's network namespace: a table `ip kist` of nftables, instead of one that was there.
 */
int dns_aside_lead(in_port_t port, struct err *e);
