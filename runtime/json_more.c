/*
 * json_more.c - getters for what process and seccomp profiles hold: uint64, enums, flag lists.
 */
#include "runtime/json_more.h"

#include <errno.h>
#include <string.h>

#define TWO_TO_64 18446744073709551616.0

int json_get_u64(const json_t *o, const struct json_at *at, const char *key, uint64_t *ret,
		 struct err *e)
{
	const json_t *v = json_object_get(o, key);
	struct json_at here = json_at_key(at, key);

	if (!v)
		return 0;
	if (json_big_value(v, ret))
		return 1;
	if (json_is_integer(v) && json_integer_value(v) >= 0)
		*ret = (uint64_t)json_integer_value(v);
	else if (json_is_real(v) && json_real_value(v) == TWO_TO_64)
		*ret = UINT64_MAX;
	else if (json_is_integer(v))
		return json_bad(e, &here, "%lld is out of range (0 to 18446744073709551615)",
				(long long)json_integer_value(v));
	else
		return json_bad(e, &here, "must be an integer of 0 or more");
	return 1;
}

static int find_name(const json_t *v, const struct json_at *at, const struct json_name *names,
		     size_t count, uint64_t *ret, struct err *e)
{
	if (!json_is_string(v))
		return json_bad(e, at, "must be a string");
	for (size_t i = 0; i < count; i++) {
		if (strcmp(names[i].name, json_string_value(v)) == 0) {
			*ret = names[i].value;
			return 1;
		}
	}
	return json_bad(e, at, "unknown value \"%s\"", json_string_value(v));
}

int json_get_name(const json_t *o, const struct json_at *at, const char *key,
		  const struct json_name *names, size_t count, uint64_t *ret, struct err *e)
{
	const json_t *v = json_object_get(o, key);
	struct json_at here = json_at_key(at, key);

	return v ? find_name(v, &here, names, count, ret, e) : 0;
}

int json_get_flags(const json_t *o, const struct json_at *at, const char *key,
		   const struct json_name *names, size_t count, uint64_t *ret, struct err *e)
{
	struct json_at here = json_at_key(at, key);
	json_t *array, *v;
	uint64_t flags = 0, one = 0;
	size_t i;
	int r = json_get_array(o, at, key, &array, e);

	if (r <= 0)
		return r;
	json_array_foreach(array, i, v)
	{
		struct json_at item = json_at_index(&here, i);

		r = find_name(v, &item, names, count, &one, e);
		if (r < 0)
			return r;
		flags |= one;
	}
	*ret = flags;
	return 1;
}
