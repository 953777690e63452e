/* An image's words as a runtime's: what wins, what is refused. */
#include "tests/unit/image_test.h"
#include "base/json.h"
#include "image/bundle.h"
#include "image/layout-make.h"

static json_t *spec;
static struct err e;
static size_t orders;

/* With the members of "config" and of the top given as JSON text. */
static int convert(const char *config, const char *top, const char *const *args)
{
	static const char base[] = "{\"process\":{\"env\":[\"PATH=/base\",\"TERM=xterm\"]},\"root\":{},\"mounts\":[]}";
	const struct bundle_user user = { .uid = 7, .gid = 8, .gids = { 9 }, .gid_count = 1, .home = "/home" };
	json_t *image = NULL;
	char text[2048];
	size_t left_out = 0;
	int error;

	snprintf(text, sizeof(text), "{\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]},\"config\":{%s}%s}",
		 config, top);
	json_decref(spec);
	spec = NULL;
	err_clear(&e);
	assert_int_equal(json_parse_strict(base, strlen(base), "base", &spec, &e), 0);
	if (json_parse_strict(text, strlen(text), "image", &image, &e))
		fail_msg("%s: %s", text, err_text(&e));
	error = bundle_convert(spec, image, &user, args, false, &left_out, &e);
	orders = left_out;
	json_decref(image);
	return error;
}

