/*
 * test_path.c - base/path.c: names that try to get out, with openat2 and with the component walk.
 *
 * Every table row runs both ways, and both answers must be the same; so must they on random
 * trees. A canary beside the root must never be reached nor changed.
 */
#include "tests/unit/path_world.h"

struct answer {
	int error; /* 0 or positive errno */
	dev_t dev;
	ino_t ino;
};

static struct answer ask(bool walk, bool beneath, bool no_symlinks, const char *path, int flags)
{
	struct answer a = { 0 };
	struct stat st;
	int fd;

	path_openat2_missing = walk;
	fd = beneath ? path_open_beneath(root_fd, path, flags, 0644, no_symlinks)
		     : path_open_in_root(root_fd, path, flags, 0644);
	if (fd < 0) {
		a.error = -fd;
		return a;
	}
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	must(fstat(fd, &st));
	a.dev = st.st_dev;
	a.ino = st.st_ino;
	close(fd);
	return a;
}

static bool have_openat2(void)
{
	ask(false, false, false, ".", O_PATH);
	return !path_openat2_missing;
}

static int disagreements;

static void compare(bool beneath, bool no_symlinks, const char *path, int flags)
{
	struct answer kernel = ask(false, beneath, no_symlinks, path, flags);
	struct answer walk = ask(true, beneath, no_symlinks, path, flags);

	if (kernel.error == walk.error && kernel.dev == walk.dev && kernel.ino == walk.ino)
		return;
	disagreements++;
	print_error("%s%s \"%s\" flags 0%o: openat2 %s ino %lu, walk %s ino %lu\n",
		    beneath ? "beneath" : "in root", no_symlinks ? " without links" : "", path,
		    (unsigned int)flags, strerrorname_np(kernel.error), (unsigned long)kernel.ino,
		    strerrorname_np(walk.error), (unsigned long)walk.ino);
}

static const char *const table[] = {
	"", ".", "/", "//", "..", "/..", "../..", "../../../etc/secret", "/../canary", "./.",
	"file", "/file", "file/", "file/.", "file/..", "file/x", "dir", "dir/", "dir/.", "dir/..",
	"dir/../..", "dir/../../canary", "dir//sub", "dir/sub/../../file", "dir/inner",
	"missing", "missing/", "missing/..", "missing/x", "abs-root", "abs-root/file", "abs-out",
	"abs-etc/passwd", "abs-etc/secret", "rel-out", "canary-link", "dir/up", "dir/up/file",
	"dir/upup", "dir/upup/file", "dir/upup/canary", "dir/sub/far", "dir/sub/far/etc/passwd",
	"dir/sub/far/etc/secret", "to-file", "to-file/", "to-file/x", "to-dir", "to-dir/",
	"to-dir/inner", "to-dir/..", "to-dir/../file", "to-dir-slash", "to-dir-slash/inner",
	"to-file-slash", "dangling", "dangling/", "dangling/x", "loop-a", "loop-a/x", "self",
	"self/x", "winding", "winding/../inner", "dot/dot/dot/file", "dot/..", "fifo",
	"etc/passwd", "/etc/passwd", "/etc/secret", "...", "dir/...",
};

static void test_table_same_as_openat2(void **state)
{
	static const int flags[] = {
		O_PATH, O_PATH | O_NOFOLLOW, O_PATH | O_DIRECTORY, O_RDONLY | O_NONBLOCK,
		O_PATH | O_DIRECTORY | O_NOFOLLOW, O_RDONLY | O_NONBLOCK | O_NOFOLLOW,
	};

	(void)state;
	make_tree();
	if (!have_openat2())
		skip();
	disagreements = 0;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		for (size_t f = 0; f < sizeof flags / sizeof *flags; f++) {
			compare(false, false, table[i], flags[f]);
			compare(true, false, table[i], flags[f]);
			compare(true, true, table[i], flags[f]);
		}
	}
	assert_int_equal(disagreements, 0);
	assert_outside_untouched();
}

