/* test_credentials.c - image/credentials.c: files, keys, base64; image/platform.c's words. */
#include "image_test.h"
#include "image/credentials.h"
#include "image/manifest.h"

static void base64_there_and_back(void **state)
{
	static const char *const bad[] = {
		"", "=", "a", "YQ==", "!!!!", "dTpw=", "dTpw====", "AAA="
	};
	struct credential c = { .user = "u", .secret = "p:ss wörd" }, again;
	char text[200];
	size_t i;

	(void)state;
	for (i = 0; i < 12; i++) { /* every length of padding */
		memset(c.secret, 'x', i + 1);
		c.secret[i + 1] = '\0';
		assert_true(credential_to_base64(&c, text, sizeof(text)));
		assert_true(credential_from_base64(text, &again));
		assert_string_equal(again.user, c.user);
		assert_string_equal(again.secret, c.secret);
	}
	assert_true(credential_from_base64("dTphOmI=", &again)); /* the first colon parts them */
	assert_string_equal(again.secret, "a:b");
	assert_false(credential_to_base64(&c, text, 8));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (credential_from_base64(bad[i], &again))
			fail_msg("taken: %s", bad[i]);
}

static void the_longest_key_wins(void **state)
{
	static const char text[] =
		"{\"auths\": {"
		"\"https://index.docker.io/v1/\": {\"auth\": \"aHViOmE=\"},"
		"\"quay.io\": {\"auth\": \"YTph\"},"
		"\"quay.io/team\": {\"username\": \"team\", \"password\": \"p\"},"
		"\"quay.io/team/one\": {\"auth\": \"b25lOmE=\"},"
		"\"http://plain.example:5000\": {\"identitytoken\": \"t\"},"
		"\"empty.example\": {}}}";
	static const struct {
		const char *repository, *user;
	} want[] = {
		{ "docker.io/library/x", "hub" },
		{ "docker.io", "hub" },
		{ "quay.io/x", "a" },
		{ "quay.io/team/two", "team" },
		{ "quay.io/team/one", "one" },
		{ "quay.io/team/one/more", "one" },
		{ "quay.io/teams", "a" },
		{ "quay.io:5000/x", NULL },
		{ "xquay.io/x", NULL },
		{ "empty.example/x", NULL },
		{ "plain.example:5000/x", "" },
	};
	char path[128];
	int fd = scratch_open();
	size_t i;

	(void)state;
	write_file(fd, "auth.json", text, strlen(text));
	snprintf(path, sizeof(path), "%s/auth.json", scratch_path);
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct credential c = { 0 };
		struct err e = ERR_INIT;

		assert_int_equal(credentials_find(path, want[i].repository, &c, &e),
				 want[i].user != NULL);
		if (want[i].user)
			assert_string_equal(c.user, want[i].user);
		assert_int_equal(c.is_token, want[i].user && !want[i].user[0]);
	}
	scratch_remove(fd);
}

static void files_that_are_no_auth_files(void **state)
{
	static const char *const bad[] = { "",
					   "[]",
					   "{\"auths\": []}",
					   "{\"auths\": {\"q\": 1}}",
					   "{\"auths\": {\"q\": {\"auth\": 1}}}",
					   "{\"credHelpers\": {\"q\": 1}}",
					   "{\"credsStore\": 1}" };
	struct credential c;
	char path[128];
	int fd = scratch_open();
	size_t i;

	(void)state;
	snprintf(path, sizeof(path), "%s/auth.json", scratch_path);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = ERR_INIT;

		write_file(fd, "auth.json", bad[i], strlen(bad[i]));
		if (credentials_find(path, "q/x", &c, &e) >= 0)
			fail_msg("taken: %s", bad[i]);
		assert_err(&e, "credentials: ");
	}
	scratch_remove(fd);
}

static void platforms_have_words(void **state)
{
	static const struct {
		const char *text, *os, *architecture, *variant;
	} good[] = {
		{ "linux/amd64", "linux", "amd64", "" },
		{ "linux/x86_64", "linux", "amd64", "" },
		{ "linux/arm/v7", "linux", "arm", "v7" },
		{ "linux/armhf", "linux", "arm", "v7" },
		{ "linux/aarch64/v8", "linux", "arm64", "v8" },
	};
	static const char *const bad[] = { "",
					   "linux",
					   "/",
					   "linux/",
					   "/amd64",
					   "linux/amd64/",
					   "linux/AMD64",
					   "linux/amd64/v1/x",
					   "li nux/amd64" };
	struct arena a = ARENA_INIT;
	struct platform p;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(platform_parse(good[i].text, &a, &p, &e), 0);
		assert_string_equal(p.os, good[i].os);
		assert_string_equal(p.architecture, good[i].architecture);
		assert_string_equal(p.variant, good[i].variant);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (platform_parse(bad[i], &a, &p, NULL) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_there_and_back),
		cmocka_unit_test(the_longest_key_wins),
		cmocka_unit_test(files_that_are_no_auth_files),
		cmocka_unit_test(platforms_have_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
