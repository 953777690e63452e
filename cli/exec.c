/*
 * exec.c - another program in a container that runs.
 *
 * The process object is the container's own, as it was at create, with what
 * the options change; or the whole of --process FILE.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/path.h"
#include "runtime/exec_leaf.h"
#include "runtime/protect.h"
#include "runtime/publish.h"
#include "supervisor/job.h"

struct request {
	const char *console_socket, *pidfd_socket, *pid_file, *cwd, *user, *process_file;
	const char *process_label, *apparmor, *cgroup;
	struct option_texts env, gids, caps;
	bool terminal, detach, no_new_privs, ignore_paused;
	int64_t preserve_fds, timeout;
};

static int set_user(json_t *process, const char *text, struct err *e)
{
	size_t len = strcspn(text, ":");
	json_t *user = json_object_get(process, "user");
	uint32_t uid, gid = 0;

	if (!json_is_object(user)) {
		user = json_object();
		json_object_set_new(process, "user", user);
	}
	if (id_parse(text, len, &uid) < 0 ||
	    (text[len] == ':' && id_parse(text + len + 1, strlen(text + len + 1), &gid) < 0))
		return err_say(e, EINVAL, "--user: \"%.64s\" is not UID or UID:GID", text);
	json_object_set_new(user, "uid", json_integer(uid));
	if (text[len] == ':')
		json_object_set_new(user, "gid", json_integer(gid));
	return 0;
}

static int add_gids(json_t *process, const struct option_texts *gids, struct err *e)
{
	json_t *user = json_object_get(process, "user"), *list;

	if (gids->count == 0)
		return 0;
	list = json_object_get(user, "additionalGids");
	if (!json_is_array(list)) {
		list = json_array();
		json_object_set_new(user, "additionalGids", list);
	}
	for (size_t i = 0; i < gids->count; i++) {
		uint32_t gid;

		if (id_parse(gids->item[i], strlen(gids->item[i]), &gid) < 0)
			return err_say(e, EINVAL, "--additional-gids: \"%.64s\" is not a GID",
				       gids->item[i]);
		json_array_append_new(list, json_integer(gid));
	}
	return 0;
}

static void add_caps(json_t *process, const struct option_texts *caps)
{
	static const char *const sets[] = { "bounding", "effective", "permitted" };
	json_t *all = json_object_get(process, "capabilities");

	if (caps->count && !json_is_object(all)) {
		all = json_object();
		json_object_set_new(process, "capabilities", all);
	}
	for (size_t s = 0; caps->count && s < sizeof sets / sizeof *sets; s++) {
		json_t *set = json_object_get(all, sets[s]);

		if (!json_is_array(set)) {
			set = json_array();
			json_object_set_new(all, sets[s], set);
		}
		for (size_t i = 0; i < caps->count; i++)
			json_array_append_new(set, json_string(caps->item[i]));
	}
}

/* The process object to run. New reference. */
static int build_process(const struct request *q, const json_t *config, int argc, char **argv,
			 json_t **ret, struct err *e)
{
	_cleanup_json_ json_t *process = NULL;
	json_t *args, *env;
	int r;

	if (q->process_file) {
		r = json_read_file(AT_FDCWD, q->process_file, &process, e);
		if (r < 0)
			return r;
		if (argc > 0)
			return err_say(e, EINVAL, "--process and a command exclude each other");
		*ret = json_incref(process);
		return 0;
	}
	if (argc == 0)
		return err_say(e, EINVAL, "the command is missing");
	process = json_deep_copy(json_object_get(config, "process"));
	if (!process)
		return err_set(e, ENOMEM, "the process");
	args = json_array();
	for (int i = 0; i < argc; i++)
		json_array_append_new(args, json_string(argv[i]));
	json_object_set_new(process, "args", args);
	json_object_set_new(process, "terminal", json_boolean(q->terminal));
	json_object_del(process, "consoleSize");
	if (q->cwd)
		json_object_set_new(process, "cwd", json_string(q->cwd));
	if (q->process_label)
		json_object_set_new(process, "selinuxLabel", json_string(q->process_label));
	if (q->apparmor)
		json_object_set_new(process, "apparmorProfile", json_string(q->apparmor));
	if (q->no_new_privs)
		json_object_set_new(process, "noNewPrivileges", json_true());
	env = json_object_get(process, "env");
	if (!env) {
		env = json_array();
		json_object_set_new(process, "env", env);
	}
	for (size_t i = 0; i < q->env.count; i++)
		json_array_append_new(env, json_string(q->env.item[i]));
	r = q->user ? set_user(process, q->user, e) : 0;
	if (r == 0)
		r = add_gids(process, &q->gids, e);
	add_caps(process, &q->caps);
	if (r == 0)
		*ret = json_incref(process);
	return r;
}

