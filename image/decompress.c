/*
 * decompress.c - blob reading and decompression, by ISA-L's igzip and libzstd.
 *
 * What is read is hostile: a member or frame that ends early, bytes after the
 * last one and a blob that is longer or shorter than its descriptor are all
 * refused. Bounds on the plain bytes are the caller's (unpack.c).
 */
#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>
#include "base/fd.h"
#include "image/decompress.h"
#include "image/hash.h"

struct decompressor {
	int fd, copy_fd;
	const struct blob_reader *from; /* or NULL: the fd */
	bool checked; /* expect is meant */
	struct blob_expect expect;
	struct hash hash;
	uint64_t bytes_in;
	bool input_ended;
	enum compression kind;
	bool kind_known;
	struct inflate_state *inflate;
	bool between; /* at a gzip member's or zstd frame's end */
	ZSTD_DStream *zstd;
	const unsigned char *in; /* not yet consumed part of in_block */
	size_t in_size;
	unsigned char *out; /* out_block, or the caller's */
	unsigned char in_block[DECOMPRESS_BLOCK];
	unsigned char out_block[DECOMPRESS_BLOCK];
};

int decompress_new(int fd, const struct blob_expect *expect, int copy_fd, struct decompressor **ret,
		   struct err *e)
{
	_cleanup_decompressor_ struct decompressor *d = malloc(sizeof(*d));
	int error;

	if (d == NULL)
		return err_set(e, ENOMEM, "cannot read a blob");
	memset(d, 0, offsetof(struct decompressor, in_block));
	d->fd = fd;
	d->copy_fd = copy_fd;
	d->out = d->out_block;
	d->checked = expect != NULL;
	if (expect)
		d->expect = *expect;
	error = hash_begin_as(&d->hash, expect ? &expect->digest : NULL, e);
	if (error)
		return error;
	*ret = d;
	d = NULL;
	return 0;
}

void decompress_read_from(struct decompressor *d, const struct blob_reader *from)
{
	d->from = from;
}

void decompress_output(struct decompressor *d, unsigned char *block)
{
	d->out = block;
}

void decompress_cancel(struct decompressor *d)
{
	if (d->from && d->from->cancel)
		d->from->cancel(d->from->user);
}

void decompress_free(struct decompressor **d)
{
	if (*d == NULL)
		return;
	hash_free(&(*d)->hash);
	free((*d)->inflate);
	ZSTD_freeDStream((*d)->zstd);
	free(*d);
	*d = NULL;
}

enum compression decompress_kind(const struct decompressor *d)
{
	return d->kind;
}

uint64_t decompress_bytes_in(const struct decompressor *d)
{
	return d->bytes_in;
}

static int check_input(struct decompressor *d, struct err *e)
{
	struct digest got;

	d->input_ended = true;
	hash_end(&d->hash, &got);
	if (!d->checked)
		return 0;
	if (d->bytes_in != d->expect.size)
		return err_say(e, EBADMSG, "the blob has %llu bytes, its descriptor says %llu",
			       (unsigned long long)d->bytes_in, (unsigned long long)d->expect.size);
	if (!digest_equal(&got, &d->expect.digest))
		return err_say(e, EBADMSG,
			       "the blob's content is %.19s..., not %.19s...",
			       digest_text(&got).text, digest_text(&d->expect.digest).text);
	return 0;
}

/* Refills in_block when it is empty. At the end of the input in_size stays 0. */
static int refill(struct decompressor *d, struct err *e)
{
	ssize_t n;
	int error;

	if (d->in_size > 0 || d->input_ended)
		return 0;
	if (d->from) {
		n = d->from->read(d->from->user, d->in_block, sizeof(d->in_block), e);
		if (n < 0)
			return n;
	} else {
		n = fd_read_full(d->fd, d->in_block, sizeof(d->in_block));
		if (n < 0)
			return err_set(e, -n, "cannot read the blob");
	}
	d->bytes_in += n;
	/* Stop at once: an endless blob must not be read to its end to be refused. */
	if (d->checked && d->bytes_in > d->expect.size)
		return err_say(e, EBADMSG,
			       "the blob is longer than the %llu bytes its descriptor says",
			       (unsigned long long)d->expect.size);
	hash_add(&d->hash, d->in_block, n);
	if (d->copy_fd >= 0) {
		error = fd_write_all(d->copy_fd, d->in_block, n);
		if (error)
			return err_set(e, -error, "cannot write the blob");
	}
	d->in = d->in_block;
	d->in_size = n;
	return n == 0 ? check_input(d, e) : 0;
}

static int start_gzip(struct decompressor *d, struct err *e)
{
	d->kind = COMPRESSION_GZIP;
	d->inflate = malloc(sizeof(*d->inflate));
	if (d->inflate == NULL)
		return err_set(e, ENOMEM, "cannot start gzip");
	isal_inflate_init(d->inflate);
	d->inflate->crc_flag = ISAL_GZIP;
	return 0;
}

static int start_zstd(struct decompressor *d, struct err *e)
{
	d->kind = COMPRESSION_ZSTD;
	d->zstd = ZSTD_createDStream();
	if (d->zstd == NULL)
		return err_set(e, ENOMEM, "cannot start zstd");
	ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, DECOMPRESS_WINDOW_LOG);
	d->between = true;
	return 0;
}

