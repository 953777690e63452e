/*
 * registry.c - requests: URL, credentials, redirects, tries.
 *
 * A registry is hostile. It learns its own credentials only, and only at its
 * own origin; a redirect takes none along, never leads from https to http, and
 * has an end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include "base/buf.h"
#include "base/fd.h"
#include "base/json.h"
#include "image/registry.h"

#define ERROR_BODY_MAX (16u << 10)
#define WAIT_SAID      3 /* seconds that nobody would wait for without a word */

int registry_open(struct registry *r, const struct reference *reference,
		  const struct registry_options *o, struct err *e)
{
	size_t i, len = strcspn(reference->name, "/");
	int error;

	*r = (struct registry){ .options = o, .reference = *reference };
	snprintf(r->domain, sizeof(r->domain), "%.*s", (int)len, reference->name);
	r->path = r->reference.name + len + (reference->name[len] == '/');
	if (r->path[0])
		snprintf(r->scope, sizeof(r->scope), "repository:%s:pull%s%s", r->path,
			 o->push_scope ? ",push" : "", o->push_scope ? o->push_scope : "");
	error = registry_hosts_find(r->domain, &o->hosts, &r->arena, &r->hosts, e);
	if (error)
		return error;
	r->slots = arena_array(&r->arena, r->hosts.count, sizeof(*r->slots));
	r->plain = arena_array(&r->arena, r->hosts.count, sizeof(*r->plain));
	r->bad = arena_array(&r->arena, r->hosts.count, sizeof(*r->bad));
	if (arena_failed(&r->arena))
		return err_set(e, ENOMEM, "no memory for a registry");
	for (i = 0; !error && i < r->hosts.count; i++)
		error = auth_slot_init(&r->slots[i], e);
	return error;
}

void registry_close(struct registry *r)
{
	size_t i;

	for (i = 0; r->slots && i < r->hosts.count; i++)
		auth_slot_free(&r->slots[i]);
	arena_free(&r->arena);
}

static void sleep_unless_cancelled(struct registry *r, double seconds)
{
	for (; seconds > 0 && !atomic_load(&r->cancelled); seconds -= 0.1)
		nanosleep(
			&(struct timespec){ 0, seconds < 0.1 ? (long)(seconds * 1e9) : 100000000 },
			NULL);
}

int retry_wait(struct registry *r, struct retry *t, unsigned retry_after, struct err *e)
{
	unsigned char jitter = 0;
	double seconds;

	if (++t->tries >= t->max || atomic_load(&r->cancelled))
		return t->tries > 1 ? err_wrap(e, "after %u tries", t->tries) : -e->error;
	if (retry_after > REGISTRY_WAIT_MAX) {
		err_fix(e, "it asks to wait %u seconds: try again then", retry_after);
		return -e->error;
	}
	if (retry_after >= WAIT_SAID && r->options->note) {
		char text[80];

		snprintf(text, sizeof(text), "the registry asks to wait %u seconds", retry_after);
		r->options->note(r->options->user, text);
	}
	/* Many clients that failed together must not come back together. */
	(void)!getrandom(&jitter, 1, GRND_NONBLOCK);
	seconds = 0.2 * (1u << (t->tries < 7 ? t->tries - 1 : 6)) * (0.75 + jitter / 512.0);
	sleep_unless_cancelled(r, retry_after > 0 ? retry_after : seconds);
	if (atomic_load(&r->cancelled))
		return -e->error;
	err_clear(e);
	return 0;
}

static int make_url(const struct registry *r, size_t host, const char *what, char *url,
		    struct err *e)
{
	const struct registry_host *h = &r->hosts.list[host];
	const char *base = h->base;
	int n;

	if (atomic_load(&r->plain[host]))
		n = snprintf(url, HTTP_URL_MAX, "http%s", base + strlen("https"));
	else
		n = snprintf(url, HTTP_URL_MAX, "%s", base);
	if (n >= 0 && n < HTTP_URL_MAX)
		n += snprintf(url + n, HTTP_URL_MAX - n, "/%s%s%s%s%s", what[0] ? r->path : "",
			      what[0] ? "/" : "", what, h->is_mirror ? "?ns=" : "",
			      h->is_mirror ? r->domain : "");
	if (n < 0 || n >= HTTP_URL_MAX)
		return err_say(e, ENAMETOOLONG, "the URL is too long");
	return 0;
}

