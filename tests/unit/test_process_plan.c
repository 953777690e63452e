/*
 * test_process_plan.c - the plan of /process run for real, by the engine in a forked child:
 * what the exec'ed process is.
 */
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

static int clean(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static int parse(const char *text, struct process_spec *s, struct err *e)
{
	struct json_at at = { "/process" };
	_cleanup_json_ json_t *j = json_loads(text, JSON_DECODE_ANY, NULL);

	*e = (struct err)ERR_INIT;
	if (!j)
		fail_msg("bad JSON in the test: %s", text);
	return process_parse(j, &at, &arena, s, e);
}

static void must_parse(const char *text, struct process_spec *s)
{
	struct err e;
	char line[1000];

	if (parse(text, s, &e) == 0)
		return;
	err_format(&e, line, sizeof line);
	fail_msg("%s: %s", text, line);
}

#define USER   "\"user\": {\"uid\": 0, \"gid\": 0}"

#define LIMIT(type, soft, hard) \
	"{\"type\": \"" type "\", \"soft\": " soft ", \"hard\": " hard "}"

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

/* Stands in for op_clone3. */
static int act_fork(struct run *run, const void *args, struct err *e)
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

static void run_plan(struct plan *p, struct result *r)
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

static void run_spec(const char *json, const char *profile, const struct process_exec_options *o,
		     struct result *r)
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
	process_plan_cwd(&p, &s, -1);
	process_plan_limits(&p, &s);
	process_plan_exec(&p, &s, profile ? &filter : NULL, o ? o : &none);
	assert_int_equal(plan_check(&p, &e), 0);
	run_plan(&p, r);
}

static void must_run(const struct result *r)
{
	char line[1000];

	err_format(&r->err, line, sizeof line);
	if (r->walk != 0)
		fail_msg("%s", line);
	if (!WIFEXITED(r->status) || WEXITSTATUS(r->status))
		fail_msg("status %#x, said: %s", r->status, r->out);
}

static void must_say(const struct result *r, const char *words)
{
	if (!strstr(r->out, words))
		fail_msg("\"%s\" is not in:\n%s", words, r->out);
}

static bool am_root(void)
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

static void becomes_another_user(void **state)
{
	struct result r;

	(void)state;
	if (!am_root())
		skip(); /* setresuid needs CAP_SETUID */
	run_spec("{" SELF_STATUS ", \"user\": {\"uid\": 1000, \"gid\": 100,"
		 "\"additionalGids\": [7, 5]}, \"noNewPrivileges\": true}", NULL, NULL, &r);
	must_run(&r);
	must_say(&r, "Uid:\t1000\t1000\t1000\t1000\n");
	must_say(&r, "Gid:\t100\t100\t100\t100\n");
	must_say(&r, "Groups:\t5 7 \n");
	must_say(&r, "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"
		     "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n"
		     "CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t0\n");
	must_say(&r, "Umask:\t0022\n");
}

static void no_groups_means_none(void **state)
{
	struct result r;

	(void)state;
	if (!am_root())
		skip(); /* setgroups needs CAP_SETGID */
	run_spec("{" SELF_STATUS ", \"user\": {\"uid\": 0, \"gid\": 0, \"umask\": 7}}", NULL, NULL,
		 &r);
	must_run(&r);
	must_say(&r, "Groups:\t \n");
	must_say(&r, "Umask:\t0007\n");
	must_say(&r, "NoNewPrivs:\t0\n");
}

