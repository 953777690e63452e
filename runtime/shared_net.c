/*
 * shared_net.c - the network of a container that runs, for another: container:ID.
 *
 * Only of one in the caller's own state folder, which nobody else can write to: whose id it is, and
 * which process it has, is the caller's own word. Held by an fd, which was its when it was looked
 * at.
 */
#include "runtime/shared_net.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#include "base/fd.h"

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

int shared_net_open(int root, const char *id, struct container *c, struct err *e)
{
	int r = container_open(root, id, false, c, e);

	if (r == -ENOENT) {
		err_clear(e);
		return err_say(e, ENOENT, "container %.64s does not exist", id);
	}
	return r < 0 ? r : open_netns(c, e);
}

int shared_net_join(struct container_spec *s, const struct net_spec *net, int root, struct arena *a,
		    int *ret_fd, struct err *e)
{
	_cleanup_container_ struct container c = CONTAINER_INIT;
	const char *path;
	int fd;

	if (net->mode != NET_CONTAINER)
		return 0;
	fd = shared_net_open(root, net->container, &c, e);
	if (fd < 0)
		return err_at(e, "/annotations/" NET_ANNOTATION);
	*ret_fd = fd;
	path = arena_printf(a, "/proc/self/fd/%d", fd);
	if (!path)
		return err_set(e, ENOMEM, "/annotations/" NET_ANNOTATION);
	s->ns.new_namespaces &= ~(unsigned int)CLONE_NEWNET;
	s->ns.join_namespaces |= CLONE_NEWNET;
	s->ns.join_path[NS_NET] = path;
	s->ns.join_why[NS_NET] = "/annotations/" NET_ANNOTATION;
	/* It is others' now: 127.0.0.1 has to be on the list. */
	s->cgroup.egress.loopback = false;
	return 0;
}
