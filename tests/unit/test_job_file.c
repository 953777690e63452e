/* test_job_file.c - supervisor/job_file.c: what a job file says, what is refused and where, and
 * that docs/job.schema.json says the same. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "supervisor/job.h"

static struct arena arena;

static int parse(const char *text, struct job *job, struct err *e)
{
	_cleanup_json_ json_t *document = NULL;

	*job = (struct job){ 0 };
	*e = (struct err)ERR_INIT;
	if (json_parse_strict(text, strlen(text), "job", &document, e) < 0)
		return -e->error;
	return job_file_parse(document, "/jobs", &arena, job, e);
}

static void whole(void **state)
{
	struct job j;
	struct err e;

	(void)state;
	assert_int_equal(
		parse("{\"version\":1,\"id\":\"a\",\"image\":\"busybox\",\"command\":[\"x\",\"y\"],"
		      "\"env\":{\"A\":\"1\",\"B\":\"\"},\"workdir\":\"/w\",\"writable\":\"1m\","
		      "\"network\":\"bridge\",\"stdin\":\"in\",\"stdout\":\"/o\",\"stderr_to\":"
		      "\"stdout\",\"allow_degraded\":[\"memory\",\"cpu-time\"],\"limits\":{"
		      "\"memory\":\"64m\",\"pids\":7,\"cpus\":0.5,\"cpu_time\":2,\"wall\":\"5s\","
		      "\"grace\":\"100ms\",\"output\":4096,\"over_output\":\"kill\","
		      "\"file_size\":\"1k\",\"open_files\":9,\"stack\":\"2m\",\"cpuset_cpus\":\"0-1,3\"}}",
		      &j, &e),
		0);
	assert_string_equal(j.id, "a");
	assert_string_equal(j.source, "busybox");
	assert_false(j.is_folder);
	assert_string_equal(j.args[1], "y");
	assert_null(j.args[2]);
	assert_int_equal(j.env_count, 2);
	assert_string_equal(j.env[0], "A=1");
	assert_string_equal(j.env[1], "B=");
	assert_string_equal(j.workdir, "/w");
	assert_string_equal(j.writable, "1m");
	assert_string_equal(j.stdio[0], "/jobs/in");
	assert_string_equal(j.stdio[1], "/o");
	assert_true(j.merge_stderr);
	assert_int_equal(j.waived, JOB_MEMORY | JOB_CPU_TIME);
	assert_int_equal(j.memory, 64 << 20);
	assert_int_equal(j.pids, 7);
	assert_int_equal(j.cpu_quota, 50000);
	assert_int_equal(j.cpu_ms, 2000);
	assert_int_equal(j.wall_ms, 5000);
	assert_int_equal(j.grace_ms, 100);
	assert_int_equal(j.output, 4096);
	assert_true(j.output_kills);
	assert_int_equal(j.file_size, 1024);
	assert_int_equal(j.open_files, 9);
	assert_int_equal(j.stack, 2 << 20);
	assert_string_equal(j.cpus, "0-1,3");
	assert_int_equal(parse("{\"version\":1,\"folder\":\"root\"}", &j, &e), 0);
	assert_true(j.is_folder);
	assert_string_equal(j.source, "/jobs/root");
	arena_free(&arena);
}

static void bytes(void **state)
{
	struct job j;
	struct err e;

	(void)state;
	assert_int_equal(parse("{\"version\":1,\"files\":[{\"path\":\"/x\",\"base64\":\"AP9h\"},"
			       "{\"path\":\"/x\",\"base64\":\"AP8=\"},{\"path\":\"/x\",\"base64\":"
			       "\"AA==\"},{\"path\":\"/x\",\"base64\":\"\"}]}",
			       &j, &e),
			 0);
	assert_int_equal(j.file_count, 4);
	assert_int_equal(j.file[0].size, 3);
	assert_memory_equal(j.file[0].data, "\0\377a", 3);
	assert_int_equal(j.file[1].size, 2);
	assert_memory_equal(j.file[1].data, "\0\377", 2);
	assert_int_equal(j.file[2].size, 1);
	assert_int_equal(j.file[3].size, 0);
	arena_free(&arena);
}

static void refused(void **state)
{
	static const struct {
		const char *text, *where;
	} bad[] = {
		{ "[]", "" },
		{ "{}", "/version" },
		{ "{\"version\":2}", "/version" },
		{ "{\"version\":\"1\"}", "/version" },
		{ "{\"version\":1,\"comand\":[]}", "/comand" },
		{ "{\"version\":1,\"limits\":{\"memroy\":1}}", "/limits/memroy" },
		{ "{\"version\":1,\"memory\":1}", "/memory" },
		{ "{\"version\":1,\"limits\":[]}", "/limits" },
		{ "{\"version\":1,\"image\":\"\"}", "/image" },
		{ "{\"version\":1,\"image\":\"/x\"}", "/image" },
		{ "{\"version\":1,\"image\":\"a\",\"folder\":\"b\"}", "/folder" },
		{ "{\"version\":1,\"folder\":\"\"}", "/folder" },
		{ "{\"version\":1,\"files\":[{\"path\":\"/x\",\"base64\":\"=\"}]}",
		  "/files/0/base64" },
		{ "{\"version\":1,\"files\":[{\"path\":\"/x\",\"base64\":\"====\"}]}",
		  "/files/0/base64" },
		{ "{\"version\":1,\"files\":[{\"path\":\"/x\",\"base64\":\"A=AA\"}]}",
		  "/files/0/base64" },
		{ "{\"version\":1,\"command\":\"true\"}", "/command" },
		{ "{\"version\":1,\"command\":[1]}", "/command/0" },
		{ "{\"version\":1,\"env\":{\"A=B\":\"\"}}", "/env/A=B" },
		{ "{\"version\":1,\"env\":{\"A\":1}}", "/env/A" },
		{ "{\"version\":1,\"allow_degraded\":[\"memory,pids\"]}", "/allow_degraded/0" },
		{ "{\"version\":1,\"allow_degraded\":[\"all\"]}", "/allow_degraded/0" },
	};
	struct job j;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char line[512];

		if (parse(bad[i].text, &j, &e) != -EINVAL)
			fail_msg("took %s", bad[i].text);
		err_format(&e, line, sizeof line);
		if (!strstr(line, bad[i].where))
			fail_msg("%s: \"%s\" does not say %s", bad[i].text, line, bad[i].where);
	}
	arena_free(&arena);
}

/* Is the key known to the parser, with whatever value? */
static bool is_known(const char *section, const char *key)
{
	char text[256], line[512];
	struct job j;
	struct err e;

	snprintf(text, sizeof text,
		 section ? "{\"version\":1,\"%s\":{\"%s\":null}}" : "{\"version\":1%s,\"%s\":null}",
		 section ? section : "", key);
	if (parse(text, &j, &e) == 0)
		fail_msg("%s is taken", text);
	err_format(&e, line, sizeof line);
	return !strstr(line, "no key of a job file");
}

