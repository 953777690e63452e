/*
 * test_failing_ops.c - ops on a hostile root, when a call of the kernel fails: files put into it,
 * symlinks and devices made in it, checks of what is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <cmocka.h>

#include "tests/unit/failing_acts.h"

#include "ns/builders.h"
#include "ns/internal.h"

static int puts_in(const char *path)
{
	struct ns_file file = {
		.path = path, .data = "text", .size = 4, .mode = 0640, .uid = 7, .gid = 8
	};
	struct arena arena = ARENA_INIT;
	bool armed = failing->armed;
	struct plan p;
	int r;

	failing->armed = false;
	plan_init(&p, &arena);
	ns_plan_file(&p, 5, &file);
	failing->armed = armed;
	r = act(p.steps[0].op, p.steps[0].args);
	arena_free(&arena);
	return r;
}
static int puts_a_file_in(void)
{
	return puts_in("/link/x/new");
}
static int puts_a_file_over_another(void)
{
	return puts_in("/link/file");
}

/* --- a container that runs gets a device -------------------------------------- */

static const struct ns_device null_device = { .path = "/link/null",
					      .type = S_IFCHR,
					      .mode = 0640,
					      .major = 1,
					      .minor = 3,
					      .uid = 7,
					      .gid = 8 };

static int hot(const struct ns_device *d, bool made)
{
	const struct ns_hot h = { 0 };
	struct arena arena = ARENA_INIT;
	bool armed = failing->armed;
	struct err e = ERR_INIT;
	const struct step *s;
	struct plan p;
	struct run r;
	int result, slot;

	failing->armed = false;
	plan_init(&p, &arena);
	slot = ns_slot(&p, NS_SLOT_ROOT);
	if (made)
		ns_plan_hot_node(&p, &h, d);
	else
		ns_plan_hot_unnode(&p, &h, d);
	assert_int_equal(p.error, 0);
	s = &p.steps[p.count - 1];
	run_init(&r, &p);
	run_set_number(&r, slot, root);
	failing->armed = armed;
	result = s->op->act(&r, s->args, &e);
	if (e.error)
		assert_int_equal(e.error, -result);
	run_close(&r);
	arena_free(&arena);
	return result < 0 ? result : 0;
}
static int makes_a_node(void)
{
	return hot(&null_device, true);
}
static int takes_a_node_off(void)
{
	__real_mknodat(root, "a/b/null", S_IFCHR | 0640, makedev(1, 3));
	return hot(&null_device, false);
}

static void devices(void **state)
{
	struct ns_device d = null_device;
	struct stat st;

	(void)state;
	make_world();
	assert_int_equal(hot(&d, false), -ENOENT);
	d.path = "/a/c/null";
	assert_int_equal(hot(&d, true), -ENOTDIR);
	assert_int_equal(hot(&d, false), -ENOTDIR);
	d.path = "/a/c";
	assert_int_equal(hot(&d, false), -EEXIST);
	if (geteuid() != 0)
		skip();
	assert_int_equal(hot(&d, true), -EEXIST);
	assert_int_equal(hot(&null_device, true), 0);
	assert_int_equal(fstatat(root, "a/b/null", &st, 0), 0);
	assert_true(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_uid, 7);
	assert_int_equal(hot(&null_device, true), 0); /* the same one is there */
	d = null_device;
	d.minor = 5;
	assert_int_equal(hot(&d, true), -EEXIST);
	d.type = S_IFBLK;
	assert_int_equal(hot(&d, false), -EEXIST);
	assert_int_equal(hot(&null_device, false), 0);
	assert_int_equal(hot(&null_device, false), -ENOENT);
}

/* Each step of a mount added, bound or taken off, with all of its calls failing, or the second. In
 * a child each, as they enter other namespaces. */
static int hot_step(const struct plan *p, const struct step *s, int error, int at)
{
	struct err e = ERR_INIT;
	int before, result;
	struct run r;

	go_apart();
	run_init(&r, p);
	for (int slot = 0; slot < p->slot_count; slot++)
		run_set_number(&r, slot, root); /* "own fds", and others that are something else */
	before = open_fds();
	*failing = (struct failing){ .armed = true, .error = error, .at = at };
	result = s->op->act(&r, s->args, &e);
	failing->armed = false;
	if (e.error && e.error != -result)
		return 1;
	return result < 0 && open_fds() > before ? 2 : 0;
}

