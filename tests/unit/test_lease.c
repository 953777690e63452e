/* Leases: none twice, none lost, none left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/lease.h"
#include "tests/unit/lease_root.h"

#define NET     "bridge"
#define SUBNET  (10u << 24 | 50u << 16)
#define WORKERS 100

static int take(const char *owner, int prefix, uint32_t *ret, struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	int r = lease_store_open(&s, true, e);

	return r < 0 ? r : lease_take(&s, NET, owner, SUBNET, prefix, ret, e);
}

static int drop(const char *owner)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	struct err e = ERR_INIT;

	assert_int_equal(lease_store_open(&s, false, &e), 0);
	return lease_drop(&s, NET, owner, &e);
}

static int find(const char *owner, uint32_t *ret)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	struct err e = ERR_INIT;

	assert_int_equal(lease_store_open(&s, false, &e), 0);
	return lease_find(&s, NET, owner, ret);
}

static void test_take_find_drop(void **state)
{
	uint32_t a = 0, b = 0, found = 0;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(take("web", 16, &a, &e), 0);
	assert_int_equal(take("db", 16, &b, &e), 0);
	assert_int_not_equal(a, b);
	assert_int_equal(a >> 16, SUBNET >> 16);
	assert_int_equal(find("web", &found), 1);
	assert_int_equal(found, a);
	assert_int_equal(find("nobody", &found), 0);
	assert_int_equal(take("web", 16, &found, &e), -EEXIST);
	assert_int_equal(drop("web"), 0);
	assert_int_equal(drop("web"), 0);
	assert_int_equal(find("web", &found), 0);
	assert_int_equal(find("db", &found), 1);
	assert_int_equal(found, b);
	/* Its own place again: what others remember of it stays true. */
	assert_int_equal(take("web", 16, &found, &e), 0);
	assert_int_equal(found, a);
}

static void test_exhaustion(void **state)
{
	uint32_t address, seen = 0;
	struct err e = ERR_INIT;
	char owner[8], line[512];

	(void)state;
	for (int i = 0; i < 5; i++) {
		snprintf(owner, sizeof owner, "c%d", i);
		assert_int_equal(take(owner, 29, &address, &e), 0);
		seen |= 1u << (address - SUBNET);
	}
	/* Not .0, not the gateway .1, not the broadcast address .7. */
	assert_int_equal(seen, 0x7c);
	assert_int_equal(take("c5", 29, &address, &e), -ENOSPC);
	err_format(&e, line, sizeof line);
	assert_non_null(strstr(line, "all 5 of 10.50.0.0/29 are leased"));
	assert_int_equal(drop("c3"), 0);
	assert_int_equal(take("c5", 29, &address, &e), 0);
}

static int take_want(const char *owner, const struct lease_want *w, struct lease *ret, struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	int r = lease_store_open(&s, true, e);

	err_clear(e);
	return r < 0 ? r : lease_take_want(&s, NET, owner, w, ret, e);
}

static int find6(const char *owner, struct in6_addr *ret)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	struct err e = ERR_INIT;

	assert_int_equal(lease_store_open(&s, false, &e), 0);
	return lease_find6(&s, NET, owner, ret);
}

static void test_both_families(void **state)
{
	struct lease_want w = { .subnet = SUBNET, .gateway = SUBNET + 5, .prefix = 29, .prefix6 = 64,
				.subnet6 = { .s6_addr = { 0xfd } }, .gateway6 = { .s6_addr = { 0xfd } } };
	struct lease a, b;
	struct in6_addr six;
	struct err e = ERR_INIT;
	char owner[8];
	uint32_t seen = 0, seen6 = 2, four;

	(void)state;
	w.gateway6.s6_addr[15] = 1;
	for (int i = 0; i < 5; i++) {
		snprintf(owner, sizeof owner, "c%d", i);
		assert_int_equal(take_want(owner, &w, &a, &e), 0);
		seen |= 1u << (a.address - SUBNET);
		/* The number of the one, unless the gateway or another has it. */
		assert_in_range(a.address6.s6_addr[15] - (a.address - SUBNET), 0, 5);
		assert_false(seen6 & 1u << a.address6.s6_addr[15]);
		seen6 |= 1u << a.address6.s6_addr[15];
		assert_int_equal(a.address6.s6_addr[0], 0xfd);
		assert_int_equal(find6(owner, &six), 1);
		assert_memory_equal(&six, &a.address6, sizeof six);
	}
	assert_int_equal(seen, 0x5e); /* not .0, the gateway .5, .7 */
	assert_int_equal(take_want("c5", &w, &a, &e), -ENOSPC);
	assert_int_equal(find6("c5", &six), 0);
	assert_int_equal(drop("c0"), 0);
	assert_int_equal(find6("c0", &six), 0);
	/* IPv6 of their choice that another has: nothing is kept of the IPv4 either. */
	assert_int_equal(find6("c1", &w.address6), 1);
	assert_int_equal(take_want("c0", &w, &b, &e), -EADDRINUSE);
	assert_int_equal(find("c0", &four), 0);
	assert_int_equal(find6("c0", &six), 0);
	w.address6.s6_addr[8] = 7;
	assert_int_equal(take_want("c0", &w, &b, &e), 0);
	assert_memory_equal(&b.address6, &w.address6, sizeof six);
	assert_int_equal(take_want("c0", &w, &b, &e), -EEXIST);
}

