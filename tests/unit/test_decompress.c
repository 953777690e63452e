/* test_decompress.c - image/decompress.c: members, frames, sizes, digests, every cut. */
#include "image_test.h"
#include <zlib.h>
#include <zstd.h>
#include "image/decompress.h"
#include "image/hash.h"

#define PLAIN_SIZE 700000u
static unsigned char plain[PLAIN_SIZE], packed[2 * PLAIN_SIZE];

static int set_up(void **state)
{
	unsigned seed = 1;
	size_t i;

	(void)state;
	for (i = 0; i < PLAIN_SIZE; i++) {
		seed = seed * 1103515245 + 12345;
		plain[i] = i % 3 ? seed >> 20 : 'x'; /* neither zeros nor noise */
	}
	return 0;
}

static size_t gzip_member(unsigned char *to, const void *data, size_t size)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)data,
		       .avail_in = size,
		       .next_out = to,
		       .avail_out = sizeof(packed) / 2 };

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

/* Feeds blob through a file; compares with want. 0, or the error. */
static int feed(const void *blob, size_t size, const struct blob_expect *expect, const void *want,
		size_t want_size, struct err *e)
{
	_cleanup_decompressor_ struct decompressor *d = NULL;
	_cleanup_fd_ int fd = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	const void *data;
	size_t at = 0;
	ssize_t n;

	assert_int_equal(fd_write_all(fd, blob, size), 0);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(decompress_new(fd, expect, -1, &d, e), 0);
	while ((n = decompress_read(d, &data, e)) > 0) {
		if (want && (at + n > want_size || memcmp(data, (const char *)want + at, n) != 0))
			fail_msg("other bytes came out near %zu", at);
		at += n;
	}
	if (n == 0 && want)
		assert_int_equal(at, want_size);
	return n;
}

static void gzip_of_any_number_of_members(void **state)
{
	static const size_t cuts[] = { PLAIN_SIZE, 300000, 65536, 32768, 4099 };
	size_t c, at, size;
	struct err e = ERR_INIT;

	(void)state;
	for (c = 0; c < sizeof(cuts) / sizeof(cuts[0]); c++) {
		for (size = at = 0; at < PLAIN_SIZE; at += cuts[c])
			size += gzip_member(packed + size, plain + at,
					    PLAIN_SIZE - at < cuts[c] ? PLAIN_SIZE - at : cuts[c]);
		size += gzip_member(packed + size, "", 0);
		assert_int_equal(feed(packed, size, NULL, plain, PLAIN_SIZE, &e), 0);
	}
}

