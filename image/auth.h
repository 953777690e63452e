/*
 * auth.h - the Authorization header for each host of one pull, shared by its threads.
 *
 * Anonymous until a 401 says otherwise; then Basic, or a Bearer token fetched
 * from the realm that the challenge names, kept until the registry refuses it.
 */
#pragma once
#include <pthread.h>
#include <stddef.h>
#include "image/challenge.h"
#include "image/credentials.h"
#include "image/http.h"
#include "image/registry-hosts.h"

#define AUTH_HEADER_MAX 8000 /* a token's limit: it must fit into a header line */

struct auth_slot { /* of one host */
	pthread_mutex_t lock;
	struct challenge challenge;
	bool looked; /* for a credential */
	struct credential credential;
	char header[AUTH_HEADER_MAX]; /* "" before the first 401 */
};

struct auth_options {
	const char *authfile;		     /* NULL: the usual ones */
	const struct credential *credential; /* of login: this and no other */
	const char *scope;		     /* "repository:library/busybox:pull", or "" */
	bool plain_http;
	unsigned idle_seconds;
};

int auth_slot_init(struct auth_slot *s, struct err *e);
void auth_slot_free(struct auth_slot *s);
/* The header to send now, or "". */
void auth_current(struct auth_slot *s, char header[AUTH_HEADER_MAX]);
/* After a 401: gets another header than `sent`. repository: whose credential. url: what answered.
 * -EACCES when there is nothing better to send. */
int auth_renew(struct auth_slot *s, const struct auth_options *o, struct http *h, const char *url,
	       const struct registry_host *host, const char *repository, const char *challenge,
	       const char *sent, struct err *e);
