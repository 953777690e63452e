/*
 * address.c - addresses and subnets of both families as text and as numbers.
 */
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/lease.h"
#include "net/link.h"

/* The text before the slash and the number after it. */
static int split(const char *text, char address[INET6_ADDRSTRLEN], int max, int *ret_prefix)
{
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : 0, digits;
	int prefix = 0;

	if (!slash || length == 0 || length >= INET6_ADDRSTRLEN)
		return -EINVAL;
	digits = strspn(slash + 1, "0123456789");
	if (digits == 0 || digits > 3 || slash[1 + digits] || (digits > 1 && slash[1] == '0'))
		return -EINVAL;
	for (size_t i = 0; i < digits; i++)
		prefix = prefix * 10 + slash[1 + i] - '0';
	if (prefix > max)
		return -EINVAL;
	memcpy(address, text, length);
	address[length] = '\0';
	*ret_prefix = prefix;
	return 0;
}

int address_parse(const char *text, uint32_t *ret)
{
	struct in_addr address;

	if (inet_pton(AF_INET, text, &address) != 1)
		return -EINVAL;
	*ret = ntohl(address.s_addr);
	return 0;
}

int address6_parse(const char *text, struct in6_addr *ret)
{
	return inet_pton(AF_INET6, text, ret) == 1 ? 0 : -EINVAL;
}

int cidr_parse(const char *text, uint32_t *ret_address, int *ret_prefix)
{
	char address[INET6_ADDRSTRLEN];
	int prefix;

	if (split(text, address, 32, &prefix) < 0 || address_parse(address, ret_address) < 0)
		return -EINVAL;
	*ret_prefix = prefix;
	return 0;
}

int cidr6_parse(const char *text, struct in6_addr *ret_address, int *ret_prefix)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr found;
	int prefix;

	if (split(text, address, 128, &prefix) < 0 || inet_pton(AF_INET6, address, &found) != 1)
		return -EINVAL;
	*ret_address = found;
	*ret_prefix = prefix;
	return 0;
}

char *cidr_format(uint32_t address, int prefix, char text[CIDR_TEXT])
{
	char part[IPV4_TEXT];

	snprintf(text, CIDR_TEXT, "%s/%d", ipv4_format(address, part), prefix);
	return text;
}

char *cidr6_format(const struct in6_addr *address, int prefix, char text[CIDR_TEXT])
{
	char part[INET6_ADDRSTRLEN] = "";

	inet_ntop(AF_INET6, address, part, sizeof part);
	snprintf(text, CIDR_TEXT, "%s/%d", part, prefix);
	return text;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int mac_parse(const char *text, uint8_t ret[6])
{
	uint8_t mac[6];

	for (int i = 0; i < 6; i++, text += 3) {
		int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0 || text[2] != (i < 5 ? ':' : '\0'))
			return -EINVAL;
		mac[i] = (uint8_t)(high << 4 | low);
	}
	/* Group addresses belong to nobody, and zero is none. */
	if ((mac[0] & 1) || memcmp(mac, "\0\0\0\0\0", 6) == 0)
		return -EINVAL;
	memcpy(ret, mac, 6);
	return 0;
}

char *mac_format(const uint8_t mac[6], char text[18])
{
	snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
	return text;
}

struct in6_addr in6_masked(const struct in6_addr *address, int prefix)
{
	struct in6_addr masked = *address;

	for (int i = 0; i < 16; i++) {
		int bits = prefix - 8 * i;

		if (bits <= 0)
			masked.s6_addr[i] = 0;
		else if (bits < 8)
			masked.s6_addr[i] &= (uint8_t)(0xff << (8 - bits));
	}
	return masked;
}

bool in6_same_subnet(const struct in6_addr *a, const struct in6_addr *b, int prefix)
{
	struct in6_addr left = in6_masked(a, prefix), right = in6_masked(b, prefix);

	return memcmp(&left, &right, sizeof left) == 0;
}

struct in6_addr in6_host(const struct in6_addr *subnet, int prefix, uint32_t host)
{
	struct in6_addr address = in6_masked(subnet, prefix);
	uint32_t room = prefix <= 96 ? 0xffffffffu : (1u << (128 - prefix)) - 1;

