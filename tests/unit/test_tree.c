/* Whether two trees are the same is what fsck stands on: each difference alone must be seen. */
#include "tests/unit/image_test.h"
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include "image/tree.h"

static int scratch;

static int make(const char *name)
{
	int fd, sub;

	assert_int_equal(mkdirat(scratch, name, 0755), 0);
	fd = openat(scratch, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(mkdirat(fd, "sub", 0750), 0);
	sub = openat(fd, "sub", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	write_file(sub, "file", "content", 7);
	assert_int_equal(linkat(sub, "file", fd, "again", 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", fd, "link"), 0);
	assert_int_equal(mkfifoat(fd, "fifo", 0600), 0);
	close(sub);
	return fd;
}

static void settle(int fd)
{
	static const char *const names[] = { "sub/file", "link", "fifo", "sub" };
	struct timespec times[2] = { { .tv_sec = 5 }, { .tv_sec = 7, .tv_nsec = 8 } };
	size_t i;

	for (i = 0; i < 4; i++)
		assert_int_equal(utimensat(fd, names[i], times, AT_SYMLINK_NOFOLLOW), 0);
}

static int set_up(void **state)
{
	(void)state;
	scratch = scratch_open();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(scratch);
	return 0;
}

static void other_content(int fd)
{
	write_file(fd, "sub/file", "CONTENT", 7);
	settle(fd);
}
static void other_size(int fd)
{
	write_file(fd, "sub/file", "contents", 8);
	settle(fd);
}
static void other_mode(int fd)
{
	assert_int_equal(fchmodat(fd, "sub/file", 04755, 0), 0);
}
static void other_time(int fd)
{
	struct timespec times[2] = { { .tv_sec = 5 }, { .tv_sec = 7, .tv_nsec = 9 } };

	assert_int_equal(utimensat(fd, "sub", times, 0), 0);
}
static void missing(int fd)
{
	unlinkat(fd, "fifo", 0);
}
static void one_more(int fd)
{
	write_file(fd, "zz\x1b", "", 0);
}
static void other_names(int fd)
{
	unlinkat(fd, "again", 0);
	write_file(fd, "again", "content", 7);
	settle(fd);
	assert_int_equal(utimensat(fd, "again", (struct timespec[2]){ { 5, 0 }, { 7, 8 } }, 0), 0);
}
static void other_target(int fd)
{
	unlinkat(fd, "link", 0);
	assert_int_equal(symlinkat("/etc/shadow", fd, "link"), 0);
	settle(fd);
}
static void other_type(int fd)
{
	unlinkat(fd, "fifo", 0);
	write_file(fd, "fifo", "", 0);
	settle(fd);
}
static void other_xattr(int fd)
{
	_cleanup_fd_ int file = openat(fd, "sub/file", O_RDONLY);

	if (fsetxattr(file, "user.x", "y", 1, 0) < 0) /* a file system without */
		other_content(fd);
	settle(fd);
}

static void each_difference_is_seen(void **state)
{
	static const struct {
		void (*change)(int fd);
		const char *why;
	} cases[] = {
		{ other_content, "other content: /sub/file" },
		{ other_size, "another size: /sub/file" },
		{ other_mode, "another mode: /again" },
		{ other_time, "another time: /sub" },
		{ missing, "missing: /fifo" },
		{ one_more, "not the image's: /zz\\x1b" },
		{ other_names, "more or fewer names: /again" },
		{ other_target, "another target: /link" },
		{ other_type, "another type: /fifo" },
		{ other_xattr, "other " },
	};
	struct err e = ERR_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char a[16], b[16], why[TREE_DIFFERENCE_MAX] = "";
		int want, have;

		snprintf(a, sizeof(a), "a%zu", i);
		snprintf(b, sizeof(b), "b%zu", i);
		want = make(a);
		have = make(b);
		settle(want);
		settle(have);
		if (tree_same(want, have, why, &e) != 1)
			fail_msg("the same: %s %s", why, err_text(&e));
		cases[i].change(have);
		assert_int_equal(tree_same(want, have, why, &e), 0);
		/* a file with two names is met by its first */
		if (!strstr(why, cases[i].why) && !strstr(why, ": /again"))
			fail_msg("\"%s\" is not \"%s\"", why, cases[i].why);
		close(want);
		close(have);
	}
}

static void sizes_are_of_files_and_nothing_is_followed(void **state)
{
	int fd = make("a");

	(void)state;
	assert_int_equal(tree_bytes(scratch, "a"), 14); /* by name: what is freed is less */
	assert_int_equal(tree_bytes(scratch, "a/link"), 0);
	assert_int_equal(tree_bytes(scratch, "a/sub/file"), 7);
	assert_int_equal(tree_bytes(scratch, "none"), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_difference_is_seen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sizes_are_of_files_and_nothing_is_followed, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
