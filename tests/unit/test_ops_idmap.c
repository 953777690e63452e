/* ns/ops_idmap.c: what the helper is given, what becomes of its words, and when it hangs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/engine.h"
#include "base/fd.h"
#include "ns/ops.h"

static char dir[] = "/tmp/kist-test-idmap.XXXXXX";

/* Runs a shell script as the helper, for guest 4242 and the maps 0:1000:1, 1:100000:65536. */
static int run_helper(const char *name, const char *script, int timeout_ms, struct err *e)
{
	static const struct ns_id_map lines[] = { { 0, 1000, 1 }, { 1, 100000, 65536 } };
	static const struct ns_id_maps maps = { lines, 2 };
	struct arena arena = ARENA_INIT;
	char path[200];
	struct plan p;
	struct run r;
	FILE *file;
	int result;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	unlink(path);
	if (script) {
		file = fopen(path, "we");
		assert_non_null(file);
		fprintf(file, "#!/bin/sh\n%s\n", script);
		fclose(file);
		chmod(path, 0755);
	}
	*e = (struct err)ERR_INIT;
	plan_init(&p, &arena);
	run_init(&r, &p);
	run_set_number(&r, SLOT_GUEST_PID, 4242);
	result = op_map_ids.act(&r, &(struct op_map_ids_args){ path, &maps, timeout_ms }, e);
	run_close(&r);
	arena_free(&arena);
	/* Whatever came of it, no child is left. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	return result;
}

static void gets_words_and_nothing_else(void **state)
{
	char script[600], path[200], text[2000];
	struct err e;
	sigset_t set;
	int fd;

	(void)state;
	setenv("LD_PRELOAD_NOT", "x", 1);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL); /* as kist does while it runs a plan */
	snprintf(script, sizeof script,
		 "exec >%s/seen; echo \"$@\"; readlink /proc/$$/fd/0; env | "
		 "grep -c NOT; exec grep SigBlk /proc/self/status",
		 dir);
	assert_int_equal(run_helper("newuidmap", script, 10000, &e), 0);
	snprintf(path, sizeof path, "%s/seen", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	text[fd_read_full(fd, text, sizeof text - 1)] = '\0';
	close(fd);
	assert_string_equal(text, "4242 0 1000 1 1 100000 65536\n/dev/null\n0\nSigBlk:\t"
				  "0000000000000000\n");
}

static void its_words_are_the_error(void **state)
{
	struct err e;
	char text[ERR_TEXT_MAX];

	(void)state;
	assert_int_equal(run_helper("newgidmap",
				    "echo 'newgidmap: gid range [1-2) -> [5-6) not allowed'"
				    " >&2; exit 1",
				    10000, &e),
			 -EPERM);
	err_format(&e, text, sizeof text);
	assert_string_equal(text, "newgidmap: gid range [1-2) -> [5-6) not allowed");
	assert_non_null(strstr(e.fix, "/etc/subgid (usermod --add-subgids"));
	assert_int_equal(run_helper("newuidmap",
				    "echo 'newuidmap: write to uid_map failed: Operation not "
				    "permitted' >&2; exit 1",
				    10000, &e),
			 -EPERM);
	assert_non_null(strstr(e.fix, "setuid root"));
	assert_int_equal(run_helper("newuidmap", "echo 'Permission denied'; exit 1", 10000, &e), -EPERM);
	assert_non_null(strstr(e.fix, "setuid root"));
	err_format(&e, text, sizeof text);
	assert_string_equal(text, "newuidmap: Permission denied");
	assert_int_equal(run_helper("newuidmap", "echo newuidmapper: Cannot find your user name; exit 1",
				    10000, &e),
			 -EPERM);
	assert_non_null(strstr(e.fix, "/etc/passwd"));
	err_format(&e, text, sizeof text);
	assert_string_equal(text, "newuidmap: newuidmapper: Cannot find your user name");
	assert_int_equal(run_helper("newuidmap", "exit 3", 10000, &e), -EPERM);
	assert_non_null(strstr(e.context[0], "did not say why"));
	assert_int_equal(run_helper("newuidmap", "kill -9 $$", 10000, &e), -EPERM);
	assert_non_null(strstr(e.context[0], "signal 9"));
	assert_int_equal(run_helper("newuidmap", NULL, 10000, &e), -ENOENT);
	assert_non_null(strstr(e.fix, "package uidmap"));
	/* Megabytes of words neither block it nor are kept. */
	assert_int_equal(run_helper("newuidmap", "head -c 3000000 /dev/zero | tr '\\0' x; exit 1",
				    60000, &e),
			 -EPERM);
	assert_non_null(strstr(e.context[0], "newuidmap: xxx"));
}

static void a_deadline(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(run_helper("newuidmap", "exec sleep 1000", 200, &e), -ETIMEDOUT);
	assert_non_null(strstr(e.context[0], "more than 200 ms"));
	/* also when it has closed its output */
	assert_int_equal(run_helper("newuidmap", "exec sleep 1000 >&- 2>&-", 200, &e), -ETIMEDOUT);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[80];

	(void)state;
	snprintf(command, sizeof command, "rm -r %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gets_words_and_nothing_else),
		cmocka_unit_test(its_words_are_the_error),
		cmocka_unit_test(a_deadline),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
