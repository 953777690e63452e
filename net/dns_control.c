/*
 * dns_control.c - what kist and kist-dns say to each other: one request, one answer, one
 * connection.
 */
#include "net/dns_control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

uint32_t dns_control_version(void)
{
	return (uint32_t)lease_hash("kist-dns 2 " KIST_VERSION);
}

int dns_control_send(int sock, const void *data, size_t size, const int *fds, int count)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(DNS_FDS * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)data, size };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (count > 0) {
		struct cmsghdr *c;

		m.msg_control = control.room;
		m.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)count * sizeof(int));
	}
	do {
		n = sendmsg(sock, &m, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n == (ssize_t)size ? 0 : -EMSGSIZE;
}

static void take_fds(struct msghdr *m, int fds[DNS_FDS])
{
	int next = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (next < DNS_FDS)
				fds[next++] = fd;
			else
				close(fd);
		}
	}
}

ssize_t dns_control_receive(int sock, void *data, size_t size, int fds[DNS_FDS], int flags)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(DNS_FDS * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { data, size };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.room,
			    .msg_controllen = sizeof control.room };
	ssize_t n;

	for (int i = 0; i < DNS_FDS; i++)
		fds[i] = -EBADF;
	do {
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC | flags);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	take_fds(&m, fds);
	return n;
}
