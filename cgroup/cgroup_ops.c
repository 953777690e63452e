/*
 * cgroup_ops.c - mkdir, write, setxattr, open and the checks of a cgroup plan.
 *
 * All are host steps that run before clone3. Each act stands beside its show;
 * what to do about a refusal is said here, where the kernel's rule is known.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "base/engine.h"
#include "base/fd.h"
#include "cgroup/cgroup_ops.h"

#define MAKE_TRIES 16

/* ---- controllers ---- */

static const struct {
	const char *name;
	uint32_t bit;
} controllers[] = {
	{ "cpu", HOST_CPU },   { "cpuset", HOST_CPUSET }, { "memory", HOST_MEMORY },
	{ "pids", HOST_PIDS }, { "io", HOST_IO },	  { "hugetlb", HOST_HUGETLB },
	{ "rdma", HOST_RDMA }, { "misc", HOST_MISC },
};
#define CONTROLLERS (sizeof(controllers) / sizeof(controllers[0]))

const char *cgroup_enable_text(uint32_t bits, char text[CGROUP_ENABLE_TEXT])
{
	struct buf b = { .text = text, .size = CGROUP_ENABLE_TEXT };

	buf_reset(&b);
	for (size_t i = 0; i < CONTROLLERS; i++)
		if (bits & controllers[i].bit)
			buf_addf(&b, "%s+%s", b.len ? " " : "", controllers[i].name);
	return text;
}

int cgroup_read_controllers(int dirfd, const char *path)
{
	char text[256], *rest = NULL;
	int bits = 0;
	ssize_t n = file_read_at(dirfd, path, text, sizeof(text));

	if (n < 0)
		return (int)n;
	for (char *word = strtok_r(text, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest))
		for (size_t i = 0; i < CONTROLLERS; i++)
			if (!strcmp(word, controllers[i].name))
				bits |= (int)controllers[i].bit;
	return bits;
}

/* ---- mkdir ---- */

static int mkdir_refused(int error, const char *path, struct err *e)
{
	err_set(e, error, "mkdir %s", path);
	if (error == EACCES || error == EPERM || error == EROFS)
		return err_fix(e, "run as root, or in a delegated cgroup (systemd-run --user "
				  "--scope -p Delegate=yes)");
	if (error == EAGAIN)
		return err_fix(e, "cgroup.max.descendants or cgroup.max.depth of a parent is "
				  "reached");
	return -error;
}

static int act_mkdir(struct run *r, const void *args, struct err *e)
{
	const struct op_cgroup_mkdir_args *a = args;

	(void)r;
	return mkdir(a->path, CGROUP_MODE) < 0 ? mkdir_refused(errno, a->path, e) : 0;
}

static void show_mkdir(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_cgroup_mkdir_args *a = args;

	(void)p;
	buf_add(out, "mkdir(");
	buf_add_quoted(out, a->path);
	buf_addf(out, ", %05o)", CGROUP_MODE);
}

static void by_hand_mkdir(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_cgroup_mkdir_args *a = args;

	(void)p;
	buf_addf(out, "mkdir -m %o ", CGROUP_MODE);
	buf_add_shell(out, a->path);
}

const struct op op_cgroup_mkdir = { .name = "mkdir",
				    .man = "mkdir(2)",
				    .act = act_mkdir,
				    .show = show_mkdir,
				    .by_hand = by_hand_mkdir };

/* ---- the compound that makes a path with what it needs ---- */

/* Processes in a folder itself, not in those below it. The real root may have them. */
static bool holds_processes(int fd)
{
	char text[8192];

	if (faccessat(fd, "cgroup.type", F_OK, 0) < 0)
		return false;
	return file_read_at(fd, "cgroup.procs", text, sizeof(text)) != 0;
}

