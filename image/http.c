/*
 * http.c - the transfer: libcurl's multi interface, driven by whoever reads.
 *
 * What comes is hostile: headers are counted, a body is never gathered, and a
 * peer that sends too little for too long is left (libcurl's own speed check
 * would also count the time in which we unpack).
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include "base/fd.h"
#include "image/curl-lib.h"
#include "image/http.h"

#define STASH_MAX     (64u << 10) /* libcurl hands out at most 16 KiB at once */
#define IDLE_RATE_MIN 512	  /* bytes a second below which a transfer counts as stalled */

struct http {
	CURLM *multi;
	CURL *easy;
	bool attached;
	struct curl_slist *lines;
	struct http_reply *reply; /* while headers come */
	size_t header_bytes;
	bool too_many_headers, answered, done;
	CURLcode code;
	char text[CURL_ERROR_SIZE];
	enum http_failure failure;
	unsigned idle_seconds;
	uint64_t received;
	/* where on_body() puts what comes */
	char *to;
	size_t room;
	const struct http_upload *upload; /* what on_upload() gives, from `sent` on */
	uint64_t sent;
	bool paused;
	size_t stash_at, stash_size;
	char stash[STASH_MAX];
	atomic_bool cancelled;
};

int http_open(struct http **ret, struct err *e)
{
	int error = curl_lib_open(e);
	struct http *h;

	if (error)
		return error;
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return err_set(e, ENOMEM, "no memory for a connection");
	h->multi = curl.curl_multi_init();
	h->easy = curl.curl_easy_init();
	if (h->multi == NULL || h->easy == NULL) {
		http_close(&h);
		return err_set(e, ENOMEM, "no memory for a connection");
	}
	*ret = h;
	return 0;
}

void http_cancel(struct http *h)
{
	atomic_store(&h->cancelled, true);
}

void http_end(struct http *h)
{
	if (h->attached)
		curl.curl_multi_remove_handle(h->multi, h->easy);
	h->attached = false;
	h->stash_size = 0;
	curl.curl_slist_free_all(h->lines);
	h->lines = NULL;
}

void http_close(struct http **h)
{
	if (*h == NULL)
		return;
	http_end(*h);
	if ((*h)->easy)
		curl.curl_easy_cleanup((*h)->easy);
	if ((*h)->multi)
		curl.curl_multi_cleanup((*h)->multi);
	free(*h);
	*h = NULL;
}

enum http_failure http_failure(const struct http *h)
{
	return h->failure;
}

static size_t on_body(char *data, size_t one, size_t count, void *user)
{
	struct http *h = user;
	size_t size = one * count, take = size < h->room ? size : h->room;

	if (h->stash_size > 0 || size > STASH_MAX) {
		h->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	if (take > 0) { /* else there may be no place at all, and no arithmetic on it */
		memcpy(h->to, data, take);
		h->to += take;
		h->room -= take;
	}
	memcpy(h->stash, data + take, size - take);
	h->stash_at = 0;
	h->stash_size = size - take;
	h->received += size;
	return size;
}

static size_t on_upload(char *to, size_t one, size_t count, void *user)
{
	struct http *h = user;
	uint64_t left = h->upload->size - h->sent;
	size_t size = one * count < left ? one * count : left;
	ssize_t n = size;

	if (h->upload->data)
		memcpy(to, (const char *)h->upload->data + h->sent, size);
	else
		n = pread(h->upload->fd, to, size, h->upload->offset + h->sent);
	if (n < 0 || (size_t)n != size)
		return CURL_READFUNC_ABORT; /* the file got shorter */
	h->sent += n;
	h->received += n; /* for the watch: something moves */
	return n;
}

static int on_rewind(void *user, curl_off_t offset, int origin)
{
	struct http *h = user;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > h->upload->size)
		return CURL_SEEKFUNC_FAIL;
	h->sent = offset;
	return CURL_SEEKFUNC_OK;
}

static bool header_is(const char *line, size_t len, const char *name, const char **value,
		      size_t *value_len)
{
	size_t n = strlen(name);

	if (len <= n || line[n] != ':' || strncasecmp(line, name, n) != 0)
		return false;
	line += n + 1;
	len -= n + 1;
	for (; len > 0 && (*line == ' ' || *line == '\t'); line++, len--)
		;
	for (; len > 0 && strchr(" \t\r\n", line[len - 1]); len--)
		;
	*value = line;
	*value_len = len;
	return true;
}

