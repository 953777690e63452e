/*
 * test_process_plan.c - the plan of /process run for real: what the exec'ed process is.
 */
#include "tests/unit/guest_run.h"

static void becomes_another_user(void **state)
{
	struct result r;

	(void)state;
	if (!am_root())
		skip(); /* setresuid needs CAP_SETUID */
	run_spec("{" SELF_STATUS ", \"user\": {\"uid\": 1000, \"gid\": 100,"
		 "\"additionalGids\": [7, 5]}, \"noNewPrivileges\": true}",
		 NULL, NULL, &r);
	must_run(&r);
	must_say(&r, "Uid:\t1000\t1000\t1000\t1000\n");
	must_say(&r, "Gid:\t100\t100\t100\t100\n");
	must_say(&r, "Groups:\t5 7 \n");
	must_say(&r, "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"
		     "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n"
		     "CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t0\n");
	must_say(&r, "Umask:\t0022\n");
}

static void join_a_group(void)
{
	gid_t group = 4242;

	syscall(SYS_setgroups, 1, &group);
}

static void no_groups_means_none(void **state)
{
	struct result r;

	(void)state;
	if (!am_root())
		skip(); /* setgroups needs CAP_SETGID */
	guest_prepare = join_a_group;
	run_spec("{" SELF_STATUS ", \"user\": {\"uid\": 0, \"gid\": 0, \"umask\": 7}}", NULL, NULL,
		 &r);
	guest_prepare = NULL;
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
		snprintf(json, sizeof json,
			 "{" SELF_STATUS ", \"user\": {\"uid\": 1000, "
			 "\"gid\": 1000}, \"capabilities\": {%s%s}}",
			 sets, ambient ? ", \"ambient\": [\"CAP_KILL\"]" : "");
		run_spec(json, NULL, NULL, &r);
		must_run(&r);
		must_say(&r, "CapInh:\t0000000000000020\n");
		must_say(&r, "CapBnd:\t0000000000002021\n");
		must_say(&r,
			 ambient ? "CapAmb:\t0000000000000020\n" : "CapAmb:\t0000000000000000\n");
		must_say(&r,
			 ambient ? "CapEff:\t0000000000000020\n" : "CapEff:\t0000000000000000\n");
		must_say(&r,
			 ambient ? "CapPrm:\t0000000000000020\n" : "CapPrm:\t0000000000000000\n");
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
		 "\"cwd\": \"/\", " USER "}",
		 NULL, &o, &r);
	if (r.status == 0 && r.walk == 0)
		must_say(&r, "secure-noroot: yes (locked)");
}

/* R41: without no_new_privs the filter needs CAP_SYS_ADMIN, which must not survive. */
static void filter_without_no_new_privs(void **state)
{
	static const char *const narrow =
		"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"action\": "
		"\"SCMP_ACT_ERRNO\","
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

			snprintf(json, sizeof json,
				 "{" SELF_STATUS ", \"noNewPrivileges\": %s, "
				 "\"user\": {\"uid\": %s, \"gid\": 0}, \"capabilities\": "
				 "{\"bounding\": [\"CAP_KILL\"]}}",
				 nnp ? "true" : "false", users[i]);
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
	run_spec("{\"args\": [\"cat\", \"/proc/self/limits\"], \"cwd\": \"/\", \"env\": "
		 "[\"HOME=/\"]," USER
		 ", \"rlimits\": [" LIMIT("RLIMIT_NOFILE", "61", "62") ", " LIMIT(
			 "RLIMIT_CORE", "0", "5") ", " LIMIT("RLIMIT_FSIZE", "1000000",
							     "18446744073709551615.0") "]}",
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
	run_spec("{\"args\": [\"sh\", \"-c\", \"chrt -p $$; nice; ionice\"], \"cwd\": \"/\", " USER
		 ","
		 "\"scheduler\": {\"policy\": \"SCHED_BATCH\", \"nice\": 7},"
		 "\"ioPriority\": {\"class\": \"IOPRIO_CLASS_BE\", \"priority\": 6}}",
		 NULL, NULL, &r);
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
	snprintf(json, sizeof json,
		 "{\"args\": [\"true\"], \"cwd\": \"/\", " USER
		 ", \"rlimits\": [" LIMIT("RLIMIT_NOFILE", "5", "%llu") "]}",
		 (unsigned long long)limit.rlim_max + 1);
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

#define LIST_FDS                                                                                   \
	"\"args\": [\"/bin/ls\", \"/proc/self/fd\"], \"cwd\": \"/\", \"env\": [\"HOME=/\"], " USER

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
	};

	if (guest_run_begin() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
