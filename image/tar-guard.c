/*
 * tar-guard.c - the framing of tar: ustar, pax and GNU headers (pax(1), tar(5)).
 *
 * A push parser: bytes come in any cut, memory is one header plus one
 * extension. Errors name the offset in the plain stream.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "image/tar-guard.h"

/* Offsets and sizes of header fields, tar(5). */
enum {
	AT_NAME = 0,
	AT_PREFIX = 345,
	AT_SIZE = 124,
	AT_CHECKSUM = 148,
	AT_TYPE = 156,
	AT_MAGIC = 257,
	AT_GNU_SPARSE = 386,
	AT_GNU_EXTENDED = 482,
	AT_GNU_REALSIZE = 483,
	AT_SPARSE_BLOCK_EXTENDED = 504,
};

static int bad(const struct tar_guard *g, struct err *e, const char *what)
{
	return err_say(e, EBADMSG, "tar: %s (at byte %llu)", what, (unsigned long long)g->at);
}

/* Octal with leading spaces, ended by space or NUL; or base-256 (first byte 0x80), not negative. */
static bool read_number(const unsigned char *p, size_t size, uint64_t *ret)
{
	uint64_t n = 0;
	size_t i = 0;
	bool digits = false;

	if (p[0] & 0x80) {
		if (p[0] != 0x80)
			return false;
		for (i = 1; i < size; i++) {
			if (n >> 55)
				return false;
			n = n << 8 | p[i];
		}
		*ret = n;
		return true;
	}
	while (i < size && p[i] == ' ')
		i++;
	for (; i < size && p[i] >= '0' && p[i] <= '7'; i++, digits = true)
		n = n << 3 | (p[i] - '0');
	for (; i < size; i++)
		if (p[i] != ' ' && p[i] != '\0')
			return false;
	*ret = n;
	return digits || p[0] == '\0' || p[0] == ' ';
}

static bool checksum_right(const unsigned char *h)
{
	uint64_t told, sum = 0;
	int i;

	for (i = 0; i < 512; i++)
		sum += i >= AT_CHECKSUM && i < AT_CHECKSUM + 8 ? ' ' : h[i];
	return read_number(h + AT_CHECKSUM, 8, &told) && told == sum;
}

static bool all_zero(const unsigned char *p, size_t size)
{
	return size == 0 || (p[0] == 0 && memcmp(p, p + 1, size - 1) == 0);
}

static int check_numbers(const struct tar_guard *g, const unsigned char *h, struct err *e)
{
	/* mode, uid, gid, size; mtime may be negative in base-256 */
	static const struct {
		int at, size;
	} fields[] = { { 100, 8 }, { 108, 8 }, { 116, 8 }, { AT_SIZE, 12 } };
	uint64_t n;
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!read_number(h + fields[i].at, fields[i].size, &n))
			return bad(g, e, "a header's number is malformed or negative");
	if (!(h[136] & 0x80) && !read_number(h + 136, 12, &n))
		return bad(g, e, "a header's time is malformed");
	return 0;
}

static int begin_extension(struct tar_guard *g, char type, uint64_t size, struct err *e)
{
	if (size == 0 || size > TAR_EXTENSION_MAX)
		return bad(g, e, "an extension header is empty or over 1 MiB");
	if ((type == 'x' && (g->pax || g->long_name || g->long_link)) ||
	    ((type == 'L' || type == 'K') && g->pax) || (type == 'L' && g->long_name) ||
	    (type == 'K' && g->long_link) ||
	    (type == 'g' && (g->pax || g->long_name || g->long_link)))
		return bad(g, e, "two extension headers tell about one entry");
	if (size > g->text_room) {
		char *more = realloc(g->text, size);

		if (more == NULL)
			return err_set(e, ENOMEM, "tar: no memory for an extension header");
		g->text = more;
		g->text_room = size;
	}
	g->text_type = type;
	g->text_size = size;
	g->text_have = 0;
	g->skip = (512 - size % 512) % 512; /* the padding, after the text */
	return 0;
}

static bool carries_no_data(char type)
{
	return type >= '1' && type <= '6';
}

