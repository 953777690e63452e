/*
 * netlink.c - talking netlink(7) on a plain fd: batches, acks, dumps.
 */
#include "net/netlink.h"

#include <errno.h>
#include <limits.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"

/* netlink(7): the kernel fills at most 32 KiB of a dump per read. */
#define NL_READ_BYTES 32768

void nl_batch_init(struct nl_batch *b)
{
	b->used = 0;
	b->count = 0;
	b->overflow = false;
	b->grows = false;
	b->size = sizeof b->fixed;
	b->bytes = b->fixed;
}

void nl_batch_init_growing(struct nl_batch *b)
{
	nl_batch_init(b);
	b->grows = true;
}

void nl_batch_free(struct nl_batch *b)
{
	if (b->bytes != b->fixed)
		free(b->bytes);
	b->bytes = b->fixed;
}

static bool grow(struct nl_batch *b)
{
	char *more;

	if (!b->grows || b->size >= NL_BATCH_MAX)
		return false;
	more = realloc(b->bytes == b->fixed ? NULL : b->bytes, b->size * 2);
	if (!more)
		return false;
	if (b->bytes == b->fixed)
		memcpy(more, b->fixed, b->used);
	b->bytes = more;
	b->size *= 2;
	return true;
}

struct nlmsghdr *nl_begin(struct nl_batch *b, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *message;

	if (b->size - b->used < NL_MESSAGE_BYTES && !grow(b)) {
		b->overflow = true;
		b->used = 0;
	}
	message = (struct nlmsghdr *)(b->bytes + b->used);
	*message = (struct nlmsghdr){ .nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = type,
				      .nlmsg_flags = NLM_F_REQUEST | flags };
	return message;
}

void nl_end(struct nl_batch *b, struct nlmsghdr *message)
{
	if (message->nlmsg_len > NL_MESSAGE_BYTES)
		b->overflow = true;
	else
		b->used += NL_ALIGN(message->nlmsg_len);
	b->count++;
}

int nl_open(int protocol)
{
	_cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	int on = 1;

	if (fd < 0)
		return -errno;
	/* Both only make answers clearer and shorter: a kernel without them does the work too. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
	return fd_take(&fd);
}

/* Numbers the messages anew; returns how many acks are due, and the range in use. */
static int number_messages(struct nl_batch *b, uint32_t *ret_first)
{
	/* Answers to an earlier batch that failed half way may still wait in the socket. */
	static uint32_t sequence;
	int left = (int)b->used, acks = 0;
	struct nlmsghdr *m = (struct nlmsghdr *)b->bytes;

	*ret_first = sequence + 1;
	for (; nl_ok(m, left); m = nl_next(m, &left)) {
		m->nlmsg_seq = ++sequence;
		if (m->nlmsg_flags & NLM_F_ACK)
			acks++;
	}
	return acks;
}

static int send_batch(int fd, const struct nl_batch *b)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int room = (int)b->used * 2;
	bool forced = false;

	for (;;) {
		if (sendto(fd, b->bytes, b->used, 0, (const struct sockaddr *)&kernel,
			   sizeof kernel) >= 0)
			return 0;
		if (errno == EMSGSIZE && !forced) {
			/* More than the socket may hold by default; root may have it all. */
			forced = true;
			if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) < 0)
				return -EMSGSIZE;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
}

/* One datagram from the kernel; those of other processes are dropped (any may send us one). */
static ssize_t receive(int fd, void *data, size_t size)
{
	for (;;) {
		struct sockaddr_nl from = { 0 };
		struct iovec part = { data, size };
		struct msghdr m = { .msg_name = &from, .msg_namelen = sizeof from,
				    .msg_iov = &part, .msg_iovlen = 1 };
		ssize_t n = recvmsg(fd, &m, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EBADMSG;
		if (m.msg_namelen != sizeof from || from.nl_pid != 0)
			continue;
		if (m.msg_flags & MSG_TRUNC)
			return -EMSGSIZE;
		return n;
	}
}

/* The refusal's own words, or NULL: NLMSGERR_ATTR_MSG follows the (capped) header. */
static const char *kernels_words(const struct nlmsghdr *m, const struct nlmsgerr *refusal)
{
	size_t skip = sizeof *refusal;
	const struct nlattr *attr;

	if (!(m->nlmsg_flags & NLM_F_CAPPED))
		skip += refusal->msg.nlmsg_len - sizeof refusal->msg;
	if (!(m->nlmsg_flags & NLM_F_ACK_TLVS) || nl_payload_len(m) <= skip)
		return NULL;
	nl_for_each(attr, m, (unsigned int)skip) {
		if (nl_attr_type(attr) == NLMSGERR_ATTR_MSG &&
		    nl_attr_is_string(attr))
			return nl_attr_string(attr);
	}
	return NULL;
}

static int take_error(const struct nlmsghdr *m, struct err *e)
{
	const struct nlmsgerr *refusal = nl_payload(m);
	const char *words;

	if (nl_payload_len(m) < sizeof *refusal)
		return err_set(e, EBADMSG, "short netlink answer");
	if (!refusal->error)
		return 0;
	if (refusal->error > 0 || refusal->error == INT_MIN)
		return err_set(e, EBADMSG, "a netlink answer with error %d", refusal->error);
	words = kernels_words(m, refusal);
	return err_set(e, -refusal->error, "%s", words ? words : "the kernel refused");
}

/* 1: nothing more will come; 0: go on. */
static int take_datagram(const char *data, int left, uint32_t first, uint32_t last, int *acks,
			 nl_row row, void *user, struct err *e)
{
	const struct nlmsghdr *m = (const struct nlmsghdr *)data;

	for (; nl_ok(m, left); m = nl_next(m, &left)) {
		int r;

		if (m->nlmsg_seq < first || m->nlmsg_seq > last)
			continue;
		if (m->nlmsg_type == NLMSG_ERROR) {
			r = take_error(m, e);
			if (r < 0)
				return r;
			if (--*acks <= 0)
				return 1;
			continue;
		}
		if (m->nlmsg_flags & NLM_F_DUMP_INTR)
			return err_set(e, EAGAIN, "the table changed while it was read");
		if (m->nlmsg_type == NLMSG_DONE)
			return 1;
		r = m->nlmsg_type >= NLMSG_MIN_TYPE && row ? row(m, user) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

int nl_talk(int fd, struct nl_batch *b, nl_row row, void *user, struct err *e)
{
	_Alignas(8) char data[NL_READ_BYTES];
	uint32_t first;
	int acks, r;

	if (b->overflow)
		return err_set(e, EMSGSIZE, "netlink batch");
	acks = number_messages(b, &first);
	r = send_batch(fd, b);
	if (r < 0)
		return err_set(e, -r, "cannot send to the kernel");
	while (r == 0) {
		ssize_t n = receive(fd, data, sizeof data);

		if (n < 0)
			return err_set(e, (int)-n, "cannot read the kernel's answer");
		r = take_datagram(data, (int)n, first, first + (uint32_t)b->count - 1, &acks, row,
				  user, e);
	}
	return r < 0 ? r : 0;
}
