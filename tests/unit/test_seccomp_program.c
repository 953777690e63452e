/*
 * test_seccomp_program.c - compiled profiles against a direct reading of their rules, and against
 * libseccomp's programs, at every place where an answer may change (tests/lib/seccomp_compare.h
 * says which those are, and where libseccomp is known to differ).
 *
 * KIST_SECCOMP_PROFILE=FILE has that profile compared too; KIST_SECCOMP_ROUNDS=N takes N random
 * ones for each architecture.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <seccomp.h>

#include "base/buf.h"
#include "base/fd.h"
#include "runtime/profile_job.h"
#include "runtime/seccomp_profile.h"
#include "tests/lib/bpf_vm.h"
#include "tests/lib/seccomp_compare.h"

#define ROUNDS 16

static struct compare_counts counts;

static int parse(const json_t *j, enum seccomp_abi native, struct arena *a,
		 struct seccomp_filter *f, char *line, size_t size)
{
	struct json_at at = { "/linux/seccomp" };
	struct err e = ERR_INIT;
	int r = seccomp_parse_for(native, j, &at, a, f, &e);

	if (r < 0)
		err_format(&e, line, size);
	return r;
}

static uint32_t libseccomp_name(enum seccomp_abi abi)
{
	return abi == SECCOMP_ABI_X32 ? SCMP_ARCH_X32 : seccomp_abi_audit(abi);
}

/* 0 when all is well, -EINVAL when the profile is refused. */
static int compare(const char *profile, enum seccomp_abi native, bool with_witness)
{
	struct arena arena = ARENA_INIT;
	struct seccomp_filter f = { 0 };
	struct eval_profile *p;
	struct sock_filter *witness = NULL;
	size_t witness_count = 0;
	char text[500] = "";
	struct err e = ERR_INIT;
	json_t *j = NULL;
	bool same;

	assert_int_equal(json_parse_strict(profile, strlen(profile), "profile", &j, &e), 0);
	if (parse(j, native, &arena, &f, text, sizeof text) < 0) {
		json_decref(j);
		arena_free(&arena);
		if (strstr(text, "no effect") || strstr(text, "more instructions"))
			return -EINVAL;
		fail_msg("%s\n%s", text, profile);
	}
	p = eval_read(j, libseccomp_name(native));
	if (with_witness) {
		witness = witness_build(p, 1, &witness_count);
		assert_non_null(witness);
	}
	same = compare_everywhere(p, &f, witness, witness_count, &counts, text, sizeof text);
	if (getenv("KIST_SECCOMP_VERBOSE"))
		printf("%zu instructions (%zu never reached), at most %zu a call; libseccomp %zu\n",
		       f.count, bpf_vm_unreached(f.code, f.count), f.depth, witness_count);
	free(witness);
	free(p);
	json_decref(j);
	arena_free(&arena);
	if (!same) {
		fprintf(stderr, "%s\n", profile); /* longer than a message may be */
		fail_msg("%s: %s", seccomp_abi_name(native), text);
	}
	return 0;
}

/* --- profiles that are used ----------------------------------------------------- */

static char *read_file(const char *path)
{
	static char text[1 << 20];
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		fail_msg("%s: %s", path, strerror(errno));
	n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = 0;
	return text;
}

static void docker(void **state)
{
	(void)state;
	assert_int_equal(
		compare(read_file("tests/lib/docker-like-seccomp.json"), SECCOMP_ABI_X86_64, true),
		0);
}

static void podman(void **state)
{
	(void)state;
	assert_int_equal(
		compare(read_file("tests/lib/podman-like-seccomp.json"), SECCOMP_ABI_X86_64, true),
		0);
}

static void job(void **state)
{
	(void)state;
	assert_int_equal(compare(profile_job_json(), SECCOMP_ABI_X86_64, true), 0);
}

static void one_of_choice(void **state)
{
	(void)state;
	assert_int_equal(
		compare(read_file(getenv("KIST_SECCOMP_PROFILE")), seccomp_abi_native(), true), 0);
}

/* --- random profiles -------------------------------------------------------------- */

static uint64_t random_state;

static unsigned int pick(unsigned int n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned int)((random_state >> 16) % n);
}

#define PICK(array) array[pick(sizeof(array) / sizeof((array)[0]))]

