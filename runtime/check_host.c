/*
 * check_host.c - what the kernel, its namespaces, the cgroup and the devices must offer.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "cgroup/cgroup_ops.h"
#include "ns/builders.h"
#include "runtime/check_internal.h"

/* --- namespaces ----------------------------------------------------------------- */

static void check_joined(struct check *c, int kind)
{
	const struct ns_spec *s = &c->spec.ns;
	_cleanup_fd_ int fd = open(s->join_path[kind], O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char where[64];
	int type;

	snprintf(where, sizeof where, "%s/path", s->join_why[kind]);
	if (fd < 0) {
		check_say(c, CHECK_ERROR, where, "", "%s: %s", s->join_path[kind],
			  strerrordesc_np(errno));
		return;
	}
	type = ioctl(fd, NS_GET_NSTYPE);
	if (type < 0)
		check_say(c, CHECK_ERROR, where, "", "%s is no namespace", s->join_path[kind]);
	else if ((unsigned int)type != ns_kind_info[kind].flag)
		check_say(c, CHECK_ERROR, where, "", "%s is a namespace of another type",
			  s->join_path[kind]);
}

/* user.max_net_namespaces and the like: 0 forbids them. */
static void check_made(struct check *c, int kind)
{
	const char *name = ns_kind_info[kind].proc;
	char path[64], text[32];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/self/ns/%s", name);
	if (access(path, F_OK) < 0) {
		check_say(c, CHECK_ERROR, "/linux/namespaces", "",
			  "this kernel has no %s namespaces", ns_kind_info[kind].json);
		return;
	}
	snprintf(path, sizeof path, "/proc/sys/user/max_%s_namespaces", name);
	n = file_read_at(AT_FDCWD, path, text, sizeof text);
	if (n > 0 && strcmp(text, "0") == 0)
		check_say(c, CHECK_ERROR, "/linux/namespaces", "raise it with sysctl(8)",
			  "no more %s namespaces may be made: %s is 0", ns_kind_info[kind].json,
			  path);
}

static void check_namespaces(struct check *c)
{
	const struct ns_spec *s = &c->spec.ns;
	struct err e = ERR_INIT;

	for (int kind = 0; kind < NS_KINDS; kind++) {
		if (s->join_namespaces & ns_kind_info[kind].flag)
			check_joined(c, kind);
		if (s->new_namespaces & ns_kind_info[kind].flag && !c->assumed)
			check_made(c, kind);
	}
	/* Maps and more that this caller cannot have. */
	if (!c->assumed && ns_check(s, c->h, &e) < 0)
		check_err(c, CHECK_ERROR, NULL, &e);
}

/* What create checks before it begins, each part for itself, and all of it, lest one be forgotten;
 * what is found twice is told once. */
static void check_caller(struct check *c)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "process");
	struct err e = ERR_INIT;

	if (net_check_devices(&c->spec.net_devices, c->h, &e) < 0)
		check_err(c, CHECK_ERROR, NULL, &e);
	err_clear(&e);
	if (labels_check(&c->spec.process.labels, &at, c->h, &e) < 0)
		check_err(c, CHECK_ERROR, NULL, &e);
	err_clear(&e);
	if (!c->assumed && spec_check_groups(&c->spec, c->h, &e) < 0)
		check_err(c, CHECK_ERROR, NULL, &e);
	err_clear(&e);
	if (!c->assumed && spec_check(&c->spec, c->h, &e) < 0)
		check_err(c, CHECK_ERROR, NULL, &e);
}

/* --- the cgroup ------------------------------------------------------------------- */

/* The steps that look at a cgroup before it is used, for one that is there. */
static void check_cgroup(struct check *c)
{
	struct op_cgroup_check_args used = { .id = "" };
	struct op_cgroup_thawed_args thawed = { 0 };
	struct err e = ERR_INIT;
	char path[CGROUP_PATH_MAX + 256], events[sizeof path + 16];
	struct stat st;

	snprintf(path, sizeof path, "%s%s", c->h->cgroup_mount, c->spec.cgroup.path);
	if (!c->h->cgroup_mount[0] || c->spec.cgroup.unit || c->spec.cgroup.none ||
	    c->spec.cgroup.named_by_id || stat(path, &st) < 0)
		return;
	snprintf(events, sizeof events, "%s/cgroup.events", path);
	used.path = path;
	thawed.path = events;
	if (op_cgroup_check.act(NULL, &used, &e) < 0 && e.error)
		check_err(c, CHECK_ERROR, "/linux/cgroupsPath", &e);
	else if (op_cgroup_thawed.act(NULL, &thawed, &e) < 0 && e.error)
		check_err(c, CHECK_ERROR, "/linux/cgroupsPath", &e);
}