/* A value that does not fit is as none: no half of a URL is ever followed. */
static void keep(char *to, size_t size, const char *value, size_t len)
{
	to[0] = '\0';
	if (len >= size || memchr(value, '\0', len))
		return;
	memcpy(to, value, len);
	to[len] = '\0';
}

static bool number(const char *text, size_t len, uint64_t *ret)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < len && text[i] >= '0' && text[i] <= '9'; i++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(text[i] - '0'), &n))
			return false;
	*ret = n;
	return i > 0 && i == len;
}

static void keep_challenge(struct http_reply *r, const char *value, size_t len)
{
	size_t have = strlen(r->challenge);

	if (have + 2 + len >= sizeof(r->challenge) || memchr(value, '\0', len))
		return;
	if (have) {
		memcpy(r->challenge + have, ", ", 2);
		have += 2;
	}
	memcpy(r->challenge + have, value, len);
	r->challenge[have + len] = '\0';
}

static void keep_retry_after(struct http_reply *r, const char *value, size_t len)
{
	char text[64];
	uint64_t n = 0;
	time_t when, now = time(NULL);

	keep(text, sizeof(text), value, len);
	if (number(text, strlen(text), &n))
		r->retry_after = n > 86400 ? 86400 : n;
	else if ((when = curl.curl_getdate(text, NULL)) > now)
		r->retry_after = when - now > 86400 ? 86400 : when - now;
	if (r->retry_after == 0)
		r->retry_after = 1;
}

/* "bytes 100-199/200" */
static void keep_range(struct http_reply *r, const char *value, size_t len)
{
	const char *dash = memchr(value, '-', len);

	r->has_range = dash && len > 6 && strncasecmp(value, "bytes ", 6) == 0 &&
		       number(value + 6, dash - value - 6, &r->range_from);
}

/* Each on a line of its own; only what registries are meant to say by it (distribution-spec). */
static void keep_warning(struct http_reply *r, const char *value, size_t len)
{
	size_t have = strlen(r->warning);

	if (len < 8 || strncmp(value, "299 - \"", 7) != 0 || memchr(value, '\0', len) ||
	    have + len + 2 > sizeof(r->warning))
		return;
	memcpy(r->warning + have, value + 7, len - 7);
	r->warning[have + len - 7] = '\n';
	r->warning[have + len - 6] = '\0';
}

static size_t on_header(char *line, size_t one, size_t count, void *user)
{
	struct http *h = user;
	struct http_reply *r = h->reply;
	size_t len = one * count, n;
	const char *v;

	h->header_bytes += len + 32;
	if (h->header_bytes > HTTP_HEADERS_MAX) {
		h->too_many_headers = true;
		return 0;
	}
	if (r == NULL) /* a trailer */
		return len;
	if (len > 5 && strncasecmp(line, "HTTP/", 5) == 0) {
		*r = (struct http_reply){ 0 };
		curl.curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &r->status);
	} else if (header_is(line, len, "content-length", &v, &n)) {
		r->has_length = number(v, n, &r->length);
	} else if (header_is(line, len, "content-type", &v, &n)) {
		keep(r->content_type, sizeof(r->content_type), v, n);
	} else if (header_is(line, len, "docker-content-digest", &v, &n)) {
		keep(r->digest, sizeof(r->digest), v, n);
	} else if (header_is(line, len, "location", &v, &n)) {
		keep(r->location, sizeof(r->location), v, n);
	} else if (header_is(line, len, "link", &v, &n)) {
		keep(r->link, sizeof(r->link), v, n);
	} else if (header_is(line, len, "warning", &v, &n)) {
		keep_warning(r, v, n);
	} else if (header_is(line, len, "www-authenticate", &v, &n)) {
		keep_challenge(r, v, n);
	} else if (header_is(line, len, "retry-after", &v, &n)) {
		keep_retry_after(r, v, n);
	} else if (header_is(line, len, "content-range", &v, &n)) {
		keep_range(r, v, n);
	} else if (len <= 2) {
		curl.curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &r->status);
		h->answered = r->status >= 200;
	}
	return len;
}

static bool add_line(struct http *h, const char *name, const char *value)
{
	char line[HTTP_URL_MAX + 64];
	struct curl_slist *more;
	int n = snprintf(line, sizeof(line), "%s%s", name, value);

	if (n < 0 || (size_t)n >= sizeof(line) || strpbrk(line, "\r\n"))
		return false;
	more = curl.curl_slist_append(h->lines, line);
	if (more)
		h->lines = more;
	return more != NULL;
}

