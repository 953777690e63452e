/*
 * size.c - sizes, durations and numbers as people and other runtimes write them.
 */
#include "base/size.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int integer_parse(const char *text, int64_t *ret)
{
	const char *digits = text + (text[0] == '-');
	char *end;
	long long value;

	if (!isdigit((unsigned char)digits[0]))
		return -EINVAL;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno || *end)
		return -EINVAL;
	*ret = value;
	return 0;
}

/* The exponent of 1024 that "", "b", "k", "kb", "kib", "m", ... stand for; -1: none. */
static int unit_power(const char *text)
{
	static const char letters[] = "kmgtp";
	const char *letter;

	if (!*text || strcasecmp(text, "b") == 0)
		return 0;
	letter = strchr(letters, tolower((unsigned char)text[0]));
	if (!letter || (text[1] && strcasecmp(text + 1, "b") != 0 && strcasecmp(text + 1, "ib") != 0))
		return -1;
	return (int)(letter - letters) + 1;
}

int size_parse(const char *text, int64_t *ret)
{
	size_t whole = strspn(text, "0123456789"), length = whole;
	long double value;
	int power;

	if (strcmp(text, "-1") == 0) {
		*ret = -1;
		return 0;
	}
	if (text[length] == '.')
		length += 1 + strspn(text + length + 1, "0123456789");
	if (whole == 0 || length > 40)
		return -EINVAL;
	value = strtold(text, NULL);
	text += length;
	power = unit_power(text + (text[0] == ' ' && text[1]));
	if (power < 0)
		return -EINVAL;
	while (power-- > 0)
		value *= 1024;
	if (value >= (long double)INT64_MAX)
		return -EINVAL;
	*ret = (int64_t)value;
	return 0;
}

int duration_parse(const char *text, int64_t *ret_ms)
{
	static const struct {
		const char *name;
		double ms;
	} units[] = { { "ms", 1 }, { "us", 0.001 }, { "ns", 0.000001 },
		      { "h", 3600000 }, { "m", 60000 }, { "s", 1000 } };
	double sum = 0;

	do {
		size_t whole = strspn(text, "0123456789"), length = whole, unit = 0;

		if (text[length] == '.')
			length += 1 + strspn(text + length + 1, "0123456789");
		while (unit < 6 && strncmp(text + length, units[unit].name, strlen(units[unit].name)))
			unit++;
		if (whole == 0 || length > 20 || unit == 6)
			return -EINVAL;
		sum += strtod(text, NULL) * units[unit].ms;
		text += length + strlen(units[unit].name);
	} while (*text);
	if (sum < 1 || sum > 1e15)
		return -EINVAL;
	*ret_ms = (int64_t)sum;
	return 0;
}
