/* test_record.c - a record of the state folder: what was written is read, what was changed is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/record.h"

static int folder = -1;
static char path[] = "/tmp/kist-test-record.XXXXXX";

static int set_up(void **state)
{
	(void)state;
	folder = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	return folder < 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlinkat(folder, "r", 0);
	close(folder);
	return rmdir(path);
}

static json_t *sample(void)
{
	return json_pack("{s:s, s:i, s:I, s:s, s:{s:s}, s:[s?]}", "id", "web", "pid", 4711,
			 "startTime", (json_int_t)123456789, "cgroup", "/sys/fs/cgroup/kist-web",
			 "annotations", "a", "b\"\\\xc3\xa4", "undo", NULL);
}

/* Of these bytes: 0 or -errno; *ret as record_read. */
static int read_bytes(const char *text, size_t size, json_t **ret, struct err *e)
{
	_cleanup_fd_ int fd = openat(folder, "r", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	*ret = NULL;
	assert_int_equal(fd_write_all(fd, text, size), 0);
	return record_read(folder, "r", ret, e);
}

/* All that `wanted` has, `got` has too. */
static bool has_all(const json_t *got, json_t *wanted)
{
	const char *key;
	json_t *value;

	json_object_foreach(wanted, key,
			    value) if (!json_equal(json_object_get(got, key), value)) return false;
	return true;
}

static void test_round_trip(void **state)
{
	_cleanup_json_ json_t *wanted = sample(), *got = NULL;
	_cleanup_free_ char *text = record_seal(wanted);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(read_bytes(text, strlen(text), &got, &e), 0);
	/* The sum is nobody's business, and must not be sealed twice. */
	assert_true(json_equal(got, wanted));
}

static void test_an_older_record_has_no_sum(void **state)
{
	_cleanup_json_ json_t *wanted = sample(), *got = NULL;
	_cleanup_free_ char *text = json_dumps(wanted, JSON_COMPACT);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(read_bytes(text, strlen(text), &got, &e), 0);
	assert_true(json_equal(got, wanted));
}

/* Each bit of each byte. Where the sum's own name is hit it is a record without one, and right. */
static void test_a_changed_bit_is_seen(void **state)
{
	_cleanup_json_ json_t *wanted = sample();
	_cleanup_free_ char *text = record_seal(wanted);
	size_t size = strlen(text), refused = 0;
	char said[1024];

	(void)state;
	for (size_t i = 0; i < size * 8; i++) {
		struct err e = ERR_INIT;
		json_t *got;
		int r;

		text[i / 8] = (char)(text[i / 8] ^ 1 << i % 8);
		r = read_bytes(text, size, &got, &e);
		if (r == 0) {
			assert_true(i / 8 >= size - 27);
			assert_true(has_all(got, wanted));
		} else {
			assert_int_equal(r, -EINVAL);
			err_format(&e, said, sizeof said);
			assert_true(strncmp(said, "r: ", 3) == 0);
			refused++;
		}
		json_decref(got);
		text[i / 8] = (char)(text[i / 8] ^ 1 << i % 8);
	}
	assert_true(refused >= (size - 27) * 8);
}

static void test_cut_anywhere(void **state)
{
	_cleanup_json_ json_t *wanted = sample(), *got = NULL;
	_cleanup_free_ char *text = record_seal(wanted);
	struct err e = ERR_INIT;

	(void)state;
	for (size_t size = strlen(text); size-- > 0;) {
		err_clear(&e);
		assert_int_equal(read_bytes(text, size, &got, &e), -EINVAL);
		assert_null(got);
	}
	assert_int_equal(read_bytes(text, strlen(text) + 1, &got, &e), -EINVAL); /* a NUL more */
	unlinkat(folder, "r", 0);
	assert_int_equal(record_read(folder, "r", &got, &e), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_an_older_record_has_no_sum),
		cmocka_unit_test(test_a_changed_bit_is_seen),
		cmocka_unit_test(test_cut_anywhere),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
