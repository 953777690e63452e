/*
 * job_share.c - a job in the network namespace of a container: --net container:ID.
 *
 * Only of one in the caller's own state folder, which nobody else can write to: whose id it is, and
 * which process it has, is the caller's own word. Held by an fd, which was its when it was looked at.
 */
#include "supervisor/job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/dns.h"
#include "net/lease.h"
#include "runtime/container.h"

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

static int open_netns(const struct container *c, struct err *e)
{
	_cleanup_fd_ int fd = -EBADF;
	struct stat own, its;
	char path[32];

	if (c->pidfd < 0)
		return err_say(e, ESRCH, "container %s is not running", c->id);
	snprintf(path, sizeof path, "/proc/%d/ns/net", (int)c->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* The number may be another's by now: then who had it is gone. */
	if (fd < 0 || pidfd_send_signal(c->pidfd, 0, NULL, 0) < 0)
		return err_say(e, ESRCH, "container %s has ended meanwhile", c->id);
	if (fstat(fd, &its) < 0 || stat("/proc/self/ns/net", &own) < 0)
		return err_set(e, errno, "%s", path);
	if (its.st_ino == own.st_ino && its.st_dev == own.st_dev)
		return err_say(e, EINVAL, "container %s has the host's network", c->id);
	return fd_take(&fd);
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
		r = container_open(root, net.container, false, &c, e);
	if (r == 0)
		r = fd = open_netns(&c, e);
	if (r < 0)
		return err_wrap(e, "--net container:%.64s", net.container ? net.container : "");
	job->netns_path = arena_printf(a, "/proc/self/fd/%d", fd);
	job->shared = look(net_owner(a, c.id, realm));
	return job->netns_path ? fd : err_set(e, ENOMEM, "--net");
}
