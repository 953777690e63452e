/*
 * address.h - addresses and subnets of both families as text and as numbers. Pure.
 *
 * IPv4 is in host byte order, IPv6 an in6_addr.
 */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

#define CIDR_TEXT	   (INET6_ADDRSTRLEN + 4)
#define SUBNET6_PREFIX_MIN 48
#define SUBNET6_PREFIX_MAX 124 /* gateway and a dozen containers */

/* "10.80.0.0/20", "fd00::/64". 0, or -EINVAL: the address may have bits below its prefix. */
int cidr_parse(const char *text, uint32_t *ret_address, int *ret_prefix);
int cidr6_parse(const char *text, struct in6_addr *ret_address, int *ret_prefix);
char *cidr_format(uint32_t address, int prefix, char text[CIDR_TEXT]);
char *cidr6_format(const struct in6_addr *address, int prefix, char text[CIDR_TEXT]);
int address_parse(const char *text, uint32_t *ret);
int address6_parse(const char *text, struct in6_addr *ret);
/* "02:6b:0a:50:00:05"; a group address is -EINVAL. */
int mac_parse(const char *text, uint8_t ret[6]);
char *mac_format(const uint8_t mac[6], char text[18]);

struct in6_addr in6_masked(const struct in6_addr *address, int prefix);
bool in6_same_subnet(const struct in6_addr *a, const struct in6_addr *b, int prefix);
/* The subnet's address number `host`: its low 32 bits, so far as the prefix leaves them. */
struct in6_addr in6_host(const struct in6_addr *subnet, int prefix, uint32_t host);
bool in6_is_zero(const struct in6_addr *address);

/* Whether containers may be given addresses of it: its width, no bits below the prefix, and none of
 * the ranges that mean something to every host (RFC 6890). */
int subnet_check(uint32_t subnet, int prefix, struct err *e);
int subnet6_check(const struct in6_addr *subnet, int prefix, struct err *e);
/* The same of an address in it that a container may have: not the subnet's own, nor its broadcast
 * address, nor its gateway. */
int subnet_check_host(uint32_t subnet, int prefix, uint32_t gateway, uint32_t address,
		      struct err *e);
int subnet6_check_host(const struct in6_addr *subnet, int prefix, const struct in6_addr *gateway,
		       const struct in6_addr *address, struct err *e);
