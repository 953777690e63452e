/* test_registry_hosts.c - image/registry-hosts.c and image/toml.c: hosts.toml. */
#include "image_test.h"
#include "base/json.h"
#include "image/registry-hosts.h"
#include "image/toml.h"

static int parse(const char *text, struct arena *a, struct registry_hosts *ret, struct err *e)
{
	_cleanup_json_ json_t *document = NULL;
	int error = toml_parse(text, strlen(text), &document, e);

	return error ? error : registry_hosts_parse(document, "docker.io", a, ret, e);
}

static void mirrors_in_their_order(void **state)
{
	static const char text[] = "# a comment\n"
				   "server = \"https://upstream.example/\"\r\n"
				   "\n"
				   "[host.\"https://second.example:5000\"]\n"
				   "  capabilities = [ \"pull\", # and no more\n"
				   "    'push', ]\n"
				   "  skip_verify = true\n"
				   "  dial_timeout = \"1500ms\"\n"
				   "  client = [[\"/c.cert\", \"/c.key\"]]\n"
				   "  [host.\"https://second.example:5000\".header]\n"
				   "    x-one = \"a\"\n"
				   "    x-two = [\"b\", \"c\"]\n"
				   "[host.'http://127.0.0.1:5000/some/path']\n"
				   "  override_path = true\n"
				   "  client = \"/both.pem\"\n"
				   "[host.\"first.example\"]\n";
	struct arena a = ARENA_INIT;
	struct registry_hosts h;
	struct err e = ERR_INIT;

	(void)state;
	if (parse(text, &a, &h, &e))
		fail_msg("%s", err_text(&e));
	assert_int_equal(h.count, 4);
	assert_string_equal(h.list[0].base, "https://second.example:5000/v2");
	assert_string_equal(h.list[0].name, "second.example:5000");
	assert_true(h.list[0].is_mirror && h.list[0].pull && !h.list[0].resolve);
	assert_true(h.list[0].tls.skip_verify);
	assert_int_equal(h.list[0].connect_seconds, 2);
	assert_string_equal(h.list[0].tls.cert, "/c.cert");
	assert_string_equal(h.list[0].tls.key, "/c.key");
	assert_string_equal(h.list[0].headers[0], "x-one: a");
	assert_string_equal(h.list[0].headers[2], "x-two: c");
	assert_null(h.list[0].headers[3]);
	assert_string_equal(h.list[1].base, "http://127.0.0.1:5000/some/path");
	assert_string_equal(h.list[1].tls.cert, "/both.pem");
	assert_null(h.list[1].tls.key);
	assert_string_equal(h.list[2].base, "https://first.example/v2");
	assert_true(h.list[2].resolve);
	/* the registry itself, by another URL: its name stays, and so whose password it gets */
	assert_string_equal(h.list[3].base, "https://upstream.example/v2");
	assert_string_equal(h.list[3].name, "docker.io");
	assert_false(h.list[3].is_mirror);
	arena_free(&a);
}

