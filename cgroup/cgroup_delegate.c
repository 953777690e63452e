/*
 * cgroup_delegate.c - gives a cgroup to the user of its container
 * (config-linux.md, "Cgroup ownership"; cgroups(7), "Delegation").
 *
 * Only the folder and the files the kernel lists: the limits stay root's, and
 * nsdelegate keeps the processes below the folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "cgroup/cgroup_ops.h"

#define DELEGATE_LIST "/sys/kernel/cgroup/delegate"
/* Before Linux 4.15 there is no list; the specification names these then. */
#define DELEGATE_ALWAYS "cgroup.procs\ncgroup.subtree_control\ncgroup.threads"

static int act_delegate(struct run *r, const void *args, struct err *e)
{
	const struct op_cgroup_delegate_args *a = args;
	_cleanup_fd_ int fd = open(a->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char list[4096], *rest = NULL;

	(void)r;
	if (fd < 0)
		return err_set(e, errno, "open %s", a->path);
	if (file_read_at(AT_FDCWD, DELEGATE_LIST, list, sizeof(list)) < 0)
		memcpy(list, DELEGATE_ALWAYS, sizeof(DELEGATE_ALWAYS));
	for (char *name = strtok_r(list, "\n", &rest); name; name = strtok_r(NULL, "\n", &rest)) {
		/* Files of a controller that is not enabled are not there. */
		if (fchownat(fd, name, a->uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0 &&
		    errno != ENOENT)
			return err_set(e, errno, "chown %u %s/%s", a->uid, a->path, name);
	}
	if (fchown(fd, a->uid, (gid_t)-1) < 0)
		return err_set(e, errno, "chown %u %s", a->uid, a->path);
	return 0;
}

static void show_delegate(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_cgroup_delegate_args *a = args;

	(void)p;
	buf_add(out, "delegate_cgroup(");
	buf_add_quoted(out, a->path);
	buf_addf(out, ", %u)", a->uid);
}

static void by_hand_delegate(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_cgroup_delegate_args *a = args;

	(void)p;
	buf_add(out, "cd ");
	buf_add_shell(out, a->path);
	buf_addf(out, " && chown %u . $(ls $(cat " DELEGATE_LIST ") 2>/dev/null)", a->uid);
}

const struct op op_cgroup_delegate = { .name = "delegate_cgroup",
				       .man = "cgroups(7)",
				       .compound = true,
				       .act = act_delegate,
				       .show = show_delegate,
				       .by_hand = by_hand_delegate };
