/*
 * verbs.c - create, start, kill, delete as functions on one container.
 */
#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/sanitized.h"
#include "runtime/hot_net.h"
#include "runtime/publish.h"
#include "runtime/undo.h"

#define KILL_WAIT_MS 10000
#define KILL_FREEZE_MS 2000

/* Which steps may have left something: all before the failing one, and that one too when it
 * consists of several syscalls. */
static int undo_upto(const struct plan *p, const struct err *e)
{
	if (e->step < 0 || e->step >= p->count)
		return p->count;
	return e->step + (p->steps[e->step].op->compound ? 1 : 0);
}

/* The kernel says no more than EPERM or ENOSPC; what is behind it stands in its settings. */
static void explain_refusal(const struct host *h, struct err *failure)
{
	_cleanup_fd_ int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (proc >= 0 && (failure->error == ENOSPC || failure->error == EUSERS ||
			  (!h->root && (failure->error == EPERM || failure->error == EACCES))))
		ns_userns_obstacle(proc, failure);
}

int runtime_create(struct compiled *c, const struct container_spec *s, const struct host *h,
		   const struct create_options *o, const struct runtime_hooks_in *in,
		   struct arena *a, struct run *ret_run, struct err *e)
{
	int r = compile_create(c, s, h, o, a, e);

	return r < 0 ? r : runtime_walk(c, s, h, o, in, ret_run, e);
}

