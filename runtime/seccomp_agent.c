/*
 * seccomp_agent.c - the host's side of SCMP_ACT_NOTIFY: the agent gets the listener.
 *
 * One message on a stream socket (config-linux.md#seccomp): the container
 * process state as JSON, and the fds it names by SCM_RIGHTS.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "runtime/seccomp.h"
#include "runtime/spec.h"

#define SEND_TIMEOUT_SECONDS 10

int seccomp_agent_connect(const char *path, struct err *e)
{
	int sock = socket_connect(path, SEND_TIMEOUT_SECONDS, "the seccomp agent's socket", e);

	if (sock >= 0 || sock == -ENAMETOOLONG)
		return sock;
	err_at(e, "/linux/seccomp/listenerPath");
	return err_fix(e, "start the agent first");
}

static json_t *process_state(const struct seccomp_state *s, const char *metadata, int pid)
{
	json_t *state =
		json_pack("{s:s, s:s, s:s, s:i, s:s}", "ociVersion", SPEC_OCI_VERSION, "id", s->id,
			  "status", s->status, "pid", s->pid ? s->pid : pid, "bundle", s->bundle);
	json_t *all = json_pack("{s:s, s:[s], s:i, s:o}", "ociVersion", SPEC_OCI_VERSION, "fds",
				"seccompFd", "pid", pid, "state", state);

	/* Without memory these are left out: json_out_of_memory tells. */
	if (metadata)
		json_object_set_new(all, "metadata", json_string(metadata));
	if (s->annotations)
		json_object_set_new(json_object_get(all, "state"), "annotations",
				     json_deep_copy(s->annotations));
	return all;
}

int seccomp_agent_send(int sock, int listener, const char *metadata,
		       const struct seccomp_state *state, int pid, struct err *e)
{
	_cleanup_json_ json_t *all = process_state(state, metadata, pid);
	_cleanup_free_ char *text = json_dumps(all, JSON_COMPACT);
	int r;

	if (!text || json_out_of_memory)
		return err_set(e, ENOMEM, "the container process state");
	r = socket_send_fd(sock, text, strlen(text), listener);
	return r < 0 ? err_set(e, -r, "cannot send to the seccomp agent") : 0;
}

static int act_connect_agent(struct run *run, const void *args, struct err *e)
{
	const struct op_agent_args *a = args;
	int sock = seccomp_agent_connect(a->filter->listener_path, e);

	if (sock < 0)
		return sock;
	run_set_fd(run, a->slot_agent, sock);
	return 0;
}

static void show_connect_agent(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_agent_args *a = args;

	plan_show_slot(out, p, a->slot_agent);
	buf_add(out, " = connect(");
	buf_add_quoted(out, a->filter->listener_path);
	buf_add_char(out, ')');
}

const struct op op_connect_agent = {
	.name = "connect",
	.man = "unix(7)",
	.compound = true,
	.act = act_connect_agent,
	.show = show_connect_agent,
};

static int act_send_listener(struct run *run, const void *args, struct err *e)
{
	const struct op_agent_args *a = args;
	int r = seccomp_agent_send(run_slot(run, a->slot_agent), run_slot(run, a->slot_listener),
				   a->filter->listener_metadata, a->state,
				   run_slot(run, SLOT_GUEST_PID), e);

	/* The agent alone holds them: when it ends, its syscalls must fail instead of hanging. */
	run_set_fd(run, a->slot_listener, -EBADF);
	run_set_fd(run, a->slot_agent, -EBADF);
	return r;
}

static void show_send_listener(struct buf *out, const struct plan *p, const void *args)
{
	const struct op_agent_args *a = args;

	buf_add(out, "sendmsg(");
	plan_show_slot(out, p, a->slot_agent);
	buf_add(out, ", <container process state>, SCM_RIGHTS ");
	plan_show_slot(out, p, a->slot_listener);
	buf_addf(out, "); close()");
}

const struct op op_send_listener = {
	.name = "sendmsg",
	.man = "unix(7)",
	.compound = true,
	.act = act_send_listener,
	.show = show_send_listener,
};
