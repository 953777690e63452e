/*
 * oci.c - spec, create, run, start, plan: from a bundle to a container.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "runtime/exit_record.h"
#include "runtime/hot_net.h"
#include "runtime/protect.h"
#include "runtime/shared_net.h"

/* What create and run are asked for. */
struct request {
	const char *bundle, *config;
	bool no_pivot, no_new_keyring, detach, keep, no_subreaper, explain;
	int64_t preserve_fds;
	const char *console_socket, *pid_file, *pidfd_socket;
	struct activation activation; /* no option: from the environment */
};

#define COMMON_OPTIONS(r) \
	{ "bundle", 'b', OPTION_TEXT, &(r).bundle, "DIR", "the bundle (default: here)" }, \
	{ "config", 'f', OPTION_TEXT, &(r).config, "FILE", \
	  "instead of config.json in the bundle" }, \
	{ "console-socket", 0, OPTION_TEXT, &(r).console_socket, "PATH", \
	  "unix socket that is sent the terminal's master" }, \
	{ "pidfd-socket", 0, OPTION_TEXT, &(r).pidfd_socket, "PATH", \
	  "unix socket that is sent a pidfd of the first process" }, \
	{ "pid-file", 0, OPTION_TEXT, &(r).pid_file, "FILE", "write the process id there" }, \
	{ "no-pivot", 0, OPTION_FLAG, &(r).no_pivot, NULL, \
	  "chroot instead of pivot_root, where / is an initramfs" }, \
	{ "no-new-keyring", 0, OPTION_FLAG, &(r).no_new_keyring, NULL, \
	  "keep the caller's session keyring" }, \
	{ "preserve-fds", 0, OPTION_NUMBER, &(r).preserve_fds, "N", \
	  "pass on N more file descriptors, from 3" }, \
	{ "explain", 0, OPTION_FLAG, &(r).explain, NULL, \
	  "print every kernel primitive to stderr as it runs" }

#define HEAP_BYTES (96u << 10) /* what Docker's kind of configuration takes of it */

static void warn_line(void *user, bool usual, const char *text)
{
	(void)user;
	log_msg(usual ? LOG_DEBUG : LOG_WARN, "%s", text);
}

static int check_terminal(const struct request *q, const struct container_spec *s, bool foreground,
			  struct err *e)
{
	if (s->process.terminal && !foreground && !q->console_socket) {
		err_say(e, EINVAL, "cannot allocate tty if kist will detach without setting console "
			"socket");
		err_at(e, "/process/terminal");
		return err_fix(e, "give --console-socket PATH, or set terminal to false");
	}
	if (!s->process.terminal && q->console_socket)
		return err_say(e, EINVAL, "cannot use console socket if kist will not detach or "
			       "allocate tty");
	return 0;
}

/* Loads, checks, protects, creates. On success the run is the caller's. */
static int create(struct request *q, const char *id, bool wait_for_start, bool foreground,
		  int root, struct arena *a, struct container_spec *s, struct compiled *c,
		  struct run *run, struct err *e)
{
	struct runtime_hooks_in in = { .report = q->explain ? explain_report : NULL };
	struct create_options o = { .id = id, .root = root, .root_path = cli.root_text,
				    .wait_for_start = wait_for_start, .outlive = !foreground,
				    .no_pivot = q->no_pivot, .no_new_keyring = q->no_new_keyring,
				    .console_socket = q->console_socket,
				    .pidfd_socket = q->pidfd_socket };
	_cleanup_layers_ struct root_layers layers = ROOT_LAYERS_INIT;
	_cleanup_fd_ int shared = -EBADF;
	char pid_file[PATH_MAX];
	struct host host;
	int r;

