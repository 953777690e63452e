/*
 * test_seccomp_limits.c - profiles that are too large, or for which there is no memory: refused
 * where it is seen, and no program that lacks a part.
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
#include "runtime/seccomp_profile.h"

static char text[4 << 20];
static struct buf profile = BUF_ON(text);
static struct arena arena;

static int begin(void **state)
{
	(void)state;
	failing = mmap(NULL, sizeof *failing, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	assert_ptr_not_equal(failing, MAP_FAILED);
	return 0;
}

static int clean(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void start(const char *action, const char *more)
{
	buf_reset(&profile);
	buf_addf(&profile, "{\"defaultAction\": \"SCMP_ACT_%s\", %s\"syscalls\": [", action, more);
}

static void add(const char *names, int count, const char *action, const char *args)
{
	buf_addf(&profile, "%s{\"action\": \"SCMP_ACT_%s\", \"args\": [%s], \"names\": [",
		 text[strlen(text) - 1] == '[' ? "" : ", ", action, args);
	for (int i = 0; i < count; i++)
		buf_addf(&profile, "%s\"%s\"", i ? ", " : "", names);
	buf_add(&profile, "]}");
}

/* Of x86_64. What is wrong, or "". */
static const char *parse(struct seccomp_filter *f)
{
	static char line[1000];
	struct json_at at = { "/seccomp" };
	_cleanup_json_ json_t *j = NULL;
	struct err e = ERR_INIT;

	buf_add(&profile, "]}");
	assert_false(buf_truncated(&profile));
	*line = '\0';
	assert_int_equal(json_parse_strict(text, strlen(text), "test", &j, &e), 0);
	if (seccomp_parse_for(SECCOMP_ABI_X86_64, j, &at, &arena, f, &e) < 0)
		err_format(&e, line, sizeof line);
	return line;
}

#define EQ(index, value) "{\"index\": " #index ", \"op\": \"SCMP_CMP_EQ\", \"value\": " #value "}"
#define THREE		 EQ(1, 1) ", " EQ(1, 2) ", " EQ(1, 3)

static void too_many_rules(void **state)
{
	struct seccomp_filter f = { 0 };

	(void)state;
	start("ALLOW", "");
	add("read", SECCOMP_RULES_MAX, "LOG", "");
	assert_string_equal(parse(&f), "");
	start("ALLOW", "");
	add("read", SECCOMP_RULES_MAX + 1, "LOG", "");
	assert_non_null(strstr(parse(&f), "/seccomp/syscalls/0: the profile has more than"));
	/* Alternatives count each, and the limit may lie between them. */
	start("ALLOW", "");
	add("read", 2, "LOG", EQ(0, 1));
	add("read", (SECCOMP_RULES_MAX - 2) / 3 + 1, "LOG", THREE);
	assert_non_null(strstr(parse(&f), "/seccomp/syscalls/1: the profile has more than"));
	start("ALLOW", "");
	add("read", 1, "LOG", THREE ", " THREE ", " EQ(2, 1));
	assert_non_null(strstr(parse(&f), "/seccomp/syscalls/0/args: has 7 conditions"));
}

/* What nobody here knows is told of, up to a number. */
static void many_unknown_names(void **state)
{
	struct seccomp_filter f = { 0 };

	(void)state;
	start("ALLOW", "");
	add("no_such_call", 600, "LOG", "");
	assert_string_equal(parse(&f), "");
	assert_int_equal(f.skipped_count, 512);
	assert_string_equal(f.skipped[511], "no_such_call");
}

