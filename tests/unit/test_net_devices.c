/* linux.netDevices: what is accepted, and the steps. The moves themselves are in netdev.bats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/devices.h"

static int parse(const char *devices, struct arena *a, struct net_devices *d, struct err *e)
{
	_cleanup_json_ json_t *o = NULL;
	struct json_at at = json_at_key(&JSON_AT_ROOT, "linux");
	char text[4000];

	err_clear(e);
	snprintf(text, sizeof text, "{\"netDevices\": %s}", devices);
	assert_int_equal(json_parse_strict(text, strlen(text), "test", &o, e), 0);
	return net_parse_devices(o, &at, a, d, e);
}

static void refused(void **state)
{
	static const struct {
		const char *text, *where, *says;
	} bad[] = {
		{ "[]", "/linux/netDevices", "object" },
		{ "{\"eth0\": 1}", "/linux/netDevices/eth0", "object" },
		{ "{\"\": {}}", "/linux/netDevices/", "no name" },
		{ "{\"eth/1\": {}}", "/linux/netDevices/eth~11", "no name" },
		{ "{\"sixteen-letters-\": {}}", "/linux/netDevices/sixteen-letters-", "no name" },
		{ "{\"eth%d\": {}}", "/linux/netDevices/eth%d", "no name" },
		{ "{\"..\": {}}", "/linux/netDevices/..", "no name" },
		{ "{\"lo\": {}}", "/linux/netDevices/lo", "loopback" },
		{ "{\"a\": {\"name\": 3}}", "/linux/netDevices/a/name", "string" },
		{ "{\"a\": {\"name\": \"lo\"}}", "/linux/netDevices/a/name", "loopback" },
		{ "{\"a\": {\"name\": \"b c\"}}", "/linux/netDevices/a/name", "no name" },
		{ "{\"a\": {\"name\": \"b:c\"}}", "/linux/netDevices/a/name", "no name" },
		{ "{\"a\": {\"name\": \"%d\"}}", "/linux/netDevices/a/name", "no name" },
		{ "{\"a\": {\"name\": \"a%s\"}}", "/linux/netDevices/a/name", "no name" },
		{ "{\"a\": {\"name\": \"a%d%d\"}}", "/linux/netDevices/a/name", "no name" },
		{ "{\"a\": {\"name\": \"a%db\"}}", "/linux/netDevices/a/name", "no name" },
		{ "{\"a\": {\"name\": \"x\"}, \"b\": {\"name\": \"x\"}}", "/linux/netDevices/b",
		  "second" },
		{ "{\"a\": {\"name\": \"b\"}, \"b\": {}}", "/linux/netDevices/b", "second" },
	};
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct net_devices d = { .count = 77 };
		char text[1500];

		assert_int_equal(parse(bad[i].text, &a, &d, &e), -EINVAL);
		err_format(&e, text, sizeof text);
		if (strcmp(e.where, bad[i].where) != 0 || !strstr(text, bad[i].says))
			fail_msg("case %zu: \"%s\" at %s", i, text, e.where);
		assert_int_equal(d.count, 77); /* untouched */
	}
	arena_free(&a);
}

static void too_many(void **state)
{
	struct net_devices d = { 0 };
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	char text[3000] = "{";

	(void)state;
	for (int i = 0; i <= NET_DEVICES_MAX; i++)
		snprintf(text + strlen(text), 40, "%s\"eth%d\": {}", i ? ", " : "", i);
	strcat(text, "}");
	assert_int_equal(parse(text, &a, &d, &e), -EINVAL);
	assert_string_equal(e.where, "/linux/netDevices");
	arena_free(&a);
}

static void steps(void **state)
{
	const struct host root = { .root = true }, user = { .uid = 1000 };
	struct net_devices d = { 0 };
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	char text[4000];
	struct buf b = BUF_ON(text);
	struct plan p;

	(void)state;
	plan_init(&p, &a);
	assert_int_equal(parse("{}", &a, &d, &e), 0);
	net_plan_devices(&p, &d);
	assert_int_equal(p.count, 0);
	assert_int_equal(net_check_devices(&d, &user, &e), 0);
	assert_int_equal(
		parse("{\"eth1\": {}, \"wan0\": {\"name\": \"net%d\"}, \"eth2\": {\"name\": \"\"}}",
		      &a, &d, &e),
		0);
	assert_int_equal(d.count, 3);
	assert_int_equal(net_check_devices(&d, &root, &e), 0);
	assert_int_equal(net_check_devices(&d, &user, &e), -EPERM);
	assert_string_equal(e.where, "/linux/netDevices");
	net_plan_devices(&p, &d);
	assert_int_equal(plan_check(&p, &e), 0);
	buf_reset(&b);
	for (int i = 0; i < p.count; i++) {
		assert_int_equal(p.steps[i].side, SIDE_HOST);
		plan_show_step(&b, &p, i);
		buf_add_char(&b, '\n');
		if (p.steps[i].op->by_hand)
			p.steps[i].op->by_hand(&b, &p, p.steps[i].args);
	}
	assert_non_null(strstr(text, "RTM_SETLINK eth1 netns <guest netns> name eth1"));
	assert_non_null(strstr(text, "RTM_SETLINK wan0 netns <guest netns> name net%d"));
	assert_non_null(strstr(text, "ip link set eth2 netns $PID name eth2"));
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused),
		cmocka_unit_test(too_many),
		cmocka_unit_test(steps),
	};

	return cmocka_run_group_tests_name("net_devices", tests, NULL, NULL);
}
