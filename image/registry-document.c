/*
 * registry-document.c - manifests, indexes, configurations: whole, bounded, verified.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fd.h"
#include "image/hash.h"
#include "image/registry.h"

#define ACCEPT_ALL                                                                                 \
	"application/vnd.oci.image.index.v1+json, "                                                \
	"application/vnd.oci.image.manifest.v1+json, "                                             \
	"application/vnd.docker.distribution.manifest.list.v2+json, "                              \
	"application/vnd.docker.distribution.manifest.v2+json, */*;q=0.1"

static int read_body(struct http *h, size_t limit, struct document *d, struct err *e)
{
	size_t room = 0;

	for (;;) {
		size_t more = room < limit + 1 ? (room ? 2 * room : 16384) : room;
		char *data;
		ssize_t n;

		if (more > limit + 1)
			more = limit + 1;
		data = realloc(d->data, more + 1);
		if (data == NULL)
			return err_set(e, ENOMEM, "no memory for a document");
		d->data = data;
		room = more;
		n = http_read(h, d->data + d->size, room - d->size, e);
		if (n < 0)
			return n;
		d->size += n;
		d->data[d->size] = '\0';
		if (d->size > limit)
			return err_say(e, EFBIG, "a document of more than %zu bytes", limit);
		if (d->size < room)
			return 0;
	}
}

static int check_digest(const struct document *d, const struct digest *digest,
			const struct http_reply *reply, struct err *e)
{
	struct digest header;

	if (digest && !digest_equal(digest, &d->digest))
		return err_say(e, EBADMSG,
			       "it gives %.19s... when asked for %.19s...",
			       digest_text(&d->digest).text, digest_text(digest).text);
	if (digest || reply->digest[0] == '\0' || strncmp(reply->digest, "sha256:", 7) != 0)
		return 0;
	if (digest_parse(reply->digest, &header, e))
		return err_wrap(e, "its Docker-Content-Digest");
	if (!digest_equal(&header, &d->digest))
		return err_say(e, EBADMSG,
			       "its Docker-Content-Digest is %.19s..., the content is "
			       "%.19s...",
			       digest_text(&header).text, digest_text(&d->digest).text);
	return 0;
}

static int try_once(struct registry *r, struct http *h, size_t host, const char *what,
		    const struct digest *digest, size_t limit, struct document *d, bool *again,
		    unsigned *ret_wait, struct err *e)
{
	bool manifest = strncmp(what, "manifests/", 10) == 0;
	struct http_reply reply = { 0 };
	int error =
		registry_get(r, h, host, what, manifest ? ACCEPT_ALL : NULL, 0, &reply, again, e);

	*ret_wait = reply.retry_after;
	if (error)
		return error;
	if (reply.has_length && reply.length > limit)
		error = err_say(e, EFBIG, "a document of %llu bytes (limit %zu)",
				(unsigned long long)reply.length, limit);
	if (!error) {
		error = read_body(h, limit, d, e);
		*again = error && http_failure(h) == HTTP_FAILED_FOR_NOW && error != -EFBIG;
	}
	http_end(h);
	if (!error)
		error = hash_memory_as(d->data, d->size, digest, &d->digest, e);
	if (!error)
		error = check_digest(d, digest, &reply, e);
	snprintf(d->content_type, sizeof(d->content_type), "%s", reply.content_type);
	return error ? err_wrap(e, "registry %.100s", r->hosts.list[host].name) : 0;
}

/* Of one host, with tries. A mirror that fails has somebody behind it: it gets one. */
static int from_host(struct registry *r, struct http *h, size_t host, const char *what,
		     const struct digest *digest, size_t limit, struct document *ret, struct err *e)
{
	struct retry t = { 0, r->hosts.list[host].is_mirror ? 1 : r->options->tries };
	struct document d;
	unsigned wait;
	bool again;
	int error;

	do {
		d = (struct document){ 0 };
		wait = 0;
		again = false;
		error = try_once(r, h, host, what, digest, limit, &d, &again, &wait, e);
		if (!error) {
			*ret = d;
			return 0;
		}
		free(d.data);
		if (again)
			again = retry_wait(r, &t, wait, e) == 0;
	} while (again);
	return error;
}

static void note_mirror(struct registry *r, const struct err *e)
{
	char line[500], text[600];

	err_format(e, line, sizeof(line));
	snprintf(text, sizeof(text), "a mirror was passed over: %s", line);
	if (r->options->note)
		r->options->note(r->options->user, text);
}

int registry_document(struct registry *r, struct http *h, const char *what,
		      const struct digest *digest, size_t limit, struct document *ret,
		      struct err *e)
{
	size_t i, last = r->hosts.count - 1;
	int error = 0;

	for (i = 0; i < r->hosts.count; i++) {
		const struct registry_host *host = &r->hosts.list[i];

		if (i < last && (!(digest ? host->pull : host->resolve) || atomic_load(&r->bad[i])))
			continue;
		error = from_host(r, h, i, what, digest, limit, ret, e);
		if (!error || i == last)
			break;
		if (error == -EBADMSG)
			atomic_store(&r->bad[i], true);
		note_mirror(r, e);
		err_clear(e);
	}
	return error;
}

int registry_ping(struct registry *r, struct http *h, struct err *e)
{
	struct retry t = { 0, r->options->tries };
	struct http_reply reply = { 0 };
	bool again;
	int error;

	do {
		error = registry_get(r, h, r->hosts.count - 1, "", NULL, 0, &reply, &again, e);
		if (error && again)
			again = retry_wait(r, &t, reply.retry_after, e) == 0;
	} while (error && again);
	http_end(h);
	return error;
}