/* Whatever stands in a profile, one under which nothing can be started is refused. */
static void whether_execve_is_permitted(void **state)
{
	static const struct {
		const char *by_default, *action, *args;
		bool works;
	} rows[] = {
		{ "ERRNO", "ALLOW", "", true },	      { "ERRNO", "ALLOW", EQ(0, 1), true },
		{ "ERRNO", "TRAP", "", false },	      { "ERRNO", "TRAP", EQ(0, 1), false },
		{ "ALLOW", "ERRNO", "", false },      { "ALLOW", "ERRNO", EQ(0, 1), true },
		{ "ALLOW", "LOG", "", true },	      { "ERRNO", "LOG", "", true },
		{ "KILL", "TRACE", EQ(0, 1), false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct seccomp_filter f = { 0 };
		const char *said;

		start(rows[i].by_default, "");
		add("execve", 1, rows[i].action, rows[i].args);
		said = parse(&f);
		if (rows[i].works ? *said : !strstr(said, "never allows execve"))
			fail_msg("row %zu: \"%s\"", i, said);
	}
}

/* Beside a rule without conditions, one that has some may say the same, and nothing else. */
static void rules_without_effect(void **state)
{
	struct seccomp_filter f = { 0 };

	(void)state;
	start("ALLOW", "");
	add("read", 1, "LOG", "");
	add("read", 1, "LOG", EQ(0, 1));
	assert_string_equal(parse(&f), "");
	start("ALLOW", "");
	add("read", 1, "LOG", "");
	add("read", 1, "TRAP", EQ(0, 1));
	assert_non_null(strstr(parse(&f), "/seccomp/syscalls/1: the rule for read has no effect"));
}

/* Every second call, or each, with many conditions: wherever the program gets too long. */
static void too_many_instructions(void **state)
{
	struct seccomp_filter f = { 0 };

	(void)state;
	for (int step = 1; step <= 2; step++) {
		start("ALLOW", "");
		for (int call = 0; call < 300; call += step)
			for (int i = 0; i < 8 * step; i++) {
				char args[200];

				snprintf(args, sizeof args,
					 "{\"index\": 0, \"op\": \"SCMP_CMP_GT\", \"value\": %d}, "
					 "{\"index\": 1, \"op\": \"SCMP_CMP_EQ\", \"value\": %d}",
					 100 * call + i, call + 100 * i);
				add(seccomp_call_name(call), 1, "TRAP", args);
			}
		assert_non_null(strstr(parse(&f), "compiles to more instructions than"));
	}
}

static void each_allocation(void **state)
{
	static const char *const wide =
		"{\"index\": 0, \"op\": \"SCMP_CMP_GT\", \"value\": 4294967297}";
	struct json_at at = { "/seccomp" };
	_cleanup_json_ json_t *j = NULL;
	struct seccomp_filter f = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	start("ERRNO", "\"architectures\": [\"SCMP_ARCH_X86\", \"SCMP_ARCH_X32\"], "
		       "\"listenerPath\": \"/agent\", \"listenerMetadata\": \"words\", ");
	add("execve", 1, "ALLOW", "");
	add("socket", 1, "KILL", wide);
	add("socket", 1, "NOTIFY", EQ(1, 9));
	add("ioctl", 1, "ALLOW", THREE);
	add("read", 1, "ALLOW", EQ(1, 2) ", " EQ(2, 3));
	assert_string_equal(parse(&f), "");
	assert_int_equal(json_parse_strict(text, strlen(text), "test", &j, &e), 0);
	for (int at_call = 1;; at_call++) {
		struct seccomp_filter again = { 0 };
		int r;

		*failing = (struct failing){
			.armed = true, .memory = true, .error = ENOMEM, .at = at_call
		};
		err_clear(&e);
		/* One of a parser's that knows of no earlier failure: it would tell of that one. */
		arena_free(&arena);
		r = seccomp_parse_for(SECCOMP_ABI_X86_64, j, &at, &arena, &again, &e);
		failing->armed = false;
		if (failing->calls < at_call) {
			assert_int_equal(r, 0);
			assert_int_equal(again.count, f.count);
			assert_true(at_call > 20);
			return;
		}
		if (r != -ENOMEM || e.error != ENOMEM)
			fail_msg("allocation %d: %d, \"%s\"", at_call, r, e.context[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(too_many_rules, clean),
		cmocka_unit_test_teardown(many_unknown_names, clean),
		cmocka_unit_test_teardown(whether_execve_is_permitted, clean),
		cmocka_unit_test_teardown(rules_without_effect, clean),
		cmocka_unit_test_teardown(too_many_instructions, clean),
		cmocka_unit_test_teardown(each_allocation, clean),
	};

	return cmocka_run_group_tests_name("seccomp_limits", tests, begin, NULL);
}
