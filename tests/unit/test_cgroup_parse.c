/* linux.resources as writes: every conversion, every refusal with its pointer. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "cgroup/cgroup.h"

static struct arena arena = ARENA_INIT;

static int parse(const char *json, struct cgroup_spec *spec, struct err *e)
{
	_cleanup_json_ json_t *o = NULL;

	assert_int_equal(json_parse_strict(json, strlen(json), "test", &o, e), 0);
	return cgroup_parse_resources(o, &((struct json_at){ "/r" }), &arena, spec, e);
}

/* All writes as "file=value;"; "?" marks a file that may lack, "|file=value" the second choice. */
static void writes(const char *json, const char *expected)
{
	struct cgroup_spec spec = { 0 };
	struct err e = ERR_INIT;
	char text[2048];
	struct buf b = BUF_ON(text);

	buf_reset(&b);
	if (parse(json, &spec, &e) < 0) {
		err_format(&e, text, sizeof(text));
		fail_msg("%s: %s", json, text);
	}
	for (size_t i = 0; i < spec.write_count; i++) {
		const struct cgroup_write *w = &spec.writes[i];

		buf_addf(&b, "%s%s=%s", w->file, w->absent_is_done ? "?" : "", w->value);
		if (w->or_file)
			buf_addf(&b, "|%s=%s", w->or_file, w->or_value);
		buf_add_char(&b, ';');
	}
	if (strcmp(text, expected))
		fail_msg("%s\n  gives    %s\n  expected %s", json, text, expected);
}

static void refuses(const char *json, const char *where)
{
	struct cgroup_spec spec = { 0 };
	struct err e = ERR_INIT;

	if (parse(json, &spec, &e) != -EINVAL)
		fail_msg("%s is taken", json);
	if (strcmp(e.where, where))
		fail_msg("%s: refused at \"%s\", expected \"%s\"", json, e.where, where);
	assert_int_equal(spec.write_count, 0);
}

static void warns(const char *json, const char *expected)
{
	struct cgroup_spec spec = { 0 };
	struct err e = ERR_INIT;

	assert_int_equal(parse(json, &spec, &e), 0);
	assert_int_equal(spec.write_count, 0);
	if (!*expected) {
		assert_int_equal(spec.warning_count, 0);
		return;
	}
	assert_int_equal(spec.warning_count, 1);
	assert_memory_equal(spec.warnings[0], expected, strlen(expected));
}

static void memory(void **state)
{
	(void)state;
	writes("{\"memory\":{\"limit\":67108864}}", "memory.max=67108864;");
	writes("{\"memory\":{\"limit\":64,\"swap\":96}}", "memory.max=64;memory.swap.max=32;");
	writes("{\"memory\":{\"limit\":64,\"swap\":64}}", "memory.max=64;memory.swap.max=0;");
	writes("{\"memory\":{\"limit\":64,\"swap\":-1}}", "memory.max=64;memory.swap.max?=max;");
	writes("{\"memory\":{\"limit\":-1}}", "memory.max=max;memory.swap.max?=max;");
	writes("{\"memory\":{\"swap\":-1}}", "memory.swap.max?=max;");
	writes("{\"memory\":{\"limit\":64,\"reservation\":32}}", "memory.max=64;memory.low=32;");
	writes("{\"memory\":{\"reservation\":-1}}", "memory.low=max;");
	writes("{\"memory\":{\"limit\":0,\"swap\":0,\"reservation\":0}}", "");
	writes("{\"memory\":{}}", "");
	refuses("{\"memory\":{\"limit\":-2}}", "/r/memory/limit");
	refuses("{\"memory\":{\"limit\":\"64m\"}}", "/r/memory/limit");
	refuses("{\"memory\":{\"limit\":null}}", "/r/memory/limit");
	refuses("{\"memory\":{\"limit\":1.5}}", "/r/memory/limit");
	refuses("{\"memory\":{\"limit\":64,\"swap\":63}}", "/r/memory/swap");
	refuses("{\"memory\":{\"swap\":64}}", "/r/memory/swap");
	refuses("{\"memory\":{\"limit\":-1,\"swap\":64}}", "/r/memory/swap");
	refuses("{\"memory\":{\"limit\":64,\"reservation\":65}}", "/r/memory/reservation");
	refuses("{\"memory\":{\"checkBeforeUpdate\":1}}", "/r/memory/checkBeforeUpdate");
	refuses("{\"memory\":[]}", "/r/memory");
}

