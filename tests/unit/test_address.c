/* Addresses and subnets as text and as numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "net/address.h"

static struct in6_addr six(const char *text)
{
	struct in6_addr a;

	assert_int_equal(inet_pton(AF_INET6, text, &a), 1);
	return a;
}

static void test_cidr(void **state)
{
	static const char *const bad[] = { "",		 "/",		"1.2.3.4",
					   "1.2.3.4/",	 "1.2.3.4/33",	"1.2.3.4/-1",
					   "1.2.3.4/+8", "1.2.3.4/08",	"1.2.3.4/ 8",
					   "1.2.3/8",	 "1.2.3.4/8/8", "1.2.3.4/8 ",
					   "fd00::/64",	 "01.2.3.4/8",	"1.2.3.4/4294967304" };
	static const char *const bad6[] = { "fd00::",	  "fd00::/129",	    "fd00:/64",
					    "1.2.3.4/8",  "fd00::%eth0/64", "[fd00::]/64",
					    "fd00::/0064" };
	char text[CIDR_TEXT];
	struct in6_addr a6;
	uint32_t a = 7;
	int prefix = 7;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(cidr_parse(bad[i], &a, &prefix), -EINVAL);
	for (size_t i = 0; i < sizeof bad6 / sizeof *bad6; i++)
		assert_int_equal(cidr6_parse(bad6[i], &a6, &prefix), -EINVAL);
	assert_int_equal(prefix, 7);
	assert_int_equal(cidr_parse("10.80.16.0/20", &a, &prefix), 0);
	assert_string_equal(cidr_format(a, prefix, text), "10.80.16.0/20");
	assert_int_equal(cidr6_parse("FD00:0:0::1/64", &a6, &prefix), 0);
	assert_string_equal(cidr6_format(&a6, prefix, text), "fd00::1/64");
}

static void test_mac(void **state)
{
	static const char *const bad[] = { "",
					   "02:6b:0a:50:00",
					   "02:6b:0a:50:00:05:",
					   "02-6b-0a-50-00-05",
					   "2:6b:0a:50:00:05",
					   "01:00:5e:00:00:01",
					   "ff:ff:ff:ff:ff:ff",
					   "00:00:00:00:00:00",
					   "02:6b:0a:50:00:0g" };
	uint8_t mac[6];
	char text[18];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(mac_parse(bad[i], mac), -EINVAL);
	assert_int_equal(mac_parse("02:6B:0a:50:00:05", mac), 0);
	assert_string_equal(mac_format(mac, text), "02:6b:0a:50:00:05");
}

static void test_in6(void **state)
{
	struct in6_addr net = six("fd00:1:2:3::"), a, expected;

	(void)state;
	a = in6_host(&net, 64, 0x10002);
	expected = six("fd00:1:2:3::1:2");
	assert_memory_equal(&a, &expected, sizeof a);
	a = in6_host(&net, 124, 0x10002);
	expected = six("fd00:1:2:3::2");
	assert_memory_equal(&a, &expected, sizeof a);
	a = six("fd00:1:2:3:ffff::");
	assert_true(in6_same_subnet(&net, &a, 64));
	assert_false(in6_same_subnet(&net, &a, 65));
	assert_true(in6_same_subnet(&net, &a, 0));
	a = in6_masked(&a, 67);
	expected = six("fd00:1:2:3:e000::");
	assert_memory_equal(&a, &expected, sizeof a);
	assert_true(in6_is_zero(&in6addr_any));
	assert_false(in6_is_zero(&net));
}

static int check(const char *text)
{
	struct in6_addr a6;
	uint32_t a;
	int prefix;

	if (cidr_parse(text, &a, &prefix) == 0)
		return subnet_check(a, prefix, NULL);
	assert_int_equal(cidr6_parse(text, &a6, &prefix), 0);
	return subnet6_check(&a6, prefix, NULL);
}

static void test_subnets(void **state)
{
	static const char *const bad[] = { "10.0.0.0/7",     "10.0.0.0/31",    "10.0.0.1/24",
					   "0.0.0.0/8",	     "127.0.0.0/8",    "127.1.0.0/16",
					   "169.254.0.0/16", "169.254.8.0/24", "224.0.0.0/8",
					   "255.0.0.0/8",    "fd00::/47",      "fd00::/125",
					   "fd00::1/64",     "fe80::/64",      "febf::/64",
					   "ff00::/64",	     "::/64",	       "::ffff:0:0/96" };
	static const char *const good[] = { "10.0.0.0/8", "10.0.0.4/30",  "192.168.1.0/24",
					    "fd00::/64",  "fd00::10/124", "2001:db8::/48" };
	struct in6_addr net = six("fd00::"), gateway = six("fd00::1"), a;
	uint32_t subnet = 10u << 24;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(check(bad[i]), -EINVAL);
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_int_equal(check(good[i]), 0);
	assert_int_equal(subnet_check_host(subnet, 24, subnet + 1, subnet + 2, NULL), 0);
	assert_int_equal(subnet_check_host(subnet, 24, subnet + 1, subnet + 1, NULL), -EINVAL);
	assert_int_equal(subnet_check_host(subnet, 24, subnet + 1, subnet, NULL), -EINVAL);
	assert_int_equal(subnet_check_host(subnet, 24, subnet + 1, subnet + 255, NULL), -EINVAL);
	assert_int_equal(subnet_check_host(subnet, 24, subnet + 1, subnet + 256, NULL), -EINVAL);
	a = six("fd00::2");
	assert_int_equal(subnet6_check_host(&net, 64, &gateway, &a, NULL), 0);
	assert_int_equal(subnet6_check_host(&net, 64, &gateway, &gateway, NULL), -EINVAL);
	assert_int_equal(subnet6_check_host(&net, 64, &gateway, &net, NULL), -EINVAL);
	a = six("fd01::2");
	assert_int_equal(subnet6_check_host(&net, 64, &gateway, &a, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cidr),
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_in6),
		cmocka_unit_test(test_subnets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
