/* test_owner_xattr.c - image/owner-xattr.c: umoci's bytes, there and back, and what is none. */
#include "image_test.h"
#include "image/owner-xattr.h"

static void there_and_back(void **state)
{
	static const uint32_t ids[] = { 0,	   1,	  127,	    128,
					1000,	   65534, 1u << 31, UINT32_MAX - 1,
					UINT32_MAX };
	unsigned char data[OWNER_XATTR_MAX];
	uint32_t uid, gid;
	size_t i, j, n;

	(void)state;
	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		for (j = 0; j < sizeof(ids) / sizeof(ids[0]); j++) {
			n = owner_xattr_encode(ids[i], ids[j], data);
			assert_true(n <= sizeof(data));
			assert_true(owner_xattr_decode(data, n, &uid, &gid));
			assert_int_equal(uid, ids[i]);
			assert_int_equal(gid, ids[j]);
		}
	/* as protoc's own encoder writes it */
	assert_int_equal(owner_xattr_encode(1000, 50, data), 5);
	assert_memory_equal(data, "\x08\xe8\x07\x10\x32", 5);
}

static void what_is_none_is_refused(void **state)
{
	static const struct {
		const char *data;
		size_t size;
	} bad[] = { { "\x08", 1 },
		    { "\x08\x80", 2 },
		    { "\x18\x01", 2 },
		    { "\x08\x01\x0a\x01", 4 },
		    { "x", 1 },
		    { "\x08\xff\xff\xff\xff\x7f", 6 },
		    { "\x08\x80\x80\x80\x80\x80\x01", 7 } };
	uint32_t uid = 5, gid = 6;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(owner_xattr_decode(bad[i].data, bad[i].size, &uid, &gid));
	assert_int_equal(uid, 5);
	assert_true(owner_xattr_decode("", 0, &uid, &gid));
	assert_int_equal(uid, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(what_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
