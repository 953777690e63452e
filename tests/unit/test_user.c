/* test_user.c - image/user.c: passwd and group of a hostile image. */
#include "image_test.h"
#include "image/user.h"

static int root;

static int set_up(void **state)
{
	static const char passwd[] =
		"# comment\nroot:x:0:5:root:/root:/bin/sh\nbroken:x\nuser:x:1000:100::/:/bin/sh\n"
		"1001:x:0:0:a name of digits:/:/bin/sh\nminus:x:-1:0::/:\nhex:x:0x10:0::/:\n"
		"last:x:7:8::/:/bin/sh";
	static const char group[] = "root:x:0:\nusers:x:100:\nextra:x:77:other,user\n"
				    "more:x:78:user\ntwice:x:78:user\nprefix:x:79:user2,us\n"
				    "big:x:4294967296:user\n";

	(void)state;
	root = scratch_open();
	assert_int_equal(mkdirat(root, "etc", 0755), 0);
	write_file(root, "etc/passwd", passwd, strlen(passwd));
	write_file(root, "etc/group", group, strlen(group));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(root);
	return 0;
}

static void check(const char *user, uint32_t uid, uint32_t gid, size_t groups)
{
	uint32_t got_uid = 99, got_gid = 99, gids[8];
	size_t count = 8;
	struct err e = ERR_INIT;

	if (image_user_lookup(root, user, &got_uid, &got_gid, gids, &count, &e))
		fail_msg("%s: %s", user, err_text(&e));
	assert_int_equal(got_uid, uid);
	assert_int_equal(got_gid, gid);
	assert_int_equal(count, groups);
	if (groups == 2) {
		assert_int_equal(gids[0], 77);
		assert_int_equal(gids[1], 78);
	}
}

static void refuse(const char *user, const char *why)
{
	uint32_t uid = 99, gid = 99, gids[8];
	size_t count = 8;
	struct err e = ERR_INIT;

	if (image_user_lookup(root, user, &uid, &gid, gids, &count, &e) >= 0)
		fail_msg("\"%s\" was taken as %u:%u", user, uid, gid);
	assert_err(&e, why);
	assert_int_equal(uid, 99);
}

static void names_and_numbers(void **state)
{
	(void)state;
	check("", 0, 5, 0);
	check("root", 0, 5, 0);
	check("user", 1000, 100, 2);
	check("1000", 1000, 100, 2);
	check("user:root", 1000, 0, 0);
	check("user:77", 1000, 77, 0);
	check("last", 7, 8, 0);
	check("4294967294", UINT32_MAX - 1, 0, 0);
	check("5:6", 5, 6, 0);
	check("1001", 1001, 0, 0); /* a number, though a user of that name is uid 0 */
}

static void numbers_are_exact(void **state)
{
	static const char *const bad[] = { "0x3e8",	  "+1",		"-1",
					   " 1",	  "1 ",		"1e3",
					   "4294967295",  "4294967296", "18446744073709551616",
					   "00000000001", "1000x" };
	char with_group[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		refuse(bad[i], "neither a name nor a number");
		snprintf(with_group, sizeof(with_group), "0:%s", bad[i]);
		refuse(with_group, "neither a name nor a number");
	}
	refuse("1:", "neither a name nor a number");
	refuse(":1", "malformed");
	refuse("nobody", "no user \"nobody\"");
	refuse("use", "no user");
	refuse("user:none", "no group");
	refuse("minus", "no user"); /* lines whose ids are no ids do not count */
	refuse("hex", "no user");
	refuse("user:big", "no group");
}

static void too_many_groups(void **state)
{
	uint32_t uid, gid, gids[1];
	size_t count = 1;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(image_user_lookup(root, "user", &uid, &gid, gids, &count, &e), -E2BIG);
}

static void replace_passwd(int (*make)(int))
{
	unlinkat(root, "etc/passwd", 0);
	assert_int_equal(make(root), 0);
}

static int make_symlink(int at)
{
	return symlinkat("/dev/zero", at, "etc/passwd");
}

static int make_fifo(int at)
{
	return mkfifoat(at, "etc/passwd", 0644);
}

static int make_folder(int at)
{
	return mkdirat(at, "etc/passwd", 0755);
}

static int make_huge(int at)
{
	write_file(at, "etc/passwd", "", 0);
	return truncate(strcat(strcpy((char[128]){ 0 }, scratch_path), "/etc/passwd"), 1l << 30);
}

static int make_nul(int at)
{
	write_file(at, "etc/passwd", "a\0b", 3);
	return 0;
}

static void hostile_files(void **state)
{
	(void)state;
	replace_passwd(make_symlink);
	refuse("root", "cannot open the image's /etc/passwd");
	check("5:6", 5, 6, 0);
	replace_passwd(make_fifo); /* would hang without O_NONBLOCK */
	refuse("root", "not a file");
	replace_passwd(make_huge);
	refuse("root", "over 1 MiB");
	replace_passwd(make_nul);
	refuse("root", "NUL");
	replace_passwd(make_folder);
	refuse("root", "not a file");
}

static void etc_that_leads_out(void **state)
{
	(void)state;
	assert_int_equal(renameat(root, "etc", root, "real"), 0);
	/* resolved inside: /etc of the host must not be read */
	assert_int_equal(symlinkat("/etc", root, "etc"), 0);
	refuse("root", "cannot open");
	unlinkat(root, "etc", 0);
	assert_int_equal(symlinkat("../../real", root, "etc"), 0);
	check("user", 1000, 100, 2);
}

static void no_files_at_all(void **state)
{
	(void)state;
	unlinkat(root, "etc/passwd", 0);
	unlinkat(root, "etc/group", 0);
	check("", 0, 0, 0);
	check("12", 12, 0, 0);
	refuse("root", "no user");
	assert_int_equal(unlinkat(root, "etc", AT_REMOVEDIR), 0);
	check("12:13", 12, 13, 0);
	check("12", 12, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names_and_numbers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(numbers_are_exact, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_many_groups, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hostile_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(etc_that_leads_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_files_at_all, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