static void each_step_of_a_hot_mount(void **state)
{
	struct ns_mount m = { .source = "/s", .destination = "/x", .flags.bind = true };
	struct arena arena = ARENA_INIT;
	struct ns_hot h = { .pid = 1 };
	struct plan p;

	(void)state;
	if (geteuid() != 0)
		skip();
	make_world();
	plan_init(&p, &arena);
	h.slot_pidfd = plan_new_slot(&p, "container");
	ns_plan_hot_add(&p, &h, &m);
	ns_plan_hot_bound(&p, &h, &null_device, "/dev/null");
	ns_plan_hot_remove(&p, &h, "/x", false, 1);
	assert_int_equal(p.error, 0);
	for (int i = 0; i < p.count; i++) {
		for (int k = 0; k < 6; k++) {
			static const int with[] = { EIO, EINVAL, EPERM };
			int status = -1;
			pid_t pid = fork();

			if (pid == 0)
				_exit(hot_step(&p, &p.steps[i], with[k / 2], k % 2 * 2));
			__real_waitpid(pid, &status, 0);
			failing->armed = false;
			if (status)
				fail_msg("step %d, %s, %s: %x", i, p.steps[i].op->name,
					 strerrorname_np(with[k / 2]), (unsigned int)status);
		}
	}
	arena_free(&arena);
}

/* --- places themselves, symlinks ------------------------------------------------ */

static int place_itself(const char *path, bool file)
{
	struct err e = ERR_INIT;

	return keep(ns_make_place_itself(root, path, file, &e));
}
static int makes_a_folder_itself(void)
{
	return place_itself("/link/new/folder", false);
}
static int makes_a_file_itself(void)
{
	return place_itself("/link/new/file", true);
}
static int copy_link_to(const char *path)
{
	struct op_copy_symlink_args a = { .from_slot = 6, .root_slot = 5, .path = path };

	return act(&op_copy_symlink, &a);
}

static void places_themselves(void **state)
{
	(void)state;
	make_world();
	assert_int_equal(place_itself("/a/c", false), -ENOTDIR);
	assert_int_equal(place_itself("/a/b", true), -EISDIR);
	assert_int_equal(place_itself("/a/b", false), 0);
	assert_int_equal(place_itself("/link", true), 0); /* not where it leads */
	/* "/a/b" is what is copied: another text of that size, and a file. */
	assert_int_equal(symlinkat("/a/c", root, "other"), 0);
	assert_int_equal(copy_link_to("/other"), -EEXIST);
	assert_int_equal(copy_link_to("/link"), -EALREADY);
	assert_int_equal(copy_link_to("/a/c"), -EEXIST);
	/* What is no symlink is mounted, and not copied. */
	assert_int_equal(ACT(op_copy_symlink, op_copy_symlink_args, .from_slot = 5, .root_slot = 5,
			     .path = "/new"),
			 0);
	assert_int_equal(fstatat(root, "new", &(struct stat){ 0 }, AT_SYMLINK_NOFOLLOW), -1);
	/* Slot 6 is no mount, 5 no file. */
	assert_true(ACT(op_mask_directory, op_mask_directory_args, 6, 7, 5, "/x") < 0);
	assert_int_equal(ACT(op_mask_directory, op_mask_directory_args, 5, 7, 6, "/x"), -ENOTDIR);
}

/* The image has a symlink there, and in the container it leads onto a procfs, or to a mount without
 * devices. In a child: 0, or the number of what was otherwise. */
static int lead_astray(void)
{
	struct ns_device d = null_device;

	go_apart();
	if (mount("p", "a", "proc", 0, NULL) < 0)
		return -77;
	close(root);
	root = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d.path = "/a/null";
	if (hot(&d, true) != -EPERM || place_itself("/a/x", true) != -EPERM ||
	    copy_link_to("/a/x") != -EPERM)
		return -1;
	if (mount("t", "a", "tmpfs", MS_NODEV, NULL) < 0)
		return -77;
	return hot(&d, true) == -EPERM ? 0 : -2;
}

static void led_astray(void **state)
{
	int r;

	(void)state;
	if (geteuid() != 0)
		skip();
	make_world();
	r = in_a_child(lead_astray);
	if (r == -77)
		skip();
	assert_int_equal(r, 0);
}

static const struct act acts[] = {
	{ .name = "puts_a_file_in", .run = puts_a_file_in, .for_root = true },
	{ .name = "puts_a_file_over_another", .run = puts_a_file_over_another, .for_root = true },
	{ .name = "makes_a_node", .run = makes_a_node, .for_root = true },
	{ .name = "takes_a_node_off", .run = takes_a_node_off, .for_root = true },
	{ .name = "makes_a_folder_itself", .run = makes_a_folder_itself },
	{ .name = "makes_a_file_itself", .run = makes_a_file_itself },
};

