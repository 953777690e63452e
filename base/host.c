/*
 * host.c - probing what this host can do.
 *
 * Reads a handful of files and asks a few syscalls; changes nothing. Runs
 * before every plan, so it takes the cheap way first (statfs before reading
 * all of mountinfo).
 */
#include "base/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"

#define LINE_MAX_BYTES 8192 /* of /proc/self/mountinfo; longer lines are skipped */

static const struct {
	const char *name, *v1; /* v1: as /proc/cgroups calls it */
	uint32_t bit;
} controllers[] = {
	{ "cpu", "cpu", HOST_CPU },             { "cpuset", "cpuset", HOST_CPUSET },
	{ "memory", "memory", HOST_MEMORY },    { "pids", "pids", HOST_PIDS },
	{ "io", "blkio", HOST_IO },             { "hugetlb", "hugetlb", HOST_HUGETLB },
	{ "rdma", "rdma", HOST_RDMA },          { "misc", "misc", HOST_MISC },
};
#define CONTROLLERS (sizeof controllers / sizeof controllers[0])

const char *host_controller_names(uint32_t bits, char text[96])
{
	struct buf b = { .text = text, .size = 96 };

	buf_reset(&b);
	for (size_t i = 0; i < CONTROLLERS; i++)
		if (bits & controllers[i].bit)
			buf_addf(&b, "%s%s", b.len ? "," : "", controllers[i].name);
	return text;
}

static bool is_filesystem(const char *path, long magic)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (long)fs.f_type == magic;
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* Undoes mountinfo's \040 and friends in place (proc_pid_mountinfo(5)). */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && is_octal(text[2]) &&
		    is_octal(text[3])) {
			*to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
				       (text[3] - '0'));
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

/* "36 35 98:0 /root /mnt options shared:1 - cgroup2 source options" */
static bool take_mountinfo_line(char *line, char *mount, size_t size)
{
	char *rest = NULL, *field = strtok_r(line, " ", &rest), *point = NULL, *type;

	for (int i = 0; field && strcmp(field, "-"); i++) {
		if (i == 4)
			point = field;
		field = strtok_r(NULL, " ", &rest);
	}
	type = strtok_r(NULL, " ", &rest);
	if (!point || !type || strcmp(type, "cgroup2"))
		return false;
	unescape(point);
	if (strlen(point) >= size)
		return false;
	memcpy(mount, point, strlen(point) + 1);
	return true;
}

static int find_in_mountinfo(char *mount, size_t size, struct err *e)
{
	_cleanup_stream_ FILE *stream = fopen("/proc/self/mountinfo", "re");
	char line[LINE_MAX_BYTES];

	if (!stream)
		return err_set(e, errno, "open /proc/self/mountinfo");
	while (fgets(line, sizeof line, stream)) {
		if (!strchr(line, '\n')) { /* too long: drop the rest of it */
			int c;

			while ((c = fgetc(stream)) != '\n' && c != EOF)
				;
			continue;
		}
		if (take_mountinfo_line(line, mount, size))
			return 0;
	}
	return 0; /* none: a host without cgroup v2 */
}

static int find_cgroup2(struct host *h, struct err *e)
{
	static const char *const usual[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };

	for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
		if (!is_filesystem(usual[i], CGROUP2_SUPER_MAGIC))
			continue;
		memcpy(h->cgroup_mount, usual[i], strlen(usual[i]) + 1);
		return 0;
	}
	return find_in_mountinfo(h->cgroup_mount, sizeof h->cgroup_mount, e);
}

static int read_controllers(struct host *h, struct err *e)
{
	char path[sizeof h->cgroup_mount + sizeof "/cgroup.controllers"], text[256], *rest = NULL;
	ssize_t n;

	snprintf(path, sizeof path, "%s/cgroup.controllers", h->cgroup_mount);
	n = file_read_record_at(AT_FDCWD, path, text, sizeof text);

	if (n < 0)
		return err_set(e, (int)-n, "read %s", path);
	for (char *word = strtok_r(text, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest))
		for (size_t i = 0; i < CONTROLLERS; i++)
			if (!strcmp(word, controllers[i].name))
				h->controllers |= controllers[i].bit;
	return 0;
}

