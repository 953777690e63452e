/*
 * test_seccomp.c - profiles: what is refused, and the compiled program against a direct
 * evaluation of the profile's rules, for every number, ABI and a set of arguments.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <linux/audit.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/engine.h"
#include "runtime/seccomp.h"
#include "tests/lib/bpf_vm.h"

#define X32_BIT	     0x40000000
#define SIM(f, data) bpf_vm_run((f)->code, (f)->count, data, NULL)

static struct arena arena;

static int clean(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static int parse(const char *text, struct seccomp_filter *f, struct err *e)
{
	struct json_at at = { "/linux/seccomp" };
	_cleanup_json_ json_t *j = NULL;

	*e = (struct err)ERR_INIT;
	assert_int_equal(json_parse_strict(text, strlen(text), "test", &j, e), 0);
	return seccomp_parse(j, &at, &arena, f, e);
}

static void must_parse(const char *text, struct seccomp_filter *f)
{
	struct err e;

	if (parse(text, f, &e) < 0) {
		char line[1000];

		err_format(&e, line, sizeof line);
		fail_msg("%s", line);
	}
}

#define ALLOW_EXEC   "{\"names\": [\"execve\"], \"action\": \"SCMP_ACT_ALLOW\"}"
#define ERRNO(more)  "{\"defaultAction\": \"SCMP_ACT_ERRNO\"" more "}"
#define RULES(rules) ERRNO(", \"syscalls\": [" ALLOW_EXEC ", " rules "]")

static void refuses(void **state)
{
	static const struct {
		const char *json, *where, *words;
	} cases[] = {
		{ "[]", "/linux/seccomp", "must be an object" },
		{ "{}", "/linux/seccomp/defaultAction", "is required" },
		{ "{\"defaultAction\": 1}", "/linux/seccomp/defaultAction", "string" },
		{ "{\"defaultAction\": \"ALLOW\"}", "/linux/seccomp/defaultAction", "unknown" },
		{ "{\"defaultAction\": \"SCMP_ACT_NOTIFY\"}", "/linux/seccomp/listenerPath",
		  "is required by SCMP_ACT_NOTIFY" },
		{ ERRNO(", \"defaultErrnoRet\": -1"), "/linux/seccomp/defaultErrnoRet", "range" },
		{ ERRNO(", \"defaultErrnoRet\": 4096"), "/linux/seccomp/defaultErrnoRet", "range" },
		{ "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"defaultErrnoRet\": 1}",
		  "/linux/seccomp/defaultErrnoRet", "only SCMP_ACT_ERRNO" },
		{ ERRNO(", \"flags\": [\"X\"]"), "/linux/seccomp/flags/0", "unknown" },
		{ ERRNO(", \"architectures\": [\"SCMP_ARCH_NATIVE\", \"x86_64\"]"),
		  "/linux/seccomp/architectures/1", "unknown architecture" },
		{ ERRNO(", \"architectures\": [\"SCMP_ARCH_NATIVEX\"]"),
		  "/linux/seccomp/architectures/0", "unknown architecture" },
		{ RULES("{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\"}], "
			"\"listenerPath\": \"x\", \"flags\": ["),
		  "/linux/seccomp/listenerPath", "absolute" },
		{ RULES("{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\"}], "
			"\"listenerMetadata\": \"x\", \"flags\": ["),
		  "/linux/seccomp/listenerMetadata", "listenerPath" },
		{ ERRNO(", \"syscalls\": {}"), "/linux/seccomp/syscalls", "array" },
		{ ERRNO(", \"syscalls\": [1]"), "/linux/seccomp/syscalls/0", "object" },
		{ RULES("{\"action\": \"SCMP_ACT_ALLOW\"}"), "/linux/seccomp/syscalls/1/names",
		  "required" },
		{ RULES("{\"names\": [], \"action\": \"SCMP_ACT_ALLOW\"}"),
		  "/linux/seccomp/syscalls/1/names", "at least one" },
		{ RULES("{\"names\": [\"read\"]}"), "/linux/seccomp/syscalls/1/action",
		  "required" },
		{ RULES("{\"names\": [\"read\"], \"action\": \"SCMP_ACT_NOTIFY\"}"),
		  "/linux/seccomp/listenerPath", "required" },
		{ RULES("{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"errnoRet\": 1}"),
		  "/linux/seccomp/syscalls/1/errnoRet", "only SCMP_ACT_ERRNO" },
		{ RULES("{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": [{}]}"),
		  "/linux/seccomp/syscalls/1/args/0/index", "required" },
		{ RULES("{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\","
			"\"args\": [{\"index\": 6, \"value\": 0, \"op\": \"SCMP_CMP_EQ\"}]}"),
		  "/linux/seccomp/syscalls/1/args/0/index", "range" },
		{ RULES("{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\","
			"\"args\": [{\"index\": 0, \"value\": -1, \"op\": \"SCMP_CMP_EQ\"}]}"),
		  "/linux/seccomp/syscalls/1/args/0/value", "range" },
		{ RULES("{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\","
			"\"args\": [{\"index\": 0, \"value\": 1.5, \"op\": \"SCMP_CMP_EQ\"}]}"),
		  "/linux/seccomp/syscalls/1/args/0/value", "integer" },
		{ RULES("{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\","
			"\"args\": [{\"index\": 0, \"value\": 1, \"op\": \"EQ\"}]}"),
		  "/linux/seccomp/syscalls/1/args/0/op", "unknown" },
		{ RULES("{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\":"
			"[{\"index\": 0, \"value\": 1, \"valueTwo\": 2, \"op\": "
			"\"SCMP_CMP_EQ\"}]}"),
		  "/linux/seccomp/syscalls/1/args/0/valueTwo", "MASKED_EQ" },
		/* a denial that would be without effect */
		{ RULES("{\"names\": [\"socket\"], \"action\": \"SCMP_ACT_ALLOW\"},"
			"{\"names\": [\"socket\"], \"action\": \"SCMP_ACT_KILL\","
			"\"args\": [{\"index\": 0, \"value\": 38, \"op\": \"SCMP_CMP_EQ\"}]}"),
		  "/linux/seccomp/syscalls/2", "no effect" },
		{ RULES("{\"names\": [\"socket\"], \"action\": \"SCMP_ACT_ALLOW\"},"
			"{\"names\": [\"socket\"], \"action\": \"SCMP_ACT_ERRNO\","
			"\"args\": [{\"index\": 0, \"value\": 38, \"op\": \"SCMP_CMP_EQ\"}]}"),
		  "/linux/seccomp/syscalls/2", "no effect" },
		/* nothing could be started */
		{ ERRNO(""), "/linux/seccomp", "never allows execve" },
		{ "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": ["
		  "{\"names\": [\"execve\"], \"action\": \"SCMP_ACT_KILL\"}]}",
		  "/linux/seccomp", "never allows execve" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct seccomp_filter f = { .count = 77 };
		struct err e;
		char line[1000];
		int r = parse(cases[i].json, &f, &e);

		err_format(&e, line, sizeof line);
		if (r != -EINVAL || strcmp(e.where, cases[i].where) ||
		    !strstr(line, cases[i].words))
			fail_msg("%s\n gave %d at \"%s\": %s", cases[i].json, r, e.where, line);
		assert_int_equal(f.count, 77);
	}
}