static const char *const names[] = {
	/* everywhere, on some ABIs only, through socketcall and ipc, newer, unknown */
	"read",	       "write",
	"close",       "openat2",
	"personality", "clone",
	"ioctl",       "prctl",
	"mmap",	       "futex",
	"chown32",     "mmap2",
	"dup2",	       "fork",
	"_llseek",     "socketcall",
	"ipc",	       "socket",
	"socketpair",  "accept4",
	"send",	       "sendmsg",
	"shmget",      "semtimedop",
	"msgctl",      "shmat",
	"clone3",      "statx",
	"mseal",       "no_such_call",
	"arch_prctl",  "set_tls",
	"cacheflush",  "s390_pci_mmio_read",
};

static const char *const actions[] = {
	"SCMP_ACT_KILL",  "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP", "SCMP_ACT_ERRNO",
	"SCMP_ACT_TRACE", "SCMP_ACT_ALLOW",	   "SCMP_ACT_LOG",  "SCMP_ACT_NOTIFY",
};

static const char *const compares[] = { "NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ" };

/* As decimal numbers of JSON; the last is 2^64-1, the one beyond 2^63-1 that can be written. */
static void add_value(struct buf *b, const char *key)
{
	static const uint64_t values[] = {
		0,
		1,
		2,
		3,
		7,
		8,
		16,
		40,
		255,
		0x1000,
		0x5412,
		0x7e020000,
		0x7fffffff,
		0x80000000,
		0xfffffffe,
		0xffffffff,
		1ULL << 32,
		(1ULL << 32) + 5,
		3ULL << 33,
		0x7fffffffffffffff,
		0x7fffffff00000000,
		0xffffffffffff,
		0x8000000000000000,
		0xfffffffe00000000,
		0xffffffffffffffff,
	};

	buf_addf(b, ", \"%s\": %llu", key, (unsigned long long)PICK(values));
}

/* Many conditions on the same words of few calls, mostly masks. */
static void add_focused_entry(struct buf *b)
{
	static const uint64_t masks[] = { 0,	      1,	  2,	      3,
					  4,	      8,	  12,	      16,
					  0xffffffff, 1ULL << 32, 3ULL << 32, 0x100000001,
					  5ULL << 32 };
	static const char *const few[] = { "ioctl", "prctl", "socket" };
	unsigned int conditions = 1 + (pick(3) == 0);

	buf_addf(b, ", {\"names\": [\"%s\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": %u, ",
		 PICK(few), pick(40));
	buf_add(b, "\"args\": [");
	for (unsigned int i = 0; i < conditions; i++) {
		uint64_t mask = PICK(masks), value = PICK(masks);

		buf_addf(b, "%s{\"index\": %u, ", i ? ", " : "", pick(2));
		if (pick(4))
			buf_addf(b,
				 "\"op\": \"SCMP_CMP_MASKED_EQ\", \"value\": %llu, \"valueTwo\": "
				 "%llu}",
				 (unsigned long long)mask,
				 (unsigned long long)(pick(8) ? value & mask : value));
		else
			buf_addf(b, "\"op\": \"SCMP_CMP_%s\", \"value\": %llu}", compares[pick(6)],
				 (unsigned long long)value);
	}
	buf_add(b, "]}");
}

static void add_action(struct buf *b, const char *key, const char *errno_key)
{
	const char *action = PICK(actions);

	buf_addf(b, "\"%s\": \"%s\"", key, action);
	if ((strstr(action, "ERRNO") || strstr(action, "TRACE")) && pick(3))
		buf_addf(b, ", \"%s\": %u", errno_key, pick(40));
}

/* Rules with conditions and without, for one call, are refused. Seldom it is tried. */
static const char *pick_name(uint64_t conditional_ones, bool conditional)
{
	for (;;) {
		unsigned int i = pick(sizeof names / sizeof names[0]);

		if (conditional == (conditional_ones >> i & 1) || pick(100) == 0)
			return names[i];
	}
}

