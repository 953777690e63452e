/*
 * The device filter: what it decides, in an interpreter of our own against
 * the rules' meaning said another way; and that the kernel takes and obeys it.
 */
#include "tests/unit/cgroup_live.h"
#include <linux/bpf.h>
#include <sys/sysmacros.h>
#include "cgroup/cgroup_ops.h"

static struct arena arena = ARENA_INIT;

/* ---- a BPF interpreter: the instructions the assembler may use, no other ---- */

static int interpret(const struct bpf_insn *program, size_t count,
		     const struct bpf_cgroup_dev_ctx *context)
{
	uint64_t r[11] = { 0 };
	bool set[11] = { [1] = true };

	for (size_t at = 0, steps = 0; at < count; at++, steps++) {
		const struct bpf_insn *i = &program[at];
		bool wide = BPF_CLASS(i->code) == BPF_ALU64, taken = false;
		uint64_t other = BPF_SRC(i->code) == BPF_X ? r[i->src_reg] : (uint64_t)i->imm;

		assert_true(steps < 100000);
		switch (BPF_CLASS(i->code)) {
		case BPF_LDX:
			assert_int_equal(i->code, BPF_LDX | BPF_MEM | BPF_W);
			assert_int_equal(i->src_reg, 1);
			assert_true(i->off >= 0 && (size_t)i->off + 4 <= sizeof(*context));
			r[i->dst_reg] = *(const uint32_t *)((const char *)context + i->off);
			set[i->dst_reg] = true;
			continue;
		case BPF_ALU:
		case BPF_ALU64:
			if (BPF_OP(i->code) == BPF_MOV)
				r[i->dst_reg] = other;
			else if (BPF_OP(i->code) == BPF_AND)
				r[i->dst_reg] &= other;
			else if (BPF_OP(i->code) == BPF_RSH)
				r[i->dst_reg] >>= other;
			else if (BPF_OP(i->code) == BPF_LSH)
				r[i->dst_reg] <<= other;
			else if (BPF_OP(i->code) == BPF_OR)
				r[i->dst_reg] |= other;
			else
				fail_msg("instruction %zu: code 0x%x", at, i->code);
			if (!wide)
				r[i->dst_reg] = (uint32_t)r[i->dst_reg];
			set[i->dst_reg] = true;
			continue;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_EXIT) {
				assert_true(set[0]);
				return (int)r[0];
			}
			assert_int_equal(BPF_OP(i->code), BPF_JA);
			taken = true;
			break;
		case BPF_JMP32:
			assert_int_equal(BPF_SRC(i->code), BPF_K);
			assert_true(set[i->dst_reg]);
			if (BPF_OP(i->code) == BPF_JNE)
				taken = (uint32_t)r[i->dst_reg] != (uint32_t)other;
			else if (BPF_OP(i->code) == BPF_JEQ)
				taken = (uint32_t)r[i->dst_reg] == (uint32_t)other;
			else if (BPF_OP(i->code) == BPF_JSET)
				taken = ((uint32_t)r[i->dst_reg] & (uint32_t)other) != 0;
			else
				fail_msg("instruction %zu: code 0x%x", at, i->code);
			break;
		default:
			fail_msg("instruction %zu: code 0x%x", at, i->code);
		}
		if (taken) {
			assert_true(i->off >= 0); /* forward only: it always ends */
			at += (size_t)i->off;
		}
	}
	fail_msg("ran off the end");
	return -1;
}

/* ---- what the rules mean: for every access bit the last rule that covers it decides ---- */

static bool bit_allowed(const struct cgroup_device_rule *rules, size_t count, char type,
			uint32_t major, uint32_t minor, unsigned bit)
{
	bool allowed = false;

	for (size_t i = 0; i < count; i++)
		if ((rules[i].type == 'a' || rules[i].type == type) &&
		    (rules[i].major == -1 || rules[i].major == major) &&
		    (rules[i].minor == -1 || rules[i].minor == minor) && (rules[i].access & bit))
			allowed = rules[i].allow;
	return allowed;
}

