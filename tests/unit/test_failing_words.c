/*
 * test_failing_words.c - what steps say when the kernel refuses: who reads it should know what to
 * do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>

#include "tests/unit/failing.h"

#include "base/engine.h"
#include "ns/ops.h"
#include "runtime/caps.h"
#include "runtime/seccomp.h"

#define ARGS(type, ...)                                                                            \
	&(const struct type)                                                                       \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}

static struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
static const struct seccomp_filter filter = { .code = &allow, .count = 1 };
static const struct seccomp_filter for_agent = {
	.code = &allow, .count = 1, .notify = true, .flags = SECCOMP_FILTER_FLAG_NEW_LISTENER
};

/* The call at place `at` fails (0: each one) with that error. */
static const struct {
	const struct op *op;
	const void *args;
	int error, at;
	const char *says, *fix; /* NULL: nothing that the engine would not say */
} rows[] = {
	{ &op_fsopen, ARGS(op_fsopen_args, "wrongfs", 5), ENODEV, 0,
	  "the kernel has no filesystem \"wrongfs\"", NULL },
	{ &op_fsopen, ARGS(op_fsopen_args, "tmpfs", 5), EPERM, 0, NULL, NULL },
	{ &op_fsmount, ARGS(op_fsmount_args, 5, 6, 0), EPERM, 0, "fsmount",
	  "bind them, with rbind" },
	{ &op_fsmount, ARGS(op_fsmount_args, 5, 6, 0), EBUSY, 0, NULL, NULL },
	{ &op_fspick, ARGS(op_fspick_args, 5, 6), EINVAL, 0, NULL, NULL },
	{ &op_open_tree, ARGS(op_open_tree_args, -1, "/x", OPEN_TREE_CLONE, 5), EINVAL, 0,
	  "open_tree /x", "bind it with rbind" },
	{ &op_open_tree, ARGS(op_open_tree_args, -1, "/x", OPEN_TREE_CLONE | AT_RECURSIVE, 5),
	  EINVAL, 0, NULL, NULL },
	{ &op_open_tree, ARGS(op_open_tree_args, 5, "", OPEN_TREE_CLONE, 5), EINVAL, 0, NULL,
	  NULL },
	{ &op_open_tree, ARGS(op_open_tree_args, -1, "/x", OPEN_TREE_CLONE, 5), EACCES, 0, NULL,
	  NULL },
	{ &op_mount_setattr,
	  ARGS(op_mount_setattr_args, .path = "", .set = MOUNT_ATTR_IDMAP, .userns_slot = 6),
	  EINVAL, 0, "mount_setattr idmap", "keep it on ext4" },
	{ &op_mount_setattr,
	  ARGS(op_mount_setattr_args, .path = "", .set = MOUNT_ATTR_IDMAP, .userns_slot = 6), EPERM,
	  0, NULL, NULL },
	{ &op_mount_setattr, ARGS(op_mount_setattr_args, .path = "/", .set = MOUNT_ATTR_RDONLY),
	  EINVAL, 0, NULL, NULL },
	{ &op_mount_setattr, ARGS(op_mount_setattr_args, .path = "/", .clr = MOUNT_ATTR_RDONLY),
	  EPERM, 0, "mount_setattr", "drop the option that clears it" },
	{ &op_mount_setattr, ARGS(op_mount_setattr_args, .path = "/", .clr = MOUNT_ATTR_RDONLY),
	  EBUSY, 0, NULL, NULL },
	{ &op_move_mount, ARGS(op_move_mount_args, 5, 6, "", NULL, NULL), EINVAL, 0, NULL, NULL },
	{ &op_mount, ARGS(op_mount_args, "s", "/none", "wrongfs", 0, NULL), ENODEV, 0,
	  "the kernel has no filesystem \"wrongfs\"", NULL },
	{ &op_mount, ARGS(op_mount_args, "s", "/none", "tmpfs", 0, "x"), EPERM, 0, NULL, NULL },
	{ &op_umount, ARGS(op_umount_args, "/none", MNT_DETACH), EBUSY, 0, NULL, NULL },
	{ &op_fchmodat, ARGS(op_mkdirat_args, -1, "/none", 0600), EROFS, 0, NULL, NULL },
	{ &op_chroot, ARGS(op_text_args, "."), EPERM, 0, NULL, NULL },
	{ &op_pivot_root, "", EINVAL, 0, "pivot_root", "--no-pivot" },
	{ &op_pivot_root, "", EPERM, 0, NULL, NULL },
	{ &op_check_fs, ARGS(op_check_fs_args, 5, 0x9fa0, "procfs"), EIO, 0, NULL, NULL },
	{ &op_check_same, ARGS(op_check_same_args, 5, 6, "/t"), EIO, 1, NULL, NULL },
	{ &op_capset, ARGS(op_capset_args, 1, 1, 1), EPERM, 0, "capset", NULL },
	{ &op_capset, ARGS(op_capset_args, 1, 1, 1), EINVAL, 0, "capset", NULL },
	{ &op_capset, ARGS(op_capset_args, 1ULL << 63, 1ULL << 63, 0), EPERM, 1,
	  "kist itself lacks 63", "start it with more rights" },
	{ &op_capset, ARGS(op_capset_args, 0, 0, 0), EPERM, 1, "capset", NULL },
	{ &op_set_ambient, ARGS(op_set_ambient_args, 1), EPERM, 2, "RAISE, CAP_CHOWN", NULL },
	{ &op_drop_bounding_set, ARGS(op_drop_bounding_set_args, ~(1ULL << 63)), EPERM, 0,
	  "capability without a name", NULL },
	{ &op_seccomp, ARGS(op_seccomp_args, &filter, 5), EACCES, 0, "seccomp(SECCOMP_SET",
	  "noNewPrivileges: true" },
	{ &op_seccomp, ARGS(op_seccomp_args, &filter, 5), EBUSY, 0, "seccomp(SECCOMP_SET",
	  "there can be only one" },
	{ &op_seccomp, ARGS(op_seccomp_args, &filter, 5), EFAULT, 0, "seccomp(SECCOMP_SET", NULL },
	{ &op_seccomp, ARGS(op_seccomp_args, &for_agent, 5), ENOMEM, 1, NULL, NULL }, /* mmap */
	{ &op_seccomp, ARGS(op_seccomp_args, &for_agent, 5), EINVAL, 2, NULL,
	  NULL }, /* sigaction */
	{ &op_seccomp, ARGS(op_seccomp_args, &for_agent, 5), EAGAIN, 3,
	  "to hand over the seccomp listener", "pids.limit" },
	{ &op_seccomp, ARGS(op_seccomp_args, &for_agent, 5), ENOMEM, 3,
	  "to hand over the seccomp listener", NULL },
};

