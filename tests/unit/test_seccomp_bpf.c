/*
 * test_seccomp_bpf.c - switches as instructions: every distance of a jump, depth, what falls
 * together.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <linux/audit.h>
#include <linux/seccomp.h>

#include "runtime/seccomp_bpf.h"
#include "tests/lib/bpf_vm.h"

#define RANGES_MAX 700
#define A	   SECCOMP_RET_ALLOW
#define B	   SECCOMP_RET_TRAP

static struct arena arena;
static struct seccomp_bpf *bpf;

static int prepare(void **state)
{
	(void)state;
	bpf = arena_alloc(&arena, sizeof *bpf);
	bpf->arena = &arena;
	return 0;
}

static int clean(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void write_program(struct seccomp_node *root)
{
	const char *what;

	*bpf = (struct seccomp_bpf){ .arena = &arena };
	root->placed = 0;
	assert_true(seccomp_bpf_write(bpf, root));
	what = bpf_vm_check(seccomp_bpf_code(bpf), bpf->count);
	if (what)
		fail_msg("the program has %s", what);
}

static uint32_t answer(uint32_t nr)
{
	struct seccomp_data d = { .nr = (int)nr };
	struct bpf_vm_trace trace;
	uint32_t action = bpf_vm_run(seccomp_bpf_code(bpf), bpf->count, &d, &trace);

	assert_true(trace.steps <= seccomp_bpf_depth(seccomp_bpf_code(bpf), bpf->count));
	return action;
}

/* Of so many ranges that each jump's distance is met, 255 and 256 among them, and depth is that of
 * a search. Neighbours differ; `actions` answers come again. */
static void switch_of(struct seccomp_range *ranges, size_t count, uint32_t actions)
{
	struct seccomp_node root = { .offset = offsetof(struct seccomp_data, nr),
				     .mask = UINT32_MAX,
				     .ranges = ranges,
				     .range_count = count };
	size_t bits = 0;

	for (size_t i = 0; i < count; i++)
		ranges[i] = (struct seccomp_range){ .first = (uint32_t)(i * 3),
						    .action = SECCOMP_RET_ERRNO | (i % actions) };
	write_program(&root);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(answer(ranges[i].first), ranges[i].action);
		assert_int_equal(answer(ranges[i].first + 2), ranges[i].action);
	}
	assert_int_equal(answer(UINT32_MAX), ranges[count - 1].action);
	while (1u << bits < count)
		bits++;
	/* A load, a return, and two far jumps. */
	assert_true(seccomp_bpf_depth(seccomp_bpf_code(bpf), bpf->count) <= bits + 4);
}

static void every_distance(void **state)
{
	static struct seccomp_range ranges[RANGES_MAX];

	(void)state;
	for (size_t count = 1; count <= RANGES_MAX; count += count < 40 ? 1 : 3) {
		switch_of(ranges, count, RANGES_MAX);
		switch_of(ranges, count, 2);
	}
}

/* Both ways of a jump lead far away: to terms that are there already, at every distance. */
static void shared_from_afar(void **state)
{
	static const struct seccomp_condition is_5 = { 0, SECCOMP_EQ, UINT64_MAX, 5 },
					      is_6 = { 1, SECCOMP_EQ, UINT64_MAX, 6 };
	static const struct seccomp_term five = { &is_5, 1, A }, six = { &is_6, 1, A };
	static struct seccomp_range ranges[RANGES_MAX];

	(void)state;
	for (uint32_t between = 1; between < 500; between++) {
		struct seccomp_node n = {
			.terms = &five, .term_count = 1, .otherwise = B, .arch = AUDIT_ARCH_I386
		};
		struct seccomp_node m = {
			.terms = &six, .term_count = 1, .otherwise = B, .arch = AUDIT_ARCH_I386
		};
		struct seccomp_node root = { .offset = offsetof(struct seccomp_data, nr),
					     .mask = UINT32_MAX,
					     .ranges = ranges,
					     .range_count = between + 5 };

		for (uint32_t i = 0; i < between + 5; i++)
			ranges[i] = (struct seccomp_range){ .first = i < 3 ? i : 3 * i,
							    .action = i & 1 ? A : B };
		ranges[0].node = ranges[2].node = ranges[between + 4].node = &n;
		ranges[1].node = ranges[between + 3].node = &m;
		write_program(&root);
		for (uint32_t nr = 0; nr < 3; nr++) {
			for (int i = 0; i < 4; i++) {
				struct seccomp_data d = {
					.nr = (int)nr, .args = { i & 1 ? 5 : 0, i & 2 ? 6 : 0 }
				};
				bool holds = nr == 1 ? i & 2 : i & 1;

				assert_int_equal(
					bpf_vm_run(seccomp_bpf_code(bpf), bpf->count, &d, NULL),
					holds ? A : B);
			}
		}
	}
}

