/*
 * resolv.h - resolv.conf(5): the host's read, a container's made. Pure, but for reading the file.
 */
#pragma once
#include <stdbool.h>
#include "base/buf.h"
#include "base/err.h"
#include "net/dns_control.h"

#define RESOLV_TEXT_MAX	   4096 /* of one we make */
#define RESOLV_SEARCH_MAX  1024
#define RESOLV_OPTIONS_MAX 256

struct resolv {
	struct dns_upstream server[DNS_UPSTREAM_MAX];
	unsigned count;
	char search[RESOLV_SEARCH_MAX]; /* words with a blank between them; "" when there are none
					 */
	char options[RESOLV_OPTIONS_MAX];
};

/* What makes no sense is left out, as the C library does; the last search or domain counts. */
void resolv_parse(const char *text, struct resolv *ret);
/* The host's. One that is absent or empty means the server on the host itself, as resolv.conf(5)
 * says. With `reachable` for somebody elsewhere: those at loopback addresses are replaced by the
 * ones systemd-resolved asks (resolved.conf(5)), or left out. */
void resolv_read_host(bool reachable, struct resolv *ret);
/* A container's: search and options are the host's; the server 127.0.0.11, or those of `r`. */
void resolv_make(const struct resolv *r, bool served, struct buf *out);