/* Five sets for a user that is not root: only ambient ones survive execve. */
static void keeps_exactly_the_asked_capabilities(void **state)
{
	static const char *const sets =
		"\"bounding\": [\"CAP_KILL\", \"CAP_CHOWN\", \"CAP_NET_RAW\"],"
		"\"permitted\": [\"CAP_KILL\", \"CAP_CHOWN\"],"
		"\"effective\": [\"CAP_KILL\"], \"inheritable\": [\"CAP_KILL\"]";
	char json[1024];
	struct result r;

	(void)state;
	if (!am_root())
		skip();
	for (int ambient = 0; ambient < 2; ambient++) {
		snprintf(json, sizeof json, "{" SELF_STATUS ", \"user\": {\"uid\": 1000, "
			 "\"gid\": 1000}, \"capabilities\": {%s%s}}", sets,
			 ambient ? ", \"ambient\": [\"CAP_KILL\"]" : "");
		run_spec(json, NULL, NULL, &r);
		must_run(&r);
		must_say(&r, "CapInh:\t0000000000000020\n");
		must_say(&r, "CapBnd:\t0000000000002021\n");
		must_say(&r, ambient ? "CapAmb:\t0000000000000020\n" : "CapAmb:\t0000000000000000\n");
		must_say(&r, ambient ? "CapEff:\t0000000000000020\n" : "CapEff:\t0000000000000000\n");
		must_say(&r, ambient ? "CapPrm:\t0000000000000020\n" : "CapPrm:\t0000000000000000\n");
	}
	/* Root gets the bounding set back at execve, and nothing more. */
	snprintf(json, sizeof json, "{" SELF_STATUS ", " USER ", \"capabilities\": {%s}}", sets);
	run_spec(json, NULL, NULL, &r);
	must_run(&r);
	must_say(&r, "CapPrm:\t0000000000002021\nCapEff:\t0000000000002021\n"
		     "CapBnd:\t0000000000002021\nCapAmb:\t0000000000000000\n");
}

static void locked_securebits_keep_root_without_capabilities(void **state)
{
	struct process_exec_options o = { .lock_securebits = true };
	struct result r;

	(void)state;
	if (!am_root())
		skip();
	run_spec("{" SELF_STATUS ", " USER "}", NULL, &o, &r);
	must_run(&r);
	must_say(&r, "Uid:\t0\t0\t0\t0\n");
	must_say(&r, "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n");
	run_spec("{\"args\": [\"/bin/sh\", \"-c\", \"capsh --print || /sbin/capsh --print\"],"
		 "\"cwd\": \"/\", " USER "}", NULL, &o, &r);
	if (r.status == 0 && r.walk == 0)
		must_say(&r, "secure-noroot: yes (locked)");
}

/* R41: without no_new_privs the filter needs CAP_SYS_ADMIN, which must not survive. */
static void filter_without_no_new_privs(void **state)
{
	static const char *const narrow =
		"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"action\": \"SCMP_ACT_ERRNO\","
		"\"names\": [\"capset\", \"prctl\", \"setuid\", \"setresuid\", \"setgroups\","
		"\"setresgid\", \"fchdir\", \"seccomp\", \"sendmsg\"]}]}";
	static const char *const users[] = { "0", "1000" };

	(void)state;
	if (!am_root())
		skip();
	for (int nnp = 0; nnp < 2; nnp++) {
		for (int i = 0; i < 2; i++) {
			char json[512];
			struct result r;

			snprintf(json, sizeof json, "{" SELF_STATUS ", \"noNewPrivileges\": %s, "
				 "\"user\": {\"uid\": %s, \"gid\": 0}, \"capabilities\": "
				 "{\"bounding\": [\"CAP_KILL\"]}}", nnp ? "true" : "false",
				 users[i]);
			run_spec(json, narrow, NULL, &r);
			must_run(&r);
			must_say(&r, "Seccomp:\t2\n");
			must_say(&r, nnp ? "NoNewPrivs:\t1\n" : "NoNewPrivs:\t0\n");
			must_say(&r, "CapInh:\t0000000000000000\n");
			must_say(&r, "CapBnd:\t0000000000000020\n");
			/* no_new_privs: root may not gain what it had not got before execve */
			must_say(&r, i || nnp ? "CapPrm:\t0000000000000000\n"
					      : "CapPrm:\t0000000000000020\n");
		}
	}
}

static void sets_limits(void **state)
{
	struct result r;

	(void)state;
	run_spec("{\"args\": [\"cat\", \"/proc/self/limits\"], \"cwd\": \"/\", \"env\": [\"HOME=/\"],"
		 USER ", \"rlimits\": ["
		 LIMIT("RLIMIT_NOFILE", "61", "62") ", " LIMIT("RLIMIT_CORE", "0", "5") ", "
		 LIMIT("RLIMIT_FSIZE", "1000000", "18446744073709551615.0") "]}",
		 NULL, NULL, &r);
	if (!am_root()) {
		assert_true(r.walk < 0);
		skip();
	}
	must_run(&r);
	must_say(&r, "Max open files            61                   62 ");
	must_say(&r, "Max core file size        0                    5 ");
	must_say(&r, "Max file size             1000000              unlimited ");
}

