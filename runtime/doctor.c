/*
 * doctor.c - tries what kist needs of this host, or could use.
 */
#include "runtime/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

struct looking {
	const struct host *h;
	struct doctor_finding *list;
	size_t count;
};

static void add(struct looking *l, const char *name, const char *tried, bool works, bool needed,
		const char *means, const char *fix)
{
	struct doctor_finding *f = &l->list[l->count];

	if (l->count == DOCTOR_MAX)
		return;
	l->count++;
	*f = (struct doctor_finding){ .name = name, .tried = tried, .means = means };
	f->state = works ? DOCTOR_OK : needed ? DOCTOR_NEEDED : DOCTOR_WANTED;
	if (!works)
		snprintf(f->fix, sizeof f->fix, "%s", fix);
}

/* In a child, which may change what it likes of itself. */
static bool child_can(int (*act)(const struct host *), const struct host *h)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(act(h) < 0);
	if (pid < 0)
		return false;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int own_user_namespace(const struct host *h)
{
	char map[32];

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return -errno;
	file_write_at(AT_FDCWD, "/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "0 %u 1", h->uid);
	if (file_write_at(AT_FDCWD, "/proc/self/uid_map", map) < 0)
		return -EPERM;
	snprintf(map, sizeof map, "0 %u 1", h->gid);
	return file_write_at(AT_FDCWD, "/proc/self/gid_map", map);
}

/* Nothing of it is seen by others: the mount namespace is the child's. */
static int overlay_there(const struct host *h)
{
	int n = own_user_namespace(h);

	if (n < 0)
		return n;
	if (mount("doctor", "/tmp", "tmpfs", 0, NULL) < 0 || mkdir("/tmp/l", 0755) < 0 ||
	    mkdir("/tmp/u", 0755) < 0 || mkdir("/tmp/w", 0755) < 0 || mkdir("/tmp/m", 0755) < 0)
		return -errno;
	return mount("doctor", "/tmp/m", "overlay", 0,
		     "lowerdir=/tmp/l,upperdir=/tmp/u,workdir=/tmp/w,userxattr") < 0 &&
			       mount("doctor", "/tmp/m", "overlay", 0, "lowerdir=/tmp/l:/tmp/u") < 0
		       ? -errno
		       : 0;
}

static int other_namespaces(const struct host *h)
{
	int n = h->root ? 0 : own_user_namespace(h);

	return n < 0 ? n
	       : unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
			 CLONE_NEWCGROUP) < 0
		       ? -errno
		       : 0;
}

static bool has_call(long number, long a, long b, long c)
{
	return syscall(number, a, b, c, 0L, 0L) >= 0 || errno != ENOSYS;
}

static void look_at_kernel(struct looking *l)
{
	static const char new_kernel[] = "apt-get install -t bookworm-backports linux-image-amd64";
	struct open_how how = { .flags = O_PATH };
	unsigned int action = SECCOMP_RET_ERRNO;
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof how);

	add(l, "openat2", "openat2(\"/\")", fd >= 0, false,
	    "paths in a root are resolved by the kernel; without, kist walks them name by name",
	    new_kernel);
	if (fd >= 0)
		close(fd);
	add(l, "clone3", "clone3(NULL)", has_call(SYS_clone3, 0, 0, 0), true,
	    "a container is born in its cgroup, with all its namespaces", new_kernel);
	add(l, "mount-api", "fsopen(NULL)", has_call(SYS_fsopen, 0, 0, 0), true,
	    "mounts are made detached, and moved onto a descriptor", new_kernel);
	add(l, "mount_setattr", "mount_setattr(-1)", has_call(SYS_mount_setattr, -1, 0, 0), true,
	    "flags and id maps of mounts", new_kernel);
	add(l, "pidfd", "pidfd_open(0)", has_call(SYS_pidfd_open, 0, 0, 0), true,
	    "a process is signalled and waited for, never another that got its number", new_kernel);
	add(l, "seccomp", "seccomp(SECCOMP_GET_ACTION_AVAIL, ERRNO)",
	    syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0, true,
	    "system calls of a job are an allow-list; a job does not run without",
	    "boot a kernel with CONFIG_SECCOMP_FILTER");
	add(l, "landlock", "landlock_create_ruleset(version)", l->h->landlock_abi > 0, false,
	    "a second wall around a job's files; a job without it must allow that: "
	    "--allow-degraded=landlock",
	    "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&lsm=landlock,lockdown,yama,integrity,apparmor,bpf "
	    "/' /etc/default/grub && update-grub && reboot");
}

