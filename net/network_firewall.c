/*
 * network_firewall.c - the firewall's part in joining and leaving.
 */
#include "net/network_firewall.h"

#include "net/link.h"
#include "net/nft.h"

int network_firewall_attach(const struct lease_store *s, const struct network *n, const char *owner,
			    struct err *e)
{
	struct nft_network table = { .bridge = n->interface };
	int r;

	(void)owner;
	if (!network_is_default(n))
		return 0;
	r = lease_subnet_get(s, n->name, &table.subnet, &table.prefix);
	if (r <= 0)
		return err_set(e, r ? -r : 2, "the subnet of network %s", n->name);
	r = nft_ensure(&table, e);
	return r < 0 ? r : 0;
}

int network_firewall_detach(const struct lease_store *s, const char *network, const char *owner,
			    struct err *e)
{
	(void)s;
	(void)network;
	(void)owner;
	(void)e;
	return 0;
}

int network_firewall_drop(const char *network, const char *interface, struct err *e)
{
	(void)network;
	(void)interface;
	(void)e;
	return 0;
}

int network_firewall_remove(struct err *e)
{
	return nft_remove(e);
}
