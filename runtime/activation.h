/*
 * activation.h - what a service manager starts a service with, handed on to the container: sockets
 * that listen (sd_listen_fds(3)) and where to say that it is ready (sd_notify(3)).
 *
 * NOTIFY_SOCKET: the container gets a socket of its own, in <root>/ID/notify. What it says is
 * relayed line by line, and only lines that concern nobody but itself: who is trusted by the
 * manager is kist, so that a container's MAINPID= or NOTIFYACCESS= would be taken for kist's word.
 */
#pragma once
#include <sys/socket.h>
#include <sys/un.h>

#include "runtime/spec.h"

struct activation {
	int listen_fds;	   /* from 3 on; 0: none, or not for this process */
	const char *names; /* LISTEN_FDNAMES, or NULL */
	bool notify;	   /* somebody waits to hear: to */
	struct sockaddr_un to;
	socklen_t to_size;
};

/* Reads this process's environment. */
int activation_read(struct activation *ret, struct err *e);
/* The mount that brings the folder of the notify socket into the container; NULL: none wanted. New
 * reference. */
json_t *activation_mount(const struct activation *a, const char *root_path, const char *id);
/* Sets the program's LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES, NOTIFY_SOCKET; to be called before the
 * spec is compiled, after its text was taken: an exec is no activated service. */
int activation_apply(const struct activation *a, struct container_spec *s, struct arena *arena,
		     struct err *e);

/* HOST: makes the folder, and, with a slot (else -1), the socket in it. */
void activation_plan_notify(struct plan *p, int slot);
/* The socket in the state folder `dir`, for a start; -ENOENT without a record: created without. */
int activation_bind(int dir, struct err *e);

struct notify_relay {
	int sock; /* where the container talks to; -EBADF: none */
	struct activation to;
	pid_t main_pid; /* said with the first READY=1, by who does not stay; 0: none */
};
/* Passes on what is there, without waiting. True once the container has said READY=1. */
bool notify_relay(const struct notify_relay *r);
/* Relays until the container is ready, or has ended. */
int notify_await_ready(const struct notify_relay *r, int pidfd, struct err *e);
