/* test_reference.c - image/reference.c and image/digest.c: the grammars. */
#include "image_test.h"
#include "image/reference.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void names_become_canonical(void **state)
{
	static const struct {
		const char *text, *canonical, *familiar;
	} good[] = {
		{ "busybox", "docker.io/library/busybox:latest", "busybox:latest" },
		{ "busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36" },
		{ "docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest" },
		{ "index.docker.io/library/busybox", "docker.io/library/busybox:latest",
		  "busybox:latest" },
		{ "a/b", "docker.io/a/b:latest", "a/b:latest" },
		{ "quay.io/a", "quay.io/a:latest", "quay.io/a:latest" },
		{ "localhost/a", "localhost/a:latest", "localhost/a:latest" },
		{ "localhost:5000/a/b:x", "localhost:5000/a/b:x", "localhost:5000/a/b:x" },
		{ "host:5000/a", "host:5000/a:latest", "host:5000/a:latest" },
		{ "Host/a", "Host/a:latest", "Host/a:latest" },
		{ "[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest" },
		{ "a.b_c__d---e", "docker.io/library/a.b_c__d---e:latest", "a.b_c__d---e:latest" },
		{ "a:_T.a-g", "docker.io/library/a:_T.a-g", "a:_T.a-g" },
		{ "docker.io/x.io/a/b", "docker.io/x.io/a/b:latest", "docker.io/x.io/a/b:latest" },
		{ "a:t@sha256:" HEX, "docker.io/library/a:t", "a:t" },
	};
	struct reference r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct err e = ERR_INIT;

		if (reference_parse(good[i].text, &r, &e))
			fail_msg("%s: %s", good[i].text, err_text(&e));
		assert_string_equal(reference_canonical(&r).text, good[i].canonical);
		assert_string_equal(reference_familiar(good[i].canonical).text, good[i].familiar);
		assert_int_equal(r.has_digest, strchr(good[i].text, '@') != NULL);
	}
}

static void bad_names_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		":",
		"/",
		"a/",
		"/a",
		"a//b",
		"A",
		"a:",
		"a:-",
		"a:.x",
		"a b",
		"a\n",
		"../a",
		"a/../b",
		".",
		"..",
		"-a",
		"a-",
		"_a",
		"a_",
		"a..b",
		"a___b",
		"a.-b",
		"a._b",
		"a@",
		"a@sha256:",
		"a@sha256:abc",
		"a@md5:" HEX,
		"a@sha256:" HEX "0",
		"host:/a",
		"host:x/a",
		"host:123456/a",
		"-h.x/a",
		"h-.x/a",
		"h..x/a",
		"[::1/a",
		"[]/a",
		"http://a/b",
		"a?b",
		"\xc3\xa9",
		HEX,
		HEX ":t",
		"a:t:u",
	};
	struct reference r = { .name = "untouched" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = ERR_INIT;

		if (reference_parse(bad[i], &r, &e) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_err(&e, "not an image reference");
	}
	assert_string_equal(r.name, "untouched");
}

static void lengths_have_limits(void **state)
{
	char text[1000];
	struct reference r;
	struct err e = ERR_INIT;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[255 - 18] = '\0'; /* with "docker.io/library/" exactly 255 */
	assert_int_equal(reference_parse(text, &r, &e), 0);
	text[255 - 18] = 'a';
	text[256 - 18] = '\0';
	assert_int_equal(reference_parse(text, &r, &e), -EINVAL);
	text[256 - 18] = 'a';
	text[1] = ':';
	text[2 + 128] = '\0';
	assert_int_equal(reference_parse(text, &r, &e), 0);
	text[2 + 128] = 'a';
	text[2 + 129] = '\0';
	assert_int_equal(reference_parse(text, &r, &e), -EINVAL);
	text[2 + 129] = 'a';
	text[999] = '\0';
	assert_int_equal(reference_parse(text, &r, &e), -EINVAL);
}

static void digests_are_strict(void **state)
{
	static const char *const bad[] = { "",
					   "sha256",
					   "sha256:",
					   HEX,
					   "sha256:" HEX "0",
					   "sha512:" HEX, "sha512:" HEX HEX "0", "sha384:" HEX, "sha256:" HEX HEX,
					   "SHA256:" HEX,
					   "sha256:../../../x",
					   "sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef"
					   "0123456789abcdef",
					   "sha256: " HEX };
	struct digest d;
	struct err e = ERR_INIT;
	size_t i;

	(void)state;
	assert_int_equal(digest_parse("sha256:" HEX, &d, &e), 0);
	assert_string_equal(digest_text(&d).text, "sha256:" HEX);
	assert_int_equal(digest_parse("sha512:" HEX HEX, &d, &e), 0);
	assert_string_equal(digest_text(&d).text, "sha512:" HEX HEX);
	assert_true(digest_from_hex("sha512", HEX HEX, &d));
	assert_false(digest_from_hex("sha512", HEX, &d));
	assert_false(digest_from_hex("sha256", HEX HEX, &d));
	assert_false(digest_from_hex("md5", HEX, &d));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(digest_parse(bad[i], &d, &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_become_canonical),
		cmocka_unit_test(bad_names_are_refused),
		cmocka_unit_test(lengths_have_limits),
		cmocka_unit_test(digests_are_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