/* /proc/cgroups: "name hierarchy cgroups enabled"; hierarchy 0 is cgroup v2 or none at all. */
static bool v1_holds_one_of(uint32_t missing)
{
	char text[2048], *rest = NULL;
	ssize_t n = file_read_record_at(AT_FDCWD, "/proc/cgroups", text, sizeof text);

	if (n < 0)
		return false;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		size_t length = strcspn(line, "\t");

		for (size_t i = 0; i < CONTROLLERS; i++)
			if ((controllers[i].bit & missing) && strlen(controllers[i].v1) == length &&
			    !memcmp(line, controllers[i].v1, length) &&
			    strtol(line + length, NULL, 10) > 0)
				return true;
	}
	return false;
}

static uint64_t effective_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return 0;
	return data[0].effective | (uint64_t)data[1].effective << 32;
}

/* A line of proc_pid_status(5): what stands behind its name. */
static const char *status_line(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? at + strlen(name) : NULL;
}

/* Who this process is, from one file. The names stand at the beginning of a line, and the only one
 * that somebody else chooses, the program's, comes first and holds no line end (it is escaped). */
static bool read_status(struct host *h, uint64_t *ret_caps)
{
	char text[4096];
	const char *uid, *gid, *caps, *ignored;

	if (file_read_record_at(AT_FDCWD, "/proc/self/status", text, sizeof text) < 0)
		return false;
	uid = status_line(text, "\nUid:\t");
	gid = status_line(text, "\nGid:\t");
	ignored = status_line(text, "\nSigIgn:\t");
	caps = status_line(text, "\nCapEff:\t");
	/* real, effective, saved, of the file system */
	if (!uid || !gid || !ignored || !caps || sscanf(uid, "%*u %u", &h->uid) != 1 ||
	    sscanf(gid, "%*u %u", &h->gid) != 1)
		return false;
	h->signals_taken = ~(uint64_t)strtoull(ignored, NULL, 16);
	*ret_caps = strtoull(caps, NULL, 16);
	return true;
}

static bool has(uint64_t caps, int cap)
{
	return caps >> cap & 1;
}

/* Only for what cannot be asked: what a kernel is too old for is done in the older way, which all
 * know, so that a name that lies does no harm. */
static unsigned int kernel_version(void)
{
	unsigned int major, minor;
	struct utsname name;

	if (uname(&name) < 0 || sscanf(name.release, "%u.%u", &major, &minor) != 2 ||
	    major > 0x7fff || minor > 0xffff)
		return 0;
	return HOST_KERNEL(major, minor);
}

void host_probe_kernel(struct host *h)
{
	h->kernel = kernel_version();
}

void host_probe_more(struct host *h)
{
	char text[16];
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	host_probe_kernel(h);
	h->landlock_abi = abi > 0 ? (int)abi : 0;
	h->last_cap = CAP_LAST_CAP;
	/* Nearly always this kernel knows the same ones as its headers did. */
	if ((prctl(PR_CAPBSET_READ, CAP_LAST_CAP, 0, 0, 0) < 0 ||
	     prctl(PR_CAPBSET_READ, CAP_LAST_CAP + 1, 0, 0, 0) >= 0) &&
	    file_read_at(AT_FDCWD, "/proc/sys/kernel/cap_last_cap", text, sizeof text) > 0)
		h->last_cap = (int)strtol(text, NULL, 10);
	h->apparmor = file_read_at(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", text,
				   sizeof text) > 0 && text[0] == 'Y';
	h->selinux = is_filesystem("/sys/fs/selinux", SELINUX_MAGIC);
}

/* The host's own user namespace has had this inode since there are any: PROC_USER_INIT_INO of
 * linux/proc_ns.h. A map of all ids proves nothing, a nested one may have it too. */
#define INITIAL_USER_NAMESPACE 0xEFFFFFFDu

bool host_in_user_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/user", &st) == 0 && st.st_ino != INITIAL_USER_NAMESPACE;
}

