/*
 * test_path_tree.c - base/path.c: what it makes and removes inside a root, and nowhere else.
 */
#include "tests/unit/path_world.h"

/* --- making ------------------------------------------------------------------ */

static bool same_inode(int fd, const char *path_in_root)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(root_fd, path_in_root, &b, 0) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static void test_mkdir_makes_parents(void **state)
{
	(void)state;
	make_tree();
	for (int walk = 0; walk < 2; walk++) {
		const char *path = walk ? "w/x/y/z" : "o/x/y/z/";
		struct stat st;
		int fd;

		path_openat2_missing = walk;
		fd = path_mkdir_in_root(root_fd, path, 0750);
		must(fd);
		assert_true(same_inode(fd, path));
		must(fstat(fd, &st));
		assert_true(S_ISDIR(st.st_mode));
		assert_int_equal(st.st_mode & 0777, 0750 & ~umask(022));
		umask(022);
		close(fd);
		/* Again: an existing one is fine. */
		fd = path_mkdir_in_root(root_fd, path, 0750);
		must(fd);
		close(fd);
		fd = path_mkdir_in_root(root_fd, "/", 0755);
		must(fd);
		assert_true(same_inode(fd, "."));
		close(fd);
		/* Through a link that stays inside. */
		fd = path_mkdir_in_root(root_fd, "abs-etc/made", 0755);
		must(fd);
		assert_true(same_inode(fd, "etc/made"));
		close(fd);
		assert_int_equal(path_mkdir_in_root(root_fd, "file", 0755), -ENOTDIR);
		assert_int_equal(path_mkdir_in_root(root_fd, "file/x", 0755), -ENOTDIR);
		assert_int_equal(path_mkdir_in_root(root_fd, "dangling", 0755), -ENOTDIR);
		assert_int_equal(path_mkdir_in_root(root_fd, "loop-a/x", 0755), -ELOOP);
		assert_int_equal(path_mkdir_in_root(root_fd, "", 0755), -ENOENT);
	}
	assert_outside_untouched();
}

static void test_mkfile(void **state)
{
	(void)state;
	make_tree();
	for (int walk = 0; walk < 2; walk++) {
		const char *path = walk ? "fw/x/new" : "fo/x/new";
		struct stat st;
		int fd;

		path_openat2_missing = walk;
		fd = path_mkfile_in_root(root_fd, path, 0640);
		must(fd);
		assert_true(same_inode(fd, path));
		must(fstat(fd, &st));
		assert_true(S_ISREG(st.st_mode));
		assert_int_equal(st.st_mode & 0777, 0640);
		assert_int_equal(st.st_size, 0);
		close(fd);
		fd = path_mkfile_in_root(root_fd, "fifo", 0644);
		must(fd);
		close(fd);
		fd = path_mkfile_in_root(root_fd, "to-file", 0644);
		must(fd);
		assert_true(same_inode(fd, "file"));
		close(fd);
		assert_true(path_mkfile_in_root(root_fd, "dir", 0644) < 0);
		assert_true(path_mkfile_in_root(root_fd, "dangling", 0644) < 0);
		assert_true(path_mkfile_in_root(root_fd, "abs-out", 0644) < 0);
		assert_int_equal(path_mkfile_in_root(root_fd, "file/x", 0644), -ENOTDIR);
	}
	assert_outside_untouched();
}

/* ".." behind something that is not there yet: the parents that were just made must not become
 * stairs out of the root. */
static void test_making_never_leaves_the_root(void **state)
{
	static const char *const paths[] = {
		"a1/..", "a2/../..", "/a3/../../evil", "/a4/../../../../tmp/kist-evil",
		"dir/a5/../../../evil", "a6/b/../../../evil/deep", "to-dir/a7/../../../evil",
		"abs-root/a8/../../evil", "../a9/../../evil",
	};

	(void)state;
	make_tree();
	for (int walk = 0; walk < 2; walk++) {
		for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
			char text[32], where[256];
			size_t len = strlen(top);
			ssize_t n;
			int fd;

			path_openat2_missing = walk;
			for (int file = 0; file < 2; file++) {
				fd = file ? path_mkfile_in_root(root_fd, paths[i], 0644)
					  : path_mkdir_in_root(root_fd, paths[i], 0755);
				if (fd < 0)
					continue;
				n = readlink(path_of_fd(fd, text), where, sizeof where - 1);
				must((int)n);
				where[n] = '\0';
				close(fd);
				/* A leading top/root, whole. */
				if (strncmp(where, top, len) || strncmp(where + len, "/root", 5) ||
				    (where[len + 5] && where[len + 5] != '/')) {
					rmdir("/tmp/kist-evil");
					fail_msg("\"%s\" led to %s", paths[i], where);
				}
			}
		}
	}
	assert_outside_untouched();
}

