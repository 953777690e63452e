/*
 * json_big.c - integers from 2^63 to 2^64 - 1, for which jansson has no type.
 *
 * In the text each becomes an object {KEY:"DIGITS"} of no greater length, so that places in
 * messages stay right: KEY is a key that nothing has, and DIGITS are what it has above 2^63, in
 * base 62. json_dumps() writes that object, and it is read back as the number it is.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define TWO_TO_63  (1ULL << 63)
#define BASE	   62
#define DIGITS_MAX 11 /* of 2^63 - 1 */
#define KEY	   "\x7f\x7f"

static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

static bool is_of_number(char c)
{
	return (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.' || c == 'e' || c == 'E';
}

/* The number of so many characters, if it is one of those. */
static bool read_big(const char *s, size_t count, uint64_t *ret)
{
	uint64_t value = 0;

	if (s[0] == '0')
		return false;
	for (size_t i = 0; i < count; i++)
		if (s[i] < '0' || s[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(s[i] - '0'), &value))
			return false;
	*ret = value;
	return value >= TWO_TO_63;
}

/* Over the `length` characters there: 19 digits in decimal are 10 at most in base 62, 20 are 11. */
static void write_object(char *s, size_t length, uint64_t value)
{
	static const char begin[] = "{\"" KEY "\":\"", end[] = "\"}";
	char text[DIGITS_MAX];
	size_t at = sizeof text, count;

	value -= TWO_TO_63;
	do
		text[--at] = digits[value % BASE];
	while (value /= BASE);
	count = sizeof text - at;
	memset(s, ' ', length);
	memcpy(s, begin, sizeof begin - 1);
	memcpy(s + sizeof begin - 1, text + at, count);
	memcpy(s + sizeof begin - 1 + count, end, sizeof end - 1);
}

char *json_admit_big(const char *s, size_t size)
{
	char *copy = malloc(size);

	if (!copy)
		return NULL;
	memcpy(copy, s, size);
	for (size_t i = 0, count; i < size; i += count) {
		uint64_t value;

		if (s[i] == '"') {
			for (count = 1; i + count < size && s[i + count] != '"'; count++)
				count += s[i + count] == '\\';
			count++;
			continue;
		}
		/* A number as a whole: with a sign, a fraction or an exponent it is none of those.
		 */
		for (count = 0; i + count < size && is_of_number(s[i + count]);)
			count++;
		if ((count == 19 || count == 20) && read_big(s + i, count, &value))
			write_object(copy + i, count, value);
		count += count == 0;
	}
	return copy;
}

bool json_big_value(const json_t *v, uint64_t *ret)
{
	const char *text = json_string_value(json_object_get(v, KEY));
	uint64_t above = 0;

	if (json_object_size(v) != 1 || !text || !*text)
		return false;
	for (; *text; text++) {
		const char *digit = strchr(digits, *text);

		if (!digit || __builtin_mul_overflow(above, BASE, &above) ||
		    __builtin_add_overflow(above, (uint64_t)(digit - digits), &above))
			return false;
	}
	*ret = TWO_TO_63 + above;
	return above < TWO_TO_63;
}