/* --- the compiled program --------------------------------------------------- */

/* A direct reading of one rule, written down by hand here a second time. */
struct expectation {
	int nr; /* -1: ends the table */
	uint64_t args[3];
	uint32_t result;
};

#define ALLOWED	      SECCOMP_RET_ALLOW
#define FAILS(errno_) (SECCOMP_RET_ERRNO | (errno_))

/* Small, but with every kind of rule that docker's default profile has. */
static const char docker_like[] =
	"{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": 1,"
	"\"architectures\": [\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_X86\", \"SCMP_ARCH_X32\","
	"  \"SCMP_ARCH_AARCH64\", \"SCMP_ARCH_LOONGARCH64\"],"
	"\"syscalls\": ["
	"{\"names\": [\"read\", \"write\", \"exit_group\", \"execve\", \"close\", \"chown32\","
	"  \"no_such_call\", \"fchmodat2\"], \"action\": \"SCMP_ACT_ALLOW\"},"
	"{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\"},"
	"{\"names\": [\"personality\"], \"action\": \"SCMP_ACT_ALLOW\","
	"  \"args\": [{\"index\": 0, \"value\": 0, \"op\": \"SCMP_CMP_EQ\"}]},"
	"{\"names\": [\"personality\"], \"action\": \"SCMP_ACT_ALLOW\","
	"  \"args\": [{\"index\": 0, \"value\": 4294967295, \"op\": \"SCMP_CMP_EQ\"}]},"
	"{\"names\": [\"clone\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\":"
	"  [{\"index\": 0, \"value\": 2114060288, \"valueTwo\": 0,"
	"    \"op\": \"SCMP_CMP_MASKED_EQ\"}]},"
	"{\"names\": [\"clone3\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 38},"
	"{\"names\": [\"socket\"], \"action\": \"SCMP_ACT_ALLOW\","
	"  \"args\": [{\"index\": 0, \"value\": 40, \"op\": \"SCMP_CMP_NE\"}]},"
	"{\"names\": [\"lseek\"], \"action\": \"SCMP_ACT_TRAP\", \"args\": ["
	"  {\"index\": 0, \"value\": 5, \"op\": \"SCMP_CMP_GE\"},"
	"  {\"index\": 1, \"value\": 4294967296, \"op\": \"SCMP_CMP_LT\"}]},"
	"{\"names\": [\"dup2\"], \"action\": \"SCMP_ACT_LOG\", \"args\": ["
	"  {\"index\": 1, \"value\": 3, \"op\": \"SCMP_CMP_LE\"},"
	"  {\"index\": 1, \"value\": 9, \"op\": \"SCMP_CMP_GT\"}]},"
	"{\"names\": [\"ptrace\"], \"action\": \"SCMP_ACT_KILL_PROCESS\"},"
	"{\"names\": [\"mount\"], \"action\": \"SCMP_ACT_KILL\"},"
	"{\"names\": [\"reboot\"], \"action\": \"SCMP_ACT_TRACE\", \"errnoRet\": 7}"
	"]}";

