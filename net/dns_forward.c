/*
 * dns_forward.c - questions that go upstream.
 *
 * Each try has a socket of its own, whose port the kernel draws, and an id of
 * its own: who forges an answer has to guess both. The socket is connected, so
 * that only the server's address is heard, and what it says must repeat the
 * question. A question over UDP that gets wrong answers is asked again over
 * TCP, where nothing can be guessed.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "net/dns_server.h"

#define ROUNDS	       2 /* over all servers */
#define MISMATCHES_MAX 8
#define READS_MAX      16 /* of one socket in a row */

#define of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

static void try_next(struct dns_server *s, struct dns_forward *f);

static struct dns_upstreams *asked_of(struct dns_server *s, struct dns_client *c)
{
	return c->own.servers.count ? &c->own : &s->upstream;
}

/* --- the end of it ------------------------------------------------------------------ */

static void close_try(struct dns_forward *f)
{
	f->source.ready = NULL;
	dns_timer_stop(&f->timer);
	fd_close(&f->fd);
	free(f->in);
	f->in = NULL;
	f->in_len = 0;
	f->sent = false;
}

void dns_forward_cancel(struct dns_server *s, struct dns_forward *f)
{
	close_try(f);
	if (f->conn)
		f->conn->forward = NULL;
	*(f->prev ? &f->prev->next : &f->client->forwards) = f->next;
	if (f->next)
		f->next->prev = f->prev;
	f->client->asked--;
	s->forward_count--;
	dns_bury(s, &f->object);
}

/* `m` may be changed, and has 64 bytes of room behind it. */
static void deliver(struct dns_server *s, struct dns_forward *f, uint8_t *m, size_t size)
{
	const struct dns_question *q = &f->question;
	struct dns_client *client = f->client;
	struct dns_conn *conn = f->conn;
	struct sockaddr_in from = f->from;

	dns_set_id(m, q->id);
	memcpy(m + DNS_HEADER, f->query + DNS_HEADER, q->end - DNS_HEADER);
	if (!conn && size > q->limit)
		size = dns_cut_off(m, q);
	dns_forward_cancel(s, f);
	if (conn)
		dns_conn_answer(s, conn, m, size);
	else
		(void)sendto(client->udp, m, size, MSG_DONTWAIT | MSG_NOSIGNAL,
			     (struct sockaddr *)&from, sizeof from);
}

static void give_up(struct dns_server *s, struct dns_forward *f)
{
	struct dns_answer a;
	uint8_t m[DNS_UDP_MIN + 64];

	dns_answer_begin(&a, m, DNS_UDP_MIN, f->query, &f->question, DNS_SERVFAIL);
	deliver(s, f, m, dns_answer_end(&a));
}

/* An answer to what was asked. One that only says that this server can't is the last word of the
 * last server alone. */
static void take_answer(struct dns_server *s, struct dns_forward *f, uint8_t *m, size_t size)
{
	int rcode = dns_rcode_of(m);
	bool unable = rcode == DNS_SERVFAIL || rcode == DNS_REFUSED || rcode == DNS_NOTIMP;

	if (unable && f->tries < asked_of(s, f->client)->servers.count) {
		try_next(s, f);
		return;
	}
	if (!unable)
		asked_of(s, f->client)->preferred = f->upstream;
	deliver(s, f, m, size);
}

/* --- one try ------------------------------------------------------------------------ */

static int connect_to(const struct dns_upstream *u, int type)
{
	_cleanup_fd_ int fd = socket((int)u->family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in six4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)u->port) };
	struct sockaddr_in6 six6 = { .sin6_family = AF_INET6,
				     .sin6_port = htons((uint16_t)u->port),
				     .sin6_scope_id = u->scope };
	int r;

	if (fd < 0)
		return -errno;
	memcpy(&six4.sin_addr, u->address, sizeof six4.sin_addr);
	memcpy(&six6.sin6_addr, u->address, sizeof six6.sin6_addr);
	r = u->family == AF_INET ? connect(fd, (struct sockaddr *)&six4, sizeof six4)
				 : connect(fd, (struct sockaddr *)&six6, sizeof six6);
	return r < 0 && errno != EINPROGRESS ? -errno : fd_take(&fd);
}

static bool send_udp(const struct dns_forward *f)
{
	return send(f->fd, f->query, f->query_len, MSG_NOSIGNAL) == (ssize_t)f->query_len;
}

static bool send_tcp(struct dns_forward *f)
{
	uint8_t whole[2 + DNS_QUERY_MAX];

	whole[0] = (uint8_t)(f->query_len >> 8);
	whole[1] = (uint8_t)f->query_len;
	memcpy(whole + 2, f->query, f->query_len);
	f->sent = true;
	/* So few bytes always fit into a new connection's buffer. */
	return send(f->fd, whole, 2 + f->query_len, MSG_NOSIGNAL) == (ssize_t)(2 + f->query_len);
}