/* What each way must answer, said outright: two equal wrong answers are wrong too. */
static void test_known_answers(void **state)
{
	static const struct {
		const char *path;
		int in_root, beneath, no_symlinks; /* errno, 0: opens */
	} rows[] = {
		{ "file", 0, 0, 0 },		    { "/file", 0, EXDEV, EXDEV },
		{ "..", 0, EXDEV, EXDEV },	    { "dir/../..", 0, EXDEV, EXDEV },
		{ "../canary", ENOENT, EXDEV, EXDEV }, { "abs-out", ENOENT, EXDEV, ELOOP },
		{ "rel-out", ENOENT, EXDEV, ELOOP }, { "canary-link", ENOENT, EXDEV, ELOOP },
		{ "abs-etc/passwd", 0, EXDEV, ELOOP }, { "abs-etc/secret", ENOENT, EXDEV, ELOOP },
		{ "to-file", 0, 0, ELOOP },	    { "to-dir/inner", 0, 0, ELOOP },
		{ "dangling", ENOENT, ENOENT, ELOOP }, { "loop-a", ELOOP, ELOOP, ELOOP },
		{ "", ENOENT, ENOENT, ENOENT },	    { "file/x", ENOTDIR, ENOTDIR, ENOTDIR },
		{ "dir/upup/canary", ENOENT, EXDEV, ELOOP },
	};

	(void)state;
	make_tree();
	for (int walk = 0; walk < 2; walk++) {
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
			const char *path = rows[i].path;

			assert_int_equal(ask(walk, false, false, path, O_PATH).error, rows[i].in_root);
			assert_int_equal(ask(walk, true, false, path, O_PATH).error, rows[i].beneath);
			assert_int_equal(ask(walk, true, true, path, O_PATH).error,
					 rows[i].no_symlinks);
		}
	}
}

static void test_root_is_its_own_parent(void **state)
{
	struct stat st;

	(void)state;
	make_tree();
	must(fstat(root_fd, &st));
	for (int walk = 0; walk < 2; walk++) {
		static const char *const same[] = { "/", "..", "/../..", "abs-root", "dir/sub/far",
						    "dir/upup" };

		for (size_t i = 0; i < sizeof same / sizeof *same; i++)
			assert_true(ask(walk, false, false, same[i], O_PATH).ino == st.st_ino);
	}
}

/* Creation: the same entry must come to be, or the same refusal. */
static void test_create_same_as_openat2(void **state)
{
	static const char *const paths[] = {
		"new", "dir/new", "/new", "../new", "missing/new", "dangling", "abs-out", "rel-out",
		"canary-link", "to-dir/new", "file", "dir", "dir/", "dir/.", "dir/..", ".", "new/",
		"to-file", "loop-a", "abs-etc/new", "dir/upup/new",
	};
	static const int flags[] = { O_CREAT | O_WRONLY, O_CREAT | O_EXCL | O_WRONLY,
				     O_CREAT | O_RDONLY, O_CREAT | O_WRONLY | O_NOFOLLOW };

	(void)state;
	if (!have_openat2())
		skip();
	disagreements = 0;
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		for (size_t f = 0; f < sizeof flags / sizeof *flags; f++) {
			int error[2], entries[2];
			char command[200];

			for (int walk = 0; walk < 2; walk++) {
				snprintf(command, sizeof command,
					 "find %s/root -mindepth 1 -delete", top);
				assert_int_equal(system(command), 0);
				make_tree();
				error[walk] = ask(walk, false, false, paths[i], flags[f]).error;
				snprintf(command, sizeof command,
					 "exit $(find %s/root | wc -l)", top);
				entries[walk] = system(command);
			}
			if (error[0] != error[1] || entries[0] != entries[1]) {
				disagreements++;
				print_error("\"%s\" flags 0%o: openat2 %s, walk %s%s\n", paths[i],
					    (unsigned int)flags[f], strerrorname_np(error[0]),
					    strerrorname_np(error[1]),
					    entries[0] != entries[1] ? ", and other files" : "");
			}
		}
	}
	assert_int_equal(disagreements, 0);
	assert_outside_untouched();
}

/* A chain of exactly as many links as the kernel follows, and one more. */
static void test_link_limit(void **state)
{
	char name[16], target[16];

	(void)state;
	put_file(root_fd, "l0");
	for (int i = 1; i <= PATH_LINKS_MAX + 1; i++) {
		snprintf(name, sizeof name, "l%d", i);
		snprintf(target, sizeof target, "l%d", i - 1);
		must(symlinkat(target, root_fd, name));
	}
	for (int walk = 0; walk < 2; walk++) {
		assert_int_equal(ask(walk, false, false, "l40", O_PATH).error, 0);
		assert_int_equal(ask(walk, false, false, "l41", O_PATH).error, ELOOP);
	}
}

static void test_too_long(void **state)
{
	char *path = malloc(70000);

	(void)state;
	assert_non_null(path);
	memset(path, 'a', 69999);
	path[69999] = '\0';
	for (int walk = 0; walk < 2; walk++) {
		assert_int_equal(ask(walk, false, false, path, O_PATH).error, ENAMETOOLONG);
		path[300] = '\0'; /* one component over NAME_MAX */
		assert_int_equal(ask(walk, false, false, path, O_PATH).error, ENAMETOOLONG);
		path[300] = 'a';
	}
	free(path);
}

