/*
 * update_merge.c - an update of linux.resources: what it means with what holds
 * now, and what holds afterwards. Pure.
 */
#include "runtime/update_merge.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static json_int_t number(const json_t *resources, const char *part, const char *key)
{
	return json_integer_value(json_object_get(json_object_get(resources, part), key));
}

static int copy(json_t *update, const json_t *now, const char *part, const char *key)
{
	json_t *value = json_object_get(json_object_get(now, part), key);

	return value && json_object_set(json_object_get(update, part), key, value) < 0 ? -ENOMEM
										       : 0;
}

int update_fill(json_t *update, const json_t *now)
{
	bool quota = number(update, "cpu", "quota") != 0, period = number(update, "cpu", "period") != 0;
	int r = 0;

	if (quota != period)
		r = copy(update, now, "cpu", quota ? "period" : "quota");
	if (r == 0 && number(update, "memory", "swap") > 0 && !number(update, "memory", "limit"))
		r = copy(update, now, "memory", "limit");
	return r;
}

/* Numbers for which 0 is a wish. */
static bool zero_counts(const char *part, const char *key)
{
	return (strcmp(part, "pids") == 0 && strcmp(key, "limit") == 0) ||
	       (strcmp(part, "cpu") == 0 && (strcmp(key, "burst") == 0 || strcmp(key, "idle") == 0));
}

/* Do two entries of hugepageLimits, or of a list of devices, speak of the same? */
static bool is_same_entry(const json_t *a, const json_t *b)
{
	static const char *const keys[] = { "pageSize", "major", "minor" };

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		json_t *of_a = json_object_get(a, keys[i]), *of_b = json_object_get(b, keys[i]);

		if ((of_a || of_b) && !json_equal(of_a, of_b))
			return false;
	}
	return true;
}

static int merge_list(json_t *now, const json_t *update)
{
	size_t i, k;
	json_t *entry, *old;

	json_array_foreach(update, i, entry) {
		json_array_foreach(now, k, old)
			if (is_same_entry(old, entry))
				break;
		if ((k < json_array_size(now) ? json_array_set(now, k, entry)
					      : json_array_append(now, entry)) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int merge_part(const char *part, json_t *now, const json_t *update)
{
	const char *key;
	json_t *value;

	/* json_object_foreach wants it writable; it stays as it is. */
	json_object_foreach((json_t *)(uintptr_t)update, key, value) {
		json_t *old = json_object_get(now, key);
		int r = 0;

		if (json_is_integer(value) && json_integer_value(value) == 0 &&
		    !zero_counts(part, key))
			continue;
		if (json_is_object(value) && json_is_object(old))
			r = merge_part(key, old, value);
		else if (json_is_array(value) && json_is_array(old))
			r = merge_list(old, value);
		else if (json_object_set(now, key, value) < 0)
			r = -ENOMEM;
		if (r < 0)
			return r;
	}
	return 0;
}

int update_merge(json_t *now, const json_t *update)
{
	json_int_t limit = number(now, "memory", "limit"), swap = number(now, "memory", "swap");
	json_int_t new_limit = number(update, "memory", "limit");
	int r = merge_part("", now, update);

	/* With no word on swap memory.swap.max stays: swap and memory together change with the
	 * limit. */
	if (r < 0 || !new_limit || swap <= 0 || number(update, "memory", "swap"))
		return r;
	swap = new_limit < 0 ? -1 : new_limit + (limit > 0 ? swap - limit : 0);
	return json_object_set_new(json_object_get(now, "memory"), "swap", json_integer(swap)) < 0
		       ? -ENOMEM
		       : 0;
}