/* What --cap names must exist; a name only the configuration has is as it was at create. */
static int check_caps(const struct request *q, const struct process_spec *spec, struct err *e)
{
	for (size_t i = 0; i < q->caps.count; i++)
		for (size_t k = 0; k < spec->unknown_caps.count; k++)
			if (strcmp(q->caps.item[i], spec->unknown_caps.names[k]) == 0)
				return err_say(e, EINVAL, "--cap: \"%.40s\" is no capability",
					       q->caps.item[i]);
	return 0;
}

static bool is_job(const json_t *config)
{
	return json_object_get(json_object_get(config, "annotations"), JOB_ANNOTATION) != NULL;
}

/* What enters a job has the job's walls: neither a slip of the finger nor a script opens them. */
static int heed_job(const json_t *config, const struct request *q, const struct process_spec *spec,
		    struct exec_options *o, struct err *e)
{
	const char *more = q->process_file ? "process" : q->caps.count ? "cap"
			   : q->preserve_fds ? "preserve-fds" : NULL;

	if (!is_job(config))
		return 0;
	if (more) {
		err_say(e, EPERM, "--%s: this is a job, and what enters it has no more than it has",
			more);
		return err_fix(e, "leave it out; the rest is as the job's own command has it");
	}
	o->lock_securebits = !(spec->caps.bounding | spec->caps.permitted | spec->caps.ambient);
	return 0;
}

static int check_status(const struct container *c, const struct request *q, struct err *e)
{
	if (c->status == STATUS_PAUSED && !q->ignore_paused)
		return err_say(e, EBUSY, "cannot exec in a paused container (use --ignore-paused to "
			       "override)");
	if (c->pidfd < 0)
		return err_say(e, ESRCH, "cannot exec in a stopped container");
	return 0;
}

/* Namespaces kist does not share with the container. */
static unsigned int namespaces_of(const struct container *c)
{
	return (unsigned int)json_integer_value(json_object_get(c->state, "namespaces"));
}

/* --cgroup PATH: below the container's own, there already, and never out of it. */
static int sub_cgroup(const char *top, const char *path, struct arena *a, const char **ret,
		      struct err *e)
{
	char clean[PATH_MAX];

	if (strchr(path, ':'))
		return err_say(e, EINVAL, "--cgroup: \"%.64s\" names controllers, which cgroup v2 has "
			       "in one tree: give the path alone", path);
	for (const char *p = path; *p; p += strcspn(p, "/")) {
		p += strspn(p, "/");
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || !p[2]))
			return err_say(e, EINVAL, "--cgroup: \"%.64s\" must not hold ..", path);
	}
	*ret = arena_printf(a, "%s/%s", top, path);
	if (!*ret || !realpath(*ret, clean))
		return err_set(e, errno, "--cgroup: the container has no cgroup \"%.64s\"", path);
	return 0;
}

/* Where the process goes. A container that has made cgroups of its own, and gave them controllers,
 * can hold no process at the top any more (cgroups(7)): then where its first process is. */
static int choose_cgroup(const struct container *c, const struct request *q, const struct host *h,
			 struct arena *a, const char **ret, struct err *e)
{
	char path[PATH_MAX], text[PATH_MAX + 64], *line;
	size_t top;