void runtime_walk_begin(struct compiled *c, const struct runtime_hooks_in *in, struct run *run)
{
	run_init(run, &c->plan);
	if (c->setup_ms > 0)
		run->until = clock_now_ms() + c->setup_ms;
	if (in) {
		run->report = in->report;
		run->user = in->user;
		run->report_steps = in->report != NULL;
		run->fault_step = in->fault_step;
		run->fault_error = in->fault_error;
	}
#if !SANITIZED /* LeakSanitizer traces its own process */
	/* Until its execve the guest is this program: nothing in the container may trace it. */
	if (!c->host_stays_dumpable)
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/* It didn't come to stand: closes what was opened, takes back what was made. */
static int take_back(struct compiled *c, const struct container_spec *s, const struct host *h,
		     const struct create_options *o, struct run *run, struct err *e)
{
	struct undo_at at = { .id = o->id, .state_root = o->root };
	struct err failure = *e;

	if (s->ns.new_namespaces & CLONE_NEWUSER)
		explain_refusal(h, &failure);
	run_close(run);
	publish_take_back_pid_file(&c->plan, c->step_pid_file, failure.step);
	if (plan_take_back(&c->plan, undo_upto(&c->plan, &failure), &at, e) < 0) {
		char text[ERR_TEXT_MAX];

		err_format(e, text, sizeof text);
		failure.fix[0] = '\0';
		err_fix(&failure, "something is left (%.120s): kist delete --force %.64s", text,
			o->id);
	}
	*e = failure;
	return -e->error;
}

/* It stands: whoever deletes it must not wait until this process is done with it. */
static void let_go(struct run *run)
{
	net_devices_let_go();
	while (flock(run_slot(run, SLOT_STATE_DIR), LOCK_UN) < 0 && errno == EINTR)
		;
}

int runtime_walk_on(struct compiled *c, const struct container_spec *s, const struct host *h,
		    const struct create_options *o, struct run *run, struct err *e)
{
	int r = run_walk_on(run, e);

	if (r < 0)
		return take_back(c, s, h, o, run, e);
	if (r == 0)
		let_go(run);
	return r;
}

int runtime_walk(struct compiled *c, const struct container_spec *s, const struct host *h,
		 const struct create_options *o, const struct runtime_hooks_in *in,
		 struct run *ret_run, struct err *e)
{
	struct run run;

	runtime_walk_begin(c, in, &run);
	if (run_walk(&run, e) < 0)
		return take_back(c, s, h, o, &run, e);
	let_go(&run);
	*ret_run = run;
	return 0;
}

/* --- start ------------------------------------------------------------------ */

struct starting {
	const struct container *c;
	const json_t *listener; /* of state.json: where the seccomp agent is; NULL: none */
	int agent;
};

static int give_listener(void *user, int fd, struct err *e)
{
	struct starting *s = user;
	struct seccomp_state state = {
		.id = s->c->id, .status = container_status_name(s->c->status),
		.bundle = json_string_value(json_object_get(s->c->state, "bundle")),
		.annotations = json_object_get(s->c->state, "annotations"),
	};
	int r = seccomp_agent_send(s->agent, fd,
				   json_string_value(json_object_get(s->listener, "metadata")),
				   &state, (int)s->c->pid, e);

	fd_close(&s->agent);
	return r;
}

/* Waits for what the guest says after the start order: an error record, or EOF from execve. */
static int order_start(struct starting *s, struct err *e)
{
	struct start_order order = { .magic = START_MAGIC };
	_cleanup_fd_ int sock = container_connect_start(s->c, e);
	int r;

	if (sock < 0)
		return sock;
	r = socket_send_fd(sock, &order, sizeof order, -1);
	if (r < 0)
		return err_set(e, -r, "cannot order the start");
	return run_await_exec_giving(sock, s->listener ? give_listener : NULL, s, e);
}

/* By the configuration as it was at create. */
static int run_poststart(const struct container *c, struct err *e)
{
	const char *bundle = json_string_value(json_object_get(c->state, "bundle"));
	_cleanup_json_ json_t *config = NULL;
	struct arena arena = ARENA_INIT;
	struct hooks_spec hooks = { 0 };
	struct hook_state state;
	int r = json_read_file(c->dir, "config.json", &config, e);

	if (r == 0)
		r = hooks_parse(config, &arena, &hooks, e);
	if (r == 0 && hooks.count[HOOK_POSTSTART])
		r = hook_state_make(&arena, c->id, bundle ? bundle : "/", config, &state, e);
	if (r == 0)
		r = hooks_run_poststart(&hooks, &state, bundle, c->pid, c->pidfd, e);
	arena_free(&arena);
	return r;
}

/* A startContainer or poststart hook that fails ends the container (runtime.md#lifecycle); a command
 * that can't be executed leaves it stopped, to be looked at. */
static int fail_start(struct container *c, struct err *e)
{
	struct err failure = *e, destroyed = ERR_INIT;

	if (strncmp(e->where, "/hooks/", 7) != 0)
		return -e->error;
	if (runtime_destroy(c, &destroyed) < 0) {
		failure.fix[0] = '\0';
		err_fix(&failure, "something is left: kist delete --force %.64s", c->id);
	}
	*e = failure;
	return -e->error;
}

/* Others may work on the container while it gets ready. */
static int await_ready(const struct container *c, const struct activation *a, int sock, struct err *e)
{
	struct notify_relay relay = { .sock = sock, .to = *a, .main_pid = c->pid };

	flock(c->dir, LOCK_UN);
	return notify_await_ready(&relay, c->pidfd, e);
}

int runtime_start(int root, const char *id, const struct activation *a, struct err *e)
{
	_cleanup_fd_ int notify = -EBADF;
	_cleanup_container_ struct container c = CONTAINER_INIT;
	struct starting s = { .c = &c, .agent = -EBADF };
	int r;

	r = container_open(root, id, true, &c, e);
	if (r < 0)
		return r;
	if (c.status == STATUS_RUNNING)
		return err_say(e, EBUSY, "cannot start an already running container");
	if (c.status == STATUS_PAUSED) {
		err_say(e, EBUSY, "cannot start a container in the paused state");
		return err_fix(e, "kist resume %.64s", id);
	}
	if (c.status != STATUS_CREATED)
		return err_say(e, EINVAL, c.status == STATUS_STOPPED
			       ? "cannot start a container that has stopped"
			       : "cannot start a container that is still being created");
	s.listener = json_object_get(c.state, "seccompListener");
	if (s.listener) {
		const char *path = json_string_value(json_object_get(s.listener, "path"));

		/* Before the order: without its agent the container stays created. */
		s.agent = seccomp_agent_connect(path ? path : "", e);
		if (s.agent < 0)
			return s.agent;
	}
	notify = a->notify ? activation_bind(c.dir, e) : -ENOENT;
	r = notify < 0 && notify != -ENOENT ? notify : order_start(&s, e);
	fd_close(&s.agent);
	if (r == 0)
		r = run_poststart(&c, e);
	if (r < 0)
		return fail_start(&c, e);
	return notify >= 0 ? await_ready(&c, a, notify, e) : 0;
}

int signal_parse(const char *text, int *ret_signal, struct err *e)
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	char *end;
	long number;

	if (text[0] >= '0' && text[0] <= '9') {
		number = strtol(text, &end, 10);
		if (*end == '\0' && number >= 0 && number < _NSIG) {
			*ret_signal = (int)number;
			return 0;
		}
		return err_say(e, EINVAL, "unknown signal \"%.32s\"", text);
	}
	for (int i = 1; i < SIGRTMIN; i++) {
		const char *abbreviation = sigabbrev_np(i);

		if (abbreviation && strcasecmp(name, abbreviation) == 0) {
			*ret_signal = i;
			return 0;
		}
	}
	if (strncasecmp(name, "RTMIN", 5) == 0 || strncasecmp(name, "RTMAX", 5) == 0) {
		bool min = strncasecmp(name, "RTMIN", 5) == 0;
		char sign = min ? '+' : '-';

		number = 0;
		end = (char *)(uintptr_t)(name + 5);
		if (name[5] == sign && name[6] >= '0' && name[6] <= '9')
			number = strtol(name + 6, &end, 10);
		if (*end == '\0' && number >= 0 && number <= SIGRTMAX - SIGRTMIN) {
			*ret_signal = min ? SIGRTMIN + (int)number : SIGRTMAX - (int)number;
			return 0;
		}
	}
	return err_say(e, EINVAL, "unknown signal \"%.32s\"", text);
}

