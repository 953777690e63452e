/*
 * dns_server.h - kist-dns: one process that answers the containers of one network.
 *
 * One thread, one epoll. Each container has two sockets here, bound to
 * 127.0.0.11:53 in its own network namespace: by the socket the server knows
 * who asks, and nobody can ask in another's name. All a container can make the
 * server hold (connections, questions on their way) has a cap and a deadline.
 */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include "net/dns_control.h"
#include "net/dns_packet.h"
#include "net/dns_table.h"

#define DNS_BATCH	32    /* questions by one system call */
#define DNS_ASK_MAX	1024  /* bytes of a question over UDP; longer ones are malformed */
#define DNS_TTL		5     /* seconds: a container that is made anew has another address */
#define DNS_CONNS_MAX	16    /* TCP connections of one container */
#define DNS_ASKED_MAX	64    /* questions of one container that wait for upstream */
#define DNS_ALL_MAX	1024  /* and of all */
#define DNS_TRY_MS	2000  /* for one try upstream */
#define DNS_TCP_MS	5000  /* for one question, or one answer, over TCP */
#define DNS_START_MS	10000 /* a server whom nobody uses after that ends */
#define DNS_RECORD_MARK "ep-" /* what the name of an endpoint's file begins with */

struct dns_server;

/* What epoll reports; `ready` is NULL once it is closed. */
struct dns_source {
	void (*ready)(struct dns_server *s, struct dns_source *source, uint32_t events);
};
/* What has a deadline. All of one queue wait equally long, so the first in is the first out. */
struct dns_timer {
	struct dns_timer *prev, *next; /* NULL: not waiting */
	int64_t due;
	void (*expired)(struct dns_server *s, struct dns_timer *timer);
};
struct dns_queue {
	struct dns_timer head;
	int period;
};
/* Freed when the events that may still name it are done with. First in each struct. */
struct dns_object {
	struct dns_object *next;
};

struct dns_upstreams {
	struct dns_servers servers;
	unsigned preferred; /* the one that answered last */
};

struct dns_client { /* a container that asks */
	struct dns_object object;
	struct dns_client *prev, *next;
	struct dns_source udp_source, tcp_source, pid_source;
	int udp, tcp, pidfd;
	char owner[LEASE_OWNER_MAX];
	uint64_t cookie;
	unsigned generation; /* of the table that the next three are of */
	bool may_forward;
	unsigned network_count;
	unsigned *networks;
	struct dns_upstreams own; /* whom to ask for it; none: whom all are asked for */
	bool accepting;
	int conn_count, asked;
	struct dns_conn *conns;
	struct dns_forward *forwards;
};

struct dns_conn { /* its TCP connection: one question at a time */
	struct dns_object object;
	struct dns_conn *prev, *next;
	struct dns_source source;
	struct dns_timer timer;
	struct dns_client *client;
	int fd;
	uint8_t *in, *out;
	size_t in_len, in_room, out_len, out_sent;
	struct dns_forward *forward;
};

struct dns_forward { /* a question on its way upstream */
	struct dns_object object;
	struct dns_forward *prev, *next;
	struct dns_source source;
	struct dns_timer timer;
	struct dns_client *client;
	struct dns_conn *conn; /* NULL: it came by UDP, from ... */
	struct sockaddr_in from;
	struct dns_question question;
	int fd;
	bool tcp, sent;
	unsigned upstream, tries, mismatches;
	size_t query_len;
	uint8_t query[DNS_QUERY_MAX];
	uint8_t *in; /* TCP: length and answer */
	size_t in_len;
};

struct dns_server {
	int epoll, control, dir, watch;
	const char *network;
	unsigned number; /* of the network, in the table */
	struct dns_table table;
	struct dns_client *clients;
	unsigned client_count, forward_count;
	bool served;	 /* somebody, once */
	bool gone;	 /* the network's folder, and the socket in it */
	uid_t owner_uid; /* who may control it */
	int64_t now;
	struct dns_upstreams upstream;
	struct dns_queue tries, idle, controls;
	struct dns_object *dead;
	struct dns_source control_source, watch_source;
	int control_count;
	unsigned watch_count;
	struct dns_watched {
		int wd;
		char network[NETWORK_NAME_MAX];
	} * watched;
	uint64_t questions, forwarded, refused;
	uint8_t random[256];
	unsigned random_left;
	uint8_t big[2 + DNS_TCP_MAX + 64];
};

/* dns_server.c: the loop. Serves until nobody is left; `control` listens, `dir` is the leases
 * folder of the network namespace. With the privileges the caller has: dns_sandbox.h. */
int dns_server_open(struct dns_server *s, int control, int dir, const char *network, struct err *e);
int dns_server_run(struct dns_server *s);
void dns_server_close(struct dns_server *s);
int dns_listen(struct dns_server *s, int fd, struct dns_source *source, uint32_t events);
int dns_relisten(struct dns_server *s, int fd, struct dns_source *source, uint32_t events);
void dns_timer_start(struct dns_server *s, struct dns_queue *q, struct dns_timer *t);
void dns_timer_stop(struct dns_timer *t);
void dns_bury(struct dns_server *s, struct dns_object *o);
uint16_t dns_random16(struct dns_server *s);
void dns_client_close(struct dns_server *s, struct dns_client *c);
struct dns_client *dns_client_find(const struct dns_server *s, const char *owner);
int dns_client_add(struct dns_server *s, const struct dns_request *q, int fds[DNS_FDS]);

/* dns_resolve.c: one question. The length of the answer in buf, or 0: none now. `conn` is NULL and
 * `from` set for UDP. buf holds DNS_UDP_MAX, or DNS_TCP_MAX for a connection. */
size_t dns_resolve(struct dns_server *s, struct dns_client *c, struct dns_conn *conn,
		   const struct sockaddr_in *from, const uint8_t *m, size_t size, uint8_t *buf);

/* dns_udp.c */
void dns_udp_ready(struct dns_server *s, struct dns_source *source, uint32_t events);

/* dns_tcp.c */
void dns_tcp_ready(struct dns_server *s, struct dns_source *source, uint32_t events);
void dns_conn_close(struct dns_server *s, struct dns_conn *c);
/* The answer to the question the connection waits with. */
void dns_conn_answer(struct dns_server *s, struct dns_conn *c, const uint8_t *m, size_t size);

/* dns_forward.c: asks upstream; the answer goes where the question came from. 0, or the rcode to
 * answer with at once. */
int dns_forward_start(struct dns_server *s, struct dns_client *c, struct dns_conn *conn,
		      const struct sockaddr_in *from, const uint8_t *m,
		      const struct dns_question *q);
void dns_forward_cancel(struct dns_server *s, struct dns_forward *f);

/* dns_watch.c: the records, and what happens to them. */
int dns_watch_open(struct dns_server *s, struct err *e);
/* Takes over what has happened up to now. */
void dns_watch_drain(struct dns_server *s);

/* dns_serve.c: requests of kist's. */
void dns_control_ready(struct dns_server *s, struct dns_source *source, uint32_t events);
