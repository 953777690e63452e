/*
 * test_hooks.c - runtime/hooks*.c: parsing /hooks, the state they read, and running one for real.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/hooks.h"

static struct arena arena;
static char line[2048];

static int clean(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static int parse(const char *text, struct hooks_spec *s, struct err *e)
{
	_cleanup_json_ json_t *j = json_loads(text, 0, NULL);

	*e = (struct err)ERR_INIT;
	if (!j)
		fail_msg("bad JSON in the test: %s", text);
	return hooks_parse(j, &arena, s, e);
}

static void parses_everything(void **state)
{
	struct hooks_spec s;
	struct err e;

	(void)state;
	assert_int_equal(parse("{}", &s, &e), 0);
	for (int i = 0; i < HOOK_KINDS; i++)
		assert_int_equal(s.count[i], 0);
	assert_int_equal(parse("{\"hooks\": {\"poststop\": []}}", &s, &e), 0);
	assert_int_equal(s.count[HOOK_POSTSTOP], 0);
	assert_int_equal(
		parse("{\"hooks\": {\"other\": 1, \"createContainer\": [{\"path\": \"/a\"}, "
		      "{\"path\": \"/b\", \"args\": [\"x\", \"\"], \"env\": [\"A=1\", \"B=\"], "
		      "\"timeout\": 7, \"unknown\": {}}]}}",
		      &s, &e),
		0);
	assert_int_equal(s.count[HOOK_CREATE_CONTAINER], 2);
	assert_string_equal(s.list[HOOK_CREATE_CONTAINER][0].args[0], "/a");
	assert_null(s.list[HOOK_CREATE_CONTAINER][0].args[1]);
	assert_null(s.list[HOOK_CREATE_CONTAINER][0].env[0]);
	assert_int_equal(s.list[HOOK_CREATE_CONTAINER][0].timeout, 0);
	assert_string_equal(s.list[HOOK_CREATE_CONTAINER][1].path, "/b");
	assert_string_equal(s.list[HOOK_CREATE_CONTAINER][1].args[0], "x");
	assert_string_equal(s.list[HOOK_CREATE_CONTAINER][1].args[1], "");
	assert_string_equal(s.list[HOOK_CREATE_CONTAINER][1].env[1], "B=");
	assert_int_equal(s.list[HOOK_CREATE_CONTAINER][1].timeout, 7);
	assert_string_equal(s.list[HOOK_CREATE_CONTAINER][1].why, "/hooks/createContainer/1");
}

static void refuses(void **state)
{
	static const struct {
		const char *hooks, *says;
	} bad[] = {
		{ "[]", "/hooks: must be an object" },
		{ "null", "/hooks: must be an object" },
		{ "{\"prestart\": {}}", "/hooks/prestart: must be an array" },
		{ "{\"prestart\": null}", "/hooks/prestart: must be an array" },
		{ "{\"prestart\": [1]}", "/hooks/prestart/0: must be an object" },
		{ "{\"poststart\": [{}]}", "/hooks/poststart/0/path: is required" },
		{ "{\"poststart\": [{\"path\": 1}]}", "/hooks/poststart/0/path: must be a string" },
		{ "{\"poststart\": [{\"path\": \"\"}]}",
		  "/hooks/poststart/0/path: must be an absolute" },
		{ "{\"poststart\": [{\"path\": \"a/b\"}]}",
		  "/hooks/poststart/0/path: must be an abs" },
		{ "{\"poststop\": [{\"path\": \"/a\"}, {\"path\": \"/a\", \"args\": \"x\"}]}",
		  "/hooks/poststop/1/args: must be an array" },
		{ "{\"poststop\": [{\"path\": \"/a\", \"args\": [\"x\", 2]}]}",
		  "/hooks/poststop/0/args/1: must be a string" },
		{ "{\"poststop\": [{\"path\": \"/a\", \"env\": [\"A=1\", \"A\"]}]}",
		  "/hooks/poststop/0/env/1: must be NAME=value" },
		{ "{\"poststop\": [{\"path\": \"/a\", \"env\": [\"=1\"]}]}",
		  "/hooks/poststop/0/env/0: must be NAME=value" },
		{ "{\"createRuntime\": [{\"path\": \"/a\", \"timeout\": 0}]}",
		  "/hooks/createRuntime/0/timeout: 0 is out of range" },
		{ "{\"createRuntime\": [{\"path\": \"/a\", \"timeout\": -5}]}",
		  "/hooks/createRuntime/0/timeout: -5 is out of range" },
		{ "{\"createRuntime\": [{\"path\": \"/a\", \"timeout\": 9223372036854775807}]}",
		  "/hooks/createRuntime/0/timeout: 9223372036854775807 is out of range" },
		{ "{\"createRuntime\": [{\"path\": \"/a\", \"timeout\": \"1\"}]}",
		  "/hooks/createRuntime/0/timeout: must be" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct hooks_spec s;
		struct err e;
		char *text = NULL;

		assert_true(asprintf(&text, "{\"hooks\": %s}", bad[i].hooks) > 0);
		assert_int_equal(parse(text, &s, &e), -EINVAL);
		err_format(&e, line, sizeof line);
		if (!strstr(line, bad[i].says))
			fail_msg("%s: \"%s\", wanted \"%s\"", text, line, bad[i].says);
		free(text);
	}
}

static void has_limits(void **state)
{
	struct hooks_spec s;
	struct err e;
	json_t *list = json_array(), *config;
	char *text;

	(void)state;
	for (int i = 0; i <= HOOKS_MAX; i++)
		json_array_append_new(list, json_pack("{s:s}", "path", "/x"));
	config = json_pack("{s:{s:o}}", "hooks", "prestart", list);
	text = json_dumps(config, 0);
	assert_int_equal(parse(text, &s, &e), -EINVAL);
	err_format(&e, line, sizeof line);
	assert_non_null(strstr(line, "/hooks/prestart: has 257 hooks"));
	free(text);
	json_array_remove(list, 0);
	text = json_dumps(config, 0);
	assert_int_equal(parse(text, &s, &e), 0);
	assert_int_equal(s.count[HOOK_PRESTART], HOOKS_MAX);
	free(text);
	json_decref(config);
}

/* --- for real ---------------------------------------------------------------- */

