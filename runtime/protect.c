/*
 * protect.c - keeping the runtime's own process out of the container's reach.
 */
#include "runtime/protect.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/self.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
/* Not F_SEAL_WRITE, which makes every processor give back its pages first, and waits for that: it
 * is about writable mappings and pinned pages that are there already, and there are none. */
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE)

extern char **environ;

#define KEEP_MAX 1024
static int inherited; /* how many fds from 3 on were open when this program started */
static int kept;      /* how many of them are for the container: --preserve-fds */

int protect_start(struct err *e)
{
	int fd, error;

	/* A caller that closed 0, 1 or 2 would see its container write into our files. */
	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= 2);
	error = errno;
	if (fd > 2)
		close(fd);
	else if (fcntl(0, F_GETFD) < 0 || fcntl(1, F_GETFD) < 0 || fcntl(2, F_GETFD) < 0)
		return err_set(e, error, "standard input, output or error is closed, and /dev/null "
			       "cannot take its place");
	/* Counted before anything of our own is opened: later an fd of ours could pass for one. */
	while (inherited < KEEP_MAX && fcntl(3 + inherited, F_GETFD) >= 0)
		inherited++;
	/* CVE-2024-21626: no inherited directory fd may reach the container. */
	if (syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return err_set(e, errno, "close_range(3, ~0, CLOSE_RANGE_CLOEXEC)");
	/* Ignored by the caller, the kernel would reap our children before we do (sigaction(2)). */
	signal(SIGCHLD, SIG_DFL);
	/* Not the caller's: what kist makes says its own mode, never wider than this. */
	umask(022);
	return 0;
}

int protect_keep_fds(int count, struct err *e)
{
	if (count < 0 || count > KEEP_MAX)
		return err_say(e, EINVAL, "--preserve-fds: %d is not 0 to %d", count, KEEP_MAX);
	if (count > inherited)
		return err_say(e, EBADF, "--preserve-fds %d: file descriptor %d is not open", count,
			       3 + inherited);
	kept = count;
	return 0;
}

static bool maps_host_id(const struct ns_id_maps *maps, uint32_t id)
{
	for (size_t i = 0; i < maps->count; i++)
		if (id >= maps->line[i].host && id - maps->line[i].host < maps->line[i].size)
			return true;
	return false;
}

static bool could_write(const struct ns_id_maps *uids, const struct ns_id_maps *gids)
{
	struct stat st;

	if (stat("/proc/self/exe", &st) < 0)
		return true;
	return maps_host_id(uids, 0) || maps_host_id(uids, st.st_uid) ||
	       ((st.st_mode & S_IWGRP) && maps_host_id(gids, st.st_gid)) || (st.st_mode & S_IWOTH);
}

bool protect_is_needed(const struct ns_spec *ns)
{
	if (!(ns->new_namespaces & CLONE_NEWUSER) || ns->uid_maps.count == 0)
		return true;
	return could_write(&ns->uid_maps, &ns->gid_maps);
}

#define MAP_LINES_MAX 340 /* the kernel's limit (user_namespaces(7)) */

/* /proc/PID/uid_map, as this process sees it: the second number is an id of the host. */
static bool read_map(pid_t pid, const char *name, struct ns_id_map line[MAP_LINES_MAX],
		     struct ns_id_maps *ret)
{
	char path[64], text[MAP_LINES_MAX * 34];
	size_t count = 0;
	int used;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	if (file_read_at(AT_FDCWD, path, text, sizeof text) <= 0)
		return false;
	for (const char *at = text; count < MAP_LINES_MAX && *at; at += used, count++) {
		used = 0;
		if (sscanf(at, " %u %u %u %n", &line[count].container, &line[count].host,
			   &line[count].size, &used) != 3 || used == 0)
			return false;
	}
	*ret = (struct ns_id_maps){ .line = line, .count = count };
	return count > 0;
}

bool protect_is_needed_in(pid_t pid)
{
	struct ns_id_map uid_line[MAP_LINES_MAX], gid_line[MAP_LINES_MAX];
	struct ns_id_maps uids, gids;

	if (!read_map(pid, "uid_map", uid_line, &uids) || !read_map(pid, "gid_map", gid_line, &gids))
		return true;
	return could_write(&uids, &gids);
}

static int copy_self(int from, int to)
{
	struct stat st;
	off_t offset = 0;

	if (fstat(from, &st) < 0)
		return -errno;
	while (offset < st.st_size) {
		ssize_t n = sendfile(to, from, &offset, (size_t)(st.st_size - offset));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
	}
	return 0;
}

/* What takes the place of kist's file: `from`'s bytes, or none with -1. Owned by the caller. */
static int sealed_memfd(int from, struct err *e)
{
	int fd = memfd_create("kist", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC), r;

	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		fd = memfd_create("kist", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return err_set(e, errno, "cannot make a protected copy of kist: memfd_create");
	r = from < 0 ? 0 : copy_self(from, fd);
	if (r < 0)
		err_set(e, -r, "cannot make a protected copy of kist: sendfile");
	else if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		r = err_set(e, errno, "cannot seal the protected copy of kist");
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

int protect_self(char *argv[], struct err *e)
{
	_cleanup_fd_ int self = -EBADF, empty = -EBADF, copy = -EBADF;
	static bool protected;
	int r;

	if (protected)
		return 0;
	empty = sealed_memfd(-1, e);
	if (empty < 0)
		return empty;
	protected = protect_leave_file(empty, argv) == 0;
	if (protected)
		return 0;
	self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (self < 0)
		return err_set(e, errno, "cannot open /proc/self/exe");
	/* The seals themselves say whether this is the copy; an environment variable could lie. */
	r = fcntl(self, F_GET_SEALS);
	protected = r >= 0 && (r & SEALS) == SEALS;
	if (protected)
		return 0;
	copy = sealed_memfd(self, e);
	if (copy < 0)
		return copy;
	for (int fd = 3; fd < 3 + kept; fd++)
		if (fcntl(fd, F_SETFD, 0) < 0)
			return err_set(e, errno, "cannot pass on file descriptor %d", fd);
	self_tell_copy(argv);
	syscall(SYS_execveat, copy, "", argv, environ, AT_EMPTY_PATH);
	return err_set(e, errno, "cannot run the protected copy of kist: execveat");
}