	*ret = c->cgroup;
	if (!c->cgroup)
		return q->cgroup ? err_say(e, EINVAL, "--cgroup: the container has no cgroup") : 0;
	if (q->cgroup)
		return sub_cgroup(c->cgroup, q->cgroup, a, ret, e);
	snprintf(path, sizeof path, "%s/cgroup.subtree_control", c->cgroup);
	if (file_read_at(AT_FDCWD, path, text, sizeof text) <= 0)
		return 0;
	snprintf(path, sizeof path, "/proc/%d/cgroup", (int)c->pid);
	if (file_read_at(AT_FDCWD, path, text, sizeof text) <= 0)
		return 0;
	line = strstr(text, "0::/");
	if (!line || (line != text && line[-1] != '\n'))
		return 0;
	line[strcspn(line, "\n")] = '\0';
	*ret = arena_printf(a, "%s%s", h->cgroup_mount, line + 3);
	top = strlen(c->cgroup);
	if (*ret && (strncmp(*ret, c->cgroup, top) != 0 || ((*ret)[top] && (*ret)[top] != '/')))
		*ret = c->cgroup; /* somebody moved it out: not to follow */
	return 0;
}

/* A container that has cgroups of its own can freeze them: the process would be born frozen, and
 * whoever waits for it with it. */
static int check_thawed(const struct container *c, const struct request *q, const char *cgroup,
			struct err *e)
{
	char path[PATH_MAX], text[256];

	if (!cgroup || q->ignore_paused || strcmp(cgroup, c->cgroup) == 0)
		return 0;
	snprintf(path, sizeof path, "%s/cgroup.events", cgroup);
	if (file_read_at(AT_FDCWD, path, text, sizeof text) <= 0 || !strstr(text, "frozen 1"))
		return 0;
	return err_say(e, EBUSY, "cannot exec in the cgroup %.160s: it is frozen (use --ignore-paused "
		       "to override)", cgroup + strlen(c->cgroup));
}

static int exec_in(struct container *c, const struct request *q, int argc, char **argv,
		   struct exec_leaf *leaf, struct arena *a, struct compiled *compiled, struct run *run,
		   struct err *e)
{
	_cleanup_json_ json_t *config = NULL, *process = NULL;
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "linux");
	struct exec_options o = { .pidfd = c->pidfd,
				  .systemd_unit = json_string_value(
					  json_object_get(c->state, "systemdUnit")),
				  .namespaces = namespaces_of(c), .outlive = q->detach,
				  .pid_file = q->pid_file,
				  .console_socket = q->console_socket,
				  .pidfd_socket = q->pidfd_socket };
	struct seccomp_filter seccomp = { 0 };
	struct process_spec spec;
	struct runtime_hooks_in in;
	struct host host;
	json_t *profile;
	int r;

	r = cli_preserve_fds(q->preserve_fds, &o.preserve_fds, e);
	if (r == 0 && protect_is_needed_in(c->pid))
		r = protect_self(cli.argv, e);
	if (r < 0)
		return r;
	r = host_probe_rights(&host, e);
	o.host = &host;
	/* A process that waits for start is not dumpable, and so nobody's but root's. */
	if (r == 0 && c->status == STATUS_CREATED && host_unprivileged(&host)) {
		err_say(e, EPERM, "without root, a container can't be entered before its start");
		return err_fix(e, "kist start %.64s", c->id);
	}
	if (r == 0)
		r = json_read_file(c->dir, "config.json", &config, e);
	if (r == 0)
		r = build_process(q, config, argc, argv, &process, e);
	if (r == 0)
		r = process_parse(process, &root, a, &spec, e);
	if (r == 0)
		r = process_annotate(&spec, config, a, e);
	if (r == 0)
		r = check_caps(q, &spec, e);
	if (r == 0)
		r = heed_job(config, q, &spec, &o, e);
	if (r == 0 && process_asks_security(&spec))
		host_probe_more(&host);
	if (r == 0)
		r = labels_check(&spec.labels, &root, &host, e);
	if (r == 0)
		r = landlock_check(&spec.landlock, &host, e);
	if (r == 0)
		r = choose_cgroup(c, q, &host, a, &o.cgroup, e);
	if (r == 0)
		r = check_thawed(c, q, o.cgroup, e);
	if (r == 0 && o.cgroup && q->timeout >= 0) {
		r = exec_leaf_begin(leaf, o.cgroup, a, e);
		o.cgroup = leaf->path ? leaf->path : o.cgroup;
	}
	if (r == 0 && o.cgroup)
		o.systemd_below = o.cgroup + strlen(c->cgroup);
	if (r < 0)
		return r;
	r = linux_process_parse(json_object_get(config, "linux"), &at, a, &o.linux_process, e);
	profile = json_object_get(json_object_get(config, "linux"), "seccomp");
	at = json_at_key(&at, "seccomp");
	if (r == 0 && profile)
		r = seccomp_parse(profile, &at, a, &seccomp, e);
	if (r == 0 && spec.terminal && q->detach && !q->console_socket)
		r = err_say(e, EINVAL, "cannot allocate tty if kist will detach without setting "
			    "console socket");
	if (r == 0)
		r = cli_fault(&in, e);
	if (r < 0)
		return r;
	o.console = spec.terminal;
	if (o.console && !q->console_socket)
		attach_window_size(&spec.rows, &spec.cols);
	o.state = (struct seccomp_state){
		.id = c->id, .status = container_status_name(c->status), .pid = (int)c->pid,
		.bundle = json_string_value(json_object_get(c->state, "bundle")),
		.annotations = json_object_get(c->state, "annotations"),
	};
	o.no_new_keyring = json_is_true(json_object_get(c->state, "noNewKeyring"));
	r = compile_exec(compiled, &spec, profile ? &seccomp : NULL, &o, a, e);
	if (r < 0)
		return r;
	run_init(run, &compiled->plan);
	run->fault_step = in.fault_step;
	run->fault_error = in.fault_error;
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* The guest is born inside the container's pid namespace: it must not bring this along. */
	fd_close(&c->dir);
	r = run_walk(run, e);
	/* Which is not dumpable: to its own user the kernel shows nothing of it. */
	if (r == -EPERM && is_job(config) && host_unprivileged(&host))
		err_fix(e, "without root a job is entered only without kist's own process 1: start it with --init no");
	if (r < 0) {
		run_close(run);
		publish_take_back_pid_file(&compiled->plan, compiled->step_pid_file, e->step);
	}
	return r;
}

