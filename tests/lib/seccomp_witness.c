/*
 * seccomp_witness.c - libseccomp's program for a profile.
 */
#include "tests/lib/seccomp_witness.h"

#include <byteswap.h>
#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const enum scmp_compare compares[] = {
	[EVAL_NE] = SCMP_CMP_NE,
	[EVAL_LT] = SCMP_CMP_LT,
	[EVAL_LE] = SCMP_CMP_LE,
	[EVAL_EQ] = SCMP_CMP_EQ,
	[EVAL_GE] = SCMP_CMP_GE,
	[EVAL_GT] = SCMP_CMP_GT,
	[EVAL_MASKED] = SCMP_CMP_MASKED_EQ,
};

static int add_rule(scmp_filter_ctx ctx, const struct eval_rule *rule)
{
	struct scmp_arg_cmp args[6];
	int number = seccomp_syscall_resolve_name(rule->name), r = 0;

	if (number == __NR_SCMP_ERROR)
		return 0;
	for (unsigned int i = 0; i < rule->count; i++)
		args[i] = (struct scmp_arg_cmp){ rule->conditions[i].arg,
						 compares[rule->conditions[i].compare],
						 rule->conditions[i].value,
						 rule->conditions[i].second };
	/* One argument twice: alternatives. */
	if (!rule->any)
		r = seccomp_rule_add_array(ctx, rule->action, number, rule->count, args);
	for (unsigned int i = 0; rule->any && i < rule->count; i++) {
		r = seccomp_rule_add_array(ctx, rule->action, number, 1, &args[i]);
		if (r < 0 && r != -EEXIST && r != -EDOM)
			break;
	}
	/* Given before; not a call of this ABI. */
	return r == -EEXIST || r == -EDOM ? 0 : r;
}

static int add_rules(scmp_filter_ctx ctx, const struct eval_profile *p)
{
	int r = 0;

	for (int plain = 1; plain >= 0; plain--)
		for (size_t i = 0; i < p->rule_count && r == 0; i++)
			if (p->rules[i].action != p->default_action &&
			    (p->rules[i].count == 0) == plain)
				r = add_rule(ctx, &p->rules[i]);
	return r;
}

static scmp_filter_ctx build(const struct eval_profile *p, uint32_t arch, uint32_t optimize)
{
	scmp_filter_ctx ctx = seccomp_init(p->default_action);
	int r = ctx ? 0 : -ENOMEM;

	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, optimize);
	if (r == 0 && arch != seccomp_arch_native()) {
		r = seccomp_arch_remove(ctx, SCMP_ARCH_NATIVE); /* they may differ in byte order */
		if (r == 0)
			r = seccomp_arch_add(ctx, arch);
	}
	if (r == 0)
		r = add_rules(ctx, p);
	if (r == 0)
		return ctx;
	if (ctx)
		seccomp_release(ctx);
	return NULL;
}

static struct sock_filter *export_program(scmp_filter_ctx ctx, bool swap, size_t *ret_count)
{
	int fd = memfd_create("witness", MFD_CLOEXEC);
	struct sock_filter *code = NULL;
	off_t size = -1;

	if (fd >= 0 && seccomp_export_bpf(ctx, fd) == 0)
		size = lseek(fd, 0, SEEK_END);
	if (size > 0 && (size_t)size <= BPF_MAXINSNS * sizeof *code)
		code = malloc((size_t)size);
	if (code && pread(fd, code, (size_t)size, 0) != size) {
		free(code);
		code = NULL;
	}
	if (fd >= 0)
		close(fd);
	*ret_count = code ? (size_t)size / sizeof *code : 0;
	for (size_t i = 0; swap && i < *ret_count; i++) {
		code[i].code = bswap_16(code[i].code);
		code[i].k = bswap_32(code[i].k);
	}
	return code;
}

struct sock_filter *witness_build(const struct eval_profile *p, int optimize, size_t *ret_count)
{
	const bool swap = !(p->abis[0].audit & 0x40000000); /* __AUDIT_ARCH_LE, as this machine */
	scmp_filter_ctx ctx = build(p, p->abis[0].scmp, (uint32_t)optimize);
	struct sock_filter *code = NULL;
	int r = ctx ? 0 : -1;

	for (size_t i = 1; i < p->abi_count && r == 0; i++) {
		scmp_filter_ctx one = build(p, p->abis[i].scmp, (uint32_t)optimize);

		r = one ? seccomp_merge(ctx, one) : -1;
		if (r < 0 && one)
			seccomp_release(one);
	}
	if (r == 0)
		code = export_program(ctx, swap, ret_count);
	if (ctx)
		seccomp_release(ctx);
	return code;
}
