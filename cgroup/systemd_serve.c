/*
 * systemd_serve.c - the other end: kist-systemd does what kist asks, one thing after the other.
 *
 * It answers to nobody but the kist that started it, whose death is its own.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "base/fd.h"
#include "cgroup/systemd_bus.h"
#include "cgroup/systemd_sdbus.h"
#include "cgroup/systemd_wire.h"

static int answer(struct sdbus *b, const struct systemd_request *q, char **ret_text, struct err *e)
{
	if (q->verb != SYSTEMD_OPEN && !b->bus)
		return err_say(e, ENOTCONN, "not connected to systemd");
	switch (q->verb) {
	case SYSTEMD_OPEN:
		sdbus_close(b);
		return sdbus_open(q->user, b, e);
	case SYSTEMD_MANAGER:
		return sdbus_manager(b, q->name, ret_text, e);
	case SYSTEMD_UNIT:
		return sdbus_unit(b, q->unit, q->name, ret_text, e);
	case SYSTEMD_START:
		return sdbus_start(b, q->unit, q->properties, q->count, e);
	case SYSTEMD_STOP:
		return sdbus_stop(b, q->unit, e);
	case SYSTEMD_RESET_FAILED:
		sdbus_reset_failed(b, q->unit);
		return 0;
	case SYSTEMD_SET:
		return sdbus_set(b, q->unit, q->properties, q->count, e);
	case SYSTEMD_ATTACH:
		return sdbus_attach(b, q->unit, q->name, (pid_t)q->pid, e);
	case SYSTEMD_SAME_PIDS:
		return sdbus_same_pids(b, e);
	case SYSTEMD_VERBS:
		break;
	}
	return err_say(e, EINVAL, "no such question");
}

static int send_reply(int fd, const struct systemd_reply *reply)
{
	_cleanup_free_ void *message = NULL;
	size_t size;
	int r = systemd_reply_pack(reply, &message, &size);

	if (r == -E2BIG) {
		struct systemd_reply too_long = { .result = r, .err = ERR_INIT };

		err_set(&too_long.err, -r, "what systemd answers is too long");
		r = systemd_reply_pack(&too_long, &message, &size);
	}
	return r < 0 ? r : systemd_wire_send(fd, -1, message, size);
}

static int serve_one(int fd, struct sdbus *b)
{
	_cleanup_free_ void *message = NULL;
	_cleanup_free_ char *text = NULL;
	struct systemd_reply reply = { .err = ERR_INIT };
	struct systemd_request q;
	struct arena arena = ARENA_INIT;
	size_t size;
	int r = systemd_wire_receive(fd, -1, &message, &size);

	if (r < 0)
		return r;
	r = systemd_request_unpack(message, size, &arena, &q);
	if (r == -EPROTONOSUPPORT) {
		/* Of an answer it reads the version first, too. */
		reply.result = r;
		r = send_reply(fd, &reply);
	} else if (r == 0) {
		reply.result = answer(b, &q, &text, &reply.err);
		reply.result = reply.result > 0 ? 0 : reply.result;
		reply.text = text;
		r = send_reply(fd, &reply);
	}
	arena_free(&arena);
	return r;
}

int systemd_serve(int fd)
{
	struct pollfd p = { .fd = fd };
	struct sdbus b = { 0 };
	int r;

	/* A kist that is killed must not have units started after it. Was it before this call? */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	if (poll(&p, 1, 0) < 0 || (p.revents & (POLLHUP | POLLERR | POLLNVAL)))
		return -ECONNRESET;
	do {
		r = serve_one(fd, &b);
	} while (r == 0);
	sdbus_close(&b);
	return r == -ECONNRESET ? 0 : r;
}