static void sets_scheduler(void **state)
{
	struct result r;

	(void)state;
	if (!am_root())
		skip();
	run_spec("{\"args\": [\"sh\", \"-c\", \"chrt -p $$; nice; ionice\"], \"cwd\": \"/\", " USER ","
		 "\"scheduler\": {\"policy\": \"SCHED_BATCH\", \"nice\": 7},"
		 "\"ioPriority\": {\"class\": \"IOPRIO_CLASS_BE\", \"priority\": 6}}", NULL, NULL,
		 &r);
	must_run(&r);
	must_say(&r, "policy: SCHED_BATCH\n");
	must_say(&r, "\n7\n");
	must_say(&r, "best-effort: prio 6\n");
}

static void refuses_a_limit_above_kists_own(void **state)
{
	struct rlimit limit;
	char json[512], line[1000];
	struct result r;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &limit);
	snprintf(json, sizeof json, "{\"args\": [\"true\"], \"cwd\": \"/\", " USER ", \"rlimits\": ["
		 LIMIT("RLIMIT_NOFILE", "5", "%llu") "]}", (unsigned long long)limit.rlim_max + 1);
	run_spec(json, NULL, NULL, &r);
	if (r.walk == 0)
		skip(); /* CAP_SYS_RESOURCE */
	assert_int_equal(r.walk, -EPERM);
	assert_string_equal(r.err.where, "/process/rlimits/0 (RLIMIT_NOFILE)");
	err_format(&r.err, line, sizeof line);
	assert_non_null(strstr(line, "cannot set RLIMIT_NOFILE: Operation not permitted"));
	assert_true(r.err.fix[0]);
}

/* --- fds and signals -------------------------------------------------------- */

static void leave_a_mess(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t all;

	/* Open, and not CLOEXEC: 3 and 4 to be kept, 200 and 201 host directories. */
	dup2(open("/dev/null", O_RDONLY), 3);
	dup2(open("/dev/null", O_RDONLY), 4);
	dup2(open("/", O_PATH), 200);
	dup2(open("/etc", O_RDONLY), 201);
	fcntl(4, F_SETFD, FD_CLOEXEC);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGHUP, &ignore, NULL);
	/* 33 is glibc's own: raw. */
	syscall(SYS_rt_sigaction, 33, &(unsigned long[4]){ 1 }, NULL, 8);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
}

#define LIST_FDS "\"args\": [\"/bin/ls\", \"/proc/self/fd\"], \"cwd\": \"/\", \"env\": [\"HOME=/\"], " USER

static void closes_fds(void **state)
{
	struct result r;

	(void)state;
	if (!am_root())
		skip();
	guest_prepare = leave_a_mess;
	run_spec("{" LIST_FDS "}", NULL, NULL, &r);
	must_run(&r);
	/* 3 is ls' own directory. */
	assert_string_equal(r.out, "0\n1\n2\n3\n");
	run_spec("{" LIST_FDS "}", NULL, &(struct process_exec_options){ .preserve_fds = 2 }, &r);
	guest_prepare = NULL;
	must_run(&r);
	assert_string_equal(r.out, "0\n1\n2\n3\n4\n5\n");
}

static void refuses_to_keep_a_closed_fd(void **state)
{
	struct process_exec_options o = { .preserve_fds = 60 };
	struct result r;

	(void)state;
	if (!am_root())
		skip();
	run_spec("{" LIST_FDS "}", NULL, &o, &r);
	assert_int_equal(r.walk, -EBADF);
}

