/*
 * dns_server.c - kist-dns: its loop, its clients, its deadlines.
 */
#include "net/dns_server.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#define EVENTS 64

#define of_source(source, type, member) ((type *)((char *)(source)-offsetof(type, member)))

int dns_listen(struct dns_server *s, int fd, struct dns_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int dns_relisten(struct dns_server *s, int fd, struct dns_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	return epoll_ctl(s->epoll, EPOLL_CTL_MOD, fd, &event) < 0 ? -errno : 0;
}

/* --- deadlines ---------------------------------------------------------------------- */

static void queue_init(struct dns_queue *q, int period)
{
	q->head.prev = q->head.next = &q->head;
	q->period = period;
}

void dns_timer_stop(struct dns_timer *t)
{
	if (!t->next)
		return;
	t->prev->next = t->next;
	t->next->prev = t->prev;
	t->prev = t->next = NULL;
}

void dns_timer_start(struct dns_server *s, struct dns_queue *q, struct dns_timer *t)
{
	dns_timer_stop(t);
	t->due = s->now + q->period;
	t->next = &q->head;
	t->prev = q->head.prev;
	q->head.prev->next = t;
	q->head.prev = t;
}

static void expire(struct dns_server *s, struct dns_queue *q)
{
	while (q->head.next != &q->head && q->head.next->due <= s->now) {
		struct dns_timer *t = q->head.next;

		dns_timer_stop(t);
		t->expired(s, t);
	}
}

static int64_t earlier(int64_t due, const struct dns_queue *q)
{
	if (q->head.next == &q->head || (due >= 0 && due <= q->head.next->due))
		return due;
	return q->head.next->due;
}

/* --- small things ------------------------------------------------------------------- */

void dns_bury(struct dns_server *s, struct dns_object *o)
{
	o->next = s->dead;
	s->dead = o;
}

static void free_dead(struct dns_server *s)
{
	while (s->dead) {
		struct dns_object *o = s->dead;

		s->dead = o->next;
		free(o);
	}
}

uint16_t dns_random16(struct dns_server *s)
{
	uint16_t value;

	if (s->random_left < sizeof value) {
		/* It blocks until there is entropy, and fails for nothing else. */
		while (getrandom(s->random, sizeof s->random, 0) != sizeof s->random)
			;
		s->random_left = sizeof s->random;
	}
	s->random_left -= sizeof value;
	memcpy(&value, s->random + s->random_left, sizeof value);
	return value;
}

/* --- clients ------------------------------------------------------------------------ */

static void on_death(struct dns_server *s, struct dns_source *source, uint32_t events)
{
	(void)events;
	dns_client_close(s, of_source(source, struct dns_client, pid_source));
}

struct dns_client *dns_client_find(const struct dns_server *s, const char *owner)
{
	for (struct dns_client *c = s->clients; c; c = c->next)
		if (strcmp(c->owner, owner) == 0)
			return c;
	return NULL;
}

/* A socket keeps its network namespace alive, and with it the container's interfaces: none is kept
 * when the container has gone, whether kist was told or not. */
void dns_client_close(struct dns_server *s, struct dns_client *c)
{
	while (c->conns)
		dns_conn_close(s, c->conns);
	while (c->forwards)
		dns_forward_cancel(s, c->forwards);
	c->udp_source.ready = c->tcp_source.ready = c->pid_source.ready = NULL;
	fd_close(&c->udp);
	fd_close(&c->tcp);
	fd_close(&c->pidfd);
	free(c->networks);
	c->networks = NULL;
	*(c->prev ? &c->prev->next : &s->clients) = c->next;
	if (c->next)
		c->next->prev = c->prev;
	s->client_count--;
	dns_bury(s, &c->object);
}

static bool is_socket(int fd, int type)
{
	int got = 0;
	socklen_t size = sizeof got;

	return fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_TYPE, &got, &size) == 0 && got == type;
}

int dns_client_add(struct dns_server *s, const struct dns_request *q, int fds[DNS_FDS])
{
	struct dns_client *c = dns_client_find(s, q->owner);
	int r;

	if (!is_socket(fds[0], SOCK_DGRAM) || !is_socket(fds[1], SOCK_STREAM) || fds[2] < 0)
		return -EBADF;
	if (!dns_table_owner(&s->table, q->owner))
		return -ENOENT;
	if (c)
		dns_client_close(s, c);
	c = calloc(1, sizeof *c);
	if (!c)
		return -ENOMEM;
	c->udp = fd_take(&fds[0]);
	c->tcp = fd_take(&fds[1]);
	c->pidfd = fd_take(&fds[2]);
	memcpy(c->owner, q->owner, sizeof c->owner);
	c->cookie = q->cookie;
	c->own.servers = q->own;
	c->generation = s->table.generation - 1;
	c->accepting = true;
	c->udp_source.ready = dns_udp_ready;
	c->tcp_source.ready = dns_tcp_ready;
	c->pid_source.ready = on_death;
	c->next = s->clients;
	if (c->next)
		c->next->prev = c;
	s->clients = c;
	s->client_count++;
	r = dns_listen(s, c->udp, &c->udp_source, EPOLLIN);
	if (r == 0)
		r = dns_listen(s, c->tcp, &c->tcp_source, EPOLLIN);
	if (r == 0)
		r = dns_listen(s, c->pidfd, &c->pid_source, EPOLLIN);
	if (r < 0)
		dns_client_close(s, c);
	else
		s->served = true;
	return r;
}

/* --- the loop ----------------------------------------------------------------------- */

int dns_server_open(struct dns_server *s, int control, int dir, const char *network, struct err *e)
{
	s->control = control;
	s->dir = dir;
	s->watch = -EBADF;
	s->network = network;
	s->now = clock_now_ms();
	queue_init(&s->tries, DNS_TRY_MS);
	queue_init(&s->idle, DNS_TCP_MS);
	queue_init(&s->controls, DNS_ANSWER_MS);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll < 0)
		return err_set(e, errno, "epoll_create1");
	s->control_source.ready = dns_control_ready;
	if (dns_listen(s, control, &s->control_source, EPOLLIN) < 0)
		return err_set(e, errno, "epoll_ctl");
	return dns_watch_open(s, e);
}

int dns_server_run(struct dns_server *s)
{
	int64_t give_up = clock_now_ms() + DNS_START_MS;

	while (s->client_count || (!s->served && !s->gone)) {
		int64_t due = earlier(earlier(earlier(-1, &s->tries), &s->idle), &s->controls);
		struct epoll_event events[EVENTS];
		int n;

		if (!s->served)
			due = due < 0 || due > give_up ? give_up : due;
		n = epoll_wait(s->epoll, events, EVENTS, clock_left_ms(due));
		if (n < 0 && errno != EINTR)
			return -errno;
		s->now = clock_now_ms();
		for (int i = 0; i < n; i++) {
			struct dns_source *source = events[i].data.ptr;

			if (source->ready)
				source->ready(s, source, events[i].events);
		}
		expire(s, &s->tries);
		expire(s, &s->idle);
		expire(s, &s->controls);
		free_dead(s);
		if (!s->served && s->now >= give_up)
			return 0;
	}
	return 0;
}

void dns_server_close(struct dns_server *s)
{
	while (s->clients)
		dns_client_close(s, s->clients);
	free_dead(s);
	dns_table_free(&s->table);
	free(s->watched);
	fd_close(&s->watch);
	fd_close(&s->epoll);
}
