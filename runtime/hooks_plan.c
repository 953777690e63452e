/*
 * hooks_plan.c - the steps that run hooks, and poststop hooks as what takes a container back.
 */
#include "runtime/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "base/log.h"

struct hook_args {
	struct hook_run run;
	int slot_root; /* -1: cwd is a path */
	int slot_output[HOOK_OUTPUTS];
};

/* --- the op ----------------------------------------------------------------- */

/* Status and pid, as they are when it runs. A program may have ended before its poststart hooks. */
static void fill_now(const struct run *r, struct hook_run *h)
{
	struct pollfd ended = { .fd = run_slot(r, SLOT_GUEST_PIDFD), .events = POLLIN };

	h->pid = r->side == SIDE_HOST ? run_slot(r, SLOT_GUEST_PID) : getpid();
	if (h->kind == HOOK_POSTSTART && poll(&ended, 1, 0) == 1) {
		h->pid = 0;
		h->status = "stopped";
	}
}

static int act_run_hook(struct run *r, const void *args, struct err *e)
{
	const struct hook_args *a = args;
	struct hook_run h = a->run;

	h.cwd_fd = a->slot_root >= 0 ? run_slot(r, a->slot_root) : -1;
	h.out_fd = a->slot_output[HOOK_STDOUT] < 0 ? -1 : run_slot(r, a->slot_output[HOOK_STDOUT]);
	h.err_fd = a->slot_output[HOOK_STDERR] < 0 ? -1 : run_slot(r, a->slot_output[HOOK_STDERR]);
	h.interruptible = r->side == SIDE_HOST;
	fill_now(r, &h);
	return hook_run(&h, e);
}

static void show_run_hook(struct buf *out, const struct plan *p, const void *args)
{
	const struct hook_args *a = args;
	const struct hook *hook = a->run.hook;

	buf_add(out, "run_hook(");
	buf_add_quoted(out, hook->path);
	buf_add(out, ", [");
	for (size_t i = 0; hook->args[i]; i++) {
		if (i)
			buf_add(out, ", ");
		buf_add_quoted(out, hook->args[i]);
	}
	buf_add(out, "], [");
	for (size_t i = 0; hook->env[i]; i++) {
		if (i)
			buf_add(out, ", ");
		buf_add_quoted(out, hook->env[i]);
	}
	buf_addf(out, "], status=%s%s", a->run.status, a->run.filter ? ", seccomp" : "");
	if (hook->timeout)
		buf_addf(out, ", timeout=%llds", (long long)hook->timeout);
	for (int i = 0; i < HOOK_OUTPUTS; i++) {
		if (a->slot_output[i] < 0)
			continue;
		buf_add(out, i == HOOK_STDOUT ? ", stdout=" : ", stderr=");
		plan_show_slot(out, p, a->slot_output[i]);
	}
	buf_add_char(out, ')');
}

static void by_hand_run_hook(struct buf *out, const struct plan *p, const void *args)
{
	const struct hook_args *a = args;
	const struct hook *hook = a->run.hook;

	(void)p;
	buf_add(out, "echo ");
	buf_add_shell(out, a->run.state.head);
	buf_addf(out, "'\"%s\",\"pid\":'$PID", a->run.status);
	buf_add_shell(out, a->run.state.tail);
	buf_add(out, " | env -i");
	for (size_t i = 0; hook->env[i]; i++) {
		buf_add_char(out, ' ');
		buf_add_shell(out, hook->env[i]);
	}
	if (hook->timeout)
		buf_addf(out, " timeout -s KILL %lld", (long long)hook->timeout);
	buf_add_char(out, ' ');
	buf_add_shell(out, hook->path);
	for (size_t i = 1; hook->args[0] && hook->args[i]; i++) {
		buf_add_char(out, ' ');
		buf_add_shell(out, hook->args[i]);
	}
}

static const struct op op_run_hook = { .name = "run_hook",
				       .man = "execve(2)",
				       .compound = true,
				       .act = act_run_hook,
				       .show = show_run_hook,
				       .by_hand = by_hand_run_hook };

struct output_args {
	const struct hooks_spec *spec;
	enum hook_output which;
	int slot;
};

static int act_open_output(struct run *r, const void *args, struct err *e)
{
	const struct output_args *a = args;
	int fd = hooks_open_output(a->spec, a->which, e);

	if (fd < 0)
		return fd;
	run_set_fd(r, a->slot, fd);
	return 0;
}

static void show_open_output(struct buf *out, const struct plan *p, const void *args)
{
	const struct output_args *a = args;

	buf_add(out, "open(");
	buf_add_quoted(out, a->spec->output[a->which]);
	buf_add(out, ", O_WRONLY|O_APPEND|O_CREAT|O_NOCTTY|O_NONBLOCK|O_CLOEXEC, 0600) = ");
	plan_show_slot(out, p, a->slot);
}

static const struct op op_open_output = { .name = "open",
					  .man = "open(2)",
					  .act = act_open_output,
					  .show = show_open_output };

/* --- the steps -------------------------------------------------------------- */