static void resets_signals(void **state)
{
	struct result r;

	(void)state;
	if (!am_root())
		skip();
	guest_prepare = leave_a_mess;
	run_spec("{" SELF_STATUS ", " USER "}", NULL, NULL, &r);
	guest_prepare = NULL;
	must_run(&r);
	must_say(&r, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

/* --- finding things --------------------------------------------------------- */

static char folder[64];

static void put_file(const char *name, const char *text, mode_t mode)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	fchmod(fd, mode);
	close(fd);
}

static int make_folder(void **state)
{
	char path[128];

	(void)state;
	snprintf(folder, sizeof folder, "/tmp/kist-test-XXXXXX");
	if (!mkdtemp(folder) || chmod(folder, 0755) < 0)
		return -1;
	snprintf(path, sizeof path, "%s/dir", folder);
	mkdir(path, 0755);
	put_file("kistscript", "#!/bin/sh\necho script $0 $1\n", 0755);
	put_file("script", "#!/bin/sh\necho script $0 $1\n", 0755);
	put_file("plain", "echo\n", 0644);
	put_file("lost", "#!/no/such/interpreter\n", 0755);
	put_file("noexec", "not a program\n", 0755);
	return 0;
}

static int remove_folder(void **state)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", folder);
	return clean(state) | (system(command) != 0);
}