static void each_call_of_an_op(void **state)
{
	(void)state;
	each_act(acts, sizeof acts / sizeof acts[0]);
}

/* The kernel's own words are read from the fd of the filesystem: here from a file. */
static void why_a_filesystem_refuses(void **state)
{
	static const char *const values[] = { "x" };
	const struct op_fsconfig_each_args each = {
		.slot = 5, .key = "lowerdir+", .values = values, .count = 1
	};
	const struct op_fsconfig_args create = { .slot = 5, .command = FSCONFIG_CMD_CREATE };
	struct plan p = { 0 };
	struct run r;
	char name[30] = "/dev/shm/kist-words-XXXXXX";
	int fd = mkstemp(name);

	(void)state;
	unlink(name);
	assert_int_equal(write(fd, "e overlay: no such thing\n", 25), 25);
	run_init(&r, &p);
	run_set_number(&r, 5, fd);
	for (int i = 0; i < 2; i++) {
		struct err e = ERR_INIT;

		lseek(fd, 0, SEEK_SET);
		assert_int_equal(i ? op_fsconfig_each.act(&r, &each, &e)
				   : op_fsconfig.act(&r, &create, &e),
				 -EINVAL);
		assert_non_null(
			strstr(e.context[0], i ? "fsconfig lowerdir+: overlay: no such thing"
					       : "fsconfig create: overlay: no such thing"));
	}
	/* And it says nothing. */
	struct err e = ERR_INIT;
	assert_int_equal(op_fsconfig_each.act(&r, &each, &e), -EINVAL);
	assert_non_null(strstr(e.context[0], "fsconfig lowerdir+=x"));
	run_close(&r);
	close(fd);
}

/* What a file is put over goes, but for folders; its rights are those that were asked for. */
static void puts_files_in(void **state)
{
	struct stat st;

	(void)state;
	make_world();
	assert_int_equal(puts_in("/"), -EISDIR);
	assert_int_equal(puts_in("/a/b"), -EISDIR);
	assert_int_equal(puts_in("/a/c/d"), -ENOTDIR);
	if (geteuid() != 0)
		skip();
	assert_int_equal(puts_in("/out"), 0);
	assert_int_equal(fstatat(root, "out", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode) && st.st_size == 4);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_uid, 7);
	assert_int_equal(st.st_gid, 8);
	assert_int_equal(fstatat(top_fd, "outside", &st, 0), 0);
	assert_int_equal(st.st_size, 5);
}

/* A device with another number, or another folder where one was. */
static void something_else(void **state)
{
	struct plan p = { 0 };
	struct err e = ERR_INIT;
	struct run r;

	(void)state;
	make_world();
	assert_int_equal(ACT(op_check_device, op_check_device_args, .dir_slot = -1,
			     .path = "/dev/null", .type = S_IFCHR, .major = 2, .minor = 3),
			 -EEXIST);
	run_init(&r, &p);
	run_set_fd(&r, 5, open(top, O_PATH | O_CLOEXEC));
	run_set_number(&r, 6, root);
	assert_int_equal(op_check_same.act(&r, &(struct op_check_same_args){ 5, 6, "/t" }, &e), 0);
	assert_int_equal(op_check_same.act(&r, &(struct op_check_same_args){ 6, 6, "/t" }, &e),
			 -EXDEV);
	assert_non_null(strstr(e.context[0], "/t is not the folder any more"));
	/* "/" of the host is on another device. */
	run_set_fd(&r, 5, open("/proc", O_PATH | O_CLOEXEC));
	assert_int_equal(op_check_same.act(&r, &(struct op_check_same_args){ 5, 6, "/t" }, &e),
			 -EXDEV);
	*failing = (struct failing){ .armed = true, .error = EIO, .at = 2 };
	assert_int_equal(op_check_same.act(&r, &(struct op_check_same_args){ 6, 6, "/t" }, &e),
			 -EIO);
	failing->armed = false;
	run_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_of_an_op),
		cmocka_unit_test(puts_files_in),
		cmocka_unit_test(devices),
		cmocka_unit_test(each_step_of_a_hot_mount),
		cmocka_unit_test(places_themselves),
		cmocka_unit_test(led_astray),
		cmocka_unit_test(why_a_filesystem_refuses),
		cmocka_unit_test(something_else),
	};

	return cmocka_run_group_tests_name("failing_ops", tests, begin, end);
}