static void compare(const struct cgroup_device_rule *rules, size_t count, const char *name)
{
	static const uint32_t numbers[] = { 0, 1, 2, 3, 5, 7, 8, 9, 10, 136, 200, 229, 4095 };
	size_t n = sizeof(numbers) / sizeof(numbers[0]), length;
	struct bpf_insn *program = bpf_devices_assemble(rules, count, &arena, &length);

	assert_non_null(program);
	for (int block = 0; block < 2; block++)
		for (size_t j = 0; j < n; j++)
			for (size_t k = 0; k < n; k++)
				for (unsigned access = 1; access <= 7; access++) {
					struct bpf_cgroup_dev_ctx context = {
						.access_type =
							access << 16 |
							(block ? BPF_DEVCG_DEV_BLOCK :
								 BPF_DEVCG_DEV_CHAR),
						.major = numbers[j],
						.minor = numbers[k],
					};
					bool expected = true;

					for (unsigned bit = 1; bit <= 4; bit <<= 1)
						if (access & bit)
							expected &= bit_allowed(
								rules, count, block ? 'b' : 'c',
								numbers[j], numbers[k], bit);
					if (interpret(program, length, &context) != expected)
						fail_msg("%s: %c %u:%u access %u: expected %d",
							 name, block ? 'b' : 'c', numbers[j],
							 numbers[k], access, expected);
				}
}

static void one_rule_of_every_shape(void **state)
{
	(void)state;
	for (int allow = 0; allow < 2; allow++)
		for (int type = 0; type < 3; type++)
			for (int which = 0; which < 4; which++)
				for (unsigned access = 1; access <= 7; access++) {
					struct cgroup_device_rule rules[2] = {
						{ true, 'a', -1, -1, 7 },
						{ allow, "abc"[type], which & 1 ? 8 : -1,
						  which & 2 ? 3 : -1, access },
					};

					compare(rules + 1, 1, "alone");
					compare(rules, 2, "after allow all");
					rules[0].allow = false;
					compare(rules, 2, "after deny all");
				}
}

static void later_rules_win(void **state)
{
	static const struct cgroup_device_rule a[] = {
		{ false, 'a', -1, -1, 7 }, { true, 'c', 1, -1, 6 },  { false, 'c', 1, 8, 4 },
		{ true, 'c', 1, 8, 4 },	   { false, 'c', 1, 9, 2 },  { true, 'b', 8, 0, 2 },
		{ false, 'b', -1, -1, 4 }, { true, 'a', 10, 200, 7 },
	};
	static const struct cgroup_device_rule b[] = {
		{ true, 'c', 1, 3, 7 },
		{ false, 'a', -1, -1, 7 }, /* all before it is void */
		{ true, 'c', 1, 5, 6 },
	};
	static const struct cgroup_device_rule c[] = {
		{ false, 'c', 1, 3, 7 },
		{ true, 'a', -1, -1, 7 },
	};
	/* Numbers that no device has; with their upper bits lost they would be 1:3 and 3:1. */
	static const struct cgroup_device_rule d[] = {
		{ true, 'c', 4097, 3, 7 }, { true, 'b', 2, (1 << 20) + 1, 7 },
		{ true, 'c', -1, (1 << 20) + 3, 7 },
	};

	(void)state;
	compare(d, sizeof(d) / sizeof(d[0]), "d");
	compare(a, sizeof(a) / sizeof(a[0]), "a");
	compare(b, sizeof(b) / sizeof(b[0]), "b");
	compare(c, sizeof(c) / sizeof(c[0]), "c");
	compare(a, 0, "none");
	compare(cgroup_devices_default, cgroup_devices_default_count, "default");
}

static void random_lists(void **state)
{
	static const int numbers[] = { -1, -1, 0, 1, 3, 8, 136 };
	unsigned seed = 20240607;

	(void)state;
	for (int round = 0; round < 150; round++) {
		struct cgroup_device_rule rules[20];
		size_t count = (size_t)rand_r(&seed) % 20;

		for (size_t i = 0; i < count; i++)
			rules[i] = (struct cgroup_device_rule){
				.allow = rand_r(&seed) % 2,
				.type = "abc"[rand_r(&seed) % 3],
				.major = numbers[rand_r(&seed) % 7],
				.minor = numbers[rand_r(&seed) % 7],
				.access = 1 + (unsigned)rand_r(&seed) % 7,
			};
		compare(rules, count, "random");
	}
}

