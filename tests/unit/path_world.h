/*
 * path_world.h - a root full of names that try to get out of it, for the tests of base/path.c.
 */
#pragma once
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/path.h"

static char top[64];
static int top_fd, root_fd;

static inline void must(int result)
{
	if (result < 0)
		fail_msg("%s", strerror(errno));
}

static inline void put_file(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	must(fd);
	close(fd);
}

/* top/canary and top/etc/secret are outside; top/root is the root. */
static inline int make_world(void **state)
{
	(void)state;
	snprintf(top, sizeof top, "/tmp/kist-path-XXXXXX");
	assert_non_null(mkdtemp(top));
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(top_fd);
	must(mkdirat(top_fd, "root", 0755));
	must(mkdirat(top_fd, "etc", 0755));
	put_file(top_fd, "etc/secret");
	put_file(top_fd, "canary");
	root_fd = openat(top_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	must(root_fd);
	path_openat2_missing = false;
	return 0;
}

static inline int remove_world(void **state)
{
	char command[128];

	(void)state;
	close(root_fd);
	close(top_fd);
	snprintf(command, sizeof command, "rm -rf %s", top);
	path_openat2_missing = false;
	return system(command) == 0 ? 0 : -1;
}

static inline int count_entries(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static inline void assert_outside_untouched(void)
{
	char text[96];

	assert_int_equal(count_entries(top), 3);
	snprintf(text, sizeof text, "%s/etc", top);
	assert_int_equal(count_entries(text), 1);
}

static inline void make_tree(void)
{
	must(mkdirat(root_fd, "dir", 0755));
	must(mkdirat(root_fd, "dir/sub", 0755));
	must(mkdirat(root_fd, "etc", 0755));
	put_file(root_fd, "file");
	put_file(root_fd, "dir/inner");
	put_file(root_fd, "etc/passwd");
	must(symlinkat("/", root_fd, "abs-root"));
	must(symlinkat("/etc/secret", root_fd, "abs-out"));
	must(symlinkat("/etc", root_fd, "abs-etc"));
	must(symlinkat("../../../../etc/secret", root_fd, "rel-out"));
	must(symlinkat("../canary", root_fd, "canary-link"));
	must(symlinkat("..", root_fd, "dir/up"));
	must(symlinkat("../..", root_fd, "dir/upup"));
	must(symlinkat("../../../..", root_fd, "dir/sub/far"));
	must(symlinkat("file", root_fd, "to-file"));
	must(symlinkat("dir", root_fd, "to-dir"));
	must(symlinkat("dir/", root_fd, "to-dir-slash"));
	must(symlinkat("file/", root_fd, "to-file-slash"));
	must(symlinkat("missing", root_fd, "dangling"));
	must(symlinkat("loop-b", root_fd, "loop-a"));
	must(symlinkat("loop-a", root_fd, "loop-b"));
	must(symlinkat("self/self", root_fd, "self"));
	must(symlinkat("to-dir/../abs-root/dir/sub", root_fd, "winding"));
	must(symlinkat(".", root_fd, "dot"));
	must(mkfifoat(root_fd, "fifo", 0644));
}

#define WORLD(test) cmocka_unit_test_setup_teardown(test, make_world, remove_world)
