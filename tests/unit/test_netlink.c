/* Talking to the kernel: its answers, its words, and nobody else's. In a namespace of the test's
 * own; without the right to make one the tests are skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/link.h"
#include "net/netlink.h"

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

static int fd = -EBADF;

static int own_namespace(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0)
		fd = nl_open(NETLINK_ROUTE);
	return 0;
}

static void need_namespace(void)
{
	if (fd < 0) {
		print_message("no right to make a network namespace\n");
		skip();
	}
}

static int make_bridge(const char *name, struct err *e)
{
	static const uint8_t mac[6] = { 2, 'k', 1, 2, 3, 4 };
	struct nl_batch b;

	nl_batch_init(&b);
	link_put_bridge(&b, name, mac, 0);
	link_put_alias(&b, name, "kist: 'it'");
	return nl_talk(fd, &b, NULL, NULL, e);
}

static void test_make_and_look(void **state)
{
	struct link_info link;
	struct err e = ERR_INIT;
	struct nl_batch b;

	(void)state;
	need_namespace();
	assert_int_equal(link_get(fd, "one", &link, &e), -ENODEV);
	assert_int_equal(e.error, 0);
	assert_int_equal(make_bridge("one", &e), 0);
	assert_int_equal(link_get(fd, "one", &link, &e), 0);
	assert_string_equal(link.kind, "bridge");
	assert_string_equal(link.alias, "kist: 'it'");
	assert_int_equal(link.mac[1], 'k');
	assert_int_equal(link.flags & IFF_UP, 0);
	nl_batch_init(&b);
	link_put_up(&b, "one");
	assert_int_equal(nl_talk(fd, &b, NULL, NULL, &e), 0);
	assert_int_equal(link_get(fd, "one", &link, &e), 0);
	assert_true(link.flags & IFF_UP);
	assert_int_equal(make_bridge("one", &e), -EEXIST);
	nl_batch_init(&b);
	link_put_delete(&b, link.index);
	assert_int_equal(nl_talk(fd, &b, NULL, NULL, &e), 0);
	assert_int_equal(link_get(fd, "one", &link, &e), -ENODEV);
}

/* The refused message's answers that were not read must not be taken for the next ones'. */
static void test_after_a_refusal(void **state)
{
	struct link_info link;
	struct err e = ERR_INIT;
	struct nl_batch b;

	(void)state;
	need_namespace();
	for (int i = 0; i < 3; i++) {
		nl_batch_init(&b);
		link_put_up(&b, "nothing");
		link_put_up(&b, "nowhere");
		link_put_up(&b, "lo");
		assert_int_equal(nl_talk(fd, &b, NULL, NULL, &e), -ENODEV);
		assert_int_equal(link_get(fd, "lo", &link, &e), 0);
		assert_int_equal(link.index, 1);
	}
	/* Each message counts by itself: those after the refused one were done. */
	assert_true(link.flags & IFF_UP);
}

static void test_kernels_words(void **state)
{
	struct err e = ERR_INIT;
	struct nl_batch b;
	struct nlmsghdr *m;
	struct nlattr *nest;
	char line[512];

	(void)state;
	need_namespace();
	nl_batch_init(&b);
	m = nl_begin(&b, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
	nl_extra_header(m, sizeof(struct ifinfomsg));
	nest = nl_nest_begin(m, IFLA_LINKINFO);
	nl_put_string(m, IFLA_INFO_KIND, "kistnope");
	nl_nest_end(m, nest);
	nl_end(&b, m);
	assert_int_equal(nl_talk(fd, &b, NULL, NULL, &e), -EOPNOTSUPP);
	err_format(&e, line, sizeof line);
	assert_non_null(strstr(line, "Unknown device type"));
}

static void test_forged_answer(void **state)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr body;
	} lie = { { sizeof lie, NLMSG_ERROR, 0, 0, 0 }, { .error = -EIO } };
	struct sockaddr_nl us = { 0 };
	socklen_t size = sizeof us;
	struct link_info link;
	struct err e = ERR_INIT;
	int liar, sent = 0;

	(void)state;
	need_namespace();
	assert_int_equal(link_get(fd, "lo", &link, &e), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&us, &size), 0);
	assert_int_not_equal(us.nl_pid, 0);
	liar = nl_open(NETLINK_ROUTE);
	assert_true(liar >= 0);
	for (uint32_t i = 0; i < 200; i++) {
		lie.head.nlmsg_seq = i;
		sent += sendto(liar, &lie, sizeof lie, 0, (struct sockaddr *)&us, sizeof us) ==
			sizeof lie;
	}
	close(liar);
	assert_int_equal(sent, 200);
	assert_int_equal(link_get(fd, "lo", &link, &e), 0);
}

static void test_overflow(void **state)
{
	struct err e = ERR_INIT;
	struct nl_batch b;

	(void)state;
	nl_batch_init(&b);
	for (int i = 0; i < 1000; i++)
		link_put_up(&b, "lo");
	assert_int_equal(nl_talk(-1, &b, NULL, NULL, &e), -EMSGSIZE);
}

static void test_overlap(void **state)
{
	struct link_info link;
	struct err e = ERR_INIT;
	struct nl_batch b;
	char what[96] = "";

	(void)state;
	need_namespace();
	assert_int_equal(make_bridge("two", &e), 0);
	assert_int_equal(link_get(fd, "two", &link, &e), 0);
	nl_batch_init(&b);
	link_put_address(&b, link.index, IP(10, 87, 9, 1), 24);
	assert_int_equal(nl_talk(fd, &b, NULL, NULL, &e), 0);
	assert_int_equal(route_find_overlap(fd, IP(10, 87, 0, 0), 16, 0, what, &e), 1);
	assert_string_equal(what, "address 10.87.9.1/24 on two");
	assert_int_equal(route_find_overlap(fd, IP(10, 87, 0, 0), 16, link.index, what, &e), 0);
	assert_int_equal(route_find_overlap(fd, IP(10, 88, 0, 0), 16, 0, what, &e), 0);
	nl_batch_init(&b);
	link_put_up(&b, "two");
	link_put_default_route(&b, link.index, IP(10, 87, 9, 2));
	assert_int_equal(nl_talk(fd, &b, NULL, NULL, &e), 0);
	assert_int_equal(route_find_overlap(fd, IP(10, 87, 9, 128), 25, 0, what, &e), 1);
	assert_string_equal(what, "address 10.87.9.1/24 on two");
	/* The default route leads everywhere, and is no conflict. */
	assert_int_equal(route_find_overlap(fd, IP(10, 88, 0, 0), 16, 0, what, &e), 0);
	assert_int_equal(route_find_overlap(fd, IP(10, 87, 8, 0), 24, 0, what, &e), 0);
}

static void test_text(void **state)
{
	char text[IPV4_TEXT];

	(void)state;
	assert_string_equal(ipv4_format(IP(255, 255, 255, 255), text), "255.255.255.255");
	assert_string_equal(ipv4_format(IP(10, 87, 0, 1), text), "10.87.0.1");
	assert_int_equal(ipv4_mask(0), 0);
	assert_int_equal(ipv4_mask(29), 0xfffffff8);
	assert_int_equal(ipv4_mask(32), 0xffffffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_make_and_look), cmocka_unit_test(test_after_a_refusal),
		cmocka_unit_test(test_kernels_words), cmocka_unit_test(test_forged_answer),
		cmocka_unit_test(test_overflow),      cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests_name("netlink", tests, own_namespace, NULL);
}
