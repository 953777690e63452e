/*
 * batch_wire.c - notes between a batch and its bearers.
 */
#include "supervisor/batch_wire.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK 65536

int outbox_put(struct outbox *o, const void *data, size_t size, struct err *e)
{
	if (o->sent == o->size)
		o->sent = o->size = 0;
	if (o->size + size > o->room) {
		size_t room = (o->size + size) * 2;
		char *more = realloc(o->data, room);

		if (!more)
			return err_set(e, ENOMEM, "what a batch has to say");
		o->data = more;
		o->room = room;
	}
	if (size)
		memcpy(o->data + o->size, data, size);
	o->size += size;
	return 0;
}

int outbox_put_note(struct outbox *o, struct batch_note note, const char *text, struct err *e)
{
	size_t before;
	int n = outbox_put(o, &note, sizeof note, e);

	if (n < 0)
		return n;
	before = o->size;
	n = outbox_put(o, text, note.size, e);
	if (n < 0) /* never half a note */
		o->size = before - sizeof note;
	return n;
}

/* What poll(2) calls writable takes PIPE_BUF without blocking. */
int outbox_send(struct outbox *o, int fd, struct err *e)
{
	size_t left = o->size - o->sent;
	ssize_t n = write(fd, o->data + o->sent, left < PIPE_BUF ? left : PIPE_BUF);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return err_set(e, errno, "cannot write the results");
	o->sent += n > 0 ? (size_t)n : 0;
	return 0;
}

int outbox_send_all(struct outbox *o, int fd, struct err *e)
{
	int n = 0;

	while (n == 0 && o->sent < o->size)
		n = outbox_send(o, fd, e);
	return n;
}

int outbox_send_note(struct outbox *o, int sock)
{
	while (o->sent < o->size) {
		ssize_t n = send(sock, o->data + o->sent, o->size - o->sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0 && errno != EINTR)
			return -EPIPE;
		o->sent += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int inbox_read(struct inbox *in, int sock, struct err *e)
{
	ssize_t n;

	if (in->start > 0 && in->size > in->start)
		memmove(in->data, in->data + in->start, in->size - in->start);
	in->size -= in->start;
	in->start = 0;
	if (in->room - in->size < BLOCK) {
		size_t room = in->room * 2 + BLOCK;
		char *data = realloc(in->data, room);

		if (!data)
			return err_set(e, ENOMEM, "what a batch hears");
		in->data = data;
		in->room = room;
	}
	do
		n = recv(sock, in->data + in->size, in->room - in->size, 0);
	while (n < 0 && errno == EINTR);
	/* Reset: it was killed before it had read all. */
	if (n <= 0)
		return 0;
	in->size += (size_t)n;
	return 1;
}

bool inbox_next(struct inbox *in, struct batch_note *ret, const char **ret_text)
{
	size_t have = in->size - in->start;

	if (have < sizeof *ret)
		return false;
	memcpy(ret, in->data + in->start, sizeof *ret);
	if (have - sizeof *ret < ret->size)
		return false;
	*ret_text = in->data + in->start + sizeof *ret;
	in->start += sizeof *ret + ret->size;
	return true;
}