static void zstd_of_any_number_of_frames(void **state)
{
	static const unsigned char skip[] = { 0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c' };
	static const size_t cuts[] = { PLAIN_SIZE, 131072, 5000 };
	size_t c, at, n, size;
	struct err e = ERR_INIT;

	(void)state;
	for (c = 0; c < sizeof(cuts) / sizeof(cuts[0]); c++) {
		memcpy(packed, skip, sizeof(skip));
		for (size = sizeof(skip), at = 0; at < PLAIN_SIZE; at += cuts[c]) {
			n = PLAIN_SIZE - at < cuts[c] ? PLAIN_SIZE - at : cuts[c];
			size += ZSTD_compress(packed + size, sizeof(packed) - size, plain + at, n,
					      1);
			memcpy(packed + size, skip, sizeof(skip));
			size += sizeof(skip);
		}
		assert_int_equal(feed(packed, size, NULL, plain, PLAIN_SIZE, &e), 0);
	}
}

static void plain_bytes_stay(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(feed(plain, PLAIN_SIZE, NULL, plain, PLAIN_SIZE, &e), 0);
	assert_int_equal(feed("", 0, NULL, "", 0, &e), 0);
	assert_int_equal(feed("\x1f", 1, NULL, "\x1f", 1, &e), 0);
}

static void every_cut_is_refused(void **state)
{
	size_t size = gzip_member(packed, plain, 3000), i;

	(void)state;
	for (i = 2; i < size; i++) {
		struct err e = ERR_INIT;

		if (feed(packed, i, NULL, NULL, 0, &e) == 0)
			fail_msg("gzip cut at %zu of %zu", i, size);
	}
	size = ZSTD_compress(packed, sizeof(packed), plain, 3000, 1);
	for (i = 4; i < size; i++) {
		struct err e = ERR_INIT;

		if (feed(packed, i, NULL, NULL, 0, &e) == 0)
			fail_msg("zstd cut at %zu of %zu", i, size);
	}
}

static void trailing_bytes_are_refused(void **state)
{
	size_t size = gzip_member(packed, plain, 3000);
	struct err e = ERR_INIT;

	(void)state;
	packed[size] = 0;
	assert_int_equal(feed(packed, size + 1, NULL, NULL, 0, &e), -EBADMSG);
	size = ZSTD_compress(packed, sizeof(packed), plain, 3000, 1);
	packed[size] = 'x';
	err_clear(&e);
	assert_int_equal(feed(packed, size + 1, NULL, NULL, 0, &e), -EBADMSG);
}

static void every_flipped_bit_of_gzip_is_seen(void **state)
{
	size_t size = gzip_member(packed, plain, 500), i, seen = 0;

	(void)state;
	for (i = 10; i < size; i++) { /* after the header, which no checksum covers */
		struct err e = ERR_INIT;

		packed[i] ^= 4;
		/* a code that the data does not use may change without effect: then nothing did */
		if (feed(packed, size, NULL, NULL, 0, &e) == 0)
			assert_int_equal(feed(packed, size, NULL, plain, 500, &e), 0);
		else
			seen++;
		packed[i] ^= 4;
	}
	assert_true(seen > (size - 10) * 9 / 10);
}

static void size_and_digest_are_checked(void **state)
{
	struct blob_expect expect = { .size = 1000 };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(hash_memory(plain, 1000, &expect.digest, &e), 0);
	assert_int_equal(feed(plain, 1000, &expect, plain, 1000, &e), 0);
	assert_int_equal(feed(plain, 1001, &expect, NULL, 0, &e), -EBADMSG);
	assert_err(&e, "longer than the 1000");
	err_clear(&e);
	assert_int_equal(feed(plain, 999, &expect, NULL, 0, &e), -EBADMSG);
	assert_err(&e, "999 bytes, its descriptor says 1000");
	err_clear(&e);
	assert_int_equal(feed(plain + 1, 1000, &expect, NULL, 0, &e), -EBADMSG);
	assert_err(&e, "not sha256:");
}

static void other_compressions_are_named(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(feed("\xfd"
			      "7zXZ\0xxxx",
			      10, NULL, NULL, 0, &e),
			 -ENOTSUP);
	assert_err(&e, "xz compression");
	err_clear(&e);
	assert_int_equal(feed("BZh91AY", 7, NULL, NULL, 0, &e), -ENOTSUP);
	assert_err(&e, "bzip2 compression");
}

static void chain_ids(void **state)
{
	/* two empty strings' digests, chained as the spec says; by sha256sum */
	struct digest d, chain;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(hash_memory("", 0, &d, &e), 0);
	assert_string_equal(d.hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8"
				   "55");
	assert_int_equal(hash_chain(NULL, &d, &chain, &e), 0);
	assert_true(digest_equal(&d, &chain));
	assert_int_equal(hash_chain(&d, &d, &chain, &e), 0);
	assert_string_equal(chain.hex,
			    "de9d9016b852e46e9f3973e20d3a6d17e120f7144931d50cd6e2a8ad53e81960");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gzip_of_any_number_of_members),
		cmocka_unit_test(zstd_of_any_number_of_frames),
		cmocka_unit_test(plain_bytes_stay),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(trailing_bytes_are_refused),
		cmocka_unit_test(every_flipped_bit_of_gzip_is_seen),
		cmocka_unit_test(size_and_digest_are_checked),
		cmocka_unit_test(other_compressions_are_named),
		cmocka_unit_test(chain_ids),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