static const struct expectation docker_expects[] = {
	{ SYS_read, { 0 }, ALLOWED },
	{ SYS_execve, { 0 }, ALLOWED },
	{ 452, { 0 }, ALLOWED }, /* fchmodat2, which libseccomp 2.5 does not know */
	{ SYS_chown, { 0 }, FAILS(EPERM) },
	{ SYS_personality, { 0 }, ALLOWED },
	{ SYS_personality, { 0xffffffff }, ALLOWED },
	{ SYS_personality, { 1 }, FAILS(EPERM) },
	{ SYS_personality, { 0x100000000 }, FAILS(EPERM) }, /* all 64 bits are compared */
	{ SYS_personality, { 0xffffffffffffffff }, FAILS(EPERM) },
	{ SYS_clone, { 17 }, ALLOWED },
	{ SYS_clone, { 0x10000000 | 17 }, FAILS(EPERM) },
	{ SYS_clone, { 0x110000011 }, FAILS(EPERM) },
	{ SYS_clone, { 0x100000011 }, ALLOWED }, /* the mask is 32 bits wide */
	{ SYS_clone, { 0x02000000 }, FAILS(EPERM) },
	{ SYS_clone, { 0x01000000 }, ALLOWED },
	{ SYS_clone3, { 0 }, FAILS(ENOSYS) },
	{ SYS_socket, { 1 }, ALLOWED },
	{ SYS_socket, { 40 }, FAILS(EPERM) },
	{ SYS_socket, { 0x100000028 }, ALLOWED }, /* as written: NE compares 64 bits */
	{ SYS_lseek, { 5, 0 }, SECCOMP_RET_TRAP },
	{ SYS_lseek, { 4, 0 }, FAILS(EPERM) },
	{ SYS_lseek, { 0x100000000, 0 }, SECCOMP_RET_TRAP },
	{ SYS_lseek, { 5, 0xffffffff }, SECCOMP_RET_TRAP },
	{ SYS_lseek, { 5, 0x100000000 }, FAILS(EPERM) },
	{ SYS_lseek, { 5, 0x200000000 }, FAILS(EPERM) },
	{ SYS_dup2, { 0, 3 }, SECCOMP_RET_LOG }, /* two conditions on one argument: either */
	{ SYS_dup2, { 0, 4 }, FAILS(EPERM) },
	{ SYS_dup2, { 0, 9 }, FAILS(EPERM) },
	{ SYS_dup2, { 0, 10 }, SECCOMP_RET_LOG },
	{ SYS_dup2, { 0, 0x100000000 }, SECCOMP_RET_LOG },
	{ SYS_ptrace, { 0 }, SECCOMP_RET_KILL_PROCESS },
	{ SYS_mount, { 0 }, SECCOMP_RET_KILL_THREAD },
	{ SYS_reboot, { 0 }, SECCOMP_RET_TRACE | 7 },
	{ SYS_bpf, { 0 }, FAILS(EPERM) },
	/* Newer than fchmodat2, the newest call the profile names. */
	{ 453, { 0 }, FAILS(ENOSYS) },
	{ 600, { 0 }, FAILS(ENOSYS) },
	{ -1, { 0 }, 0 },
};