static int entry_header(struct tar_guard *g, const unsigned char *h, char type, uint64_t size,
			struct err *e)
{
	/* A header can't hold 8 GiB; then, and only then, pax may differ from it. */
	if (g->pax_has_size && g->pax_size != size && g->pax_size < (1ull << 33))
		return bad(g, e, "the pax size and the header's size differ");
	if (g->pax_has_size)
		size = g->pax_size;
	if (carries_no_data(type) && size != 0)
		return bad(g, e, "a link, folder, device or fifo claims to have data");
	if (size > INT64_MAX - 1024)
		return bad(g, e, "an entry is larger than any file can be");
	if (h[AT_NAME] == '\0' && !g->long_name && !g->pax_has_path &&
	    (memcmp(h + AT_MAGIC, "ustar\0", 6) != 0 || h[AT_PREFIX] == '\0'))
		return bad(g, e, "an entry without a name");
	/* The old format's folder: libarchive takes it for one, and its data for headers. */
	if (!g->long_name && !g->pax_has_path)
		g->folder_name = h[AT_NAME] && h[strnlen((const char *)h, 100) - 1] == '/';
	if (g->folder_name && size != 0)
		return bad(g, e, "a folder's name, but it has data");
	/* libarchive goes by these fields, GNU tar by the type: they must agree. */
	if (memcmp(h + AT_MAGIC, "ustar  ", 8) == 0 &&
	    (type == 'S' ? h[AT_GNU_SPARSE] == 0
			 : h[AT_GNU_SPARSE] || h[AT_GNU_EXTENDED] || h[AT_GNU_REALSIZE]))
		return bad(g, e, "an entry that is and is not sparse");
	if (type == 'S') {
		if (memcmp(h + AT_MAGIC, "ustar  ", 8) != 0 || g->pax)
			return bad(g, e, "a sparse entry outside the GNU format");
		g->sparse_extended = h[AT_GNU_EXTENDED] != 0;
		g->sparse_pieces = 4;
	}
	g->entries++;
	g->sparse_count_due = g->sparse_in_data;
	if (g->sparse_in_data && size < 512)
		return bad(g, e, "a sparse file without its map");
	g->pax = g->long_name = g->long_link = g->pax_has_size = g->pax_has_path =
		g->sparse_in_data = g->folder_name = false;
	size += (512 - size % 512) % 512;
	if (g->sparse_extended)
		g->sparse_data = size;
	else
		g->skip = size;
	return 0;
}

static int header(struct tar_guard *g, struct err *e)
{
	const unsigned char *h = g->block;
	char type = h[AT_TYPE] == '\0' || h[AT_TYPE] == '7' ? '0' : h[AT_TYPE];
	uint64_t size;
	int error;

	if (!checksum_right(h))
		return bad(g, e, "a header's checksum is wrong");
	/* POSIX, GNU, or the old format without magic */
	if (memcmp(h + AT_MAGIC,
		   "ustar\0"
		   "00",
		   8) != 0 &&
	    memcmp(h + AT_MAGIC, "ustar  ", 8) != 0 && !all_zero(h + AT_MAGIC, 8))
		return bad(g, e, "a header of unknown format");
	error = check_numbers(g, h, e);
	if (error)
		return error;
	read_number(h + AT_SIZE, 12, &size);
	if (type == 'x' || type == 'g' || type == 'L' || type == 'K')
		return begin_extension(g, type, size, e);
	if (!((type >= '0' && type <= '6') || type == 'S'))
		return bad(g, e, "an entry of unknown type");
	return entry_header(g, h, type, size, e);
}

static int old_sparse_block(struct tar_guard *g, struct err *e)
{
	g->sparse_pieces += 21;
	if (g->sparse_pieces > TAR_SPARSE_MAX)
		return bad(g, e, "a sparse file has more than 65536 pieces");
	g->sparse_extended = g->block[AT_SPARSE_BLOCK_EXTENDED] != 0;
	if (!g->sparse_extended)
		g->skip = g->sparse_data;
	return 0;
}

