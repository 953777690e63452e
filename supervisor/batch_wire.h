/*
 * batch_wire.h - what a batch and its bearers say to each other, and what waits to be sent.
 *
 * Notes on a stream, each with a text: of a job's line, or of its result. Nothing that a job can
 * write to: both ends are kist's own, and closed in every guest at its birth.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct batch_note {
	enum { NOTE_JOB, NOTE_GO, NOTE_CANCEL, NOTE_RESULT } kind;
	int32_t value; /* of a job: its tries; of cancel: the signal; of a result: the status */
	uint64_t line;
	uint64_t size; /* of the text behind it */
	bool go;       /* of a job: it need not wait for NOTE_GO before its program runs */
};

struct outbox {
	char *data;
	size_t size, sent, room;
};
int outbox_put(struct outbox *o, const void *data, size_t size, struct err *e);
int outbox_put_note(struct outbox *o, struct batch_note note, const char *text, struct err *e);
/* What goes at once, of a file or pipe that poll(2) calls writable. */
int outbox_send(struct outbox *o, int fd, struct err *e);
int outbox_send_all(struct outbox *o, int fd, struct err *e);
/* To a bearer, or from one, without waiting; -EPIPE: it is gone. */
int outbox_send_note(struct outbox *o, int sock);

struct inbox {
	char *data;
	size_t start, size, room;
};
/* Once what poll(2) said of `sock` holds. 1: something more; 0: the other end is closed; -errno. */
int inbox_read(struct inbox *in, int sock, struct err *e);
/* The next note that is here as a whole; its text stays until the next inbox_read(). */
bool inbox_next(struct inbox *in, struct batch_note *ret, const char **ret_text);
