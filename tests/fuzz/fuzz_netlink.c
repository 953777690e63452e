/*
 * fuzz_netlink.c - any bytes as the kernel's answers to what kist asks over netlink: interfaces,
 * counters, routes, addresses, firewall tables, flows, refusals with words and without.
 *
 * The first byte says which question; then datagrams, each after its length in two bytes. Sequence
 * numbers are set to those of the question (unless the first byte's highest bit is set), so that
 * the answers are looked at.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t answer(int fd, struct msghdr *m, int flags);
static ssize_t ask(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
		   socklen_t length);
static int no_socket(int family, int type, int protocol);

#define recvmsg answer
#define sendto	ask
#define socket	no_socket
#include "net/netlink.c" /* with another kernel below */
#undef recvmsg
#undef sendto
#undef socket

#include "net/conntrack.h"
#include "net/counters.h"
#include "net/firewall.h"
#include "net/link.h"
#include "net/nft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *next;
static size_t left;
static uint32_t asked; /* the number of the last question */
static bool as_is;

static int no_socket(int family, int type, int protocol)
{
	(void)family;
	(void)type;
	(void)protocol;
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static ssize_t ask(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
		   socklen_t length)
{
	const struct nlmsghdr *m = data;
	int rest = (int)size;

	(void)fd;
	(void)flags;
	(void)to;
	(void)length;
	/* What kist sends is well formed, whatever it was told before. */
	for (; nl_ok(m, rest); m = nl_next(m, &rest))
		asked = m->nlmsg_seq;
	assert(rest == 0);
	return (ssize_t)size;
}

static void number(char *data, ssize_t size)
{
	struct nlmsghdr *m = (struct nlmsghdr *)data;
	int rest = (int)size;

	for (; !as_is && nl_ok(m, rest); m = nl_next(m, &rest))
		m->nlmsg_seq = asked;
}

static ssize_t answer(int fd, struct msghdr *m, int flags)
{
	size_t size, room = m->msg_iov[0].iov_len;

	(void)fd;
	(void)flags;
	if (left < 2) {
		errno = ENOBUFS; /* the kernel says no more */
		return -1;
	}
	size = next[0] | (size_t)next[1] << 8;
	next += 2;
	left -= 2;
	if (size > left)
		size = left;
	m->msg_flags = size > room ? MSG_TRUNC : 0;
	if (size > room)
		size = room;
	memcpy(m->msg_iov[0].iov_base, next, size);
	next += size;
	left -= size;
	number(m->msg_iov[0].iov_base, (ssize_t)size);
	m->msg_namelen = sizeof(struct sockaddr_nl);
	return (ssize_t)size;
}

static void question_link(bool by_name)
{
	struct link_info link;
	struct err e = ERR_INIT;
	int r = by_name ? link_get(3, "kist0", &link, &e) : link_get_index(3, 7, &link, &e);

	if (r < 0)
		return;
	assert(strnlen(link.kind, sizeof link.kind) < sizeof link.kind);
	assert(strnlen(link.alias, sizeof link.alias) < sizeof link.alias);
}

static void question_counters(void)
{
	struct net_counters *all;
	struct err e = ERR_INIT;
	size_t count;

	if (net_counters_list(3, &all, &count, &e) < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		const struct net_counters *found = net_counters_find(all, count, all[i].name);

		assert(all[i].name[0] && strnlen(all[i].name, IFNAMSIZ) < IFNAMSIZ);
		assert(found && strcmp(found->name, all[i].name) == 0);
	}
	free(all);
}

static void question_routes(bool six)
{
	static const struct in6_addr ula = { .s6_addr = { 0xfd, 1 } };
	struct err e = ERR_INIT;
	char what[96] = "";
	int r = six ? route6_find_overlap(3, &ula, 64, what, &e)
		    : route_find_overlap(3, 0x0a570000, 16, 0, what, &e);

	assert(r <= 0 || strnlen(what, sizeof what) < sizeof what);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	char text[1024];

	if (size < 1)
		return 0;
	as_is = data[0] & 128;
	next = data + 1;
	left = size - 1;
	switch (data[0] & 15) {
	case 0:
	case 1:
		question_link(data[0] & 1);
		break;
	case 2:
		question_counters();
		break;
	case 3:
	case 4:
		question_routes(data[0] & 1);
		break;
	case 5:
		nft_remove_other("other", &e);
		break;
	case 6:
		firewall_remove(&e);
		break;
	case 8:
		conntrack_forget(0x0a500005, &in6addr_any);
		break;
	case 9:
		conntrack_forget(0, &(const struct in6_addr){ .s6_addr = { 0xfd, 1 } });
		break;
	default:
		firewall_is_whole(NULL, 0, NULL, 0, &e);
	}
	err_format(&e, text, sizeof text);
	return 0;
}