static void is(const char *path, const char *want)
{
	json_t *at = spec;
	char key[64], *text;
	size_t len;

	for (; *path; path += len + (path[len] == '/')) {
		len = strcspn(path, "/");
		snprintf(key, sizeof(key), "%.*s", (int)len, path);
		at = json_object_get(at, key);
	}
	text = at ? json_dumps(at, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	assert_string_equal(text ? text : "nothing", want);
	free(text);
}

static void words_and_their_rules(void **state)
{
	static const char *const args[] = { "x", NULL };

	(void)state;
	assert_int_equal(convert("\"Entrypoint\":[\"e\"],\"Cmd\":[\"c\"],\"Env\":[\"A=1\"]", "", NULL), 0);
	is("process/args", "[\"e\",\"c\"]");
	is("process/env", "[\"A=1\",\"PATH=/base\",\"HOME=/home\"]");
	is("process/cwd", "\"/\"");
	is("process/user", "{\"uid\":7,\"gid\":8,\"additionalGids\":[9]}");
	is("process/terminal", "false");
	is("root/readonly", "false");
	is("annotations", "{\"org.opencontainers.image.os\":\"linux\"}");
	assert_int_equal(convert("\"Entrypoint\":[\"e\"],\"Cmd\":[\"c\"],\"WorkingDir\":\"w\",\"Env\":[\"HOME=\",\"PATH=/i\"]", "", args), 0);
	is("process/args", "[\"e\",\"x\"]");
	is("process/env", "[\"HOME=\",\"PATH=/i\"]");
	is("process/cwd", "\"/w\"");
	assert_int_equal(convert("\"Cmd\":[\"c\"],\"Labels\":{\"org.opencontainers.image.author\":\"l\",\"a\":\"\"}",
				 ",\"author\":\"top\",\"created\":\"t\",\"os.features\":[\"f\",\"g\"]", NULL), 0);
	is("annotations/org.opencontainers.image.author", "\"l\"");
	is("annotations/a", "\"\"");
	is("annotations/org.opencontainers.image.created", "\"t\"");
	is("annotations/org.opencontainers.image.os.features", "\"f,g\"");
	/* Orders to a runtime are the caller's to give. */
	assert_int_equal(convert("\"Cmd\":[\"c\"],\"Labels\":{\"io.kist.image.writable\":\"/etc\","
				 "\"run.oci.hooks.stdout\":\"/f\",\"org.systemd.property.Slice\":\"'x'\"}", "",
				 NULL), 0);
	is("annotations", "{\"org.opencontainers.image.os\":\"linux\"}");
	assert_int_equal(convert("\"Cmd\":[\"c\"],\"Volumes\":{\"/v\":{}},\"ExposedPorts\":{\"1/tcp\":{},\"2/udp\":{}}", "", NULL), 0);
	is("annotations/org.opencontainers.image.exposedPorts", "\"1/tcp,2/udp\"");
	assert_int_equal(json_array_size(json_object_get(spec, "mounts")), 1);
}

static void a_label_gives_no_orders(void **state)
{
	static const char *const labels[] = { "io.kist.image", "io.kist.image.writable", "run.oci.keep_original_groups",
					      "org.systemd.property.ExecStart", "org.criu.config", "run.oci.hooks.stderr" };
	char text[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		snprintf(text, sizeof(text), "\"Cmd\":[\"c\"],\"Labels\":{\"%s\":\"/\",\"io.kistler\":\"fine\"}", labels[i]);
		assert_int_equal(convert(text, "", NULL), 0);
		assert_int_equal(orders, 1);
		is("annotations", "{\"org.opencontainers.image.os\":\"linux\",\"io.kistler\":\"fine\"}");
	}
}

static void refusals(void **state)
{
	static const char *const bad[][2] = {
		{ "", "names no command" },
		{ "\"Cmd\":[5]", "/config/Cmd/0" },
		{ "\"Cmd\":[\"c\"],\"Labels\":{\"a\":1}", "/config/Labels/a: must be a string" },
		{ "\"Cmd\":[\"c\"],\"Labels\":{\"\":\"x\"}", "a label without a name" },
		{ "\"Cmd\":[\"c\"],\"Volumes\":{\"/\":{}}", "is no place for a volume" },
		{ "\"Cmd\":[\"c\"],\"Volumes\":{\"/a/../b\":{}}", "is no place for a volume" },
		{ "\"Cmd\":[\"c\"],\"StopSignal\":9", "/config/StopSignal: must be a string" },
		{ "\"Cmd\":[\"c\"],\"ExposedPorts\":[]", "/config/ExposedPorts: must be an object" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(convert(bad[i][0], "", NULL), -EINVAL);
		assert_err(&e, bad[i][1]);
	}
	assert_int_equal(convert("\"Cmd\":[\"c\"]", ",\"os.features\":[1]", NULL), -EINVAL);
}

static void changes(void **state)
{
	static const char *const all[][2] = {
		{ "CMD [\"a\", \"b\"]", "{\"Cmd\":[\"a\",\"b\"]}" },
		{ "cmd a b", "{\"Cmd\":[\"/bin/sh\",\"-c\",\"a b\"]}" },
		{ "ENV A=b", "{\"Env\":[\"A=b\"]}" },
		{ "ENV A b c", "{\"Env\":[\"A=b c\"]}" },
		{ "ENV A=\"b c\"", "{\"Env\":[\"A=b c\"]}" },
		{ "ENV A=", "{\"Env\":[\"A=\"]}" },
		{ "LABEL a.b='c'", "{\"Labels\":{\"a.b\":\"c\"}}" },
		{ "EXPOSE 80  81/udp", "{\"ExposedPorts\":{\"80/tcp\":{},\"81/udp\":{}}}" },
		{ "WORKDIR /a b", "{\"WorkingDir\":\"/a b\"}" },
	};
	static const char *const bad[] = { "", "CMD", "CMD ", "CMD [1]", "CMD [\"a\"", "ENV A", "ENV =a", "ENV A=b C=d",
					   "ONBUILD x", "VOLUME [\"/a\"]", "USER \xff", "LABEL \xff=a" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		json_t *config = json_object();
		char *text;

		err_clear(&e);
		assert_int_equal(source_change(config, all[i][0], &e), 0);
		text = json_dumps(config, JSON_COMPACT);
		assert_string_equal(text, all[i][1]);
		free(text);
		json_decref(config);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *config = json_object();

		err_clear(&e);
		if (source_change(config, bad[i], &e) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
		json_decref(config);
	}
	json_decref(spec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_and_their_rules),
		cmocka_unit_test(a_label_gives_no_orders),
		cmocka_unit_test(refusals),
		cmocka_unit_test(changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