static void add_entry(struct buf *b, uint64_t conditional_ones)
{
	unsigned int n = 1 + pick(3), conditions = pick(2) ? 1 + pick(4) : 0;

	buf_add(b, ", {\"names\": [");
	for (unsigned int i = 0; i < n; i++)
		buf_addf(b, "%s\"%s\"", i ? ", " : "", pick_name(conditional_ones, conditions > 0));
	buf_add(b, "], ");
	add_action(b, "action", "errnoRet");
	buf_add(b, ", \"args\": [");
	for (unsigned int i = 0; i < conditions; i++) {
		buf_addf(b, "%s{\"index\": %u", i ? ", " : "", pick(6));
		if (pick(3)) {
			const char *compare_name = PICK(compares);

			buf_addf(b, ", \"op\": \"SCMP_CMP_%s\"", compare_name);
			if (strcmp(compare_name, "MASKED_EQ") == 0)
				add_value(b, "valueTwo");
		} else {
			buf_add(b, ", \"op\": \"SCMP_CMP_EQ\"");
		}
		add_value(b, "value");
		buf_add(b, "}");
	}
	buf_add(b, "]}");
}

static void random_profile(struct buf *b, const char *const *archs)
{
	unsigned int entries = 1 + pick(pick(4) ? 12 : 50);
	bool focused = pick(3) == 0;
	uint64_t conditional_ones;

	buf_reset(b);
	buf_add(b, "{\"listenerPath\": \"/agent\", ");
	add_action(b, "defaultAction", "defaultErrnoRet");
	buf_add(b, ", \"architectures\": [\"SCMP_ARCH_NATIVE\"");
	for (; *archs; archs++)
		if (pick(4))
			buf_addf(b, ", \"SCMP_ARCH_%s\"", *archs);
	buf_add(b, "], \"syscalls\": [{\"names\": [\"execve\"], \"action\": \"SCMP_ACT_ALLOW\"}");
	pick(2);
	conditional_ones = random_state;
	for (unsigned int i = 0; i < entries; i++)
		if (focused)
			add_focused_entry(b);
		else
			add_entry(b, conditional_ones);
	buf_add(b, "]}");
	assert_false(buf_truncated(b));
}

static void random_ones(void **state)
{
	static const struct {
		enum seccomp_abi native;
		const char *more[4];
	} machines[] = {
		{ SECCOMP_ABI_X86_64, { "X86", "X32" } },
		{ SECCOMP_ABI_X86_64, { "X86" } },
		{ SECCOMP_ABI_AARCH64, { "ARM" } },
		{ SECCOMP_ABI_S390X, { "S390" } },
		{ SECCOMP_ABI_PPC64, { "PPC" } },
		{ SECCOMP_ABI_PPC64LE, { NULL } },
		{ SECCOMP_ABI_RISCV64, { NULL } },
		{ SECCOMP_ABI_MIPS64, { "MIPS", "MIPS64N32" } },
		{ SECCOMP_ABI_MIPSEL64, { "MIPSEL", "MIPSEL64N32" } },
		{ SECCOMP_ABI_PARISC64, { "PARISC" } },
		{ SECCOMP_ABI_X86, { NULL } },
	};
	static char text[1 << 16];
	const char *rounds = getenv("KIST_SECCOMP_ROUNDS");
	struct buf b = BUF_ON(text);
	size_t done = 0, refused = 0;

	(void)state;
	random_state = 0x9e3779b97f4a7c15;
	for (size_t m = 0; m < sizeof machines / sizeof machines[0]; m++) {
		for (int i = 0; i < (rounds ? atoi(rounds) : ROUNDS); i++) {
			random_profile(&b, machines[m].more);
			if (compare(text, machines[m].native, true) < 0)
				refused++;
			else
				done++;
		}
	}
	printf("%zu profiles, %zu refused; %zu calls asked for, of %zu libseccomp says the same, "
	       "%zu are known differences\n",
	       done, refused, counts.calls, counts.witnessed, counts.known);
	assert_true(done > 4 * refused);
	assert_true(counts.witnessed > counts.known);
}

/* --- where libseccomp differs ------------------------------------------------------ */

#define ONE(name, action, args)                                                                    \
	"{\"names\": [\"" name "\"], \"action\": \"SCMP_ACT_" action "\", \"args\": [" args "]}"
#define ARG(index, op, value)                                                                      \
	"{\"index\": " #index ", \"op\": \"SCMP_CMP_" op "\", \"value\": " #value "}"
#define MASK(index, mask, value)                                                                   \
	"{\"index\": " #index ", \"op\": \"SCMP_CMP_MASKED_EQ\", \"value\": " #mask                \
	", \"valueTwo\": " #value "}"

