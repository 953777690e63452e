/*
 * network_firewall.c - the firewall's part in joining and leaving.
 */
#include "net/network_firewall.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/conntrack.h"
#include "net/endpoint.h"
#include "net/firewall.h"
#include "net/publish.h"

/* All records, and the networks they are on. */
struct world {
	struct endpoint *endpoints;
	struct network *networks;
	size_t endpoint_count, network_count, all; /* all: to be freed */
};

static void forget(struct world *w)
{
	free(w->endpoints);
	network_list_free(w->networks, w->all);
}

static bool is_up(const struct world *w, const struct network *n)
{
	for (size_t i = 0; i < w->endpoint_count; i++)
		if (strcmp(w->endpoints[i].network, n->name) == 0)
			return n->driver == NETWORK_BRIDGE;
	return false;
}

static int look(const struct lease_store *s, struct world *w, struct err *e)
{
	int r = endpoint_list(s, NULL, &w->endpoints, &w->endpoint_count, e);

	if (r == 0)
		r = network_list(&w->networks, &w->network_count, e);
	if (r < 0)
		return r;
	w->all = w->network_count;
	w->network_count = 0;
	for (size_t i = 0; i < w->all; i++)
		if (is_up(w, &w->networks[i])) {
			struct network up = w->networks[i];

			w->networks[i] = w->networks[w->network_count];
			w->networks[w->network_count++] = up;
		}
	return 0;
}

int network_firewall_restore(const struct lease_store *s, struct err *e)
{
	struct world w = { 0 };
	int r = look(s, &w, e);

	if (r == 0)
		r = firewall_is_whole(w.networks, w.network_count, w.endpoints, w.endpoint_count, e);
	if (r == 0)
		r = firewall_replace(w.networks, w.network_count, w.endpoints, w.endpoint_count, e);
	forget(&w);
	return r < 0 ? r : 0;
}

static int replace(const struct lease_store *s, struct err *e)
{
	struct world w = { 0 };
	int r = look(s, &w, e);

	if (r == 0)
		r = firewall_replace(w.networks, w.network_count, w.endpoints, w.endpoint_count, e);
	forget(&w);
	return r;
}

static int check_ports(const struct lease_store *s, const struct network *n, const struct endpoint *ep,
		       struct err *e)
{
	struct endpoint *others = NULL;
	size_t count = 0;
	int r = ep->port_count ? endpoint_list_meeting(s, ep, &others, &count, e) : 0;

	if (r == 0 && ep->port_count)
		r = publish_check(n, ep, others, count, e);
	free(others);
	return r;
}

/* The default network's subnet may have been chosen after its definition was read. */
static int refresh(const struct network *n, struct network *ret, struct err *e)
{
	if (network_is_default(n))
		return network_default(ret, e);
	*ret = *n;
	return 0;
}

int network_firewall_attach(const struct lease_store *s, const struct network *given,
			    const char *owner, struct err *e)
{
	struct network n;
	struct endpoint ep;
	int r = refresh(given, &n, e);

	if (r == 0)
		r = endpoint_get(s, n.name, owner, &ep, e);
	if (r <= 0)
		return r < 0 ? r : err_set(e, ENOENT, "the record of %s", owner);
	r = check_ports(s, &n, &ep, e);
	if (r == 0)
		r = firewall_attach(&n, &ep, e);
	if (r == -ENOENT && !e->error)
		r = replace(s, e);
	return r;
}

/* One whose definition somebody removed by hand has a name and an interface yet. */
static void find(const char *network, const char *interface, struct network *ret)
{
	struct err ignored = ERR_INIT;

	if (network_find(network, ret, &ignored) == 0) {
		network_free(ret);
		return;
	}
	memset(ret, 0, sizeof *ret);
	snprintf(ret->name, sizeof ret->name, "%s", network);
	snprintf(ret->interface, sizeof ret->interface, "%s", interface);
}

int network_firewall_detach(const struct lease_store *s, const char *network, const char *owner,
			    struct err *e)
{
	struct err ignored = ERR_INIT;
	char interface[IFNAMSIZ] = "";
	struct network n;
	struct endpoint ep;
	int r;

	/* No record, or one that can't be read: there is nothing that could be taken out by it. */
	if (endpoint_get(s, network, owner, &ep, &ignored) <= 0)
		return 0;
	lease_interface_get(s, network, interface, sizeof interface);
	find(network, interface, &n);
	if (n.driver != NETWORK_BRIDGE)
		return 0;
	r = firewall_detach(&n, &ep, e);
	if (r == 0)
		conntrack_forget(ep.address, &ep.address6);
	return r;
}

int network_firewall_drop(const char *network, const char *interface, struct err *e)
{
	struct network n;

	find(network, interface, &n);
	return n.driver == NETWORK_BRIDGE ? firewall_drop_network(&n, e) : 0;
}

int network_firewall_remove(struct err *e)
{
	return firewall_remove(e);
}
