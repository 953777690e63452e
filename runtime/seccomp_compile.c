/*
 * seccomp_compile.c - a profile to BPF: ranges, then instructions.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "runtime/seccomp_bpf.h"

int seccomp_compile(const struct seccomp_profile *p, const struct json_at *at, struct arena *a,
		    struct seccomp_filter *ret, struct err *e)
{
	_cleanup_free_ struct seccomp_bpf *b = malloc(sizeof *b);
	struct seccomp_node *root = seccomp_ranges(p, a);
	bool fits = false;
	int r = 0;

	if (b && root) {
		memset(b, 0, offsetof(struct seccomp_bpf, code));
		b->arena = a;
		fits = seccomp_bpf_write(b, root);
	}
	if (!b || !root || arena_failed(a)) {
		r = err_set(e, ENOMEM, "%s", at->text);
	} else if (!fits) {
		json_bad(e, at, "compiles to more instructions than the kernel's %d", BPF_MAXINSNS);
		r = err_fix(e, "fewer conditions, or fewer architectures");
	} else {
		ret->count = b->count;
		ret->code = arena_array(a, b->count, sizeof *ret->code);
		if (!ret->code)
			r = err_set(e, ENOMEM, "%s", at->text);
		else
			memcpy(ret->code, seccomp_bpf_code(b), b->count * sizeof *ret->code);
	}
	if (r == 0)
		ret->depth = seccomp_bpf_depth(ret->code, ret->count);
	return r;
}
