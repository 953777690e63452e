/*
 * test_arena.c - base/arena.c: zeroed, aligned, apart from each other, and failing for good.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/arena.h"

static void test_zeroed_aligned_apart(void **state)
{
	struct arena a = ARENA_INIT;
	static char *blocks[3000];
	static size_t sizes[3000];

	(void)state;
	for (size_t i = 0; i < 3000; i++) {
		sizes[i] = i % 7 == 0 ? 0 : (i * 37) % 3000;
		blocks[i] = arena_alloc(&a, sizes[i]);
		assert_non_null(blocks[i]);
		assert_int_equal((uintptr_t)blocks[i] % _Alignof(max_align_t), 0);
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(blocks[i][k], 0);
		memset(blocks[i], (int)(i % 251) + 1, sizes[i]);
	}
	/* Nobody wrote into a neighbour. */
	for (size_t i = 0; i < 3000; i++)
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal((unsigned char)blocks[i][k], i % 251 + 1);
	assert_false(arena_failed(&a));
	arena_free(&a);
	assert_null(a.chunks);
}

static void test_large(void **state)
{
	struct arena a = ARENA_INIT;
	char *small = arena_alloc(&a, 10), *large = arena_alloc(&a, 5u << 20), *after;

	(void)state;
	assert_non_null(small);
	assert_non_null(large);
	memset(large, 1, 5u << 20);
	after = arena_alloc(&a, 10);
	assert_non_null(after);
	assert_int_equal(after[0], 0);
	assert_int_equal(small[0], 0);
	arena_free(&a);
}

/* What is large has a place of its own, and the rest of the other is still used. */
static void test_large_wastes_nothing(void **state)
{
	struct arena a = ARENA_INIT;
	char *before = arena_alloc(&a, 16), *large = arena_alloc(&a, 100000),
	     *after = arena_alloc(&a, 16);

	(void)state;
	assert_non_null(large);
	assert_ptr_equal(after, before + 16);
	memset(large, 1, 100000);
	assert_int_equal(after[0], 0);
	arena_free(&a);
}

/* What one left another gets as if it were new: of any size, and for as many as there are. */
static void test_spares_are_zeroed(void **state)
{
	static const size_t sizes[] = { 100, 20000, 40000, 20000, 60000, 100000, 33000 };

	(void)state;
	for (int round = 0; round < 20; round++) {
		struct arena a = ARENA_INIT;

		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			size_t size = sizes[i] + (i == 6 ? (size_t)round * 16 : 0);
			char *p = arena_alloc(&a, size);

			assert_non_null(p);
			for (size_t k = 0; k < size; k++)
				assert_int_equal(p[k], 0);
			memset(p, 0xa5, size);
		}
		arena_free(&a);
		assert_null(a.chunks);
	}
}

static void test_overflow_is_sticky(void **state)
{
	static const size_t sizes[][2] = {
		{ SIZE_MAX, 2 }, { SIZE_MAX / 2 + 1, 2 }, { 1, SIZE_MAX }, { 1, SIZE_MAX - 8 },
		{ 1, SIZE_MAX - 40 }, { SIZE_MAX / 16, 15 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct arena a = ARENA_INIT;

		assert_non_null(arena_alloc(&a, 1));
		assert_null(arena_array(&a, sizes[i][0], sizes[i][1]));
		assert_true(arena_failed(&a));
		arena_alloc(&a, 1); /* whether it works or not, the failure stays */
		assert_true(arena_failed(&a));
		arena_free(&a);
		assert_false(arena_failed(&a));
	}
}

static void test_texts(void **state)
{
	struct arena a = ARENA_INIT;
	char source[] = "hello", big[70000];
	char *copy = arena_strdup(&a, source);

	(void)state;
	source[0] = 'X';
	assert_string_equal(copy, "hello");
	assert_string_equal(arena_strndup(&a, "hello", 3), "hel");
	assert_string_equal(arena_strndup(&a, "hi", 100), "hi");
	assert_string_equal(arena_strndup(&a, "hi", 0), "");
	assert_string_equal(arena_strdup(&a, ""), "");
	assert_string_equal(arena_printf(&a, "%s-%d", "x", 7), "x-7");
	assert_string_equal(arena_printf(&a, "%s", ""), "");
	memset(big, 'b', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	assert_string_equal(arena_printf(&a, "%s", big), big);
	assert_string_equal(arena_strdup(&a, big), big);
	assert_string_equal(copy, "hello");
	arena_free(&a);
	arena_free(&a); /* twice is nothing */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zeroed_aligned_apart),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_large_wastes_nothing),
		cmocka_unit_test(test_spares_are_zeroed),
		cmocka_unit_test(test_overflow_is_sticky),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
