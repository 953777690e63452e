/*
 * seccomp_compile.c - a profile to BPF, through libseccomp: one context per ABI, joined, behind a
 * few instructions of our own that answer calls newer than the profile.
 */
#include "runtime/seccomp_profile.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"

static int add_rule_to(scmp_filter_ctx ctx, const struct seccomp_rule *rule)
{
	int r = seccomp_rule_add_array(ctx, rule->action, rule->nr, rule->arg_count, rule->args);

	/* EEXIST: given before. EDOM: this ABI does not have that syscall. */
	return r == -EEXIST || r == -EDOM ? 0 : r;
}

static int build_arch(const struct seccomp_profile *p, uint32_t arch, scmp_filter_ctx *ret,
		      struct err *e)
{
	scmp_filter_ctx ctx = seccomp_init(p->default_action);
	int r = ctx ? 0 : -ENOMEM;

	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	/* A binary search over the numbers instead of a walk through all of them. */
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0 && arch != seccomp_arch_native()) {
		r = seccomp_arch_remove(ctx, SCMP_ARCH_NATIVE);
		if (r == 0)
			r = seccomp_arch_add(ctx, arch);
	}
	for (size_t i = 0; i < p->rule_count && r == 0; i++) {
		/* libseccomp answers EACCES for a rule that repeats the default action. */
		if (p->rules[i].action == p->default_action)
			continue;
		if (p->rules[i].only_native && arch != seccomp_arch_native())
			continue;
		r = add_rule_to(ctx, &p->rules[i]);
		if (r < 0)
			err_set(e, -r, "libseccomp refuses the rule for %s", p->rules[i].name);
	}
	if (r == 0) {
		*ret = ctx;
		return 0;
	}
	if (ctx)
		seccomp_release(ctx);
	return e && e->error ? r : err_set(e, -r, "libseccomp, by what seccomp(2) answers here");
}

static int build_all(const struct seccomp_profile *p, scmp_filter_ctx *ret, struct err *e)
{
	scmp_filter_ctx ctx = NULL;
	int r = build_arch(p, p->archs[0], &ctx, e);

	for (size_t i = 1; i < p->arch_count && r == 0; i++) {
		scmp_filter_ctx one = NULL;

		r = build_arch(p, p->archs[i], &one, e);
		if (r == 0)
			r = seccomp_merge(ctx, one);
		if (r < 0 && one) {
			err_set(e, -r, "libseccomp cannot join two architectures");
			seccomp_release(one);
		}
	}
	if (r == 0)
		*ret = ctx;
	else if (ctx)
		seccomp_release(ctx);
	return r;
}

/* --- calls newer than the profile --------------------------------------------- */

#define X32_BIT	    0x40000000u
#define ARM_PRIVATE  0x0f0000
#define NEW_CODE_MAX 64

/* The largest number the profile names for that ABI, -1: none. */
static int newest_call(const struct seccomp_profile *p, uint32_t arch)
{
	int newest = -1;

	for (size_t i = 0; i < p->rule_count; i++) {
		const struct seccomp_rule *rule = &p->rules[i];
		/* One that libseccomp lacks has the same number everywhere. */
		int nr = rule->only_native ? rule->nr
			 : seccomp_syscall_resolve_name_arch(arch, rule->name);

		/* ARM's private calls (cacheflush, set_tls) stand far above all others. */
		if (arch == SCMP_ARCH_ARM && nr >= ARM_PRIVATE)
			continue;
		if (nr >= 0 && arch == SCMP_ARCH_X32)
			nr &= ~(int)X32_BIT;
		if (nr > newest)
			newest = nr;
	}
	return newest;
}

/* What the kernel calls the ABI in seccomp_data. */
static uint32_t audit_arch(uint32_t arch)
{
	return arch == SCMP_ARCH_X32 ? AUDIT_ARCH_X86_64 : arch;
}

/* If the call is of that ABI and newer: ENOSYS. Falls through otherwise, its number loaded. */
static size_t new_calls_of(const struct seccomp_profile *p, uint32_t arch, struct sock_filter *to)
{
	int newest = newest_call(p, arch);
	size_t n = 0;

	if (newest < 0)
		return 0;
	to[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					       offsetof(struct seccomp_data, arch));
	to[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, audit_arch(arch), 0, 4);
	to[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					       offsetof(struct seccomp_data, nr));
	/* x86_64 and x32 differ in a bit of the number only; x32's are above all of x86_64's. */
	if (arch == SCMP_ARCH_X32)
		to[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 2);
	else
		to[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 2, 0);
	to[n++] = (struct sock_filter)BPF_JUMP(
		BPF_JMP | BPF_JGT | BPF_K,
		(uint32_t)newest | (arch == SCMP_ARCH_X32 ? X32_BIT : 0), 0, 1);
	to[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
	return n;
}

static size_t new_calls(const struct seccomp_profile *p, struct sock_filter code[NEW_CODE_MAX])
{
	size_t n = 0;

	if ((p->default_action & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ERRNO ||
	    p->default_action == (SECCOMP_RET_ERRNO | ENOSYS))
		return 0;
	for (size_t i = 0; i < p->arch_count && n + 6 <= NEW_CODE_MAX; i++)
		n += new_calls_of(p, p->archs[i], code + n);
	return n;
}

static int export_program(const struct seccomp_profile *p, scmp_filter_ctx ctx,
			  const struct json_at *at, struct arena *a, struct seccomp_filter *ret,
			  struct err *e)
{
	struct sock_filter first[NEW_CODE_MAX];
	size_t first_count = new_calls(p, first);
	_cleanup_fd_ int fd = memfd_create("seccomp", MFD_CLOEXEC);
	ssize_t n, size;
	int r;

	if (fd < 0)
		return err_set(e, errno, "memfd_create");
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return err_set(e, -r, "seccomp_export_bpf");
	size = lseek(fd, 0, SEEK_CUR);
	if (size < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_set(e, errno, "lseek");
	ret->count = first_count + (size_t)size / sizeof *ret->code;
	if (ret->count > BPF_MAXINSNS)
		return json_bad(e, at, "compiles to %zu instructions, more than the kernel's %d",
				ret->count, BPF_MAXINSNS);
	ret->code = arena_array(a, ret->count, sizeof *ret->code);
	if (!ret->code)
		return err_set(e, ENOMEM, "%s", at->text);
	memcpy(ret->code, first, first_count * sizeof *first);
	n = fd_read_full(fd, ret->code + first_count, (size_t)size);
	if (n != size)
		return err_set(e, n < 0 ? (int)-n : EIO, "cannot read the compiled filter");
	return 0;
}

int seccomp_compile(const struct seccomp_profile *p, const struct json_at *at, struct arena *a,
		    struct seccomp_filter *ret, struct err *e)
{
	scmp_filter_ctx ctx = NULL;
	int r = build_all(p, &ctx, e);

	if (r < 0)
		return err_at(e, at->text);
	r = export_program(p, ctx, at, a, ret, e);
	seccomp_release(ctx);
	return r;
}