/* Enables controllers for the children of the cgroup `path`. -ENOENT: the folder vanished. */
static int enable_controllers(const char *path, uint32_t needed, uint32_t optional, struct err *e)
{
	_cleanup_fd_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char text[CGROUP_ENABLE_TEXT], names[96];
	int have, offered, r;

	if (fd < 0)
		return err_set(e, errno, "open %s", path);
	have = cgroup_read_controllers(fd, "cgroup.subtree_control");
	offered = cgroup_read_controllers(fd, "cgroup.controllers");
	if (have < 0 || offered < 0)
		return err_set(e, have < 0 ? -have : -offered, "read the controllers of %s", path);
	needed &= ~(uint32_t)have;
	/* The kernel would let us enable pids or cpu here, but then the folder becomes a threaded
	 * domain, and no process may enter the cgroups below it (cgroups(7), thread mode). */
	if (holds_processes(fd)) {
		if (!needed)
			return 0;
		err_set(e, EBUSY, "write %s/cgroup.subtree_control \"%s\"", path,
			cgroup_enable_text(needed, text));
		return err_fix(e,
			       "processes live in %s itself; a cgroup that gives controllers to "
			       "its children may hold none (cgroups(7))",
			       path);
	}
	if (needed & ~(uint32_t)offered) {
		host_controller_names(needed & ~(uint32_t)offered, names);
		err_say(e, EOPNOTSUPP, "cgroup controller %s is not available in %s", names, path);
		return err_fix(e, "enable it in the cgroup.subtree_control of the folders above");
	}
	cgroup_enable_text((needed | optional) & (uint32_t)offered, text);
	if (file_write_at(fd, "cgroup.subtree_control", text) >= 0 || !needed)
		return 0;
	r = file_write_at(fd, "cgroup.subtree_control", cgroup_enable_text(needed, text));
	if (r >= 0)
		return 0;
	err_set(e, -r, "write %s/cgroup.subtree_control \"%s\"", path, text);
	if (r == -EACCES || r == -EPERM || r == -EROFS)
		return err_fix(e, "run as root, or in a cgroup delegated with these controllers");
	return r;
}

static int make_once(const struct op_cgroup_make_args *a, struct err *e)
{
	char path[CGROUP_PATH_MAX + 256];
	size_t length = strlen(a->mount), total = strlen(a->path);
	uint32_t any = a->needed | a->optional;

	if (total >= sizeof(path))
		return err_set(e, ENAMETOOLONG, "%s", a->path);
	memcpy(path, a->path, total + 1);
	for (;;) {
		bool last = length >= total;
		int r;

		path[length] = '\0';
		if (length > strlen(a->mount) && mkdir(path, CGROUP_MODE) < 0 &&
		    (errno != EEXIST || (last && a->exclusive)))
			return mkdir_refused(errno, path, e);
		if (any && (!last || a->enable_in_path)) {
			r = enable_controllers(path, a->needed, a->optional, e);
			if (r < 0)
				return r;
		}
		if (last)
			return 0;
		path[length] = a->path[length];
		length += 1 + strcspn(path + length + 1, "/");
	}
}

/* A parent goes away when its last container does (on another CPU): begin again then. */
static int act_make(struct run *r, const void *args, struct err *e)
{
	const struct op_cgroup_make_args *a = args;
	int result = 0;

	(void)r;
	for (int i = 0; i < MAKE_TRIES; i++) {
		err_clear(e);
		result = make_once(a, e);
		if (result != -ENOENT)
			break;
	}
	return result;
}

static void show_make(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_cgroup_make_args *a = args;
	char text[CGROUP_ENABLE_TEXT];

	(void)p;
	buf_add(out, "make_cgroup(");
	buf_add_quoted(out, a->path);
	buf_addf(out, ", \"%s\"%s)", cgroup_enable_text(a->needed | a->optional, text),
		 a->exclusive ? ", EXCL" : "");
}

const struct op op_cgroup_make = { .name = "make_cgroup",
				   .man = "cgroups(7)",
				   .compound = true,
				   .act = act_make,
				   .show = show_make };

/* ---- write ---- */

static int act_write(struct run *r, const void *args, struct err *e)
{
	const struct op_cgroup_write_args *a = args;
	int result = file_write_at(AT_FDCWD, a->path, a->text);

	(void)r;
	if (result >= 0)
		return 0;
	err_set(e, -result, "write %s \"%s\"", a->path, a->text);
	if (result == -ENOENT)
		return err_fix(e, "this kernel has no %s", strrchr(a->path, '/') + 1);
	if (result == -EINVAL || result == -ERANGE)
		return err_fix(e, "the kernel does not take this value for %s",
			       strrchr(a->path, '/') + 1);
	if (result == -ENODEV)
		return err_fix(e, "there is no such device; see lsblk");
	return result;
}