static uint32_t simulate(const struct seccomp_filter *f, uint32_t arch, int nr,
			 const uint64_t args[3])
{
	struct seccomp_data d = { .nr = nr, .arch = arch };

	memcpy(d.args, args, 3 * sizeof *args);
	return SIM(f, &d);
}

static void skip_elsewhere(void)
{
#if !defined(__x86_64__)
	skip(); /* the tables below are of x86_64 */
#endif
}

static void program_means_the_profile(void **state)
{
	struct seccomp_filter f;

	(void)state;
	skip_elsewhere();
	must_parse(docker_like, &f);
	for (const struct expectation *x = docker_expects; x->nr >= 0; x++) {
		uint32_t got = simulate(&f, AUDIT_ARCH_X86_64, x->nr, x->args);

		if (got != x->result)
			fail_msg("nr %d (%#lx, %#lx): %#x instead of %#x", x->nr, (long)x->args[0],
				 (long)x->args[1], got, x->result);
	}
	assert_int_equal(f.skipped_count, 1);
	assert_string_equal(f.skipped[0], "no_such_call");
}

/* Every number outside of the table is refused, in each of the three ABIs and in others killed. */
static void program_covers_every_number_and_abi(void **state)
{
	static const uint64_t none[3];
	struct seccomp_filter f;

	(void)state;
	skip_elsewhere();
	must_parse(docker_like, &f);
	for (int nr = 0; nr <= 600; nr++) {
		bool listed = false;

		for (const struct expectation *x = docker_expects; x->nr >= 0; x++)
			listed |= x->nr == nr;
		listed |= nr == SYS_write || nr == SYS_exit_group || nr == SYS_close;
		if (!listed)
			assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, nr, none),
					 nr > 452 ? FAILS(ENOSYS) : FAILS(EPERM));
		assert_int_equal(simulate(&f, AUDIT_ARCH_AARCH64, nr, none),
				 SECCOMP_RET_KILL_PROCESS);
	}
	/* i386: its own numbers. 3 read, 11 execve, 212 chown32, 21 mount, 26 ptrace. */
	assert_int_equal(simulate(&f, AUDIT_ARCH_I386, 3, none), ALLOWED);
	assert_int_equal(simulate(&f, AUDIT_ARCH_I386, 11, none), ALLOWED);
	assert_int_equal(simulate(&f, AUDIT_ARCH_I386, 212, none), ALLOWED);
	assert_int_equal(simulate(&f, AUDIT_ARCH_I386, 182, none), FAILS(EPERM));
	assert_int_equal(simulate(&f, AUDIT_ARCH_I386, 21, none), SECCOMP_RET_KILL_THREAD);
	assert_int_equal(simulate(&f, AUDIT_ARCH_I386, 26, none), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(simulate(&f, AUDIT_ARCH_I386, 0, none), FAILS(EPERM));
	assert_int_equal(simulate(&f, AUDIT_ARCH_I386, 451, none), FAILS(EPERM));
	assert_int_equal(simulate(&f, AUDIT_ARCH_I386, 453, none), FAILS(ENOSYS));
	/* x32: the same numbers with a bit, and some of its own. */
	assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, X32_BIT | 0, none), ALLOWED);
	assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, X32_BIT | 520, none), ALLOWED);
	assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, X32_BIT | SYS_bpf, none), FAILS(EPERM));
	/* Its own calls are numbered up to 547: newer than fchmodat2 is what is above those named. */
	assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, X32_BIT | 600, none), FAILS(ENOSYS));
	assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, -1, none), FAILS(ENOSYS));
}

