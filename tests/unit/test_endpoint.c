/* Endpoints: put, get, list, remove; nothing hostile is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "net/endpoint.h"
#include "tests/unit/lease_root.h"

static struct endpoint example(const char *network, const char *owner)
{
	struct endpoint ep = {
		.pid = 77,
		.start_time = 1234567890123,
		.cookie = 99,
		.host_if = "kv0123456789ab",
		.interface = "eth1",
		.mac = { 2, 'k', 10, 80, 0, 5 },
		.address = 10u << 24 | 80u << 16 | 5,
		.first = true,
		.names = { "web", "www" },
		.name_count = 2,
		.ports = { { .protocol = IPPROTO_TCP,
			     .family = AF_INET,
			     .address = 127u << 24 | 1,
			     .host = 8080,
			     .port = 80,
			     .count = 2 },
			   { .protocol = IPPROTO_UDP, .host = 53, .port = 53, .count = 1 },
			   { .protocol = IPPROTO_TCP,
			     .family = AF_INET6,
			     .host = 65535,
			     .port = 1,
			     .count = 1 } },
		.port_count = 3,
		.servers = { { .s6_addr = { [10] = 0xff, 0xff, 192, 0, 2, 7 } }, { .s6_addr = { 0xfd, [15] = 7 } } },
		.server_count = 2,
		.names_aside = true,
		.maker = 5,
		.maker_start_time = 6,
	};

	snprintf(ep.network, sizeof ep.network, "%s", network);
	snprintf(ep.owner, sizeof ep.owner, "%s", owner);
	snprintf(ep.id, sizeof ep.id, "%s", owner);
	inet_pton(AF_INET6, "fd00::5", &ep.address6);
	inet_pton(AF_INET6, "::1", &ep.ports[2].address6);
	return ep;
}

static void test_put_get_remove(void **state)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	struct endpoint ep = example("back", "web"), got;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(lease_store_open(&s, true, &e), 0);
	assert_int_equal(endpoint_get(&s, "back", "web", &got, &e), 0);
	assert_int_equal(endpoint_put(&s, &ep, &e), 0);
	memset(&got, 0xff, sizeof got);
	assert_int_equal(endpoint_get(&s, "back", "web", &got, &e), 1);
	assert_memory_equal(&got, &ep, sizeof ep);
	ep.maker = 0;
	ep.maker_start_time = 0;
	ep.address = 0;
	ep.address6 = in6addr_any;
	ep.name_count = ep.port_count = 0;
	memset(ep.names, 0, sizeof ep.names);
	memset(ep.ports, 0, sizeof ep.ports);
	assert_int_equal(endpoint_put(&s, &ep, &e), 0);
	assert_int_equal(endpoint_get(&s, "back", "web", &got, &e), 1);
	assert_memory_equal(&got, &ep, sizeof ep);
	assert_int_equal(endpoint_get(&s, "back", "db", &got, &e), 0);
	assert_int_equal(endpoint_remove(&s, "back", "web", &e), 0);
	assert_int_equal(endpoint_remove(&s, "back", "web", &e), 0);
	assert_int_equal(endpoint_remove(&s, "none", "web", &e), 0);
	assert_int_equal(endpoint_get(&s, "back", "web", &got, &e), 0);
}

static void test_list(void **state)
{
	static const char *const places[][2] = {
		{ "b", "2" }, { "a", "2" }, { "b", "1" }, { "a", "1" }
	};
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT, peek = LEASE_STORE_INIT;
	struct endpoint *list, ep;
	struct err e = ERR_INIT;
	size_t count = 7;
	uint32_t address;

	(void)state;
	assert_int_equal(lease_store_peek(&peek, &e), -ENOENT);
	assert_int_equal(lease_store_open(&s, true, &e), 0);
	assert_int_equal(endpoint_list(&s, NULL, &list, &count, &e), 0);
	assert_int_equal(count, 0);
	free(list);
	/* Leases beside them, and a note, are none. */
	assert_int_equal(lease_take(&s, "a", "1", 10u << 24, 24, &address, &e), 0);
	assert_int_equal(lease_note_set(&s, "ip_forward", "0"), 0);
	for (int i = 0; i < 4; i++) {
		ep = example(places[i][0], places[i][1]);
		assert_int_equal(endpoint_put(&s, &ep, &e), 0);
	}
	/* While another holds the lock. */
	assert_int_equal(lease_store_peek(&peek, &e), 0);
	assert_int_equal(endpoint_list(&peek, NULL, &list, &count, &e), 0);
	assert_int_equal(count, 4);
	assert_string_equal(list[0].network, "a");
	assert_string_equal(list[0].owner, "1");
	assert_string_equal(list[3].network, "b");
	assert_string_equal(list[3].owner, "2");
	free(list);
	assert_int_equal(endpoint_list(&s, "b", &list, &count, &e), 0);
	assert_int_equal(count, 2);
	free(list);
	assert_int_equal(endpoint_list(&s, "c", &list, &count, &e), 0);
	assert_int_equal(count, 0);
	free(list);
}

