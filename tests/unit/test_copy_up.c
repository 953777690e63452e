/*
 * test_copy_up.c - tmpcopyup: what is kept, calls that fail, and a tree that changes meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/capability.h>
#include <sys/sysmacros.h>
#include <cmocka.h>

#include "tests/unit/failing.h"

#include "base/engine.h"
#include "base/fd.h"
#include "base/path.h"
#include "ns/ops.h"

#define MIB  (1024 * 1024)
#define DATA 70000 /* more than is copied at once */

static char top[64];
static int top_fd = -EBADF, from = -EBADF, to = -EBADF;

static void put(int dir, const char *name, size_t size)
{
	static char data[2 * DATA];
	int fd = openat(dir, name, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0 && size <= sizeof data);
	memset(data, 'x', sizeof data);
	assert_int_equal(write(fd, data, size), (ssize_t)size);
	close(fd);
}

static int make_dir(const char *name)
{
	struct err e = ERR_INIT;
	int fd;

	assert_int_equal(path_remove_tree(top_fd, name, &e), 0);
	assert_int_equal(mkdirat(top_fd, name, 0755), 0);
	fd = openat(top_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static const struct vfs_cap_data chown_only = { .magic_etc = VFS_CAP_REVISION_2,
						.data = { { .permitted = 1 } } };

static void make_world(void)
{
	int fd;

	fd_close(&from);
	fd_close(&to);
	from = make_dir("from");
	to = make_dir("to");
	put(from, "file", 20);
	assert_int_equal(fchownat(from, "file", 5, 6, 0), 0);
	assert_int_equal(fchmodat(from, "file", 04750, 0), 0);
	fd = openat(from, "file", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fsetxattr(fd, "trusted.of_an_overlay", "y", 1, 0), 0);
	/* Where there are such: some kernels have a label of their own, or no user.* in a tmpfs. */
	fsetxattr(fd, "security.selinux", "a:b:c", 6, 0);
	fsetxattr(fd, "user.word", "y", 1, 0);
	assert_int_equal(fsetxattr(fd, "security.capability", &chown_only, sizeof chown_only, 0),
			 0);
	close(fd);
	put(from, "holes", DATA);
	fd = openat(from, "holes", O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "data", 4, MIB / 2), 4);
	assert_int_equal(ftruncate(fd, MIB), 0);
	close(fd);
	assert_int_equal(mkdirat(from, "d", 0711), 0);
	assert_int_equal(mkdirat(from, "d/e", 0700), 0);
	put(from, "d/e/file", 10);
	assert_int_equal(symlinkat("../outside", from, "link"), 0);
	assert_int_equal(mkfifoat(from, "pipe", 0600), 0);
	assert_int_equal(mknodat(from, "null", S_IFCHR | 0666, makedev(1, 3)), 0);
}

static int begin(void **state)
{
	(void)state;
	failing = mmap(NULL, sizeof *failing, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	assert_ptr_not_equal(failing, MAP_FAILED);
	snprintf(top, sizeof top, "/dev/shm/kist-copy-up-XXXXXX");
	assert_non_null(mkdtemp(top));
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(top_fd, "outside", 30);
	return 0;
}

static int end(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	fd_close(&from);
	fd_close(&to);
	path_remove_tree(top_fd, "from", &e);
	path_remove_tree(top_fd, "to", &e);
	unlinkat(top_fd, "outside", 0);
	rmdir(top);
	fd_close(&top_fd);
	return 0;
}

static char said[400];

static int copy(bool contents)
{
	struct op_copy_up_args a = {
		5, 6, .contents = contents, .mode = true, .owner = true, .path = "/x"
	};
	struct err e = ERR_INIT;
	struct plan p = { 0 };
	struct run r;
	int result;

	run_init(&r, &p);
	run_set_number(&r, 5, from);
	run_set_number(&r, 6, to);
	result = op_copy_up.act(&r, &a, &e);
	snprintf(said, sizeof said, "%s", e.context[0]);
	if (e.error)
		assert_int_equal(e.error, -result);
	run_close(&r);
	return result;
}

static bool same_text(const char *name, size_t size)
{
	char *a = NULL, *b = NULL;
	size_t n = 0, m = 0;
	struct err e = ERR_INIT;
	bool same = file_read_whole(from, name, 2 * MIB, &a, &n, &e) == 0 &&
		    file_read_whole(to, name, 2 * MIB, &b, &m, &e) == 0 && n == m && n == size &&
		    memcmp(a, b, n) == 0;

	free(a);
	free(b);
	return same;
}

/* What of the copy is not as it should be. Without an owner nothing is setuid. */
static const char *lacks(bool owners, bool devices)
{
	struct vfs_cap_data caps;
	char text[100] = "";
	struct stat st;
	int fd;

	if (!same_text("file", 20) || !same_text("holes", MIB) || !same_text("d/e/file", 10))
		return "contents";
	if (fstatat(to, "file", &st, 0) < 0 ||
	    (st.st_uid != 5 && (owners || st.st_mode & S_ISUID)) || (st.st_mode & 01777) != 0750 ||
	    (st.st_uid == 5 && !(st.st_mode & S_ISUID)))
		return "owner and mode";
	fd = openat(to, "file", O_RDONLY | O_CLOEXEC);
	if (st.st_uid != 5 && fgetxattr(fd, "security.capability", &caps, sizeof caps) >= 0)
		text[0] = 'c';
	close(fd);
	if (text[0])
		return "capabilities of another owner";
	if (fstatat(to, "d", &st, 0) < 0 || (st.st_mode & 07777) != 0711)
		return "mode of a folder";
	if (readlinkat(to, "link", text, sizeof text) != 10 || strcmp(text, "../outside") != 0)
		return "symlink";
	if (fstatat(to, "pipe", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISFIFO(st.st_mode))
		return "pipe";
	if (fstatat(to, "null", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return devices ? "device" : NULL;
	return S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3) ? NULL : "another device";
}

static void all_is_kept(void **state)
{
	const struct timespec times[2] = { { 1000, 1 }, { 2000, 2 } };
	struct stat st;
	char byte;
	int fd;

	(void)state;
	if (geteuid() != 0)
		skip();
	make_world();
	assert_int_equal(utimensat(from, "d", times, 0), 0);
	assert_int_equal(utimensat(from, "link", times, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(fchown(from, 7, 8), 0);
	assert_int_equal(fchmod(from, 01777), 0);
	assert_int_equal(copy(true), 0);
	assert_null(lacks(true, true));
	assert_int_equal(fstatat(to, "holes", &st, 0), 0);
	assert_true(st.st_blocks * 512 < MIB / 2);
	assert_int_equal(fstatat(to, "d", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	assert_int_equal(fstatat(to, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	assert_int_equal(fstat(to, &st), 0);
	assert_int_equal(st.st_mode & 07777, 01777);
	assert_int_equal(st.st_uid, 7);
	fd = openat(to, "file", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fgetxattr(fd, "trusted.of_an_overlay", &byte, 1), -1);
	close(fd);
	/* Its mode alone. */
	make_world();
	assert_int_equal(fchmod(from, 0501), 0);
	assert_int_equal(copy(false), 0);
	assert_int_equal(fstat(to, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0501);
	assert_int_equal(faccessat(to, "file", F_OK, 0), -1);
}

/* It says so, or the copy is whole: no file is shorter, none is setuid to somebody else. */
static void each_call_fails(void **state)
{
	static const int with[] = { EIO, ENOSPC, EPERM, EINVAL };

	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t k = 0; k < 2 * sizeof with / sizeof with[0]; k++) {
		int error = with[k / 2];

		for (int at = 1;; at++) {
			const char *lack;
			int before, r;

			make_world();
			before = open_fds();
			*failing = (struct failing){ .armed = true, .error = error, .at = at };
			r = copy(k % 2);
			failing->armed = false;
			assert_int_equal(open_fds(), before);
			if (failing->calls < at) {
				assert_int_equal(r, 0);
				break;
			}
			lack = r == 0 && k % 2
				       ? lacks(error != EPERM && error != EINVAL, error != EPERM)
				       : NULL;
			if (lack)
				fail_msg("call %d, %s: done, but not: %s", at,
					 strerrorname_np(error), lack);
			if (r < 0 && r != -error)
				fail_msg("call %d, %s: %s", at, strerrorname_np(error),
					 strerrorname_np(-r));
			assert_true(at < 500);
		}
	}
}

/* --- somebody changes the tree ---------------------------------------------------- */

static void grows(void)
{
	put(from, "holes", 2 * DATA);
}
static void a_small_one_grows(void)
{
	put(from, "file", DATA);
}
static void shrinks(void)
{
	put(from, "holes", 0);
}
static void becomes_a_pipe(void)
{
	unlinkat(from, "file", 0);
	mkfifoat(from, "file", 0600);
}
static void becomes_a_link_to_a_file(void)
{
	unlinkat(from, "file", 0);
	assert_int_equal(symlinkat("../outside", from, "file"), 0);
}
static void becomes_a_link_to_a_folder(void)
{
	renameat(from, "d", top_fd, "to/elsewhere");
	assert_int_equal(symlinkat("..", from, "d"), 0);
}

/* Never what is outside, and never for ever. */
static void while_it_changes(void **state)
{
	static void (*const deeds[])(
		void) = { grows,	  a_small_one_grows,	    shrinks,
			  becomes_a_pipe, becomes_a_link_to_a_file, becomes_a_link_to_a_folder };
	int done[2] = { 0 };
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t k = 0; k < sizeof deeds / sizeof deeds[0]; k++) {
		for (int at = 1;; at++) {
			int before, r;

			make_world();
			before = open_fds();
			*failing = (struct failing){ .armed = true, .at = at, .deed = deeds[k] };
			r = copy(true);
			failing->armed = false;
			assert_int_equal(open_fds(), before);
			if (failing->deed)
				break;
			done[r == 0]++;
			/* Neither by its size, nor through the folder above. */
			assert_true(fstatat(to, "file", &st, AT_SYMLINK_NOFOLLOW) < 0 ||
				    st.st_size != 30);
			assert_true(fstatat(to, "d", &st, AT_SYMLINK_NOFOLLOW) < 0 ||
				    S_ISLNK(st.st_mode) || faccessat(to, "d/outside", F_OK, 0) < 0);
		}
	}
	assert_true(done[0] && done[1]);
}

static void limits(void **state)
{
	int dir, next;

	(void)state;
	if (geteuid() != 0)
		skip();
	make_world();
	dir = openat(from, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < NS_COPY_UP_DEPTH_MAX; i++) {
		assert_int_equal(mkdirat(dir, "n", 0755), 0);
		next = openat(dir, "n", O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(dir);
		dir = next;
	}
	close(dir);
	assert_int_equal(copy(true), -ELOOP);
	assert_non_null(strstr(said, "tmpcopyup of folders more than 128 deep"));
	make_world();
	ns_copy_up_files_max = 4;
	assert_int_equal(copy(true), -E2BIG);
	ns_copy_up_files_max = NS_COPY_UP_FILES_MAX;
	assert_non_null(strstr(said, "tmpcopyup of more than 4 files"));
	fd_close(&from);
	from = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(copy(true), -EPERM);
	fd_close(&from);
	from = open("/sys", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(copy(true), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_kept),
		cmocka_unit_test(each_call_fails),
		cmocka_unit_test(while_it_changes),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests_name("copy_up", tests, begin, end);
}