/* A test of single numbers, three at most, instead of a search. */
static void exceptions(void **state)
{
	struct seccomp_range ranges[] = {
		{ .first = 0, .action = A }, { .first = 5, .action = B },
		{ .first = 6, .action = A }, { .first = 8, .action = B },
		{ .first = 9, .action = A },
	};
	struct seccomp_node root = { .offset = offsetof(struct seccomp_data, nr),
				     .mask = UINT32_MAX,
				     .ranges = ranges,
				     .range_count = 5 };

	(void)state;
	write_program(&root);
	for (uint32_t nr = 0; nr < 12; nr++)
		assert_int_equal(answer(nr), nr == 5 || nr == 8 ? B : A);
	assert_int_equal(bpf->count, 5); /* a load, two tests, two returns */
	/* Two numbers are no single one. */
	ranges[4].first = 10;
	write_program(&root);
	for (uint32_t nr = 0; nr < 12; nr++)
		assert_int_equal(answer(nr), nr == 5 || nr == 8 || nr == 9 ? B : A);
}

/* A node of one answer is that answer: nothing is left to be looked for. */
static void what_falls_together(void **state)
{
	static const struct seccomp_condition always = { 0, SECCOMP_GE, UINT64_MAX, 0 };
	static const struct seccomp_term term = { &always, 1, A };
	static const struct seccomp_condition two[] = { { 0, SECCOMP_GE, UINT64_MAX, 0 },
							{ 1, SECCOMP_GE, UINT64_MAX, 0 } };
	static const struct seccomp_term both = { two, 2, A };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct seccomp_node terms = { .terms = i ? &both : &term,
					      .term_count = 1,
					      .otherwise = B,
					      .arch = AUDIT_ARCH_X86_64 };
		struct seccomp_range ranges[] = { { .first = 0, .node = &terms },
						  { .first = 7, .action = A } };
		struct seccomp_node root = { .offset = offsetof(struct seccomp_data, nr),
					     .mask = UINT32_MAX,
					     .ranges = ranges,
					     .range_count = 2 };

		write_program(&root);
		for (uint32_t nr = 0; nr < 12; nr++)
			assert_int_equal(answer(nr), A);
	}
}