/* GNU 1.0: the data begins with the number of pieces, in decimal, and a newline. */
static int sparse_count(struct tar_guard *g, struct err *e)
{
	uint64_t n = 0;
	int i = 0;

	g->sparse_count_due = false;
	for (; i < 10 && g->block[i] >= '0' && g->block[i] <= '9'; i++)
		n = n * 10 + (g->block[i] - '0');
	if (i == 0 || g->block[i] != '\n')
		return bad(g, e, "a sparse file's map is malformed");
	if (n > TAR_SPARSE_MAX)
		return bad(g, e, "a sparse file has more than 65536 pieces");
	g->skip -= 512;
	return 0;
}

static bool read_decimal(const char *p, size_t size, uint64_t *ret)
{
	uint64_t n = 0;
	size_t i;

	if (size == 0)
		return false;
	for (i = 0; i < size; i++)
		if (p[i] < '0' || p[i] > '9' || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(p[i] - '0'), &n))
			return false;
	*ret = n;
	return true;
}

static bool key_is(const char *key, size_t size, const char *name)
{
	return strlen(name) == size && memcmp(key, name, size) == 0;
}

static bool key_begins(const char *key, size_t size, const char *prefix)
{
	return size >= strlen(prefix) && memcmp(key, prefix, strlen(prefix)) == 0;
}

static int pax_record(struct tar_guard *g, const char *key, size_t key_size, const char *value,
		      size_t size, struct err *e)
{
	bool is_size = key_is(key, key_size, "size");
	uint64_t n;

	if (memchr(key, '\0', key_size) ||
	    (!key_begins(key, key_size, "SCHILY.xattr.") && memchr(value, '\0', size)))
		return bad(g, e, "a pax record holds a NUL");
	/* A global record would change every later entry, for readers that look at it. */
	if (g->text_type == 'g')
		return key_is(key, key_size, "comment")
			       ? 0
			       : bad(g, e, "a global pax header that is more than a comment");
	if (is_size || key_is(key, key_size, "uid") || key_is(key, key_size, "gid")) {
		if (!read_decimal(value, size, &n))
			return bad(g, e, "a pax number is malformed or negative");
		if (is_size) {
			g->pax_has_size = true;
			g->pax_size = n;
		}
	}
	if (key_is(key, key_size, "path") || key_is(key, key_size, "linkpath") ||
	    key_is(key, key_size, "GNU.sparse.name")) {
		if (size == 0)
			return bad(g, e, "a pax record with an empty path");
		if (!key_is(key, key_size, "linkpath")) {
			g->pax_has_path = true;
			g->folder_name |= value[size - 1] == '/';
		}
	}
	/* These change how much of the data is the file: only GNU's are understood. */
	if (key_begins(key, key_size, "SUN.") || key_is(key, key_size, "SCHILY.realsize"))
		return bad(g, e, "a pax record that is not supported (SUN.* or SCHILY.realsize)");
	if (key_is(key, key_size, "hdrcharset") && !key_is(value, size, "BINARY") &&
	    !key_is(value, size, "ISO-IR 10646 2000 UTF-8"))
		return bad(g, e, "an unknown hdrcharset");
	if (key_is(key, key_size, "GNU.sparse.major")) {
		if (size != 1 || (*value != '1' && *value != '0'))
			return bad(g, e, "an unknown sparse format");
		g->sparse_in_data = *value == '1';
	}
	return 0;
}

/* Is this key in an earlier record of the same header? O(n^2), on at most 1 MiB: so the number of
 * records is bounded too. */
static bool seen_before(const char *text, const char *until, const char *key, size_t key_size)
{
	while (text < until) {
		const char *space = memchr(text, ' ', until - text);

		if (memcmp(space + 1, key, key_size) == 0 && space[1 + key_size] == '=')
			return true;
		text += strtoul(text, NULL, 10);
	}
	return false;
}

#define PAX_RECORDS_MAX 1024