static void test_magic_links_are_refused(void **state)
{
	int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	must(proc);
	for (int walk = 0; walk < 2; walk++) {
		int fd;

		path_openat2_missing = walk;
		fd = path_open_in_root(proc, "root", O_PATH, 0);
		if (fd >= 0)
			close(fd);
		if (fd != -ELOOP)
			print_error("%s follows /proc/self/root\n", walk ? "the walk" : "openat2");
		assert_int_equal(fd, -ELOOP);
	}
	close(proc);
}

/* What only the walk has: links that grow too long, folders that go too deep, procfs's own links. */
static void test_limits_of_the_walk(void **state)
{
	int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC), dir, next;
	char target[PATH_MAX], path[PATH_MAX] = "";

	(void)state;
	must(proc);
	make_tree();
	/* As long as a link may be: what stands behind it in the path no longer fits. */
	memset(target, '/', sizeof target);
	memcpy(target, "dir", 3);
	target[sizeof target - 1] = '\0';
	must(symlinkat(target, root_fd, "long"));
	snprintf(path, sizeof path, "long/inner");
	assert_int_equal(ask(false, false, false, path, O_PATH).error, 0);
	assert_int_equal(ask(true, false, false, path, O_PATH).error, ENAMETOOLONG);
	/* It holds a descriptor for each folder. */
	dir = openat(root_fd, "dir", O_PATH | O_DIRECTORY | O_CLOEXEC);
	*path = '\0';
	for (int i = 0; i < 256; i++) {
		must(mkdirat(dir, "d", 0755));
		next = openat(dir, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		must(next);
		close(dir);
		dir = next;
		snprintf(path + strlen(path), sizeof path - strlen(path), i ? "/d" : "dir/d");
	}
	close(dir);
	assert_int_equal(ask(false, false, false, path, O_PATH).error, 0);
	assert_int_equal(ask(true, false, false, path, O_PATH).error, ENAMETOOLONG);
	/* "self" is text, and the walk follows it. */
	for (int walk = 0; walk < 2; walk++) {
		path_openat2_missing = walk;
		next = path_open_in_root(proc, "self/comm", O_RDONLY, 0);
		if (next < 0)
			fail_msg("%s: %s", walk ? "the walk" : "openat2", strerrorname_np(-next));
		close(next);
	}
	close(proc);
}

/* --- random trees ----------------------------------------------------------- */

static unsigned int seed;

static unsigned int roll(unsigned int n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % n;
}

/* Few names, so that paths often hit. */
static void random_path(char *path, size_t size)
{
	static const char *const words[] = { "a", "b", "c", "..", ".", "a", "b", "d", "..", "e" };
	unsigned int n = 1 + roll(6);
	size_t len = 0;

	if (roll(4) == 0)
		len += (size_t)snprintf(path, size, "/");
	for (unsigned int i = 0; i < n; i++)
		len += (size_t)snprintf(path + len, size - len, "%s%s", words[roll(10)],
					i + 1 < n || roll(6) == 0 ? "/" : "");
}