void hooks_plan_outputs(struct plan *p, const struct hooks_spec *s, struct hooks_plan_options *o)
{
	static const char *const names[HOOK_OUTPUTS] = { "hooks' stdout", "hooks' stderr" };
	struct hooks_spec *copy = arena_alloc(p->arena, sizeof *copy);
	size_t count = 0;

	for (int i = 0; i < HOOK_POSTSTOP; i++)
		count += s->count[i];
	for (int i = 0; i < HOOK_OUTPUTS; i++) {
		o->slot_output[i] = -1;
		if (!count || !s->output[i] || !copy)
			continue;
		*copy = *s;
		plan_scope(p, i == HOOK_STDOUT ? "/annotations/" HOOK_ANNOTATION_STDOUT
					       : "/annotations/" HOOK_ANNOTATION_STDERR,
			   s->output[i]);
		o->slot_output[i] = plan_new_slot(p, names[i]);
		plan_add(p, SIDE_HOST, op_open_output, output_args, copy, (enum hook_output)i,
			 o->slot_output[i]);
	}
	plan_scope(p, "", NULL);
}

void hooks_plan(struct plan *p, const struct hooks_spec *s, enum hook_kind kind,
		const struct hooks_plan_options *o)
{
	static const struct {
		enum side side;
		const char *status;
	} how[HOOK_KINDS] = {
		[HOOK_PRESTART] = { SIDE_HOST, "creating" },
		[HOOK_CREATE_RUNTIME] = { SIDE_HOST, "creating" },
		[HOOK_CREATE_CONTAINER] = { SIDE_GUEST, "creating" },
		[HOOK_START_CONTAINER] = { SIDE_GUEST, "created" },
		[HOOK_POSTSTART] = { SIDE_HOST, "running" },
	};
	/* startContainer: where the container's process is by then. */
	const char *cwd = kind == HOOK_START_CONTAINER ? "." : arena_strdup(p->arena, o->bundle);
	struct hook_state state = { 0 };

	if (s->count[kind] &&
	    hook_state_make(p->arena, o->id, o->bundle, o->config, &state, NULL) < 0)
		p->error = -ENOMEM;
	for (size_t i = 0; i < s->count[kind]; i++) {
		const struct hook *hook = &s->list[kind][i];

		plan_scope(p, hook->why, hook->path);
		plan_add(p, how[kind].side, op_run_hook, hook_args,
			 .run = { .hook = hook,
				  .kind = kind,
				  .index = i,
				  .state = state,
				  .status = how[kind].status,
				  .cwd_fd = -1,
				  .cwd = cwd,
				  .filter = kind == HOOK_START_CONTAINER ? o->filter : NULL },
			 .slot_root = kind == HOOK_CREATE_CONTAINER ? o->slot_root : -1,
			 .slot_output = { o->slot_output[HOOK_STDOUT],
					  o->slot_output[HOOK_STDERR] });
	}
	plan_scope(p, "", NULL);
}

/* --- poststop --------------------------------------------------------------- */

static void warn(const struct err *e)
{
	char text[1024];

	err_format(e, text, sizeof text);
	log_msg(LOG_WARN, "%s", text);
}

/* Warns and never fails: the container is gone, whatever its hooks make of it (config.md#poststop).
 */
static int undo_poststop(const struct undo_at *at, const char *const args[PLAN_UNDO_ARGS],
			 struct err *e)
{
	_cleanup_fd_ int dir =
		openat(at->state_root, at->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_json_ json_t *config = NULL;
	struct arena arena = ARENA_INIT;
	struct hook_run h = { .kind = HOOK_POSTSTOP,
			      .status = "stopped",
			      .out_fd = -1,
			      .err_fd = -1,
			      .cwd_fd = -1,
			      .cwd = args[0],
			      .interruptible = true };
	struct hooks_spec s = { 0 };
	struct err failure = ERR_INIT;
	int r;

	(void)e;
	if (dir < 0)
		return 0;
	r = json_read_file(dir, "config.json", &config, &failure);
	if (r == -ENOENT) /* killed before it was written: no hook ran */
		return 0;
	if (r == 0)
		r = hooks_parse(config, &arena, &s, &failure);
	if (r == 0)
		r = hook_state_make(&arena, at->id, args[0] ? args[0] : "", config, &h.state,
				    &failure);
	if (r < 0)
		warn(&failure);
	if (r == 0 && s.output[HOOK_STDOUT]) {
		h.out_fd = hooks_open_output(&s, HOOK_STDOUT, &failure);
		if (h.out_fd < 0)
			warn(&failure);
	}
	if (r == 0 && s.output[HOOK_STDERR]) {
		h.err_fd = hooks_open_output(&s, HOOK_STDERR, &failure);
		if (h.err_fd < 0)
			warn(&failure);
	}
	for (size_t i = 0; r == 0 && i < s.count[HOOK_POSTSTOP]; i++) {
		err_clear(&failure);
		h.hook = &s.list[HOOK_POSTSTOP][i];
		h.index = i;
		if (hook_run(&h, &failure) < 0) {
			hook_err_at(h.hook, &failure);
			warn(&failure);
		}
	}
	fd_close(&h.out_fd);
	fd_close(&h.err_fd);
	arena_free(&arena);
	return 0;
}

static const struct undo_kind undo_kind_poststop = { .name = "run_poststop_hooks", .act = undo_poststop,
						    .last = true };
const struct undo_kind *const hooks_undo_kinds[] = { &undo_kind_poststop, NULL };

void hooks_plan_poststop(struct plan *p, const struct hooks_spec *s, int step, const char *bundle)
{
	const char *paths = "";

	if (!s->count[HOOK_POSTSTOP])
		return;
	/* Only for who reads the plan: what is run is what the stored configuration says. */
	for (size_t i = 0; i < s->count[HOOK_POSTSTOP] && paths; i++)
		paths = arena_printf(p->arena, "%s%s%s", paths, i ? " " : "",
				     s->list[HOOK_POSTSTOP][i].path);
	plan_undo(p, step, &undo_kind_poststop, bundle, paths, NULL);
}
