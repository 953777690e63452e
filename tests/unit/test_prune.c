/* Times as images and people write them. */
#include "tests/unit/image_test.h"
#include "image/prune.h"

static void times(void **state)
{
	static const struct {
		const char *text;
		time_t want; /* -1: refused */
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2000-02-29T12:34:56Z", 951827696 },
		{ "2000-03-01T00:00:00Z", 951868800 },
		{ "2026-11-26T01:02:03.123456789Z", 1795654923 },
		{ "2026-11-26T01:02:03+01:00", 1795651323 },
		{ "2026-11-26T01:02:03-09:30", 1795689123 },
		{ "2100-03-01T00:00:00Z", 4107542400 },
		{ "0001-01-01T00:00:00Z", -62135596800 }, /* Go's zero: some builders' "made" */
		{ "", -1 },
		{ "2026-11-26", -1 },
		{ "2026-11-26T01:02:03", -1 },
		{ "2026-13-26T01:02:03Z", -1 },
		{ "2026-00-26T01:02:03Z", -1 },
		{ "2026-11-00T01:02:03Z", -1 },
		{ "2026-11-26T24:02:03Z", -1 },
		{ "2026-11-26T01:02:03Zx", -1 },
		{ "2026-11-26T01:02:03+1:00", -1 },
		{ "2026-11-26T01:02:03+01:00x", -1 },
		{ "2026-11-26T01:02:03.Z.", -1 },
		{ " 2026-1-26T01:02:03Z", -1 },
		{ "-026-11-26T01:02:03Z", -1 },
		{ "99999-11-26T01:02:03Z", -1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		time_t got = 42;
		int error = prune_parse_time(cases[i].text, &got);

		if (cases[i].want == -1 ? error != -EINVAL || got != 42
					: error || got != cases[i].want)
			fail_msg("%s: %d, %lld", cases[i].text, error, (long long)got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(times) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