/* By the first bytes: the media type is a label, and writers are known to get it wrong. */
static int detect(struct decompressor *d, struct err *e)
{
	static const unsigned char xz[] = { 0xfd, '7', 'z', 'X', 'Z', 0 };
	static const unsigned char zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };
	static const unsigned char skippable[] = { 0x2a, 0x4d, 0x18 };
	const unsigned char *p = d->in;
	size_t n = d->in_size;

	d->kind_known = true;
	if (n >= 2 && p[0] == 0x1f && p[1] == 0x8b)
		return start_gzip(d, e);
	if (n >= 4 && (memcmp(p, zstd, 4) == 0 ||
		       ((p[0] & 0xf0) == 0x50 && memcmp(p + 1, skippable, 3) == 0)))
		return start_zstd(d, e);
	if ((n >= 6 && memcmp(p, xz, 6) == 0) || (n >= 3 && memcmp(p, "BZh", 3) == 0)) {
		err_say(e, ENOTSUP, "%s compression is not supported",
			p[0] == 'B' ? "bzip2" : "xz");
		return err_fix(e, "use gzip or zstd");
	}
	d->kind = COMPRESSION_NONE;
	return 0;
}

static const char *gzip_reason(int code)
{
	switch (code) {
	case ISAL_INVALID_WRAPPER:
		return "not a gzip member (bytes after the last one?)";
	case ISAL_UNSUPPORTED_METHOD:
		return "unknown method";
	case ISAL_INCORRECT_CHECKSUM:
		return "wrong checksum";
	default:
		return "damaged data";
	}
}

/* One call of isal_inflate; *ret_out is how much it made. */
static int inflate_some(struct decompressor *d, size_t *out, struct err *e)
{
	struct inflate_state *s = d->inflate;
	size_t room = DECOMPRESS_BLOCK - *out;
	int code;

	s->next_in = (uint8_t *)d->in;
	s->avail_in = d->in_size;
	s->next_out = d->out + *out;
	s->avail_out = room;
	code = isal_inflate(s);
	if (code < 0)
		return err_say(e, EBADMSG, "gzip: %s", gzip_reason(code));
	if (code > ISAL_OUT_OVERFLOW || (s->avail_in == d->in_size && s->avail_out == room &&
					 s->block_state != ISAL_BLOCK_FINISH))
		return err_say(e, EBADMSG, "gzip: damaged data");
	*out += room - s->avail_out;
	d->in += d->in_size - s->avail_in;
	d->in_size = s->avail_in;
	d->between = s->block_state == ISAL_BLOCK_FINISH;
	return 0;
}

static ssize_t read_gzip(struct decompressor *d, struct err *e)
{
	size_t out = 0;
	int error;

	while (out < DECOMPRESS_BLOCK) {
		error = refill(d, e);
		if (error)
			return error;
		if (d->in_size == 0) {
			if (!d->between)
				return err_say(e, EBADMSG, "gzip: the stream ends early");
			break;
		}
		if (d->between) { /* another member follows (RFC 1952 2.2) */
			isal_inflate_reset(d->inflate);
			d->inflate->crc_flag = ISAL_GZIP;
			d->between = false;
		}
		error = inflate_some(d, &out, e);
		if (error)
			return error;
	}
	return out;
}

static ssize_t read_zstd(struct decompressor *d, struct err *e)
{
	ZSTD_outBuffer out = { d->out, DECOMPRESS_BLOCK, 0 };
	ZSTD_inBuffer in;
	size_t code, before;
	int error;

	while (out.pos < out.size) {
		error = refill(d, e);
		if (error)
			return error;
		in = (ZSTD_inBuffer){ d->in, d->in_size, 0 };
		before = out.pos;
		/* No input left: what the decoder still holds comes out with empty input. */
		if (d->in_size == 0 && d->between)
			break;
		code = ZSTD_decompressStream(d->zstd, &out, &in);
		if (ZSTD_isError(code))
			return err_say(e, EBADMSG, "zstd: %s", ZSTD_getErrorName(code));
		if (d->in_size == 0 && out.pos == before)
			return err_say(e, EBADMSG, "zstd: the stream ends early");
		d->in += in.pos;
		d->in_size -= in.pos;
		d->between = code == 0;
	}
	return out.pos;
}

ssize_t decompress_read(struct decompressor *d, const void **ret, struct err *e)
{
	int error = refill(d, e);
	ssize_t n;

	if (error)
		return error;
	if (!d->kind_known) {
		error = detect(d, e);
		if (error)
			return error;
	}
	*ret = d->out;
	if (d->kind == COMPRESSION_GZIP)
		return read_gzip(d, e);
	if (d->kind == COMPRESSION_ZSTD)
		return read_zstd(d, e);
	*ret = d->in;
	n = d->in_size;
	d->in_size = 0;
	return n;
}

int decompress_verify_only(int fd, const struct blob_reader *from, const struct blob_expect *expect,
			   int copy_fd, struct err *e)
{
	_cleanup_decompressor_ struct decompressor *d = NULL;
	int error = decompress_new(fd, expect, copy_fd, &d, e);

	if (!error)
		decompress_read_from(d, from);
	while (!error && !d->input_ended) {
		d->in_size = 0;
		error = refill(d, e);
	}
	return error;
}