static void test_hostile_record(void **state)
{
	static const struct {
		const char *key, *value;
	} bad[] = {
		{ "owner", "7" },
		{ "network", "null" },
		{ "pid", "-1" },
		{ "pid", "1e9" },
		{ "address", "\"1.2.3\"" },
		{ "address6", "\"1.2.3.4\"" },
		{ "mac", "\"x\"" },
		{ "servers", "[\"name\"]" },
		{ "servers", "[7]" },
		{ "servers", "[\"::1\",\"::1\",\"::1\",\"::1\",\"::1\",\"::1\",\"::1\",\"::1\",\"::1\"]" },
		{ "mac", "null" },
		{ "first", "1" },
		{ "names", "[7]" },
		{ "names", "[\"a.b\"]" },
		{ "names", "[\"\"]" },
		{ "names", "{}" },
		{ "ports", "[1]" },
		{ "ports", "[{}]" },
		{ "interface", "\"0123456789abcdef\"" },
		{ "ports", "[{\"protocol\":\"tcp\",\"host\":65535,\"port\":1,\"count\":2}]" },
		{ "ports", "[{\"protocol\":\"tcp\",\"host\":0,\"port\":1,\"count\":1}]" },
		{ "ports", "[{\"protocol\":\"icmp\",\"host\":1,\"port\":1,\"count\":1}]" },
		{ "ports",
		  "[{\"protocol\":\"tcp\",\"host\":1,\"port\":1,\"count\":1,\"address\":\"x\"}]" },
	};
	struct endpoint ep = example("back", "web"), got;
	struct err e = ERR_INIT;
	json_t *many = json_array();

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		_cleanup_json_ json_t *o = endpoint_to_json(&ep);

		json_object_set_new(o, bad[i].key, json_loads(bad[i].value, JSON_DECODE_ANY, NULL));
		err_clear(&e);
		assert_int_equal(endpoint_from_json(o, &got, &e), -EINVAL);
	}
	for (int i = 0; i <= ENDPOINT_NAMES_MAX; i++)
		json_array_append_new(many, json_string("n"));
	{
		_cleanup_json_ json_t *o = endpoint_to_json(&ep);

		json_object_set_new(o, "names", many);
		assert_int_equal(endpoint_from_json(o, &got, &e), -EINVAL);
	}
}

static void test_alive(void **state)
{
	struct endpoint ep = { .pid = getpid(), .start_time = endpoint_start_time(getpid()) };
	pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(0);
	assert_true(ep.start_time > 0);
	assert_true(endpoint_is_alive(&ep));
	assert_true(endpoint_is_made(&ep));
	ep.start_time++;
	assert_false(endpoint_is_alive(&ep));
	assert_int_equal(waitpid(child, NULL, 0), child);
	ep.maker = child;
	ep.maker_start_time = ep.start_time;
	assert_false(endpoint_is_made(&ep));
	assert_int_equal(endpoint_start_time(child), 0);
	ep = (struct endpoint){ 0 };
	assert_false(endpoint_is_alive(&ep));
}

static void test_names(void **state)
{
	char name[65];

	(void)state;
	assert_true(endpoint_is_dns_name("web-1"));
	assert_true(endpoint_is_dns_name("_x"));
	assert_true(endpoint_is_dns_name("7"));
	assert_false(endpoint_is_dns_name(""));
	assert_false(endpoint_is_dns_name("-a"));
	assert_false(endpoint_is_dns_name("a-"));
	assert_false(endpoint_is_dns_name("a.b"));
	assert_false(endpoint_is_dns_name("a b"));
	assert_false(endpoint_is_dns_name("a\n"));
	assert_false(endpoint_is_dns_name("\xc3\xa4"));
	memset(name, 'a', sizeof name);
	name[63] = '\0';
	assert_true(endpoint_is_dns_name(name));
	name[63] = 'a';
	name[64] = '\0';
	assert_false(endpoint_is_dns_name(name));
}

/* Found by number and protocol, in all networks, until it is removed; an entry without a record is none. */
static void test_meeting(void **state)
{
	struct endpoint web = example("back", "web"), other = example("front", "other");
	struct endpoint *found = NULL;
	struct lease_store s;
	struct err e = ERR_INIT;
	size_t count = 0;

	(void)state;
	assert_int_equal(lease_store_open(&s, true, &e), 0);
	assert_int_equal(endpoint_put(&s, &web, &e), 0);
	other.port_count = 1;
	other.ports[0] = (struct published_port){ .protocol = IPPROTO_TCP, .host = 8000, .port = 1, .count = 82 };
	assert_int_equal(endpoint_list_meeting(&s, &other, &found, &count, &e), 0);
	assert_int_equal(count, 1);
	assert_string_equal(found[0].owner, "web");
	free(found);
	for (int i = 0; i < 3; i++) {
		const struct published_port none[] = {
			{ .protocol = IPPROTO_UDP, .host = 8080, .port = 1, .count = 1 },
			{ .protocol = IPPROTO_TCP, .host = 8082, .port = 1, .count = 1 },
			{ .protocol = IPPROTO_TCP, .host = 8000, .port = 1, .count = 80 },
		};

		other.ports[0] = none[i];
		assert_int_equal(endpoint_list_meeting(&s, &other, &found, &count, &e), 0);
		assert_int_equal(count, 0);
		free(found);
	}
	assert_int_equal(endpoint_remove(&s, "back", "web", &e), 0);
	assert_int_equal(faccessat(s.dir, ".ports", F_OK, 0), -1);
	/* What a kill -9 before the record leaves. */
	assert_int_equal(endpoint_ports_note(&s, &web), 0);
	other.ports[0].host = 8080;
	assert_int_equal(endpoint_list_meeting(&s, &other, &found, &count, &e), 0);
	assert_int_equal(count, 0);
	free(found);
	lease_store_close(&s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_lease_root, remove_lease_root)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_put_get_remove), TEST(test_meeting), TEST(test_list),  TEST(test_hostile_record),
		TEST(test_alive),	   TEST(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