/* A mount namespace may belong to somebody else than the caller's user namespace: asked, not
 * guessed. The clone is of this one mount, and gone with its fd. */
static bool may_mount(void)
{
	_cleanup_fd_ int fd = open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	/* EINVAL: mounts below are locked to it, which comes after the question of rights. */
	return fd >= 0 || errno == EINVAL;
}

static bool may_make_cgroups(const struct host *h, const char *base)
{
	char path[sizeof h->cgroup_mount + sizeof h->cgroup_base + 16];
	int n = snprintf(path, sizeof path, "%s%s", h->cgroup_mount, base);

	if (n >= (int)sizeof path - 16 || faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0)
		return false;
	/* A process moves only where its caller may also write the common ancestor's list
	 * (cgroups(7), "Delegation containment"). */
	memcpy(path + n, "/cgroup.procs", sizeof "/cgroup.procs");
	return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
}

/* Where somebody who is not root was given room: beside the own cgroup (which holds the caller,
 * and so may not hand controllers down), or in it. */
static void find_cgroup_base(struct host *h)
{
	char text[sizeof h->cgroup_base + 256], *own, *slash;
	ssize_t n = file_read_at(AT_FDCWD, "/proc/self/cgroup", text, sizeof text);

	own = n < 0 ? NULL : text[0] == '0' ? text : strstr(text, "\n0::");
	if (!own || !(own = strchr(own, '/')))
		return;
	own[strcspn(own, "\n")] = '\0';
	/* "/../x": outside of what this cgroup namespace shows */
	if (strlen(own) >= sizeof h->cgroup_base || strstr(own, "/.."))
		return;
	if (!own[1])
		own[0] = '\0';
	memcpy(h->cgroup_base, own, strlen(own) + 1);
	slash = strrchr(h->cgroup_base, '/');
	if (slash)
		*slash = '\0';
	h->cgroup_writable = may_make_cgroups(h, h->cgroup_base);
	if (h->cgroup_writable)
		return;
	memcpy(h->cgroup_base, own, strlen(own) + 1);
	h->cgroup_writable = may_make_cgroups(h, h->cgroup_base);
	if (!h->cgroup_writable)
		h->cgroup_base[0] = '\0';
}

static void probe_rights(struct host *h)
{
	bool nested = host_in_user_namespace(), admin;
	uint64_t caps;
	char text[16];

	if (!read_status(h, &caps)) {
		h->uid = geteuid();
		h->gid = getegid();
		caps = effective_capabilities();
	}
	admin = h->uid == 0 && has(caps, CAP_SYS_ADMIN);

	h->root = admin && !nested;
	h->userns_root = admin && nested;
	if (h->root) {
		h->no_mknod = !has(caps, CAP_MKNOD);
		h->cgroup_writable = h->cgroup_mount[0] && access(h->cgroup_mount, W_OK) == 0;
		return;
	}
	h->own_mounts = h->userns_root && may_mount();
	h->setgroups_denied = file_read_at(AT_FDCWD, "/proc/self/setgroups", text,
					   sizeof text) > 0 && strcmp(text, "deny") == 0;
	h->idmap_helpers = access(HOST_NEWUIDMAP, X_OK) == 0 && access(HOST_NEWGIDMAP, X_OK) == 0;
	if (h->cgroup_mount[0])
		find_cgroup_base(h);
}

int host_probe(struct host *ret, struct err *e)
{
	int r = host_probe_rights(ret, e);

	if (r == 0)
		host_probe_more(ret);
	return r;
}

int host_probe_rights(struct host *ret, struct err *e)
{
	struct host h = { .last_cap = CAP_LAST_CAP };
	int r;

	r = find_cgroup2(&h, e);
	if (r >= 0 && h.cgroup_mount[0])
		r = read_controllers(&h, e);
	if (r < 0)
		return r;
	if (~h.controllers & (HOST_CPU | HOST_MEMORY | HOST_PIDS | HOST_IO | HOST_CPUSET))
		h.cgroup_hybrid = v1_holds_one_of(~h.controllers);
	probe_rights(&h);
	*ret = h;
	return 0;
}