	arena_warm_heap(HEAP_BYTES);
	r = container_check_id(id, e);
	if (r == 0)
		r = activation_read(&q->activation, e);
	if (r == 0)
		r = cli_preserve_fds(q->activation.listen_fds + q->preserve_fds, &o.preserve_fds, e);
	if (r < 0 && q->activation.listen_fds && e->error == EBADF)
		err_wrap(e, "LISTEN_FDS=%d", q->activation.listen_fds);
	if (r == 0)
		r = spec_load(q->bundle ? q->bundle : ".", q->config,
			      activation_mount(&q->activation, o.root_path, id), id, a, s, e);
	if (r == 0)
		r = host_probe_rights(&host, e);
	if (r == 0 && spec_asks_security(s))
		host_probe_more(&host);
	if (r == 0)
		r = cli_settle(s, id, &host, a, e);
	if (r == 0)
		r = spec_check(s, &host, e);
	if (r == 0)
		r = check_terminal(q, s, foreground, e);
	if (r == 0)
		r = net_of_annotations(s, &host, cli.root_text, &o.net, a, e);
	if (r == 0)
		r = shared_net_join(s, &o.net, root, a, &shared, e);
	if (r == 0)
		r = root_layers_find(s->config, a, &layers, e);
	if (r > 0) {
		o.layers = &layers;
		host_probe_kernel(&host);
		r = root_layers_check(&layers, &host, s->ns.root_readonly, e);
	}
	if (r == 0)
		r = activation_apply(&q->activation, s, a, e);
	if (r == 0)
		r = cli_fault(&in, e);
	if (r == 0 && protect_is_needed(&s->ns))
		r = protect_self(cli.argv, e);
	if (r < 0)
		return r;
	spec_warn(s, warn_line, NULL);
	o.notify = q->activation.notify;
	o.console = s->process.terminal;
	/* The program may ask for the size before this process has a moment to pass it on. */
	if (o.console && foreground && !q->console_socket)
		attach_window_size(&s->process.rows, &s->process.cols);
	o.pid_file = cli_absolute(q->pid_file, pid_file);
	return runtime_create(c, s, &host, &o, &in, a, run, e);
}

int command_create(int argc, char **argv)
{
	struct request q = { 0 };
	const struct option table[] = { COMMON_OPTIONS(q) };
	_cleanup_spec_ struct container_spec s = { 0 };
	struct arena arena = ARENA_INIT;
	struct err e = ERR_INIT;
	struct compiled c;
	struct run run;
	int root, status, first, r;

	first = cli_parse(cli_find("create"), table, sizeof table / sizeof *table, argc, argv,
			  &status);
	if (first < 0)
		return status;
	attach_block_signals();
	r = cli_open_root(true, &root, &e);
	if (r == 0)
		r = create(&q, argv[first], true, false, root, &arena, &s, &c, &run, &e);
	if (r < 0)
		err_wrap(&e, "cannot create %.64s", argv[first]);
	e.exit_code = 0; /* runc's convention, here as in run */
	status = r < 0 ? cli_fail(&e, 1) : 0;
	cli_leave(status);
	arena_free(&arena);
	return status;
}

/* Waits for the program of `run` and takes the container away. */
static int finish_run(const struct request *q, const char *id, struct compiled *c, struct run *run,
		      bool poststop, int root, struct err *e)
{
	struct notify_relay relay = { .sock = run_slot(run, c->slot_notify), .to = q->activation };
	struct attach_options attach = { .pidfd = run_slot(run, SLOT_GUEST_PIDFD), .timeout_ms = -1,
					 .notify = relay.sock >= 0 ? &relay : NULL,
					 .master = q->console_socket ? -1
						   : run_slot(run, c->slot_master),
					 .subreaper = !q->no_subreaper };
	struct err lost = ERR_INIT;
	struct attach_result result;
	int r = attach_wait(&attach, false, &result, e);

	/* For `state`: of who keeps it, and of poststop hooks. */
	if (r == 0 && (q->keep || poststop) &&
	    exit_record_write(run, c->slot_cgroup, &result, &lost) < 0)
		log_err(&lost);
	if (r == 0 && !q->keep)
		r = runtime_delete_ended(root, id, c, run, e);
	/* Nobody watches over it any more. */
	else if (r < 0 && !q->keep && runtime_delete_made(root, id, run, &lost) < 0)
		log_err(&lost);
	/* The process ends here: its fds and its memory go with it. */
	return r < 0 ? r : result.status;
}

