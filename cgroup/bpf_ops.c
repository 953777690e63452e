/*
 * bpf_ops.c - BPF programs that the kernel asks for a cgroup: loaded, attached, found again.
 *
 * What they decide is bpf_devices.c's and bpf_egress.c's. They are assembled by
 * hand; there is no libbpf.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/engine.h"
#include "base/fd.h"
#include "cgroup/cgroup_ops.h"

#define KEPT_MAX     8
#define PROGRAMS_MAX 64 /* the kernel's own limit for one cgroup */

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* Who starts many containers loads what is the same for all of them once: the verifier takes longer
 * than all the rest of a cgroup. Kept as long as the process. */
static struct kept {
	const struct bpf_kind *kind;
	void *program;
	unsigned count;
	int fd;
} kept[KEPT_MAX];

static int find_kept(const struct op_bpf_load_args *a)
{
	for (struct kept *k = kept; k < kept + KEPT_MAX && k->program; k++)
		if (k->kind == a->kind && k->count == a->count &&
		    memcmp(k->program, a->program, a->count * sizeof *a->program) == 0)
			return fcntl(k->fd, F_DUPFD_CLOEXEC, 3);
	return -ENOENT;
}

/* The first ones; what can't be kept is loaded again. */
static void keep(const struct op_bpf_load_args *a, int fd)
{
	size_t size = a->count * sizeof *a->program;
	struct kept *k = kept;

	while (k < kept + KEPT_MAX && k->program)
		k++;
	if (k == kept + KEPT_MAX || !(k->program = malloc(size)))
		return;
	memcpy(k->program, a->program, size);
	k->kind = a->kind;
	k->count = a->count;
	k->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (k->fd < 0) {
		free(k->program);
		k->program = NULL;
	}
}

static int act_load(struct run *r, const void *args, struct err *e)
{
	const struct op_bpf_load_args *a = args;
	union bpf_attr attr;
	int fd = r->patient ? find_kept(a) : -ENOENT;

	if (fd >= 0) {
		run_set_fd(r, a->slot, fd);
		return 0;
	}
	memset(&attr, 0, sizeof(attr)); /* the kernel refuses stray bytes in the union */
	attr.prog_type = a->kind->type;
	if (a->kind->bound_to_hook) /* what it may read and answer depends on the hook */
		attr.expected_attach_type = a->kind->attach;
	attr.insns = (uint64_t)(uintptr_t)a->program;
	attr.insn_cnt = a->count;
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0"; /* calls no helper: any will do */
	memcpy(attr.prog_name, a->kind->name, strnlen(a->kind->name, sizeof(attr.prog_name) - 1));
	fd = bpf(BPF_PROG_LOAD, &attr);
	if (fd < 0) {
		err_set(e, errno, "bpf(BPF_PROG_LOAD) of %s", a->kind->what);
		if (e->error == EPERM)
			return err_fix(e, "%s", a->kind->fix);
		return -e->error;
	}
	if (r->patient)
		keep(a, fd);
	run_set_fd(r, a->slot, fd); /* BPF fds are close-on-exec from birth */
	return 0;
}

static void show_load(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_bpf_load_args *a = args;

	plan_show_slot(out, p, a->slot);
	buf_addf(out, " = bpf(BPF_PROG_LOAD, {%s, %s%sinsn_cnt=%u}) /* %u rules */",
		 a->kind->type_name, a->kind->bound_to_hook ? a->kind->attach_name : "",
		 a->kind->bound_to_hook ? ", " : "", a->count, a->rules);
}

const struct op op_bpf_load = {
	.name = "bpf", .man = "bpf(2)", .act = act_load, .show = show_load
};

static int act_attach(struct run *r, const void *args, struct err *e)
{
	const struct op_bpf_attach_args *a = args;
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)run_slot(r, a->cgroup_slot);
	attr.attach_bpf_fd = (uint32_t)run_slot(r, a->program_slot);
	attr.attach_type = a->kind->attach;
	/* beside what systemd or an outer runtime may have attached: all must allow */
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (a->old_slot >= 0) { /* in its place: no moment with both, or with none */
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)run_slot(r, a->old_slot);
	}
	if (bpf(BPF_PROG_ATTACH, &attr) < 0)
		return err_set(e, errno, "bpf(BPF_PROG_ATTACH) of %s", a->kind->what);
	return 0;
}

static void show_attach(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_bpf_attach_args *a = args;

	buf_add(out, "bpf(BPF_PROG_ATTACH, {target_fd=");
	plan_show_slot(out, p, a->cgroup_slot);
	buf_add(out, ", attach_bpf_fd=");
	plan_show_slot(out, p, a->program_slot);
	buf_addf(out, ", %s, BPF_F_ALLOW_MULTI", a->kind->attach_name);
	if (a->old_slot >= 0) {
		buf_add(out, "|BPF_F_REPLACE, replace_bpf_fd=");
		plan_show_slot(out, p, a->old_slot);
	}
	buf_add(out, "})");
}

const struct op op_bpf_attach = {
	.name = "bpf", .man = "bpf(2)", .act = act_attach, .show = show_attach
};

/* The program with that id, if it is one of ours. fd; -ENOENT: it is not, or is gone. */
static int open_own_program(uint32_t id, const struct bpf_kind *kind)
{
	struct bpf_prog_info info = { 0 };
	_cleanup_fd_ int fd = -EBADF;
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_id = id;
	fd = bpf(BPF_PROG_GET_FD_BY_ID, &attr);
	if (fd < 0)
		return -errno;
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uint64_t)(uintptr_t)&info;
	if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) < 0)
		return -errno;
	return strcmp(info.name, kind->name) == 0 ? fd_take(&fd) : -ENOENT;
}

static int act_find(struct run *r, const void *args, struct err *e)
{
	const struct op_bpf_find_args *a = args;
	uint32_t ids[PROGRAMS_MAX];
	union bpf_attr attr;
	int fd = -ENOENT;

	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = (uint32_t)run_slot(r, a->cgroup_slot);
	attr.query.attach_type = a->kind->attach;
	attr.query.prog_ids = (uint64_t)(uintptr_t)ids;
	attr.query.prog_cnt = PROGRAMS_MAX;
	if (bpf(BPF_PROG_QUERY, &attr) < 0)
		return err_set(e, errno, "bpf(BPF_PROG_QUERY) of %s", a->kind->what);
	for (uint32_t i = 0; i < attr.query.prog_cnt && fd == -ENOENT; i++)
		fd = open_own_program(ids[i], a->kind);
	if (fd < 0)
		return err_set(e, -fd, "the cgroup does not have %s of kist's", a->kind->what);
	run_set_fd(r, a->slot, fd);
	return 0;
}

static void show_find(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_bpf_find_args *a = args;

	plan_show_slot(out, p, a->slot);
	buf_add(out, " = bpf(BPF_PROG_QUERY, {target_fd=");
	plan_show_slot(out, p, a->cgroup_slot);
	buf_addf(out, ", %s}) /* the one named %s */", a->kind->attach_name, a->kind->name);
}

const struct op op_bpf_find = {
	.name = "bpf", .man = "bpf(2)", .compound = true, .act = act_find, .show = show_find
};
