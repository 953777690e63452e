/*
 * fetch.c - reading a blob through breaks.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "image/fetch.h"

/* Who gives at least this much between two breaks has all tries again: large blobs over bad
 * networks do arrive, and one byte a connection is not progress. */
#define ADVANCE_MIN (16u << 10)

static bool usable(const struct fetch *f, size_t host)
{
	const struct registry *r = f->registry;

	return host + 1 == r->hosts.count ||
	       (r->hosts.list[host].pull && !atomic_load(&r->bad[host]));
}

static void choose_host(struct fetch *f, size_t from)
{
	for (f->host = from; !usable(f, f->host); f->host++)
		;
	f->retry = (struct retry){ 0, f->registry->hosts.list[f->host].is_mirror
					      ? 1
					      : f->registry->options->tries };
	f->no_range = false;
}

int fetch_begin(struct fetch *f, struct err *e)
{
	struct stat st;

	choose_host(f, 0);
	if (f->partial < 0)
		return 0;
	if (fstat(f->partial, &st) < 0)
		return err_set(e, errno, "cannot look at what is there already");
	if ((uint64_t)st.st_size > f->blob.size && ftruncate(f->partial, 0) < 0)
		return err_set(e, errno, "cannot empty a partial blob");
	f->resumed = (uint64_t)st.st_size > f->blob.size ? 0 : st.st_size;
	return 0;
}

static int check_answer(struct fetch *f, const struct http_reply *reply, struct err *e)
{
	uint64_t length = reply->length;

	f->discard = 0;
	if (reply->status == 206) {
		if (!reply->has_range || reply->range_from != f->at) {
			f->no_range = true;
			return err_say(e, EPROTO, "it gives another range than it was asked for");
		}
		length += f->at;
	} else {
		f->discard = f->at; /* it knows no ranges: from the beginning, then */
	}
	if (reply->has_length && length != f->blob.size)
		return err_say(e, EBADMSG, "it says %llu bytes, the blob's descriptor %llu",
			       (unsigned long long)length, (unsigned long long)f->blob.size);
	return 0;
}

/* As a redirect would: where one may not go we do not, and nothing of ours goes along. */
static int start_elsewhere(struct fetch *f, const char *what, struct http_reply *reply, bool *again,
			   struct err *e)
{
	_cleanup_free_ char *url = calloc(1, HTTP_URL_MAX);
	const char *place = f->blob.urls[f->url - 1];
	int error = url ? registry_resolve(f->registry, what, NULL, place, url, e)
			: err_set(e, ENOMEM, "no memory for a URL");

	if (!error)
		error = registry_get_url(f->registry, f->http, url, NULL, f->no_range ? 0 : f->at,
					 reply, again, e);
	return error ? err_wrap(e, "from its other place %.120s", place) : 0;
}

static int start(struct fetch *f, bool *again, unsigned *wait, struct err *e)
{
	struct registry *r = f->registry;
	struct http_reply reply = { 0 };
	char what[DIGEST_HEX_MAX + 32];
	int error;

	snprintf(what, sizeof(what), "blobs/%s", digest_text(&f->blob.digest).text);
	if (f->url)
		error = start_elsewhere(f, what, &reply, again, e);
	else
		error = registry_get(r, f->http, f->host, what, NULL, f->no_range ? 0 : f->at,
				     &reply, again, e);
	*wait = reply.retry_after;
	if (error && reply.status == 416 && !f->no_range) {
		f->no_range = *again = true;
		return error;
	}
	if (error)
		return error;
	error = check_answer(f, &reply, e);
	if (error) {
		*again = error == -EPROTO;
		http_end(f->http);
		return err_wrap(e, "registry %.100s", r->hosts.list[f->host].name);
	}
	f->running = true;
	f->used_mirror |= r->hosts.list[f->host].is_mirror;
	return 0;
}