/* All in its cgroup; and its group, which is its session's, since setsid() was the guest's: where it
 * has no cgroup of its own, or the program could move out of it. */
static int kill_late(const struct run *run, const struct exec_leaf *leaf,
		     const struct attach_options *attach, struct attach_result *result, struct err *e)
{
	exec_leaf_kill(leaf);
	kill(-(pid_t)run_slot(run, SLOT_GUEST_PID), SIGKILL);
	pidfd_send_signal(attach->pidfd, SIGKILL, NULL, 0);
	return attach_wait(attach, false, result, e);
}

/* Waits for the program. Its status, EXIT_TIMEOUT, or EXIT_EXEC_FAILED and -errno in *ret. */
static int follow(const struct request *q, const struct compiled *c, const struct run *run,
		  const struct exec_leaf *leaf, int *ret, struct err *e)
{
	struct attach_options attach = { .pidfd = run_slot(run, SLOT_GUEST_PIDFD),
					 .timeout_ms = q->timeout < 0 ? -1 : (int)q->timeout * 1000,
					 .master = q->console_socket ? -1
						   : run_slot(run, c->slot_master) };
	struct attach_result result;

	*ret = attach_wait(&attach, false, &result, e);
	if (*ret < 0)
		return EXIT_EXEC_FAILED;
	if (result.end != ATTACH_TIMEOUT)
		return result.status;
	attach.timeout_ms = -1;
	*ret = kill_late(run, leaf, &attach, &result, e);
	if (*ret < 0)
		return EXIT_EXEC_FAILED;
	*ret = err_say(e, ETIMEDOUT, "killed after its timeout of %lld seconds",
		       (long long)q->timeout);
	return EXIT_TIMEOUT;
}

