/*
 * fd.c - fd ownership, whole-file I/O, one fd over a socket.
 */
#include "base/fd.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/stat.h>
#include <unistd.h>

void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -EBADF;
	errno = saved;
}

void free_pointer(void *pointer_to_pointer)
{
	void **p = pointer_to_pointer;

	free(*p);
	*p = NULL;
}

void close_stream(FILE **stream)
{
	if (*stream)
		fclose(*stream);
	*stream = NULL;
}

int fd_write_all(int fd, const void *data, size_t size)
{
	const char *p = data;

	while (size > 0) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

ssize_t fd_read_full(int fd, void *data, size_t size)
{
	char *p = data;
	size_t got = 0;

	while (got < size) {
		ssize_t n = read(fd, p + got, size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

int file_write_at(int dirfd, const char *path, const char *text)
{
	_cleanup_fd_ int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	size_t size = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	/* One write: /proc and cgroup files take a value whole or not at all. */
	do {
		n = write(fd, text, size);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EIO;
}

static ssize_t end_text(char *text, ssize_t n, size_t size)
{
	if ((size_t)n == size)
		return -E2BIG;
	while (n > 0 && text[n - 1] == '\n')
		n--;
	text[n] = '\0';
	return n;
}

ssize_t file_read_at(int dirfd, const char *path, char *text, size_t size)
{
	_cleanup_fd_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = fd_read_full(fd, text, size);
	return n < 0 ? n : end_text(text, n, size);
}

ssize_t file_read_record_at(int dirfd, const char *path, char *text, size_t size)
{
	_cleanup_fd_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do {
		n = read(fd, text, size);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : end_text(text, n, size);
}

/* `data` has room for one byte more: that is how a file shows that it grew. Most give all they have
 * at once, and need not be asked for their end. */
static ssize_t read_to_end(int fd, char *data, size_t expected)
{
	size_t got = 0;

	while (got < expected || expected == 0) {
		ssize_t n = read(fd, data + got, expected + 1 - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		got += (size_t)n;
		if (n == 0 || got > expected)
			break;
	}
	return (ssize_t)got;
}

int file_read_whole(int dirfd, const char *path, size_t limit, char **ret_data, size_t *ret_size,
		    struct err *e)
{
	_cleanup_free_ char *data = NULL;
	_cleanup_fd_ int fd = -EBADF;
	struct stat st;
	size_t room;
	ssize_t n;

	fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return err_set(e, errno, "%s", path);
	if (fstat(fd, &st) < 0)
		return err_set(e, errno, "%s: fstat", path);
	if (!S_ISREG(st.st_mode))
		return err_say(e, EINVAL, "%s: is not a regular file", path);
	if ((unsigned long long)st.st_size > limit)
		return err_say(e, E2BIG, "%s: is larger than %zu bytes", path, limit);
	/* The file may grow while it is read: one byte over the limit tells. */
	room = (size_t)st.st_size + 1;
	data = malloc(room + 1);
	if (!data)
		return err_set(e, ENOMEM, "%s", path);
	n = read_to_end(fd, data, (size_t)st.st_size);
	if (n < 0)
		return err_set(e, (int)-n, "%s: read", path);
	if ((size_t)n == room)
		return err_say(e, EAGAIN, "%s: changed while it was read", path);
	data[n] = '\0';
	*ret_data = data;
	*ret_size = (size_t)n;
	data = NULL;
	return 0;
}

int file_create_at(int dirfd, const char *name, const void *data, size_t size, struct err *e)
{
	_cleanup_fd_ int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				     0600);
	int r = fd < 0 ? -errno : fd_write_all(fd, data, size);

	return r < 0 ? err_set(e, -r, "cannot write %s", name) : 0;
}

int file_replace_at(int dirfd, const char *name, const void *data, size_t size, mode_t mode,
		    bool durable, struct err *e)
{
	_cleanup_fd_ int fd = -EBADF;
	char tmp[300];
	int r;

	if (snprintf(tmp, sizeof tmp, ".%s.%d.tmp", name, (int)getpid()) >= (int)sizeof tmp)
		return err_set(e, ENAMETOOLONG, "%s", name);
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0 && errno == EEXIST && unlinkat(dirfd, tmp, 0) == 0)
		fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return err_set(e, errno, "cannot create %s", tmp);
	/* The mode is exact, whatever a umask takes from group and others. */
	r = (mode & 077) && fchmod(fd, mode) < 0 ? -errno : fd_write_all(fd, data, size);
	if (r == 0 && durable && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dirfd, tmp, dirfd, name) < 0)
		r = -errno;
	if (r == 0 && durable && fsync(dirfd) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dirfd, tmp, 0);
		return err_set(e, -r, "cannot write %s", name);
	}
	return 0;
}

/* Without a name: whoever is killed now leaves none. -EOPNOTSUPP: not on this file system. */
static int make_nameless(int dirfd, const void *data, size_t size, mode_t mode)
{
	_cleanup_fd_ int fd = openat(dirfd, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, mode);
	int r;

	if (fd < 0)
		return errno == EISDIR || errno == EINVAL ? -EOPNOTSUPP : -errno;
	r = (mode & 077) && fchmod(fd, mode) < 0 ? -errno : fd_write_all(fd, data, size);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r < 0 ? r : fd_take(&fd);
}

static int link_fd(int fd, int dirfd, const char *name)
{
	char path[32];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, dirfd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

/* No call puts a nameless file in another's place: it gets one name more, always the same, so that
 * what a kill leaves of that is gone with the next one. */
static int link_over(int fd, int dirfd, const char *name)
{
	char tmp[300];
	int r;

	if (snprintf(tmp, sizeof tmp, ".%s.tmp", name) >= (int)sizeof tmp)
		return -ENAMETOOLONG;
	for (int tries = 0; tries < 100; tries++) {
		r = link_fd(fd, dirfd, tmp);
		if (r == -EEXIST)
			r = unlinkat(dirfd, tmp, 0) < 0 && errno != ENOENT ? -errno : -EEXIST;
		else if (r == 0)
			r = renameat(dirfd, tmp, dirfd, name) < 0 ? -errno : 0;
		/* Another one may do the same. */
		if (r != -EEXIST && r != -ENOENT)
			break;
	}
	if (r < 0)
		unlinkat(dirfd, tmp, 0);
	return r;
}

int file_publish_at(int dirfd, const char *name, const void *data, size_t size, mode_t mode,
		    struct err *e)
{
	_cleanup_fd_ int fd = make_nameless(dirfd, data, size, mode);
	int r = fd < 0 ? fd : link_fd(fd, dirfd, name);

	if (r == -EOPNOTSUPP || r == -ENOSYS)
		return file_replace_at(dirfd, name, data, size, mode, true, e);
	if (r == -EEXIST)
		r = link_over(fd, dirfd, name);
	if (r == 0 && fsync(dirfd) < 0)
		r = -errno;
	return r < 0 ? err_set(e, -r, "cannot write %s", name) : 0;
}

int socket_connect(const char *path, int send_timeout, const char *what, struct err *e)
{
	_cleanup_fd_ int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = send_timeout };

	if (sock < 0)
		return err_set(e, errno, "socket");
	if (strlen(path) >= sizeof address.sun_path)
		return err_set(e, ENAMETOOLONG, "%s %s", what, path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	if (connect(sock, (struct sockaddr *)&address, sizeof address) < 0)
		return err_set(e, errno, "cannot connect to %s %s", what, path);
	return fd_take(&sock);
}

int socket_send_fd(int sock, const void *data, size_t size, int fd)
{
	struct iovec iov = { (void *)(uintptr_t)data, size };
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (fd >= 0) {
		struct cmsghdr *c;

		m.msg_control = control.space;
		m.msg_controllen = sizeof control.space;
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	do {
		n = sendmsg(sock, &m, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EMSGSIZE;
}

/* Takes the first fd of a control message and closes any other. Returns how many there were. */
static int take_fds(struct msghdr *m, int *ret_fd)
{
	int count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t bytes;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		bytes = c->cmsg_len - CMSG_LEN(0);
		for (size_t i = 0; i + sizeof(int) <= bytes; i += sizeof(int)) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i, sizeof fd);
			if (count++ == 0)
				*ret_fd = fd;
			else
				close(fd);
		}
	}
	return count;
}

ssize_t socket_recv_fd(int sock, void *data, size_t size, int *ret_fd)
{
	struct iovec iov = { data, size };
	union {
		char space[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space,
			    .msg_controllen = sizeof control.space };
	int fd = -EBADF;
	ssize_t n;

	do {
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (take_fds(&m, &fd) > 1 || (m.msg_flags & (MSG_CTRUNC | MSG_TRUNC))) {
		fd_close(&fd);
		return -EPROTO;
	}
	*ret_fd = fd;
	return n;
}