static json_t *schema;

static const json_t *properties(const char *section)
{
	const json_t *p = json_object_get(schema, "properties");

	return section ? json_object_get(json_object_get(p, section), "properties") : p;
}

/* Each key of the schema is known to the parser, and null is no value of any; each setting of the
 * table is in the schema; neither knows another. */
static void schema_agrees(void **state)
{
	static const char *const sections[] = { NULL, "limits" };
	struct err e = ERR_INIT;
	const char *key;
	json_t *v;

	(void)state;
	assert_int_equal(json_read_file(AT_FDCWD, "docs/job.schema.json", &schema, &e), 0);
	for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
		json_object_foreach((json_t *)properties(sections[i]), key,
				    v) if (strcmp(key, "version") != 0 &&
					   !is_known(sections[i], key))
			fail_msg("the parser does not know %s", key);
		assert_false(is_known(sections[i], "nosuch"));
	}
	for (size_t i = 0; i < job_setting_count; i++)
		if (!json_object_get(properties(job_settings[i].section), job_settings[i].key))
			fail_msg("the schema does not know %s", job_settings[i].key);
	json_decref(schema);
	arena_free(&arena);
}

/* What the schema calls a string, a number, one of some: others are refused at their place. */
static void each_is_checked(void **state)
{
	static const char *const values[] = { "null", "true", "[]", "{}", "\"\"" };
	char text[256], where[96], line[512];
	struct job j;
	struct err e;

	(void)state;
	for (size_t i = 0; i < job_setting_count; i++) {
		const struct job_setting *s = &job_settings[i];

		for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
			snprintf(text, sizeof text,
				 s->section ? "{\"version\":1,\"%s\":{\"%s\":%s}}"
					    : "{\"version\":1%s,\"%s\":%s}",
				 s->section ? s->section : "", s->key, values[k]);
			snprintf(where, sizeof where, "%s%s/%s:", s->section ? "/" : "",
				 s->section ? s->section : "", s->key);
			if (parse(text, &j, &e) != -EINVAL)
				fail_msg("took %s", text);
			err_format(&e, line, sizeof line);
			if (!strstr(line, where))
				fail_msg("\"%s\" does not say %s", line, where);
		}
	}
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),	   cmocka_unit_test(bytes),
		cmocka_unit_test(refused),	   cmocka_unit_test(schema_agrees),
		cmocka_unit_test(each_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