/* Opens the container's cgroup; -ENOENT without a record when it is gone. */
static int open_cgroup(const struct container *c)
{
	int fd;

	if (!c->cgroup)
		return -ENOENT;
	fd = open(c->cgroup, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The kernel kills what is left in a pid namespace with its first process; there is no such help for
 * other signals, or in a pid namespace that others share. */
static int kill_all_without_cgroup(const struct container *c, int signal, struct err *e)
{
	json_int_t namespaces = json_integer_value(json_object_get(c->state, "newNamespaces"));

	if (c->pidfd < 0)
		return 0;
	if (signal != SIGKILL || !(namespaces & CLONE_NEWPID)) {
		err_say(e, ENOTSUP, "only the first process can be found: the container has no cgroup of "
			"its own");
		return err_fix(e, "signal that one, without --all");
	}
	if (pidfd_send_signal(c->pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return err_set(e, errno, "cannot signal process %d", (int)c->pid);
	return 0;
}

/* Somebody who lives there would freeze with it, and nobody thaw it. */
static bool holds_us(int cgroup)
{
	_cleanup_free_ pid_t *pids = NULL;
	size_t count = 0;

	if (cgroup_pids(cgroup, true, &pids, &count, NULL) < 0)
		return true;
	while (count)
		if (pids[--count] == getpid())
			return true;
	return false;
}

/* All that are there at one moment: frozen meanwhile, none is born that would be missed, and no
 * number becomes another's. */
static int signal_all(int cgroup, int signal, struct err *e)
{
	_cleanup_free_ pid_t *pids = NULL;
	bool freeze = cgroup_is_frozen(cgroup, NULL) == 0 && !holds_us(cgroup);
	size_t count = 0;
	int r;

	/* One in an uninterruptible sleep never freezes, and not everybody may: then as good as it goes. */
	if (freeze)
		cgroup_freeze(cgroup, true, KILL_FREEZE_MS, NULL);
	r = cgroup_pids(cgroup, true, &pids, &count, e);
	for (size_t i = 0; r == 0 && i < count; i++)
		if (kill(pids[i], signal) < 0 && errno != ESRCH)
			r = err_set(e, errno, "cannot signal process %d", (int)pids[i]);
	if (freeze)
		file_write_at(cgroup, "cgroup.freeze", "0");
	return r;
}

static int kill_all(const struct container *c, int signal, struct err *e)
{
	_cleanup_fd_ int cgroup = open_cgroup(c);

	if (!c->cgroup && c->state)
		return kill_all_without_cgroup(c, signal, e);
	if (cgroup < 0)
		return cgroup == -ENOENT ? 0 : err_set(e, -cgroup, "the container's cgroup");
	if (signal == SIGKILL)
		return cgroup_kill(cgroup, e);
	return signal_all(cgroup, signal, e);
}

/* The image's own, which an image's configuration brings into the annotations (image-spec,
 * conversion.md). */
static int stop_signal(const struct container *c, int *ret, struct err *e)
{
	const char *text = json_string_value(json_object_get(json_object_get(c->state, "annotations"),
							     STOP_SIGNAL_KEY));
	int r;

	*ret = SIGTERM;
	if (!text || !*text)
		return 0;
	r = signal_parse(text, ret, e);
	if (r == 0 && *ret == 0)
		r = err_say(e, EINVAL, "unknown signal \"0\"");
	if (r < 0) {
		err_at(e, "/annotations/" STOP_SIGNAL_KEY);
		err_fix(e, "name one: kist kill %.64s SIGNAL", c->id);
	}
	return r;
}

/* In a pid namespace of its own the first process takes the others along when it dies; in one that
 * it shares they would stay, and perhaps outlive it: then SIGKILL is for all of them. */
static bool is_kill_for_all(const struct container *c, int signal)
{
	json_int_t namespaces = json_integer_value(json_object_get(c->state, "newNamespaces"));
	_cleanup_fd_ int cgroup = -EBADF;

	if (signal != SIGKILL || (namespaces & CLONE_NEWPID))
		return false;
	cgroup = open_cgroup(c);
	return cgroup >= 0 && cgroup_is_populated(cgroup, NULL) == 1;
}

int runtime_kill(int root, const char *id, int signal, bool all, struct err *e)
{
	_cleanup_container_ struct container c = CONTAINER_INIT;
	int r = container_open(root, id, false, &c, e);

	if (r < 0)
		return r;
	if (signal < 0) {
		r = stop_signal(&c, &signal, e);
		if (r < 0)
			return r;
	}
	if (all || is_kill_for_all(&c, signal))
		return kill_all(&c, signal, e);
	if (c.pidfd < 0)
		return err_say(e, ESRCH, "container not running");
	if (pidfd_send_signal(c.pidfd, signal, NULL, 0) < 0)
		return errno == ESRCH ? err_say(e, ESRCH, "container not running")
				      : err_set(e, errno, "cannot signal process %d", (int)c.pid);
	return 0;
}

static int wait_gone(const struct container *c, struct err *e)
{
	struct pollfd p = { .fd = c->pidfd, .events = POLLIN };

	int n = c->pidfd < 0 ? 1 : poll(&p, 1, KILL_WAIT_MS);

	/* Its wait starts anew, as rarely as a signal comes. */
	while (n < 0 && errno == EINTR)
		n = poll(&p, 1, KILL_WAIT_MS);
	if (n != 0)
		return n < 0 ? err_set(e, errno, "poll") : 0;
	return err_say(e, ETIMEDOUT, "process %d does not die within %d seconds of SIGKILL",
		       (int)c->pid, KILL_WAIT_MS / 1000);
}

int runtime_destroy(struct container *c, struct err *e)
{
	json_int_t namespaces = json_integer_value(json_object_get(c->state, "newNamespaces"));
	int r;

	if (c->pidfd >= 0)
		pidfd_send_signal(c->pidfd, SIGKILL, NULL, 0);
	/* Without a cgroup there is nobody else to be found; and with the first process of its pid
	 * namespace all others are gone. */
	if (c->state && (!c->cgroup || (c->pidfd < 0 && (namespaces & CLONE_NEWPID))))
		r = 0;
	else
		r = kill_all(c, SIGKILL, e);
	if (r == 0)
		r = wait_gone(c, e);
	if (r == 0)
		r = container_take_back(c->root, c->id, e);
	return r < 0 ? err_fix(e, "the record of what is left is there: kist delete --force %.64s", c->id)
		     : 0;
}

/* A damaged record must not keep a container alive for ever: only the intent is followed. */
static int delete_damaged(int root, const char *id, struct err *e)
{
	err_clear(e);
	return container_take_back(root, id, e);
}

int runtime_delete(int root, const char *id, bool force, struct err *e)
{
	_cleanup_container_ struct container c = CONTAINER_INIT;
	int r = container_open(root, id, true, &c, e);

	if (r == -ENOENT && force && container_check_id(id, NULL) == 0) {
		struct undo_at at = { .id = id, .state_root = root };

		/* No folder, but something with a derived name may still be there. */
		err_clear(e);
		undo_by_name(&at, NULL, e);
		return 0;
	}
	if (r == -EINVAL && force && container_check_id(id, NULL) == 0)
		return delete_damaged(root, id, e);
	if (r < 0)
		return r;
	/* As runc: one that was never started ran nothing, so there is nothing to ask --force for. */
	if (!force && c.status != STATUS_STOPPED && c.status != STATUS_CREATED &&
	    c.status != STATUS_CREATING)
		return err_say(e, EBUSY, "cannot delete container %s that is not stopped: %s", id,
			       container_status_name(c.status));
	return runtime_destroy(&c, e);
}

int runtime_delete_ended(int root, const char *id, const struct compiled *c, const struct run *run,
			 struct err *e)
{
	struct undo_at at = { .id = id, .state_root = root };
	int dir = run_slot(run, SLOT_STATE_DIR), r;

	/* What was connected later stands in the intent record alone. */
	if (!c->ends_as_one || faccessat(dir, HOT_NET_MARK, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return runtime_delete_made(root, id, run, e);
	r = container_lock(root, id, dir, e);
	if (r == -ENOENT) { /* somebody was faster */
		err_clear(e);
		return 0;
	}
	if (r == 0)
		r = plan_take_back(&c->plan, c->plan.count, &at, e);
	return r < 0 && r != -EBUSY
		       ? err_fix(e, "the record of what is left is there: kist delete --force %.64s", id)
		       : r;
}

int runtime_delete_made(int root, const char *id, const struct run *run, struct err *e)
{
	_cleanup_container_ struct container c = CONTAINER_INIT;
	struct stat made, found;
	int r = container_open(root, id, true, &c, e);

	if (r == -ENOENT) {
		err_clear(e);
		return 0;
	}
	if (r == -EBUSY)
		return r;
	if (r < 0)
		return runtime_delete(root, id, true, e);
	/* The run still holds the folder open, so that its inode's number is nobody else's. */
	if (fstat(run_slot(run, SLOT_STATE_DIR), &made) == 0 && fstat(c.dir, &found) == 0 &&
	    (made.st_ino != found.st_ino || made.st_dev != found.st_dev))
		return 0;
	return runtime_destroy(&c, e);
}
