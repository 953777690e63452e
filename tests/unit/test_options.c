/* test_options.c - cli/options.c: every way to write an option, and every wrong one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "cli/options.h"

static bool flag, other;
static const char *text;
static struct option_texts texts;
static int64_t number;
static const struct option table[] = {
	{ "flag", 'f', OPTION_FLAG, &flag, NULL, "" },
	{ "other", 'o', OPTION_FLAG, &other, NULL, "" },
	{ "text", 't', OPTION_TEXT, &text, "T", "" },
	{ "texts", 'e', OPTION_TEXTS, &texts, "T", "" },
	{ "number", 0, OPTION_NUMBER, &number, "N", "" },
	{ "gone", 0, OPTION_REFUSED, NULL, NULL, "not there" },
};

static int parse(struct err *e, bool *help, int argc, char **argv)
{
	flag = other = false;
	text = NULL;
	texts.count = 0;
	number = -1;
	err_clear(e);
	return options_parse(table, sizeof table / sizeof *table, argc, argv, help, e);
}

#define PARSE(...) \
	parse(&e, &help, (int)(sizeof((char *[]){ "x", __VA_ARGS__ }) / sizeof(char *)), \
	      (char *[]){ "x", __VA_ARGS__ })

static void takes_all_forms(void **state)
{
	struct err e = ERR_INIT;
	bool help;

	(void)state;
	assert_int_equal(PARSE("--flag", "--text", "a", "ID"), 3 + 1);
	assert_true(flag);
	assert_string_equal(text, "a");
	assert_int_equal(PARSE("--flag=false", "--text=b=c"), 3);
	assert_false(flag);
	assert_string_equal(text, "b=c");
	assert_int_equal(PARSE("-t", "d", "-f"), 4);
	assert_string_equal(text, "d");
	assert_int_equal(PARSE("-td"), 2);
	assert_string_equal(text, "d");
	assert_int_equal(PARSE("-fo", "x"), 2);
	assert_true(flag && other);
	assert_int_equal(PARSE("-e", "1", "--texts", "2", "--texts=3"), 6);
	assert_int_equal(texts.count, 3);
	assert_string_equal(texts.item[2], "3");
	assert_int_equal(PARSE("--number", "42"), 3);
	assert_int_equal(number, 42);
	assert_int_equal(PARSE("--text=", "x"), 2);
	assert_string_equal(text, "");
}

static void stops_at_arguments(void **state)
{
	struct err e = ERR_INIT;
	bool help;

	(void)state;
	assert_int_equal(PARSE("ID", "--flag"), 1);
	assert_false(flag);
	assert_int_equal(PARSE("--", "--flag"), 2);
	assert_false(flag);
	assert_int_equal(PARSE("-"), 1);
	assert_int_equal(PARSE("--help", "--gone"), 1);
	assert_true(help);
}

static void refuses_with_words(void **state)
{
	struct err e = ERR_INIT;
	char line[512];
	bool help;

	(void)state;
	assert_true(PARSE("--unknown") < 0);
	err_format(&e, line, sizeof line);
	assert_non_null(strstr(line, "--unknown"));
	assert_true(PARSE("--text") < 0);
	assert_true(PARSE("-t") < 0);
	assert_true(PARSE("--number", "0x10") < 0);
	assert_true(PARSE("--number", "-1") < 0);
	assert_true(PARSE("--number", "99999999999999999999") < 0);
	assert_true(PARSE("--number", "") < 0);
	assert_true(PARSE("--flag=maybe") < 0);
	assert_true(PARSE("--fla") < 0);
	assert_true(PARSE("--flags") < 0);
	assert_true(PARSE("-fx") < 0);
	assert_true(PARSE("--gone") < 0);
	err_format(&e, line, sizeof line);
	assert_non_null(strstr(line, "not there"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_all_forms),
		cmocka_unit_test(stops_at_arguments),
		cmocka_unit_test(refuses_with_words),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
