/*
 * net_json.c - networks as users of docker expect them: `docker network inspect`'s members.
 */
#include "cli/net_json.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utc.h"
#include "cli/net_stats.h"
#include "net/address.h"
#include "net/bridge.h"
#include "net/endpoint.h"
#include "net/link.h"

static json_t *config_json(const struct network *n)
{
	char text[CIDR_TEXT], gateway[INET6_ADDRSTRLEN] = "";
	json_t *list = json_array();

	if (n->prefix)
		json_array_append_new(list, json_pack("{s:s, s:s}", "Subnet",
						      cidr_format(n->subnet, n->prefix, text), "Gateway",
						      ipv4_format(n->gateway, gateway)));
	if (n->prefix6)
		json_array_append_new(list, json_pack("{s:s, s:s}", "Subnet",
						      cidr6_format(&n->subnet6, n->prefix6, text),
						      "Gateway",
						      inet_ntop(AF_INET6, &n->gateway6, gateway,
								sizeof gateway)));
	return list;
}

/* Null: its interface is gone, or the caller may not look. */
static json_t *counters_json(const struct endpoint *ep, const struct on_host *h)
{
	struct net_counters c;

	if (net_stats_of(ep, h, &c, NULL) != 1)
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "rx_bytes", (json_int_t)c.rx_bytes,
			 "rx_packets", (json_int_t)c.rx_packets, "rx_errors", (json_int_t)c.rx_errors,
			 "rx_dropped", (json_int_t)c.rx_dropped, "tx_bytes", (json_int_t)c.tx_bytes,
			 "tx_packets", (json_int_t)c.tx_packets, "tx_errors", (json_int_t)c.tx_errors,
			 "tx_dropped", (json_int_t)c.tx_dropped);
}

static json_t *endpoint_json(const struct network *n, const struct endpoint *ep, const struct on_host *h)
{
	char v4[CIDR_TEXT] = "", v6[CIDR_TEXT] = "", mac[18], id[17];
	json_t *names = json_array(), *servers = json_array();

	snprintf(id, sizeof id, "%016llx", (unsigned long long)lease_hash(ep->owner));
	if (ep->address)
		cidr_format(ep->address, n->prefix, v4);
	if (!in6_is_zero(&ep->address6))
		cidr6_format(&ep->address6, n->prefix6, v6);
	for (int i = 0; i < ep->name_count; i++)
		json_array_append_new(names, json_string(ep->names[i]));
	for (int i = 0; i < ep->server_count; i++)
		json_array_append_new(servers, endpoint_server_json(&ep->servers[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:i, s:o}", "Name", ep->id, "EndpointID", id,
			 "MacAddress", mac_format(ep->mac, mac), "IPv4Address", v4, "IPv6Address", v6,
			 "Interface", ep->interface, "HostInterface", ep->host_if, "DNSNames", names, "DNSServers", servers, "Pid",
			 (int)ep->pid, "Counters", counters_json(ep, h));
}

static json_t *labels_json(const struct network *n)
{
	json_t *o = json_object();

	for (int i = 0; i < n->label_count; i++)
		json_object_set_new(o, n->labels[i].key, json_string(n->labels[i].value));
	return o;
}

static json_t *options_json(const struct network *n)
{
	json_t *o = json_object();
	char text[16];

	if (n->mtu) {
		snprintf(text, sizeof text, "%d", n->mtu);
		json_object_set_new(o, "com.docker.network.driver.mtu", json_string(text));
	}
	if (n->isolated)
		json_object_set_new(o, "com.docker.network.bridge.enable_icc", json_string("false"));
	if (n->driver == NETWORK_MACVLAN)
		json_object_set_new(o, "parent", json_string(n->interface));
	else
		json_object_set_new(o, "com.docker.network.bridge.name", json_string(n->interface));
	return o;
}

static json_t *network_json(const struct network *n, const struct endpoint *all, size_t count,
			    const struct on_host *h)
{
	json_t *containers = json_object();
	char seconds[UTC_TEXT_MAX] = "", created[UTC_TEXT_MAX + 16];

	utc_format(n->created / 1000000000, seconds);
	snprintf(created, sizeof created, "%s.%09lldZ", seconds, (long long)(n->created % 1000000000));
	for (size_t i = 0; i < count; i++)
		if (strcmp(all[i].network, n->name) == 0)
			json_object_set_new(containers, all[i].owner, endpoint_json(n, &all[i], h));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:{s:s, s:o}, s:b, s:b, s:b, s:o, s:o, s:o}",
			 "Name", n->name, "Id", n->id, "Created", created, "Scope", "local", "Driver",
			 n->driver == NETWORK_MACVLAN ? "macvlan" : "bridge", "EnableIPv4",
			 n->prefix || network_is_default(n), "EnableIPv6", n->prefix6 != 0, "IPAM",
			 "Driver", "default", "Config", config_json(n), "Internal", n->internal,
			 "Isolated", n->isolated, "Direct", n->direct, "Containers", containers, "Options", options_json(n),
			 "Labels", labels_json(n));
}

int net_print_json(const struct network *list, size_t count, struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	_cleanup_json_ json_t *all = json_array();
	struct endpoint *endpoints = NULL;
	size_t endpoint_count = 0;
	struct on_host h = { 0 };
	int r = lease_store_peek(&s, e);

	if (r == 0)
		(void)net_stats_on_host(&h, NULL);
	if (r == 0)
		r = endpoint_list(&s, NULL, &endpoints, &endpoint_count, e);
	for (size_t i = 0; (r == 0 || r == -ENOENT) && i < count; i++)
		json_array_append_new(all, network_json(&list[i], endpoints, endpoint_count, &h));
	free(endpoints);
	free(h.all);
	if (r < 0 && r != -ENOENT)
		return r;
	if (json_out_of_memory || json_array_size(all) != count)
		return err_set(e, ENOMEM, "networks");
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	return 0;
}
