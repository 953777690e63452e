/*
 * test_fd.c - base/fd.c: ownership, whole files, one fd per message.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "base/fd.h"

static char dir[32];
static int dirfd_;

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/kist-fd-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dirfd_ < 0;
}

static int remove_dir(void **state)
{
	char command[64];

	(void)state;
	close(dirfd_);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static void put(const char *name, const void *data, size_t size)
{
	int fd = openat(dirfd_, name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), (ssize_t)size);
	close(fd);
}

static void test_ownership(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), copy = fd, none = -EBADF;

	(void)state;
	errno = EXDEV;
	assert_int_equal(fd_take(&fd), copy);
	assert_int_equal(fd, -EBADF);
	assert_true(fcntl(copy, F_GETFD) >= 0);
	{
		_cleanup_fd_ int owned = copy;
		(void)owned;
	}
	assert_int_equal(fcntl(copy, F_GETFD), -1);
	errno = EXDEV;
	fd_close(&none);
	fd_close(&none);
	assert_int_equal(errno, EXDEV);
}

static void test_read_small(void **state)
{
	char text[8];

	(void)state;
	put("a", "12345\n", 6);
	assert_int_equal(file_read_at(dirfd_, "a", text, sizeof text), 5);
	assert_string_equal(text, "12345");
	put("a", "1234567", 7);
	assert_int_equal(file_read_at(dirfd_, "a", text, sizeof text), 7);
	assert_string_equal(text, "1234567");
	put("a", "12345678", 8);
	assert_int_equal(file_read_at(dirfd_, "a", text, sizeof text), -E2BIG);
	put("a", "", 0);
	assert_int_equal(file_read_at(dirfd_, "a", text, sizeof text), 0);
	assert_string_equal(text, "");
	put("a", "\n", 1);
	assert_int_equal(file_read_at(dirfd_, "a", text, sizeof text), 0);
	assert_int_equal(file_read_at(dirfd_, "missing", text, sizeof text), -ENOENT);
	assert_true(file_read_at(AT_FDCWD, "/proc/self/comm", text, sizeof text) != 0);
}

static void test_write_one(void **state)
{
	char text[32];

	(void)state;
	put("a", "old value", 9);
	assert_int_equal(file_write_at(dirfd_, "a", "new"), 0);
	assert_true(file_read_at(dirfd_, "a", text, sizeof text) > 0);
	assert_memory_equal(text, "new", 3);
	assert_int_equal(file_write_at(dirfd_, "missing", "x"), -ENOENT);
	assert_int_equal(faccessat(dirfd_, "missing", F_OK, 0), -1);
	assert_int_equal(file_write_at(AT_FDCWD, "/dev/full", "x"), -ENOSPC);
	put("a", "one\n", 4);
	assert_int_equal(file_read_record_at(dirfd_, "a", text, sizeof text), 3);
	assert_string_equal(text, "one");
	assert_int_equal(file_read_record_at(dirfd_, "a", text, 4), -E2BIG);
	assert_int_equal(file_read_record_at(dirfd_, "missing", text, sizeof text), -ENOENT);
}

static void test_read_whole(void **state)
{
	struct err e = ERR_INIT;
	char *data = NULL, line[400];
	size_t size = 7;

	(void)state;
	put("a", "x\0y", 3);
	assert_int_equal(file_read_whole(dirfd_, "a", 3, &data, &size, &e), 0);
	assert_int_equal(size, 3);
	assert_memory_equal(data, "x\0y", 4);
	free(data);
	data = NULL;
	assert_int_equal(file_read_whole(dirfd_, "a", 2, &data, &size, &e), -E2BIG);
	assert_true(!data && size == 3);
	put("a", "", 0);
	assert_int_equal(file_read_whole(dirfd_, "a", 2, &data, &size, &e), 0);
	assert_true(size == 0 && data[0] == '\0');
	free(data);
	data = NULL;
	/* None of these may block, be read, or give anything out. */
	assert_int_equal(mkfifoat(dirfd_, "fifo", 0600), 0);
	assert_int_equal(file_read_whole(dirfd_, "fifo", 9, &data, &size, &e), -EINVAL);
	assert_int_equal(file_read_whole(dirfd_, ".", 9, &data, &size, &e), -EINVAL);
	assert_int_equal(file_read_whole(AT_FDCWD, "/dev/zero", 9, &data, &size, &e), -EINVAL);
	assert_int_equal(file_read_whole(dirfd_, "missing", 9, &data, &size, &e), -ENOENT);
	assert_null(data);
	err_format(&e, line, sizeof line);
	assert_non_null(strstr(line, "missing"));
}

static int count_files(void)
{
	char command[96];

	snprintf(command, sizeof command, "exit $(ls -A %s | wc -l)", dir);
	return WEXITSTATUS(system(command));
}

