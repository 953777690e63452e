/*
 * failing_acts.h - functions and ops in a world of their own, with each of their calls failing in turn
 * (failing.h).
 */
#pragma once
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "tests/unit/failing.h"

#include "base/engine.h"
#include "base/fd.h"
#include "base/path.h"
#include "ns/ops.h"

static char top[64];
static int top_fd = -EBADF, root = -EBADF;

static void put(int dir, const char *name)
{
	int fd = openat(dir, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "text\n", 5), 5);
	close(fd);
}

static void make_world(void)
{
	struct err e = ERR_INIT;

	assert_int_equal(path_remove_tree(top_fd, "root", &e), 0);
	fd_close(&root);
	assert_int_equal(mkdirat(top_fd, "root", 0755), 0);
	root = openat(top_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(root >= 0);
	assert_int_equal(mkdirat(root, "a", 0755), 0);
	assert_int_equal(mkdirat(root, "a/b", 0755), 0);
	assert_int_equal(symlinkat("/a/b", root, "link"), 0);
	assert_int_equal(symlinkat("../../outside", root, "out"), 0);
	put(root, "a/b/file");
	put(root, "a/c");
	assert_int_equal(mkfifoat(root, "a/pipe", 0644), 0);
}

static int begin(void **state)
{
	(void)state;
	failing = mmap(NULL, sizeof *failing, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	assert_ptr_not_equal(failing, MAP_FAILED);
	snprintf(top, sizeof top, "/dev/shm/kist-failing-XXXXXX");
	assert_non_null(mkdtemp(top));
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(top_fd, "outside");
	return 0;
}

static int end(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	fd_close(&root);
	path_remove_tree(top_fd, "root", &e);
	unlinkat(top_fd, "outside", 0);
	rmdir(top);
	fd_close(&top_fd);
	return 0;
}

/* >= 0: done, an fd where it is above 2 and kept; or -errno. */
struct act {
	const char *name;
	int (*run)(void);
	bool tolerant; /* some of its calls may fail, and it is done all the same */
	bool long_one; /* with one errno only, and each failing call with all after it */
	int fine;      /* this errno is an answer to it */
	bool for_root;
};

static int keep(int fd)
{
	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

/* An op, with slot 5 the root, 6 a file of it, and what it makes in 7 and 8. */
static int act(const struct op *op, const void *args)
{
	struct plan p = { 0 };
	struct err e = ERR_INIT;
	struct run r;
	int result;

	run_init(&r, &p);
	run_set_number(&r, 5, root);
	run_set_number(&r, 6,
		       __real_openat(root, op == &op_copy_symlink ? "link" : "a/c",
				     O_PATH | O_NOFOLLOW | O_CLOEXEC));
	result = op->act(&r, args, &e);
	if (e.error)
		assert_int_equal(e.error, -result);
	close(run_slot(&r, 6));
	run_close(&r);
	return result < 0 ? result : 0;
}
#define ACT(op, type, ...) act(&(op), &(struct type){ __VA_ARGS__ })

/* What changes the process for good is done by a child. */
static int in_a_child(int (*run)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(-run());
	__real_waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}
/* A mount namespace of its own. What was opened before shows the old one. */
static void go_apart(void)
{
	char path[80];

	snprintf(path, sizeof path, "%s/root", top);
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(chdir(path), 0);
}
/* Errors that are an answer to a lookup, and so may lead on to another call, or to success. */
static bool is_an_answer(int error)
{
	return error == ENOENT || error == EEXIST || error == ENOSYS || error == EISDIR ||
	       error == EPERM || error == EAGAIN || error == EINTR;
}

struct how {
	bool walk, since, memory;
};

static void one_by_one(const struct act *a, int error, struct how how)
{
	for (int at = 1;; at++) {
		int before, r;

		make_world();
		before = open_fds();
		path_openat2_missing = how.walk;
		*failing = (struct failing){ .armed = true,
					     .error = error,
					     .at = at,
					     .since = how.since,
					     .memory = how.memory };
		r = a->run();
		failing->armed = false;
		path_openat2_missing = false;
		if (open_fds() != before)
			fail_msg("%s, call %d, %s: %d descriptors, there were %d", a->name, at,
				 strerrorname_np(error), open_fds(), before);
		if (failing->calls < at) {
			if (r != 0)
				fail_msg("%s, no call failed: %s", a->name, strerrorname_np(-r));
			return;
		}
		if (r >= 0 && !a->tolerant && error != a->fine && !is_an_answer(error))
			fail_msg("%s, call %d, %s: it says that it is done", a->name, at,
				 strerrorname_np(error));
		assert_true(at < 300);
	}
}

static inline void each_errno(const struct act *a)
{
	if (a->for_root && geteuid() != 0)
		return;
	for (size_t k = 0; k < ERRORS && !a->long_one; k++) {
		one_by_one(a, errors[k], (struct how){ 0 });
		if (k % 3 == 0)
			one_by_one(a, errors[k], (struct how){ .walk = true });
	}
	one_by_one(a, EIO, (struct how){ .since = true });
	one_by_one(a, EPERM, (struct how){ .since = true });
	one_by_one(a, ENOMEM, (struct how){ .memory = true });
}

/* And what lies outside of their world is as it was. */
static inline void each_act(const struct act *acts, size_t count)
{
	struct stat st;

	for (size_t i = 0; i < count; i++)
		each_errno(&acts[i]);
	assert_int_equal(fstatat(top_fd, "outside", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode) && st.st_size == 5);
}