	host &= room;
	for (int i = 0; i < 4; i++)
		address.s6_addr[12 + i] |= (uint8_t)(host >> (24 - 8 * i));
	return address;
}

bool in6_is_zero(const struct in6_addr *address)
{
	return memcmp(address, &in6addr_any, sizeof *address) == 0;
}

int subnet_check(uint32_t subnet, int prefix, struct err *e)
{
	char text[IPV4_TEXT];

	ipv4_format(subnet, text);
	if (prefix < LEASE_PREFIX_MIN || prefix > LEASE_PREFIX_MAX)
		return err_say(e, EINVAL, "subnet %s/%d: the prefix must be from /%d to /%d", text,
			       prefix, LEASE_PREFIX_MIN, LEASE_PREFIX_MAX);
	if (subnet & ~ipv4_mask(prefix)) {
		err_say(e, EINVAL, "subnet %s/%d has bits set below its prefix", text, prefix);
		return err_fix(e, "%s/%d", ipv4_format(subnet & ipv4_mask(prefix), text), prefix);
	}
	/* 0/8, 127/8, 169.254/16 and 224/3 (RFC 6890). */
	if (subnet >> 24 == 0 || subnet >> 24 == 127 || subnet >> 16 == 0xa9fe || subnet >> 29 == 7)
		return err_say(e, EINVAL, "subnet %s/%d is reserved", text, prefix);
	return 0;
}

int subnet6_check(const struct in6_addr *subnet, int prefix, struct err *e)
{
	struct in6_addr masked = in6_masked(subnet, prefix);
	const uint8_t *a = subnet->s6_addr;
	char text[CIDR_TEXT];

	cidr6_format(subnet, prefix, text);
	if (prefix < SUBNET6_PREFIX_MIN || prefix > SUBNET6_PREFIX_MAX)
		return err_say(e, EINVAL, "subnet %s: the prefix must be from /%d to /%d", text,
			       SUBNET6_PREFIX_MIN, SUBNET6_PREFIX_MAX);
	if (memcmp(&masked, subnet, sizeof masked) != 0) {
		err_say(e, EINVAL, "subnet %s has bits set below its prefix", text);
		return err_fix(e, "%s", cidr6_format(&masked, prefix, text));
	}
	/* ::/8, fe80::/10, ff00::/8 (RFC 4291). */
	if (a[0] == 0 || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) || a[0] == 0xff)
		return err_say(e, EINVAL, "subnet %s is reserved", text);
	return 0;
}

int subnet_check_host(uint32_t subnet, int prefix, uint32_t gateway, uint32_t address,
		      struct err *e)
{
	char text[IPV4_TEXT], of[CIDR_TEXT];

	ipv4_format(address, text);
	cidr_format(subnet, prefix, of);
	if ((address & ipv4_mask(prefix)) != subnet)
		return err_say(e, EINVAL, "%s is not in %s", text, of);
	if (address == subnet || address == (subnet | ~ipv4_mask(prefix)))
		return err_say(e, EINVAL, "%s is no host's address in %s", text, of);
	return address == gateway ? err_say(e, EINVAL, "%s is the gateway of %s", text, of) : 0;
}

int subnet6_check_host(const struct in6_addr *subnet, int prefix, const struct in6_addr *gateway,
		       const struct in6_addr *address, struct err *e)
{
	char text[INET6_ADDRSTRLEN] = "", of[CIDR_TEXT];

	inet_ntop(AF_INET6, address, text, sizeof text);
	cidr6_format(subnet, prefix, of);
	if (!in6_same_subnet(subnet, address, prefix))
		return err_say(e, EINVAL, "%s is not in %s", text, of);
	/* The subnet's own is every router's (RFC 4291, 2.6.1). */
	if (memcmp(subnet, address, sizeof *subnet) == 0)
		return err_say(e, EINVAL, "%s is no host's address in %s", text, of);
	return memcmp(gateway, address, sizeof *gateway) == 0
		       ? err_say(e, EINVAL, "%s is the gateway of %s", text, of)
		       : 0;
}
