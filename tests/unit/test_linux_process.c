/* test_linux_process.c - /linux/personality and /linux/memoryPolicy: what is accepted, and what is
 * done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/personality.h>

#include "base/json.h"
#include "runtime/linux_process.h"

static int parse(const char *text, struct arena *a, struct linux_process_spec *s, struct err *e)
{
	_cleanup_json_ json_t *o = NULL;
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "linux");

	err_clear(e);
	assert_int_equal(json_parse_strict(text, strlen(text), "test", &o, e), 0);
	return linux_process_parse(o, &at, a, s, e);
}

static void refused(void **state)
{
	static const struct {
		const char *text, *where, *says;
	} bad[] = {
		{ "{\"personality\": 1}", "/linux/personality", "object" },
		{ "{\"personality\": {\"flags\": []}}", "/linux/personality/domain", "required" },
		{ "{\"personality\": {\"domain\": \"SOLARIS\"}}", "/linux/personality/domain",
		  "SOLARIS" },
		{ "{\"personality\": {\"domain\": \"LINUX\", \"flags\": [\"ADDR_NO_RANDOMIZE\"]}}",
		  "/linux/personality/flags", "no flags" },
		{ "{\"memoryPolicy\": {\"nodes\": \"0\"}}", "/linux/memoryPolicy/mode",
		  "required" },
		{ "{\"memoryPolicy\": {\"mode\": \"MPOL_BEST\"}}", "/linux/memoryPolicy/mode",
		  "MPOL_BEST" },
		{ "{\"memoryPolicy\": {\"mode\": \"MPOL_BIND\"}}", "/linux/memoryPolicy",
		  "needs nodes" },
		{ "{\"memoryPolicy\": {\"mode\": \"MPOL_BIND\", \"nodes\": \"0,\"}}",
		  "/linux/memoryPolicy/nodes", "list of nodes" },
		{ "{\"memoryPolicy\": {\"mode\": \"MPOL_DEFAULT\", \"nodes\": \"0\"}}",
		  "/linux/memoryPolicy", "no nodes" },
		{ "{\"memoryPolicy\": {\"mode\": \"MPOL_LOCAL\", \"flags\": "
		  "[\"MPOL_F_STATIC_NODES\"]}}",
		  "/linux/memoryPolicy", "with nodes only" },
		{ "{\"memoryPolicy\": {\"mode\": \"MPOL_DEFAULT\", \"flags\": "
		  "[\"MPOL_F_STATIC_NODES\"]}}",
		  "/linux/memoryPolicy", "no flags" },
		{ "{\"memoryPolicy\": {\"mode\": \"MPOL_BIND\", \"nodes\": \"0\", \"flags\": "
		  "[\"MPOL_F_STATIC_NODES\", \"MPOL_F_RELATIVE_NODES\"]}}",
		  "/linux/memoryPolicy", "one of" },
		{ "{\"memoryPolicy\": {\"mode\": \"MPOL_INTERLEAVE\", \"nodes\": \"0\", \"flags\": "
		  "[\"MPOL_F_NUMA_BALANCING\"]}}",
		  "/linux/memoryPolicy", "MPOL_F_NUMA_BALANCING" },
		{ "{\"memoryPolicy\": {\"mode\": \"MPOL_BIND\", \"nodes\": \"0\", \"flags\": "
		  "[\"X\"]}}",
		  "/linux/memoryPolicy/flags/0", "X" },
	};
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct linux_process_spec s = { .personality = 77 };
		char text[1500];

		assert_int_equal(parse(bad[i].text, &a, &s, &e), -EINVAL);
		err_format(&e, text, sizeof text);
		if (strcmp(e.where, bad[i].where) != 0 || !strstr(text, bad[i].says))
			fail_msg("case %zu: \"%s\" at %s", i, text, e.where);
		assert_int_equal(s.personality, 77); /* untouched */
	}
	arena_free(&a);
}

static void node_lists(void **state)
{
	static const char *const bad[] = { "",	  ",",	  "-1",	    "1-",
					   "3-1", "0,,1", "0 ",	    "+1",
					   "0x1", "1024", "0-1024", "99999999999999999999",
					   "a",	  "0-1-2" };
	unsigned long nodes[MEMORY_NODE_WORDS];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (linux_process_parse_nodes(bad[i], nodes) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
	assert_int_equal(linux_process_parse_nodes("0-3,7,64,1023", nodes), 0);
	assert_int_equal(nodes[0], 0x8f);
	assert_int_equal(nodes[1], 1);
	assert_int_equal(nodes[15], 1ul << 63);
}

static void steps(void **state)
{
	struct arena a = ARENA_INIT;
	struct linux_process_spec s;
	struct err e = ERR_INIT;
	char text[300];
	struct buf b = BUF_ON(text);
	struct plan p;

	(void)state;
	plan_init(&p, &a);
	assert_int_equal(parse("{\"personality\": {}, \"memoryPolicy\": {}}", &a, &s, &e), 0);
	linux_process_plan(&p, &s);
	assert_int_equal(p.count, 0);
	assert_int_equal(
		parse("{\"personality\": {\"domain\": \"LINUX32\"}, \"memoryPolicy\": {\"mode\": "
		      "\"MPOL_BIND\", \"nodes\": \"0-1\", \"flags\": [\"MPOL_F_STATIC_NODES\"]}}",
		      &a, &s, &e),
		0);
	linux_process_plan(&p, &s);
	assert_int_equal(p.count, 2);
	for (int i = 0; i < 2; i++) {
		buf_reset(&b);
		plan_show_step(&b, &p, i);
		p.steps[i].op->by_hand(&b, &p, p.steps[i].args);
		assert_string_equal(
			text, i == 0 ? "personality(PER_LINUX32)setarch linux32 sh"
				     : "set_mempolicy(MPOL_BIND|MPOL_F_STATIC_NODES, {0-1}, 1025)"
				       "numactl --membind=0-1 sh");
		assert_string_equal(p.steps[i].why,
				    i == 0 ? "/linux/personality" : "/linux/memoryPolicy");
	}
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused),
		cmocka_unit_test(node_lists),
		cmocka_unit_test(steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