static char out[PATH_MAX]; /* a file the hook may write, "$1" of its script */

static int run_script(const char *script, int64_t timeout, pid_t pid, struct err *e)
{
	char text[] = "sh", dash_c[] = "-c", path[] = "PATH=/usr/bin:/bin";
	char *args[] = { text, dash_c, (char *)(uintptr_t)script, text, out, NULL },
	     *env[] = { path, NULL };
	struct hook hook = { .path = "/bin/sh",
			     .args = args,
			     .env = env,
			     .timeout = timeout,
			     .why = "/hooks/prestart/3" };
	struct hook_run h = { .hook = &hook,
			      .kind = HOOK_PRESTART,
			      .index = 3,
			      .status = "creating",
			      .pid = pid,
			      .out_fd = -1,
			      .err_fd = -1,
			      .cwd_fd = -1,
			      .cwd = "/usr" };
	_cleanup_json_ json_t *config = json_pack("{s:{s:s}}", "annotations", "a", "\"\n");
	int r;

	*e = (struct err)ERR_INIT;
	assert_int_equal(hook_state_make(&arena, "web", "/b \"x", config, &h.state, e), 0);
	r = hook_run(&h, e);
	err_format(e, line, sizeof line);
	return r;
}

static char *read_out(void)
{
	char *text;
	size_t size;

	assert_int_equal(file_read_whole(AT_FDCWD, out, 1 << 20, &text, &size, NULL), 0);
	return text;
}

static void gives_the_state(void **state)
{
	_cleanup_json_ json_t *with = NULL, *without = NULL;
	struct err e;
	char *text;

	(void)state;
	assert_int_equal(run_script("cat >\"$1\"", 0, 77, &e), 0);
	text = read_out();
	with = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	assert_string_equal(json_string_value(json_object_get(with, "bundle")), "/b \"x");
	assert_string_equal(json_string_value(json_object_get(with, "status")), "creating");
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(with, "annotations"), "a")),
		"\"\n");
	assert_int_equal(json_integer_value(json_object_get(with, "pid")), 77);
	assert_int_equal(run_script("cat >\"$1\"", 0, 0, &e), 0);
	text = read_out();
	without = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	assert_int_equal(json_object_size(without), json_object_size(with) - 1);
	assert_null(json_object_get(without, "pid"));
}

