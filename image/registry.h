/*
 * registry.h - a repository of a registry, as distribution-spec has it.
 *
 * Owns requests and what is decided about them: which host, which
 * credentials, redirects, retries, and what an answer means. Documents are
 * fetched whole and verified here; blobs are streamed by fetch.h.
 */
#pragma once
#include <stdatomic.h>
#include "base/arena.h"
#include "image/auth.h"
#include "image/http.h"
#include "image/manifest.h"
#include "image/reference.h"
#include "image/registry-hosts.h"

#define REGISTRY_REDIRECTS_MAX 10
#define REGISTRY_WAIT_MAX      120 /* seconds; a longer Retry-After ends it */
#define REGISTRY_WARNINGS_MAX  8 /* shown of one registry */
#define REGISTRY_TRIES_USUAL   5u
#define REGISTRY_TIMEOUT_USUAL 30u

struct registry_options {
	struct registry_hosts_options hosts;
	const char *authfile;
	const struct credential *credential; /* of login; else NULL */
	const struct credential *found; /* the repository's own, looked for already; else NULL */
	unsigned tries;			     /* of one request, at least 1 */
	unsigned idle_seconds;
	const char *push_scope; /* of a push: what else its tokens should allow, or ""; else NULL */
	void (*note)(void *user, const char *text); /* may be called by any thread */
	void *user;
};

struct registry {
	const struct registry_options *options;
	struct arena arena;
	struct reference reference;
	char domain[REFERENCE_NAME_MAX + 1], scope[2 * REFERENCE_NAME_MAX + 64];
	const char *path; /* the repository, within reference.name */
	struct registry_hosts hosts;
	struct auth_slot *slots; /* one per host */
	atomic_bool *plain;	 /* per host: it turned out to speak plain http */
	atomic_bool *bad;	 /* per host: what it gave was wrong; not asked again */
	atomic_bool cancelled;	 /* by another thread's failure */
	atomic_ulong warned[REGISTRY_WARNINGS_MAX]; /* hashes of the warnings that were shown */
};

int registry_open(struct registry *r, const struct reference *reference,
		  const struct registry_options *o, struct err *e);
void registry_close(struct registry *r);

/* One request's tries; the waits between them grow. */
struct retry {
	unsigned tries, max;
};
/* Waits before another try: 0, or, when there is none left, the error that *e holds. */
int retry_wait(struct registry *r, struct retry *t, unsigned retry_after, struct err *e);

/* GET of /v2/REPOSITORY/what (what "": /v2/) at one host. When it answers 0 the status is 200 or
 * 206 and http_read() gives the body. ret_again: whether another try could help. */
int registry_get(struct registry *r, struct http *h, size_t host, const char *what,
		 const char *accept, uint64_t from, struct http_reply *reply, bool *ret_again,
		 struct err *e);

/* The same of a URL that the registry gave, or an image: nothing of ours goes to another origin, and
 * none of those that may not be gone to is. */
int registry_get_url(struct registry *r, struct http *h, const char *url, const char *accept,
		     uint64_t from, struct http_reply *reply, bool *ret_again, struct err *e);
/* location, relative to /v2/REPOSITORY/what at the registry itself or to `from` (not NULL). */
int registry_resolve(struct registry *r, const char *what, const char *from, const char *location,
		     char ret[HTTP_URL_MAX], struct err *e);

/* Any other request, to the registry itself. what: as above; or url, which the registry gave. An
 * answer below 300 is success; 404 to a HEAD too. */
struct registry_call {
	const char *method, *what, *url;
	const struct http_upload *upload;
};
int registry_send(struct registry *r, struct http *h, const struct registry_call *call,
		  struct http_reply *reply, bool *ret_again, struct err *e);
/* reply's Location after `call`, absolute, if one may go there. */
int registry_location(struct registry *r, const struct registry_call *call,
		      const struct http_reply *reply, char ret[HTTP_URL_MAX], struct err *e);

struct document { /* malloc'd, NUL-terminated */
	char *data;
	size_t size;
	struct digest digest;
	char content_type[160];
};
/* From whichever host has it. digest NULL: a tag's manifest, and what the header says of its
 * digest must be so. At most limit bytes. */
int registry_document(struct registry *r, struct http *h, const char *what,
		      const struct digest *digest, size_t limit, struct document *ret,
		      struct err *e);
/* Credentials, tried: GET /v2/. */
int registry_ping(struct registry *r, struct http *h, struct err *e);
