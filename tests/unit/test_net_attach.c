/* The network's plan as text, without root; what its undo refuses; the spec's checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "net/bridge.h"
#include "net/devices.h"
#include "net/lease.h"
#include "net/net.h"

static void build(struct plan *p, struct arena *a, const struct net_spec *s, const char *id,
		  struct buf *out)
{
	const struct host host = { .root = true };
	struct err e = ERR_INIT;

	plan_init(p, a);
	net_plan_attach(p, s, &host, id);
	assert_int_equal(plan_check(p, &e), 0);
	buf_reset(out);
	for (int i = 0; i < p->count; i++) {
		assert_int_equal(p->steps[i].side, SIDE_HOST);
		plan_show_step(out, p, i);
		buf_add_char(out, '\n');
	}
	assert_false(buf_truncated(out));
}

static void test_golden(void **state)
{
	const struct net_spec spec = { .mode = NET_BRIDGE };
	struct arena a = ARENA_INIT;
	char text[4096];
	struct buf out = BUF_ON(text);
	struct plan p;

	(void)state;
	build(&p, &a, &spec, "web", &out);
	assert_string_equal(
		text,
		"lease_address(\"web\", 10.87.0.0/16 or the next that is free) = "
		"<address>/<prefix>\n"
		"socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE) = <rtnl>\n"
		"<rtnl> RTM_NEWLINK bridge kist0 alias kist unless it is there = <kist0>\n"
		"write(/proc/sys/net/ipv6/conf/kist0/accept_ra, \"0\")\n"
		"write(/proc/sys/net/ipv6/conf/kist0/disable_ipv6, \"1\")\n"
		"nfnetlink batch: table inet kist { masquerade subnet of <address>/<prefix> leaving "
		"kist0; to kist0 only answers; from kist0 no other source } unless it is there\n"
		"write(/proc/sys/net/ipv4/ip_forward, \"1\") unless it is\n"
		"<rtnl> RTM_NEWADDR gateway of <address>/<prefix> dev kist0\n"
		"<rtnl> RTM_SETLINK kist0 up\n"
		"openat(<guest /proc>, \"ns/net\", O_RDONLY|O_CLOEXEC) = <guest netns>\n"
		"<rtnl> RTM_NEWLINK veth kv8b8f9c357cbd up master <kist0> peer eth0@<guest netns>; "
		"RTM_SETLINK kv8b8f9c357cbd alias kist:web\n"
		"setns(<guest netns>, CLONE_NEWNET), "
		"write(/proc/sys/net/ipv6/conf/eth0/accept_ra, \"0\"), setns back\n"
		"setns(<guest netns>, CLONE_NEWNET), socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, "
		"NETLINK_ROUTE) = <guest rtnl>, setns back\n"
		"<guest rtnl> RTM_GETLINK eth0 = <eth0>\n"
		"<guest rtnl> RTM_NEWADDR <address>/<prefix> dev eth0\n"
		"<guest rtnl> RTM_SETLINK eth0 up\n"
		"<guest rtnl> RTM_NEWROUTE default via gateway of <address>/<prefix> dev <eth0>\n"
		"close(<guest rtnl>)\n"
		"close(<guest netns>)\n"
		"close(<rtnl>)\n");
	assert_ptr_equal(p.steps[0].undo, &net_undo_lease);
	assert_string_equal(p.steps[0].undo_args[0], "web");
	assert_ptr_equal(p.steps[10].undo, &net_undo_veth);
	assert_string_equal(p.steps[10].undo_args[0], "kv8b8f9c357cbd");
	assert_string_equal(p.steps[10].undo_args[1], "web");
	arena_free(&a);
}

static void test_lines_by_hand(void **state)
{
	const struct net_spec spec = { .mode = NET_BRIDGE, .subnet = 10u << 24 | 9u << 16,
				       .prefix = 24 };
	struct arena a = ARENA_INIT;
	char text[4096], all[8192];
	struct buf out = BUF_ON(text), hands = BUF_ON(all);
	struct plan p;

	(void)state;
	build(&p, &a, &spec, "a;drop", &out);
	buf_reset(&hands);
	for (int i = 0; i < p.count; i++)
		if (p.steps[i].op->by_hand)
			p.steps[i].op->by_hand(&hands, &p, p.steps[i].args);
	assert_non_null(strstr(all, "ip addr replace 10.9.0.1/24 dev kist0"));
	assert_non_null(strstr(all, "ip addr replace $ADDRESS/24 dev eth0"));
	assert_non_null(strstr(all, "ip route add default via 10.9.0.1"));
	assert_non_null(strstr(all, "ip saddr 10.9.0.0/24 oifname != kist0 masquerade"));
	assert_non_null(strstr(all, "alias 'kist:a;drop'"));
	arena_free(&a);
}

static void test_other_modes(void **state)
{
	static const enum net_mode modes[] = { NET_NONE, NET_HOST };
	struct arena a = ARENA_INIT;
	char text[64];
	struct buf out = BUF_ON(text);
	struct plan p;

	(void)state;
	for (int i = 0; i < 2; i++) {
		const struct net_spec spec = { .mode = modes[i] };

		build(&p, &a, &spec, "web", &out);
		assert_int_equal(p.count, 0);
	}
	net_plan_loopback(&p);
	assert_int_equal(p.count, 1);
	assert_int_equal(p.steps[0].side, SIDE_GUEST);
	plan_show_step(&out, &p, 0);
	assert_string_equal(text, "ioctl(socket(AF_UNIX), SIOCSIFFLAGS, {\"lo\", IFF_UP})");
	arena_free(&a);
}

static void test_owner(void **state)
{
	struct arena a = ARENA_INIT;
	char id[1025], other[1025];
	const char *owner;

	(void)state;
	assert_string_equal(net_owner(&a, "web", NULL), "web");
	assert_string_equal(net_owner(&a, "web", ""), "web");
	owner = net_owner(&a, "web", "/tmp/state");
	assert_memory_equal(owner, "web@", 4);
	assert_int_equal(strlen(owner), 12);
	assert_string_not_equal(owner, net_owner(&a, "web", "/tmp/stat"));
	memset(id, 'x', sizeof id);
	id[1024] = '\0';
	memcpy(other, id, sizeof id);
	other[1023] = 'y';
	owner = net_owner(&a, id, "/tmp/state");
	/* What ifalias holds (IFALIASZ), and a lease. */
	assert_true(strlen(owner) < LEASE_OWNER_MAX);
	assert_true(strlen(owner) + strlen(NET_ALIAS_PREFIX) < 256);
	assert_string_not_equal(owner, net_owner(&a, other, "/tmp/state"));
	arena_free(&a);
}

