/*
 * ops_path.c - paths inside the root, device nodes, and checks of what was opened.
 *
 * Nothing here follows a path out of the root. An op that only checks exists
 * to stop an attack, and says which one.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "base/path.h"
#include "ns/ops.h"

void ns_show_open_flags(struct buf *out, int flags)
{
	static const struct flag_name names[] = {
		{ O_PATH, "O_PATH" }, { O_WRONLY, "O_WRONLY" }, { O_RDWR, "O_RDWR" },
		{ O_DIRECTORY, "O_DIRECTORY" }, { O_NOFOLLOW, "O_NOFOLLOW" },
		{ O_NOCTTY, "O_NOCTTY" }, { O_CREAT, "O_CREAT" }, { O_EXCL, "O_EXCL" },
		{ O_CLOEXEC, "O_CLOEXEC" },
	};

	if (!(flags & (O_PATH | O_WRONLY | O_RDWR)))
		buf_add(out, "O_RDONLY|");
	buf_add_flags(out, (unsigned int)(flags | O_CLOEXEC), names, sizeof names / sizeof names[0]);
}

static int keep_fd(struct run *r, int slot, int fd)
{
	if (fd < 0)
		return fd;
	run_set_fd(r, slot, fd);
	return 0;
}

/* --- opening -------------------------------------------------------------------- */

static int act_openat(struct run *r, const void *args, struct err *e)
{
	const struct op_openat_args *a = args;
	int fd = openat(ns_fd(r, a->dir_slot), a->path, a->flags | O_CLOEXEC);

	(void)e;
	return keep_fd(r, a->slot, fd < 0 ? -errno : fd);
}

static void show_openat(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_openat_args *a = args;

	buf_add(out, "openat(");
	ns_show_at(out, p, a->dir_slot, a->path);
	buf_add(out, ", ");
	ns_show_open_flags(out, a->flags);
	buf_add(out, ") = ");
	plan_show_slot(out, p, a->slot);
}

const struct op op_openat = { .name = "openat", .man = "openat(2)", .act = act_openat,
			      .show = show_openat };

static int act_open_in_root(struct run *r, const void *args, struct err *e)
{
	const struct op_open_in_root_args *a = args;
	int root = run_slot(r, a->root_slot), fd;

	if (!a->plain)
		return keep_fd(r, a->slot, path_open_in_root(root, a->path, a->flags, 0));
	fd = path_open_beneath(root, a->path + strspn(a->path, "/"), a->flags, 0, true);
	if (fd == -ELOOP)
		return err_say(e, ELOOP, "%s is a symbolic link in the root, which is refused here",
			       a->path);
	return keep_fd(r, a->slot, fd);
}

static void show_open_in_root(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_open_in_root_args *a = args;

	buf_add(out, "openat2(");
	ns_show_at(out, p, a->root_slot, a->plain ? a->path + strspn(a->path, "/") : a->path);
	buf_add(out, ", {flags=");
	ns_show_open_flags(out, a->flags);
	buf_addf(out, ", resolve=%s|RESOLVE_NO_MAGICLINKS}) = ",
		 a->plain ? "RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS" : "RESOLVE_IN_ROOT");
	plan_show_slot(out, p, a->slot);
}

const struct op op_open_in_root = { .name = "openat2", .man = "openat2(2)",
				    .act = act_open_in_root, .show = show_open_in_root };

/* /dev, /proc and /sys of an image: a symlink there would redirect what the runtime makes or
 * writes below them (CVE-2026-41579, CVE-2023-27561). */
static int open_plain_directory(int root, const char *path, struct err *e)
{
	const char *name = path + strspn(path, "/");
	int fd = path_open_beneath(root, name, O_PATH | O_DIRECTORY, 0, true);

	if (fd == -ENOENT) {
		if (mkdirat(root, name, 0755) < 0 && errno != EEXIST)
			return -errno;
		fd = path_open_beneath(root, name, O_PATH | O_DIRECTORY, 0, true);
	}
	if (fd == -ELOOP || fd == -EXDEV) {
		err_say(e, ELOOP, "%s is a symbolic link in the root: nothing is mounted or made "
			"through it", path);
		return err_fix(e, "make %s a directory in the image", path);
	}
	if (fd == -ENOTDIR)
		return err_say(e, ENOTDIR, "%s is not a directory in the root", path);
	return fd;
}