static void memory_facts_for_later(void **state)
{
	struct cgroup_spec spec = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(parse("{\"memory\":{\"limit\":64,\"checkBeforeUpdate\":true}}", &spec, &e),
			 0);
	assert_true(spec.check_before_update);
	assert_int_equal(spec.memory_limit, 64);
	assert_string_equal(spec.writes[0].why, "/r/memory/limit");
	assert_int_equal(spec.writes[0].controllers, HOST_MEMORY);
}

static void cpu(void **state)
{
	(void)state;
	writes("{\"cpu\":{\"shares\":1024}}", "cpu.weight=100;");
	writes("{\"cpu\":{\"shares\":0}}", "");
	writes("{\"cpu\":{\"quota\":50000}}", "cpu.max=50000 100000;");
	writes("{\"cpu\":{\"quota\":50000,\"period\":200000}}", "cpu.max=50000 200000;");
	writes("{\"cpu\":{\"quota\":-1,\"period\":200000}}", "cpu.max=max 200000;");
	writes("{\"cpu\":{\"period\":200000}}", "cpu.max=max 200000;");
	writes("{\"cpu\":{\"quota\":-1}}", "cpu.max=max 100000;");
	writes("{\"cpu\":{\"quota\":0,\"period\":0}}", "");
	writes("{\"cpu\":{\"quota\":50000,\"burst\":1000}}",
	       "cpu.max=50000 100000;cpu.max.burst=1000;");
	writes("{\"cpu\":{\"burst\":0}}", "cpu.max.burst?=0;");
	writes("{\"cpu\":{\"idle\":1,\"shares\":2}}", "cpu.weight=1;cpu.idle=1;");
	writes("{\"cpu\":{\"idle\":0}}", "cpu.idle?=0;");
	writes("{\"cpu\":{\"cpus\":\"0-3,8\",\"mems\":\"0\"}}", "cpuset.cpus=0-3,8;cpuset.mems=0;");
	writes("{\"cpu\":{\"cpus\":\"\"}}", "");
	refuses("{\"cpu\":{\"quota\":999}}", "/r/cpu/quota");
	refuses("{\"cpu\":{\"quota\":-2}}", "/r/cpu/quota");
	refuses("{\"cpu\":{\"period\":999}}", "/r/cpu/period");
	refuses("{\"cpu\":{\"period\":1000001}}", "/r/cpu/period");
	refuses("{\"cpu\":{\"quota\":5000,\"burst\":5001}}", "/r/cpu/burst");
	refuses("{\"cpu\":{\"burst\":-1}}", "/r/cpu/burst");
	refuses("{\"cpu\":{\"idle\":2}}", "/r/cpu/idle");
	refuses("{\"cpu\":{\"shares\":-1}}", "/r/cpu/shares");
	refuses("{\"cpu\":{\"cpus\":\"0\\n1\"}}", "/r/cpu/cpus");
	refuses("{\"cpu\":{\"mems\":\"all\"}}", "/r/cpu/mems");
}

static void pids(void **state)
{
	(void)state;
	writes("{\"pids\":{\"limit\":32}}", "pids.max=32;");
	writes("{\"pids\":{\"limit\":-1}}", "pids.max=max;");
	writes("{\"pids\":{\"limit\":0}}", "pids.max=1;");
	writes("{\"pids\":{}}", "");
	refuses("{\"pids\":{\"limit\":-2}}", "/r/pids/limit");
	refuses("{\"pids\":{\"limit\":true}}", "/r/pids/limit");
}

static void block_io(void **state)
{
	(void)state;
	writes("{\"blockIO\":{\"weight\":10}}", "io.bfq.weight=10|io.weight=1;");
	writes("{\"blockIO\":{\"weight\":1000}}", "io.bfq.weight=1000|io.weight=10000;");
	writes("{\"blockIO\":{\"weight\":0}}", "");
	writes("{\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":16,\"weight\":500}]}}",
	       "io.bfq.weight=8:16 500|io.weight=8:16 4950;");
	writes("{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":600}],"
	       "\"throttleWriteBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":0}],"
	       "\"throttleReadIOPSDevice\":[{\"major\":8,\"minor\":1,\"rate\":7}],"
	       "\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":2,\"rate\":9}]}}",
	       "io.max=8:0 rbps=600;io.max=8:0 wbps=max;io.max=8:1 riops=7;io.max=8:2 wiops=9;");
	refuses("{\"blockIO\":{\"weight\":9}}", "/r/blockIO/weight");
	refuses("{\"blockIO\":{\"weight\":1001}}", "/r/blockIO/weight");
	refuses("{\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0}]}}",
		"/r/blockIO/weightDevice/0");
	refuses("{\"blockIO\":{\"weightDevice\":[3]}}", "/r/blockIO/weightDevice/0");
	refuses("{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"rate\":1}]}}",
		"/r/blockIO/throttleReadBpsDevice/0/minor");
	refuses("{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0}]}}",
		"/r/blockIO/throttleReadBpsDevice/0/rate");
	warns("{\"blockIO\":{\"leafWeight\":10}}", "/r/blockIO/leafWeight: ");
}

