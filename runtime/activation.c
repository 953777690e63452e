/*
 * activation.c - LISTEN_FDS and NOTIFY_SOCKET, handed on to the container.
 */
#include "runtime/activation.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"

#define NOTIFY_DIR   "/run/notify" /* in the container */
#define NOTIFY_MAX   4096	   /* bytes of a message, as systemd has it */
#define NOTIFY_BURST 64		   /* messages taken at once: others have their turn */

/* --- the environment -------------------------------------------------------- */

static int parse_count(const char *text, int *ret)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || end == text || *end || n < 0 || n > INT_MAX)
		return -EINVAL;
	*ret = (int)n;
	return 0;
}

static int read_listen(struct activation *a, struct err *e)
{
	const char *fds = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	int for_pid;

	/* Without a word about whom they are for they are not ours (sd_listen_fds(3)). */
	if (!fds || !pid || parse_count(pid, &for_pid) < 0 || for_pid != getpid())
		return 0;
	if (parse_count(fds, &a->listen_fds) < 0)
		return err_say(e, EINVAL, "LISTEN_FDS: \"%.32s\" is no number", fds);
	a->names = getenv("LISTEN_FDNAMES");
	return 0;
}

static int read_notify(struct activation *a, struct err *e)
{
	const char *text = getenv("NOTIFY_SOCKET");
	size_t len = text ? strlen(text) : 0;

	if (len == 0)
		return 0;
	if ((text[0] != '/' && text[0] != '@') || len < 2 || len >= sizeof a->to.sun_path) {
		err_say(e, EINVAL, "NOTIFY_SOCKET: \"%.120s\" is no absolute path or @name", text);
		return err_fix(e, "unset it: nobody will hear that the container is ready");
	}
	a->to.sun_family = AF_UNIX;
	memcpy(a->to.sun_path, text, len);
	if (text[0] == '@')
		a->to.sun_path[0] = '\0';
	a->to_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	a->notify = true;
	return 0;
}

int activation_read(struct activation *ret, struct err *e)
{
	struct activation a = { 0 };
	int r = read_listen(&a, e);

	if (r == 0)
		r = read_notify(&a, e);
	if (r == 0)
		*ret = a;
	return r;
}

json_t *activation_mount(const struct activation *a, const char *root_path, const char *id)
{
	if (!a->notify)
		return NULL;
	return json_pack("{s:s, s:s, s:o, s:[s,s,s,s,s]}", "destination", NOTIFY_DIR, "type",
			 "bind", "source", json_sprintf("%s/%s/notify", root_path, id), "options",
			 "bind", "ro", "nosuid", "nodev", "noexec");
}

int activation_apply(const struct activation *a, struct container_spec *s, struct arena *arena,
		     struct err *e)
{
	int r = 0;

	if (a->listen_fds) {
		if (!(s->ns.new_namespaces & CLONE_NEWPID)) {
			err_say(e, ENOTSUP,
				"LISTEN_FDS: without a new pid namespace the program is not "
				"process 1, and would not take the sockets for its own");
			err_at(e, "/linux/namespaces");
			return err_fix(e, "unset LISTEN_FDS, and pass them with --preserve-fds");
		}
		r = process_set_env(&s->process, arena, "LISTEN_FDS",
				    arena_printf(arena, "%d", a->listen_fds), e);
		if (r == 0)
			r = process_set_env(&s->process, arena, "LISTEN_PID", "1", e);
		if (r == 0 && a->names)
			r = process_set_env(&s->process, arena, "LISTEN_FDNAMES", a->names, e);
	}
	if (r == 0 && a->notify)
		r = process_set_env(&s->process, arena, "NOTIFY_SOCKET", NOTIFY_DIR "/notify.sock",
				    e);
	return r;
}

/* --- the socket ------------------------------------------------------------- */

int activation_bind(int dir, struct err *e)
{
	_cleanup_fd_ int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (faccessat(dir, "notify", F_OK, 0) < 0)
		return -ENOENT;
	if (sock < 0)
		return err_set(e, errno, "cannot make the notify socket");
	/* One that an interrupted start left. */
	unlinkat(dir, "notify/notify.sock", 0);
	snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/notify/notify.sock",
		 dir);
	/* Any user of the container may write to it. */
	if (bind(sock, (struct sockaddr *)&address, sizeof address) < 0 ||
	    fchmodat(dir, "notify/notify.sock", 0777, 0) < 0)
		return err_set(e, errno, "cannot make the notify socket");
	return fd_take(&sock);
}