/* Where a redirect leads, if one may go there. */
static int follow(const struct registry *r, const char *from, const char *location,
		  char to[HTTP_URL_MAX], struct err *e)
{
	struct http_origin a, b;
	int error = location[0] ? http_resolve(from, location, to, e)
				: err_say(e, EPROTO, "a redirect without a usable Location");

	if (!error)
		error = http_origin_of(from, &a, e);
	if (!error)
		error = http_origin_of(to, &b, e);
	if (error)
		return err_wrap(e, "it redirects");
	if (strcmp(b.scheme, "https") == 0 || http_origin_equal(&a, &b))
		return 0;
	if (strcmp(a.scheme, "https") == 0)
		return err_say(e, EACCES, "it redirects from https to http (%.60s)", b.host);
	/* Nor from a stranger to what listens on this machine alone. */
	if (r->options->hosts.plain_http ||
	    (http_host_is_loopback(a.host) && http_host_is_loopback(b.host)))
		return 0;
	err_say(e, EACCES, "it redirects to plain http at %.60s", b.host);
	return err_fix(e, "if that is meant: --plain-http");
}

/* What the registry says of its error: {"errors":[{"code":...,"message":...}]} */
static void error_words(struct http *h, char *text, size_t size)
{
	_cleanup_free_ char *body = malloc(ERROR_BODY_MAX + 1);
	struct buf b = { .text = text, .size = size };
	_cleanup_json_ json_t *o = NULL;
	const char *code, *message;
	json_t *first;
	ssize_t n = body ? http_read(h, body, ERROR_BODY_MAX, NULL) : -1;

	buf_reset(&b);
	if (n <= 0 || json_parse_strict(body, n, "", &o, NULL) < 0)
		return;
	first = json_array_get(json_object_get(o, "errors"), 0);
	code = json_string_value(json_object_get(first, "code"));
	message = json_string_value(json_object_get(first, "message"));
	if (code == NULL && message == NULL)
		return;
	buf_add(&b, " (");
	if (code)
		buf_add_clean(&b, code);
	if (code && message)
		buf_add(&b, ": ");
	if (message)
		buf_add_clean(&b, message);
	buf_add(&b, ")");
}

static int say_status(struct registry *r, struct http *h, size_t host, long status, bool *again,
		      struct err *e)
{
	const char *name = r->hosts.list[host].name;
	char words[200];

	error_words(h, words, sizeof(words));
	*again = status == 429 || status == 408 || status >= 500;
	switch (status) {
	case 404:
		return err_say(e, ENOENT, "not found%s", words);
	case 401:
	case 403:
		err_say(e, EACCES, "access denied%s", words);
		return err_fix(e, "log in with a user that may read it: kist login %.100s", name);
	case 429:
		return err_say(e, EBUSY, "too many requests%s", words);
	default:
		return err_say(e, EPROTO, "it answers %ld%s", status, words);
	}
}

struct round { /* one request, with what it takes to get an answer */
	struct registry *r;
	struct http *h;
	size_t host;
	const char *what;
	struct http_request request;
	char url[HTTP_URL_MAX], next[HTTP_URL_MAX], header[AUTH_HEADER_MAX];
	struct http_origin home;
	bool away; /* redirected to another origin */
	int renewals;
};

static int renew(struct round *w, const struct http_reply *reply, struct err *e)
{
	struct registry *r = w->r;
	const struct registry_host *host = &r->hosts.list[w->host];
	struct auth_options o = {
		.authfile = r->options->authfile,
		.credential = r->options->credential,
		.scope = r->scope,
		.plain_http = r->options->hosts.plain_http,
		.idle_seconds = r->options->idle_seconds,
	};
	char whose[2 * REFERENCE_NAME_MAX];

	/* A mirror is another registry: it must not learn the first one's password. */
	snprintf(whose, sizeof(whose), "%s%s%s", host->name, r->path[0] ? "/" : "", r->path);
	if (r->options->found && strcmp(whose, r->reference.name) == 0)
		o.credential = r->options->found;
	return auth_renew(&r->slots[w->host], &o, w->h, w->url, host, whose, reply->challenge,
			  w->header, e);
}

