/* Networks that were defined: names, subnets, files. */
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
#include "net/address.h"
#include "net/lease.h"
#include "net/network.h"

static char top[64], root[80], leases[80];

static int make_root(void **state)
{
	(void)state;
	snprintf(top, sizeof top, "/tmp/kist-network-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	snprintf(root, sizeof root, "%s/a/net", top);
	snprintf(leases, sizeof leases, "%s/l/.net", top);
	lease_root = leases;
	return setenv("KIST_NETWORKS", root, 1);
}

static int remove_root(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", top);
	return system(command);
}

static int make(const char *name, const char *subnet, const char *subnet6, struct network *ret,
		struct err *e)
{
	*ret = (struct network){ 0 };
	snprintf(ret->name, sizeof ret->name, "%s", name);
	if (subnet)
		assert_int_equal(cidr_parse(subnet, &ret->subnet, &ret->prefix), 0);
	if (subnet6)
		assert_int_equal(cidr6_parse(subnet6, &ret->subnet6, &ret->prefix6), 0);
	return network_create(ret, false, false, e);
}

static void test_create_find_forget(void **state)
{
	struct network n = { .name = "back", .internal = true, .mtu = 1400 }, found, second;
	struct err e = ERR_INIT;
	char part[13];

	(void)state;
	assert_int_equal(network_add_label(&n, "a\"b", "c\nd\\", &e), 0);
	assert_int_equal(network_create(&n, true, false, &e), 0);
	assert_int_equal(n.prefix, 20);
	assert_int_equal(n.gateway, n.subnet + 1);
	assert_int_equal(n.prefix6, 64);
	assert_int_equal(n.subnet6.s6_addr[0], 0xfd);
	assert_int_equal(strlen(n.id), 64);
	assert_memory_equal(n.interface, "kb", 2);
	assert_memory_equal(n.interface + 2, n.id, 12);

	assert_int_equal(network_find("back", &found, &e), 0);
	assert_string_equal(found.id, n.id);
	assert_int_equal(found.subnet, n.subnet);
	assert_memory_equal(&found.gateway6, &n.gateway6, 16);
	assert_true(found.internal);
	assert_false(found.isolated || found.direct);
	assert_int_equal(found.mtu, 1400);
	assert_int_equal(found.created, n.created);
	assert_string_equal(found.labels[0].key, "a\"b");
	assert_string_equal(found.labels[0].value, "c\nd\\");
	network_free(&found);

	snprintf(part, sizeof part, "%s", n.id);
	assert_int_equal(network_find(part, &found, &e), 0);
	assert_string_equal(found.name, "back");
	network_free(&found);

	assert_int_equal(make("back", NULL, NULL, &second, &e), -EEXIST);
	assert_int_equal(network_exists(&n), 1);
	assert_int_equal(make("second", NULL, NULL, &second, &e), 0);
	assert_int_not_equal(second.subnet, n.subnet);
	assert_int_equal(network_forget(&n, &e), 0);
	assert_int_equal(network_exists(&n), 0);
	assert_int_equal(network_find("back", &found, &e), -ENOENT);
	/* Another of that name is not the one that was meant. */
	assert_int_equal(make("back", NULL, NULL, &found, &e), 0);
	assert_int_equal(network_exists(&n), 0);
	assert_int_equal(network_forget(&n, &e), 0);
	assert_int_equal(network_exists(&found), 1);
	network_free(&n);
}

static void test_list(void **state)
{
	struct network *list, n;
	struct err e = ERR_INIT;
	size_t count;

	(void)state;
	assert_int_equal(network_list(&list, &count, &e), 0);
	assert_int_equal(count, 1);
	assert_string_equal(list[0].name, "bridge");
	assert_string_equal(list[0].interface, "kist0");
	assert_int_equal(list[0].prefix, 0);
	network_list_free(list, count);
	assert_int_equal(make("b", "10.99.0.0/24", NULL, &n, &e), 0);
	assert_int_equal(make("a", "10.98.0.0/24", "fd00:98::/64", &n, &e), 0);
	assert_int_equal(network_list(&list, &count, &e), 0);
	assert_int_equal(count, 3);
	assert_string_equal(list[1].name, "a");
	assert_string_equal(list[2].name, "b");
	network_list_free(list, count);
	assert_int_equal(network_find("bridge", &n, &e), 0);
	assert_int_equal(strlen(n.id), 64);
}

static void test_conflicts(void **state)
{
	char other[NETWORK_NAME_MAX] = "", line[512];
	struct network n;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(make("a", "10.98.0.0/24", "fd00:98::/64", &n, &e), 0);
	assert_int_equal(make("b", "10.98.0.128/25", NULL, &n, &e), -EADDRINUSE);
	err_format(&e, line, sizeof line);
	assert_non_null(strstr(line, "10.98.0.128/25 overlaps network a"));
	assert_int_equal(make("b", "10.96.0.0/12", NULL, &n, &e), -EADDRINUSE);
	assert_int_equal(make("b", "10.99.0.0/24", "fd00:98::/48", &n, &e), -EADDRINUSE);
	assert_int_equal(make("b", "10.99.0.0/24", "fd00:98:0:0:8000::/65", &n, &e), -EADDRINUSE);
	assert_int_equal(make("b", "10.99.0.0/24", "fd00:99::/64", &n, &e), 0);
	assert_int_equal(
		network_find_overlap(10u << 24 | 99u << 16, 28, &in6addr_any, 0, other, &e), 1);
	assert_string_equal(other, "b");
	assert_int_equal(
		network_find_overlap(10u << 24 | 97u << 16, 16, &in6addr_any, 0, other, &e), 0);
}

static void test_bad(void **state)
{
	static const char *const names[] = { "",	  ".",	  "..",	     "-a",     "_a",
					     "a/b",	  "a b",  "a\n",     "a;drop", "eth0/../x",
					     "bridge",	  "none", "host",    "lock",   "ip_forward",
					     "container", "a\"",  "\xc3\xa4" };
	struct network n = { .name = "x" };
	struct err e = ERR_INIT;
	char name[80], *big = malloc(NETWORK_LABEL_VALUE_MAX + 2);

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_int_equal(network_check_name(names[i], &e), -EINVAL);
	memset(name, 'a', sizeof name);
	name[63] = '\0';
	assert_int_equal(network_check_name(name, &e), 0);
	name[63] = 'a';
	name[64] = '\0';
	assert_int_equal(network_check_name(name, &e), -EINVAL);

	memset(big, 'x', NETWORK_LABEL_VALUE_MAX + 1);
	big[NETWORK_LABEL_VALUE_MAX + 1] = '\0';
	assert_int_equal(network_add_label(&n, "k", big, &e), -EINVAL);
	big[NETWORK_LABEL_VALUE_MAX] = '\0';
	assert_int_equal(network_add_label(&n, "k", big, &e), 0);
	assert_int_equal(network_add_label(&n, "k", "again", &e), -EINVAL);
	assert_int_equal(network_add_label(&n, "", "v", &e), -EINVAL);
	assert_int_equal(network_create(&n, false, true, &e), -EINVAL);
	n.mtu = 575;
	assert_int_equal(network_create(&n, false, false, &e), -EINVAL);
	n.mtu = 1279;
	assert_int_equal(network_create(&n, true, false, &e), -EINVAL);
	n.mtu = 1280;
	assert_int_equal(network_create(&n, true, false, &e), 0);
	network_free(&n);
	assert_int_equal(network_find("x", &n, &e), 0);
	assert_string_equal(n.labels[0].value, big);
	network_free(&n);
	n = (struct network){ .name = "y" };
	assert_int_equal(network_add_label(&n, "k", "\xff", &e), 0);
	err_clear(&e);
	assert_int_equal(network_create(&n, false, false, &e), -EINVAL);
	network_free(&n);
	free(big);
}

static void test_no_ipv4(void **state)
{
	struct network n = { .name = "six" }, found;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(network_create(&n, true, true, &e), 0);
	assert_int_equal(network_find("six", &found, &e), 0);
	assert_int_equal(found.prefix, 0);
	assert_int_equal(found.prefix6, 64);
}

/* A definition somebody changed: nothing of it is believed unseen. */
static void test_hostile_file(void **state)
{
	static const struct {
		const char *key, *value;
	} bad[] = {
		{ "name", "\"../x\"" },
		{ "name", "\"bridge\"" },
		{ "name", "7" },
		{ "id", "\"abc\"" },
		{ "driver", "\"vxlan\"" },
		{ "interface", "\"eth0\"" },
		{ "interface", "\"\"" },
		{ "subnet", "\"127.0.0.0/8\"" },
		{ "subnet", "\"10.0.0.0/33\"" },
		{ "gateway", "\"10.97.0.1\"" },
		{ "gateway", "null" },
		{ "subnet6", "\"fe80::/64\"" },
		{ "gateway6", "\"fd01::1\"" },
		{ "internal", "1" },
		{ "direct", "1" },
		{ "mtu", "65536" },
		{ "mtu", "-1" },
		{ "labels", "{\"a\":1}" },
		{ "labels", "{\"\":\"\"}" },
		{ "labels", "[]" },
	};
	struct network n, again;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(make("a", "10.98.0.0/24", "fd00:98::/64", &n, &e), 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		_cleanup_json_ json_t *o = network_to_json(&n);

		json_object_set_new(o, bad[i].key, json_loads(bad[i].value, JSON_DECODE_ANY, NULL));
		err_clear(&e);
		assert_int_equal(network_from_json(o, &again, &e), -EINVAL);
		assert_int_equal(e.where[0], '/');
	}
	/* Direct delivery knows nothing of isolation. */
	for (int isolated = 0; isolated < 2; isolated++) {
		_cleanup_json_ json_t *o = network_to_json(&n);

		json_object_set_new(o, "direct", json_true());
		json_object_set_new(o, "isolated", json_boolean(isolated));
		err_clear(&e);
		assert_int_equal(network_from_json(o, &again, &e), isolated ? -EINVAL : 0);
		if (isolated)
			assert_string_equal(e.where, "/direct");
		else
			assert_true(again.direct);
	}
}

#define WORKERS 20
static void test_at_once(void **state)
{
	struct network *list;
	struct err e = ERR_INIT;
	size_t count;

	(void)state;
	for (int i = 0; i < WORKERS; i++)
		if (fork() == 0) {
			struct network n = { 0 };

			snprintf(n.name, sizeof n.name, "n%d", i / 2);
			_exit(network_create(&n, false, false, &e) == (0) ? 0 : 1);
		}
	for (int i = 0, status, won = 0; i < WORKERS; i++) {
		assert_true(wait(&status) > 0);
		won += status == 0;
		if (i == WORKERS - 1)
			assert_int_equal(won, WORKERS / 2);
	}
	assert_int_equal(network_list(&list, &count, &e), 0);
	assert_int_equal(count, 1 + WORKERS / 2);
	for (size_t i = 1; i < count; i++)
		for (size_t j = 1; j < i; j++)
			assert_int_not_equal(list[i].subnet, list[j].subnet);
	network_list_free(list, count);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_root, remove_root)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_create_find_forget),
		TEST(test_list),
		TEST(test_conflicts),
		TEST(test_bad),
		TEST(test_no_ipv4),
		TEST(test_hostile_file),
		TEST(test_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