static int begin(void **state)
{
	(void)state;
	failing = mmap(NULL, sizeof *failing, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	assert_ptr_not_equal(failing, MAP_FAILED);
	return 0;
}

static void it_says_why(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct plan p = { 0 };
		struct err e = ERR_INIT;
		struct run r;
		int result;

		run_init(&r, &p);
		*failing =
			(struct failing){ .armed = true, .error = rows[i].error, .at = rows[i].at };
		result = rows[i].op->act(&r, rows[i].args, &e);
		failing->armed = false;
		run_close(&r);
		if (result != -rows[i].error || !e.error != !rows[i].says ||
		    (e.error && e.error != -result) ||
		    (rows[i].says && !strstr(e.context[0], rows[i].says)) ||
		    !*e.fix != !rows[i].fix || (rows[i].fix && !strstr(e.fix, rows[i].fix)))
			fail_msg("row %zu, %s with %s: %s, \"%s\", fix \"%s\"", i, rows[i].op->name,
				 strerrorname_np(rows[i].error), strerrorname_np(-result),
				 e.error ? e.context[0] : "", e.fix);
	}
}

static void a_flag_that_is_not_there(void **state)
{
	(void)state;
	for (int missing = 0; missing < 2; missing++)
		for (size_t i = 0; seccomp_flag_name(i); i++) {
			*failing = (struct failing){ .armed = true,
						     .error = missing ? EINVAL : EFAULT };
			assert_int_equal(seccomp_flag_works(i), !missing);
			failing->armed = false;
		}
	*failing = (struct failing){ .armed = true, .error = EINVAL };
	assert_int_equal(seccomp_confine(&filter), -EINVAL);
	failing->armed = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_says_why),
		cmocka_unit_test(a_flag_that_is_not_there),
	};

	return cmocka_run_group_tests_name("failing_words", tests, begin, NULL);
}
