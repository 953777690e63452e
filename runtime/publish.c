/*
 * publish.c - steps that tell the caller what there is now.
 */
#include "runtime/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/ops.h"
#include "base/utc.h"
#include "cgroup/systemd.h"

/* --- state.json ------------------------------------------------------------- */

struct state_args {
	const char *id, *bundle, *rootfs, *cgroup;
	const char *systemd_unit; /* NULL: none */
	const json_t *config;
	unsigned int namespaces, new_namespaces;
	const struct seccomp_filter *filter;
	bool no_new_keyring, foreground;
};

static json_t *build_state(const struct state_args *a, pid_t pid, unsigned long long start)
{
	const json_t *annotations = json_object_get(a->config, "annotations");
	struct timespec now;
	char stamp[UTC_TEXT_MAX], created[UTC_TEXT_MAX + 16];

	clock_gettime(CLOCK_REALTIME, &now);
	utc_format(now.tv_sec, stamp);
	snprintf(created, sizeof created, "%s.%09ldZ", stamp, now.tv_nsec);
	return json_pack("{s:s, s:s, s:i, s:I, s:s, s:s?, s:s, s:s?, s:s*, s:I, s:I, s:o}", "ociVersion",
			 SPEC_OCI_VERSION, "id", a->id, "pid", (int)pid, "startTime",
			 (json_int_t)start, "bundle", a->bundle, "rootfs", a->rootfs, "created",
			 created, "cgroup", a->cgroup, "systemdUnit", a->systemd_unit,
			 "namespaces", (json_int_t)a->namespaces,
			 "newNamespaces", (json_int_t)a->new_namespaces,
			 "annotations", annotations ? json_deep_copy(annotations) : json_object());
}

static int act_state(struct run *r, const void *args, struct err *e)
{
	const struct state_args *a = args;
	_cleanup_json_ json_t *state = NULL;
	unsigned long long start;
	pid_t pid = run_slot(r, SLOT_GUEST_PID);
	bool zombie;
	int n;

	n = process_start_time(pid, &start, &zombie);
	if (n < 0)
		return err_set(e, -n, "cannot read when process %d was started", (int)pid);
	state = build_state(a, pid, start);
	if (!state)
		return -ENOMEM;
	if (a->no_new_keyring)
		json_object_set_new(state, "noNewKeyring", json_true());
	if (a->foreground)
		json_object_set_new(state, "foreground", json_true());
	/* Whoever orders the start is another process, and tells the agent. */
	if (a->filter->notify)
		json_object_set_new(state, "seccompListener",
				    json_pack("{s:s, s:s?}", "path", a->filter->listener_path,
					      "metadata", a->filter->listener_metadata));
	return container_prepare_state(run_slot(r, SLOT_STATE_DIR), state, e);
}

static void show_state(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	(void)args;
	buf_add(out, "write_state(<state folder>/" STATE_PREPARED ")");
}

static const struct op op_state = { .name = "write_state", .man = "open(2)", .compound = true,
				    .act = act_state, .show = show_state };

static int act_state_publish(struct run *r, const void *args, struct err *e)
{
	int dir = run_slot(r, SLOT_STATE_DIR);

	(void)args;
	(void)e;
	return renameat(dir, STATE_PREPARED, dir, "state.json") < 0 ? -errno : 0;
}

static void show_state_publish(struct buf *out, const struct plan *p, const void *args)
{
	(void)p;
	(void)args;
	buf_add(out, "renameat(<state folder>, \"" STATE_PREPARED "\", <state folder>, \"state.json\")");
}

static const struct op op_state_publish = { .name = "renameat", .man = "rename(2)",
					    .act = act_state_publish, .show = show_state_publish };

void publish_plan_state(struct plan *p)
{
	plan_add0(p, SIDE_HOST, op_state_publish);
}

void publish_plan_state_prepare(struct plan *p, const struct container_spec *s, const struct host *h,
				const struct create_options *o)
{
	plan_add(p, SIDE_HOST, op_state, state_args, .id = arena_strdup(p->arena, o->id),
		 .bundle = s->bundle, .rootfs = s->ns.rootfs, .config = s->config,
		 .cgroup = s->cgroup.none ? NULL : arena_printf(p->arena, "%s%s", h->cgroup_mount,
								  s->cgroup.path),
		 .systemd_unit = s->cgroup.unit ? cgroup_systemd_unit_text(s->cgroup.unit, p->arena)
						: NULL,
		 .namespaces = s->ns.new_namespaces | s->ns.join_namespaces,
		 .new_namespaces = s->ns.new_namespaces,
		 .filter = &s->seccomp, .no_new_keyring = o->no_new_keyring,
		 .foreground = !o->outlive);
}

/* --- pid file --------------------------------------------------------------- */

struct path_args {
	const char *path;
	int slot;
};

