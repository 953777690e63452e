/*
 * fuzz_net.c - any bytes as what kist's networks read: a network's definition, an endpoint's
 * record, and the words of --net, --publish, --net-rate and --egress, each line one of them.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cgroup/egress.h"
#include "net/endpoint.h"
#include "net/net.h"
#include "net/network.h"
#include "net/publish.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read is written as it was, and names no more than it has room for. */
static void use_as_network(const json_t *o)
{
	struct network *n = calloc(2, sizeof *n);
	struct err e = ERR_INIT;

	if (network_from_json(o, &n[0], &e) == 0) {
		json_t *again = network_to_json(&n[0]), *twice;

		assert(network_check_name(n[0].name, &e) == 0);
		assert(strlen(n[0].id) == NETWORK_ID_MAX - 1 && !strchr(n[0].interface, '/'));
		assert(n[0].prefix || n[0].prefix6);
		assert(again && network_from_json(again, &n[1], &e) == 0);
		twice = network_to_json(&n[1]);
		assert(json_equal(again, twice));
		json_decref(again);
		json_decref(twice);
		network_free(&n[0]);
		network_free(&n[1]);
	} else {
		assert(e.error);
	}
	free(n);
}

static void use_as_endpoint(const json_t *o)
{
	struct endpoint *ep = calloc(2, sizeof *ep);
	struct err e = ERR_INIT;

	if (endpoint_from_json(o, &ep[0], &e) == 0) {
		json_t *again = endpoint_to_json(&ep[0]);

		assert(again && endpoint_from_json(again, &ep[1], &e) == 0);
		assert(memcmp(&ep[0], &ep[1], sizeof *ep) == 0);
		json_decref(again);
		for (int i = 0; i < ep->name_count; i++)
			assert(endpoint_is_dns_name(ep->names[i]));
	} else {
		assert(e.error);
	}
	free(ep);
}

static void use_as_json(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	json_t *o = NULL;

	if (json_parse_strict((const char *)data, size, "fuzz", &o, &e) < 0)
		return;
	use_as_network(o);
	use_as_endpoint(o);
	json_decref(o);
}

static void use_as_port(const char *text)
{
	struct published_port p, again;
	struct err e = ERR_INIT;
	char made[PUBLISH_TEXT];

	if (publish_parse(text, &p, &e) < 0)
		return;
	assert(p.host && p.port && p.count);
	assert(p.host + p.count - 1 <= 65535 && p.port + p.count - 1 <= 65535);
	assert(publish_parse(publish_format(&p, made), &again, &e) == 0);
	assert(again.host == p.host && again.port == p.port && again.count == p.count &&
	       again.protocol == p.protocol && again.family == p.family &&
	       again.address == p.address);
}

static void use_as_egress(const char *text, struct arena *a)
{
	struct egress list = { 0 };
	struct err e = ERR_INIT;

	if (egress_parse(text, a, &list, &e) < 0)
		return;
	assert(list.asked && list.count <= EGRESS_RULES_MAX);
	for (size_t i = 0; i < list.count; i++)
		assert(list.rules[i].first <= list.rules[i].last &&
		       list.rules[i].prefix <= (list.rules[i].family == AF_INET ? 32 : 128));
}

static void use_as_words(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_INIT;
	struct net_spec s = { 0 };
	struct net_rate rate;
	struct err e = ERR_INIT;
	char *text = malloc(size + 1), *rest = text, *line;

	memcpy(text, data, size);
	text[size] = '\0';
	net_parse_annotations(text, text, &s, &a, &e);
	s = (struct net_spec){ 0 };
	while ((line = strsep(&rest, "\n"))) {
		use_as_port(line);
		use_as_egress(line, &a);
		net_parse_rate(line, &rate, &e);
		/* What was refused may be half read; nobody goes on with it. */
		if (net_parse_word(line, &s, &a, &e) < 0)
			s = (struct net_spec){ 0 };
		assert(s.join_count <= NET_JOINS_MAX);
		for (int i = 0; i < s.join_count; i++)
			assert(*s.joins[i].name && s.joins[i].alias_count < ENDPOINT_NAMES_MAX);
	}
	free(text);
	arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	use_as_json(data, size);
	use_as_words(data, size);
	return 0;
}
