/*
 * test_checkpoint.c - what kist keeps with criu's images, and what it reads in criu's log.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/path.h"
#include "runtime/checkpoint.h"

static int make_folder(char text[64])
{
	snprintf(text, 64, "/tmp/kist-checkpoint.XXXXXX");
	assert_non_null(mkdtemp(text));
	return open(text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void drop_folder(int dir, const char *path)
{
	struct err e = ERR_INIT;

	close(dir);
	assert_int_equal(path_remove_tree(AT_FDCWD, path, &e), 0);
}

static void test_record(void **state)
{
	struct checkpoint_record r = { .pid = 77,
				       .no_new_privs = true,
				       .stdio = { { "pipe:[12]", S_IFIFO | 0600, 0 },
						  { NULL, 0, 0 },
						  { "file[1f:2a]", S_IFREG | 0644, 9000000000 } } },
				 got = { 0 };
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	char path[64];
	int dir = make_folder(path);

	(void)state;
	assert_int_equal(checkpoint_record_write(dir, &r, &e), 0);
	assert_int_equal(checkpoint_record_read(dir, &a, &got, &e), 0);
	assert_int_equal(got.pid, 77);
	assert_true(got.no_new_privs);
	assert_string_equal(got.stdio[0].key, "pipe:[12]");
	assert_null(got.stdio[1].key);
	assert_string_equal(got.stdio[2].key, "file[1f:2a]");
	assert_int_equal(got.stdio[2].mode, S_IFREG | 0644);
	assert_true(got.stdio[2].size == 9000000000);
	arena_free(&a);
	drop_folder(dir, path);
}

static void test_bad_records(void **state)
{
#define REC(pid, nnp, stdio)                                                                       \
	"{\"version\":1,\"pid\":" pid ",\"noNewPrivileges\":" nnp ",\"stdio\":" stdio "}"
	static const struct {
		const char *text, *where;
	} bad[] = {
		{ "", "" },
		{ "[]", "" },
		{ "{\"version\":2}", "/version" },
		{ REC("0", "true", "[null,null,null]"), "/pid" },
		{ REC("2147483648", "true", "[null,null,null]"), "/pid" },
		{ REC("5", "1", "[null,null,null]"), "/noNewPrivileges" },
		{ REC("5", "true", "null"), "/stdio" },
		{ REC("5", "true", "[null,null]"), "/stdio" },
		{ REC("5", "true", "[null,null,null,null]"), "/stdio" },
		{ REC("5", "true", "[null,\"pipe:[1]\",null]"), "/stdio/1" },
		{ REC("5", "true", "[{\"key\":\"pipe:[1]\"},null,null]"), "/stdio/0/mode" },
		{ REC("5", "true", "[{\"key\":\"pipe:[1]\",\"mode\":1,\"size\":-1},null,null]"),
		  "/stdio/0/size" },
		{ REC("5", "true", "[{\"key\":\"x\",\"mode\":1,\"size\":1},null,null]"),
		  "/stdio/0/key" },
	};
	char path[64];
	int dir = make_folder(path);

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct checkpoint_record got = { .pid = 3 };
		struct arena a = ARENA_INIT;
		struct err e = ERR_INIT;

		assert_int_equal(file_replace_at(dir, CHECKPOINT_RECORD, bad[i].text,
						 strlen(bad[i].text), 0600, false, &e),
				 0);
		assert_true(checkpoint_record_read(dir, &a, &got, &e) < 0);
		if (bad[i].where[0])
			assert_string_equal(e.where, bad[i].where);
		assert_int_equal(got.pid, 3);
		arena_free(&a);
	}
	drop_folder(dir, path);
}

static void test_keys(void **state)
{
	static const char
		*const good[] = { "pipe:[1]", "pipe:[4294967295]", "file[0:0]", "file[ff:1A]" },
		       *const bad[] = {
			       "",
			       "pipe:",
			       "pipe:[",
			       "pipe:[]",
			       "pipe:[a]",
			       "pipe:[1",
			       "pipe:[1]x",
			       "pipe:[1]]",
			       "file[]",
			       "file[1]",
			       "file[1:2:3]",
			       "file[1:2",
			       "file[g:1]",
			       "file[1:2]:/etc",
			       "fd[1]:pipe:[1]",
			       "pipe:[1111111111111111111111111111111111111111111111111111111111]"
		       };

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(checkpoint_key_is_plain(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(checkpoint_key_is_plain(bad[i]));
}

static void test_reason(void **state)
{
	char text[40];

	(void)state;
	assert_false(criu_log_reason("", text, sizeof text));
	assert_false(criu_log_reason("(00.1) fine\nError (criu/util.c:6): exited, status=1\n"
				     "(00.2) Error (criu/x.c:1): Dumping FAILED.",
				     text, sizeof text));
	assert_true(criu_log_reason("Error (criu/util.c:627): execvp(\"iptables-save\") failed\n"
				    "(00.8)      1: Error (criu/inet.c:9): Connected TCP socket\n"
				    "(00.9) Error (criu/dump.c:2): Dump files failed with -1\n",
				    text, sizeof text));
	assert_string_equal(text, "Connected TCP socket");
	assert_true(criu_log_reason("Error (a): 0123456789012345678901234567890123456789end", text,
				    sizeof text));
	assert_int_equal(strlen(text), sizeof text - 1);
}

static void test_mode(void **state)
{
	(void)state;
	assert_int_equal(checkpoint_check_mode(NULL, NULL), 0);
	assert_int_equal(checkpoint_check_mode("soft", NULL), 0);
	assert_true(checkpoint_check_mode("full", NULL) < 0);
	assert_true(checkpoint_check_mode("", NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record), cmocka_unit_test(test_bad_records),
		cmocka_unit_test(test_keys),   cmocka_unit_test(test_reason),
		cmocka_unit_test(test_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