struct notify_args {
	int slot;
};

static int act_notify_socket(struct run *r, const void *args, struct err *e)
{
	const struct notify_args *a = args;
	int dir = run_slot(r, SLOT_STATE_DIR), sock;

	if (mkdirat(dir, "notify", 0755) < 0)
		return -errno;
	if (a->slot < 0)
		return 0;
	sock = activation_bind(dir, e);
	if (sock < 0)
		return sock;
	run_set_fd(r, a->slot, sock);
	return 0;
}

static void show_notify_socket(struct buf *out, const struct plan *p, const void *args)
{
	const struct notify_args *a = args;

	(void)p;
	buf_add(out, "make_notify_socket(<state folder>/notify");
	buf_add(out, a->slot < 0 ? ", at start)" : "/notify.sock)");
}

static const struct op op_notify_socket = { .name = "make_notify_socket",
					    .man = "unix(7)",
					    .compound = true,
					    .act = act_notify_socket,
					    .show = show_notify_socket };

void activation_plan_notify(struct plan *p, int slot)
{
	plan_scope(p, "", "NOTIFY_SOCKET");
	plan_add(p, SIDE_HOST, op_notify_socket, notify_args, .slot = slot);
	plan_scope(p, "", NULL);
}

/* --- the relay -------------------------------------------------------------- */

static bool is_harmless(const char *line, size_t len)
{
	static const char *const names[] = {
		"READY=",	   "RELOADING=",   "STOPPING=", "STATUS=",
		"ERRNO=",	   "EXIT_STATUS=", "WATCHDOG=", "EXTEND_TIMEOUT_USEC=",
		"MONOTONIC_USEC=",
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (len > strlen(names[i]) && strncmp(line, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* Keeps the harmless lines of text, in place. Returns their length. */
static size_t filter(char *text, size_t size, bool *ret_ready)
{
	size_t to = 0;

	for (size_t at = 0; at < size;) {
		char *end = memchr(text + at, '\n', size - at);
		size_t len = end ? (size_t)(end - text) - at : size - at;

		if (is_harmless(text + at, len)) {
			*ret_ready |= len == 7 && memcmp(text + at, "READY=1", 7) == 0;
			memmove(text + to, text + at, len);
			to += len;
			text[to++] = '\n';
		}
		at += len + 1;
	}
	return to;
}

static void tell(const struct notify_relay *r, const char *text, size_t size)
{
	/* A manager that does not listen any more is no reason to stop the container. */
	_cleanup_fd_ int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (sock >= 0)
		(void)!sendto(sock, text, size, MSG_DONTWAIT | MSG_NOSIGNAL,
			      (const struct sockaddr *)&r->to.to, r->to.to_size);
}

bool notify_relay(const struct notify_relay *r)
{
	bool ready = false;

	for (int i = 0; i < NOTIFY_BURST; i++) {
		char text[NOTIFY_MAX + 32];
		/* File descriptors that come along are closed by the kernel: nobody asks for them.
		 */
		ssize_t n = recv(r->sock, text, NOTIFY_MAX, MSG_DONTWAIT | MSG_TRUNC);
		bool now = false;
		size_t size;

		if (n < 0)
			break;
		if (n > NOTIFY_MAX || memchr(text, '\0', (size_t)n))
			continue;
		size = filter(text, (size_t)n, &now);
		if (now && !ready && r->main_pid > 0)
			size += (size_t)snprintf(text + size, sizeof text - size, "MAINPID=%d\n",
						 (int)r->main_pid);
		if (size)
			tell(r, text, size);
		ready |= now;
	}
	return ready;
}

int notify_await_ready(const struct notify_relay *r, int pidfd, struct err *e)
{
	for (;;) {
		struct pollfd p[] = {
			{ .fd = r->sock, .events = POLLIN },
			{ .fd = pidfd, .events = POLLIN },
		};

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return err_set(e, errno, "poll");
		if (p[0].revents && notify_relay(r))
			return 0;
		/* Its last words may have come with its end. */
		if (p[1].revents) {
			notify_relay(r);
			return 0;
		}
	}
}