/* ---- parsing ---- */

static int parse(const char *json, struct cgroup_spec *spec, struct err *e)
{
	_cleanup_json_ json_t *o = NULL;

	*spec = (struct cgroup_spec){ 0 };
	assert_int_equal(json_parse_strict(json, strlen(json), "test", &o, e), 0);
	return cgroup_parse_resources(o, &((struct json_at){ "/r" }), &arena, spec, e);
}

static void rules_are_parsed_in_order(void **state)
{
	struct cgroup_spec spec;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(parse("{\"devices\":[{\"allow\":false},"
			"{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":229,\"access\":\"rw\"},"
			"{\"allow\":true,\"type\":\"b\",\"major\":8,\"minor\":-1,\"access\":\"m\"}]}",
			&spec, &e), e);
	assert_int_equal(spec.device_count, 3 + cgroup_devices_default_count);
	assert_memory_equal(&spec.devices[3], cgroup_devices_default,
			    cgroup_devices_default_count * sizeof(spec.devices[0]));
	assert_string_equal(spec.devices_why, "/r/devices");
	assert_false(spec.devices[0].allow);
	assert_int_equal(spec.devices[0].type, 'a');
	assert_int_equal(spec.devices[0].major, -1);
	assert_int_equal(spec.devices[0].access, CGROUP_DEVICE_RWM);
	assert_int_equal(spec.devices[1].type, 'c');
	assert_int_equal(spec.devices[1].major, 10);
	assert_int_equal(spec.devices[1].minor, 229);
	assert_int_equal(spec.devices[1].access, CGROUP_DEVICE_READ | CGROUP_DEVICE_WRITE);
	assert_int_equal(spec.devices[2].minor, -1);
	assert_int_equal(spec.devices[2].access, CGROUP_DEVICE_MKNOD);
	/* no rule, no filter: not even the default ones */
	assert_ok(parse("{\"devices\":[]}", &spec, &e), e);
	assert_int_equal(spec.device_count, 0);
}

static void bad_rules_are_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "{}", "/r/devices" },
		{ "[3]", "/r/devices/0" },
		{ "[{\"type\":\"c\"}]", "/r/devices/0/allow" },
		{ "[{\"allow\":1}]", "/r/devices/0/allow" },
		{ "[{\"allow\":true},{\"allow\":true,\"type\":\"p\"}]", "/r/devices/1/type" },
		{ "[{\"allow\":true,\"type\":\"\"}]", "/r/devices/0/type" },
		{ "[{\"allow\":true,\"type\":\"cb\"}]", "/r/devices/0/type" },
		{ "[{\"allow\":true,\"access\":\"\"}]", "/r/devices/0/access" },
		{ "[{\"allow\":true,\"access\":\"rx\"}]", "/r/devices/0/access" },
		{ "[{\"allow\":true,\"major\":-2}]", "/r/devices/0/major" },
		{ "[{\"allow\":true,\"minor\":4294967296}]", "/r/devices/0/minor" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct cgroup_spec spec;
		struct err e = ERR_INIT;
		char json[200];

		snprintf(json, sizeof(json), "{\"devices\":%s}", bad[i][0]);
		if (parse(json, &spec, &e) != -EINVAL)
			fail_msg("%s is taken", json);
		assert_string_equal(e.where, bad[i][1]);
	}
}

/* ---- the kernel ---- */

/* Bit 0: null can be opened for writing; 1: zero for reading; 2: for writing; 3: the node of
 * kmsg, which no rule names; 4: a block node can be made. */
static int try_devices(void)
{
	char node[64];
	int seen = 0, fd;

	seen |= (fd = open("/dev/null", O_WRONLY)) >= 0 ? 1 : 0;
	seen |= (fd = open("/dev/zero", O_RDONLY)) >= 0 ? 2 : 0;
	seen |= (fd = open("/dev/zero", O_RDWR)) >= 0 ? 4 : 0;
	snprintf(node, sizeof(node), "/tmp/kist-test-%d-kmsg", getpid());
	if (mknod(node, S_IFCHR | 0600, makedev(1, 11)) == 0)
		seen |= open(node, O_RDONLY | O_NONBLOCK) >= 0 ? 8 : 0;
	unlink(node);
	if (mknod(node, S_IFBLK | 0600, makedev(8, 0)) == 0)
		seen |= 16;
	unlink(node);
	return seen;
}

