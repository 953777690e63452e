/*
 * dns_serve.c - what kist asks of kist-dns.
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

#define CONTROLS_MAX 64

#define of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

struct control {
	struct dns_object object;
	struct dns_source source;
	struct dns_timer timer;
	int fd;
};

static void close_control(struct dns_server *s, struct control *c)
{
	c->source.ready = NULL;
	dns_timer_stop(&c->timer);
	fd_close(&c->fd);
	s->control_count--;
	dns_bury(s, &c->object);
}

static void on_expired(struct dns_server *s, struct dns_timer *t)
{
	close_control(s, of(t, struct control, timer));
}

static bool are_servers(const struct dns_servers *s)
{
	if (s->count > DNS_UPSTREAM_MAX)
		return false;
	for (unsigned i = 0; i < s->count; i++)
		if (s->list[i].family != AF_INET && s->list[i].family != AF_INET6)
			return false;
	return true;
}

static bool is_request(const struct dns_request *q, ssize_t size)
{
	return size == sizeof *q && q->owner[0] && memchr(q->owner, '\0', sizeof q->owner) &&
	       are_servers(&q->host) && are_servers(&q->own);
}

static int act(struct dns_server *s, const struct dns_request *q, int fds[DNS_FDS])
{
	struct dns_client *c;

	dns_watch_drain(s);
	c = dns_client_find(s, q->owner);
	if (q->verb == DNS_ATTACH || q->verb == DNS_HAS)
		s->upstream = (struct dns_upstreams){ .servers = q->host };
	if (q->verb == DNS_HAS && c && c->cookie == q->cookie)
		c->own = (struct dns_upstreams){ .servers = q->own };
	switch (q->verb) {
	case DNS_ATTACH:
		return dns_client_add(s, q, fds);
	case DNS_DETACH:
		if (c && (!q->cookie || c->cookie == q->cookie))
			dns_client_close(s, c);
		return 0;
	case DNS_HAS:
		return c && (!q->cookie || c->cookie == q->cookie);
	case DNS_STATUS:
		return 0;
	}
	return -EINVAL;
}

static void on_request(struct dns_server *s, struct dns_source *source, uint32_t events)
{
	struct control *c = of(source, struct control, source);
	struct dns_reply reply = { .version = dns_control_version() };
	struct dns_request q;
	int fds[DNS_FDS];
	ssize_t n = dns_control_receive(c->fd, &q, sizeof q, fds, MSG_DONTWAIT);

	(void)events;
	if (n == -EAGAIN)
		return;
	if (n >= (ssize_t)sizeof q.version && q.version != reply.version)
		reply.result = -EPROTONOSUPPORT;
	else
		reply.result = is_request(&q, n) ? act(s, &q, fds) : -EBADMSG;
	for (int i = 0; i < DNS_FDS; i++)
		fd_close(&fds[i]);
	reply.pid = (uint32_t)getpid();
	reply.users = s->client_count;
	reply.questions = s->questions;
	reply.forwarded = s->forwarded;
	reply.refused = s->refused;
	if (n > 0)
		(void)send(c->fd, &reply, sizeof reply, MSG_DONTWAIT | MSG_NOSIGNAL);
	close_control(s, c);
}

/* Only who started it, and root: in the folder nobody else gets at the socket anyway. */
static bool may_control(const struct dns_server *s, int fd)
{
	struct ucred peer;
	socklen_t size = sizeof peer;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == 0 || peer.uid == s->owner_uid);
}

void dns_control_ready(struct dns_server *s, struct dns_source *source, uint32_t events)
{
	_cleanup_fd_ int fd = accept4(s->control, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct control *c;

	(void)source;
	(void)events;
	if (fd < 0 || !may_control(s, fd) || s->control_count >= CONTROLS_MAX)
		return;
	c = calloc(1, sizeof *c);
	if (!c || dns_listen(s, fd, &c->source, EPOLLIN) < 0) {
		free(c);
		return;
	}
	c->fd = fd_take(&fd);
	c->source.ready = on_request;
	c->timer.expired = on_expired;
	s->control_count++;
	dns_timer_start(s, &s->controls, &c->timer);
}