struct difference {
	const char *archs, *rules;
	uint32_t arch;
	int nr;
	uint64_t args[3];
	uint32_t kist, libseccomp;
};

/* Each of the list in tests/lib/seccomp_compare.h, but for the calls it has no rule for. */
static const struct difference differences[] = {
	/* x32: the upper half is an argument's too */
	{ "\"SCMP_ARCH_X32\"",
	  ONE("lseek", "TRAP", ARG(1, "EQ", 5)),
	  0xc000003e,
	  0x40000008,
	  { 0, 0x100000005 },
	  SECCOMP_RET_ALLOW,
	  SECCOMP_RET_TRAP },
	/* below 2^32 is every argument of i386 */
	{ "\"SCMP_ARCH_X86\"",
	  ONE("lseek", "TRAP", ARG(1, "LT", 4294967296)),
	  0x40000003,
	  19,
	  { 0, 5 },
	  SECCOMP_RET_TRAP,
	  SECCOMP_RET_ALLOW },
	/* socketcall(1, args): whatever the type is; the pointer is none */
	{ "\"SCMP_ARCH_X86\"",
	  ONE("socket", "TRAP", ARG(1, "EQ", 5)),
	  0x40000003,
	  102,
	  { 1, 0xbfff0000 },
	  SECCOMP_RET_TRAP,
	  SECCOMP_RET_ALLOW },
	/* ipc(0x10017, ...) is shmget */
	{ "\"SCMP_ARCH_X86\"",
	  ONE("shmget", "TRAP", ""),
	  0x40000003,
	  117,
	  { 0x10017 },
	  SECCOMP_RET_TRAP,
	  SECCOMP_RET_ALLOW },
	/* the first of the profile decides */
	{ "",
	  ONE("lseek", "TRAP", ARG(0, "EQ", 5)) ", " ONE("lseek", "LOG", ARG(2, "EQ", 1)),
	  0xc000003e,
	  8,
	  { 5, 0, 1 },
	  SECCOMP_RET_TRAP,
	  SECCOMP_RET_LOG },
	/* both conditions are alternatives */
	{ "",
	  ONE("lseek", "TRAP", ARG(0, "LT", 281474976710655) ", " ARG(0, "LE", 7)),
	  0xc000003e,
	  8,
	  { 0xfffffffe },
	  SECCOMP_RET_TRAP,
	  SECCOMP_RET_ALLOW },
	/* never holds */
	{ "",
	  ONE("lseek", "TRAP", MASK(0, 16, 17)),
	  0xc000003e,
	  8,
	  { 16 },
	  SECCOMP_RET_ALLOW,
	  SECCOMP_RET_TRAP },
};

static void differs(const struct difference *d)
{
	struct arena arena = ARENA_INIT;
	struct seccomp_filter f = { 0 };
	struct seccomp_data call = { .nr = d->nr, .arch = d->arch };
	struct sock_filter *witness;
	struct eval_profile *p;
	char text[2000], line[500];
	size_t count;
	json_t *j;

	snprintf(text, sizeof text,
		 "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [%s], "
		 "\"syscalls\": [%s]}",
		 d->archs, d->rules);
	memcpy(call.args, d->args, sizeof d->args);
	j = json_loads(text, 0, NULL);
	assert_non_null(j);
	if (parse(j, SECCOMP_ABI_X86_64, &arena, &f, line, sizeof line) < 0)
		fail_msg("%s", line);
	p = eval_read(j, SCMP_ARCH_X86_64);
	witness = witness_build(p, 1, &count);
	assert_non_null(witness);
	assert_int_equal(eval_call(p, &call), d->kist);
	assert_int_equal(compare_run(f.code, f.count, &call), d->kist);
	assert_true(compare_known_difference(p, &call));
	/* Others may have it right. */
	if (seccomp_version()->major == 2 && seccomp_version()->minor == 5 &&
	    compare_run(witness, count, &call) != d->libseccomp)
		fail_msg("libseccomp answers %#x: %s", compare_run(witness, count, &call), text);
	free(witness);
	free(p);
	json_decref(j);
	arena_free(&arena);
}

static void libseccomp_differs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof differences / sizeof differences[0]; i++)
		differs(&differences[i]);
}

/* --- limits ------------------------------------------------------------------------ */