/* Under a service manager that wants to know, stays until the container is ready: any signal ends
 * that, and not the container. */
static int finish_detached(const struct request *q, struct compiled *c, struct run *run, struct err *e)
{
	struct notify_relay relay = { .sock = run_slot(run, c->slot_notify), .to = q->activation,
				      .main_pid = run_slot(run, SLOT_GUEST_PID) };
	int r = 0;

	attach_restore_signals();
	if (relay.sock >= 0)
		r = notify_await_ready(&relay, run_slot(run, SLOT_GUEST_PIDFD), e);
	return r;
}

int command_run(int argc, char **argv)
{
	struct request q = { 0 };
	const struct option table[] = {
		COMMON_OPTIONS(q),
		{ "detach", 'd', OPTION_FLAG, &q.detach, NULL, "do not wait for the program" },
		{ "keep", 0, OPTION_FLAG, &q.keep, NULL, "do not delete it when it ends" },
		{ "no-subreaper", 0, OPTION_FLAG, &q.no_subreaper, NULL,
		  "do not inherit orphans of the container" },
	};
	_cleanup_spec_ struct container_spec s = { 0 };
	struct arena arena = ARENA_INIT;
	struct err e = ERR_INIT;
	struct compiled c;
	struct run run;
	int root, status, first, r;

	first = cli_parse(cli_find("run"), table, sizeof table / sizeof *table, argc, argv,
			  &status);
	if (first < 0)
		return status;
	if (!q.detach && !q.no_subreaper)
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	/* A setup is never left in the middle because of Ctrl-C: the signal is taken after it. */
	attach_block_signals();
	r = cli_open_root(true, &root, &e);
	if (r == 0)
		r = create(&q, argv[first], false, !q.detach, root, &arena, &s, &c, &run, &e);
	if (r < 0)
		err_wrap(&e, "cannot start %.64s", argv[first]);
	else if (q.detach)
		r = finish_detached(&q, &c, &run, &e);
	else
		r = finish_run(&q, argv[first], &c, &run, s.hooks.count[HOOK_POSTSTOP] > 0, root,
			       &e);
	/* runc's convention: whatever was wrong, run itself ends with 1. */
	e.exit_code = 0;
	status = r < 0 ? cli_fail(&e, 1) : r;
	cli_leave(status);
	arena_free(&arena);
	return status;
}

int command_start(int argc, char **argv)
{
	_cleanup_fd_ int root = -EBADF;
	struct activation activation;
	struct err e = ERR_INIT;
	int status, r, first = cli_parse(cli_find("start"), NULL, 0, argc, argv, &status);

	if (first < 0)
		return status;
	r = activation_read(&activation, &e);
	if (r == 0)
		r = cli_open_root(false, &root, &e);
	if (r == 0)
		r = runtime_start(root, argv[first], &activation, &e);
	if (r == 0)
		return 0;
	err_wrap(&e, "cannot start %.64s", argv[first]);
	e.exit_code = 0;
	return cli_fail(&e, 1);
}