static void read_udp(struct dns_server *s, struct dns_forward *f)
{
	for (int i = 0; i < READS_MAX; i++) {
		ssize_t n = recv(f->fd, s->big, DNS_TCP_MAX, MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) { /* such as ECONNREFUSED: nobody serves there */
			try_next(s, f);
			return;
		}
		if (dns_reply_matches(s->big, (size_t)n, f->query, f->query_len)) {
			take_answer(s, f, s->big, (size_t)n);
			return;
		}
		if (++f->mismatches >= MISMATCHES_MAX) {
			f->tcp = true;
			f->tries--;
			try_next(s, f);
			return;
		}
	}
}

/* Length, then the answer. false: this server is of no use. */
static bool read_tcp(struct dns_server *s, struct dns_forward *f)
{
	for (;;) {
		size_t want = 2;
		ssize_t n;

		if (f->in_len >= 2)
			want += (size_t)(f->in[0] << 8 | f->in[1]);
		if (f->in_len >= 2 && f->in_len == want)
			break;
		if (!f->in || f->in_len == 2) {
			uint8_t *more = realloc(f->in, want + 64);

			if (!more)
				return false;
			f->in = more;
		}
		n = recv(f->fd, f->in + f->in_len, want - f->in_len, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (n <= 0)
			return false;
		f->in_len += (size_t)n;
	}
	if (!dns_reply_matches(f->in + 2, f->in_len - 2, f->query, f->query_len))
		return false;
	memcpy(s->big, f->in + 2, f->in_len - 2);
	take_answer(s, f, s->big, f->in_len - 2);
	return true;
}

static void on_upstream(struct dns_server *s, struct dns_source *source, uint32_t events)
{
	struct dns_forward *f = of(source, struct dns_forward, source);
	bool fine = true;

	if (!f->tcp) {
		read_udp(s, f);
		return;
	}
	if (!f->sent && (events & EPOLLOUT))
		fine = send_tcp(f) && dns_relisten(s, f->fd, &f->source, EPOLLIN) == 0;
	else if (f->sent || (events & (EPOLLHUP | EPOLLERR)))
		fine = f->sent && read_tcp(s, f);
	if (!fine)
		try_next(s, f);
}

static void on_expired(struct dns_server *s, struct dns_timer *t)
{
	try_next(s, of(t, struct dns_forward, timer));
}

static bool try_one(struct dns_server *s, struct dns_forward *f)
{
	f->fd = connect_to(&asked_of(s, f->client)->servers.list[f->upstream], f->tcp ? SOCK_STREAM : SOCK_DGRAM);
	if (f->fd < 0)
		return false;
	dns_set_id(f->query, dns_random16(s));
	if (!f->tcp && !send_udp(f))
		return false;
	f->source.ready = on_upstream;
	if (dns_listen(s, f->fd, &f->source, f->tcp ? EPOLLOUT : EPOLLIN) < 0)
		return false;
	dns_timer_start(s, &s->tries, &f->timer);
	return true;
}

/* Whichever server answered last is asked first; all are asked ROUNDS times. */
static bool try_some(struct dns_server *s, struct dns_forward *f)
{
	const struct dns_upstreams *u = asked_of(s, f->client);

	while (f->tries < u->servers.count * ROUNDS) {
		close_try(f);
		f->upstream = (u->preferred + f->tries++) % u->servers.count;
		if (try_one(s, f))
			return true;
	}
	close_try(f);
	return false;
}

static void try_next(struct dns_server *s, struct dns_forward *f)
{
	if (!try_some(s, f))
		give_up(s, f);
}

int dns_forward_start(struct dns_server *s, struct dns_client *c, struct dns_conn *conn,
		      const struct sockaddr_in *from, const uint8_t *m,
		      const struct dns_question *q)
{
	struct dns_forward *f;

	if (!asked_of(s, c)->servers.count || c->asked >= DNS_ASKED_MAX || s->forward_count >= DNS_ALL_MAX)
		return DNS_SERVFAIL;
	f = calloc(1, sizeof *f);
	if (!f)
		return DNS_SERVFAIL;
	f->fd = -EBADF;
	f->client = c;
	f->conn = conn;
	f->tcp = conn != NULL;
	if (from)
		f->from = *from;
	f->question = *q;
	f->timer.expired = on_expired;
	f->query_len = dns_query_build(m, q, 0, f->tcp, f->query);
	f->next = c->forwards;
	if (f->next)
		f->next->prev = f;
	c->forwards = f;
	c->asked++;
	s->forward_count++;
	s->forwarded++;
	if (conn)
		conn->forward = f;
	if (try_some(s, f))
		return 0;
	dns_forward_cancel(s, f);
	return DNS_SERVFAIL;
}
