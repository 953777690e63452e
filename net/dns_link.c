/*
 * dns_link.c - asks a network's kist-dns, and starts it.
 */
#include "net/dns_link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/self.h"

#define HELPER	"kist-dns"
#define DIR_FD	3
#define BACKLOG 64

/* By the folder's fd: its path may be longer than a socket's address can be. */
static struct sockaddr_un address_of(const struct dns_place *p)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/" DNS_SOCKET, p->dir);
	return a;
}

/* --- a question --------------------------------------------------------------------- */

static int connect_to(const struct dns_place *p)
{
	_cleanup_fd_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	const struct timeval wait = { .tv_sec = DNS_ANSWER_MS / 1000 };
	struct sockaddr_un address = address_of(p);

	if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) < 0 ||
	    setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) < 0)
		return -errno;
	if (connect(sock, (struct sockaddr *)&address, sizeof address) < 0)
		return errno == ENOENT ? -ECONNREFUSED : -errno;
	return fd_take(&sock);
}

/* A server that ends at this moment hangs up: as good as none. */
static int exchange(int sock, const struct dns_request *q, const int *fds, int count,
		    struct dns_reply *ret)
{
	int got[DNS_FDS], r = dns_control_send(sock, q, sizeof *q, fds, count);
	ssize_t n;

	*ret = (struct dns_reply){ 0 };
	if (r == -EPIPE || r == -ECONNRESET)
		return -ECONNREFUSED;
	if (r < 0)
		return r;
	n = dns_control_receive(sock, ret, sizeof *ret, got, 0);
	for (int i = 0; i < DNS_FDS; i++)
		fd_close(&got[i]);
	if (n == 0 || n == -ECONNRESET)
		return -ECONNREFUSED;
	if (n == -EAGAIN)
		return -ETIMEDOUT;
	if (n < 0)
		return (int)n;
	return n != sizeof *ret || ret->version != q->version ? -EPROTONOSUPPORT : 0;
}

int dns_ask(const struct dns_place *p, struct dns_request *q, const int *fds, int count,
	    struct dns_reply *ret, struct err *e)
{
	_cleanup_fd_ int sock = connect_to(p);
	int r = sock;

	q->version = dns_control_version();
	if (r >= 0)
		r = exchange(sock, q, fds, count, ret);
	if (r == -ECONNREFUSED)
		return r;
	if (r == -EPROTONOSUPPORT) {
		err_say(e, -r,
			"the " HELPER " that serves network %s is of another version of kist",
			p->network);
		err_fix(e, "kist net reconcile: it puts one of this version in its place");
		return r;
	}
	if (r < 0)
		return err_set(e, -r, "cannot ask the " HELPER " of network %s", p->network);
	return 0;
}

/* --- its start ---------------------------------------------------------------------- */

/* Made here, so that whoever connects next finds it, and no server ever removes another's. */
static int make_socket(const struct dns_place *p)
{
	_cleanup_fd_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = address_of(p);
	mode_t before;
	int r;

	if (sock < 0 || (unlinkat(p->dir, DNS_SOCKET, 0) < 0 && errno != ENOENT))
		return -errno;
	before = umask(0177);
	r = bind(sock, (struct sockaddr *)&address, sizeof address);
	umask(before);
	return r < 0 || listen(sock, BACKLOG) < 0 ? -errno : fd_take(&sock);
}

/* fds above those that the child gets by number: the order of its dup2 calls then doesn't matter.
 */
static int lift(int *fd)
{
	int high = fcntl(*fd, F_DUPFD_CLOEXEC, DIR_FD + 1);

	if (high < 0)
		return -errno;
	close(*fd);
	*fd = high;
	return 0;
}

/* dup2(2) of an fd onto itself would leave it close-on-exec; none of ours is so low but `all`, at
 * worst, and then posix_spawn(3) clears the flag. */
static int spawn(const struct dns_place *p, int sock, int said, pid_t *ret)
{
	char name[] = HELPER, network[64], *argv[] = { name, network, NULL };
	const int fds[][2] = { { sock, STDIN_FILENO },
			       { said, STDOUT_FILENO },
			       { said, STDERR_FILENO },
			       { p->all, DIR_FD } };

	snprintf(network, sizeof network, "%s", p->network);
	return self_spawn(argv, fds, sizeof fds / sizeof fds[0], ret);
}

/* What it says until it serves, and how its first process ends. */
static int await(const struct dns_place *p, pid_t pid, int said, struct err *e)
{
	char text[ERR_TEXT_MAX / 2];
	ssize_t n = fd_read_full(said, text, sizeof text - 1);
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return err_say(e, EIO, HELPER " of network %s does not start: %s", p->network,
		       n > 0 ? text : "it says nothing");
}

int dns_start(const struct dns_place *p, struct err *e)
{
	_cleanup_fd_ int sock = make_socket(p), mine = -EBADF, its = -EBADF;
	pid_t pid;
	int said[2], r;

	if (sock < 0)
		return err_set(e, -sock, "cannot make the socket of network %s's " HELPER,
			       p->network);
	if (pipe2(said, O_CLOEXEC) < 0)
		return err_set(e, errno, "pipe2");
	mine = said[0];
	its = said[1];
	if ((r = lift(&sock)) < 0 || (r = lift(&its)) < 0)
		return err_set(e, -r, "fcntl(F_DUPFD_CLOEXEC)");
	r = spawn(p, sock, its, &pid);
	fd_close(&its);
	if (r < 0) {
		dns_unlink(p);
		err_set(e, -r, "names on network %s need " HELPER ", which cannot be run",
			p->network);
		return err_fix(e, "install it beside kist, or in " KIST_LIBEXEC);
	}
	r = await(p, pid, mine, e);
	if (r < 0)
		dns_unlink(p);
	return r;
}

static bool is_helper(int pidfd, uint32_t pid)
{
	char path[32], name[32] = "";

	snprintf(path, sizeof path, "/proc/%u/comm", pid);
	/* Its number is still its own when it can be told that it lives. */
	return file_read_at(AT_FDCWD, path, name, sizeof name) > 0 && strcmp(name, HELPER) == 0 &&
	       pidfd_send_signal(pidfd, 0, NULL, 0) == 0;
}

bool dns_end_other(const struct dns_place *p, uint32_t pid)
{
	_cleanup_fd_ int pidfd = pid ? pidfd_open((pid_t)pid, 0) : -1;
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	if (pidfd < 0 || !is_helper(pidfd, pid) || pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0 ||
	    poll(&end, 1, DNS_ANSWER_MS) != 1)
		return false;
	dns_unlink(p);
	return true;
}

void dns_unlink(const struct dns_place *p)
{
	(void)unlinkat(p->dir, DNS_SOCKET, 0);
}