static void test_replace(void **state)
{
	struct err e = ERR_INIT;
	struct stat st;
	char text[32], longname[300];

	(void)state;
	umask(077);
	assert_int_equal(file_replace_at(dirfd_, "f", "one", 3, 0644, false, &e), 0);
	umask(022);
	assert_int_equal(fstatat(dirfd_, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(file_replace_at(dirfd_, "f", "second", 6, 0600, true, &e), 0);
	assert_int_equal(file_read_at(dirfd_, "f", text, sizeof text), 6);
	assert_string_equal(text, "second");
	/* A link at the name is replaced, not followed. */
	put("target", "t", 1);
	assert_int_equal(symlinkat("target", dirfd_, "link"), 0);
	assert_int_equal(file_replace_at(dirfd_, "link", "new", 3, 0600, false, &e), 0);
	assert_int_equal(fstatat(dirfd_, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(file_read_at(dirfd_, "target", text, sizeof text), 1);
	assert_int_equal(count_files(), 3);
	/* A failure leaves the old one and no rubbish. */
	assert_int_equal(mkdirat(dirfd_, "folder", 0700), 0);
	put("folder/x", "", 0);
	assert_true(file_replace_at(dirfd_, "folder", "x", 1, 0600, false, &e) < 0);
	memset(longname, 'n', sizeof longname - 1);
	longname[sizeof longname - 1] = '\0';
	assert_true(file_replace_at(dirfd_, longname, "x", 1, 0600, false, &e) < 0);
	assert_int_equal(count_files(), 4);
}

static void test_publish(void **state)
{
	struct err e = ERR_INIT;
	struct stat st;
	char text[32], longname[300];

	(void)state;
	umask(077);
	assert_int_equal(file_publish_at(dirfd_, "f", "one", 3, 0644, &e), 0);
	umask(022);
	assert_int_equal(fstatat(dirfd_, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	/* Over one that is there, and over what a killed one left. */
	put(".f.tmp", "half", 4);
	assert_int_equal(file_publish_at(dirfd_, "f", "second", 6, 0600, &e), 0);
	assert_int_equal(file_read_at(dirfd_, "f", text, sizeof text), 6);
	assert_int_equal(count_files(), 1);
	put("target", "t", 1);
	assert_int_equal(symlinkat("target", dirfd_, "link"), 0);
	assert_int_equal(file_publish_at(dirfd_, "link", "new", 3, 0600, &e), 0);
	assert_int_equal(fstatat(dirfd_, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(file_read_at(dirfd_, "target", text, sizeof text), 1);
	assert_int_equal(mkdirat(dirfd_, "folder", 0700), 0);
	put("folder/x", "", 0);
	assert_true(file_publish_at(dirfd_, "folder", "x", 1, 0600, &e) < 0);
	memset(longname, 'n', sizeof longname - 1);
	longname[sizeof longname - 1] = '\0';
	assert_true(file_publish_at(dirfd_, longname, "x", 1, 0600, &e) < 0);
	assert_int_equal(count_files(), 4);
}

static void test_read_full_over_a_pipe(void **state)
{
	int ends[2], status;
	char text[10];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		for (int i = 0; i < 7; i++) {
			usleep(3000);
			if (write(ends[1], "x", 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	close(ends[1]);
	assert_int_equal(fd_read_full(ends[0], text, sizeof text), 7);
	waitpid(pid, &status, 0);
	close(ends[0]);
	assert_int_equal(fd_read_full(-1, text, 1), -EBADF);
}

static void test_write_all_through_a_full_pipe(void **state)
{
	size_t size = 1u << 20;
	char *data = calloc(1, size);
	int ends[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(ends[1]);
		_exit(fd_read_full(ends[0], data, size) == (ssize_t)size ? 0 : 1);
	}
	close(ends[0]);
	assert_int_equal(fd_write_all(ends[1], data, size), 0);
	close(ends[1]);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	free(data);
	assert_int_equal(fd_write_all(-1, "x", 1), -EBADF);
}

static void test_fd_over_a_socket(void **state)
{
	int pair[2], fd = 12345;
	char text[16];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(socket_send_fd(pair[0], "with", 4, dirfd_), 0);
	assert_int_equal(socket_send_fd(pair[0], "without", 7, -1), 0);
	assert_int_equal(socket_recv_fd(pair[1], text, sizeof text, &fd), 4);
	assert_true(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
	close(fd);
	assert_int_equal(socket_recv_fd(pair[1], text, sizeof text, &fd), 7);
	assert_int_equal(fd, -EBADF);
	/* Longer than the room: not silently cut. */
	assert_int_equal(socket_send_fd(pair[0], "0123456789abcdefXYZ", 19, dirfd_), 0);
	assert_int_equal(socket_recv_fd(pair[1], text, sizeof text, &fd), -EPROTO);
	close(pair[0]);
	assert_int_equal(socket_recv_fd(pair[1], text, sizeof text, &fd), 0);
	/* To a peer that is gone: an error, and no SIGPIPE. */
	assert_int_equal(socket_send_fd(pair[1], "x", 1, -1), -EPIPE);
	close(pair[1]);
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Somebody hostile stuffs a message with fds: all are closed again. */
static void test_too_many_fds(void **state)
{
	int before = count_fds();

	(void)state;
	for (int many = 2; many <= 20; many += 6) {
		int pair[2], fds[20] = { 0 }, fd = -EBADF;
		char control[CMSG_SPACE(sizeof fds)], text[4];
		struct iovec iov = { (char *)"x", 1 };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control };
		struct cmsghdr *c;

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
		for (int i = 0; i < many; i++)
			fds[i] = dirfd_;
		memset(control, 0, sizeof control);
		m.msg_controllen = CMSG_SPACE((size_t)many * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)many * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)many * sizeof(int));
		assert_int_equal(sendmsg(pair[0], &m, 0), 1);
		assert_int_equal(socket_recv_fd(pair[1], text, sizeof text, &fd), -EPROTO);
		close(pair[0]);
		close(pair[1]);
		assert_int_equal(count_fds(), before);
	}
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ownership),
		IN_DIR(test_read_small),
		IN_DIR(test_write_one),
		IN_DIR(test_read_whole),
		IN_DIR(test_replace),
		IN_DIR(test_publish),
		cmocka_unit_test(test_read_full_over_a_pipe),
		cmocka_unit_test(test_write_all_through_a_full_pipe),
		IN_DIR(test_fd_over_a_socket),
		IN_DIR(test_too_many_fds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
