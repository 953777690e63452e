/*
 * json_big.c - integers from 2^63 to 2^64 - 1, for which jansson has no type.
 *
 * Such a one is an object {KEY:"DIGITS"}, with a key that nothing else has: json_dumps() writes
 * that, and it is read back as the number it is.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json_parse.h"

#define KEY "\x7f\x7f"

json_t *json_big(uint64_t value)
{
	char digits[24];

	snprintf(digits, sizeof digits, "%" PRIu64, value);
	return json_pack("{s:s}", KEY, digits);
}

bool json_big_value(const json_t *v, uint64_t *ret)
{
	const char *text = json_string_value(json_object_get(v, KEY));
	uint64_t value = 0;

	if (json_object_size(v) != 1 || !text)
		return false;
	for (; *text; text++)
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
			return false;
	*ret = value;
	return value > INT64_MAX;
}
