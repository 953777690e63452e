/* What paging follows, and what it does not. */
#include "tests/unit/image_test.h"
#include "image/artifact.h"
#include "image/registry-list.h"

static const char *next_of(const char *header)
{
	static char url[64];

	return link_next(header, url, sizeof(url)) ? url : "";
}

static void the_next_page(void **state)
{
	(void)state;
	assert_string_equal(next_of("</v2/a/tags/list?n=2&last=b>; rel=\"next\""), "/v2/a/tags/list?n=2&last=b");
	assert_string_equal(next_of("<x>;rel=next"), "x");
	assert_string_equal(next_of(" <x> ; title=\"a, <b>; rel=next\" ; REL = Next"), "x");
	assert_string_equal(next_of("<a>; rel=\"prev\", <b>; rel=\"next\", <c>; rel=next"), "b");
	assert_string_equal(next_of("<a>, <b>; rel=next"), "b");
}

static void none(void **state)
{
	static const char *const headers[] = {
		"", "x", "<x", "<x>", "<x>; rel", "<x>; rel=", "<x>; rel=prev", "<x>; rel=\"nex", "<>; rel=next",
		"<x>; rev=next", "x; rel=next", "<x> rel=next", ",,,", ";;", "<x>; rel=\"next prev\"",
		"<0123456789012345678901234567890123456789012345678901234567890123456789>; rel=next",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		assert_string_equal(next_of(headers[i]), "");
}

static void titles(void **state)
{
	static const char *const bad[] = { "", ".", "..", ".bashrc", "a/b", "/etc/passwd", "../x", "a\nb",
					   "a\x1b[31m", "-rf", "manifest.json" };
	char text[300];
	size_t i;

	(void)state;
	assert_true(artifact_is_name("sbom.json"));
	assert_true(artifact_is_name("a b..c"));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(artifact_is_name(bad[i]));
	memset(text, 'a', sizeof(text));
	text[201] = '\0';
	assert_false(artifact_is_name(text));
	text[200] = '\0';
	assert_true(artifact_is_name(text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_page),
		cmocka_unit_test(none),
		cmocka_unit_test(titles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
