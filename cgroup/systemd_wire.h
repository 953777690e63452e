/*
 * systemd_wire.h - what kist and kist-systemd say to each other; private to cgroup/.
 *
 * One request, one reply, over a stream socket: a length of four bytes, then
 * that much. Both ends are of one build and one machine, so numbers are as they
 * lie in memory; both read as if the other were not to be trusted.
 */
#pragma once
#include <stdint.h>
#include "base/arena.h"
#include "cgroup/systemd.h"

#define SYSTEMD_WIRE_VERSION 1
#define SYSTEMD_WIRE_MAX     (1u << 20) /* bytes of one message */

enum systemd_verb {
	SYSTEMD_OPEN,
	SYSTEMD_MANAGER,
	SYSTEMD_UNIT,
	SYSTEMD_START,
	SYSTEMD_STOP,
	SYSTEMD_RESET_FAILED,
	SYSTEMD_SET,
	SYSTEMD_ATTACH,
	SYSTEMD_SAME_PIDS,
	SYSTEMD_VERBS
};

/* What a verb has no use for is 0 or NULL; NULL arrives as "". */
struct systemd_request {
	enum systemd_verb verb;
	bool user;
	uint32_t pid;
	const char *unit;
	const char *name; /* a property; a cgroup below the unit */
	const struct systemd_property *properties;
	size_t count;
};

struct systemd_reply {
	int result; /* 0 or -errno */
	struct err err;
	const char *text; /* a property's value, "" without one */
};

/* A whole message, malloc'd: with its length before it. -E2BIG above SYSTEMD_WIRE_MAX. */
int systemd_request_pack(const struct systemd_request *q, void **ret, size_t *ret_size);
int systemd_reply_pack(const struct systemd_reply *reply, void **ret, size_t *ret_size);

/* Of the bytes after the length, which stay the caller's: texts point into them. -EPROTO when they
 * are no such message, -EPROTONOSUPPORT when they are of another version. */
int systemd_request_unpack(const void *data, size_t size, struct arena *a,
			   struct systemd_request *ret);
int systemd_reply_unpack(const void *data, size_t size, struct systemd_reply *ret);

/* A message as it was packed, to a socket; one from a socket, malloc'd, without its length.
 * -ECONNRESET when nobody is at the other end, -ETIMEDOUT when nothing moves for that many
 * milliseconds (-1: ever). */
int systemd_wire_send(int fd, int timeout_ms, const void *data, size_t size);
int systemd_wire_receive(int fd, int timeout_ms, void **ret, size_t *ret_size);
