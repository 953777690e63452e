/*
 * http.h - one HTTP(S) request at a time, by libcurl, pulled by its reader.
 *
 * Owns the transport: TLS, proxies from the environment, limits on headers,
 * the watch over transfers that stall. Follows no redirect and knows no
 * credentials: registry.c decides about both. A body is read with http_read()
 * as fast as the caller wants it; nothing is buffered beyond some KiB.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"

#define HTTP_URL_MAX	 8192
#define HTTP_HEADERS_MAX (256u << 10) /* bytes of all headers of one answer */

struct http_tls {		/* of one host; all NULL: the system's authorities alone */
	const char *ca_pem;	/* more authorities, as PEM text */
	const char *cert, *key; /* files */
	bool skip_verify;
};

struct http_upload {	   /* what is sent: memory, or a part of a file */
	const char *type;  /* Content-Type */
	const char *range; /* Content-Range, or NULL */
	const void *data;  /* or NULL: fd */
	int fd;
	uint64_t offset, size;
};

struct http_request {
	const char *url;
	const char *method;		  /* NULL: GET, or POST with a form */
	const char *form;		  /* urlencoded, or NULL */
	const struct http_upload *upload; /* with PUT and PATCH, or NULL */
	const char *accept;		  /* or NULL */
	const char *authorization;	  /* the header's value, or NULL */
	const char *const *headers;	  /* more whole lines, NULL-terminated, or NULL */
	const struct http_tls *tls;	  /* or NULL */
	uint64_t from;			  /* the first byte wanted */
	unsigned idle_seconds;		  /* without progress: given up */
	unsigned connect_seconds;
};

struct http_reply {
	long status;
	bool has_length, has_range;
	uint64_t length, range_from;
	unsigned retry_after; /* seconds; 0: nothing said */
	char content_type[160], digest[160];
	char location[HTTP_URL_MAX], challenge[4096];
	char link[HTTP_URL_MAX + 64];
	char warning[1024]; /* texts of Warning: 299, a line each, with what follows the quote */
};

enum http_failure {
	HTTP_FAILED_FOR_GOOD,
	HTTP_FAILED_FOR_NOW, /* the network: another try may work */
	HTTP_FAILED_NOT_TLS, /* what answered speaks no TLS */
};

struct http; /* a connection cache; for one thread */
int http_open(struct http **ret, struct err *e);
void http_close(struct http **h);
/* Sends it and waits for the answer's headers. Whatever ran before is dropped. */
int http_start(struct http *h, const struct http_request *r, struct http_reply *ret, struct err *e);
/* Up to size bytes of the body; fewer only at its end. */
ssize_t http_read(struct http *h, void *data, size_t size, struct err *e);
/* What the last error of http_start() or http_read() was. */
enum http_failure http_failure(const struct http *h);
/* Drops a body that nobody wants. */
void http_end(struct http *h);
/* By another thread: whatever waits, and all that is asked later, ends with -ECANCELED. */
void http_cancel(struct http *h);

/* A URL's parts, as libcurl itself understands them. */
struct http_origin {
	char scheme[16], host[256];
	unsigned port;
};
int http_origin_of(const char *url, struct http_origin *ret, struct err *e);
bool http_origin_equal(const struct http_origin *a, const struct http_origin *b);
/* localhost, 127.0.0.0/8, ::1 */
bool http_host_is_loopback(const char *host);
/* base and a Location header -> an absolute http or https URL. */
int http_resolve(const char *base, const char *location, char ret[HTTP_URL_MAX], struct err *e);
/* Appends text with everything but unreserved characters as %XX; false: no room. */
bool http_escape(char *to, size_t size, const char *text);