static void hugepages_and_rdma(void **state)
{
	(void)state;
	writes("{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4194304}]}",
	       "hugetlb.2MB.max=4194304;hugetlb.2MB.rsvd.max?=4194304;");
	refuses("{\"hugepageLimits\":[{\"pageSize\":\"2mb\",\"limit\":1}]}",
		"/r/hugepageLimits/0/pageSize");
	refuses("{\"hugepageLimits\":[{\"pageSize\":\"../2MB\",\"limit\":1}]}",
		"/r/hugepageLimits/0/pageSize");
	refuses("{\"hugepageLimits\":[{\"pageSize\":\"2MB\"}]}", "/r/hugepageLimits/0/limit");
	refuses("{\"hugepageLimits\":{}}", "/r/hugepageLimits");
	writes("{\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3,\"hcaObjects\":10000}}}",
	       "rdma.max=mlx5_1 hca_handle=3 hca_object=10000;");
	writes("{\"rdma\":{\"rxe3\":{\"hcaObjects\":0}}}", "rdma.max=rxe3 hca_object=0;");
	refuses("{\"rdma\":{\"rxe3\":{}}}", "/r/rdma/rxe3");
	refuses("{\"rdma\":{\"a b\":{\"hcaObjects\":1}}}", "/r/rdma/a b");
	refuses("{\"rdma\":{\"rxe3\":{\"hcaObjects\":-1}}}", "/r/rdma/rxe3/hcaObjects");
}

static void unified(void **state)
{
	struct cgroup_spec spec = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	/* after the typed fields, whatever the order in the document */
	writes("{\"unified\":{\"memory.high\":\"64\"},\"pids\":{\"limit\":3}}",
	       "pids.max=3;memory.high=64;");
	writes("{\"unified\":{\"io.max\":\"8:0 rbps=1\\n8:16 wbps=2\\n\"}}",
	       "io.max=8:0 rbps=1;io.max=8:16 wbps=2;");
	writes("{\"unified\":{\"cpuset.cpus\":\"\"}}", "cpuset.cpus=\n;");
	writes("{\"unified\":{\"cgroup.max.depth\":\"3\"}}", "cgroup.max.depth=3;");
	refuses("{\"unified\":{\"a/memory.max\":\"1\"}}", "/r/unified/a~1memory.max");
	refuses("{\"unified\":{\"..\":\"1\"}}", "/r/unified/..");
	refuses("{\"unified\":{\"\":\"1\"}}", "/r/unified/");
	refuses("{\"unified\":{\"memory\":\"1\"}}", "/r/unified/memory");
	refuses("{\"unified\":{\"cgroup.procs\":\"1\"}}", "/r/unified/cgroup.procs");
	refuses("{\"unified\":{\"cgroup.freeze\":\"1\"}}", "/r/unified/cgroup.freeze");
	refuses("{\"unified\":{\"memory.max\":1}}", "/r/unified/memory.max");
	assert_int_equal(parse("{\"unified\":{\"memory.high\":\"64\",\"cpuset.cpus\":\"0\","
			       "\"io.pressure\":\"some 1 2\",\"new.file\":\"1\"}}",
			       &spec, &e),
			 0);
	assert_int_equal(cgroup_controllers_needed(&spec), HOST_MEMORY | HOST_CPUSET);
}