static void test_wanted_address(void **state)
{
	struct lease_want w = { .subnet = SUBNET, .gateway = SUBNET + 1, .prefix = 24 };
	struct lease a;
	struct err e = ERR_INIT;
	char line[512];

	(void)state;
	w.address = SUBNET + 77;
	assert_int_equal(take_want("web", &w, &a, &e), 0);
	assert_int_equal(a.address, SUBNET + 77);
	assert_int_equal(take_want("db", &w, &a, &e), -EADDRINUSE);
	err_format(&e, line, sizeof line);
	assert_non_null(strstr(line, "network bridge: another container has 10.50.0.77"));
	w.address = SUBNET + 1;
	assert_int_equal(take_want("db", &w, &a, &e), -EINVAL);
	w.address = SUBNET + 256;
	assert_int_equal(take_want("db", &w, &a, &e), -EINVAL);
	assert_int_equal(drop("web"), 0);
	w.address = SUBNET + 77;
	assert_int_equal(take_want("db", &w, &a, &e), 0);
}

static void test_ipv6_alone(void **state)
{
	struct lease_want w = { .prefix6 = 124, .subnet6 = { .s6_addr = { 0xfd } },
				.gateway6 = { .s6_addr = { 0xfd } } };
	struct lease a;
	struct err e = ERR_INIT;
	char owner[8], line[512];
	uint32_t seen = 0, four;

	(void)state;
	w.gateway6.s6_addr[15] = 1;
	for (int i = 0; i < 14; i++) {
		snprintf(owner, sizeof owner, "c%d", i);
		assert_int_equal(take_want(owner, &w, &a, &e), 0);
		assert_int_equal(a.address, 0);
		seen |= 1u << a.address6.s6_addr[15];
	}
	assert_int_equal(seen, 0xfffc);
	assert_int_equal(take_want("c14", &w, &a, &e), -ENOSPC);
	err_format(&e, line, sizeof line);
	assert_non_null(strstr(line, "no free address in fd00::/124"));
	assert_int_equal(find("c3", &four), 0);
	assert_int_equal(drop("c3"), 0);
	assert_int_equal(take_want("c14", &w, &a, &e), 0);
}

static void test_bad_input(void **state)
{
	char owner[LEASE_OWNER_MAX + 1];
	struct err e = ERR_INIT;
	uint32_t address;

	(void)state;
	memset(owner, 'x', LEASE_OWNER_MAX);
	owner[LEASE_OWNER_MAX] = '\0';
	assert_int_equal(take(owner, 16, &address, &e), -EINVAL);
	assert_int_equal(take("", 16, &address, &e), -EINVAL);
	assert_int_equal(take("a", 31, &address, &e), -EINVAL);
	assert_int_equal(take("a", 7, &address, &e), -EINVAL);
	owner[LEASE_OWNER_MAX - 1] = '\0';
	assert_int_equal(take(owner, 16, &address, &e), 0);
	assert_int_equal(find(owner, &address), 1);
}

/* Many at once, half of them gone again while others come: nobody shares. */
static void test_concurrent(void **state)
{
	uint32_t addresses[WORKERS], found;
	struct lease_store s = LEASE_STORE_INIT;
	pid_t pids[WORKERS];
	char owner[16];
	int status;

	(void)state;
	for (int i = 0; i < WORKERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			uint32_t mine;
			int r;

			snprintf(owner, sizeof owner, "worker%d", i);
			r = take(owner, 25, &mine, NULL);
			for (int again = 0; r == 0 && again < i % 4; again++) {
				r = drop(owner);
				if (r == 0)
					r = take(owner, 25, &mine, NULL);
			}
			_exit(r == 0 ? 0 : 1);
		}
	}
	for (int i = 0; i < WORKERS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	for (int i = 0; i < WORKERS; i++) {
		snprintf(owner, sizeof owner, "worker%d", i);
		assert_int_equal(find(owner, &addresses[i]), 1);
		for (int j = 0; j < i; j++)
			assert_int_not_equal(addresses[i], addresses[j]);
	}
	for (int i = 0; i < WORKERS; i++) {
		snprintf(owner, sizeof owner, "worker%d", i);
		assert_int_equal(drop(owner), 0);
		assert_int_equal(find(owner, &found), 0);
	}
	assert_int_equal(lease_store_open(&s, false, NULL), 0);
	assert_int_equal(lease_any(&s, NET), 0);
	lease_store_close(&s);
}