static void show_write(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_cgroup_write_args *a = args;

	(void)p;
	buf_add(out, "write(");
	buf_add_quoted(out, a->path);
	buf_add(out, ", ");
	buf_add_quoted(out, a->text);
	buf_add_char(out, ')');
}

static void by_hand_write(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_cgroup_write_args *a = args;

	(void)p;
	buf_add(out, "echo ");
	buf_add_shell(out, a->text);
	buf_add(out, " > ");
	buf_add_shell(out, a->path);
}

const struct op op_cgroup_write = { .name = "write",
				    .man = "cgroups(7)",
				    .act = act_write,
				    .show = show_write,
				    .by_hand = by_hand_write };

/* ---- the mark, and who made a folder ---- */

static int act_mark(struct run *r, const void *args, struct err *e)
{
	const struct op_cgroup_mark_args *a = args;

	(void)r;
	if (setxattr(a->path, a->name, a->id, strlen(a->id), 0) < 0)
		return err_set(e, errno, "setxattr %s %s", a->path, a->name);
	return 0;
}

static void show_mark(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_cgroup_mark_args *a = args;

	(void)p;
	buf_add(out, "setxattr(");
	buf_add_quoted(out, a->path);
	buf_addf(out, ", \"%s\", ", a->name);
	buf_add_quoted(out, a->id);
	buf_addf(out, ", %zu, 0)", strlen(a->id));
}

static void by_hand_mark(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_cgroup_mark_args *a = args;

	(void)p;
	buf_addf(out, "setfattr -n %s -v ", a->name);
	buf_add_shell(out, a->id);
	buf_add_char(out, ' ');
	buf_add_shell(out, a->path);
}

const struct op op_cgroup_mark = { .name = "setxattr",
				   .man = "setxattr(2)",
				   .act = act_mark,
				   .show = show_mark,
				   .by_hand = by_hand_mark };

int cgroup_owner(int fd, const char *id, char other[64])
{
	char mark[CGROUP_MARK_MAX];
	struct stat st;
	ssize_t n = fgetxattr(fd, CGROUP_MARK, mark, sizeof(mark) - 1);

	if (n < 0 && errno != ERANGE)
		n = fgetxattr(fd, CGROUP_MARK_USER, mark, sizeof(mark) - 1);
	if (n < 0 && errno != ENODATA && errno != EOPNOTSUPP && errno != EPERM)
		return -errno;
	if (n >= 0) {
		mark[n] = '\0';
		if (!strcmp(mark, id))
			return CGROUP_OURS;
		if (other)
			snprintf(other, 64, "%.63s", mark);
		return CGROUP_OTHERS;
	}
	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_mode & S_ISVTX ? CGROUP_UNMARKED : CGROUP_FOREIGN;
}

/* ---- checks ---- */

/* Whoever is born in it would be frozen, and whoever waits for that one with it. */
static int is_frozen_itself(const char *path, struct err *e)
{
	err_say(e, EBUSY, "the cgroup is frozen (%s)", path);
	return err_fix(e, "write 0 to its cgroup.freeze, and to those above it");
}