static int act_pid_file(struct run *r, const void *args, struct err *e)
{
	const struct path_args *a = args;
	_cleanup_fd_ int dir = -EBADF;
	char folder[PATH_MAX], text[16];
	const char *name = strrchr(a->path, '/');
	int n, result;

	name = name ? name + 1 : a->path;
	n = snprintf(folder, sizeof folder, "%.*s", (int)(name - a->path), a->path);
	if (n >= (int)sizeof folder)
		return -ENAMETOOLONG;
	dir = open(n ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(e, errno, "cannot write the pid file %s", a->path);
	n = snprintf(text, sizeof text, "%d", run_slot(r, SLOT_GUEST_PID));
	result = file_replace_at(dir, name, text, (size_t)n, 0644, false, e);
	return result < 0 ? err_wrap(e, "cannot write the pid file %s", a->path) : 0;
}

static void show_pid_file(struct buf *out, const struct plan *p, const void *args)
{
	const struct path_args *a = args;

	(void)p;
	buf_add(out, "write_pid_file(");
	buf_add_quoted(out, a->path);
	buf_add_char(out, ')');
}

static const struct op op_pid_file = { .name = "write_pid_file", .man = "rename(2)",
				       .compound = true, .act = act_pid_file,
				       .show = show_pid_file };

int publish_plan_pid_file(struct plan *p, const char *path)
{
	int step;

	plan_scope(p, "", "--pid-file");
	step = plan_add(p, SIDE_HOST, op_pid_file, path_args, .path = path);
	plan_scope(p, "", NULL);
	return step;
}

void publish_take_back_pid_file(const struct plan *p, int step, int failed_step)
{
	/* No undo of the plan: a pid file stays when its container is deleted, it is the caller's.
	 * One that names a process which never came to be is nobody's. */
	if (step >= 0 && step < p->count && failed_step > step)
		unlink(((const struct path_args *)p->steps[step].args)->path);
}

/* --- an fd to a socket ------------------------------------------------------ */

#define SEND_TIMEOUT_SECONDS 10

static int act_send(struct run *r, const void *args, struct err *e)
{
	const struct path_args *a = args;
	_cleanup_fd_ int sock = socket_connect(a->path, SEND_TIMEOUT_SECONDS, "the socket", e);
	static const char name[] = "/dev/ptmx";
	int n;

	if (sock < 0)
		return sock;
	n = socket_send_fd(sock, name, sizeof name - 1, run_slot(r, a->slot));
	return n < 0 ? err_set(e, -n, "cannot send to the socket %s", a->path) : 0;
}

static void show_send(struct buf *out, const struct plan *p, const void *args)
{
	const struct path_args *a = args;

	buf_add(out, "send_to_socket(");
	buf_add_quoted(out, a->path);
	buf_add(out, ", SCM_RIGHTS ");
	plan_show_slot(out, p, a->slot);
	buf_add_char(out, ')');
}

static const struct op op_send = { .name = "send_to_socket", .man = "unix(7)", .compound = true,
				   .act = act_send, .show = show_send };

void publish_plan_send(struct plan *p, const char *socket_path, int slot, const char *why)
{
	plan_scope(p, why, NULL);
	plan_add(p, SIDE_HOST, op_send, path_args, .path = socket_path, .slot = slot);
}

/* --- small ones ------------------------------------------------------------- */

static int act_mkdir(struct run *r, const void *args, struct err *e)
{
	const struct path_args *a = args;

	(void)e;
	return mkdirat(run_slot(r, SLOT_STATE_DIR), a->path, 0700) < 0 ? -errno : 0;
}

static void show_mkdir(struct buf *out, const struct plan *p, const void *args)
{
	const struct path_args *a = args;

	(void)p;
	buf_addf(out, "mkdirat(<state folder>, \"%s\", 0700)", a->path);
}

static const struct op op_mkdir = { .name = "mkdirat", .man = "mkdirat(2)", .act = act_mkdir,
				    .show = show_mkdir };

void publish_plan_mkdir(struct plan *p, const char *name)
{
	plan_add(p, SIDE_HOST, op_mkdir, path_args, .path = name);
}

struct fd_args {
	int fd;
	int slot;
};

static int act_given_fd(struct run *r, const void *args, struct err *e)
{
	const struct fd_args *a = args;
	int fd = fcntl(a->fd, F_DUPFD_CLOEXEC, 3);

	(void)e;
	if (fd < 0)
		return -errno;
	run_set_fd(r, a->slot, fd);
	return 0;
}

static void show_given_fd(struct buf *out, const struct plan *p, const void *args)
{
	const struct fd_args *a = args;

	buf_add(out, "fcntl(F_DUPFD_CLOEXEC, ");
	plan_show_slot(out, p, a->slot);
	buf_add_char(out, ')');
}

static const struct op op_given_fd = { .name = "fcntl", .man = "fcntl(2)", .act = act_given_fd,
				       .show = show_given_fd };

int publish_plan_given_fd(struct plan *p, const char *name, int fd)
{
	int slot = plan_new_slot(p, name);

	plan_add(p, SIDE_HOST, op_given_fd, fd_args, .fd = fd, .slot = slot);
	return slot;
}

static int act_open_cgroup(struct run *r, const void *args, struct err *e)
{
	const struct path_args *a = args;
	int fd = open(a->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	(void)e;
	if (fd < 0)
		return -errno;
	run_set_fd(r, a->slot, fd);
	return 0;
}

static void show_open_cgroup(struct buf *out, const struct plan *p, const void *args)
{
	const struct path_args *a = args;

	(void)p;
	buf_add(out, "open(");
	buf_add_quoted(out, a->path);
	buf_add(out, ", O_PATH|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC)");
}

static const struct op op_open_cgroup = { .name = "open", .man = "open(2)",
					  .act = act_open_cgroup, .show = show_open_cgroup };

void publish_plan_open_cgroup(struct plan *p, const char *path, int slot)
{
	plan_add(p, SIDE_HOST, op_open_cgroup, path_args, .path = path, .slot = slot);
}

void publish_plan_life(struct plan *p, bool outlive)
{
	plan_add(p, SIDE_GUEST, op_prctl, op_prctl_args, .option = PR_SET_PDEATHSIG,
		 .value = outlive ? 0 : SIGKILL);
}