/* What a kill -9 between the two symlinks leaves: an address that no index leads to. */
static void test_crash_between(void **state)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	char path[200];
	struct err e = ERR_INIT;
	uint32_t found;

	(void)state;
	assert_int_equal(lease_store_open(&s, true, &e), 0);
	assert_int_equal(lease_subnet_set(&s, NET, SUBNET, 16, &e), 0);
	snprintf(path, sizeof path, "%s/%s/" NET "/10.50.0.9", lease_root, s.key);
	assert_int_equal(symlink("web", path), 0);
	assert_int_equal(lease_find(&s, NET, "web", &found), 1);
	assert_int_equal(found, SUBNET + 9);
	assert_int_equal(lease_any(&s, NET), 1);
	assert_int_equal(lease_drop(&s, NET, "other", &e), 0);
	assert_int_equal(lease_any(&s, NET), 1);
	assert_int_equal(lease_drop(&s, NET, "web", &e), 0);
	assert_int_equal(lease_any(&s, NET), 0);
	assert_int_equal(lease_network_remove(&s, NET, &e), 0);
	assert_int_equal(lease_store_remove(&s, &e), 0);
	assert_int_equal(access(lease_root, F_OK), -1);
}

static void test_subnet_record(void **state)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	uint32_t subnet = 1, address;
	struct err e = ERR_INIT;
	char path[200];
	int prefix = 1;

	(void)state;
	assert_int_equal(lease_store_open(&s, true, &e), 0);
	assert_int_equal(lease_subnet_get(&s, NET, &subnet, &prefix), 0);
	assert_int_equal(lease_subnet_set(&s, NET, SUBNET, 20, &e), 0);
	assert_int_equal(lease_subnet_get(&s, NET, &subnet, &prefix), 1);
	assert_int_equal(subnet, SUBNET);
	assert_int_equal(prefix, 20);
	assert_int_equal(lease_take(&s, NET, "web", subnet, prefix, &address, &e), 0);
	assert_int_equal(lease_network_remove(&s, NET, &e), -EBUSY);
	snprintf(path, sizeof path, "%s/%s/" NET "/subnet", lease_root, s.key);
	for (int i = 0; i < 5; i++) {
		static const char *const bad[] = { "10.50.0.0", "10.50.0/16", "10.50.0.0/16x",
						   "10.50.0.0/31", "/" };

		assert_int_equal(unlink(path), 0);
		assert_int_equal(symlink(bad[i], path), 0);
		assert_int_equal(lease_subnet_get(&s, NET, &subnet, &prefix), -EBADMSG);
	}
}

static void test_earlier_boots(void **state)
{
	struct lease_store s = LEASE_STORE_INIT;
	struct err e = ERR_INIT;
	char path[160];

	(void)state;
	assert_int_equal(mkdir(lease_root, 0700), 0);
	snprintf(path, sizeof path, "%s/00000000-1", lease_root);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/00000000-1/lock", lease_root);
	assert_int_equal(symlink("x", path), 0);
	assert_int_equal(lease_store_open(&s, true, &e), 0);
	snprintf(path, sizeof path, "%s/00000000-1", lease_root);
	assert_int_equal(access(path, F_OK), -1);
	lease_store_close(&s);
	assert_int_equal(lease_store_open(&s, false, &e), 0);
	assert_int_equal(lease_store_remove(&s, &e), 0);
	assert_int_equal(lease_store_open(&s, false, &e), -ENOENT);
}

static void test_notes(void **state)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	struct err e = ERR_INIT;
	char text[8];

	(void)state;
	assert_int_equal(lease_store_open(&s, true, &e), 0);
	assert_int_equal(lease_note_get(&s, "ip_forward", text, sizeof text), 0);
	assert_int_equal(lease_note_set(&s, "ip_forward", "0"), 0);
	assert_int_equal(lease_note_set(&s, "ip_forward", "1"), -EEXIST);
	assert_int_equal(lease_note_get(&s, "ip_forward", text, sizeof text), 1);
	assert_string_equal(text, "0");
	assert_int_equal(lease_note_get(&s, "ip_forward", text, 1), -E2BIG);
	assert_int_equal(lease_note_remove(&s, "ip_forward"), 0);
	assert_int_equal(lease_note_remove(&s, "ip_forward"), 0);
}

#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, make_lease_root, remove_lease_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_take_find_drop), STORE_TEST(test_exhaustion),
		STORE_TEST(test_both_families), STORE_TEST(test_wanted_address),
		STORE_TEST(test_ipv6_alone),
		STORE_TEST(test_bad_input),      STORE_TEST(test_concurrent),
		STORE_TEST(test_crash_between),  STORE_TEST(test_subnet_record),
		STORE_TEST(test_earlier_boots),  STORE_TEST(test_notes),
	};

	return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
