/* test_implied.c - image/implied.c: what a folder without an entry looks like. */
#include "image_test.h"
#include <sys/xattr.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include "image/apply-attr.h"

#define IMPLIED "a\0a/b"

static char path[128];
static int top, root, lowers[2];

static int make_folder(int dir, const char *name, mode_t mode)
{
	int fd;

	assert_int_equal(mkdirat(dir, name, 0700), 0);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	return fd;
}

static void date(int dir, const char *name, time_t seconds)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = seconds } };

	assert_int_equal(utimensat(dir, name, times, 0), 0);
}

/* root and two lowers; the nearer has only a/, the farther a/b/, too. */
static int set_up(void **state)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, apply_implied_mtime };

	(void)state;
	strcpy(path, "/tmp/kist-implied.XXXXXX");
	assert_non_null(mkdtemp(path));
	top = open(path, O_RDONLY | O_DIRECTORY);
	root = make_folder(top, "root", 0755);
	close(make_folder(root, "a", 0755));
	close(make_folder(root, "a/b", 0755));
	assert_int_equal(utimensat(root, "a/b", times, 0), 0);
	assert_int_equal(utimensat(root, "a", times, 0), 0);
	lowers[0] = make_folder(top, "near", 0755);
	close(make_folder(lowers[0], "a", 01777));
	date(lowers[0], "a", 1000);
	lowers[1] = make_folder(top, "far", 0755);
	close(make_folder(lowers[1], "a", 0700));
	close(make_folder(lowers[1], "a/b", 0750));
	date(lowers[1], "a/b", 2000);
	return 0;
}

static int tear_down(void **state)
{
	char command[160];

	(void)state;
	close(root);
	close(lowers[0]);
	close(lowers[1]);
	close(top);
	snprintf(command, sizeof(command), "rm -r %s", path);
	return system(command);
}

static int fix(struct err *e)
{
	return apply_fix_implied(root, IMPLIED, sizeof(IMPLIED), geteuid() == 0 ? APPLY_ROOT : APPLY_SINGLE, lowers, 2, e);
}

static void looks(const char *name, mode_t mode, time_t seconds)
{
	struct stat st;

	assert_int_equal(fstatat(root, name, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, mode);
	assert_int_equal(st.st_mtim.tv_sec, seconds);
}

static void nearest_lower_folder_decides(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(fix(&e), 0);
	looks("a", 01777, 1000);
	looks("a/b", 0750, 2000);
}

/* Whom a folder of a user's store should belong to: in root's that xattr is the image's own affair. */
static void a_kept_owner_goes_along(void **state)
{
	static const char owner[] = "user.rootlesscontainers";
	struct timespec implied[2] = { { .tv_nsec = UTIME_OMIT }, apply_implied_mtime };
	struct err e = ERR_INIT;
	char text[160];

	(void)state;
	snprintf(text, sizeof(text), "%s/near/a", path);
	if (setxattr(text, owner, "\010\041", 2, 0) < 0)
		skip(); /* no user xattrs here */
	date(lowers[0], "a", 1000);
	snprintf(text, sizeof(text), "%s/root/a", path);
	assert_int_equal(apply_fix_implied(root, IMPLIED, sizeof(IMPLIED), APPLY_SINGLE, lowers, 2, &e), 0);
	assert_int_equal(getxattr(text, owner, NULL, 0), 2);
	assert_int_equal(removexattr(text, owner), 0);
	assert_int_equal(utimensat(root, "a", implied, 0), 0);
	if (geteuid() == 0)
		assert_int_equal(apply_fix_implied(root, IMPLIED, sizeof(IMPLIED), APPLY_ROOT, lowers, 2, &e), 0);
	assert_int_equal(getxattr(text, owner, NULL, 0), -1);
}

static void what_hides_the_lower_ones_ends_the_search(void **state)
{
	struct err e = ERR_INIT;
	int fd;

	(void)state;
	fd = openat(lowers[0], "a/b", O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	date(lowers[0], "a", 1000);
	assert_int_equal(fix(&e), 0);
	looks("a", 01777, 1000);
	looks("a/b", 0755, 0);
}

static void a_folder_that_was_replaced_stays(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	date(root, "a", 5);
	assert_int_equal(unlinkat(root, "a/b", AT_REMOVEDIR), 0);
	date(root, "a", 5);
	assert_int_equal(fix(&e), 0);
	looks("a", 0755, 5);
}

/* A folder that can't be opened is not one that isn't there: the layer would look like another. */
static void what_cannot_be_opened_is_an_error(void **state)
{
	struct rlimit old, none;
	struct err e = ERR_INIT;
	int good = lowers[0], error;

	(void)state;
	lowers[0] = -EBADF;
	assert_int_equal(fix(&e), -EBADF);
	assert_non_null(strstr(e.context[0], "a of a lower layer"));
	lowers[0] = good;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	error = fix(&e);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(error, -EMFILE);
	looks("a", 0755, apply_implied_mtime.tv_sec);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nearest_lower_folder_decides),
		TEST(a_kept_owner_goes_along),
		TEST(what_hides_the_lower_ones_ends_the_search),
		TEST(a_folder_that_was_replaced_stays),
		TEST(what_cannot_be_opened_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
