/*
 * network_json.c - a network's definition as JSON, as kist keeps it.
 */
#include "net/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "net/address.h"
#include "net/link.h"
#include "net/record_json.h"

static const char *const driver_names[] = {
	[NETWORK_BRIDGE] = "bridge", [NETWORK_MACVLAN] = "macvlan"
};

static json_t *labels_to_json(const struct network *n)
{
	json_t *o = json_object();

	for (int i = 0; i < n->label_count; i++)
		if (json_object_set_new(o, n->labels[i].key, json_string(n->labels[i].value)) < 0) {
			json_decref(o); /* no UTF-8 */
			return NULL;
		}
	return o;
}

json_t *network_to_json(const struct network *n)
{
	char text[CIDR_TEXT];
	json_t *labels = labels_to_json(n);
	json_t *o = !labels ? NULL
			    : json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:i, s:I, s:o}", "name",
					n->name, "id", n->id, "driver", driver_names[n->driver],
					"interface", n->interface, "internal", n->internal,
					"isolated", n->isolated, "direct", n->direct, "mtu", n->mtu,
					"created", (json_int_t)n->created, "labels", labels);

	if (!o)
		return NULL;
	if (n->prefix) {
		json_object_set_new(o, "subnet",
				    json_string(cidr_format(n->subnet, n->prefix, text)));
		json_object_set_new(o, "gateway", json_string(ipv4_format(n->gateway, text)));
	}
	if (n->prefix6) {
		json_object_set_new(o, "subnet6",
				    json_string(cidr6_format(&n->subnet6, n->prefix6, text)));
		inet_ntop(AF_INET6, &n->gateway6, text, sizeof text);
		json_object_set_new(o, "gateway6", json_string(text));
	}
	return o;
}

static int read_subnets(const json_t *o, struct network *n, struct err *e)
{
	const char *subnet = NULL, *gateway = NULL, *subnet6 = NULL, *gateway6 = NULL;

	if (json_get_string(o, &JSON_AT_ROOT, "subnet", &subnet, e) < 0 ||
	    json_get_string(o, &JSON_AT_ROOT, "gateway", &gateway, e) < 0 ||
	    json_get_string(o, &JSON_AT_ROOT, "subnet6", &subnet6, e) < 0 ||
	    json_get_string(o, &JSON_AT_ROOT, "gateway6", &gateway6, e) < 0)
		return -EINVAL;
	if (subnet && (cidr_parse(subnet, &n->subnet, &n->prefix) < 0 ||
		       subnet_check(n->subnet, n->prefix, NULL) < 0))
		return record_bad(&JSON_AT_ROOT, "subnet", e);
	if (subnet && (!gateway || address_parse(gateway, &n->gateway) < 0 ||
		       subnet_check_host(n->subnet, n->prefix, 0, n->gateway, NULL) < 0))
		return record_bad(&JSON_AT_ROOT, "gateway", e);
	if (subnet6 && (cidr6_parse(subnet6, &n->subnet6, &n->prefix6) < 0 ||
			subnet6_check(&n->subnet6, n->prefix6, NULL) < 0))
		return record_bad(&JSON_AT_ROOT, "subnet6", e);
	if (subnet6 &&
	    (!gateway6 || inet_pton(AF_INET6, gateway6, &n->gateway6) != 1 ||
	     subnet6_check_host(&n->subnet6, n->prefix6, &in6addr_any, &n->gateway6, NULL) < 0))
		return record_bad(&JSON_AT_ROOT, "gateway6", e);
	return subnet || subnet6 ? 0 : record_bad(&JSON_AT_ROOT, "subnet", e);
}

static int read_labels(const json_t *o, struct network *n, struct err *e)
{
	json_t *labels = NULL, *value;
	const char *key;
	int r = json_get_object(o, &JSON_AT_ROOT, "labels", &labels, e);

	if (r <= 0)
		return r;
	json_object_foreach(labels, key, value)
	{
		if (!json_is_string(value))
			return record_bad(&JSON_AT_ROOT, "labels", e);
		r = network_add_label(n, key, json_string_value(value), e);
		if (r < 0)
			return err_at(e, "/labels");
	}
	return 0;
}

static int read_driver(const json_t *o, struct network *n, struct err *e)
{
	char text[16];
	int r = record_get_text(o, "driver", text, sizeof text, e);

	if (r < 0)
		return r;
	for (int i = 0; i < (int)(sizeof driver_names / sizeof *driver_names); i++)
		if (strcmp(text, driver_names[i]) == 0) {
			n->driver = (enum network_driver)i;
			return 0;
		}
	return record_bad(&JSON_AT_ROOT, "driver", e);
}

/* A bridge's name is the id's: one that is not could be an interface of the host. */
static bool is_interface(const struct network *n)
{
	char expected[IFNAMSIZ];

	snprintf(expected, sizeof expected, NETWORK_BRIDGE_PREFIX "%.12s", n->id);
	if (n->driver == NETWORK_BRIDGE)
		return strcmp(n->interface, expected) == 0;
	return n->interface[0] && !strchr(n->interface, '/') && strcmp(n->interface, ".") != 0 &&
	       strcmp(n->interface, "..") != 0;
}

static int read_all(const json_t *o, struct network *n, struct err *e)
{
	int64_t mtu = 0;
	int r = record_get_text(o, "name", n->name, sizeof n->name, e);

	if (r == 0)
		r = network_check_name(n->name, e) < 0 ? err_at(e, "/name") : 0;
	if (r == 0)
		r = record_get_text(o, "id", n->id, sizeof n->id, e);
	if (r == 0 && (strlen(n->id) != NETWORK_ID_MAX - 1 ||
		       strspn(n->id, "0123456789abcdef") != NETWORK_ID_MAX - 1))
		r = record_bad(&JSON_AT_ROOT, "id", e);
	if (r == 0)
		r = read_driver(o, n, e);
	if (r == 0)
		r = record_get_text(o, "interface", n->interface, sizeof n->interface, e);
	if (r == 0 && !is_interface(n))
		r = record_bad(&JSON_AT_ROOT, "interface", e);
	if (r == 0)
		r = read_subnets(o, n, e);
	if (r == 0)
		r = json_get_bool(o, &JSON_AT_ROOT, "internal", &n->internal, e);
	if (r >= 0)
		r = json_get_bool(o, &JSON_AT_ROOT, "isolated", &n->isolated, e);
	if (r >= 0)
		r = json_get_bool(o, &JSON_AT_ROOT, "direct", &n->direct, e);
	if (r >= 0 && n->direct && (n->isolated || n->driver != NETWORK_BRIDGE))
		r = record_bad(&JSON_AT_ROOT, "direct", e);
	if (r >= 0)
		r = json_get_int(o, &JSON_AT_ROOT, "mtu", 0, NETWORK_MTU_MAX, &mtu, e);
	if (r >= 0)
		r = json_get_int(o, &JSON_AT_ROOT, "created", 0, INT64_MAX, &n->created, e);
	n->mtu = (int)mtu;
	return r < 0 ? r : read_labels(o, n, e);
}

int network_from_json(const json_t *o, struct network *ret, struct err *e)
{
	struct network *n;
	int r;

	if (!json_is_object(o))
		return json_bad(e, &JSON_AT_ROOT, "must be an object");
	n = calloc(1, sizeof *n);
	if (!n)
		return err_set(e, ENOMEM, "a network's definition");
	r = read_all(o, n, e);
	if (r < 0)
		network_free(n);
	else
		*ret = *n;
	free(n);
	return r < 0 ? r : 0;
}
