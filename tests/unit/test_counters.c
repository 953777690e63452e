/* Counters of interfaces: lines of /proc/net/dev, and the kernel's own list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/counters.h"
#include "net/netlink.h"
#include "net/link.h"

static void lines(void **state)
{
	char line[] = "  eth0:1 :18446744073709551615 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
	static const char *const none[] = {
		"Inter-|   Receive                                                |  Transmit\n",
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes\n",
		"", "\n", ":", ": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n", "eth0", "eth0:", "eth0: 1 2 3\n",
		"eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n", "eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 x\n",
		"eth0: -1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
		"a_name_of_16_chr: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
	};
	struct net_counters c;

	(void)state;
	assert_int_equal(net_counters_parse(line, &c), 1);
	assert_string_equal(c.name, "eth0:1 ");
	assert_true(c.rx_bytes == UINT64_MAX && c.rx_packets == 2 && c.rx_errors == 3 &&
		    c.rx_dropped == 4 && c.tx_bytes == 9 && c.tx_packets == 10 && c.tx_errors == 11 &&
		    c.tx_dropped == 12);
	c = net_counters_turned(&c);
	assert_true(c.tx_bytes == UINT64_MAX && c.tx_packets == 2 && c.tx_errors == 3 &&
		    c.tx_dropped == 4 && c.rx_bytes == 9 && c.rx_packets == 10 && c.rx_errors == 11 &&
		    c.rx_dropped == 12);
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		char copy[128];

		snprintf(copy, sizeof copy, "%s", none[i]);
		if (net_counters_parse(copy, &c))
			fail_msg("\"%s\" was taken", none[i]);
	}
}

static void the_kernels(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static const uint8_t mac[6] = { 2, 1, 1, 1, 1, 1 };
	const struct net_counters *c;
	struct net_counters *all;
	struct err e = ERR_INIT;
	struct nl_batch b;
	size_t count;
	int fd, udp;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		skip();
	fd = nl_open(NETLINK_ROUTE);
	assert_true(fd >= 0);
	/* More than one read's worth of them. */
	for (int i = 0; i < 60; i++) {
		char name[IFNAMSIZ];

		snprintf(name, sizeof name, "b%d", i);
		nl_batch_init(&b);
		link_put_bridge(&b, name, mac, 0);
		assert_int_equal(nl_talk(fd, &b, NULL, NULL, &e), 0);
	}
	nl_batch_init(&b);
	link_put_up(&b, "lo");
	assert_int_equal(nl_talk(fd, &b, NULL, NULL, &e), 0);
	udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(sendto(udp, "hello", 5, 0, (struct sockaddr *)&to, sizeof to), 5);
	close(udp);
	assert_int_equal(net_counters_list(fd, &all, &count, &e), 0);
	assert_int_equal(count, 61);
	c = net_counters_find(all, count, "lo");
	/* 20 of IP, 8 of UDP, 5 of ours, 14 that lo counts as Ethernet; and the answer that nobody is there. */
	assert_true(c && c->tx_bytes >= 47 && c->tx_packets >= 1 && c->rx_bytes == c->tx_bytes);
	c = net_counters_find(all, count, "b59");
	assert_true(c && c->rx_bytes == 0);
	assert_null(net_counters_find(all, count, "b60"));
	assert_null(net_counters_find(NULL, 0, "b60"));
	free(all);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(the_kernels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
