/*
 * test_log.c - base/log.c: lines that containerd, dockerd and podman can read, whatever is said.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <jansson.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"

static char file[64], err_file[64];
static int saved_stderr;

static int set_up(void **state)
{
	(void)state;
	snprintf(file, sizeof file, "/tmp/kist-log-%d", (int)getpid());
	snprintf(err_file, sizeof err_file, "/tmp/kist-log-%d.err", (int)getpid());
	unlink(file);
	saved_stderr = dup(2);
	return !freopen(err_file, "w", stderr);
}

static int tear_down(void **state)
{
	(void)state;
	dup2(saved_stderr, 2);
	close(saved_stderr);
	unlink(file);
	unlink(err_file);
	return 0;
}

static const char *content(const char *path)
{
	static char text[8192];
	ssize_t n = file_read_at(AT_FDCWD, path, text, sizeof text);

	assert_true(n >= 0);
	return text;
}

static void check_json(const char *level, const char *msg)
{
	const char *text = content(file), *last = strrchr(text, '\n');
	json_t *line = json_loads(last ? last + 1 : text, 0, NULL);
	const char *stamp;

	assert_non_null(line);
	assert_string_equal(json_string_value(json_object_get(line, "level")), level);
	if (msg)
		assert_string_equal(json_string_value(json_object_get(line, "msg")), msg);
	stamp = json_string_value(json_object_get(line, "time"));
	assert_non_null(stamp);
	/* RFC 3339 */
	assert_true(strlen(stamp) >= 20 && stamp[4] == '-' && stamp[10] == 'T' && stamp[13] == ':');
	json_decref(line);
}

static void test_json_lines(void **state)
{
	struct err e = ERR_INIT;
	struct stat st;

	(void)state;
	assert_int_equal(log_open("kist", file, true, LOG_INFO, &e), 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	log_msg(LOG_INFO, "plain %d", 1);
	check_json("info", "plain 1");
	log_msg(LOG_WARN, "quote \" back \\ line\nbreak \x1b");
	/* Callers show it to their users: nothing of it may steer their terminal either. */
	check_json("warning", "quote \" back \\ line\\nbreak \\x1b");
	err_set(&e, ENOENT, "open");
	err_at(&e, "/root/path");
	err_fix(&e, "make it");
	log_err(&e);
	check_json("error", "/root/path: open: No such file or directory");
	/* The person at the terminal sees the same, and the way out. */
	assert_non_null(strstr(content(err_file), "kist: /root/path: open: No such file or directory\n"
						  "fix: make it"));
	log_msg(LOG_DEBUG, "not asked for");
	check_json("error", NULL);
}

/* Ids and paths need not be UTF-8; what went wrong must be read all the same. */
static void test_invalid_utf8_keeps_the_rest(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(log_open("kist", file, true, LOG_INFO, &e), 0);
	log_msg(LOG_ERROR, "cannot open \xff: %s", "No such file or directory");
	check_json("error", NULL);
	assert_non_null(strstr(content(file), "No such file or directory"));
}

static void test_a_cut_message_is_still_json(void **state)
{
	struct err e = ERR_INIT;
	char big[5000];

	(void)state;
	for (size_t i = 0; i + 2 < sizeof big; i += 2)
		memcpy(big + i, "\xc3\xa4", 3);
	assert_int_equal(log_open("kist", file, true, LOG_INFO, &e), 0);
	log_msg(LOG_ERROR, "x%s", big);
	check_json("error", NULL);
	assert_non_null(strstr(content(file), "\xc3\xa4\xc3\xa4"));
}

static void test_text(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(log_open("kist", file, false, LOG_WARN, &e), 0);
	log_msg(LOG_INFO, "too low");
	log_msg(LOG_WARN, "seen");
	assert_null(strstr(content(file), "too low"));
	assert_non_null(strstr(content(file), "level=warning msg=\"seen\""));
}

/* A quote or a line break must not make two records of one. */
static void test_text_is_one_line(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(log_open("kist", file, false, LOG_WARN, &e), 0);
	log_msg(LOG_WARN, "id x\nlevel=error msg=\"forged\"");
	assert_null(strchr(content(file), '\n'));
	assert_null(strstr(content(file), "msg=\"forged\""));
}

static void test_cannot_open(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(log_open("kist", "/missing/log", true, LOG_WARN, &e), -ENOENT);
	assert_non_null(strstr(e.context[0], "/missing/log"));
}

#define LOG(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOG(test_json_lines), LOG(test_invalid_utf8_keeps_the_rest),
		LOG(test_a_cut_message_is_still_json), LOG(test_text), LOG(test_text_is_one_line),
		LOG(test_cannot_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