static int act_check(struct run *r, const void *args, struct err *e)
{
	const struct op_cgroup_check_args *a = args;
	_cleanup_fd_ int fd = open(a->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char other[64] = "";
	int owner, populated, frozen;

	(void)r;
	if (fd < 0)
		return err_set(e, errno, "open %s", a->path);
	owner = cgroup_owner(fd, a->id, other);
	if (owner < 0)
		return err_set(e, -owner, "read the mark of %s", a->path);
	if (owner == CGROUP_OTHERS) {
		err_say(e, EBUSY, "cgroup %s belongs to container \"%s\"", a->path, other);
		return err_fix(e, "give this container another linux.cgroupsPath");
	}
	if (owner == CGROUP_UNMARKED && !a->named_by_id) {
		err_say(e, EBUSY,
			"cgroup %s was left by a kist that was killed, or is being made "
			"now",
			a->path);
		return err_fix(e, "if nothing uses it: rmdir %s", a->path);
	}
	populated = cgroup_is_populated(fd, e);
	if (populated < 0)
		return populated;
	if (populated) {
		err_say(e, EBUSY, "cgroup %s is not empty", a->path);
		return err_fix(e,
			       "see %s/cgroup.procs; give the container another "
			       "linux.cgroupsPath",
			       a->path);
	}
	frozen = cgroup_is_frozen(fd, e);
	if (frozen)
		return frozen < 0 ? frozen : is_frozen_itself(a->path, e);
	return owner == CGROUP_FOREIGN ? -EEXIST : 0;
}

static void show_check(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_cgroup_check_args *a = args;

	(void)p;
	buf_add(out, "check_cgroup(");
	buf_add_quoted(out, a->path);
	buf_add(out, ", ");
	buf_add_quoted(out, a->id);
	buf_add_char(out, ')');
}

const struct op op_cgroup_check = { .name = "check_cgroup",
				    .man = "cgroups(7)",
				    .compound = true,
				    .act = act_check,
				    .show = show_check };

static int act_open(struct run *r, const void *args, struct err *e)
{
	const struct op_cgroup_open_args *a = args;
	int fd = open(a->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_set(e, errno, "open %s", a->path);
	run_set_fd(r, a->slot, fd);
	return 0;
}

static void show_open(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_cgroup_open_args *a = args;

	plan_show_slot(out, p, a->slot);
	buf_add(out, " = open(");
	buf_add_quoted(out, a->path);
	buf_add(out, ", O_PATH|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC)");
}

const struct op op_cgroup_open = {
	.name = "open", .man = "open(2)", .act = act_open, .show = show_open
};

static int act_thawed(struct run *r, const void *args, struct err *e)
{
	const struct op_cgroup_thawed_args *a = args;
	char text[128];
	ssize_t n = file_read_record_at(AT_FDCWD, a->path, text, sizeof(text));

	(void)r;
	if (n < 0)
		return err_set(e, (int)-n, "read %s", a->path);
	return strstr(text, "frozen 1") ? is_frozen_itself(a->path, e) : 0;
}

static void show_thawed(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_cgroup_thawed_args *a = args;

	(void)p;
	buf_add(out, "read(");
	buf_add_quoted(out, a->path);
	buf_add(out, ") /* frozen 0? */");
}

static void by_hand_thawed(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_cgroup_thawed_args *a = args;

	(void)p;
	buf_add(out, "grep -x 'frozen 0' ");
	buf_add_shell(out, a->path);
}

const struct op op_cgroup_thawed = { .name = "read",
				     .man = "cgroups(7)",
				     .act = act_thawed,
				     .show = show_thawed,
				     .by_hand = by_hand_thawed };

static int act_memory_fits(struct run *r, const void *args, struct err *e)
{
	const struct op_cgroup_memory_fits_args *a = args;
	char text[32];
	ssize_t n = file_read_at(AT_FDCWD, a->path, text, sizeof(text));
	unsigned long long used;

	(void)r;
	if (n < 0)
		return err_set(e, (int)-n, "read %s", a->path);
	used = strtoull(text, NULL, 10);
	if (used <= (unsigned long long)a->limit)
		return 0;
	return err_say(e, EBUSY,
		       "%llu bytes are in use, more than the new limit of %lld "
		       "(checkBeforeUpdate)",
		       used, (long long)a->limit);
}

static void show_memory_fits(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_cgroup_memory_fits_args *a = args;

	(void)p;
	buf_add(out, "read(");
	buf_add_quoted(out, a->path);
	buf_addf(out, ") /* <= %lld? */", (long long)a->limit);
}

const struct op op_cgroup_memory_fits = {
	.name = "read", .man = "cgroups(7)", .act = act_memory_fits, .show = show_memory_fits
};

static int act_no_swap(struct run *r, const void *args, struct err *e)
{
	const struct op_cgroup_no_swap_args *a = args;
	char text[512];
	ssize_t n = file_read_at(AT_FDCWD, "/proc/swaps", text, sizeof(text));

	(void)r;
	/* a kernel without swap has no /proc/swaps; otherwise the first line is a heading */
	if (n == -ENOENT || (n >= 0 && !strchr(text, '\n')))
		return 0;
	err_set(e, ENOENT, "write %s", a->missing);
	return err_fix(e, "the kernel does not count swap per cgroup: boot without swapaccount=0, "
			  "or swapoff -a");
}

static void show_no_swap(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	(void)args;
	buf_add(out, "read(\"/proc/swaps\") /* no swap, nothing to limit? */");
}

const struct op op_cgroup_no_swap = {
	.name = "read", .man = "proc(5)", .act = act_no_swap, .show = show_no_swap
};