static void v1_only_is_tolerated(void **state)
{
	(void)state;
	warns("{\"memory\":{\"kernel\":64}}", "/r/memory/kernel: only cgroup v1");
	warns("{\"memory\":{\"kernelTCP\":64}}", "/r/memory/kernelTCP: ");
	warns("{\"memory\":{\"swappiness\":60}}", "/r/memory/swappiness: ");
	warns("{\"memory\":{\"disableOOMKiller\":true}}", "/r/memory/disableOOMKiller: ");
	warns("{\"memory\":{\"useHierarchy\":false}}", "/r/memory/useHierarchy: ");
	warns("{\"cpu\":{\"realtimeRuntime\":950000}}", "/r/cpu/realtimeRuntime: ");
	warns("{\"cpu\":{\"realtimePeriod\":1000000}}", "/r/cpu/realtimePeriod: ");
	warns("{\"network\":{\"classID\":1048577}}", "/r/network/classID: ");
	warns("{\"network\":{\"priorities\":[{\"name\":\"lo\",\"priority\":1}]}}",
	      "/r/network/priorities: ");
	/* values that ask for nothing, as docker sends them */
	warns("{\"memory\":{\"disableOOMKiller\":false,\"kernel\":0,\"useHierarchy\":true}}", "");
	warns("{\"network\":{\"classID\":0,\"priorities\":[]}}", "");
	/* still the right type */
	refuses("{\"memory\":{\"swappiness\":\"60\"}}", "/r/memory/swappiness");
	refuses("{\"network\":{\"priorities\":3}}", "/r/network/priorities");
}

static void unknown_keys_are_ignored(void **state)
{
	(void)state;
	writes("{\"vendor\":{\"x\":1},\"pids\":{\"limit\":3,\"y\":2}}", "pids.max=3;");
}

static void too_many_limits(void **state)
{
	_cleanup_json_ json_t *all = json_object();
	json_t *map = json_object();
	struct cgroup_spec spec = { 0 };
	struct err e = ERR_INIT;
	char key[32];

	(void)state;
	json_object_set_new(all, "unified", map);
	for (int i = 0; i < CGROUP_WRITES_MAX; i++) {
		snprintf(key, sizeof(key), "x.%d", i);
		json_object_set_new(map, key, json_string("1"));
	}
	assert_int_equal(cgroup_parse_resources(all, &JSON_AT_ROOT, &arena, &spec, &e), 0);
	assert_int_equal(spec.write_count, CGROUP_WRITES_MAX);
	json_object_set_new(map, "x.last", json_string("1"));
	assert_int_equal(cgroup_parse_resources(all, &JSON_AT_ROOT, &arena, &spec, &e), -EINVAL);
}

static void annotations(void **state)
{
	static const struct {
		const char *key, *value, *write; /* NULL: refused */
	} cases[] = {
		{ "org.kist.memory.high", "64M", "memory.high=67108864" },
		{ "org.kist.memory.high", "max", "memory.high=max" },
		{ "org.kist.memory.min", "0", "memory.min=0" },
		{ "org.kist.memory.oom.group", "true", "memory.oom.group=1" },
		{ "org.kist.memory.oom.group", "0", "memory.oom.group=0" },
		{ "org.kist.memory.high", "-1", NULL },
		{ "org.kist.memory.high", "", NULL },
		{ "org.kist.memory.min", "1M\n2", NULL },
		{ "org.kist.memory.oom.group", "yes", NULL },
		{ "org.kist.memory.max", "1", NULL },
		{ "org.kist.memory.", "1", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_json_ json_t *o = json_pack("{s:s, s:s}", "org.kist.other", "x",
						     cases[i].key, cases[i].value);
		struct cgroup_spec spec = { 0 };
		struct err e = ERR_INIT;
		char text[100];
		int r;

		/* behind what is there already */
		assert_int_equal(parse("{\"pids\":{\"limit\":5}}", &spec, &e), 0);
		r = cgroup_parse_annotations(o, &((struct json_at){ "/annotations" }), &arena,
					     &spec, &e);
		if (!cases[i].write) {
			snprintf(text, sizeof(text), "/annotations/%s", cases[i].key);
			assert_int_equal(r, -EINVAL);
			assert_string_equal(e.where, text);
			continue;
		}
		assert_int_equal(r, 0);
		assert_int_equal(spec.write_count, 2);
		assert_string_equal(spec.writes[0].file, "pids.max");
		snprintf(text, sizeof(text), "%s=%s", spec.writes[1].file, spec.writes[1].value);
		assert_string_equal(text, cases[i].write);
		assert_int_equal(spec.writes[1].controllers, HOST_MEMORY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory),
		cmocka_unit_test(memory_facts_for_later),
		cmocka_unit_test(cpu),
		cmocka_unit_test(pids),
		cmocka_unit_test(block_io),
		cmocka_unit_test(hugepages_and_rdma),
		cmocka_unit_test(unified),
		cmocka_unit_test(annotations),
		cmocka_unit_test(v1_only_is_tolerated),
		cmocka_unit_test(unknown_keys_are_ignored),
		cmocka_unit_test(too_many_limits),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