static void set_identity(struct round *w)
{
	const struct registry_host *host = &w->r->hosts.list[w->host];

	w->header[0] = '\0';
	if (!w->away)
		auth_current(&w->r->slots[w->host], w->header);
	w->request.url = w->url;
	w->request.authorization = w->header[0] ? w->header : NULL;
	w->request.tls = w->away ? NULL : &host->tls;
	w->request.headers = w->away ? NULL : host->headers;
}

static int redirect(struct round *w, const struct http_reply *reply, struct err *e)
{
	struct http_origin to;
	int error = follow(w->r, w->url, reply->location, w->next, e);

	if (!error)
		error = http_origin_of(w->next, &to, e);
	if (error)
		return error;
	memcpy(w->url, w->next, sizeof(w->url));
	/* For good: who was led away can't be led back to where the password goes. */
	w->away |= !http_origin_equal(&w->home, &to);
	return 0;
}

static bool is_redirect(long status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* True once for each of the first few. */
static bool is_new_warning(struct registry *r, const char *text, size_t len)
{
	unsigned long hash = 5381;
	size_t i;

	for (i = 0; i < len; i++)
		hash = hash * 33 + (unsigned char)text[i];
	for (i = 0; i < REGISTRY_WARNINGS_MAX; i++) {
		unsigned long none = 0;

		if (atomic_compare_exchange_strong(&r->warned[i], &none, hash))
			return true;
		if (none == hash)
			return false;
	}
	return false;
}

/* What a registry wants its users to know (distribution-spec, "Warnings"): a stranger's text. */
static void show_warnings(struct registry *r, const char *host, const char *warnings)
{
	char raw[sizeof(((struct http_reply *)0)->warning)], line[600], text[700];
	struct buf clean = BUF_ON(line);
	const char *next;

	for (; *warnings && r->options->note; warnings = next) {
		size_t len = strcspn(warnings, "\"\n");

		next = warnings + strcspn(warnings, "\n") + 1;
		if (!is_new_warning(r, warnings, len))
			continue;
		snprintf(raw, sizeof(raw), "%.*s", (int)len, warnings);
		buf_reset(&clean);
		buf_add_clean(&clean, raw);
		snprintf(text, sizeof(text), "registry %.60s says: %s", host, line);
		r->options->note(r->options->user, text);
	}
}

/* Sends until there is an answer that is neither a redirect nor a challenge we can meet. */
static int answer(struct round *w, struct http_reply *reply, struct err *e)
{
	int hops, error = 0;

	for (hops = 0; !error && hops <= REGISTRY_REDIRECTS_MAX;) {
		set_identity(w);
		error = http_start(w->h, &w->request, reply, e);
		if (error)
			return error;
		if (reply->warning[0] && !w->away)
			show_warnings(w->r, w->r->hosts.list[w->host].name, reply->warning);
		if (reply->status == 401 && !w->away && w->renewals++ < 2) {
			if (!reply->challenge[0])
				return err_say(e, EPROTO,
					       "a 401 that says nothing of what it wants");
			error = renew(w, reply, e);
		} else if (is_redirect(reply->status) && w->request.upload) {
			return err_say(e, EPROTO, "it redirects an upload");
		} else if (is_redirect(reply->status)) {
			error = redirect(w, reply, e);
			hops++;
		} else {
			return 0;
		}
	}
	return error ? error
		     : err_say(e, ELOOP, "it redirects more than %d times", REGISTRY_REDIRECTS_MAX);
}

static int prepare(struct round *w, const char *url, struct err *e)
{
	const struct registry_host *host = &w->r->hosts.list[w->host];
	const char *what = w->what;
	int error = make_url(w->r, w->host, what, w->url, e);

	w->request.idle_seconds = w->r->options->idle_seconds;
	w->request.connect_seconds = host->connect_seconds;
	if (!error)
		error = http_origin_of(w->url, &w->home, e);
	if (!error && url) {
		struct http_origin to;

		if (strlen(url) >= sizeof(w->url))
			return err_say(e, ENAMETOOLONG, "the URL is too long");
		memcpy(w->url, url, strlen(url) + 1);
		error = http_origin_of(url, &to, e);
		w->away = !error && !http_origin_equal(&w->home, &to);
	}
	return error;
}

static int one_round(struct registry *r, struct http *h, size_t host, const char *what,
		     const char *url, const struct http_request *request, struct http_reply *reply,
		     struct err *e)
{
	_cleanup_free_ struct round *w = calloc(1, sizeof(*w));
	bool may_be_plain = r->hosts.list[host].may_be_plain && !atomic_load(&r->plain[host]);
	int error;

	if (w == NULL)
		return err_set(e, ENOMEM, "no memory for a request");
	w->r = r;
	w->h = h;
	w->host = host;
	w->what = what;
	w->request = *request;
	error = prepare(w, url, e);
	if (!error)
		error = answer(w, reply, e);
	if (error && may_be_plain && !url && http_failure(h) == HTTP_FAILED_NOT_TLS) {
		err_clear(e);
		atomic_store(&r->plain[host], true);
		return one_round(r, h, host, what, url, request, reply, e);
	}
	if (error && http_failure(h) == HTTP_FAILED_NOT_TLS)
		err_fix(e, "if it speaks plain http, and you trust the way there: --plain-http");
	return error;
}

static int get(struct registry *r, struct http *h, size_t host, const char *what, const char *url,
	       const char *accept, uint64_t from, struct http_reply *reply, bool *ret_again,
	       struct err *e)
{
	struct http_request request = { .accept = accept, .from = from };
	int error = one_round(r, h, host, what, url, &request, reply, e);

	*ret_again = error && http_failure(h) == HTTP_FAILED_FOR_NOW;
	if (!error && reply->status != 200 && reply->status != 206)
		error = say_status(r, h, host, reply->status, ret_again, e);
	if (error)
		http_end(h);
	return error ? err_wrap(e, "registry %.100s", r->hosts.list[host].name) : 0;
}

int registry_get(struct registry *r, struct http *h, size_t host, const char *what,
		 const char *accept, uint64_t from, struct http_reply *reply, bool *ret_again,
		 struct err *e)
{
	return get(r, h, host, what, NULL, accept, from, reply, ret_again, e);
}

int registry_get_url(struct registry *r, struct http *h, const char *url, const char *accept,
		     uint64_t from, struct http_reply *reply, bool *ret_again, struct err *e)
{
	return get(r, h, r->hosts.count - 1, "", url, accept, from, reply, ret_again, e);
}

int registry_send(struct registry *r, struct http *h, const struct registry_call *call,
		  struct http_reply *reply, bool *ret_again, struct err *e)
{
	size_t host = r->hosts.count - 1;
	bool head = strcmp(call->method, "HEAD") == 0;
	struct http_request request = { .method = call->method, .upload = call->upload };
	int error;

	if (strcmp(call->method, "POST") == 0)
		request.form = "";
	error = one_round(r, h, host, call->what, call->url, &request, reply, e);
	*ret_again = error && http_failure(h) == HTTP_FAILED_FOR_NOW;
	if (!error && !(head && reply->status == 404) &&
	    (reply->status < 200 || reply->status > 299))
		error = say_status(r, h, host, reply->status, ret_again, e);
	http_end(h);
	return error ? err_wrap(e, "registry %.100s", r->hosts.list[host].name) : 0;
}

int registry_resolve(struct registry *r, const char *what, const char *from, const char *location,
		     char ret[HTTP_URL_MAX], struct err *e)
{
	_cleanup_free_ char *base = calloc(1, HTTP_URL_MAX);
	int error = base ? 0 : err_set(e, ENOMEM, "no memory for a URL");

	if (!error && from)
		snprintf(base, HTTP_URL_MAX, "%s", from);
	else if (!error)
		error = make_url(r, r->hosts.count - 1, what, base, e);
	return error ? error : follow(r, base, location, ret, e);
}

int registry_location(struct registry *r, const struct registry_call *call,
		      const struct http_reply *reply, char ret[HTTP_URL_MAX], struct err *e)
{
	return registry_resolve(r, call->what, call->url, reply->location, ret, e);
}