/* After a break: 0 to try again, at this host or the next, else the error that *e holds. */
static int after_break(struct fetch *f, bool again, unsigned wait, struct err *e)
{
	struct registry *r = f->registry;
	int error = -e->error;

	f->running = false;
	if (atomic_load(&r->cancelled))
		return error;
	if (f->advance >= ADVANCE_MIN)
		f->retry.tries = 0;
	f->advance = 0;
	if (again && retry_wait(r, &f->retry, wait, e) == 0)
		return 0;
	if (atomic_load(&r->cancelled))
		return error;
	if (f->host + 1 < r->hosts.count) {
		choose_host(f, f->host + 1);
	} else if (f->blob.urls && f->blob.urls[f->url] && !manifest_may_distribute(&f->blob)) {
		f->url++;
		f->retry = (struct retry){ 0, r->options->tries };
		f->no_range = false;
	} else {
		return error;
	}
	err_clear(e);
	return 0;
}

static ssize_t some_from_network(struct fetch *f, char *data, size_t size, struct err *e)
{
	char waste[16384];
	bool again = false;
	unsigned wait = 0;
	ssize_t n = 0;
	size_t want;
	int error = f->running ? 0 : start(f, &again, &wait, e);

	if (!error) {
		want = f->discard < sizeof(waste) ? f->discard : sizeof(waste);
		n = f->discard ? http_read(f->http, waste, want, e)
			       : http_read(f->http, data, size, e);
		if (n == 0)
			n = err_say(e, EPIPE, "it ends after %llu of %llu bytes",
				    (unsigned long long)(f->at - f->discard),
				    (unsigned long long)f->blob.size);
		again = n == -EPIPE || http_failure(f->http) == HTTP_FAILED_FOR_NOW;
		error = n < 0 ? (int)n : 0;
		if (error)
			err_wrap(e, "registry %.100s", f->registry->hosts.list[f->host].name);
	}
	if (error)
		return after_break(f, again, wait, e);
	if (f->discard) {
		f->discard -= n;
		return 0;
	}
	f->advance += n;
	return n;
}

static int keep(struct fetch *f, const char *data, size_t size, struct err *e)
{
	ssize_t n;
	size_t done;

	for (done = 0; f->partial >= 0 && done < size; done += n) {
		n = pwrite(f->partial, data + done, size - done, f->at + done);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			return err_set(e, n < 0 ? errno : EIO, "cannot write the blob");
	}
	return 0;
}

static ssize_t from_partial(struct fetch *f, char *data, size_t size, struct err *e)
{
	uint64_t left = f->resumed - f->at;
	ssize_t n = pread(f->partial, data, left < size ? left : size, f->at);

	if (n < 0 && errno == EINTR)
		return 0;
	if (n <= 0)
		return err_set(e, n < 0 ? errno : EIO, "cannot read what is there already");
	return n;
}

ssize_t fetch_read(void *fetch, void *data, size_t size, struct err *e)
{
	struct fetch *f = fetch;
	size_t got = 0;
	ssize_t n = 0;

	while (got < size && f->at < f->blob.size) {
		size_t want = size - got;
		char *to = (char *)data + got;
		int error = 0;

		if (want > f->blob.size - f->at)
			want = f->blob.size - f->at;
		if (atomic_load(&f->registry->cancelled))
			return err_say(e, ECANCELED, "given up, since another layer failed");
		if (f->at < f->resumed) {
			n = from_partial(f, to, want, e);
		} else {
			n = some_from_network(f, to, want, e);
			if (n > 0)
				error = keep(f, to, n, e);
		}
		if (n < 0 || error)
			return error ? error : n;
		f->at += n;
		got += n;
		if (f->progress)
			f->progress(f->user, &f->blob, f->at);
	}
	if (f->at == f->blob.size && f->running) {
		http_end(f->http);
		f->running = false;
	}
	return got;
}

void fetch_cancel(void *fetch)
{
	struct fetch *f = fetch;

	http_cancel(f->http);
}
