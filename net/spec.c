/*
 * spec.c - what config.json and the command line say of the network, and whether it can be.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/bridge.h"
#include "net/lease.h"
#include "net/link.h"
#include "net/net.h"

int net_mode_parse(const char *text, enum net_mode *ret, struct err *e)
{
	static const char *const names[] = { [NET_NONE] = "none", [NET_BRIDGE] = "bridge",
					     [NET_HOST] = "host" };

	for (int i = 0; i < (int)(sizeof names / sizeof names[0]); i++)
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum net_mode)i;
			return 0;
		}
	err_say(e, EINVAL, "there is no network \"%s\"", text);
	return err_fix(e, "one of: none, bridge, host");
}

int net_check(const struct net_spec *s, const struct host *h, struct err *e)
{
	char text[IPV4_TEXT];

	if (s->mode != NET_BRIDGE)
		return 0;
	if (!h->root) {
		err_say(e, EPERM, "network bridge needs root: it adds interfaces to the host");
		return err_fix(e, "run as root, or use --net none");
	}
	if (!s->prefix)
		return 0;
	if (s->prefix < LEASE_PREFIX_MIN || s->prefix > LEASE_PREFIX_MAX)
		return err_say(e, EINVAL, "subnet %s/%d: the prefix must be from /%d to /%d",
			       ipv4_format(s->subnet, text), s->prefix, LEASE_PREFIX_MIN,
			       LEASE_PREFIX_MAX);
	if (s->subnet & ~ipv4_mask(s->prefix))
		return err_say(e, EINVAL, "subnet %s/%d has bits set below its prefix",
			       ipv4_format(s->subnet, text), s->prefix);
	/* 0/8, 127/8, 169.254/16 and 224/3 mean something to every host (RFC 6890). */
	if (s->subnet >> 24 == 0 || s->subnet >> 24 == 127 || s->subnet >> 16 == 0xa9fe ||
	    s->subnet >> 29 == 7)
		return err_say(e, EINVAL, "subnet %s/%d is reserved", ipv4_format(s->subnet, text),
			       s->prefix);
	return 0;
}

int net_lease_lookup(const char *owner, uint32_t *ret_address)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	int r = lease_store_open(&s, false, NULL);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return lease_find(&s, NET_NETWORK, owner, ret_address);
}
