/*
 * test_err.c - base/err.c: what a user reads, and that no text can break the line.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"

static char line[2048];

static const char *format(const struct err *e)
{
	err_format(e, line, sizeof line);
	return line;
}

static void test_order(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	errno = EINTR;
	assert_int_equal(err_set(&e, ENOENT, "open %s", "x"), -ENOENT);
	assert_int_equal(errno, EINTR);
	assert_string_equal(format(&e), "open x: No such file or directory");
	assert_int_equal(err_at(&e, "/mounts/3"), -ENOENT);
	assert_int_equal(err_wrap(&e, "cannot start %s", "web"), -ENOENT);
	assert_string_equal(format(&e), "cannot start web: /mounts/3: open x: No such file or directory");
	/* The first place and the first fix win. */
	assert_int_equal(err_at(&e, "/other"), -ENOENT);
	assert_string_equal(e.where, "/mounts/3");
	assert_int_equal(err_fix(&e, "do %d", 1), -ENOENT);
	assert_int_equal(err_fix(&e, "do %d", 2), -ENOENT);
	assert_string_equal(e.fix, "do 1");
	err_clear(&e);
	assert_true(e.error == 0 && e.step == -1 && !e.where[0] && !e.fix[0] && !e.contexts);
}

static void test_say_adds_no_errno(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(err_say(&e, EINVAL, "must be %s", "a string"), -EINVAL);
	err_at(&e, "/a");
	assert_string_equal(format(&e), "/a: must be a string");
	err_wrap(&e, "config.json");
	assert_string_equal(format(&e), "config.json: /a: must be a string");
	assert_int_equal(e.error, EINVAL);
}

/* A function that failed and said nothing: what is said later is still of a failure. */
static void test_wrapping_nothing_is_no_success(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(err_wrap(&e, "cannot load x"), -EIO);
	assert_string_equal(format(&e), "cannot load x: Input/output error");
	err_clear(&e);
	assert_int_equal(err_fix(&e, "try again"), -EIO);
	err_clear(&e);
	assert_int_equal(err_at(&e, "/a"), -EIO);
}

static void test_a_new_record_replaces_the_old(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	err_set(&e, EPERM, "one");
	err_at(&e, "/one");
	err_fix(&e, "fix one");
	err_wrap(&e, "outer");
	err_set(&e, EIO, "two");
	assert_string_equal(format(&e), "two: Input/output error");
	assert_string_equal(e.fix, "");
}

static void test_only_the_outermost_is_replaced(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	err_set(&e, EIO, "c0");
	for (int i = 1; i < 8; i++)
		err_wrap(&e, "c%d", i);
	assert_string_equal(format(&e), "c7: c2: c1: c0: Input/output error");
}

static void test_null_record(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, ENOENT, "x"), -ENOENT);
	assert_int_equal(err_say(NULL, ENOENT, "x"), -ENOENT);
	assert_true(err_wrap(NULL, "x") < 0);
	assert_true(err_at(NULL, "x") < 0);
	assert_true(err_fix(NULL, "x") < 0);
	err_clear(NULL);
}

static void test_long_texts_are_cut_visibly(void **state)
{
	char text[5000], small[16];
	struct err e = ERR_INIT;

	(void)state;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	err_set(&e, ENOENT, "%s", text);
	err_at(&e, text);
	err_fix(&e, "%s", text);
	err_wrap(&e, "%s", text);
	assert_string_equal(e.context[0] + strlen(e.context[0]) - 3, "...");
	assert_string_equal(e.context[1] + strlen(e.context[1]) - 3, "...");
	assert_string_equal(e.fix + strlen(e.fix) - 3, "...");
	assert_true(strlen(e.where) < sizeof e.where);
	err_format(&e, small, sizeof small);
	assert_int_equal(strlen(small), sizeof small - 1);
	assert_string_equal(small + sizeof small - 4, "...");
	for (size_t size = 0; size < 8; size++) {
		memset(small, '#', sizeof small);
		err_format(&e, small, size);
		assert_int_equal(small[size], '#'); /* not a byte more */
		assert_true(size == 0 || memchr(small, '\0', size));
	}
}

/* A path or an id is somebody else's text: it must not move the cursor nor fake a line. */
static void test_terminal_is_safe(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	err_set(&e, ENOENT, "id \x1b]0;title\x07 a\nb\r\tc\x7f");
	err_at(&e, "\x1b[2J");
	err_wrap(&e, "\x1b[31m");
	for (const char *p = format(&e); *p; p++)
		assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
	assert_non_null(strstr(line, "\\x1b]0;title\\x07 a\\nb\\x0d\\x09c\\x7f"));
	/* Proper text stays as it is. */
	err_set(&e, ENOENT, "Gr\xc3\xbc\xc3\x9f" "e");
	assert_non_null(strstr(format(&e), "Gr\xc3\xbc\xc3\x9f" "e"));
}

/* U+009B is the one-character escape sequence introducer: terminals obey it as ESC [. */
static void test_c1_controls_are_quoted(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	err_set(&e, ENOENT, "id \xc2\x9b" "2J");
	assert_null(strstr(format(&e), "\xc2\x9b"));
	/* Nor what would show a name as another: from right to left, or on a line of its own. */
	err_clear(&e);
	err_set(&e, ENOENT, "a\u202e" "b\u2067" "c\u2028" "d\u200f" "e\u200d\u2065");
	assert_non_null(strstr(format(&e), "a\\u202eb\\u2067c\\u2028d\\u200fe\u200d\u2065"));
}

/* Somebody's percent signs are no format. */
static void test_percent(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	err_set(&e, ENOENT, "%s", "%n%s%d");
	err_at(&e, "%s%n");
	assert_string_equal(format(&e), "%s%n: %n%s%d: No such file or directory");
}

static void test_names(void **state)
{
	char scratch[16];
	struct err e = ERR_INIT;

	(void)state;
	assert_string_equal(err_name(ENOENT, scratch), "ENOENT");
	assert_string_equal(err_name(4000, scratch), "E4000");
	err_set(&e, 4000, "x");
	assert_non_null(strstr(format(&e), "unknown error"));
}

/* It crosses a socket as bytes: a copy says the same. */
static void test_copies_as_bytes(void **state)
{
	struct err e = ERR_INIT, copy;
	char first[2048];

	(void)state;
	err_set(&e, EROFS, "mkdir");
	err_at(&e, "/root");
	err_wrap(&e, "cannot create box");
	err_format(&e, first, sizeof first);
	memcpy(&copy, &e, sizeof copy);
	memset(&e, 0xff, sizeof e);
	assert_string_equal(format(&copy), first);
	assert_true(sizeof copy < 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_say_adds_no_errno),
		cmocka_unit_test(test_a_new_record_replaces_the_old),
		cmocka_unit_test(test_wrapping_nothing_is_no_success),
		cmocka_unit_test(test_only_the_outermost_is_replaced),
		cmocka_unit_test(test_null_record),
		cmocka_unit_test(test_long_texts_are_cut_visibly),
		cmocka_unit_test(test_terminal_is_safe),
		cmocka_unit_test(test_c1_controls_are_quoted),
		cmocka_unit_test(test_percent),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_copies_as_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