/* Each ABI has a newest call of its own; a default that is no errno has none; nor has ALLOW. */
static void newer_calls_are_not_there(void **state)
{
#define NEWEST(action) "{\"defaultAction\": \"" action "\", \"architectures\": [\"SCMP_ARCH_X86\"]," \
	"\"syscalls\": [{\"names\": [\"execve\", \"statx\"], \"action\": \"SCMP_ACT_ALLOW\"}]}"
	static const uint64_t none[3];
	struct seccomp_filter f;

	(void)state;
	skip_elsewhere();
	must_parse(NEWEST("SCMP_ACT_ERRNO"), &f); /* statx: 332, and 383 on i386 */
	assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, 332, none), ALLOWED);
	assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, 331, none), FAILS(EPERM));
	assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, SYS_openat2, none), FAILS(ENOSYS));
	assert_int_equal(simulate(&f, AUDIT_ARCH_I386, 383, none), ALLOWED);
	assert_int_equal(simulate(&f, AUDIT_ARCH_I386, 382, none), FAILS(EPERM));
	assert_int_equal(simulate(&f, AUDIT_ARCH_I386, 384, none), FAILS(ENOSYS));
	/* x32 is not listed: killed, as any other ABI. */
	assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, X32_BIT | 500, none),
			 SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(simulate(&f, AUDIT_ARCH_AARCH64, 500, none), SECCOMP_RET_KILL_PROCESS);
	must_parse(NEWEST("SCMP_ACT_KILL_PROCESS"), &f);
	assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, SYS_openat2, none), SECCOMP_RET_KILL_PROCESS);
	must_parse("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"names\": [\"read\"],"
		   "\"action\": \"SCMP_ACT_ERRNO\"}]}", &f);
	assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, SYS_openat2, none), ALLOWED);
}

