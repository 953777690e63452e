/*
 * auth.c - answering a challenge (distribution's token authentication, RFC 7617, OAuth 2).
 *
 * The realm is named by the registry, which is hostile: it gets this
 * registry's credential and no other, over TLS unless the registry itself is
 * asked without; what it answers is small, and fits into one header.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <openssl/crypto.h>
#include "base/fd.h"
#include "base/json.h"
#include "image/auth.h"

#define TOKEN_ANSWER_MAX (1u << 20)
#define TOKEN_TRIES	 4

int auth_slot_init(struct auth_slot *s, struct err *e)
{
	memset(s, 0, sizeof(*s));
	return pthread_mutex_init(&s->lock, NULL) ? err_set(e, ENOMEM, "no memory for a lock") : 0;
}

void auth_slot_free(struct auth_slot *s)
{
	pthread_mutex_destroy(&s->lock);
	OPENSSL_cleanse(s, sizeof(*s));
}

void auth_current(struct auth_slot *s, char header[AUTH_HEADER_MAX])
{
	pthread_mutex_lock(&s->lock);
	/* A token that has expired is sent: the 401 that follows has it renewed. */
	memcpy(header, s->header, AUTH_HEADER_MAX);
	pthread_mutex_unlock(&s->lock);
}

static int look_for_credential(struct auth_slot *s, const struct auth_options *o,
			       const char *repository, struct err *e)
{
	int got = 0;

	if (s->looked)
		return 0;
	if (o->credential)
		s->credential = *o->credential;
	else
		got = credentials_find(o->authfile, repository, &s->credential, e);
	s->looked = got >= 0;
	return got < 0 ? got : 0;
}

static int basic_header(const struct credential *c, char *header, struct err *e)
{
	memcpy(header, "Basic ", 7);
	if (!credential_to_base64(c, header + 6, AUTH_HEADER_MAX - 6))
		return err_say(e, EFBIG, "the password is too long for a header");
	return 0;
}

/* A realm reached in the open would show the credential, and the token, to anybody on the way. */
static int check_realm(const struct auth_slot *s, const struct auth_options *o, const char *url,
		       char realm[HTTP_URL_MAX], struct err *e)
{
	struct http_origin from, to;
	int error = http_resolve(url, s->challenge.realm, realm, e);

	if (!error)
		error = http_origin_of(url, &from, e);
	if (!error)
		error = http_origin_of(realm, &to, e);
	if (error)
		return err_wrap(e, "the realm of its challenge");
	if (strcmp(to.scheme, "http") != 0 || o->plain_http)
		return 0;
	if (strcmp(from.scheme, "http") == 0 && http_host_is_loopback(to.host))
		return 0;
	return err_say(e, EACCES, "its tokens come from %.150s, which is not encrypted", realm);
}

static bool add_query(char *url, size_t size, const char *name, const char *value)
{
	size_t len = strlen(url);
	int n = snprintf(url + len, size - len, "%c%s=", strchr(url, '?') ? '&' : '?', name);

	return n > 0 && (size_t)n < size - len && http_escape(url, size, value);
}

static bool add_field(char *form, size_t size, const char *name, const char *value)
{
	size_t len = strlen(form);
	int n = snprintf(form + len, size - len, "%s%s=", len ? "&" : "", name);

	return n > 0 && (size_t)n < size - len && http_escape(form, size, value);
}

/* What asks for the token: GET with Basic, or POST with the identity token. */
static int make_request(const struct auth_slot *s, const struct auth_options *o, char *url,
			char *form, size_t form_size, struct err *e)
{
	const struct challenge *c = &s->challenge;
	const char *scope = o->scope[0] ? o->scope : c->scope;
	bool fine = true;

	form[0] = '\0';
	if (s->credential.is_token) {
		fine = add_field(form, form_size, "grant_type", "refresh_token") &&
		       add_field(form, form_size, "client_id", "kist") &&
		       add_field(form, form_size, "service", c->service) &&
		       add_field(form, form_size, "scope", scope) &&
		       add_field(form, form_size, "refresh_token", s->credential.secret);
	} else {
		if (c->service[0])
			fine = add_query(url, HTTP_URL_MAX, "service", c->service);
		if (fine && scope[0])
			fine = add_query(url, HTTP_URL_MAX, "scope", scope);
		if (fine && s->credential.user[0])
			fine = add_query(url, HTTP_URL_MAX, "account", s->credential.user);
	}
	return fine ? 0 : err_say(e, EFBIG, "its challenge is too long to answer");
}

static bool is_sendable(const char *token)
{
	for (; *token; token++)
		if (*token <= ' ' || *token > '~')
			return false;
	return true;
}

static int take_token(struct auth_slot *s, const char *text, size_t size, struct err *e)
{
	_cleanup_json_ json_t *o = NULL;
	struct json_at root = JSON_AT_ROOT;
	const char *token = NULL, *access = NULL;
	int got = json_parse_strict(text, size, "the token", &o, e);

	if (got >= 0)
		got = json_get_string(o, &root, "token", &token, e);
	if (got >= 0)
		got = json_get_string(o, &root, "access_token", &access, e);
	if (got < 0)
		return got;
	if (token == NULL || token[0] == '\0')
		token = access;
	if (token == NULL || token[0] == '\0')
		return err_say(e, EPROTO, "the answer holds no token");
	if (!is_sendable(token) || strlen(token) + 8 >= AUTH_HEADER_MAX)
		return err_say(e, EPROTO, "a token that cannot be sent (%zu bytes)", strlen(token));
	snprintf(s->header, AUTH_HEADER_MAX, "Bearer %s", token);
	return 0;
}

