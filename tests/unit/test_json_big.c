/*
 * test_json_big.c - integers that jansson has no type for.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/fd.h"
#include "runtime/json_more.h"

/* In memory that ends with the text: what reads on is seen (make asan). */
static int parse(const char *text, json_t **ret, struct err *e)
{
	_cleanup_free_ char *exact = malloc(strlen(text));

	assert_non_null(exact);
	memcpy(exact, text, strlen(text));
	*ret = NULL;
	return json_parse_strict(exact, strlen(text), "config.json", ret, e);
}

/* jansson has no type for 2^63 to 2^64 - 1. */
static void keeps_its_value(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} rows[] = {
		{ "9223372036854775807", INT64_MAX },
		{ "9223372036854775808", 1ULL << 63 },
		{ "9999999999999999999", 9999999999999999999ULL },
		{ "10000000000000000000", 10000000000000000000ULL },
		{ "18446744069414584320", 0xffffffff00000000 },
		{ "18446744073709551614", UINT64_MAX - 1 },
		{ "18446744073709551615", UINT64_MAX },
	};
	static const char *const bad[] = {
		"18446744073709551616",	 "99999999999999999999",   "-9223372036854775809",
		"-18446744073709551615", "09223372036854775808",   "018446744073709551615",
		"+9223372036854775808",	 "9223372036854775808.5x", "9223372036854775808x",
		"100000000000000000000", "00000000000000000000",
	};
	struct json_at at = JSON_AT_ROOT;
	char text[200];
	json_t *root;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		_cleanup_free_ char *dumped = NULL;
		struct err e = ERR_INIT;
		const char *s = NULL;
		uint64_t value = 0;
		json_t *o = NULL;
		int64_t n = 0;

		/* The one in the string stays text. */
		snprintf(text, sizeof text,
			 "{\"\\\"9223372036854775808\":\"%s\", \"a\":%s,\"b\" : [ %s, "
			 "18446744073709551615]}",
			 rows[i].text, rows[i].text, rows[i].text);
		assert_int_equal(parse(text, &root, &e), 0);
		assert_string_equal(
			json_string_value(json_object_get(root, "\"9223372036854775808")),
			rows[i].text);
		assert_int_equal(json_get_u64(root, &at, "a", &value, &e), 1);
		assert_true(value == rows[i].value);
		if (i > 0) {
			assert_int_equal(json_get_int(root, &at, "a", 0, INT64_MAX, &n, &e),
					 -EINVAL);
			assert_non_null(strstr(e.context[0], "not an integer beyond 2^63"));
			assert_int_equal(json_get_object(root, &at, "a", &o, &e), -EINVAL);
			assert_int_equal(json_get_string(root, &at, "a", &s, &e), -EINVAL);
			assert_true(!n && !o && !s);
		}
		/* A copy of the configuration holds the same number. */
		dumped = json_dumps(root, JSON_COMPACT);
		json_decref(root);
		assert_int_equal(parse(dumped, &root, &e), 0);
		value = 0;
		assert_int_equal(json_get_u64(root, &at, "a", &value, &e), 1);
		assert_true(value == rows[i].value);
		json_decref(root);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct err e = ERR_INIT;

		snprintf(text, sizeof text, "{\"m\":18446744073709551615,\"a\":%s}", bad[i]);
		if (parse(text, &root, &e) != -EINVAL)
			fail_msg("%s is taken", bad[i]);
		assert_string_equal(e.where, "/a");
	}
}

/* What reads as such a number is that alone. */
static void is_no_such_number(void **state)
{
	static const char *const texts[] = {
		"{}",
		"{\"\":\"1\"}",
		"{\"\x7f\x7f\":\"\"}",
		"{\"\x7f\x7f\":\"-1\"}",
		"{\"\x7f\x7f\":1}",
		"{\"\x7f\x7f\":\"1\",\"a\":1}",
		"{\"\x7f\x7f\":\"9223372036854775807\"}",
		"{\"\x7f\x7f\":\"18446744073709551616\"}",
		"{\"\x7f\x7f\":\"9223372036854775808x\"}",
		"[\"1\"]",
		"\"1\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct err e = ERR_INIT;
		uint64_t value;
		json_t *root;

		assert_int_equal(parse(texts[i], &root, &e), 0);
		if (json_big_value(root, &value))
			fail_msg("%s is taken for a number", texts[i]);
		json_decref(root);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_its_value),
		cmocka_unit_test(is_no_such_number),
	};

	return cmocka_run_group_tests_name("json_big", tests, NULL, NULL);
}
