/*
 * dns_op.c - a container's server for names, as a step of attach.c's plan.
 */
#include "net/dns_op.h"

#include <errno.h>
#include <stdlib.h>

#include "base/engine.h"
#include "net/dns.h"

static int attach_locked(const struct op_names_args *a, int netns, struct endpoint *ep,
			 struct err *e)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	int r = lease_store_open(&s, false, e);

	/* The record has what only the run knew: process, address. */
	if (r == 0)
		r = endpoint_get(&s, a->network->name, a->owner, ep, e);
	if (r == 0 || r == -ENOENT)
		return err_say(e, ENOENT, "%s was taken off network %s meanwhile", a->owner,
			       a->network->name);
	return r < 0 ? r : dns_attach(a->network, ep, netns, e);
}

static int act_names(struct run *r, const void *args, struct err *e)
{
	const struct op_names_args *a = args;
	struct endpoint *ep = malloc(sizeof *ep);
	int result = ep ? attach_locked(a, run_slot(r, a->netns_slot), ep, e) : -ENOMEM;

	free(ep);
	return result;
}

static void show_names(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_names_args *a = args;

	buf_add(out, "setns(");
	plan_show_slot(out, p, a->netns_slot);
	buf_addf(out,
		 ", CLONE_NEWNET), bind(udp and tcp sockets, " DNS_ADDRESS_TEXT ":53), setns back; "
		 "SCM_RIGHTS to kist-dns of network %s, started unless it runs",
		 a->network->name);
}

static void by_hand_names(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	(void)args;
	buf_add(out, "nsenter --net=/proc/$PID/ns/net dnsmasq --no-hosts --addn-hosts=NAMES "
		     "--listen-address=" DNS_ADDRESS_TEXT " --bind-interfaces");
}

const struct op op_names = { .name = "serve_names",
			     .man = "unix(7)",
			     .compound = true,
			     .act = act_names,
			     .show = show_names,
			     .by_hand = by_hand_names };
