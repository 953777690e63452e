/* What is asked of the network, and refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "net/net.h"

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

static void test_mode(void **state)
{
	static const char *const bad[] = { "", "Bridge", "bridge ", "bridge;x", "container:x" };
	enum net_mode mode = NET_HOST;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(net_mode_parse("none", &mode, &e), 0);
	assert_int_equal(mode, NET_NONE);
	assert_int_equal(net_mode_parse("bridge", &mode, &e), 0);
	assert_int_equal(mode, NET_BRIDGE);
	assert_int_equal(net_mode_parse("host", &mode, &e), 0);
	assert_int_equal(mode, NET_HOST);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(net_mode_parse(bad[i], &mode, &e), -EINVAL);
	assert_int_equal(mode, NET_HOST);
	assert_non_null(strstr(e.fix, "none, bridge, host"));
}

static void test_check(void **state)
{
	static const struct {
		uint32_t subnet;
		int prefix, result;
	} cases[] = {
		{ IP(10, 1, 0, 0), 16, 0 },         { IP(192, 168, 7, 0), 30, 0 },
		{ IP(10, 1, 0, 1), 16, -EINVAL },   { IP(10, 1, 0, 0), 31, -EINVAL },
		{ IP(10, 0, 0, 0), 7, -EINVAL },    { IP(127, 0, 0, 0), 16, -EINVAL },
		{ IP(169, 254, 0, 0), 24, -EINVAL }, { IP(224, 1, 0, 0), 16, -EINVAL },
		{ IP(0, 1, 0, 0), 16, -EINVAL },    { IP(255, 255, 0, 0), 16, -EINVAL },
	};
	const struct host root = { .root = true }, user = { .uid = 1000 };
	struct net_spec s = { .mode = NET_BRIDGE };
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		s.subnet = cases[i].subnet;
		s.prefix = cases[i].prefix;
		assert_int_equal(net_check(&s, &root, &e), cases[i].result);
	}
	s = (struct net_spec){ .mode = NET_BRIDGE };
	assert_int_equal(net_check(&s, &root, &e), 0);
	assert_int_equal(net_check(&s, &user, &e), -EPERM);
	assert_non_null(strstr(e.fix, "--net none"));
	s.mode = NET_NONE;
	assert_int_equal(net_check(&s, &user, &e), 0);
}

static int words(const char *const *list, struct net_spec *s, struct arena *a, struct err *e)
{
	int r = 0;

	*s = (struct net_spec){ 0 };
	for (; *list && r == 0; list++)
		r = net_parse_word(*list, s, a, e);
	return r;
}

static void test_words(void **state)
{
	static const char *const good[] = { "back,ip=10.80.0.5,names=aside,alias=db,alias=db-1,mac=02:00:00:00:00:09",
					    "front,ip6=fd00::5,interface=wan,names=no,dns=192.0.2.7,dns=2001:db8::7", NULL };
	static const char *const bad[][3] = {
		{ "" },			 { ",ip=1.2.3.4" },	  { "a,ip=" },	       { "a,ip=1.2.3" },
		{ "a,ip=0.0.0.0" },	 { "a,ip=1.2.3.4,ip=1.2.3.5" }, { "a,ip6=1.2.3.4" },
		{ "a,names=yes" }, { "a,dns=name" }, { "a,dns=" }, { "a,dns=::1,dns=::1,dns=::1,dns=::1,dns=::1,dns=::1,dns=::1,dns=::1,dns=::1" },
		{ "a,mac=01:00:00:00:00:00" }, { "a,alias=a.b" },  { "a,alias=" },     { "a," },
		{ "a,x=1" },		 { "a,names=yes" },		 { "a,interface=lo" },	  { "a,interface=a/b" },
		{ "a,interface=0123456789abcdef" }, { "a", "none" }, { "host", "a" },  { "host", "none" },
		{ "container:" },	 { "container:x", "a" },
		{ "a,interface=x", "b,interface=x" },
	};
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct net_spec s;

	(void)state;
	assert_int_equal(words(good, &s, &a, &e), 0);
	assert_int_equal(s.mode, NET_BRIDGE);
	assert_int_equal(s.join_count, 2);
	assert_string_equal(s.joins[0].name, "back");
	assert_int_equal(s.joins[0].address, IP(10, 80, 0, 5));
	assert_int_equal(s.joins[0].alias_count, 2);
	assert_string_equal(s.joins[0].aliases[1], "db-1");
	assert_int_equal(s.joins[0].mac[5], 9);
	assert_int_equal(s.joins[1].address6.s6_addr[15], 5);
	assert_string_equal(s.joins[1].interface, "wan");
	assert_true(s.names_aside);
	assert_int_equal(s.server_count, 2);
	assert_true(IN6_IS_ADDR_V4MAPPED(&s.servers[0]) && s.servers[0].s6_addr[15] == 7 &&
		    s.servers[1].s6_addr[0] == 0x20);
	assert_true(s.joins[1].no_names && !s.joins[0].no_names);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(words(bad[i], &s, &a, &e), -EINVAL);
	s = (struct net_spec){ 0 };
	assert_int_equal(net_parse_annotations(" back,ip=10.80.0.5\n front ", "8080:80 53:53/udp", &s, &a,
					       &e), 0);
	assert_int_equal(s.join_count, 2);
	assert_int_equal(s.port_count, 2);
	assert_int_equal(s.ports[1].host, 53);
	err_clear(&e);
	assert_int_equal(net_parse_annotations("a", "8080", &s, &a, &e), -EINVAL);
	assert_string_equal(e.where, "/annotations/io.kist.publish");
	s = (struct net_spec){ 0 };
	assert_int_equal(words((const char *const[]){ "container:web", NULL }, &s, &a, &e), 0);
	assert_int_equal(s.mode, NET_CONTAINER);
	assert_string_equal(s.container, "web");
	for (int i = 0; i < NET_JOINS_MAX; i++) {
		s = i ? s : (struct net_spec){ 0 };
		assert_int_equal(net_parse_word("x", &s, &a, &e), 0);
	}
	assert_int_equal(net_parse_word("x", &s, &a, &e), -EINVAL);
	arena_free(&a);
}

static void test_check_joins(void **state)
{
	struct network n = { .name = "a", .id = "1", .subnet = IP(10, 80, 0, 0), .prefix = 24,
			     .gateway = IP(10, 80, 0, 1) };
	struct network m = { .name = "b", .id = "2", .internal = true, .subnet6.s6_addr = { 0xfd },
			     .prefix6 = 64 };
	struct net_join joins[2] = { { .network = &n }, { .network = &m } };
	struct published_port port = { .protocol = IPPROTO_TCP, .host = 1, .port = 1, .count = 1 };
	struct net_spec s = { .mode = NET_BRIDGE, .joins = joins, .join_count = 2 };
	const struct host root = { .root = true };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(net_check(&s, &root, &e), 0);
	joins[0].address = IP(10, 80, 0, 9);
	assert_int_equal(net_check(&s, &root, &e), 0);
	joins[0].address = IP(10, 80, 1, 9);
	assert_int_equal(net_check(&s, &root, &e), -EINVAL);
	joins[0].address = IP(10, 80, 0, 1);
	assert_int_equal(net_check(&s, &root, &e), -EINVAL);
	joins[0].address = 0;
	joins[0].address6.s6_addr[0] = 0xfd;
	assert_int_equal(net_check(&s, &root, &e), -EINVAL);
	joins[0].address6.s6_addr[0] = 0;
	joins[1].address = IP(10, 80, 0, 9);
	assert_int_equal(net_check(&s, &root, &e), -EINVAL);
	joins[1].address = 0;
	s.ports = &port;
	s.port_count = 1;
	assert_int_equal(net_check(&s, &root, &e), 0);
	n.internal = true;
	assert_int_equal(net_check(&s, &root, &e), -EINVAL);
	s.mode = NET_NONE;
	assert_int_equal(net_check(&s, &root, &e), -EINVAL);
	s = (struct net_spec){ .mode = NET_BRIDGE, .joins = joins, .join_count = 2 };
	joins[1].network = &n;
	assert_int_equal(net_check(&s, &root, &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mode),
		cmocka_unit_test(test_check), cmocka_unit_test(test_words),
		cmocka_unit_test(test_check_joins),
	};

	return cmocka_run_group_tests_name("net_spec", tests, NULL, NULL);
}
