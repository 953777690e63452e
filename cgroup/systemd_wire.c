/*
 * systemd_wire.c - requests and replies as bytes, and back.
 */
#include "cgroup/systemd_wire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "base/fd.h"

#define TYPES "sybnqiuxtd"

/* ---- writing: once without memory, to know how much it takes ---- */

struct writer {
	char *data;
	size_t size;
};

static void put(struct writer *w, const void *data, size_t size)
{
	if (w->data)
		memcpy(w->data + w->size, data, size);
	w->size += size;
}

static void put_number(struct writer *w, uint32_t number)
{
	put(w, &number, sizeof number);
}

/* Its length and its NUL: who reads it needs no copy. */
static void put_text(struct writer *w, const char *text)
{
	size_t length = strlen(text ? text : "");

	put_number(w, (uint32_t)length);
	put(w, text ? text : "", length + 1);
}

static void put_property(struct writer *w, const struct systemd_property *p)
{
	put_text(w, p->name);
	put_number(w, (unsigned char)p->type);
	put_number(w, p->array);
	put_number(w, (uint32_t)p->count);
	for (size_t i = 0; i < p->count; i++)
		if (p->type == 's')
			put_text(w, p->values[i].text);
		else
			put(w, &p->values[i].number, sizeof p->values[i].number);
}

static void put_request(struct writer *w, const void *message)
{
	const struct systemd_request *q = message;

	put_number(w, SYSTEMD_WIRE_VERSION);
	put_number(w, q->verb);
	put_number(w, q->user);
	put_number(w, q->pid);
	put_text(w, q->unit);
	put_text(w, q->name);
	put_number(w, (uint32_t)q->count);
	for (size_t i = 0; i < q->count; i++)
		put_property(w, &q->properties[i]);
}

static void put_reply(struct writer *w, const void *message)
{
	const struct systemd_reply *reply = message;

	put_number(w, SYSTEMD_WIRE_VERSION);
	put_number(w, (uint32_t)-reply->result);
	put(w, &reply->err, sizeof reply->err);
	put_text(w, reply->text);
}

static int pack(void (*put_message)(struct writer *, const void *), const void *message, void **ret,
		size_t *ret_size)
{
	struct writer measure = { 0 }, w = { 0 };

	put_message(&measure, message);
	if (measure.size > SYSTEMD_WIRE_MAX)
		return -E2BIG;
	w.data = malloc(sizeof(uint32_t) + measure.size);
	if (!w.data)
		return -ENOMEM;
	put_number(&w, (uint32_t)measure.size);
	put_message(&w, message);
	*ret = w.data;
	*ret_size = w.size;
	return 0;
}

int systemd_request_pack(const struct systemd_request *q, void **ret, size_t *ret_size)
{
	return pack(put_request, q, ret, ret_size);
}

int systemd_reply_pack(const struct systemd_reply *reply, void **ret, size_t *ret_size)
{
	return pack(put_reply, reply, ret, ret_size);
}

/* ---- reading: what is missing reads as 0 or "", and is remembered ---- */

struct reader {
	const char *next;
	size_t left;
	bool bad;
};

static const void *take(struct reader *r, size_t size)
{
	const void *at = r->next;

	if (r->bad || size > r->left) {
		r->bad = true;
		return NULL;
	}
	r->next += size;
	r->left -= size;
	return at;
}

static uint32_t take_number(struct reader *r)
{
	const void *at = take(r, sizeof(uint32_t));
	uint32_t number = 0;

	if (at)
		memcpy(&number, at, sizeof number);
	return number;
}

static const char *take_text(struct reader *r)
{
	size_t length = take_number(r);
	const char *text = take(r, length + 1);

	if (text && strnlen(text, length + 1) == length)
		return text;
	r->bad = true;
	return "";
}

static void take_values(struct reader *r, struct systemd_property *p, struct arena *a)
{
	union systemd_value *values;
	const void *at;

	/* A value is five bytes at least: no number in a message asks for more memory than it is
	 * worth. */
	if (!p->type || !strchr(TYPES, p->type) || p->count > r->left / 5) {
		r->bad = true;
		return;
	}
	p->values = values = arena_array(a, p->count + 1, sizeof *values);
	for (size_t i = 0; values && i < p->count; i++)
		if (p->type == 's')
			values[i].text = take_text(r);
		else if ((at = take(r, sizeof values[i].number)))
			memcpy(&values[i].number, at, sizeof values[i].number);
}

