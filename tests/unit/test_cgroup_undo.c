/* Undo from strings alone: what it removes, what it must not touch. */
#include "tests/unit/cgroup_live.h"
#include "cgroup/cgroup_ops.h"

static int undo(const struct undo_kind *kind, const char *path, const char *owner, struct err *e)
{
	const char *const args[PLAN_UNDO_ARGS] = { path, owner, NULL };

	return kind->act(&(struct undo_at){ .id = "web", .state_root = -EBADF }, args, e);
}

static const char *make(const char *name, mode_t mode, const char *mark)
{
	const char *path = live_path(name);

	assert_int_equal(mkdir(live_full(path), mode), 0);
	if (mark)
		assert_int_equal(setxattr(live_full(path), CGROUP_MARK, mark, strlen(mark), 0), 0);
	return live_full(path);
}

static void removes_a_whole_tree_of_ours(void **state)
{
	struct err e = ERR_INIT;
	char deep[600];
	const char *path;
	pid_t first, second;
	int fd;

	(void)state;
	live_or_skip(0);
	path = make("tree", CGROUP_MODE, "web");
	snprintf(deep, sizeof(deep), "%s/a", path);
	assert_int_equal(mkdir(deep, 0755), 0);
	snprintf(deep, sizeof(deep), "%s/a/b", path);
	assert_int_equal(mkdir(deep, 0755), 0);
	fd = open(deep, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	first = live_child(fd, NULL);
	close(fd);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	second = live_child(fd, NULL);
	assert_ok(cgroup_freeze(fd, true, 5000, &e), e); /* paused, as a container may be */
	close(fd);
	assert_ok(undo(&cgroup_undo_remove, path, "web", &e), e);
	assert_int_equal(WTERMSIG(live_wait(first)), SIGKILL);
	assert_int_equal(WTERMSIG(live_wait(second)), SIGKILL);
	assert_int_equal(access(path, F_OK), -1);
	assert_ok(undo(&cgroup_undo_remove, path, "web", &e), e);
}

static void leaves_another_ids(void **state)
{
	struct err e = ERR_INIT;
	const char *path;
	pid_t child;
	int fd;

	(void)state;
	live_or_skip(0);
	path = make("other", CGROUP_MODE, "webb");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	child = live_child(fd, NULL);
	close(fd);
	assert_ok(undo(&cgroup_undo_remove, path, "web", &e), e);
	assert_int_equal(kill(child, 0), 0);
	assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
	kill(child, SIGKILL);
	live_wait(child);
	assert_ok(undo(&cgroup_undo_remove, path, "web", &e), e); /* empty: still not ours */
	assert_ok(undo(&cgroup_undo_remove_parent, path, NULL, &e), e);
	assert_int_equal(rmdir(path), 0);
}

static void unmarked_only_when_empty(void **state)
{
	struct err e = ERR_INIT;
	const char *path;
	pid_t child;
	int fd;

	(void)state;
	live_or_skip(0);
	path = make("unmarked", CGROUP_MODE, NULL);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	child = live_child(fd, NULL);
	close(fd);
	assert_ok(undo(&cgroup_undo_remove, path, "web", &e), e);
	assert_ok(undo(&cgroup_undo_remove_parent, path, NULL, &e), e);
	assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
	kill(child, SIGKILL);
	live_wait(child);
	assert_ok(undo(&cgroup_undo_remove, path, "web", &e), e);
	assert_int_equal(access(path, F_OK), -1);
}

static void parents_only_when_ours_and_empty(void **state)
{
	struct err e = ERR_INIT;
	char child[600];
	const char *path;

	(void)state;
	live_or_skip(0);
	path = make("parent", CGROUP_MODE, NULL);
	snprintf(child, sizeof(child), "%s/in", path);
	assert_int_equal(mkdir(child, 0755), 0);
	assert_ok(undo(&cgroup_undo_remove_parent, path, NULL, &e), e);
	assert_int_equal(access(child, F_OK), 0);
	assert_int_equal(rmdir(child), 0);
	assert_ok(undo(&cgroup_undo_remove_parent, path, NULL, &e), e);
	assert_int_equal(access(path, F_OK), -1);
	assert_ok(undo(&cgroup_undo_remove_parent, path, NULL, &e), e);

	path = make("parent", 0755, NULL); /* somebody else's */
	assert_ok(undo(&cgroup_undo_remove_parent, path, NULL, &e), e);
	assert_int_equal(rmdir(path), 0);
}

/* The strings come from a file: what it names must at least be a cgroup. */
static void refuses_other_folders(void **state)
{
	char folder[] = "/tmp/kist-test-undo-XXXXXX", link[64];
	struct err e = ERR_INIT;
	const char *path;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chmod(folder, CGROUP_MODE), 0);
	assert_int_equal(undo(&cgroup_undo_remove, folder, "web", &e), -EINVAL);
	assert_int_equal(undo(&cgroup_undo_remove_parent, folder, NULL, &e), -EINVAL);
	assert_int_equal(access(folder, F_OK), 0);
	live_or_skip(0);
	path = make("linked", CGROUP_MODE, "web");
	snprintf(link, sizeof(link), "%s/link", folder);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(undo(&cgroup_undo_remove, link, "web", &e), -ENOTDIR);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(rmdir(path), 0);
}

static void kinds_are_listed(void **state)
{
	(void)state;
	assert_ptr_equal(cgroup_undo_kinds[0], &cgroup_undo_remove);
	assert_ptr_equal(cgroup_undo_kinds[1], &cgroup_undo_remove_parent);
	assert_null(cgroup_undo_kinds[2]);
	assert_string_not_equal(cgroup_undo_remove.name, cgroup_undo_remove_parent.name);
}

static void nothing_is_left(void **state)
{
	(void)state;
	live_or_skip(0);
	live_nothing_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(removes_a_whole_tree_of_ours),
		cmocka_unit_test(leaves_another_ids),
		cmocka_unit_test(unmarked_only_when_empty),
		cmocka_unit_test(parents_only_when_ours_and_empty),
		cmocka_unit_test(refuses_other_folders),
		cmocka_unit_test(kinds_are_listed),
		cmocka_unit_test(nothing_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