const char *ns_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* In a tmpfs that this process made, and nobody else has seen yet, a name is what was made there:
 * neither symlink nor procfs can be in the way. */
static int make_fresh(int dir, const char *name, bool file)
{
	int n = file ? mknodat(dir, name, S_IFREG | 0644, 0) : mkdirat(dir, name, 0755);

	return n < 0 && errno != EEXIST ? -errno : 0;
}

static int act_make_target(struct run *r, const void *args, struct err *e)
{
	const struct op_make_target_args *a = args;
	int root = run_slot(r, a->root_slot);
	_cleanup_fd_ int fd = -EBADF;
	bool file = a->file;
	struct statfs fs;
	struct stat st;

	if (a->like_slot >= 0) {
		if (fstat(run_slot(r, a->like_slot), &st) < 0)
			return -errno;
		file = !S_ISDIR(st.st_mode);
	}
	if (a->fresh)
		return make_fresh(root, ns_base_name(a->path), file);
	if (a->plain)
		fd = open_plain_directory(root, a->path, e);
	else if (a->nofollow)
		fd = ns_make_place_itself(root, a->path, file, e);
	else if (file)
		fd = path_mkfile_in_root(root, a->path, 0644);
	else
		fd = path_mkdir_in_root(root, a->path, 0755);
	if (fd == -EISDIR)
		return err_say(e, EISDIR, "the source is a file, but %s is a directory in the root",
			       a->path);
	if (fd == -EPERM && !e->error) /* a sandbox's: which call it forbids */
		return err_set(e, EPERM, "openat2 %s", a->path);
	if (fd < 0)
		return fd;
	/* A symlink of the image may lead a harmless destination onto procfs, where a mount could
	 * take or redirect the runtime's own writes (CVE-2019-19921, CVE-2025-52881). */
	if (!a->proc_ok && !a->plain && (fstatfs(fd, &fs) < 0 || fs.f_type == PROC_SUPER_MAGIC))
		return err_say(e, EPERM, "%s leads into a procfs in the root", a->path);
	return keep_fd(r, a->slot, fd_take(&fd));
}

static void show_make_target(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_make_target_args *a = args;

	buf_add(out, "make_target(");
	ns_show_at(out, p, a->root_slot, a->fresh ? ns_base_name(a->path) : a->path);
	if (a->like_slot >= 0) {
		buf_add(out, ", like ");
		plan_show_slot(out, p, a->like_slot);
	} else {
		buf_add(out, a->file ? ", file" : ", directory");
	}
	if (a->fresh) {
		buf_add(out, ", in the new tmpfs)");
		return;
	}
	buf_addf(out, "%s%s) = ",
		 a->plain ? ", no symlink" : a->nofollow ? ", in root, not following it" : ", in root",
		 a->proc_ok || a->plain ? "" : ", not on procfs");
	plan_show_slot(out, p, a->slot);
}

static void by_hand_make_target(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_make_target_args *a = args;

	(void)p;
	buf_add(out, a->file ? "touch $ROOT" : "mkdir -p $ROOT");
	buf_add_shell(out, a->path);
}

const struct op op_make_target = { .name = "make_target", .man = "openat2(2)", .compound = true,
				   .act = act_make_target, .show = show_make_target,
				   .by_hand = by_hand_make_target };

/* --- making ---------------------------------------------------------------------- */

static int act_mkdirat(struct run *r, const void *args, struct err *e)
{
	const struct op_mkdirat_args *a = args;

	(void)e;
	return mkdirat(ns_fd(r, a->dir_slot), a->path, a->mode) < 0 ? -errno : 0;
}