static void take_property(struct reader *r, struct systemd_property *p, struct arena *a)
{
	uint32_t type, array;

	p->name = take_text(r);
	type = take_number(r);
	array = take_number(r);
	p->count = take_number(r);
	if (type > 127 || array > 1 || (!array && p->count != 1))
		r->bad = true;
	p->type = (char)type;
	p->array = array;
	if (!r->bad)
		take_values(r, p, a);
}

int systemd_request_unpack(const void *data, size_t size, struct arena *a,
			   struct systemd_request *ret)
{
	struct reader r = { .next = data, .left = size };
	struct systemd_request q = { 0 };
	struct systemd_property *list;
	uint32_t user;

	if (take_number(&r) != SYSTEMD_WIRE_VERSION)
		return r.bad ? -EPROTO : -EPROTONOSUPPORT;
	q.verb = take_number(&r);
	user = take_number(&r);
	q.pid = take_number(&r);
	q.unit = take_text(&r);
	q.name = take_text(&r);
	q.count = take_number(&r);
	/* name, type, array, count */
	if (r.bad || q.verb >= SYSTEMD_VERBS || user > 1 || q.count > r.left / 17)
		return -EPROTO;
	q.user = user;
	q.properties = list = arena_array(a, q.count + 1, sizeof *list);
	for (size_t i = 0; list && i < q.count && !r.bad; i++)
		take_property(&r, &list[i], a);
	if (arena_failed(a))
		return -ENOMEM;
	if (r.bad || r.left > 0)
		return -EPROTO;
	*ret = q;
	return 0;
}

static bool is_record(const struct err *e)
{
	if (e->error < 0 || e->error > 4095 || e->contexts < 0 || e->contexts > ERR_CONTEXTS_MAX ||
	    !memchr(e->where, '\0', sizeof e->where) || !memchr(e->fix, '\0', sizeof e->fix))
		return false;
	for (int i = 0; i < e->contexts; i++)
		if (!memchr(e->context[i], '\0', sizeof e->context[i]))
			return false;
	return true;
}

int systemd_reply_unpack(const void *data, size_t size, struct systemd_reply *ret)
{
	struct reader r = { .next = data, .left = size };
	struct systemd_reply reply = { 0 };
	const void *record;
	uint32_t error;

	if (take_number(&r) != SYSTEMD_WIRE_VERSION)
		return r.bad ? -EPROTO : -EPROTONOSUPPORT;
	error = take_number(&r);
	record = take(&r, sizeof reply.err);
	reply.text = take_text(&r);
	if (r.bad || r.left > 0 || error > 4095)
		return -EPROTO;
	memcpy(&reply.err, record, sizeof reply.err);
	if (!is_record(&reply.err))
		return -EPROTO;
	reply.result = -(int)error;
	/* Not its to say. */
	reply.err.step = -1;
	reply.err.exit_code = 0;
	*ret = reply;
	return 0;
}

/* ---- a socket ---- */

/* Sends or receives all of it. Neither may block, or signal, for a peer that is stuck or gone. */
static int transfer(int fd, bool sends, int timeout_ms, char *at, size_t size)
{
	while (size > 0) {
		struct pollfd p = { .fd = fd, .events = sends ? POLLOUT : POLLIN };
		ssize_t n = poll(&p, 1, timeout_ms);

		if (n == 0)
			return -ETIMEDOUT;
		if (n > 0)
			n = sends ? send(fd, at, size, MSG_DONTWAIT | MSG_NOSIGNAL)
				  : recv(fd, at, size, MSG_DONTWAIT);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return errno == EPIPE ? -ECONNRESET : -errno;
		if (n > 0) {
			at += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

int systemd_wire_send(int fd, int timeout_ms, const void *data, size_t size)
{
	return transfer(fd, true, timeout_ms, (char *)data, size);
}

int systemd_wire_receive(int fd, int timeout_ms, void **ret, size_t *ret_size)
{
	_cleanup_free_ char *data = NULL;
	uint32_t size;
	int r = transfer(fd, false, timeout_ms, (char *)&size, sizeof size);

	if (r < 0)
		return r;
	if (size == 0 || size > SYSTEMD_WIRE_MAX)
		return -EPROTO;
	data = malloc(size);
	if (!data)
		return -ENOMEM;
	r = transfer(fd, false, timeout_ms, data, size);
	if (r < 0)
		return r;
	*ret = data;
	*ret_size = size;
	data = NULL;
	return 0;
}