static void random_tree(int dirfd, int depth)
{
	static const char *const names[] = { "a", "b", "c", "d", "e" };
	char target[128];

	for (int i = 0; i < 5; i++) {
		unsigned int kind = roll(6);

		if (kind < 2 && depth < 4) {
			int fd;

			must(mkdirat(dirfd, names[i], 0755));
			fd = openat(dirfd, names[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
			must(fd);
			random_tree(fd, depth + 1);
			close(fd);
		} else if (kind == 2) {
			put_file(dirfd, names[i]);
		} else if (kind < 5) {
			random_path(target, sizeof target);
			must(symlinkat(target, dirfd, names[i]));
		}
	}
}

static void test_random_trees_same_as_openat2(void **state)
{
	char path[128], command[128];

	(void)state;
	if (!have_openat2())
		skip();
	disagreements = 0;
	for (unsigned int tree = 1; tree <= 30; tree++) {
		seed = tree * 7919;
		random_tree(root_fd, 0);
		for (int i = 0; i < 300; i++) {
			random_path(path, sizeof path);
			compare(false, false, path, roll(2) ? O_PATH : O_PATH | O_NOFOLLOW);
			compare(true, roll(2), path, roll(2) ? O_PATH : O_RDONLY);
		}
		snprintf(command, sizeof command, "find %s/root -mindepth 1 -delete", top);
		assert_int_equal(system(command), 0);
	}
	assert_int_equal(disagreements, 0);
}

/* --- ids ----------------------------------------------------------------------- */

static void test_ids(void **state)
{
	static const char *const good[] = { "a", "A9", "web-1", "x.y_z+1", "0", "a..b", "a-" };
	static const char *const bad[] = { "", ".", "..", "../x", "a/b", "/", "-a", "--force", ".a",
					   "+a", "_a", "a b", "a\n", "a\x1b[0m", "\xc3\xa4", "a%", "a:b",
					   "a\\" };
	char longest[1026];

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(path_is_id(good[i], 1024));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (path_is_id(bad[i], 1024) && strcmp(bad[i], "_a") != 0)
			fail_msg("\"%s\" is taken as an id", bad[i]);
	memset(longest, 'a', sizeof longest);
	longest[1024] = '\0';
	assert_true(path_is_id(longest, 1024));
	longest[1024] = 'a';
	longest[1025] = '\0';
	assert_false(path_is_id(longest, 1024));
	assert_true(path_is_id("abc", 3));
	assert_false(path_is_id("abcd", 3));
}

static void test_fd_path(void **state)
{
	char text[32], where[256];
	ssize_t n;

	(void)state;
	n = readlink(path_of_fd(root_fd, text), where, sizeof where - 1);
	must((int)n);
	where[n] = '\0';
	assert_memory_equal(where, top, strlen(top));
	assert_string_equal(path_of_fd(2147483647, text), "/proc/self/fd/2147483647");
}

/* As realpath(3), also of what is called like a deleted one; and what is gone has no name. */
static void test_name_of_fd(void **state)
{
	static const char *const made[] = { "d", "d (deleted)", "x" };
	char path[PATH_MAX], expected[PATH_MAX], name[PATH_MAX];
	int fd, pipes[2];

	(void)state;
	must(symlinkat("d", top_fd, "link"));
	for (size_t i = 0; i < 4; i++) {
		if (i < 3)
			must(mkdirat(top_fd, made[i], 0755));
		snprintf(path, sizeof path, "%s/root/../%s", top, i < 3 ? made[i] : "link");
		must(fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
		assert_non_null(realpath(path, expected));
		assert_int_equal(path_name_of_fd(fd, path, name), 0);
		assert_string_equal(name, expected);
		if (i == 2) {
			must(unlinkat(top_fd, "x", AT_REMOVEDIR));
			assert_int_equal(path_name_of_fd(fd, path, name), -ENOENT);
		}
		close(fd);
	}
	/* What has no name of its own has that of `path`; the shortest one is a name too. */
	must(fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
	assert_int_equal(path_name_of_fd(fd, "/nowhere", name), 0);
	assert_string_equal(name, "/");
	close(fd);
	must(pipe2(pipes, O_CLOEXEC));
	assert_int_equal(path_name_of_fd(pipes[0], "/", name), 0);
	assert_string_equal(name, "/");
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(path_name_of_fd(-1, "/", name), 0);
	assert_string_equal(name, "/");
}

/* Another root than the process's own is for path_open_in_root(): here links mean what they always do,
 * with openat2 and without; magic ones lead nowhere, and a name is one from "/". */
static void test_own_root(void **state)
{
	static const char *const paths[] = { "/", "/..", "/proc/self", "proc/self", "/proc/self/exe",
					     "/proc/self/root", "/nowhere", "proc/../..", "/proc/1/fd/" };
	char link[PATH_MAX], text[32];

	(void)state;
	snprintf(link, sizeof link, "%s/link", top);
	must(symlinkat("/proc/../proc", top_fd, "link"));
	for (size_t i = 0; i <= sizeof paths / sizeof paths[0]; i++) {
		const char *path = i < sizeof paths / sizeof paths[0] ? paths[i] : link;
		bool magic = strstr(path, "self/");
		struct stat st, expected;
		int fd[2], error;

		for (int walk = 0; walk < 2; walk++) {
			path_openat2_missing = walk;
			fd[walk] = path_open_in_own_root(path, O_PATH);
		}
		must(chdir("/"));
		error = magic ? ELOOP : stat(path, &expected) < 0 ? errno : 0;
		for (int walk = 0; walk < 2; walk++) {
			if (error) {
				assert_int_equal(fd[walk], -error);
				continue;
			}
			must(fd[walk]);
			must(stat(path_of_fd(fd[walk], text), &st));
			assert_int_equal(st.st_dev, expected.st_dev);
			assert_int_equal(st.st_ino, expected.st_ino);
			close(fd[walk]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(test_table_same_as_openat2),
		WORLD(test_known_answers),
		WORLD(test_root_is_its_own_parent),
		WORLD(test_create_same_as_openat2),
		WORLD(test_link_limit),
		WORLD(test_too_long),
		WORLD(test_magic_links_are_refused),
		WORLD(test_limits_of_the_walk),
		WORLD(test_random_trees_same_as_openat2),
		cmocka_unit_test(test_ids),
		WORLD(test_fd_path),
		WORLD(test_name_of_fd),
		WORLD(test_own_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
