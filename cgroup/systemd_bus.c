/*
 * systemd_bus.c - kist's end: starts kist-systemd, asks it, and sees it off.
 */
#include "cgroup/systemd_bus.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/self.h"
#include "cgroup/systemd_wire.h"

#define HELPER "kist-systemd"
/* It has deadlines of its own for what systemd does: this one is for the helper itself. */
#define REPLY_WAIT_MS (300 * 1000)

/* ---- the helper's life ---- */

static int start_helper(struct systemd_bus *b, struct err *e)
{
	_cleanup_fd_ int mine = -EBADF, its = -EBADF;
	char name[] = HELPER, *argv[] = { name, NULL };
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(e, errno, "socketpair");
	mine = pair[0];
	its = pair[1];
	r = self_spawn(argv, (const int[][2]){ { its, STDIN_FILENO } }, 1, &b->helper);
	if (r < 0) {
		err_set(e, -r, "the systemd cgroup driver needs " HELPER ", which cannot be run");
		return err_fix(e, "install it beside kist, or in " KIST_LIBEXEC "; or leave out "
				  "--systemd-cgroup");
	}
	b->fd = fd_take(&mine);
	return 0;
}

/* It has nothing to finish, and may be stuck: nobody waits for it to end by itself. */
void systemd_bus_close(struct systemd_bus *b)
{
	int saved = errno;

	fd_close(&b->fd);
	if (b->helper > 0) {
		kill(b->helper, SIGKILL);
		while (waitpid(b->helper, NULL, 0) < 0 && errno == EINTR)
			;
	}
	b->helper = 0;
	errno = saved;
}

/* ---- a question ---- */

static int lost(struct systemd_bus *b, int error, struct err *e)
{
	systemd_bus_close(b);
	if (error == EPROTO || error == EPROTONOSUPPORT) {
		err_say(e, EPROTO, HELPER " %s",
			error == EPROTO ? "answers what makes no sense"
					: "is of another version of kist");
		return err_fix(e, "install kist and " HELPER " of one build");
	}
	if (error == ECONNRESET)
		return err_say(e, EIO, HELPER " ended before it answered");
	return err_set(e, error, "cannot ask " HELPER);
}

/* ret_text may be NULL. */
static int ask(struct systemd_bus *b, const struct systemd_request *q, char **ret_text,
	       struct err *e)
{
	_cleanup_free_ void *request = NULL, *answer = NULL;
	struct systemd_reply reply;
	size_t size;
	int r;

	if (b->fd < 0)
		return err_say(e, EIO, HELPER " is gone");
	r = systemd_request_pack(q, &request, &size);
	if (r == -E2BIG)
		return err_say(e, E2BIG, "a unit's properties may be %u bytes in all",
			       SYSTEMD_WIRE_MAX);
	if (r == 0)
		r = systemd_wire_send(b->fd, REPLY_WAIT_MS, request, size);
	if (r == 0)
		r = systemd_wire_receive(b->fd, REPLY_WAIT_MS, &answer, &size);
	if (r == 0)
		r = systemd_reply_unpack(answer, size, &reply);
	if (r < 0)
		return lost(b, -r, e);
	if (reply.result < 0) {
		if (e)
			*e = reply.err;
		return reply.result;
	}
	if (!ret_text)
		return 0;
	*ret_text = strdup(reply.text);
	return *ret_text ? 0 : err_set(e, ENOMEM, "%s", q->name);
}

int systemd_bus_open(bool user, struct systemd_bus *ret, struct err *e)
{
	struct systemd_bus b = SYSTEMD_BUS_INIT;
	int r = start_helper(&b, e);

	if (r == 0)
		r = ask(&b, &(struct systemd_request){ .verb = SYSTEMD_OPEN, .user = user }, NULL,
			e);
	if (r < 0)
		systemd_bus_close(&b);
	else
		*ret = b;
	return r;
}

int systemd_bus_manager(struct systemd_bus *b, const char *property, char **ret, struct err *e)
{
	const struct systemd_request q = { .verb = SYSTEMD_MANAGER, .name = property };

	return ask(b, &q, ret, e);
}

int systemd_bus_unit(struct systemd_bus *b, const char *unit, const char *property, char **ret,
		     struct err *e)
{
	const struct systemd_request q = { .verb = SYSTEMD_UNIT, .unit = unit, .name = property };

	return ask(b, &q, ret, e);
}

int systemd_bus_start(struct systemd_bus *b, const char *unit,
		      const struct systemd_property *properties, size_t count, struct err *e)
{
	const struct systemd_request q = {
		.verb = SYSTEMD_START, .unit = unit, .properties = properties, .count = count
	};

	return ask(b, &q, NULL, e);
}

int systemd_bus_stop(struct systemd_bus *b, const char *unit, struct err *e)
{
	return ask(b, &(struct systemd_request){ .verb = SYSTEMD_STOP, .unit = unit }, NULL, e);
}

void systemd_bus_reset_failed(struct systemd_bus *b, const char *unit)
{
	ask(b, &(struct systemd_request){ .verb = SYSTEMD_RESET_FAILED, .unit = unit }, NULL, NULL);
}

int systemd_bus_set(struct systemd_bus *b, const char *unit,
		    const struct systemd_property *properties, size_t count, struct err *e)
{
	const struct systemd_request q = {
		.verb = SYSTEMD_SET, .unit = unit, .properties = properties, .count = count
	};

	return ask(b, &q, NULL, e);
}

int systemd_bus_attach(struct systemd_bus *b, const char *unit, const char *below, pid_t pid,
		       struct err *e)
{
	const struct systemd_request q = {
		.verb = SYSTEMD_ATTACH, .unit = unit, .name = below, .pid = (uint32_t)pid
	};

	return ask(b, &q, NULL, e);
}

int systemd_bus_same_pids(struct systemd_bus *b, struct err *e)
{
	return ask(b, &(struct systemd_request){ .verb = SYSTEMD_SAME_PIDS }, NULL, e);
}
