/*
 * seccomp-agent.c - answers SCMP_ACT_NOTIFY for the tests.
 *
 *   seccomp-agent SOCKET FOLDER [NR=ERRNO | NR=die]...
 *
 * Listens on SOCKET; each connection is one process with a filter. The state that came with it is
 * written to FOLDER/state.N (N from 1). A notified call is answered with the errno given for its
 * number, or let through; FOLDER/calls.N has a line with the number of each. When the last process
 * of the filter has ended, FOLDER/gone.N is made. NR=die: the agent ends instead of answering.
 * FOLDER/ready is made once it listens.
 *
 * Build:  cc -O2 -static -o seccomp-agent seccomp-agent.c
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char **rules;
static const char *folder;

static FILE *make(const char *name, int number)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s.%d", folder, name, number);
	f = fopen(path, "we");
	if (!f)
		exit(2);
	return f;
}

/* The state, whole: JSON ends with the message, and the sender closes. Returns the listener. */
static int receive(int sock, int number)
{
	char text[65536];
	union {
		char space[CMSG_SPACE(sizeof(int) * 4)];
		struct cmsghdr align;
	} control;
	int fd = -1;
	FILE *f = make("new-state", number);
	char from[4096], to[4096];

	for (;;) {
		struct iovec iov = { text, sizeof text };
		struct msghdr m = { .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = &control,
				    .msg_controllen = sizeof control };
		ssize_t n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
		struct cmsghdr *c;

		if (n <= 0)
			break;
		c = CMSG_FIRSTHDR(&m);
		if (c && c->cmsg_type == SCM_RIGHTS) {
			if (fd >= 0 || c->cmsg_len != CMSG_LEN(sizeof fd))
				exit(3); /* exactly one */
			memcpy(&fd, CMSG_DATA(c), sizeof fd);
		}
		fwrite(text, 1, (size_t)n, f);
	}
	fclose(f);
	snprintf(from, sizeof from, "%s/new-state.%d", folder, number);
	snprintf(to, sizeof to, "%s/state.%d", folder, number);
	rename(from, to);
	return fd;
}

static void answer(int listener, FILE *calls)
{
	struct seccomp_notif call = { 0 };
	struct seccomp_notif_resp reply = { .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
		return;
	fprintf(calls, "%d\n", call.data.nr);
	fflush(calls);
	reply.id = call.id;
	for (char **rule = rules; *rule; rule++) {
		if (atoi(*rule) != call.data.nr)
			continue;
		if (strstr(*rule, "=die")) {
			kill(getppid(), SIGKILL);
			_exit(0);
		}
		reply.flags = 0;
		reply.error = -atoi(strchr(*rule, '=') + 1);
	}
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);
}

static void serve(int sock, int number)
{
	int listener = receive(sock, number);
	struct pollfd p = { .fd = listener, .events = POLLIN };
	FILE *calls = make("calls", number);

	close(sock);
	if (listener < 0)
		exit(4);
	while (poll(&p, 1, -1) > 0 || errno == EINTR) {
		if (p.revents & POLLIN)
			answer(listener, calls);
		else if (p.revents)
			break;
	}
	fclose(make("gone", number));
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc < 3)
		return 125;
	folder = argv[2];
	rules = argv + 3;
	signal(SIGCHLD, SIG_IGN);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[1]);
	if (bind(sock, (struct sockaddr *)&address, sizeof address) < 0 || listen(sock, 8) < 0)
		return 1;
	fclose(make("ready", 0));
	for (int number = 1;; number++) {
		int one = accept4(sock, NULL, NULL, SOCK_CLOEXEC);

		if (one < 0)
			return 1;
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(sock);
			serve(one, number);
			return 0;
		}
		close(one);
	}
}