static void show_mkdirat(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_mkdirat_args *a = args;

	buf_add(out, "mkdirat(");
	ns_show_at(out, p, a->dir_slot, a->path);
	buf_addf(out, ", 0%o)", a->mode);
}

const struct op op_mkdirat = { .name = "mkdirat", .man = "mkdir(2)", .act = act_mkdirat,
			       .show = show_mkdirat };

static int act_fchmodat(struct run *r, const void *args, struct err *e)
{
	const struct op_mkdirat_args *a = args;

	(void)e;
	return fchmodat(ns_fd(r, a->dir_slot), a->path, a->mode, 0) < 0 ? -errno : 0;
}

static void show_fchmodat(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_mkdirat_args *a = args;

	buf_add(out, "fchmodat(");
	ns_show_at(out, p, a->dir_slot, a->path);
	buf_addf(out, ", 0%o)", a->mode);
}

const struct op op_fchmodat = { .name = "fchmodat", .man = "chmod(2)", .act = act_fchmodat,
				.show = show_fchmodat };

static int act_mknodat(struct run *r, const void *args, struct err *e)
{
	const struct op_mknodat_args *a = args;

	(void)e;
	return mknodat(run_slot(r, a->dir_slot), a->path, a->mode, makedev(a->major, a->minor)) < 0
		       ? -errno : 0;
}

static const char *type_word(mode_t type)
{
	return S_ISCHR(type) ? "S_IFCHR" : S_ISBLK(type) ? "S_IFBLK" : "S_IFIFO";
}

static void show_mknodat(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_mknodat_args *a = args;

	buf_add(out, "mknodat(");
	ns_show_at(out, p, a->dir_slot, a->path);
	buf_addf(out, ", %s|0%03o, makedev(%u, %u))", type_word(a->mode), a->mode & 07777, a->major,
		 a->minor);
}

static void by_hand_mknodat(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_mknodat_args *a = args;

	(void)p;
	buf_addf(out, "mknod -m %o $ROOT/dev/", a->mode & 07777);
	buf_add_shell(out, a->path);
	if (S_ISFIFO(a->mode))
		buf_add(out, " p");
	else
		buf_addf(out, " %c %u %u", S_ISCHR(a->mode) ? 'c' : 'b', a->major, a->minor);
}

const struct op op_mknodat = { .name = "mknodat", .man = "mknod(2)", .act = act_mknodat,
			       .show = show_mknodat, .by_hand = by_hand_mknodat };

static int act_symlinkat(struct run *r, const void *args, struct err *e)
{
	const struct op_symlinkat_args *a = args;

	(void)e;
	return symlinkat(a->target, run_slot(r, a->dir_slot), a->path) < 0 ? -errno : 0;
}

static void show_symlinkat(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_symlinkat_args *a = args;

	buf_add(out, "symlinkat(");
	buf_add_quoted(out, a->target);
	buf_add(out, ", ");
	ns_show_at(out, p, a->dir_slot, a->path);
	buf_add_char(out, ')');
}

static void by_hand_symlinkat(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_symlinkat_args *a = args;

	if (p->slot_names[a->dir_slot] && strcmp(p->slot_names[a->dir_slot], "dev") == 0)
		buf_addf(out, "ln -s %s $ROOT/dev/%s", a->target, a->path);
	else
		buf_addf(out, "ln -s %s %s", a->target, a->path);
}

const struct op op_symlinkat = { .name = "symlinkat", .man = "symlink(2)", .act = act_symlinkat,
				 .show = show_symlinkat, .by_hand = by_hand_symlinkat };

static int act_fchownat(struct run *r, const void *args, struct err *e)
{
	const struct op_fchownat_args *a = args;

	(void)e;
	/* NOFOLLOW: a symlink that somebody put in the node's place is not followed. */
	return fchownat(run_slot(r, a->dir_slot), a->path, a->uid, a->gid,
			AT_SYMLINK_NOFOLLOW | (a->path[0] ? 0 : AT_EMPTY_PATH)) < 0 ? -errno : 0;
}

