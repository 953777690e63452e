/* Leases of ids: whose they are, and which of them are left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "runtime/idrange.h"

struct world {
	char path[64];
	int root;
	struct err e;
};

static int begin(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	strcpy(w->path, "/tmp/test_idrange.XXXXXX");
	if (!mkdtemp(w->path))
		return -1;
	w->root = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = w;
	return w->root < 0;
}

static int end(void **state)
{
	struct world *w = *state;
	struct err ignored = ERR_INIT;

	close(w->root);
	path_remove_tree(AT_FDCWD, w->path, &ignored);
	free(w);
	return 0;
}

static bool is_leased(const struct world *w, uint32_t base)
{
	char name[32];

	snprintf(name, sizeof name, ".ids/%u", (base - IDRANGE_FIRST) / IDRANGE_SIZE);
	return faccessat(w->root, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void each_has_its_own(void **state)
{
	struct world *w = *state;
	uint32_t first, second;
	int taking[3] = { -1, -1, -1 };

	assert_int_equal(idrange_take(w->root, "a", &first, &taking[0], &w->e), 0);
	assert_int_equal(idrange_take(w->root, "a", &second, &taking[1], &w->e), 0);
	assert_int_not_equal(first, second);
	assert_int_equal(idrange_take_this(w->root, "b", first, &taking[2], &w->e), -EBUSY);
	assert_int_equal(taking[2], -1);
	assert_int_equal(idrange_take_this(w->root, "b", first + 1, &taking[2], &w->e), -EINVAL);
	idrange_drop(w->root, "b", first);
	assert_true(is_leased(w, first));
	idrange_drop(w->root, "a", first);
	assert_false(is_leased(w, first));
	assert_int_equal(idrange_take_this(w->root, "b", first, &taking[2], &w->e), 0);
	assert_true(is_leased(w, first));
	for (int i = 0; i < 3; i++)
		close(taking[i]);
}

/* A folder that can't be written to is no lease. */
static void what_fails_is_said(void **state)
{
	struct world *w = *state;
	int taking = -1, file = openat(w->root, ".ids", O_CREAT | O_WRONLY, 0600);
	uint32_t base;

	close(file);
	assert_int_equal(idrange_take(w->root, "a", &base, &taking, &w->e), -ENOTDIR);
	assert_int_equal(idrange_take_this(w->root, "a", IDRANGE_FIRST, &taking, &w->e), -ENOTDIR);
	assert_int_equal(taking, -1);
}

static void taken_is_not_left(void **state)
{
	struct world *w = *state;
	uint32_t with, without, starting;
	int taking[3];

	assert_int_equal(idrange_take(w->root, "with", &with, &taking[0], &w->e), 0);
	assert_int_equal(idrange_take(w->root, "without", &without, &taking[1], &w->e), 0);
	assert_int_equal(mkdirat(w->root, "with", 0700), 0);
	close(taking[0]);
	close(taking[1]);
	/* Somebody has one, and no folder yet. */
	assert_int_equal(idrange_take(w->root, "starting", &starting, &taking[2], &w->e), 0);
	assert_int_equal(idrange_sweep(w->root, &w->e), 0);
	assert_true(is_leased(w, with));
	assert_true(is_leased(w, without));
	assert_true(is_leased(w, starting));
	assert_int_equal(mkdirat(w->root, "starting", 0700), 0);
	close(taking[2]);
	assert_int_equal(idrange_sweep(w->root, &w->e), 0);
	assert_true(is_leased(w, with));
	assert_false(is_leased(w, without));
	assert_true(is_leased(w, starting));
	assert_int_equal(unlinkat(w->root, "with", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(w->root, "starting", AT_REMOVEDIR), 0);
	assert_int_equal(idrange_sweep(w->root, &w->e), 0);
	assert_int_not_equal(faccessat(w->root, ".ids", F_OK, 0), 0);
	assert_int_equal(idrange_sweep(w->root, &w->e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_has_its_own, begin, end),
		cmocka_unit_test_setup_teardown(what_fails_is_said, begin, end),
		cmocka_unit_test_setup_teardown(taken_is_not_left, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