static void notify_asks_for_a_listener(void **state)
{
#define AGENT(flags, action) "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"flags\": [" flags "], " \
	"\"listenerPath\": \"/run/agent\", \"listenerMetadata\": \"text\", " \
	"\"syscalls\": [{\"names\": [\"mkdir\"], \"action\": \"" action "\"}]}"
	static const uint64_t none[3];
	struct seccomp_filter f;

	(void)state;
	skip_elsewhere();
	must_parse(AGENT("", "SCMP_ACT_NOTIFY"), &f);
	assert_true(f.notify);
	assert_int_equal(f.flags, SECCOMP_FILTER_FLAG_NEW_LISTENER);
	assert_string_equal(f.listener_path, "/run/agent");
	assert_string_equal(f.listener_metadata, "text");
	assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, SYS_mkdir, none), SECCOMP_RET_USER_NOTIF);
	must_parse(AGENT("\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\", "
			 "\"SECCOMP_FILTER_FLAG_TSYNC\"", "SCMP_ACT_NOTIFY"), &f);
	assert_int_equal(f.flags, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC |
			 SECCOMP_FILTER_FLAG_TSYNC_ESRCH |
			 SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	/* An agent with nothing to answer is not called; the flag is about waiting for one. */
	must_parse(AGENT("\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"", "SCMP_ACT_LOG"), &f);
	assert_false(f.notify);
	assert_int_equal(f.flags, 0);
}

static void unlisted_abi_is_killed(void **state)
{
	static const char *const profiles[] = {
		"{\"defaultAction\": \"SCMP_ACT_ALLOW\"}",
		"{\"defaultAction\": \"SCMP_ACT_ALLOW\","
		"\"architectures\": [\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_S390X\"],"
		"\"syscalls\": [{\"names\": [\"bpf\"], \"action\": \"SCMP_ACT_ERRNO\"}]}",
	};
	static const uint64_t none[3];

	(void)state;
	skip_elsewhere();
	for (int i = 0; i < 2; i++) {
		struct seccomp_filter f;

		must_parse(profiles[i], &f);
		assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, SYS_read, none), ALLOWED);
		assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, SYS_bpf, none),
				 i ? FAILS(EPERM) : ALLOWED);
		assert_int_equal(simulate(&f, AUDIT_ARCH_I386, 3, none), SECCOMP_RET_KILL_PROCESS);
		assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, X32_BIT | SYS_bpf, none),
				 SECCOMP_RET_KILL_PROCESS);
		assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, X32_BIT | SYS_read, none),
				 SECCOMP_RET_KILL_PROCESS);
	}
}

/* As in the profile of podman and buildah: what an earlier entry says stays. */
static void first_unconditional_rule_decides(void **state)
{
	static const uint64_t none[3];
	struct seccomp_filter f;

	(void)state;
	skip_elsewhere();
	must_parse("{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": 38,"
		   "\"architectures\": [\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_X86\"], \"syscalls\": ["
		   "{\"names\": [\"execve\", \"setns\"], \"action\": \"SCMP_ACT_ALLOW\"},"
		   "{\"names\": [\"bpf\", \"setns\"], \"action\": \"SCMP_ACT_ERRNO\","
		   "\"errnoRet\": 1},"
		   "{\"names\": [\"bpf\"], \"action\": \"SCMP_ACT_ALLOW\"}]}",
		   &f);
	assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, SYS_setns, none), ALLOWED);
	assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, SYS_bpf, none), FAILS(EPERM));
	assert_int_equal(simulate(&f, AUDIT_ARCH_I386, 346, none), ALLOWED);
	assert_int_equal(simulate(&f, AUDIT_ARCH_I386, 357, none), FAILS(EPERM));
	assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, SYS_mount, none), FAILS(ENOSYS));
}

/* A deny-list: default ALLOW, a conditional and an unconditional denial. */
static void deny_list_works(void **state)
{
	struct seccomp_filter f;

	(void)state;
	skip_elsewhere();
	must_parse(
		"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"flags\": "
		"[\"SECCOMP_FILTER_FLAG_LOG\", \"SECCOMP_FILTER_FLAG_SPEC_ALLOW\"],"
		"\"syscalls\": ["
		"{\"names\": [\"ioctl\"], \"action\": \"SCMP_ACT_ERRNO\", \"args\": [{\"index\": 1,"
		"\"value\": 4294967295, \"valueTwo\": 21522, \"op\": \"SCMP_CMP_MASKED_EQ\"}]},"
		"{\"names\": [\"bpf\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 0}]}",
		&f);
	assert_int_equal(f.flags, SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	for (uint64_t high = 0; high < 3; high++) {
		uint64_t sti[3] = { 0, high << 32 | 0x5412 }, other[3] = { 0, high << 32 | 0x5413 };

		assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, SYS_ioctl, sti), FAILS(EPERM));
		assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, SYS_ioctl, other), ALLOWED);
	}
	assert_int_equal(simulate(&f, AUDIT_ARCH_X86_64, SYS_bpf, (uint64_t[3]){ 0 }), FAILS(0));
}

