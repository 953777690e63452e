/*
 * dns_udp.c - questions over UDP, as many as are there by one system call.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "net/dns_server.h"

struct batch {
	struct mmsghdr head[DNS_BATCH];
	struct iovec iov[DNS_BATCH];
	struct sockaddr_in from[DNS_BATCH];
};

static struct batch in, out;
static uint8_t asked[DNS_BATCH][DNS_ASK_MAX], answers[DNS_BATCH][DNS_UDP_MAX];

static int receive(int fd)
{
	for (int i = 0; i < DNS_BATCH; i++) {
		in.iov[i] = (struct iovec){ asked[i], DNS_ASK_MAX };
		in.head[i].msg_hdr = (struct msghdr){ .msg_name = &in.from[i],
						      .msg_namelen = sizeof in.from[i],
						      .msg_iov = &in.iov[i],
						      .msg_iovlen = 1 };
	}
	return recvmmsg(fd, in.head, DNS_BATCH, MSG_DONTWAIT, NULL);
}

/* An answer that can't be sent (its asker's socket is full, a rule forbids it) is as lost as one on
 * a wire: the next one is tried. */
static void send_all(int fd, unsigned count)
{
	for (unsigned at = 0; at < count;) {
		int n = sendmmsg(fd, out.head + at, count - at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
			return;
		at += n > 0 ? (unsigned)n : 1;
	}
}

static void put(unsigned at, int from, size_t len)
{
	out.from[at] = in.from[from];
	out.iov[at] = (struct iovec){ answers[at], len };
	out.head[at].msg_hdr = (struct msghdr){ .msg_name = &out.from[at],
						.msg_namelen = sizeof out.from[at],
						.msg_iov = &out.iov[at],
						.msg_iovlen = 1 };
}

void dns_udp_ready(struct dns_server *s, struct dns_source *source, uint32_t events)
{
	struct dns_client *c =
		(struct dns_client *)((char *)source - offsetof(struct dns_client, udp_source));
	unsigned ready = 0;
	int n = receive(c->udp);

	(void)events;
	for (int i = 0; i < n; i++) {
		const struct msghdr *h = &in.head[i].msg_hdr;
		size_t size = in.head[i].msg_len, len;

		if (h->msg_namelen != sizeof in.from[i] || in.from[i].sin_family != AF_INET)
			continue;
		/* Cut off, its last record is too: what is left can't be well-formed. */
		if (h->msg_flags & MSG_TRUNC)
			size = DNS_HEADER;
		len = dns_resolve(s, c, NULL, &in.from[i], asked[i], size, answers[ready]);
		if (!source->ready)
			return; /* the client has gone meanwhile */
		if (len)
			put(ready++, i, len);
	}
	send_all(c->udp, ready);
}
