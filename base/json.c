/*
 * json.c - strict JSON over jansson, with errors that name the JSON pointer.
 */
#include "base/json.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/fd.h"

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

/* --- where in the text: a light scan that tracks nesting and keys ----------- */

struct place {
	int depth;                                /* of brackets, at the offset asked for */
	bool too_deep;
	size_t too_deep_at;
	struct {
		size_t key, key_len;              /* of the member being read; 0 when none */
		size_t index;
		bool array;
	} level[JSON_DEPTH_LIMIT + 1];
};

static size_t skip_string(const char *s, size_t size, size_t i)
{
	for (i++; i < size && s[i] != '"'; i++)
		if (s[i] == '\\')
			i++;
	return i;
}

/* Walks the text up to `end` and leaves the nesting at that place. Tolerates bad JSON. */
static void find_place(const char *s, size_t size, size_t end, struct place *p)
{
	memset(p, 0, sizeof *p);
	for (size_t i = 0; i < size && i < end; i++) {
		if (s[i] == '{' || s[i] == '[') {
			if (p->depth == JSON_DEPTH_LIMIT) {
				p->too_deep = true;
				p->too_deep_at = i;
				return;
			}
			p->depth++;
			p->level[p->depth].array = s[i] == '[';
			p->level[p->depth].index = 0;
			p->level[p->depth].key_len = 0;
		} else if ((s[i] == '}' || s[i] == ']') && p->depth > 0) {
			p->depth--;
		} else if (s[i] == ',') {
			p->level[p->depth].index++;
		} else if (s[i] == '"') {
			size_t close = skip_string(s, size, i), next = close + 1;

			while (next < size && isspace((unsigned char)s[next]))
				next++;
			if (!p->level[p->depth].array && next < size && s[next] == ':') {
				p->level[p->depth].key = i + 1;
				p->level[p->depth].key_len = close - i - 1;
			}
			i = close;
		}
	}
}

static struct json_at place_pointer(const char *s, const struct place *p)
{
	struct json_at at = JSON_AT_ROOT;
	char key[64];

	for (int d = 1; d <= p->depth; d++) {
		if (p->level[d].array) {
			at = json_at_index(&at, p->level[d].index);
		} else if (p->level[d].key_len) {
			snprintf(key, sizeof key, "%.*s",
				 p->level[d].key_len > 60 ? 60 : (int)p->level[d].key_len,
				 s + p->level[d].key);
			at = json_at_key(&at, key);
		}
	}
	return at;
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

static json_t *load(const char *data, size_t size, json_error_t *ret_error)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
	_cleanup_free_ char *admitted = NULL;
	json_t *root;

	seed_hashes();
	root = json_loadb(data, size, flags, ret_error);
	if (root || json_error_code(ret_error) != json_error_numeric_overflow)
		return root;
	admitted = json_admit_big(data, size);
	return admitted ? json_loadb(admitted, size, flags, ret_error) : NULL;
}

int json_parse_strict(const char *data, size_t size, const char *name, json_t **ret, struct err *e)
{
	struct place place;
	struct json_at at;
	json_error_t error;
	const char *nul;
	json_t *root;

	/* jansson ends a word such as "false" at a NUL, and goes on behind it. */
	nul = memchr(data, '\0', size);
	if (nul) {
		find_place(data, size, (size_t)(nul - data), &place);
		at = place_pointer(data, &place);
		err_say(e, EINVAL, "holds a NUL, at byte %zu", (size_t)(nul - data));
		err_at(e, at.text);
		return err_wrap(e, "%s", name);
	}
	find_place(data, size, size, &place);
	if (place.too_deep) {
		at = place_pointer(data, &place);
		err_say(e, EINVAL, "nested deeper than %d levels, at byte %zu", JSON_DEPTH_LIMIT,
			place.too_deep_at);
		err_at(e, at.text);
		return err_wrap(e, "%s", name);
	}
	root = load(data, size, &error);
	if (!root) {
		if (json_error_code(&error) == json_error_out_of_memory)
			return err_set(e, ENOMEM, "%s", name);
		find_place(data, size, error.position > 0 ? (size_t)error.position : 0, &place);
		at = place_pointer(data, &place);
		err_say(e, EINVAL, "%s (line %d, column %d)", error.text, error.line, error.column);
		err_at(e, at.text);
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
	struct buf b = BUF_ON(at.text);

	buf_reset(&b);
	buf_addf(&b, "%s/", parent->text);
	for (; *key; key++) {
		if (*key == '~' || *key == '/')
			buf_add(&b, *key == '~' ? "~0" : "~1");
		else
			buf_add_char(&b, *key);
	}
	if (buf_truncated(&b))
		memcpy(at.text + sizeof at.text - 4, "...", 4);
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
