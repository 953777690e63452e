/* test_challenge.c - image/challenge.c: WWW-Authenticate. */
#include "image_test.h"
#include "image/challenge.h"

static void what_registries_send(void **state)
{
	static const struct {
		const char *header;
		enum challenge_kind kind;
		const char *realm, *service, *scope;
	} good[] = {
		{ "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\","
		  "scope=\"repository:a/b:pull,push\"",
		  CHALLENGE_BEARER, "https://auth.docker.io/token", "registry.docker.io",
		  "repository:a/b:pull,push" },
		{ "Basic realm=\"a \\\"quoted\\\" one\"", CHALLENGE_BASIC, "a \"quoted\" one", "",
		  "" },
		{ "basic realm=x", CHALLENGE_BASIC, "x", "", "" },
		{ "Basic", CHALLENGE_BASIC, "", "", "" },
		{ "BEARER Realm = \"x\" , SERVICE=y", CHALLENGE_BEARER, "x", "y", "" },
		/* Bearer goes first, wherever it stands; what is unknown is passed over */
		{ "Basic realm=\"b\", Bearer realm=\"t\"", CHALLENGE_BEARER, "t", "", "" },
		{ "Bearer realm=\"t\", Basic realm=\"b\"", CHALLENGE_BEARER, "t", "", "" },
		{ "Negotiate, Digest realm=\"d\", nonce=\"n,Bearer realm=q\", Basic realm=b",
		  CHALLENGE_BASIC, "b", "", "" },
		{ ", ,Bearer realm=\"t\",error=\"invalid_token\",", CHALLENGE_BEARER, "t", "", "" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct challenge c;
		struct err e = ERR_INIT;

		if (challenge_parse(good[i].header, &c, &e))
			fail_msg("%s: %s", good[i].header, err_text(&e));
		assert_int_equal(c.kind, good[i].kind);
		assert_string_equal(c.realm, good[i].realm);
		assert_string_equal(c.service, good[i].service);
		assert_string_equal(c.scope, good[i].scope);
	}
}

static void what_is_refused(void **state)
{
	static const struct {
		const char *header, *why;
	} bad[] = {
		{ "", "neither Basic nor Bearer" },  { "Negotiate", "neither Basic nor Bearer" },
		{ "Bearer", "names no realm" },	     { "Bearer service=\"x\"", "names no realm" },
		{ "Bearer realm=\"x", "malformed" }, { "Bearer realm=\"x\\", "malformed" },
		{ "Bearer realm=", "malformed" },    { "Bearer realm=\"a\r\nX: y\"", "malformed" },
		{ "\"Bearer\"", "malformed" },	     { "=", "malformed" },
	};
	char longest[5000];
	struct challenge c = { .kind = CHALLENGE_BASIC };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = ERR_INIT;

		assert_true(challenge_parse(bad[i].header, &c, &e) < 0);
		assert_err(&e, bad[i].why);
	}
	snprintf(longest, sizeof(longest), "Bearer realm=\"%04000d\"", 0);
	assert_int_equal(challenge_parse(longest, &c, NULL), -EINVAL);
	assert_int_equal(c.kind, CHALLENGE_BASIC); /* untouched */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_registries_send),
		cmocka_unit_test(what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
