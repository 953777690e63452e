/*
 * dns_tcp.c - questions over TCP (RFC 7766): two bytes of length, then the message.
 *
 * A connection has one question at a time and one deadline for it, which bytes
 * that trickle in don't move. A container has at most DNS_CONNS_MAX; more wait
 * in its own backlog.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/dns_server.h"

#define IN_FIRST 1024

#define of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

static void accept_more(struct dns_server *s, struct dns_client *c, bool yes)
{
	if (c->accepting == yes)
		return;
	c->accepting = yes;
	(void)dns_relisten(s, c->tcp, &c->tcp_source, yes ? EPOLLIN : 0);
}

void dns_conn_close(struct dns_server *s, struct dns_conn *c)
{
	struct dns_client *client = c->client;

	c->source.ready = NULL;
	dns_timer_stop(&c->timer);
	if (c->forward)
		dns_forward_cancel(s, c->forward);
	fd_close(&c->fd);
	free(c->in);
	free(c->out);
	*(c->prev ? &c->prev->next : &client->conns) = c->next;
	if (c->next)
		c->next->prev = c->prev;
	client->conn_count--;
	accept_more(s, client, true);
	dns_bury(s, &c->object);
}

static void on_expired(struct dns_server *s, struct dns_timer *t)
{
	dns_conn_close(s, of(t, struct dns_conn, timer));
}

/* --- answers ------------------------------------------------------------------------ */

static void await_question(struct dns_server *s, struct dns_conn *c)
{
	c->in_len = 0;
	dns_timer_start(s, &s->idle, &c->timer);
	if (dns_relisten(s, c->fd, &c->source, EPOLLIN) < 0)
		dns_conn_close(s, c);
}

static void keep_rest(struct dns_server *s, struct dns_conn *c, const uint8_t *data, size_t size)
{
	c->out = malloc(size);
	if (!c->out) {
		dns_conn_close(s, c);
		return;
	}
	memcpy(c->out, data, size);
	c->out_len = size;
	c->out_sent = 0;
	dns_timer_start(s, &s->idle, &c->timer);
	if (dns_relisten(s, c->fd, &c->source, EPOLLOUT) < 0)
		dns_conn_close(s, c);
}

void dns_conn_answer(struct dns_server *s, struct dns_conn *c, const uint8_t *m, size_t size)
{
	static uint8_t whole[2 + DNS_TCP_MAX];
	ssize_t n;

	whole[0] = (uint8_t)(size >> 8);
	whole[1] = (uint8_t)size;
	memcpy(whole + 2, m, size);
	n = send(c->fd, whole, size + 2, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN) {
		dns_conn_close(s, c);
		return;
	}
	n = n < 0 ? 0 : n;
	if ((size_t)n == size + 2)
		await_question(s, c);
	else
		keep_rest(s, c, whole + n, size + 2 - (size_t)n);
}

static void send_rest(struct dns_server *s, struct dns_conn *c)
{
	ssize_t n = send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN) {
		dns_conn_close(s, c);
		return;
	}
	c->out_sent += n > 0 ? (size_t)n : 0;
	if (c->out_sent < c->out_len)
		return;
	free(c->out);
	c->out = NULL;
	await_question(s, c);
}

/* --- questions ---------------------------------------------------------------------- */

static void ask(struct dns_server *s, struct dns_conn *c)
{
	size_t len;

	/* While it waits for an answer, bytes stay with the kernel; only its end is of interest. */
	dns_timer_stop(&c->timer);
	if (dns_relisten(s, c->fd, &c->source, 0) < 0) {
		dns_conn_close(s, c);
		return;
	}
	len = dns_resolve(s, c->client, c, NULL, c->in + 2, c->in_len - 2, s->big);
	if (!c->source.ready)
		return;
	if (len)
		dns_conn_answer(s, c, s->big, len);
	else if (!c->forward)
		dns_conn_close(s, c);
}

static bool make_room(struct dns_conn *c, size_t want)
{
	uint8_t *more;

	if (want <= c->in_room)
		return true;
	more = realloc(c->in, want);
	if (!more)
		return false;
	c->in = more;
	c->in_room = want;
	return true;
}

static void read_question(struct dns_server *s, struct dns_conn *c)
{
	for (;;) {
		size_t want = 2;
		ssize_t n;

		if (c->in_len >= 2)
			want += (size_t)(c->in[0] << 8 | c->in[1]);
		if (c->in_len >= 2 && c->in_len == want) {
			ask(s, c);
			return;
		}
		if (!make_room(c, want < IN_FIRST ? IN_FIRST : want)) {
			dns_conn_close(s, c);
			return;
		}
		n = recv(c->fd, c->in + c->in_len, want - c->in_len, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			dns_conn_close(s, c);
			return;
		}
		c->in_len += (size_t)n;
	}
}

static void on_conn(struct dns_server *s, struct dns_source *source, uint32_t events)
{
	struct dns_conn *c = of(source, struct dns_conn, source);

	if (c->out && (events & EPOLLOUT))
		send_rest(s, c);
	else if (!c->forward && (events & EPOLLIN))
		read_question(s, c);
	else if (events & (EPOLLHUP | EPOLLERR))
		dns_conn_close(s, c);
}

static void add_conn(struct dns_server *s, struct dns_client *client, int fd)
{
	struct dns_conn *c = calloc(1, sizeof *c);

	if (!c) {
		close(fd);
		return;
	}
	c->fd = fd;
	c->client = client;
	c->source.ready = on_conn;
	c->timer.expired = on_expired;
	c->next = client->conns;
	if (c->next)
		c->next->prev = c;
	client->conns = c;
	client->conn_count++;
	if (dns_listen(s, fd, &c->source, 0) < 0)
		dns_conn_close(s, c);
	else
		await_question(s, c);
}

void dns_tcp_ready(struct dns_server *s, struct dns_source *source, uint32_t events)
{
	struct dns_client *c = of(source, struct dns_client, tcp_source);

	/* With CAP_NET_ADMIN over its network namespace a container may end sockets in it (ss -K). A
	 * listener that is none any more would be ready for ever. */
	if (events & (EPOLLHUP | EPOLLERR)) {
		fd_close(&c->tcp);
		return;
	}
	while (c->conn_count < DNS_CONNS_MAX) {
		int fd = accept4(c->tcp, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			add_conn(s, c, fd);
			continue;
		}
		/* Out of fds: whoever has been idle the longest, of any container, gives way. */
		if ((errno != EMFILE && errno != ENFILE) || s->idle.head.next == &s->idle.head)
			return;
		dns_conn_close(s, of(s->idle.head.next, struct dns_conn, timer));
	}
	accept_more(s, c, false);
}
