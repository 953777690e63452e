/*
 * live.c - pause, resume, and the processes of a container.
 *
 * None of these takes the container's lock: a start that waits for a frozen
 * process holds it, and resume is what it waits for.
 */
#include "runtime/live.h"

#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"
#include "cgroup/cgroup.h"

#define DEPTH_MAX 64 /* of cgroups above a container's */

int container_open_cgroup(const struct container *c, struct err *e)
{
	int fd;

	if (!c->cgroup)
		return err_say(e, ENOENT, "the container has no cgroup of its own");
	fd = open(c->cgroup, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_set(e, errno, "the container's cgroup %.160s", c->cgroup) : fd;
}

int runtime_pause(int root, const char *id, struct err *e)
{
	_cleanup_container_ struct container c = CONTAINER_INIT;
	_cleanup_fd_ int cgroup = -EBADF;
	int r = container_open(root, id, false, &c, e);

	if (r < 0)
		return r;
	if (c.status != STATUS_RUNNING && c.status != STATUS_CREATED)
		return err_say(e, EINVAL, "container not running");
	cgroup = container_open_cgroup(&c, e);
	if (cgroup < 0)
		return cgroup;
	r = cgroup_freeze(cgroup, true, FREEZE_WAIT_MS, e);
	if (r != -ETIMEDOUT)
		return r;
	/* Half frozen is neither paused nor running: let go again. */
	file_write_at(cgroup, "cgroup.freeze", "0");
	return err_fix(e, "a process that waits for a device or a network file system cannot be "
			  "frozen: see kist ps %.64s", id);
}

/* A cgroup above that is frozen keeps those below it so, whatever their own cgroup.freeze says. */
static bool is_frozen_above(int cgroup)
{
	char path[3 * DEPTH_MAX + sizeof "cgroup.freeze"] = "", text[8];

	for (int depth = 1; depth <= DEPTH_MAX; depth++) {
		snprintf(path + 3 * (depth - 1), sizeof path - 3 * (size_t)(depth - 1),
			 "../cgroup.freeze");
		if (file_read_at(cgroup, path, text, sizeof text) < 0)
			return false; /* the root has no such file */
		if (text[0] == '1')
			return true;
	}
	return false;
}

int runtime_resume(int root, const char *id, struct err *e)
{
	_cleanup_container_ struct container c = CONTAINER_INIT;
	_cleanup_fd_ int cgroup = -EBADF;
	int r = container_open(root, id, false, &c, e);

	if (r < 0)
		return r;
	if (c.status != STATUS_PAUSED)
		return err_say(e, EINVAL, "container not paused");
	cgroup = container_open_cgroup(&c, e);
	if (cgroup < 0)
		return cgroup;
	if (is_frozen_above(cgroup)) {
		err_say(e, EBUSY, "a cgroup above %.160s is frozen", c.cgroup);
		return err_fix(e, "write 0 to its cgroup.freeze");
	}
	return cgroup_freeze(cgroup, false, FREEZE_WAIT_MS, e);
}

int runtime_processes(int root, const char *id, pid_t **ret, size_t *ret_count, struct err *e)
{
	_cleanup_container_ struct container c = CONTAINER_INIT;
	_cleanup_fd_ int cgroup = -EBADF;
	int r = container_open(root, id, false, &c, e);

	if (r < 0)
		return r;
	cgroup = container_open_cgroup(&c, e);
	if (cgroup == -ENOENT) {
		/* Without a cgroup of its own only the first process is known to be the container's. */
		err_clear(e);
		*ret_count = c.pid > 0;
		*ret = calloc(1, sizeof **ret);
		if (!*ret)
			return err_set(e, ENOMEM, "process list");
		**ret = c.pid;
		return 0;
	}
	return cgroup < 0 ? cgroup : cgroup_pids(cgroup, true, ret, ret_count, e);
}
