/*
 * guest_run.h - runs the plan of a process object for real: the engine, with fork in place of
 * clone3, the process's output caught. For unit tests; include once, in a test's only file.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "runtime/process.h"
#include "runtime/process_ops.h"

static struct arena arena;

static inline int clean(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static inline int parse(const char *text, struct process_spec *s, struct err *e)
{
	struct json_at at = { "/process" };
	_cleanup_json_ json_t *j = json_loads(text, JSON_DECODE_ANY, NULL);

	*e = (struct err)ERR_INIT;
	if (!j)
		fail_msg("bad JSON in the test: %s", text);
	return process_parse(j, &at, &arena, s, e);
}

static inline void must_parse(const char *text, struct process_spec *s)
{
	struct err e;
	char line[1000];

	if (parse(text, s, &e) == 0)
		return;
	err_format(&e, line, sizeof line);
	fail_msg("%s: %s", text, line);
}

#define USER "\"user\": {\"uid\": 0, \"gid\": 0}"

#define LIMIT(type, soft, hard) "{\"type\": \"" type "\", \"soft\": " soft ", \"hard\": " hard "}"

/* --- run for real ----------------------------------------------------------- */

struct result {
	char out[16384]; /* what the process wrote */
	int status;	 /* of waitpid */
	int walk;	 /* what run_walk returned */
	struct err err;
};

static int guest_output = -EBADF; /* becomes the guest's 1 and 2 */
static pid_t guest_pid;
static void (*guest_prepare)(void); /* run in the newborn guest */
static bool guest_keeps_cwd;	    /* a missing cwd is not made */

/* Stands in for op_clone3. */
static inline int act_fork(struct run *run, const void *args, struct err *e)
{
	(void)args;
	(void)e;
	guest_pid = fork();
	if (guest_pid < 0)
		return -errno;
	if (guest_pid > 0) {
		run_set_number(run, SLOT_GUEST_PID, guest_pid);
		run_set_fd(run, SLOT_GUEST_PIDFD, (int)syscall(SYS_pidfd_open, guest_pid, 0));
		run_become_parent(run);
		return 0;
	}
	run_become_guest(run);
	dup2(guest_output, 1);
	dup2(guest_output, 2);
	if (guest_prepare)
		guest_prepare();
	return 0;
}

static const struct op op_fork = { .name = "fork", .man = "fork(2)", .act = act_fork };

static inline void run_plan(struct plan *p, struct result *r)
{
	struct run run;
	int out[2];
	ssize_t n;

	memset(r, 0, sizeof *r);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	guest_output = out[1];
	guest_pid = 0;
	run_init(&run, p);
	r->walk = run_walk(&run, &r->err);
	close(out[1]);
	n = fd_read_full(out[0], r->out, sizeof r->out - 1);
	assert_true(n >= 0);
	r->out[n] = '\0';
	close(out[0]);
	/* After a failure the engine has reaped it. */
	if (r->walk == 0)
		assert_int_equal(waitpid(guest_pid, &r->status, 0), guest_pid);
	run_close(&run);
}

static inline void run_spec(const char *json, const char *profile,
			    const struct process_exec_options *o, struct result *r)
{
	struct process_exec_options none = { 0 };
	struct seccomp_filter filter;
	struct json_at at = { "/linux/seccomp" };
	struct process_spec s;
	struct err e = ERR_INIT;
	struct plan p;

	must_parse(json, &s);
	if (profile) {
		_cleanup_json_ json_t *j = json_loads(profile, 0, NULL);

		assert_int_equal(seccomp_parse(j, &at, &arena, &filter, &e), 0);
	}
	plan_init(&p, &arena);
	plan_add0(&p, SIDE_HOST, op_socketpair);
	plan_add0(&p, SIDE_HOST, op_fork);
	process_plan_early_limits(&p, &s);
	if (!guest_keeps_cwd)
		process_plan_cwd(&p, &s, -1);
	process_plan_limits(&p, &s);
	o = o ? o : &none;
	process_plan_leave(&p, &s, profile ? &filter : NULL, o,
			   process_plan_become(&p, &s, profile ? &filter : NULL, o));
	assert_int_equal(plan_check(&p, &e), 0);
	run_plan(&p, r);
}

static inline void must_run(const struct result *r)
{
	char line[1000];

	err_format(&r->err, line, sizeof line);
	if (r->walk != 0)
		fail_msg("%s", line);
	if (!WIFEXITED(r->status) || WEXITSTATUS(r->status))
		fail_msg("status %#x, said: %s", r->status, r->out);
}

static inline void must_say(const struct result *r, const char *words)
{
	if (!strstr(r->out, words))
		fail_msg("\"%s\" is not in:\n%s", words, r->out);
}

static inline bool am_root(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	unsigned long long eff = 0;

	while (f && fgets(line, sizeof line, f))
		sscanf(line, "CapEff: %llx", &eff);
	if (f)
		fclose(f);
	/* CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_SYS_ADMIN */
	return geteuid() == 0 && (eff & 0x2001c0) == 0x2001c0;
}

#define SELF_STATUS "\"args\": [\"/bin/cat\", \"/proc/self/status\"], \"cwd\": \"/\""

/* Keeps the engine's own fds clear of the numbers that tests preserve. */
static inline int guest_run_begin(void)
{
	return dup2(open("/dev/null", O_RDONLY), 3) < 0 || dup2(3, 4) < 0 ? -1 : 0;
}