static void finds_executables_in_runcs_words(void **state)
{
	static const struct {
		const char *name, *search;
		int result, exit_code;
		const char *words; /* %s: the folder */
	} cases[] = {
		{ "script", "/nowhere::%s", 0, 0, "%s/script" },
		{ "script", "%s/dir/:%s/", 0, 0, "%s//script" },
		{ "nope", "%s", -ENOENT, 127,
		  "exec: \"nope\": executable file not found in $PATH" },
		{ "script", "", -ENOENT, 127,
		  "exec: \"script\": executable file not found in $PATH" },
		{ "plain", "%s", -EACCES, 126, "exec: \"plain\": permission denied" },
		{ "dir", "%s", -EACCES, 126, "exec: \"dir\": permission denied" },
		{ "%s/script", "", 0, 0, "%s/script" },
		{ "%s/nope", "%s", -ENOENT, 127, "exec: \"%s/nope\": no such file or directory" },
		{ "%s/dir", "", -EACCES, 126, "exec: \"%s/dir\": permission denied" },
		{ "%s/plain", "", -EACCES, 126, "exec: \"%s/plain\": permission denied" },
		{ "%s/plain/x", "", -ENOTDIR, 127, "exec: \"%s/plain/x\": Not a directory" },
		{ "/dev/null", "", -EACCES, 126, "exec: \"/dev/null\": permission denied" },
		{ "\x1b[2J", "%s", -ENOENT, 127,
		  "exec: \"\\033[2J\": executable file not found in $PATH" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char name[128], search[256], words[256], path[PATH_MAX], line[1000];
		struct err e = ERR_INIT;
		int r;

/* Every "%s" of the table is the folder: at most two in one string. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
		snprintf(name, sizeof name, cases[i].name, folder);
		snprintf(search, sizeof search, cases[i].search, folder, folder);
		snprintf(words, sizeof words, cases[i].words, folder);
#pragma GCC diagnostic pop
		r = exec_find(name, search, path, &e);
		assert_int_equal(r, cases[i].result);
		assert_int_equal(e.exit_code, cases[i].exit_code);
		if (r == 0) {
			assert_string_equal(path, words);
			continue;
		}
		err_format(&e, line, sizeof line);
		assert_string_equal(line, words);
	}
}

static int home_of(const char *passwd, uint32_t uid, char *home, size_t size)
{
	put_file("passwd", passwd, 0644);
	{
		char path[128];
		_cleanup_fd_ int fd = -EBADF;

		snprintf(path, sizeof path, "%s/passwd", folder);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		return exec_read_home(fd, uid, home, size);
	}
}

static void reads_home(void **state)
{
	char home[64] = "unchanged", *longer = malloc(20001);

	(void)state;
	assert_int_equal(home_of("a:x:0:0::/root:/bin/sh\nb:x:7:7:g:/home/b:\n", 7, home, 64), 0);
	assert_string_equal(home, "/home/b");
	assert_int_equal(home_of("b:x:7:7:g:/last/line:/bin/sh", 7, home, 64), 0);
	assert_string_equal(home, "/last/line");
	/* the first of two; a name that looks like the id; ids that are no ids */
	assert_int_equal(home_of("7:x:8:7::/no:\n", 7, home, 64), -ENOENT);
	assert_int_equal(home_of("a:x:0x7:7::/no:\nb:x:+7:7::/no:\nc:x: 7:7::/no:\nd:x::7::/no:\n"
				 "e:x:4294967303:7::/no:\nf:x:007:7::/yes:\n", 7, home, 64), 0);
	assert_string_equal(home, "/yes");
	/* no directory, relative, with control characters, too long, too few fields */
	assert_int_equal(home_of("a:x:7:7:::\nb:x:7:7::rel:\nc:x:7:7::/a\033[2J:\nd:x:7:7:/x\n", 7,
				 home, 64), -ENOENT);
	assert_int_equal(home_of("a:x:7:7::/0123456789:\n", 7, home, 8), -ENOENT);
	assert_int_equal(home_of("", 0, home, 64), -ENOENT);
	/* a line beyond every bound is skipped whole, even where its rest looks like an entry */
	memset(longer, 'y', 20000);
	memcpy(longer + 4095, ":x:7:7::/no:", 12);
	memcpy(longer + 4096 * 2 - 1, "z:x:7:7::/no:", 13);
	memcpy(longer + 19970, "\nb:x:7:7::/after:\n", 18);
	longer[20000] = '\0';
	assert_int_equal(home_of(longer, 7, home, 64), 0);
	assert_string_equal(home, "/after");
	free(longer);
}

static void runs_scripts_and_sets_home(void **state)
{
	char json[512], words[128];
	struct result r;

	(void)state;
	if (!am_root())
		skip();
	snprintf(json, sizeof json, "{\"args\": [\"kistscript\", \"x\"], \"cwd\": \"/\","
		 "\"env\": [\"PATH=/bin:%s\"], " USER "}", folder);
	run_spec(json, NULL, NULL, &r);
	must_run(&r);
	snprintf(words, sizeof words, "script %s/kistscript x\n", folder);
	assert_string_equal(r.out, words);
	run_spec("{\"args\": [\"/usr/bin/env\"], \"cwd\": \"/\", \"env\": [\"B=2\", \"A=1\"], " USER
		 "}", NULL, NULL, &r);
	must_run(&r);
	assert_string_equal(r.out, "B=2\nA=1\nHOME=/root\n");
	run_spec("{\"args\": [\"/usr/bin/env\"], \"cwd\": \"/\", \"env\": [\"HOME=/h\"], " USER "}",
		 NULL, NULL, &r);
	must_run(&r);
	assert_string_equal(r.out, "HOME=/h\n");
	run_spec("{\"args\": [\"/usr/bin/env\"], \"cwd\": \"/\", \"user\": {\"uid\": 54321, "
		 "\"gid\": 1}}", NULL, NULL, &r);
	must_run(&r);
	assert_string_equal(r.out, "HOME=/\n");
	/* The process is called as its file, not as a descriptor. */
	run_spec("{\"args\": [\"/bin/cat\", \"/proc/self/comm\"], \"cwd\": \"/\", " USER "}", NULL,
		 NULL, &r);
	must_run(&r);
	assert_string_equal(r.out, "cat\n");
}

static void execve_failures_reach_the_host(void **state)
{
	static const struct {
		const char *name;
		int result, exit_code;
		const char *words;
	} cases[] = {
		{ "lost", -ENOENT, 127, "no such file or directory" },
		{ "noexec", -ENOEXEC, 126, "exec format error" },
		{ "nope", -ENOENT, 127, "no such file or directory" },
		{ "plain", -EACCES, 126, "permission denied" },
	};
	static const char *const profiles[] = {
		NULL, "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [{\"names\": "
		      "[\"execve\", \"sendmsg\", \"exit_group\"], \"action\": \"SCMP_ACT_ALLOW\"}]}",
	};

	(void)state;
	if (!am_root())
		skip();
	for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
		char json[512], line[1000], end[64];
		struct result r;

		snprintf(json, sizeof json, "{\"args\": [\"%s/%s\"], \"cwd\": \"/\", " USER "}",
			 folder, cases[i / 2].name);
		run_spec(json, profiles[i % 2], NULL, &r);
		assert_int_equal(r.walk, cases[i / 2].result);
		assert_int_equal(r.err.exit_code, cases[i / 2].exit_code);
		err_format(&r.err, line, sizeof line);
		snprintf(end, sizeof end, ": %s", cases[i / 2].words);
		assert_string_equal(line + strlen(line) - strlen(end), end);
	}
}

static void makes_and_enters_cwd(void **state)
{
	char json[512], words[128];
	struct result r;

	(void)state;
	if (!am_root())
		skip();
	snprintf(json, sizeof json, "{\"args\": [\"/bin/pwd\"], \"cwd\": \"%s/new/er\", "
		 "\"user\": {\"uid\": 1000, \"gid\": 1000}}", folder);
	run_spec(json, NULL, NULL, &r);
	must_run(&r);
	snprintf(words, sizeof words, "%s/new/er\n", folder);
	assert_string_equal(r.out, words);
	/* As runc: a directory only root may enter. */
	snprintf(words, sizeof words, "%s/new", folder);
	chmod(words, 0700);
	snprintf(json, sizeof json, "{\"args\": [\"/bin/ls\"], \"cwd\": \"%s\", "
		 "\"user\": {\"uid\": 1000, \"gid\": 1000}}", words);
	run_spec(json, NULL, NULL, &r);
	assert_int_equal(r.walk, 0);
}

static void give_away_a_directory(void)
{
	dup2(open("/etc", O_RDONLY | O_DIRECTORY), 209);
}

static void refuses_a_hostile_cwd(void **state)
{
	static const struct {
		const char *cwd, *words;
		int result;
	} cases[] = {
		{ "/proc/self/fd/209", "magic link", -ELOOP },
		{ "/proc/self/root", "magic link", -ELOOP },
		{ "/dev/null", "not a directory", -ENOTDIR },
		{ "/dev/null/x", "not a directory", -ENOTDIR },
	};

	(void)state;
	if (!am_root())
		skip();
	guest_prepare = give_away_a_directory;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char json[256], line[1000];
		struct result r;

		snprintf(json, sizeof json, "{\"args\": [\"/bin/pwd\"], \"cwd\": \"%s\", " USER "}",
			 cases[i].cwd);
		run_spec(json, NULL, NULL, &r);
		err_format(&r.err, line, sizeof line);
		assert_int_equal(r.walk, cases[i].result);
		assert_non_null(strstr(line, cases[i].words));
	}
	guest_prepare = NULL;
}