static void what_is_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "x", "line 1: a key wants =" },
		{ "x = ", "line 1: a value must be" },
		{ "\n\nserver = \"x", "line 3: a string does not end" },
		{ "a = 1\na = 2", "line 2: a key is given twice" },
		{ "[a]\n[a]", "line 2: a table is given twice" },
		{ "a = 1\n[a]", "line 2: a key is a table and a value at once" },
		{ "[[host]]", "arrays of tables are not supported" },
		{ "a = \"\"\"x\"\"\"", "over several lines are not supported" },
		{ "a = 1.5", "more than one thing on a line" },
		{ "a = { b = 1 }", "a value must be" },
		{ "a = [1, 2", "an array wants , or ]" },
		{ "a = [[[[[[[[[1]]]]]]]]]", "arrays in arrays too deep" },
		{ "a = \"\\x\"", "an escape other than" },
		{ "a = \"\x01\"", "a control character" },
		{ "a = 99999999999999999999", "too large a number" },
		{ "mirror = \"x\"", "/mirror: is not supported here" },
		{ "skip_verify = \"yes\"",
		  "/skip_verify: is not supported here, or of the wrong type" },
		{ "capabilities = [\"fly\"]", "\"fly\" is none of" },
		{ "server = \"ftp://x\"", "is no http or https URL" },
		{ "server = \"https://user@x\"", "is no usable URL" },
		{ "server = \"https://x?y\"", "is no usable URL" },
		{ "dial_timeout = \"soon\"", "must be a duration" },
		{ "[header]\n\"a b\" = \"c\"", "is no header's name" },
		{ "[header]\na = \"b\\r\\nc\"", "is more than one line" },
		{ "client = [[\"a\", \"b\"], [\"c\", \"d\"]]", "must be one file, or one pair" },
		{ "ca = \"/nonexistent/ca\"", "an authority's certificate" },
		{ "[host.\"a\"]\nserver = \"b\"", "holds a server or hosts of its own" },
		{ "host = 1", "must be an object" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct arena a = ARENA_INIT;
		struct registry_hosts h;
		struct err e = ERR_INIT;

		if (parse(bad[i].text, &a, &h, &e) >= 0)
			fail_msg("taken: %s", bad[i].text);
		assert_err(&e, bad[i].why);
		arena_free(&a);
	}
}

static void many_mirrors_are_too_many(void **state)
{
	struct arena a = ARENA_INIT;
	struct registry_hosts h;
	struct err e = ERR_INIT;
	char text[4096] = "";
	size_t i;

	(void)state;
	for (i = 0; i < HOSTS_MIRRORS_MAX + 1; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "[host.m%zu]\n", i);
	assert_true(parse(text, &a, &h, &e) < 0);
	assert_err(&e, "has more than 16 hosts");
	arena_free(&a);
}

static void folders_of_certificates(void **state)
{
	struct registry_hosts_options o = { .certs_dir = scratch_path };
	struct arena a = ARENA_INIT;
	struct registry_hosts h;
	struct err e = ERR_INIT;
	int fd = scratch_open();

	(void)state;
	assert_int_equal(registry_hosts_find("r.example:5000", &o, &a, &h, &e), 0);
	assert_string_equal(h.list[0].base, "https://r.example:5000/v2");
	assert_null(h.list[0].tls.ca_pem);
	assert_int_equal(mkdirat(fd, "r.example:5000", 0755), 0);
	write_file(fd, "r.example:5000/a.crt", "ONE", 3);
	write_file(fd, "r.example:5000/b.crt", "TWO", 3);
	write_file(fd, "r.example:5000/me.cert", "x", 1);
	assert_true(registry_hosts_find("r.example:5000", &o, &a, &h, &e) < 0);
	assert_err(&e, "the key of me.cert");
	err_clear(&e);
	write_file(fd, "r.example:5000/me.key", "x", 1);
	assert_int_equal(registry_hosts_find("r.example:5000", &o, &a, &h, &e), 0);
	assert_int_equal(h.count, 1);
	assert_non_null(strstr(h.list[0].tls.ca_pem, "ONE"));
	assert_non_null(strstr(h.list[0].tls.ca_pem, "TWO"));
	assert_non_null(strstr(h.list[0].tls.cert, "/r.example:5000/me.cert"));
	/* another port is another registry */
	assert_int_equal(registry_hosts_find("r.example", &o, &a, &h, &e), 0);
	assert_null(h.list[0].tls.ca_pem);
	o.plain_http = true;
	assert_int_equal(registry_hosts_find("r.example", &o, &a, &h, &e), 0);
	assert_string_equal(h.list[0].base, "http://r.example/v2");
	assert_int_equal(registry_hosts_find("docker.io", &o, &a, &h, &e), 0);
	assert_string_equal(h.list[0].base, "http://registry-1.docker.io/v2");
	arena_free(&a);
	scratch_remove(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mirrors_in_their_order),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(many_mirrors_are_too_many),
		cmocka_unit_test(folders_of_certificates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
