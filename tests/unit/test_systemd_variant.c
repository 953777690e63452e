/* org.systemd.property.*: names, and values as GVariant text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "cgroup/systemd.h"

static struct arena arena = ARENA_INIT;

static int annotate(const char *key, const char *value, struct systemd_property *ret, struct err *e)
{
	char name[128];
	_cleanup_json_ json_t *o = NULL;
	const struct systemd_property *list;
	struct json_at at = json_at_key(&JSON_AT_ROOT, "annotations");
	size_t count = 0;
	int r;

	snprintf(name, sizeof name, "org.systemd.property.%s", key);
	o = json_pack("{s:s, s:i}", name, value, "org.example", 1);
	assert_non_null(o);
	r = systemd_parse_annotations(o, &at, &arena, &list, &count, e);
	if (r == 0) {
		assert_int_equal(count, 1);
		*ret = list[0];
	}
	return r;
}

static void is(const char *text, const char *wanted)
{
	struct systemd_property p = { .name = "P" };
	struct err e = ERR_INIT;
	char found[256];
	struct buf b = BUF_ON(found);

	if (systemd_parse_variant(text, &JSON_AT_ROOT, &arena, &p, &e) < 0)
		fail_msg("%s: %s", text, e.context[0]);
	assert_string_equal(p.name, "P");
	buf_reset(&b);
	buf_addf(&b, "%s%c", p.array ? "a" : "", p.type);
	for (size_t i = 0; i < p.count; i++) {
		if (p.type == 's')
			buf_addf(&b, " %s", p.values[i].text);
		else if (p.type == 'd')
			buf_addf(&b, " %g", p.values[i].real);
		else if (strchr("nix", p.type))
			buf_addf(&b, " %lld", (long long)p.values[i].integer);
		else
			buf_addf(&b, " %llu", (unsigned long long)p.values[i].number);
	}
	assert_string_equal(found, wanted);
}

static void refused(const char *text)
{
	struct systemd_property p = { .name = "P", .type = '?' };
	struct err e = ERR_INIT;

	if (systemd_parse_variant(text, &JSON_AT_ROOT, &arena, &p, &e) == 0)
		fail_msg("%s was taken", text);
	assert_int_equal(e.error, EINVAL);
	assert_int_equal(p.type, '?');
}

static void values(void **state)
{
	(void)state;
	is("'inactive-or-failed'", "s inactive-or-failed");
	is("\"it's\"", "s it's");
	is("'a\\'b\\\\\\n'", "s a'b\\\n");
	is("''", "s ");
	is("true", "b 1");
	is(" false ", "b 0");
	is("boolean true", "b 1");
	is("5", "i 5");
	is("-5", "i -5");
	is("-2147483648", "i -2147483648");
	is("uint64 123456789012", "t 123456789012");
	is("@t 18446744073709551615", "t 18446744073709551615");
	is("int64 -9223372036854775808", "x -9223372036854775808");
	is("byte 0xff", "y 255");
	is("int16 -1", "n -1");
	is("uint16 7", "q 7");
	is("uint32 7", "u 7");
	is("1.5", "d 1.5");
	is("1e3", "d 1000");
	is("double 2", "d 2");
	is("string 'x'", "s x");
	is("['a', 'b']", "as a b");
	is("[ true,false ]", "ab 1 0");
	is("[uint64 1, 2]", "at 1 2");
	is("@as []", "as");
	is("@au [1, 2]", "au 1 2");
	is("@ay [0x01]", "ay 1");
}

static void refusals(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"many",
		"'open",
		"'a' 'b'",
		"'\\u0041'",
		"2147483648",
		"-2147483649",
		"byte 256",
		"uint64 -1",
		"uint32 x",
		"0x",
		"5x",
		"1.5.2",
		"int32 1.5",
		"[",
		"[1",
		"[1,",
		"[1 2]",
		"[]",
		"[1, 'a']",
		"[[1]]",
		"(1, 2)",
		"{'a': 1}",
		"<1>",
		"@",
		"@as",
		"@as 'a'",
		"@a{sv} []",
		"@as [1]",
		"uint64 [1]",
		"double nan",
		"inf",
		"1e999",
		"nothing",
		"just 1",
		"18446744073709551616",
		"uint64 18446744073709551616",
		"--1",
		"+",
		"true]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		refused(texts[i]);
}

static void too_many_values(void **state)
{
	char text[2 * SYSTEMD_VALUES_MAX + 8] = "[1";

	(void)state;
	for (int i = 1; i < SYSTEMD_VALUES_MAX; i++)
		strcat(text, ",1");
	strcat(text, ",1]");
	refused(text);
}

static void seconds(void **state)
{
	static const struct {
		const char *value;
		unsigned long long usec;
	} cases[] = { { "5", 5000000 }, { "uint64 90", 90000000 }, { "1.5", 1500000 }, { "0", 0 } };
	struct systemd_property p;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(annotate("TimeoutStopSec", cases[i].value, &p, &e), 0);
		assert_string_equal(p.name, "TimeoutStopUSec");
		assert_int_equal(p.type, 't');
		assert_int_equal(p.values[0].number, cases[i].usec);
	}
	/* That is what the bus calls it already. */
	assert_int_equal(annotate("TimeoutStopUSec", "uint64 5", &p, &e), 0);
	assert_string_equal(p.name, "TimeoutStopUSec");
	assert_int_equal(p.values[0].number, 5);
	assert_int_equal(annotate("CPUQuotaPerSecUSec", "uint64 5", &p, &e), 0);
	assert_int_equal(p.values[0].number, 5);
	assert_int_equal(annotate("TimeoutStopSec", "-1", &p, &e), -EINVAL);
	assert_int_equal(annotate("TimeoutStopSec", "'5'", &p, &e), -EINVAL);
	assert_int_equal(annotate("TimeoutStopSec", "uint64 18446744073709551615", &p, &e),
			 -EINVAL);
}

static void keys(void **state)
{
	static const char *const wrong[] = { "",	  "Ab",	  "timeout",	 "Tasks Max",
					     "Tasks.Max", "CPU1", "Description", "Slice",
					     "PIDs" };
	struct systemd_property p;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct err e = ERR_INIT;

		assert_int_equal(annotate(wrong[i], "'x'", &p, &e), -EINVAL);
		assert_int_equal(strncmp(e.where, "/annotations/org.systemd.property.", 34), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(refusals),
		cmocka_unit_test(too_many_values),
		cmocka_unit_test(seconds),
		cmocka_unit_test(keys),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