/* Behind a chroot everything of the old root is "(unreachable)". */
static void cwd_outside_of_the_root_is_refused(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	if (!am_root())
		skip();
	pid = fork();
	if (pid == 0) {
		struct op_cwd_args args = { -1, "/" };
		char name[PATH_MAX] = "";
		struct run run = { 0 };
		struct err e = ERR_INIT;

		if (chdir("/etc") < 0 || chroot(folder) < 0)
			_exit(1);
		/* What the op relies on: the raw call says it. */
		if (syscall(SYS_getcwd, name, sizeof name) < 0 || name[0] == '/')
			_exit(2);
		/* And the op itself only ever lands inside. */
		if (op_enter_cwd.act(&run, &args, &e) != 0 || access("script", X_OK) < 0)
			_exit(3);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(becomes_another_user, clean),
		cmocka_unit_test_teardown(no_groups_means_none, clean),
		cmocka_unit_test_teardown(keeps_exactly_the_asked_capabilities, clean),
		cmocka_unit_test_teardown(locked_securebits_keep_root_without_capabilities, clean),
		cmocka_unit_test_teardown(filter_without_no_new_privs, clean),
		cmocka_unit_test_teardown(sets_limits, clean),
		cmocka_unit_test_teardown(sets_scheduler, clean),
		cmocka_unit_test_teardown(refuses_a_limit_above_kists_own, clean),
		cmocka_unit_test_teardown(closes_fds, clean),
		cmocka_unit_test_teardown(refuses_to_keep_a_closed_fd, clean),
		cmocka_unit_test_teardown(resets_signals, clean),
		cmocka_unit_test_setup_teardown(finds_executables_in_runcs_words, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(reads_home, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(runs_scripts_and_sets_home, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(execve_failures_reach_the_host, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(makes_and_enters_cwd, make_folder, remove_folder),
		cmocka_unit_test_teardown(refuses_a_hostile_cwd, clean),
		cmocka_unit_test_setup_teardown(cwd_outside_of_the_root_is_refused, make_folder,
						remove_folder),
	};

	/* Keeps the engine's own fds clear of the numbers the tests preserve. */
	if (dup2(open("/dev/null", O_RDONLY), 3) < 0 || dup2(3, 4) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
