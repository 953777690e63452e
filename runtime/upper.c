/*
 * upper.c - a folder that keeps the changes of a container's root.
 *
 *   DIR/upper   what changed, in overlayfs's form: the caller's, and never removed
 *   DIR/work    overlayfs's own, removed with the container
 *   DIR/in-use  -> ROOT/ID: whose it is; stale once that state folder is gone
 *   DIR/ids     -> UID:GID: which ids of the host the containers' root has there
 *
 * What a container's root makes setuid here is a setuid file of the host, and without
 * a user namespace one of the host's root. So the folder must be closed to everybody
 * else (CVE-2021-41091). Whoever could write to it could put a symlink in upper's place.
 */
#include "runtime/upper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/quota.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"

#define IN_USE	    "in-use"
#define IDS	    "ids"
#define QUOTA_BLOCK 1024u /* QIF_DQBLKSIZE of linux/quota.h */

struct claim_args {
	const char *dir, *owner;
	uid_t uid; /* of the container's root, on the host */
	gid_t gid;
	uint64_t quota;
	int slot;
};

/* Those that overlayfs refuses as an upper layer, or that lose what it notes in xattrs. */
static int check_fs(int fd, const char *dir, struct err *e)
{
	static const struct {
		long magic;
		const char *name;
	} refused[] = {
		{ OVERLAYFS_SUPER_MAGIC, "overlay" },
		{ NFS_SUPER_MAGIC, "nfs" },
		{ FUSE_SUPER_MAGIC, "fuse" },
		{ MSDOS_SUPER_MAGIC, "vfat" },
		{ V9FS_MAGIC, "9p" },
		{ SMB2_SUPER_MAGIC, "smb" },
		{ CIFS_SUPER_MAGIC, "cifs" },
		{ PROC_SUPER_MAGIC, "proc" },
	};
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return err_set(e, errno, "the folder %s", dir);
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		if ((long)fs.f_type != refused[i].magic)
			continue;
		err_say(e, EINVAL, "the folder %s is on %s, which can't take an overlay's changes",
			dir, refused[i].name);
		return err_fix(e, "use one on ext4, xfs, btrfs or tmpfs");
	}
	return 0;
}

static int open_folder(const char *dir, struct err *e)
{
	_cleanup_fd_ int fd = -EBADF;
	struct stat st;
	int r;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_set(e, errno, "cannot make the folder %s", dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, errno, "the folder %s", dir);
	if (st.st_uid != geteuid() || (st.st_mode & 077)) {
		err_say(e, EPERM,
			"the folder %s is open to others, who could reach setuid files that the "
			"container makes there",
			dir);
		return err_fix(e, "chown it to uid %u, and chmod 700", (unsigned)geteuid());
	}
	r = check_fs(fd, dir, e);
	return r < 0 ? r : fd_take(&fd);
}

/* With the folder's lock held. */
static int take(int fd, const struct claim_args *a, struct err *e)
{
	char owner[PATH_MAX];
	ssize_t n = readlinkat(fd, IN_USE, owner, sizeof owner - 1);

	if (n >= 0) {
		owner[n] = '\0';
		if (faccessat(AT_FDCWD, owner, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			const char *slash = strrchr(owner, '/');

			err_say(e, EBUSY, "the folder %s is in use by container %.64s", a->dir,
				slash ? slash + 1 : owner);
			return err_fix(e, "delete that one first, or give this one another folder");
		}
		unlinkat(fd, IN_USE, 0);
	}
	return symlinkat(a->owner, fd, IN_USE) < 0
		       ? err_set(e, errno, "cannot mark the folder %s as in use", a->dir)
		       : 0;
}

/* upper/, and whose it is: files of other ids would be nobody's in this container. */
static int make_upper(int fd, const struct claim_args *a, struct err *e)
{
	char wanted[32], found[32];
	ssize_t n = readlinkat(fd, IDS, found, sizeof found - 1);

	snprintf(wanted, sizeof wanted, "%u:%u", a->uid, a->gid);
	found[n > 0 ? n : 0] = '\0';
	if (n >= 0 && strcmp(found, wanted) != 0) {
		err_say(e, EINVAL,
			"the folder %s has the changes of a root that is %.31s on the host; this "
			"container's is %s",
			a->dir, found, wanted);
		return err_fix(e,
			       "give it the same uidMappings and gidMappings, or another folder");
	}
	if (n >= 0)
		return 0;
	if ((mkdirat(fd, "upper", 0700) < 0 && errno != EEXIST) ||
	    fchownat(fd, "upper", a->uid, a->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(fd, "upper", 0755, AT_SYMLINK_NOFOLLOW) < 0 || symlinkat(wanted, fd, IDS) < 0)
		return err_set(e, errno, "cannot make %s/upper", a->dir);
	return 0;
}

bool upper_read_ids(const char *dir, uid_t *ret_uid, gid_t *ret_gid)
{
	char path[PATH_MAX], text[32];
	ssize_t n = -1;

	if (snprintf(path, sizeof path, "%s/" IDS, dir) < (int)sizeof path)
		n = readlink(path, text, sizeof text - 1);
	if (n < 0)
		return false;
	text[n] = '\0';
	return sscanf(text, "%u:%u", ret_uid, ret_gid) == 2;
}

/* --- project quota ------------------------------------------------------------------------- */

static int no_quota(const char *dir, int error, struct err *e)
{
	err_say(e, error, "the folder %s can't be limited: its file system keeps no project quota",
		dir);
	return err_fix(
		e,
		"mount it with prjquota (ext4: mkfs.ext4 -O quota,project; xfs), or let a tmpfs of "
		"that size take the changes");
}

/* All below the folder is counted as one project, whose number is the folder's inode: what an ext4
 * has once. Limits are hard; root without CAP_SYS_RESOURCE over the host is bound by them. */
static int set_quota(int fd, const struct claim_args *a, struct err *e)
{
	struct dqblk limit = { .dqb_bhardlimit = a->quota / QUOTA_BLOCK, .dqb_valid = QIF_BLIMITS };
	struct fsxattr attr;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(e, errno, "the folder %s", a->dir);
	if (ioctl(fd, FS_IOC_FSGETXATTR, &attr) < 0)
		return no_quota(a->dir, ENOTSUP, e);
	/* Only what is made below it from now on is counted. */
	if (!(attr.fsx_xflags & FS_XFLAG_PROJINHERIT) && faccessat(fd, "upper", F_OK, 0) == 0) {
		err_say(e, EINVAL,
			"the folder %s has changes from before it was limited, which are not "
			"counted",
			a->dir);
		return err_fix(e, "use another folder, and copy what you need of this one");
	}
	if (!attr.fsx_projid)
		attr.fsx_projid = (uint32_t)st.st_ino;
	attr.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	if (syscall(SYS_quotactl_fd, fd, QCMD((unsigned int)Q_SETQUOTA, PRJQUOTA), attr.fsx_projid, &limit) < 0)
		return errno == EPERM ? err_set(e, EPERM, "cannot limit the folder %s", a->dir)
				      : no_quota(a->dir, ENOTSUP, e);
	if (ioctl(fd, FS_IOC_FSSETXATTR, &attr) < 0)
		return no_quota(a->dir, ENOTSUP, e);
	return 0;
}

/* --- the step ------------------------------------------------------------------------------ */

static int act_claim(struct run *r, const void *args, struct err *e)
{
	const struct claim_args *a = args;
	_cleanup_fd_ int fd = open_folder(a->dir, e);
	int error;

	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX) < 0)
		return err_set(e, errno, "cannot lock the folder %s", a->dir);
	error = take(fd, a, e);
	if (error == 0 && a->quota)
		error = set_quota(fd, a, e);
	if (error == 0)
		error = make_upper(fd, a, e);
	if (error < 0)
		return error;
	flock(fd, LOCK_UN);
	run_set_fd(r, a->slot, fd_take(&fd));
	return 0;
}