int command_plan(int argc, char **argv)
{
	const char *bundle = ".", *config = NULL, *format = "json";
	bool wait_for_start = false;
	const struct option table[] = {
		{ "bundle", 'b', OPTION_TEXT, &bundle, "DIR", "the bundle (default: here)" },
		{ "config", 0, OPTION_TEXT, &config, "FILE", "instead of config.json in the bundle" },
		{ "create", 0, OPTION_FLAG, &wait_for_start, NULL,
		  "the plan of create, not of run" },
		{ "format", 'f', OPTION_TEXT, &format, "FORMAT", "json or text" },
	};
	_cleanup_spec_ struct container_spec s = { 0 };
	struct arena arena = ARENA_INIT;
	struct err e = ERR_INIT;
	struct create_options o = { .id = "plan", .root = -1, .root_path = "/run/kist" };
	_cleanup_layers_ struct root_layers layers = ROOT_LAYERS_INIT;
	_cleanup_fd_ int shared = -EBADF, root = -EBADF;
	struct compiled c;
	struct host host;
	json_t *plan;
	int status, r;

	if (cli_parse(cli_find("plan"), table, sizeof table / sizeof *table, argc, argv,
		      &status) < 0)
		return status;
	r = spec_load(bundle, config, NULL, o.id, &arena, &s, &e);
	if (r == 0)
		r = host_probe(&host, &e);
	if (r == 0)
		r = cli_settle(&s, o.id, &host, &arena, &e);
	if (r == 0)
		r = net_of_annotations(&s, &host, o.root_path, &o.net, &arena, &e);
	if (r == 0 && o.net.mode == NET_CONTAINER)
		r = cli_open_root(false, &root, &e);
	if (r == 0)
		r = shared_net_join(&s, &o.net, root, &arena, &shared, &e);
	if (r == 0)
		r = root_layers_find(s.config, &arena, &layers, &e);
	if (r > 0) {
		o.layers = &layers;
		r = 0;
	}
	o.wait_for_start = wait_for_start;
	o.outlive = wait_for_start;
	o.console = s.process.terminal;
	if (r == 0)
		r = compile_create(&c, &s, &host, &o, &arena, &e);
	if (r == 0 && strcmp(format, "text") == 0) {
		explain_plan_text(&c.plan);
	} else if (r == 0 && strcmp(format, "json") == 0) {
		plan = explain_plan_json(&c.plan);
		json_dumpf(plan, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(plan);
	} else if (r == 0) {
		r = err_say(&e, EINVAL, "--format: \"%s\" is neither json nor text", format);
	}
	arena_free(&arena);
	return r < 0 ? cli_fail(&e, 1) : 0;
}

int command_spec(int argc, char **argv)
{
	const char *bundle = ".";
	bool rootless = false;
	const struct option table[] = {
		{ "bundle", 'b', OPTION_TEXT, &bundle, "DIR", "where to write it (default: here)" },
		{ "rootless", 0, OPTION_FLAG, &rootless, NULL,
		  "for a caller who is not root: own user namespace, the host's network" },
	};
	_cleanup_free_ char *text = NULL;
	_cleanup_fd_ int dir = -EBADF, fd = -EBADF;
	struct err e = ERR_INIT;
	json_t *spec;
	int status, r;

	if (cli_parse(cli_find("spec"), table, sizeof table / sizeof *table, argc, argv,
		      &status) < 0)
		return status;
	spec = spec_default(rootless);
	text = spec ? json_dumps(spec, JSON_INDENT(4)) : NULL;
	json_decref(spec);
	dir = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		err_set(&e, errno, "the bundle %s", bundle);
		return cli_fail(&e, 1);
	}
	fd = openat(dir, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0) {
		if (errno == EEXIST)
			err_say(&e, EEXIST, "file config.json exists. Remove it first");
		else
			err_set(&e, errno, "%s/config.json", bundle);
		return cli_fail(&e, 1);
	}
	fchmod(fd, 0644);
	r = text ? fd_write_all(fd, text, strlen(text)) : -ENOMEM;
	if (r == 0)
		r = fd_write_all(fd, "\n", 1);
	if (r < 0) {
		unlinkat(dir, "config.json", 0);
		err_set(&e, -r, "cannot write %s/config.json", bundle);
		return cli_fail(&e, 1);
	}
	return 0;
}
