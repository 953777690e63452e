/*
 * job_share.c - a job in the network namespace of a container (--net container:ID), and who answers
 * it there when it asks for names.
 */
#include "supervisor/job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/dns.h"
#include "net/lease.h"
#include "runtime/shared_net.h"

struct looking {
	const struct lease_store *store;
	const char *owner;
	enum job_shared found;
};

static int look_at_network(int dir, const char *name, void *user)
{
	struct looking *l = user;
	struct endpoint *ep = calloc(1, sizeof *ep);
	struct network *n = calloc(1, sizeof *n);

	(void)dir;
	if (ep && n && endpoint_get(l->store, name, l->owner, ep, NULL) == 1) {
		snprintf(n->name, sizeof n->name, "%s", name);
		if (dns_serves(n) && !ep->no_names)
			l->found = JOB_SHARED_SERVED;
		else if (!l->found)
			l->found = JOB_SHARED;
	}
	free(n);
	free(ep);
	return 0;
}

/* Who answers it when it asks for names. */
static enum job_shared look(const char *owner)
{
	_cleanup_lease_store_ struct lease_store s = LEASE_STORE_INIT;
	struct looking l = { .store = &s, .owner = owner };

	if (owner && lease_store_peek(&s, NULL) == 0)
		(void)lease_each_network(&s, look_at_network, &l);
	return l.found;
}

int job_share_network(struct job *job, const struct host *h, int root, const char *realm, struct arena *a,
		      struct err *e)
{
	_cleanup_container_ struct container c = CONTAINER_INIT;
	struct net_spec net = { 0 };
	int fd = -1, r = net_parse_annotations(job->net, NULL, &net, a, e);

	if (r == 0)
		r = net_check(&net, h, e);
	if (r == 0)
		r = fd = shared_net_open(root, net.container, &c, e);
	if (r < 0)
		return err_wrap(e, "--net container:%.64s", net.container ? net.container : "");
	job->netns_path = arena_printf(a, "/proc/self/fd/%d", fd);
	job->shared = look(net_owner(a, c.id, realm));
	return job->netns_path ? fd : err_set(e, ENOMEM, "--net");
}
