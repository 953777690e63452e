/* test_store_flat.c - image/store-flat.c: which layers go into one. (What comes of it:
 * image_flat.bats.) */
#include "image_test.h"
#include "image/store-flat.h"

/* Top first, one letter for each: s small, b too many bytes, e too many entries, m small, but a
 * megabyte. What is wanted: how many from each topmost one on. */
static void check(const char *layers, const char *want)
{
	struct layer_marker m[32] = { 0 };
	size_t runs[32], count = strlen(layers), i, covered = 0;
	char got[128] = "";

	for (i = 0; i < count; i++) {
		m[i].bytes = layers[i] == 'b'	? FLAT_LAYER_BYTES + 1
			     : layers[i] == 'm' ? FLAT_LAYER_BYTES
						: 10;
		m[i].entries = layers[i] == 'e' ? FLAT_LAYER_ENTRIES + 1 : 1;
	}
	flat_partition(m, count, runs);
	for (i = 0; i < count; i++) {
		if (i == covered)
			assert_true(runs[i] > 0);
		else
			assert_int_equal(runs[i], 0);
		if (runs[i])
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%zu",
				 got[0] ? " " : "", runs[i]);
		covered += runs[i];
	}
	assert_int_equal(covered, count);
	if (strcmp(got, want) != 0)
		fail_msg("%s: %s, not %s", layers, got, want);
}

static void runs_of_small_layers(void **state)
{
	(void)state;
	check("s", "1");
	check("b", "1");
	check("sssss", "5");
	check("sbs", "1 1 1");
	check("bssb", "1 2 1");
	check("ssbsse", "2 1 2 1");
	check("bb", "1 1");
}

static void a_run_does_not_grow_for_ever(void **state)
{
	(void)state;
	check("mmmmmmmmmmmmmmmmmmmm", "4 16");
	/* What is below keeps its runs when more comes upon it. */
	check("ssmmmmmmmmmmmmmmmmmmmm", "6 16");
	check("bmmmmmmmmmmmmmmmmmmmm", "1 4 16");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_of_small_layers),
		cmocka_unit_test(a_run_does_not_grow_for_ever),
	};

	return cmocka_run_group_tests_name("store_flat", tests, NULL, NULL);
}