static int check_timeout(const struct request *q, struct err *e)
{
	if (q->timeout < 0)
		return 0;
	if (q->timeout == 0 || q->timeout > INT_MAX / 1000)
		return err_say(e, EINVAL, "--timeout: %lld is not 1 to %d", (long long)q->timeout,
			       INT_MAX / 1000);
	if (q->detach)
		return err_say(e, EINVAL, "--timeout and --detach exclude each other: nobody would "
			       "wait");
	return 0;
}

int command_exec(int argc, char **argv)
{
	struct request q = { .timeout = -1 };
	const struct option table[] = {
		{ "console-socket", 0, OPTION_TEXT, &q.console_socket, "PATH",
		  "unix socket that is sent the terminal's master" },
		{ "pidfd-socket", 0, OPTION_TEXT, &q.pidfd_socket, "PATH",
		  "unix socket that is sent a pidfd of the process" },
		{ "pid-file", 0, OPTION_TEXT, &q.pid_file, "FILE", "write the process id there" },
		{ "cwd", 0, OPTION_TEXT, &q.cwd, "DIR", "working directory" },
		{ "env", 'e', OPTION_TEXTS, &q.env, "NAME=VALUE", "set a variable" },
		{ "tty", 't', OPTION_FLAG, &q.terminal, NULL, "allocate a terminal" },
		{ "user", 'u', OPTION_TEXT, &q.user, "UID[:GID]", "run as this user" },
		{ "additional-gids", 'g', OPTION_TEXTS, &q.gids, "GID", "one more group" },
		{ "process", 'p', OPTION_TEXT, &q.process_file, "FILE",
		  "a process object as in config.json" },
		{ "detach", 'd', OPTION_FLAG, &q.detach, NULL, "do not wait for it" },
		{ "cap", 'c', OPTION_TEXTS, &q.caps, "CAP", "one more capability" },
		{ "no-new-privs", 0, OPTION_FLAG, &q.no_new_privs, NULL, "set no_new_privs" },
		{ "preserve-fds", 0, OPTION_NUMBER, &q.preserve_fds, "N",
		  "pass on N more file descriptors, from 3" },
		{ "timeout", 0, OPTION_NUMBER, &q.timeout, "SECONDS",
		  "kill it after that time, and end with 124" },
		{ "ignore-paused", 0, OPTION_FLAG, &q.ignore_paused, NULL,
		  "also in a paused container" },
		{ "process-label", 0, OPTION_TEXT, &q.process_label, "LABEL", "SELinux label" },
		{ "apparmor", 0, OPTION_TEXT, &q.apparmor, "PROFILE", "AppArmor profile" },
		{ "cgroup", 0, OPTION_TEXT, &q.cgroup, "PATH",
		  "run in this cgroup of the container's own, from its top" },
	};
	_cleanup_container_ struct container c = CONTAINER_INIT;
	_cleanup_fd_ int root = -EBADF;
	struct arena arena = ARENA_INIT;
	struct err e = ERR_INIT;
	struct exec_leaf leaf = EXEC_LEAF_INIT;
	struct compiled compiled;
	struct run run;
	int status, r, first = cli_parse(cli_find("exec"), table, sizeof table / sizeof *table, argc,
					 argv, &status);

	if (first < 0)
		return status ? EXIT_EXEC_FAILED : 0;
	attach_block_signals();
	r = check_timeout(&q, &e);
	if (r == 0)
		r = cli_open_root(false, &root, &e);
	if (r == 0)
		r = container_open(root, argv[first], false, &c, &e);
	fd_close(&root);
	if (r == 0)
		r = check_status(&c, &q, &e);
	if (r == 0)
		r = exec_in(&c, &q, argc - first - 1, argv + first + 1, &leaf, &arena, &compiled, &run,
			    &e);
	status = EXIT_EXEC_FAILED;
	if (r == 0)
		status = q.detach ? 0 : follow(&q, &compiled, &run, &leaf, &r, &e);
	exec_leaf_end(&leaf);
	if (r < 0) {
		err_wrap(&e, "exec failed");
		e.exit_code = 0;
		status = cli_fail(&e, status);
	}
	cli_leave(status);
	arena_free(&arena);
	return status;
}
