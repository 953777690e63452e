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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mode),
		cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests_name("net_spec", tests, NULL, NULL);
}