static void is_clean(void **state)
{
	struct err e;
	char *text;

	(void)state;
	assert_true(dup2(STDERR_FILENO, 50) == 50); /* inherited, and not close-on-exec */
	setenv("SECRET", "1", 1);
	umask(0);
	assert_int_equal(
		run_script("{ pwd; umask; ls /proc/self/fd | wc -l; env; } >\"$1\"", 0, 1, &e), 0);
	close(50);
	text = read_out();
	/* ls has one of its own, and dash puts back none. */
	assert_non_null(strstr(text, "/usr\n0022\n4\n"));
	assert_null(strstr(text, "SECRET"));
	free(text);
}

static void tells_how_it_failed(void **state)
{
	struct err e;
	int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)state;
	dup2(null, STDERR_FILENO);
	assert_int_equal(run_script("exit 0", 0, 1, &e), 0);
	assert_int_equal(run_script("exit 3", 0, 1, &e), -ECANCELED);
	assert_string_equal(line, "error running prestart hook #3: exit status 3");
	assert_int_equal(run_script("kill -11 $$", 0, 1, &e), -ECANCELED);
	assert_string_equal(line, "error running prestart hook #3: killed by signal 11");
	assert_int_equal(run_script("echo why >&2; exit 1", 0, 1, &e), -ECANCELED);
	assert_string_equal(line, "error running prestart hook #3: exit status 1, stderr: why");
	/* The end counts, and however much it is, nobody waits for a reader. */
	assert_int_equal(run_script("yes x | head -c 200000 >&2; echo last >&2; exit 1", 0, 1, &e),
			 -ECANCELED);
	assert_non_null(strstr(line, "stderr: ..."));
	assert_string_equal(line + strlen(line) - 4, "last");
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(null);
}

static void has_a_deadline(void **state)
{
	struct timespec before, after;
	struct err e;
	char *text;
	pid_t left;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_int_equal(run_script("sleep 1000 & echo $! >\"$1\"; wait", 1, 1, &e), -ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true(after.tv_sec - before.tv_sec >= 1);
	assert_non_null(strstr(line, "not done within its timeout of 1 seconds: killed"));
	text = read_out();
	left = (pid_t)atoi(text);
	free(text);
	/* Its child too, if a busy machine let it come to that: dead, or only to be reaped by whoever has it now. */
	for (int i = 0; i < 1000 && left > 0 && kill(left, 0) == 0; i++) {
		char path[64], status[2048];

		snprintf(path, sizeof path, "/proc/%d/status", left);
		if (file_read_at(AT_FDCWD, path, status, sizeof status) > 0 &&
		    strstr(status, "State:\tZ"))
			break;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
		assert_true(i < 999);
	}
	/* What a hook leaves behind in the background, holding its stderr, keeps nobody waiting. */
	assert_int_equal(run_script("sleep 1000 & echo $! >\"$1\"", 0, 1, &e), 0);
	text = read_out();
	left = (pid_t)atoi(text);
	assert_true(left > 0);
	kill(left, SIGKILL);
	free(text);
}

static int begin(void **state)
{
	int fd;

	(void)state;
	strcpy(out, "/tmp/test_hooks.XXXXXX");
	fd = mkstemp(out);
	if (fd >= 0)
		close(fd);
	return fd < 0;
}

static int end(void **state)
{
	(void)state;
	return unlink(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(parses_everything, clean),
		cmocka_unit_test_teardown(refuses, clean),
		cmocka_unit_test_teardown(has_limits, clean),
		cmocka_unit_test_teardown(gives_the_state, clean),
		cmocka_unit_test_teardown(is_clean, clean),
		cmocka_unit_test_teardown(tells_how_it_failed, clean),
		cmocka_unit_test_teardown(has_a_deadline, clean),
	};

	return cmocka_run_group_tests_name("hooks", tests, begin, end);
}
