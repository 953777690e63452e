/*
 * json.h - strict JSON over jansson, with errors that name the JSON pointer.
 *
 * Duplicate keys, trailing bytes, invalid UTF-8, NUL in strings, numbers that
 * overflow and nesting over JSON_DEPTH_LIMIT are refused when parsing. A
 * getter takes the object, the pointer of that object and a key; an absent key
 * leaves the output untouched and returns 0, a present one returns 1, a wrong
 * type or value -EINVAL with the pointer in the record. JSON null counts as a
 * wrong type. Unknown keys are not looked at (the spec says: ignore).
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/err.h"

#define JSON_DEPTH_LIMIT 64
#define JSON_BYTES_LIMIT (16u << 20) /* config.json and friends */
#define JSON_POINTER_MAX 160

static inline void json_decref_pointer(json_t **value)
{
	json_decref(*value);
}
#define _cleanup_json_ __attribute__((cleanup(json_decref_pointer)))

/* Set for good once jansson got no memory. What is built of JSON member by member need not look at
 * each: plan_check() and whoever writes JSON look here, so that nothing is left out unseen. */
extern bool json_out_of_memory;

/* Parses size bytes. `name` is what errors call the document (a path). New reference. */
int json_parse_strict(const char *data, size_t size, const char *name, json_t **ret, struct err *e);
/* Reads dirfd/path (bounded, regular files only) and parses it. New reference. */
int json_read_file(int dirfd, const char *path, json_t **ret, struct err *e);

/* The value of an integer from 2^63 to 2^64 - 1, which jansson has no type for: json_get_u64(). */
bool json_big_value(const json_t *v, uint64_t *ret);

/* A pointer while walking: base pointer + "/" + key (escaped ~0 ~1), cut with "..." if long. */
struct json_at {
	char text[JSON_POINTER_MAX];
};
struct json_at json_at_key(const struct json_at *parent, const char *key);
struct json_at json_at_index(const struct json_at *parent, size_t index);
#define JSON_AT_ROOT ((struct json_at){ "" })

/* -EINVAL with the pointer as `where`: "/a/b: must be a string, not an array". */
int json_bad(struct err *e, const struct json_at *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* 1 present, 0 absent, -EINVAL wrong. Strings are borrowed from the document. */
int json_get_string(const json_t *o, const struct json_at *at, const char *key, const char **ret,
		    struct err *e);
int json_get_bool(const json_t *o, const struct json_at *at, const char *key, bool *ret,
		  struct err *e);
int json_get_int(const json_t *o, const struct json_at *at, const char *key, int64_t min,
		 int64_t max, int64_t *ret, struct err *e);
int json_get_u32(const json_t *o, const struct json_at *at, const char *key, uint32_t *ret,
		 struct err *e);
int json_get_object(const json_t *o, const struct json_at *at, const char *key, json_t **ret,
		    struct err *e);
int json_get_array(const json_t *o, const struct json_at *at, const char *key, json_t **ret,
		   struct err *e);
/* An array of strings, copied into the arena, NULL-terminated. *ret_count may be NULL. */
int json_get_strings(const json_t *o, const struct json_at *at, const char *key, struct arena *a,
		     char ***ret, size_t *ret_count, struct err *e);
/* Requires presence: turns 0 into -EINVAL "/key: is required". */
int json_require(int got, const struct json_at *at, const char *key, struct err *e);