/* Values of one argument are searched for, also where they are among other conditions on it. */
/* A switch whose ways all lead to the same terms, which are there already and not the last. */
static void runs_on_elsewhere(void **state)
{
	static const struct seccomp_condition is_5 = { 0, SECCOMP_EQ, UINT64_MAX, 5 },
					      is_6 = { 1, SECCOMP_EQ, UINT64_MAX, 6 };
	static const struct seccomp_term both[] = { { &is_5, 1, A }, { &is_6, 1, A } };
	struct seccomp_node n = {
		.terms = both, .term_count = 2, .otherwise = B, .arch = AUDIT_ARCH_I386
	};
	struct seccomp_range same[] = { { .first = 0, .node = &n }, { .first = 3, .node = &n } };
	struct seccomp_range other[] = { { .first = 0, .node = &n }, { .first = 20, .action = B } };
	struct seccomp_node to_same = { .offset = offsetof(struct seccomp_data, nr),
					.mask = UINT32_MAX,
					.ranges = same,
					.range_count = 2 };
	struct seccomp_node to_other = { .offset = offsetof(struct seccomp_data, nr),
					 .mask = UINT32_MAX,
					 .ranges = other,
					 .range_count = 2 };
	struct seccomp_range ranges[] = { { .first = 0, .node = &to_same },
					  { .first = 10, .node = &to_other } };
	struct seccomp_node root = { .offset = offsetof(struct seccomp_data, nr),
				     .mask = UINT32_MAX,
				     .ranges = ranges,
				     .range_count = 2 };

	(void)state;
	write_program(&root);
	for (uint32_t nr = 0; nr < 30; nr++)
		for (uint64_t arg = 4; arg < 7; arg++) {
			struct seccomp_data d = { .nr = (int)nr, .args = { arg, arg } };
			struct bpf_vm_trace trace;

			assert_int_equal(bpf_vm_run(seccomp_bpf_code(bpf), bpf->count, &d, &trace),
					 nr < 20 && arg > 4 ? A : B);
		}
}

static void values_of_an_argument(void **state)
{
	static struct seccomp_condition conditions[201];
	static struct seccomp_term terms[201];
	struct seccomp_node node = {
		.terms = terms, .term_count = 201, .otherwise = A, .arch = AUDIT_ARCH_X86_64
	};

	(void)state;
	for (uint64_t i = 0; i < 200; i++)
		conditions[i] = (struct seccomp_condition){ 2, SECCOMP_EQ, UINT64_MAX, 3 * i };
	conditions[200] = (struct seccomp_condition){ 2, SECCOMP_GT, UINT64_MAX, 7ULL << 32 };
	for (uint32_t i = 0; i < 201; i++)
		terms[i] = (struct seccomp_term){ &conditions[i], 1, SECCOMP_RET_ERRNO | i };
	write_program(&node);
	assert_true(seccomp_bpf_depth(seccomp_bpf_code(bpf), bpf->count) < 16);
	for (uint64_t arg = 0; arg < 620; arg++) {
		struct seccomp_data d = { .args = { 0, 0, arg } };
		uint32_t expected =
			arg % 3 == 0 && arg < 600 ? SECCOMP_RET_ERRNO | (uint32_t)(arg / 3) : A;

		assert_int_equal(bpf_vm_run(seccomp_bpf_code(bpf), bpf->count, &d, NULL), expected);
		d.args[2] |= 1ULL << 32;
		assert_int_equal(bpf_vm_run(seccomp_bpf_code(bpf), bpf->count, &d, NULL), A);
		d.args[2] = (7ULL << 32) + arg;
		assert_int_equal(bpf_vm_run(seccomp_bpf_code(bpf), bpf->count, &d, NULL),
				 arg ? SECCOMP_RET_ERRNO | 200 : A);
	}
}

static void values_of_32_bits(void **state)
{
	(void)state;
	assert_int_equal(seccomp_arch_value(AUDIT_ARCH_I386, UINT64_MAX), UINT32_MAX);
	assert_int_equal(seccomp_arch_value(AUDIT_ARCH_I386, 0xffffffff80000000), 0x80000000);
	assert_true(seccomp_arch_value(AUDIT_ARCH_I386, 0xffffffff7fffffff) == 0xffffffff7fffffff);
	assert_true(seccomp_arch_value(AUDIT_ARCH_I386, 0x100000000) == 0x100000000);
	assert_true(seccomp_arch_value(AUDIT_ARCH_X86_64, UINT64_MAX) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_distance, prepare, clean),
		cmocka_unit_test_setup_teardown(shared_from_afar, prepare, clean),
		cmocka_unit_test_setup_teardown(exceptions, prepare, clean),
		cmocka_unit_test_setup_teardown(what_falls_together, prepare, clean),
		cmocka_unit_test_setup_teardown(runs_on_elsewhere, prepare, clean),
		cmocka_unit_test_setup_teardown(values_of_an_argument, prepare, clean),
		cmocka_unit_test(values_of_32_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
