/*
 * json.c - strict JSON over jansson, with errors that name the JSON pointer.
 */
#include "base/json.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/fd.h"
#include "base/json_parse.h"

bool json_out_of_memory;

static void *json_malloc(size_t size)
{
	void *p = malloc(size);

	if (!p)
		json_out_of_memory = true;
	return p;
}

__attribute__((constructor)) static void watch_memory(void)
{
	json_set_alloc_funcs(json_malloc, free);
}

/* Against made-up keys that all fall into one bucket. jansson would open /dev/urandom for it. */
static void seed_hashes(void)
{
	static bool done;
	size_t seed;

	if (done)
		return;
	done = true;
	if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) == sizeof seed)
		json_object_seed(seed);
}

int json_parse_strict(const char *data, size_t size, const char *name, json_t **ret, struct err *e)
{
	struct json_fault fault;
	json_t *root;

	seed_hashes();
	root = json_build(data, size, &fault);
	if (!root) {
		if (fault.memory)
			return err_set(e, ENOMEM, "%s", name);
		if (fault.deep)
			err_say(e, EINVAL, "nested deeper than %d levels, at byte %zu",
				JSON_DEPTH_LIMIT, fault.offset);
		else
			err_say(e, EINVAL, "%s (line %zu, column %zu)", fault.why, fault.line,
				fault.column);
		err_at(e, fault.where.text);
		return err_wrap(e, "%s", name);
	}
	*ret = root;
	return 0;
}

int json_read_file(int dirfd, const char *path, json_t **ret, struct err *e)
{
	_cleanup_free_ char *data = NULL;
	size_t size;
	int r;

	r = file_read_whole(dirfd, path, JSON_BYTES_LIMIT, &data, &size, e);
	if (r < 0)
		return r;
	return json_parse_strict(data, size, path, ret, e);
}

struct json_at json_at_key(const struct json_at *parent, const char *key)
{
	struct json_at at;
	size_t n = strlen(parent->text);

	/* Rarely read, often made: by hand, without printf's cost. */
	memcpy(at.text, parent->text, n);
	at.text[n++] = '/';
	for (; *key && n < sizeof at.text - 2; key++) {
		if (*key == '~' || *key == '/') {
			at.text[n++] = '~';
			at.text[n++] = *key == '~' ? '0' : '1';
		} else {
			at.text[n++] = *key;
		}
	}
	if (n > sizeof at.text - 1)
		n = sizeof at.text - 1;
	at.text[n] = '\0';
	if (*key)
		memcpy(at.text + n - 3, "...", 4);
	return at;
}

struct json_at json_at_index(const struct json_at *parent, size_t index)
{
	char number[24];

	snprintf(number, sizeof number, "%zu", index);
	return json_at_key(parent, number);
}

int json_bad(struct err *e, const struct json_at *at, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	err_say(e, EINVAL, "%s", text);
	err_at(e, at->text[0] ? at->text : "/");
	return -EINVAL;
}

static const char *type_name(const json_t *v)
{
	uint64_t big;

	if (json_big_value(v, &big))
		return "an integer beyond 2^63";
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a number with a fraction or exponent";
	case JSON_NULL:
		return "null";
	default:
		return "a boolean";
	}
}

static int wrong_type(struct err *e, const struct json_at *at, const char *key, const char *wanted,
		      const json_t *v)
{
	struct json_at here = json_at_key(at, key);

	return json_bad(e, &here, "must be %s, not %s", wanted, type_name(v));
}

int json_get_string(const json_t *o, const struct json_at *at, const char *key, const char **ret,
		    struct err *e)
{
	json_t *v = json_object_get(o, key);

	if (!v)
		return 0;
	if (!json_is_string(v))
		return wrong_type(e, at, key, "a string", v);
	*ret = json_string_value(v);
	return 1;
}

int json_get_bool(const json_t *o, const struct json_at *at, const char *key, bool *ret,
		  struct err *e)
{
	json_t *v = json_object_get(o, key);

	if (!v)
		return 0;
	if (!json_is_boolean(v))
		return wrong_type(e, at, key, "true or false", v);
	*ret = json_is_true(v);
	return 1;
}

int json_get_int(const json_t *o, const struct json_at *at, const char *key, int64_t min,
		 int64_t max, int64_t *ret, struct err *e)
{
	json_t *v = json_object_get(o, key);
	struct json_at here;

	if (!v)
		return 0;
	if (!json_is_integer(v))
		return wrong_type(e, at, key, "an integer", v);
	if (json_integer_value(v) < min || json_integer_value(v) > max) {
		here = json_at_key(at, key);
		return json_bad(e, &here, "%lld is out of range (%lld to %lld)",
				(long long)json_integer_value(v), (long long)min, (long long)max);
	}
	*ret = json_integer_value(v);
	return 1;
}

int json_get_u32(const json_t *o, const struct json_at *at, const char *key, uint32_t *ret,
		 struct err *e)
{
	int64_t value;
	int r = json_get_int(o, at, key, 0, UINT32_MAX, &value, e);

	if (r == 1)
		*ret = (uint32_t)value;
	return r;
}

int json_get_object(const json_t *o, const struct json_at *at, const char *key, json_t **ret,
		    struct err *e)
{
	json_t *v = json_object_get(o, key);
	uint64_t big;

	if (!v)
		return 0;
	if (!json_is_object(v) || json_big_value(v, &big))
		return wrong_type(e, at, key, "an object", v);
	*ret = v;
	return 1;
}

int json_get_array(const json_t *o, const struct json_at *at, const char *key, json_t **ret,
		   struct err *e)
{
	json_t *v = json_object_get(o, key);

	if (!v)
		return 0;
	if (!json_is_array(v))
		return wrong_type(e, at, key, "an array", v);
	*ret = v;
	return 1;
}

int json_get_strings(const json_t *o, const struct json_at *at, const char *key, struct arena *a,
		     char ***ret, size_t *ret_count, struct err *e)
{
	struct json_at here = json_at_key(at, key);
	json_t *array = NULL, *v;
	char **strings;
	size_t i, count;
	int r = json_get_array(o, at, key, &array, e);

	if (r <= 0)
		return r;
	count = json_array_size(array);
	strings = arena_array(a, count + 1, sizeof *strings);
	if (!strings)
		return err_set(e, ENOMEM, "%s", here.text);
	json_array_foreach(array, i, v) {
		if (!json_is_string(v)) {
			struct json_at item = json_at_index(&here, i);

			return json_bad(e, &item, "must be a string, not %s", type_name(v));
		}
		strings[i] = arena_strdup(a, json_string_value(v));
		if (!strings[i])
			return err_set(e, ENOMEM, "%s", here.text);
	}
	*ret = strings;
	if (ret_count)
		*ret_count = count;
	return 1;
}

int json_require(int got, const struct json_at *at, const char *key, struct err *e)
{
	struct json_at here;

	if (got != 0)
		return got;
	here = json_at_key(at, key);
	return json_bad(e, &here, "is required");
}