static void show_fchownat(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_fchownat_args *a = args;

	buf_add(out, "fchownat(");
	ns_show_at(out, p, a->dir_slot, a->path);
	buf_addf(out, ", %d, %d, AT_SYMLINK_NOFOLLOW%s)", (int)a->uid, (int)a->gid,
		 a->path[0] ? "" : "|AT_EMPTY_PATH");
}

const struct op op_fchownat = { .name = "fchownat", .man = "chown(2)", .act = act_fchownat,
				.show = show_fchownat };

/* --- checks ------------------------------------------------------------------------ */

static int act_check_device(struct run *r, const void *args, struct err *e)
{
	const struct op_check_device_args *a = args;
	struct stat st;

	if (fstatat(run_slot(r, a->dir_slot), a->path, &st,
		    AT_SYMLINK_NOFOLLOW | (a->path[0] ? 0 : AT_EMPTY_PATH)) < 0)
		return -errno;
	if ((st.st_mode & S_IFMT) == a->type &&
	    (S_ISFIFO(a->type) || (major(st.st_rdev) == a->major &&
				   (a->any_minor || minor(st.st_rdev) == a->minor)))) {
		if (!a->set_mode || (st.st_mode & 07777) == a->mode)
			return 0;
		return fchmodat(run_slot(r, a->dir_slot), a->path, a->mode, AT_SYMLINK_NOFOLLOW) < 0
			       ? -errno : 0;
	}
	return err_say(e, EEXIST, "something else than the device %c %u:%u is there",
		       S_ISBLK(a->type) ? 'b' : S_ISFIFO(a->type) ? 'p' : 'c', a->major, a->minor);
}

static void show_check_device(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_check_device_args *a = args;

	buf_add(out, "fstatat(");
	ns_show_at(out, p, a->dir_slot, a->path);
	if (a->any_minor)
		buf_addf(out, ") is %s %u:*", type_word(a->type), a->major);
	else
		buf_addf(out, ") is %s %u:%u", type_word(a->type), a->major, a->minor);
	if (a->set_mode)
		buf_addf(out, ", fchmodat(0%03o)", a->mode);
}

const struct op op_check_device = { .name = "fstatat", .man = "stat(2)", .compound = true, .act = act_check_device,
				    .show = show_check_device };

static int act_check_fs(struct run *r, const void *args, struct err *e)
{
	const struct op_check_fs_args *a = args;
	struct statfs fs;

	if (fstatfs(run_slot(r, a->slot), &fs) < 0)
		return -errno;
	if ((long)fs.f_type == a->magic)
		return 0;
	return err_say(e, EPERM, "is not on a %s", a->name);
}

static void show_check_fs(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_check_fs_args *a = args;

	buf_add(out, "fstatfs(");
	plan_show_slot(out, p, a->slot);
	buf_addf(out, ") is %s (0x%lx)", a->name, a->magic);
}

const struct op op_check_fs = { .name = "fstatfs", .man = "statfs(2)", .act = act_check_fs,
				.show = show_check_fs };

static bool same_place(const struct statx *a, const struct statx *b)
{
	return a->stx_mnt_id == b->stx_mnt_id && a->stx_ino == b->stx_ino;
}