static int pax_text(struct tar_guard *g, struct err *e)
{
	const char *p = g->text, *end = g->text + g->text_size, *space, *equals;
	unsigned records = 0;
	uint64_t length;
	int error;

	for (; p < end; p += length) {
		space = memchr(p, ' ', end - p);
		if (space == NULL || space - p > 8 || *p == '0' ||
		    !read_decimal(p, space - p, &length) || length > (uint64_t)(end - p) ||
		    length < (uint64_t)(space - p) + 4 || p[length - 1] != '\n')
			return bad(g, e, "a pax record's length is wrong");
		equals = memchr(space, '=', p + length - space);
		if (equals == NULL || equals == space + 1)
			return bad(g, e, "a pax record has no key");
		if (!key_begins(space + 1, equals - space - 1, "GNU.sparse.")) {
			if (++records > PAX_RECORDS_MAX)
				return bad(g, e, "more than 1024 pax records for one entry");
			if (seen_before(g->text, p, space + 1, equals - space - 1))
				return bad(g, e, "a pax record comes twice");
		}
		error = pax_record(g, space + 1, equals - space - 1, equals + 1,
				   p + length - 1 - (equals + 1), e);
		if (error)
			return error;
	}
	if (g->text_type == 'x')
		g->pax = true;
	return 0;
}

/* A GNU long name: text, NUL, nothing else. */
static int long_text(struct tar_guard *g, struct err *e)
{
	const char *nul = memchr(g->text, '\0', g->text_size);

	if (nul && !all_zero((const unsigned char *)nul, g->text + g->text_size - nul))
		return bad(g, e, "a long name holds a NUL");
	if (nul == g->text)
		return bad(g, e, "a long name is empty");
	if (g->text_type == 'L') {
		g->long_name = true;
		g->folder_name = (nul ? nul : g->text + g->text_size)[-1] == '/';
	} else {
		g->long_link = true;
	}
	return 0;
}

static int block_done(struct tar_guard *g, struct err *e)
{
	g->block_have = 0;
	if (g->sparse_extended)
		return old_sparse_block(g, e);
	if (g->sparse_count_due)
		return sparse_count(g, e);
	if (all_zero(g->block, 512)) {
		if (g->pax || g->long_name || g->long_link)
			return bad(g, e, "an extension header without its entry");
		g->ended = ++g->zero_blocks == 2;
		return 0;
	}
	if (g->zero_blocks)
		return bad(g, e, "a single zero block between entries");
	return header(g, e);
}

static size_t smaller(uint64_t a, size_t b)
{
	return a < b ? a : b;
}

int tar_guard_feed(struct tar_guard *g, const void *data, size_t size, struct err *e)
{
	const unsigned char *p = data;
	size_t n;
	int error;

	for (; size > 0; p += n, size -= n, g->at += n) {
		error = 0;
		if (g->ended) {
			n = size;
			if (!all_zero(p, n))
				return bad(g, e, "data after the archive's end");
		} else if (g->text_type) {
			n = smaller(g->text_size - g->text_have, size);
			memcpy(g->text + g->text_have, p, n);
			g->text_have += n;
			if (g->text_have == g->text_size) {
				error = g->text_type == 'x' || g->text_type == 'g'
						? pax_text(g, e)
						: long_text(g, e);
				g->text_type = 0;
			}
		} else if (g->skip > 0 && !g->sparse_count_due) {
			n = smaller(g->skip, size);
			g->skip -= n;
		} else {
			n = smaller(512 - g->block_have, size);
			memcpy(g->block + g->block_have, p, n);
			g->block_have += n;
			if (g->block_have == 512)
				error = block_done(g, e);
		}
		if (error)
			return error;
	}
	return 0;
}

int tar_guard_end(struct tar_guard *g, struct err *e)
{
	/* Some writers leave out the two zero blocks: an end between entries is an end. */
	if (g->skip > 0 || g->text_type || g->block_have > 0 || g->sparse_extended ||
	    g->sparse_count_due || g->pax || g->long_name || g->long_link)
		return bad(g, e, "the archive is cut off");
	return 0;
}

void tar_guard_free(struct tar_guard *g)
{
	free(g->text);
	g->text = NULL;
}
