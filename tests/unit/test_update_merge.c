/* test_update_merge.c - what an update of resources means with what holds, and what holds then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json.h"
#include "runtime/update_merge.h"

static json_t *parse(const char *text)
{
	json_t *o = json_loads(text, JSON_DECODE_ANY, NULL);

	assert_non_null(o);
	return o;
}

static void same(const json_t *got, const char *want)
{
	_cleanup_json_ json_t *expected = parse(want);

	if (!json_equal(got, expected)) {
		char *text = json_dumps(got, 0);

		print_message("got  %s\nwant %s\n", text, want);
		fail();
	}
}

static void fills(const char *update, const char *now, const char *want)
{
	_cleanup_json_ json_t *u = parse(update), *n = parse(now);

	assert_int_equal(update_fill(u, n), 0);
	same(u, want);
	same(n, now);
}

static void merges(const char *now, const char *update, const char *want)
{
	_cleanup_json_ json_t *u = parse(update), *n = parse(now);

	assert_int_equal(update_merge(n, u), 0);
	same(n, want);
	same(u, update);
}

static void fill_takes_the_other_half(void **state)
{
	(void)state;
	fills("{\"cpu\":{\"quota\":5000}}", "{\"cpu\":{\"quota\":1,\"period\":20000}}",
	      "{\"cpu\":{\"quota\":5000,\"period\":20000}}");
	fills("{\"cpu\":{\"period\":5000}}", "{\"cpu\":{\"quota\":-1,\"period\":20000}}",
	      "{\"cpu\":{\"quota\":-1,\"period\":5000}}");
	/* a zero is no value */
	fills("{\"cpu\":{\"period\":5000,\"quota\":0}}", "{\"cpu\":{\"quota\":777}}",
	      "{\"cpu\":{\"quota\":777,\"period\":5000}}");
	fills("{\"cpu\":{\"quota\":5000}}", "{}", "{\"cpu\":{\"quota\":5000}}");
	fills("{\"cpu\":{\"shares\":5}}", "{\"cpu\":{\"quota\":1,\"period\":20000}}",
	      "{\"cpu\":{\"shares\":5}}");
	fills("{}", "{\"cpu\":{\"quota\":1}}", "{}");
	fills("{\"memory\":{\"swap\":900}}", "{\"memory\":{\"limit\":400,\"swap\":500}}",
	      "{\"memory\":{\"swap\":900,\"limit\":400}}");
	fills("{\"memory\":{\"swap\":-1}}", "{\"memory\":{\"limit\":400,\"swap\":500}}",
	      "{\"memory\":{\"swap\":-1}}");
	fills("{\"memory\":{\"swap\":900,\"limit\":800}}", "{\"memory\":{\"limit\":400}}",
	      "{\"memory\":{\"swap\":900,\"limit\":800}}");
	/* hostile types: the parser's to refuse */
	fills("{\"cpu\":3,\"memory\":\"x\"}", "{\"cpu\":{\"quota\":1}}",
	      "{\"cpu\":3,\"memory\":\"x\"}");
}

static void merge_keeps_the_rest(void **state)
{
	(void)state;
	merges("{\"cpu\":{\"quota\":1,\"period\":2}}", "{\"cpu\":{\"quota\":9},\"pids\":{\"limit\":0}}",
	       "{\"cpu\":{\"quota\":9,\"period\":2},\"pids\":{\"limit\":0}}");
	merges("{\"cpu\":{\"shares\":5,\"idle\":1,\"burst\":8}}",
	       "{\"cpu\":{\"shares\":0,\"idle\":0,\"burst\":0}}",
	       "{\"cpu\":{\"shares\":5,\"idle\":0,\"burst\":0}}");
	merges("{\"unified\":{\"memory.high\":\"1\",\"a.b\":\"2\"}}", "{\"unified\":{\"a.b\":\"3\"}}",
	       "{\"unified\":{\"memory.high\":\"1\",\"a.b\":\"3\"}}");
	merges("{}", "{\"unified\":{\"a.b\":\"3\"}}", "{\"unified\":{\"a.b\":\"3\"}}");
}

static void merge_knows_entries_of_lists(void **state)
{
	(void)state;
	merges("{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":5},{\"pageSize\":\"1GB\",\"limit\":6}]}",
	       "{\"hugepageLimits\":[{\"pageSize\":\"1GB\",\"limit\":0},{\"pageSize\":\"64KB\",\"limit\":1}]}",
	       "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":5},{\"pageSize\":\"1GB\",\"limit\":0},"
	       "{\"pageSize\":\"64KB\",\"limit\":1}]}");
	merges("{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":1}]}}",
	       "{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":1,\"rate\":2},"
	       "{\"major\":8,\"minor\":0,\"rate\":3}]}}",
	       "{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":3},"
	       "{\"major\":8,\"minor\":1,\"rate\":2}]}}");
}

static void swap_follows_the_limit(void **state)
{
	(void)state;
	/* memory.swap.max stays 100 */
	merges("{\"memory\":{\"limit\":400,\"swap\":500}}", "{\"memory\":{\"limit\":1000}}",
	       "{\"memory\":{\"limit\":1000,\"swap\":1100}}");
	merges("{\"memory\":{\"limit\":400,\"swap\":500}}", "{\"memory\":{\"limit\":-1}}",
	       "{\"memory\":{\"limit\":-1,\"swap\":-1}}");
	merges("{\"memory\":{\"limit\":400,\"swap\":-1}}", "{\"memory\":{\"limit\":1000}}",
	       "{\"memory\":{\"limit\":1000,\"swap\":-1}}");
	merges("{\"memory\":{\"limit\":400,\"swap\":500}}", "{\"memory\":{\"limit\":600,\"swap\":600}}",
	       "{\"memory\":{\"limit\":600,\"swap\":600}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fill_takes_the_other_half),
		cmocka_unit_test(merge_keeps_the_rest),
		cmocka_unit_test(merge_knows_entries_of_lists),
		cmocka_unit_test(swap_follows_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
