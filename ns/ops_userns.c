/*
 * ops_userns.c - a user namespace that exists only for its maps (id-mapped mounts).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "ns/builders.h"
#include "ns/ops.h"

/* True if the file below `proc` holds just that. */
static bool says(int proc, const char *path, const char *text)
{
	char have[16];

	return file_read_at(proc, path, have, sizeof have) > 0 && strcmp(have, text) == 0;
}

int ns_userns_obstacle(int proc, struct err *e)
{
	if (says(proc, "sys/kernel/unprivileged_userns_clone", "0"))
		return err_fix(e, "this kernel lets only root make user namespaces: sysctl -w "
			       "kernel.unprivileged_userns_clone=1");
	if (says(proc, "sys/user/max_user_namespaces", "0"))
		return err_fix(e, "user namespaces are switched off: sysctl -w "
			       "user.max_user_namespaces=15000");
	if (says(proc, "sys/kernel/apparmor_restrict_unprivileged_userns", "1"))
		return err_fix(e, "AppArmor gives a program no rights in a new user namespace unless a "
			       "profile of it says \"userns,\": add one for kist, or sysctl -w "
			       "kernel.apparmor_restrict_unprivileged_userns=0");
	return -e->error;
}

/* Writes both maps of the child and opens its namespace. */
static int fill_userns(long pid, const struct op_make_userns_args *a)
{
	_cleanup_fd_ int dir = -EBADF;
	char path[32];
	int n, fd;

	snprintf(path, sizeof path, "/proc/%ld", pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	n = file_write_at(dir, "gid_map", a->gid_map);
	if (n >= 0)
		n = file_write_at(dir, "uid_map", a->uid_map);
	if (n < 0)
		return n;
	fd = openat(dir, "ns/user", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int act_make_userns(struct run *r, const void *args, struct err *e)
{
	const struct op_make_userns_args *a = args;
	struct clone_args clone = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	long pid = syscall(SYS_clone3, &clone, sizeof clone);
	int fd;

	(void)e;
	if (pid == 0) {
		for (;;)
			pause(); /* until killed: it only keeps the namespace alive */
	}
	if (pid < 0)
		return -errno;
	fd = fill_userns(pid, a);
	kill((pid_t)pid, SIGKILL);
	while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (fd < 0)
		return fd;
	run_set_fd(r, a->slot, fd);
	return 0;
}

static void show_make_userns(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_make_userns_args *a = args;

	buf_add(out, "make_userns(uid_map ");
	buf_add_quoted(out, a->uid_map);
	buf_add(out, ", gid_map ");
	buf_add_quoted(out, a->gid_map);
	buf_add(out, ") = ");
	plan_show_slot(out, p, a->slot);
}

const struct op op_make_userns = { .name = "make_userns", .man = "user_namespaces(7)",
				   .compound = true, .act = act_make_userns,
				   .show = show_make_userns };
