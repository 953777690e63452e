/*
 * test_process.c - /process: what is refused and where, and the plan it becomes. What the plan
 * does is in test_process_plan.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <sys/resource.h>

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

#define USER	   "\"user\": {\"uid\": 0, \"gid\": 0}"
#define WITH(more) "{\"args\": [\"sh\"], \"cwd\": \"/\", " USER more "}"

/* --- parsing ---------------------------------------------------------------- */

static void refuses(void **state)
{
	static const struct {
		const char *json, *where, *words;
	} cases[] = {
		{ "1", "/process", "object" },
		{ "{}", "/process/args", "required" },
		{ "{\"args\": []}", "/process/args", "at least the command" },
		{ "{\"args\": \"sh\"}", "/process/args", "array" },
		{ "{\"args\": [\"sh\", 1]}", "/process/args/1", "string" },
		{ "{\"args\": [\"\"]}", "/process/args/0", "empty" },
		{ "{\"args\": [\"sh\"]}", "/process/cwd", "required" },
		{ "{\"args\": [\"sh\"], \"cwd\": 1}", "/process/cwd", "string" },
		{ "{\"args\": [\"sh\"], \"cwd\": \"\"}", "/process/cwd", "absolute" },
		{ "{\"args\": [\"sh\"], \"cwd\": \"a\"}", "/process/cwd", "absolute" },
		{ "{\"args\": [\"sh\"], \"cwd\": \"/\"}", "/process/user", "required" },
		{ "{\"args\": [\"sh\"], \"cwd\": \"/\", \"user\": {}}", "/process/user/uid",
		  "required" },
		{ "{\"args\": [\"sh\"], \"cwd\": \"/\", \"user\": {\"uid\": 0}}",
		  "/process/user/gid", "required" },
#define UID(uid, more)                                                                             \
	"{\"args\": [\"sh\"], \"cwd\": \"/\", \"user\": {\"gid\": 0, \"uid\": " uid more "}}"
		{ UID("-1", ""), "/process/user/uid", "range" },
		{ UID("4294967296", ""), "/process/user/uid", "range" },
		{ UID("4294967295", ""), "/process/user/uid", "-1" },
		{ UID("1e3", ""), "/process/user/uid", "integer" },
		{ UID("1.0", ""), "/process/user/uid", "integer" },
		{ UID("\"0\"", ""), "/process/user/uid", "integer" },
		{ UID("null", ""), "/process/user/uid", "null" },
		{ UID("true", ""), "/process/user/uid", "integer" },
		{ UID("0", ", \"umask\": 512"), "/process/user/umask", "range" },
		{ UID("0", ", \"umask\": \"022\""), "/process/user/umask", "integer" },
		{ UID("0", ", \"additionalGids\": 1"), "/process/user/additionalGids", "array" },
		{ UID("0", ", \"additionalGids\": [1, -1]"), "/process/user/additionalGids/1",
		  "range" },
		{ UID("0", ", \"additionalGids\": [4294967295]"), "/process/user/additionalGids/0",
		  "range" },
		{ UID("0", ", \"additionalGids\": [1.5]"), "/process/user/additionalGids/0",
		  "integer" },
		{ WITH(", \"env\": {}"), "/process/env", "array" },
		{ WITH(", \"env\": [\"A=1\", \"B\"]"), "/process/env/1", "no '='" },
		{ WITH(", \"env\": [\"=1\"]"), "/process/env/0", "no name" },
		{ WITH(", \"terminal\": 1"), "/process/terminal", "true or false" },
		{ WITH(", \"noNewPrivileges\": \"yes\""), "/process/noNewPrivileges",
		  "true or false" },
		{ WITH(", \"oomScoreAdj\": 1001"), "/process/oomScoreAdj", "range" },
		{ WITH(", \"oomScoreAdj\": -1001"), "/process/oomScoreAdj", "range" },
		{ WITH(", \"consoleSize\": {\"height\": 1}"), "/process/consoleSize/width",
		  "required" },
		{ WITH(", \"consoleSize\": {\"height\": 65536, \"width\": 1}"),
		  "/process/consoleSize/height", "range" },
		{ WITH(", \"capabilities\": []"), "/process/capabilities", "object" },
		{ WITH(", \"capabilities\": {\"bounding\": {}}"), "/process/capabilities/bounding",
		  "array" },
		{ WITH(", \"rlimits\": {}"), "/process/rlimits", "array" },
		{ WITH(", \"rlimits\": [1]"), "/process/rlimits/0", "object" },
		{ WITH(", \"rlimits\": [{}]"), "/process/rlimits/0/type", "required" },
#define LIMIT(type, soft, hard) "{\"type\": \"" type "\", \"soft\": " soft ", \"hard\": " hard "}"
		{ WITH(", \"rlimits\": [" LIMIT("RLIMIT_FUN", "1", "1") "]"),
		  "/process/rlimits/0/type", "no such limit" },
		{ WITH(", \"rlimits\": [" LIMIT("NOFILE", "1", "1") "]"), "/process/rlimits/0/type",
		  "no such limit" },
		{ WITH(", \"rlimits\": [" LIMIT("RLIMIT_CORE", "0", "0") ", " LIMIT("RLIMIT_CORE",
										    "0", "0") "]"),
		  "/process/rlimits/1/type", "twice" },
		{ WITH(", \"rlimits\": [" LIMIT("RLIMIT_CORE", "-1", "1") "]"),
		  "/process/rlimits/0/soft", "range" },
		{ WITH(", \"rlimits\": [" LIMIT("RLIMIT_CORE", "0", "1.5") "]"),
		  "/process/rlimits/0/hard", "integer" },
		{ WITH(", \"rlimits\": [" LIMIT("RLIMIT_CORE", "2", "1") "]"), "/process/rlimits/0/soft",
		  "above" },
		{ WITH(", \"rlimits\": [{\"type\": \"RLIMIT_CORE\", \"hard\": 1}]"),
		  "/process/rlimits/0/soft", "required" },
		{ WITH(", \"scheduler\": {}"), "/process/scheduler/policy", "required" },
		{ WITH(", \"scheduler\": {\"policy\": \"OTHER\"}"), "/process/scheduler/policy",
		  "unknown" },
		{ WITH(", \"scheduler\": {\"policy\": \"SCHED_OTHER\", \"nice\": 20}"),
		  "/process/scheduler/nice", "range" },
		{ WITH(", \"scheduler\": {\"policy\": \"SCHED_OTHER\", \"flags\": [\"X\"]}"),
		  "/process/scheduler/flags/0", "unknown" },
		{ WITH(", \"scheduler\": {\"policy\": \"SCHED_OTHER\", \"runtime\": -1}"),
		  "/process/scheduler/runtime", "range" },
		{ WITH(", \"ioPriority\": {\"class\": \"BE\"}"), "/process/ioPriority/class",
		  "unknown" },
		{ WITH(", \"ioPriority\": {\"class\": \"IOPRIO_CLASS_BE\", \"priority\": 8}"),
		  "/process/ioPriority/priority", "range" },
		{ WITH(", \"apparmorProfile\": \"a\\nb\""), "/process/apparmorProfile", "control" },
		{ WITH(", \"selinuxLabel\": 1"), "/process/selinuxLabel", "string" },
		{ WITH(", \"execCPUAffinity\": {\"initial\": \"3-1\"}"),
		  "/process/execCPUAffinity/initial", "no list of CPUs" },
		{ WITH(", \"execCPUAffinity\": {\"final\": 1}"), "/process/execCPUAffinity/final",
		  "string" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct process_spec s = { .uid = 77 };
		struct err e;
		char line[1000];
		int r = parse(cases[i].json, &s, &e);

		err_format(&e, line, sizeof line);
		if (r != -EINVAL || strcmp(e.where, cases[i].where) ||
		    !strstr(line, cases[i].words))
			fail_msg("%s\n gave %d at \"%s\": %s", cases[i].json, r, e.where, line);
		assert_int_equal(s.uid, 77); /* untouched on failure */
	}
}

static void refuses_what_is_too_long(void **state)
{
	_cleanup_json_ json_t *j = json_loads(WITH(""), 0, NULL);
	_cleanup_free_ char *text = malloc(PROCESS_STRING_MAX + 1);
	struct json_at at = { "/process" };
	struct process_spec s;
	struct err e = ERR_INIT;

	(void)state;
	memset(text, 'a', PROCESS_STRING_MAX);
	text[PROCESS_STRING_MAX] = '\0';
	json_array_append_new(json_object_get(j, "args"), json_string(text + 1));
	assert_int_equal(process_parse(j, &at, &arena, &s, &e), 0);
	json_array_append_new(json_object_get(j, "args"), json_string(text));
	assert_int_equal(process_parse(j, &at, &arena, &s, &e), -EINVAL);
	assert_string_equal(e.where, "/process/args/2");
	json_array_clear(json_object_get(j, "args"));
	for (int i = 0; i <= PROCESS_STRINGS_MAX; i++)
		json_array_append_new(json_object_get(j, "args"), json_string("a"));
	assert_int_equal(process_parse(j, &at, &arena, &s, &e), -EINVAL);
	assert_string_equal(e.where, "/process/args");
}

static void parses_everything(void **state)
{
	struct process_spec s;

	(void)state;
	must_parse(
		"{\"args\": [\"a\", \"\"], \"cwd\": \"/x\", \"terminal\": true,"
		"\"consoleSize\": {\"height\": 24, \"width\": 80},"
		"\"user\": {\"uid\": 4294967294, \"gid\": 5, \"umask\": 63,"
		"           \"additionalGids\": [7, 0], \"username\": \"x\"},"
		"\"env\": [\"A=1\", \"B=\", \"A=2=3\", \"C=\"], \"noNewPrivileges\": true,"
		"\"oomScoreAdj\": -5, \"capabilities\": {\"bounding\": [\"CAP_KILL\", \"CAP_X\"]},"
		"\"rlimits\": [{\"type\": \"RLIMIT_NOFILE\", \"soft\": 9223372036854775807,"
		"               \"hard\": 18446744073709551615.0}],"
		"\"scheduler\": {\"policy\": \"SCHED_BATCH\", \"nice\": 5,"
		"                \"flags\": [\"SCHED_FLAG_RESET_ON_FORK\"]},"
		"\"ioPriority\": {\"class\": \"IOPRIO_CLASS_IDLE\", \"priority\": 1},"
		"\"apparmorProfile\": \"\", \"selinuxLabel\": \"\", \"execCPUAffinity\": {},"
		"\"unknownKey\": [1]}",
		&s);
	assert_int_equal(s.arg_count, 2);
	assert_string_equal(s.args[1], "");
	assert_null(s.args[2]);
	assert_true(s.terminal && s.no_new_privs && s.has_umask && s.has_oom_score_adj);
	assert_int_equal(s.rows, 24);
	assert_int_equal(s.cols, 80);
	assert_true(s.uid == 4294967294);
	assert_int_equal(s.gid, 5);
	assert_int_equal(s.umask, 077);
	assert_int_equal(s.gid_count, 2);
	assert_int_equal(s.gids[0], 7);
	/* The last A won, and stands where it stood. */
	assert_int_equal(s.env_count, 3);
	assert_string_equal(s.env[0], "B=");
	assert_string_equal(s.env[1], "A=2=3");
	assert_string_equal(s.env[2], "C=");
	assert_null(s.env[3]);
	assert_int_equal(s.oom_score_adj, -5);
	assert_int_equal(s.caps.bounding, 1 << 5);
	assert_int_equal(s.unknown_caps.count, 1);
	assert_int_equal(s.rlimits[0].resource, RLIMIT_NOFILE);
	assert_true(s.rlimits[0].soft == INT64_MAX && s.rlimits[0].hard == UINT64_MAX);
	assert_int_equal(s.scheduler.policy, SCHED_BATCH);
	assert_int_equal(s.scheduler.nice, 5);
	assert_int_equal(s.scheduler.flags, 1);
	assert_int_equal(s.io_class, 3);
	assert_int_equal(s.io_priority, 1);
	must_parse(WITH(""), &s);
	assert_false(s.has_caps || s.has_umask || s.has_scheduler || s.has_oom_score_adj);
	assert_non_null(s.env);
	assert_null(s.env[0]);
}

/* --- the plan --------------------------------------------------------------- */

static char *show_plan(const struct plan *p)
{
	static char text[8192];
	struct buf b = BUF_ON(text);

	buf_reset(&b);
	for (int i = 0; i < p->count; i++) {
		buf_addf(&b, "%c %s ", p->steps[i].side == SIDE_HOST ? 'H' : 'G', p->steps[i].why);
		plan_show_step(&b, p, i);
		buf_add_char(&b, '\n');
	}
	assert_false(buf_truncated(&b));
	return text;
}

static void build(struct plan *p, const struct process_spec *s, const struct seccomp_filter *f,
		  const struct process_exec_options *o)
{
	struct err e = ERR_INIT;

	plan_init(p, &arena);
	process_plan_host(p, s);
	process_plan_early_limits(p, s);
	process_plan_cwd(p, s, -1);
	process_plan_limits(p, s);
	process_plan_leave(p, s, f, o, process_plan_become(p, s, f, o));
	assert_int_equal(plan_check(p, &e), 0);
}

static const char rich[] =
	"{\"args\": [\"sh\", \"-c\", \"id\"], \"cwd\": \"/work\", \"env\": [\"PATH=/bin\"],"
	"\"user\": {\"uid\": 1000, \"gid\": 100, \"umask\": 63, \"additionalGids\": [5, 6]},"
	"\"capabilities\": {\"bounding\": [\"CAP_KILL\"], \"permitted\": [\"CAP_KILL\"],"
	"\"effective\": [\"CAP_KILL\"]}, \"noNewPrivileges\": true, \"oomScoreAdj\": 100,"
	"\"scheduler\": {\"policy\": \"SCHED_OTHER\", \"nice\": 5},"
	"\"ioPriority\": {\"class\": \"IOPRIO_CLASS_BE\", \"priority\": 7},"
	"\"rlimits\": [{\"type\": \"RLIMIT_NOFILE\", \"soft\": 64, \"hard\": 128}]}";

static void golden_plan(void **state)
{
	struct seccomp_filter filter = { .count = 9 };
	struct process_exec_options o = { .preserve_fds = 2 };
	struct process_spec s;
	struct plan p;

	(void)state;
	must_parse(rich, &s);
	build(&p, &s, &filter, &o);
	assert_string_equal(
		show_plan(&p),
		"H /process/oomScoreAdj write(<guest /proc>/oom_score_adj, \"100\")\n"
		"G /process/cwd make_cwd(\"/work\", 0755)\n"
		"H /process/rlimits/0 prlimit64(<guest pid>, RLIMIT_NOFILE, "
		"{rlim_cur=64, rlim_max=128})\n"
		"H /process/scheduler sched_setattr(<guest pid>, {policy=SCHED_OTHER, flags=0, "
		"nice=5, priority=0, runtime=0, deadline=0, period=0})\n"
		"H /process/ioPriority ioprio_set(IOPRIO_WHO_PROCESS, <guest pid>, "
		"IOPRIO_CLASS_BE:7)\n"
		"G /process/user/umask umask(0077)\n"
		"G /process/capabilities/bounding prctl(PR_CAPBSET_DROP, each but CAP_KILL)\n"
		"G /process/capabilities prctl(PR_SET_KEEPCAPS, 1)\n"
		"G /process/user/additionalGids setgroups(2, [5, 6])\n"
		"G /process/user/gid setresgid(100, 100, 100)\n"
		"G /process/cwd enter_cwd(\"/work\")\n"
		"G /process/user/uid setresuid(1000, 1000, 1000)\n"
		"G /process/user/uid prctl(PR_SET_DUMPABLE, 0)\n"
		"G /process/capabilities capset(effective=CAP_KILL, permitted=CAP_KILL, "
		"inheritable=0)\n"
		"G /process/capabilities/ambient prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)\n"
		"G /process/noNewPrivileges prctl(PR_SET_NO_NEW_PRIVS, 1)\n"
		"G /process/env find_home(\"/etc/passwd\", uid=1000)\n"
		"G /process/args/0 find_executable(\"sh\", PATH=\"/bin\")\n"
		"G /process sigaction(each that is ignored, SIG_DFL); sigprocmask(SIG_SETMASK, [])\n"
		"G /process fcntl(3 to 4, F_SETFD, 0)\n"
		"G /process close_range(5, ~0, 0) but the sync socket\n"
		"G /linux/seccomp seccomp(SECCOMP_SET_MODE_FILTER, 0, {len=9})\n"
		"G /process/args execve(<executable>, [\"sh\", \"-c\", \"id\"], [2 variables])\n");
}

/* Root, nothing asked for: no keepcaps, no fds kept, HOME given. */
static void golden_plan_small(void **state)
{
	struct process_exec_options o = { .has_user_namespace = true, .lock_securebits = true };
	struct process_spec s;
	struct plan p;

	(void)state;
	must_parse(WITH(", \"env\": [\"HOME=/x\"]"), &s);
	build(&p, &s, NULL, &o);
	assert_string_equal(
		show_plan(&p),
		"G /process/user/umask umask(0022)\n"
		"G /process/capabilities/bounding prctl(PR_CAPBSET_DROP, each but 0)\n"
		"G /process/capabilities prctl(PR_SET_SECUREBITS, SECBIT_NOROOT|"
		"SECBIT_NOROOT_LOCKED|SECBIT_NO_SETUID_FIXUP|SECBIT_NO_SETUID_FIXUP_LOCKED|"
		"SECBIT_KEEP_CAPS_LOCKED|SECBIT_NO_CAP_AMBIENT_RAISE|"
		"SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)\n"
		"G /process/user/additionalGids setgroups(0, [])\n"
		"G /process/user/gid setresgid(0, 0, 0)\n"
		"G /process/cwd enter_cwd(\"/\")\n"
		"G /process/user/uid setresuid(0, 0, 0)\n"
		"G /process/user/uid prctl(PR_SET_DUMPABLE, 0)\n"
		"G /process/capabilities capset(effective=0, permitted=0, inheritable=0)\n"
		"G /process/capabilities/ambient prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)\n"
		"G /process/args/0 find_executable(\"sh\", PATH=\"/usr/bin:/bin\")\n"
		"G /process sigaction(each that is ignored, SIG_DFL); sigprocmask(SIG_SETMASK, [])\n"
		"G /process close_range(3, ~0, 0) but the sync socket\n"
		"G /process/args execve(<executable>, [\"sh\"], [1 variables])\n");
	for (int i = 0; i < p.count; i++) {
		bool groups = p.steps[i].op == &op_setgroups;

		assert_int_equal(p.steps[i].on_errno_count, groups ? 1 : 0);
	}
}

/* Whatever a shell could do as well has a line that a shell at least parses. */
static void by_hand_lines_parse(void **state)
{
	struct seccomp_filter filter = { .count = 9 };
	struct process_exec_options o = { .preserve_fds = 2 };
	struct process_spec s;
	struct plan p;

	(void)state;
	must_parse(rich, &s);
	s.args[2] = "echo 'a b' > \"$x\"";
	build(&p, &s, &filter, &o);
	for (int i = 0; i < p.count; i++) {
		char line[2048], command[4096];
		struct buf b = BUF_ON(line), c = BUF_ON(command);

		if (!p.steps[i].op->by_hand)
			continue;
		buf_reset(&b);
		buf_reset(&c);
		p.steps[i].op->by_hand(&b, &p, p.steps[i].args);
		assert_false(buf_truncated(&b));
		buf_add(&c, "sh -n -c ");
		buf_add_shell(&c, line);
		if (system(command) != 0)
			fail_msg("not shell: %s", line);
	}
}

static void securebits_want_no_capabilities(void **state)
{
	struct process_exec_options o = { .lock_securebits = true };
	struct process_spec s;
	struct plan p;

	(void)state;
	must_parse(rich, &s);
	plan_init(&p, &arena);
	process_plan_leave(&p, &s, NULL, &o, process_plan_become(&p, &s, NULL, &o));
	assert_true(plan_check(&p, NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(refuses, clean),
		cmocka_unit_test_teardown(refuses_what_is_too_long, clean),
		cmocka_unit_test_teardown(parses_everything, clean),
		cmocka_unit_test_teardown(golden_plan, clean),
		cmocka_unit_test_teardown(golden_plan_small, clean),
		cmocka_unit_test_teardown(by_hand_lines_parse, clean),
		cmocka_unit_test_teardown(securebits_want_no_capabilities, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