static void show_claim(struct buf *out, const struct plan *p, const void *args)
{
	const struct claim_args *a = args;

	buf_addf(out, "claim_folder(%s for %s, %u:%u", a->dir, a->owner, a->uid, a->gid);
	if (a->quota)
		buf_addf(out, ", quotactl_fd(Q_SETQUOTA, %llu bytes)",
			 (unsigned long long)a->quota);
	buf_add(out, ") = ");
	plan_show_slot(out, p, a->slot);
}

static const struct op op_claim = { .name = "claim_folder",
				    .man = "symlink(2)",
				    .compound = true,
				    .act = act_claim,
				    .show = show_claim };

/* What overlay leaves in work/work: its one whiteout, of many names, and what it was just making. A
 * folder among that stays, and the next mount clears it. */
static void clear_work(int dir)
{
	struct dirent *d;
	DIR *work;
	int fd;

	if (fchmodat(dir, "work/work", 0700, AT_SYMLINK_NOFOLLOW) < 0)
		return; /* a start that came to nothing before there was an overlay */
	fd = openat(dir, "work/work", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	work = fd < 0 ? NULL : fdopendir(fd);
	if (!work && fd >= 0)
		close(fd);
	while (work && (d = readdir(work)))
		if (d->d_name[0] == '#')
			unlinkat(fd, d->d_name, 0);
	if (work)
		closedir(work);
	unlinkat(dir, "work/work", AT_REMOVEDIR);
}

static int undo_claim(const struct undo_at *at, const char *const args[PLAN_UNDO_ARGS],
		      struct err *e)
{
	_cleanup_fd_ int fd = open(args[0], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char owner[PATH_MAX];
	ssize_t n;

	(void)at;
	if (fd < 0)
		return 0;
	if (flock(fd, LOCK_EX) < 0)
		return err_set(e, errno, "cannot lock the folder %s", args[0]);
	n = readlinkat(fd, IN_USE, owner, sizeof owner - 1);
	if (n < 0)
		return 0;
	owner[n] = '\0';
	if (strcmp(owner, args[1]) != 0)
		return 0;
	clear_work(fd);
	unlinkat(fd, "work", AT_REMOVEDIR);
	return unlinkat(fd, IN_USE, 0) < 0 && errno != ENOENT
		       ? err_set(e, errno, "cannot give back the folder %s", args[0])
		       : 0;
}

static const struct undo_kind kind_claim = { .name = "release_folder", .act = undo_claim };
const struct undo_kind *const upper_undo_kinds[] = { &kind_claim, NULL };

int upper_plan_claim(struct plan *p, const char *dir, const char *owner, uid_t uid, gid_t gid,
		     uint64_t quota)
{
	int slot = plan_new_slot(p, "changes' folder"), step;

	plan_scope(p, "/root/path", dir);
	step = plan_add(p, SIDE_HOST, op_claim, claim_args, dir, owner, uid, gid, quota, slot);
	plan_undo(p, step, &kind_claim, dir, owner, NULL);
	return slot;
}
