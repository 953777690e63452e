/* Rates: what the text means, and that the kernel has the qdisc that was asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/engine.h"
#include "net/link.h"
#include "net/shape.h"

static void parses(void **state)
{
	struct net_rate rate;

	(void)state;
	assert_int_equal(net_parse_rate("down=10mbit,up=500kbit", &rate, NULL), 0);
	assert_int_equal(rate.down, 1250000);
	assert_int_equal(rate.up, 62500);
	assert_int_equal(net_parse_rate("up=8000bit", &rate, NULL), 0);
	assert_int_equal(rate.down, 0);
	assert_int_equal(rate.up, 1000);
	assert_int_equal(net_parse_rate("down=400gbit", &rate, NULL), 0);
	assert_true(rate.down == RATE_MAX && rate.up == 0);
}

static void refuses(void **state)
{
	static const char *const wrong[] = {
		"", ",", "down", "down=", "down=1", "down=mbit", "down=1mb", "down=1mbit,", "up=-1mbit",
		"up=1.5mbit", "down=1mbit,down=2mbit", "up=7999bit", "up=0mbit", "up=401gbit",
		"up=99999999999999999999gbit", "1mbit", "down=1mbit up=1mbit", "down= 1mbit", "DOWN=1mbit",
		"down=10000000000000gbit",
		"down=1mbit,up=1mbit,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	struct net_rate rate = { 7, 7 };

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct err e = ERR_INIT;

		if (net_parse_rate(wrong[i], &rate, &e) != -EINVAL)
			fail_msg("\"%s\" was taken", wrong[i]);
		assert_true(e.fix[0] && rate.down == 7 && rate.up == 7);
	}
}

static void shape_of_it(void **state)
{
	(void)state;
	assert_int_equal(shape_burst(RATE_MIN), 32768);
	assert_int_equal(shape_burst(12500000), 250000);
	assert_int_equal(shape_burst(RATE_MAX), 8 << 20);
	assert_int_equal(shape_queue(RATE_MIN), 65536 + 32768);
	assert_int_equal(shape_queue(12500000), 1250000 + 250000);
	assert_true(shape_queue(RATE_MAX) > shape_burst(RATE_MAX));
}

struct found {
	int index;
	char kind[16];
	struct tc_tbf_qopt options;
	uint64_t rate64;
};

static int take_qdisc(const struct nlmsghdr *m, void *user)
{
	struct found *f = user;
	const struct nlattr *attr, *inner;
	const struct tcmsg *tc = nl_payload(m);

	if (m->nlmsg_type != RTM_NEWQDISC || tc->tcm_ifindex != f->index)
		return 0;
	nl_for_each(attr, m, sizeof(struct tcmsg)) {
		if (nl_attr_type(attr) == TCA_KIND)
			snprintf(f->kind, sizeof f->kind, "%s", nl_attr_string(attr));
		if (nl_attr_type(attr) != TCA_OPTIONS)
			continue;
		nl_for_each_in(inner, attr) {
			if (nl_attr_type(inner) == TCA_TBF_PARMS)
				memcpy(&f->options, nl_attr_payload(inner), sizeof f->options);
			if (nl_attr_type(inner) == TCA_TBF_RATE64)
				memcpy(&f->rate64, nl_attr_payload(inner), sizeof f->rate64);
		}
	}
	return 0;
}

static void ask(struct nl_batch *b)
{
	struct nlmsghdr *m = nl_begin(b, RTM_GETQDISC, NLM_F_DUMP);

	nl_extra_header(m, sizeof(struct tcmsg));
	nl_end(b, m);
}

static int shape(int rtnl, const char *name, uint64_t rate, struct err *e)
{
	struct arena arena = ARENA_INIT;
	struct plan p;
	struct run r;
	int slot, n;

	plan_init(&p, &arena);
	slot = plan_new_slot(&p, "rtnl");
	net_plan_shape(&p, slot, name, rate, false);
	run_init(&r, &p);
	run_set_number(&r, slot, rtnl);
	n = p.count ? p.steps[0].op->act(&r, p.steps[0].args, e) : 77;
	arena_free(&arena);
	return n;
}

static void the_kernel_has_it(void **state)
{
	static const uint64_t rates[] = { 125000, 12500000, 6250000000 };
	static const uint8_t mac[6] = { 2, 1, 1, 1, 1, 1 };
	struct err e = ERR_INIT;
	struct link_info link;
	struct nl_batch b;
	int fd;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		skip();
	fd = nl_open(NETLINK_ROUTE);
	assert_true(fd >= 0);
	nl_batch_init(&b);
	link_put_bridge(&b, "one", mac, 0);
	assert_int_equal(nl_talk(fd, &b, NULL, NULL, &e), 0);
	assert_int_equal(link_get(fd, "one", &link, &e), 0);
	assert_int_equal(shape(fd, "none", 125000, &e), -ENODEV);
	assert_int_equal(shape(fd, "one", 0, &e), 77);
	for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
		struct found f = { .index = link.index };
		int n = shape(fd, "one", rates[i], &e);

		if (n == -ENOENT) {
			print_message("no sch_tbf in this kernel\n");
			skip();
		}
		assert_int_equal(n, 0);
		nl_batch_init(&b);
		ask(&b);
		assert_int_equal(nl_talk(fd, &b, take_qdisc, &f, &e), 0);
		assert_string_equal(f.kind, "tbf");
		assert_true((f.rate64 ? f.rate64 : f.options.rate.rate) == rates[i]);
		assert_int_equal(f.options.limit, shape_queue(rates[i]));
	}
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(refuses),
		cmocka_unit_test(shape_of_it),
		cmocka_unit_test(the_kernel_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