static void look_at_namespaces(struct looking *l)
{
	bool restricted = false;
	char text[8];

	add(l, "user-namespaces", "unshare(CLONE_NEWUSER), maps written",
	    child_can(own_user_namespace, l->h), true,
	    "root in a job is nobody on the host; without root, kist runs only so",
	    "sysctl -w user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1");
	add(l, "namespaces", "unshare(all others)", child_can(other_namespaces, l->h), true,
	    "mounts, processes, network, IPC, names and cgroups of its own",
	    "sysctl -w user.max_mnt_namespaces=15000 user.max_pid_namespaces=15000 "
	    "user.max_net_namespaces=15000");
	add(l, "overlay", "overlay mounted in a user namespace", child_can(overlay_there, l->h),
	    false, "an image's layers as a root, also without root", "modprobe overlay");
	if (file_read_at(AT_FDCWD, "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", text,
			 sizeof text) > 0)
		restricted = text[0] == '1' && !l->h->root;
	add(l, "apparmor-userns", "kernel.apparmor_restrict_unprivileged_userns", !restricted, true,
	    "AppArmor lets users make user namespaces",
	    "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
}

static bool file_names(const char *file, const char *number, const char *name)
{
	_cleanup_free_ char *text = NULL;
	struct err ignored = ERR_INIT;
	size_t size;

	if (file_read_whole(AT_FDCWD, file, 1u << 20, &text, &size, &ignored) < 0)
		return false;
	for (char *line = text; line && *line;) {
		size_t n = strcspn(line, ":");

		if ((n == strlen(number) && strncmp(line, number, n) == 0) ||
		    (name && n == strlen(name) && strncmp(line, name, n) == 0))
			return true;
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return false;
}

static void look_at_ids(struct looking *l)
{
	const char *name = getenv("USER");
	char number[16], fix[192];

	if (!host_unprivileged(l->h))
		return;
	snprintf(number, sizeof number, "%u", l->h->uid);
	snprintf(fix, sizeof fix,
		 "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s",
		 name ? name : number);
	add(l, "idmap-helpers", HOST_NEWUIDMAP, l->h->idmap_helpers, false,
	    "a container has more ids than the caller's own", "apt-get install uidmap");
	add(l, "subuid", "/etc/subuid, /etc/subgid",
	    file_names("/etc/subuid", number, name) && file_names("/etc/subgid", number, name),
	    false, "ids of the host that the caller may give to containers", fix);
}

static void look_at_cgroups(struct looking *l)
{
	static const struct {
		uint32_t bit;
		const char *name, *means;
	} controllers[] = {
		{ HOST_MEMORY, "cgroup-memory", "--memory is enforced" },
		{ HOST_PIDS, "cgroup-pids", "--pids is enforced" },
		{ HOST_CPU, "cgroup-cpu", "--cpus is enforced" },
		{ HOST_IO, "cgroup-io", "what a job read and wrote is known" },
		{ HOST_CPUSET, "cgroup-cpuset", "containers get processors of their own" },
	};
	const char *fix = l->h->cgroup_hybrid ? "sed -i 's/^GRUB_CMDLINE_LINUX=\"/"
						"&systemd.unified_cgroup_hierarchy=1 /' "
						"/etc/default/grub && update-grub && reboot"
			  : l->h->root	      ? "boot a kernel with this controller"
					      : "systemctl edit user@.service # [Service] "
						"Delegate=cpu cpuset io memory pids";

	add(l, "cgroup2", "a cgroup2 mount", l->h->cgroup_mount[0], true,
	    "containers are limited, counted and killed as a whole",
	    "mount -t cgroup2 cgroup2 /sys/fs/cgroup");
	add(l, "cgroup-writable", "a cgroup the caller may make others in",
	    l->h->root || l->h->cgroup_writable, false, "limits of memory, processes, processors",
	    "systemd-run --user --scope -p Delegate=yes $SHELL");
	for (size_t i = 0; i < sizeof controllers / sizeof *controllers; i++)
		add(l, controllers[i].name, "cgroup.controllers",
		    l->h->controllers & controllers[i].bit, false, controllers[i].means, fix);
}

static void look_at_network(struct looking *l)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	add(l, "nftables", "socket(AF_NETLINK, NETLINK_NETFILTER)", fd >= 0, false,
	    "--net bridge: masquerading and the firewall", "modprobe nf_tables");
	if (fd >= 0)
		close(fd);
}

size_t doctor_look(const struct host *h, struct doctor_finding ret[DOCTOR_MAX])
{
	struct looking l = { .h = h, .list = ret };

	look_at_kernel(&l);
	look_at_namespaces(&l);
	look_at_ids(&l);
	look_at_cgroups(&l);
	look_at_network(&l);
	return l.count;
}