static void set_tls(CURL *c, const struct http_tls *tls)
{
	curl.curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (tls == NULL)
		return;
	if (tls->ca_pem) { /* beside the system's folder of authorities, which stays */
		struct curl_blob blob = { (void *)(uintptr_t)tls->ca_pem, strlen(tls->ca_pem),
					  CURL_BLOB_NOCOPY };

		curl.curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &blob);
	}
	if (tls->cert) {
		curl.curl_easy_setopt(c, CURLOPT_SSLCERT, tls->cert);
		curl.curl_easy_setopt(c, CURLOPT_SSLKEY, tls->key ? tls->key : tls->cert);
	}
	if (tls->skip_verify) {
		curl.curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
		curl.curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

static void set_method(struct http *h, const struct http_request *r)
{
	CURL *c = h->easy;

	if (r->form)
		curl.curl_easy_setopt(c, CURLOPT_COPYPOSTFIELDS, r->form);
	h->upload = r->upload;
	h->sent = 0;
	if (r->upload) {
		curl.curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
		curl.curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->upload->size);
		curl.curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
		curl.curl_easy_setopt(c, CURLOPT_READFUNCTION, on_upload);
		curl.curl_easy_setopt(c, CURLOPT_READDATA, h);
		curl.curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_rewind);
		curl.curl_easy_setopt(c, CURLOPT_SEEKDATA, h);
	}
	if (r->method && strcmp(r->method, "HEAD") == 0)
		curl.curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
	else if (r->method)
		curl.curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method);
}

/* A proxy's loopback is not ours. */
static void set_proxy(CURL *c, const char *url)
{
	struct http_origin to;

	if (http_origin_of(url, &to, NULL) == 0 && http_host_is_loopback(to.host))
		curl.curl_easy_setopt(c, CURLOPT_PROXY, "");
}

static void set_options(struct http *h, const struct http_request *r)
{
	CURL *c = h->easy;
	char range[32];

	curl.curl_easy_setopt(c, CURLOPT_URL, r->url);
	curl.curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl.curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl.curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl.curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl.curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl.curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl.curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 256L << 10);
	curl.curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)r->connect_seconds);
	curl.curl_easy_setopt(c, CURLOPT_USERAGENT, "kist/" KIST_VERSION);
	curl.curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->text);
	curl.curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl.curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
	curl.curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl.curl_easy_setopt(c, CURLOPT_HEADERDATA, h);
	set_proxy(c, r->url);
	set_method(h, r);
	if (r->from > 0) {
		snprintf(range, sizeof(range), "%llu-", (unsigned long long)r->from);
		curl.curl_easy_setopt(c, CURLOPT_RANGE, range);
	}
	set_tls(c, r->tls);
}

static bool set_headers(struct http *h, const struct http_request *r)
{
	const char *const *line;
	bool fine = true;

	if (r->accept)
		fine = add_line(h, "Accept: ", r->accept);
	if (r->authorization)
		fine = fine && add_line(h, "Authorization: ", r->authorization);
	if (r->upload) { /* a refusal comes anyway; most servers never answer an Expect */
		fine = fine && add_line(h, "Expect:", "") &&
		       add_line(h, "Content-Type: ", r->upload->type);
		if (r->upload->range)
			fine = fine && add_line(h, "Content-Range: ", r->upload->range);
	}
	for (line = r->headers; fine && line && *line; line++)
		fine = add_line(h, "", *line);
	curl.curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, h->lines);
	return fine;
}

static int say_curl(struct http *h, struct err *e)
{
	const char *text = h->text[0] ? h->text : curl.curl_easy_strerror(h->code);

	h->failure = HTTP_FAILED_FOR_NOW;
	if (h->too_many_headers) {
		h->failure = HTTP_FAILED_FOR_GOOD;
		return err_say(e, EFBIG, "the answer has more than %u bytes of headers",
			       HTTP_HEADERS_MAX);
	}
	switch (h->code) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		h->failure = HTTP_FAILED_FOR_GOOD;
		err_say(e, EACCES, "its certificate is not trusted: %.150s", text);
		return err_fix(e, "put its authority's certificate into "
				  "/etc/docker/certs.d/HOST[:PORT]/ca.crt");
	case CURLE_SSL_CONNECT_ERROR:
		h->failure = strcasestr(text, "wrong version") ? HTTP_FAILED_NOT_TLS
							       : HTTP_FAILED_FOR_GOOD;
		return err_say(e, EPROTO, "no TLS connection: %.200s", text);
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_OUT_OF_MEMORY:
	case CURLE_WRITE_ERROR:
		h->failure = HTTP_FAILED_FOR_GOOD;
		return err_say(e, EPROTO, "%.200s", text);
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return err_say(e, EHOSTUNREACH, "%.200s", text);
	case CURLE_OPERATION_TIMEDOUT:
		return err_say(e, ETIMEDOUT, "%.200s", text);
	default:
		return err_say(e, EPIPE, "%.200s", text);
	}
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

