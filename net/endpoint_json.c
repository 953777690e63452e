/*
 * endpoint_json.c - an endpoint as JSON, as kist keeps it.
 */
#include "net/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "net/address.h"
#include "net/link.h"
#include "net/record_json.h"

static const char *protocol_name(uint8_t protocol)
{
	return protocol == IPPROTO_UDP ? "udp" : "tcp";
}

static json_t *port_to_json(const struct published_port *p)
{
	json_t *o = json_pack("{s:s, s:i, s:i, s:i}", "protocol", protocol_name(p->protocol),
			      "host", (int)p->host, "port", (int)p->port, "count", (int)p->count);
	char text[INET6_ADDRSTRLEN] = "";

	if (p->family == AF_INET)
		json_object_set_new(o, "address", json_string(ipv4_format(p->address, text)));
	else if (p->family == AF_INET6)
		json_object_set_new(
			o, "address",
			json_string(inet_ntop(AF_INET6, &p->address6, text, sizeof text)));
	return o;
}

json_t *endpoint_server_json(const struct in6_addr *server)
{
	bool four = IN6_IS_ADDR_V4MAPPED(server);
	char text[INET6_ADDRSTRLEN];

	return json_string(inet_ntop(four ? AF_INET : AF_INET6, &server->s6_addr[four ? 12 : 0], text,
				     sizeof text));
}

json_t *endpoint_to_json(const struct endpoint *ep)
{
	char mac[18], text[INET6_ADDRSTRLEN] = "";
	json_t *names = json_array(), *ports = json_array();
	json_t *o = json_pack("{s:s, s:s, s:s, s:i, s:I, s:I, s:s, s:s, s:s, s:b, s:b, s:o, s:o}",
			      "owner", ep->owner, "network", ep->network, "id", ep->id, "pid",
			      (int)ep->pid, "startTime", (json_int_t)ep->start_time, "netns",
			      (json_int_t)ep->cookie, "hostInterface", ep->host_if, "interface",
			      ep->interface, "mac", mac_format(ep->mac, mac), "first", ep->first,
			      "internal", ep->internal, "names", names, "ports", ports);

	if (!o)
		return NULL;
	for (int i = 0; i < ep->name_count; i++)
		json_array_append_new(names, json_string(ep->names[i]));
	for (int i = 0; i < ep->port_count; i++)
		json_array_append_new(ports, port_to_json(&ep->ports[i]));
	if (ep->server_count)
		json_object_set_new(o, "servers", json_array());
	for (int i = 0; i < ep->server_count; i++)
		json_array_append_new(json_object_get(o, "servers"), endpoint_server_json(&ep->servers[i]));
	if (ep->no_names)
		json_object_set_new(o, "noNames", json_true());
	if (ep->names_aside)
		json_object_set_new(o, "namesAside", json_true());
	if (ep->address)
		json_object_set_new(o, "address", json_string(ipv4_format(ep->address, text)));
	if (!in6_is_zero(&ep->address6))
		json_object_set_new(
			o, "address6",
			json_string(inet_ntop(AF_INET6, &ep->address6, text, sizeof text)));
	if (ep->maker) {
		json_object_set_new(o, "maker", json_integer(ep->maker));
		json_object_set_new(o, "makerStartTime",
				    json_integer((json_int_t)ep->maker_start_time));
	}
	return o;
}

static int read_number(const json_t *o, const char *key, int64_t max, int64_t *ret, struct err *e)
{
	int r = json_get_int(o, &JSON_AT_ROOT, key, 0, max, ret, e);

	return r < 0 ? r : 0;
}

static int read_addresses(const json_t *o, struct endpoint *ep, struct err *e)
{
	const char *v4 = NULL, *v6 = NULL, *mac = NULL;

	if (json_get_string(o, &JSON_AT_ROOT, "address", &v4, e) < 0 ||
	    json_get_string(o, &JSON_AT_ROOT, "address6", &v6, e) < 0 ||
	    json_get_string(o, &JSON_AT_ROOT, "mac", &mac, e) < 0)
		return -EINVAL;
	if (v4 && address_parse(v4, &ep->address) < 0)
		return record_bad(&JSON_AT_ROOT, "address", e);
	if (v6 && inet_pton(AF_INET6, v6, &ep->address6) != 1)
		return record_bad(&JSON_AT_ROOT, "address6", e);
	return !mac || mac_parse(mac, ep->mac) < 0 ? record_bad(&JSON_AT_ROOT, "mac", e) : 0;
}

static int read_process(const json_t *o, struct endpoint *ep, struct err *e)
{
	int64_t pid = 0, start = 0, cookie = 0, maker = 0, maker_start = 0;

	if (read_number(o, "pid", INT_MAX, &pid, e) < 0 ||
	    read_number(o, "startTime", INT64_MAX, &start, e) < 0 ||
	    read_number(o, "netns", INT64_MAX, &cookie, e) < 0 ||
	    read_number(o, "maker", INT_MAX, &maker, e) < 0 ||
	    read_number(o, "makerStartTime", INT64_MAX, &maker_start, e) < 0)
		return -EINVAL;
	ep->pid = (pid_t)pid;
	ep->start_time = (uint64_t)start;
	ep->cookie = (uint64_t)cookie;
	ep->maker = (pid_t)maker;
	ep->maker_start_time = maker ? (uint64_t)maker_start : 0;
	return 0;
}