static int act_check_root(struct run *r, const void *args, struct err *e)
{
	const struct op_check_root_args *a = args;
	struct statx ours, now, above;

	/* pivot_root gives no answer that can be checked: "/" must be the very mount that was set
	 * up, and nothing may be left on top of it, which "/.." would lead to. */
	if (statx(run_slot(r, a->slot), "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &ours) < 0 ||
	    statx(AT_FDCWD, "/", 0, STATX_INO | STATX_MNT_ID, &now) < 0 ||
	    statx(AT_FDCWD, "/..", 0, STATX_INO | STATX_MNT_ID, &above) < 0)
		return -errno;
	if (!same_place(&ours, &now))
		return err_say(e, EXDEV, "the new root is not the one that was set up");
	if (!same_place(&above, &now))
		return err_say(e, EXDEV, "the old root is still on top of the new one");
	return 0;
}

static void show_check_root(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_check_root_args *a = args;

	buf_add(out, "statx(\"/\"), statx(\"/..\") have the mount id of ");
	plan_show_slot(out, p, a->slot);
}

const struct op op_check_root = { .name = "statx", .man = "statx(2)", .compound = true,
				  .act = act_check_root, .show = show_check_root };

static int act_check_same(struct run *r, const void *args, struct err *e)
{
	const struct op_check_same_args *a = args;
	struct stat here, there;

	if (fstatat(run_slot(r, a->slot), "", &here, AT_EMPTY_PATH) < 0 ||
	    fstatat(run_slot(r, a->below_slot), "..", &there, 0) < 0)
		return -errno;
	if (here.st_dev == there.st_dev && here.st_ino == there.st_ino)
		return 0;
	return err_say(e, EXDEV, "%s is not the folder any more that it was", a->path);
}

static void show_check_same(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_check_same_args *a = args;

	buf_add(out, "fstatat(");
	plan_show_slot(out, p, a->slot);
	buf_add(out, ", \"\", AT_EMPTY_PATH) is fstatat(");
	plan_show_slot(out, p, a->below_slot);
	buf_add(out, ", \"..\")");
}

const struct op op_check_same = { .name = "fstatat", .man = "stat(2)", .compound = true,
				  .act = act_check_same, .show = show_check_same };

/* --- the process's own place --------------------------------------------------------- */

static int act_fchdir(struct run *r, const void *args, struct err *e)
{
	const struct op_fchdir_args *a = args;

	(void)e;
	return fchdir(run_slot(r, a->slot)) < 0 ? -errno : 0;
}

static void show_fchdir(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_fchdir_args *a = args;

	buf_add(out, "fchdir(");
	plan_show_slot(out, p, a->slot);
	buf_add_char(out, ')');
}

const struct op op_fchdir = { .name = "fchdir", .man = "chdir(2)", .act = act_fchdir,
			      .show = show_fchdir };

static void show_text(struct buf *out, const char *name, const void *args)
{
	const struct op_text_args *a = args;

	buf_addf(out, "%s(", name);
	buf_add_quoted(out, a->text);
	buf_add_char(out, ')');
}

static int act_chdir(struct run *r, const void *args, struct err *e)
{
	const struct op_text_args *a = args;

	(void)r;
	(void)e;
	return chdir(a->text) < 0 ? -errno : 0;
}

static void show_chdir(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	show_text(out, "chdir", args);
}

const struct op op_chdir = { .name = "chdir", .man = "chdir(2)", .act = act_chdir,
			     .show = show_chdir };

static int act_chroot(struct run *r, const void *args, struct err *e)
{
	const struct op_text_args *a = args;

	(void)r;
	(void)e;
	return chroot(a->text) < 0 ? -errno : 0;
}

static void show_chroot(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	show_text(out, "chroot", args);
}

const struct op op_chroot = { .name = "chroot", .man = "chroot(2)", .act = act_chroot,
			      .show = show_chroot };

static int act_pivot_root(struct run *r, const void *args, struct err *e)
{
	(void)r;
	(void)args;
	if (syscall(SYS_pivot_root, ".", ".") == 0)
		return 0;
	if (errno == EINVAL) {
		err_set(e, EINVAL, "pivot_root");
		return err_fix(e, "a host that runs from an initramfs cannot pivot: use --no-pivot");
	}
	return -errno;
}

static void show_pivot_root(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	(void)args;
	buf_add(out, "pivot_root(\".\", \".\")");
}

static void by_hand_pivot_root(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	(void)args;
	buf_add(out, "cd $ROOT && pivot_root . .");
}

const struct op op_pivot_root = { .name = "pivot_root", .man = "pivot_root(2)",
				  .act = act_pivot_root, .show = show_pivot_root,
				  .by_hand = by_hand_pivot_root };
