/* The network's plan as text, without root; what its undo refuses; the spec's checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net/address.h"
#include "net/user.h"
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
		"openat(<guest /proc>, \"ns/net\", O_RDONLY|O_CLOEXEC) = <guest netns>\n"
		"setns(<guest netns>, CLONE_NEWNET), socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, "
		"NETLINK_ROUTE) = <guest rtnl>, setns back\n"
		"socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE) = <rtnl>\n"
		"lease_address(\"web\", bridge, 10.87.0.0/16 or the next that is free) = "
		"<address>/<prefix>\n"
		"<rtnl> RTM_NEWLINK bridge kist0 group_fwd_mask 0xfff8 ageing_time 100000000 mcast_snooping 0 alias kist unless it is there = <bridge>\n"
		"write(/proc/sys/net/ipv6/conf/kist0/accept_ra, \"0\") unless kist0 is up\n"
		"write(/proc/sys/net/ipv6/conf/kist0/disable_ipv6, \"1\") unless kist0 is up\n"
		"nfnetlink batch: into the sets of inet kist and bridge kist: { kist0 . "
		"<address>/<prefix> }, its interface with its MAC, its published ports; both tables "
		"unless they are there\n"
		"write(/proc/sys/net/ipv4/ip_forward, \"1\") unless it is\n"
		"<rtnl> RTM_NEWADDR gateway of <address>/<prefix> dev kist0\n"
		"<rtnl> RTM_SETLINK kist0 up\n"
		"<rtnl> RTM_NEWLINK veth kv8b8f9c357cbd master <bridge> peer eth0@<guest netns>; "
		"RTM_SETLINK kv8b8f9c357cbd alias kist:web; RTM_SETLINK kv8b8f9c357cbd addrgenmode none; "
		"RTM_SETLINK kv8b8f9c357cbd up\n"
		"setns(<guest netns>, CLONE_NEWNET), fsmount(\"proc\"), "
		"write(/proc/sys/net/ipv6/conf/eth0/accept_ra, \"0\"), setns back\n"
		"<guest rtnl> RTM_GETLINK eth0 = <interface>\n"
		"<guest rtnl> RTM_NEWADDR <address>/<prefix> dev eth0\n"
		"<guest rtnl> RTM_SETLINK eth0 up\n"
		"<guest rtnl> RTM_NEWROUTE default via gateway of <address>/<prefix> dev <interface>\n"
		"close(<guest rtnl>)\n"
		"close(<guest netns>)\n"
		"close(<rtnl>)\n");
	assert_ptr_equal(p.steps[3].undo, &net_undo_lease);
	assert_string_equal(p.steps[3].undo_args[0], "web");
	assert_string_equal(p.steps[3].undo_args[1], "bridge");
	assert_ptr_equal(p.steps[11].undo, &net_undo_veth);
	assert_string_equal(p.steps[11].undo_args[0], "kv8b8f9c357cbd");
	assert_string_equal(p.steps[11].undo_args[1], "web");
	arena_free(&a);
}

static struct network example(const char *name, int number)
{
	struct network n = { .subnet = 10u << 24 | 80u << 16 | (uint32_t)number << 12, .prefix = 20 };

	snprintf(n.name, sizeof n.name, "%s", name);
	snprintf(n.id, sizeof n.id, "%064d", number);
	snprintf(n.interface, sizeof n.interface, "kb%012d", number);
	n.gateway = n.subnet + 1;
	return n;
}

static int count_of(const char *text, const char *part)
{
	int count = 0;

	for (text = strstr(text, part); text; text = strstr(text + 1, part))
		count++;
	return count;
}

/* Internal, dual-stack with all that may be asked, IPv6 alone, a macvlan. */
static void test_several(void **state)
{
	struct network in = example("in", 1), both = example("both", 2), six = example("six", 3),
		       lan = example("lan", 4);
	struct net_join joins[] = {
		{ .network = &in },
		{ .network = &both, .address = (10u << 24 | 80u << 16 | 2u << 12) + 77,
		  .mac = { 2, 1, 1, 1, 1, 1 }, .aliases = { "db" }, .alias_count = 1 },
		{ .network = &six, .interface = "back0" },
		{ .network = &lan },
	};
	const struct net_spec spec = { .mode = NET_BRIDGE, .joins = joins, .join_count = 4 };
	struct arena a = ARENA_INIT;
	static char text[16384];
	struct buf out = BUF_ON(text);
	struct plan p;

	(void)state;
	in.internal = true;
	both.isolated = true;
	both.mtu = 1400;
	both.prefix6 = 64;
	both.subnet6.s6_addr[0] = 0xfd;
	both.gateway6 = in6_host(&both.subnet6, 64, 1);
	joins[1].address6 = in6_host(&both.subnet6, 64, 0x77);
	six.direct = true;
	six.prefix = 0;
	six.prefix6 = 64;
	six.subnet6.s6_addr[0] = 0xfc;
	six.gateway6 = in6_host(&six.subnet6, 64, 1);
	lan.driver = NETWORK_MACVLAN;
	snprintf(lan.interface, sizeof lan.interface, "uplink");
	build(&p, &a, &spec, "web", &out);
	/* Internal: nothing is forwarded for it, and nothing leads out there. */
	assert_int_equal(count_of(text, "ip_forward"), 1);
	assert_int_equal(count_of(text, "conf/all/forwarding"), 2);
	assert_int_equal(count_of(text, "RTM_NEWROUTE default via gateway of"), 1);
	assert_int_equal(count_of(text, "RTM_NEWROUTE default via fd00::1"), 1);
	assert_int_equal(count_of(text, "RTM_NEWROUTE"), 2);
	assert_non_null(strstr(text, "lease_address(\"web\", both, 10.80.32.0/20, 10.80.32.77, fd00::/64, "
				     "fd00::77) = <address>/<prefix>, <host number>"));
	assert_non_null(strstr(text, "RTM_NEWLINK bridge kb000000000002 mtu 1400 group_fwd_mask 0xfff8 ageing_time 100000000 mcast_snooping 0 alias kist"));
	assert_int_equal(count_of(text, " isolated"), 1);
	/* Last, when there is a queue if there will be one. */
	assert_int_equal(count_of(text, "kist_direct"), 1);
	assert_non_null(strstr(text, "ingress pref 65535 bpf direct-action; bpf(BPF_MAP_UPDATE_ELEM, "
				     "{kb000000000003}) unless it has a queue"));
	assert_int_equal(count_of(text, " mtu 1400"), 2);
	assert_non_null(strstr(text, "conf/kb000000000001/disable_ipv6, \"1\""));
	assert_non_null(strstr(text, "conf/kb000000000002/disable_ipv6, \"0\""));
	assert_non_null(strstr(text, "<guest rtnl> RTM_NEWADDR fd00::77/64 dev eth1"));
	assert_non_null(strstr(text, "<guest rtnl> RTM_NEWADDR <host number> of fc00::/64 dev back0"));
	assert_non_null(strstr(text, "lease_address(\"web\", six, fc00::/64) = <host number>"));
	assert_non_null(strstr(text, "RTM_NEWLINK macvlan eth3@<guest netns> link uplink mode bridge"));
	assert_null(strstr(text, "bridge uplink"));
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
	assert_non_null(strstr(all, "add element inet kist subnets4 { 10.9.0.0/24 }"));
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
	static const char *const bad_owner[][PLAN_UNDO_ARGS] = { { NULL }, { "" }, { "a/b" },
								{ "web", "../x" },
								{ "web", "lock" },
								{ "web", "" } };
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
	assert_ptr_equal(net_undo_kinds[3], &net_undo_user);
	assert_null(net_undo_kinds[4]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),      cmocka_unit_test(test_lines_by_hand),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_other_modes), cmocka_unit_test(test_owner),
		cmocka_unit_test(test_undo_refuses),
	};

	return cmocka_run_group_tests_name("net_attach", tests, NULL, NULL);
}
