/*
 * publish.h - published ports: how they are written, which clash, whether the host's are free.
 *
 * kist keeps no socket for a published port: nftables sends what comes for it
 * to the container. So a port that a process of the host listens on would be
 * taken from it without a word; that is looked for before a container starts.
 */
#pragma once
#include <stddef.h>
#include "base/err.h"
#include "net/endpoint.h"

#define PUBLISH_TEXT 80 /* "[ADDRESS]:65535-65535:65535-65535/udp" and the NUL */

/* [ADDRESS:]HOST[-HOST]:PORT[-PORT][/tcp|/udp]; an IPv6 address stands in brackets. */
int publish_parse(const char *text, struct published_port *ret, struct err *e);
/* What publish_parse() reads back. Returns text. */
char *publish_format(const struct published_port *p, char text[PUBLISH_TEXT]);
/* Whether a packet could be for both. */
bool publish_overlaps(const struct published_port *a, const struct published_port *b);
/* Whether the endpoint's ports can be published: its networks and addresses fit, none clashes with
 * another of its own or of `others` (its own records among them are passed over), and no process of
 * the host's network namespace, which is the caller's, has one. -EADDRINUSE, -EADDRNOTAVAIL,
 * -EINVAL. */
int publish_check(const struct network *n, const struct endpoint *ep, const struct endpoint *others,
		  size_t count, struct err *e);
