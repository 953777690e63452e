/*
 * test_buf.c - base/buf.c: never past the end, always terminated, and what is quoted reads back.
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

#include "base/buf.h"

static void test_fills_exactly(void **state)
{
	char text[8];
	struct buf b = BUF_ON(text);

	(void)state;
	buf_reset(&b);
	assert_string_equal(text, "");
	buf_add(&b, "1234");
	buf_addf(&b, "%d", 567);
	assert_string_equal(text, "1234567");
	assert_int_equal(b.len, 7);
	assert_false(buf_truncated(&b));
	buf_add(&b, "");
	assert_false(buf_truncated(&b));
	buf_add_char(&b, 'x');
	assert_true(buf_truncated(&b));
	assert_string_equal(text, "1234567");
	buf_reset(&b);
	assert_true(!buf_truncated(&b) && b.len == 0 && text[0] == '\0');
}

/* Cut at any size: terminated, remembered, and not a byte beyond. */
static void test_cut_anywhere(void **state)
{
	static const struct flag_name names[] = { { 1, "ONE" }, { 2, "TWO" } };
	char text[64];

	(void)state;
	for (size_t size = 0; size < 40; size++) {
		struct buf b = { .text = text, .size = size };

		memset(text, '#', sizeof text);
		buf_reset(&b);
		buf_add_quoted(&b, "it's\n\x01");
		buf_add_shell(&b, "it's");
		buf_add_flags(&b, 7, names, 2);
		buf_addf(&b, "%s", "the end of it");
		assert_true(buf_truncated(&b));
		assert_int_equal(text[size], '#');
		assert_true(size == 0 || (b.len == strlen(text) && b.len < size));
	}
}

static void test_nothing_after_a_cut(void **state)
{
	char text[6];
	struct buf b = BUF_ON(text);

	(void)state;
	buf_reset(&b);
	buf_add(&b, "123456789");
	buf_add_char(&b, 'x');
	buf_add(&b, "y");
	assert_string_equal(text, "12345");
}

static void test_quoted(void **state)
{
	char text[600], longer[400];
	struct buf b = BUF_ON(text);

	(void)state;
	buf_reset(&b);
	buf_add_quoted(&b, "a\"b\\c\nd\x1b" "1\x7f");
	assert_string_equal(text, "\"a\\\"b\\\\c\\nd\\0331\\177\"");
	buf_reset(&b);
	buf_add_quoted(&b, NULL);
	assert_string_equal(text, "NULL");
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	buf_reset(&b);
	buf_add_quoted(&b, longer);
	assert_string_equal(text + strlen(text) - 4, "\"...");
	assert_true(strlen(text) < 300);
}

/* What a shell makes of it is the text again. */
static void test_shell_reads_back(void **state)
{
	static const char *const texts[] = { "plain", "/a/b-c_d.e", "", " ", "it's", "$HOME", "`id`", "a b",
					     "a;b", "*", "~", "\"q\"", "\\", "''", "-n", "new\nline", "!x",
					     "#c", "a=b", "{a,b}", "\xc3\xa4" };
	char text[128], command[256], answer[128];

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct buf b = BUF_ON(text);
		FILE *shell;
		size_t n;

		buf_reset(&b);
		buf_add_shell(&b, texts[i]);
		snprintf(command, sizeof command, "printf %%s. %s", text);
		shell = popen(command, "r");
		assert_non_null(shell);
		n = fread(answer, 1, sizeof answer - 1, shell);
		answer[n] = '\0';
		pclose(shell);
		assert_int_equal(n, strlen(texts[i]) + 1);
		assert_memory_equal(answer, texts[i], n - 1);
	}
}

static void test_flags(void **state)
{
	static const struct flag_name names[] = { { 6, "BOTH" }, { 1, "RDONLY" }, { 2, "NOSUID" } };
	static const struct {
		unsigned long long flags;
		const char *text;
	} rows[] = {
		{ 0, "0" }, { 1, "RDONLY" }, { 3, "RDONLY|NOSUID" }, { 6, "BOTH" }, { 7, "BOTH|RDONLY" },
		{ 0x100, "0x100" }, { 0x8000000000000001ull, "RDONLY|0x8000000000000000" },
	};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf b = BUF_ON(text);

		buf_reset(&b);
		buf_add_flags(&b, rows[i].flags, names, 3);
		assert_string_equal(text, rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fills_exactly),	  cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_nothing_after_a_cut), cmocka_unit_test(test_quoted),
		cmocka_unit_test(test_shell_reads_back),  cmocka_unit_test(test_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