/* One request; 1: worth another try. */
static int ask_token(struct auth_slot *s, const struct http_request *r, struct http *h,
		     struct err *e)
{
	_cleanup_free_ char *text = malloc(TOKEN_ANSWER_MAX);
	struct http_reply reply = { 0 };
	ssize_t n;
	int error;

	if (text == NULL)
		return err_set(e, ENOMEM, "no memory for a token");
	error = http_start(h, r, &reply, e);
	if (error)
		return http_failure(h) == HTTP_FAILED_FOR_NOW ? 1 : error;
	if (reply.status == 429 || reply.status >= 500) {
		err_say(e, EBUSY, "it answers %ld", reply.status);
		return 1;
	}
	if (reply.status == 401 || reply.status == 403) {
		err_say(e, EACCES, "the credentials were refused (%ld)", reply.status);
		return err_fix(e, s->credential.secret[0] ? "log in again: kist login REGISTRY"
							  : "log in: kist login REGISTRY");
	}
	if (reply.status != 200)
		return err_say(e, EPROTO, "it answers %ld", reply.status);
	n = http_read(h, text, TOKEN_ANSWER_MAX, e);
	if (n < 0)
		return http_failure(h) == HTTP_FAILED_FOR_NOW ? 1 : (int)n;
	if (n == TOKEN_ANSWER_MAX)
		return err_say(e, EFBIG, "a token of more than %u bytes", TOKEN_ANSWER_MAX);
	error = take_token(s, text, n, e);
	OPENSSL_cleanse(text, n);
	return error;
}

static int get_token(struct auth_slot *s, const struct auth_options *o, struct http *h,
		     const char *url, const struct registry_host *host, struct err *e)
{
	_cleanup_free_ char *realm = calloc(1, HTTP_URL_MAX), *form = malloc(4 * CREDENTIAL_MAX);
	char basic[AUTH_HEADER_MAX] = "";
	struct http_origin at_realm, at_home;
	struct http_request r = { .idle_seconds = o->idle_seconds,
				  .connect_seconds = host->connect_seconds };
	int error = realm && form ? 0 : err_set(e, ENOMEM, "no memory for a token"), try;

	if (!error)
		error = check_realm(s, o, url, realm, e);
	if (!error && !s->credential.is_token && s->credential.secret[0])
		error = basic_header(&s->credential, basic, e);
	if (!error)
		error = make_request(s, o, realm, form, 4 * CREDENTIAL_MAX, e);
	if (error)
		return error;
	if (http_origin_of(url, &at_home, NULL) == 0 &&
	    http_origin_of(realm, &at_realm, NULL) == 0 && strcmp(at_home.host, at_realm.host) == 0)
		r.tls = &host->tls;
	r.url = realm;
	r.form = form[0] ? form : NULL;
	r.authorization = basic[0] ? basic : NULL;
	for (try = 0; try < TOKEN_TRIES; try++) {
		err_clear(e);
		error = ask_token(s, &r, h, e);
		if (error != 1)
			break;
		if (try + 1 < TOKEN_TRIES)
			nanosleep(&(struct timespec){ 0, 200000000L << try }, NULL);
	}
	OPENSSL_cleanse(basic, sizeof(basic));
	OPENSSL_cleanse(form, strlen(form));
	http_end(h);
	return error ? err_wrap(e, "no token from %.*s", (int)strcspn(realm, "?"), realm) : 0;
}

static int renew(struct auth_slot *s, const struct auth_options *o, struct http *h, const char *url,
		 const struct registry_host *host, const char *repository, const char *challenge,
		 struct err *e)
{
	int error = challenge_parse(challenge, &s->challenge, e);

	if (!error)
		error = look_for_credential(s, o, repository, e);
	if (error)
		return error;
	if (s->challenge.kind == CHALLENGE_BEARER)
		return get_token(s, o, h, url, host, e);
	if (s->credential.secret[0] == '\0' || s->credential.is_token) {
		err_say(e, EACCES, "it wants a user and a password, and there is none for it");
		return err_fix(e, "log in: kist login %.100s", host->name);
	}
	return basic_header(&s->credential, s->header, e);
}

int auth_renew(struct auth_slot *s, const struct auth_options *o, struct http *h, const char *url,
	       const struct registry_host *host, const char *repository, const char *challenge,
	       const char *sent, struct err *e)
{
	int error = 0;

	pthread_mutex_lock(&s->lock);
	/* Another thread may have done it meanwhile. */
	if (strcmp(sent, s->header) == 0) {
		error = renew(s, o, h, url, host, repository, challenge, e);
		if (!error && strcmp(sent, s->header) == 0) {
			error = err_say(e, EACCES, "the credentials were refused");
			err_fix(e, "log in again: kist login %.100s", host->name);
		}
	}
	pthread_mutex_unlock(&s->lock);
	return error;
}