static void check_hugepages(struct check *c)
{
	for (size_t i = 0; i < c->spec.cgroup.write_count; i++) {
		const struct cgroup_write *w = &c->spec.cgroup.writes[i];
		unsigned long size;
		char path[96], *unit;

		if (strncmp(w->file, "hugetlb.", 8) != 0 || w->absent_is_done)
			continue;
		size = strtoul(w->file + 8, &unit, 10);
		size <<= *unit == 'G' ? 20 : *unit == 'M' ? 10 : 0;
		snprintf(path, sizeof path, "/sys/kernel/mm/hugepages/hugepages-%lukB", size);
		if (access(path, F_OK) < 0)
			check_say(c, CHECK_ERROR, w->why, "see /sys/kernel/mm/hugepages",
				  "this machine has no huge pages of that size");
	}
}

/* --- devices, sysctls ---------------------------------------------------------------- */

/* In a user namespace they are bound from the host. */
static void check_devices(struct check *c)
{
	const struct ns_spec *s = &c->spec.ns;

	for (size_t i = 0; i < s->device_count; i++) {
		const struct ns_device *d = &s->devices[i];
		char where[64];
		struct stat st;

		if (!ns_device_is_bound(s, c->h, d) || d->standard)
			continue;
		snprintf(where, sizeof where, "%s/path", d->why);
		if (lstat(d->path, &st) < 0)
			check_say(c, CHECK_ERROR, where,
				  "make the node on the host: this container gets it from there",
				  "%s of the host: %s", d->path, strerrordesc_np(errno));
		else if ((st.st_mode & S_IFMT) != d->type ||
			 st.st_rdev != makedev(d->major, d->minor))
			check_say(c, CHECK_ERROR, where, "", "%s of the host is another device",
				  d->path);
	}
}

static void check_sysctls(struct check *c)
{
	for (size_t i = 0; i < c->spec.ns.sysctl_count; i++) {
		const struct ns_sysctl *s = &c->spec.ns.sysctls[i];
		char path[320];

		snprintf(path, sizeof path, "/proc/sys/%s", s->path);
		if (access(path, F_OK) < 0)
			check_say(c, CHECK_WARNING, s->why, "",
				  "the host has no such sysctl; a new namespace may");
	}
}

/* --- hooks --------------------------------------------------------------------------- */

static void check_hook(struct check *c, const struct hook *hook, enum hook_kind kind)
{
	/* That one that fails does no more than warn, too. */
	enum check_level level = kind == HOOK_POSTSTOP ? CHECK_WARNING : CHECK_ERROR;
	char where[64];
	struct stat st;
	int error = 0;

	snprintf(where, sizeof where, "%s/path", hook->why);
	if (kind == HOOK_START_CONTAINER)
		error = check_inside(c, hook->path);
	else if (stat(hook->path, &st) < 0 || access(hook->path, X_OK) < 0)
		error = errno;
	else if (!S_ISREG(st.st_mode))
		error = EACCES;
	if (error)
		check_say(c, level, where, "", "%s: %s", hook->path, strerrordesc_np(error));
}

static void check_hooks(struct check *c)
{
	for (int kind = 0; kind < HOOK_KINDS; kind++)
		for (size_t i = 0; i < c->spec.hooks.count[kind]; i++)
			check_hook(c, &c->spec.hooks.list[kind][i], (enum hook_kind)kind);
}

void check_host(struct check *c)
{
	check_hooks(c);
	check_namespaces(c);
	check_caller(c);
	check_cgroup(c);
	check_hugepages(c);
	check_devices(c);
	check_sysctls(c);
}