static int seen_under(const char *devices)
{
	struct plan p;
	struct run r;
	struct err e = ERR_INIT;
	char json[1024];
	int slot = -1, status;

	snprintf(json, sizeof(json), "{\"cgroupsPath\":\"%s\",\"resources\":{\"devices\":%s}}",
		 live_path("devices"), devices);
	assert_ok(live_make(json, "devices", &arena, &p, &r, &slot, &e), e);
	status = live_wait(live_child(run_slot(&r, slot), try_devices));
	run_close(&r);
	live_take_back(&p, "devices");
	assert_false(live_exists(live_path("devices")));
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void the_kernel_obeys(void **state)
{
	int unfiltered;

	(void)state;
	live_or_skip(0);
	unfiltered = try_devices();
	assert_int_equal(unfiltered & 7, 7);
	assert_int_equal(seen_under("[]"), unfiltered);
	assert_int_equal(seen_under("[{\"allow\":false}]"), 1 | 2 | 4 | 16);
	assert_int_equal(seen_under("[{\"allow\":true}]"), unfiltered);
	/* the default rules come last, so a config can't take them away; as with runc */
	assert_int_equal(seen_under("[{\"allow\":false,\"type\":\"c\",\"major\":1,\"minor\":5,"
				    "\"access\":\"w\"}]"),
			 1 | 2 | 4 | 16);
	if (unfiltered & 8)
		assert_int_equal(seen_under("[{\"allow\":false},{\"allow\":true,\"type\":\"c\","
					    "\"major\":1,\"minor\":11,\"access\":\"r\"}]"),
				 1 | 2 | 4 | 8 | 16);
}

/* As many rules as a config may have pass the verifier. */
static void the_verifier_takes_the_longest_list(void **state)
{
	char *devices = malloc(CGROUP_DEVICES_MAX * 100), *at = devices;

	(void)state;
	live_or_skip(0);
	assert_non_null(devices);
	*at++ = '[';
	for (int i = 0; i < CGROUP_DEVICES_MAX; i++)
		at += sprintf(at, "%s{\"allow\":%s,\"type\":\"c\",\"major\":%d,\"minor\":%d,"
				  "\"access\":\"%s\"}",
			      i ? "," : "", i % 3 ? "true" : "false", 100 + i % 7, i,
			      i % 2 ? "rw" : "rwm");
	snprintf(at, 2, "]");
	{
		struct cgroup_spec spec;
		struct err e = ERR_INIT;
		struct plan p;
		struct run r;
		_cleanup_json_ json_t *list = json_loads(devices, 0, NULL);
		_cleanup_json_ json_t *o = json_pack("{s:O}", "devices", list);
		_cleanup_fd_ int fd = -EBADF;
		int slot = -1;

		spec = (struct cgroup_spec){ .path = live_path("long") };
		assert_ok(cgroup_parse_resources(o, &JSON_AT_ROOT, &arena, &spec, &e), e);
		plan_init(&p, &arena);
		slot = plan_new_slot(&p, "cgroup");
		cgroup_plan_make(&p, &spec, &live_host, "long", slot);
		assert_ok(live_run(&p, &r, &e), e);
		run_close(&r);
		live_take_back(&p, "long");
		json_array_append(list, json_array_get(list, 0));
		assert_int_equal(cgroup_parse_resources(o, &JSON_AT_ROOT, &arena, &spec, &e),
				 -EINVAL);
	}
	free(devices);
	live_nothing_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_rule_of_every_shape),
		cmocka_unit_test(later_rules_win),
		cmocka_unit_test(random_lists),
		cmocka_unit_test(rules_are_parsed_in_order),
		cmocka_unit_test(bad_rules_are_refused),
		cmocka_unit_test(the_kernel_obeys),
		cmocka_unit_test(the_verifier_takes_the_longest_list),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
