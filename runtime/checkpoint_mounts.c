/*
 * checkpoint_mounts.c - the container's mounts that come from the host, told to criu; and the
 * mounts criu itself works with.
 */
#include "runtime/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"

#define MOUNTS_MAX 10000

struct mounted {
	unsigned long long id;
	dev_t device;
	const char *root, *point;
	bool named;
};

/* "\040" and friends, proc_pid_mountinfo(5), in place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from;) {
		unsigned int c;
		int n = 0;

		if (*from == '\\' && sscanf(from + 1, "%3o%n", &c, &n) == 1 && n == 3) {
			*to++ = (char)c;
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
}

static int read_mounts(pid_t pid, struct arena *a, struct mounted **ret, size_t *ret_count,
		       struct err *e)
{
	_cleanup_stream_ FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	char path[64];
	struct mounted *list = arena_array(a, MOUNTS_MAX, sizeof *list);
	size_t room = 0, count = 0;

	snprintf(path, sizeof path, "/proc/%d/mountinfo", (int)pid);
	f = fopen(path, "re");
	if (!f || !list)
		return err_set(e, f ? ENOMEM : errno, "%s", path);
	while (getline(&line, &room, f) > 0) {
		struct mounted m = { 0 };
		unsigned int major, minor;
		char *root = NULL, *point = NULL;

		if (count == MOUNTS_MAX)
			return err_say(e, E2BIG, "the container has more than %d mounts",
				       MOUNTS_MAX);
		if (sscanf(line, "%llu %*u %u:%u %ms %ms", &m.id, &major, &minor, &root, &point) ==
		    5) {
			unescape(root);
			unescape(point);
			m.device = makedev(major, minor);
			m.root = arena_strdup(a, root);
			m.point = arena_strdup(a, point);
			list[count++] = m;
		}
		free(root);
		free(point);
	}
	if (arena_failed(a))
		return err_set(e, ENOMEM, "the mounts");
	*ret = list;
	*ret_count = count;
	return 0;
}

/* The mount that stands at a path of the container's; NULL: none does. */
static struct mounted *mounted_at(int root, const char *at, struct mounted *list, size_t count)
{
	_cleanup_fd_ int fd = path_open_in_root(root, at, O_PATH, 0);
	struct statx st;

	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0 ||
	    !(st.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (list[i].id == st.stx_mnt_id)
			return &list[i];
	return NULL;
}

static int add_external(struct criu_args *args, struct mounted *m, const char *name, struct err *e)
{
	if (m->named)
		return 0;
	if (strchr(m->point, ']'))
		return err_say(e, ENOTSUP, "checkpoint: criu can't be told of a mount at %.200s",
			       m->point);
	m->named = true;
	criu_args_addf(args, "--external", "mnt[%s]:%s", m->point, name);
	return 0;
}

int checkpoint_name_mounts(struct criu_args *args, pid_t pid,
			   const struct checkpoint_external *list, size_t count, struct err *e)
{
	_cleanup_fd_ int root = -EBADF;
	struct mounted *mounts = NULL;
	size_t mount_count = 0;
	struct stat null;
	char path[64];
	int r = read_mounts(pid, args->arena, &mounts, &mount_count, e);

	if (r < 0)
		return r;
	snprintf(path, sizeof path, "/proc/%d/root", (int)pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || stat("/dev/null", &null) < 0)
		return err_set(e, errno, "%s", root < 0 ? path : "/dev/null");
	for (size_t i = 0; r == 0 && i < count; i++) {
		struct mounted *m =
			list[i].at ? mounted_at(root, list[i].at, mounts, mount_count) : NULL;

		if (m)
			r = add_external(args, m, list[i].name, e);
	}
	/* Masks lie over files of a /proc that is the container's, wherever it has mounted one. */
	for (size_t i = 0; r == 0 && i < mount_count; i++)
		if (mounts[i].device == null.st_dev && strcmp(mounts[i].root, "/null") == 0)
			r = add_external(args, &mounts[i], CHECKPOINT_NULL, e);
	return r;
}

/* --- criu's own mount namespace --------------------------------------------- */

int checkpoint_private_mounts(const char *folder, const char *cgroup_mount)
{
	char path[PATH_MAX];

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
	    mount("criu", folder, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700") < 0 ||
	    mount(NULL, folder, NULL, MS_PRIVATE, NULL) < 0)
		return -errno;
	if (!cgroup_mount)
		return 0;
	if (snprintf(path, sizeof path, "%s/yard", folder) >= (int)sizeof path)
		return -ENAMETOOLONG;
	if (mkdir(path, 0700) < 0)
		return -errno;
	if (snprintf(path, sizeof path, "%s/yard/unified", folder) >= (int)sizeof path)
		return -ENAMETOOLONG;
	if (mkdir(path, 0700) < 0 || mount(cgroup_mount, path, NULL, MS_BIND, NULL) < 0)
		return -errno;
	return 0;
}