/* Nothing is made for a name that no folder can hold, nor for a folder no path can lead to. */
static void test_parents_of_long_names(void **state)
{
	char name[NAME_MAX + 1], path[2 * PATH_MAX];

	(void)state;
	memset(path, 'n', sizeof path);
	path[NAME_MAX + 1] = '\0';
	assert_int_equal(path_parent_in_root(root_fd, path, 0755, name), -ENAMETOOLONG);
	path[NAME_MAX + 1] = 'n';
	for (size_t i = 0; i < sizeof path; i += 100)
		path[i] = '/';
	path[sizeof path - 1] = '\0';
	assert_int_equal(path_parent_in_root(root_fd, path, 0755, name), -ENAMETOOLONG);
	assert_int_equal(path_mkfile_in_root(root_fd, "not/there/..", 0644), -EISDIR);
	assert_outside_untouched();
}

/* --- removing ---------------------------------------------------------------- */

static void test_remove_tree(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	make_tree();
	must(symlinkat("../../etc", root_fd, "dir/out"));
	assert_int_equal(path_remove_tree(top_fd, "root", &e), 0);
	assert_int_equal(faccessat(top_fd, "root", F_OK, 0), -1);
	assert_int_equal(faccessat(top_fd, "etc/secret", F_OK, 0), 0);
	assert_int_equal(faccessat(top_fd, "canary", F_OK, 0), 0);
	/* Absent is fine, a file and a link go themselves. */
	assert_int_equal(path_remove_tree(top_fd, "root", &e), 0);
	must(symlinkat("etc", top_fd, "link"));
	assert_int_equal(path_remove_tree(top_fd, "link", &e), 0);
	assert_int_equal(faccessat(top_fd, "etc/secret", F_OK, 0), 0);
	assert_int_equal(path_remove_tree(top_fd, "canary", &e), 0);
	assert_int_equal(faccessat(top_fd, "canary", F_OK, 0), -1);
	assert_int_equal(e.error, 0);
}

static void test_remove_many_entries(void **state)
{
	struct err e = ERR_INIT;
	char name[32];

	(void)state;
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof name, "f%d", i);
		put_file(root_fd, name);
	}
	assert_int_equal(path_remove_tree(top_fd, "root", &e), 0);
	assert_int_equal(faccessat(top_fd, "root", F_OK, 0), -1);
}

/* A container can dig deeper than a process may hold fds; its folder must still go away. */
static void test_remove_deep_tree(void **state)
{
	struct rlimit old, few = { 64, 64 };
	struct err e = ERR_INIT;
	int fd = openat(root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC), r;
	char command[128];

	(void)state;
	for (int i = 0; i < 300; i++) {
		int next;

		must(mkdirat(fd, "d", 0755));
		next = openat(fd, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		must(next);
		close(fd);
		fd = next;
	}
	close(fd);
	must(getrlimit(RLIMIT_NOFILE, &old));
	few.rlim_max = old.rlim_max;
	must(setrlimit(RLIMIT_NOFILE, &few));
	r = path_remove_tree(top_fd, "root", &e);
	must(setrlimit(RLIMIT_NOFILE, &old));
	if (r < 0) {
		snprintf(command, sizeof command, "rm -rf %s/root", top);
		assert_int_equal(system(command), 0);
		fail_msg("%s at depth 300 with 64 fds", strerrorname_np(-r));
	}
}

/* A bind mount of the same filesystem has the same device number: only its mount id tells. */
static void test_remove_does_not_cross_a_bind_mount(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	must(mkdirat(root_fd, "mounted", 0755));
	pid = fork();
	must(pid);
	if (pid == 0) {
		char from[96], to[96];
		struct err e = ERR_INIT;

		snprintf(from, sizeof from, "%s/etc", top);
		snprintf(to, sizeof to, "%s/root/mounted", top);
		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0 ||
		    mount(from, to, NULL, MS_BIND, NULL) < 0)
			_exit(2);
		/* An fd from before the unshare still sees the old mounts. */
		top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		_exit(path_remove_tree(top_fd, "root", &e) < 0 ? 0 : 1);
	}
	must(waitpid(pid, &status, 0));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		skip();
	assert_int_equal(faccessat(top_fd, "etc/secret", F_OK, 0), 0);
	assert_int_equal(status, 0);
}

/* What is mounted there is not a tree of ours. */
static void test_remove_is_not_for_a_mount_point(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	put_file(root_fd, "kept");
	pid = fork();
	must(pid);
	if (pid == 0) {
		struct err e = ERR_INIT;
		char root[96];
		int r;

		snprintf(root, sizeof root, "%s/root", top);
		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0 ||
		    mount(root, root, NULL, MS_BIND, NULL) < 0)
			_exit(2);
		top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = path_remove_tree(top_fd, "root", &e);
		_exit(r == -EXDEV && strstr(e.context[0], "mount point") ? 0 : 1);
	}
	must(waitpid(pid, &status, 0));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		skip();
	assert_int_equal(faccessat(root_fd, "kept", F_OK, 0), 0);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(test_mkdir_makes_parents),
		WORLD(test_mkfile),
		WORLD(test_making_never_leaves_the_root),
		WORLD(test_parents_of_long_names),
		WORLD(test_remove_tree),
		WORLD(test_remove_many_entries),
		WORLD(test_remove_deep_tree),
		WORLD(test_remove_does_not_cross_a_bind_mount),
		WORLD(test_remove_is_not_for_a_mount_point),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
