/*
 * shape.c - tc(8)'s token bucket filter, by rtnetlink(7).
 */
#include "net/shape.h"

#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "base/engine.h"
#include "net/link.h"

#define BURST_MIN   32768u /* a packet of the largest MTU fits, and segments come in batches */
#define BURST_MAX   (8u << 20)
#define QUEUE_MIN   65536u
#define QUEUE_MAX   (64u << 20)
#define HANDLE	    0x10000u /* "1:" */
#define RATE_TEXT   32

/* ---- parsing ---- */

static int bad_rate(struct err *e, const char *text, const char *what)
{
	err_say(e, EINVAL, "\"%.40s\" %s", text, what);
	return err_fix(e, "write down=RATE,up=RATE or one of them, with rates such as 500kbit, 10mbit, "
			  "1gbit");
}

static int parse_one(const char *text, uint64_t *ret, struct err *e)
{
	static const struct {
		const char *unit;
		uint64_t bits;
	} units[] = { { "bit", 1 }, { "kbit", 1000 }, { "mbit", 1000000 }, { "gbit", 1000000000 } };
	const char *at = text;
	uint64_t bits = 0;

	for (; *at >= '0' && *at <= '9' && at - text < 13; at++)
		bits = bits * 10 + (uint64_t)(*at - '0');
	for (size_t i = 0; at > text && i < sizeof units / sizeof *units; i++) {
		if (strcmp(at, units[i].unit) != 0)
			continue;
		if (__builtin_mul_overflow(bits, units[i].bits, &bits) || bits / 8 < RATE_MIN ||
		    bits / 8 > RATE_MAX)
			return bad_rate(e, text, "is no rate from 8kbit to 400gbit");
		*ret = bits / 8;
		return 0;
	}
	return bad_rate(e, text, "is no rate");
}

int net_parse_rate(const char *text, struct net_rate *ret, struct err *e)
{
	struct net_rate rate = { 0 };
	char copy[80], *rest = copy, *word;

	if (snprintf(copy, sizeof copy, "%s", text) >= (int)sizeof copy)
		return bad_rate(e, text, "is too long");
	while ((word = strsep(&rest, ","))) {
		bool down = strncmp(word, "down=", 5) == 0, up = strncmp(word, "up=", 3) == 0;
		uint64_t *which = down ? &rate.down : &rate.up;
		int r;

		if (!down && !up)
			return bad_rate(e, word, "is neither down= nor up=");
		if (*which)
			return bad_rate(e, word, "says it twice");
		r = parse_one(word + (down ? 5 : 3), which, e);
		if (r < 0)
			return r;
	}
	*ret = rate;
	return 0;
}

/* ---- the message ---- */

/* 20 ms' worth: more wake-ups would cost, less would be uneven. */
uint32_t shape_burst(uint64_t rate)
{
	uint64_t bytes = rate / 50;

	return bytes < BURST_MIN ? BURST_MIN : bytes > BURST_MAX ? BURST_MAX : (uint32_t)bytes;
}

/* 100 ms' worth beyond that: then packets are dropped, and senders slow down. */
uint32_t shape_queue(uint64_t rate)
{
	uint64_t bytes = rate / 10;

	bytes = bytes < QUEUE_MIN ? QUEUE_MIN : bytes > QUEUE_MAX ? QUEUE_MAX : bytes;
	return (uint32_t)bytes + shape_burst(rate);
}

void shape_put_tbf(struct nl_batch *b, int index, uint64_t rate)
{
	struct nlmsghdr *m = nl_begin(b, RTM_NEWQDISC, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
	struct tcmsg *tc = nl_extra_header(m, sizeof *tc);
	/* A known link layer spares the kernel a table of rates, which we do not send. */
	struct tc_tbf_qopt options = {
		.rate = { .rate = rate > UINT32_MAX ? UINT32_MAX : (uint32_t)rate,
			  .linklayer = TC_LINKLAYER_ETHERNET },
		.limit = shape_queue(rate),
	};
	struct nlattr *nest;

	tc->tcm_family = AF_UNSPEC;
	tc->tcm_ifindex = index;
	tc->tcm_parent = TC_H_ROOT;
	tc->tcm_handle = HANDLE;
	nl_put_string(m, TCA_KIND, "tbf");
	nest = nl_nest_begin(m, TCA_OPTIONS);
	nl_put(m, TCA_TBF_PARMS, sizeof options, &options);
	nl_put_u32(m, TCA_TBF_BURST, shape_burst(rate));
	if (rate > UINT32_MAX)
		nl_put(m, TCA_TBF_RATE64, sizeof rate, &rate);
	nl_nest_end(m, nest);
	nl_end(b, m);
}

/* ---- the op ---- */

struct op_shape_args {
	int rtnl_slot;
	const char *name;
	uint64_t rate;
	bool inside;
};

static int act_shape(struct run *r, const void *args, struct err *e)
{
	const struct op_shape_args *a = args;
	int rtnl = run_slot(r, a->rtnl_slot), n;
	struct link_info link;
	struct nl_batch b;

	n = link_get(rtnl, a->name, &link, e);
	if (n == -ENODEV)
		return err_set(e, ENODEV, "interface %s", a->name);
	if (n < 0)
		return n;
	nl_batch_init(&b);
	shape_put_tbf(&b, link.index, a->rate);
	n = nl_talk(rtnl, &b, NULL, NULL, e);
	if (n == -ENOENT)
		err_fix(e, "the kernel lacks the module sch_tbf: modprobe sch_tbf, or leave the rate out");
	return n < 0 ? err_wrap(e, "cannot limit the rate of %s", a->name) : 0;
}

/* As tc(8) reads and writes it. */
static const char *rate_text(uint64_t rate, char text[RATE_TEXT])
{
	snprintf(text, RATE_TEXT, "%llubit", (unsigned long long)rate * 8);
	return text;
}

static void show_shape(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_shape_args *a = args;
	char text[RATE_TEXT];

	plan_show_slot(out, p, a->rtnl_slot);
	buf_addf(out, " RTM_NEWQDISC %s root tbf rate %s burst %u limit %u", a->name,
		 rate_text(a->rate, text), shape_burst(a->rate), shape_queue(a->rate));
}

static void by_hand_shape(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_shape_args *a = args;
	char text[RATE_TEXT];

	(void)p;
	buf_addf(out, "%stc qdisc replace dev %s root tbf rate %s burst %u limit %u",
		 a->inside ? "nsenter -t $PID -n " : "", a->name, rate_text(a->rate, text),
		 shape_burst(a->rate), shape_queue(a->rate));
}

static const struct op op_shape = { .name = "RTM_NEWQDISC", .man = "tc-tbf(8)", .compound = true,
				    .act = act_shape, .show = show_shape, .by_hand = by_hand_shape };

void net_plan_shape(struct plan *p, int rtnl_slot, const char *interface, uint64_t rate, bool inside)
{
	if (rate)
		plan_add(p, SIDE_HOST, op_shape, op_shape_args, rtnl_slot, interface, rate, inside);
}
