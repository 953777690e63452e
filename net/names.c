/*
 * names.c - interfaces of kist's that somebody gave another name.
 */
#include "net/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/bridge.h"
#include "net/link.h"
#include "net/ops.h"

static int rename_back(int rtnl, int index, const char *name, struct err *e)
{
	struct nl_batch b;
	int r;

	nl_batch_init(&b);
	link_put_down(&b, index);
	link_put_name(&b, index, name);
	link_put_up_index(&b, index);
	r = nl_talk(rtnl, &b, NULL, NULL, e);
	/* It went meanwhile; or another took the name, and that is said where it is wanted. */
	if (r == -ENODEV || r == -EEXIST) {
		err_clear(e);
		return 0;
	}
	return r < 0 ? err_wrap(e, "cannot give interface %s its name back", name) : 0;
}

/* 1: it is there, by that name. */
static int is_there(int rtnl, const char *name, struct link_info *ret, struct err *e)
{
	int r = link_get(rtnl, name, ret, e);

	return r == -ENODEV ? 0 : r < 0 ? r : 1;
}

static bool is_of(const struct endpoint *ep, const struct network *n)
{
	return ep->host_if[0] && strcmp(ep->network, n->name) == 0;
}

/* A bridge of kist's that none of its networks has is known by its ports. */
static int settle_bridge_name(const struct network *n, int rtnl, const struct endpoint *all,
			      size_t count, struct err *e)
{
	struct link_info link, port;
	int r = is_there(rtnl, n->interface, &link, e);

	for (size_t i = 0; r == 0 && i < count; i++) {
		if (!is_of(&all[i], n))
			continue;
		r = is_there(rtnl, all[i].host_if, &port, e);
		if (r <= 0 || !port.master) {
			r = r < 0 ? r : 0;
			continue;
		}
		r = link_get_index(rtnl, port.master, &link, e);
		if (r == 0 && strcmp(link.kind, "bridge") == 0 &&
		    strcmp(link.alias, NET_ALIAS) == 0)
			return rename_back(rtnl, link.index, n->interface, e);
		r = r == -ENODEV ? 0 : r;
	}
	return r < 0 ? r : 0;
}

static bool is_known(const struct endpoint *all, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(all[i].host_if, name) == 0)
			return true;
	return false;
}

/* The port of the bridge whose alias says the owner, and whose name says nobody. */
static int find_port(int rtnl, int bridge, const struct endpoint *ep, const struct endpoint *all,
		     size_t count, int *ret_index, struct err *e)
{
	struct if_nameindex *list = if_nameindex();
	char alias[LINK_ALIAS_MAX];
	struct link_info link;
	int r = list ? 0 : err_set(e, ENOMEM, "the host's interfaces");

	*ret_index = 0;
	snprintf(alias, sizeof alias, NET_ALIAS_PREFIX "%s", ep->owner);
	for (struct if_nameindex *i = list; r == 0 && i && i->if_index; i++) {
		if (is_known(all, count, i->if_name))
			continue;
		r = link_get_index(rtnl, (int)i->if_index, &link, e);
		if (r == 0 && link.master == bridge && strcmp(link.kind, "veth") == 0 &&
		    strcmp(link.alias, alias) == 0) {
			*ret_index = link.index;
			break;
		}
		r = r == -ENODEV ? 0 : r;
	}
	if_freenameindex(list);
	return r;
}

static int settle_port_names(const struct network *n, int rtnl, const struct endpoint *all,
			     size_t count, struct err *e)
{
	struct link_info bridge, port;
	int r = is_there(rtnl, n->interface, &bridge, e);

	if (r <= 0)
		return r;
	r = 0;
	for (size_t i = 0; r >= 0 && i < count; i++) {
		int index = 0;

		if (!is_of(&all[i], n))
			continue;
		r = is_there(rtnl, all[i].host_if, &port, e);
		if (r == 0 && endpoint_is_alive(&all[i]))
			r = find_port(rtnl, bridge.index, &all[i], all, count, &index, e);
		if (r == 0 && index)
			r = rename_back(rtnl, index, all[i].host_if, e);
	}
	return r < 0 ? r : 0;
}

int names_settle(const struct network *n, int rtnl, const struct endpoint *all, size_t count,
		 struct err *e)
{
	int r = settle_bridge_name(n, rtnl, all, count, e);

	return r < 0 ? r : settle_port_names(n, rtnl, all, count, e);
}