/* --- in the kernel ---------------------------------------------------------- */

static void op_loads_the_program(void **state)
{
	struct seccomp_filter f;
	int status;
	pid_t pid;

	(void)state;
	must_parse("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": ["
		   "{\"names\": [\"getppid\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 99}]}",
		   &f);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct op_seccomp_args args = { &f, -1 };
		struct run run = { .report_steps = true };
		struct err e = ERR_INIT;

		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (op_seccomp.act(&run, &args, &e) != 0)
			_exit(1);
		if (syscall(SYS_getppid) != -1 || errno != 99)
			_exit(2);
		_exit(run.report_steps ? 3 : 42);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
}

#if defined(__x86_64__)
/* A 64-bit program at the 32-bit gate: what its registers hold above 32 bits the filter sees, and
 * the kernel cuts off. */
static void upper_halves_are_no_way_out(void **state)
{
	struct seccomp_filter f;
	int status;
	pid_t pid;

	(void)state;
	must_parse("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [\"SCMP_ARCH_X86\"],"
		   "\"syscalls\": [{\"names\": [\"getpgid\"], \"action\": \"SCMP_ACT_ERRNO\","
		   "\"errnoRet\": 99, \"args\": [{\"index\": 0, \"value\": 0, \"op\": "
		   "\"SCMP_CMP_EQ\"}]}]}",
		   &f);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		static const uint64_t firsts[] = { 0, 0x100000000, 0xffffffff00000000 };

		signal(SIGSEGV, SIG_DFL); /* cmocka has a handler */
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (seccomp_confine(&f) < 0)
			_exit(1);
		for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
			long result = 132; /* getpgid of i386 */

			__asm__ volatile("int $0x80"
					 : "+a"(result)
					 : "b"(firsts[i])
					 : "memory", "r8", "r9", "r10", "r11");
			if (result != -99)
				_exit(2);
		}
		_exit(42);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* SIGSEGV where the machine has int 0x80 switched off altogether. */
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV)
		assert_int_equal(WEXITSTATUS(status), 42);
}
#endif

static void shows(void **state)
{
	struct seccomp_filter f = { .count = 12, .depth = 5, .flags = SECCOMP_FILTER_FLAG_LOG };
	struct op_seccomp_args args = { &f, -1 };
	char text[200];
	struct buf b = BUF_ON(text);

	(void)state;
	buf_reset(&b);
	op_seccomp.show(&b, NULL, &args);
	assert_string_equal(text, "seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, "
				  "{len=12}) /* at most 5 a call */");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(refuses, clean),
		cmocka_unit_test_teardown(program_means_the_profile, clean),
		cmocka_unit_test_teardown(program_covers_every_number_and_abi, clean),
		cmocka_unit_test_teardown(newer_calls_are_not_there, clean),
		cmocka_unit_test_teardown(notify_asks_for_a_listener, clean),
		cmocka_unit_test_teardown(unlisted_abi_is_killed, clean),
		cmocka_unit_test_teardown(first_unconditional_rule_decides, clean),
		cmocka_unit_test_teardown(deny_list_works, clean),
		cmocka_unit_test_teardown(op_loads_the_program, clean),
#if defined(__x86_64__)
		cmocka_unit_test_teardown(upper_halves_are_no_way_out, clean),
#endif
		cmocka_unit_test(shows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
