/*
 * test_failing.c - when a call of the kernel fails, or memory is short: paths, files, steps.
 *
 * A function in a world of its own, with its first, second, ... call failing until it makes no more:
 * that one alone, or with it all that follow. What fails says so by the errno, leaves no descriptor
 * open, and nothing outside of the root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <cmocka.h>

#include "tests/unit/failing_acts.h"

#include "runtime/caps.h"

/* --- the n-th call ------------------------------------------------------------ */

static int opens_a_file(void)
{
	return keep(path_open_in_root(root, "link/../b/./file", O_RDONLY, 0));
}
static int opens_a_folder(void)
{
	return keep(path_open_in_root(root, "link/", O_PATH | O_DIRECTORY, 0));
}
static int opens_the_root(void)
{
	return keep(path_open_in_root(root, "/", O_PATH, 0));
}
static int opens_dots(void)
{
	return keep(path_open_in_root(root, "a/..", O_PATH, 0));
}
static int creates(void)
{
	return keep(path_open_in_root(root, "link/new", O_CREAT | O_WRONLY, 0644));
}
static int opens_beneath(void)
{
	return keep(path_open_beneath(root, "a/b/file", O_RDONLY, 0, true));
}
static int makes_folders(void)
{
	return keep(path_mkdir_in_root(root, "link/x/y/z", 0755));
}
static int makes_a_file(void)
{
	return keep(path_mkfile_in_root(root, "link/x/y", 0644));
}
static int removes_a_tree(void)
{
	struct err e = ERR_INIT;
	int r = path_remove_tree(root, "a", &e);

	assert_int_equal(r, -e.error);
	return r;
}
static int removes_a_deep_tree(void)
{
	struct err e = ERR_INIT;
	int dir = __real_openat(root, "a", O_PATH | O_DIRECTORY | O_CLOEXEC), next, r;

	/* One folder more than are held open at once. */
	for (int i = 0; i < 34; i++) {
		__real_mkdirat(dir, "d", 0755);
		next = __real_openat(dir, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(dir);
		dir = next;
	}
	close(dir);
	r = path_remove_tree(root, "a", &e);
	assert_int_equal(r, -e.error);
	return r;
}
static int replaces_a_file(void)
{
	struct err e = ERR_INIT;
	int r = file_replace_at(root, "c", "new", 3, 0600, true, &e);

	assert_int_equal(r, -e.error);
	return r;
}
static int publishes_a_file(void)
{
	struct err e = ERR_INIT;
	int r = file_publish_at(root, "c", "new", 3, 0600, &e);

	assert_int_equal(r, -e.error);
	return r;
}
static int reads_a_file(void)
{
	struct err e = ERR_INIT;
	char *text = NULL;
	size_t size;
	int r = file_read_whole(root, "a/c", 100, &text, &size, &e);

	free(text);
	return r;
}
static int reads_a_small_file(void)
{
	char text[20];
	ssize_t n = file_read_at(root, "a/c", text, sizeof text);

	return n < 0 ? (int)n : 0;
}
static int writes_a_file(void)
{
	return file_write_at(root, "a/c", "x");
}
static int passes_an_fd(void)
{
	int pair[2], fd = -EBADF, r;
	char byte = 'x';
	ssize_t n;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	r = socket_send_fd(pair[0], &byte, 1, 0);
	n = r < 0 ? r : socket_recv_fd(pair[1], &byte, 1, &fd);
	fd_close(&fd);
	close(pair[0]);
	close(pair[1]);
	return n < 0 ? (int)n : 0;
}

static int makes_a_place(void)
{
	return ACT(op_make_target, op_make_target_args, .root_slot = 5, .path = "/link/d/e",
		   .like_slot = -1, .slot = 7);
}
static int makes_a_place_like_a_file(void)
{
	return ACT(op_make_target, op_make_target_args, .root_slot = 5, .path = "/link/d/e",
		   .like_slot = 6, .slot = 7);
}
static int makes_a_plain_place(void)
{
	return ACT(op_make_target, op_make_target_args, .root_slot = 5, .path = "/dev",
		   .like_slot = -1, .plain = true, .slot = 7);
}
static int makes_a_place_itself(void)
{
	return ACT(op_make_target, op_make_target_args, .root_slot = 5, .path = "/link/n",
		   .like_slot = 6, .nofollow = true, .slot = 7);
}
static int makes_a_folder(void)
{
	return ACT(op_mkdirat, op_mkdirat_args, 5, "a/new", 0700);
}
static int makes_a_link(void)
{
	return ACT(op_symlinkat, op_symlinkat_args, "x", 5, "a/new");
}
static int changes_a_mode(void)
{
	return ACT(op_fchmodat, op_mkdirat_args, 5, "a/c", 0600);
}
static int corrects_a_mode(void)
{
	return ACT(op_check_device, op_check_device_args, .dir_slot = 5, .path = "a/pipe",
		   .type = S_IFIFO, .set_mode = true, .mode = 0600);
}
static int looks_at_a_device(void)
{
	return ACT(op_check_device, op_check_device_args, .dir_slot = -1, .path = "/dev/null",
		   .type = S_IFCHR, .major = 1, .minor = 3);
}
static int copies_a_link(void)
{
	struct op_copy_symlink_args a = { .from_slot = 6, .root_slot = 5, .path = "/link/new" };
	int r = act(&op_copy_symlink, &a);

	return r == -EALREADY ? 0 : r; /* what a plan skips the mount by */
}
static int copies_a_link_that_is_there(void)
{
	struct op_copy_symlink_args a = { .from_slot = 6, .root_slot = 5, .path = "/link" };
	int r = act(&op_copy_symlink, &a);

	return r == -EALREADY ? 0 : r;
}
static int looks_at_the_root(void)
{
	/* It is not the one of slot 5, as long as nothing fails. */
	int r = ACT(op_check_root, op_check_root_args, 5);

	return r == -EXDEV ? 0 : r;
}

static int change_root(void)
{
	return ACT(op_chroot, op_text_args, ".");
}
static int changes_its_root(void)
{
	return in_a_child(change_root);
}
static int mount_and_unmount(void)
{
	bool armed = failing->armed;
	int r;

	failing->armed = false;
	go_apart();
	failing->armed = armed;
	r = ACT(op_mount, op_mount_args, "x", "a", "tmpfs", 0, "");
	return r < 0 ? r : ACT(op_umount, op_umount_args, "a", MNT_DETACH);
}
static int mounts_and_unmounts(void)
{
	return in_a_child(mount_and_unmount);
}
static int remount(void)
{
	bool armed = failing->armed;

	failing->armed = false;
	go_apart();
	__real_mount("x", "a", "tmpfs", 0, NULL);
	close(root);
	root = __real_open("a", O_PATH | O_CLOEXEC);
	failing->armed = armed;
	return ACT(op_fspick, op_fspick_args, 5, 7);
}
static int picks_a_filesystem(void)
{
	return in_a_child(remount);
}
static int drop(void)
{
	return ACT(op_drop_bounding_set, op_drop_bounding_set_args, 0);
}
static int drops_the_bounding_set(void)
{
	return in_a_child(drop);
}
static int set_caps(void)
{
	return ACT(op_capset, op_capset_args, 1, 1, 1);
}
static int sets_capabilities(void)
{
	return in_a_child(set_caps);
}
static int raise_ambient(void)
{
	/* CAP_CHOWN is permitted to root, and made inheritable here, whatever fails. */
	bool armed = failing->armed;
	int r;

	failing->armed = false;
	r = ACT(op_capset, op_capset_args, 1, 1, 1);
	failing->armed = armed;
	return r < 0 ? r : ACT(op_set_ambient, op_set_ambient_args, 1);
}
static int raises_ambient_ones(void)
{
	return in_a_child(raise_ambient);
}
static int makes_a_namespace_for_its_maps(void)
{
	return ACT(op_make_userns, op_make_userns_args, "0 0 1\n", "0 0 1\n", 7);
}
static int runs_a_helper(void)
{
	static const struct ns_id_map line = { 0, 0, 1 };
	static const struct ns_id_maps maps = { .line = &line, .count = 1 };

	return ACT(op_map_ids, op_map_ids_args, "/bin/true", &maps, 10000);
}

static const struct act acts[] = {
	{ .name = "opens_a_file", .run = opens_a_file },
	{ .name = "opens_a_folder", .run = opens_a_folder },
	{ .name = "opens_the_root", .run = opens_the_root },
	{ .name = "opens_dots", .run = opens_dots },
	{ .name = "creates", .run = creates },
	{ .name = "opens_beneath", .run = opens_beneath },
	{ .name = "makes_folders", .run = makes_folders },
	{ .name = "makes_a_file", .run = makes_a_file },
	{ .name = "removes_a_tree", .run = removes_a_tree },
	{ .name = "removes_a_deep_tree", .run = removes_a_deep_tree, .long_one = true },
	{ .name = "replaces_a_file",
	  .run = replaces_a_file,
	  .tolerant = true }, /* the file that was left of the last time */
	{ .name = "publishes_a_file", .run = publishes_a_file, .tolerant = true }, /* likewise */
	{ .name = "reads_a_file", .run = reads_a_file },
	{ .name = "reads_a_small_file", .run = reads_a_small_file },
	{ .name = "writes_a_file", .run = writes_a_file },
	{ .name = "passes_an_fd", .run = passes_an_fd },
	{ .name = "makes_a_place", .run = makes_a_place },
	{ .name = "makes_a_place_like_a_file", .run = makes_a_place_like_a_file },
	{ .name = "makes_a_plain_place", .run = makes_a_plain_place },
	{ .name = "makes_a_place_itself", .run = makes_a_place_itself },
	{ .name = "makes_a_folder", .run = makes_a_folder },
	{ .name = "makes_a_link", .run = makes_a_link },
	{ .name = "changes_a_mode", .run = changes_a_mode },
	{ .name = "corrects_a_mode", .run = corrects_a_mode },
	{ .name = "looks_at_a_device", .run = looks_at_a_device },
	{ .name = "copies_a_link", .run = copies_a_link },
	{ .name = "copies_a_link_that_is_there", .run = copies_a_link_that_is_there },
	{ .name = "looks_at_the_root", .run = looks_at_the_root, .fine = EXDEV },
	{ .name = "changes_its_root", .run = changes_its_root, .for_root = true },
	{ .name = "mounts_and_unmounts", .run = mounts_and_unmounts, .for_root = true },
	{ .name = "picks_a_filesystem", .run = picks_a_filesystem, .for_root = true },
	{ .name = "drops_the_bounding_set",
	  .run = drops_the_bounding_set,
	  .tolerant = true, /* of one that is not there */
	  .for_root = true },
	{ .name = "sets_capabilities", .run = sets_capabilities, .for_root = true },
	{ .name = "raises_ambient_ones", .run = raises_ambient_ones, .for_root = true },
	{ .name = "makes_a_namespace_for_its_maps",
	  .run = makes_a_namespace_for_its_maps,
	  .tolerant = true,
	  .for_root = true },
	{ .name = "runs_a_helper", .run = runs_a_helper, .tolerant = true },
};

static void each_call_of_a_function(void **state)
{
	(void)state;
	each_act(acts, sizeof acts / sizeof acts[0]);
}

/* What a signal interrupts is done all the same. Each time with another function's descriptors. */
static int reads(int fd, const int pair[2])
{
	char text[20];

	(void)pair;
	return (int)fd_read_full(fd, text, sizeof text);
}
static int writes(int fd, const int pair[2])
{
	(void)pair;
	return fd_write_all(fd, "12345", 5) + 5;
}
static int sends(int fd, const int pair[2])
{
	return socket_send_fd(pair[0], "12345", 5, fd) + 5;
}
static int receives(int fd, const int pair[2])
{
	char text[20];
	int got = -EBADF, n;

	(void)fd;
	assert_int_equal(__real_write(pair[0], "12345", 5), 5);
	n = (int)socket_recv_fd(pair[1], text, sizeof text, &got);
	fd_close(&got);
	return n;
}

static void a_signal_interrupts(void **state)
{
	static int (*const calls[])(int, const int[2]) = { reads, writes, sends, receives };

	(void)state;
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		int fd, pair[2], n;

		make_world();
		fd = openat(root, "a/c", O_RDWR | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
		*failing = (struct failing){ .armed = true, .error = EINTR, .at_most = 1 };
		n = calls[i](fd, pair);
		failing->armed = false;
		assert_int_equal(n, 5);
		assert_true(failing->calls > 1);
		close(fd);
		close(pair[0]);
		close(pair[1]);
	}
}

/* A rename anywhere makes openat2 ask to try again; one without end holds nobody for ever. */
static void somebody_renames(void **state)
{
	int r;

	(void)state;
	make_world();
	*failing = (struct failing){ .armed = true, .error = EAGAIN, .at_most = 5000 };
	r = opens_a_file();
	failing->armed = false;
	assert_int_equal(r, 0);
	*failing = (struct failing){ .armed = true, .error = EAGAIN };
	r = opens_a_file();
	failing->armed = false;
	assert_int_equal(r, -EAGAIN);
}

/* Links without a text, as no filesystem of Linux has them; and a kernel that tells no mount ids. */
static void other_kernels(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	make_world();
	path_openat2_missing = true;
	*failing = (struct failing){ .empty = true };
	assert_int_equal(opens_a_file(), -ENOENT);
	path_openat2_missing = false;
	assert_int_equal(path_remove_tree(root, "a", &e), 0);
	assert_int_equal(fstatat(root, "a", &(struct stat){ 0 }, 0), -1);
	/* "/" is known by its inode then. */
	assert_int_equal(ACT(op_check_root, op_check_root_args, 5), -EXDEV);
	*failing = (struct failing){ 0 };
}

/* The root is another folder of the same mount; or something lies on top of "/". */
static int other_root(bool on_top)
{
	struct failing kept = *failing;
	struct err e = ERR_INIT;
	struct plan p = { 0 };
	struct run r;
	int result;

	*failing = (struct failing){ 0 };
	go_apart();
	if (mount("x", "a", "tmpfs", 0, NULL) < 0 || chdir("a") < 0 || mkdir("sub", 0755) < 0 ||
	    chroot(on_top ? "sub" : ".") < 0)
		return 77;
	run_init(&r, &p);
	run_set_fd(&r, 5, open(on_top ? "/" : "sub", O_PATH | O_CLOEXEC));
	if (on_top && mount("y", "/", "tmpfs", 0, NULL) < 0)
		return 78;
	*failing = kept;
	result = op_check_root.act(&r, &(struct op_check_root_args){ 5 }, &e);
	*failing = (struct failing){ 0 };
	return result == -EXDEV && strstr(e.context[0], on_top ? "old root" : "not the one") ? 0
											     : 1;
}

static void other_roots(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	make_world();
	for (int i = 0; i < 4; i++) {
		int status = -1;
		pid_t pid = fork();

		*failing = (struct failing){ .empty = i & 2 };
		if (pid == 0)
			_exit(other_root(i & 1));
		__real_waitpid(pid, &status, 0);
		if (status == 77 << 8)
			skip();
		if (status)
			fail_msg("%d: %x", i, (unsigned)status);
	}
	*failing = (struct failing){ 0 };
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_of_a_function),
		cmocka_unit_test(a_signal_interrupts),
		cmocka_unit_test(somebody_renames),
		cmocka_unit_test(other_kernels),
		cmocka_unit_test(other_roots),
	};

	return cmocka_run_group_tests_name("failing", tests, begin, end);
}
