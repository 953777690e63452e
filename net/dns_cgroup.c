/*
 * dns_cgroup.c - the cgroup of the servers for names.
 */
#include "net/dns_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"

#define TRIES	     100
#define TRIES_OTHERS 5
#define CGROUP "kist-dns" /* beside the containers' own, which are kist-ID */

/* cgroup v2, where it is alone and where it is beside version 1; or -1. */
static int open_mount(void)
{
	static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };

	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		int fd = open(places[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		struct statfs st;

		if (fd >= 0 && fstatfs(fd, &st) == 0 && st.f_type == CGROUP2_SUPER_MAGIC)
			return fd;
		fd_close(&fd);
	}
	return -1;
}

void dns_cgroup_enter(void)
{
	_cleanup_fd_ int mount = open_mount();

	if (mount < 0)
		return;
	/* Who was the last in it may remove it at this moment. */
	for (int tries = 0; tries < 3; tries++) {
		(void)mkdirat(mount, CGROUP, 0755);
		if (file_write_at(mount, CGROUP "/cgroup.procs", "0") != -ENOENT)
			return;
	}
}

void dns_cgroup_remove(void)
{
	_cleanup_fd_ int mount = open_mount();
	char procs[16];

	/* The kernel lets go of a process a moment after its end: then nobody is in it, and yet it is
	 * busy. Who is in it may be about to end, or be another network's. */
	for (int tries = 0; mount >= 0 && tries < TRIES; tries++) {
		if (unlinkat(mount, CGROUP, AT_REMOVEDIR) == 0 || errno != EBUSY)
			return;
		if (tries >= TRIES_OTHERS &&
		    file_read_at(mount, CGROUP "/cgroup.procs", procs, sizeof procs) != 0)
			return;
		usleep(1000);
	}
}
