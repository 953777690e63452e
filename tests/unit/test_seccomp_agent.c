/*
 * test_seccomp_agent.c - what a seccomp agent is sent: all of it, or nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/failing.h"

#include "base/fd.h"
#include "runtime/seccomp.h"

static int begin(void **state)
{
	(void)state;
	failing = mmap(NULL, sizeof *failing, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	assert_ptr_not_equal(failing, MAP_FAILED);
	return 0;
}

/* What arrives of one message, or NULL with what was said. */
static json_t *send_state(const struct seccomp_state *s, const char *metadata, struct err *e)
{
	int pair[2], listener = -EBADF, r;
	char text[2000];
	json_t *got = NULL;
	ssize_t n;

	assert_int_equal(__real_socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	r = seccomp_agent_send(pair[0], STDIN_FILENO, metadata, s, 77, e);
	failing->armed = false;
	close(pair[0]);
	n = socket_recv_fd(pair[1], text, sizeof text - 1, &listener);
	close(pair[1]);
	if (r < 0) {
		assert_true(n <= 0);
		return NULL;
	}
	assert_true(n > 0 && listener >= 0);
	close(listener);
	text[n] = '\0';
	got = json_loads(text, 0, NULL);
	assert_non_null(got);
	return got;
}

static void all_or_nothing(void **state)
{
	json_t *annotations = json_pack("{s:s, s:s}", "a", "b", "c", "d");
	const struct seccomp_state bare = { .id = "web", .bundle = "/b", .status = "creating" };
	const struct seccomp_state full = { .id = "web",
					    .bundle = "/b",
					    .status = "running",
					    .annotations = annotations,
					    .pid = 5 };
	struct err e = ERR_INIT;
	json_t *whole, *got;

	(void)state;
	got = send_state(&bare, NULL, &e);
	assert_null(json_object_get(got, "metadata"));
	assert_null(json_object_get(json_object_get(got, "state"), "annotations"));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(got, "state"), "pid")),
			 77);
	json_decref(got);
	whole = send_state(&full, "words", &e);
	assert_string_equal(json_string_value(json_object_get(whole, "metadata")), "words");
	assert_true(json_equal(json_object_get(json_object_get(whole, "state"), "annotations"),
			       annotations));
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(whole, "state"), "pid")), 5);
	assert_int_equal(json_integer_value(json_object_get(whole, "pid")), 77);
	for (int at = 1;; at++) {
		json_out_of_memory = false;
		*failing = (struct failing){
			.armed = true, .memory = true, .error = ENOMEM, .at = at
		};
		err_clear(&e);
		got = send_state(&full, "words", &e);
		if (failing->calls < at)
			break;
		if (got)
			fail_msg("allocation %d: it is sent without memory", at);
		assert_int_equal(e.error, ENOMEM);
	}
	assert_true(json_equal(got, whole));
	json_decref(got);
	json_decref(whole);
	json_decref(annotations);
	json_out_of_memory = false;
}

static void nobody_there(void **state)
{
	const struct seccomp_state s = { .id = "web", .bundle = "/b", .status = "creating" };
	struct err e = ERR_INIT;
	char path[300];

	(void)state;
	assert_int_equal(seccomp_agent_connect("/no/such/agent", &e), -ENOENT);
	assert_string_equal(e.where, "/linux/seccomp/listenerPath");
	assert_string_equal(e.fix, "start the agent first");
	/* Starting it would not help there. */
	memset(path, 'p', sizeof path);
	path[0] = '/';
	path[sizeof path - 1] = '\0';
	err_clear(&e);
	assert_int_equal(seccomp_agent_connect(path, &e), -ENAMETOOLONG);
	assert_string_equal(e.fix, "");
	err_clear(&e);
	assert_int_equal(seccomp_agent_send(-EBADF, STDIN_FILENO, NULL, &s, 1, &e), -EBADF);
	assert_non_null(strstr(e.context[0], "cannot send to the seccomp agent"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_or_nothing),
		cmocka_unit_test(nobody_there),
	};

	return cmocka_run_group_tests_name("seccomp_agent", tests, begin, NULL);
}