struct watch { /* over the time in which we wait for the peer */
	double since;
	uint64_t received;
};

static int check_idle(struct http *h, struct watch *w, struct err *e)
{
	double passed = now() - w->since;

	if (passed < h->idle_seconds)
		return 0;
	if (h->received - w->received < (uint64_t)h->idle_seconds * IDLE_RATE_MIN) {
		h->failure = HTTP_FAILED_FOR_NOW;
		return err_say(e, ETIMEDOUT, "stalled: %llu bytes in %.0f seconds",
			       (unsigned long long)(h->received - w->received), passed);
	}
	*w = (struct watch){ now(), h->received };
	return 0;
}

/* Lets libcurl work until something came, or the end. */
static int drive(struct http *h, struct watch *w, struct err *e)
{
	int running = 0, left;
	CURLMsg *message;

	h->failure = HTTP_FAILED_FOR_GOOD;
	if (atomic_load(&h->cancelled))
		return err_say(e, ECANCELED, "given up, since nobody wants it any more");
	if (curl.curl_multi_perform(h->multi, &running) != CURLM_OK)
		return err_say(e, EIO, "libcurl failed");
	while ((message = curl.curl_multi_info_read(h->multi, &left)) != NULL) {
		if (message->msg != CURLMSG_DONE)
			continue;
		h->done = true;
		h->code = message->data.result;
	}
	if (h->done && h->code != CURLE_OK && h->stash_size == 0)
		return say_curl(h, e);
	return h->done ? 0 : check_idle(h, w, e);
}

static void wait_some(struct http *h)
{
	curl.curl_multi_poll(h->multi, NULL, 0, h->idle_seconds < 4 ? 100 : 1000, NULL);
}

int http_start(struct http *h, const struct http_request *r, struct http_reply *ret, struct err *e)
{
	struct watch w = { now(), 0 };
	int error = 0;

	http_end(h);
	curl.curl_easy_reset(h->easy);
	h->text[0] = '\0';
	h->header_bytes = h->room = 0;
	h->too_many_headers = h->answered = h->done = h->paused = false;
	h->code = CURLE_OK;
	h->received = 0;
	h->idle_seconds = r->idle_seconds;
	h->failure = HTTP_FAILED_FOR_GOOD;
	memset(ret, 0, sizeof(*ret));
	h->reply = ret;
	set_options(h, r);
	if (!set_headers(h, r))
		return err_say(e, EINVAL, "a header that cannot be sent");
	if (curl.curl_multi_add_handle(h->multi, h->easy) != CURLM_OK)
		return err_set(e, ENOMEM, "no memory for a request");
	h->attached = true;
	while (!error && !h->answered && !h->done) {
		error = drive(h, &w, e);
		if (!error && !h->answered && !h->done)
			wait_some(h);
	}
	h->reply = NULL;
	if (!error && !h->answered)
		error = err_say(e, EPROTO, "it hung up without an answer");
	if (error)
		http_end(h);
	return error;
}

ssize_t http_read(struct http *h, void *data, size_t size, struct err *e)
{
	size_t take = size < h->stash_size ? size : h->stash_size;
	struct watch w = { now(), h->received };
	int error = 0;

	memcpy(data, h->stash + h->stash_at, take);
	h->stash_at += take;
	h->stash_size -= take;
	h->to = (char *)data + take;
	h->room = size - take;
	while (!error && h->room > 0 && (!h->done || h->code != CURLE_OK)) {
		if (h->paused && h->stash_size == 0) {
			h->paused = false;
			curl.curl_easy_pause(h->easy, CURLPAUSE_CONT);
		}
		if (h->room == 0)
			break;
		error = h->done ? say_curl(h, e) : drive(h, &w, e);
		if (!error && !h->done && h->room > 0)
			wait_some(h);
	}
	take = size - h->room;
	h->room = 0;
	/* What came before the break is good; the next call says what happened. */
	if (error && take > 0 && h->done) {
		err_clear(e);
		return take;
	}
	return error ? error : (ssize_t)take;
}