static int read_names(const json_t *o, struct endpoint *ep, struct err *e)
{
	json_t *names = NULL, *name;
	size_t i;
	int r = json_get_array(o, &JSON_AT_ROOT, "names", &names, e);

	if (r <= 0)
		return r;
	if (json_array_size(names) > ENDPOINT_NAMES_MAX)
		return record_bad(&JSON_AT_ROOT, "names", e);
	json_array_foreach(names, i, name)
	{
		const char *text = json_string_value(name);

		if (!text || !endpoint_is_dns_name(text))
			return record_bad(&JSON_AT_ROOT, "names", e);
		snprintf(ep->names[ep->name_count++], ENDPOINT_NAME_MAX, "%s", text);
	}
	return 0;
}

static int read_servers(const json_t *o, struct endpoint *ep, struct err *e)
{
	json_t *servers = NULL, *server;
	size_t i;
	int r = json_get_array(o, &JSON_AT_ROOT, "servers", &servers, e);

	if (r <= 0)
		return r;
	if (json_array_size(servers) > ENDPOINT_SERVERS_MAX)
		return record_bad(&JSON_AT_ROOT, "servers", e);
	json_array_foreach(servers, i, server)
	{
		struct in6_addr *to = &ep->servers[ep->server_count++];
		const char *text = json_string_value(server);

		to->s6_addr[10] = to->s6_addr[11] = 0xff;
		if (!text || (inet_pton(AF_INET, text, &to->s6_addr[12]) != 1 &&
			      inet_pton(AF_INET6, text, to) != 1))
			return record_bad(&JSON_AT_ROOT, "servers", e);
	}
	return 0;
}

static int read_port(const json_t *o, const struct json_at *at, struct published_port *p,
		     struct err *e)
{
	const char *protocol = "", *address = NULL;
	int64_t host = 0, port = 0, count = 0;

	if (json_get_string(o, at, "protocol", &protocol, e) < 0 ||
	    json_get_string(o, at, "address", &address, e) < 0 ||
	    json_get_int(o, at, "host", 1, 65535, &host, e) < 0 ||
	    json_get_int(o, at, "port", 1, 65535, &port, e) < 0 ||
	    json_get_int(o, at, "count", 1, 65535, &count, e) < 0)
		return -EINVAL;
	if (!host || !port || host + count - 1 > 65535 || port + count - 1 > 65535 || !count)
		return record_bad(at, "count", e);
	p->host = (uint16_t)host;
	p->port = (uint16_t)port;
	p->count = (uint16_t)count;
	if (strcmp(protocol, "tcp") != 0 && strcmp(protocol, "udp") != 0)
		return record_bad(at, "protocol", e);
	p->protocol = strcmp(protocol, "udp") == 0 ? IPPROTO_UDP : IPPROTO_TCP;
	if (!address)
		return 0;
	if (address_parse(address, &p->address) == 0)
		p->family = AF_INET;
	else if (inet_pton(AF_INET6, address, &p->address6) == 1)
		p->family = AF_INET6;
	else
		return record_bad(at, "address", e);
	return 0;
}

static int read_ports(const json_t *o, struct endpoint *ep, struct err *e)
{
	struct json_at at = json_at_key(&JSON_AT_ROOT, "ports");
	json_t *ports = NULL, *port;
	size_t i;
	int r = json_get_array(o, &JSON_AT_ROOT, "ports", &ports, e);

	if (r <= 0)
		return r;
	if (json_array_size(ports) > ENDPOINT_PORTS_MAX)
		return record_bad(&JSON_AT_ROOT, "ports", e);
	json_array_foreach(ports, i, port)
	{
		struct json_at here = json_at_index(&at, i);

		if (!json_is_object(port))
			return json_bad(e, &here, "must be an object");
		r = read_port(port, &here, &ep->ports[ep->port_count++], e);
		if (r < 0)
			return r;
	}
	return 0;
}

int endpoint_from_json(const json_t *o, struct endpoint *ret, struct err *e)
{
	struct endpoint *ep = calloc(1, sizeof *ep);
	int r = 0;

	if (!ep)
		return err_set(e, ENOMEM, "an endpoint");
	if (!json_is_object(o))
		r = json_bad(e, &JSON_AT_ROOT, "must be an object");
	if (r == 0)
		r = record_get_text(o, "owner", ep->owner, sizeof ep->owner, e);
	if (r == 0)
		r = record_get_text(o, "network", ep->network, sizeof ep->network, e);
	if (r == 0)
		r = record_get_text(o, "id", ep->id, sizeof ep->id, e);
	if (r == 0)
		r = record_get_text(o, "hostInterface", ep->host_if, sizeof ep->host_if, e);
	if (r == 0)
		r = record_get_text(o, "interface", ep->interface, sizeof ep->interface, e);
	if (r == 0)
		r = read_process(o, ep, e);
	if (r == 0)
		r = read_addresses(o, ep, e);
	if (r == 0)
		r = json_get_bool(o, &JSON_AT_ROOT, "first", &ep->first, e);
	if (r >= 0)
		r = json_get_bool(o, &JSON_AT_ROOT, "internal", &ep->internal, e);
	if (r >= 0)
		r = json_get_bool(o, &JSON_AT_ROOT, "noNames", &ep->no_names, e);
	if (r >= 0)
		r = json_get_bool(o, &JSON_AT_ROOT, "namesAside", &ep->names_aside, e);
	if (r >= 0)
		r = read_names(o, ep, e);
	if (r >= 0)
		r = read_servers(o, ep, e);
	if (r >= 0)
		r = read_ports(o, ep, e);
	if (r >= 0)
		*ret = *ep;
	free(ep);
	return r < 0 ? r : 0;
}
