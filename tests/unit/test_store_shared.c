/* test_store_shared.c - image/store-shared.c, store-share.c: the list of stores that are only read, and who is
 * believed. (Other users' stores take root: image_shared.bats.) */
#include "image_test.h"
#include "base/path.h"
#include "image/store-layout.h"

#define LIST "KIST_SHARED_STORES"

/* The paths with '|' between, or the errno. */
static void check(const char *env, const char *want)
{
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct store_list list = { 0 };
	char got[512] = "";
	size_t i;
	int error;

	setenv(LIST, env, 1);
	error = store_shared_list(&a, &list, &e);
	if (error)
		snprintf(got, sizeof(got), "%s: %.30s", e.where, err_text(&e));
	for (i = 0; i < list.count; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", i ? "|" : "",
			 list.paths[i]);
	if (error ? !strstr(want, "!") : strcmp(got, want) != 0)
		fail_msg("\"%s\": %s, not %s", env, got, want);
	arena_free(&a);
	unsetenv(LIST);
}

static void the_list(void **state)
{
	char many[200] = "", longest[STORE_PATH_MAX + 10];
	int i;

	(void)state;
	check("", "");
	check("/a", "/a");
	check("/a:/b b", "/a|/b b");
	check(":/a::/b:", "/a|/b");
	check("a", "!");
	check("/a:~/b", "!");
	for (i = 0; i < STORE_SHARED_MAX; i++)
		strcat(many, ":/x");
	check(many, "/x|/x|/x|/x|/x|/x|/x|/x|/x|/x|/x|/x|/x|/x|/x|/x");
	strcat(many, ":/x");
	check(many, "!");
	memset(longest, '/', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	check(longest, "!");
}

static int scratch;
static char path[128];

static int set_up(void **state)
{
	_cleanup_store_ struct store s = STORE_INIT;
	struct err e = ERR_INIT;

	(void)state;
	scratch = scratch_open();
	snprintf(path, sizeof(path), "%s/store", scratch_path);
	if (store_open(&s, path, true, &e))
		fail_msg("%s", err_text(&e));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(scratch);
	return 0;
}

static int opened(struct err *e)
{
	_cleanup_store_ struct store s = STORE_INIT;

	err_clear(e);
	return store_open_shared(&s, path, e);
}

static void what_others_can_alter_is_not_used(void **state)
{
	static const char *const parts[] = { ".", "blobs", "blobs/sha256", "layers", "oci-layout" };
	_cleanup_fd_ int dir = open(path, O_RDONLY | O_DIRECTORY);
	struct err e = ERR_INIT;
	struct stat st;
	size_t i;

	(void)state;
	assert_int_equal(opened(&e), 0);
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		assert_int_equal(fstatat(dir, parts[i], &st, 0), 0);
		assert_int_equal(fchmodat(dir, parts[i], (st.st_mode & 07777) | 020, 0), 0);
		assert_int_equal(opened(&e), -EPERM);
		assert_int_equal(fchmodat(dir, parts[i], (st.st_mode & 07777) | 002, 0), 0);
		assert_int_equal(opened(&e), -EPERM);
		assert_int_equal(fchmodat(dir, parts[i], st.st_mode & 07777, 0), 0);
	}
	assert_int_equal(renameat(dir, "blobs", dir, "b"), 0);
	assert_int_equal(symlinkat("b", dir, "blobs"), 0);
	assert_int_equal(opened(&e), -EINVAL);
	assert_int_equal(unlinkat(dir, "blobs", 0), 0);
	assert_int_equal(renameat(dir, "b", dir, "blobs"), 0);
	/* Another tool's layout; none at all. */
	assert_int_equal(unlinkat(dir, "lock", 0), 0);
	assert_int_equal(opened(&e), -EINVAL);
	snprintf(path, sizeof(path), "%s/none", scratch_path);
	assert_int_equal(opened(&e), -ENOENT);
}

static void sharing_opens_blobs_and_nothing_else(void **state)
{
	_cleanup_store_ struct store s = STORE_INIT;
	struct err e = ERR_INIT;
	struct stat st;
	size_t i;
	int open;

	(void)state;
	assert_int_equal(store_open(&s, path, false, &e), 0);
	write_file(s.dir, "blobs/sha256/x", "x", 1);
	assert_int_equal(mkfifoat(s.dir, "blobs/sha256/pipe", 0600), 0);
	for (open = 1; open >= 0; open--) {
		assert_int_equal(store_share(&s, open, &e), 0);
		assert_int_equal(store_is_open(&s), open);
		assert_int_equal(fstat(s.dir, &st), 0);
		assert_int_equal(st.st_mode & 07777, open ? 0755 : 0700);
		for (i = 0; i < store_part_count; i++)
			if (fstatat(s.dir, store_parts[i].name, &st, 0) == 0)
				assert_int_equal(st.st_mode & 07777,
						 open ? store_parts[i].open : store_parts[i].closed);
	}
	assert_int_equal(fstatat(s.dir, "blobs/sha256/x", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_int_equal(fstatat(s.dir, "blobs/sha256/pipe", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_list),
		cmocka_unit_test_setup_teardown(what_others_can_alter_is_not_used, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sharing_opens_blobs_and_nothing_else, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("store_shared", tests, NULL, NULL);
}