static void too_long(void **state)
{
	static char text[1 << 20];
	struct arena arena = ARENA_INIT;
	struct buf b = BUF_ON(text);
	struct seccomp_filter f = { 0 };
	char line[500];
	json_t *j;

	(void)state;
	buf_reset(&b);
	buf_add(&b, "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [");
	for (int i = 0; i < 1500; i++)
		buf_addf(&b,
			 "%s{\"names\": [\"ioctl\"], \"action\": \"SCMP_ACT_TRAP\", \"args\": ["
			 "{\"index\": 1, \"op\": \"SCMP_CMP_EQ\", \"value\": %d}, {\"index\": 2, "
			 "\"op\": \"SCMP_CMP_EQ\", \"value\": %d}]}",
			 i ? ", " : "", i, i);
	buf_add(&b, "]}");
	assert_false(buf_truncated(&b));
	j = json_loads(text, 0, NULL);
	assert_int_equal(parse(j, SECCOMP_ABI_X86_64, &arena, &f, line, sizeof line), -EINVAL);
	if (!strstr(line, "/linux/seccomp: compiles to more instructions than the kernel's 4096"))
		fail_msg("%s", line);
	json_decref(j);
	arena_free(&arena);
}

static void add_form(struct buf *b, int form, int value)
{
	if (form == 2)
		buf_addf(b, MASK(1, % d, 8), value);
	else
		buf_addf(b, ARG(1, "EQ", % d), value);
	if (form == 1)
		buf_add(b, ", " ARG(4, "GE", 4294967297));
}

/* Values one by one, pairs of conditions, masks: jumps over more than 255 instructions. */
static void long_jumps(void **state)
{
	static const char *const some[] = { "ioctl", "read", "close", "prctl", "futex", "mmap" };
	static char text[1 << 20];
	struct buf b = BUF_ON(text);

	(void)state;
	for (int form = 0; form < 3; form++) {
		buf_reset(&b);
		buf_add(&b, "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [");
		for (int i = 0; i < 240; i++) {
			buf_addf(&b,
				 "%s{\"names\": [\"%s\"], \"action\": \"SCMP_ACT_ERRNO\", "
				 "\"errnoRet\": %d, \"args\": [",
				 i ? ", " : "", some[i % 6], i);
			add_form(&b, form, 1000 + 7 * i);
			buf_add(&b, "]}");
		}
		buf_add(&b, "]}");
		assert_false(buf_truncated(&b));
		assert_int_equal(compare(text, SECCOMP_ABI_X86_64, false), 0);
	}
}

/* A node that calls share, further away from one of them than a jump reaches. */
static void shared_far_away(void **state)
{
	static char text[1 << 20];
	struct buf b = BUF_ON(text);

	(void)state;
	buf_reset(&b);
	buf_add(&b, "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"names\": "
		    "[\"read\", \"kcmp\"], \"action\": \"SCMP_ACT_TRAP\", \"args\": ["
		    "{\"index\": 1, \"op\": \"SCMP_CMP_EQ\", \"value\": 5}, "
		    "{\"index\": 2, \"op\": \"SCMP_CMP_GT\", \"value\": 6}]}");
	/* Those between them: no more calls than it is remembered for, but with many conditions. */
	for (int i = 0; i < 14 * 4; i++) {
		_cleanup_free_ char *name =
			seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, 100 + i / 4);

		buf_addf(&b,
			 ", {\"names\": [\"%s\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": %d, "
			 "\"args\": [",
			 name, i + 1);
		for (int arg = 0; arg < 6; arg++)
			buf_addf(&b, "%s{\"index\": %d, \"op\": \"SCMP_CMP_GT\", \"value\": %d}",
				 arg ? ", " : "", arg, i + arg);
		buf_add(&b, "]}");
	}
	buf_add(&b, "]}");
	assert_false(buf_truncated(&b));
	assert_int_equal(compare(text, SECCOMP_ABI_X86_64, false), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(docker),      cmocka_unit_test(podman),
		cmocka_unit_test(job),	       cmocka_unit_test(libseccomp_differs),
		cmocka_unit_test(random_ones), cmocka_unit_test(too_long),
		cmocka_unit_test(long_jumps),  cmocka_unit_test(shared_far_away),
	};
	const struct CMUnitTest chosen[] = { cmocka_unit_test(one_of_choice) };

	if (getenv("KIST_SECCOMP_PROFILE"))
		return cmocka_run_group_tests(chosen, NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