/* Intent records are read from files: hostile words in them reach no interface. */
static void test_undo_refuses(void **state)
{
	static const char *const bad[][PLAN_UNDO_ARGS] = {
		{ NULL, "web" },            { "eth0", "web" },
		{ "kv8b8f9c357cb", "web" }, { "kv8b8f9c357cbdd", "web" },
		{ "kv8b8f9c357cbD", "web" }, { "kv8b8f9c357cbd", NULL },
		{ "kv8b8f9c357cbd", "" },   { "kv8b8f9c357cbd", "../web" },
	};
	static const char *const bad_owner[][PLAN_UNDO_ARGS] = { { NULL }, { "" }, { "a/b" } };
	const struct undo_at at = { .id = "web", .state_root = -1 };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct err e = ERR_INIT;

		assert_int_equal(net_undo_veth.act(&at, bad[i], &e), -EINVAL);
	}
	for (size_t i = 0; i < sizeof bad_owner / sizeof bad_owner[0]; i++) {
		struct err e = ERR_INIT;

		assert_int_equal(net_undo_lease.act(&at, bad_owner[i], &e), -EINVAL);
	}
	assert_ptr_equal(net_undo_kinds[0], &net_undo_veth);
	assert_ptr_equal(net_undo_kinds[1], &net_undo_lease);
	assert_ptr_equal(net_undo_kinds[2], &net_undo_device);
	assert_null(net_undo_kinds[3]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),      cmocka_unit_test(test_lines_by_hand),
		cmocka_unit_test(test_other_modes), cmocka_unit_test(test_owner),
		cmocka_unit_test(test_undo_refuses),
	};

	return cmocka_run_group_tests_name("net_attach", tests, NULL, NULL);
}
