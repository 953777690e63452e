/*
 * owner-xattr.c - two varints (protobuf.dev/programming-guides/encoding).
 */
#include "image/owner-xattr.h"

static size_t put(unsigned char *to, unsigned field, uint32_t value)
{
	size_t n = 0;

	if (value == 0)
		return 0;
	to[n++] = field << 3;
	for (; value >= 0x80; value >>= 7)
		to[n++] = 0x80 | (value & 0x7f);
	to[n++] = value;
	return n;
}

size_t owner_xattr_encode(uint32_t uid, uint32_t gid, unsigned char to[OWNER_XATTR_MAX])
{
	size_t n = put(to, 1, uid);

	return n + put(to + n, 2, gid);
}

bool owner_xattr_decode(const void *data, size_t size, uint32_t *ret_uid, uint32_t *ret_gid)
{
	const unsigned char *p = data, *end = p + size;
	uint32_t numbers[2] = { 0 };

	while (p < end) {
		unsigned field = *p++, shift = 0;
		uint64_t value = 0;

		if (field != 1 << 3 && field != 2 << 3)
			return false;
		do {
			if (p == end || shift > 28)
				return false;
			value |= (uint64_t)(*p & 0x7f) << shift;
			shift += 7;
		} while (*p++ & 0x80);
		if (value > UINT32_MAX)
			return false;
		numbers[(field >> 3) - 1] = value;
	}
	*ret_uid = numbers[0];
	*ret_gid = numbers[1];
	return true;
}
